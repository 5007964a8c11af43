/* Private to the module http.
 *
 * Each connection belongs to one libmicrohttpd thread, which alone reads and
 * writes its request. What other threads look at (the sweeper, accept, stop) is
 * atomic: phase and since_ns. A connection is in the list from accept until just
 * before its descriptor is closed, so whoever holds the lock may use the descriptor. */
#ifndef BACKSTOP_HTTP_HTTP_H
#define BACKSTOP_HTTP_HTTP_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>

#include "backstop/http.h"

enum { ERROR_WORDS = 128 }; /* for strerror_r */

enum connection_phase {
    PHASE_SILENT,  /* accepted; not a byte came yet */
    PHASE_OPENING, /* TLS is not agreed yet */
    PHASE_IDLE,    /* waits for a request */
    PHASE_REQUEST, /* from a request's first byte until it is whole */
    PHASE_ANSWER   /* until its answer is sent; since_ns stays the request's */
};

struct body {
    char *data;
    size_t len, cap;
    size_t expected; /* Content-Length, 0 when unknown */
    size_t dropped;  /* bytes read and not kept */
    size_t kept_max; /* bytes worth keeping: the limit, or the first part once oversized */
    bool counted;    /* holds one of limits.concurrent */
    bool oversized, overloaded;
};

/* ---- how requests are told apart on a connection ---- */
enum head_state {
    HEAD_BEGIN, /* between two requests */
    HEAD_REQUEST_LINE,
    HEAD_LINE, /* a header, or the end */
    HEAD_NAME,
    HEAD_VALUE,
    HEAD_LF, /* what must come next */
    HEAD_EMPTY_LF,
    HEAD_END_LF,
    HEAD_BODY,
    HEAD_LAST,  /* chunked: the connection is closed after it, so its end is not looked for */
    HEAD_BROKEN /* refused; `why` */
};
enum head_field { HEAD_OTHER, HEAD_LENGTH, HEAD_ENCODING, HEAD_HOST };
#define HEAD_HTTP_1_1 UINT64_C(0x485454502f312e31) /* "HTTP/1.1" */
struct head {
    enum head_state state;
    enum head_field field;
    unsigned lengths, encodings, hosts;
    uint64_t version; /* the last eight bytes of the request line */
    uint64_t body_left;
    char text[32]; /* the beginning of a name or value */
    size_t len;
    const char *why;
};
/* Follows what a client sends. Returns how many of the bytes may be passed on: all, or when the framing
 * is broken those of the requests before. */
size_t head_scan(struct head *head, struct str bytes);

enum { URI_SIZE = 256 };

struct http_connection {
    struct http_connection *next, *previous;
    struct http_server *server;
    int fd;
    atomic_int phase;
    _Atomic int64_t since_ns; /* when the phase began, monotonic */
    atomic_bool cut;          /* shut down by the sweeper; goes away soon */

    bool begun; /* the request's head was seen */
    char uri[URI_SIZE];
    size_t uri_len;
    int64_t received_ns;
    struct body body;

    const char *method; /* libmicrohttpd's, as long as the request */
    struct MHD_Connection *mhd;
    struct http_reply reply;       /* of a request that a worker answered */
    bool answered;                 /* reply is there; set before the connection is resumed */
    struct http_connection *later; /* in the workers' queue */

    struct shared *credential; /* what this connection serves; held */
    gnutls_session_t session;  /* NULL without TLS */
    const char *refusal;       /* why its handshake was refused, for the metric */
    int alert;                 /* the last one the client sent before the handshake was done */
    int plain_alert;           /* the same, when it came in the clear */
    bool ended;                /* the client closed its side */

    char *answer;       /* TLS: head and body of an answer, for one record; NULL when none is kept */
    size_t answer_head; /* how much of it is there, once the head is */
    size_t answer_body; /* the body that will follow the head; 0: what libmicrohttpd sends is sent as it is */
    size_t answer_sent;
    struct turn *turn; /* of the thread that serves it; NULL: nothing waits */

    bool answer_last; /* the connection ends with it */
    bool spoken;      /* the client sent something that is no plain HTTP */
    struct head head;
};

struct http_server {
    struct MHD_Daemon *daemon; /* NULL until there is a certificate: nobody can connect before */
    struct http_limits limits;
    http_handler *handler;
    void *context;
    char *address; /* as the caller gave it, for messages */
    int listener;  /* bound; listens once there is a daemon. Closed by libmicrohttpd; by us once quiesced */
    unsigned port, threads;
    bool tls;
    struct buf priorities;
    struct shared_slot credential;
    char *client_ca, **client_names; /* NULL: clients need no certificate; NULL-terminated */
    atomic_bool draining;
    atomic_uint open, bodies;
    atomic_size_t body_memory;
    _Atomic int64_t freed_ns; /* when much memory was freed last; 0 once the kernel got it back */

