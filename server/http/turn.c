/* What waits for the end of a turn. A thread of libmicrohttpd asks poll which connections are ready, attends to each of them,
 * and asks again. Small answers and log lines of one turn go out together before it asks: a client that sleeps is woken
 * once and not by each answer, which is the dearest part of a send, and several log lines are one write. Where one
 * request is ready, nothing waits for another.
 *
 * libmicrohttpd takes an answer that is held for sent. So whatever cannot be sent stays here, is tried again once the
 * client reads, and nothing overtakes it. An answer that ends its connection is never held, since libmicrohttpd
 * closes once it is sent. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "backstop/telemetry.h"
#include "http/http.h"

/* An answer waits for at most HELD_MAX - 1 small reviews, some 0.2 ms. */
enum { HELD_MAX = 16, HELD_BYTES = 16 * 1024, HELD_LARGEST = 4 * 1024 };

struct turn {
    size_t count, used;
    struct held { /* in the order in which they were answered */
        struct http_connection *connection;
        size_t begin, length;
    } held[HELD_MAX];
    char bytes[HELD_BYTES];
};

/* Of a thread that reads and writes TLS connections; NULL in every other. */
static _Thread_local struct turn *this_turn;

bool turns_create(struct http_server *server)
{
    server->turns = calloc(server->threads, sizeof *server->turns);
    return server->turns;
}

void turns_free(struct http_server *server)
{
    free(server->turns);
}

void turn_join(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    if (!this_turn) {
        unsigned index = atomic_fetch_add(&server->turns_used, 1);
        if (index >= server->threads)
            return; /* nothing waits, then */
        this_turn = &server->turns[index];
        log_collect();
    }
    connection->turn = this_turn;
}

static bool turn_holds(const struct turn *turn, size_t count, const struct http_connection *connection)
{
    for (size_t i = 0; i < count; i++)
        if (turn->held[i].connection == connection)
            return true;
    return false;
}

/* What is left of it must wait: the client does not read. An error leaves nothing, as libmicrohttpd will read it too. */
static bool held_send(struct held *held, const char *bytes)
{
    while (held->length) {
        ssize_t sent = send(held->connection->fd, bytes + held->begin, held->length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return errno == EAGAIN;
        held->begin += (size_t)sent;
        held->length -= (size_t)sent;
    }
    return false;
}

/* Keeps the order of each connection's answers. What stays moves to the front. */
void turn_release(struct turn *turn)
{
    size_t kept = 0, used = 0;
    if (!turn)
        return;
    log_flush(); /* an answer that somebody has stands in the log, however this process ends */
    for (size_t i = 0; i < turn->count; i++) {
        struct held held = turn->held[i];
        if (!turn_holds(turn, kept, held.connection) && !held_send(&held, turn->bytes))
            continue;
        memmove(turn->bytes + used, turn->bytes + held.begin, held.length);
        held.begin = used;
        used += held.length;
        turn->held[kept++] = held;
    }
    turn->count = kept;
    turn->used = used;
}

void turn_forget(const struct http_connection *connection)
{
    struct turn *turn = connection->turn;
    turn_release(turn);
    for (size_t i = 0; turn && i < turn->count; i++)
        if (turn->held[i].connection == connection)
            turn->held[i].length = 0; /* the next release leaves it out */
}

/* In place of sendmsg: takes the bytes of one record, or fails with EAGAIN while earlier ones wait. */
ssize_t turn_send(struct http_connection *connection, const giovec_t *parts, int count, bool may_wait)
{
    struct turn *turn = connection->turn;
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += parts[i].iov_len;
    may_wait = may_wait && turn && size <= HELD_LARGEST;
    if (turn && (!may_wait || turn->count == HELD_MAX || size > sizeof turn->bytes - turn->used)) {
        turn_release(turn);
        may_wait = may_wait && turn->count < HELD_MAX && size <= sizeof turn->bytes - turn->used;
    }
    if (may_wait) {
        turn->held[turn->count++] = (struct held){connection, turn->used, size};
        for (int i = 0; i < count; turn->used += parts[i++].iov_len)
            memcpy(turn->bytes + turn->used, parts[i].iov_base, parts[i].iov_len);
        return (ssize_t)size;
    }
    if (turn && turn_holds(turn, turn->count, connection)) {
        errno = EAGAIN;
        return -1;
    }
    union {
        const giovec_t *given;
        struct iovec *read_only; /* sendmsg's type does not say so */
    } iov = {parts};
    const struct msghdr message = {.msg_iov = iov.read_only, .msg_iovlen = (size_t)count};
    return sendmsg(connection->fd, &message, MSG_NOSIGNAL);
}

/* Takes the place of the C library's function, since libmicrohttpd has no other sign of a turn's end. Where something is
 * still held, it also waits until the client reads. */
int turn_poll(struct pollfd *polled, nfds_t count, int timeout_ms) __asm__("poll");
int turn_poll(struct pollfd *polled, nfds_t count, int timeout_ms)
{
    struct turn *turn = this_turn;
    turn_release(turn);
    for (size_t i = 0; turn && i < turn->count; i++)
        for (nfds_t k = 0; k < count; k++)
            if (polled[k].fd == turn->held[i].connection->fd)
                polled[k].events |= POLLOUT;
    const struct timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
    return ppoll(polled, count, timeout_ms < 0 ? NULL : &timeout, NULL);
}
