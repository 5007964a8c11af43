#include <stdlib.h>

#include "status/status.h"

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
static bool make_room(struct status_view *view)
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

bool status_remember(struct status_view *view)
{
    const struct inventory *inventory = view->inventory;
    size_t all = inventory->count[FACT_BACKUPS];
    size_t *sources = arena_array(view->arena, all + 1, sizeof *sources);
    view->sources[view->source_count].maker = STATUS_BY_HAND;
    for (size_t i = 0; sources && i < all; i++)
        if (is_recent(view, inventory->backups[i]))
            view->sources[sources[i] = source_of(view, inventory->backups[i])].past_total++;
    if (!sources || !make_room(view))
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
