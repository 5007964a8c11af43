/* What is installed, where an object needs it: Velero's version and CRDs, its plugins, the node agent. What is unknown is
 * never taken for missing. */
#include "policy/velero/velero.h"

#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"

/* ---- fields that came with a release ------------------------------------------ */

static const struct velero_field {
    const char *kind, *path;
    enum feature feature;
    bool judged; /* what an older Velero makes of it is said where the field is checked */
} new_fields[] = {
    {"Restore", "spec.resourcePolicy", VELERO_RESTORE_RESOURCE_POLICY, true},
    {"Restore", "spec.skipDefaultResourceModifier", VELERO_DEFAULT_MODIFIER, false},
    {"Backup", "spec.backupType", VELERO_BACKUP_TYPE, false},
    {"Schedule", "spec.template.backupType", VELERO_BACKUP_TYPE, false},
    {"Schedule", "spec.template.metadata.annotations", VELERO_TEMPLATE_ANNOTATIONS, false},
    {"BackupStorageLocation", "spec.objectStorage.caCertRef", VELERO_CA_CERT_REF, false},
};

/* The API server drops what the CRD does not have, and kubectl says what was there. It nearly never has
 * to be read: kubectl escapes nothing in the name of a field. */
static bool velero_was_applied(const struct request *request, struct str applied, const struct velero_field *field)
{
    struct error ignored;
    struct str name = str_from(strrchr(field->path, '.') + 1);
    if (!str_contains(applied, name))
        return false;
    struct str text = object_annotation(request, request->object, LAST_APPLIED);
    return json_path(json_build(request->arena, text, &ignored), field->path);
}

/* By the CRD itself: in an offline review the field still stands in the manifest. */
static bool velero_drops(const struct inventory *inventory, const struct velero_field *field)
{
    static const char *const resources[][2] = {{"Restore", "restores.velero.io"},
                                               {"Backup", "backups.velero.io"},
                                               {"Schedule", "schedules.velero.io"},
                                               {"BackupStorageLocation", "backupstoragelocations.velero.io"}};
    for (size_t i = 0; i < LENGTH_OF(resources); i++)
        if (strcmp(field->kind, resources[i][0]) == 0)
            return custom_resource_has_field(inventory_custom_resource(inventory, str_from(resources[i][1])),
                                             field->path) == ANSWER_NO;
    return false;
}

void velero_warn_fields(const struct request *request, const struct inventory *inventory,
                        const struct settings *settings, struct decision *decision)
{
    const struct product_version velero = inventory_velero_version(inventory, settings).version;
    const struct str applied = object_annotation_raw(request, request->object, LAST_APPLIED);
    for (size_t i = 0; i < LENGTH_OF(new_fields); i++) {
        const struct velero_field *field = &new_fields[i];
        if (!str_is(request->kind, field->kind))
            continue;
        bool asked = object_tree(request, request->object, field->path) != NULL;
        bool dropped = asked && velero_drops(inventory, field);
        if (asked && !dropped) {
            if (!field->judged) {
                struct arena *arena = decision->arena;
                struct str since = feature_since(arena, field->feature);
                switch (product_version_has(&velero, field->feature)) {
                case ANSWER_NO:
                    decision_caution(decision, "%s: %.*s ignores this; it needs %.*s or later", field->path,
                                     STR_ARG(product_version_name(arena, &velero)), STR_ARG(since));
                    break;
                case ANSWER_DEPENDS:
                    decision_warn(decision, "%s needs %.*s or later, and %.*s", field->path, STR_ARG(since),
                                  STR_ARG(product_version_doubt(arena, &velero)));
                    break;
                case ANSWER_YES:
                default:
                    break;
                }
            }
        } else if (dropped || velero_was_applied(request, applied, field)) {
            decision_caution(decision, "%s %s by the API server: the CRD is older than %.*s. Update it: %s",
                             field->path, dropped ? "will be dropped" : "was dropped",
                             STR_ARG(feature_since(decision->arena, field->feature)), VELERO_CRDS_COMMAND);
        }
    }
}

