#include "status/status.h"

/* JSON, for programs. Keys are an interface, documented in docs/status.md: they may be
 * added to, never renamed. Unknown times and absent objects are null. */

/* ---- parts -------------------------------------------------------------------------- */

/* The newest that could be restored, or failing that the newest that might. */
static struct json_object *good_object(const struct backup *backup)
{
    return backup ? status_backup_object(&backup->status, backup->meta.name, backup->status.completed) : NULL;
}

/* As kcm copies it: Backups of a regional cluster are not known here. */
static struct json_object *regions_list(const struct management_backup *backup)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < backup->region_count; i++) {
        const struct region_status *from = &backup->regions[i];
        struct json_object *object = json_object_new_object();
        int64_t when = from->backup.completed ? from->backup.completed : from->backup.started;
        status_put_text(object, "region", from->region);
        status_put(object, "lastBackup", status_backup_object(&from->backup, from->backup_name, when));
        status_put_text(object, "error", from->error);
        json_append(list, object);
    }
    return list;
}

static struct json_object *backup_object(const struct status_backup *backup)
{
    static const char *const kinds[] = {
        [STATUS_SCHEDULED] = "scheduled", [STATUS_ON_DEMAND] = "onDemand", [STATUS_PRE_UPGRADE] = "preUpgrade"};
    const struct management_backup *from = backup->object;
    struct json_object *object = json_object_new_object();
    status_put_text(object, "name", from->meta.name);
    status_put_words(object, "kind", kinds[backup->kind]);
    status_put_text(object, "schedule", from->schedule);
    status_put_bool(object, "scheduleValid", backup->valid);
    status_put_text(object, "meaning", backup->meaning);
    status_put_text(object, "zone", backup->zone);
    status_put_bool(object, "performOnManagementUpgrade", from->on_upgrade);
    status_put_text(object, "release", from->release);
    status_put_time(object, "nextRun", backup->next);
    status_put(object, "lastBackup",
               backup->last ? status_backup_object(backup->last, backup->last_name, backup->last_when) : NULL);
    status_put(object, "lastGoodBackup", good_object(backup->good));
    status_put(object, "recovery", status_recovery_object(&backup->recovery));
    status_put_text(object, "storageLocation",
                    backup->goes_to ? backup->goes_to->object->meta.name : from->storage_location);
    status_put_bool(object, "storageUsable", backup->goes_to && backup->goes_to->usable);
    status_put_text(object, "error", from->error);
    status_put(object, "regions", regions_list(from));
    return object;
}

static struct json_object *location_object(const struct status_location *location)
{
    const struct storage_location *from = location->object;
    struct json_object *object = json_object_new_object();
    status_put_text(object, "name", from->meta.name);
    status_put_bool(object, "default", location->is_default);
    status_put_text(object, "provider", from->provider);
    status_put_text(object, "bucket", from->bucket);
    status_put_text(object, "prefix", from->prefix);
    status_put_text(object, "phase", from->phase);
    status_put_text(object, "message", from->message);
    status_put_text(object, "accessMode", from->access_mode.len ? from->access_mode : STR("ReadWrite"));
    status_put_time(object, "lastValidationTime", from->last_validated);
    status_put_words(object, "class", location->class);
    status_put_bool(object, "survivesCluster", location->survives);
    status_put_bool(object, "usable", location->usable);
    status_put_bool(object, "used", location->used);
    return object;
}

static struct json_object *velero_object(const struct status_velero *velero)
{
    struct json_object *object = json_object_new_object();
    status_put_text(object, "name", velero->object->meta.name);
    status_put_text(object, "namespace", velero->object->meta.ns);
    status_put_bool(object, "ready", velero->ready);
    status_put_text(object, "serviceAccount", velero->account);
    status_put_bool(object, "serviceAccountKnown", velero->known_account);
    status_put_bool(object, "nameFits", !velero->bad_name);
    return object;
}

