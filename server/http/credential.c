/* AES-128-GCM, X25519 and server preference: what costs least on every CPU with AES
 * instructions; kube-apiserver (Go) offers the same first. No session tickets: the API server
 * keeps connections and GnuTLS would spend a key derivation on each.
 *
 * Everything about TLS but its bytes: the ciphers, the certificate in force, clients that must
 * show one of their own, and why handshakes fail. */
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backstop/telemetry.h"
#include "http/http.h"

enum { PRIORITIES_MAX = 1024 };

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

void tls_count_failure(const struct http_connection *connection)
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

/* The certificate in force. Each connection holds the one it began with until it
 * closes, so swapping drops nobody and a handshake under way keeps its key. */

struct http_credential {
    struct shared shared;
    gnutls_certificate_credentials_t gnutls;
};

static gnutls_datum_t credential_datum(struct str text)
{
    return (gnutls_datum_t){text_for_reader(text.ptr), (unsigned)text.len};
}

static bool has_certificate(struct str pem)
{
    gnutls_datum_t data = credential_datum(pem);
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
    gnutls_datum_t data = credential_datum(pem);
    gnutls_x509_privkey_t key;
    if (gnutls_x509_privkey_init(&key) != GNUTLS_E_SUCCESS)
        return false;
    bool readable = gnutls_x509_privkey_import2(key, &data, GNUTLS_X509_FMT_PEM, NULL, 0) == GNUTLS_E_SUCCESS;
    gnutls_x509_privkey_deinit(key);
    return readable;
}

/* The library has one error for many mistakes; which of the two files is wrong is found by
 * reading each alone. */
static bool load_pair(gnutls_certificate_credentials_t credentials, struct str certificate, struct str key,
                      struct error *error)
{
    gnutls_datum_t certificate_data = credential_datum(certificate), key_data = credential_datum(key);
    int result =
        gnutls_certificate_set_x509_key_mem2(credentials, &certificate_data, &key_data, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (result >= 0)
        return true;
    if (!has_certificate(certificate))
        return error_set(error, 0, "the TLS certificate file contains no readable PEM certificate");
    if (!has_key(key))
        return error_set(error, 0,
                         "the TLS key file contains no readable PEM private key (passphrases are not supported)");
    return error_set(error, 0, "the TLS certificate and key cannot be used: %s", gnutls_strerror(result));
}

static bool load_client_ca(gnutls_certificate_credentials_t credentials, struct str ca, struct error *error)
{
    gnutls_datum_t data = credential_datum(ca);
    if (!ca.len || gnutls_certificate_set_x509_trust_mem(credentials, &data, GNUTLS_X509_FMT_PEM) > 0)
        return true;
    return error_set(error, 0, "the client CA file contains no readable PEM certificate");
}

static void credential_destroy(struct shared *shared)
{
    struct http_credential *credential = (struct http_credential *)(void *)shared;
    gnutls_certificate_free_credentials(credential->gnutls);
    free(credential);
}

static struct http_credential *credential_create(const struct http_server *server, struct str certificate,
                                                 struct str key, struct error *error)
{
    struct http_credential *credential = calloc(1, sizeof *credential);
    if (!credential || gnutls_certificate_allocate_credentials(&credential->gnutls) != GNUTLS_E_SUCCESS) {
        free(credential);
        return error_null(error, 0, "out of memory while loading the TLS certificate");
    }
    shared_init(&credential->shared, credential_destroy);
    /* GnuTLS would sign and verify something with the pair, a sixth of a start's instructions; pki_verify has
     * found by arithmetic that the two are one pair. */
    gnutls_certificate_set_flags(credential->gnutls, GNUTLS_CERTIFICATE_SKIP_KEY_CERT_MATCH);
    if (load_pair(credential->gnutls, certificate, key, error) &&
        load_client_ca(credential->gnutls, str_from(server->client_ca), error))
        return credential;
    shared_release(&credential->shared);
    return NULL;
}

bool credential_set(struct http_server *server, struct str certificate, struct str key, struct error *error)
{
    struct http_credential *credential = credential_create(server, certificate, key, error);
    if (!credential)
        return false;
    shared_slot_set(&server->credential, &credential->shared);
    return true;
}

/* ---- clients that must show one -------------------------------------------------- */

/* Compared whole and with the case: these are names of an allow list, not patterns. */
static bool has_name(gnutls_x509_crt_t client, const char *wanted)
{
    char name[256];
    size_t size = sizeof name;
    if (gnutls_x509_crt_get_dn_by_oid(client, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &size) == GNUTLS_E_SUCCESS &&
        str_is((struct str){name, size}, wanted))
        return true;
    for (unsigned i = 0;; i++) {
        size = sizeof name;
        int type = gnutls_x509_crt_get_subject_alt_name(client, i, name, &size, NULL);
        if (type < 0 && type != GNUTLS_E_SHORT_MEMORY_BUFFER) /* the last, or one that cannot be read */
            return false;
        if (type == GNUTLS_SAN_DNSNAME && str_is((struct str){name, size}, wanted))
            return true;
    }
}

static bool is_wanted_name(const struct http_server *server, gnutls_session_t session)
{
    unsigned count = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
    gnutls_x509_crt_t client;
    if (!server->client_names[0])
        return true;
    if (!count || gnutls_x509_crt_init(&client) != GNUTLS_E_SUCCESS)
        return false;
    bool wanted = false;
    if (gnutls_x509_crt_import(client, &chain[0], GNUTLS_X509_FMT_DER) == GNUTLS_E_SUCCESS)
        for (char **name = server->client_names; *name && !wanted; name++)
            wanted = has_name(client, *name);
    gnutls_x509_crt_deinit(client);
    return wanted;
}

/* Within the handshake, so that whoever is refused never gets to send a request. */
static int verify_client(gnutls_session_t session)
{
    struct http_connection *connection = transport_connection(session);
    char purpose[] = GNUTLS_KP_TLS_WWW_CLIENT;
    gnutls_typed_vdata_st wanted[] = {{GNUTLS_DT_KEY_PURPOSE_OID, (unsigned char *)purpose, 0}};
    unsigned status = 0;
    int checked = gnutls_certificate_verify_peers(session, wanted, LENGTH_OF(wanted), &status);
    const char *reason = checked < 0 || status                                        ? "client_certificate"
                         : connection && !is_wanted_name(connection->server, session) ? "client_name"
                                                                                      : NULL;
    if (!reason)
        return 0;
    if (connection)
        connection->refusal = reason;
    gnutls_alert_send(session, GNUTLS_AL_FATAL, GNUTLS_A_BAD_CERTIFICATE);
    return GNUTLS_E_CERTIFICATE_ERROR;
}

void credential_attach(struct http_connection *connection, gnutls_session_t session)
{
    struct http_server *server = connection->server;
    connection->credential = shared_slot_get(&server->credential);
    struct http_credential *credential = (struct http_credential *)(void *)connection->credential;
    if (credential)
        gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credential->gnutls);
    if (server->client_ca) {
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
        gnutls_session_set_verify_function(session, verify_client);
    }
}

