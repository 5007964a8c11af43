/* All that the API server serves, by aggregated discovery. */
#include "kube/kube.h"

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

/* Whether an earlier version of the group has a resource of this name, too. */
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

bool kube_discover(struct kube_client *client, void (*each)(void *context, const struct kube_served *served),
                   void *context, struct error *error)
{
    const struct discovery discovery = {each, context};
    return discovery_read(client, "/api", &discovery, error) && discovery_read(client, "/apis", &discovery, error);
}
