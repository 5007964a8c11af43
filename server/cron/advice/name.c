/* What all advice on schedules is written with, and advice on "@daily" and its kind and on
 * durations: "@every 1 day", "daily" without its sign, "30 minutes", "@Hourly". */
#include "cron/spec.h"

/* What all advice is written with, and advice on "@daily" and its kind, and "@every". */

struct str spec_quote(struct arena *arena, struct str text, size_t limit)
{
    struct str shown = arena_quote(arena, str_slice(text, 0, limit));
    if (text.len <= limit || shown.len == 0)
        return shown;
    return arena_printf(arena, "%.*s...\"", (int)shown.len - 1, shown.ptr);
}

struct str advice_quote(struct arena *arena, struct str text)
{
    enum { SHOWN = 48 };
    return spec_quote(arena, text, SHOWN);
}

struct str advice_lower(struct arena *arena, struct str text)
{
    char *lower = arena_alloc(arena, text.len + 1);
    for (size_t i = 0; lower && i < text.len; i++)
        lower[i] = text.ptr[i] >= 'A' && text.ptr[i] <= 'Z' ? (char)(text.ptr[i] + ('a' - 'A')) : text.ptr[i];
    return (struct str){lower, lower ? text.len : 0};
}

size_t advice_digits(struct str text)
{
    size_t count = 0;
    while (count < text.len && text.ptr[count] >= '0' && text.ptr[count] <= '9')
        count++;
    return count;
}

static const struct str descriptors[] = {STR_INIT("@hourly"),  STR_INIT("@daily"),   STR_INIT("@midnight"),
                                         STR_INIT("@weekly"),  STR_INIT("@monthly"), STR_INIT("@yearly"),
                                         STR_INIT("@annually")};
static const char known_descriptors[] = "@hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually and "
                                        "\"@every 6h\"";

bool advice_is_descriptor(struct str text)
{
    for (size_t i = 0; i < LENGTH_OF(descriptors); i++)
        if (str_eq(text, descriptors[i]))
            return true;
    return false;
}

/* Units that people write and Go does not know, as a number of units that it does. Go's
 * durations end at hours; a day is 24 of them, and "M" is refused a guess, since it may stand
 * for months. */
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

static bool is_duration(struct str text)
{
    int64_t ignored;
    struct error error;
    return duration_parse(text, &ignored, &error);
}

/* "1d", "5 Minutes", "2 w": a whole number and a word; "day" alone is one. */
struct str advice_duration(struct arena *arena, struct str text)
{
    enum { DIGITS_MAX = 6, WORD_ALONE_MIN = 3 };
    text = str_trim(text);
    size_t digits = advice_digits(text);
    int64_t number = 1;
    if (digits > DIGITS_MAX || (digits && !str_to_int64(str_slice(text, 0, digits), &number)))
        return (struct str){NULL, 0};
    struct str unit = str_trim(str_slice(text, digits, text.len)), result = {NULL, 0};
    struct str word = str_is(unit, "M") ? (struct str){NULL, 0} : advice_lower(arena, unit); /* months, perhaps */
    for (size_t i = 0; i < LENGTH_OF(units) && !result.len; i++)
        if (str_eq(word, units[i].word) && (digits || word.len >= WORD_ALONE_MIN))
            result = arena_printf(arena, "%lld%c", (long long)number * units[i].factor, units[i].unit);
    return is_duration(result) ? result : (struct str){NULL, 0};
}

struct str advise_on_descriptor(const struct advice *advice)
{
    struct arena *arena = advice->arena;
    struct str whole = advice->fault->value, rest = whole, word = {NULL, 0};
    spec_next_field(&rest, &word);
    struct str lower = advice_lower(arena, str_slice(word, 0, 20)), extra = {NULL, 0};
    spec_next_field(&rest, &extra);
    if (str_starts(lower, STR("@every")))
        return arena_printf(arena, "%.*s is not valid; use \"@every\", one space and a duration, as in \"@every 6h\"",
                            STR_ARG(advice->value));
    if (advice_is_descriptor(lower) && word.len == lower.len && extra.len)
        return arena_printf(arena, "%.*s must be the whole schedule; remove everything after it",
                            STR_ARG(advice_quote(arena, lower)));
    if (advice_is_descriptor(word))
        return arena_printf(arena, "remove the white space after %.*s", STR_ARG(advice_quote(arena, word)));
    if (advice_is_descriptor(lower) && word.len == lower.len)
        return arena_printf(arena, "%.*s must be lower case: %.*s", STR_ARG(advice->value),
                            STR_ARG(advice_quote(arena, lower)));
    struct str near = str_nearest(lower, descriptors, LENGTH_OF(descriptors));
    if (near.len)
        return arena_printf(arena, "unknown schedule name %.*s; did you mean %.*s?", STR_ARG(advice->value),
                            STR_ARG(advice_quote(arena, near)));
    struct str duration = advice_duration(arena, str_slice(whole, 1, whole.len));
    if (duration.len)
        return arena_printf(arena, "unknown schedule name %.*s; use \"@every %.*s\"", STR_ARG(advice->value),
                            STR_ARG(duration));
    return arena_printf(arena, "unknown schedule name %.*s; use %s", STR_ARG(advice->value), known_descriptors);
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
    const struct str squeezed = {out, length};
    return is_duration(squeezed) ? arena_copy(arena, squeezed) : (struct str){NULL, 0};
}

struct str advise_on_duration(const struct advice *advice)
{
    struct arena *arena = advice->arena;
    struct str text = advice->fault->value, better = without_space(arena, text);
    if (better.len)
        return arena_printf(arena, "the duration %.*s must not contain white space; use \"@every %.*s\"",
                            STR_ARG(advice->value), STR_ARG(better));
    better = advice_duration(arena, text);
    if (better.len)
        return arena_printf(arena, "%.*s is not a duration (units are h, m and s); use \"@every %.*s\"",
                            STR_ARG(advice->value), STR_ARG(better));
    enum { HOURS_DIGITS = 2, DIGITS_MAX = 8 }; /* 3600 is meant as seconds, if anything */
    if (text.len && text.len <= DIGITS_MAX && advice_digits(text) == text.len)
        return arena_printf(arena, "the duration %.*s has no unit; use \"@every %.*s%c\" or \"@every %.*s%c\"",
                            STR_ARG(advice->value), STR_ARG(text), text.len <= HOURS_DIGITS ? 'h' : 'm', STR_ARG(text),
                            text.len <= HOURS_DIGITS ? 'm' : 's');
    return arena_printf(arena,
                        "%.*s is not a duration; use, for example, \"@every 6h\" or \"@every 1h30m\" (units are h, m "
                        "and s; maximum 2562047h)",
                        STR_ARG(advice->value));
}
