#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <regex.h>

#include "schema/schema.h"

/* One value against its schema: type, enum, pattern, bounds; in the API server's words. */

/* A scalar against its schema: kube-openapi's validators, in words of ours. */

/* The texts end in advice where a slip is typical, such as a list without dashes. */
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

/* "1.0" is an integer in JSON Schema. */
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
    /* What YAML made of it need not be what was written: 1.10, 007, 0x10, no. */
    if (schema->type == SCHEMA_TEXT && scalar.ptr)
        return json_object_is_type(value, json_type_boolean)
                   ? STR(": put it in quotes (without them, YAML takes yes, no, on and off for true and false)")
                   : STR(": put it in quotes, as you wrote it");
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

/* With the one that was probably meant. */
static struct str listed_values(struct arena *arena, const struct schema *schema, struct str given)
{
    struct strlist all = {0};
    for (size_t i = 0; i < schema->value_count; i++)
        strlist_add(arena, &all, str_from(schema->values[i]));
    return arena_printf(arena, "%.*s%.*s", STR_ARG(strlist_quoted(arena, &all)),
                        STR_ARG(str_suggest(arena, given, all.items, all.len, "; ", "")));
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

/* Patterns are Go's; only those that POSIX reads in the same way are matched. A pattern that
 * might mean something else there is not matched at all: a false alarm in a review would be
 * worse than a missed one, which the API server still finds. */
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

/* Enum, format, pattern and length, of which the first that fails is reported. */
static struct str text_problem(struct arena *arena, const struct schema *schema, struct str text)
{
    int64_t ignored;
    if (schema->value_count) {
        for (size_t i = 0; i < schema->value_count; i++)
            if (str_is(text, schema->values[i]))
                return (struct str){NULL, 0};
        return arena_printf(arena, "Unsupported value: %.*s: supported values: %.*s", STR_ARG(arena_quote(arena, text)),
                            STR_ARG(listed_values(arena, schema, text)));
    }
    if (count_characters(text) < schema->min_length)
        return text.len ? arena_printf(arena, "Invalid value: %.*s: must have at least %zu characters",
                                       STR_ARG(arena_quote(arena, text)), schema->min_length)
                        : STR("Invalid value: \"\": must not be empty");
    if (schema->max_length && count_characters(text) > schema->max_length)
        return arena_printf(arena, "Too long: the maximum is %zu characters, this has %zu", schema->max_length,
                            count_characters(text));
    if (schema->format && str_is(str_from(schema->format), "date-time") && !time_parse(text, &ignored))
        return arena_printf(arena, "Invalid value: %.*s: must be a time such as 2026-11-21T03:00:00Z",
                            STR_ARG(arena_quote(arena, text)));
    if (schema->format && str_is(str_from(schema->format), "byte") && !base64_decode(arena, text).ptr)
        return arena_printf(arena, "Invalid value: %.*s: must be base64", STR_ARG(arena_quote(arena, text)));
    if (schema->pattern && breaks_pattern(arena, schema->pattern, text))
        return arena_printf(arena, "Invalid value: %.*s: must match %s", STR_ARG(arena_quote(arena, text)),
                            schema->pattern);
    return (struct str){NULL, 0};
}

/* Bounds are compared as doubles. */
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

/* Of lists: maxItems 0 stands for none. */
static struct str length_problem(struct arena *arena, const struct schema *schema, size_t len)
{
    if (len < schema->min_items)
        return arena_printf(arena, "Invalid value: must have at least %zu item%s", schema->min_items,
                            plural_s(schema->min_items));
    if (schema->max_items && len > schema->max_items)
        return arena_printf(arena, "Too many: the maximum is %zu items, this has %zu", schema->max_items, len);
    return (struct str){NULL, 0};
}

/* Absent where the value fits. */
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
        return schema->min_items || schema->max_items ? length_problem(arena, schema, json_len(value))
                                                      : (struct str){NULL, 0};
    case json_type_object:
    case json_type_boolean:
    case json_type_null:
    default:
        return (struct str){NULL, 0};
    }
}

/* Where a misplaced field belongs, for a hint: the same word elsewhere in the object, or in another kind. */

/* What an unknown field was meant to be: a neighbour, the same name elsewhere in the object, or
 * another kind's. */

enum { DEPTH_MAX = 8, FIELDS_SHOWN = 10, FIELDS_MAX = 64 };

/* The same but for case, "_" and "-". */
static bool same_word(struct str a, struct str b)
{
    size_t i = 0, k = 0;
    for (;;) {
        while (i < a.len && (a.ptr[i] == '_' || a.ptr[i] == '-'))
            i++;
        while (k < b.len && (b.ptr[k] == '_' || b.ptr[k] == '-'))
            k++;
        if (i == a.len || k == b.len)
            return i == a.len && k == b.len;
        if (tolower((unsigned char)a.ptr[i++]) != tolower((unsigned char)b.ptr[k++]))
            return false;
    }
}

