#include "cron/spec.h"
#include "cron/words.h"

/* A warning is one short line: when it gets longer, fewer runs are named, and a long schedule is cut. */
enum { RUNS_SAID = 3, WORDS_MAX = 190, LINE_MAX = 199, SPEC_SHOWN = 48 };

struct line {
    size_t start, max;
};

/* The zone's name, or the abbreviation where the name says nothing. */
static struct str zone_words(const struct cron_zone *zone, int64_t at)
{
    struct zone_span span;
    zone_lookup(zone, at, &span);
    return str_is(zone->name, "Local") ? span.type.abbreviation : zone->name;
}

static void say_run(struct buf *out, const struct cron_zone *zone, int64_t run, bool dated)
{
    static const char *const weekdays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    struct civil c = civil_from_unix(run + cron_zone_offset(zone, run));
    if (dated) {
        buf_puts(out, weekdays[c.weekday]);
        buf_putc(out, ' ');
        words_date(out, &c);
        buf_putc(out, ' ');
    }
    words_clock(out, c.hour, c.minute);
}

static void say_runs(struct buf *out, const struct cron_zone *zone, const int64_t *runs, size_t count, bool dated)
{
    for (size_t i = 0; i < count; i++) {
        buf_puts(out, i ? ", " : "; next ");
        say_run(out, zone, runs[i], dated);
    }
    struct str name = zone_words(zone, runs[0]);
    buf_putc(out, ' ');
    buf_add(out, name);
}

/* Ends the line, which describes the schedule already. */
static void say_next(const struct cron_schedule *schedule, int64_t now, const struct line *line, struct buf *out)
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
        say_runs(out, schedule->zone, runs, count, dated);
        if (out->len - line->start <= line->max)
            return;
    }
    out->len = described;
}

static struct str say_line(const struct cron_schedule *schedule, int64_t now, const struct line *line, struct buf *out)
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
    const struct line line = {out->len, WORDS_MAX};
    return say_line(schedule, now, &line, out);
}

struct str cron_say_back(const char *field, struct str spec, const struct cron_schedule *schedule, int64_t now,
                         struct arena *arena, struct buf *out)
{
    const struct line line = {out->len, LINE_MAX};
    struct str quoted = spec_quote(arena, spec, SPEC_SHOWN);
    buf_printf(out, "%s: %.*s ", field, STR_ARG(quoted));
    return say_line(schedule, now, &line, out);
}
