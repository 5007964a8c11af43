/* Reading costs nothing until something is asked for, and most reviews ask for a handful of
 * texts: the index has two levels (metadata.name, spec.schedule), below these a path makes a
 * tree of the second level's value. */
#include <string.h>

#include "backstop/policy.h"
#include "policy/checks.h"

/* Values of the object under review, by path. A json-c tree is built only of the part that a policy asks for, once, and
 * lives as long as the request. */

/* What was made of one value of the objects under review, found again by the
 * place of its bytes: the same part is never parsed twice. */
struct request_part {
    const char *at;
    bool built;
    struct json_object *tree;
    const struct json_node *members; /* of a map */
    struct request_part *next;
};
struct request_parts {
    struct request_part *first;
    struct str problem; /* of the first that could not be read */
};

void request_init(struct request *request, struct arena *arena)
{
    memset(request, 0, sizeof(*request));
    request->arena = arena;
    request->parts = arena_alloc(arena, sizeof(*request->parts));
}

static struct request_part *part_of(const struct request *request, const struct json_node *node)
{
    struct request_parts *parts = request->parts;
    for (struct request_part *part = parts ? parts->first : NULL; part; part = part->next)
        if (part->at == node->raw.ptr)
            return part;
    struct request_part *fresh = arena_alloc(request->arena, sizeof(*fresh));
    if (!fresh)
        return NULL;
    fresh->at = node->raw.ptr;
    if (parts) {
        fresh->next = parts->first;
        parts->first = fresh;
    }
    return fresh;
}

static struct json_object *node_tree(const struct request *request, const struct json_node *node)
{
    if (!node || node->kind == JSON_NULL)
        return NULL;
    struct request_part *part = part_of(request, node);
    if (!part)
        return NULL;
    if (!part->built) {
        struct error error = {.code = 0};
        part->tree = (node->raw.len < JSON_WORTH_OPENING ? json_build : json_open)(request->arena, node->raw, &error);
        part->built = true;
        if (!part->tree && request->parts && !request->parts->problem.ptr)
            request->parts->problem = arena_copy(request->arena, str_from(error.message));
    }
    return part->tree;
}

/* json_member(root, "spec"), which nearly every path begins with, as a comparison of four bytes. */
static const struct json_node *object_spec(const struct json_node *root)
{
    const struct json_node *node = root ? root->first : NULL;
    while (node && (node->key.len != 4 || memcmp(node->key.ptr, "spec", 4) != 0))
        node = node->next;
    return node;
}

/* The node that the first two names of a path lead to; *rest gets what follows
 * them, or NULL: by the path alone, whatever the object has of it. */
static const struct json_node *object_find(const struct object *object, const char *path, const char **rest)
{
    const struct json_node *node = object ? object->root : NULL;
    int level = 0;
    if (path[0] == 's' && path[1] == 'p' && path[2] == 'e' && path[3] == 'c' && path[4] == '.') { /* nearly all */
        node = object_spec(node);
        path += 5;
        level = 1;
    }
    for (; level < 2 && *path; level++) {
        const char *end = strchrnul(path, '.');
        node = json_member(node, (struct str){path, (size_t)(end - path)});
        path = *end ? end + 1 : end;
    }
    *rest = *path ? path : NULL;
    return node;
}

/* The node that a whole path leads to. What is below the index is found in the text: a tree of `spec.core`, say, takes
 * twenty times its bytes, and most of it nobody asks for. NULL when it is absent; `room` holds what is not indexed. */
static const struct json_node *object_find_all(const struct request *request, const struct object *object,
                                               const char *path, struct json_node *room)
{
    const char *rest;
    const struct json_node *node = object_find(object, path, &rest);
    struct str names = rest ? str_from(rest) : (struct str){NULL, 0}, name = {NULL, 0};
    while (node && str_cut(&names, '.', &name)) {
        struct json_node below;
        if (!json_find(request->arena, node, name, &below))
            return NULL;
        /* cppcheck-suppress nullPointerRedundantCheck ; no caller gives NULL for the room */
        *room = below;
        node = room;
    }
    return node;
}

