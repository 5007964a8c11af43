/* A backup that is deleted before the next one is taken leaves a time without any.
 *
 * And what every schedule goes through, whoever runs it: can it be read, does it ever fire, how
 * often, and what will surprise. The ManagementBackups of kcm are read by robfig/cron, Velero's
 * Schedules by whatever Velero is installed (versions/version.c). */
#include <inttypes.h>

#include "policy/checks.h"

enum { DAY = 86400, SAMPLES_MAX = 128, RUNS_MAX = 2000, WEEK_AND_A_DAY = 8 * DAY, HORIZON = 400 * DAY };

/* The last run at or before `until`, of those after `from`; `from` where there is none. RUNS_MAX
 * bounds the walk for schedules of every minute. */
static int64_t gap_begin(const struct cron_schedule *schedule, int64_t from, int64_t until)
{
    int64_t run = from, next = from;
    for (int i = 0; i < RUNS_MAX && cron_next(schedule, run, &next) && next <= until && next > run; i++)
        run = next;
    return run;
}

/* Looks from points half a `least` apart: one of them lies in the first half of every longer gap. */
static int64_t schedule_gap(const struct cron_schedule *schedule, int64_t now, int64_t least)
{
    int64_t half = least / 2 > 0 ? least / 2 : 1, next, longest = 0;
    if (schedule->every_seconds > 0)
        return schedule->every_seconds;
    for (int64_t i = 1; i <= SAMPLES_MAX && i * half <= HORIZON; i++) {
        int64_t at = now + i * half;
        if (!cron_next(schedule, at, &next) || next - at <= half)
            continue;
        int64_t gap = next - gap_begin(schedule, at - 2 * half, at);
        longest = gap > longest ? gap : longest;
    }
    return longest;
}

/* With every day of every month allowed, a week is the longest there can be. */
static bool schedule_gap_is_short(const struct cron_schedule *schedule, int64_t least)
{
    return least >= WEEK_AND_A_DAY && schedule->every_seconds == 0 && schedule->day_of_month & CRON_STAR &&
           schedule->month & CRON_STAR;
}

int64_t schedule_gap_over(const struct cron_schedule *schedule, int64_t now, int64_t least)
{
    if (cron_never_fires(schedule) || schedule_gap_is_short(schedule, least))
        return 0;
    int64_t gap = schedule_gap(schedule, now, least);
    return gap > least ? gap : 0;
}

int64_t schedule_longest_gap(struct str spec, unsigned dialects, const struct settings *settings, int64_t now,
                             int64_t least)
{
    int64_t certain = INT64_MAX;
    struct error ignored;
    struct cron_schedule schedule;
    const struct cron_zone *zone = cron_zone_find(settings->schedules_controller_zone, &ignored);
    for (unsigned dialect = CRON_ROBFIG; dialect <= CRON_GO_CRON; dialect++) {
        if (!(dialects & (1u << dialect)) ||
            !cron_parse((enum cron_dialect)dialect, spec, zone ? zone : cron_zone_utc(), &schedule, &ignored) ||
            cron_never_fires(&schedule))
            continue;
        int64_t gap = schedule_gap_over(&schedule, now, least);
        certain = gap < certain ? gap : certain;
    }
    return certain == INT64_MAX ? 0 : certain;
}

struct str schedule_gap_words(struct arena *arena, int64_t gap)
{
    enum { YEAR = 366 * DAY };
    char apart[TIME_TEXT_SIZE];
    return gap > YEAR ? STR("more than a year apart")
                      : arena_printf(arena, "up to %s apart", duration_format(gap, apart));
}

/* A schedule as each library reads it that its runner may have. What all of them refuse is
 * denied. Where they differ and it is not known which Velero runs, that is only warned about. */

enum { WORDS_LIMIT = 1024 };

/* One library's reading. */
struct schedule_reading {
    struct str readers; /* "Velero before 1.18.3" */
    struct cron_schedule schedule;
    struct str problem; /* why it will not do; absent when it will */
    int64_t position;   /* of the mistake; -1 where there is no one place */
    struct strlist pitfalls;
};

