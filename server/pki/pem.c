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

const char *pki_no_key(struct str pem)
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
