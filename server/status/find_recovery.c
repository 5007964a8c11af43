#include "status/status.h"

/* What is wrong with the recovery points: of the cluster, of each ManagementBackup, of each Velero Schedule. */

static struct str age_text(const struct status_view *view, int64_t seconds)
{
    char text[TIME_TEXT_SIZE];
    return arena_printf(view->arena, "%s", duration_format(seconds, text));
}

/* ---- fixes ------------------------------------------------------------------------------------------ */

/* Where a backup can be stored so that it outlives the cluster: the default first. NULL: nowhere. */
static const struct status_location *fix_location(const struct status_view *view)
{
    const struct status_location *found = NULL;
    for (size_t i = 0; i < view->location_count; i++) {
        const struct status_location *location = &view->locations[i];
        if (location->usable && location->survives && !location->object->meta.deleting &&
            (!found || (location->is_default && !found->is_default)))
            found = location;
    }
    return found;
}

/* A command that can be pasted as it is: the name has the time, and the location is one that
 * will do. */
static struct str fix_backup_now(const struct status_view *view)
{
    const struct status_location *location = fix_location(view);
    struct civil at = civil_from_unix(view->now);
    if (!location)
        return STR("create a BackupStorageLocation outside this cluster (manifests/samples/storagelocation.yaml), then "
                   "take a backup into it");
    return arena_printf(
        view->arena,
        "take a backup now: echo '{\"apiVersion\":\"" API_K0RDENT "\",\"kind\":\"ManagementBackup\","
        "\"metadata\":{\"name\":\"now-%04lld%02d%02d%02d%02d\"},\"spec\":{\"storageLocation\":\"%.*s\"}}' "
        "| kubectl create -f -",
        (long long)at.year, at.month, at.day, at.hour, at.minute,
        STR_ARG(status_command_name(location->object->meta.name)));
}

/* Every six hours, and before upgrades. */
static struct str fix_schedule(const struct status_view *view)
{
    const struct status_location *location = fix_location(view);
    return arena_printf(view->arena,
                        "echo '{\"apiVersion\":\"" API_K0RDENT
                        "\",\"kind\":\"ManagementBackup\",\"metadata\":{\"name\":"
                        "\"kcm-backup\"},\"spec\":{\"schedule\":\"0 */6 * * *\",\"storageLocation\":\"%.*s\","
                        "\"performOnManagementUpgrade\":true}}' | kubectl create -f -",
                        STR_ARG(location ? status_command_name(location->object->meta.name) : STR("NAME")));
}

/* The backups are still in the bucket; with the old name they are found where they say they are. */
static struct str fix_location_gone(const struct status_view *view, const struct recovery_candidate *candidate)
{
    struct str name = status_command_name(candidate->object->storage_location);
    return arena_printf(view->arena,
                        "re-create BackupStorageLocation %.*s with its old bucket, prefix and credential "
                        "(manifests/samples/storagelocation.yaml); Velero validates it within a minute",
                        STR_ARG(name));
}

/* The narrowest cause that the facts allow. */
static struct str fix_unreadable(const struct status_view *view, const struct recovery_candidate *candidate)
{
    const struct storage_location *location = candidate->location;
    struct str ns = view->settings->system_namespace, name = status_command_name(location->meta.name);
    const struct status_location *found = status_location(view, location->meta.name);
    if (found && found->no_plugin)
        return STR("add the missing plugin, as above");
    if (location->phase.len == 0)
        return arena_printf(view->arena,
                            "wait a minute. If it stays so, see why Velero does not validate it: kubectl "
                            "logs -n %.*s deployment/velero",
                            STR_ARG(ns));
    if (location->credential_name.len && view->inventory->known[FACT_SECRETS] &&
        !inventory_secret(view->inventory, location->meta.ns, location->credential_name))
        return arena_printf(view->arena,
                            "create its missing credential: kubectl create secret generic -n %.*s %.*s "
                            "--from-file=%.*s=FILE",
                            STR_ARG(ns), STR_ARG(status_command_name(location->credential_name)),
                            STR_ARG(status_command_name(location->credential_key)));
    return arena_printf(view->arena,
                        "%.*s; Velero validates it again within a minute: "
                        "kubectl edit backupstoragelocations.velero.io -n %.*s %.*s",
                        STR_ARG(status_location_fix(location)), STR_ARG(ns), STR_ARG(name));
}

