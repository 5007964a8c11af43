#include "pki/facts.h"

#include <string.h>

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
