/* The results, and not only the rules, must be the libraries': a controller that finds "no next
 * time" starts one backup after another, and a run that a clock change drops is a night without
 * a backup. `make cron-diff` compares with both on random schedules. */
#include "cron/spec.h"

/* The next time of a schedule. Field by field, each set back when a larger one moves, as robfig/cron's spec.go Next does,
 * with its behaviour in hours that a time zone skips; the search ends after five years, as there. */

/* SpecSchedule.Next, whose steps are kept one by one near clock changes, since
 * its results there come from the way it steps (a midnight that does not exist
 * drops the whole day, for one). Away from them the steps are taken at once.
 * go-cron's is robfig/cron's with three changes: the day rule, the skipped hour,
 * and `added` after a step of the seconds, which shows only where two hours repeat. */

enum {
    YEARS_SEARCHED = 5,
    /* Pacific/Apia has no 30 December 2011: robfig/cron searches it forever. No other search takes near as many. */
    STEPS_MAX = 100000,
};

struct next_search {
    const struct cron_schedule *schedule;
    struct moment at;
    bool added; /* a field was moved on, so the smaller ones stand at their start */
    unsigned steps;
};

/* WRAPPED: a field went over its end, so a larger field changed and the search begins again at
 * the months (goto WRAP in the original). EXHAUSTED: STEPS_MAX. */
enum progress { MATCHED, WRAPPED, EXHAUSTED };

static bool search_step(struct next_search *search)
{
    return ++search->steps < STEPS_MAX;
}

/* True when nothing changes on the clock between now and `seconds` later. `wall` too, because
 * Go's Date looks a wall time up as if it were UTC. Widened by the offset for that reason: the
 * look-up at the wall time must fall into the same span as the moment itself. */
static bool is_even(const struct moment *at, int64_t seconds)
{
    const struct zone_span *span = &at->span;
    int64_t earliest = at->unix_seconds, latest = earliest + seconds, offset = span->type.offset;
    earliest += offset < 0 ? offset : 0;
    latest += offset > 0 ? offset : 0;
    return earliest >= span->from && latest < span->until && earliest >= span->start && latest < span->end;
}

static void moment_set_date(struct moment *moment, int64_t year, int month, int day, int hour, int minute, int second);

/* The original steps by AddDate(0, 1, 0) from the day it is on, or from the first when this is
 * the first move. Days are not clipped: the 31st of a month plus one month may be two months on,
 * there as here. */
static enum progress find_month(struct next_search *search)
{
    struct moment *at = &search->at;
    while (!(search->schedule->month >> at->civil.month & 1)) {
        if (!search->added) {
            search->added = true;
            moment_set_date(at, at->civil.year, at->civil.month, 1, 0, 0, 0);
        }
        const struct civil c = at->civil;
        moment_set_date(at, c.year, c.month + 1, c.day, c.hour, c.minute, c.second);
        if (!search_step(search))
            return EXHAUSTED;
        if (at->civil.month == 1)
            return WRAPPED;
    }
    return MATCHED;
}

/* The days from `civil` to the next one that matches, at most to the first of the next month. */
static int days_ahead(const struct cron_schedule *schedule, const struct civil *civil)
{
    int last = moment_days_in_month(civil->year, civil->month), ahead = 1;
    while (civil->day + ahead <= last &&
           !schedule_day_matches(schedule, civil->day + ahead, (civil->weekday + ahead) % 7))
        ahead++;
    return ahead;
}

/* AddDate(0, 0, 1), then the correction for a day that does not begin at midnight, which is the
 * library's own: an hour of 23 moves on to the next day, one of 1 moves back. Days without a
 * change of the clock are taken at once (is_even). */
