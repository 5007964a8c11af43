#include "advice.h"

/* "@daily" and its kind, "@every", and the number of fields. */

static const struct str descriptors[] = {STR_INIT("@hourly"),  STR_INIT("@daily"),   STR_INIT("@midnight"),
                                         STR_INIT("@weekly"),  STR_INIT("@monthly"), STR_INIT("@yearly"),
                                         STR_INIT("@annually")};
static const char known_descriptors[] = "@hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually and "
                                        "\"@every 6h\"";

static bool is_descriptor(struct str text)
{
    for (size_t i = 0; i < LENGTH_OF(descriptors); i++)
        if (str_eq(text, descriptors[i]))
            return true;
    return false;
}

struct str advise_on_descriptor(const struct advice *advice)
{
    struct arena *arena = advice->arena;
    struct str whole = advice->fault->value, rest = whole, word = {NULL, 0};
    spec_next_field(&rest, &word);
    struct str lower = advice_lower(arena, str_slice(word, 0, 20)), extra = {NULL, 0};
    spec_next_field(&rest, &extra);
    if (str_starts(lower, STR("@every")))
        return arena_printf(arena,
                            "%.*s is not accepted; write \"@every\", one space and a duration, as in \"@every 6h\"",
                            STR_ARG(advice->value));
    if (is_descriptor(lower) && word.len == lower.len && extra.len)
        return arena_printf(arena, "%.*s stands alone: remove what follows it", STR_ARG(advice_quote(arena, lower)));
    if (is_descriptor(word))
        return arena_printf(arena, "white space after %.*s is not accepted; remove it",
                            STR_ARG(advice_quote(arena, word)));
    if (is_descriptor(lower) && word.len == lower.len)
        return arena_printf(arena, "%.*s must be in small letters; write %.*s", STR_ARG(advice->value),
                            STR_ARG(advice_quote(arena, lower)));
    struct str near = str_nearest(lower, descriptors, LENGTH_OF(descriptors));
    if (near.len)
        return arena_printf(arena, "there is no %.*s; did you mean %.*s?", STR_ARG(advice->value),
                            STR_ARG(advice_quote(arena, near)));
    return arena_printf(arena, "there is no %.*s; use %s", STR_ARG(advice->value), known_descriptors);
}

/* Units that people write and Go does not know, as a number of units that it does. */
static const struct {
    struct str word;
    int64_t factor;
    char unit;
} units[] = {
    {STR_INIT("d"), 24, 'h'},      {STR_INIT("day"), 24, 'h'},   {STR_INIT("days"), 24, 'h'},
    {STR_INIT("w"), 168, 'h'},     {STR_INIT("week"), 168, 'h'}, {STR_INIT("weeks"), 168, 'h'},
    {STR_INIT("h"), 1, 'h'},       {STR_INIT("hr"), 1, 'h'},     {STR_INIT("hrs"), 1, 'h'},
    {STR_INIT("hour"), 1, 'h'},    {STR_INIT("hours"), 1, 'h'},  {STR_INIT("m"), 1, 'm'},
    {STR_INIT("min"), 1, 'm'},     {STR_INIT("mins"), 1, 'm'},   {STR_INIT("minute"), 1, 'm'},
    {STR_INIT("minutes"), 1, 'm'}, {STR_INIT("s"), 1, 's'},      {STR_INIT("sec"), 1, 's'},
    {STR_INIT("secs"), 1, 's'},    {STR_INIT("second"), 1, 's'}, {STR_INIT("seconds"), 1, 's'},
};

/* "1d", "5 Minutes", "2 w": a whole number and a word. */
static struct str converted(struct arena *arena, struct str text)
{
    text = str_trim(text);
    size_t digits = advice_digits(text);
    int64_t number;
    if (digits == 0 || digits > 6 || !str_to_int64(str_slice(text, 0, digits), &number))
        return (struct str){NULL, 0};
    struct str word = advice_lower(arena, str_trim(str_slice(text, digits, text.len)));
    for (size_t i = 0; i < LENGTH_OF(units); i++)
        if (str_eq(word, units[i].word))
            return arena_printf(arena, "%lld%c", (long long)number * units[i].factor, units[i].unit);
    return (struct str){NULL, 0};
}

/* The text without its white space, when that is a duration: "1h 30m". */
static struct str without_space(struct arena *arena, struct str text)
{
    char out[64];
    size_t length = 0;
    struct str part;
    for (; spec_next_field(&text, &part); length += part.len) {
        if (part.len > sizeof out - length)
            return (struct str){NULL, 0};
        memcpy(out + length, part.ptr, part.len);
    }
    int64_t ignored;
    struct error error;
    const struct str squeezed = {out, length};
    return duration_parse(squeezed, &ignored, &error) ? arena_copy(arena, squeezed) : (struct str){NULL, 0};
}

