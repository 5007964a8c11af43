/* http: a listener on libmicrohttpd with TLS, limits and a clean stop. Knows
 * nothing of Kubernetes: it hands whole requests to one handler. */
#ifndef BACKSTOP_HTTP_H
#define BACKSTOP_HTTP_H

#include "backstop/base.h"

struct http_request {
    struct str method, path, query, content_type, content_encoding, traceparent;
    struct str body;     /* whole, or its first bytes when `oversized` */
    bool oversized;      /* the body is over the limit: answer 413 */
    bool overloaded;     /* too many bodies in memory or too many that wait: answer 429 */
    bool may_wait;       /* the handler may block here; else it sets reply->later first */
    int64_t received_ns; /* monotonic, when the request's first line was read */
};
struct http_header {
    const char *name, *value;
};
/* Filled by the handler. The body is taken over and freed by the server. */
struct http_reply {
    int status;
    const char *content_type;
    const char *allow;                 /* the Allow header of a 405, or NULL */
    int64_t retry_after;               /* seconds; 0 = no header */
    const struct http_header *headers; /* more of them, up to a NULL name; borrowed until the server stops; or NULL */
    bool close;                        /* send Connection: close */
    bool later; /* this takes time: call the handler anew where it may wait; the rest is ignored */
    struct buf body;
};
/* Called from any of the server's threads. */
typedef void http_handler(void *context, const struct http_request *request, struct http_reply *reply);

struct http_limits {          /* 0 = the default in brackets */
    size_t body_bytes;        /* [7 MiB] larger ones are read no further than needed and answered 413 */
    size_t header_bytes;      /* [8 KiB] memory of one connection's request head */
    unsigned connections;     /* [1024] */
    unsigned concurrent;      /* [256] requests with a body in memory; above it one that has been coming in
                                 for over 0.25 s gives way, else 429 at once */
    unsigned waiting;         /* [64] requests that wait for a worker; above it 429 at once */
    size_t memory_bytes;      /* [64 MiB] of all bodies in memory together, those over 64 KiB at three quarters
                                 of it; above it 429 at once */
    unsigned request_seconds; /* [10] from a request's first byte to its last, however slowly they trickle */
    unsigned idle_seconds;    /* [120] between requests; over the API server's 90 */
};

struct http_config {
    const char *listen;      /* "ADDR:PORT", ":PORT", "[::1]:PORT"; port 0 picks a free one */
    bool tls;                /* HTTPS; the first http_set_certificate starts to listen, so that nobody who can
                                     connect is refused. Else plain HTTP, one request a connection */
    bool tls12;              /* allow TLS 1.2 besides 1.3 */
    const char *tls_ciphers; /* "AES-128-GCM,AES-256-GCM,CHACHA20-POLY1305" in order of preference; NULL = these */
    struct str client_ca;    /* PEM; clients must show a certificate of this CA; absent = they need none */
    const char *const *client_names; /* and one of these as CN or DNS SAN; NULL-terminated; NULL = any */
    unsigned threads;                /* 0 = one per CPU, at most 4 */
    unsigned workers;                /* threads on which handlers may wait; 0 = they may wait anywhere */
    struct http_limits limits;
    http_handler *handler;
    void *context;
};

struct http_server;
struct http_server *http_start(const struct http_config *config, struct error *error) MUST_CHECK;
/* Serves the pair (PEM) to every connection from now on; those that are open keep theirs. The first one starts to
 * listen. That key and certificate are a pair is pki_verify's to find, before this. On failure the old pair stays, and the server listens as before. Safe from any thread. */
bool http_set_certificate(struct http_server *server, struct str certificate, struct str key,
                          struct error *error) MUST_CHECK;
/* The one that the system gave for ":0"; for tests and messages. */
unsigned http_port(const struct http_server *server);
/* Lame duck: goes on accepting and answering, with Connection: close. */
void http_drain(struct http_server *server);
/* Stops accepting, lets requests in flight finish for up to `grace_ms`, frees all. */
void http_stop(struct http_server *server, unsigned grace_ms);

#endif
