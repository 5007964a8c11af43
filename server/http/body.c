/* A request's body: kept up to the limits, and read on without keeping it past them, so
 * that the client is in a state to read the refusal. */
#include <stdlib.h>
#include <string.h>

#include "backstop/telemetry.h"
#include "http/http.h"

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

/* False: so much is announced that it is not worth reading; answer and close. */
bool body_begin(struct http_server *server, struct body *body, size_t expected, bool chunked)
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

/* Large bodies leave something over: libraries under TLS (libtasn1, GMP) end the process when
 * they cannot have a few bytes. */
static void *body_resize(char *data, size_t cap)
{
    void *spare = cap >= BODY_LARGE ? malloc(BODY_LARGE) : NULL;
    void *resized = cap < BODY_LARGE || spare ? realloc(data, cap) : NULL;
    free(spare);
    return resized;
}

/* Starts small whatever Content-Length promises: a promise costs the client nothing. */
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
    char *data = body_resize(body->data, cap);
    if (!data) {
        atomic_fetch_sub(&server->body_memory, cap - body->cap);
        return false;
    }
    body->data = data;
    body->cap = cap;
    return true;
}

/* False: the client goes on and on; close the connection. */
bool body_add(struct http_server *server, struct body *body, struct str part)
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
