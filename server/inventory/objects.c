/* What is kept of each kind but Velero's: the core group's objects, k0rdent's and CustomResourceDefinitions. An extractor
 * runs twice, over scratch memory to measure and into the record to fill, so it must do the same both times. */
#include <string.h>

#include "backstop/api.h"
#include "inventory/inventory.h"

/* The API server takes no other values. */
static bool config_map_is_text(struct json_object *value)
{
    return json_object_is_type(value, json_type_string);
}

void extract_config_map(struct store *store, void *fact, struct json_object *object)
{
    struct config_map *map = fact;
    struct json_object *data = json_get(object, "data");
    struct strlist keys = {0};
    if (json_object_is_type(data, json_type_object)) {
        json_walk_each(data, key, value)
        {
            if (config_map_is_text(value) && map->key_count++ < CONFIG_MAP_KEYS_KEPT)
                strlist_add(store->scratch, &keys, arena_copy(store->scratch, str_from(key)));
        }
    }
    if (map->key_count == 1) {
        json_foreach(data, key, value)
        {
            if (config_map_is_text(value))
                map->text = store_text(store, json_str(value));
            (void)key;
        }
    }
    map->keys = store_texts(store, &keys);
    json_walk_each(json_get(object, "binaryData"), key, value)
    {
        (void)key;
        map->has_binary_data = map->has_binary_data || config_map_is_text(value);
    }
}

/* Values of Secrets are never copied: a webhook that holds none can leak none. */
void extract_secret(struct store *store, void *fact, struct json_object *object)
{
    static const char *const members[] = {"data", "stringData"};
    struct secret *secret = fact;
    struct json_object *data = json_get(object, members[0]);
    struct strlist keys = {0};
    for (size_t i = 0; i < LENGTH_OF(members); i++) {
        struct json_object *map = json_get(object, members[i]);
        if (!json_object_is_type(map, json_type_object))
            continue;
        json_walk_each(map, key, value)
        {
            (void)value;
            if (map == data || !json_has(data, key))
                strlist_add(store->scratch, &keys, arena_copy(store->scratch, str_from(key)));
        }
    }
    secret->keys = store_texts(store, &keys);
}

/* Velero looks for it by this name in its own namespace (pkg/nodeagent). */
bool is_node_agent(struct json_object *object)
{
    return str_is(json_path_str(object, "metadata.name"), "node-agent");
}

void extract_node_agent(struct store *store, void *fact, struct json_object *object)
{
    struct node_agent *agent = fact;
    struct json_object *containers = json_path(object, "spec.template.spec.containers");
    agent->image = store_text(store, json_get_str(json_item(containers, 0), "image"));
    agent->desired = object_count(object, "status.desiredNumberScheduled");
    agent->ready = object_count(object, "status.numberReady");
}

bool is_kube_system(struct json_object *object)
{
    return str_is(json_path_str(object, "metadata.name"), "kube-system");
}

void extract_cluster_identity(struct store *store, void *fact, struct json_object *object)
{
    struct cluster_identity *cluster = fact;
    cluster->uid = store_text(store, json_path_str(object, "metadata.uid"));
}

/* kcm's chart names its Deployment after the Helm release, and gives it both labels. */
bool is_kcm_deployment(struct json_object *object)
{
    struct json_object *labels = json_path(object, "metadata.labels");
    return str_is(json_get_str(labels, LABEL_COMPONENT), "kcm") &&
           str_ends(json_get_str(labels, "control-plane"), STR("controller-manager"));
}

void extract_kcm_deployment(struct store *store, void *fact, struct json_object *object)
{
    struct kcm_deployment *deployment = fact;
    struct json_object *pod = json_path(object, "spec.template.spec");
    struct str account = json_get_str(pod, "serviceAccountName");
    deployment->service_account = store_text(store, account.len ? account : json_get_str(pod, "serviceAccount"));
    deployment->image = store_text(store, json_get_str(json_item(json_get(pod, "containers"), 0), "image"));
    deployment->state = object_deployment_state(object);
}

