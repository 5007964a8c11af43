#include "policy/checks.h"

/* A backup that is deleted before the next one is taken leaves a time without any. */

enum { DAY = 86400, SAMPLES_MAX = 128, RUNS_MAX = 2000, WEEK_AND_A_DAY = 8 * DAY, HORIZON = 400 * DAY };

/* The last run at or before `until`, of those after `from`; `from` where there is none. */
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
