#include "status/status.h"

/* What keeps kcm from asking Velero for backups, what Velero was told not to do, and clocks that make nonsense of both. */

enum {
    CLOCKS_AGREE = 5 * 60,   /* as far as the upgrade gate lets them differ */
    DELETION_WAITS = 10 * 60 /* Velero takes one up within seconds, unless the Backup itself runs */
};

/* A command about an object of the system namespace; status_command_name keeps a name from being
 * more than a name to a shell. */
static struct str doctor_command(const struct status_view *view, const char *command, struct str name)
{
    return arena_printf(view->arena, "%s -n %.*s %.*s", command, STR_ARG(view->settings->system_namespace),
                        STR_ARG(status_command_name(name)));
}

/* ---- kcm -------------------------------------------------------------------------------- */

/* Any of its Deployments that is ready will do. */
static void doctor_find_kcm(struct status_view *view)
{
    const struct inventory *inventory = view->inventory;
    const struct kcm_deployment *down = NULL;
    for (size_t i = 0; i < inventory->count[FACT_KCM]; i++) {
        if (inventory->kcm_deployments[i]->state.ready_replicas > 0)
            return;
        down = inventory->kcm_deployments[i];
    }
    if (down)
        status_report(view, CAUSE_KCM_NOT_READY, STATUS_BLOCKS_UPGRADE | STATUS_BLOCKS_BACKUP,
                      status_object_name(view, "deployment", down->meta.name),
                      arena_printf(view->arena, "%.*s: kcm starts no backup and no upgrade",
                                   STR_ARG(status_deployment_down(view, &down->state))),
                      status_deployment_fix(view, &down->meta, &down->state));
}

/* A Backup that hangs is reported as such, and so is what a ManagementBackup itself reports of a region. */
static bool doctor_hold_is_reported(const struct status_view *view, const struct backup_hold *hold)
{
    struct str object = status_object_name(view, "backup", hold->name);
    bool reported = false;
    for (size_t i = 0; i < view->finding_count && hold->kind == HOLD_BACKUP_RUNS && hold->ns.len == 0; i++)
        reported |= view->findings[i].cause == CAUSE_BACKUP_STUCK && str_eq(view->findings[i].object, object);
    for (size_t i = 0; i < view->backup_count && hold->kind == HOLD_REGION_FAILS; i++)
        for (size_t r = 0; r < view->backups[i].object->region_count; r++)
            reported |= view->backups[i].object->regions[r].error.len &&
                        str_eq(view->backups[i].object->regions[r].region, hold->name);
    return reported;
}

/* What the policies know of kcm's own conditions for a backup (policy_backup_holds), as
 * findings. Only what is certain blocks. */
static void doctor_find_holds(struct status_view *view)
{
    static const struct {
        enum status_cause cause;
        const char *kind;
    } causes[] = {[HOLD_NO_CREDENTIAL] = {CAUSE_CREDENTIAL_MISSING, "credential"},
                  [HOLD_NO_KUBECONFIG] = {CAUSE_KUBECONFIG_MISSING, "region"},
                  [HOLD_REGION_FAILS] = {CAUSE_REGION_FAILS, "region"},
                  [HOLD_BACKUP_RUNS] = {CAUSE_BACKUP_RUNS, "backup"}};
    struct arena *arena = view->arena;
    const struct backup_holds holds = policy_backup_holds(arena, view->inventory, view->settings, view->now);
    for (size_t i = 0; i < holds.len; i++) {
        const struct backup_hold *hold = &holds.items[i];
        /* One that runs long may be large: what it holds back is judged by its age. */
        bool stops = hold->certain && hold->kind != HOLD_BACKUP_RUNS;
        unsigned blocks = !stops ? 0 : STATUS_BLOCKS_BACKUP | (hold->whole ? STATUS_BLOCKS_UPGRADE : 0U);
        struct str held = hold->whole       ? STR("no backup at all")
                          : hold->owner.len ? arena_printf(arena, "no scheduled backup of managementbackup/%.*s",
                                                           STR_ARG(shown(arena, hold->owner)))
                                            : STR("no scheduled backup");
        struct str others = hold->others ? arena_printf(arena, " (and %zu more name it)", hold->others) : STR("");
        if (!doctor_hold_is_reported(view, hold))
            status_report(view, causes[hold->kind].cause, blocks,
                          status_object_name(view, causes[hold->kind].kind, hold->name),
                          arena_printf(arena, "kcm %sstarts %.*s: %.*s%.*s", hold->certain ? "" : "probably ",
                                       STR_ARG(held), STR_ARG(hold->reason), STR_ARG(others)),
                          hold->fix);
    }
}

