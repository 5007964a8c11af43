/* One function for each kind of fault, each with the value, what is allowed and, where the
 * mistake is a known one, what to write instead. Whatever is proposed has been parsed first
 * (is_schedule, cron_zone_find), so that following the advice works. */
#include <stdio.h>

#include "cron/spec.h"

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

static struct str advise_on_field_count(const struct advice *advice);

static struct str advise_on_field(const struct advice *advice);

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

/* The advice is made in an arena of its own, since parsing needs none and most schedules are
 * right. */
bool cron_parse(enum cron_dialect dialect, struct str spec, const struct cron_zone *controller_zone,
                struct cron_schedule *schedule, struct error *error)
{
    struct fault fault;
    if (spec_parse(dialect, spec, controller_zone, schedule, &fault))
        return true;
    ARENA_SCOPED arena = arena_new(256 * 1024);
    struct str text = {NULL, 0};
    if (arena) {
        struct advice advice = {
            dialect, arena, spec, &fault, advice_quote(arena, fault.value), advice_quote(arena, fault.range)};
        text = advice_of_kind(&advice);
    }
    if (!arena || arena_failed(arena))
        error_at(error, 500, fault_position(spec, &fault), "out of memory");
    else
        error_at(error, 422, fault_position(spec, &fault), "%.*s", STR_ARG(text));
    return false;
}

/* What is wrong inside of a field. */

static const struct field *field_of(const struct advice *advice)
{
    return spec_field(advice->dialect, advice->fault->field);
}

/* Values that reach this are within a field's bounds or next to them; the mask only tells the
 * compiler so. */
static struct str value_name(const struct field *field, int64_t value, bool names, char buffer[8])
{
    if (names && field->names && value >= field->min && value <= field->max)
        return str_from(field->names[value - field->min]);
    int length = snprintf(buffer, 8, "%d", (int)(value & 0x3f));
    return (struct str){buffer, (size_t)length};
}

/* "a-b", or "a" when both are the same. */
static struct str range_text(const struct advice *advice, int64_t start, int64_t end, bool names)
{
    char low[8], high[8];
    struct str first = value_name(field_of(advice), start, names, low),
               last = value_name(field_of(advice), end, names, high);
    if (start == end)
        return arena_copy(advice->arena, first);
    return arena_printf(advice->arena, "%.*s-%.*s", STR_ARG(first), STR_ARG(last));
}

/* The seventh day, which other crons take for Sunday. */
static struct str say_seven(const struct advice *advice)
{
    int64_t start = advice->fault->start;
    if (start >= field_of(advice)->max || str_contains(advice->fault->range, STR("/")))
        return STR("day-of-week 7 is out of range; for Sunday use 0 or sun");
    if (start <= 1)
        return STR("day-of-week 7 is out of range; for every day use \"*\"");
    return arena_printf(advice->arena, "day-of-week 7 is out of range; Sunday is 0 or sun, so use \"%lld-6,0\"",
                        (long long)start);
}

static struct str say_out_of_range(const struct advice *advice)
{
    const struct field *field = field_of(advice);
    const struct fault *fault = advice->fault;
    const char *hint = "";
    if (fault->kind == FAULT_ABOVE && fault->field == FIELD_DAY_OF_WEEK && fault->number == 7) /* robfig/cron */
        return say_seven(advice);
    if (fault->kind == FAULT_ABOVE && fault->field == FIELD_HOUR && fault->number == 24)
        hint = "; midnight is 0";
    if (fault->kind == FAULT_ABOVE && fault->field == FIELD_MINUTE && fault->number == 60)
        hint = "; the top of the hour is 0";
    return arena_printf(advice->arena, "%s %lld is out of range; use %s%s", field->name, (long long)fault->number,
                        field->allowed, hint);
}

/* "fri-mon" becomes "fri-sat,sun-mon": the week does not go on after its last day. */
static struct str say_backwards(const struct advice *advice)
{
    const struct field *field = field_of(advice);
    const struct fault *fault = advice->fault;
    if (fault->start > field->max)
        return say_out_of_range(advice);
    bool names = field_named(field, fault->value) >= 0;
    struct str first = range_text(advice, fault->start, field->max, names);
    struct str second = range_text(advice, field->min, fault->end, names);
    if (str_contains(fault->range, STR("/")))
        return arena_printf(advice->arena, "%s range %.*s is backwards; split it into %.*s and %.*s", field->name,
                            STR_ARG(advice->range), STR_ARG(first), STR_ARG(second));
    return arena_printf(advice->arena, "%s range %.*s is backwards; use \"%.*s,%.*s\"", field->name,
                        STR_ARG(advice->range), STR_ARG(first), STR_ARG(second));
}

