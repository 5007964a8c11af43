/* X.509 read and written as PEM, and what of a certificate is shown: names, serial, key, dates. */
#include <arpa/inet.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pki/pki.h"

/* In the order and with the escapes of RFC 2253; what is not plain ASCII as in its hexadecimal form. */
static void print_name(gnutls_x509_crt_t certificate,
                       int (*get)(gnutls_x509_crt_t certificate, gnutls_datum_t *name, unsigned flags), char *out,
                       size_t size)
{
    BUF_SCOPED text;
    gnutls_datum_t name = {0};
    buf_init(&text, size - 1);
    if (get(certificate, &name, 0) != GNUTLS_E_SUCCESS)
        name.size = 0;
    for (unsigned i = 0; i < name.size; i++)
        if (name.data[i] < 0x20 || name.data[i] >= 0x7f)
            buf_printf(&text, "\\%02X", name.data[i]);
        else
            buf_putc(&text, (char)name.data[i]);
    gnutls_free(name.data);
    snprintf(out, size, "%.*s", STR_ARG(buf_str(&text)));
}

/* As `openssl x509 -serial` prints it, to be compared by eye. */
static void print_serial(gnutls_x509_crt_t certificate, char *out, size_t size)
{
    unsigned char bytes[64];
    size_t count = sizeof bytes, at = 0;
    out[0] = '\0';
    if (gnutls_x509_crt_get_serial(certificate, bytes, &count) != GNUTLS_E_SUCCESS)
        return;
    while (at + 1 < count && bytes[at] == 0) /* a leading 0 only keeps the number positive */
        at++;
    for (size_t used = 0; at < count && used + 2 < size; at++, used += 2)
        snprintf(out + used, size - used, "%02X", bytes[at]);
}

/* GnuTLS has names of its own for the NIST curves; certificates and their tools use these. */
static const char *curve_name(gnutls_ecc_curve_t curve)
{
    return curve == GNUTLS_ECC_CURVE_SECP256R1   ? "P-256"
           : curve == GNUTLS_ECC_CURVE_SECP384R1 ? "P-384"
           : curve == GNUTLS_ECC_CURVE_SECP521R1 ? "P-521"
                                                 : gnutls_ecc_curve_get_name(curve);
}

static void print_key_type(gnutls_x509_crt_t certificate, char *out, size_t size)
{
    unsigned bits = 0;
    int algorithm = gnutls_x509_crt_get_pk_algorithm(certificate, &bits);
    gnutls_ecc_curve_t curve;
    gnutls_datum_t x = {0}, y = {0};
    const char *name = algorithm >= 0 ? gnutls_pk_algorithm_get_name((gnutls_pk_algorithm_t)algorithm) : NULL;
    if (algorithm == GNUTLS_PK_ECDSA && gnutls_x509_crt_get_pk_ecc_raw(certificate, &curve, &x, &y) == 0)
        snprintf(out, size, "ECDSA %s", curve_name(curve));
    else if (name)
        snprintf(out, size, "%s %u", name, bits);
    else
        snprintf(out, size, "unknown");
    gnutls_free(x.data);
    gnutls_free(y.data);
}

/* Names are ASCII; what is not could steer the terminal of whoever reads them. */
static void add_dns_name(struct buf *out, struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        buf_putc(out, name.ptr[i] > ' ' && name.ptr[i] < 0x7f ? name.ptr[i] : '?');
}

static void print_alternatives(gnutls_x509_crt_t certificate, char *out, size_t size)
{
    BUF_SCOPED text;
    buf_init(&text, size - 1);
    for (unsigned i = 0;; i++) {
        char name[256], address[INET6_ADDRSTRLEN];
        size_t length = sizeof name;
        int type = gnutls_x509_crt_get_subject_alt_name(certificate, i, name, &length, NULL);
        if (type == GNUTLS_E_SHORT_MEMORY_BUFFER)
            continue;
        if (type < 0)
            break;
        bool is_address =
            type == GNUTLS_SAN_IPADDRESS &&
            inet_ntop(length == sizeof(struct in_addr) ? AF_INET : AF_INET6, name, address, sizeof address);
        if (type != GNUTLS_SAN_DNSNAME && !is_address)
            continue;
        buf_puts(&text, text.len ? "," : "");
        add_dns_name(&text, is_address ? str_from(address) : (struct str){name, length});
    }
    snprintf(out, size, "%.*s", STR_ARG(buf_str(&text)));
}

static int64_t asn1_seconds(time_t time)
{
    return time == (time_t)-1 ? 0 : time;
}

