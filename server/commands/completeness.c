/* Reads what only completeness needs (identities, sources of charts, metadata of Secrets and
 * ConfigMaps) with the rights of whoever runs the command. The judgement is in
 * status/completeness.c.
 *
 * For a cluster the snapshot is not enough: it keeps of each object what the policies read. Each
 * kind is listed once, and one that cannot be listed makes the verdict "unknown" for what
 * depends on it, never "missing". */
#include "commands/facts_open.h"

#include <ctype.h>
#include <string.h>

#include "backstop/api.h"
#include "backstop/kube.h"
#include "commands/manifest/manifest.h"

enum { OBJECTS_MAX = 20000 };

static const char *const flux[] = {"v1", "v1beta2", NULL};

/* What is listed in any case. Identities, and other sources of charts, are listed once something names their kind. */
static const struct completeness_kind {
    const char *group, *plural, *kind;
    const char *const *versions;
} listed_kinds[] = {
    {GROUP_K0RDENT, "credentials", "Credential", versions_of_k0rdent},
    {GROUP_K0RDENT, "regions", "Region", versions_of_k0rdent},
    {GROUP_K0RDENT, "clusterdeployments", "ClusterDeployment", versions_of_k0rdent},
    {GROUP_K0RDENT, "clustertemplates", "ClusterTemplate", versions_of_k0rdent},
    {GROUP_K0RDENT, "servicetemplates", "ServiceTemplate", versions_of_k0rdent},
    {GROUP_K0RDENT, "providertemplates", "ProviderTemplate", versions_of_k0rdent},
    {GROUP_K0RDENT, "providerinterfaces", "ProviderInterface", versions_of_k0rdent},
    {"source.toolkit.fluxcd.io", "helmrepositories", "HelmRepository", flux},
};

/* `world` maps a kind to its objects by "namespace/name", which is the form that status_complete
 * wants. A kind without an entry is unknown; one with an empty entry has no objects. */
struct completeness_reader {
    struct arena *arena;
    struct json_object *world;
    struct status_completeness *found;
    struct kube_client *client; /* NULL: files */
    size_t objects;
    const char *kind; /* of the list that is under way, with its version */
    struct str api_version;
    bool failed; /* for want of memory */
};

/* A later object of the same name replaces the earlier, as a later file does. */
static bool completeness_put(struct completeness_reader *reader, const char *kind, struct json_object *object)
{
    struct json_object *of_kind = json_get(reader->world, kind);
    struct json_object *metadata = json_get(object, "metadata");
    const char *key = arena_printf(reader->arena, "%.*s/%.*s", STR_ARG(json_get_str(metadata, "namespace")),
                                   STR_ARG(json_get_str(metadata, "name")))
                          .ptr;
    if ((!of_kind && !json_put_map(reader->world, kind, &of_kind)) || !key)
        return false;
    reader->objects++;
    return json_put_shared(of_kind, key, object);
}

static void completeness_unknown(struct completeness_reader *reader, const char *kind, const char *reason)
{
    strlist_add(reader->arena, &reader->found->unknown, arena_printf(reader->arena, "%ss: %s", kind, reason));
}

/* ---- files ----------------------------------------------------------------------------- */

/* Kinds that files may have and that are asked for: by their group, since others have kinds of the same name. */
static bool completeness_wants(struct str api_version, struct str kind)
{
    struct str group = api_version_group(api_version, NULL);
    if (!group.len)
        return str_is(kind, "Secret") || str_is(kind, "ConfigMap");
    return str_is(group, GROUP_K0RDENT) || str_is(group, "source.toolkit.fluxcd.io") ||
           str_ends(group, STR("cluster.x-k8s.io"));
}

/* AdmissionReviews are passed over, since the object within one is a wish and not what a cluster
 * holds. */
static bool completeness_visit_manifest(void *context, struct manifest *manifest)
{
    struct completeness_reader *reader = context;
    struct str kind = json_get_str(manifest->tree, "kind");
    if (!manifest->tree || manifest->review.ptr ||
        !completeness_wants(json_get_str(manifest->tree, "apiVersion"), kind))
        return true;
    const char *kind_text = arena_printf(reader->arena, "%.*s", STR_ARG(kind)).ptr;
    struct json_object *kept = json_keep(reader->arena, manifest->tree);
    reader->failed = !kind_text || !kept || !completeness_put(reader, kind_text, kept);
    return !reader->failed;
}

static void completeness_file_problem(void *context, const char *source, int64_t line, const char *reason)
{
    struct completeness_reader *reader = context; /* facts_open has told of it */
    (void)line;
    strlist_add(reader->arena, &reader->found->unknown,
                arena_printf(reader->arena, "%s: %s", source ? source : "", reason));
}