void extract_management_backup(struct store *store, void *fact, struct json_object *object)
{
    struct management_backup *backup = fact;
    struct json_object *spec = json_get(object, "spec"), *status = json_get(object, "status");
    struct json_object *labels = json_path(object, "metadata.labels");
    backup->schedule = store_text(store, json_get_str(spec, "schedule"));
    backup->storage_location = store_text(store, json_get_str(spec, "storageLocation"));
    backup->on_upgrade = json_get_bool(spec, "performOnManagementUpgrade");
    backup->release = store_text(store, json_get_str(labels, LABEL_RELEASE_BACKUP));
    backup->next_attempt = object_time(status, "nextAttempt");
    backup->last_backup_time = object_time(status, "lastBackupTime");
    backup->last_backup_name = store_text(store, json_get_str(status, "lastBackupName"));
    backup->error = store_text(store, json_get_str(status, "error"));
    extract_backup_status(store, &backup->last_backup, json_get(status, "lastBackup"));

    struct json_object *regions = json_get(status, "regions");
    size_t count = json_len(regions);
    backup->regions = count ? store_alloc(store, count * sizeof *backup->regions) : NULL;
    if (!backup->regions)
        return;
    for (size_t i = 0; i < count; i++) {
        struct json_object *item = json_item(regions, i);
        struct region_status *region = &backup->regions[backup->region_count++];
        region->region = store_text(store, json_get_str(item, "region"));
        region->backup_name = store_text(store, json_get_str(item, "lastBackupName"));
        region->error = store_text(store, json_get_str(item, "error"));
        extract_backup_status(store, &region->backup, json_get(item, "lastBackup"));
    }
}

/* Helm's values: the largest part of a Management, of which little is read. */
static void extract_kcm_values(struct management *management, struct json_object *config)
{
    if (!json_object_is_type(config, json_type_object))
        return;
    json_walk_each(config, key, value)
    {
        struct json_object *webhook = strcmp(key, "admissionWebhook") == 0 ? json_get(value, "enabled") : NULL;
        if (json_object_is_type(webhook, json_type_boolean) && !json_object_get_boolean(webhook))
            management->webhook_off = true;
        if (strcmp(key, "velero") == 0) { /* before k0rdent 1.4 */
            management->old_velero_values = value != NULL;
            management->node_agent |= json_get_bool(value, "deployNodeAgent");
        }
        if (strcmp(key, "regional") == 0) {
            management->regional_values = value != NULL;
            management->node_agent |= json_get_bool(json_get(value, "velero"), "deployNodeAgent");
        }
    }
}

void extract_management(struct store *store, void *fact, struct json_object *object)
{
    struct management *management = fact;
    management->release = store_text(store, json_path_str(object, "spec.release"));
    management->status_release = store_text(store, json_path_str(object, "status.release"));
    management->available_providers = store_strings(store, json_path(object, "status.availableProviders"), NULL);
    management->provider_components = store_strings(store, json_path(object, "spec.providers"), "name");
    /* kcm sets status.release about a minute after a change, and each component's success when it runs. */
    struct json_object *components = json_path(object, "status.components");
    struct strlist names = {0};
    if (json_object_is_type(components, json_type_object)) {
        json_walk_each(components, key, value)
        {
            if (!json_get_bool(value, "success"))
                strlist_add(store->scratch, &names, arena_copy(store->scratch, str_from(key)));
        }
    }
    management->unready_components = store_texts(store, &names);
    extract_kcm_values(management, json_path(object, "spec.core.kcm.config"));
}

/* status.release alone says little: kcm sets it as soon as the HelmReleases are applied, with no
 * component ready. So the components' own success is looked at, too. */
enum management_progress management_progress(const struct management *management)
{
    if (management->status_release.len == 0)
        return MANAGEMENT_NEW;
    if (management->release.len && !str_eq(management->release, management->status_release))
        return MANAGEMENT_ASKED;
    return management->unready_components.len ? MANAGEMENT_NOT_READY : MANAGEMENT_READY;
}

struct str management_progress_words(struct arena *arena, const struct management *management)
{
    if (management_progress(management) != MANAGEMENT_NOT_READY)
        return STR("runs");
    return arena_printf(arena, "is not ready (%.*s)", STR_ARG(strlist_quoted(arena, &management->unready_components)));
}