void facts_of(gnutls_x509_crt_t certificate, struct pki_facts *facts)
{
    *facts = (struct pki_facts){.not_before = asn1_seconds(gnutls_x509_crt_get_activation_time(certificate)),
                                .not_after = asn1_seconds(gnutls_x509_crt_get_expiration_time(certificate)),
                                .is_ca = gnutls_x509_crt_get_ca_status(certificate, NULL) > 0,
                                .self_signed = gnutls_x509_crt_check_issuer(certificate, certificate)};
    print_name(certificate, gnutls_x509_crt_get_dn3, facts->subject, sizeof facts->subject);
    print_name(certificate, gnutls_x509_crt_get_issuer_dn3, facts->issuer, sizeof facts->issuer);
    print_serial(certificate, facts->serial, sizeof facts->serial);
    print_key_type(certificate, facts->key_type, sizeof facts->key_type);
    print_alternatives(certificate, facts->dns_names, sizeof facts->dns_names);
}

bool pki_read(struct str certificate, struct pki_facts *facts, struct error *error)
{
    CERTIFICATE_SCOPED read = facts_certificate(certificate, error);
    if (!read)
        return false;
    facts_of(read, facts);
    return true;
}

/* At two thirds, as cert-manager does; jitter keeps replicas apart. `jitter` is between 0 and 1,
 * and moves the time by up to a twentieth of the certificate's life. */
int64_t pki_renewal_time(const struct pki_facts *facts, double jitter)
{
    int64_t life = facts->not_after - facts->not_before;
    return facts->not_before + life * 2 / 3 + (int64_t)((double)life / 20 * jitter);
}

/* PEM in and out, for OpenSSL, which issues and verifies, and for GnuTLS, which the listener serves with and which shows
 * names as clients will see them. */

void pki_x509_cleanup(X509 **certificate)
{
    X509_free(*certificate);
}

void pki_key_cleanup(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

void pki_stack_cleanup(STACK_OF(X509) * *stack)
{
    sk_X509_pop_free(*stack, X509_free);
}

static void bio_cleanup(BIO **bio)
{
    BIO_free_all(*bio);
}

/* The oldest error in the queue is the cause, later ones only say what failed because of it. The
 * queue is per thread and must be empty for the next call. */
bool pki_openssl_error(struct error *error, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    ERR_clear_error();
    return error_set(error, 500, "%s: %s", what, reason ? reason : "OpenSSL reported no reason");
}

static BIO *pem_memory(struct str text)
{
    return text.len <= INT_MAX ? BIO_new_mem_buf(text.ptr ? text.ptr : "", (int)text.len) : NULL;
}

/* What is encrypted, be it a certificate, must fail rather than ask the terminal for its password. */
static int no_password(char *buffer, int size, int writing, void *context)
{
    (void)buffer, (void)size, (void)writing, (void)context;
    return -1;
}

X509 *pki_certificate_from_pem(struct str pem, struct error *error)
{
    CLEANUP(bio_cleanup) BIO *bio = pem_memory(pem);
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;
    if (!certificate) {
        ERR_clear_error();
        error_set(error, 422, "not a PEM certificate (-----BEGIN CERTIFICATE-----)");
    }
    return certificate;
}

/* Ends at the first block that cannot be read, and gives what came before it. */
STACK_OF(X509) * pki_certificates_from_pem(struct str pem)
{
    CLEANUP(bio_cleanup) BIO *bio = pem_memory(pem);
    STACK_OF(X509) *all = sk_X509_new_null();
    X509 *certificate;
    while (bio && all && (certificate = PEM_read_bio_X509(bio, NULL, no_password, NULL)))
        if (!sk_X509_push(all, certificate))
            X509_free(certificate);
    ERR_clear_error();
    if (all && sk_X509_num(all) > 0)
        return all;
    sk_X509_free(all);
    return NULL;
}

static const char *pki_no_key(struct str pem)
{
    return str_contains(pem, STR("ENCRYPTED")) ? "the private key is encrypted: use one without a password"
                                               : "not a PEM private key (-----BEGIN PRIVATE KEY-----)";
}

EVP_PKEY *pki_key_from_pem(struct str pem, struct error *error)
{
    CLEANUP(bio_cleanup) BIO *bio = pem_memory(pem);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    if (!key) {
        ERR_clear_error();
        error_set(error, 422, "%s", pki_no_key(pem));
    }
    return key;
}

bool pki_certificate_to_pem(X509 *certificate, struct buf *out)
{
    CLEANUP(bio_cleanup) BIO *bio = BIO_new(BIO_s_mem());
    char *bytes;
    if (!bio || !PEM_write_bio_X509(bio, certificate))
        return false;
    long length = BIO_get_mem_data(bio, &bytes);
    buf_add(out, (struct str){bytes, length > 0 ? (size_t)length : 0});
    return !out->failed;
}

bool pki_key_to_pem(struct arena *arena, EVP_PKEY *key, struct str *out)
{
    CLEANUP(bio_cleanup) BIO *bio = BIO_new(BIO_s_secmem()); /* zeroed when freed */
    char *bytes;
    if (!bio || !PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL))
        return false;
    long length = BIO_get_mem_data(bio, &bytes);
    *out = arena_copy(arena, (struct str){bytes, length > 0 ? (size_t)length : 0});
    return out->len > 0;
}