static enum progress find_day(struct next_search *search)
{
    struct moment *at = &search->at;
    while (!schedule_day_matches(search->schedule, at->civil.day, at->civil.weekday)) {
        if (!search->added) {
            search->added = true;
            moment_set_date(at, at->civil.year, at->civil.month, at->civil.day, 0, 0, 0);
        }
        const struct civil c = at->civil;
        int64_t ahead = (int64_t)days_ahead(search->schedule, &c) * SECONDS_PER_DAY;
        if (c.hour == 0 && is_even(at, ahead))
            moment_set(at, at->unix_seconds + ahead);
        else
            moment_set_date(at, c.year, c.month, c.day + 1, c.hour, c.minute, c.second);
        if (at->civil.hour > 12)
            moment_set(at, at->unix_seconds + (24 - at->civil.hour) * SECONDS_PER_HOUR);
        else if (at->civil.hour > 0)
            moment_set(at, at->unix_seconds - at->civil.hour * SECONDS_PER_HOUR);
        if (!search_step(search))
            return EXHAUSTED;
        if (at->civil.day == 1)
            return WRAPPED;
    }
    return MATCHED;
}

/* How far the next member of `set` is from `value`, at most up to `end`. */
static int set_distance(uint64_t set, int value, int end)
{
    uint64_t above = (set & ~CRON_STAR) >> value >> 1;
    int ahead = above ? __builtin_ctzll(above) + 1 : end - value;
    return ahead < end - value ? ahead : end - value;
}

/* Moves on by the largest number of equal steps that meets no clock change. A step across a
 * change is done alone: what the wall clock shows after it decides the next one. */
static void moment_move(struct moment *at, int steps, int seconds)
{
    int64_t target = at->unix_seconds + (int64_t)steps * seconds;
    moment_set(at, target < at->span.until ? target : at->unix_seconds + seconds);
}

/* go-cron's checkHourDSTSkip: one step of an hour went over one that the schedule names. */
static inline bool hour_skipped(const struct next_search *search, int64_t before, int hour_before)
{
    const struct moment *at = &search->at;
    return at->civil.hour - hour_before == 2 && at->unix_seconds - before == SECONDS_PER_HOUR &&
           spec_dialects[search->schedule->dialect].gap_runs_late &&
           (search->schedule->hour >> (at->civil.hour - 1) & 1);
}

/* `added` is set when something was moved: from then on all smaller fields start at zero. The
 * first move truncates the hour by its wall clock (time.Date), as the library does, which in
 * zones with half-hour offsets differs from rounding the Unix time. */
static enum progress find_hour(struct next_search *search)
{
    struct moment *at = &search->at;
    while (!(search->schedule->hour >> at->civil.hour & 1)) {
        if (!search->added) {
            search->added = true;
            moment_set_date(at, at->civil.year, at->civil.month, at->civil.day, at->civil.hour, 0, 0);
        }
        const int64_t before = at->unix_seconds;
        const int hour = at->civil.hour;
        moment_move(at, set_distance(search->schedule->hour, hour, 24), SECONDS_PER_HOUR);
        if (!search_step(search))
            return EXHAUSTED;
        if (hour_skipped(search, before, hour))
            break;
        if (at->civil.hour == 0)
            return WRAPPED;
    }
    return MATCHED;
}

/* Truncate(time.Minute) works on the absolute time, so a zone with seconds in its offset (local
 * mean time) is not cut at its own minute; hence the arithmetic on unix_seconds. */
static enum progress find_minute(struct next_search *search)
{
    struct moment *at = &search->at;
    while (!(search->schedule->minute >> at->civil.minute & 1)) {
        if (!search->added) {
            search->added = true;
            int64_t second = at->unix_seconds % SECONDS_PER_MINUTE;
            moment_set(at, at->unix_seconds - second - (second < 0 ? SECONDS_PER_MINUTE : 0));
        }
        moment_move(at, set_distance(search->schedule->minute, at->civil.minute, 60), SECONDS_PER_MINUTE);
        if (!search_step(search))
            return EXHAUSTED;
        if (at->civil.minute == 0)
            return WRAPPED;
    }
    return MATCHED;
}

/* The standard syntax has no seconds: only second 0 matches, which the search reaches by wrapping. */
static enum progress find_second(struct next_search *search)
{
    struct moment *at = &search->at;
    if (at->civil.second == 0)
        return MATCHED;
    search->added |= !spec_dialects[search->schedule->dialect].forgets_second;
    while (at->civil.second != 0) {
        moment_move(at, 60 - at->civil.second, 1);
        if (!search_step(search))
            return EXHAUSTED;
    }
    return WRAPPED;
}

/* A field that wraps starts over with the months, since a moved day may be in a month that does
 * not match. The year is looked at only then, as in the library. */
