/* Requests for objects: get, list, create, update, patch, delete. What comes back with a status of success is checked to be
 * what was asked for, since a proxy or a captive portal answers 200 as well. */
#include <stdio.h>
#include <string.h>

#include "backstop/api.h"
#include "backstop/grammar.h"
#include "kube/kube.h"

const struct kube_resource kube_webhook_configurations[] = {
    {STR_INIT(GROUP_ADMISSION), STR_INIT("v1"), STR_INIT("validatingwebhookconfigurations"),
     STR_INIT("ValidatingWebhookConfiguration"), false},
    {STR_INIT(GROUP_ADMISSION), STR_INIT("v1"), STR_INIT("mutatingwebhookconfigurations"),
     STR_INIT("MutatingWebhookConfiguration"), false},
};

void kube_escape(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                     c == '_' || c == '.' || c == '~';
        if (plain)
            buf_putc(out, c);
        else
            buf_printf(out, "%%%02X", (unsigned char)c);
    }
}

void kube_path(struct buf *path, const struct kube_resource *resource, struct str ns, struct str name)
{
    bool core = resource->group.len == 0;
    buf_printf(path, core ? "/api%.*s" : "/apis/%.*s", STR_ARG(resource->group));
    buf_printf(path, "/%.*s", STR_ARG(resource->version));
    if (resource->namespaced && ns.len) {
        buf_puts(path, "/namespaces/");
        kube_escape(path, ns);
    }
    buf_printf(path, "/%.*s", STR_ARG(resource->plural));
    if (name.len) {
        buf_putc(path, '/');
        kube_escape(path, name);
    }
}

static void path_query(struct buf *path, char *separator, const char *name, struct str value)
{
    if (value.len == 0)
        return;
    buf_printf(path, "%c%s=", *separator, name);
    kube_escape(path, value);
    *separator = '&';
}

void kube_list_path(struct buf *path, const struct kube_resource *resource, const struct kube_list_options *options)
{
    char separator = '?';
    kube_path(path, resource, options->ns, (struct str){NULL, 0});
    path_query(path, &separator, "labelSelector", options->label_selector);
    path_query(path, &separator, "fieldSelector", options->field_selector);
    if (separator == '?')
        buf_puts(path, "?");
}

/* Whether an answer with a status of success is what was asked for. A proxy's page, an aggregated
 * API without its backend or a broken cache in between answer 200 as well, and an empty list that
 * is none would say that nothing exists. Shapes: apimachinery's meta/v1 types.go. */

enum { NONSENSE = 502, SHOWN_KIND_MAX = 63 };

/* "" where the text is none that may be shown as a kind. It goes into error messages and logs. */
static struct str shown_kind(struct str kind)
{
    bool plain = kind.len > 0 && kind.len <= SHOWN_KIND_MAX;
    for (size_t i = 0; plain && i < kind.len; i++) {
        char c = kind.ptr[i];
        plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    }
    return plain ? kind : STR("");
}

/* Says what came instead of the kind that was asked for; a Status says why itself. */
static bool answer_is_another(struct json_object *answer, struct str wanted, const char *suffix, struct error *error)
{
    struct str kind = shown_kind(json_get_str(answer, "kind")), message = json_get_str(answer, "message");
    bool status = str_is(kind, "Status") && message.len;
    return error_set(error, NONSENSE, "expected kind %.*s%s in the response, got %s%.*s%s%.*s", STR_ARG(wanted), suffix,
                     kind.len ? "kind " : "none", STR_ARG(kind), status ? ": " : "", status ? (int)message.len : 0,
                     status ? message.ptr : "");
}

struct json_object *kube_answer_build(struct arena *arena, struct str body, struct error *error)
{
    struct error reason = {.code = NONSENSE, .message = "null"};
    struct json_object *tree = json_build(arena, body, &reason);
    if (!tree)
        error_set(error, reason.code == 400 ? NONSENSE : reason.code, "invalid response: %s", reason.message);
    return tree;
}

