#include "status.h"

/* JSON, for programs. Keys are an interface, documented in docs/status.md: they may be
 * added to, never renamed. Unknown times and absent objects are null. */

static struct json_object *text_value(struct str text)
{
    return json_object_new_string_len(text.len ? text.ptr : "", (int)text.len);
}

static void put_text(struct json_object *object, const char *key, struct str text)
{
    json_object_object_add(object, key, text_value(text));
}

static void put_words(struct json_object *object, const char *key, const char *words)
{
    json_object_object_add(object, key, json_object_new_string(words));
}

static void put_bool(struct json_object *object, const char *key, bool value)
{
    json_object_object_add(object, key, json_object_new_boolean(value));
}

static void put_integer(struct json_object *object, const char *key, int64_t value)
{
    json_object_object_add(object, key, json_object_new_int64(value));
}

static void put_time(struct json_object *object, const char *key, int64_t when)
{
    char text[TIME_TEXT_SIZE];
    json_object_object_add(object, key, when ? json_object_new_string(time_format(when, 0, text)) : NULL);
}

/* ---- parts -------------------------------------------------------------------------- */

static struct json_object *status_object(const struct backup_status *status, struct str name, int64_t when)
{
    struct json_object *object = json_object_new_object();
    put_text(object, "name", name);
    put_text(object, "phase", status->phase);
    put_time(object, "since", when);
    put_time(object, "startTimestamp", status->started);
    put_time(object, "completionTimestamp", status->completed);
    put_time(object, "expiration", status->expires);
    put_integer(object, "itemsBackedUp", status->items_done);
    put_integer(object, "totalItems", status->items_total);
    put_integer(object, "errors", status->errors);
    put_integer(object, "warnings", status->warnings);
    put_text(object, "failureReason", status->failure_reason);
    return object;
}

static struct json_object *good_object(const struct backup *backup)
{
    return backup ? status_object(&backup->status, backup->meta.name, backup->status.completed) : NULL;
}

static struct json_object *regions_list(const struct management_backup *backup)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < backup->region_count; i++) {
        const struct region_status *from = &backup->regions[i];
        struct json_object *object = json_object_new_object();
        int64_t when = from->backup.completed ? from->backup.completed : from->backup.started;
        put_text(object, "region", from->region);
        json_object_object_add(object, "lastBackup", status_object(&from->backup, from->backup_name, when));
        put_text(object, "error", from->error);
        json_object_array_add(list, object);
    }
    return list;
}

static struct json_object *backup_object(const struct status_backup *backup)
{
    static const char *const kinds[] = {
        [STATUS_SCHEDULED] = "scheduled", [STATUS_ON_DEMAND] = "onDemand", [STATUS_PRE_UPGRADE] = "preUpgrade"};
    const struct management_backup *from = backup->object;
    struct json_object *object = json_object_new_object();
    put_text(object, "name", from->meta.name);
    put_words(object, "kind", kinds[backup->kind]);
    put_text(object, "schedule", from->schedule);
    put_bool(object, "scheduleValid", backup->valid);
    put_text(object, "meaning", backup->meaning);
    put_text(object, "zone", backup->zone);
    put_bool(object, "performOnManagementUpgrade", from->on_upgrade);
    put_text(object, "release", from->release);
    put_time(object, "nextRun", backup->next);
    json_object_object_add(object, "lastBackup",
                           backup->last ? status_object(backup->last, backup->last_name, backup->last_when) : NULL);
    json_object_object_add(object, "lastGoodBackup", good_object(backup->good));
    put_text(object, "storageLocation", backup->goes_to ? backup->goes_to->object->meta.name : from->storage_location);
    put_bool(object, "storageUsable", backup->goes_to && backup->goes_to->usable);
    put_text(object, "error", from->error);
    json_object_object_add(object, "regions", regions_list(from));
    return object;
}

static struct json_object *location_object(const struct status_location *location)
{
    const struct storage_location *from = location->object;
    struct json_object *object = json_object_new_object();
    put_text(object, "name", from->meta.name);
    put_bool(object, "default", location->is_default);
    put_text(object, "provider", from->provider);
    put_text(object, "bucket", from->bucket);
    put_text(object, "prefix", from->prefix);
    put_text(object, "phase", from->phase);
    put_text(object, "message", from->message);
    put_text(object, "accessMode", from->access_mode.len ? from->access_mode : STR("ReadWrite"));
    put_time(object, "lastValidationTime", from->last_validated);
    put_words(object, "class", location->class);
    put_bool(object, "survivesCluster", location->survives);
    put_bool(object, "usable", location->usable);
    put_bool(object, "used", location->used);
    return object;
}

static struct json_object *velero_object(const struct status_velero *velero)
{
    struct json_object *object = json_object_new_object();
    put_text(object, "name", velero->object->meta.name);
    put_text(object, "namespace", velero->object->meta.ns);
    put_bool(object, "ready", velero->ready);
    put_text(object, "serviceAccount", velero->account);
    put_bool(object, "serviceAccountKnown", velero->known_account);
    put_bool(object, "nameFits", !velero->bad_name);
    return object;
}

