/* One value against its schema: type, enum, pattern, bounds; in the API server's words. */
#include "schema/room.h"

#include <inttypes.h>
#include <math.h>
#include <regex.h>

/* A scalar against its schema: kube-openapi's validators, in words of ours. */

static const char *const type_names[] = {
    [SCHEMA_ANY] = "anything",
    [SCHEMA_OBJECT] = "a map of fields",
    [SCHEMA_LIST] = "a list: start each item with \"- \"",
    [SCHEMA_TEXT] = "text",
    [SCHEMA_INTEGER] = "a whole number",
    [SCHEMA_NUMBER] = "a number",
    [SCHEMA_BOOLEAN] = "true or false",
    [SCHEMA_INT_OR_TEXT] = "a number or text",
};

static bool is_whole(struct json_object *value)
{
    if (json_object_is_type(value, json_type_int))
        return true;
    double real = json_object_get_double(value);
    return json_object_is_type(value, json_type_double) && isfinite(real) && trunc(real) == real;
}

static bool has_type(const struct schema *schema, struct json_object *value)
{
    bool number = json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double);
    switch (schema->type) {
    case SCHEMA_OBJECT:
        return json_object_is_type(value, json_type_object);
    case SCHEMA_LIST:
        return json_object_is_type(value, json_type_array);
    case SCHEMA_TEXT:
        return json_object_is_type(value, json_type_string);
    case SCHEMA_INTEGER:
        return is_whole(value);
    case SCHEMA_NUMBER:
        return number;
    case SCHEMA_BOOLEAN:
        return json_object_is_type(value, json_type_boolean);
    case SCHEMA_INT_OR_TEXT:
        return is_whole(value) || json_object_is_type(value, json_type_string);
    case SCHEMA_ANY:
    default:
        return true;
    }
}

/* "; remove the quotes": what a slip of quoting wants, where that is what it is. */
static struct str type_advice(struct arena *arena, const struct schema *schema, struct json_object *value)
{
    struct str text = json_str(value), scalar = json_scalar(value);
    static const char *const yes[] = {"true", "false"};
    if (schema->type == SCHEMA_TEXT && scalar.ptr)
        return arena_printf(arena, ": write \"%.*s\" in quotes", STR_ARG(str_slice(scalar, 0, 60)));
    for (size_t i = 0; schema->type == SCHEMA_BOOLEAN && i < LENGTH_OF(yes); i++)
        if (str_eq_nocase(text, str_from(yes[i])))
            return arena_printf(arena, ": write %s without quotes", yes[i]);
    int64_t ignored;
    if (schema->type == SCHEMA_INTEGER && str_to_int64(text, &ignored))
        return arena_printf(arena, ": write %.*s without quotes", STR_ARG(text));
    if (schema->type == SCHEMA_LIST && scalar.ptr && schema->items && schema->items->type == SCHEMA_TEXT)
        return arena_printf(arena, ", such as [%.*s]", STR_ARG(arena_quote(arena, scalar)));
    return STR("");
}

/* What was found instead: the value itself, or what it is. */
static struct str shown_value(struct arena *arena, struct json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_object:
        return STR("a map");
    case json_type_array:
        return STR("a list");
    case json_type_null:
        return STR("null");
    case json_type_string:
        return arena_quote(arena, json_str(value));
    case json_type_boolean:
    case json_type_int:
    case json_type_double:
    default:
        return json_scalar(value);
    }
}

static struct str listed_values(struct arena *arena, const struct schema *schema, struct str given)
{
    struct strlist all = {0};
    for (size_t i = 0; i < schema->value_count; i++)
        strlist_add(arena, &all, str_from(schema->values[i]));
    struct str near = str_nearest(given, all.items, all.len);
    return arena_printf(arena, "%.*s%s%.*s%s", STR_ARG(strlist_quoted(arena, &all)), near.len ? "; did you mean " : "",
                        STR_ARG(near), near.len ? "?" : "");
}

static struct str enum_problem(struct arena *arena, const struct schema *schema, struct str text)
{
    for (size_t i = 0; i < schema->value_count; i++)
        if (str_is(text, schema->values[i]))
            return (struct str){NULL, 0};
    return arena_printf(arena, "Unsupported value: %.*s: supported values: %.*s", STR_ARG(arena_quote(arena, text)),
                        STR_ARG(listed_values(arena, schema, text)));
}

/* Characters, not bytes, as utf8.RuneCountInString. */
static size_t count_characters(struct str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
    return count;
}

enum { PATTERN_MAX = 300, MATCHED_MAX = 2000 };

