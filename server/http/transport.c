/* GnuTLS and libmicrohttpd read through us: whoever reads knows the moment of a request's first
 * byte, which libmicrohttpd keeps to itself. Nothing may be read ahead of what GnuTLS asks for:
 * poll would not tell of bytes that have left the socket.
 *
 * Four functions of libraries are replaced in the whole process by functions of the same
 * name (gnutls_record_recv, gnutls_record_send, recv, setsockopt for two options). Calls from
 * elsewhere fall through to what the original does. It is the only way to see bytes before
 * libmicrohttpd parses them, short of a patched library. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backstop/telemetry.h"
#include "http/http.h"

/* libmicrohttpd frees the session before it says that the connection is gone, but it
 * logs a failed handshake at once, on the thread that has just read from the client. */
static _Thread_local struct http_connection *last_read;

/* A plain HTTP request on the TLS port deserves an answer that a human understands. */
static bool is_plain_http(struct str begin)
{
    static const struct str methods[] = {STR_INIT("GET "), STR_INIT("POST "),    STR_INIT("HEAD "),
                                         STR_INIT("PUT "), STR_INIT("OPTIONS "), STR_INIT("DELETE ")};
    for (size_t i = 0; i < LENGTH_OF(methods); i++)
        if (str_starts(methods[i], str_slice(begin, 0, methods[i].len)))
            return true;
    return false;
}

static void refuse_plain_http(const struct http_connection *connection)
{
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n"
                                 "\r\nThis port speaks HTTPS; the request was plain HTTP.\n";
    char rest[4096]; /* what stays unread turns the close into a reset that swallows the answer */
    ssize_t ignored[] = {recv(connection->fd, rest, sizeof rest, MSG_DONTWAIT),
                         send(connection->fd, answer, sizeof answer - 1, MSG_NOSIGNAL | MSG_DONTWAIT)};
    (void)ignored;
}

/* OpenSSL's clients send their alert in the clear, which GnuTLS takes for a broken record
 * in TLS 1.3. Go's come encrypted, as it wants them. */
static void note_plain_alert(struct http_connection *connection, const unsigned char *head, size_t size)
{
    static const unsigned char alert[] = {0x15, 0x03, 0x03, 0x00, 0x02};
    unsigned char body[2];
    if (size == sizeof alert && memcmp(head, alert, sizeof alert) == 0 &&
        recv(connection->fd, body, sizeof body, MSG_PEEK | MSG_DONTWAIT) == sizeof body)
        connection->plain_alert = body[1];
}

static ssize_t transport_pull(gnutls_transport_ptr_t pointer, void *out, size_t size)
{
    struct http_connection *connection = pointer;
    last_read = connection;
    if (atomic_load_explicit(&connection->phase, memory_order_relaxed) <= PHASE_OPENING)
        turn_release(connection->turn); /* a handshake takes as long as a dozen small reviews */
    ssize_t got = recv(connection->fd, out, size, 0);
    connection->ended |= got == 0;
    if (got <= 0)
        return got;
    int phase = atomic_load_explicit(&connection->phase, memory_order_relaxed);
    if (phase == PHASE_IDLE)
        connection_enter(connection, PHASE_REQUEST);
    else if (phase == PHASE_SILENT) /* the handshake's time counts from the beginning */
        atomic_store_explicit(&connection->phase, PHASE_OPENING, memory_order_relaxed);
    if (!connection->spoken && is_plain_http((struct str){out, (size_t)got})) {
        refuse_plain_http(connection);
        connection->refusal = "plain_http";
        errno = ECONNRESET;
        return -1;
    }
    if (phase <= PHASE_OPENING)
        note_plain_alert(connection, out, (size_t)got);
    connection->spoken = true;
    return got;
}

static ssize_t transport_push(gnutls_transport_ptr_t pointer, const giovec_t *parts, int count)
{
    struct http_connection *connection = pointer;
    bool answers = atomic_load_explicit(&connection->phase, memory_order_relaxed) == PHASE_ANSWER;
    return turn_send(connection, parts, count, answers && !connection->answer_last);
}

