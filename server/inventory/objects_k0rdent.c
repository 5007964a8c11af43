#include "inventory/inventory.h"

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

/* kcm sets status.release about a minute after a change, and each component's success when it runs. */
static struct strlist store_unready(struct store *store, struct json_object *components)
{
    struct strlist names = {0};
    if (json_object_is_type(components, json_type_object)) {
        json_foreach(components, key, value)
        {
            if (!json_get_bool(value, "success"))
                strlist_add(store->scratch, &names, str_from(key));
        }
    }
    return store_texts(store, &names);
}

void extract_management(struct store *store, void *fact, struct json_object *object)
{
    struct management *management = fact;
    management->release = store_text(store, json_path_str(object, "spec.release"));
    management->status_release = store_text(store, json_path_str(object, "status.release"));
    management->available_providers = store_strings(store, json_path(object, "status.availableProviders"), NULL);
    management->provider_components = store_strings(store, json_path(object, "spec.providers"), "name");
    management->unready_components = store_unready(store, json_path(object, "status.components"));
    struct json_object *config = json_path(object, "spec.core.kcm.config");
    management->old_velero_values = json_get(config, "velero") != NULL;
    management->regional_values = json_get(config, "regional") != NULL;
    management->node_agent = json_get_bool(json_path(config, "regional.velero"), "deployNodeAgent") ||
                             json_get_bool(json_get(config, "velero"), "deployNodeAgent"); /* before k0rdent 1.4 */
}

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
        struct str message = json_get_str(condition, "message");
        size_t from = message.len > PROBLEM_MAX ? message.len - PROBLEM_MAX : 0;
        while (from && from < message.len && ((unsigned char)message.ptr[from] & 0xc0) == 0x80)
            from++; /* not within a character of UTF-8 */
        return store_text(store,
                          arena_printf(store->scratch, "%.*s: %s%.*s", STR_ARG(json_get_str(condition, "reason")),
                                       from ? "..." : "", STR_ARG(str_slice(message, from, message.len))));
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
