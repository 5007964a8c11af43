/* Lists, page by page, and discovery. */
#include "kube.h"

enum { PAGE_BYTES_MAX = 64 * 1024 * 1024, PAGE_DEFAULT = 500, PATH_BYTES_MAX = 8192 };

#define ACCEPT_METADATA "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

/* One page; *next gets the continue token, absent after the last. */
static bool list_page(struct kube_client *client, struct arena *keep, const struct kube_call *call, struct str what,
                      kube_item_fn *item, void *context, struct str *next, struct str *resource_version,
                      struct error *error)
{
    ARENA_SCOPED arena = arena_new(PAGE_BYTES_MAX);
    BUF_SCOPED answer;
    buf_init(&answer, PAGE_BYTES_MAX);
    long status;
    if (!arena)
        return error_set(error, 500, "out of memory");
    if (!kube_exchange(client, call, &status, &answer, error))
        return error_wrap(error, "list %.*s", STR_ARG(what));
    if (status != 200)
        return kube_refused(status, buf_str(&answer), "list", what, error);
    struct json_object *list = json_build(arena, buf_str(&answer), error);
    if (!list)
        return error_wrap(error, "list %.*s: the answer", STR_ARG(what));
    struct json_object *items = json_get(list, "items");
    for (size_t i = 0; i < json_len(items); i++)
        if (!item(context, json_item(items, i), error))
            return false;
    *next = arena_copy(keep, json_path_str(list, "metadata.continue"));
    *resource_version = arena_copy(keep, json_path_str(list, "metadata.resourceVersion"));
    /* A page whose successor is forgotten would pass for the last one. */
    return arena_failed(keep) ? error_set(error, 500, "list %.*s: out of memory", STR_ARG(what)) : true;
}

bool kube_list(struct kube_client *client, struct arena *arena, const struct kube_resource *resource,
               const struct kube_list_options *options, kube_item_fn *item, void *context, struct str *resource_version,
               struct error *error)
{
    struct str next = {NULL, 0}, version = {NULL, 0};
    do {
        BUF_SCOPED path;
        buf_init(&path, PATH_BYTES_MAX);
        kube_list_path(&path, resource, options);
        buf_printf(&path, "&limit=%u", options->page ? options->page : PAGE_DEFAULT);
        if (next.len) {
            buf_puts(&path, "&continue=");
            kube_escape(&path, next);
        }
        const struct kube_call call = {.verb = "list",
                                       .method = "GET",
                                       .path = path.data,
                                       .accept = options->metadata_only ? ACCEPT_METADATA : NULL,
                                       .timeout_seconds =
                                           options->timeout_seconds ? options->timeout_seconds : kube_timeout(client)};
        if (path.failed)
            return error_set(error, 500, "out of memory");
        if (!list_page(client, arena, &call, resource->plural, item, context, &next, &version, error))
            return false;
    } while (next.len);
    if (resource_version)
        *resource_version = version;
    return true;
}

/* Whether /apis/GROUP/VERSION lists the plural. */
static bool serves(struct kube_client *client, struct str group, const char *version, struct str plural, bool *served,
                   struct error *error)
{
    ARENA_SCOPED arena = arena_new(PAGE_BYTES_MAX);
    BUF_SCOPED answer;
    buf_init(&answer, PAGE_BYTES_MAX);
    struct str path = arena ? arena_printf(arena, group.len ? "/apis/%.*s/%s" : "/api%.*s/%s", STR_ARG(group), version)
                            : (struct str){NULL, 0};
    long status;
    if (!path.ptr)
        return error_set(error, 500, "out of memory");
    const struct kube_call call = {
        .verb = "discover", .method = "GET", .path = path.ptr, .timeout_seconds = kube_timeout(client)};
    *served = false;
    if (!kube_exchange(client, &call, &status, &answer, error))
        return error_wrap(error, "discover %.*s", STR_ARG(group));
    if (status == 404)
        return true;
    if (status != 200)
        return kube_refused(status, buf_str(&answer), "discover", group, error);
    struct json_object *list = json_build(arena, buf_str(&answer), error);
    if (!list)
        return error_wrap(error, "discover %.*s: the answer", STR_ARG(group));
    struct json_object *resources = json_get(list, "resources");
    for (size_t i = 0; i < json_len(resources) && !*served; i++)
        *served = str_eq(json_get_str(json_item(resources, i), "name"), plural);
    return true;
}

bool kube_served_version(struct kube_client *client, struct str group, struct str plural, const char *const *versions,
                         const char **version, struct error *error)
{
    for (; *versions; versions++) {
        bool served = false;
        if (!serves(client, group, *versions, plural, &served, error))
            return false;
        if (served) {
            *version = *versions;
            return true;
        }
    }
    return error_set(error, 404, "%.*s.%.*s is not served: its CRD is not installed", STR_ARG(plural), STR_ARG(group));
}