const struct object *request_subject(const struct request *request)
{
    return request->object ? request->object : request->old_object;
}

struct str request_problem(const struct request *request)
{
    return request->parts ? request->parts->problem : (struct str){NULL, 0};
}

struct json_object *object_tree(const struct request *request, const struct object *object, const char *path)
{
    struct json_node room;
    return node_tree(request, object_find_all(request, object, path, &room));
}

bool object_strings(const struct request *request, const struct object *object, const char *path, size_t most,
                    struct strlist *list, size_t *count)
{
    const char *rest;
    const struct json_node *node = object_find(object, path, &rest);
    bool all = true;
    *list = (struct strlist){0};
    *count = 0;
    if (!node || node->kind == JSON_NULL)
        return true;
    if (node->kind != JSON_ARRAY)
        return false;
    struct str left = str_slice(node->raw, 1, node->raw.len), item;
    while (json_next_item(&left, &item)) {
        const struct json_node value = {.kind = item.ptr[0] == '"' ? JSON_STRING : JSON_NULL, .raw = item};
        if (++*count > most)
            continue;
        if (value.kind == JSON_STRING)
            strlist_add(request->arena, list, json_text(request->arena, &value));
        all = all && value.kind == JSON_STRING;
    }
    return all;
}

struct str object_text(const struct request *request, const struct object *object, const char *path)
{
    struct json_node room;
    return json_text(request->arena, object_find_all(request, object, path, &room));
}

bool object_true(const struct request *request, const struct object *object, const char *path)
{
    struct json_node room;
    return json_is_true(object_find_all(request, object, path, &room));
}

enum json_kind object_kind(const struct object *object, const char *path)
{
    const char *rest;
    const struct json_node *node = object_find(object, path, &rest);
    return node && !rest ? node->kind : JSON_NULL;
}

bool object_has(const struct object *object, const char *path)
{
    return object_kind(object, path) != JSON_NULL;
}

/* Whether the text can have such a key: it stands there, or something is escaped. */
static bool text_may_have(struct str raw, const char *key)
{
    return str_contains(raw, str_from(key)) || memchr(raw.ptr, '\\', raw.len);
}

/* Labels are not indexed with the object, and seldom is more than one asked for. Most objects do not have it. */
struct str object_label(const struct request *request, const struct object *object, const char *key)
{
    const char *rest;
    const struct json_node *node = object_find(object, "metadata.labels", &rest);
    struct json_node member;
    if (!node || !text_may_have(node->raw, key) || !json_find(request->arena, node, str_from(key), &member))
        return (struct str){NULL, 0};
    return json_text(request->arena, &member);
}

/* Annotations are not indexed with the object either, as the last applied configuration can be large, but
 * when the first of several is asked for. A key that stands there twice keeps the map from that, and then
 * the last one counts, as in Go. */
static bool object_find_annotation(const struct request *request, const struct object *object, const char *key,
                                   struct json_node *member)
{
    const char *rest;
    struct error ignored;
    const struct json_node *node = object_find(object, "metadata.annotations", &rest), *found;
    struct request_part *part = node ? part_of(request, node) : NULL;
    if (!part)
        return false;
    if (!part->members && !(part->members = json_index(request->arena, node->raw, 1, &ignored)))
        return json_find(request->arena, node, str_from(key), member);
    if (!(found = json_member(part->members, str_from(key))))
        return false;
    *member = *found;
    return true;
}

struct str object_annotation(const struct request *request, const struct object *object, const char *key)
{
    struct json_node member;
    if (!object_find_annotation(request, object, key, &member))
        return (struct str){NULL, 0};
    return json_text(request->arena, &member);
}

struct str object_annotation_raw(const struct request *request, const struct object *object, const char *key)
{
    struct json_node member;
    return object_find_annotation(request, object, key, &member) ? member.raw : (struct str){NULL, 0};
}

struct json_object *object_annotations_naming(const struct request *request, const struct object *object,
                                              struct str part)
{
    const char *rest;
    const struct json_node *node = object_find(object, "metadata.annotations", &rest);
    return node && str_contains(node->raw, part) ? object_tree(request, object, "metadata.annotations") : NULL;
}

