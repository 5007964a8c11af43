#include "cron/moment.h"
#include "cron/words.h"

static void write_weekdays(struct buf *out, int value)
{
    words_weekday(out, value);
    buf_putc(out, 's');
}

/* Monday first, as people say it: Sunday counts as the eighth day. */
static struct set monday_first(const struct set *weekdays)
{
    struct set set = *weekdays;
    set.bits = (weekdays->bits & ~UINT64_C(1)) | (weekdays->bits & 1) << 7;
    set.first = set.bits ? __builtin_ctzll(set.bits) : 0;
    return set;
}

static void write_any(struct buf *out, int value)
{
    words_weekday(out, value % 7);
}

static void write_all(struct buf *out, int value)
{
    write_weekdays(out, value % 7);
}

enum { WORKING_DAYS = 0x3e };

/* What stands before days of the week: alone, as the one side of an "or", or as what a date has to be. */
enum weekday_place { WEEKDAYS_ALONE, WEEKDAYS_OR, WEEKDAYS_IF };

static enum weekday_place weekday_place(const struct day_rule *rule)
{
    if (!rule->by_date)
        return WEEKDAYS_ALONE;
    return rule->both ? WEEKDAYS_IF : WEEKDAYS_OR;
}

/* "on weekdays", "on Mondays and Fridays"; "on any Monday or Friday"; "(if it is) a Monday or Friday". */
static void say_weekdays(struct buf *out, const struct set *weekdays, enum weekday_place place, int pieces_max)
{
    static const char *const before[] = {" on ", " on any ", " a "};
    static const char *const counted[] = {" on any of", " on any of", " one of"};
    const bool plural = place == WEEKDAYS_ALONE;
    struct list_style style = {" to ", plural ? " and " : " or ", plural ? write_all : write_any, pieces_max};
    struct set set = monday_first(weekdays);
    const size_t start = out->len;
    buf_puts(out, before[place]);
    if (weekdays->bits == WORKING_DAYS) {
        buf_puts(out, plural ? "weekdays" : "weekday");
    } else if (!words_list(out, &set, &style)) {
        out->len = start;
        buf_printf(out, "%s %d days of the week", counted[place], weekdays->count);
    }
}

/* "on the 1st and 15th". */
static void say_dates(struct buf *out, const struct set *days, int pieces_max)
{
    struct list_style style = {" to ", " and ", words_ordinal, pieces_max};
    size_t start = out->len;
    buf_puts(out, " on the ");
    if (days->count <= 7 || !days->step || days->step == 1) {
        if (words_list(out, days, &style))
            return;
        out->len = start;
        buf_printf(out, " on %d days", days->count);
        return;
    }
    out->len = start;
    buf_puts(out, " on every ");
    words_ordinal(out, days->step);
    buf_puts(out, " day from the ");
    words_ordinal(out, days->first);
    buf_puts(out, " to the ");
    words_ordinal(out, days->last);
}

static void say_months(struct buf *out, const struct set *months, const char *before, int pieces_max)
{
    struct list_style style = {" to ", " and ", words_month, pieces_max};
    bool run = (months->step == 1 || months->one_run) && months->count > 2;
    size_t start = out->len;
    buf_puts(out, run ? " from " : before);
    if (words_list(out, months, &style))
        return;
    out->len = start;
    buf_printf(out, "%s%d months of the year", before, months->count);
}

void words_days(struct buf *out, const struct cron_schedule *schedule, bool say_every_day, int pieces_max)
{
    struct set dates = words_set(schedule->day_of_month, FIELD_DAY_OF_MONTH),
               months = words_set(schedule->month, FIELD_MONTH),
               weekdays = words_set(schedule->day_of_week, FIELD_DAY_OF_WEEK);
    struct day_rule rule = schedule_day_rule(schedule);
    bool dates_only = rule.by_date && !rule.by_weekday;
    if (rule.every_day && say_every_day)
        buf_puts(out, " every day");
    if (rule.by_date)
        say_dates(out, &dates, pieces_max);
    if (rule.by_date && rule.by_weekday)
        buf_puts(out, rule.both ? " if it is" : " or");
    if (rule.by_weekday)
        say_weekdays(out, &weekdays, weekday_place(&rule), pieces_max);
    if (!months.full)
        say_months(out, &months, dates_only ? " of " : " in ", pieces_max);
    else if (dates_only)
        buf_puts(out, " of every month");
}
