#include <gnutls/x509.h>

#include "http.h"

/* AES-128-GCM, X25519 and server preference: what costs least on every CPU with AES
 * instructions; kube-apiserver (Go) offers the same first. No session tickets: the
 * API server keeps connections and GnuTLS would spend a key derivation on each. */
#define CHOICES                                                                                                        \
    "NONE:+MAC-ALL:+SIGN-ALL:-SIGN-RSA-SHA1:-SIGN-ECDSA-SHA1:-SIGN-DSA-SHA1:+CTYPE-X509:+COMP-NULL"                    \
    ":+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:+ECDHE-ECDSA:+ECDHE-RSA"                                         \
    ":+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:%SERVER_PRECEDENCE:%NO_TICKETS:+VERS-TLS1.3"

const char *tls_priorities(bool tls12)
{
    return tls12 ? CHOICES ":+VERS-TLS1.2" : CHOICES;
}

static gnutls_datum_t datum(struct str text)
{
    union {
        const char *read_only;
        unsigned char *bytes;
    } pointer = {text.ptr};
    return (gnutls_datum_t){pointer.bytes, (unsigned)text.len};
}

static bool has_certificate(struct str pem)
{
    gnutls_datum_t data = datum(pem);
    gnutls_x509_crt_t *list = NULL;
    unsigned count = 0;
    if (gnutls_x509_crt_list_import2(&list, &count, &data, GNUTLS_X509_FMT_PEM, 0) != GNUTLS_E_SUCCESS)
        return false;
    for (unsigned i = 0; i < count; i++)
        gnutls_x509_crt_deinit(list[i]);
    gnutls_free(list);
    return count > 0;
}

static bool has_key(struct str pem)
{
    gnutls_datum_t data = datum(pem);
    gnutls_x509_privkey_t key;
    if (gnutls_x509_privkey_init(&key) != GNUTLS_E_SUCCESS)
        return false;
    bool readable = gnutls_x509_privkey_import2(key, &data, GNUTLS_X509_FMT_PEM, NULL, 0) == GNUTLS_E_SUCCESS;
    gnutls_x509_privkey_deinit(key);
    return readable;
}

bool tls_check(struct str certificate, struct str key, struct error *error)
{
    if (!has_certificate(certificate))
        return error_set(error, 0, "the TLS certificate holds no readable PEM certificate");
    if (!has_key(key))
        return error_set(error, 0,
                         "the TLS key holds no readable PEM private key (keys with a passphrase do not work)");
    gnutls_certificate_credentials_t credentials;
    if (gnutls_certificate_allocate_credentials(&credentials) != GNUTLS_E_SUCCESS)
        return error_set(error, 0, "out of memory while loading the TLS certificate");
    gnutls_datum_t certificate_data = datum(certificate), key_data = datum(key);
    int result =
        gnutls_certificate_set_x509_key_mem2(credentials, &certificate_data, &key_data, GNUTLS_X509_FMT_PEM, NULL, 0);
    gnutls_certificate_free_credentials(credentials);
    if (result == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
        return error_set(error, 0, "the TLS key does not belong to the certificate");
    if (result < 0)
        return error_set(error, 0, "the TLS certificate and key cannot be used: %s", gnutls_strerror(result));
    return true;
}
