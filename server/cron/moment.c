#include "cron/moment.h"
#include "cron/spec.h"

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

void moment_set_date(struct moment *moment, int64_t year, int month, int day, int hour, int minute, int second)
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

bool schedule_day_matches(const struct cron_schedule *schedule, int day, int weekday)
{
    bool by_day = schedule->day_of_month >> day & 1, by_weekday = schedule->day_of_week >> weekday & 1;
    return schedule_needs_both_days(schedule) ? by_day && by_weekday : by_day || by_weekday;
}

bool schedule_needs_both_days(const struct cron_schedule *schedule)
{
    return spec_dialects[schedule->dialect].both_days ||
           ((schedule->day_of_month | schedule->day_of_week) & CRON_STAR) != 0;
}

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
