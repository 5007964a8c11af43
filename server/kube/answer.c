/* Whether an answer with a status of success is what was asked for. A proxy's page, an aggregated
 * API without its backend or a broken cache in between answer 200 as well, and an empty list that
 * is none would say that nothing exists. Shapes: apimachinery's meta/v1 types.go. */
#include "kube/kube.h"

enum { NONSENSE = 502, SHOWN_KIND_MAX = 63 };

/* "" where the text is none that may be shown as a kind. */
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
    struct str head, rest = text;
    if (group.len == 0)
        return str_eq(text, version);
    return str_cut(&rest, '/', &head) && str_eq(head, group) && str_eq(rest, version);
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

bool kube_answer_object(struct json_object *object, const struct kube_resource *resource, struct str ns,
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

bool kube_answer_exists(struct str body, struct str name)
{
    ARENA_SCOPED arena = arena_new(1024 * 1024);
    struct error ignored;
    struct json_object *status = arena ? json_build(arena, str_trim(body), &ignored) : NULL;
    return answer_is_kind(status, STR("Status"), "") && str_is(json_get_str(status, "reason"), "AlreadyExists") &&
           str_eq(json_path_str(status, "details.name"), name);
}
