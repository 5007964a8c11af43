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
    management->node_agent = json_get_bool(json_path(config, "regional.velero"), "deployNodeAgent") ||
                             json_get_bool(json_get(config, "velero"), "deployNodeAgent"); /* before k0rdent 1.4 */
}

void extract_release(struct store *store, void *fact, struct json_object *object)
{
    struct release *release = fact;
    release->version = store_text(store, json_path_str(object, "spec.version"));
    release->ready = json_get_bool(json_get(object, "status"), "ready");
}
