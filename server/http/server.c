/* The listener's life: from its configuration to a stop that waits for the requests under way.
 *
 * Nobody can connect before there is a certificate: the socket is bound at once, so that the
 * port is known and taken, but listens only when it can serve (server_accept). A probe then
 * fails with a refused connection instead of a broken handshake. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "backstop/telemetry.h"
#include "http/http.h"

enum { BACKLOG = 1024, HOST_SIZE = 256 };

struct address {
    char host[HOST_SIZE];
    char port[8];
    bool any; /* no host given */
};

static bool bad_address(const char *text, struct error *error)
{
    return error_set(error, 0, "\"%s\" is not a listen address; use ADDR:PORT, :PORT or [::1]:PORT", text);
}

static bool address_parse(const char *text, struct address *address, struct error *error)
{
    struct str host, port;
    int64_t number;
    if (!str_split_host_port(str_from(text), &host, &port) || !str_to_int64(port, &number) || number < 0 ||
        number > 65535 || port.len >= sizeof address->port)
        return bad_address(text, error);
    if (host.len >= sizeof address->host)
        return bad_address(text, error);
    memcpy(address->host, host.ptr, host.len);
    address->host[host.len] = '\0';
    memcpy(address->port, port.ptr, port.len + 1);
    address->any = host.len == 0;
    return true;
}

/* SO_REUSEADDR: a restarted pod must not wait for connections of the old one to time out. */
static int open_one(const struct addrinfo *info)
{
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, info->ai_protocol);
    if (fd < 0)
        return -1;
    int on = 1, off = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (info->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0)
        return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

static unsigned port_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } bound = {.v6 = {0}};
    socklen_t length = sizeof bound;
    if (getsockname(fd, &bound.any, &length) != 0)
        return 0;
    return ntohs(bound.any.sa_family == AF_INET6 ? bound.v6.sin6_port : bound.v4.sin_port);
}

static int try_all(const struct addrinfo *list, int family)
{
    int fd = -1;
    for (const struct addrinfo *info = list; info && fd < 0; info = info->ai_next)
        if (family == AF_UNSPEC || info->ai_family == family)
            fd = open_one(info);
    return fd;
}

static bool address_refused(const char *text, int reason, struct error *error)
{
    char words[ERROR_WORDS];
    return error_set(error, 0, "cannot listen on %s: %s%s", text, strerror_r(reason, words, sizeof words),
                     reason == EADDRINUSE ? "; stop the process that listens there, or choose another port"
                     : reason == EACCES   ? "; ports below 1024 need CAP_NET_BIND_SERVICE"
                                          : "");
}

/* A socket bound to "ADDR:PORT", ":PORT" or "[::1]:PORT", on which nobody can connect yet; -1 on failure. */
static int address_bind(const char *text, unsigned *port, struct error *error)
{
    struct address address = {0};
    if (!address_parse(text, &address, error))
        return -1;
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *list = NULL;
    int failed = getaddrinfo(address.any ? NULL : address.host, address.port, &hints, &list);
    if (failed) {
        error_set(error, 0, "cannot listen on %s: %s", text, gai_strerror(failed));
        return -1;
    }
    /* Without a host one IPv6 socket takes both families; on a machine without IPv6, IPv4 alone. */
    int fd = address.any ? try_all(list, AF_INET6) : -1;
    if (fd < 0 && !(address.any && errno == EADDRINUSE))
        fd = try_all(list, address.any ? AF_INET : AF_UNSPEC);
    int reason = errno;
    freeaddrinfo(list);
    if (fd < 0) {
        address_refused(text, reason, error);
        return -1;
    }
    *port = port_of(fd);
    return fd;
}

enum { MIB = 1024 * 1024, THREADS_MAX = 4, POLL_MS = 5, SPARE_CONNECTIONS = 64 };

/* As many as there are CPUs that this process may use, and not more than THREADS_MAX: a review
 * takes fractions of a millisecond. */
