#include "backstop/grammar.h"
#include "status/status.h"

/* What stands against an upgrade, a restore or the backups both rest on, and the way
 * out of each; then what is worth knowing. */

/* A scheduled run may start this much late before its absence is reported. */
enum { GRACE = 15 * 60 };

/* ---- Velero ---------------------------------------------------------------------- */

/* k0rdent's own Helm values. */
static struct str find_velero_install(const struct status_view *view)
{
    const struct management *management = inventory_management(view->inventory);
    bool old = product_version_before(&view->kcm_version.version, 1, 4) == ANSWER_YES;
    if (!management)
        return STR("install Velero, or k0rdent, which brings it");
    return arena_printf(view->arena,
                        "kubectl patch management %.*s --type=merge -p '{\"spec\":{\"core\":{\"kcm\":{\"config\":%s{"
                        "\"velero\":{\"enabled\":true}}%s}}}}'",
                        STR_ARG(status_command_name(management->meta.name)),
                        old ? "" : "{\"regional\":", old ? "" : "}");
}

/* Where k0rdent runs beside Velero, the namespace that is wrong is ours. */
static struct str find_velero_namespace_fix(const struct status_view *view, struct str ns)
{
    for (size_t i = 0; i < view->inventory->count[FACT_KCM]; i++) {
        const struct kcm_deployment *kcm = view->inventory->kcm_deployments[i];
        if (str_eq(kcm->meta.ns, ns))
            return arena_printf(view->arena,
                                "k0rdent runs there too: pass -n %.*s, or set systemNamespace in the settings",
                                STR_ARG(status_command_name(ns)));
    }
    return arena_printf(view->arena, "run Velero in %.*s: %.*s", STR_ARG(view->settings->system_namespace),
                        STR_ARG(find_velero_install(view)));
}

/* `here`: another, or this one, is ready in the system namespace; `ready`: anywhere. */
static void find_in_velero(struct status_view *view, const struct status_velero *velero, bool here, bool ready)
{
    struct arena *arena = view->arena;
    const struct object_meta *meta = &velero->object->meta;
    struct str object = status_object_name(view, "deployment", meta->name), ns = status_command_name(meta->ns);
    if (!velero->ready && ready)
        status_report(view, CAUSE_VELERO_NOT_READY, 0, object, status_deployment_down(view, &velero->object->state),
                      status_deployment_fix(view, meta, &velero->object->state));
    if (!str_eq(meta->ns, view->settings->system_namespace))
        status_report(
            view, CAUSE_VELERO_WRONG_NAMESPACE,
            here || !velero->ready ? 0 : STATUS_BLOCKS_UPGRADE | STATUS_BLOCKS_RESTORE | STATUS_BLOCKS_BACKUP, object,
            arena_printf(arena, "runs in namespace %.*s and cannot see the objects in %.*s",
                         STR_ARG(arena_quote(view->arena, meta->ns)), STR_ARG(view->settings->system_namespace)),
            find_velero_namespace_fix(view, meta->ns));
    if (!velero->known_account)
        status_report(
            view, CAUSE_VELERO_ACCOUNT, STATUS_BLOCKS_RESTORE, object,
            arena_printf(arena,
                         "runs as service account %.*s, which is not in velero.serviceAccounts: backstop would "
                         "check its restores like changes of a user, and the upgrade gate would block them",
                         STR_ARG(arena_quote(view->arena, velero->account))),
            arena_printf(arena, "add \"%.*s:%.*s\" to velero.serviceAccounts in backstop's settings", STR_ARG(ns),
                         STR_ARG(status_command_name(velero->account))));
    if (velero->bad_name)
        status_report(view, CAUSE_VELERO_NAME, STATUS_BLOCKS_RESTORE, object,
                      STR("is not named \"velero\": restores fail before k0rdent 1.2.0 (velero issue 9023)"),
                      STR("set velero.fullnameOverride: velero in k0rdent's Helm values, or upgrade k0rdent to 1.2.0"));
}