/* An empty list of a kind that is a fact: the inventory knows of it. */
static void completeness_add_known(struct completeness_reader *reader, const struct inventory *inventory)
{
    static const enum fact facts[] = {FACT_CREDENTIALS,       FACT_REGIONS, FACT_CLUSTER_DEPLOYMENTS,
                                      FACT_CLUSTER_TEMPLATES, FACT_SECRETS, FACT_CONFIG_MAPS};
    for (size_t i = 0; i < LENGTH_OF(facts); i++) {
        const char *kind = fact_kinds[facts[i]].resource.kind.ptr;
        struct json_object *ignored;
        if (inventory->known[facts[i]] && !json_get(reader->world, kind))
            reader->failed |= !json_put_map(reader->world, kind, &ignored);
    }
}

/* ---- a cluster ---------------------------------------------------------------------------- */

/* Items of a list have no apiVersion and kind of their own. managedFields may be half of an
 * object and say nothing here. */
static bool completeness_visit_item(void *context, struct json_object *object, struct error *error)
{
    struct completeness_reader *reader = context;
    if (!json_object_is_type(object, json_type_object))
        return error_set(error, 502, "an item of the list is not an object");
    if (reader->objects == OBJECTS_MAX)
        return error_set(error, 500, "not read: there are more than %d objects to look at", OBJECTS_MAX);
    json_delete(json_get(object, "metadata"), "managedFields");
    reader->failed = !json_put_text(object, "apiVersion", reader->api_version) ||
                     !json_put_text(object, "kind", str_from(reader->kind)) ||
                     !completeness_put(reader, reader->kind, object);
    return !reader->failed || error_set(error, 500, "out of memory");
}

/* A kind that is not served has no objects. One of which some could not be listed is unknown. */
static void completeness_list(struct completeness_reader *reader, const struct completeness_kind *kind, struct str ns,
                              bool metadata_only)
{
    struct error error;
    const char *version = NULL;
    struct json_object *ignored;
    struct kube_resource resource = {
        .group = str_from(kind->group), .plural = str_from(kind->plural), .kind = str_from(kind->kind)};
    const struct kube_list_options wanted = {.ns = ns, .metadata_only = metadata_only};
    bool served =
        kube_served_version(reader->client, resource.group, resource.plural, kind->versions, &version, &error);
    if (!served && error.code != 404) {
        completeness_unknown(reader, kind->kind, error.message);
        return;
    }
    resource.version = str_from(served ? version : "");
    resource.namespaced = ns.len > 0;
    reader->kind = kind->kind;
    reader->api_version = *kind->group ? arena_printf(reader->arena, "%s/%s", kind->group, version ? version : "")
                                       : str_from(version ? version : "v1");
    if (served &&
        !kube_list(reader->client, reader->arena, &resource, &wanted, completeness_visit_item, reader, NULL, &error)) {
        json_delete(reader->world, kind->kind);
        completeness_unknown(reader, kind->kind, error.message);
    } else if (!json_get(reader->world, kind->kind)) {
        reader->failed |= !json_put_map(reader->world, kind->kind, &ignored);
    }
}

/* "awsclusterstaticidentities" of AWSClusterStaticIdentity. The plural is guessed, as
 * Kubernetes' own meta.UnsafeGuessKindToResource does, since discovery would be a request for
 * each group. A wrong guess is answered 404, and the kind then counts as one without objects. */
static const char *completeness_plural(struct arena *arena, struct str kind)
{
    BUF_SCOPED text;
    buf_init(&text, 512);
    bool y = str_ends(kind, STR("y"));
    for (size_t i = 0; i < kind.len - (y ? 1 : 0); i++)
        buf_putc(&text, (char)tolower((unsigned char)kind.ptr[i]));
    buf_puts(&text, y ? "ies" : str_ends(kind, STR("s")) ? "es" : "s");
    return text.failed ? NULL : arena_printf(arena, "%.*s", STR_ARG(buf_str(&text))).ptr;
}

/* Lists the kind of a reference, once. */
static void completeness_list_reference(struct completeness_reader *reader, struct str api_version, struct str kind)
{
    struct arena *arena = reader->arena;
    struct str version = api_version, group;
    if (!str_cut(&version, '/', &group) || !version.len || !kind.len || kind.len > 63)
        return;
    const char *kind_text = arena_printf(arena, "%.*s", STR_ARG(kind)).ptr;
    const char *const versions[] = {arena_printf(arena, "%.*s", STR_ARG(version)).ptr, "v1beta2", "v1beta1", "v1",
                                    NULL};
    const struct completeness_kind wanted = {arena_printf(arena, "%.*s", STR_ARG(group)).ptr,
                                             completeness_plural(arena, kind), kind_text, versions};
    if (versions[0] && wanted.group && wanted.plural && kind_text && !json_get(reader->world, kind_text))
        completeness_list(reader, &wanted, STR(""), false);
}