static bool answer_is_version(struct str text, struct str group, struct str version)
{
    struct str served;
    return str_eq(api_version_group(text, &served), group) && str_eq(served, version);
}

static bool answer_is_kind(struct json_object *object, struct str kind, const char *suffix)
{
    struct str text = json_get_str(object, "kind"), end = str_from(suffix);
    return text.len == kind.len + end.len && str_starts(text, kind) && str_ends(text, end);
}

static bool answer_is_of(struct json_object *answer, const struct kube_resource *resource, bool metadata_only,
                         const char *suffix, struct error *error)
{
    struct str kind = metadata_only ? STR("PartialObjectMetadata") : resource->kind;
    struct str group = metadata_only ? STR("meta.k8s.io") : resource->group;
    struct str version = metadata_only ? STR("v1") : resource->version;
    if (!answer_is_kind(answer, kind, suffix))
        return answer_is_another(answer, kind, suffix, error);
    if (!answer_is_version(json_get_str(answer, "apiVersion"), group, version))
        return error_set(error, NONSENSE, "the response's apiVersion is not %.*s%s%.*s", STR_ARG(group),
                         group.len ? "/" : "", STR_ARG(version));
    if (!json_object_is_type(json_get(answer, "metadata"), json_type_object))
        return error_set(error, NONSENSE, "the response has no metadata");
    return true;
}

bool kube_answer_list(struct json_object *list, const struct kube_resource *resource, bool metadata_only,
                      struct error *error)
{
    if (!answer_is_of(list, resource, metadata_only, "List", error))
        return false;
    struct json_object *items = json_get(list, "items");
    /* kube-apiserver 1.36 writes an empty PartialObjectMetadataList with null, and no other list. */
    if (!json_object_is_type(items, json_type_array) && !(metadata_only && !items && json_has(list, "items")))
        return error_set(error, NONSENSE, "the response has no items");
    struct json_object *metadata = json_get(list, "metadata"), *more = json_get(metadata, "continue"),
                       *left = json_get(metadata, "remainingItemCount");
    if (more && !json_object_is_type(more, json_type_string))
        return error_set(error, NONSENSE, "the response's metadata.continue is not a string");
    if (left && !json_object_is_type(left, json_type_int))
        return error_set(error, NONSENSE, "the response's metadata.remainingItemCount is not a number");
    if (left && json_object_get_int64(left) != 0 && json_str(more).len == 0)
        return error_set(error, NONSENSE,
                         "the response is incomplete (metadata.remainingItemCount) but has no metadata.continue");
    return true;
}

/* Items of built-in kinds say neither kind nor apiVersion, those of CRDs do. */
bool kube_answer_item(struct json_object *item, size_t index, const struct kube_resource *resource, bool metadata_only,
                      struct str ns, struct error *error)
{
    struct str kind = metadata_only ? STR("PartialObjectMetadata") : resource->kind;
    bool named = json_path_str(item, "metadata.name").len > 0;
    if (!named || (json_get(item, "kind") && !answer_is_kind(item, kind, "")))
        return error_set(error, NONSENSE, "the response's items[%zu] is not a %.*s", index, STR_ARG(kind));
    if (ns.len && !str_eq(json_path_str(item, "metadata.namespace"), ns))
        return error_set(error, NONSENSE, "the response's items[%zu] is not in namespace %.*s", index, STR_ARG(ns));
    return true;
}

static bool kube_answer_object(struct json_object *object, const struct kube_resource *resource, struct str ns,
                               struct str name, struct error *error)
{
    if (!answer_is_of(object, resource, false, "", error))
        return false;
    if (name.len && !str_eq(json_path_str(object, "metadata.name"), name))
        return error_set(error, NONSENSE, "the response is a %.*s with another name", STR_ARG(resource->kind));
    if (resource->namespaced && ns.len && !str_eq(json_path_str(object, "metadata.namespace"), ns))
        return error_set(error, NONSENSE, "the response is a %.*s in another namespace", STR_ARG(resource->kind));
    return true;
}

