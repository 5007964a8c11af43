/* The memory of requests' bodies: counted over all connections, given back when a body ends. */
#include <stdlib.h>

#include "http/http.h"

/* Large bodies get three quarters of the memory: however many come, the usual review of some
 * kilobytes finds room. */
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