struct schedule_readings {
    const struct schedule_check *check;
    const struct request *request;
    const struct settings *settings;
    struct decision *decision;
    struct schedule_reading all[CRON_DIALECTS];
    size_t count;
};

static const struct cron_zone *schedule_controller_zone(const struct settings *settings, struct arena *arena)
{
    struct error error = {.code = 0};
    const struct cron_zone *zone = cron_zone_find(settings->schedules_controller_zone, &error);
    if (error.code >= 500)
        arena_fail(arena);
    return zone ? zone : cron_zone_utc();
}

static bool schedule_has_empty_field(const struct cron_schedule *schedule)
{
    const uint64_t fields[] = {schedule->minute, schedule->hour, schedule->day_of_month, schedule->month,
                               schedule->day_of_week};
    for (size_t i = 0; i < LENGTH_OF(fields); i++)
        if ((fields[i] & ~CRON_STAR) == 0)
            return true;
    return false;
}

static const char *schedule_never_reason(const struct cron_schedule *schedule)
{
    if (schedule->triggered)
        return "it can only be started by hand, which Velero cannot do; give it a time";
    if (schedule_has_empty_field(schedule))
        return "one of its fields has no value; give it one";
    return "none of its months has that day";
}

/* Both controllers take the zero time for a run that is due (Velero: getNextRunTime's asOf.After). */
static struct str schedule_reading_storm(const struct schedule_readings *readings, const struct cron_schedule *schedule)
{
    struct arena *arena = readings->decision->arena;
    if (!cron_storms(schedule, readings->request->now))
        return (struct str){NULL, 0};
    if (cron_never_fires(schedule))
        return arena_printf(arena, "never fires: %s. %s treats it as always due and starts backups back to back",
                            schedule_never_reason(schedule), readings->check->runner);
    return arena_printf(
        arena, "has no run within the next five years. %s treats it as always due and starts backups back to back",
        readings->check->runner);
}

static void schedule_reading_make(const struct schedule_readings *readings, enum cron_dialect dialect,
                                  struct schedule_reading *reading)
{
    const struct schedule_check *check = readings->check;
    struct arena *arena = readings->decision->arena;
    struct error error = {.code = 0};
    reading->position = -1;
    if (check->velero)
        reading->readers = product_version_readers(arena, check->velero, dialect);
    if (cron_parse(dialect, check->spec, schedule_controller_zone(readings->settings, arena), &reading->schedule,
                   &error)) {
        reading->problem = schedule_reading_storm(readings, &reading->schedule);
        return;
    }
    reading->problem = arena_copy(arena, str_from(error.message));
    reading->position = error.position;
    if (error.code >= 500)
        arena_fail(arena); /* it could not be read, which says nothing of it */
}

/* ---- what will not do ---------------------------------------------------------- */

/* Another Velero would take it: then the version that does not is named. */
static bool schedule_depends_on_version(const struct schedule_readings *readings)
{
    const struct schedule_reading *only = &readings->all[0];
    struct schedule_reading other = {.problem = {NULL, 0}};
    if (!readings->check->velero || readings->count > 1)
        return false;
    schedule_reading_make(readings, only->schedule.dialect == CRON_ROBFIG ? CRON_GO_CRON : CRON_ROBFIG, &other);
    return !other.problem.ptr;
}

/* The position counts bytes from the start of the schedule, since a long one in a terminal is
 * hard to match with a message. */
static void schedule_deny(const struct schedule_readings *readings)
{
    const struct schedule_reading *first = &readings->all[0];
    const struct schedule_check *check = readings->check;
    struct arena *arena = readings->decision->arena;
    struct str where = {NULL, 0}, reader = {NULL, 0};
    if (first->position >= 0)
        where = arena_printf(arena, "at position %" PRId64 ": ", first->position);
    if (schedule_depends_on_version(readings))
        reader = arena_printf(arena, " (as read by %.*s)", STR_ARG(first->readers));
    judge_value(readings->decision, VERDICT_DENY, check->field, check->spec, "%.*s%.*s%.*s", STR_ARG(where),
                STR_ARG(first->problem), STR_ARG(reader));
}