/* ---- the first phase of a Backup ---------------------------------------------- */

enum version_answer policy_velero_can_start(const struct inventory *inventory, const struct settings *settings,
                                            struct arena *arena, struct str *says)
{
    static const char crd[] = "backups.velero.io";
    const struct custom_resource *resource = inventory_custom_resource(inventory, str_from(crd));
    const struct product_version velero = inventory_velero_version(inventory, settings).version;
    enum version_answer queues = product_version_has(&velero, VELERO_QUEUE);
    if (queues == ANSWER_NO || custom_resource_takes_phase(resource, "Queued") != ANSWER_NO)
        return ANSWER_YES;
    if (queues == ANSWER_DEPENDS) {
        *says =
            arena_printf(arena, "CRD %s refuses phase Queued, so with %.*s or later no backup starts; %.*s", crd,
                         STR_ARG(feature_since(arena, VELERO_QUEUE)), STR_ARG(product_version_doubt(arena, &velero)));
        return ANSWER_DEPENDS;
    }
    *says = arena_printf(arena, "no backup starts: %.*s first sets phase Queued, which the older CRD %s refuses",
                         STR_ARG(product_version_name(arena, &velero)), crd);
    return ANSWER_NO;
}

void velero_warn_cannot_start(const struct inventory *inventory, const struct settings *settings,
                              struct decision *decision)
{
    struct str says = {NULL, 0};
    if (policy_velero_can_start(inventory, settings, decision->arena, &says) != ANSWER_YES)
        decision_caution(decision, "%.*s. Update the CRDs: " VELERO_CRDS_COMMAND, STR_ARG(says));
}

/* ---- plugins ---------------------------------------------------------------------- */

/* Providers whose plugin is an image of its own, and what every copy of it has in its name. */
static const struct velero_plugin {
    const char *provider, *image, *word;
} plugins[] = {
    {"aws", "velero/velero-plugin-for-aws", "aws"},
    {"azure", "velero/velero-plugin-for-microsoft-azure", "azure"},
    {"gcp", "velero/velero-plugin-for-gcp", "gcp"},
};

/* By the server's own answer, where it was asked, else by the images. */
static bool velero_has_plugin(const struct inventory *inventory, const struct velero_deployment *velero,
                              const struct velero_plugin *plugin)
{
    const struct server_status *status = inventory_velero_answer(inventory, velero);
    for (size_t i = 0; status && i < status->plugins.len; i++)
        if (str_starts(status->plugins.items[i], STR("velero.io/")) &&
            str_is(str_slice(status->plugins.items[i], 10, status->plugins.items[i].len), plugin->provider))
            return true;
    for (size_t i = 0; i < velero->plugins.len; i++)
        if (str_contains(image_name(velero->plugins.items[i]), str_from(plugin->word)))
            return true;
    return false;
}

/* A Deployment without images, as somebody cut it down for a file, says nothing. */
static const struct velero_deployment *velero_deployment_in(const struct inventory *inventory, struct str ns)
{
    for (size_t i = 0; i < inventory->count[FACT_VELERO]; i++)
        if (str_eq(inventory->velero_deployments[i]->meta.ns, ns) && inventory->velero_deployments[i]->image.len)
            return inventory->velero_deployments[i];
    return NULL;
}

/* "velero.io/aws" is aws. */
static struct str plugin_provider(struct str provider)
{
    return str_starts(provider, STR("velero.io/")) ? str_slice(provider, 10, provider.len) : provider;
}

const struct velero_deployment *policy_velero_lacks_plugin(const struct inventory *inventory, struct str ns,
                                                           struct str provider, const char **image)
{
    const struct velero_deployment *velero = velero_deployment_in(inventory, ns);
    struct str name = plugin_provider(provider);
    for (size_t i = 0; velero && i < LENGTH_OF(plugins); i++)
        if (str_is(name, plugins[i].provider) && !velero_has_plugin(inventory, velero, &plugins[i])) {
            *image = plugins[i].image;
            return velero;
        }
    return NULL;
}