static bool search_next(struct next_search *search, int64_t *next)
{
    static enum progress (*const finders[])(struct next_search *) = {find_month, find_day, find_hour, find_minute,
                                                                     find_second};
    int64_t last_year = search->at.civil.year + YEARS_SEARCHED;
    for (size_t i = 0; i < LENGTH_OF(finders);) {
        enum progress progress = finders[i](search);
        if (progress == EXHAUSTED || (progress == WRAPPED && search->at.civil.year > last_year))
            return false;
        i = progress == WRAPPED ? 0 : i + 1;
    }
    *next = search->at.unix_seconds;
    return true;
}

/* `after + 1`, with fractions dropped: strictly later, in whole seconds. @every adds to the time
 * it is given, which is not rounded to a multiple of anything. */
bool cron_next(const struct cron_schedule *schedule, int64_t after, int64_t *next)
{
    static const int64_t far = INT64_C(1) << 50; /* 35 million years: keeps sums from overflowing */
    if (after < -far || after > far)
        return false;
    if (schedule->every_seconds > 0) {
        *next = after + schedule->every_seconds;
        return true;
    }
    if (cron_never_fires(schedule))
        return false;
    struct next_search search = {.schedule = schedule, .at = {.zone = schedule->zone}};
    moment_set(&search.at, after + 1);
    return search_next(&search, next);
}

/* The most days a month can have. */
static int never_month_days(int month)
{
    return month == 2 ? 29 : moment_days_in_month(2000, month);
}

/* Whether some month of the set ever has a day of the set. */
static bool has_date(uint64_t months, uint64_t days)
{
    for (int month = 1; month <= 12; month++)
        for (int day = 1; (months >> month & 1) && day <= never_month_days(month); day++)
            if (days >> day & 1)
                return true;
    return false;
}

static bool schedule_needs_both_days(const struct cron_schedule *schedule);

/* From the calendar alone, without a search: cheap enough for every review, and right also where
 * the libraries' search ends after five years. */
bool cron_never_fires(const struct cron_schedule *schedule)
{
    if (schedule->every_seconds > 0)
        return false;
    uint64_t days = schedule->day_of_month & ~CRON_STAR, weekdays = schedule->day_of_week & ~CRON_STAR;
    if (!(schedule->minute & ~CRON_STAR) || !(schedule->hour & ~CRON_STAR) || !(schedule->month & ~CRON_STAR))
        return true;
    if (schedule->day_of_month & CRON_STAR) /* it holds every day, and the other one decides alone */
        return !weekdays;
    /* Within 400 years each date, 29 February too, falls on each day of the week. */
    if (schedule_needs_both_days(schedule))
        return !weekdays || !has_date(schedule->month, days);
    return !weekdays && !has_date(schedule->month, days);
}

/* Only schedules that depend on rare dates need the search: every month has a 28th, so what
 * contains one of the first 28 days and no weekday runs within a month of its set. */
bool cron_storms(const struct cron_schedule *schedule, int64_t now)
{
    const uint64_t in_every_month = ((UINT64_C(1) << 29) - 1) & ~UINT64_C(1);
    int64_t next;
    if (schedule->every_seconds > 0)
        return false;
    if (cron_never_fires(schedule))
        return true;
    /* Where only rare dates count, the search can end before them. */
    const struct day_rule rule = schedule_day_rule(schedule);
    if (!rule.by_date || (!rule.by_weekday && (schedule->day_of_month & in_every_month)))
        return false;
    return !cron_next(schedule, now, &next);
}

/* The span of the zone and the date are kept from the last call: a search makes thousands of
 * steps, and nearly all of them stay within both. */
void moment_set(struct moment *moment, int64_t unix_seconds)
{
    if (unix_seconds < moment->span.from || unix_seconds >= moment->span.until)
        zone_lookup(moment->zone, unix_seconds, &moment->span);
    moment->unix_seconds = unix_seconds;
    int64_t wall = unix_seconds + moment->span.type.offset;
    if (wall < moment->midnight || wall >= moment->next_midnight) {
        moment->civil = civil_from_unix(wall);
        int64_t of_day =
            moment->civil.hour * SECONDS_PER_HOUR + moment->civil.minute * SECONDS_PER_MINUTE + moment->civil.second;
        moment->midnight = wall - of_day;
        moment->next_midnight = moment->midnight + SECONDS_PER_DAY;
        return;
    }
    /* Most steps of a search stay within a day, whose date need not be found again. */
    unsigned of_day = (unsigned)(wall - moment->midnight);
    moment->civil.hour = (int)(of_day / SECONDS_PER_HOUR);
    moment->civil.minute = (int)(of_day / SECONDS_PER_MINUTE % 60);
    moment->civil.second = (int)(of_day % SECONDS_PER_MINUTE);
}