/* In a fixed order; empty for what blocks nothing. */
static struct json_object *flags_list(unsigned flags)
{
    static const struct {
        unsigned flag;
        const char *name;
    } names[] = {
        {STATUS_BLOCKS_UPGRADE, "upgrade"}, {STATUS_BLOCKS_RESTORE, "restore"}, {STATUS_BLOCKS_BACKUP, "backup"}};
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < LENGTH_OF(names); i++)
        if (flags & names[i].flag)
            json_append(list, json_object_new_string(names[i].name));
    return list;
}

/* `object` is one text for people ("3 ManagementBackups"), `objects` each by itself. The key of a
 * fix is wayOut: keys are never renamed. */
static struct json_object *finding_object(const struct status_finding *finding)
{
    struct json_object *object = json_object_new_object(), *objects = json_object_new_array();
    for (size_t i = 0; i < finding->object_count; i++)
        json_append(objects, json_new_text(finding->objects[i]));
    if (!finding->object_count)
        json_append(objects, json_new_text(finding->object));
    status_put_words(object, "cause", status_causes[finding->cause].name);
    status_put_text(object, "object", finding->object);
    status_put(object, "objects", objects);
    status_put(object, "blocks", flags_list(finding->blocks));
    status_put(object, "risks", flags_list(finding->risks));
    status_put_text(object, "message", finding->says);
    status_put_text(object, "wayOut", finding->fix);
    return object;
}

/* ---- the upgrade ----------------------------------------------------------------------- */

static struct json_object *json_upgrade_source(const struct upgrade_source *source)
{
    static const char *const steps[] = {[UPGRADE_STEP_PASS] = "pass",
                                        [UPGRADE_STEP_WAIT] = "wait",
                                        [UPGRADE_STEP_START] = "start",
                                        [UPGRADE_STEP_REFUSE] = "refuse"};
    struct json_object *object = json_object_new_object();
    status_put_text(object, "managementBackup", source->source->meta.name);
    status_put_text(object, "preUpgradeBackup", upgrade_source_name(source));
    status_put_words(object, "evidence", evidence_state_name(source->evidence.state));
    status_put_words(object, "step", steps[source->step]);
    status_put_text(object, "region", source->evidence.region);
    status_put(object, "backup",
               source->evidence.status
                   ? status_backup_object(source->evidence.status, source->evidence.velero, source->evidence.when)
                   : NULL);
    status_put_text(object, "message", source->says);
    return object;
}

static struct json_object *evidence_object(const struct upgrade_evidence *evidence)
{
    static const struct evidence_object nothing = {.created = 0};
    const struct evidence_object *seen = evidence->object ? evidence->object : &nothing;
    struct json_object *object = json_object_new_object();
    status_put_text(object, "name", evidence->source->name);
    status_put_words(object, "use", evidence->source->alternative ? "anyOf" : "allOf");
    status_put_words(object, "state", engine_states[evidence->state]);
    status_put_bool(object, "counts", evidence->counts);
    status_put_text(object, "kind", evidence->source->kind);
    status_put_text(object, "namespace", seen->ns);
    status_put_text(object, "object", seen->name);
    status_put_text(object, "value", seen->value);
    status_put_time(object, "time", evidence->when);
    status_put_text(object, "message", evidence->says);
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
    struct json_object *evidence = json_object_new_array();
    for (size_t i = 0; i < upgrade->count; i++)
        json_append(sources, json_upgrade_source(&upgrade->sources[i]));
    status_put_words(object, "outcome", outcomes[upgrade->outcome]);
    status_put_words(object, "summary", status_outcome(upgrade));
    status_put_text(object, "running", upgrade->running);
    status_put_text(object, "requested", upgrade->before);
    status_put_text(object, "target", upgrade->target);
    status_put_bool(object, "underWay", upgrade->under_way);
    status_put_bool(object, "notReady", upgrade->not_ready);
    status_put_text(object, "message", upgrade->decision.denied ? decision_message(&upgrade->decision) : STR(""));
    status_put_texts(object, "warnings", &upgrade->decision.warnings);
    status_put(object, "sources", sources);
    for (size_t i = 0; i < upgrade->evidence_count; i++)
        json_append(evidence, evidence_object(&upgrade->evidence[i]));
    status_put(object, "evidence", evidence);
    return object;
}

