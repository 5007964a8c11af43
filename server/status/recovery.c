#include <stdlib.h>

#include "status/status.h"

/* Which backups could be restored, which is the newest of them, and whether that one is recent enough: of the cluster, of
 * each ManagementBackup, and of each Velero Schedule. */

enum {
    OBJECTIVE_LEAST = 15 * 60, /* of what follows from a schedule: a run takes time, too */
};

struct recovery {
    struct status_view *view;
    struct recovery_judge judge;
    int64_t next; /* run of any ManagementBackup; 0: none */
};

/* ---- all of them, newest first -------------------------------------------------------------- */

/* One that never started counts by its age. */
static int64_t backup_time(const struct backup *backup)
{
    const struct backup_status *status = &backup->status;
    return status->completed ? status->completed : status->started ? status->started : backup->meta.created;
}

/* Names settle a tie, for the same answer each time. */
static int candidate_newest_first(const void *left, const void *right)
{
    const struct backup *a = ((const struct recovery_candidate *)left)->object;
    const struct backup *b = ((const struct recovery_candidate *)right)->object;
    int64_t one = backup_time(a), other = backup_time(b);
    if (one != other)
        return one > other ? -1 : 1;
    return str_cmp(a->meta.name, b->meta.name);
}

/* Called newest first. `point` is the newest sound one; `fragile` and `unusable` are the newest
 * above it, which explain why it is not newer. One that is not finished makes room for the next
 * that failed, as that is the more telling reason. */
static void recovery_note(struct status_recovery *recovery, const struct recovery_candidate *candidate)
{
    bool fragile = recovery_is_fragile(candidate);
    if (candidate->flaw == RECOVERY_SOUND) {
        recovery->point = recovery->point ? recovery->point : candidate;
    } else if (fragile) {
        if (!recovery->point && !recovery->fragile)
            recovery->fragile = candidate;
    } else {
        recovery->unusable_count++;
        bool better = !recovery->unusable || recovery->unusable->flaw == RECOVERY_UNFINISHED;
        if (!recovery->point && !recovery->fragile && better)
            recovery->unusable = candidate;
    }
}

/* A Backup of a ManagementBackup counts for it and for the cluster; one of a Velero Schedule
 * counts for that Schedule alone, as nobody knows whether it has all that a restore needs. */
static void recovery_judge_all(struct recovery *recovery)
{
    struct status_view *view = recovery->view;
    for (size_t i = 0; i < view->candidate_count; i++) {
        struct recovery_candidate *candidate = &view->candidates[i];
        const struct backup *backup = candidate->object;
        struct status_source *schedule = candidate->owner;
        if (schedule) {
            recovery_judge(&recovery->judge, candidate, schedule->first, false);
            recovery_note(&schedule->recovery, candidate);
            continue;
        }
        struct str maker = json_get_str(backup->meta.labels, LABEL_MANAGEMENT_BACKUP);
        struct status_backup *owner = status_backup_named(view, maker.len ? maker : backup->meta.name);
        recovery_judge(&recovery->judge, candidate, owner && owner->next ? owner->next : recovery->next, true);
        recovery_note(&view->recovery, candidate);
        if (owner)
            recovery_note(&owner->recovery, candidate);
    }
}

/* A Backup may be both a management backup and one of a Schedule: hence room for two of each. */
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
        if (recovery_may_be_management(backup, view->settings))
            view->candidates[view->candidate_count++].object = backup;
        if (schedule)
            view->candidates[view->candidate_count++] =
                (struct recovery_candidate){.object = backup, .owner = schedule};
    }
    if (view->candidates && view->candidate_count)
        qsort(view->candidates, view->candidate_count, sizeof *view->candidates, candidate_newest_first);
    return view->candidates != NULL;
}

/* ---- expired ones that stay --------------------------------------------------------------------- */

static int kept_newest_first(const void *left, const void *right)
{
    const struct backup *a = ((const struct status_kept *)left)->object;
    const struct backup *b = ((const struct status_kept *)right)->object;
    int64_t one = backup_time(a), other = backup_time(b);
    if (one != other)
        return one > other ? -1 : 1;
    return str_cmp(a->meta.name, b->meta.name);
}

/* The guard keeps some Backups beyond their expiry; here whoever pays for the storage sees
 * which, and why. */
static bool recovery_list_kept(struct status_view *view)
{
    const struct inventory *inventory = view->inventory;
    size_t all = inventory->count[FACT_BACKUPS];
    view->kept = arena_array(view->arena, all + 1, sizeof *view->kept);
    for (size_t i = 0; view->kept && i < all; i++) {
        const struct backup *backup = inventory->backups[i];
        int64_t when = backup->status.completed;
        if (!str_eq(backup->meta.ns, view->settings->system_namespace) || backup->meta.deleting ||
            !backup->status.expires || backup->status.expires > view->now)
            continue;
        struct backup_kept kept = policy_backup_kept(view->arena, inventory, view->settings, view->now, backup);
        if (kept.by != KEEP_NOT)
            view->kept[view->kept_count++] = (struct status_kept){
                .object = backup, .kept = kept, .age = when && when < view->now ? view->now - when : 0};
    }
    if (view->kept && view->kept_count)
        qsort(view->kept, view->kept_count, sizeof *view->kept, kept_newest_first);
    return view->kept != NULL;
}

