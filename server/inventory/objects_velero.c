/* What is kept of Velero's objects. Times that cannot be read count as absent, as does every field of another type. */
#include "inventory/inventory.h"

void extract_backup_status(struct store *store, struct backup_status *status, struct json_object *object)
{
    status->phase = store_text(store, json_get_str(object, "phase"));
    status->failure_reason = store_text(store, json_get_str(object, "failureReason"));
    status->validation_errors = store_strings(store, json_get(object, "validationErrors"), NULL);
    status->started = object_time(object, "startTimestamp");
    status->completed = object_time(object, "completionTimestamp");
    status->expires = object_time(object, "expiration");
    status->items_done = object_count(object, "progress.itemsBackedUp");
    status->items_total = object_count(object, "progress.totalItems");
    status->counted = json_get(object, "progress") != NULL;
    status->errors = object_count(object, "errors");
    status->warnings = object_count(object, "warnings");
}

/* backup_sync_controller.go, backup_storage_location_controller.go: Velero's own default, a minute for both, counts for
 * none and for less than none. */
static int64_t location_period(struct json_object *spec, const char *key)
{
    enum { DEFAULT_PERIOD = 60 };
    struct error ignored;
    int64_t period;
    bool parsed = duration_parse(json_get_str(spec, key), &period, &ignored);
    if (!parsed || period < 0)
        return DEFAULT_PERIOD;
    return period > 0 && period < NS_PER_SECOND ? 1 : period / NS_PER_SECOND;
}

/* config is kept whole, since the rules for plugins (policy/storage/config.c) read all of its
 * keys. */
void extract_storage_location(struct store *store, void *fact, struct json_object *object)
{
    struct storage_location *location = fact;
    struct json_object *spec = json_get(object, "spec"), *status = json_get(object, "status");
    location->provider = store_text(store, json_get_str(spec, "provider"));
    location->bucket = store_text(store, json_path_str(spec, "objectStorage.bucket"));
    location->prefix = store_text(store, json_path_str(spec, "objectStorage.prefix"));
    location->access_mode = store_text(store, json_get_str(spec, "accessMode"));
    location->credential_name = store_text(store, json_path_str(spec, "credential.name"));
    location->credential_key = store_text(store, json_path_str(spec, "credential.key"));
    location->config = store_map(store, json_get(spec, "config"), NULL);
    location->is_default = json_get_bool(spec, "default");
    location->phase = store_text(store, json_get_str(status, "phase"));
    location->message = store_text(store, json_get_str(status, "message"));
    location->last_validated = object_time(status, "lastValidationTime");
    location->sync_period = location_period(spec, "backupSyncPeriod");
    location->validation_period = location_period(spec, "validationFrequency");
}

/* The first field of the spec that needs it, for the message; NULL when none does. */
const char *backup_spec_node_agent(struct json_object *spec)
{
    static const char *const fields[] = {"snapshotMoveData", "defaultVolumesToFsBackup",
                                         "defaultVolumesToRestic" /* its old name */};
    struct str mover = json_get_str(spec, "datamover");
    /* Another data mover brings its own agents (pkg/datamover IsBuiltInUploader; 1.19: velero-fs, velero-block too). */
    bool built_in = mover.len == 0 || str_is(mover, "velero") || str_starts(mover, STR("velero-"));
    for (size_t i = 0; i < LENGTH_OF(fields); i++)
        if (json_get_bool(spec, fields[i]) && (i > 0 || built_in))
            return fields[i];
    return NULL;
}

/* Nearly all Backups name all namespaces, which is as good as none. */
static struct strlist store_namespaces(struct store *store, struct json_object *list)
{
    for (size_t i = 0; i < json_len(list); i++)
        if (str_is(json_str(json_item(list, i)), "*"))
            return (struct strlist){0};
    return store_strings(store, list, NULL);
}

/* Of each entry of metadata.managedFields that holds one of these fields of status, the manager. An Update
 * takes a field that it changes away from its former owner, so these are the last writers. */
static const char *status_managers(struct store *store, struct json_object *metadata)
{
    static const char *const fields[] = {"f:phase",      "f:startTimestamp", "f:completionTimestamp",
                                         "f:expiration", "f:progress",       "f:errors"};
    struct json_object *entries = json_get(metadata, "managedFields");
    struct strlist managers = {0};
    struct str text = STR("");
    for (size_t i = 0; i < json_len(entries); i++) {
        struct json_object *entry = json_item(entries, i), *status = json_path(entry, "fieldsV1.f:status");
        struct str manager = json_get_str(entry, "manager");
        for (size_t f = 0; f < LENGTH_OF(fields); f++)
            if (json_get(status, fields[f]) && !strlist_has(&managers, manager))
                strlist_add(store->scratch, &managers, manager);
    }
    if (managers.len == 0)
        return store->from_server ? "" : NULL;
    for (size_t i = 0; i < managers.len; i++)
        text = arena_printf(store->scratch, "%.*s%.*s\n", STR_ARG(text), STR_ARG(managers.items[i]));
    return text.ptr ? store_text(store, (struct str){text.ptr, text.len + 1}).ptr : NULL; /* with its NUL */
}