/* True when the upgrade gate refuses because of it: no Velero is ready anywhere. */
static bool find_velero(struct status_view *view)
{
    enum { ALL = STATUS_BLOCKS_UPGRADE | STATUS_BLOCKS_RESTORE | STATUS_BLOCKS_BACKUP };
    const struct status_velero *down = NULL;
    bool here = false, ready = false;
    for (size_t i = 0; i < view->velero_count; i++) {
        const struct status_velero *velero = &view->veleros[i];
        bool is_here = str_eq(velero->object->meta.ns, view->settings->system_namespace);
        here |= is_here && velero->ready;
        ready |= velero->ready;
        if (!down || is_here)
            down = velero;
    }
    for (size_t i = 0; i < view->velero_count; i++)
        find_in_velero(view, &view->veleros[i], here, ready);
    if (!view->inventory->known[FACT_VELERO] || here)
        return false;
    if (!down)
        status_report(view, CAUSE_VELERO_NOT_INSTALLED, ALL, STR("velero"),
                      STR("is not installed: no Deployment has the label component=velero"), find_velero_install(view));
    else if (!ready)
        status_report(view, CAUSE_VELERO_NOT_READY, ALL,
                      status_object_name(view, "deployment", down->object->meta.name),
                      arena_printf(view->arena, "%.*s: nothing is backed up or restored",
                                   STR_ARG(status_deployment_down(view, &down->object->state))),
                      status_deployment_fix(view, &down->object->meta, &down->object->state));
    return !ready;
}

/* ---- storage locations -------------------------------------------------------------- */

/* Each location has one state, so one finding on it; where it lies and who else writes there are
 * told besides. */
static void find_in_location(struct status_view *view, const struct status_location *location)
{
    struct arena *arena = view->arena;
    const struct storage_location *object = location->object;
    struct str name = status_object_name(view, "backupstoragelocation", object->meta.name);
    unsigned upgrade = location->used_upgrade ? STATUS_BLOCKS_UPGRADE : 0;
    struct str reason = storage_location_reason(object);
    struct str message =
        reason.len ? arena_printf(arena, ": %.*s", STR_ARG(arena_quote_error(arena, reason))) : STR("");
    if (location->no_plugin)
        ; /* which is reported already */
    else if (object->phase.len == 0)
        status_report(view, CAUSE_LOCATION_NOT_VALIDATED, location->used ? STATUS_BLOCKS_BACKUP : 0, name,
                      STR("not validated by Velero yet: backups to it fail until it is Available"),
                      STR("check that Velero is running, then wait a minute"));
    else if (!location->readable)
        status_report(view, CAUSE_LOCATION_UNAVAILABLE, location->used ? STATUS_BLOCKS_BACKUP | upgrade : 0, name,
                      arena_printf(arena, "is %.*s%.*s", STR_ARG(shown(arena, object->phase)), STR_ARG(message)),
                      status_location_fix(object));
    else if (!location->usable && location->used)
        status_report(view, CAUSE_LOCATION_READ_ONLY, STATUS_BLOCKS_BACKUP | upgrade, name,
                      STR("is ReadOnly: backups cannot be written to it"),
                      STR("set spec.accessMode to ReadWrite, or use another storage location in the ManagementBackup"));
    if (!location->survives && location->used)
        status_report(view, CAUSE_LOCATION_IN_CLUSTER, 0, name,
                      arena_printf(arena,
                                   "stores backups inside this cluster (%s): losing the cluster means losing them",
                                   location->class),
                      STR("use object storage outside the cluster"));
    if (location->used) {
        const struct foreign_writer writer = policy_foreign_writer(view->inventory, view->settings, object);
        if (writer.newest)
            status_report(
                view, CAUSE_FOREIGN_WRITER, 0, name, policy_foreign_writer_reason(view->arena, &writer, view->now),
                STR("give each cluster its own bucket or prefix, or stop the backups on one. If this is meant, set "
                    "storage.foreignWriter: allow in backstop's settings"));
    }
}

/* ---- management backups ---------------------------------------------------------------- */

/* Where the last Backup went, which need not be where the next one goes. */
static struct str last_location(const struct status_view *view, const struct status_backup *backup)
{
    const struct backup *velero =
        inventory_backup(view->inventory, view->settings->system_namespace, backup->last_name);
    if (velero && velero->storage_location.len)
        return velero->storage_location;
    return backup->goes_to ? backup->goes_to->object->meta.name : backup->object->storage_location;
}

/* The last run failed, a run is missing, or kcm itself reports an error: each for itself, since
 * each may be true. */
