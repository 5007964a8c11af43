/* What a schedule does that its author will not expect although it is accepted: ignored
 * suffixes, steps that restart, dates that most months lack, the OR of the day fields, clock
 * changes. Each is one short warning. Nothing here denies.
 *
 * The texts are looked at again (the parsed sets no longer show that there was "*-abc"), the
 * consequences are computed with cron_next itself rather than by rule: what is warned of is what
 * the library will do. */
#include <stdio.h>

#include "cron/spec.h"

struct pitfalls {
    struct str spec;
    struct spec_parts parts;
    const struct cron_schedule *schedule;
    int64_t now;
    struct arena *arena;
    struct strlist *warnings;
};

void pitfall(const struct pitfalls *pitfalls, const char *format, ...) PRINTF_LIKE(2, 3); /* each text once */

void pitfall(const struct pitfalls *pitfalls, const char *format, ...)
{
    ARENA_FORMAT(text, pitfalls->arena, format);
    if (text.len && !strlist_has(pitfalls->warnings, text))
        strlist_add(pitfalls->arena, pitfalls->warnings, text);
}

static struct str pitfall_quote(const struct pitfalls *pitfalls, struct str text)
{
    enum { SHOWN = 24 };
    return spec_quote(pitfalls->arena, text, SHOWN);
}

/* What is written in a field and read as something else. */

struct item {
    struct str text, base, end, step_text;
    bool star, single;
    int64_t step; /* 1 where none is given */
};

static int64_t item_number(const struct field *field, struct str text)
{
    int named = field->names ? field_named(field, text) : -1;
    int64_t number = named;
    if (named < 0 && !str_to_int64(str_slice(text, text.len && text.ptr[0] == '+', text.len), &number))
        number = INT64_MAX;
    return number;
}

/* The field parsed, so only its shape is looked at here. */
static struct item item_of(struct str text)
{
    struct item item = {.text = text, .step = 1};
    struct str rest = text, ends;
    str_cut(&rest, '/', &ends);
    item.step_text = rest;
    str_cut(&ends, '-', &item.base);
    item.single = !ends.ptr;
    item.end = ends;
    item.star = str_is(item.base, "*") || str_is(item.base, "?");
    if (rest.len && rest.ptr[0] == '+')
        rest = str_slice(rest, 1, rest.len);
    if (rest.len && !str_to_int64(rest, &item.step))
        item.step = INT64_MAX;
    return item;
}

/* A part behind "*" is not a number, and is reported as ignored elsewhere. */
static void warn_about_numbers(const struct pitfalls *pitfalls, const struct item *item)
{
    struct str rest = item->text, part, number;
    while (str_cut(&rest, '/', &part))
        while (!(item->star && part.ptr == item->text.ptr) && str_cut(&part, '-', &number)) {
            /* "+5" and "0005" are read as 5. */
            struct str digits = number;
            if (digits.len > 1 && digits.ptr[0] == '+')
                digits = str_slice(digits, 1, digits.len);
            bool zeros = digits.len > 2 && digits.ptr[0] == '0' && digits.ptr[1] == '0';
            while (digits.len > 1 && digits.ptr[0] == '0')
                digits = str_slice(digits, 1, digits.len);
            if (zeros || (number.len && number.ptr[0] == '+'))
                pitfall(pitfalls, "%.*s is read as %.*s", STR_ARG(pitfall_quote(pitfalls, number)),
                        STR_ARG(str_slice(digits, 0, 20)));
        }
}

/* "*" over 60 minutes by 7: 56 is followed by 0. `once`: the step passes the end at its first move,
 * so a step of 70 minutes runs at the first value only. `uneven`: the last interval before the
 * restart is shorter than the step. An explicit range ("0-40/15") is meant to end where it ends. */
