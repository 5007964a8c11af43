#include "backstop/cron.h"
#include "status/status.h"

/* The model behind every face of status: facts put together, no opinion but the
 * gate's (policy_upgrade_view). Opinions are in findings.c. */

/* ---- storage locations --------------------------------------------------------- */

/* Of the system namespace; kcm and its Velero use no others. */
static bool fill_locations(struct status_view *view)
{
    const struct inventory *inventory = view->inventory;
    struct str ns = view->settings->system_namespace;
    size_t all = inventory->count[FACT_STORAGE_LOCATIONS];
    const struct storage_location *standard = inventory_default_location(inventory, ns, NULL);
    view->locations = arena_array(view->arena, all + 1, sizeof *view->locations);
    for (size_t i = 0; view->locations && i < all; i++) {
        const struct storage_location *object = inventory->storage_locations[i];
        if (!str_eq(object->meta.ns, ns))
            continue;
        bool available = storage_location_available(object);
        enum storage_class class = storage_location_class(object);
        view->locations[view->location_count++] =
            (struct status_location){.object = object,
                                     .is_default = object == standard,
                                     .readable = available,
                                     .usable = available && !storage_location_read_only(object),
                                     .survives = storage_class_inside(class) == NULL,
                                     .class = storage_class_name(class)};
    }
    return view->locations != NULL;
}

/* ---- management backups ---------------------------------------------------------- */

/* When kcm counts from: the last run, or the creation. */
static int64_t counted_from(const struct status_backup *backup)
{
    const struct management_backup *object = backup->object;
    if (object->last_backup_time)
        return object->last_backup_time;
    return backup->last && backup->last->started ? backup->last->started : object->meta.created;
}

/* `due` is when a run should have begun, by what kcm counts from; `next` when the next will. A
 * schedule that never fires is not valid here: its zone is set, by which it is told from one
 * that cannot be read. */
static void fill_schedule(const struct status_view *view, struct status_backup *backup)
{
    struct cron_schedule schedule;
    const struct management_backup *object = backup->object;
    backup->valid = true;
    backup->meaning = STR("once, on demand");
    if (object->schedule.len == 0)
        return;
    backup->valid = status_schedule(view, object->schedule, STATUS_BY_MANAGEMENT_BACKUP, &schedule, &backup->meaning);
    if (!backup->valid)
        return;
    backup->zone = cron_zone_name(schedule.zone);
    if (cron_never_fires(&schedule)) {
        backup->valid = false;
        return;
    }
    if (object->meta.deleting)
        return;
    int64_t from = counted_from(backup);
    if (from == 0 || !cron_next(&schedule, from, &backup->due))
        backup->due = 0;
    /* "@every" counts from the last run, which kcm has done already. */
    if (schedule.every_seconds > 0 && object->next_attempt > view->now)
        backup->next = object->next_attempt;
    else if (!cron_next(&schedule, view->now, &backup->next))
        backup->next = 0;
}

/* kcm copies the status of Velero's Backup about once a minute; the Backup itself
 * knows more, while it is there. */
static void fill_last(const struct status_view *view, struct status_backup *backup)
{
    const struct management_backup *object = backup->object;
    backup->last_name = object->last_backup_name;
    if (backup->last_name.len == 0 && backup->kind != STATUS_SCHEDULED)
        backup->last_name = object->meta.name;
    const struct backup *velero =
        inventory_backup(view->inventory, view->settings->system_namespace, backup->last_name);
    bool copied = object->last_backup.phase.len > 0;
    if (velero && (velero->status.phase.len || !copied))
        backup->last = &velero->status;
    else if (copied)
        backup->last = &object->last_backup;
    if (!backup->last) {
        backup->last_name = object->last_backup_name;
        backup->last_when = object->last_backup_time;
        return;
    }
    backup->last_when = backup->last->completed ? backup->last->completed : backup->last->started;
    if (backup->last_when == 0)
        backup->last_when = velero ? velero->meta.created : object->last_backup_time;
}

/* One that is asked for already, and whose storage therefore matters. */
static bool will_run(const struct status_backup *backup)
{
    return !backup->object->meta.deleting && (backup->kind == STATUS_SCHEDULED || !backup->last);
}

/* Marks the locations that are in use: what is wrong with the others blocks nothing. */
static bool fill_backups(struct status_view *view)
{
    const struct inventory *inventory = view->inventory;
    size_t all = inventory->count[FACT_MANAGEMENT_BACKUPS];
    view->backups = arena_array(view->arena, all + 1, sizeof *view->backups);
    for (size_t i = 0; view->backups && i < all; i++) {
        struct status_backup *backup = &view->backups[view->backup_count++];
        backup->object = inventory->management_backups[i];
        backup->kind = backup->object->schedule.len  ? STATUS_SCHEDULED
                       : backup->object->release.len ? STATUS_PRE_UPGRADE
                                                     : STATUS_ON_DEMAND;
        fill_last(view, backup);
        fill_schedule(view, backup);
        const struct management_backup *object = backup->object;
        const struct status_location *found = status_location(view, object->storage_location);
        struct status_location *location = found ? &view->locations[found - view->locations] : NULL;
        backup->goes_to = location;
        if (!location || !will_run(backup))
            continue;
        location->used = true;
        location->used_upgrade = location->used_upgrade || (object->on_upgrade && object->schedule.len);
    }
    return view->backups != NULL;
}

/* ---- Velero ------------------------------------------------------------------------- */

/* Whether the policies would take its writes for Velero's. */
static bool is_known_account(const struct status_view *view, struct str ns, struct str account)
{
    struct request request = {.arena = view->arena};
    request.user = arena_printf(view->arena, "system:serviceaccount:%.*s:%.*s", STR_ARG(ns), STR_ARG(account));
    return request_by_velero(&request, view->settings);
}

/* All Deployments, also those of other namespaces, as one of them may be the reason why nothing
 * happens here. */
static bool fill_velero(struct status_view *view)
{
    const struct inventory *inventory = view->inventory;
    size_t all = inventory->count[FACT_VELERO];
    view->velero_version = inventory_velero_version(inventory, view->settings);
    view->kcm_version = inventory_kcm_version(inventory, view->settings, view->arena);
    bool name_matters = all && policy_velero_name_matters(view->arena, inventory, view->settings);
    view->veleros = arena_array(view->arena, all + 1, sizeof *view->veleros);
    for (size_t i = 0; view->veleros && i < all; i++) {
        const struct velero_deployment *object = inventory->velero_deployments[i];
        struct str account = object->service_account.len ? object->service_account : STR("default");
        view->veleros[view->velero_count++] =
            (struct status_velero){.object = object,
                                   .account = account,
                                   .ready = object->state.ready_replicas > 0,
                                   .known_account = is_known_account(view, object->meta.ns, account),
                                   .bad_name = name_matters && !str_is(object->meta.name, "velero")};
    }
    return view->veleros != NULL;
}

/* The order is one of dependence: facts, then plans and what was, then findings, then their
 * rank, then verdicts on the ranked list. */
bool status_fill(struct status_view *view, struct str target)
{
    if (!policy_upgrade_view(view->arena, view->inventory, view->settings, view->now, target, &view->upgrade) ||
        !fill_locations(view) || !fill_backups(view) || !fill_velero(view))
        return false;
    if (!status_find_unjudged(view, target) || !status_plan(view) || !status_recover(view) || !status_remember(view))
        return false;
    status_find(view);
    status_find_recovery(view);
    status_find_unchecked(view);
    return status_rank(view) && status_judge(view);
}
