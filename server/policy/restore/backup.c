/* What a Restore restores from: backupName, or the backup that Velero would pick for
 * scheduleName.
 *
 * The commonest mistake in a disaster is a name: of the ManagementBackup instead of one of its
 * backups, of yesterday's instead of the newest, or of one that this cluster has not synced yet.
 * So a missing one is answered with the best guess and with what to wait for. */
#include "policy/restore/restore.h"
#include "policy/storage/storage.h"

enum { EXPIRY_NOTICE = 24 * 3600, NAMES_SHOWN = 3 };

static struct str restore_quote(const struct restore_view *view, struct str text)
{
    return arena_quote(view->arena, text);
}

/* A backup's name, with its phase where it cannot be restored. */
static struct str backup_with_phase(const struct restore_view *view, struct str name)
{
    const struct backup *backup = inventory_backup(view->inventory, view->ns, name);
    struct str phase = backup ? backup->status.phase : STR("Completed");
    if (phase_is(phase, PHASE_COMPLETED))
        return restore_quote(view, name);
    return arena_printf(view->arena, "%.*s (%.*s)", STR_ARG(restore_quote(view, name)),
                        STR_ARG(phase.len ? restore_quote(view, phase) : STR("not started")));
}

/* "; the newest Completed management backup is "a"", or nothing. */
static struct str newest_hint(const struct restore_view *view)
{
    char when[TIME_TEXT_SIZE];
    /* The newest Completed backup of this namespace that the same rules would take, and that stays. */
    const struct backup *newest = NULL;
    for (size_t i = 0; i < view->inventory->count[FACT_BACKUPS]; i++) {
        const struct backup *backup = view->inventory->backups[i];
        int64_t expires = backup->status.expires;
        bool going = backup->meta.deleting || (expires != 0 && expires <= view->request->now);
        if (!str_eq(backup->meta.ns, view->ns) || !phase_is(backup->status.phase, PHASE_COMPLETED) ||
            backup->identity.kind != BACKUP_MANAGEMENT || backup_lacks_management(backup) || going)
            continue;
        if (!newest || backup->status.started > newest->status.started)
            newest = backup;
    }
    if (!newest)
        return STR("");
    return arena_printf(view->arena, "; the newest Completed management backup is %.*s of %s",
                        STR_ARG(restore_quote(view, newest->meta.name)), time_format(newest->status.started, 0, when));
}

/* Of backups that are made one after the other, under a name and a time, the newest is what is meant more
 * often than the one that is spelt most alike; unless the very time was given. */
static struct str best_of_series(const struct restore_view *view, struct str near)
{
    struct str series = policy_name_without_stamp(near), wanted = view->backup_name;
    struct str stamp = str_slice(near, series.len, near.len);
    const struct backup *newest = NULL;
    if (stamp.len == 0 || str_ends(wanted, stamp))
        return near;
    for (size_t i = 0; i < view->inventory->count[FACT_BACKUPS]; i++) {
        const struct backup *backup = view->inventory->backups[i];
        int64_t expires = backup->status.expires;
        bool going = backup->meta.deleting || (expires != 0 && expires <= view->request->now);
        if (str_eq(backup->meta.ns, view->ns) && str_eq(policy_name_without_stamp(backup->meta.name), series) &&
            !going && phase_is(backup->status.phase, PHASE_COMPLETED) &&
            (!newest || backup->status.started > newest->status.started))
            newest = backup;
    }
    return newest ? newest->meta.name : near;
}

static void restore_deny_missing_backup(const struct restore_view *view)
{
    const struct inventory *inventory = view->inventory;
    struct arena *arena = view->arena;
    const struct management_backup *maker = inventory_management_backup(inventory, view->backup_name);
    const struct backup *elsewhere = NULL;
    struct strlist candidates = {0};
    for (size_t i = 0; i < inventory->count[FACT_BACKUPS]; i++) {
        if (str_eq(inventory->backups[i]->meta.ns, view->ns))
            strlist_add(arena, &candidates, inventory->backups[i]->meta.name);
        else if (str_eq(inventory->backups[i]->meta.name, view->backup_name))
            elsewhere = inventory->backups[i];
    }
    struct str near = str_nearest(view->backup_name, candidates.items, candidates.len), hint;
    if (elsewhere)
        hint = arena_printf(arena, "; it is in %.*s: create the Restore there",
                            STR_ARG(restore_quote(view, elsewhere->meta.ns)));
    else if (maker && maker->schedule.len && maker->last_backup_name.len)
        hint = arena_printf(arena, "; that is a scheduled ManagementBackup, and its latest backup is %.*s",
                            STR_ARG(backup_with_phase(view, maker->last_backup_name)));
    else if (near.len)
        hint =
            arena_printf(arena, "; did you mean %.*s?", STR_ARG(backup_with_phase(view, best_of_series(view, near))));
    else if (candidates.len == 0 && !str_eq(view->ns, view->settings->system_namespace))
        hint = arena_printf(arena, "; k0rdent keeps its backups in %.*s: create the Restore there",
                            STR_ARG(restore_quote(view, view->settings->system_namespace)));
    else if (candidates.len == 0)
        hint = STR("; there are no Backups yet. Velero syncs them within a minute of a BackupStorageLocation becoming "
                   "Available");
    else
        hint = newest_hint(view);
    decision_invalid(view->decision, "spec.backupName", "%.*s: there is no Velero Backup of that name in %.*s%.*s",
                     STR_ARG(restore_quote(view, view->backup_name)), STR_ARG(restore_quote(view, view->ns)),
                     STR_ARG(hint));
}