/* ---- what it means -------------------------------------------------------------- */

/* The shortest interval of any reading; `other` may be NULL. */
static void schedule_judge_interval(const struct schedule_readings *readings, const struct schedule_reading *reading,
                                    const struct schedule_reading *other)
{
    const struct schedule_check *check = readings->check;
    const struct settings *settings = readings->settings;
    int64_t shortest = cron_shortest_interval(&reading->schedule, readings->request->now);
    int64_t others = other ? cron_shortest_interval(&other->schedule, readings->request->now) : 0;
    if (others && (others < shortest || shortest == 0))
        shortest = others;
    if (shortest == 0 || shortest >= settings->schedules_minimum_interval)
        return;
    char interval[TIME_TEXT_SIZE], minimum[TIME_TEXT_SIZE];
    judge_value(readings->decision, settings->schedules_too_frequent, check->field, check->spec,
                "runs as often as every %s, and each run is a full backup; the minimum is %s (settings: "
                "schedules.minimumInterval)",
                duration_format(shortest, interval), duration_format(settings->schedules_minimum_interval, minimum));
}

/* Says the schedule back; returns what it means. */
static struct str schedule_warn_meaning(const struct schedule_readings *readings,
                                        const struct schedule_reading *reading, const char *field)
{
    struct decision *decision = readings->decision;
    BUF_SCOPED words;
    buf_init(&words, WORDS_LIMIT);
    struct str description = cron_say_back(field, readings->check->spec, &reading->schedule, readings->request->now,
                                           decision->arena, &words);
    decision_warn(decision, "%.*s", STR_ARG(arena_text(decision->arena, &words)));
    return arena_copy(decision->arena, description);
}

/* "spec.schedule, as read by Velero before 1.18.3". */
static const char *field_as_read(const struct schedule_readings *readings, const struct schedule_reading *reading)
{
    const char *field = readings->check->field;
    struct str named = arena_printf(readings->decision->arena, "%s, as read by %.*s", field, STR_ARG(reading->readers));
    return named.ptr ? named.ptr : field;
}

/* Pitfalls of one reading alone are said to be its own. */
static void schedule_warn_pitfalls(const struct schedule_readings *readings, const struct schedule_reading *reading,
                                   const struct schedule_reading *other)
{
    for (size_t i = 0; i < reading->pitfalls.len; i++) {
        struct str pitfall = reading->pitfalls.items[i];
        bool own = other && !strlist_has(&other->pitfalls, pitfall);
        if (!own && other && other < reading)
            continue; /* said already */
        decision_warn(readings->decision, "%s: %.*s", own ? field_as_read(readings, reading) : readings->check->field,
                      STR_ARG(pitfall));
    }
}

/* A known Velero before the other parser: what its next one will make of the schedule, if that is something else. */
static void schedule_warn_next_parser(const struct schedule_readings *readings, const struct schedule_reading *now)
{
    struct schedule_reading next = {.problem = {NULL, 0}};
    struct arena *arena = readings->decision->arena;
    const struct product_version any = product_version_unknown(PRODUCT_VELERO);
    if (!readings->check->velero || readings->count > 1 || now->schedule.dialect != CRON_ROBFIG)
        return;
    schedule_reading_make(readings, CRON_GO_CRON, &next);
    struct str since = product_version_readers(arena, &any, CRON_GO_CRON);
    if (next.problem.ptr) {
        decision_warn(readings->decision, "%s: unusable with %.*s: %.*s", readings->check->field, STR_ARG(since),
                      STR_ARG(next.problem));
    } else if (!cron_agree(&now->schedule, &next.schedule)) {
        BUF_SCOPED words;
        buf_init(&words, WORDS_LIMIT);
        cron_describe(&next.schedule, &words);
        decision_warn(readings->decision, "%s: %.*s runs it at different times: %.*s", readings->check->field,
                      STR_ARG(since), STR_ARG(arena_text(arena, &words)));
    }
}

