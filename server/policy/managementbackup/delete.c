#include "policy/managementbackup/kcm_names.h"
#include "policy/managementbackup/managementbackup.h"

static void judge(struct decision *decision, enum verdict verdict, struct str message)
{
    if (verdict == VERDICT_DENY)
        decision_forbid(decision,
                        "%.*s; to delete it all the same, set managementBackups.deleteProtecting to warn in "
                        "backstop's settings",
                        STR_ARG(message));
    else if (verdict == VERDICT_WARN)
        decision_warn(decision, "%.*s", STR_ARG(message));
}

static bool completed(const struct management_backup *backup)
{
    if (!str_is(backup->last_backup.phase, "Completed"))
        return false;
    for (size_t i = 0; i < backup->region_count; i++)
        if (!str_is(backup->regions[i].backup.phase, "Completed"))
            return false;
    return true;
}

/* The newest good pre-upgrade backup of a release (its label's value; absent: of any). */
static const struct management_backup *newest_good(const struct inventory *inventory, struct str release)
{
    const struct management_backup *newest = NULL;
    for (size_t i = 0; i < inventory->count[FACT_MANAGEMENT_BACKUPS]; i++) {
        const struct management_backup *backup = inventory->management_backups[i];
        bool wanted = release.ptr ? str_eq(backup->release, release) : backup->release.len > 0;
        if (wanted && !backup->meta.deleting && completed(backup) &&
            (!newest || backup->last_backup.completed > newest->last_backup.completed))
            newest = backup;
    }
    return newest;
}

/* The backup of the running release is what an upgrade under way falls back on; after
 * the upgrade, the newest one of another release is the way back to that. */
static void judge_rollback(const struct request *request, const struct inventory *inventory, struct str name,
                           enum verdict verdict, struct decision *decision)
{
    const struct management_backup *self = inventory_management_backup(inventory, name);
    const struct management *management = inventory_management(inventory);
    if (!self || !self->release.len || !management || !management->status_release.len)
        return;
    struct arena *arena = request->arena;
    struct str running = kcm_release_label(arena, management->status_release);
    struct str quoted = arena_quote(arena, name);
    if (str_eq(self->release, running)) {
        if (newest_good(inventory, running) == self)
            judge(decision, verdict,
                  arena_printf(arena,
                               "ManagementBackup %.*s protects the running release %.*s: it tracks the backup to "
                               "return to if an upgrade goes wrong",
                               STR_ARG(quoted), STR_ARG(arena_quote(arena, management->status_release))));
        return;
    }
    const struct management_backup *newest = newest_good(inventory, (struct str){NULL, 0});
    if (newest == self)
        judge(decision, verdict,
              arena_printf(arena,
                           "ManagementBackup %.*s protects the running release %.*s: it tracks the backup to roll "
                           "back to %.*s with",
                           STR_ARG(quoted), STR_ARG(arena_quote(arena, management->status_release)),
                           STR_ARG(arena_quote(arena, self->release))));
}

void judge_deletion(const struct request *request, const struct inventory *inventory, const struct settings *settings,
                    struct decision *decision)
{
    const struct object *object = request->old_object;
    struct str name = subject_name(request);
    enum verdict verdict = settings->backups_delete_protecting;
    if (object_deleting(object))
        return;
    judge_rollback(request, inventory, name, verdict, decision);
    bool protects = object_true(request, object, "spec.performOnManagementUpgrade") &&
                    object_text(request, object, "spec.schedule").len;
    if (protects && last_upgrade_backup(inventory, name))
        judge(decision, verdict,
              arena_printf(request->arena,
                           "ManagementBackup %.*s is the last one with performOnManagementUpgrade: "
                           "without it upgrades start without a backup",
                           STR_ARG(arena_quote(request->arena, name))));
}