void velero_warn_plugin(const struct inventory *inventory, struct str ns, const char *field, struct str provider,
                        struct decision *decision)
{
    const char *image = NULL;
    const struct velero_deployment *velero = policy_velero_lacks_plugin(inventory, ns, provider, &image);
    if (velero)
        decision_warn(decision,
                      "%s: no init container of Deployment %.*s looks like the plugin for %.*s (%s). Without it the "
                      "location stays Unavailable",
                      field, STR_ARG(arena_quote(decision->arena, velero->meta.name)),
                      STR_ARG(plugin_provider(provider)), image);
}

void velero_warn_credentials_file(const struct inventory *inventory, const struct settings *settings,
                                  struct json_object *config, struct decision *decision)
{
    const struct product_version velero = inventory_velero_version(inventory, settings).version;
    if (json_get(config, "credentialsFile") && product_version_has(&velero, VELERO_NO_CREDENTIALS_FILE) != ANSWER_NO)
        decision_warn(decision, "spec.config.credentialsFile: %.*s and later ignore it; use spec.credential",
                      STR_ARG(feature_since(decision->arena, VELERO_NO_CREDENTIALS_FILE)));
}

/* ---- the node agent --------------------------------------------------------------- */

/* What needs it: a field below `at`, or a flag of the server; absent for nothing. */
static struct str node_agent_reason(struct arena *arena, const struct inventory *inventory, const char *at,
                                    struct json_object *spec)
{
    const char *field = backup_spec_node_agent(spec);
    if (field)
        return arena_printf(arena, "%s.%s", at, field);
    if (json_get(spec, "defaultVolumesToFsBackup"))
        return (struct str){NULL, 0};
    for (size_t i = 0; i < inventory->count[FACT_VELERO]; i++)
        if (inventory->velero_deployments[i]->default_file_backup)
            return STR("--default-volumes-to-fs-backup of Velero's Deployment");
    return (struct str){NULL, 0};
}

static const struct node_agent *node_agent_in(const struct inventory *inventory, struct str ns)
{
    for (size_t i = 0; i < inventory->count[FACT_NODE_AGENTS]; i++)
        if (str_eq(inventory->node_agents[i]->meta.ns, ns))
            return inventory->node_agents[i];
    return NULL;
}

void velero_warn_node_agent(const struct inventory *inventory, struct str ns, const char *at, struct json_object *spec,
                            struct decision *decision)
{
    const struct management *management = inventory_management(inventory);
    struct str reason = node_agent_reason(decision->arena, inventory, at, spec);
    const struct node_agent *agent = node_agent_in(inventory, ns);
    if (reason.len == 0)
        return;
    if (agent && agent->desired > 0 && agent->ready == 0)
        decision_caution(
            decision,
            "%.*s needs Velero's node agent, which is ready on none of %lld nodes. See why: kubectl describe "
            "daemonset node-agent -n %.*s",
            STR_ARG(reason), (long long)agent->desired, STR_ARG(ns));
    else if (!agent && inventory->known[FACT_NODE_AGENTS])
        decision_caution(
            decision,
            "%.*s needs Velero's node agent, and there is no DaemonSet node-agent in %.*s. k0rdent installs "
            "it with spec.core.kcm.config.regional.velero.deployNodeAgent: true",
            STR_ARG(reason), STR_ARG(ns));
    else if (!agent && management && !management->node_agent)
        decision_warn(decision,
                      "%.*s needs Velero's node agent, which k0rdent installs only with "
                      "spec.core.kcm.config.regional.velero.deployNodeAgent: true. Check: kubectl get daemonset "
                      "node-agent -n %.*s",
                      STR_ARG(reason), STR_ARG(ns));
}