static const struct schema_field *find_word(const struct schema *schema, struct str name)
{
    for (size_t i = 0; i < schema->field_count; i++)
        if (same_word(name, str_from(schema->fields[i].name)))
            return &schema->fields[i];
    return NULL;
}

/* Level by level, so that the shallowest place is found. Lists' items stand in no path of one object. */
static struct str find_below(struct arena *arena, const struct schema *schema, struct str at, struct str name,
                             unsigned levels)
{
    const struct schema_field *hit = find_word(schema, name);
    struct str found = {NULL, 0};
    if (levels == 0)
        return hit ? arena_printf(arena, "%.*s%s%s", STR_ARG(at), at.len ? "." : "", hit->name) : found;
    for (size_t i = 0; i < schema->field_count && !found.len; i++) {
        const struct schema_field *field = &schema->fields[i];
        if (field->schema->type != SCHEMA_OBJECT || strcmp(field->name, "status") == 0)
            continue;
        found =
            find_below(arena, field->schema,
                       arena_printf(arena, "%.*s%s%s", STR_ARG(at), at.len ? "." : "", field->name), name, levels - 1);
    }
    return found;
}

/* The shallowest place counts: a deeper one is seldom meant. */
static struct str schema_find_place(struct arena *arena, const struct schema *schema, struct str at, struct str name)
{
    struct str found = {NULL, 0};
    for (unsigned levels = 0; levels < DEPTH_MAX && !found.len; levels++)
        found = find_below(arena, schema, at, name, levels);
    return found;
}

/* Of the fields on the same level. */
static struct str nearest_field(const struct schema *schema, struct str name)
{
    struct str names[FIELDS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < schema->field_count && count < FIELDS_MAX; i++)
        names[count++] = str_from(schema->fields[i].name);
    return str_nearest(name, names, count);
}

/* A list that is short enough to be read. */
static struct str fields_of(struct arena *arena, const struct schema *schema)
{
    struct str names = {NULL, 0};
    for (size_t i = 0; i < schema->field_count && i < FIELDS_SHOWN; i++)
        names = arena_printf(arena, "%.*s%s%s", STR_ARG(names), i ? ", " : "", schema->fields[i].name);
    return arena_printf(arena, "%.*s%s", STR_ARG(names), schema->field_count > FIELDS_SHOWN ? ", ..." : "");
}

/* A kind of the same group that has the field straight below spec. */
static const char *other_kind(const struct schema_kind *kind, struct str at, struct str name)
{
    size_t count;
    const struct schema_kind *kinds = schema_kinds(&count);
    for (size_t i = 0; i < count && str_is(at, "spec"); i++) {
        const struct schema_field *spec = find_word(kinds[i].schema, STR("spec"));
        if (strcmp(kinds[i].kind, kind->kind) != 0 && strcmp(kinds[i].group, kind->group) == 0 && spec &&
            find_word(spec->schema, name))
            return kinds[i].kind;
    }
    return NULL;
}

/* From the likeliest slip to the least: other capitals, wrong level, a similar name, another
 * kind, a key of the plugin's config; last the list of what there is, and only where it is
 * certain that the field does not exist. */
struct str schema_hint(struct arena *arena, const struct schema_kind *kind, const struct schema *parent, struct str at,
                       struct str name, bool sure)
{
    const struct schema_field *here = find_word(parent, name);
    struct str place = {NULL, 0}, near = nearest_field(parent, name);
    if (here && !str_is(name, here->name))
        return arena_printf(arena, "; did you mean %s?", here->name);
    if (str_is(at, "metadata") || at.len == 0)
        place = schema_find_place(arena, kind->schema, STR(""), name);
    if (!place.len)
        place = schema_find_place(arena, parent, at, name);
    if (!place.len && at.len == 0)
        place = schema_find_place(arena, &schema_metadata, STR("metadata"), name);
    if (!place.len && !near.len)
        place = schema_find_place(arena, kind->schema, STR(""), name);
    if (!place.len && !near.len)
        place = schema_find_place(arena, &schema_metadata, STR("metadata"), name);
    if (place.len)
        return arena_printf(arena, "; write it as %.*s", STR_ARG(place));
    if (near.len)
        return arena_printf(arena, "; did you mean %.*s?", STR_ARG(near));
    const char *other = other_kind(kind, at, name);
    if (other)
        return arena_printf(arena, "; it is a field of %s, not of %s", other, kind->kind);
    if (find_word(parent, STR("config")) && find_word(parent, STR("provider")))
        return arena_printf(arena, "; settings of the provider's plugin belong below %.*s.config", STR_ARG(at));
    if (parent->field_count && !sure)
        return STR("");
    if (parent->field_count)
        return arena_printf(arena, "; valid fields: %.*s", STR_ARG(fields_of(arena, parent)));
    return STR("");
}