/* ---- Schedules of Velero ------------------------------------------------------------------- */

/* Schedules of Velero back up what users choose, so they block nothing here, unlike a
 * ManagementBackup's. */
static void doctor_find_schedules(struct status_view *view)
{
    struct arena *arena = view->arena;
    for (size_t i = 0; i < view->source_count; i++) {
        const struct status_source *source = &view->sources[i];
        if (source->maker != STATUS_BY_SCHEDULE || !str_eq(source->ns, view->settings->system_namespace) ||
            source->schedule->meta.deleting)
            continue;
        struct str object = status_object_name(view, "schedule", source->name);
        if (source->schedule->paused)
            status_report(
                view, CAUSE_SCHEDULE_PAUSED, 0, object, STR("is paused (spec.paused): Velero starts no backup of it"),
                arena_printf(arena, "%.*s --type=merge -p '{\"spec\":{\"paused\":false}}'",
                             STR_ARG(doctor_command(view, "kubectl patch schedules.velero.io", source->name))));
        else if (!source->valid)
            status_report(
                view, source->zone.ptr ? CAUSE_SCHEDULE_NEVER_FIRES : CAUSE_SCHEDULE_INVALID, 0, object,
                source->zone.ptr
                    ? arena_printf(arena, "schedule %.*s never fires: Velero treats it as always due",
                                   STR_ARG(arena_quote(arena, source->spec)))
                    : arena_printf(arena, "Velero cannot parse schedule %.*s, so no backup of it runs: %.*s",
                                   STR_ARG(arena_quote(arena, source->spec)), STR_ARG(source->meaning)),
                arena_printf(arena, "%.*s --type=merge -p '{\"spec\":{\"schedule\":\"0 */6 * * *\"}}'",
                             STR_ARG(doctor_command(view, "kubectl patch schedules.velero.io", source->name))));
    }
}

/* ---- deletions ------------------------------------------------------------------------------ */

/* A request that was processed stays for a day; with errors, its Backup stays too. */
static void doctor_find_deletion(struct status_view *view, const struct delete_request *request)
{
    struct arena *arena = view->arena;
    const struct inventory *inventory = view->inventory;
    struct str object = status_object_name(view, "deletebackuprequest", request->meta.name);
    bool done = phase_is_processed(request->phase);
    bool there = !inventory->known[FACT_BACKUPS] || inventory_backup(inventory, request->meta.ns, request->backup);
    int64_t age = request->meta.created ? view->now - request->meta.created : 0;
    if (done && request->errors.len && there)
        status_report(view, CAUSE_DELETION_FAILED, 0, object,
                      arena_printf(arena, "Velero could not delete backup %.*s: %.*s",
                                   STR_ARG(shown(arena, request->backup)),
                                   STR_ARG(arena_quote_error(arena, request->errors.items[0]))),
                      arena_printf(arena, "fix that, then: velero backup delete -n %.*s %.*s",
                                   STR_ARG(status_command_name(request->meta.ns)),
                                   STR_ARG(status_command_name(request->backup))));
    else if (!done && there && age > DELETION_WAITS)
        status_report(
            view, CAUSE_DELETION_WAITS, 0, object,
            arena_printf(arena, "backup %.*s should have been deleted %.*s (phase %.*s): Velero does not take it up",
                         STR_ARG(shown(arena, request->backup)), STR_ARG(status_ago(view, request->meta.created)),
                         STR_ARG(shown(arena, phase_name(request->phase)))),
            arena_printf(
                arena, "see Velero's log; to keep the backup: %.*s",
                STR_ARG(doctor_command(view, "kubectl delete deletebackuprequests.velero.io", request->meta.name))));
}