static void warn_about_step(const struct pitfalls *pitfalls, enum field_id id, const struct item *item, uint64_t bits)
{
    static const char *const restarts[FIELD_COUNT] = {"minute 0", "midnight", "the 1st of every month", "January",
                                                      "Sunday"};
    const struct field *field = &spec_fields[id];
    if (id == FIELD_DAY_OF_WEEK && (bits & 1) && item->single && !item->star && item_number(field, item->base) > 0)
        bits = (bits & ~UINT64_C(1)) | UINT64_C(1) << 7; /* go-cron counts on to Sunday as 7 */
    int first = __builtin_ctzll(bits), last = 63 - __builtin_clzll(bits), size = field->max - field->min + 1;
    bool once = item->step > 1 && first == last;
    bool uneven = (item->star || item->single) && first + size - last < item->step;
    if (!once && !uneven)
        return;
    struct str shown = pitfall_quote(pitfalls, item->text);
    if (once)
        pitfall(pitfalls, "%s %.*s: the first step already passes the end, so only %d matches", field->name,
                STR_ARG(shown), first);
    else
        pitfall(pitfalls, "%s %.*s: counting restarts at %s, so the last interval is shorter", field->name,
                STR_ARG(shown), restarts[id]);
}

/* go-cron: a range that goes on over the end of its field. */
static void warn_about_wrap(const struct pitfalls *pitfalls, enum field_id id, const struct item *item)
{
    const enum cron_dialect dialect = pitfalls->schedule->dialect;
    const struct field *field = spec_field(dialect, id);
    struct fault ignored;
    uint64_t bits;
    if (!spec_dialects[dialect].wraps || item->star || !field_parse(dialect, item->text, id, &bits, &ignored) || !bits)
        return;
    int64_t start = item_number(field, item->base);
    struct str shown = pitfall_quote(pitfalls, item->text);
    if (start > field->max)
        pitfall(pitfalls, "%s %.*s: %.*s does not exist, so the steps count from %d", field->name, STR_ARG(shown),
                STR_ARG(pitfall_quote(pitfalls, item->base)), field->min);
    else if (id == FIELD_DAY_OF_WEEK && item->step > 1 && !item->single && start > item_number(field, item->end))
        pitfall(pitfalls, "%s %.*s: Sunday counts twice there, as 7 and as 0", field->name, STR_ARG(shown));
}

static void warn_about_item(const struct pitfalls *pitfalls, enum field_id id, const struct item *item)
{
    const char *name = spec_fields[id].name;
    struct fault ignored;
    uint64_t bits;
    if (item->star && !item->single)
        pitfall(pitfalls, "%s %.*s: what follows \"%.*s-\" is ignored", name,
                STR_ARG(pitfall_quote(pitfalls, item->text)), STR_ARG(item->base));
    if (str_is(item->base, "?") && id != FIELD_DAY_OF_MONTH && id != FIELD_DAY_OF_WEEK)
        pitfall(pitfalls, "%s \"?\" is read as \"*\"", name);
    warn_about_numbers(pitfalls, item);
    warn_about_wrap(pitfalls, id, item);
    if (item->step > 1 && field_parse(pitfalls->schedule->dialect, item->text, id, &bits, &ignored) &&
        (bits & ~CRON_STAR))
        warn_about_step(pitfalls, id, item, bits & ~CRON_STAR);
}

/* ITEMS_READ bounds the work for a schedule that is one long list; it has said all by then. */
static void warn_about_field(const struct pitfalls *pitfalls, enum field_id id, uint64_t bits)
{
    enum { ITEMS_READ = 100 };
    struct str text = pitfalls->parts.fields[id], rest = text, part;
    int items = 0;
    bool empty = false;
    if (str_is(text, "*"))
        return; /* most fields, and none of what follows is about them */
    while (items < ITEMS_READ && str_cut(&rest, ',', &part)) {
        empty |= part.len == 0;
        if (part.len == 0)
            continue;
        struct item item = item_of(part);
        warn_about_item(pitfalls, id, &item);
        items++;
    }
    bool redundant = items > 1 && (bits & CRON_STAR);
    if (items > 0 && !empty && !redundant)
        return;
    struct str shown = pitfall_quote(pitfalls, text);
    if (items == 0)
        pitfall(pitfalls, "%s %.*s is an empty list, so it matches nothing", spec_fields[id].name, STR_ARG(shown));
    else if (empty)
        pitfall(pitfalls, "%s %.*s: an empty list item is ignored", spec_fields[id].name, STR_ARG(shown));
    if (redundant)
        pitfall(pitfalls, "%s %.*s: \"*\" already means every value, so the rest of the list has no effect",
                spec_fields[id].name, STR_ARG(shown));
}

