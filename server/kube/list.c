/* What the API server has: the objects of a kind, page by page, its version, and the kinds that
 * it serves.
 *
 * Lists are read in pages of 500, as client-go's pager does. All of a page is checked to be JSON,
 * and then its objects are parsed, checked and handed out one by one: memory is that of a page's
 * text and of one tree, however many objects there are. A page that fails after its first item
 * was handed out fails the list; the caller then begins anew. */
#include <stdlib.h>
#include <string.h>

#include "kube/kube.h"

enum { PAGE_BYTES_MAX = 64 * 1024 * 1024, PAGE_DEFAULT = 500, PATH_BYTES_MAX = 8192, VERSION_BYTES_MAX = 64 * 1024 };

#define ACCEPT_METADATA "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

struct kube_listing {
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

/* The tree of a page without its items, and their text behind the opening bracket; absent where there are none. */
static struct json_object *page_build(struct arena *arena, struct str body, struct str *items, struct error *error)
{
    struct error reason = {.code = 0};
    const struct json_node *top = json_index(arena, body, 1, &reason), *node = json_member(top, STR("items"));
    *items = (struct str){NULL, 0};
    if (!top)
        return error_null(error, reason.code == 400 ? 502 : reason.code, "invalid response: %s", reason.message);
    if (!node || node->kind != JSON_ARRAY)
        return kube_answer_build(arena, body, error);
    *items = str_slice(node->raw, 1, node->raw.len);
    size_t before = (size_t)(items->ptr - body.ptr), after = before + items->len - 1;
    struct str rest = str_slice(body, after, body.len);
    struct str head = arena_printf(arena, "%.*s%.*s", (int)before, body.ptr, STR_ARG(rest));
    return kube_answer_build(arena, head, error);
}

static bool page_is_good(const struct kube_listing *listing, struct json_object *list, struct error *error)
{
    if (!kube_answer_list(list, listing->resource, listing->options->metadata_only, error))
        return false;
    return !listing->next.len || !str_eq(listing->next, json_path_str(list, "metadata.continue")) ||
           error_set(error, 502, "the response's metadata.continue leads back to the same page");
}

/* A tree of its own for each item, which is gone before the next. */
static bool list_item(struct kube_listing *listing, struct str text, size_t index, struct error *error)
{
    const struct kube_list_options *options = listing->options;
    struct str ns = listing->resource->namespaced ? options->ns : (struct str){NULL, 0}, version;
    if (options->repeat && options->repeat(options->repeat_context, text, &version)) {
        listing->begun = true;
        return true;
    }
    ARENA_SCOPED arena = arena_new(PAGE_BYTES_MAX);
    struct error reason = {.code = arena ? 0 : 500, .message = "out of memory"};
    struct json_object *item = arena ? json_build(arena, text, &reason) : NULL;
    if (reason.code) {
        *error = reason;
        return error_wrap(error, "list %.*s", STR_ARG(listing->what));
    }
    if (!kube_answer_item(item, index, listing->resource, options->metadata_only, ns, error))
        return error_wrap(error, "list %.*s", STR_ARG(listing->what));
    listing->begun = true;
    return listing->item(listing->context, item, error);
}

/* `omit` (managedFields) is cut out of the text before a tree is made of it; it would be most of
 * the tree. */
static bool list_page(struct kube_listing *listing, const struct kube_call *call, struct error *error)
{
    ARENA_SCOPED arena = arena_new(PAGE_BYTES_MAX);
    BUF_SCOPED answer;
    buf_init(&answer, PAGE_BYTES_MAX);
    long status;
    struct str items, item;
    listing->begun = false;
    if (!arena)
        return error_set(error, 500, "out of memory");
    if (!kube_exchange(listing->client, call, &status, &answer, error))
        return error_wrap(error, "list %.*s", STR_ARG(listing->what));
    if (status != 200)
        return kube_refused(status, buf_str(&answer), "list", listing->what, error);
    if (listing->options->omit.len)
        json_omit(&answer, listing->options->omit);
    struct json_object *list = page_build(arena, buf_str(&answer), &items, error);
    if (!list || !page_is_good(listing, list, error))
        return error_wrap(error, "list %.*s", STR_ARG(listing->what));
    for (size_t i = 0; items.len && json_next_item(&items, &item); i++)
        if (!list_item(listing, item, i, error))
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
    struct kube_listing listing = {.client = client,
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

/* GET of what is outside of the API groups. */
static bool get_path(struct kube_client *client, const char *path, struct buf *answer, struct error *error)
{
    long status;
    const struct kube_call call = {
        .verb = "get", .method = "GET", .path = path, .timeout_seconds = kube_timeout(client)};
    if (!kube_exchange(client, &call, &status, answer, error))
        return error_wrap(error, "get %s", path);
    return status == 200 || kube_refused(status, buf_str(answer), "get", str_from(path), error);
}

bool kube_version(struct kube_client *client, struct arena *arena, struct str *version, struct error *error)
{
    BUF_SCOPED answer;
    buf_init(&answer, VERSION_BYTES_MAX);
    if (!get_path(client, "/version", &answer, error))
        return false;
    *version = json_get_str(kube_answer_build(arena, buf_str(&answer), error), "gitVersion");
    return version->len ? true : error_set(error, 502, "get /version: the response has no gitVersion");
}

bool kube_ready(struct kube_client *client, struct error *error)
{
    BUF_SCOPED answer;
    buf_init(&answer, VERSION_BYTES_MAX);
    return get_path(client, "/readyz", &answer, error);
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
    if (status != 200)
        return kube_refused(status, buf_str(&answer), "discover", group, error) || error->code == 404;
    struct json_object *list = kube_answer_build(arena, buf_str(&answer), error);
    if (!list || !kube_answer_discovery(list, group, str_from(version), error))
        return error_wrap(error, "discover %.*s", STR_ARG(group));
    struct json_object *resources = json_get(list, "resources");
    for (size_t i = 0; i < json_len(resources) && !*served; i++)
        *served = str_eq(json_get_str(json_item(resources, i), "name"), plural);
    return true;
}

/* In the order of `versions`, which is our preference, not the server's: the newest that we can
 * read. */
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

/* ---- all that it serves, by aggregated discovery ---- */

enum { DISCOVERY_BYTES_MAX = 64 * 1024 * 1024 };

#define ACCEPT_DISCOVERY                                                                                               \
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"                                            \
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"

struct discovery {
    void (*each)(void *context, const struct kube_served *served);
    void *context;
};

static bool discovery_has_verb(struct json_object *verbs, const char *verb)
{
    for (size_t i = 0; i < json_len(verbs); i++)
        if (str_is(json_str(json_item(verbs, i)), verb))
            return true;
    return false;
}

/* Whether an earlier version of the group has a resource of this name, too. The API server lists
 * versions by preference, so the first one with a resource is the preferred one for it. */
static bool discovery_is_first(struct json_object *versions, size_t at, struct str plural)
{
    for (size_t v = 0; v < at; v++) {
        struct json_object *resources = json_get(json_item(versions, v), "resources");
        for (size_t i = 0; i < json_len(resources); i++)
            if (str_eq(json_get_str(json_item(resources, i), "resource"), plural))
                return false;
    }
    return true;
}

static void discovery_group(const struct discovery *discovery, struct json_object *group)
{
    struct json_object *versions = json_get(group, "versions");
    for (size_t v = 0; v < json_len(versions); v++) {
        struct json_object *version = json_item(versions, v), *resources = json_get(version, "resources");
        for (size_t i = 0; i < json_len(resources); i++) {
            struct json_object *resource = json_item(resources, i), *verbs = json_get(resource, "verbs");
            struct str plural = json_get_str(resource, "resource"), kind = json_path_str(resource, "responseKind.kind"),
                       singular = json_get_str(resource, "singularResource");
            const struct kube_served served = {
                .resource = {.group = json_path_str(group, "metadata.name"),
                             .version = json_get_str(version, "version"),
                             .plural = plural,
                             .kind = kind,
                             .namespaced = str_is(json_get_str(resource, "scope"), "Namespaced")},
                .singular = singular,
                .shorts = json_get(resource, "shortNames"),
                .preferred = discovery_is_first(versions, v, plural),
                .storable = discovery_has_verb(verbs, "list") && discovery_has_verb(verbs, "get") &&
                            discovery_has_verb(verbs, "create") && discovery_has_verb(verbs, "delete")};
            discovery->each(discovery->context, &served);
        }
    }
}

static bool discovery_read(struct kube_client *client, const char *path, const struct discovery *discovery,
                           struct error *error)
{
    ARENA_SCOPED arena = arena_new(DISCOVERY_BYTES_MAX);
    BUF_SCOPED answer;
    buf_init(&answer, DISCOVERY_BYTES_MAX);
    long status;
    const struct kube_call call = {.verb = "discover",
                                   .method = "GET",
                                   .path = path,
                                   .accept = ACCEPT_DISCOVERY,
                                   .timeout_seconds = kube_timeout(client)};
    if (!arena)
        return error_set(error, 500, "out of memory");
    if (!kube_exchange(client, &call, &status, &answer, error))
        return error_wrap(error, "discover %s", path);
    if (status != 200)
        return kube_refused(status, buf_str(&answer), "discover", str_from(path), error);
    struct json_object *list = kube_answer_build(arena, buf_str(&answer), error);
    if (!list)
        return error_wrap(error, "discover %s", path);
    if (!str_is(json_get_str(list, "kind"), "APIGroupDiscoveryList") ||
        !json_object_is_type(json_get(list, "items"), json_type_array))
        return error_set(error, 406, "discover %s: no aggregated discovery, which Kubernetes has since 1.27", path);
    for (size_t i = 0; i < json_len(json_get(list, "items")); i++)
        discovery_group(discovery, json_item(json_get(list, "items"), i));
    return true;
}

/* Two requests instead of one for each group: aggregated discovery, in its stable form or the
 * beta of 1.27. */
bool kube_discover(struct kube_client *client, void (*each)(void *context, const struct kube_served *served),
                   void *context, struct error *error)
{
    const struct discovery discovery = {each, context};
    return discovery_read(client, "/api", &discovery, error) && discovery_read(client, "/apis", &discovery, error);
}
