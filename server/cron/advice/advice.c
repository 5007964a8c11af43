#include "cron/advice/advice.h"

/* Our words for what is wrong with a schedule: the value, what is allowed, and
 * what to write instead where the mistake is a known one. */

/* "UTC+2", "GMT-5", "+02:00". */
static bool is_offset(struct str zone)
{
    if (str_starts(zone, STR("UTC")) || str_starts(zone, STR("GMT")))
        zone = str_slice(zone, 3, zone.len);
    return zone.len > 1 && (zone.ptr[0] == '+' || zone.ptr[0] == '-') && advice_digits(str_slice(zone, 1, 2));
}

static bool advice_has_space(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (spec_space(str_slice(text, i, text.len)))
            return true;
    return false;
}

static struct str advise_on_zone(const struct advice *advice)
{
    struct arena *arena = advice->arena;
    struct str zone = advice->fault->value;
    if (zone.len == 0)
        return STR("the time zone is empty; name one, as in \"TZ=UTC 0 6 * * *\"");
    if (advice_has_space(zone))
        return arena_printf(arena, "the time zone %.*s must be followed by a plain space, not by other white space",
                            STR_ARG(advice->value));
    if (is_offset(zone))
        return arena_printf(arena,
                            "an offset such as %.*s is not a time zone; use a name such as \"Europe/Berlin\", or "
                            "\"Etc/GMT-2\" for two hours ahead of UTC",
                            STR_ARG(advice->value));
    struct str near = zone.len <= 64 ? zone_suggest(zone) : STR("");
    struct error ignored;
    if (near.len && cron_zone_find(near, &ignored))
        return arena_printf(arena, "unknown time zone %.*s; did you mean %.*s? (names are case-sensitive)",
                            STR_ARG(advice->value), STR_ARG(advice_quote(arena, near)));
    return arena_printf(arena, "unknown time zone %.*s; use a name such as \"Europe/Berlin\", or \"UTC\"",
                        STR_ARG(advice->value));
}

static struct str advice_of_kind(const struct advice *advice)
{
    switch (advice->fault->kind) {
    case FAULT_EMPTY:
        return STR("the schedule is empty; use five fields such as \"0 */6 * * *\", or a name such as \"@daily\"");
    case FAULT_TOO_LONG:
        return arena_printf(advice->arena, "the schedule is %lld bytes long; the maximum is %zu",
                            (long long)advice->fault->number, spec_dialects[advice->dialect].length_max);
    case FAULT_NO_SPACE_AFTER_ZONE:
        return arena_printf(
            advice->arena,
            "%.*s has no space and no schedule after the time zone%s; use, for example, \"TZ=UTC 0 6 * * *\"",
            STR_ARG(advice_quote(advice->arena, advice->spec)),
            spec_dialects[advice->dialect].zone_checked ? "" : ", and the parser panics on it");
    case FAULT_NOTHING_AFTER_ZONE:
        return STR("no schedule follows the time zone; use, for example, \"TZ=UTC 0 6 * * *\"");
    case FAULT_ZONE_TEXT:
    case FAULT_ZONE:
        return advise_on_zone(advice);
    case FAULT_DURATION:
        return advise_on_duration(advice);
    case FAULT_EVERY_TOO_SHORT:
        return arena_printf(advice->arena,
                            "\"@every\" needs at least one second, and %.*s is less; use, for example, \"@every 6h\"",
                            STR_ARG(advice->value));
    case FAULT_DESCRIPTOR:
        return advise_on_descriptor(advice);
    case FAULT_FIELD_COUNT:
        return advise_on_field_count(advice);
    default:
        return advise_on_field(advice);
    }
}

static void advice_write(enum cron_dialect dialect, struct str spec, const struct fault *fault, struct error *error)
{
    ARENA_SCOPED arena = arena_new(256 * 1024);
    struct str text = {NULL, 0};
    if (arena) {
        struct advice advice = {
            dialect, arena, spec, fault, advice_quote(arena, fault->value), advice_quote(arena, fault->range)};
        text = advice_of_kind(&advice);
    }
    if (!arena || arena_failed(arena))
        error_at(error, 500, fault_position(spec, fault), "out of memory");
    else
        error_at(error, 422, fault_position(spec, fault), "%.*s", STR_ARG(text));
}

bool cron_parse(enum cron_dialect dialect, struct str spec, const struct cron_zone *controller_zone,
                struct cron_schedule *schedule, struct error *error)
{
    struct fault fault;
    if (spec_parse(dialect, spec, controller_zone, schedule, &fault))
        return true;
    advice_write(dialect, spec, &fault, error);
    return false;
}