static struct json_object *version_object(const struct status_view *view, const struct version_fact *fact)
{
    struct json_object *object = json_object_new_object();
    status_put_text(object, "version", fact->version.text);
    status_put_text(object, "source", version_fact_source(view->arena, fact));
    status_put_bool(object, "listed", fact->version.listed);
    return object;
}

/* Velero counts objects, not bytes. */
static struct json_object *json_kept_list(const struct status_view *view)
{
    enum { LISTED = 100 };
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < view->kept_count && i < LISTED; i++) {
        const struct status_kept *kept = &view->kept[i];
        const struct backup_status *status = &kept->object->status;
        struct json_object *object = json_object_new_object();
        status_put_text(object, "name", kept->object->meta.name);
        status_put_words(object, "keptBy", backup_keep_names[kept->kept.by]);
        status_put_text(object, "why", kept->kept.why);
        status_put_time(object, "completionTimestamp", status->completed);
        status_put_time(object, "expiration", status->expires);
        status_put(object, "ageSeconds", kept->age ? json_object_new_int64(kept->age) : NULL);
        status_put(object, "items", status->counted ? json_object_new_int64(status->items_total) : NULL);
        status_put_text(object, "storageLocation", kept->object->storage_location);
        json_append(list, object);
    }
    return list;
}

/* Blockers have the findings that block, warnings all others, also those that are a risk;
 * consequences are apart, as another finding explains them. */
void status_json(const struct status_view *view, struct buf *out)
{
    struct json_object *root = json_own(view->arena, json_object_new_object());
    struct json_object *backups = json_object_new_array(), *locations = json_object_new_array();
    struct json_object *veleros = json_object_new_array(), *blockers = json_object_new_array();
    struct json_object *warnings = json_object_new_array(), *versions = json_object_new_object();
    struct json_object *unjudged = json_object_new_array(), *consequences = json_object_new_array();
    status_put(versions, "velero", version_object(view, &view->velero_version));
    status_put(versions, "k0rdent", version_object(view, &view->kcm_version));
    for (size_t i = 0; i < view->backup_count; i++)
        json_append(backups, backup_object(&view->backups[i]));
    for (size_t i = 0; i < view->location_count; i++)
        json_append(locations, location_object(&view->locations[i]));
    for (size_t i = 0; i < view->velero_count; i++)
        json_append(veleros, velero_object(&view->veleros[i]));
    for (size_t i = 0; i < view->finding_count; i++)
        json_append(view->findings[i].blocks ? blockers : warnings, finding_object(&view->findings[i]));
    for (size_t i = 0; i < view->consequence_count; i++)
        json_append(consequences, finding_object(&view->consequences[i]));
    for (size_t i = 0; i < view->unjudged_count; i++)
        json_append(unjudged, finding_object(&view->unjudged[i]));
    status_put_time(root, "time", view->now);
    status_put_text(root, "from", view->from);
    status_put_bool(root, "ready", view->verdict.grade == STATUS_READY);
    status_put(root, "verdict", status_verdict_object(&view->verdict));
    status_put(root, "verdicts", status_verdicts_object(view));
    status_put(root, "blockers", blockers);
    status_put(root, "warnings", warnings);
    status_put(root, "unjudged", unjudged);
    status_put(root, "consequences", consequences);
    status_put_texts(root, "unchecked", &view->unchecked);
    status_put(root, "upgrade", upgrade_object(&view->upgrade));
    status_put(root, "managementBackups", backups);
    status_put(root, "newestGoodBackup", good_object(view->good));
    status_put(root, "recovery", status_recovery_object(&view->recovery));
    status_put(root, "unsoundBackups", status_unsound_list(view));
    status_put(root, "keptBackups", json_kept_list(view));
    status_put_integer(root, "keptBackupsCount", (int64_t)view->kept_count);
    status_put(root, "storageLocations", locations);
    status_put(root, "velero", veleros);
    status_put(root, "versions", versions);
    status_put(root, "calendar", status_calendar_object(view));
    status_put(root, "completeness", status_completeness_object(view));
    status_put(root, "audit", status_audit_object(view->audit));
    status_put(root, "serving", status_serving_object(view->serving));
    json_write_tree(out, root);
    buf_putc(out, '\n');
}
