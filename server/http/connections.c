/* libmicrohttpd's own timeout starts anew with every byte, so a client that sends one
 * a minute stays forever. The sweeper looks at each connection's phase instead. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "backstop/telemetry.h"
#include "http.h"

enum { SWEEP_MS = 250, EVICTABLE_MS = 2000 };

void connection_enter(struct connection *connection, enum phase phase)
{
    atomic_store_explicit(&connection->since_ns, time_monotonic_ns(), memory_order_relaxed);
    atomic_store_explicit(&connection->phase, (int)phase, memory_order_release);
}

static void cut(struct connection *connection, const char *reason)
{
    if (atomic_exchange(&connection->cut, true))
        return;
    metric_add(METRIC_HTTP_REFUSED, 1, reason);
    shutdown(connection->fd, SHUT_RDWR);
}

/* ---- the list ------------------------------------------------------------- */

static struct connection *connection_open(struct http_server *server, struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct connection *connection = info ? calloc(1, sizeof *connection) : NULL;
    if (!connection)
        return NULL;
    connection->server = server;
    connection->fd = info->connect_fd;
    connection_enter(connection, PHASE_OPENING);
    if (server->tls) {
        info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
        if (info)
            transport_attach(connection, info->tls_session);
    }
    pthread_mutex_lock(&server->lock);
    connection->next = server->connections;
    if (connection->next)
        connection->next->previous = connection;
    server->connections = connection;
    pthread_mutex_unlock(&server->lock);
    atomic_fetch_add(&server->open, 1);
    return connection;
}

static void connection_close(struct connection *connection)
{
    struct http_server *server = connection->server;
    pthread_mutex_lock(&server->lock);
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        server->connections = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    pthread_mutex_unlock(&server->lock);
    atomic_fetch_sub(&server->open, 1);
    body_end(server, &connection->body);
    if (connection->session && atomic_load(&connection->phase) == PHASE_OPENING)
        tls_count_failure(connection);
    transport_detach(connection);
    shared_release(connection->credential);
    free(connection);
}

void connections_notify(void *cls, struct MHD_Connection *mhd, void **slot, enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *slot = connection_open(cls, mhd);
    } else if (*slot) {
        connection_close(*slot);
        *slot = NULL;
    }
}

/* ---- a full house ---------------------------------------------------------- */

static int64_t age_ms(struct connection *connection, int64_t now_ns)
{
    return (now_ns - atomic_load_explicit(&connection->since_ns, memory_order_relaxed)) / 1000000;
}

/* Cuts the longest stalled handshake, else the longest idle connection, so that idlers
 * cannot keep the API server out. */
static bool evict(struct http_server *server)
{
    int64_t now = time_monotonic_ns(), oldest[] = {EVICTABLE_MS, EVICTABLE_MS};
    struct connection *victims[] = {NULL, NULL}; /* by phase: PHASE_OPENING, PHASE_IDLE */
    pthread_mutex_lock(&server->lock);
    for (struct connection *c = server->connections; c; c = c->next) {
        int phase = atomic_load_explicit(&c->phase, memory_order_acquire);
        int64_t age = age_ms(c, now);
        if (phase > PHASE_IDLE || age < oldest[phase] || atomic_load(&c->cut))
            continue;
        oldest[phase] = age;
        victims[phase] = c;
    }
    struct connection *victim = victims[PHASE_OPENING] ? victims[PHASE_OPENING] : victims[PHASE_IDLE];
    if (victim)
        cut(victim, "connections");
    pthread_mutex_unlock(&server->lock);
    return victim != NULL;
}

/* Threads that accept at the same moment may overshoot the limit by one each. */
enum MHD_Result connections_admit(void *cls, const struct sockaddr *address, socklen_t length)
{
    (void)address;
    (void)length;
    struct http_server *server = cls;
    if (atomic_load_explicit(&server->open, memory_order_relaxed) < server->limits.connections || evict(server))
        return MHD_YES;
    metric_add(METRIC_HTTP_REFUSED, 1, "connections");
    return MHD_NO;
}

unsigned connections_busy(struct http_server *server)
{
    unsigned busy = 0;
    pthread_mutex_lock(&server->lock);
    for (struct connection *c = server->connections; c; c = c->next)
        busy += atomic_load_explicit(&c->phase, memory_order_acquire) != PHASE_IDLE;
    pthread_mutex_unlock(&server->lock);
    return busy;
}

/* ---- the sweeper ----------------------------------------------------------- */

static void sweep(struct http_server *server)
{
    int64_t now = time_monotonic_ns(), limit_ms = (int64_t)server->limits.request_seconds * 1000;
    for (struct connection *c = server->connections; c; c = c->next)
        if (atomic_load_explicit(&c->phase, memory_order_acquire) != PHASE_IDLE && age_ms(c, now) >= limit_ms)
            cut(c, "slow");
}

static void *sweeper(void *cls)
{
    struct http_server *server = cls;
    pthread_mutex_lock(&server->lock);
    while (!server->stopping) {
        int64_t until = time_monotonic_ns() + (int64_t)SWEEP_MS * 1000000;
        struct timespec deadline = {until / 1000000000, until % 1000000000};
        pthread_cond_timedwait(&server->wake, &server->lock, &deadline);
        sweep(server);
    }
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

bool connections_start(struct http_server *server, struct error *error)
{
    int failed = pthread_create(&server->sweeper, NULL, sweeper, server);
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