static void find_last(struct status_view *view, const struct status_backup *backup, struct str name)
{
    struct arena *arena = view->arena;
    char when[TIME_TEXT_SIZE];
    if (backup->last && phase_has_failed(backup->last->phase)) {
        struct str good = backup->good ? arena_printf(arena, "; the last good one is from %.*s",
                                                      STR_ARG(status_ago(view, backup->good->status.completed)))
                                       : STR("; it has no good backup");
        status_report(view, CAUSE_BACKUP_FAILED, 0, name,
                      arena_printf(arena, "last backup %.*s ended %.*s %.*s (%.*s)%.*s",
                                   STR_ARG(shown(arena, backup->last_name)), STR_ARG(shown(arena, backup->last->phase)),
                                   STR_ARG(status_ago(view, backup->last_when)),
                                   STR_ARG(backup_failure(arena, backup->last)), STR_ARG(good)),
                      status_backup_fix(view, backup->last, backup->last_name, last_location(view, backup)));
    }
    bool held = backup->goes_to && !backup->goes_to->usable; /* and that is reported already */
    if (backup->due && backup->due + GRACE < view->now && backup->goes_to && !held)
        status_report(view, CAUSE_RUN_MISSED, 0, name,
                      arena_printf(arena, "missed a run that was due %.*s (%s)", STR_ARG(status_ago(view, backup->due)),
                                   time_format(backup->due, 0, when)),
                      arena_printf(arena, "kubectl logs -n %.*s deployment/kcm-controller-manager",
                                   STR_ARG(view->settings->system_namespace)));
    if (backup->object->error.len)
        status_report(view, CAUSE_KCM_ERROR, 0, name,
                      arena_printf(arena, "kcm reports %.*s", STR_ARG(arena_quote_error(arena, backup->object->error))),
                      STR(""));
}

/* kcm reports each regional cluster's part; its Backup lives there. */
static void find_regions(struct status_view *view, const struct management_backup *object, struct str name)
{
    struct arena *arena = view->arena;
    for (size_t i = 0; i < object->region_count; i++) {
        const struct region_status *region = &object->regions[i];
        const struct backup_status *status = &region->backup;
        struct str which = arena_quote(view->arena, region->region);
        int64_t when = status->completed ? status->completed : status->started;
        if (phase_has_failed(status->phase))
            status_report(view, CAUSE_REGION_BACKUP_FAILED, 0, name,
                          arena_printf(arena, "last backup of region %.*s, %.*s, ended %.*s %.*s (%.*s)",
                                       STR_ARG(which), STR_ARG(shown(arena, region->backup_name)),
                                       STR_ARG(shown(arena, status->phase)), STR_ARG(status_ago(view, when)),
                                       STR_ARG(backup_failure(arena, status))),
                          arena_printf(arena, "on that cluster: %.*s",
                                       STR_ARG(status_backup_fix(view, status, region->backup_name, STR("")))));
        if (region->error.len)
            status_report(view, CAUSE_REGION_ERROR, 0, name,
                          arena_printf(arena, "kcm reports for region %.*s: %.*s", STR_ARG(which),
                                       STR_ARG(arena_quote_error(arena, region->error))),
                          STR(""));
    }
}

/* Where locations are not known nothing can be missing. */
static void find_storage(struct status_view *view, const struct status_backup *backup, struct str name)
{
    const struct management_backup *object = backup->object;
    struct arena *arena = view->arena;
    if (!view->inventory->known[FACT_STORAGE_LOCATIONS] || backup->goes_to)
        return;
    unsigned upgrade = object->on_upgrade && object->schedule.len ? STATUS_BLOCKS_UPGRADE : 0;
    struct str patch = arena_printf(
        arena, "kubectl patch managementbackup %.*s --type=merge -p '{\"spec\":{\"storageLocation\":\"NAME\"}}'",
        STR_ARG(status_command_name(object->meta.name)));
    if (object->storage_location.len)
        status_report(view, CAUSE_LOCATION_MISSING, STATUS_BLOCKS_BACKUP | upgrade, name,
                      arena_printf(arena, "storage location %.*s does not exist in %.*s",
                                   STR_ARG(arena_quote(view->arena, object->storage_location)),
                                   STR_ARG(view->settings->system_namespace)),
                      patch);
    else
        status_report(view, CAUSE_LOCATION_MISSING, STATUS_BLOCKS_BACKUP | upgrade, name,
                      STR("has no storage location, and no BackupStorageLocation is the default"), patch);
}