/* ---- the objective --------------------------------------------------------------------------- */

/* From the annotation; 0 where there is none, or it is no duration. */
static int64_t objective_annotated(const struct management_backup *backup)
{
    struct error ignored;
    int64_t nanoseconds;
    struct str text = json_get_str(backup->meta.annotations, ANNOTATION_RECOVERY_POINT);
    if (!text.len || !duration_parse(text, &nanoseconds, &ignored) || nanoseconds < NS_PER_SECOND)
        return 0;
    return nanoseconds / NS_PER_SECOND;
}

/* Two missed runs, and not less than the settings allow everybody. The annotation goes before
 * everything. */
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

/* The settings', or the strictest that any ManagementBackup has. */
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
    const struct recovery_candidate *best = recovery->point ? recovery->point : recovery->fragile;
    return best ? best->object : NULL;
}

/* After status_plan, which knows the runs that the objectives follow from. */
bool status_recover(struct status_view *view)
{
    struct recovery recovery = {
        .view = view,
        .judge = {.arena = view->arena, .inventory = view->inventory, .settings = view->settings, .now = view->now},
        .next = recovery_next_run(view)};
    if (!recovery_judge_init(&recovery.judge) || !recovery_collect(&recovery) || !recovery_list_kept(view))
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

/* The Backups of the last two weeks, each with what made it. */

enum { LISTED = 200 }; /* of one source */

static enum status_result result_of(const struct backup *backup)
{
    if (backup->meta.deleting)
        return STATUS_GOING;
    switch (phase_of(backup->status.phase)) {
    case PHASE_COMPLETED:
        return STATUS_GOOD;
    case PHASE_FAILED:
    case PHASE_REFUSED:
        return STATUS_FAILED;
    case PHASE_DELETING:
        return STATUS_GOING;
    default:
        return phase_has_errors(backup->status.phase) ? STATUS_PARTIAL : STATUS_RUNNING;
    }
}

/* The last place, behind all sources, is for Backups that nothing planned. */
static size_t source_of(struct status_view *view, const struct backup *backup)
{
    const struct status_source *source = NULL;
    struct str maker = json_get_str(backup->meta.labels, LABEL_MANAGEMENT_BACKUP);
    if (maker.len && str_eq(backup->meta.ns, view->settings->system_namespace)) {
        const struct status_backup *owner = status_backup_named(view, maker);
        source = owner ? owner->source : NULL;
    } else if (backup->schedule.len) {
        source = status_schedule_named(view, backup->meta.ns, backup->schedule);
    }
    return source ? (size_t)(source - view->sources) : view->source_count;
}

static int backup_newest_first(const void *left, const void *right)
{
    const struct status_past *a = left, *b = right;
    if (a->started != b->started)
        return a->started > b->started ? -1 : 1;
    return str_cmp(a->object->meta.name, b->object->meta.name);
}

static int64_t backup_started(const struct backup *backup)
{
    return backup->status.started ? backup->status.started : backup->meta.created;
}

static bool is_recent(const struct status_view *view, const struct backup *backup)
{
    int64_t when = backup_started(backup);
    return when > view->now - STATUS_WINDOW && when <= view->now;
}

/* All pasts lie in one array, a stretch for each source. */
static bool status_place_pasts(struct status_view *view)
{
    size_t all = 0;
    for (size_t i = 0; i <= view->source_count; i++)
        all += view->sources[i].past_total;
    struct status_past *past = arena_array(view->arena, all + 1, sizeof *past);
    for (size_t i = 0; past && i <= view->source_count; i++) {
        view->sources[i].past = past;
        past += view->sources[i].past_total;
    }
    return past != NULL;
}

/* In two passes, counting and then filling, so that one array is enough. Backups by hand become
 * a source of their own if there are any. */
bool status_remember(struct status_view *view)
{
    const struct inventory *inventory = view->inventory;
    size_t all = inventory->count[FACT_BACKUPS];
    size_t *sources = arena_array(view->arena, all + 1, sizeof *sources);
    view->sources[view->source_count].maker = STATUS_BY_HAND;
    for (size_t i = 0; sources && i < all; i++)
        if (is_recent(view, inventory->backups[i]))
            view->sources[sources[i] = source_of(view, inventory->backups[i])].past_total++;
    if (!sources || !status_place_pasts(view))
        return false;
    for (size_t i = 0; i < all; i++) {
        const struct backup *backup = inventory->backups[i];
        if (!is_recent(view, backup))
            continue;
        struct status_source *source = &view->sources[sources[i]];
        source->past[source->past_count++] = (struct status_past){
            .object = backup,
            .started = backup_started(backup),
            .ended = backup->status.completed,
            .result = result_of(backup),
        };
    }
    for (size_t i = 0; i <= view->source_count; i++) {
        struct status_source *source = &view->sources[i];
        qsort(source->past, source->past_count, sizeof *source->past, backup_newest_first);
        source->past_count = source->past_count < LISTED ? source->past_count : LISTED;
    }
    view->source_count += view->sources[view->source_count].past_total > 0;
    return true;
}
