#include "cron/advice/advice.h"

/* Too few fields, or too many. */

static const char five[] = "5 fields (minute hour day-of-month month day-of-week)";

static struct str without_fields(struct str body, size_t count)
{
    struct str skipped;
    while (count-- > 0)
        spec_next_field(&body, &skipped);
    return body;
}

/* The first five fields, which a five-field schedule may stand in. */
static struct str first_five(struct str body)
{
    return str_slice(body, 0, body.len - without_fields(body, FIELD_COUNT).len);
}

static bool is_schedule(enum cron_dialect dialect, struct str text)
{
    struct cron_schedule schedule;
    struct fault fault;
    return spec_parse(dialect, text, cron_zone_utc(), &schedule, &fault);
}

static bool any_field(struct str body, bool (*is)(struct str field))
{
    for (struct str field; spec_next_field(&body, &field);)
        if (is(field))
            return true;
    return false;
}

static bool begins_or_ends(struct str field, char c)
{
    return field.ptr[0] == c || field.ptr[field.len - 1] == c;
}

static bool is_broken_list(struct str field)
{
    return field.len > 1 && begins_or_ends(field, ',');
}

static bool is_broken_range(struct str field)
{
    return begins_or_ends(field, '-');
}

/* "*" then "/6", or "0/" then "6"; not "/usr/bin/velero". */
static bool is_broken_step(struct str field)
{
    struct str after = str_slice(field, 1, field.len);
    return field.ptr[0] == '/' ? advice_digits(after) == after.len : field.ptr[field.len - 1] == '/';
}

static bool is_assignment(struct str field)
{
    return str_contains(field, STR("=")) || str_eq_nocase(field, STR("TZ")) || str_eq_nocase(field, STR("CRON_TZ"));
}

static bool is_zone_name(struct str field)
{
    struct error ignored;
    return field.len >= 3 && char_is_letter(field.ptr[0]) && cron_zone_find(field, &ignored);
}

/* A year, a user, a command: what no field of any cron's holds but the year. */
static bool is_no_field(struct str field)
{
    enum { YEAR_DIGITS = 4, NAME_LETTERS = 3 };
    if (advice_digits(field) >= YEAR_DIGITS)
        return true;
    if (char_is_letter(field.ptr[0]))
        return field.len > NAME_LETTERS &&
               field_named(&spec_fields[FIELD_DAY_OF_WEEK], str_slice(field, 0, NAME_LETTERS)) < 0;
    return !str_contains(STR("0123456789*?,"), str_slice(field, 0, 1));
}

/* What one field too many is most likely: each advice leaves a schedule that is accepted. */
static const char *reason_for_surplus(enum cron_dialect dialect, struct str body, int64_t count)
{
    struct str rest = without_fields(body, FIELD_COUNT), sixth;
    spec_next_field(&rest, &sixth);
    if (count == FIELD_COUNT + 1) {
        struct str whole = body, first;
        spec_next_field(&whole, &first);
        if (is_zone_name(sixth) || is_zone_name(first))
            return "; a time zone stands at the very start, as in \"TZ=UTC 0 6 * * *\"";
        if (is_schedule(dialect, without_fields(body, 1)))
            return "; seconds are not supported, so remove the first field";
    }
    if (is_no_field(sixth) && is_schedule(dialect, first_five(body)))
        return "; remove what follows the fifth";
    if (count == FIELD_COUNT + 1)
        return "; seconds are not supported";
    if (count > FIELD_COUNT + 2)
        return "";
    return is_schedule(dialect, first_five(without_fields(body, 1)))
               ? "; seconds and years are not supported, so remove the first and the last field"
               : "; seconds and years are not supported";
}

static const char *reason_for_count(enum cron_dialect dialect, struct str body, int64_t count)
{
    static const struct {
        bool (*is)(struct str field);
        const char *reason;
    } slips[] = {
        {is_broken_list, "; lists must not contain white space: write \"1,15\""},
        {is_broken_range, "; ranges must not contain white space: write \"1-5\""},
        {is_broken_step, "; steps must not contain white space: write \"*/6\""},
        {is_assignment, "; a time zone stands at the very start, as in \"TZ=UTC 0 6 * * *\""},
    };
    if (count < FIELD_COUNT)
        return "; write \"*\" for the fields that do not matter";
    for (size_t i = 0; i < LENGTH_OF(slips); i++)
        if (any_field(body, slips[i].is))
            return slips[i].reason;
    return reason_for_surplus(dialect, body, count);
}

/* "daily" for "@daily"; "6h", "30 days" and "every 6 hours" for "@every". */
static struct str advise_on_words(const struct advice *advice, struct str body)
{
    enum { LENGTH_MAX = 40 };
    struct arena *arena = advice->arena;
    struct str lower = advice_lower(arena, str_trim(str_slice(body, 0, LENGTH_MAX)));
    bool at = lower.len && lower.ptr[0] == '@';
    struct str name = at ? lower : arena_printf(arena, "@%.*s", STR_ARG(lower));
    if (advice_is_descriptor(name))
        return arena_printf(arena, "%.*s is not accepted; write %.*s%s", STR_ARG(advice_quote(arena, advice->spec)),
                            STR_ARG(advice_quote(arena, name)), at ? " without white space before it" : "");
    struct str every = STR("every ");
    struct str duration =
        advice_duration(arena, str_starts(lower, every) ? str_slice(lower, every.len, lower.len) : lower);
    if (duration.len)
        return arena_printf(arena, "%.*s is not a schedule; write \"@every %.*s\"",
                            STR_ARG(advice_quote(arena, advice->spec)), STR_ARG(duration));
    return (struct str){NULL, 0};
}

struct str advise_on_field_count(const struct advice *advice)
{
    struct spec_parts parts;
    spec_split(advice->dialect, advice->spec, &parts);
    int64_t count = advice->fault->number;
    struct str better = {NULL, 0};
    if (count == 0)
        return parts.has_zone ? STR("there is no schedule after the time zone; write for example \"TZ=UTC 0 6 * * *\"")
                              : STR("the schedule is empty: it holds only white space");
    if (count < FIELD_COUNT)
        better = advise_on_words(advice, parts.body);
    if (better.len)
        return better;
    return arena_printf(advice->arena, "expected %s, found %lld%s", five, (long long)count,
                        reason_for_count(advice->dialect, parts.body, count));
}
