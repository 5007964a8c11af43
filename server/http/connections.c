/* When there are more clients than places, the one that has lasted longest in the least useful
 * phase is cut, instead of refusing whoever comes: the API server must be able to connect while
 * others hold connections open. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "backstop/telemetry.h"
#include "http/http.h"

/* libmicrohttpd's own timeout starts anew with every byte, so a client that sends one
 * a minute stays forever. The sweeper looks at each connection's phase instead. */

/* SPEAK_MS: how long a connection without a byte counts as busy at a shutdown, and NEXT_MS one that was just answered: its next
 * request may be under way, whose answer closes the connection. A TRIM after each
 * large review would cost more than it gives, hence TRIM_MS of quiet. MANY: fewer connections
 * than that free too little to matter. */
enum { SWEEP_MS = 250, SPEAK_MS = 1000, NEXT_MS = 100, TRIM_MS = 2000, MANY = 64 };

/* shutdown, not close: the descriptor belongs to libmicrohttpd, which sees the end and closes
 * it. Closing it here could hit another connection that got the same number. */
static void connection_cut(struct http_connection *connection, const char *reason)
{
    if (atomic_exchange(&connection->cut, true))
        return;
    metric_add(METRIC_HTTP_REFUSED, 1, reason);
    shutdown(connection->fd, SHUT_RDWR);
}

/* ---- the list ------------------------------------------------------------- */

static struct http_connection *connection_open(struct http_server *server, struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct http_connection *connection = info ? calloc(1, sizeof *connection) : NULL;
    if (!connection)
        return NULL;
    connection->server = server;
    connection->fd = info->connect_fd;
    connection_enter(connection, PHASE_SILENT);
    info = server->tls ? MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION) : NULL;
    transport_attach(connection, info ? info->tls_session : NULL);
    pthread_mutex_lock(&server->lock);
    connection->next = server->connections;
    if (connection->next)
        connection->next->previous = connection;
    server->connections = connection;
    pthread_mutex_unlock(&server->lock);
    atomic_fetch_add(&server->open, 1);
    return connection;
}

void connections_notify(void *cls, struct MHD_Connection *mhd, void **slot, enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *slot = connection_open(cls, mhd);
    } else if (*slot) {
        struct http_connection *connection = *slot;
        struct http_server *server = connection->server;
        pthread_mutex_lock(&server->lock);
        if (connection->previous)
            connection->previous->next = connection->next;
        else
            server->connections = connection->next;
        if (connection->next)
            connection->next->previous = connection->previous;
        pthread_mutex_unlock(&server->lock);
        if (atomic_fetch_sub(&server->open, 1) > MANY)
            atomic_store(&server->freed_ns, time_monotonic_ns());
        body_end(server, &connection->body);
        if (connection->session && atomic_load(&connection->phase) <= PHASE_OPENING)
            tls_count_failure(connection);
        transport_detach(connection);
        transport_forget_answer(connection);
        shared_release(connection->credential);
        free(connection);
        *slot = NULL;
    }
}

/* ---- more connections than the limit --------------------------------------- */

static int64_t age_ms(struct http_connection *connection, int64_t now_ns)
{
    return (now_ns - atomic_load_explicit(&connection->since_ns, memory_order_relaxed)) / 1000000;
}

/* Who gives way, in this order, and how long it must have lasted by then. A client speaks as
 * soon as it is connected, so whoever is silent goes first; the API server's connections, used
 * again and again, go last. The least time protects whoever has just come. */
struct evictable {
    enum connection_phase phase;
    int64_t least_ms;
};
static const struct evictable for_newcomer[] = {{PHASE_SILENT, 50}, {PHASE_OPENING, 1000}, {PHASE_IDLE, 2000}};
static const struct evictable for_request[] = {{PHASE_REQUEST, 250}};

/* Cuts the one that has lasted longest. */
static bool connections_evict(struct http_server *server, const struct evictable *kinds, size_t count,
                              const char *reason)
{
    const int64_t now = time_monotonic_ns();
    struct http_connection *victim = NULL;
    pthread_mutex_lock(&server->lock);
    for (size_t i = 0; i < count && !victim; i++) {
        int64_t oldest = kinds[i].least_ms;
        for (struct http_connection *c = server->connections; c; c = c->next) {
            int64_t age = age_ms(c, now);
            if (atomic_load_explicit(&c->phase, memory_order_acquire) != (int)kinds[i].phase || age < oldest ||
                atomic_load(&c->cut))
                continue;
            oldest = age;
            victim = c;
        }
    }
    if (victim)
        connection_cut(victim, reason);
    pthread_mutex_unlock(&server->lock);
    return victim != NULL;
}

