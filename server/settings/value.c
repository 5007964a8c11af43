/* Values of the settings file by type, with what was expected in the message. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "settings/settings.h"

struct str settings_show(struct arena *arena, struct json_object *value)
{
    if (json_object_is_type(value, json_type_string))
        return arena_quote(arena, json_str(value));
    if (json_object_is_type(value, json_type_object))
        return STR("a mapping");
    if (json_object_is_type(value, json_type_array))
        return STR("a list");
    BUF_SCOPED text;
    buf_init(&text, 64);
    json_write_tree(&text, value);
    return text.failed ? STR("a value") : arena_copy(arena, buf_str(&text));
}

/* Callers add the outer part as the call stack unwinds: "[2]" gets ".allOf" before it, then
 * "upgrade.evidence". What does not fit is left out at the inner end. */
bool settings_fail_in(struct error *error, const char *format, ...)
{
    char inner[sizeof error->field];
    memcpy(inner, error->field, sizeof inner);
    va_list args;
    va_start(args, format);
    int used = vsnprintf(error->field, sizeof error->field, format, args);
    va_end(args);
    if (used >= 0 && (size_t)used < sizeof error->field)
        snprintf(error->field + used, sizeof error->field - (size_t)used, "%s", inner);
    return false;
}

/* "1d", "2w" and "30" are what people write first. */
static bool fail_duration(struct arena *arena, struct json_object *value, struct error *error)
{
    struct str shown = settings_show(arena, value), text = json_str(value);
    int64_t number = 0;
    char unit = text.len ? text.ptr[text.len - 1] : '\0';
    struct str digits = str_slice(text, 0, text.len ? text.len - 1 : 0);
    int64_t hours = unit == 'd' ? 24 : unit == 'w' ? 168 : 0;
    if (hours && digits.len < 6 && str_to_int64(digits, &number))
        return error_set(error, 422, "%.*s: not a duration; use %" PRId64 "h", STR_ARG(shown), number * hours);
    if (json_object_is_type(value, json_type_int) || str_to_int64(text, &number))
        return error_set(error, 422, "%.*s: not a duration; add the unit: 30s, 15m or 1h", STR_ARG(shown));
    return error_set(error, 422, "%.*s: not a duration; use a number with a unit, such as 30s, 15m or 1h30m",
                     STR_ARG(shown));
}

/* In hours where it is hours: duration_format says "30d", which is no duration. */
static bool fail_too_long(struct str shown, int64_t most, struct error *error)
{
    char bound[TIME_TEXT_SIZE];
    if (most % 3600)
        return error_set(error, 422, "%.*s: must be at most %s", STR_ARG(shown), duration_format(most, bound));
    return error_set(error, 422, "%.*s: must be at most %" PRId64 "h", STR_ARG(shown), most / 3600);
}

/* Whole seconds, since every decision is in seconds, and a setting of 1500ms would silently be
 * another one. */
bool settings_read_duration(struct arena *arena, const struct settings_key *key, struct json_object *value,
                            int64_t *out, struct error *error)
{
    int64_t nanoseconds = 0;
    struct error ignored;
    char bound[TIME_TEXT_SIZE];
    struct str text = json_str(value), shown = settings_show(arena, value);
    if (!text.len || !duration_parse(text, &nanoseconds, &ignored))
        return fail_duration(arena, value, error);
    int64_t seconds = nanoseconds / NS_PER_SECOND;
    if (nanoseconds % NS_PER_SECOND)
        return error_set(error, 422, "%.*s: must be a whole number of seconds", STR_ARG(shown));
    if (seconds < key->least)
        return error_set(error, 422, "%.*s: must be at least %s", STR_ARG(shown), duration_format(key->least, bound));
    if (seconds > key->most)
        return fail_too_long(shown, key->most, error);
    *out = seconds;
    return true;
}

bool settings_read_text(struct arena *arena, const struct text_rule *rule, struct json_object *value, struct str *out,
                        struct error *error)
{
    struct str text = json_str(value), shown = settings_show(arena, value);
    if (!json_object_is_type(value, json_type_string) || !rule->accepts(text))
        return error_set(error, 422, "%.*s: expected %s", STR_ARG(shown), rule->expected);
    *out = arena_copy(arena, text);
    return true;
}

bool settings_read_texts(struct arena *arena, struct strlist *list, const struct text_rule *rule,
                         struct json_object *value, struct error *error)
{
    if (!json_object_is_type(value, json_type_array)) {
        struct str shown = settings_show(arena, value);
        return error_set(error, 422, "%.*s: expected a list, each item %s", STR_ARG(shown), rule->expected);
    }
    *list = (struct strlist){0};
    size_t count = json_len(value);
    for (size_t i = 0; i < count; i++) {
        struct str text = {NULL, 0};
        if (!settings_read_text(arena, rule, json_item(value, i), &text, error))
            return settings_fail_in(error, "[%zu]", i);
        if (!strlist_has(list, text))
            strlist_add(arena, list, text);
    }
    return true;
}