/* ---- what is no number -------------------------------------------------------------- */

static bool only_contains(struct str text, const char *allowed)
{
    for (size_t i = 0; i < text.len; i++)
        if (!str_contains(str_from(allowed), str_slice(text, i, i + 1)))
            return false;
    return text.len > 0;
}

/* Signs of other crons' dialects and of slips of the keyboard. The order matters: the first sign
 * found is reported, so longer ones (..) stand before those they contain (.). */
static const char *foreign_sign(struct str value, struct str range)
{
    static const struct {
        const char *part, *hint;
    } signs[] = {
        {"#", "\"#\" (the nth weekday of a month) is not supported"},
        {"*", "\"*\" is only valid on its own or before a step, as in \"*/5\""},
        {"?", "\"?\" is only valid on its own"},
        {":", "minute and hour are two fields: \"30 9\" is 09:30"},
        {"..", "use a hyphen for a range, as in \"1-5\""},
        {"~", "use a hyphen for a range, as in \"1-5\""},
        {";", "use commas for a list, as in \"1,15\""},
        {"&", "use commas for a list, as in \"1,15\""},
        {"|", "use commas for a list, as in \"1,15\""},
        {"+", "use commas for a list, as in \"1,15\""},
        {".", "use whole numbers"},
        {"\"", "remove the quotes"},
        {"'", "remove the quotes"},
        {"`", "remove the quotes"},
        {"\xe2\x80\x93", "use a plain hyphen \"-\" for a range"},
        {"\xe2\x80\x94", "use a plain hyphen \"-\" for a range"},
        {"=", "the time zone goes at the very start, as in \"TZ=UTC 0 6 * * *\""},
    };
    if (value.len == 0)
        return range.len && range.ptr[0] == '-' && advice_digits(str_slice(range, 1, range.len))
                   ? "negative numbers are not allowed"
                   : "a number is missing";
    for (size_t i = 0; i < LENGTH_OF(signs); i++)
        if (str_contains(value, str_from(signs[i].part)))
            return signs[i].hint;
    if (only_contains(value, "0123456789L-") || str_is(value, "LW"))
        return "\"L\" (the last) is not supported";
    if (only_contains(value, "0123456789W"))
        return "\"W\" (the nearest weekday) is not supported";
    if (value.ptr[0] == 'H' && (value.len == 1 || value.ptr[1] == '('))
        return "\"H\" (a value chosen by hash) is not supported";
    return NULL;
}

static struct str say_not_a_number(const struct advice *advice)
{
    const struct fault *fault = advice->fault;
    const char *hint = foreign_sign(fault->value, fault->range);
    /* Of what another cron can do and this one cannot there is nothing to be corrected. */
    bool foreign = hint && str_ends(str_from(hint), STR("is not supported"));
    if (hint)
        return arena_printf(advice->arena, "%s %.*s is not valid: %s%s%s", field_of(advice)->name,
                            STR_ARG(advice->range), hint, foreign ? "; use " : "",
                            foreign ? field_of(advice)->allowed : "");
    if (fault->step)
        return arena_printf(advice->arena, "%s step %.*s is not a number; use, for example, \"*/5\"",
                            field_of(advice)->name, STR_ARG(advice->value));
    /* "monday" where "mon" is meant, or a name in a field that has none. */
    struct str value = advice->fault->value, three = str_slice(value, 0, 3);
    const struct field *field = field_of(advice);
    int own = field_named(field, three), month = field_named(&spec_fields[FIELD_MONTH], three),
        weekday = field_named(&spec_fields[FIELD_DAY_OF_WEEK], three);
    if (own >= 0)
        return arena_printf(advice->arena, "%s %.*s is not valid; names have three letters, so use \"%s\"", field->name,
                            STR_ARG(advice->value), field->names[own - field->min]);
    if (month >= 0 || weekday >= 0)
        return arena_printf(advice->arena, "%s %.*s is not valid: it is a %s; use %s", field->name,
                            STR_ARG(advice->value), month >= 0 ? "month" : "day of the week", field->allowed);
    return arena_printf(advice->arena, "%s %.*s is not a number; use %s", field->name, STR_ARG(advice->value),
                        field->allowed);
}

/* robfig/cron takes it for the first value alone. */
static struct str say_step_too_large(const struct advice *advice)
{
    const struct field *field = field_of(advice);
    const struct fault *fault = advice->fault;
    if (fault->start > field->max)
        return say_out_of_range(advice);
    return arena_printf(
        advice->arena,
        "%s step in %.*s must be less than %llu, the size of its range; for the first value alone use \"%lld\"",
        field->name, STR_ARG(advice->range), (unsigned long long)fault->size, (long long)fault->start);
}

