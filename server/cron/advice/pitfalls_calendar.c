#include "cron/advice/pitfalls.h"
#include "cron/moment.h"
#include "cron/words.h"

/* kcm and Velero read the zero time, which the library returns when it finds no run, as a run that is due. */
static const char due[] = "kcm and Velero take that for \"due now\" and start one backup after another";

static struct str date_text(const struct pitfalls *pitfalls, int64_t run)
{
    struct civil c = civil_from_unix(run + cron_zone_offset(pitfalls->schedule->zone, run));
    return arena_printf(pitfalls->arena, "%04lld-%02d-%02d", (long long)c.year, c.month, c.day);
}

/* No run without one of the dates. */
static bool by_date(const struct day_rule *rule)
{
    return rule->by_date && (rule->both || !rule->by_weekday);
}

/* Some date of the schedule is in every year, whatever day of the week it is, and no clock change can skip it. */
static bool runs_every_year(const struct cron_schedule *schedule)
{
    const uint64_t in_every_month = ((UINT64_C(1) << 29) - 1) & ~UINT64_C(1);
    const struct day_rule rule = schedule_day_rule(schedule);
    if (schedule->zone != cron_zone_utc())
        return false;
    return !by_date(&rule) || (!rule.by_weekday && (schedule->day_of_month & in_every_month));
}

/* The library looks five years ahead; 2100 is no leap year, so 29 February comes eight years
 * apart. A date that must be a Friday can be eleven years apart, and as 29 February forty. */
static void warn_about_horizon(const struct pitfalls *pitfalls)
{
    if (runs_every_year(pitfalls->schedule))
        return;
    enum { RUNS_AHEAD = 3, YEARS_AHEAD = 10 };
    const int64_t far = pitfalls->now + (int64_t)YEARS_AHEAD * 366 * SECONDS_PER_DAY;
    int64_t run, before = pitfalls->now;
    for (int i = 0; i < RUNS_AHEAD && before < far; i++, before = run) {
        if (cron_next(pitfalls->schedule, before, &run))
            continue;
        if (i == 0)
            pitfall(pitfalls, "it has no run within the next five years; %s", due);
        else
            pitfall(pitfalls, "after %.*s it has no run for over five years; then %s",
                    STR_ARG(date_text(pitfalls, before)), due);
        return;
    }
}

static void warn_about_dates(const struct pitfalls *pitfalls)
{
    const struct cron_schedule *schedule = pitfalls->schedule;
    const struct day_rule rule = schedule_day_rule(schedule);
    uint64_t days = schedule->day_of_month & ~CRON_STAR, without = 0;
    if (!by_date(&rule) || !days)
        return;
    for (int month = 1; month <= 12; month++)
        if ((schedule->month >> month & 1) && !(days & ((UINT64_C(2) << moment_days_in_month(2001, month)) - 1)))
            without |= UINT64_C(1) << month;
    if (!without)
        return;
    bool leap_day = days >> 29 & 1;
    if (leap_day && (schedule->month & ~CRON_STAR) == 1U << 2) {
        pitfall(pitfalls, "29 February exists only in leap years");
        return;
    }
    BUF_SCOPED names;
    buf_init(&names, 256);
    struct set months = words_set(without, FIELD_MONTH);
    struct list_style style = {" to ", " and ", words_month, 12};
    words_list(&names, &months, &style);
    pitfall(pitfalls, "no run in %.*s%s: the day does not exist there", STR_ARG(arena_text(pitfalls->arena, &names)),
            leap_day ? " (but in leap years)" : "");
}

/* `0 0 13 * 5` is the 13th or any Friday; in go-cron a Friday the 13th, which nobody expects who knows another cron. */
static void warn_about_day_rule(const struct pitfalls *pitfalls)
{
    const struct cron_schedule *schedule = pitfalls->schedule;
    uint64_t dates = schedule->day_of_month, weekdays = schedule->day_of_week;
    const struct day_rule rule = schedule_day_rule(schedule);
    if (rule.both && rule.by_date && rule.by_weekday)
        pitfall(pitfalls,
                "day-of-month and day-of-week are both set: it runs only when both match, not when either does as in "
                "other crons");
    if (rule.both || !dates || !weekdays)
        return;
    const struct str *texts = pitfalls->parts.fields;
    bool full = dates == field_all(FIELD_DAY_OF_MONTH);
    if (full || weekdays == field_all(FIELD_DAY_OF_WEEK)) {
        enum field_id id = full ? FIELD_DAY_OF_MONTH : FIELD_DAY_OF_WEEK;
        pitfall(pitfalls, "it runs every day: %s %.*s is every day but not \"*\", and either day field is enough",
                spec_fields[id].name, STR_ARG(quote_short(pitfalls, texts[id])));
        return;
    }
    pitfall(pitfalls, "day-of-month and day-of-week are both set: it runs when either matches, not only when both do");
    for (enum field_id id = 0; id < FIELD_COUNT; id++)
        if ((id == FIELD_DAY_OF_MONTH || id == FIELD_DAY_OF_WEEK) && str_contains(texts[id], STR("*")))
            pitfall(pitfalls, "%s %.*s does not count as \"*\" in that rule", spec_fields[id].name,
                    STR_ARG(quote_short(pitfalls, texts[id])));
}

void pitfalls_of_calendar(const struct pitfalls *pitfalls)
{
    if (cron_never_fires(pitfalls->schedule)) {
        pitfall(pitfalls, "it never runs; %s", due);
        return;
    }
    warn_about_horizon(pitfalls);
    warn_about_dates(pitfalls);
    if (pitfalls->parts.field_count == FIELD_COUNT)
        warn_about_day_rule(pitfalls);
}
