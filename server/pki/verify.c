#include <openssl/err.h>
#include <stdio.h>
#include <time.h>

#include "pki/facts.h"
#include "pki/pki.h"

static void store_cleanup(X509_STORE **store)
{
    X509_STORE_free(*store);
}

static void context_cleanup(X509_STORE_CTX **context)
{
    X509_STORE_CTX_free(*context);
}

static bool check_dates(const struct pki_facts *facts, int64_t now, struct error *error)
{
    char text[TIME_TEXT_SIZE];
    if (now < facts->not_before)
        return error_set(error, 422, "the certificate is not valid before %s", time_format(facts->not_before, 0, text));
    if (now > facts->not_after)
        return error_set(error, 422, "the certificate expired at %s", time_format(facts->not_after, 0, text));
    return true;
}

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

/* As Go's crypto/x509: any certificate of the bundle is an anchor, self-signed or not. */
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

bool pki_verify(const struct pki_pair *pair, struct str ca_bundle, const char *const *dns_names, int64_t now,
                struct error *error)
{
    struct pki_facts facts;
    CERTIFICATE_SCOPED leaf = facts_certificate(pair->certificate, error);
    if (!leaf)
        return error_wrap(error, "the certificate");
    PRIVATE_KEY_SCOPED key = facts_key(pair->key, error);
    if (!key)
        return error_wrap(error, "the key");
    if (!facts_key_fits(leaf, key))
        return error_set(error, 422, "the private key does not match the certificate");
    facts_of(leaf, &facts);
    if (!check_dates(&facts, now, error))
        return false;
    if (!facts_for_servers(leaf))
        return error_set(error, 422, "not a server certificate: extendedKeyUsage lacks serverAuth");
    bool trust_asked = ca_bundle.len > 0 || (dns_names && *dns_names);
    return !trust_asked || check_trust(pair, &facts, ca_bundle, dns_names, now, error);
}
