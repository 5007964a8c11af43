#include "audit.h"
#include "backstop/kube.h"

/* An audit reads whole objects, where the inventory keeps only the fields it uses. */

static const char *const k0rdent_versions[] = {"v1beta1", "v1alpha1", NULL};
static const char *const other_versions[] = {"v1", NULL};

struct listing {
    struct arena *arena;
    struct manifests *manifests;
    const char *source, *kind;
    struct str api_version;
};

static bool append(struct listing *listing, struct json_object *tree)
{
    struct manifests *list = listing->manifests;
    if (list->len == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : 64;
        struct manifest *items = arena_array(listing->arena, cap, sizeof *items);
        if (!items)
            return false;
        for (size_t i = 0; i < list->len; i++)
            items[i] = list->items[i];
        list->items = items;
        list->cap = cap;
    }
    list->items[list->len] =
        (struct manifest){.source = listing->source, .number = (unsigned)list->len + 1, .tree = tree};
    list->len++;
    return true;
}

/* Pages are freed as the list goes on, so each object is copied; items of a list say
 * neither apiVersion nor kind. managedFields are most of an object and never read. */
static bool keep(void *context, struct json_object *object, struct error *error)
{
    struct listing *listing = context;
    if (!json_object_is_type(object, json_type_object))
        return error_set(error, 502, "an item of the list is no object");
    json_delete(json_get(object, "metadata"), "managedFields");
    struct json_object *copy = json_own(listing->arena, json_copy(object));
    bool good = json_put_text(copy, "apiVersion", listing->api_version) &&
                json_put_text(copy, "kind", str_from(listing->kind)) && append(listing, copy);
    return good || error_set(error, 500, "out of memory");
}

static bool list_kind(struct kube_client *client, struct listing *listing, const struct rule *rule, struct error *error)
{
    struct kube_resource resource = {
        .group = str_from(rule->group), .plural = str_from(rule->resource), .kind = str_from(rule->kind)};
    bool k0rdent = str_is(resource.group, "k0rdent.mirantis.com");
    const char *version = NULL;
    if (!kube_served_version(client, resource.group, resource.plural, k0rdent ? k0rdent_versions : other_versions,
                             &version, error))
        return error->code == 404; /* no CRD, no objects */
    const struct kube_list_options all = {0};
    resource.version = str_from(version);
    resource.namespaced = false; /* all namespaces: the path without one */
    listing->kind = rule->kind;
    listing->api_version = arena_printf(listing->arena, "%s/%s", rule->group, version);
    return kube_list(client, listing->arena, &resource, &all, keep, listing, NULL, error);
}

static bool seen_before(const struct rule *rules, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (str_eq(str_from(rules[i].group), str_from(rules[at].group)) &&
            str_eq(str_from(rules[i].resource), str_from(rules[at].resource)))
            return true;
    return false;
}

bool audit_list(struct arena *arena, const struct facts_options *options, struct str from, struct manifests *manifests,
                manifest_problem_fn *problem, void *context)
{
    struct error error;
    const struct kube_options wanted = connection_access(&options->connection);
    struct listing listing = {.arena = arena, .manifests = manifests, .source = from.ptr};
    struct kube_client *client = kube_open(&wanted, &error);
    if (!client) {
        problem(context, NULL, -1, error.message);
        return false;
    }
    bool good = true;
    size_t count;
    const struct rule *rules = admission_rules(&count);
    for (size_t i = 0; i < count; i++) {
        if (seen_before(rules, i) || list_kind(client, &listing, &rules[i], &error))
            continue;
        problem(context, from.ptr, -1, error.message);
        good = false;
    }
    kube_close(client);
    return good;
}