bool connections_evict_body(struct http_server *server)
{
    return connections_evict(server, for_request, LENGTH_OF(for_request), "slow");
}

/* Threads that accept at the same moment may overshoot the limit by one each. */
enum MHD_Result connections_admit(void *cls, const struct sockaddr *address, socklen_t length)
{
    (void)address;
    (void)length;
    struct http_server *server = cls;
    if (atomic_load_explicit(&server->open, memory_order_relaxed) < server->limits.connections ||
        connections_evict(server, for_newcomer, LENGTH_OF(for_newcomer), "connections"))
        return MHD_YES;
    metric_add(METRIC_HTTP_REFUSED, 1, "connections");
    return MHD_NO;
}

unsigned connections_busy(struct http_server *server)
{
    const int64_t now = time_monotonic_ns();
    unsigned busy = 0;
    pthread_mutex_lock(&server->lock);
    for (struct http_connection *c = server->connections; c; c = c->next) {
        int phase = atomic_load_explicit(&c->phase, memory_order_acquire);
        int64_t free_after_ms = phase == PHASE_IDLE ? NEXT_MS : phase == PHASE_SILENT ? SPEAK_MS : INT64_MAX;
        busy += age_ms(c, now) < free_after_ms;
    }
    pthread_mutex_unlock(&server->lock);
    return busy;
}

/* ---- the sweeper ----------------------------------------------------------- */

static void *connections_sweeper(void *cls)
{
    struct http_server *server = cls;
    int64_t started_ns = server->tls ? time_monotonic_ns() : 0; /* 0: what only the start needed was given back */
    pthread_mutex_lock(&server->lock);
    while (!server->stopping) {
        cond_wait_until(&server->wake, &server->lock, time_monotonic_ns() + SWEEP_MS * NS_PER_MS);
        int64_t now = time_monotonic_ns(), limit_ms = (int64_t)server->limits.request_seconds * 1000;
        for (struct http_connection *c = server->connections; c; c = c->next)
            if (atomic_load_explicit(&c->phase, memory_order_acquire) != PHASE_IDLE && age_ms(c, now) >= limit_ms)
                connection_cut(c, "slow");
        pthread_mutex_unlock(&server->lock);
        /* glibc keeps what large reviews and crowds of connections have used, at worst for good.
         * Once none has come for a while the kernel gets it back. */
        int64_t last = atomic_load(&server->freed_ns);
        if (last && time_monotonic_ns() - last > (int64_t)TRIM_MS * 1000000 &&
            atomic_compare_exchange_strong(&server->freed_ns, &last, 0))
            memory_trim();
        if (started_ns && time_monotonic_ns() - started_ns > (int64_t)TRIM_MS * NS_PER_MS) {
            memory_trim();
            memory_trim_program();
            started_ns = 0;
        }
        pthread_mutex_lock(&server->lock);
    }
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

bool connections_start(struct http_server *server, struct error *error)
{
    int failed = pthread_create(&server->sweeper, NULL, connections_sweeper, server);
    char words[ERROR_WORDS];
    if (failed)
        return error_set(error, 0, "cannot start a thread: %s", strerror_r(failed, words, sizeof words));
    pthread_setname_np(server->sweeper, "http-sweeper");
    server->sweeping = true;
    return true;
}

void connections_stop(struct http_server *server)
{
    if (!server->sweeping)
        return;
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    pthread_cond_signal(&server->wake);
    pthread_mutex_unlock(&server->lock);
    pthread_join(server->sweeper, NULL);
    server->sweeping = false;
}

/* The memory of requests' bodies: counted over all connections, given back when a body ends. */

/* Large bodies get three quarters of the memory: however many come, the usual review of some
 * kilobytes finds room. Adding first and taking back when it was too much needs no lock; two
 * large bodies at the same moment may both be refused, never both admitted. */
bool body_memory_take(struct http_server *server, size_t before_cap, size_t cap)
{
    size_t most = server->limits.memory_bytes, more = cap - before_cap;
    if (cap > BODY_FIRST_CAP)
        most -= most / 4;
    size_t before = atomic_fetch_add(&server->body_memory, more);
    if (before + more <= most)
        return true;
    atomic_fetch_sub(&server->body_memory, more);
    return false;
}

void body_forget(struct http_server *server, struct body *body)
{
    atomic_fetch_sub(&server->body_memory, body->cap);
    free(body->data);
    body->data = NULL;
    body->len = body->cap = 0;
}

void body_end(struct http_server *server, struct body *body)
{
    if (body->counted)
        atomic_fetch_sub(&server->bodies, 1);
    if (body->cap >= BODY_LARGE)
        atomic_store(&server->freed_ns, time_monotonic_ns());
    body_forget(server, body);
    *body = (struct body){0};
}