/* what is written and not meant */
static void pitfalls_of_fields(const struct pitfalls *pitfalls)
{
    const struct cron_schedule *schedule = pitfalls->schedule;
    const uint64_t sets[FIELD_COUNT] = {schedule->minute, schedule->hour, schedule->day_of_month, schedule->month,
                                        schedule->day_of_week};
    for (enum field_id id = 0; id < FIELD_COUNT; id++)
        warn_about_field(pitfalls, id, sets[id]);
}

/* kcm and Velero read the zero time, which the library returns when it finds no run, as a run that is due. */
static const char due[] = "kcm and Velero treat it as always due and start backups back to back";

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
 * apart. A date that must be a Friday can be eleven years apart, and as 29 February forty. In
 * UTC and with a date that every month has there is nothing to search for (runs_every_year),
 * which is nearly every schedule. */
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
            pitfall(pitfalls, "no run within the next five years; %s", due);
        else
            pitfall(pitfalls, "no run for over five years after %.*s; then %s", STR_ARG(date_text(pitfalls, before)),
                    due);
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
        pitfall(pitfalls, "29 February exists in leap years only");
        return;
    }
    BUF_SCOPED names;
    buf_init(&names, 256);
    struct set months = words_set(without, FIELD_MONTH);
    struct list_style style = {" to ", " and ", words_month, 12};
    words_list(&names, &months, &style);
    pitfall(pitfalls, "skips %.*s%s: that day does not exist there", STR_ARG(arena_text(pitfalls->arena, &names)),
            leap_day ? " (except in leap years)" : "");
}

/* `0 0 13 * 5` is the 13th or any Friday; in go-cron a Friday the 13th, which nobody expects who knows another cron. */
static void warn_about_day_rule(const struct pitfalls *pitfalls)
{
    const struct cron_schedule *schedule = pitfalls->schedule;
    uint64_t dates = schedule->day_of_month, weekdays = schedule->day_of_week;
    const struct day_rule rule = schedule_day_rule(schedule);
    if (rule.both && rule.by_date && rule.by_weekday)
        pitfall(pitfalls,
                "day-of-month and day-of-week are both set: it runs only when both match (other crons need only one)");
    if (rule.both || !dates || !weekdays)
        return;
    const struct str *texts = pitfalls->parts.fields;
    bool full = dates == field_all(FIELD_DAY_OF_MONTH);
    if (full || weekdays == field_all(FIELD_DAY_OF_WEEK)) {
        enum field_id id = full ? FIELD_DAY_OF_MONTH : FIELD_DAY_OF_WEEK;
        pitfall(
            pitfalls,
            "runs every day: %s %.*s covers every day without being \"*\", and a match of either day field is enough",
            spec_fields[id].name, STR_ARG(pitfall_quote(pitfalls, texts[id])));
        return;
    }
    pitfall(pitfalls,
            "day-of-month and day-of-week are both set: it runs when either matches, not only when both match");
    for (enum field_id id = 0; id < FIELD_COUNT; id++)
        if ((id == FIELD_DAY_OF_MONTH || id == FIELD_DAY_OF_WEEK) && str_contains(texts[id], STR("*")))
            pitfall(pitfalls, "%s %.*s does not count as \"*\" here", spec_fields[id].name,
                    STR_ARG(pitfall_quote(pitfalls, texts[id])));
}

static void pitfalls_of_calendar(const struct pitfalls *pitfalls)
{
    if (cron_never_fires(pitfalls->schedule)) {
        pitfall(pitfalls, "never runs; %s", due);
        return;
    }
    warn_about_horizon(pitfalls);
    warn_about_dates(pitfalls);
    if (pitfalls->parts.field_count == FIELD_COUNT)
        warn_about_day_rule(pitfalls);
}

/* What happens to a schedule when clocks are put forward or back within a year. */
enum { DAYS_AHEAD = 366, CHANGES_READ = 16, RUNS_READ = 5000 };

