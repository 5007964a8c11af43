#include "cron/words.h"

/* A description says the same in fewer words until it is short enough. */
enum { DESCRIPTION_MAX = 120 };
static const int details[] = {8, 4, 1};

struct times {
    struct set minutes, hours;
    int pieces_max;
};

/* "at 09:00, 09:30 and 17:00". */
static void say_clock_times(struct buf *out, const struct times *times)
{
    int total = times->minutes.count * times->hours.count, written = 0;
    buf_puts(out, "at ");
    for (uint64_t hours = times->hours.bits; hours; hours &= hours - 1)
        for (uint64_t minutes = times->minutes.bits; minutes; minutes &= minutes - 1) {
            if (written++)
                buf_puts(out, written == total ? " and " : ", ");
            words_clock(out, __builtin_ctzll(hours), __builtin_ctzll(minutes));
        }
}

/* " of hours 0, 6 and 12-18"; true when "every day" completes it. */
static bool say_hours(struct buf *out, const struct times *times)
{
    const struct set *hours = &times->hours;
    struct list_style style = {"-", " and ", words_number, times->pieces_max};
    size_t start = out->len;
    if (hours->cyclic && hours->step > 1 && hours->first == 0 && hours->count > 4) {
        buf_puts(out, " of every ");
        words_ordinal(out, hours->step);
        buf_puts(out, " hour");
        return false;
    }
    buf_puts(out, " of hours ");
    if (!words_list(out, hours, &style)) {
        out->len = start;
        buf_printf(out, " of %d hours", hours->count);
    }
    return true;
}

/* One minute of some hours; true when "every day" completes the words. */
static bool say_hourly(struct buf *out, const struct times *times)
{
    const struct set *hours = &times->hours;
    int minute = times->minutes.first;
    if (hours->full) {
        buf_puts(out, "every hour");
        if (minute)
            buf_printf(out, " at minute %d", minute);
        return false;
    }
    if (hours->cyclic && hours->first == 0 && minute == 0) {
        buf_puts(out, "every ");
        words_number(out, hours->step);
        buf_puts(out, " hours");
        return false;
    }
    if (hours->cyclic && hours->count > 4) {
        buf_printf(out, "every %d hours from ", hours->step);
        words_clock(out, hours->first, minute);
        return false;
    }
    if (hours->one_run && hours->count > 3) {
        buf_puts(out, "every hour from ");
        words_clock(out, hours->run_first, minute);
        buf_puts(out, " to ");
        words_clock(out, hours->run_last, minute);
    } else if (hours->count <= 6 && times->pieces_max > 1) {
        say_clock_times(out, times);
    } else {
        buf_printf(out, "at minute %d", minute);
        return say_hours(out, times);
    }
    return true;
}

/* "every 15 minutes", "at minutes 5 and 35". True for the first kind, which needs no "of every hour". */
static bool say_minutes(struct buf *out, const struct times *times)
{
    const struct set *minutes = &times->minutes;
    struct list_style style = {"-", " and ", words_number, times->pieces_max};
    if (minutes->full) {
        buf_puts(out, "every minute");
        return true;
    }
    if (minutes->cyclic && minutes->first == 0) {
        buf_printf(out, "every %d minutes", minutes->step);
        return true;
    }
    size_t start = out->len;
    buf_puts(out, "at minutes ");
    if (minutes->count > 6 && minutes->step > 1) {
        out->len = start;
        buf_printf(out, "every %d minutes from minute %d to %d", minutes->step, minutes->first, minutes->last);
    } else if (!words_list(out, minutes, &style)) {
        out->len = start;
        buf_printf(out, "at %d minutes", minutes->count);
    }
    return false;
}

/* True when the words name single times of day, which "every day" completes. */
static bool say_times(struct buf *out, const struct times *times)
{
    const struct set *minutes = &times->minutes, *hours = &times->hours;
    if (minutes->count == 1)
        return say_hourly(out, times);
    if (minutes->count * hours->count <= 4) {
        say_clock_times(out, times);
        return true;
    }
    bool complete = say_minutes(out, times);
    if (hours->full && !complete)
        buf_puts(out, " of every hour");
    if (hours->full)
        return false;
    if (hours->one_run) {
        buf_puts(out, " from ");
        words_clock(out, hours->run_first, 0);
        buf_puts(out, " to ");
        words_clock(out, hours->run_last, 59);
        return true;
    }
    return say_hours(out, times);
}

static void describe_schedule(const struct cron_schedule *schedule, int pieces_max, struct buf *out)
{
    struct times times = {words_set(schedule->minute, FIELD_MINUTE), words_set(schedule->hour, FIELD_HOUR), pieces_max};
    bool single = say_times(out, &times);
    words_days(out, schedule, single, pieces_max);
}

void cron_describe(const struct cron_schedule *schedule, struct buf *out)
{
    size_t start = out->len;
    if (schedule->every_seconds > 0) {
        buf_puts(out, "every ");
        words_seconds(out, schedule->every_seconds);
        buf_puts(out, " after the last run");
        return;
    }
    if (cron_never_fires(schedule)) {
        buf_puts(out, "never");
        return;
    }
    for (size_t i = 0; i < LENGTH_OF(details); i++) {
        out->len = start;
        describe_schedule(schedule, details[i], out);
        if (out->len - start <= DESCRIPTION_MAX)
            return;
    }
}
