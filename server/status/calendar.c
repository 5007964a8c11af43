/* The next two weeks: when each ManagementBackup and Schedule runs, and which runs meet. Read in the dialect of who
 * runs it: kcm keeps robfig/cron, Velero has netresearch/go-cron since 1.18.3. */
#include <stdlib.h>
#include <string.h>

#include "backstop/cron.h"
#include "status/status.h"

enum { MEANING_LIMIT = 4096 };

struct calendar_reading {
    struct cron_schedule schedule;
    bool valid;
    struct str meaning; /* or what is wrong */
};

static struct str view_describe(struct arena *arena, const struct cron_schedule *schedule)
{
    BUF_SCOPED words;
    buf_init(&words, MEANING_LIMIT);
    cron_describe(schedule, &words);
    return arena_copy(arena, buf_str(&words));
}

/* In the zone of the controllers, which the settings know; a zone that cannot be found was
 * refused when the settings were read. */
static struct calendar_reading view_reading(const struct status_view *view, struct str spec, enum cron_dialect dialect)
{
    struct calendar_reading reading;
    struct error error;
    const struct cron_zone *zone = cron_zone_find(view->settings->schedules_controller_zone, &error);
    reading.valid = cron_parse(dialect, spec, zone ? zone : cron_zone_utc(), &reading.schedule, &error);
    reading.meaning = reading.valid ? view_describe(view->arena, &reading.schedule)
                                    : arena_copy(view->arena, str_from(error.message));
    return reading;
}

/* Where Velero's version is not known both readings are made. If they differ, the one that is
 * valid is shown, or the older, and the meaning says whose it is. */
bool status_schedule(const struct status_view *view, struct str spec, enum status_maker maker,
                     struct cron_schedule *schedule, struct str *meaning)
{
    const struct version_fact velero = inventory_velero_version(view->inventory, view->settings);
    unsigned dialects = maker == STATUS_BY_SCHEDULE ? product_version_cron(&velero.version) : 1U << CRON_ROBFIG;
    enum cron_dialect dialect = dialects & 1U << CRON_ROBFIG ? CRON_ROBFIG : CRON_GO_CRON;
    struct calendar_reading reading = view_reading(view, spec, dialect);
    if (dialects != 1U << dialect) {
        struct calendar_reading other = view_reading(view, spec, CRON_GO_CRON);
        bool same = reading.valid == other.valid && (!other.valid || cron_agree(&reading.schedule, &other.schedule));
        if (!reading.valid && other.valid) {
            reading = other;
            dialect = CRON_GO_CRON;
        }
        if (!same)
            reading.meaning = arena_printf(view->arena, "%.*s (as read by %.*s)", STR_ARG(reading.meaning),
                                           STR_ARG(product_version_readers(view->arena, &velero.version, dialect)));
    }
    *schedule = reading.schedule;
    *meaning = reading.meaning;
    return reading.valid;
}

/* What will run in the next two weeks, from the very function that `explain` asks. */

enum {
    LISTED = STATUS_DAYS * 12, /* runs of one source shown one by one: up to every two hours */
    STEPS = 100000,            /* of the calendar for all sources together: some milliseconds */
    COLLISIONS = 64            /* pairs of sources */
};

/* One budget of calendar steps for all sources: there may be hundreds of schedules that fire every
 * minute. */
struct plan {
    struct status_view *view;
    size_t steps; /* left */
};

/* The longest that three runs in a row take, of those in the window; of rarer ones, of the next four. */
static int64_t plan_two_runs(const struct cron_schedule *schedule, int64_t first)
{
    enum { RUNS = 4 };
    int64_t runs[RUNS] = {first}, longest = 0;
    if (schedule->every_seconds > 0)
        return 2 * schedule->every_seconds;
    for (int i = 1; i < RUNS; i++) {
        if (!cron_next(schedule, runs[i - 1], &runs[i]))
            break;
        int64_t span = i > 1 ? runs[i] - runs[i - 2] : 2 * (runs[i] - runs[i - 1]);
        longest = i == 2 || span > longest ? span : longest;
    }
    return longest;
}