struct change {
    int64_t when;
    int before, after; /* offsets */
};

/* The schedule's sets hold the wall time, given as seconds since 1970 on that wall clock. */
static bool matches_wall(const struct cron_schedule *schedule, int64_t wall)
{
    struct civil c = civil_from_unix(wall);
    return (schedule->minute >> c.minute & 1) && (schedule->hour >> c.hour & 1) && (schedule->month >> c.month & 1) &&
           schedule_day_matches(schedule, c.day, c.weekday);
}

/* The first full minute from `start` to before `end` that matches; -1 when there is none. */
static int64_t first_match(const struct cron_schedule *schedule, int64_t start, int64_t end)
{
    for (int64_t wall = start + (60 - start % 60) % 60; wall < end; wall += SECONDS_PER_MINUTE)
        if (matches_wall(schedule, wall))
            return wall;
    return -1;
}

static void warn_at(const struct pitfalls *pitfalls, int64_t wall, const char *what)
{
    struct civil c = civil_from_unix(wall);
    struct str zone = pitfalls->schedule->zone->name;
    pitfall(pitfalls, "%02d:%02d on %04lld-%02d-%02d in %.*s: %s", c.hour, c.minute, (long long)c.year, c.month, c.day,
            STR_ARG(zone), what);
}

/* The first run from a clock change on, found as a controller finds it that has done those
 * before. Starts 36 hours before, at a time that the change cannot have touched, and goes from
 * run to run as a controller would: the libraries' answers depend on where they start. */
static bool run_after_change(const struct cron_schedule *schedule, const struct change *change, int64_t *run)
{
    int64_t at = change->when - 36 * SECONDS_PER_HOUR;
    for (int i = 0; i < RUNS_READ && cron_next(schedule, at, run) && *run < change->when; i++)
        at = *run;
    return cron_next(schedule, at, run);
}

/* Where midnight does not exist, the library loses its way through that day:
 * runs are missed, or come although the day does not match. */
static void warn_about_lost_day(const struct pitfalls *pitfalls, const struct change *change)
{
    const struct cron_schedule *schedule = pitfalls->schedule;
    int64_t start = change->when + change->after, end = start - start % SECONDS_PER_DAY + SECONDS_PER_DAY, run;
    int64_t expected = first_match(schedule, start, end);
    if (!run_after_change(schedule, change, &run))
        return;
    int64_t actual = run + change->after;
    if (expected >= 0 && actual > expected)
        warn_at(pitfalls, expected,
                "missed, because the controller skips a day without a midnight (clocks go forward)");
    else if (actual < end && !matches_wall(schedule, actual))
        warn_at(pitfalls, actual, "an extra run on a day that does not match, because that day has no midnight");
}

/* go-cron runs in the hour after the gap what the gap swallows, unless the hour before it has runs too. */
static bool warn_about_late_run(const struct pitfalls *pitfalls, const struct change *change, int64_t lost)
{
    const struct cron_schedule *schedule = pitfalls->schedule;
    int64_t run;
    if (!spec_dialects[schedule->dialect].gap_runs_late || !run_after_change(schedule, change, &run) ||
        run >= change->when + SECONDS_PER_HOUR || matches_wall(schedule, run + change->after))
        return false;
    struct civil c = civil_from_unix(run + change->after);
    char what[80];
    snprintf(what, sizeof what, "runs at %02d:%02d instead, because clocks skip that time", c.hour, c.minute);
    warn_at(pitfalls, lost, what);
    return true;
}

/* True when a run is lost: the first such change of a year is reported, not each. */
static bool warn_about_gap(const struct pitfalls *pitfalls, const struct change *change)
{
    int64_t start = change->when + change->before, end = change->when + change->after;
    int64_t lost = first_match(pitfalls->schedule, start, end);
    if (lost >= 0 && !warn_about_late_run(pitfalls, change, lost))
        warn_at(pitfalls, lost, "no run, because clocks skip that time");
    if (start % SECONDS_PER_DAY == 0)
        warn_about_lost_day(pitfalls, change);
    return lost >= 0;
}

/* Only if the library really answers with both hours, and not whenever the wall time matches
 * twice. */