static struct str advise_on_field(const struct advice *advice)
{
    struct arena *arena = advice->arena;
    const char *name = field_of(advice)->name;
    switch (advice->fault->kind) {
    case FAULT_FOREIGN:
    case FAULT_NOT_A_NUMBER:
        return say_not_a_number(advice);
    case FAULT_NUMBER_TOO_LARGE:
        return arena_printf(arena, "%s %.*s is too large; use %s", name, STR_ARG(advice->value),
                            field_of(advice)->allowed);
    case FAULT_NEGATIVE:
    case FAULT_STEP_ZERO:
        return arena_printf(arena, "%s step in %.*s must be 1 or more", name, STR_ARG(advice->range));
    case FAULT_STEP_TOO_LARGE:
        return say_step_too_large(advice);
    case FAULT_HYPHENS:
        return arena_printf(arena, "%s %.*s has more than one hyphen; a range is \"1-5\" and a list is \"1,3,5\"", name,
                            STR_ARG(advice->range));
    case FAULT_SLASHES:
        return arena_printf(arena, "%s %.*s has more than one \"/\"; use one step, as in \"*/15\"", name,
                            STR_ARG(advice->range));
    case FAULT_BACKWARDS:
        return say_backwards(advice);
    default:
        return say_out_of_range(advice);
    }
}

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

static const char *reason_for_count(enum cron_dialect dialect, struct str body, int64_t count)
{
    static const struct {
        bool (*is)(struct str field);
        const char *reason;
    } slips[] = {
        {is_broken_list, "; a list must not contain white space: use \"1,15\""},
        {is_broken_range, "; a range must not contain white space: use \"1-5\""},
        {is_broken_step, "; a step must not contain white space: use \"*/6\""},
        {is_assignment, "; the time zone goes at the very start, as in \"TZ=UTC 0 6 * * *\""},
    };
    if (count < FIELD_COUNT)
        return "; use \"*\" for fields that do not matter";
    for (size_t i = 0; i < LENGTH_OF(slips); i++)
        if (any_field(body, slips[i].is))
            return slips[i].reason;
    /* What one field too many is most likely: each advice leaves a schedule that is accepted. A
     * sixth field can be seconds (in front), a year (behind), a user or a command (from
     * /etc/crontab), or a zone. */
    struct str rest = without_fields(body, FIELD_COUNT), sixth;
    spec_next_field(&rest, &sixth);
    if (count == FIELD_COUNT + 1) {
        struct str whole = body, first;
        spec_next_field(&whole, &first);
        if (is_zone_name(sixth) || is_zone_name(first))
            return "; the time zone goes at the very start, as in \"TZ=UTC 0 6 * * *\"";
        if (is_schedule(dialect, without_fields(body, 1)))
            return "; seconds are not supported, so remove the first field";
    }
    if (is_no_field(sixth) && is_schedule(dialect, first_five(body)))
        return "; remove everything after the fifth";
    if (count == FIELD_COUNT + 1)
        return "; seconds are not supported";
    if (count > FIELD_COUNT + 2)
        return "";
    return is_schedule(dialect, first_five(without_fields(body, 1)))
               ? "; seconds and years are not supported, so remove the first and the last field"
               : "; seconds and years are not supported";
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
        return arena_printf(arena, "%.*s is not valid; use %.*s%s", STR_ARG(advice_quote(arena, advice->spec)),
                            STR_ARG(advice_quote(arena, name)), at ? " without leading white space" : "");
    struct str every = STR("every ");
    struct str duration =
        advice_duration(arena, str_starts(lower, every) ? str_slice(lower, every.len, lower.len) : lower);
    if (duration.len)
        return arena_printf(arena, "%.*s is not a schedule; use \"@every %.*s\"",
                            STR_ARG(advice_quote(arena, advice->spec)), STR_ARG(duration));
    return (struct str){NULL, 0};
}

static struct str advise_on_field_count(const struct advice *advice)
{
    struct spec_parts parts;
    spec_split(advice->dialect, advice->spec, &parts);
    int64_t count = advice->fault->number;
    struct str better = {NULL, 0};
    if (count == 0)
        return parts.has_zone ? STR("no schedule follows the time zone; use, for example, \"TZ=UTC 0 6 * * *\"")
                              : STR("the schedule is empty: it is only white space");
    if (count < FIELD_COUNT)
        better = advise_on_words(advice, parts.body);
    if (better.len)
        return better;
    return arena_printf(advice->arena, "expected %s, found %lld%s", five, (long long)count,
                        reason_for_count(advice->dialect, parts.body, count));
}
