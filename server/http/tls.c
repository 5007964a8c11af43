#include <stdio.h>

#include "backstop/telemetry.h"
#include "http/http.h"

/* AES-128-GCM, X25519 and server preference: what costs least on every CPU with AES
 * instructions; kube-apiserver (Go) offers the same first. No session tickets: the
 * API server keeps connections and GnuTLS would spend a key derivation on each. */
#define CHOICES                                                                                                        \
    "NONE:+MAC-ALL:+SIGN-ALL:-SIGN-RSA-SHA1:-SIGN-ECDSA-SHA1:-SIGN-DSA-SHA1:+CTYPE-X509:+COMP-NULL"                    \
    ":+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:+ECDHE-ECDSA:+ECDHE-RSA"                                         \
    ":%SERVER_PRECEDENCE:%NO_TICKETS:+VERS-TLS1.3"

/* All are forward secret and authenticated, in TLS 1.3 and 1.2 alike. */
static const struct {
    const char *name, *suite, *choice;
} ciphers[] = {
    {"AES-128-GCM", "TLS_AES_128_GCM_SHA256", ":+AES-128-GCM"},
    {"AES-256-GCM", "TLS_AES_256_GCM_SHA384", ":+AES-256-GCM"},
    {"CHACHA20-POLY1305", "TLS_CHACHA20_POLY1305_SHA256", ":+CHACHA20-POLY1305"},
};

static const char *find_cipher(struct str name)
{
    for (size_t i = 0; i < LENGTH_OF(ciphers); i++)
        if (str_eq_nocase(name, str_from(ciphers[i].name)) || str_eq_nocase(name, str_from(ciphers[i].suite)))
            return ciphers[i].choice;
    return NULL;
}

bool tls_priorities(const struct http_config *config, struct buf *out, struct error *error)
{
    struct str wanted = str_from(config->tls_ciphers), name;
    buf_puts(out, CHOICES);
    buf_puts(out, config->tls12 ? ":+VERS-TLS1.2" : "");
    for (size_t i = 0; !wanted.len && i < LENGTH_OF(ciphers); i++)
        buf_puts(out, ciphers[i].choice);
    while (wanted.len && str_cut(&wanted, ',', &name)) {
        const char *choice = find_cipher(str_trim(name));
        if (!choice)
            return error_set(error, 0, "unknown TLS cipher \"%.*s\"; use %s, %s or %s", STR_ARG(str_slice(name, 0, 64)),
                             ciphers[0].name, ciphers[1].name, ciphers[2].name);
        buf_puts(out, choice);
    }
    return !out->failed || error_set(error, 0, "out of memory");
}

/* ---- handshakes that came to nothing -------------------------------------------------- */

/* What clients say when they do not trust the certificate: the field's usual trouble. */
static const struct {
    gnutls_alert_description_t alert;
    const char *reason;
} alerts[] = {
    {GNUTLS_A_UNKNOWN_CA, "unknown_ca"},
    {GNUTLS_A_BAD_CERTIFICATE, "bad_certificate"},
    {GNUTLS_A_CERTIFICATE_EXPIRED, "certificate_expired"},
    {GNUTLS_A_CERTIFICATE_UNKNOWN, "certificate_unknown"},
    {GNUTLS_A_UNSUPPORTED_CERTIFICATE, "unsupported_certificate"},
};

static const char *alert_reason(int alert)
{
    for (size_t i = 0; i < LENGTH_OF(alerts); i++)
        if ((int)alerts[i].alert == alert)
            return alerts[i].reason;
    return alert > 0 ? "alert" : NULL;
}

void tls_count_failure(const struct connection *connection)
{
    const char *reason = connection->refusal;
    /* A connection without a byte is a probe of the port, no handshake. */
    if (!reason && !connection->spoken)
        return;
    if (!reason)
        reason = alert_reason(connection->alert);
    if (!reason)
        reason = atomic_load(&connection->cut) ? "slow" : connection->ended ? "closed" : "protocol";
    metric_add(METRIC_TLS_HANDSHAKE_FAILURES, 1, reason);
}