/* Runs are counted to the end of the window even where they are too many to be kept; `interval`
 * is the shortest time between two, `two_runs` the longest over two. */
static void plan_walk(struct plan *plan, struct status_source *source, const struct cron_schedule *schedule)
{
    struct status_run runs[LISTED];
    int64_t end = plan->view->now + STATUS_WINDOW, at = source->first, before = 0, last_but_one = 0;
    while (at && at <= end) {
        if (plan->steps == 0) {
            source->counted_out = true;
            break;
        }
        plan->steps--;
        if (source->run_total < LISTED)
            runs[source->run_total] = (struct status_run){.at = at, .offset = cron_zone_offset(schedule->zone, at)};
        source->run_total++;
        if (before && (source->interval == 0 || at - before < source->interval))
            source->interval = at - before;
        if (last_but_one && at - last_but_one > source->two_runs)
            source->two_runs = at - last_but_one;
        last_but_one = before;
        before = at;
        if (!cron_next(schedule, at, &at))
            break;
    }
    source->run_count = source->run_total <= LISTED && !source->counted_out ? source->run_total : 0;
    source->runs = arena_array(plan->view->arena, source->run_count + 1, sizeof *source->runs);
    if (source->runs)
        memcpy(source->runs, runs, source->run_count * sizeof *runs);
}

/* "@every" counts from the last run: `next` where the controller says it, else `last`. A paused
 * or deleted source keeps its meaning and has no runs. Of "@every" with very many runs none is
 * walked: they are evenly spaced. */
static void plan_source(struct plan *plan, struct status_source *source, int64_t last, int64_t next)
{
    struct cron_schedule schedule;
    int64_t now = plan->view->now, first = 0;
    source->valid = status_schedule(plan->view, source->spec, source->maker, &schedule, &source->meaning);
    if (!source->valid)
        return;
    source->zone = cron_zone_name(schedule.zone);
    if (cron_never_fires(&schedule)) {
        source->valid = false;
        return;
    }
    if (schedule.every_seconds > 0 && next > now)
        first = next;
    else if (schedule.every_seconds > 0 && last > 0 && last <= now && now - last < schedule.every_seconds)
        first = last + schedule.every_seconds;
    else if (!cron_next(&schedule, now, &first))
        return;
    if (source->rests)
        return;
    source->two_runs = plan_two_runs(&schedule, first);
    if (first > now + STATUS_WINDOW)
        return;
    source->first = first;
    if (schedule.every_seconds > 0 && STATUS_WINDOW / schedule.every_seconds > LISTED) {
        source->run_total = (size_t)((now + STATUS_WINDOW - first) / schedule.every_seconds) + 1;
        source->interval = schedule.every_seconds;
        return;
    }
    plan_walk(plan, source, &schedule);
}

/* ---- sources -------------------------------------------------------------------- */

static void add_backup(struct plan *plan, struct status_backup *backup)
{
    struct status_view *view = plan->view;
    const struct management_backup *object = backup->object;
    if (backup->kind != STATUS_SCHEDULED)
        return;
    struct status_source *source = &view->sources[view->source_count++];
    source->maker = STATUS_BY_MANAGEMENT_BACKUP;
    source->backup = backup;
    source->name = object->meta.name;
    source->spec = object->schedule;
    source->location = backup->goes_to ? backup->goes_to->object->meta.name : object->storage_location;
    source->rests = object->meta.deleting ? "deleting" : NULL;
    backup->source = source;
    plan_source(plan, source, 0, object->next_attempt);
}

