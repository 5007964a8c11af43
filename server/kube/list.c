/* Lists, page by page, and discovery. */
#include "kube/kube.h"

enum { PAGE_BYTES_MAX = 64 * 1024 * 1024, PAGE_DEFAULT = 500, PATH_BYTES_MAX = 8192 };

#define ACCEPT_METADATA "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

struct listing {
    struct kube_client *client;
    struct arena *keep;
    const struct kube_resource *resource;
    const struct kube_list_options *options;
    struct str what;
    kube_item_fn *item;
    void *context;
    struct str next, version; /* the continue token, absent after the last page */
    bool begun;               /* the page's items are being handed out */
};

/* Before an item is handed out, all of the page is looked at. */
static bool page_is_good(const struct listing *listing, struct json_object *list, struct error *error)
{
    bool metadata_only = listing->options->metadata_only;
    struct str ns = listing->resource->namespaced ? listing->options->ns : (struct str){NULL, 0};
    if (!kube_answer_list(list, listing->resource, metadata_only, error))
        return false;
    if (listing->next.len && str_eq(listing->next, json_path_str(list, "metadata.continue")))
        return error_set(error, 502, "the response's metadata.continue leads back to the same page");
    struct json_object *items = json_get(list, "items");
    for (size_t i = 0; i < json_len(items); i++)
        if (!kube_answer_item(json_item(items, i), i, listing->resource, metadata_only, ns, error))
            return false;
    return true;
}

static bool list_page(struct listing *listing, const struct kube_call *call, struct error *error)
{
    ARENA_SCOPED arena = arena_new(PAGE_BYTES_MAX);
    BUF_SCOPED answer;
    buf_init(&answer, PAGE_BYTES_MAX);
    long status;
    listing->begun = false;
    if (!arena)
        return error_set(error, 500, "out of memory");
    if (!kube_exchange(listing->client, call, &status, &answer, error))
        return error_wrap(error, "list %.*s", STR_ARG(listing->what));
    if (status != 200)
        return kube_refused(status, buf_str(&answer), "list", listing->what, error);
    struct json_object *list = kube_answer_build(arena, buf_str(&answer), error);
    if (!list || !page_is_good(listing, list, error))
        return error_wrap(error, "list %.*s", STR_ARG(listing->what));
    listing->begun = true;
    struct json_object *items = json_get(list, "items");
    for (size_t i = 0; i < json_len(items); i++)
        if (!listing->item(listing->context, json_item(items, i), error))
            return false;
    listing->next = arena_copy(listing->keep, json_path_str(list, "metadata.continue"));
    listing->version = arena_copy(listing->keep, json_path_str(list, "metadata.resourceVersion"));
    /* A page whose successor is forgotten would pass for the last one. */
    return arena_failed(listing->keep) ? error_set(error, 500, "list %.*s: out of memory", STR_ARG(listing->what))
                                       : true;
}

bool kube_list(struct kube_client *client, struct arena *arena, const struct kube_resource *resource,
               const struct kube_list_options *options, kube_item_fn *item, void *context, struct str *resource_version,
               struct error *error)
{
    struct listing listing = {.client = client,
                              .keep = arena,
                              .resource = resource,
                              .options = options,
                              .what = resource->plural,
                              .item = item,
                              .context = context};
    unsigned page = options->page ? options->page : PAGE_DEFAULT;
    bool more = true;
    while (more) {
        BUF_SCOPED path;
        buf_init(&path, PATH_BYTES_MAX);
        kube_list_path(&path, resource, options);
        buf_printf(&path, "&limit=%u", page);
        if (listing.next.len) {
            buf_puts(&path, "&continue=");
            kube_escape(&path, listing.next);
        }
        const struct kube_call call = {.verb = "list",
                                       .method = "GET",
                                       .path = path.data,
                                       .accept = options->metadata_only ? ACCEPT_METADATA : NULL,
                                       .timeout_seconds =
                                           options->timeout_seconds ? options->timeout_seconds : kube_timeout(client)};
        if (path.failed)
            return error_set(error, 500, "out of memory");
        bool listed = list_page(&listing, &call, error);
        if (!listed && (listing.begun || error->code != 413 || page == 1))
            return false;
        /* Objects so large that a page of them is more than is granted: fewer at once. */
        page = listed ? page : page / 2;
        more = !listed || listing.next.len;
    }
    if (resource_version)
        *resource_version = listing.version;
    return true;
}

/* Whether /apis/GROUP/VERSION lists the plural. */
static bool version_is_served(struct kube_client *client, struct str group, const char *version, struct str plural,
                              bool *served, struct error *error)
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
    struct json_object *list = kube_answer_build(arena, buf_str(&answer), error);
    if (!list || !kube_answer_discovery(list, group, str_from(version), error))
        return error_wrap(error, "discover %.*s", STR_ARG(group));
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
        if (!version_is_served(client, group, *versions, plural, &served, error))
            return false;
        if (served) {
            *version = *versions;
            return true;
        }
    }
    return error_set(error, 404, "the API server does not serve %.*s.%.*s: its CRD is not installed", STR_ARG(plural),
                     STR_ARG(group));
}