static bool warn_about_overlap(const struct pitfalls *pitfalls, const struct change *change)
{
    const struct cron_schedule *schedule = pitfalls->schedule;
    int64_t wall = first_match(schedule, change->when + change->after, change->when + change->before), first, second;
    if (wall < 0 || !cron_next(schedule, wall - change->before - 1, &first) ||
        !cron_next(schedule, wall - change->after - 1, &second))
        return false;
    bool twice = first == wall - change->before && second == wall - change->after;
    if (twice)
        warn_at(pitfalls, wall, "runs twice, because clocks go back and that time occurs twice");
    return twice;
}

static void pitfalls_of_clock(const struct pitfalls *pitfalls)
{
    const struct cron_schedule *schedule = pitfalls->schedule;
    const struct cron_zone *zone = schedule->zone;
    /* A schedule of every hour goes on evenly whatever the clocks show. */
    if ((schedule->hour & ~CRON_STAR) == field_all(FIELD_HOUR) || cron_never_fires(schedule))
        return;
    struct zone_span span;
    zone_lookup(zone, pitfalls->now, &span);
    const int64_t end = pitfalls->now + (int64_t)DAYS_AHEAD * SECONDS_PER_DAY;
    bool gap = false, overlap = false;
    for (int i = 0; i < CHANGES_READ && span.until < end; i++) {
        struct change change = {.when = span.until, .before = span.type.offset};
        zone_lookup(zone, change.when, &span);
        change.after = span.type.offset;
        if (change.after > change.before && !gap)
            gap = warn_about_gap(pitfalls, &change);
        else if (change.after < change.before && !overlap)
            overlap = warn_about_overlap(pitfalls, &change);
    }
}

static void warn_about_spaces(const struct pitfalls *pitfalls)
{
    struct str spec = pitfalls->spec;
    for (size_t i = 0; i < spec.len; i++)
        if ((unsigned char)spec.ptr[i] >= 0x80 && spec_space(str_slice(spec, i, spec.len))) {
            pitfall(pitfalls, "it contains white space other than plain spaces (such as a no-break space)");
            return;
        }
}

/* The order is that of importance: never runs, dates, fields, clocks, zone. */
void cron_pitfalls(struct str spec, const struct cron_schedule *schedule, int64_t now, struct arena *arena,
                   struct strlist *warnings)
{
    struct pitfalls pitfalls = {.spec = spec, .schedule = schedule, .now = now, .arena = arena, .warnings = warnings};
    if (!spec_split(schedule->dialect, spec, &pitfalls.parts))
        return;
    if (schedule->every_seconds > 0) {
        /* "@every": the library is silent about what it rounds. */
        struct str text = str_slice(pitfalls.parts.body, sizeof "@every " - 1, pitfalls.parts.body.len);
        int64_t nanoseconds;
        struct error ignored;
        if (duration_parse(text, &nanoseconds, &ignored)) {
            struct str shown = pitfall_quote(&pitfalls, text);
            if (nanoseconds < NS_PER_SECOND)
                pitfall(&pitfalls, "%.*s is under one second, so it runs every second", STR_ARG(shown));
            else if (nanoseconds % NS_PER_SECOND)
                pitfall(&pitfalls, "%.*s: fractions of a second are dropped", STR_ARG(shown));
            pitfall(&pitfalls, "\"@every\" counts from the last run, so the time of day drifts");
            if (pitfalls.parts.has_zone)
                pitfall(&pitfalls, "\"@every\" ignores the time zone");
        }
    } else {
        pitfalls_of_calendar(&pitfalls);
        if (pitfalls.parts.field_count == FIELD_COUNT)
            pitfalls_of_fields(&pitfalls);
        pitfalls_of_clock(&pitfalls);
    }
    const struct spec_parts *parts = &pitfalls.parts;
    if (parts->has_zone) {
        if (parts->zone.len == 0)
            pitfall(&pitfalls, "the time zone is empty, so it is UTC");
        if (str_is(parts->zone, "Local"))
            pitfall(&pitfalls,
                    "\"Local\" is the time zone of the controller's container, usually UTC; name the zone you mean");
    }
    warn_about_spaces(&pitfalls);
}