void extract_release(struct store *store, void *fact, struct json_object *object)
{
    struct release *release = fact;
    release->version = store_text(store, json_path_str(object, "spec.version"));
    release->ready = json_get_bool(json_get(object, "status"), "ready");
}

void extract_cluster_deployment(struct store *store, void *fact, struct json_object *object)
{
    struct cluster_deployment *deployment = fact;
    struct json_object *spec = json_get(object, "spec");
    deployment->template = store_text(store, json_get_str(spec, "template"));
    deployment->credential = store_text(store, json_get_str(spec, "credential"));
}

void extract_cluster_template(struct store *store, void *fact, struct json_object *object)
{
    (void)store, (void)fact, (void)object; /* its metadata is all */
}

void extract_credential(struct store *store, void *fact, struct json_object *object)
{
    struct credential *credential = fact;
    struct json_object *spec = json_get(object, "spec"), *identity = json_get(spec, "identityRef");
    credential->region = store_text(store, json_get_str(spec, "region"));
    credential->identity_api_version = store_text(store, json_get_str(identity, "apiVersion"));
    credential->identity_kind = store_text(store, json_get_str(identity, "kind"));
    credential->identity_ns = store_text(store, json_get_str(identity, "namespace"));
    credential->identity_name = store_text(store, json_get_str(identity, "name"));
}

/* A message of kcm's may hold a whole list of errors; their cause stands last. */
static struct str store_not_ready(struct store *store, struct json_object *conditions)
{
    enum { PROBLEM_MAX = 400 };
    for (size_t i = 0; i < json_len(conditions); i++) {
        struct json_object *condition = json_item(conditions, i);
        if (!str_is(json_get_str(condition, "type"), "Ready") || !str_is(json_get_str(condition, "status"), "False"))
            continue;
        struct str message = json_get_str(condition, "message"), end = str_utf8_tail(message, PROBLEM_MAX);
        return store_text(store,
                          arena_printf(store->scratch, "%.*s: %s%.*s", STR_ARG(json_get_str(condition, "reason")),
                                       end.len < message.len ? "..." : "", STR_ARG(end)));
    }
    return (struct str){NULL, 0};
}

void extract_region(struct store *store, void *fact, struct json_object *object)
{
    struct region *region = fact;
    struct json_object *spec = json_get(object, "spec"), *kubeconfig = json_get(spec, "kubeConfig");
    struct json_object *cluster = json_get(spec, "clusterDeployment");
    region->kubeconfig_secret = store_text(store, json_get_str(kubeconfig, "name"));
    region->kubeconfig_key = store_text(store, json_get_str(kubeconfig, "key"));
    region->cluster_ns = store_text(store, json_get_str(cluster, "namespace"));
    region->cluster_name = store_text(store, json_get_str(cluster, "name"));
    region->problem = store_not_ready(store, json_path(object, "status.conditions"));
}

/* What is kept of a CustomResourceDefinition: which fields of spec its objects may have, since the
 * API server drops all others without a word, and which phases their controller may report, since
 * it refuses all others. Schemas are as apiextensions.k8s.io/v1 has them. */

/* "spec.template.metadata.annotations" is the deepest that anybody asks for. */
enum { FIELD_DEPTH = 4, FIELDS_MAX = 2000 };

struct field_walk {
    struct arena *arena;
    struct strlist fields;
};

static bool schema_is_open(struct json_object *schema)
{
    struct json_object *more = json_get(schema, "additionalProperties");
    bool refused = json_object_is_type(more, json_type_boolean) && !json_object_get_boolean(more);
    return json_get_bool(schema, "x-kubernetes-preserve-unknown-fields") || (more && !refused);
}

/* Adds the members of one object's schema, which stands at `at`; items of lists are not looked into. */
static void walk_fields(struct field_walk *walk, struct str at, struct json_object *schema, int depth)
{
    struct json_object *properties = json_get(schema, "properties");
    if (schema_is_open(schema))
        strlist_add(walk->arena, &walk->fields, arena_printf(walk->arena, "%.*s.*", STR_ARG(at)));
    if (depth >= FIELD_DEPTH || !json_object_is_type(properties, json_type_object))
        return;
    json_foreach(properties, key, value)
    {
        if (walk->fields.len > FIELDS_MAX)
            return;
        struct str path = arena_printf(walk->arena, "%.*s.%s", STR_ARG(at), key);
        strlist_add(walk->arena, &walk->fields, path);
        walk_fields(walk, path, value, depth + 1);
    }
}

