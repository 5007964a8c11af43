/* Issues certificates: a CA of our own, and serving certificates of it. */
#include <openssl/ec.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pki/pki.h"

enum { SERIAL_BYTES = 16, SANS_MAX = 4096, CERTIFICATE_BYTES_MAX = 64 * 1024 };

static bool set_serial(X509 *certificate)
{
    unsigned char bytes[SERIAL_BYTES];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    bytes[0] &= 0x7f; /* serials are positive */
    bytes[0] |= 0x40; /* and of one length */
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool set = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    return set;
}

static bool set_names(X509 *certificate, const struct pki_profile *profile, X509 *issuer)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    size_t length = strlen(profile->common_name);
    if (length > 64) /* the bound of X.520's CommonName; clients look at the SANs anyway */
        length = 64;
    return X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_UTF8, (const unsigned char *)"backstop", -1, -1, 0) &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)profile->common_name,
                                      (int)length, -1, 0) &&
           X509_set_issuer_name(certificate, X509_get_subject_name(issuer ? issuer : certificate));
}

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool added = extension && X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return added;
}

static void alternative_names(const struct pki_profile *profile, struct buf *out)
{
    for (const char *const *name = profile->dns_names; name && *name; name++)
        buf_printf(out, "%sDNS:%s", out->len ? "," : "", *name);
    for (const char *const *address = profile->addresses; address && *address; address++)
        buf_printf(out, "%sIP:%s", out->len ? "," : "", *address);
}

static bool add_extensions(X509 *certificate, const struct pki_profile *profile, X509 *issuer)
{
    const struct {
        int nid;
        const char *ca, *serving;
    } rows[] = {
        {NID_basic_constraints, "critical,CA:TRUE,pathlen:0", "critical,CA:FALSE"},
        {NID_key_usage, "critical,keyCertSign,cRLSign", "critical,digitalSignature"},
        {NID_ext_key_usage, NULL, "serverAuth"},
        {NID_subject_key_identifier, "hash", "hash"},
        {NID_authority_key_identifier, NULL, "keyid:always"},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        const char *value = issuer ? rows[i].serving : rows[i].ca;
        if (value && !add_extension(certificate, issuer ? issuer : certificate, rows[i].nid, value))
            return false;
    }
    BUF_SCOPED names;
    buf_init(&names, SANS_MAX);
    alternative_names(profile, &names);
    return names.len == 0 || (!names.failed && add_extension(certificate, issuer ? issuer : certificate,
                                                             NID_subject_alt_name, names.data));
}

static bool to_pair(struct arena *arena, X509 *certificate, EVP_PKEY *key, struct pki_pair *pair)
{
    BUF_SCOPED pem;
    buf_init(&pem, CERTIFICATE_BYTES_MAX);
    if (!pki_certificate_to_pem(certificate, &pem) || !pki_key_to_pem(arena, key, &pair->key))
        return false;
    pair->certificate = arena_copy(arena, buf_str(&pem));
    return pair->certificate.ptr != NULL;
}

/* Issued by `issuer` with its key, or self-signed when both are NULL. */
static bool certificate_issue(struct arena *arena, const struct pki_profile *profile, X509 *issuer,
                              EVP_PKEY *issuer_key, struct pki_pair *pair, struct error *error)
{
    *pair = (struct pki_pair){0};
    KEY_SCOPED key = EVP_EC_gen("P-256");
    X509_SCOPED certificate = X509_new();
    bool built = key && certificate && X509_set_version(certificate, X509_VERSION_3) && set_serial(certificate) &&
                 ASN1_TIME_set(X509_getm_notBefore(certificate), profile->not_before) &&
                 ASN1_TIME_set(X509_getm_notAfter(certificate), profile->not_after) &&
                 set_names(certificate, profile, issuer) && X509_set_pubkey(certificate, key) &&
                 add_extensions(certificate, profile, issuer) &&
                 X509_sign(certificate, issuer_key ? issuer_key : key, EVP_sha256()) > 0 &&
                 to_pair(arena, certificate, key, pair);
    return built || pki_openssl_error(error, "cannot issue a certificate");
}

bool pki_issue_ca(struct arena *arena, const struct pki_profile *profile, struct pki_pair *ca, struct error *error)
{
    return certificate_issue(arena, profile, NULL, NULL, ca, error);
}

bool pki_issue_serving(struct arena *arena, const struct pki_profile *profile, const struct pki_pair *ca,
                       struct pki_pair *serving, struct error *error)
{
    *serving = (struct pki_pair){0};
    X509_SCOPED issuer = pki_certificate_from_pem(ca->certificate, error);
    KEY_SCOPED issuer_key = issuer ? pki_key_from_pem(ca->key, error) : NULL;
    if (!issuer || !issuer_key)
        return error_wrap(error, "the CA");
    if (X509_check_private_key(issuer, issuer_key) != 1)
        return error_set(error, 422, "the CA's private key does not match its certificate");
    return certificate_issue(arena, profile, issuer, issuer_key, serving, error);
}