static void find_long_name(struct status_view *view, const struct status_backup *backup, struct str name)
{
    size_t bytes = backup->object->meta.name.len;
    if (backup->kind == STATUS_SCHEDULED && bytes > LABEL_VALUE_MAX)
        status_report(view, CAUSE_NAME_TOO_LONG, STATUS_BLOCKS_BACKUP, name,
                      arena_printf(view->arena,
                                   "name too long (%zu bytes): kcm puts it into a label of each scheduled backup, and "
                                   "label values hold at most %d, so no backup can be created",
                                   bytes, LABEL_VALUE_MAX),
                      STR("create a ManagementBackup with a shorter name and the same spec, then delete this one"));
}

static void find_in_backup(struct status_view *view, const struct status_backup *backup)
{
    const struct management_backup *object = backup->object;
    struct arena *arena = view->arena;
    struct str name = status_object_name(view, "managementbackup", object->meta.name);
    /* What ran once and is done is history, good or bad. */
    bool done = backup->kind != STATUS_SCHEDULED && backup->last;
    if (object->meta.deleting)
        return;
    if (!backup->valid) {
        struct str schedule = arena_quote(view->arena, backup->object->schedule);
        struct str fix = arena_printf(arena,
                                      "kubectl patch managementbackup %.*s --type=merge -p "
                                      "'{\"spec\":{\"schedule\":\"0 */6 * * *\"}}'",
                                      STR_ARG(status_command_name(backup->object->meta.name)));
        struct str says =
            backup->zone.ptr
                ? arena_printf(arena,
                               "schedule %.*s never fires: kcm treats it as always due and starts backups back to back",
                               STR_ARG(schedule))
                : arena_printf(arena, "kcm cannot parse schedule %.*s, so no backup runs: %.*s", STR_ARG(schedule),
                               STR_ARG(backup->meaning));
        status_report(view, backup->zone.ptr ? CAUSE_SCHEDULE_NEVER_FIRES : CAUSE_SCHEDULE_INVALID,
                      STATUS_BLOCKS_BACKUP, name, says, fix);
    }
    find_long_name(view, backup, name);
    if (object->on_upgrade && object->schedule.len == 0)
        status_report(view, CAUSE_UPGRADE_FLAG_ALONE, 0, name,
                      STR("performOnManagementUpgrade has no effect without a schedule"),
                      arena_printf(arena,
                                   "kubectl patch managementbackup %.*s --type=merge -p "
                                   "'{\"spec\":{\"schedule\":\"0 */6 * * *\"}}'",
                                   STR_ARG(status_command_name(object->meta.name))));
    if (!done)
        find_storage(view, backup, name);
    if (backup->kind == STATUS_SCHEDULED || !done) {
        find_last(view, backup, name);
        find_regions(view, object, name);
    }
}

/* ---- the upgrade ---------------------------------------------------------------------- */

/* `told`: a finding says already why the gate refuses, so that it need not be said in general. */
static void find_refused(struct status_view *view, bool told)
{
    const struct upgrade_view *upgrade = &view->upgrade;
    for (size_t i = 0; i < upgrade->count; i++) {
        const struct upgrade_source *source = &upgrade->sources[i];
        if (source->step != UPGRADE_STEP_REFUSE)
            continue;
        told = true;
        if (!source->no_storage) /* else the location is told of already */
            status_report(view, source->evidence.state == EVIDENCE_STUCK ? CAUSE_UPGRADE_STUCK : CAUSE_UPGRADE_BACKUP,
                          STATUS_BLOCKS_UPGRADE,
                          status_object_name(view, "managementbackup", source->source->meta.name), source->says,
                          STR(""));
    }
    for (size_t i = 0; i < upgrade->evidence_count; i++) {
        const struct upgrade_evidence *evidence = &upgrade->evidence[i];
        if (!evidence->counts || evidence->step != UPGRADE_STEP_REFUSE)
            continue;
        told = true;
        status_report(view, CAUSE_UPGRADE_EVIDENCE, STATUS_BLOCKS_UPGRADE,
                      status_object_name(view, "upgrade-evidence", evidence->source->name), evidence->says, STR(""));
    }
    if (!told) /* the Release asked for cannot be used */
        status_report(view, CAUSE_UPGRADE_REFUSED, STATUS_BLOCKS_UPGRADE, STR("upgrade"),
                      decision_message(&upgrade->decision), STR(""));
}

