/* A warning is one short line: when it gets longer, fewer runs are named, and a long schedule is
 * cut.
 *
 * A schedule said back in English, with its next runs: the one line of a review that shows a
 * slip, such as hours where minutes were meant. And how close together two runs can be, which
 * another warning rests on. */
#include "cron/spec.h"

/* WORDS_MAX bounds the line without the field and the schedule, LINE_MAX the line with them:
 * kubectl shows a warning cut at 256 characters when all warnings together are over 4096, so a
 * single one stays clearly below. */
enum { RUNS_SAID = 3, WORDS_MAX = 190, LINE_MAX = 199, SPEC_SHOWN = 48 };

struct line_bounds {
    size_t start, max;
};

/* Ends the line, which describes the schedule already. Fewer runs are named until the line fits;
 * a long description leaves no room for any. */
static void say_next(const struct cron_schedule *schedule, int64_t now, const struct line_bounds *line, struct buf *out)
{
    int64_t runs[RUNS_SAID];
    size_t count = 0;
    while (count < RUNS_SAID && cron_next(schedule, count ? runs[count - 1] : now, &runs[count]))
        count++;
    if (count == 0) {
        buf_puts(out, "; no run within the next five years");
        return;
    }
    /* Times alone are clear as long as none comes round again. */
    bool dated = count < RUNS_SAID || runs[count - 1] - now >= SECONDS_PER_DAY;
    const size_t described = out->len;
    for (; count > 0; count--) {
        out->len = described;
        for (size_t i = 0; i < count; i++) {
            buf_puts(out, i ? ", " : "; next ");
            /* Weekday and date, since "Fri 2026-11-27" is checked against a calendar faster than a date
             * alone. */
            int64_t run = runs[i];
            static const char *const weekdays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
            struct civil c = civil_from_unix(run + cron_zone_offset(schedule->zone, run));
            if (dated) {
                buf_puts(out, weekdays[c.weekday]);
                buf_putc(out, ' ');
                words_date(out, &c);
                buf_putc(out, ' ');
            }
            words_clock(out, c.hour, c.minute);
        }
        /* The zone's name, or the abbreviation where the name says nothing. */
        int64_t at = runs[0];
        struct zone_span span;
        zone_lookup(schedule->zone, at, &span);
        struct str name = str_is(schedule->zone->name, "Local") ? span.type.abbreviation : schedule->zone->name;
        buf_putc(out, ' ');
        buf_add(out, name);
        if (out->len - line->start <= line->max)
            return;
    }
    out->len = described;
}

/* "@every" is not followed by next runs: they depend on when the controller did the last one. */
static struct str say_line(const struct cron_schedule *schedule, int64_t now, const struct line_bounds *line,
                           struct buf *out)
{
    const size_t start = out->len;
    if (cron_never_fires(schedule)) {
        buf_puts(out, "never runs");
        return str_slice(buf_str(out), start, out->len);
    }
    buf_puts(out, "runs ");
    const size_t described = out->len;
    cron_describe(schedule, out);
    const size_t end = out->len;
    if (schedule->every_seconds == 0)
        say_next(schedule, now, line, out);
    return str_slice(buf_str(out), described, end);
}

struct str cron_say(const struct cron_schedule *schedule, int64_t now, struct buf *out)
{
    const struct line_bounds line = {out->len, WORDS_MAX};
    return say_line(schedule, now, &line, out);
}

struct str cron_say_back(const char *field, struct str spec, const struct cron_schedule *schedule, int64_t now,
                         struct arena *arena, struct buf *out)
{
    const struct line_bounds line = {out->len, LINE_MAX};
    struct str quoted = spec_quote(arena, spec, SPEC_SHOWN);
    buf_printf(out, "%s: %.*s ", field, STR_ARG(quoted));
    return say_line(schedule, now, &line, out);
}

/* Eight weeks hold every weekday and nearly every date. Of a schedule that comes more rarely than that
 * DAYS_LEAST runs are looked at. */
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

/* Day by day rather than run by run: `* * * * *` has 80,000 runs in eight weeks. On a day
 * without a clock change the gaps follow from the sets alone (day_gap), and the search goes on
 * from the day's last run. It ends early when no gap can be shorter than the one found. */
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
        if (days == 0 && at.span.until > end + 2 * SECONDS_PER_DAY) {
            /* No two runs are closer than the times of day are, going round midnight, unless a clock changes. */
            int first = __builtin_ctzll(schedule->hour) * 60 + __builtin_ctzll(schedule->minute), last;
            int64_t gap = day_gap(schedule, first, &last);
            least = interval_smaller(gap, (first + 24 * 60 - last) * SECONDS_PER_MINUTE);
        }
        int minute = at.civil.hour * 60 + at.civil.minute, last = minute;
        if (!is_plain_day(&at, minute))
            continue;
        shortest = interval_smaller(shortest, day_gap(schedule, minute, &last));
        before += (last - minute) * SECONDS_PER_MINUTE;
    }
    return shortest == INT64_MAX ? 0 : shortest;
}

/* A description says the same in fewer words until it is short enough. `details` are the numbers
 * of pieces that a list may have before it is counted instead of written out, tried in this
 * order. */
enum { DESCRIPTION_MAX = 120 };
static const int details[] = {8, 4, 1};

/* The two sets that make the time of day, and how many pieces a list of them may have. */
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
