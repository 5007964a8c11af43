#include "cron/moment.h"
#include "cron/spec.h"

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
