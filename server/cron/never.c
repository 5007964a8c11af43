#include "moment.h"
#include "spec.h"

/* The most days a month can have. */
static int longest(int month)
{
    return month == 2 ? 29 : moment_days_in_month(2000, month);
}

/* Whether some month of the set ever has a day of the set. */
static bool has_date(uint64_t months, uint64_t days)
{
    for (int month = 1; month <= 12; month++)
        for (int day = 1; (months >> month & 1) && day <= longest(month); day++)
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
    /* Within 400 years each date, 29 February too, falls on each day of the week. */
    if (schedule_needs_both_days(schedule))
        return !weekdays || !has_date(schedule->month, days);
    return !weekdays && !has_date(schedule->month, days);
}