/* A schedule is moved to a location that survives; a backup taken by hand is taken again. */
static struct str fix_inside(const struct status_view *view, const struct recovery_candidate *candidate)
{
    const struct status_location *location = fix_location(view);
    struct str maker = json_get_str(candidate->object->meta.labels, LABEL_MANAGEMENT_BACKUP);
    if (!location)
        return STR("create a BackupStorageLocation outside this cluster: manifests/samples/storagelocation.yaml");
    if (!maker.len)
        return fix_backup_now(view);
    return arena_printf(view->arena,
                        "kubectl patch managementbackup %.*s --type=merge -p "
                        "'{\"spec\":{\"storageLocation\":\"%.*s\"}}'",
                        STR_ARG(status_command_name(maker)), STR_ARG(status_command_name(location->object->meta.name)));
}

static struct str fix_candidate(const struct status_view *view, const struct recovery_candidate *candidate)
{
    switch (candidate->flaw) {
    case RECOVERY_DELETING:
        /* Deleting the request stops the deletion: Velero has not begun with it. */
        if (!candidate->request)
            return fix_backup_now(view);
        return arena_printf(view->arena, "keep it: kubectl delete deletebackuprequests.velero.io -n %.*s %.*s",
                            STR_ARG(view->settings->system_namespace),
                            STR_ARG(status_command_name(candidate->request->meta.name)));
    case RECOVERY_LOCATION_GONE:
        return fix_location_gone(view, candidate);
    case RECOVERY_LOCATION_UNREADABLE:
        return fix_unreadable(view, candidate);
    case RECOVERY_STALE:
        return arena_printf(view->arena, "see why Velero does not validate it: kubectl logs -n %.*s deployment/velero",
                            STR_ARG(view->settings->system_namespace));
    case RECOVERY_INSIDE:
        return fix_inside(view, candidate);
    case RECOVERY_HOLLOW:
        return STR("remove the label velero.io/exclude-from-backup from the excluded namespaces and take a new "
                   "backup. To find them: kubectl get namespaces -l velero.io/exclude-from-backup=true");
    case RECOVERY_UNFINISHED:
        return arena_printf(view->arena, "wait until it completes: kubectl get backups.velero.io -n %.*s %.*s",
                            STR_ARG(view->settings->system_namespace),
                            STR_ARG(status_command_name(candidate->object->meta.name)));
    case RECOVERY_FAILED:
        return arena_printf(view->arena,
                            "fix its cause, then take another: kubectl describe backups.velero.io -n %.*s "
                            "%.*s",
                            STR_ARG(view->settings->system_namespace),
                            STR_ARG(status_command_name(candidate->object->meta.name)));
    default:
        return fix_backup_now(view);
    }
}

/* Velero lists what a location holds with its first sync, and a cluster that is to be restored has no
 * Management of its own yet: creating a ManagementBackup would be no help to it. */
static struct str fix_no_backups(const struct status_view *view)
{
    enum { AVAILABLE_WITHIN = 60 };
    const struct inventory *inventory = view->inventory;
    bool empty = inventory->known[FACT_MANAGEMENTS] && !inventory_management(inventory), syncs = false;
    size_t locations = inventory->count[FACT_STORAGE_LOCATIONS];
    for (size_t i = 0; i < locations; i++) {
        const struct storage_location *location = inventory->storage_locations[i];
        syncs |= location->sync_period > 0 && location->meta.created > 0 &&
                 view->now - location->meta.created <= location->sync_period + AVAILABLE_WITHIN;
    }
    if (syncs || (empty && locations))
        return arena_printf(view->arena,
                            "wait: Velero lists the backups of a new storage location within a minute after it is "
                            "Available. Then check: kubectl get backups.velero.io -n %.*s",
                            STR_ARG(view->settings->system_namespace));
    if (empty && inventory->known[FACT_STORAGE_LOCATIONS])
        return STR("to restore here, re-create the BackupStorageLocation of the backups with its old name, bucket, "
                   "prefix and credential");
    if (view->backup_count)
        return fix_backup_now(view);
    return fix_schedule(view);
}

/* ---- of the cluster --------------------------------------------------------------------------------- */