/* ---- framing: what libmicrohttpd reads, looked at first -------------------------------- */

static void refuse_framing(struct http_connection *connection)
{
    char answer[512], rest[4096];
    int length = snprintf(answer, sizeof answer,
                          "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
                          "Content-Length: %zu\r\n\r\nNot as RFC 9112 has it: %s.\n",
                          strlen(connection->head.why) + sizeof "Not as RFC 9112 has it: .", connection->head.why);
    metric_add(METRIC_HTTP_RESPONSES, 1, "400");
    if (connection->session)
        (void)gnutls_record_send(connection->session, answer, (size_t)length);
    else if (send(connection->fd, answer, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return;
    /* As above: an unread rest would reset. */
    while (recvfrom(connection->fd, rest, sizeof rest, MSG_DONTWAIT, NULL, NULL) > 0)
        continue;
}

/* How many of the bytes just read libmicrohttpd may see. */
static ssize_t transport_scan(struct http_connection *connection, struct str bytes)
{
    size_t sound = head_scan(&connection->head, bytes);
    if (connection->head.state != HEAD_BROKEN)
        return (ssize_t)bytes.len;
    metric_add(METRIC_HTTP_REFUSED, 1, "framing");
    if (sound == 0) /* else an answer to what was sound comes first, and closes */
        refuse_framing(connection);
    return (ssize_t)sound;
}

/* This and recv take the place of the libraries' functions of these names in the whole process: libmicrohttpd
 * reads by them, and has no other place to look at the bytes before it parses them. gnutls_record_recv_seq is
 * the same function with one more result. */
ssize_t gnutls_record_recv(gnutls_session_t session, void *data, size_t size)
{
    unsigned char sequence[8];
    struct http_connection *connection = transport_connection(session);
    if (connection && connection->head.state == HEAD_BROKEN)
        return 0;
    ssize_t got = gnutls_record_recv_seq(session, data, size, sequence);
    return got > 0 && connection ? transport_scan(connection, (struct str){data, (size_t)got}) : got;
}

/* ---- answers: one record, one system call ------------------------------------------------ */

/* libmicrohttpd sends head and body as two records, and has the kernel hold back the first. Here the head waits in memory:
 * half the records to encrypt, half the sends. */

enum { ANSWER_MAX = 64 * 1024 };

void transport_expect_body(struct http_connection *connection, size_t size)
{
    transport_forget_answer(connection);
    connection->answer_body = connection->session && size <= ANSWER_MAX ? size : 0;
}

void transport_forget_answer(struct http_connection *connection)
{
    free(connection->answer);
    connection->answer = NULL;
    connection->answer_head = connection->answer_body = connection->answer_sent = 0;
}

/* Sends all that is kept, or fails and is called again. */
static ssize_t transport_flush(struct http_connection *connection, size_t length)
{
    while (connection->answer_sent < length) {
        ssize_t sent = gnutls_record_send2(connection->session, connection->answer + connection->answer_sent,
                                           length - connection->answer_sent, 0, 0);
        if (sent < 0)
            return sent;
        connection->answer_sent += (size_t)sent;
    }
    transport_forget_answer(connection);
    return 0;
}

static bool transport_keep_head(struct http_connection *connection, struct str head)
{
    if (head.len > ANSWER_MAX || !(connection->answer = malloc(head.len + connection->answer_body)))
        return false;
    memcpy(connection->answer, head.ptr, head.len);
    connection->answer_head = head.len;
    connection->answer_last = str_contains(head, STR("\r\nConnection: close\r\n"));
    return true;
}

/* This takes the library's place like gnutls_record_recv above; gnutls_record_send2 does the same. */
ssize_t gnutls_record_send(gnutls_session_t session, const void *data, size_t size)
{
    struct http_connection *connection = transport_connection(session);
    if (connection && connection->answer) {
        size_t head = connection->answer_head;
        bool whole = size == connection->answer_body; /* else the body comes in parts */
        if (whole && connection->answer_sent == 0)
            memcpy(connection->answer + head, data, size);
        ssize_t flushed = transport_flush(connection, head + (whole ? size : 0));
        if (flushed < 0 || whole)
            return flushed < 0 ? flushed : (ssize_t)size;
    } else if (connection && connection->answer_body) {
        if (transport_keep_head(connection, (struct str){data, size}))
            return (ssize_t)size;
        transport_forget_answer(connection);
    }
    return gnutls_record_send2(session, data, size, 0, 0);
}

/* True in the threads that read and write TLS connections. */
static _Thread_local bool tls_thread;

/* Nothing is held back by the kernel, so there is nothing to cork and to push: libmicrohttpd would do one of them
 * for every answer. */
int transport_setsockopt(int fd, int level, int name, const void *value, socklen_t length) __asm__("setsockopt");
int transport_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    if (tls_thread && level == IPPROTO_TCP && (name == TCP_CORK || name == TCP_NODELAY))
        return 0;
    return (int)syscall(SYS_setsockopt, fd, level, name, value, length);
}

static void transport_push_at_once(int fd)
{
    const int on = 1;
    tls_thread = true;
    (void)syscall(SYS_setsockopt, fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* ---- plain connections ------------------------------------------------------------------- */

/* The server whose plain connections this thread reads; NULL in every other thread. */
static _Thread_local struct http_server *plain_server;

static struct http_connection *transport_find_plain(int fd)
{
    if (!plain_server)
        return NULL;
    pthread_mutex_lock(&plain_server->lock);
    struct http_connection *found = plain_server->connections;
    while (found && found->fd != fd)
        found = found->next;
    pthread_mutex_unlock(&plain_server->lock);
    return found; /* this thread alone closes it */
}

/* By its symbol: the C library's headers may have an inline function of that name. */
ssize_t transport_recv(int fd, void *data, size_t size, int flags) __asm__("recv");
ssize_t transport_recv(int fd, void *data, size_t size, int flags)
{
    struct http_connection *connection = transport_find_plain(fd);
    if (connection && connection->head.state == HEAD_BROKEN)
        return 0;
    ssize_t got = recvfrom(fd, data, size, flags, NULL, NULL); /* what recv is */
    return got > 0 && connection ? transport_scan(connection, (struct str){data, (size_t)got}) : got;
}

void transport_note_failure(void)
{
    struct http_connection *connection = last_read;
    if (!connection || atomic_load_explicit(&connection->phase, memory_order_relaxed) > PHASE_OPENING)
        return;
    connection->alert = connection->plain_alert ? connection->plain_alert : (int)gnutls_alert_get(connection->session);
    /* A client without a certificate fails before it can be looked at. */
    if (!connection->refusal && gnutls_handshake_get_last_in(connection->session) == GNUTLS_HANDSHAKE_CERTIFICATE_PKT)
        connection->refusal = "client_certificate";
}

void transport_detach(const struct http_connection *connection)
{
    turn_forget(connection);
    if (last_read == connection)
        last_read = NULL;
}

static int handshake_finished(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                              const gnutls_datum_t *message)
{
    (void)type;
    (void)when;
    (void)message;
    struct http_connection *connection = transport_connection(session);
    if (incoming && connection)
        connection_enter(connection, PHASE_IDLE);
    return 0;
}

/* Thread-local state is set here since libmicrohttpd calls this on the thread that will serve
 * the connection. */
void transport_attach(struct http_connection *connection, gnutls_session_t session)
{
    if (!connection->server->tls)
        plain_server = connection->server; /* called on the thread that will read */
    if (!session)
        return;
    connection->session = session;
    transport_push_at_once(connection->fd); /* called on the thread that will write, too */
    credential_attach(connection, session);
    turn_join(connection);
    gnutls_transport_set_ptr(session, connection);
    gnutls_transport_set_pull_function(session, transport_pull);
    gnutls_transport_set_vec_push_function(session, transport_push);
    gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_FINISHED, GNUTLS_HOOK_POST, handshake_finished);
}