static void add_schedule(struct plan *plan, const struct velero_schedule *schedule)
{
    struct status_view *view = plan->view;
    struct status_source *source = &view->sources[view->source_count++];
    bool ours = str_eq(schedule->meta.ns, view->settings->system_namespace);
    const struct status_location *location = ours ? status_location(view, schedule->storage_location) : NULL;
    source->maker = STATUS_BY_SCHEDULE;
    source->schedule = schedule;
    source->ns = schedule->meta.ns;
    source->name = schedule->meta.name;
    source->spec = schedule->schedule;
    source->location = location ? location->object->meta.name : schedule->storage_location;
    source->rests = schedule->meta.deleting ? "deleting" : schedule->paused ? "paused" : NULL;
    plan_source(plan, source, schedule->last_backup, 0);
}

/* ---- collisions ------------------------------------------------------------------ */

struct start {
    struct status_source *source;
    struct status_run *run;
    struct str ns;
};

/* So sorted, runs that are close stand side by side; the address of the source settles the rest,
 * for the same order each time. */
static int by_place_and_time(const void *left, const void *right)
{
    const struct start *a = left, *b = right;
    int order = str_cmp(a->ns, b->ns);
    order = order ? order : str_cmp(a->source->location, b->source->location);
    if (order)
        return order;
    if (a->run->at != b->run->at)
        return a->run->at < b->run->at ? -1 : 1;
    return a->source < b->source ? -1 : a->source > b->source;
}

static bool close_by(const struct start *a, const struct start *b)
{
    return str_eq(a->ns, b->ns) && str_eq(a->source->location, b->source->location) &&
           b->run->at - a->run->at < STATUS_CLOSE;
}

/* Pairs in the order of the sources, whichever of the two starts first. */
static void note_collision(struct status_view *view, const struct start *a, const struct start *b)
{
    const struct status_source *one = a->source < b->source ? a->source : b->source;
    const struct status_source *other = a->source < b->source ? b->source : a->source;
    a->run->collides = b->run->collides = true;
    for (size_t i = 0; i < view->collision_count; i++) {
        struct status_collision *known = &view->collisions[i];
        if (known->one != one || known->other != other)
            continue;
        known->count++;
        known->first = a->run->at < known->first ? a->run->at : known->first;
        return;
    }
    if (view->collision_count < COLLISIONS)
        view->collisions[view->collision_count++] = (struct status_collision){one, other, a->run->at, 1};
}

/* Only runs that are listed one by one can collide: of the others there are so many that some
 * always do. Each run is noted with the next one of another source, not with every one. */
bool status_plan(struct status_view *view)
{
    const struct inventory *inventory = view->inventory;
    size_t schedules = inventory->count[FACT_SCHEDULES];
    struct plan plan = {view, STEPS};
    view->sources = arena_array(view->arena, view->backup_count + schedules + 1, sizeof *view->sources);
    if (!view->sources)
        return false;
    for (size_t i = 0; i < view->backup_count; i++)
        add_backup(&plan, &view->backups[i]);
    for (size_t i = 0; i < schedules; i++)
        add_schedule(&plan, inventory->schedules[i]);
    size_t all = 0, count = 0;
    for (size_t i = 0; i < view->source_count; i++)
        all += view->sources[i].run_count;
    struct start *starts = arena_array(view->arena, all + 1, sizeof *starts);
    view->collisions = arena_array(view->arena, COLLISIONS, sizeof *view->collisions);
    if (!starts || !view->collisions)
        return false;
    for (size_t i = 0; i < view->source_count; i++) {
        struct status_source *source = &view->sources[i];
        struct str ns = source->ns.len ? source->ns : view->settings->system_namespace;
        for (size_t r = 0; source->location.len && r < source->run_count; r++)
            starts[count++] = (struct start){source, &source->runs[r], ns};
    }
    qsort(starts, count, sizeof *starts, by_place_and_time);
    for (size_t i = 0; i < count; i++)
        for (size_t j = i + 1; j < count && close_by(&starts[i], &starts[j]); j++)
            if (starts[i].source != starts[j].source) {
                note_collision(view, &starts[i], &starts[j]);
                break;
            }
    return true;
}