static unsigned thread_count(unsigned wanted)
{
    cpu_set_t cpus;
    if (wanted)
        return wanted;
    if (sched_getaffinity(0, sizeof cpus, &cpus) != 0)
        return 1;
    int count = CPU_COUNT(&cpus);
    return count < 1 ? 1 : count > THREADS_MAX ? THREADS_MAX : (unsigned)count;
}

/* libmicrohttpd reports each failed handshake and reset: of interest when debugging only. */
static void library_log(void *cls, const char *format, va_list args) PRINTF_LIKE(2, 0);
static void library_log(void *cls, const char *format, va_list args)
{
    (void)cls;
    transport_note_failure();
    char text[512];
    int length = vsnprintf(text, sizeof text, format, args);
    if (length < 0)
        return;
    struct str line = str_trim(str_from(text));
    log_line(LOG_DEBUG, "http library", LOG_TEXT("detail", line));
}

/* poll, not epoll: with epoll libmicrohttpd 0.9.75 never learns that a handshake waits for
 * the client, and calls it again and again. One stalled handshake keeps a core busy, and
 * each good one costs four times as much. Up to some 200 connections poll costs the same. */
static unsigned daemon_flags(const struct http_server *server)
{
    return MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_ERROR_LOG | (server->tls ? MHD_USE_TLS : 0u) |
           (server->workers ? MHD_ALLOW_SUSPEND_RESUME : 0u);
}

static bool start_daemon(struct http_server *server, struct error *error)
{
    union {
        gnutls_certificate_retrieve_function2 *function;
        void *pointer;
    } no_certificate = {credential_none};
    struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_CERT_CALLBACK, 0, no_certificate.pointer},
                                   {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem pool[] = {{MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)server->threads, NULL},
                                    {MHD_OPTION_END, 0, NULL}};
    /* Each thread gets an equal share of libmicrohttpd's limit, but not of the connections;
     * connections_admit keeps the real one. */
    unsigned share = (server->limits.connections + SPARE_CONNECTIONS) * server->threads;
    server->daemon = MHD_start_daemon(
        daemon_flags(server), 0, connections_admit, server, request_part, server, MHD_OPTION_EXTERNAL_LOGGER,
        library_log, server, MHD_OPTION_LISTEN_SOCKET, server->listener, MHD_OPTION_CONNECTION_LIMIT, share,
        MHD_OPTION_CONNECTION_TIMEOUT, server->limits.idle_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        server->limits.header_bytes, MHD_OPTION_NOTIFY_CONNECTION, connections_notify, server,
        MHD_OPTION_NOTIFY_COMPLETED, request_done, server, MHD_OPTION_URI_LOG_CALLBACK, request_line, server,
        MHD_OPTION_ARRAY, server->threads > 1 ? pool : none, MHD_OPTION_ARRAY, server->tls ? tls : none,
        server->tls ? MHD_OPTION_HTTPS_PRIORITIES : MHD_OPTION_END, server->priorities.data, MHD_OPTION_END);
    int reason = errno;
    if (server->daemon)
        return true;
    server->listener = -1; /* libmicrohttpd may have closed it */
    char words[ERROR_WORDS];
    return error_set(error, 0, "cannot start the HTTP server: %s",
                     reason ? strerror_r(reason, words, sizeof words) : "unknown reason");
}

/* Listens and accepts from now on; does nothing when it does already. */
static bool server_accept(struct http_server *server, struct error *error)
{
    bool accepts = true;
    pthread_mutex_lock(&server->opening);
    if (!server->daemon) {
        accepts = listen(server->listener, BACKLOG) == 0 || address_refused(server->address, errno, error);
        accepts = accepts && start_daemon(server, error);
    }
    pthread_mutex_unlock(&server->opening);
    return accepts;
}

static void server_destroy(struct http_server *server)
{
    connections_stop(server);
    workers_stop(server->workers);
    workers_free(server->workers);
    if (server->listener >= 0)
        close(server->listener);
    credential_close(server);
    turns_free(server);
    free(server->address);
    pthread_cond_destroy(&server->wake);
    pthread_mutex_destroy(&server->lock);
    pthread_mutex_destroy(&server->opening);
    free(server);
}