/* With where it comes from, so that whoever doubts it knows what to change. */
static struct str objective_text(const struct status_view *view)
{
    const struct status_recovery *recovery = &view->recovery;
    struct arena *arena = view->arena;
    struct str objective = age_text(view, recovery->objective);
    struct str of = view->objective_of ? shown(arena, view->objective_of->object->meta.name) : STR("");
    switch (recovery->objective_from) {
    case STATUS_OBJECTIVE_ANNOTATION:
        return arena_printf(arena, "%.*s (annotation of ManagementBackup %.*s)", STR_ARG(objective), STR_ARG(of));
    case STATUS_OBJECTIVE_SCHEDULE:
        return arena_printf(arena, "%.*s (two missed runs of %.*s)", STR_ARG(objective), STR_ARG(of));
    case STATUS_OBJECTIVE_SETTINGS:
    case STATUS_OBJECTIVE_NONE:
        break;
    }
    return arena_printf(arena, "%.*s (settings status.recoveryPoint)", STR_ARG(objective));
}

/* "; newer kcm-backup-2 is Failed (...)". */
static struct str newer_text(const struct status_view *view, const struct recovery_candidate *newer)
{
    if (!newer)
        return STR("");
    return arena_printf(view->arena, "; newer backup %.*s %.*s", STR_ARG(shown(view->arena, newer->object->meta.name)),
                        STR_ARG(newer->why));
}

/* The newest that cannot be restored stands for all, with its reason; the others are counted. */
static void find_nothing(struct status_view *view)
{
    const struct recovery_candidate *unusable = view->recovery.unusable;
    size_t others = view->recovery.unusable_count - 1;
    if (!unusable) {
        status_finding_add(
            view, (struct status_finding){.cause = CAUSE_NOTHING_TO_RESTORE,
                                          .blocks = STATUS_BLOCKS_RESTORE,
                                          .object = STR("backups.velero.io"),
                                          .says = STR("nothing to restore from: there is no management backup"),
                                          .fix = fix_no_backups(view)});
        return;
    }
    struct str rest = STR("");
    if (others)
        rest = others == 1
                   ? STR("; nor can the other management backup be restored")
                   : arena_printf(view->arena, "; nor can the %zu other management backups be restored", others);
    status_finding_add(
        view,
        (struct status_finding){
            .cause = unusable->flaw == RECOVERY_HOLLOW ? CAUSE_BACKUP_HOLLOW : CAUSE_NOTHING_TO_RESTORE,
            .blocks = STATUS_BLOCKS_RESTORE,
            .object = status_object_name(view, "backup", unusable->object->meta.name),
            .says = arena_printf(view->arena, "cannot be restored: it %.*s%.*s", STR_ARG(unusable->why), STR_ARG(rest)),
            .fix = fix_candidate(view, unusable)});
}

/* Only what a rehearsal found: that there is none, or that it could not tell, is no finding. */
static void find_rehearsal(struct status_view *view)
{
    const struct recovery_candidate *best = view->recovery.point ? view->recovery.point : view->recovery.fragile;
    struct str ns = view->settings->system_namespace;
    if (!best || !best->rehearsal.counts || best->rehearsal.record.verdict != REHEARSAL_INCOMPLETE)
        return;
    struct str name = status_command_name(best->object->meta.name);
    status_finding_add(view, (struct status_finding){
                                 .cause = CAUSE_REHEARSAL_INCOMPLETE,
                                 .risks = STATUS_BLOCKS_RESTORE,
                                 .object = status_object_name(view, "backup", best->object->meta.name),
                                 .says = best->rehearsal.says,
                                 .fix = arena_printf(view->arena,
                                                     "to read the causes and what cures them: backstop rehearse %.*s "
                                                     "-n %.*s",
                                                     STR_ARG(name), STR_ARG(ns))});
}

/* ---- of each ManagementBackup ---------------------------------------------------------------------------- */

/* Findings up to `until`: a ManagementBackup that is said to fail is not said to be late
 * besides. */
static bool is_reported(const struct status_view *view, struct str object, size_t until)
{
    for (size_t i = 0; i < until; i++)
        if (str_eq(view->findings[i].object, object) &&
            (view->findings[i].blocks || status_causes[view->findings[i].cause].risks))
            return true;
    return false;
}

