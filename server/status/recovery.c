#include <stdlib.h>

#include "status/status.h"

/* Which backups could be restored, which is the newest of them, and whether that one is recent enough: of the cluster, of
 * each ManagementBackup, and of each Velero Schedule. */

enum {
    CLOCK_SKEW = 5 * 60,       /* between Velero and whoever judges */
    VALIDATED_WITHIN = 3600,   /* and three validations */
    RUN_LONGEST = 86400,       /* what a run may take, as estimated */
    OBJECTIVE_LEAST = 15 * 60, /* of what follows from a schedule: a run takes time, too */
};

const char *const status_flaws[STATUS_FLAW_COUNT] = {
    [STATUS_SOUND] = "sound",
    [STATUS_FLAW_TIME] = "age-unknown",
    [STATUS_FLAW_INSIDE] = "lost-with-cluster",
    [STATUS_FLAW_STALE] = "location-not-validated-recently",
    [STATUS_FLAW_EXPIRES] = "expires-before-next",
    [STATUS_FLAW_UNFINISHED] = "unfinished",
    [STATUS_FLAW_HANDMADE] = "not-by-kcm",
    [STATUS_FLAW_HOLLOW] = "no-management",
    [STATUS_FLAW_FAILED] = "failed",
    [STATUS_FLAW_DELETING] = "being-deleted",
    [STATUS_FLAW_DOUBTED] = "status-not-by-velero",
    [STATUS_FLAW_EMPTY] = "empty",
    [STATUS_FLAW_EXPIRED] = "expired",
    [STATUS_FLAW_LOCATION_GONE] = "location-gone",
    [STATUS_FLAW_LOCATION_UNREADABLE] = "location-unreadable",
};

struct recovery {
    struct status_view *view;
    const struct delete_request **requests; /* that wait, of the system namespace, sorted by the Backup they name */
    size_t request_count;
    int64_t next; /* run of any ManagementBackup; 0: none */
};

/* ---- DeleteBackupRequests that wait ---------------------------------------------------- */

static int request_order(const void *left, const void *right)
{
    return str_cmp((*(const struct delete_request *const *)left)->backup,
                   (*(const struct delete_request *const *)right)->backup);
}

static bool recovery_collect_requests(struct recovery *recovery)
{
    const struct inventory *inventory = recovery->view->inventory;
    size_t all = inventory->count[FACT_DELETE_REQUESTS];
    recovery->requests = arena_array(recovery->view->arena, all + 1, sizeof *recovery->requests);
    for (size_t i = 0; recovery->requests && i < all; i++) {
        const struct delete_request *request = inventory->delete_requests[i];
        if (str_eq(request->meta.ns, recovery->view->settings->system_namespace) && !request->meta.deleting &&
            !str_is(request->phase, "Processed"))
            recovery->requests[recovery->request_count++] = request;
    }
    if (recovery->request_count)
        qsort(recovery->requests, recovery->request_count, sizeof *recovery->requests, request_order);
    return recovery->requests != NULL;
}