static struct http_server *server_create(const struct http_config *config)
{
    struct http_server *server = calloc(1, sizeof *server);
    char *address = strdup(config->listen);
    if (!server || !address) {
        free(server);
        free(address);
        return NULL;
    }
    server->address = address;
    /* 7 MiB hold an AdmissionReview with two objects of the largest size that etcd takes, and what
     * surrounds them. The idle time is longer than the 90 s after which Go's client closes an idle
     * connection: if the server closed first, the API server could send a review into a connection
     * that is going away, and a POST is not tried again. */
    struct http_limits limits = config->limits;
    limits.body_bytes = limits.body_bytes ? limits.body_bytes : (size_t)7 * MIB;
    limits.header_bytes = limits.header_bytes ? limits.header_bytes : 8 * 1024;
    limits.connections = limits.connections ? limits.connections : 1024;
    limits.concurrent = limits.concurrent ? limits.concurrent : 256;
    limits.waiting = limits.waiting ? limits.waiting : 64;
    limits.memory_bytes = limits.memory_bytes ? limits.memory_bytes : (size_t)64 * MIB;
    limits.request_seconds = limits.request_seconds ? limits.request_seconds : 10;
    limits.idle_seconds = limits.idle_seconds ? limits.idle_seconds : 120;
    server->limits = limits;
    server->threads = thread_count(config->threads);
    server->tls = config->tls;
    server->handler = config->handler;
    server->context = config->context;
    server->listener = -1;
    shared_slot_init(&server->credential);
    cond_init(&server->wake);
    pthread_mutex_init(&server->lock, NULL);
    pthread_mutex_init(&server->opening, NULL);
    return server;
}

static bool start_workers(struct http_server *server, const struct http_config *config, struct error *error)
{
    return !config->workers || (server->workers = workers_start(server, config->workers, request_handle, error));
}

static bool start_turns(struct http_server *server, struct error *error)
{
    return turns_create(server) || error_set(error, 0, "out of memory");
}

struct http_server *http_start(const struct http_config *config, struct error *error)
{
    struct http_server *server = server_create(config);
    if (!server)
        return error_null(error, 0, "out of memory");
    bool fine = (!server->tls || (start_turns(server, error) && credential_open(server, config, error))) &&
                (server->listener = address_bind(config->listen, &server->port, error)) >= 0 &&
                connections_start(server, error) && start_workers(server, config, error) &&
                (server->tls || server_accept(server, error));
    if (fine)
        return server;
    server_destroy(server);
    return NULL;
}

bool http_set_certificate(struct http_server *server, struct str certificate, struct str key, struct error *error)
{
    return credential_set(server, certificate, key, error) && server_accept(server, error);
}

unsigned http_port(const struct http_server *server)
{
    return server->port;
}

void http_drain(struct http_server *server)
{
    atomic_store(&server->draining, true);
}

/* In the order that loses no review: say so in answers (Connection: close), stop accepting, let
 * requests end within the grace, then the workers, then the rest. A rolling update relies on it,
 * since the API server goes on using connections to a pod that is terminating. */
void http_stop(struct http_server *server, unsigned grace_ms)
{
    if (!server)
        return;
    http_drain(server);
    /* From here on the listening socket is ours; the kernel refuses newcomers once it is closed. */
    if (server->daemon)
        MHD_quiesce_daemon(server->daemon);
    close(server->listener);
    server->listener = -1;
    for (unsigned waited = 0; waited < grace_ms && connections_busy(server); waited += POLL_MS)
        time_sleep_ms(POLL_MS);
    /* libmicrohttpd does not stop while a connection is suspended. */
    workers_stop(server->workers);
    if (server->daemon)
        MHD_stop_daemon(server->daemon);
    log_flush();
    server_destroy(server);
}