/* A template names its chart by a source or by a HelmChart or OCIRepository: either may be of
 * several kinds. */
static void completeness_list_sources(struct completeness_reader *reader, const char *kind)
{
    json_foreach(json_get(reader->world, kind), key, template)
    {
        completeness_list_reference(reader, STR("source.toolkit.fluxcd.io/v1"),
                                    json_path_str(template, "spec.helm.chartSpec.sourceRef.kind"));
        completeness_list_reference(reader, STR("source.toolkit.fluxcd.io/v1"),
                                    json_path_str(template, "spec.helm.chartRef.kind"));
    }
}

/* Where an owner is, and where the identity is that a Credential names. */
static void completeness_add_namespaces(struct completeness_reader *reader, const char *kind,
                                        struct strlist *namespaces)
{
    json_foreach(json_get(reader->world, kind), key, object)
    {
        const struct str each[] = {json_path_str(object, "metadata.namespace"),
                                   json_path_str(object, "spec.identityRef.namespace")};
        for (size_t i = 0; i < LENGTH_OF(each); i++)
            if (each[i].len && !strlist_has(namespaces, each[i]))
                strlist_add(reader->arena, namespaces, each[i]);
    }
}

/* In three rounds, for each says what the next needs: the kinds that are always there, then what
 * they refer to by kind, then Secrets and ConfigMaps of the namespaces that came up. Of those
 * only metadata is read, so that no secret ever enters this process. */
static void completeness_read_cluster(struct completeness_reader *reader, const struct facts_options *options,
                                      struct str system_namespace)
{
    static const char *const templates[] = {"ClusterTemplate", "ServiceTemplate", "ProviderTemplate"};
    struct error error;
    const struct kube_options wanted = connection_access(&options->connection);
    reader->client = kube_open(&wanted, &error);
    if (!reader->client) {
        strlist_add(reader->arena, &reader->found->unknown, arena_printf(reader->arena, "%s", error.message));
        return;
    }
    for (size_t i = 0; i < LENGTH_OF(listed_kinds) && !reader->failed; i++)
        completeness_list(reader, &listed_kinds[i], STR(""), false);
    json_foreach(json_get(reader->world, "Credential"), key, credential)
    {
        struct json_object *reference = json_path(credential, "spec.identityRef");
        struct str version = json_get_str(reference, "apiVersion"), kind = json_get_str(reference, "kind");
        completeness_list_reference(reader, version, kind);
        if (!str_is(kind, "AWSClusterRoleIdentity"))
            continue;
        completeness_list_reference(reader, version, STR("AWSClusterStaticIdentity")); /* it rests on one of these */
        completeness_list_reference(reader, version, STR("AWSClusterControllerIdentity"));
    }
    for (size_t i = 0; i < LENGTH_OF(templates); i++)
        completeness_list_sources(reader, templates[i]);
    /* Secrets and ConfigMaps of the namespaces that something named may be in. */
    static const char *const core[] = {"v1", NULL};
    static const struct completeness_kind kinds[] = {{"", "secrets", "Secret", core},
                                                     {"", "configmaps", "ConfigMap", core}};
    static const char *const owners[] = {"Credential", "HelmRepository", "OCIRepository", "GitRepository", "Bucket"};
    struct strlist namespaces = {0};
    strlist_add(reader->arena, &namespaces, system_namespace);
    for (size_t i = 0; i < LENGTH_OF(owners); i++)
        completeness_add_namespaces(reader, owners[i], &namespaces);
    for (size_t k = 0; k < LENGTH_OF(kinds); k++)
        for (size_t i = 0; i < namespaces.len; i++) {
            completeness_list(reader, &kinds[k], namespaces.items[i], true);
            if (!json_get(reader->world, kinds[k].kind))
                break; /* it is unknown now, and that is said */
        }
    kube_close(reader->client);
}

/* ---- both ----------------------------------------------------------------------------------- */

bool completeness_read(struct arena *arena, const struct facts_options *options, const struct facts *facts,
                       const struct settings *settings, struct status_completeness *found)
{
    *found = (struct status_completeness){.items = NULL};
    struct completeness_reader reader = {
        .arena = arena, .world = json_own(arena, json_object_new_object()), .found = found};
    if (!reader.world)
        return false;
    if (facts->cluster)
        completeness_read_cluster(&reader, options, settings->system_namespace);
    else {
        struct manifest_files files = {.sink = {completeness_visit_manifest, completeness_file_problem, &reader, NULL},
                                       .quiet_others = true};
        for (size_t i = 0; i < options->inventories.len && !reader.failed; i++)
            (void)!manifests_read(&files, options->inventories.items[i]);
    }
    if (!facts->cluster)
        completeness_add_known(&reader, facts->inventory);
    return !reader.failed && status_complete(arena, reader.world, settings->system_namespace, found);
}
