/* A pair is verified before it is served and before a bundle is published: a certificate that
 * the API server refuses makes every review fail, and with failurePolicy Fail stops the kinds
 * that are reviewed. OpenSSL decides on chains and names, GnuTLS, which serves, on whether it
 * can use the pair. */
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pki/pki.h"

/* Whether a pair can be served, by all that an API server will look at; and bundles of CAs, joined without repeating one. */

enum { BUNDLE_BYTES_MAX = 1024 * 1024 };

static bool bundle_has(STACK_OF(X509) * all, int before, X509 *wanted)
{
    for (int i = 0; i < before; i++)
        if (X509_cmp(sk_X509_value(all, i), wanted) == 0)
            return true;
    return false;
}

/* Expired CAs are dropped on the way, so that a bundle which is joined at each renewal does not
 * grow for ever. */
static void push_all(STACK_OF(X509) * all, struct str pem, int64_t now, struct arena *arena)
{
    X509_STACK_SCOPED some = pki_certificates_from_pem(pem);
    for (int i = 0; i < sk_X509_num(some); i++) {
        X509 *certificate = sk_X509_value(some, i);
        if (bundle_has(all, sk_X509_num(all), certificate) || pki_time(X509_get0_notAfter(certificate)) < now)
            continue;
        /* OpenSSL reads certificates that are no DER and writes them so that nobody can read them again. */
        unsigned char *der = NULL;
        int len = i2d_X509(certificate, &der);
        const unsigned char *at = der;
        X509_SCOPED again = len > 0 ? d2i_X509(NULL, &at, len) : NULL;
        bool same = again && X509_cmp(again, certificate) == 0;
        OPENSSL_free(der);
        ERR_clear_error();
        if (!same)
            continue;
        if (!X509_up_ref(certificate) || !sk_X509_push(all, certificate))
            arena_fail(arena);
    }
}

/* Each text is read for itself: one that was cut off must not swallow what begins the other. */
struct str pki_bundle_join(struct arena *arena, struct str first, struct str second, int64_t now)
{
    X509_STACK_SCOPED all = sk_X509_new_null();
    BUF_SCOPED out;
    buf_init(&out, BUNDLE_BYTES_MAX);
    if (!all) {
        arena_fail(arena);
        return (struct str){NULL, 0};
    }
    push_all(all, first, now, arena);
    push_all(all, second, now, arena);
    for (int i = 0; i < sk_X509_num(all); i++)
        pki_certificate_to_pem(sk_X509_value(all, i), &out);
    return arena_copy(arena, arena_text(arena, &out));
}

bool pki_bundle_has(struct str bundle, struct str certificate)
{
    struct error ignored;
    X509_STACK_SCOPED all = pki_certificates_from_pem(bundle);
    X509_SCOPED wanted = pki_certificate_from_pem(certificate, &ignored);
    return wanted && bundle_has(all, sk_X509_num(all), wanted);
}

static void store_cleanup(X509_STORE **store)
{
    X509_STORE_free(*store);
}

static void context_cleanup(X509_STORE_CTX **context)
{
    X509_STORE_CTX_free(*context);
}