static void restore_deny_no_completed(const struct restore_view *view, const struct backup *newest)
{
    const struct inventory *inventory = view->inventory;
    struct arena *arena = view->arena;
    struct str name = restore_quote(view, view->schedule_name);
    if (newest) {
        decision_invalid(view->decision, "spec.scheduleName",
                         "%.*s: none of its backups is Completed; the newest, %.*s, is %.*s%.*s", STR_ARG(name),
                         STR_ARG(restore_quote(view, newest->meta.name)),
                         STR_ARG(restore_quote(view, newest->status.phase)), STR_ARG(newest_hint(view)));
        return;
    }
    const struct management_backup *maker = inventory_management_backup(inventory, view->schedule_name);
    if (maker) {
        decision_invalid(
            view->decision, "spec.scheduleName",
            "%.*s: this is a ManagementBackup, and it has no Velero Schedule; use backupName%s%.*s", STR_ARG(name),
            maker->last_backup_name.len ? ": " : " instead",
            STR_ARG(maker->last_backup_name.len ? backup_with_phase(view, maker->last_backup_name) : STR("")));
        return;
    }
    if (inventory_velero_schedule(inventory, view->ns, view->schedule_name)) {
        decision_invalid(view->decision, "spec.scheduleName", "%.*s: this Schedule has not made a backup yet%.*s",
                         STR_ARG(name), STR_ARG(newest_hint(view)));
        return;
    }
    struct strlist candidates = {0};
    for (size_t i = 0; i < inventory->count[FACT_SCHEDULES]; i++)
        if (str_eq(inventory->schedules[i]->meta.ns, view->ns))
            strlist_add(arena, &candidates, inventory->schedules[i]->meta.name);
    struct str near = str_nearest(view->schedule_name, candidates.items, candidates.len);
    decision_invalid(view->decision, "spec.scheduleName",
                     "%.*s: there is no Velero Schedule of that name in %.*s, and no backup made by one%.*s",
                     STR_ARG(name), STR_ARG(restore_quote(view, view->ns)),
                     STR_ARG(near.len ? arena_printf(arena, "; did you mean %.*s?", STR_ARG(restore_quote(view, near)))
                                      : newest_hint(view)));
}

static struct str backup_progress(const struct restore_view *view, const struct backup_status *status)
{
    if (status->items_total == 0)
        return STR("");
    return arena_printf(view->arena, " (%lld of %lld items)", (long long)status->items_done,
                        (long long)status->items_total);
}

/* Velero itself looks only when it fetches the backup, and for a backupName not at the phase at all. */
static void restore_check_backup_phase(const struct restore_view *view, const char *field)
{
    const struct backup *backup = view->backup;
    struct str phase = backup->status.phase;
    struct str name = restore_quote(view, backup->meta.name);
    switch (backup->meta.deleting ? PHASE_DELETING : phase_of(phase)) {
    case PHASE_COMPLETED:
        break;
    case PHASE_UNKNOWN:
        decision_warn(view->decision,
                      "backup %.*s has the unknown phase %.*s: whether it can be restored was not checked",
                      STR_ARG(name), STR_ARG(restore_quote(view, phase)));
        break;
    case PHASE_PARTIALLY_FAILED:
        decision_caution(view->decision,
                         "backup %.*s is PartiallyFailed (%lld error%s) and incomplete: prefer a Completed one",
                         STR_ARG(name), (long long)backup->status.errors, backup->status.errors == 1 ? "" : "s");
        break;
    case PHASE_WAITING:
    case PHASE_RUNNING:
        decision_invalid(view->decision, field,
                         "%.*s: this backup is not finished: phase %.*s%.*s; wait until it is Completed", STR_ARG(name),
                         STR_ARG(phase.len ? restore_quote(view, phase) : STR("still empty")),
                         STR_ARG(backup_progress(view, &backup->status)));
        break;
    case PHASE_FAILED:
    case PHASE_REFUSED:
        decision_invalid(view->decision, field,
                         "%.*s: this backup is %.*s (%.*s); there is nothing to restore from it%.*s", STR_ARG(name),
                         STR_ARG(phase), STR_ARG(backup_failure(view->arena, &backup->status)),
                         STR_ARG(newest_hint(view)));
        break;
    case PHASE_DELETING:
        decision_invalid(view->decision, field, "%.*s: this backup is being deleted%.*s", STR_ARG(name),
                         STR_ARG(newest_hint(view)));
        break;
    }
}

