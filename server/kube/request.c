/* Single-object requests, and what the API server says when it refuses. */
#include <stdio.h>
#include <string.h>

#include "backstop/grammar.h"
#include "kube/kube.h"

enum { ANSWER_BYTES_MAX = 16 * 1024 * 1024, PATH_BYTES_MAX = 4096 };

bool kube_refused(long status, struct str answer, const char *verb, struct str what, struct error *error)
{
    char words[600] = "";
    ARENA_SCOPED arena = arena_new(ANSWER_BYTES_MAX);
    struct error ignored;
    struct json_object *document = arena ? json_build(arena, str_trim(answer), &ignored) : NULL;
    struct str message = json_get_str(document, "message");
    if (message.len)
        snprintf(words, sizeof words, "%.*s", STR_ARG(message));
    else
        snprintf(words, sizeof words, "HTTP status %ld", status);
    return error_set(error, (int)status, "%s %.*s: %s", verb, STR_ARG(what), words);
}

/* "managementbackups \"kcm-backup\"", for messages. */
static struct str what_of(struct arena *arena, const struct kube_resource *resource, struct str name)
{
    if (name.len == 0)
        return resource->plural;
    return arena_printf(arena, "%.*s \"%.*s\"", STR_ARG(resource->plural), STR_ARG(name));
}

struct single { /* one request about one object */
    const char *verb, *method, *content_type, *query;
    const struct kube_resource *resource;
    struct str ns, name; /* name is absent in a create's path */
    struct str called;   /* the name for messages */
    struct json_object *object;
    bool creates, deletes;
};

/* Secrets pass through: their bytes are not left behind in freed memory. */
static void dispose_wiped(struct buf *buf)
{
    if (buf->data)
        explicit_bzero(buf->data, buf->cap);
    buf_dispose(buf);
}

/* 202 says that something may happen later: enough for a deletion (finalizers), not for what
 * others are told of as done. */
static bool is_success(const struct single *single, long status)
{
    return status == 200 || (status == 201 && !single->deletes) || (status == 202 && single->deletes);
}

static bool single_request(struct kube_client *client, struct arena *arena, const struct single *single,
                           struct json_object **out, struct error *error)
{
    BUF_SCOPED path;
    CLEANUP(dispose_wiped) struct buf body;
    CLEANUP(dispose_wiped) struct buf answer;
    buf_init(&path, PATH_BYTES_MAX);
    buf_init(&body, ANSWER_BYTES_MAX);
    buf_init(&answer, ANSWER_BYTES_MAX);
    kube_path(&path, single->resource, single->ns, single->name);
    buf_puts(&path, single->query ? single->query : "");
    if (single->object)
        json_write_tree(&body, single->object);
    if (path.failed || body.failed)
        return error_set(error, 500, "%s %.*s: out of memory", single->verb, STR_ARG(single->called));
    const struct kube_call call = {.verb = single->verb,
                                   .method = single->method,
                                   .path = path.data,
                                   .content_type = single->content_type,
                                   .body = buf_str(&body),
                                   .timeout_seconds = kube_timeout(client)};
    struct str what = what_of(arena, single->resource, single->called);
    long status;
    if (!kube_exchange(client, &call, &status, &answer, error))
        return error_wrap(error, "%s %.*s", single->verb, STR_ARG(what));
    if (!is_success(single, status)) {
        kube_refused(status, buf_str(&answer), single->verb, what, error);
        if (single->creates && status == 409 && !kube_answer_exists(buf_str(&answer), single->called))
            error->code = 502;
        return false;
    }
    if (single->deletes)
        return true;
    struct json_object *object = kube_answer_build(arena, buf_str(&answer), error);
    if (!object || !kube_answer_object(object, single->resource, single->ns, single->called, error))
        return error_wrap(error, "%s %.*s", single->verb, STR_ARG(what));
    if (out)
        *out = object;
    return true;
}

/* What the API server takes for no name (apimachinery's IsValidPathSegmentName), or never gave one:
 * asked for, it would be another path. */
static bool is_no_name(struct str name)
{
    return str_is(name, ".") || str_is(name, "..") || str_contains(name, STR("/")) || str_contains(name, STR("%")) ||
           name.len > DNS_SUBDOMAIN_MAX;
}

bool kube_get(struct kube_client *client, struct arena *arena, const struct kube_resource *resource, struct str ns,
              struct str name, struct json_object **object, struct error *error)
{
    const struct single single = {
        .verb = "get", .method = "GET", .resource = resource, .ns = ns, .name = name, .called = name};
    if (is_no_name(name) || is_no_name(ns))
        return error_set(error, 404, "get %.*s: not a valid object name", STR_ARG(resource->plural));
    return single_request(client, arena, &single, object, error);
}

bool kube_create(struct kube_client *client, struct arena *arena, const struct kube_resource *resource, struct str ns,
                 struct json_object *object, struct json_object **created, struct error *error)
{
    const struct single single = {.verb = "create",
                                  .method = "POST",
                                  .content_type = "application/json",
                                  .resource = resource,
                                  .ns = ns,
                                  .called = json_path_str(object, "metadata.name"),
                                  .object = object,
                                  .creates = true};
    return single_request(client, arena, &single, created, error);
}

bool kube_update(struct kube_client *client, struct arena *arena, const struct kube_resource *resource, struct str ns,
                 struct str name, struct json_object *object, struct json_object **updated, struct error *error)
{
    const struct single single = {.verb = "update",
                                  .method = "PUT",
                                  .content_type = "application/json",
                                  .resource = resource,
                                  .ns = ns,
                                  .name = name,
                                  .called = name,
                                  .object = object};
    return single_request(client, arena, &single, updated, error);
}

bool kube_apply(struct kube_client *client, struct arena *arena, const struct kube_resource *resource, struct str ns,
                struct str name, struct json_object *object, struct str manager, struct json_object **applied,
                struct error *error)
{
    struct str query = arena_printf(arena, "?force=true&fieldManager=%.*s", STR_ARG(manager));
    const struct single single = {.verb = "apply",
                                  .method = "PATCH",
                                  .content_type = "application/apply-patch+yaml", /* JSON is YAML */
                                  .query = query.ptr,
                                  .resource = resource,
                                  .ns = ns,
                                  .name = name,
                                  .called = name,
                                  .object = object};
    return query.ptr ? single_request(client, arena, &single, applied, error) : error_set(error, 500, "out of memory");
}

bool kube_patch(struct kube_client *client, struct arena *arena, const struct kube_resource *resource, struct str ns,
                struct str name, struct json_object *patch, struct str manager, struct json_object **patched,
                struct error *error)
{
    struct str query = arena_printf(arena, "?fieldManager=%.*s", STR_ARG(manager));
    const struct single single = {.verb = "patch",
                                  .method = "PATCH",
                                  .content_type = "application/json-patch+json",
                                  .query = query.ptr,
                                  .resource = resource,
                                  .ns = ns,
                                  .name = name,
                                  .called = name,
                                  .object = patch};
    return query.ptr ? single_request(client, arena, &single, patched, error) : error_set(error, 500, "out of memory");
}

bool kube_delete(struct kube_client *client, struct arena *arena, const struct kube_resource *resource, struct str ns,
                 struct str name, struct error *error)
{
    const struct single single = {.verb = "delete",
                                  .method = "DELETE",
                                  .resource = resource,
                                  .ns = ns,
                                  .name = name,
                                  .called = name,
                                  .deletes = true};
    return single_request(client, arena, &single, NULL, error);
}