struct str object_reason(const struct request *request, const struct object *object, const char *annotation)
{
    return annotation_reason(object_annotation(request, object, annotation));
}

struct str annotation_reason(struct str value)
{
    struct str reason = str_trim(value);
    return str_is_visible(reason) ? reason : STR("");
}

bool object_deleting(const struct object *object)
{
    return object_has(object, "metadata.deletionTimestamp");
}

/* Bytes first: an unchanged value nearly always has the same ones. Only then is
 * it worth telling a real change from another order of keys. */
static bool request_same_value(const struct request *request, const struct json_node *a, const struct json_node *b)
{
    bool absent_a = !a || a->kind == JSON_NULL, absent_b = !b || b->kind == JSON_NULL;
    if (absent_a || absent_b)
        return absent_a && absent_b;
    if (a->kind != b->kind)
        return false;
    return str_eq(a->raw, b->raw) || json_equal(node_tree(request, a), node_tree(request, b));
}

/* The base of "deny only for what the request changes": a missing value, null and an absent
 * object are the same, and on CREATE everything that is there has changed. */
bool request_changes(const struct request *request, const char *path)
{
    if (!request->object)
        return false;
    struct json_node room, old_room;
    const struct json_node *node = object_find_all(request, request->object, path, &room);
    if (request->operation == OPERATION_CREATE || !request->old_object)
        return node && node->kind != JSON_NULL;
    return !request_same_value(request, node, object_find_all(request, request->old_object, path, &old_room));
}

/* "system:serviceaccount:NAMESPACE:NAME" of an account that is listed as NAME, in the system
 * namespace, or as NAMESPACE:NAME. */
static bool account_is_listed(const struct strlist *accounts, struct str system_namespace, struct str ns,
                              struct str name)
{
    for (size_t i = 0; i < accounts->len; i++) {
        struct str listed = accounts->items[i], head, wanted_ns = system_namespace;
        if (str_contains(listed, STR(":")) && str_cut(&listed, ':', &head))
            wanted_ns = head;
        if (str_eq(ns, wanted_ns) && str_eq(name, listed))
            return true;
    }
    return false;
}

/* The account of a Velero that runs in the system namespace, whatever the settings say: who may
 * create a Deployment there may use every account there. */
static bool account_runs_velero(const struct inventory *inventory, struct str system_namespace, struct str ns,
                                struct str name)
{
    for (size_t i = 0; inventory && i < inventory->count[FACT_VELERO]; i++) {
        const struct velero_deployment *deployment = inventory->velero_deployments[i];
        if (str_eq(deployment->meta.ns, system_namespace) && str_eq(ns, system_namespace) &&
            str_eq(name, deployment->service_account))
            return true;
    }
    return false;
}

/* The same of kcm. */
static bool account_runs_kcm(const struct inventory *inventory, struct str system_namespace, struct str ns,
                             struct str name)
{
    for (size_t i = 0; inventory && i < inventory->count[FACT_KCM]; i++) {
        const struct kcm_deployment *deployment = inventory->kcm_deployments[i];
        if (str_eq(deployment->meta.ns, system_namespace) && str_eq(ns, system_namespace) &&
            str_eq(name, deployment->service_account))
            return true;
    }
    return false;
}

/* By the requester, never by labels: velero.io/restore-name can be set by anybody. A user name
 * with the right form can only come from the API server, which authenticates accounts. */
enum request_writer request_writer(const struct request *request, const struct inventory *inventory,
                                   const struct settings *settings)
{
    const struct str prefix = STR("system:serviceaccount:"), system = settings->system_namespace;
    if (!str_starts(request->user, prefix))
        return WRITER_USER;
    struct str name = str_slice(request->user, prefix.len, request->user.len), ns;
    if (!str_cut(&name, ':', &ns) || name.len == 0)
        return WRITER_USER;
    if (account_is_listed(&settings->velero_service_accounts, system, ns, name) ||
        account_runs_velero(inventory, system, ns, name))
        return WRITER_VELERO;
    if (account_is_listed(&settings->kcm_service_accounts, system, ns, name) ||
        account_runs_kcm(inventory, system, ns, name))
        return WRITER_KCM;
    return WRITER_USER;
}

