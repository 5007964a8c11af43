#include <openssl/err.h>

#include "pki/pki.h"

enum { BUNDLE_BYTES_MAX = 1024 * 1024 };

static bool bundle_has(STACK_OF(X509) * all, int before, X509 *wanted)
{
    for (int i = 0; i < before; i++)
        if (X509_cmp(sk_X509_value(all, i), wanted) == 0)
            return true;
    return false;
}

/* OpenSSL reads certificates that are no DER and writes them so that nobody can read them again. */
static bool is_written_as_it_was(X509 *certificate)
{
    unsigned char *der = NULL;
    int len = i2d_X509(certificate, &der);
    const unsigned char *at = der;
    X509_SCOPED again = len > 0 ? d2i_X509(NULL, &at, len) : NULL;
    bool same = again && X509_cmp(again, certificate) == 0;
    OPENSSL_free(der);
    ERR_clear_error();
    return same;
}

static void push_all(STACK_OF(X509) * all, struct str pem, int64_t now, struct arena *arena)
{
    X509_STACK_SCOPED some = pki_certificates_from_pem(pem);
    for (int i = 0; i < sk_X509_num(some); i++) {
        X509 *certificate = sk_X509_value(some, i);
        if (bundle_has(all, sk_X509_num(all), certificate) || pki_time(X509_get0_notAfter(certificate)) < now)
            continue;
        if (!is_written_as_it_was(certificate))
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
