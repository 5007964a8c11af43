#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backstop/telemetry.h"
#include "http/http.h"

/* One request from its first byte to its answer, in the callbacks of libmicrohttpd. A handler that would wait is given to a
 * worker thread, and the connection is suspended meanwhile. */

/* Called with the first line, before libmicrohttpd decodes it in place. */
void *request_line(void *cls, const char *uri, struct MHD_Connection *mhd)
{
    (void)cls;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct http_connection *connection = info ? info->socket_context : NULL;
    if (!connection)
        return NULL;
    connection->begun = false;
    connection->answered = false;
    connection->uri_len = strnlen(uri, sizeof connection->uri);
    memcpy(connection->uri, uri, connection->uri_len);
    connection->received_ns = time_monotonic_ns();
    int phase = atomic_load_explicit(&connection->phase, memory_order_relaxed);
    if (phase == PHASE_IDLE || phase == PHASE_SILENT) /* the latter in plain HTTP */
        connection_enter(connection, PHASE_REQUEST);
    return connection;
}

static struct str request_header(struct MHD_Connection *mhd, const char *name)
{
    return str_from(MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, name));
}

/* "Connection: close" while draining makes the API server open its next connection to another
 * pod. */
static bool add_headers(const struct http_connection *connection, const struct http_reply *reply,
                        struct MHD_Response *response)
{
    const struct http_server *server = connection->server;
    bool fine = true;
    if (reply->content_type)
        fine &= MHD_add_response_header(response, "Content-Type", reply->content_type) == MHD_YES;
    if (reply->allow)
        fine &= MHD_add_response_header(response, "Allow", reply->allow) == MHD_YES;
    if (reply->retry_after > 0) {
        char seconds[24];
        snprintf(seconds, sizeof seconds, "%lld", (long long)reply->retry_after);
        fine &= MHD_add_response_header(response, "Retry-After", seconds) == MHD_YES;
    }
    for (const struct http_header *header = reply->headers; header && header->name; header++)
        fine &= MHD_add_response_header(response, header->name, header->value) == MHD_YES;
    /* Plain HTTP serves probes and scrapers: one request a connection keeps slow clients bounded. */
    if (reply->close || connection->head.state >= HEAD_LAST || !server->tls ||
        atomic_load_explicit(&server->draining, memory_order_relaxed))
        fine &= MHD_add_response_header(response, "Connection", "close") == MHD_YES;
    return fine;
}

/* The body is handed over without a copy; libmicrohttpd frees it (MUST_FREE), so the buf is not
 * disposed here. */
static enum MHD_Result send_reply(struct http_connection *connection, struct MHD_Connection *mhd,
                                  struct http_reply *reply)
{
    if (reply->body.failed || reply->status < 200 || reply->status > 599) {
        buf_dispose(&reply->body);
        reply->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(reply->body.len, reply->body.data, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        buf_dispose(&reply->body);
        return MHD_NO;
    }
    enum MHD_Result result = MHD_NO;
    bool has_body = strcmp(connection->method, MHD_HTTP_METHOD_HEAD) != 0 && reply->status != MHD_HTTP_NO_CONTENT &&
                    reply->status != MHD_HTTP_NOT_MODIFIED;
    transport_expect_body(connection, has_body ? reply->body.len : 0);
    if (add_headers(connection, reply, response))
        result = MHD_queue_response(mhd, (unsigned)reply->status, response);
    MHD_destroy_response(response);
    int status = reply->status;
    char code[] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10), (char)('0' + status % 10), '\0'};
    metric_add(METRIC_HTTP_RESPONSES, 1, code);
    return result;
}

void request_handle(struct http_connection *connection, bool may_wait, bool overloaded, struct http_reply *reply)
{
    struct str path = {connection->uri, connection->uri_len}, query = path, head;
    str_cut(&query, '?', &head);
    path.len = head.len;
    const struct body *body = &connection->body;
    struct http_request request = {.method = str_from(connection->method),
                                   .path = path,
                                   .query = query,
                                   .content_type = request_header(connection->mhd, "Content-Type"),
                                   .content_encoding = request_header(connection->mhd, "Content-Encoding"),
                                   .traceparent = request_header(connection->mhd, "traceparent"),
                                   .body = {body->data, body->len},
                                   .oversized = body->oversized,
                                   .overloaded = body->overloaded || overloaded,
                                   .may_wait = may_wait,
                                   .received_ns = connection->received_ns};
    *reply = (struct http_reply){.status = MHD_HTTP_INTERNAL_SERVER_ERROR};
    buf_init(&reply->body, SIZE_MAX / 2);
    connection->server->handler(connection->server->context, &request, reply);
}

/* To a worker; the connection rests until it is done. */
static bool hand_over(struct http_connection *connection)
{
    struct workers *workers = connection->server->workers;
    if (!workers || !workers_reserve(workers))
        return false;
    MHD_suspend_connection(connection->mhd);
    workers_give(workers, connection);
    return true;
}

/* Without workers the handler may wait here, on the connection's thread. With them it must not:
 * it sets `later`, and is called again on a worker. Is the queue full, it is called a third
 * time, to answer that. */
static enum MHD_Result request_answer(struct http_connection *connection, bool close)
{
    struct http_reply reply;
    if (connection->body.len > BODY_SMALL)
        turn_release(connection->turn); /* others need not wait for a large one */
    atomic_store_explicit(&connection->phase, PHASE_ANSWER, memory_order_relaxed);
    request_handle(connection, !connection->server->workers, false, &reply);
    if (reply.later) {
        buf_dispose(&reply.body);
        if (hand_over(connection))
            return MHD_YES;
        request_handle(connection, false, true, &reply);
        reply.later = false;
    }
    reply.close |= close;
    return send_reply(connection, connection->mhd, &reply);
}