static void doctor_find_deletions(struct status_view *view)
{
    const struct inventory *inventory = view->inventory;
    for (size_t i = 0; i < inventory->count[FACT_DELETE_REQUESTS]; i++)
        if (str_eq(inventory->delete_requests[i]->meta.ns, view->settings->system_namespace))
            doctor_find_deletion(view, inventory->delete_requests[i]);
}

/* ---- clocks -------------------------------------------------------------------------------- */

struct doctor_moment { /* the farthest in the future that an object's status says */
    int64_t at;
    const char *kind, *field, *writer;
    struct str name;
};

static void doctor_note_moment(struct doctor_moment *moment, const struct doctor_moment *seen)
{
    if (seen->at > moment->at)
        *moment = *seen;
}

/* Ages are differences to the clock here. One moment in the future is enough to doubt them all,
 * so the farthest is reported, with whose clock wrote it. */
static void doctor_find_clocks(struct status_view *view)
{
    char ahead[TIME_TEXT_SIZE], when[TIME_TEXT_SIZE];
    struct arena *arena = view->arena;
    const struct inventory *inventory = view->inventory;
    struct doctor_moment far = {.at = view->now + CLOCKS_AGREE};
    for (size_t i = 0; i < inventory->count[FACT_BACKUPS]; i++) {
        const struct backup *backup = inventory->backups[i];
        const struct backup_status *status = &backup->status;
        doctor_note_moment(&far, &(struct doctor_moment){status->completed, "backup", "status.completionTimestamp",
                                                         "Velero", backup->meta.name});
        doctor_note_moment(&far, &(struct doctor_moment){status->started, "backup", "status.startTimestamp", "Velero",
                                                         backup->meta.name});
    }
    for (size_t i = 0; i < view->location_count; i++) {
        const struct storage_location *location = view->locations[i].object;
        doctor_note_moment(&far, &(struct doctor_moment){location->last_validated, "backupstoragelocation",
                                                         "status.lastValidationTime", "Velero", location->meta.name});
    }
    for (size_t i = 0; i < view->backup_count; i++) {
        const struct management_backup *backup = view->backups[i].object;
        doctor_note_moment(&far, &(struct doctor_moment){backup->last_backup_time, "managementbackup",
                                                         "status.lastBackupTime", "kcm", backup->meta.name});
        doctor_note_moment(&far,
                           &(struct doctor_moment){backup->meta.created, "managementbackup",
                                                   "metadata.creationTimestamp", "the API server", backup->meta.name});
    }
    if (!far.kind)
        return;
    status_report(view, CAUSE_CLOCKS_APART, 0, status_object_name(view, far.kind, far.name),
                  arena_printf(arena,
                               "%s (%s) is %s in the future: the clock of %s's node, or the one here, is "
                               "wrong, so the ages shown may be wrong",
                               far.field, time_format(far.at, 0, when), duration_format(far.at - view->now, ahead),
                               far.writer),
                  STR("compare the clocks of the nodes (timedatectl, chronyc tracking), and correct the wrong one"));
}

/* After status_find_in_velero, whose findings doctor_hold_is_reported looks for. */
void status_find_in_kcm(struct status_view *view)
{
    doctor_find_kcm(view);
    doctor_find_holds(view);
    doctor_find_schedules(view);
    doctor_find_deletions(view);
    doctor_find_clocks(view);
}