static void find_late_backup(struct status_view *view, const struct status_backup *backup, size_t reported)
{
    const struct status_recovery *recovery = &backup->recovery;
    struct arena *arena = view->arena;
    struct str object = status_object_name(view, "managementbackup", backup->object->meta.name);
    struct str objective = age_text(view, recovery->objective), says;
    bool held = view->inventory->known[FACT_STORAGE_LOCATIONS] && !(backup->goes_to && backup->goes_to->usable);
    /* Its backups run; that the newest is nothing to rely on is said of the cluster, where it matters. */
    bool runs = recovery->fragile && view->now - recovery->fragile->object->status.completed <= recovery->objective;
    if (!recovery->late || backup->object->meta.deleting || held || runs || is_reported(view, object, reported))
        return;
    if (recovery->point)
        says = arena_printf(arena, "its newest backup that can be restored is %.*s old; the objective is %.*s%.*s",
                            STR_ARG(age_text(view, recovery->age)), STR_ARG(objective),
                            STR_ARG(newer_text(view, recovery->fragile ? recovery->fragile : recovery->unusable)));
    else if (recovery->fragile)
        says =
            arena_printf(arena, "its newest backup, %.*s, %.*s",
                         STR_ARG(shown(arena, recovery->fragile->object->meta.name)), STR_ARG(recovery->fragile->why));
    else if (recovery->unusable)
        says = arena_printf(arena, "has no backup that can be restored; the newest, %.*s, %.*s",
                            STR_ARG(shown(arena, recovery->unusable->object->meta.name)),
                            STR_ARG(recovery->unusable->why));
    else
        says = arena_printf(arena, "has no backup; the objective is %.*s", STR_ARG(objective));
    status_finding_add(view,
                       (struct status_finding){
                           .cause = CAUSE_BACKUP_LATE, .object = object, .says = says, .fix = fix_backup_now(view)});
}

/* It has no effect, and nobody would notice. */
static void find_bad_annotation(struct status_view *view, const struct status_backup *backup)
{
    struct str text = json_get_str(backup->object->meta.annotations, ANNOTATION_RECOVERY_POINT);
    if (!text.ptr || backup->recovery.objective_from == STATUS_OBJECTIVE_ANNOTATION)
        return;
    status_finding_add(
        view,
        (struct status_finding){
            .cause = CAUSE_RECOVERY_POINT_INVALID,
            .object = status_object_name(view, "managementbackup", backup->object->meta.name),
            .says = arena_printf(view->arena,
                                 "annotation " ANNOTATION_RECOVERY_POINT " is %.*s, not a duration such "
                                 "as 12h, and has no effect",
                                 STR_ARG(arena_quote(view->arena, text))),
            .fix = arena_printf(view->arena,
                                "kubectl annotate managementbackup %.*s --overwrite " ANNOTATION_RECOVERY_POINT "=12h",
                                STR_ARG(status_command_name(backup->object->meta.name)))});
}

/* Only where a Management is known: without one there is nothing to back up. */
static void find_no_schedule(struct status_view *view)
{
    if (!view->inventory->known[FACT_MANAGEMENT_BACKUPS] || !view->upgrade.management)
        return;
    for (size_t i = 0; i < view->backup_count; i++)
        if (view->backups[i].kind == STATUS_SCHEDULED && !view->backups[i].object->meta.deleting)
            return;
    status_finding_add(
        view, (struct status_finding){.cause = CAUSE_NO_SCHEDULE,
                                      .object = STR("managementbackups"),
                                      .says = STR("no ManagementBackup has a schedule: nothing takes the next backup"),
                                      .fix = fix_schedule(view)});
}

/* ---- of each Velero Schedule ------------------------------------------------------------------------------- */

static void find_late_schedule(struct status_view *view, const struct status_source *source)
{
    const struct status_recovery *recovery = &source->recovery;
    struct arena *arena = view->arena;
    if (source->maker != STATUS_BY_SCHEDULE || !recovery->late || source->rests)
        return;
    struct str says = STR("has no backup that can be restored");
    if (recovery->point)
        says = arena_printf(arena, "its newest backup that can be restored is %.*s old; two missed runs are %.*s",
                            STR_ARG(age_text(view, recovery->age)), STR_ARG(age_text(view, recovery->objective)));
    const struct recovery_candidate *newer = recovery->fragile ? recovery->fragile : recovery->unusable;
    status_finding_add(
        view,
        (struct status_finding){
            .cause = CAUSE_SCHEDULE_LATE,
            .object = arena_printf(arena, "schedule/%.*s/%.*s", STR_ARG(shown(arena, source->ns)),
                                   STR_ARG(shown(arena, source->name))),
            .says = arena_printf(arena, "%.*s%.*s", STR_ARG(says), STR_ARG(newer_text(view, newer))),
            .fix = arena_printf(arena, "kubectl describe schedules.velero.io -n %.*s %.*s",
                                STR_ARG(status_command_name(source->ns)), STR_ARG(status_command_name(source->name)))});
}