/* Go's time.Date: days may be past the end of the month; a wall time that a
 * clock change skips becomes the one an hour earlier or later that Go gives. */
static void moment_set_date(struct moment *moment, int64_t year, int month, int day, int hour, int minute, int second)
{
    if (month > 12) {
        month -= 12;
        year++;
    }
    int64_t wall = (days_from_civil(year, month, 1) + day - 1) * SECONDS_PER_DAY + hour * SECONDS_PER_HOUR +
                   minute * SECONDS_PER_MINUTE + second;
    /* Go guesses the offset as if the wall time were UTC, and looks again when the guess does not hold. */
    struct zone_span guess;
    zone_lookup(moment->zone, wall, &guess);
    int64_t utc = wall - guess.type.offset;
    if (utc < guess.start || utc >= guess.end) {
        zone_lookup(moment->zone, utc, &guess);
        utc = wall - guess.type.offset;
    }
    moment_set(moment, utc);
}

int moment_days_in_month(int64_t year, int month)
{
    return (int)(month == 12 ? 31 : days_from_civil(year, month + 1, 1) - days_from_civil(year, month, 1));
}

/* "0 0 13 * 5" is the 13th or any Friday for robfig/cron, a Friday the 13th for go-cron. */
bool schedule_day_matches(const struct cron_schedule *schedule, int day, int weekday)
{
    bool by_day = schedule->day_of_month >> day & 1, by_weekday = schedule->day_of_week >> weekday & 1;
    return schedule_needs_both_days(schedule) ? by_day && by_weekday : by_day || by_weekday;
}

static bool schedule_needs_both_days(const struct cron_schedule *schedule)
{
    return spec_dialects[schedule->dialect].both_days ||
           ((schedule->day_of_month | schedule->day_of_week) & CRON_STAR) != 0;
}

/* For descriptions and warnings: "1-31" is every day although it is no star, and then in an OR
 * nothing else matters. */
struct day_rule schedule_day_rule(const struct cron_schedule *schedule)
{
    const uint64_t dates = schedule->day_of_month & ~CRON_STAR, weekdays = schedule->day_of_week & ~CRON_STAR;
    const bool any_date = dates == field_all(FIELD_DAY_OF_MONTH),
               any_weekday = weekdays == field_all(FIELD_DAY_OF_WEEK);
    if (schedule_needs_both_days(schedule))
        return (struct day_rule){any_date && any_weekday, !any_date, !any_weekday, true};
    if (any_date || any_weekday)
        return (struct day_rule){.every_day = true};
    return (struct day_rule){false, dates != 0, weekdays != 0, false};
}

/* Used where kcm and a newer Velero read the same text: only if they come to different runs is
 * there something to warn of. */
bool cron_agree(const struct cron_schedule *one, const struct cron_schedule *other)
{
    if (one->every_seconds || other->every_seconds || one->triggered || other->triggered)
        return one->every_seconds == other->every_seconds && one->triggered == other->triggered;
    const uint64_t fields[][2] = {{one->minute, other->minute},
                                  {one->hour, other->hour},
                                  {one->day_of_month, other->day_of_month},
                                  {one->month, other->month},
                                  {one->day_of_week, other->day_of_week}};
    for (size_t i = 0; i < LENGTH_OF(fields); i++)
        if ((fields[i][0] ^ fields[i][1]) & ~CRON_STAR)
            return false;
    const struct day_rule a = schedule_day_rule(one), b = schedule_day_rule(other);
    bool days = a.every_day == b.every_day && a.by_date == b.by_date && a.by_weekday == b.by_weekday &&
                (a.both == b.both || !(a.by_date && a.by_weekday));
    return days && one->zone == other->zone;
}