bool request_by_velero(const struct request *request, const struct settings *settings)
{
    return request->writer == WRITER_VELERO || request_writer(request, NULL, settings) == WRITER_VELERO;
}

bool request_by_kcm(const struct request *request, const struct settings *settings)
{
    return request->writer == WRITER_KCM || request_writer(request, NULL, settings) == WRITER_KCM;
}

/* Checks and words that several objects share; and annotations put into a patch, with the map that they stand in. */

enum { PATH_LIMIT = 1024 };

/* RFC 6901: "~" is ~0, "/" is ~1. */
static struct str annotation_path(struct arena *arena, const char *key)
{
    BUF_SCOPED path;
    buf_init(&path, PATH_LIMIT);
    buf_puts(&path, "/metadata/annotations/");
    for (const char *at = key; *at; at++) {
        if (*at == '~' || *at == '/')
            buf_puts(&path, *at == '~' ? "~0" : "~1");
        else
            buf_putc(&path, *at);
    }
    return arena_copy(arena, arena_text(arena, &path));
}

static void annotation_add_to_map(const struct request *request, struct decision *decision,
                                  const struct annotation *item)
{
    struct str before = object_annotation(request, request->object, item->key);
    if (before.ptr && str_eq(before, item->value))
        return;
    struct str path = annotation_path(request->arena, item->key);
    if (path.ptr)
        decision_patch(decision, before.ptr ? "replace" : "add", path.ptr,
                       json_own(request->arena, json_new_text(item->value)));
}

/* A JSON Patch cannot add to a map that is not there, so that is one step with the whole map;
 * adding it where there is one would replace it. */
void annotations_patch(const struct request *request, struct decision *decision, const struct annotation *items,
                       size_t count)
{
    const struct json_node *metadata = json_member(request->object->root, STR("metadata"));
    const struct json_node *map = json_member(metadata, STR("annotations"));
    bool has_map = map && map->kind != JSON_NULL;
    if (!metadata || metadata->kind != JSON_OBJECT || (has_map && map->kind != JSON_OBJECT))
        return; /* the API server refuses that by itself */
    for (size_t i = 0; has_map && i < count; i++)
        if (items[i].value.len)
            annotation_add_to_map(request, decision, &items[i]);
    if (has_map)
        return;
    struct json_object *fresh = json_own(request->arena, json_object_new_object());
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        if (items[i].value.len && !json_put_text(fresh, items[i].key, items[i].value))
            arena_fail(request->arena);
        any |= items[i].value.len > 0;
    }
    if (any)
        decision_patch(decision, "add", "/metadata/annotations", fresh);
}

/* The value is quoted in a denial, as Kubernetes' field errors do; a warning has little room and
 * names the field only. */
void judge_value(struct decision *decision, enum verdict verdict, const char *field, struct str value,
                 const char *format, ...)
{
    ARENA_FORMAT(message, decision->arena, format);
    if (verdict == VERDICT_DENY)
        decision_invalid(decision, field, "%.*s: %.*s", STR_ARG(arena_quote(decision->arena, value)), STR_ARG(message));
    else if (verdict == VERDICT_WARN)
        decision_caution(decision, "%s: %.*s", field, STR_ARG(message));
}

static bool name_is_plain(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alphanumeric && (i == 0 || (c != '-' && c != '.')))
            return false;
    }
    return name.len > 0;
}

struct str words_name(struct arena *arena, struct str name)
{
    return name_is_plain(name) ? name : arena_quote(arena, name);
}

struct str ago(struct arena *arena, int64_t now, int64_t when)
{
    char text[TIME_TEXT_SIZE];
    if (when == 0)
        return STR("at an unknown time");
    if (when > now)
        return arena_printf(arena, "at %s", time_format(when, 0, text));
    return arena_printf(arena, "%s ago", duration_format(now - when, text));
}