/* Dates of certificates are UTC, and timegm is no part of ISO C; the project's own calendar
 * does. */
int64_t pki_time(const ASN1_TIME *time)
{
    struct tm parts;
    if (!time || !ASN1_TIME_to_tm(time, &parts))
        return 0;
    const struct civil civil = {.year = parts.tm_year + 1900,
                                .month = parts.tm_mon + 1,
                                .day = parts.tm_mday,
                                .hour = parts.tm_hour,
                                .minute = parts.tm_min,
                                .second = parts.tm_sec};
    return unix_from_civil(&civil);
}

void facts_certificate_cleanup(gnutls_x509_crt_t *certificate)
{
    if (*certificate)
        gnutls_x509_crt_deinit(*certificate);
}

void facts_key_cleanup(gnutls_x509_privkey_t *key)
{
    if (*key)
        gnutls_x509_privkey_deinit(*key);
}

static gnutls_datum_t facts_datum(struct str text)
{
    return (gnutls_datum_t){text_for_reader(text.ptr ? text.ptr : ""), text.len <= UINT32_MAX ? (unsigned)text.len : 0};
}

gnutls_x509_crt_t facts_certificate(struct str pem, struct error *error)
{
    CERTIFICATE_SCOPED certificate = NULL;
    gnutls_datum_t data = facts_datum(pem);
    if (gnutls_x509_crt_init(&certificate) != GNUTLS_E_SUCCESS) {
        certificate = NULL;
        return error_null(error, 500, "out of memory while reading a certificate");
    }
    if (gnutls_x509_crt_import(certificate, &data, GNUTLS_X509_FMT_PEM) != GNUTLS_E_SUCCESS)
        return error_null(error, 422, "not a PEM certificate (-----BEGIN CERTIFICATE-----)");
    gnutls_x509_crt_t read = certificate;
    certificate = NULL;
    return read;
}

gnutls_x509_privkey_t facts_key(struct str pem, struct error *error)
{
    PRIVATE_KEY_SCOPED key = NULL;
    gnutls_datum_t data = facts_datum(pem);
    if (gnutls_x509_privkey_init(&key) != GNUTLS_E_SUCCESS) {
        key = NULL;
        return error_null(error, 500, "out of memory while reading a private key");
    }
    if (gnutls_x509_privkey_import2(key, &data, GNUTLS_X509_FMT_PEM, NULL, 0) != GNUTLS_E_SUCCESS)
        return error_null(error, 422, "%s", pki_no_key(pem));
    gnutls_x509_privkey_t read = key;
    key = NULL;
    return read;
}

/* The key id is a hash of the public key, whatever its algorithm: equal ids, same pair. A key's file says its public
 * half itself, so that half is calculated anew: what would be signed with another one no client accepts. */
bool facts_key_fits(gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key)
{
    unsigned char of_certificate[64], of_key[64];
    size_t sizes[] = {sizeof of_certificate, sizeof of_key};
    return gnutls_x509_crt_get_key_id(certificate, GNUTLS_KEYID_USE_SHA256, of_certificate, &sizes[0]) == 0 &&
           gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, of_key, &sizes[1]) == 0 &&
           sizes[0] == sizes[1] && memcmp(of_certificate, of_key, sizes[0]) == 0 &&
           gnutls_x509_privkey_verify_params(key) == GNUTLS_E_SUCCESS;
}

/* A certificate without any extendedKeyUsage is good for everything (RFC 5280, 4.2.1.12). */
bool facts_for_servers(gnutls_x509_crt_t certificate)
{
    for (unsigned i = 0;; i++) {
        char purpose[128];
        size_t size = sizeof purpose;
        int got = gnutls_x509_crt_get_key_purpose_oid(certificate, i, purpose, &size, NULL);
        if (got == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            return i == 0;
        if (got != GNUTLS_E_SUCCESS && got != GNUTLS_E_SHORT_MEMORY_BUFFER)
            return false;
        if (got == GNUTLS_E_SUCCESS && strcmp(purpose, GNUTLS_KP_TLS_WWW_SERVER) == 0)
            return true;
    }
}