/* Patterns are Go's; only those that POSIX reads in the same way are matched. */
static bool breaks_pattern(struct arena *arena, const char *pattern, struct str text)
{
    regex_t regex;
    struct str copy = arena_copy(arena, text), source = str_from(pattern);
    if (!copy.ptr || source.len > PATTERN_MAX || text.len > MATCHED_MAX || str_contains(source, STR("(?")) ||
        str_contains(source, STR("{")) || memchr(text.ptr ? text.ptr : "", 0, text.len))
        return false;
    for (size_t i = 0; i + 1 < source.len; i++)
        if (source.ptr[i] == '\\' && !strchr(".*+?()[]|^$/\\-", source.ptr[i + 1]))
            return false;
    if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
        return false;
    bool broken = regexec(&regex, copy.ptr, 0, NULL, 0) == REG_NOMATCH;
    regfree(&regex);
    return broken;
}

static struct str text_problem(struct arena *arena, const struct schema *schema, struct str text)
{
    struct str quoted = arena_quote(arena, text);
    int64_t ignored;
    if (schema->value_count)
        return enum_problem(arena, schema, text);
    if (count_characters(text) < schema->min_length)
        return text.len ? arena_printf(arena, "Invalid value: %.*s: must have at least %zu characters", STR_ARG(quoted),
                                       schema->min_length)
                        : STR("Invalid value: \"\": must not be empty");
    if (schema->max_length && count_characters(text) > schema->max_length)
        return arena_printf(arena, "Too long: the maximum is %zu characters, this has %zu", schema->max_length,
                            count_characters(text));
    if (schema->format && str_is(str_from(schema->format), "date-time") && !time_parse(text, &ignored))
        return arena_printf(arena, "Invalid value: %.*s: must be a time such as 2026-11-21T03:00:00Z", STR_ARG(quoted));
    if (schema->format && str_is(str_from(schema->format), "byte") && !base64_decode(arena, text).ptr)
        return arena_printf(arena, "Invalid value: %.*s: must be base64", STR_ARG(quoted));
    if (schema->pattern && breaks_pattern(arena, schema->pattern, text))
        return arena_printf(arena, "Invalid value: %.*s: must match %s", STR_ARG(quoted), schema->pattern);
    return (struct str){NULL, 0};
}

static struct str number_problem(struct arena *arena, const struct schema *schema, struct json_object *value)
{
    double real = json_object_get_double(value);
    struct str scalar = json_scalar(value);
    bool small = schema->format && str_is(str_from(schema->format), "int32");
    if (small && (real < INT32_MIN || real > INT32_MAX))
        return arena_printf(arena, "Invalid value: %.*s: must fit 32 bits", STR_ARG(scalar));
    if (schema->has_minimum && real < schema->minimum)
        return arena_printf(arena, "Invalid value: %.*s: must be %g or more", STR_ARG(scalar), schema->minimum);
    if (schema->has_maximum && real > schema->maximum)
        return arena_printf(arena, "Invalid value: %.*s: must be %g or less", STR_ARG(scalar), schema->maximum);
    return (struct str){NULL, 0};
}

static struct str length_problem(struct arena *arena, const struct schema *schema, size_t len)
{
    if (len < schema->min_items)
        return arena_printf(arena, "Invalid value: must have at least %zu item%s", schema->min_items,
                            schema->min_items == 1 ? "" : "s");
    if (schema->max_items && len > schema->max_items)
        return arena_printf(arena, "Too many: the maximum is %zu items, this has %zu", schema->max_items, len);
    return (struct str){NULL, 0};
}

struct str schema_value_problem(struct arena *arena, const struct schema *schema, struct json_object *value)
{
    if (!value && (schema->nullable || schema->type == SCHEMA_ANY))
        return (struct str){NULL, 0};
    if (!value)
        return arena_printf(arena, "Invalid value: null: must be %s; set a value or remove the field",
                            type_names[schema->type]);
    if (!has_type(schema, value))
        return arena_printf(arena, "Invalid value: %.*s: must be %s%.*s", STR_ARG(shown_value(arena, value)),
                            type_names[schema->type], STR_ARG(type_advice(arena, schema, value)));
    switch (json_object_get_type(value)) {
    case json_type_string:
        return text_problem(arena, schema, json_str(value));
    case json_type_int:
    case json_type_double:
        return number_problem(arena, schema, value);
    case json_type_array:
        return length_problem(arena, schema, json_len(value));
    case json_type_object:
    case json_type_boolean:
    case json_type_null:
    default:
        return (struct str){NULL, 0};
    }
}
