#include <stdio.h>

#include "cron/advice/advice.h"

/* What is wrong inside of a field. */

static const struct field *field_of(const struct advice *advice)
{
    return spec_field(advice->dialect, advice->fault->field);
}

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
        return STR("day-of-week 7 is not accepted; for Sunday use 0 or sun");
    if (start <= 1)
        return STR("day-of-week 7 is not accepted; for every day write \"*\"");
    return arena_printf(advice->arena, "day-of-week 7 is not accepted; for Sunday use 0 or sun: write \"%lld-6,0\"",
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
        hint = "; the full hour is 0";
    return arena_printf(advice->arena, "%s %lld is out of range; allowed are %s%s", field->name,
                        (long long)fault->number, field->allowed, hint);
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
        return arena_printf(advice->arena, "%s range %.*s runs backwards; split it into %.*s and %.*s", field->name,
                            STR_ARG(advice->range), STR_ARG(first), STR_ARG(second));
    return arena_printf(advice->arena, "%s range %.*s runs backwards; write \"%.*s,%.*s\"", field->name,
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

/* Signs of other crons' dialects and of slips of the keyboard. */
static const char *foreign_sign(struct str value, struct str range)
{
    static const struct {
        const char *part, *hint;
    } signs[] = {
        {"#", "\"#\" (the nth weekday of a month) is not supported"},
        {"*", "\"*\" stands alone or before a step, as in \"*/5\""},
        {"?", "\"?\" stands alone"},
        {":", "a time is written as two fields, minute and hour: \"30 9\" for 09:30"},
        {"..", "a range is written with a hyphen, as in \"1-5\""},
        {"~", "a range is written with a hyphen, as in \"1-5\""},
        {";", "a list is written with commas, as in \"1,15\""},
        {"&", "a list is written with commas, as in \"1,15\""},
        {"|", "a list is written with commas, as in \"1,15\""},
        {"+", "a list is written with commas, as in \"1,15\""},
        {".", "only whole numbers are accepted"},
        {"\"", "remove the quotes"},
        {"'", "remove the quotes"},
        {"`", "remove the quotes"},
        {"\xe2\x80\x93", "a range is written with a plain hyphen, \"-\""},
        {"\xe2\x80\x94", "a range is written with a plain hyphen, \"-\""},
        {"=", "a time zone stands at the very start, as in \"TZ=UTC 0 6 * * *\""},
    };
    if (value.len == 0)
        return range.len && range.ptr[0] == '-' && advice_digits(str_slice(range, 1, range.len))
                   ? "negative numbers are not accepted"
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

/* "monday" where "mon" is meant, or a name in a field that has none. */
static struct str say_name(const struct advice *advice)
{
    struct str value = advice->fault->value, three = str_slice(value, 0, 3);
    const struct field *field = field_of(advice);
    int own = field_named(field, three), month = field_named(&spec_fields[FIELD_MONTH], three),
        weekday = field_named(&spec_fields[FIELD_DAY_OF_WEEK], three);
    if (own >= 0)
        return arena_printf(advice->arena, "%s %.*s is not accepted; names have three letters: write \"%s\"",
                            field->name, STR_ARG(advice->value), field->names[own - field->min]);
    if (month >= 0 || weekday >= 0)
        return arena_printf(advice->arena, "%s %.*s is not accepted: it is a %s; allowed are %s", field->name,
                            STR_ARG(advice->value), month >= 0 ? "month" : "day of the week", field->allowed);
    return arena_printf(advice->arena, "%s %.*s is not a number; allowed are %s", field->name, STR_ARG(advice->value),
                        field->allowed);
}

static struct str say_not_a_number(const struct advice *advice)
{
    const struct fault *fault = advice->fault;
    const char *hint = foreign_sign(fault->value, fault->range);
    /* Of what another cron can do and this one cannot there is nothing to be corrected. */
    bool foreign = hint && str_ends(str_from(hint), STR("is not supported"));
    if (hint)
        return arena_printf(advice->arena, "%s %.*s is not accepted: %s%s%s", field_of(advice)->name,
                            STR_ARG(advice->range), hint, foreign ? "; allowed are " : "",
                            foreign ? field_of(advice)->allowed : "");
    if (fault->step)
        return arena_printf(advice->arena, "%s step %.*s is not a number; write for example \"*/5\"",
                            field_of(advice)->name, STR_ARG(advice->value));
    return say_name(advice);
}

/* robfig/cron takes it for the first value alone. */
static struct str say_step_too_large(const struct advice *advice)
{
    const struct field *field = field_of(advice);
    const struct fault *fault = advice->fault;
    if (fault->start > field->max)
        return say_out_of_range(advice);
    return arena_printf(advice->arena,
                        "%s step in %.*s must be less than %llu, the size of its range; for its first "
                        "value alone write \"%lld\"",
                        field->name, STR_ARG(advice->range), (unsigned long long)fault->size, (long long)fault->start);
}

struct str advise_on_field(const struct advice *advice)
{
    struct arena *arena = advice->arena;
    const char *name = field_of(advice)->name;
    switch (advice->fault->kind) {
    case FAULT_FOREIGN:
    case FAULT_NOT_A_NUMBER:
        return say_not_a_number(advice);
    case FAULT_NUMBER_TOO_LARGE:
        return arena_printf(arena, "%s %.*s is too large; allowed are %s", name, STR_ARG(advice->value),
                            field_of(advice)->allowed);
    case FAULT_NEGATIVE:
    case FAULT_STEP_ZERO:
        return arena_printf(arena, "%s step in %.*s must be 1 or more", name, STR_ARG(advice->range));
    case FAULT_STEP_TOO_LARGE:
        return say_step_too_large(advice);
    case FAULT_HYPHENS:
        return arena_printf(arena, "%s %.*s has more than one hyphen; write a range as \"1-5\" and a list as \"1,3,5\"",
                            name, STR_ARG(advice->range));
    case FAULT_SLASHES:
        return arena_printf(arena, "%s %.*s has more than one \"/\"; write one step, as in \"*/15\"", name,
                            STR_ARG(advice->range));
    case FAULT_BACKWARDS:
        return say_backwards(advice);
    default:
        return say_out_of_range(advice);
    }
}