bool kube_answer_event(struct json_object *object, const struct kube_resource *resource, bool metadata_only,
                       bool bookmark, struct error *error)
{
    if (!answer_is_of(object, resource, metadata_only, "", error))
        return false;
    const char *member = bookmark ? "metadata.resourceVersion" : "metadata.name";
    return json_path_str(object, member).len > 0 || error_set(error, NONSENSE, "the event has no %s", member);
}

bool kube_answer_discovery(struct json_object *list, struct str group, struct str version, struct error *error)
{
    if (!answer_is_kind(list, STR("APIResource"), "List"))
        return answer_is_another(list, STR("APIResource"), "List", error);
    if (!answer_is_version(json_get_str(list, "groupVersion"), group, version))
        return error_set(error, NONSENSE, "the response is for another group or version");
    if (!json_object_is_type(json_get(list, "resources"), json_type_array))
        return error_set(error, NONSENSE, "the response has no resources");
    return true;
}

/* Whether the body of a 409 is the API server's word that an object of this name exists. A
 * webhook of somebody else may answer 409 as well: only the API server's own says that the
 * object is there, and the upgrade gate may then use it. */
static bool kube_answer_exists(struct str body, struct str name)
{
    ARENA_SCOPED arena = arena_new(1024 * 1024);
    struct error ignored;
    struct json_object *status = arena ? json_build(arena, str_trim(body), &ignored) : NULL;
    return answer_is_kind(status, STR("Status"), "") && str_is(json_get_str(status, "reason"), "AlreadyExists") &&
           str_eq(json_path_str(status, "details.name"), name);
}

/* Single-object requests, and what the API server says when it refuses. */

enum { ANSWER_BYTES_MAX = 16 * 1024 * 1024, PATH_BYTES_MAX = 4096 };

/* The text between two tags of a page, or nothing. */
static struct str page_title(struct str page)
{
    const struct str open = STR("<title>"), close = STR("</title>");
    for (size_t i = 0, from = 0; i + close.len <= page.len; i++) {
        if (!from && str_eq_nocase(str_slice(page, i, i + open.len), open))
            from = i + open.len;
        else if (from && str_eq_nocase(str_slice(page, i, i + close.len), close))
            return str_trim(str_slice(page, from, i));
    }
    return (struct str){NULL, 0};
}

/* What somebody before the API server says: the title of a page, or a text's first line. */
static void refusal_foreign(struct buf *words, long status, struct str answer)
{
    enum { SHOWN_MAX = 200 };
    struct str rest = str_trim(answer), line;
    bool page = str_starts(rest, STR("<"));
    if (page)
        rest = page_title(rest);
    str_cut(&rest, '\n', &line);
    line = str_utf8_head(str_trim(line), SHOWN_MAX);
    buf_printf(words, "HTTP status %ld%s", status, line.len > 1 ? ": " : page ? " (an HTML page)" : "");
    if (line.len > 1)
        buf_add_printable(words, line, false);
}

/* The Status message, which is what kubectl prints; without one the HTTP status and what came instead. A 404 of somebody
 * else is none: it says nothing of what the API server has. */
