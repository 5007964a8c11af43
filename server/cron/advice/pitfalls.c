#include "cron/advice/pitfalls.h"

void pitfall(const struct pitfalls *pitfalls, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct str text = arena_vprintf(pitfalls->arena, format, args);
    va_end(args);
    if (text.len && !strlist_has(pitfalls->warnings, text))
        strlist_add(pitfalls->arena, pitfalls->warnings, text);
}

struct str quote_short(const struct pitfalls *pitfalls, struct str text)
{
    enum { SHOWN = 24 };
    return spec_quote(pitfalls->arena, text, SHOWN);
}

/* "@every": the library is silent about what it rounds. */
static void warn_about_every(const struct pitfalls *pitfalls)
{
    struct str text = str_slice(pitfalls->parts.body, sizeof "@every " - 1, pitfalls->parts.body.len);
    int64_t nanoseconds;
    struct error ignored;
    if (!duration_parse(text, &nanoseconds, &ignored))
        return;
    struct str shown = quote_short(pitfalls, text);
    if (nanoseconds < 1000000000)
        pitfall(pitfalls, "%.*s is less than a second, so it runs every second", STR_ARG(shown));
    else if (nanoseconds % 1000000000)
        pitfall(pitfalls, "%.*s: the part of a second is dropped", STR_ARG(shown));
    pitfall(pitfalls, "\"@every\" counts from the last run, not by the clock, so the times of day drift");
    if (pitfalls->parts.has_zone)
        pitfall(pitfalls, "the time zone has no effect on \"@every\"");
}

static void warn_about_zone(const struct pitfalls *pitfalls)
{
    const struct spec_parts *parts = &pitfalls->parts;
    if (!parts->has_zone)
        return;
    if (parts->zone.len == 0)
        pitfall(pitfalls, "the time zone is empty, which means UTC");
    if (str_is(parts->zone, "Local"))
        pitfall(pitfalls,
                "\"Local\" is the time zone of the controller's container, usually UTC; write the zone you mean");
}

static void warn_about_spaces(const struct pitfalls *pitfalls)
{
    struct str spec = pitfalls->spec;
    for (size_t i = 0; i < spec.len; i++)
        if ((unsigned char)spec.ptr[i] >= 0x80 && spec_space(str_slice(spec, i, spec.len))) {
            pitfall(pitfalls, "it contains white space that only looks like a plain space (such as a no-break space)");
            return;
        }
}

void cron_pitfalls(struct str spec, const struct cron_schedule *schedule, int64_t now, struct arena *arena,
                   struct strlist *warnings)
{
    struct pitfalls pitfalls = {.spec = spec, .schedule = schedule, .now = now, .arena = arena, .warnings = warnings};
    if (!spec_split(schedule->dialect, spec, &pitfalls.parts))
        return;
    if (schedule->every_seconds > 0) {
        warn_about_every(&pitfalls);
    } else {
        pitfalls_of_calendar(&pitfalls);
        if (pitfalls.parts.field_count == FIELD_COUNT)
            pitfalls_of_fields(&pitfalls);
        pitfalls_of_clock(&pitfalls);
    }
    warn_about_zone(&pitfalls);
    warn_about_spaces(&pitfalls);
}