    pthread_mutex_t lock;    /* the list below and `stopping` */
    pthread_mutex_t opening; /* `daemon`, until the server is stopped */
    pthread_cond_t wake;
    struct http_connection *connections;
    bool stopping, sweeping;
    pthread_t sweeper;

    struct workers *workers; /* NULL: none */
    struct turn *turns;      /* one for each thread; NULL without TLS */
    atomic_uint turns_used;
};

/* ---- credential.c: the certificate in force, and clients that must show one ---- */
void tls_count_failure(const struct http_connection *connection); /* closed before the handshake was done */
bool credential_open(struct http_server *server, const struct http_config *config, struct error *error) MUST_CHECK;
/* To every connection from now on. On failure the old one stays. Safe from any thread. */
bool credential_set(struct http_server *server, struct str certificate, struct str key, struct error *error) MUST_CHECK;
void credential_close(struct http_server *server);
void credential_attach(struct http_connection *connection, gnutls_session_t session);
int credential_none(gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
                    const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **certificate,
                    unsigned *length, gnutls_privkey_t *key);

/* ---- GnuTLS and libmicrohttpd read through us ---- */
void transport_attach(struct http_connection *connection, gnutls_session_t session); /* NULL: plain HTTP */
static inline struct http_connection *transport_connection(gnutls_session_t session)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(gnutls_session_get_ptr(session), MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}
/* An answer with a body of that size is queued: its head waits for the body. */
void transport_expect_body(struct http_connection *connection, size_t size);
void transport_forget_answer(struct http_connection *connection); /* sent, or given up */
void transport_note_failure(void); /* why the handshake that this thread attended to came to nothing */
void transport_detach(const struct http_connection *connection);

/* ---- what waits until the other connections that are ready were attended to ---- */
bool turns_create(struct http_server *server) MUST_CHECK;
void turns_free(struct http_server *server);
void turn_join(struct http_connection *connection); /* on the thread that will serve it */
/* Sends a record, or holds it until the turn's end. Fails as sendmsg does. Like the next two it is called on the
 * connection's thread, or once that has ended. */
ssize_t turn_send(struct http_connection *connection, const giovec_t *parts, int count, bool may_wait);
void turn_release(struct turn *turn); /* sends what is held, since what comes next takes long; NULL is fine */
void turn_forget(const struct http_connection *connection); /* it is about to be closed */

/* ---- who is connected, and the sweeper that cuts the slow ---- */
bool connections_start(struct http_server *server, struct error *error) MUST_CHECK;
void connections_stop(struct http_server *server);
void connections_notify(void *cls, struct MHD_Connection *mhd, void **slot, enum MHD_ConnectionNotificationCode code);
enum MHD_Result connections_admit(void *cls, const struct sockaddr *address, socklen_t length);
/* In a handshake or a request, or so shortly before one or after an answer that another may be under way. */
unsigned connections_busy(struct http_server *server);
/* Cuts the request that has been coming in for longest, so that slow ones cannot keep
 * others out; false when all of them are recent. */
bool connections_evict_body(struct http_server *server);
static inline void connection_enter(struct http_connection *connection, enum connection_phase phase)
{
    atomic_store_explicit(&connection->since_ns, time_monotonic_ns(), memory_order_relaxed);
    atomic_store_explicit(&connection->phase, (int)phase, memory_order_release);
}

/* ---- threads for requests whose handler waits ---- */
/* What a worker does with a connection that is suspended (request_handle). */
typedef void worker_fn(struct http_connection *connection, bool may_wait, bool overloaded, struct http_reply *reply);
struct workers *workers_start(struct http_server *server, unsigned threads, worker_fn *work,
                              struct error *error) MUST_CHECK;
/* A place in the queue; false when it is full. Then suspend the connection and give it. */
bool workers_reserve(struct workers *workers) MUST_CHECK;
void workers_give(struct workers *workers, struct http_connection *connection);
/* Refuses what is queued (as overload) and what comes, waits for what is under way. */
void workers_stop(struct workers *workers); /* NULL is fine */
void workers_free(struct workers *workers); /* once stopped; NULL is fine */

enum { BODY_SMALL = 16 * 1024, BODY_FIRST_CAP = 64 * 1024, BODY_LARGE = 1024 * 1024 };
/* Counts the bytes by which a body grows; false, and none counted, where the server's memory does not have them. */
bool body_memory_take(struct http_server *server, size_t before_cap, size_t cap) MUST_CHECK;
void body_forget(struct http_server *server, struct body *body); /* frees what it holds */
void body_end(struct http_server *server, struct body *body);

/* ---- libmicrohttpd's callbacks ---- */
void *request_line(void *cls, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result request_part(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
                             const char *version, const char *data, size_t *size, void **slot);
/* Runs the handler for a connection's request, whole as it is. */
void request_handle(struct http_connection *connection, bool may_wait, bool overloaded, struct http_reply *reply);
void request_done(void *cls, struct MHD_Connection *mhd, void **slot, enum MHD_RequestTerminationCode why);

#endif