/* A cluster has hundreds, and schemas are large. */
bool is_our_custom_resource(struct json_object *object)
{
    struct str group = json_path_str(object, "spec.group");
    return str_is(group, GROUP_VELERO) || str_is(group, GROUP_K0RDENT);
}

static struct json_object *stored_version(struct json_object *versions)
{
    for (size_t i = 0; i < json_len(versions); i++)
        if (json_get_bool(json_item(versions, i), "storage"))
            return json_item(versions, i);
    return NULL;
}

void extract_custom_resource(struct store *store, void *fact, struct json_object *object)
{
    struct custom_resource *resource = fact;
    struct json_object *versions = json_path(object, "spec.versions");
    struct json_object *schema = json_path(stored_version(versions), "schema.openAPIV3Schema");
    struct json_object *spec = json_path(schema, "properties.spec");
    struct field_walk walk = {.arena = store->scratch};
    struct strlist served = {0};
    for (size_t i = 0; i < json_len(versions); i++)
        if (json_get_bool(json_item(versions, i), "served"))
            strlist_add(store->scratch, &served, json_get_str(json_item(versions, i), "name"));
    resource->versions = store_texts(store, &served);
    if (!spec || schema_is_open(schema))
        return;
    walk_fields(&walk, STR("spec"), spec, 1);
    if (walk.fields.len > FIELDS_MAX)
        return;
    resource->schema = true;
    resource->fields = store_texts(store, &walk.fields);
    resource->phases = store_strings(store, json_path(schema, "properties.status.properties.phase.enum"), NULL);
}

/* ---- what a restore of the objects would need: conversions and webhooks ------------------------- */

/* "v12beta3" as Kubernetes orders versions (apimachinery pkg/version helpers.go); false for another form. */
static bool kube_version_parse(struct str text, int64_t rank[3])
{
    static const char *const stages[] = {"alpha", "beta"};
    struct str rest = str_slice(text, 1, text.len), major = rest, minor = {NULL, 0};
    rank[1] = LENGTH_OF(stages);
    rank[2] = 0;
    for (size_t i = 0; i < LENGTH_OF(stages); i++) {
        const char *found = rest.len ? memmem(rest.ptr, rest.len, stages[i], strlen(stages[i])) : NULL;
        if (!found)
            continue;
        major = str_slice(rest, 0, (size_t)(found - rest.ptr));
        minor = str_slice(rest, major.len + strlen(stages[i]), rest.len);
        rank[1] = (int64_t)i;
    }
    return str_starts(text, STR("v")) && str_to_int64(major, &rank[0]) && (!minor.ptr || str_to_int64(minor, &rank[2]));
}

/* Whether discovery has a before b: stable ones first, by number; what has another form last, by its text. */
static bool kube_version_precedes(struct str a, struct str b)
{
    int64_t x[3], y[3];
    bool regular = kube_version_parse(a, x), other = kube_version_parse(b, y);
    if (!regular || !other)
        return regular != other ? regular : str_cmp(a, b) < 0;
    if (x[1] != y[1])
        return x[1] > y[1];
    return x[0] != y[0] ? x[0] > y[0] : x[2] > y[2];
}

void extract_installed_kind(struct store *store, void *fact, struct json_object *object)
{
    struct installed_kind *kind = fact;
    struct json_object *versions = json_path(object, "spec.versions");
    struct str preferred = {NULL, 0};
    if (!str_is(json_path_str(object, "spec.conversion.strategy"), "Webhook"))
        return;
    for (size_t i = 0; i < json_len(versions); i++) {
        struct str name = json_get_str(json_item(versions, i), "name");
        if (json_get_bool(json_item(versions, i), "served") &&
            (!preferred.ptr || kube_version_precedes(name, preferred)))
            preferred = name;
    }
    kind->preferred = store_text(store, preferred);
    kind->stored = store_text(store, json_get_str(stored_version(versions), "name"));
}

bool is_of_provider(struct json_object *object)
{
    return json_get_str(json_path(object, "metadata.labels"), LABEL_PROVIDER).len > 0;
}

