/* A moment as the wall clock of a zone shows it. */
#ifndef BACKSTOP_CRON_MOMENT_H
#define BACKSTOP_CRON_MOMENT_H

#include "cron/zone/zone.h"

struct moment {
    const struct cron_zone *zone;
    int64_t unix_seconds;
    struct civil civil;
    int64_t midnight, next_midnight; /* of its date; Unix seconds of that wall time as if it were UTC */
    struct zone_span span;           /* the zone's, at that moment */
};
void moment_set(struct moment *moment, int64_t unix_seconds);
/* Go's time.Date: days may be past the end of the month; a wall time that a
 * clock change skips becomes the one an hour earlier or later that Go gives. */
void moment_set_date(struct moment *moment, int64_t year, int month, int day, int hour, int minute, int second);

/* SpecSchedule's day rule: both day sets must match (in robfig/cron only when either is "*"), else one is enough. */
bool schedule_day_matches(const struct cron_schedule *schedule, int day, int weekday);
bool schedule_needs_both_days(const struct cron_schedule *schedule);
/* Which of the day fields decide. */
struct day_rule {
    bool every_day, by_date, by_weekday;
    bool both; /* by_date and by_weekday: a day must match both, not either */
};
struct day_rule schedule_day_rule(const struct cron_schedule *schedule);
int moment_days_in_month(int64_t year, int month);

#endif