/* Denied or with warnings as the settings have it (upgrade.withoutBackups). */
static void find_unprotected(struct status_view *view)
{
    const struct decision *decision = &view->upgrade.decision;
    struct str none = {NULL, 0};
    if (decision->denied)
        status_report(view, CAUSE_UPGRADE_UNPROTECTED, STATUS_BLOCKS_UPGRADE, STR("upgrade"),
                      decision_message(decision), none);
    else if (decision->warnings.len)
        status_report(view, CAUSE_UPGRADE_UNPROTECTED, 0, STR("upgrade"), decision->warnings.items[0],
                      decision->warnings.len > 1 ? decision->warnings.items[decision->warnings.len - 1] : none);
}

/* The gate's warning about a location of which find_in_location reports the same. */
static bool find_tells_location(const struct status_view *view, struct str warning)
{
    for (size_t i = 0; i < view->location_count; i++) {
        const struct status_location *location = &view->locations[i];
        if (location->used &&
            str_starts(warning, arena_printf(view->arena, "BackupStorageLocation %.*s ",
                                             STR_ARG(arena_quote(view->arena, location->object->meta.name)))))
            return true;
    }
    return false;
}

/* Warnings about the pre-upgrade backup itself are part of the gate's table, those about a location
 * are findings of their own, and the verdict says that an upgrade is in progress. */
static bool find_tells_warning(const struct status_view *view, struct str warning)
{
    return str_starts(warning, STR("pre-upgrade backup ")) || find_tells_location(view, warning) ||
           (view->upgrade.under_way && str_starts(warning, STR("the upgrade from ")));
}

static void find_upgrade(struct status_view *view, bool told)
{
    const struct upgrade_view *upgrade = &view->upgrade;
    struct str none = {NULL, 0};
    switch (upgrade->outcome) {
    case UPGRADE_REFUSED:
        find_refused(view, told);
        return;
    case UPGRADE_UNKNOWN:
        if (status_unjudged(view, STATUS_BLOCKS_UPGRADE))
            return;
        status_report(view, CAUSE_UPGRADE_UNKNOWN, STATUS_BLOCKS_UPGRADE, STR("upgrade"),
                      upgrade->management ? decision_message(&upgrade->decision)
                                          : STR("cannot read the Management: the running release is unknown"),
                      none);
        return;
    case UPGRADE_UNPROTECTED:
        find_unprotected(view);
        return;
    case UPGRADE_ADMITTED:
    case UPGRADE_LET_THROUGH:
        for (size_t i = 0; i < upgrade->decision.warnings.len; i++)
            if (!find_tells_warning(view, upgrade->decision.warnings.items[i]))
                status_report(view, CAUSE_UPGRADE_WARNING, 0, STR("upgrade"), upgrade->decision.warnings.items[i],
                              none);
        return;
    case UPGRADE_WAITS:
    case UPGRADE_NONE:
        return;
    }
}

/* From the ground up: Velero, kcm, locations, ManagementBackups, the upgrade. status_rank sorts
 * them by cause later; the order here matters only where one looks at those before it. */
void status_find(struct status_view *view)
{
    bool told = find_velero(view); /* what keeps the upgrade gate closed */
    told |= status_find_in_velero(view);
    status_find_in_kcm(view);
    size_t defaults = 0;
    (void)inventory_default_location(view->inventory, view->settings->system_namespace, &defaults);
    if (defaults > 1)
        status_report(
            view, CAUSE_DEFAULT_AMBIGUOUS, 0, STR("backupstoragelocations"),
            arena_printf(view->arena,
                         "%zu of them are marked as default: Velero will keep the newest and unset the others",
                         defaults),
            STR("keep spec.default: true on one of them"));
    for (size_t i = 0; i < view->location_count; i++)
        find_in_location(view, &view->locations[i]);
    for (size_t i = 0; i < view->backup_count; i++)
        find_in_backup(view, &view->backups[i]);
    find_upgrade(view, told);
    status_find_incomplete(view);
}