bool kube_refused(long status, struct str answer, const char *verb, struct str what, struct error *error)
{
    BUF_SCOPED words;
    buf_init(&words, 1024);
    ARENA_SCOPED arena = arena_new(ANSWER_BYTES_MAX);
    struct error ignored;
    struct json_object *document = arena ? json_build(arena, str_trim(answer), &ignored) : NULL;
    struct str message = json_get_str(document, "message");
    /* The page that Go's HTTP server gives for a path that is not served, such as that of a CRD that is not installed;
     * client-go, too, has words of its own for it. */
    bool unserved = status == 404 && str_is(str_trim(answer), "404 page not found");
    bool foreign = status == 404 && !unserved && !answer_is_kind(document, STR("Status"), "");
    int code = foreign ? NONSENSE : (int)status;
    if (message.len)
        buf_add(&words, str_utf8_head(message, 600));
    else if (unserved)
        buf_puts(&words, "the server could not find the requested resource (HTTP status 404)");
    else
        refusal_foreign(&words, status, answer);
    return error_set(error, code, "%s %.*s: %.*s", verb, STR_ARG(what), STR_ARG(buf_str(&words)));
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
    struct json_object **refusal; /* or NULL */
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

/* The answer is checked to be the object that was asked for before it is believed
 * (kube_answer_object). */
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
        struct error ignored;
        kube_refused(status, buf_str(&answer), single->verb, what, error);
        if (single->refusal)
            *single->refusal = json_build(arena, str_trim(buf_str(&answer)), &ignored);
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

bool kube_create_dry_run(struct kube_client *client, struct arena *arena, const struct kube_resource *resource,
                         struct str ns, struct json_object *object, struct error *error)
{
    const struct single single = {.verb = "create",
                                  .method = "POST",
                                  .content_type = "application/json",
                                  .query = "?dryRun=All",
                                  .resource = resource,
                                  .ns = ns,
                                  .called = json_path_str(object, "metadata.name"),
                                  .object = object,
                                  .creates = true};
    return single_request(client, arena, &single, NULL, error);
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

static bool request_patch(struct kube_client *client, struct arena *arena, const struct single *wanted,
                          struct str manager, struct json_object **patched, struct error *error)
{
    struct single single = *wanted;
    struct str query = arena_printf(arena, "?fieldManager=%.*s", STR_ARG(manager));
    single.verb = "patch";
    single.method = "PATCH";
    single.query = query.ptr;
    single.called = single.name;
    return query.ptr ? single_request(client, arena, &single, patched, error) : error_set(error, 500, "out of memory");
}

bool kube_patch(struct kube_client *client, struct arena *arena, const struct kube_resource *resource, struct str ns,
                struct str name, struct json_object *patch, struct str manager, struct json_object **patched,
                struct error *error)
{
    const struct single single = {
        .content_type = "application/json-patch+json", .resource = resource, .ns = ns, .name = name, .object = patch};
    return request_patch(client, arena, &single, manager, patched, error);
}

bool kube_merge_patch(struct kube_client *client, struct arena *arena, const struct kube_resource *resource,
                      struct str ns, struct str name, struct json_object *patch, struct str manager,
                      struct error *error)
{
    const struct single single = {
        .content_type = "application/merge-patch+json", .resource = resource, .ns = ns, .name = name, .object = patch};
    return request_patch(client, arena, &single, manager, NULL, error);
}

bool kube_try(struct kube_client *client, struct arena *arena, const struct kube_trial *trial,
              struct json_object **answer, struct error *error)
{
    bool creates = trial->name.len == 0;
    struct str query = arena_printf(arena, "?%s%sfieldManager=%.*s", trial->stores ? "" : "dryRun=All&",
                                    trial->strict ? "fieldValidation=Strict&" : "", STR_ARG(trial->manager));
    const struct single single = {.verb = creates ? "create" : "patch",
                                  .method = creates ? "POST" : "PATCH",
                                  .content_type = creates ? "application/json" : "application/merge-patch+json",
                                  .query = query.ptr,
                                  .resource = trial->resource,
                                  .ns = trial->ns,
                                  .name = trial->name,
                                  .called = creates ? json_path_str(trial->object, "metadata.name") : trial->name,
                                  .object = trial->object,
                                  .refusal = trial->refusal,
                                  .creates = creates};
    /* Without its query this would be a real write. */
    return query.ptr ? single_request(client, arena, &single, answer, error) : error_set(error, 500, "out of memory");
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
