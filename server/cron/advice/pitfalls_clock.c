#include <stdio.h>

#include "cron/advice/pitfalls.h"
#include "cron/moment.h"
#include "cron/spec.h"

/* What happens to a schedule when clocks are put forward or back within a year. */
enum { DAYS_AHEAD = 366, CHANGES_READ = 16, RUNS_READ = 5000 };

struct change {
    int64_t when;
    int before, after; /* offsets */
};

/* The schedule's sets hold the wall time, given as seconds since 1970 on that wall clock. */
static bool matches_wall(const struct cron_schedule *schedule, int64_t wall)
{
    struct civil c = civil_from_unix(wall);
    return (schedule->minute >> c.minute & 1) && (schedule->hour >> c.hour & 1) && (schedule->month >> c.month & 1) &&
           schedule_day_matches(schedule, c.day, c.weekday);
}

/* The first full minute from `start` to before `end` that matches; -1 when there is none. */
static int64_t first_match(const struct cron_schedule *schedule, int64_t start, int64_t end)
{
    for (int64_t wall = start + (60 - start % 60) % 60; wall < end; wall += SECONDS_PER_MINUTE)
        if (matches_wall(schedule, wall))
            return wall;
    return -1;
}

static void warn_at(const struct pitfalls *pitfalls, int64_t wall, const char *what)
{
    struct civil c = civil_from_unix(wall);
    struct str zone = pitfalls->schedule->zone->name;
    pitfall(pitfalls, "%02d:%02d on %04lld-%02d-%02d in %.*s: %s", c.hour, c.minute, (long long)c.year, c.month, c.day,
            STR_ARG(zone), what);
}

/* The first run from a clock change on, found as a controller finds it that has done those before. */
static bool run_after_change(const struct cron_schedule *schedule, const struct change *change, int64_t *run)
{
    int64_t at = change->when - 36 * SECONDS_PER_HOUR;
    for (int i = 0; i < RUNS_READ && cron_next(schedule, at, run) && *run < change->when; i++)
        at = *run;
    return cron_next(schedule, at, run);
}

/* Where midnight does not exist, the library loses its way through that day:
 * runs are missed, or come although the day does not match. */
static void warn_about_lost_day(const struct pitfalls *pitfalls, const struct change *change)
{
    const struct cron_schedule *schedule = pitfalls->schedule;
    int64_t start = change->when + change->after, end = start - start % SECONDS_PER_DAY + SECONDS_PER_DAY, run;
    int64_t expected = first_match(schedule, start, end);
    if (!run_after_change(schedule, change, &run))
        return;
    int64_t actual = run + change->after;
    if (expected >= 0 && actual > expected)
        warn_at(pitfalls, expected,
                "missed, because the controller drops a day that has no midnight (clocks go forward)");
    else if (actual < end && !matches_wall(schedule, actual))
        warn_at(pitfalls, actual, "a run on a day that does not match, because that day has no midnight");
}

/* go-cron runs in the hour after the gap what the gap swallows, unless the hour before it has runs too. */
static bool warn_about_late_run(const struct pitfalls *pitfalls, const struct change *change, int64_t lost)
{
    const struct cron_schedule *schedule = pitfalls->schedule;
    int64_t run;
    if (!spec_dialects[schedule->dialect].gap_runs_late || !run_after_change(schedule, change, &run) ||
        run >= change->when + SECONDS_PER_HOUR || matches_wall(schedule, run + change->after))
        return false;
    struct civil c = civil_from_unix(run + change->after);
    char what[80];
    snprintf(what, sizeof what, "runs at %02d:%02d instead, because clocks go forward over that time", c.hour,
             c.minute);
    warn_at(pitfalls, lost, what);
    return true;
}

static bool warn_about_gap(const struct pitfalls *pitfalls, const struct change *change)
{
    int64_t start = change->when + change->before, end = change->when + change->after;
    int64_t lost = first_match(pitfalls->schedule, start, end);
    if (lost >= 0 && !warn_about_late_run(pitfalls, change, lost))
        warn_at(pitfalls, lost, "no run, because clocks go forward over that time");
    if (start % SECONDS_PER_DAY == 0)
        warn_about_lost_day(pitfalls, change);
    return lost >= 0;
}

static bool warn_about_overlap(const struct pitfalls *pitfalls, const struct change *change)
{
    const struct cron_schedule *schedule = pitfalls->schedule;
    int64_t wall = first_match(schedule, change->when + change->after, change->when + change->before), first, second;
    if (wall < 0 || !cron_next(schedule, wall - change->before - 1, &first) ||
        !cron_next(schedule, wall - change->after - 1, &second))
        return false;
    bool twice = first == wall - change->before && second == wall - change->after;
    if (twice)
        warn_at(pitfalls, wall, "two runs, because clocks go back and that time comes twice");
    return twice;
}

void pitfalls_of_clock(const struct pitfalls *pitfalls)
{
    const struct cron_schedule *schedule = pitfalls->schedule;
    const struct cron_zone *zone = schedule->zone;
    /* A schedule of every hour goes on evenly whatever the clocks show. */
    if ((schedule->hour & ~CRON_STAR) == field_all(FIELD_HOUR) || cron_never_fires(schedule))
        return;
    struct zone_span span;
    zone_lookup(zone, pitfalls->now, &span);
    const int64_t end = pitfalls->now + (int64_t)DAYS_AHEAD * SECONDS_PER_DAY;
    bool gap = false, overlap = false;
    for (int i = 0; i < CHANGES_READ && span.until < end; i++) {
        struct change change = {.when = span.until, .before = span.type.offset};
        zone_lookup(zone, change.when, &span);
        change.after = span.type.offset;
        if (change.after > change.before && !gap)
            gap = warn_about_gap(pitfalls, &change);
        else if (change.after < change.before && !overlap)
            overlap = warn_about_overlap(pitfalls, &change);
    }
}