void extract_backup(struct store *store, void *fact, struct json_object *object)
{
    struct backup *backup = fact;
    struct json_object *spec = json_get(object, "spec"), *labels = json_path(object, "metadata.labels");
    backup->storage_location = store_text(store, json_get_str(spec, "storageLocation"));
    backup->schedule = store_text(store, json_get_str(labels, LABEL_SCHEDULE_NAME));
    backup->region = store_text(store, json_get_str(labels, LABEL_REGION));
    if (store->record) /* nothing that needs to be measured */
        backup->identity = backup_identify(json_get(object, "metadata"), spec);
    backup->included_namespaces = store_namespaces(store, json_get(spec, "includedNamespaces"));
    backup->excluded_namespaces = store_namespaces(store, json_get(spec, "excludedNamespaces"));
    if (!store->record)
        selectors_providers(store->scratch, spec, &store->providers);
    backup->providers = store_texts(store, &store->providers);
    backup->node_agent = backup_spec_node_agent(spec);
    extract_backup_status(store, &backup->status, json_get(object, "status"));
    backup->status_managers = status_managers(store, json_get(object, "metadata"));
}

void extract_velero_schedule(struct store *store, void *fact, struct json_object *object)
{
    struct velero_schedule *schedule = fact;
    struct json_object *spec = json_get(object, "spec"), *template = json_get(spec, "template");
    schedule->schedule = store_text(store, json_get_str(spec, "schedule"));
    schedule->storage_location = store_text(store, json_get_str(template, "storageLocation"));
    schedule->phase = store_text(store, json_path_str(object, "status.phase"));
    schedule->last_backup = object_time(object, "status.lastBackup");
    schedule->paused = json_get_bool(spec, "paused");
    schedule->node_agent = backup_spec_node_agent(template);
}

void extract_delete_request(struct store *store, void *fact, struct json_object *object)
{
    struct delete_request *request = fact;
    request->backup = store_text(store, json_path_str(object, "spec.backupName"));
    request->phase = store_text(store, json_path_str(object, "status.phase"));
    request->errors = store_strings(store, json_path(object, "status.errors"), NULL);
}

void extract_snapshot_location(struct store *store, void *fact, struct json_object *object)
{
    struct snapshot_location *location = fact;
    location->provider = store_text(store, json_path_str(object, "spec.provider"));
}

/* kcm looks for a Deployment with this label anywhere before it takes backups. */
bool is_velero_deployment(struct json_object *object)
{
    return str_is(json_get_str(json_path(object, "metadata.labels"), "component"), "velero");
}

/* The server's container is called velero by both installers; sidecars may stand before it. */
static struct json_object *velero_container(struct json_object *containers)
{
    for (size_t i = 0; i < json_len(containers); i++)
        if (str_is(json_get_str(json_item(containers, i), "name"), "velero"))
            return json_item(containers, i);
    return json_item(containers, 0);
}

/* A boolean flag: bare, or with "=true"; the last one counts, as for Go's flags. */
static bool arguments_have(struct json_object *arguments, const char *flag)
{
    bool set = false;
    for (size_t i = 0; i < json_len(arguments); i++) {
        struct str value = json_str(json_item(arguments, i)), name;
        str_cut(&value, '=', &name);
        if (str_is(name, flag))
            set = !value.ptr || str_eq_nocase(value, STR("true")) || str_is(value, "1");
    }
    return set;
}

/* "--flag=value" or "--flag", "value"; the last one counts. */
static struct str arguments_value(struct json_object *arguments, const char *flag)
{
    struct str found = {NULL, 0};
    for (size_t i = 0; i < json_len(arguments); i++) {
        struct str value = json_str(json_item(arguments, i)), name;
        str_cut(&value, '=', &name);
        if (str_is(name, flag))
            found = value.ptr ? value : json_str(json_item(arguments, i + 1));
    }
    return found;
}

void extract_velero_deployment(struct store *store, void *fact, struct json_object *object)
{
    struct velero_deployment *deployment = fact;
    struct json_object *pod = json_path(object, "spec.template.spec");
    struct str account = json_get_str(pod, "serviceAccountName");
    deployment->service_account = store_text(store, account.len ? account : json_get_str(pod, "serviceAccount"));
    deployment->state = object_deployment_state(object);
    struct json_object *server = velero_container(json_get(pod, "containers"));
    deployment->image = store_text(store, json_get_str(server, "image"));
    deployment->plugins = store_strings(store, json_get(pod, "initContainers"), "image");
    deployment->default_file_backup = arguments_have(json_get(server, "args"), "--default-volumes-to-fs-backup") ||
                                      arguments_have(json_get(server, "command"), "--default-volumes-to-fs-backup");
    struct str modifier = arguments_value(json_get(server, "args"), "--default-resource-modifier-configmap");
    deployment->default_modifier = store_text(
        store, modifier.len ? modifier
                            : arguments_value(json_get(server, "command"), "--default-resource-modifier-configmap"));
}

/* Velero lists each plugin by its name and what it is for (pkg/cmd/cli/serverstatus). */
void extract_server_status(struct store *store, void *fact, struct json_object *object)
{
    struct server_status *status = fact;
    struct json_object *plugins = json_path(object, "status.plugins");
    struct strlist stores = {0};
    for (size_t i = 0; i < json_len(plugins); i++)
        if (str_is(json_get_str(json_item(plugins, i), "kind"), "ObjectStore"))
            strlist_add(store->scratch, &stores, json_get_str(json_item(plugins, i), "name"));
    status->version = store_text(store, json_path_str(object, "status.serverVersion"));
    status->image = store_text(store, json_get_str(json_path(object, "metadata.annotations"), ANNOTATION_OF_IMAGE));
    status->plugins = store_texts(store, &stores);
}