static const struct delete_request *recovery_request(const struct recovery *recovery, const struct backup *backup)
{
    size_t low = 0, high = recovery->request_count;
    if (!str_eq(backup->meta.ns, recovery->view->settings->system_namespace))
        return NULL;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(backup->meta.name, recovery->requests[middle]->backup);
        if (order == 0)
            return recovery->requests[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* ---- one backup ---------------------------------------------------------------------------- */

static bool flaw_set(struct status_candidate *candidate, enum status_flaw flaw, struct str why)
{
    candidate->flaw = flaw;
    candidate->why = why;
    return true;
}

/* By whom, and whether it ended well. True: it did not. */
static bool recovery_judge_outcome(const struct recovery *recovery, struct status_candidate *candidate)
{
    struct arena *arena = recovery->view->arena;
    const struct backup *backup = candidate->object;
    const struct delete_request *request = recovery_request(recovery, backup);
    enum phase phase = phase_of(backup->status.phase);
    struct str is = shown(arena, backup->status.phase.len ? backup->status.phase : STR("New")), doubt;
    candidate->request = request;
    if (backup->meta.deleting || phase == PHASE_DELETING)
        return flaw_set(candidate, STATUS_FLAW_DELETING, STR("is being deleted"));
    if (phase == PHASE_WAITING || phase == PHASE_RUNNING || phase == PHASE_UNKNOWN)
        return flaw_set(candidate, STATUS_FLAW_UNFINISHED, arena_printf(arena, "is %.*s", STR_ARG(is)));
    if (phase != PHASE_COMPLETED)
        return flaw_set(
            candidate, STATUS_FLAW_FAILED,
            arena_printf(arena, "is %.*s (%.*s)", STR_ARG(is), STR_ARG(backup_failure(arena, &backup->status))));
    if (request)
        return flaw_set(candidate, STATUS_FLAW_DELETING,
                        arena_printf(arena, "is about to be deleted (DeleteBackupRequest %.*s)",
                                     STR_ARG(shown(arena, request->meta.name))));
    if (!backup_status_by_velero(arena, backup, recovery->view->settings, &doubt))
        return flaw_set(candidate, STATUS_FLAW_DOUBTED, doubt);
    if (backup->status.counted && backup->status.items_total == 0)
        return flaw_set(candidate, STATUS_FLAW_EMPTY, STR("contains no objects"));
    if (backup->status.expires && backup->status.expires <= recovery->view->now)
        return flaw_set(
            candidate, STATUS_FLAW_EXPIRED,
            arena_printf(arena, "expired %.*s", STR_ARG(status_ago(recovery->view, backup->status.expires))));
    return false;
}

/* A restore begins only while the location is Available (restore_controller.go). True: it could not. */
static bool recovery_judge_location(const struct recovery *recovery, struct status_candidate *candidate)
{
    const struct status_view *view = recovery->view;
    struct arena *arena = view->arena;
    struct str ns = candidate->object->meta.ns, name = candidate->object->storage_location;
    if (!view->inventory->known[FACT_STORAGE_LOCATIONS])
        return false;
    const struct storage_location *location = name.len ? inventory_storage_location(view->inventory, ns, name)
                                                       : inventory_default_location(view->inventory, ns, NULL);
    candidate->location = location;
    if (!location)
        return flaw_set(candidate, STATUS_FLAW_LOCATION_GONE,
                        arena_printf(arena, "is in storage location %.*s, which does not exist",
                                     STR_ARG(arena_quote(arena, name))));
    struct str which = arena_quote(arena, location->meta.name), reason = storage_location_reason(location);
    if (location->meta.deleting)
        return flaw_set(candidate, STATUS_FLAW_LOCATION_GONE,
                        arena_printf(arena, "is in storage location %.*s, which is being deleted", STR_ARG(which)));
    if (location->phase.len == 0)
        return flaw_set(
            candidate, STATUS_FLAW_LOCATION_UNREADABLE,
            arena_printf(arena, "is in storage location %.*s, which Velero has not validated yet", STR_ARG(which)));
    if (!str_is(location->phase, "Available"))
        return flaw_set(candidate, STATUS_FLAW_LOCATION_UNREADABLE,
                        arena_printf(arena, "is in storage location %.*s, which is %.*s%s%.*s", STR_ARG(which),
                                     STR_ARG(shown(arena, location->phase)), reason.len ? ": " : "",
                                     STR_ARG(reason.len ? arena_quote_error(arena, reason) : reason)));
    return false;
}

/* It could be restored now. What makes that uncertain, worst first. */
static void recovery_judge_fragile(const struct recovery *recovery, struct status_candidate *candidate, int64_t next)
{
    const struct status_view *view = recovery->view;
    struct arena *arena = view->arena;
    const struct backup_status *status = &candidate->object->status;
    const struct storage_location *location = candidate->location;
    const char *inside = location ? storage_class_inside(storage_location_class(location)) : NULL;
    int64_t took = status->started && status->completed > status->started ? status->completed - status->started : 0;
    char text[TIME_TEXT_SIZE];
    if (status->completed == 0)
        flaw_set(candidate, STATUS_FLAW_TIME, STR("has no completion time, so its age is unknown"));
    else if (status->completed > view->now + CLOCK_SKEW)
        flaw_set(candidate, STATUS_FLAW_TIME,
                 arena_printf(arena, "has a completion time that is %s in the future, so its age is unknown",
                              duration_format(status->completed - view->now, text)));
    else if (inside)
        flaw_set(candidate, STATUS_FLAW_INSIDE,
                 arena_printf(arena, "is kept %s, so it is lost with the cluster", inside));
    else if (location && !location->last_validated)
        flaw_set(candidate, STATUS_FLAW_STALE,
                 arena_printf(arena, "is in storage location %.*s, whose status.lastValidationTime is empty",
                              STR_ARG(arena_quote(arena, location->meta.name))));
    else if (location && location->validation_period &&
             view->now - location->last_validated > VALIDATED_WITHIN + 3 * location->validation_period)
        flaw_set(candidate, STATUS_FLAW_STALE,
                 arena_printf(arena, "is in storage location %.*s, which was last validated %.*s",
                              STR_ARG(arena_quote(arena, location->meta.name)),
                              STR_ARG(status_ago(view, location->last_validated))));
    else if (next && status->expires && status->expires < next + (took < RUN_LONGEST ? took : RUN_LONGEST))
        flaw_set(candidate, STATUS_FLAW_EXPIRES,
                 arena_printf(arena, "expires in %s, before the next backup is complete",
                              duration_format(status->expires - view->now, text)));
}

static void recovery_judge(const struct recovery *recovery, struct status_candidate *candidate, int64_t next)
{
    if (!recovery_judge_outcome(recovery, candidate) && !recovery_judge_location(recovery, candidate))
        recovery_judge_fragile(recovery, candidate, next);
}

/* Only what kcm made restores the management cluster, and only with the Management in it. */
static void recovery_judge_management(const struct recovery *recovery, struct status_candidate *candidate, int64_t next)
{
    const struct backup *backup = candidate->object;
    if (backup->identity.kind == BACKUP_HANDMADE)
        flaw_set(candidate, STATUS_FLAW_HANDMADE,
                 arena_printf(recovery->view->arena, "was %.*s",
                              STR_ARG(backup_identity_reason(recovery->view->arena, backup->identity))));
    else if (phase_is(backup->status.phase, PHASE_COMPLETED) && backup_lacks_management(backup))
        flaw_set(candidate, STATUS_FLAW_HOLLOW,
                 STR("contains no Management: a namespace was excluded from it, so Velero left out all cluster-scoped "
                     "objects"));
    else
        recovery_judge(recovery, candidate, next);
}

/* ---- all of them, newest first -------------------------------------------------------------- */

static int64_t backup_time(const struct backup *backup)
{
    const struct backup_status *status = &backup->status;
    return status->completed ? status->completed : status->started ? status->started : backup->meta.created;
}

static int candidate_newest_first(const void *left, const void *right)
{
    const struct backup *a = ((const struct status_candidate *)left)->object;
    const struct backup *b = ((const struct status_candidate *)right)->object;
    int64_t one = backup_time(a), other = backup_time(b);
    if (one != other)
        return one > other ? -1 : 1;
    return str_cmp(a->meta.name, b->meta.name);
}

/* Called newest first. */
static void recovery_note(struct status_recovery *recovery, const struct status_candidate *candidate)
{
    bool fragile = status_is_fragile(candidate);
    if (candidate->flaw == STATUS_SOUND) {
        recovery->point = recovery->point ? recovery->point : candidate;
    } else if (fragile) {
        if (!recovery->point && !recovery->fragile)
            recovery->fragile = candidate;
    } else {
        recovery->unusable_count++;
        bool better = !recovery->unusable || recovery->unusable->flaw == STATUS_FLAW_UNFINISHED;
        if (!recovery->point && !recovery->fragile && better)
            recovery->unusable = candidate;
    }
}

static struct status_backup *recovery_owner(struct status_view *view, const struct backup *backup)
{
    struct str maker = json_get_str(backup->meta.labels, LABEL_MANAGEMENT_BACKUP);
    return status_backup_named(view, maker.len ? maker : backup->meta.name);
}

static bool is_management_candidate(const struct status_view *view, const struct backup *backup)
{
    return (backup->identity.kind == BACKUP_MANAGEMENT || backup->identity.kind == BACKUP_HANDMADE) &&
           str_eq(backup->meta.ns, view->settings->system_namespace);
}

static void recovery_judge_all(struct recovery *recovery)
{
    struct status_view *view = recovery->view;
    for (size_t i = 0; i < view->candidate_count; i++) {
        struct status_candidate *candidate = &view->candidates[i];
        const struct backup *backup = candidate->object;
        if (candidate->schedule) {
            recovery_judge(recovery, candidate, candidate->schedule->first);
            recovery_note(&candidate->schedule->recovery, candidate);
            continue;
        }
        struct status_backup *owner = recovery_owner(view, backup);
        recovery_judge_management(recovery, candidate, owner && owner->next ? owner->next : recovery->next);
        recovery_note(&view->recovery, candidate);
        if (owner)
            recovery_note(&owner->recovery, candidate);
    }
}

static bool recovery_collect(struct recovery *recovery)
{
    struct status_view *view = recovery->view;
    const struct inventory *inventory = view->inventory;
    size_t all = inventory->count[FACT_BACKUPS];
    view->candidates = arena_array(view->arena, 2 * all + 1, sizeof *view->candidates);
    for (size_t i = 0; view->candidates && i < all; i++) {
        const struct backup *backup = inventory->backups[i];
        struct status_source *schedule =
            backup->schedule.len ? status_schedule_named(view, backup->meta.ns, backup->schedule) : NULL;
        if (is_management_candidate(view, backup))
            view->candidates[view->candidate_count++].object = backup;
        if (schedule)
            view->candidates[view->candidate_count++] =
                (struct status_candidate){.object = backup, .schedule = schedule};
    }
    if (view->candidate_count)
        qsort(view->candidates, view->candidate_count, sizeof *view->candidates, candidate_newest_first);
    return view->candidates != NULL;
}

/* ---- the objective --------------------------------------------------------------------------- */

/* From the annotation; 0 where there is none, or it is no duration. */
static int64_t objective_annotated(const struct management_backup *backup)
{
    enum { SECOND = 1000000000 };
    struct error ignored;
    int64_t nanoseconds;
    struct str text = json_get_str(backup->meta.annotations, ANNOTATION_RECOVERY_POINT);
    if (!text.len || !duration_parse(text, &nanoseconds, &ignored) || nanoseconds < SECOND)
        return 0;
    return nanoseconds / SECOND;
}

/* Two missed runs, and not less than the settings allow everybody. */
static void recovery_set_objective(const struct status_view *view, struct status_backup *backup)
{
    struct status_recovery *recovery = &backup->recovery;
    int64_t runs = backup->source ? backup->source->two_runs : 0, all = view->settings->status_recovery_point;
    recovery->objective = objective_annotated(backup->object);
    recovery->objective_from = STATUS_OBJECTIVE_ANNOTATION;
    if (recovery->objective || !runs || backup->object->meta.deleting)
        return;
    runs = runs > OBJECTIVE_LEAST ? runs : OBJECTIVE_LEAST;
    recovery->objective = runs > all ? runs : all;
    recovery->objective_from = runs > all ? STATUS_OBJECTIVE_SCHEDULE : STATUS_OBJECTIVE_SETTINGS;
}

static void recovery_set_cluster_objective(struct status_view *view)
{
    struct status_recovery *recovery = &view->recovery;
    recovery->objective = view->settings->status_recovery_point;
    recovery->objective_from = STATUS_OBJECTIVE_SETTINGS;
    for (size_t i = 0; i < view->backup_count && view->settings->status_recovery_point == 0; i++) {
        const struct status_recovery *one = &view->backups[i].recovery;
        if (!one->objective || view->backups[i].object->meta.deleting ||
            (recovery->objective && recovery->objective <= one->objective))
            continue;
        recovery->objective = one->objective;
        recovery->objective_from = one->objective_from;
        view->objective_of = &view->backups[i];
    }
}

/* `since`: what counts while there has been no backup yet; 0: nothing does. */
static void recovery_finish(const struct status_view *view, struct status_recovery *recovery, int64_t since)
{
    if (!recovery->objective)
        recovery->objective_from = STATUS_OBJECTIVE_NONE;
    if (recovery->point && recovery->point->object->status.completed < view->now)
        recovery->age = view->now - recovery->point->object->status.completed;
    int64_t age = recovery->point ? recovery->age : since ? view->now - since : 0;
    recovery->late = recovery->objective && age > recovery->objective;
}

/* ---- put together ------------------------------------------------------------------------------ */

static int64_t recovery_next_run(const struct status_view *view)
{
    int64_t next = 0;
    for (size_t i = 0; i < view->backup_count; i++)
        if (view->backups[i].next && (!next || view->backups[i].next < next))
            next = view->backups[i].next;
    return next;
}

static const struct backup *recovery_good(const struct status_recovery *recovery)
{
    const struct status_candidate *best = recovery->point ? recovery->point : recovery->fragile;
    return best ? best->object : NULL;
}

bool status_recover(struct status_view *view)
{
    struct recovery recovery = {.view = view, .next = recovery_next_run(view)};
    if (!recovery_collect_requests(&recovery) || !recovery_collect(&recovery))
        return false;
    recovery_judge_all(&recovery);
    for (size_t i = 0; i < view->backup_count; i++) {
        struct status_backup *backup = &view->backups[i];
        recovery_set_objective(view, backup);
        recovery_finish(view, &backup->recovery, backup->object->meta.created);
        backup->good = recovery_good(&backup->recovery);
    }
    for (size_t i = 0; i < view->source_count; i++) {
        struct status_source *source = &view->sources[i];
        if (source->maker != STATUS_BY_SCHEDULE)
            continue;
        source->recovery.objective = source->two_runs;
        source->recovery.objective_from = STATUS_OBJECTIVE_SCHEDULE;
        recovery_finish(view, &source->recovery, source->schedule->meta.created);
    }
    recovery_set_cluster_objective(view);
    recovery_finish(view, &view->recovery, 0);
    view->good = recovery_good(&view->recovery);
    return true;
}