/* ---- opening ------------------------------------------------------------------------ */

/* libmicrohttpd wants a certificate of its own; connections get theirs before it is asked. */
int credential_none(gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
                    const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **certificate,
                    unsigned *length, gnutls_privkey_t *key)
{
    (void)session, (void)authorities, (void)authority_count, (void)algorithms, (void)algorithm_count;
    *certificate = NULL;
    *length = 0;
    *key = NULL;
    return -1;
}

bool credential_open(struct http_server *server, const struct http_config *config, struct error *error)
{
    size_t count = 0;
    while (config->client_names && config->client_names[count])
        count++;
    server->client_names = calloc(count + 1, sizeof(char *));
    bool copied = server->client_names != NULL;
    for (size_t i = 0; copied && i < count; i++)
        copied = (server->client_names[i] = strdup(config->client_names[i])) != NULL;
    if (copied && config->client_ca.len)
        copied = (server->client_ca = strndup(config->client_ca.ptr, config->client_ca.len)) != NULL;
    if (!copied)
        return error_set(error, 0, "out of memory");
    buf_init(&server->priorities, PRIORITIES_MAX);
    /* The defaults of GnuTLS change with its version and with the policy of the system; the list is spelled out, so
     * that a pod offers the same everywhere. */
    struct str wanted = str_from(config->tls_ciphers), name;
    buf_puts(&server->priorities, CHOICES);
    buf_puts(&server->priorities, config->tls12 ? ":+VERS-TLS1.2" : "");
    for (size_t i = 0; !wanted.len && i < LENGTH_OF(ciphers); i++)
        buf_puts(&server->priorities, ciphers[i].choice);
    while (wanted.len && str_cut(&wanted, ',', &name)) {
        const char *choice = find_cipher(str_trim(name));
        if (!choice)
            return error_set(error, 0, "unknown TLS cipher \"%.*s\"; use %s, %s or %s", STR_ARG(str_slice(name, 0, 64)),
                             ciphers[0].name, ciphers[1].name, ciphers[2].name);
        buf_puts(&server->priorities, choice);
    }
    return !server->priorities.failed || error_set(error, 0, "out of memory");
}

void credential_close(struct http_server *server)
{
    for (char **name = server->client_names; name && *name; name++)
        free(*name);
    free(server->client_names);
    free(server->client_ca);
    buf_dispose(&server->priorities);
    shared_slot_dispose(&server->credential);
}