/* ---- the upgrade --------------------------------------------------------------------------------------------- */

/* The gate waits for storage, and nobody knows how long; or refuses because of it, and nothing else says so. */
static void find_upgrade_storage(struct status_view *view)
{
    const struct upgrade_view *upgrade = &view->upgrade;
    bool blocked = false;
    for (size_t i = 0; i < view->finding_count; i++)
        blocked |= view->findings[i].blocks & STATUS_BLOCKS_UPGRADE;
    for (size_t i = 0; i < upgrade->count && !blocked; i++) {
        const struct upgrade_source *source = &upgrade->sources[i];
        bool refuses = source->step == UPGRADE_STEP_REFUSE;
        if (source->no_storage && (source->step == UPGRADE_STEP_WAIT || refuses))
            status_finding_add(view, (struct status_finding){.cause = CAUSE_UPGRADE_BACKUP,
                                                             .blocks = refuses ? STATUS_BLOCKS_UPGRADE : 0,
                                                             .risks = STATUS_BLOCKS_UPGRADE,
                                                             .object = status_object_name(view, "managementbackup",
                                                                                          source->source->meta.name),
                                                             .says = source->says,
                                                             .fix = STR("")});
    }
}

/* Files rarely hold them, and then nothing is said. */
static void find_unknown_requests(struct status_view *view)
{
    if (view->files || view->inventory->known[FACT_DELETE_REQUESTS] || !view->inventory->known[FACT_BACKUPS])
        return;
    status_finding_add(view,
                       (struct status_finding){
                           .cause = CAUSE_UNKNOWN,
                           .object = STR("deletebackuprequests.velero.io"),
                           .says = STR("the cluster does not list them: a backup that is about to be deleted looks "
                                       "restorable"),
                           .fix = STR("kubectl get deletebackuprequests.velero.io -A")});
}

/* Nothing is said where Backups are not known; that is "unjudged" then. Each of the cases
 * excludes the others: nothing at all, nothing sound, or something sound that is too old. */
void status_find_recovery(struct status_view *view)
{
    const struct status_recovery *recovery = &view->recovery;
    size_t reported = view->finding_count;
    find_upgrade_storage(view);
    if (!view->inventory->known[FACT_BACKUPS])
        return;
    if (!recovery->point && !recovery->fragile)
        find_nothing(view);
    else if (!recovery->point) {
        const struct recovery_candidate *fragile = view->recovery.fragile;
        status_finding_add(
            view, (struct status_finding){.cause = CAUSE_RECOVERY_FRAGILE,
                                          .risks = STATUS_BLOCKS_RESTORE,
                                          .object = status_object_name(view, "backup", fragile->object->meta.name),
                                          .says = arena_printf(view->arena, "%.*s; no other backup to rely on%.*s",
                                                               STR_ARG(fragile->why),
                                                               STR_ARG(newer_text(view, view->recovery.unusable))),
                                          .fix = fix_candidate(view, fragile)});
    } else if (recovery->late) {
        const struct recovery_candidate *newer = recovery->fragile ? recovery->fragile : recovery->unusable;
        status_finding_add(
            view, (struct status_finding){
                      .cause = CAUSE_RECOVERY_LATE,
                      .risks = STATUS_BLOCKS_RESTORE,
                      .object = status_object_name(view, "backup", recovery->point->object->meta.name),
                      .says = arena_printf(view->arena,
                                           "the newest that can be restored is %.*s old; the objective is %.*s%.*s",
                                           STR_ARG(age_text(view, recovery->age)), STR_ARG(objective_text(view)),
                                           STR_ARG(newer_text(view, newer))),
                      .fix = fix_backup_now(view)});
    }
    find_rehearsal(view);
    find_no_schedule(view);
    find_unknown_requests(view);
    for (size_t i = 0; i < view->backup_count; i++) {
        find_late_backup(view, &view->backups[i], reported);
        find_bad_annotation(view, &view->backups[i]);
    }
    for (size_t i = 0; i < view->source_count; i++)
        find_late_schedule(view, &view->sources[i]);
}