static bool list_has_text(struct json_object *list, const char *a, const char *b)
{
    for (size_t i = 0; i < json_len(list); i++)
        if (str_is(json_str(json_item(list, i)), a) || str_is(json_str(json_item(list, i)), b))
            return true;
    return false;
}

/* What is created under this rule: a restore creates, and never a subresource alone. */
static void closed_add_rule(struct arena *scratch, struct fail_closed *closed, struct str service,
                            struct json_object *rule)
{
    enum { KINDS_MAX = 1000 };
    struct json_object *groups = json_get(rule, "apiGroups"), *resources = json_get(rule, "resources");
    if (!list_has_text(json_get(rule, "operations"), "CREATE", "*"))
        return;
    for (size_t g = 0; g < json_len(groups); g++)
        for (size_t r = 0; r < json_len(resources) && closed->kinds.len < KINDS_MAX; r++) {
            struct str group = json_str(json_item(groups, g)), resource = json_str(json_item(resources, r));
            if (str_is(resource, "*/*"))
                resource = STR("*");
            if (str_contains(resource, STR("/")))
                continue;
            strlist_add(scratch, &closed->services, service);
            strlist_add(scratch, &closed->kinds,
                        arena_printf(scratch, "%.*s%s%.*s", STR_ARG(resource), group.len ? "." : "", STR_ARG(group)));
        }
}

static void extract_closed(struct store *store, struct fail_closed *kept, struct json_object *object)
{
    struct json_object *webhooks = json_get(object, "webhooks");
    struct fail_closed closed = {0};
    for (size_t i = 0; i < json_len(webhooks); i++) {
        struct json_object *webhook = json_item(webhooks, i), *rules = json_get(webhook, "rules");
        struct json_object *service = json_path(webhook, "clientConfig.service");
        if (!service || str_is(json_get_str(webhook, "failurePolicy"), "Ignore"))
            continue;
        struct str name = arena_printf(store->scratch, "%.*s/%.*s", STR_ARG(json_get_str(service, "namespace")),
                                       STR_ARG(json_get_str(service, "name")));
        for (size_t r = 0; r < json_len(rules); r++)
            closed_add_rule(store->scratch, &closed, name, json_item(rules, r));
    }
    kept->services = store_texts(store, &closed.services);
    kept->kinds = store_texts(store, &closed.kinds);
}

void extract_mutating_webhook(struct store *store, void *fact, struct json_object *object)
{
    extract_closed(store, &((struct mutating_webhook *)fact)->closed, object);
}

void extract_validating_webhook(struct store *store, void *fact, struct json_object *object)
{
    extract_closed(store, &((struct validating_webhook *)fact)->closed, object);
}

void extract_provider_service(struct store *store, void *fact, struct json_object *object)
{
    (void)store, (void)fact, (void)object; /* its labels are all */
}

/* ---- CustomResourceDefinitions ------------------------------------------------------------------- */

/* DEPENDS where the schema is not known, or goes deeper than was read: the caller may then only
 * warn. */
enum version_answer custom_resource_has_field(const struct custom_resource *resource, const char *path)
{
    struct str wanted = str_from(path);
    int depth = 1;
    if (!resource || !resource->schema)
        return ANSWER_DEPENDS;
    if (strlist_has(&resource->fields, wanted))
        return ANSWER_YES;
    for (size_t i = 0; i < wanted.len; i++)
        depth += wanted.ptr[i] == '.';
    for (size_t i = 0; i < resource->fields.len; i++) {
        struct str field = resource->fields.items[i];
        /* "spec.labels.*" has "spec.labels.team". */
        if (str_ends(field, STR(".*")) && str_starts(wanted, str_slice(field, 0, field.len - 1)))
            return ANSWER_YES;
    }
    return depth > FIELD_DEPTH ? ANSWER_DEPENDS : ANSWER_NO;
}

enum version_answer custom_resource_takes_phase(const struct custom_resource *resource, const char *phase)
{
    if (!resource || !resource->schema)
        return ANSWER_DEPENDS;
    return resource->phases.len == 0 || strlist_has(&resource->phases, str_from(phase)) ? ANSWER_YES : ANSWER_NO;
}
