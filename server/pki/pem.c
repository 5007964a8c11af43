/* PEM in and out, for OpenSSL, which issues and verifies, and for GnuTLS, which the listener serves with and which shows
 * names as clients will see them. */
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "pki/facts.h"
#include "pki/pki.h"

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
        error_set(error, 500, "out of memory while reading a certificate");
        return NULL;
    }
    if (gnutls_x509_crt_import(certificate, &data, GNUTLS_X509_FMT_PEM) != GNUTLS_E_SUCCESS) {
        error_set(error, 422, "not a PEM certificate (-----BEGIN CERTIFICATE-----)");
        return NULL;
    }
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
        error_set(error, 500, "out of memory while reading a private key");
        return NULL;
    }
    if (gnutls_x509_privkey_import2(key, &data, GNUTLS_X509_FMT_PEM, NULL, 0) != GNUTLS_E_SUCCESS) {
        error_set(error, 422, "%s", pki_no_key(pem));
        return NULL;
    }
    gnutls_x509_privkey_t read = key;
    key = NULL;
    return read;
}

bool facts_key_fits(gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key)
{
    unsigned char of_certificate[64], of_key[64];
    size_t sizes[] = {sizeof of_certificate, sizeof of_key};
    return gnutls_x509_crt_get_key_id(certificate, GNUTLS_KEYID_USE_SHA256, of_certificate, &sizes[0]) == 0 &&
           gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, of_key, &sizes[1]) == 0 &&
           sizes[0] == sizes[1] && memcmp(of_certificate, of_key, sizes[0]) == 0;
}

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