static bool body_begin(struct http_server *server, struct body *body, size_t expected, bool chunked);

static bool body_add(struct http_server *server, struct body *body, struct str part);

enum MHD_Result request_part(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
                             const char *version, const char *data, size_t *size, void **slot)
{
    (void)cls;
    (void)url;
    (void)version;
    struct http_connection *connection = *slot;
    if (!connection)
        return MHD_NO; /* no memory for the connection */
    if (!connection->begun) {
        /* The head is complete: decide how the body will be read. */
        connection->begun = true;
        connection->mhd = mhd;
        connection->method = method;
        struct str length_text = request_header(mhd, "Content-Length");
        bool chunked = request_header(mhd, "Transfer-Encoding").len > 0;
        int64_t length = 0;
        if (length_text.len && !str_to_int64(length_text, &length))
            length = INT64_MAX; /* libmicrohttpd refuses what is no number; what is left is too large */
        if (body_begin(connection->server, &connection->body, (size_t)length, chunked))
            return MHD_YES;
        return request_answer(connection, true);
    }
    if (*size) {
        bool fine = body_add(connection->server, &connection->body, (struct str){data, *size});
        *size = 0;
        return fine ? MHD_YES : MHD_NO;
    }
    if (connection->answered) { /* by a worker; resumed */
        connection->answered = false;
        return send_reply(connection, mhd, &connection->reply);
    }
    return request_answer(connection, false);
}

void request_done(void *cls, struct MHD_Connection *mhd, void **slot, enum MHD_RequestTerminationCode why)
{
    (void)mhd;
    (void)why;
    struct http_connection *connection = *slot;
    *slot = NULL;
    if (!connection)
        return;
    if (connection->answered) /* cut before the answer could be taken */
        buf_dispose(&connection->reply.body);
    connection->answered = false;
    body_end(cls, &connection->body);
    transport_forget_answer(connection);
    connection_enter(connection, PHASE_IDLE);
}

/* A request's body: kept up to the limits, and read on without keeping it past them, so
 * that the client is in a state to read the refusal. */

enum { OVERSIZED_KEEP = 64 * 1024 };

static void body_overload(struct http_server *server, struct body *body)
{
    metric_add(METRIC_HTTP_REFUSED, 1, "overload");
    body->overloaded = true;
    body_forget(server, body);
}

static void body_oversize(struct http_server *server, struct body *body)
{
    metric_add(METRIC_HTTP_REFUSED, 1, "oversized");
    body->oversized = true;
    body->kept_max = OVERSIZED_KEEP;
    if (body->len <= OVERSIZED_KEEP)
        return;
    body->len = OVERSIZED_KEEP;
    char *less = realloc(body->data, OVERSIZED_KEEP);
    if (!less)
        return;
    atomic_fetch_sub(&server->body_memory, body->cap - OVERSIZED_KEEP);
    body->data = less;
    body->cap = OVERSIZED_KEEP;
}

/* False: so much is announced that it is not worth reading; answer and close. Announced sizes up
 * to twice the limit are read and dropped, so that the client gets to see the 413; more than
 * that is not worth the traffic. */
static bool body_begin(struct http_server *server, struct body *body, size_t expected, bool chunked)
{
    *body = (struct body){.expected = chunked ? 0 : expected, .kept_max = server->limits.body_bytes};
    if (!expected && !chunked)
        return true;
    body->counted = true;
    if (atomic_fetch_add(&server->bodies, 1) >= server->limits.concurrent && !connections_evict_body(server))
        body_overload(server, body);
    if (body->expected > server->limits.body_bytes)
        body_oversize(server, body);
    return body->expected / 2 <= server->limits.body_bytes;
}

/* Starts small whatever Content-Length promises: a promise costs the client nothing. Grows by
 * factors of four, so that a body is copied at most a few times, up to what is announced. */
static bool body_grow(struct http_server *server, struct body *body, size_t needed)
{
    size_t cap = body->cap ? body->cap : BODY_FIRST_CAP;
    while (cap < needed)
        cap *= 4;
    size_t most = body->expected && body->expected < body->kept_max ? body->expected : body->kept_max;
    if (cap > most && most >= needed)
        cap = most;
    if (!body_memory_take(server, body->cap, cap)) {
        connections_evict_body(server); /* too late for this one, but not for the next */
        return false;
    }
    /* Large bodies leave something over: libraries under TLS (libtasn1, GMP) end the process when
     * they cannot have a few bytes. */
    void *spare = cap >= BODY_LARGE ? malloc(BODY_LARGE) : NULL;
    void *resized = cap < BODY_LARGE || spare ? realloc(body->data, cap) : NULL;
    free(spare);
    char *data = resized;
    if (!data) {
        atomic_fetch_sub(&server->body_memory, cap - body->cap);
        return false;
    }
    body->data = data;
    body->cap = cap;
    return true;
}

/* False: the client goes on and on; close the connection. */
static bool body_add(struct http_server *server, struct body *body, struct str part)
{
    if (!body->oversized && part.len > server->limits.body_bytes - body->len - body->dropped)
        body_oversize(server, body);
    size_t room = body->kept_max > body->len ? body->kept_max - body->len : 0;
    size_t keep = body->overloaded ? 0 : part.len < room ? part.len : room;
    if (keep && body->len + keep > body->cap && !body_grow(server, body, body->len + keep)) {
        body_overload(server, body);
        keep = 0;
    }
    if (keep)
        memcpy(body->data + body->len, part.ptr, keep);
    body->len += keep;
    body->dropped += part.len - keep;
    return body->dropped / 2 <= server->limits.body_bytes;
}