struct str advise_on_duration(const struct advice *advice)
{
    struct arena *arena = advice->arena;
    struct str text = advice->fault->value, better = without_space(arena, text);
    if (better.len)
        return arena_printf(arena, "the duration %.*s must not contain white space; write \"@every %.*s\"",
                            STR_ARG(advice->value), STR_ARG(better));
    better = converted(arena, text);
    if (better.len)
        return arena_printf(arena, "%.*s is not a duration (units are h, m and s); write \"@every %.*s\"",
                            STR_ARG(advice->value), STR_ARG(better));
    if (text.len && advice_digits(text) == text.len)
        return arena_printf(arena,
                            "the duration %.*s has no unit; write for example \"@every %.*sh\" or \"@every %.*sm\"",
                            STR_ARG(advice->value), STR_ARG(str_slice(text, 0, 12)), STR_ARG(str_slice(text, 0, 12)));
    return arena_printf(arena,
                        "%.*s is not a duration; write one such as \"@every 6h\" or \"@every 1h30m\" (units are h, "
                        "m and s; at most 2562047h)",
                        STR_ARG(advice->value));
}

/* ---- the number of fields --------------------------------------------------------- */

static const char five[] = "5 fields (minute hour day-of-month month day-of-week)";

static bool any_field(struct str body, bool (*is)(struct str field))
{
    for (struct str field; spec_next_field(&body, &field);)
        if (is(field))
            return true;
    return false;
}

static bool is_broken_list(struct str field)
{
    return field.len > 1 && (field.ptr[0] == ',' || field.ptr[field.len - 1] == ',');
}

static bool is_broken_range(struct str field)
{
    return str_is(field, "-") || (field.len > 1 && field.ptr[field.len - 1] == '-');
}

static bool is_zone(struct str field)
{
    return field.len > 3 && (str_eq_nocase(str_slice(field, 0, 3), STR("TZ=")) ||
                             str_eq_nocase(str_slice(field, 0, 8), STR("CRON_TZ=")));
}

/* One word: "daily" for "@daily", "6h" for "@every 6h". */
static struct str advise_on_one_word(const struct advice *advice, struct str word)
{
    struct arena *arena = advice->arena;
    struct str lower = advice_lower(arena, word);
    bool at = lower.len && lower.ptr[0] == '@';
    struct str name = at ? lower : arena_printf(arena, "@%.*s", STR_ARG(lower));
    struct str duration = converted(arena, word);
    if (is_descriptor(name))
        return arena_printf(arena, "%.*s is not accepted; write %.*s%s", STR_ARG(advice_quote(arena, advice->spec)),
                            STR_ARG(advice_quote(arena, name)), at ? " without white space before it" : "");
    if (duration.len)
        return arena_printf(arena, "%.*s is not a schedule; write \"@every %.*s\"",
                            STR_ARG(advice_quote(arena, advice->spec)), STR_ARG(duration));
    return (struct str){NULL, 0};
}

static const char *reason_for_count(struct str body, int64_t count)
{
    if (count > FIELD_COUNT && any_field(body, is_broken_list))
        return "; lists must not contain white space: write \"1,15\"";
    if (count > FIELD_COUNT && any_field(body, is_broken_range))
        return "; ranges must not contain white space: write \"1-5\"";
    if (count > FIELD_COUNT && any_field(body, is_zone))
        return "; a time zone stands at the very start, as in \"TZ=UTC 0 6 * * *\"";
    if (count == 6)
        return "; seconds are not supported, so remove the first field";
    if (count == 7)
        return "; seconds and years are not supported, so remove the first and the last field";
    return count < FIELD_COUNT ? "; write \"*\" for the fields that do not matter" : "";
}

struct str advise_on_field_count(const struct advice *advice)
{
    struct spec_parts parts;
    spec_split(advice->spec, &parts);
    int64_t count = advice->fault->number;
    struct str better = {NULL, 0};
    if (count == 0)
        return parts.has_zone ? STR("there is no schedule after the time zone; write for example \"TZ=UTC 0 6 * * *\"")
                              : STR("the schedule is empty: it holds only white space");
    if (count == 1)
        better = advise_on_one_word(advice, str_slice(parts.fields[0], 0, 40));
    if (better.len)
        return better;
    return arena_printf(advice->arena, "expected %s, found %lld%s", five, (long long)count,
                        reason_for_count(parts.body, count));
}