/* Order of warnings: the meaning, how often, pitfalls, what is due at once, what the next Velero
 * will do. */
static void schedule_warn_readings(struct schedule_readings *readings)
{
    struct schedule_reading *good[CRON_DIALECTS] = {NULL};
    size_t count = 0;
    for (size_t i = 0; i < readings->count; i++)
        if (!readings->all[i].problem.ptr)
            good[count++] = &readings->all[i];
    struct schedule_reading *first = good[0], *other = good[1];
    if (!first)
        return;
    bool same = !other || cron_agree(&first->schedule, &other->schedule);
    struct str meaning =
        schedule_warn_meaning(readings, first, same ? readings->check->field : field_as_read(readings, first));
    if (!same)
        meaning = arena_printf(
            readings->decision->arena, "%.*s (%.*s); %.*s (%.*s)", STR_ARG(meaning), STR_ARG(first->readers),
            STR_ARG(schedule_warn_meaning(readings, other, field_as_read(readings, other))), STR_ARG(other->readers));
    decision_audit(readings->decision, "schedule", "%.*s", STR_ARG(meaning));
    schedule_judge_interval(readings, first, same ? NULL : other);
    for (size_t i = 0; i < count; i++)
        cron_pitfalls(readings->check->spec, &good[i]->schedule, readings->request->now, readings->decision->arena,
                      &good[i]->pitfalls);
    schedule_warn_pitfalls(readings, first, other);
    if (other)
        schedule_warn_pitfalls(readings, other, first);
    /* kcm and Velero count from the last run, so that a new schedule can be late at once. */
    const struct schedule_check *check = readings->check;
    struct decision *decision = readings->decision;
    int64_t now = readings->request->now, from = check->last_run ? check->last_run : check->created, due;
    if (from != 0 && cron_next(&first->schedule, from, &due) && due < now)
        decision_warn(decision, "%s: a run is already due, counted from %s, %.*s: a backup starts at once",
                      check->field, check->last_run ? "the last one" : "its creation",
                      STR_ARG(ago(decision->arena, now, from)));
    schedule_warn_next_parser(readings, first);
}

/* Denied only if every library that may read it refuses it. One that some Velero takes is a
 * caution: denying it would be wrong for that one. */
bool check_schedule(const struct schedule_check *check, const struct request *request, const struct settings *settings,
                    struct decision *decision, struct cron_schedule *read)
{
    struct schedule_readings readings = {
        .check = check, .request = request, .settings = settings, .decision = decision};
    unsigned dialects = check->velero ? product_version_cron(check->velero) : 1U << CRON_ROBFIG;
    size_t bad = 0;
    for (enum cron_dialect dialect = 0; dialect < CRON_DIALECTS; dialect++) {
        if (!(dialects & 1U << dialect))
            continue;
        struct schedule_reading *reading = &readings.all[readings.count++];
        schedule_reading_make(&readings, dialect, reading);
        bad += reading->problem.ptr != NULL;
    }
    if (read)
        *read = readings.all[0].schedule;
    if (bad == readings.count) {
        schedule_deny(&readings);
        return false;
    }
    /* Some Velero takes it, and which one runs is not known. */
    for (size_t i = 0; i < readings.count; i++) {
        const struct schedule_reading *reading = &readings.all[i];
        if (reading->problem.ptr)
            decision_caution(
                readings.decision,
                "%s: unusable with %.*s, and which Velero runs is not known (settings: velero.version): %.*s",
                readings.check->field, STR_ARG(reading->readers), STR_ARG(reading->problem));
    }
    schedule_warn_readings(&readings);
    return true;
}