static struct json_object *finding_object(const struct status_finding *finding)
{
    static const struct {
        unsigned flag;
        const char *name;
    } names[] = {
        {STATUS_BLOCKS_UPGRADE, "upgrade"}, {STATUS_BLOCKS_RESTORE, "restore"}, {STATUS_BLOCKS_BACKUP, "backup"}};
    struct json_object *object = json_object_new_object(), *blocks = json_object_new_array();
    for (size_t i = 0; i < LENGTH_OF(names); i++)
        if (finding->blocks & names[i].flag)
            json_object_array_add(blocks, json_object_new_string(names[i].name));
    put_text(object, "object", finding->object);
    json_object_object_add(object, "blocks", blocks);
    put_text(object, "message", finding->says);
    put_text(object, "wayOut", finding->fix);
    return object;
}

/* ---- the upgrade ----------------------------------------------------------------------- */

static struct json_object *source_object(const struct upgrade_source *source)
{
    static const char *const steps[] = {[UPGRADE_STEP_PASS] = "pass",
                                        [UPGRADE_STEP_WAIT] = "wait",
                                        [UPGRADE_STEP_START] = "start",
                                        [UPGRADE_STEP_REFUSE] = "refuse"};
    struct json_object *object = json_object_new_object();
    put_text(object, "managementBackup", source->source->meta.name);
    put_text(object, "preUpgradeBackup", source->name);
    put_words(object, "evidence", source->state);
    put_words(object, "step", steps[source->step]);
    put_text(object, "region", source->region);
    json_object_object_add(object, "backup",
                           source->status ? status_object(source->status, source->velero, source->when) : NULL);
    put_text(object, "message", source->says);
    return object;
}

static struct json_object *upgrade_object(const struct upgrade_view *upgrade)
{
    static const char *const outcomes[] = {[UPGRADE_ADMITTED] = "admitted",
                                           [UPGRADE_WAITS] = "waits",
                                           [UPGRADE_REFUSED] = "refused",
                                           [UPGRADE_UNKNOWN] = "unknown",
                                           [UPGRADE_UNPROTECTED] = "unprotected",
                                           [UPGRADE_LET_THROUGH] = "letThrough",
                                           [UPGRADE_NONE] = "none"};
    struct json_object *object = json_object_new_object(), *sources = json_object_new_array();
    struct json_object *warnings = json_object_new_array();
    for (size_t i = 0; i < upgrade->count; i++)
        json_object_array_add(sources, source_object(&upgrade->sources[i]));
    for (size_t i = 0; i < upgrade->decision.warnings.len; i++)
        json_object_array_add(warnings, text_value(upgrade->decision.warnings.items[i]));
    put_words(object, "outcome", outcomes[upgrade->outcome]);
    put_words(object, "summary", status_outcome(upgrade));
    put_text(object, "running", upgrade->running);
    put_text(object, "requested", upgrade->before);
    put_text(object, "target", upgrade->target);
    put_bool(object, "underWay", upgrade->under_way);
    put_text(object, "message", upgrade->decision.denied ? decision_message(&upgrade->decision) : STR(""));
    json_object_object_add(object, "warnings", warnings);
    json_object_object_add(object, "sources", sources);
    return object;
}

void status_json(const struct status_view *view, struct buf *out)
{
    struct json_object *root = json_own(view->arena, json_object_new_object());
    struct json_object *backups = json_object_new_array(), *locations = json_object_new_array();
    struct json_object *veleros = json_object_new_array(), *blockers = json_object_new_array();
    struct json_object *warnings = json_object_new_array();
    for (size_t i = 0; i < view->backup_count; i++)
        json_object_array_add(backups, backup_object(&view->backups[i]));
    for (size_t i = 0; i < view->location_count; i++)
        json_object_array_add(locations, location_object(&view->locations[i]));
    for (size_t i = 0; i < view->velero_count; i++)
        json_object_array_add(veleros, velero_object(&view->veleros[i]));
    for (size_t i = 0; i < view->finding_count; i++)
        json_object_array_add(view->findings[i].blocks ? blockers : warnings, finding_object(&view->findings[i]));
    put_time(root, "time", view->now);
    put_text(root, "from", view->from);
    put_bool(root, "ready", view->blocker_count == 0);
    json_object_object_add(root, "blockers", blockers);
    json_object_object_add(root, "warnings", warnings);
    json_object_object_add(root, "upgrade", upgrade_object(&view->upgrade));
    json_object_object_add(root, "managementBackups", backups);
    json_object_object_add(root, "newestGoodBackup", good_object(view->good));
    json_object_object_add(root, "storageLocations", locations);
    json_object_object_add(root, "velero", veleros);
    json_write_tree(out, root);
    buf_putc(out, '\n');
}
