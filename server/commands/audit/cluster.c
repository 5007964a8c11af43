#include "backstop/kube.h"
#include "commands/audit/audit.h"

/* An audit reads whole objects, where the inventory keeps only the fields it uses. */

static const char *const k0rdent_versions[] = {"v1beta1", "v1alpha1", NULL};
static const char *const other_versions[] = {"v1", NULL};

struct listing {
    const struct manifest_sink *sink;
    const char *source, *kind;
    struct str api_version;
    unsigned number;
    bool stopped;
};

/* Pages are freed as the list goes on; items of a list say neither apiVersion nor kind.
 * managedFields are most of an object and never read. */
static bool audit_cluster_visit(void *context, struct json_object *object, struct error *error)
{
    struct listing *listing = context;
    if (!json_object_is_type(object, json_type_object))
        return error_set(error, 502, "an item of the list is not an object");
    json_delete(json_get(object, "metadata"), "managedFields");
    if (!json_put_text(object, "apiVersion", listing->api_version) ||
        !json_put_text(object, "kind", str_from(listing->kind)))
        return error_set(error, 500, "out of memory");
    struct manifest manifest = {.source = listing->source, .number = ++listing->number, .tree = object, .stored = true};
    listing->stopped = !listing->sink->visit(listing->sink->context, &manifest);
    return !listing->stopped || error_set(error, 500, "stopped");
}

static bool list_kind(struct kube_client *client, struct listing *listing, const struct rule *rule, struct error *error)
{
    enum { TEXTS_LIMIT = 64 * 1024 };
    ARENA_SCOPED arena = arena_new(TEXTS_LIMIT);
    if (!arena)
        return error_set(error, 500, "out of memory");
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
    listing->api_version = arena_printf(arena, "%s/%s", rule->group, version);
    return kube_list(client, arena, &resource, &all, audit_cluster_visit, listing, NULL, error);
}

static bool audit_cluster_seen_before(const struct rule *rules, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (str_eq(str_from(rules[i].group), str_from(rules[at].group)) &&
            str_eq(str_from(rules[i].resource), str_from(rules[at].resource)))
            return true;
    return false;
}

void audit_list(const struct facts_options *options, struct str from, const struct manifest_sink *sink)
{
    struct error error;
    const struct kube_options wanted = connection_access(&options->connection);
    struct listing listing = {.sink = sink, .source = from.ptr};
    struct kube_client *client = kube_open(&wanted, &error);
    if (!client) {
        sink->problem(sink->context, NULL, -1, error.message);
        return;
    }
    size_t count;
    const struct rule *rules = admission_rules(&count);
    for (size_t i = 0; i < count && !listing.stopped; i++)
        if (!audit_cluster_seen_before(rules, i) && !list_kind(client, &listing, &rules[i], &error) && !listing.stopped)
            sink->problem(sink->context, from.ptr, -1, error.message);
    kube_close(client);
}

void audit_read(const struct facts_options *options, const struct facts *facts, const struct manifest_sink *sink)
{
    struct manifest_files files = {.sink = *sink, .quiet_others = true};
    if (facts->cluster)
        audit_list(options, facts->from, sink);
    for (size_t i = 0; !facts->cluster && i < options->inventories.len; i++)
        if (!manifests_read(&files, options->inventories.items[i]))
            return;
}
