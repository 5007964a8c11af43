#include "pki.h"

enum { BUNDLE_BYTES_MAX = 1024 * 1024 };

static bool has(STACK_OF(X509) * all, int before, X509 *wanted)
{
    for (int i = 0; i < before; i++)
        if (X509_cmp(sk_X509_value(all, i), wanted) == 0)
            return true;
    return false;
}

struct str pki_bundle_join(struct arena *arena, struct str first, struct str second, int64_t now)
{
    struct str joined = arena_printf(arena, "%.*s\n%.*s", STR_ARG(first), STR_ARG(second));
    X509_STACK_SCOPED all = pki_certificates_from_pem(joined);
    BUF_SCOPED out;
    buf_init(&out, BUNDLE_BYTES_MAX);
    for (int i = 0; i < sk_X509_num(all); i++) {
        X509 *certificate = sk_X509_value(all, i);
        if (!has(all, i, certificate) && pki_time(X509_get0_notAfter(certificate)) >= now)
            pki_certificate_to_pem(certificate, &out);
    }
    if (out.failed) {
        arena_fail(arena);
        return (struct str){NULL, 0};
    }
    return arena_copy(arena, buf_str(&out));
}

bool pki_bundle_has(struct str bundle, struct str certificate)
{
    struct error ignored;
    X509_STACK_SCOPED all = pki_certificates_from_pem(bundle);
    X509_SCOPED wanted = pki_certificate_from_pem(certificate, &ignored);
    return wanted && has(all, sk_X509_num(all), wanted);
}