/* The common name is never looked at, as Go has not since 1.15. */
static bool verify_names(X509 *leaf, const struct pki_facts *facts, const char *const *dns_names, struct error *error)
{
    for (; dns_names && *dns_names; dns_names++) {
        if (X509_check_host(leaf, *dns_names, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1)
            continue;
        return error_set(error, 422, "the certificate is not valid for %s: its names are %s", *dns_names,
                         facts->dns_names[0] ? facts->dns_names : "none (no subjectAltName)");
    }
    return true;
}

static X509_STORE *store_of(STACK_OF(X509) * roots)
{
    X509_STORE *store = X509_STORE_new();
    for (int i = 0; store && i < sk_X509_num(roots); i++)
        X509_STORE_add_cert(store, sk_X509_value(roots, i));
    return store;
}

/* As Go's crypto/x509: any certificate of the bundle is an anchor, self-signed or not. The chain
 * that is served comes from the same PEM text, behind the leaf. */
static bool check_chain(X509 *leaf, struct str chain_pem, struct str bundle, int64_t now, struct error *error)
{
    X509_STACK_SCOPED roots = pki_certificates_from_pem(bundle);
    X509_STACK_SCOPED chain = pki_certificates_from_pem(chain_pem);
    if (!roots)
        return error_set(error, 422, "the CA bundle contains no certificate");
    CLEANUP(store_cleanup) X509_STORE *store = store_of(roots);
    CLEANUP(context_cleanup) X509_STORE_CTX *context = X509_STORE_CTX_new();
    if (!store || !context || !X509_STORE_CTX_init(context, store, leaf, chain))
        return pki_openssl_error(error, "cannot verify the chain");
    X509_STORE_CTX_set_time(context, 0, (time_t)now);
    X509_STORE_CTX_set_flags(context, X509_V_FLAG_PARTIAL_CHAIN);
    X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_SERVER);
    int verified = X509_verify_cert(context);
    int reason = X509_STORE_CTX_get_error(context);
    ERR_clear_error();
    if (verified == 1)
        return true;
    return error_set(error, 422, "no CA in the bundle signed the certificate: %s",
                     X509_verify_cert_error_string(reason));
}

/* By OpenSSL, which knows wildcards and names as Go does, and chains. */
static bool check_trust(const struct pki_pair *pair, const struct pki_facts *facts, struct str ca_bundle,
                        const char *const *dns_names, int64_t now, struct error *error)
{
    X509_SCOPED leaf = pki_certificate_from_pem(pair->certificate, error);
    if (!leaf)
        return error_wrap(error, "the certificate");
    return verify_names(leaf, facts, dns_names, error) &&
           (ca_bundle.len == 0 || check_chain(leaf, pair->certificate, ca_bundle, now, error));
}

/* From the cheap to the costly, and in the order in which a person would look: pair, dates,
 * usage, names, chain. */
bool pki_verify_facts(const struct pki_pair *pair, int64_t now, struct pki_facts *facts, struct error *error)
{
    CERTIFICATE_SCOPED leaf = facts_certificate(pair->certificate, error);
    if (!leaf)
        return error_wrap(error, "the certificate");
    PRIVATE_KEY_SCOPED key = facts_key(pair->key, error);
    if (!key)
        return error_wrap(error, "the key");
    if (!facts_key_fits(leaf, key))
        return error_set(error, 422, "the private key does not match the certificate");
    facts_of(leaf, facts);
    char text[TIME_TEXT_SIZE];
    if (now < facts->not_before)
        return error_set(error, 422, "the certificate is not valid before %s", time_format(facts->not_before, 0, text));
    if (now > facts->not_after)
        return error_set(error, 422, "the certificate expired at %s", time_format(facts->not_after, 0, text));
    return facts_for_servers(leaf) ||
           error_set(error, 422, "not a server certificate: extendedKeyUsage lacks serverAuth");
}

bool pki_verify(const struct pki_pair *pair, struct str ca_bundle, const char *const *dns_names, int64_t now,
                struct error *error)
{
    struct pki_facts facts = {.is_ca = false};
    bool trust_asked = ca_bundle.len > 0 || (dns_names && *dns_names);
    return pki_verify_facts(pair, now, &facts, error) &&
           (!trust_asked || check_trust(pair, &facts, ca_bundle, dns_names, now, error));
}

/* Issues certificates: a CA of our own, and serving certificates of it. */

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

/* The CA may sign leaves only (pathlen:0), and the leaf may only serve: a stolen serving key
 * cannot issue. */
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
    for (const char *const *name = profile->dns_names; name && *name; name++)
        buf_printf(&names, "%sDNS:%s", names.len ? "," : "", *name);
    for (const char *const *address = profile->addresses; address && *address; address++)
        buf_printf(&names, "%sIP:%s", names.len ? "," : "", *address);
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
