#include "cron/moment.h"
#include "cron/spec.h"

enum { WEEKS = 8, DAYS_LEAST = 4 };

static int64_t interval_smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The shortest gap between the runs of one day from `minute` of the day on, in
 * minutes, and the day's last run. A gap of one minute cannot be undercut. */
static int64_t day_gap(const struct cron_schedule *schedule, int minute, int *last_run)
{
    int64_t gap = INT64_MAX;
    int before = -1;
    for (int hour = minute / 60; hour <= 23; hour++) {
        uint64_t minutes = schedule->minute & ~CRON_STAR;
        if (!(schedule->hour >> hour & 1))
            continue;
        if (hour == minute / 60)
            minutes &= UINT64_MAX << (minute % 60);
        for (; minutes; minutes &= minutes - 1) {
            int run = hour * 60 + __builtin_ctzll(minutes);
            if (before >= 0)
                gap = interval_smaller(gap, run - before);
            before = run;
            if (gap == 1) {
                before = hour * 60 + 63 - __builtin_clzll(minutes);
                break;
            }
        }
    }
    *last_run = before;
    return gap == INT64_MAX ? gap : gap * SECONDS_PER_MINUTE;
}

/* No clock change from the day before to the day after: the runs of the day are those of the sets. */
static bool is_plain_day(const struct moment *at, int minute)
{
    int64_t midnight = at->unix_seconds - minute * SECONDS_PER_MINUTE;
    return at->span.from <= midnight - SECONDS_PER_DAY && at->span.until > midnight + 2 * SECONDS_PER_DAY;
}

/* No two runs are closer than the times of day are, going round midnight, unless a clock changes. */
static int64_t least_gap(const struct cron_schedule *schedule)
{
    int first = __builtin_ctzll(schedule->hour) * 60 + __builtin_ctzll(schedule->minute), last;
    int64_t gap = day_gap(schedule, first, &last);
    return interval_smaller(gap, (first + 24 * 60 - last) * SECONDS_PER_MINUTE);
}

int64_t cron_shortest_interval(const struct cron_schedule *schedule, int64_t from)
{
    if (schedule->every_seconds > 0)
        return schedule->every_seconds;
    int64_t shortest = INT64_MAX, least = SECONDS_PER_MINUTE, before = INT64_MAX, run;
    struct moment at = {.zone = schedule->zone};
    const int64_t end = from + (int64_t)WEEKS * 7 * SECONDS_PER_DAY;
    for (int days = 0; (days < DAYS_LEAST || before < end) && shortest > least; days++) {
        if (!cron_next(schedule, days ? before : from, &run))
            break;
        if (days && run <= before)
            return SECONDS_PER_MINUTE; /* go-cron goes back where hours repeat; controllers look once a minute */
        if (days)
            shortest = interval_smaller(shortest, run - before);
        before = run;
        moment_set(&at, run);
        if (days == 0 && at.span.until > end + 2 * SECONDS_PER_DAY)
            least = least_gap(schedule);
        int minute = at.civil.hour * 60 + at.civil.minute, last = minute;
        if (!is_plain_day(&at, minute))
            continue;
        shortest = interval_smaller(shortest, day_gap(schedule, minute, &last));
        before += (last - minute) * SECONDS_PER_MINUTE;
    }
    return shortest == INT64_MAX ? 0 : shortest;
}