static void check_expiry(const struct restore_view *view)
{
    char when[TIME_TEXT_SIZE];
    int64_t expires = view->backup->status.expires, now = view->request->now;
    if (expires == 0 || expires > now + EXPIRY_NOTICE)
        return;
    struct str name = restore_quote(view, view->backup->meta.name);
    time_format(expires, 0, when);
    if (expires <= now &&
        policy_backup_kept(view->request->arena, view->inventory, view->settings, now, view->backup).by)
        decision_warn(view->decision, "backup %.*s expired at %s and is kept by backstop", STR_ARG(name), when);
    else if (expires <= now)
        decision_caution(view->decision,
                         "backup %.*s expired at %s: Velero may delete it at any time, even during the restore",
                         STR_ARG(name), when);
    else
        decision_warn(view->decision, "backup %.*s expires at %s: Velero deletes it then", STR_ARG(name), when);
}

/* Velero fails a Restore for good when the location is not Available as it begins. */
static void restore_check_location(const struct restore_view *view, const char *field)
{
    struct str name = view->backup->storage_location;
    if (name.len == 0)
        return;
    if (!view->inventory->known[FACT_STORAGE_LOCATIONS]) {
        decision_unchecked(view->decision, FACT_STORAGE_LOCATIONS,
                           "%s: the BackupStorageLocations in %.*s are not known, so %.*s was not checked", field,
                           STR_ARG(view->ns), STR_ARG(restore_quote(view, name)));
        return;
    }
    const struct storage_location *location = inventory_storage_location(view->inventory, view->ns, name);
    if (storage_location_available(location))
        return;
    struct str quoted_name = restore_quote(view, name), backup_name = restore_quote(view, view->backup->meta.name);
    if (!location) {
        decision_invalid(view->decision, field,
                         "%.*s: its BackupStorageLocation %.*s does not exist in %.*s; create it first "
                         "with the bucket, prefix and credential it had",
                         STR_ARG(backup_name), STR_ARG(quoted_name), STR_ARG(restore_quote(view, view->ns)));
    } else if (location->phase.len == 0) {
        decision_caution(
            view->decision,
            "BackupStorageLocation %.*s has not been validated yet: the restore fails unless it becomes Available",
            STR_ARG(quoted_name));
    } else {
        decision_invalid(view->decision, field,
                         "%.*s: its BackupStorageLocation %.*s is %.*s; the backup cannot be read until "
                         "it is Available",
                         STR_ARG(backup_name), STR_ARG(quoted_name), STR_ARG(storage_phase(view->arena, location)));
    }
}

/* Exactly one source; false when there is none to look at. */
static bool check_names(const struct restore_view *view)
{
    bool by_backup = view->backup_name.len > 0, by_schedule = view->schedule_name.len > 0;
    if (by_backup != by_schedule)
        return true;
    if (by_backup)
        decision_forbidden(view->decision, "spec.backupName",
                           "set backupName or scheduleName, not both; to restore %.*s, remove scheduleName",
                           STR_ARG(restore_quote(view, view->backup_name)));
    else
        decision_required(view->decision, "spec.backupName",
                          "name the backup to restore, or a Velero Schedule in spec.scheduleName%.*s",
                          STR_ARG(newest_hint(view)));
    return false;
}

/* Without a list of Backups nothing is denied: on an empty cluster Velero may not have synced
 * them yet. */
void restore_check_source(const struct restore_view *view)
{
    const char *field = view->schedule_name.len ? "spec.scheduleName" : "spec.backupName";
    const struct backup *newest = NULL;
    if (!restore_asks(view, "spec.backupName") && !restore_asks(view, "spec.scheduleName"))
        return;
    if (!check_names(view))
        return;
    if (!view->inventory->known[FACT_BACKUPS]) {
        decision_unchecked(view->decision, FACT_BACKUPS,
                           "the backup was not checked, because Velero Backups are not known; %s",
                           view->management ? "treated as a management restore (restores.mutateAll)"
                                            : "exclusions and existingResourcePolicy were left unchanged");
        return;
    }
    if (view->schedule_name.len)
        inventory_newest_completed(view->inventory, view->ns, view->schedule_name, &newest);
    if (!view->backup) {
        if (view->schedule_name.len)
            restore_deny_no_completed(view, newest);
        else
            restore_deny_missing_backup(view);
        return;
    }
    char when[TIME_TEXT_SIZE];
    if (view->backup && newest && newest != view->backup)
        decision_warn(
            view->decision, "the newest backup %.*s is %.*s, so Velero restores %.*s of %s",
            STR_ARG(restore_quote(view, newest->meta.name)), STR_ARG(restore_quote(view, newest->status.phase)),
            STR_ARG(restore_quote(view, view->backup->meta.name)), time_format(view->backup->status.started, 0, when));
    restore_check_backup_phase(view, field);
    check_expiry(view);
    restore_check_location(view, field);
    decision_audit(view->decision, "backup", "%.*s", STR_ARG(view->backup->meta.name));
}
