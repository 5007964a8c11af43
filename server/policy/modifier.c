#include "modifier.h"

#include <string.h>

enum { PROBLEMS_SHOWN = 8, NODE_LIMIT = 100000 };

static struct str place(const struct modifier *modifier, struct str where)
{
    unsigned line = modifier->document ? yaml_line(modifier->document, where) : 0;
    if (where.len == 0)
        return STR("");
    if (line == 0)
        return arena_printf(modifier->arena, "%.*s: ", STR_ARG(where));
    return arena_printf(modifier->arena, "%.*s (line %u): ", STR_ARG(where), line);
}

void modifier_problem(struct modifier *modifier, struct str where, const char *format, ...)
{
    struct arena *arena = modifier->arena;
    if (++modifier->problems > PROBLEMS_SHOWN || !modifier->decision)
        return;
    va_list args;
    va_start(args, format);
    struct str message = arena_vprintf(arena, format, args);
    va_end(args);
    decision_invalid(modifier->decision, modifier->field, "Invalid value: ConfigMap %.*s: %.*s%.*s",
                     STR_ARG(arena_quote(arena, modifier->name)), STR_ARG(place(modifier, where)), STR_ARG(message));
}

void modifier_warn(struct modifier *modifier, struct str where, const char *format, ...)
{
    struct arena *arena = modifier->arena;
    if (!modifier->decision || ++modifier->warnings > PROBLEMS_SHOWN)
        return;
    va_list args;
    va_start(args, format);
    struct str message = arena_vprintf(arena, format, args);
    va_end(args);
    decision_warn(modifier->decision, "ConfigMap %.*s: %.*s%.*s", STR_ARG(arena_quote(arena, modifier->name)),
                  STR_ARG(place(modifier, where)), STR_ARG(message));
}

struct json_object *modifier_get(struct json_object *object, const char *key)
{
    struct json_object *found = json_get(object, key);
    if (found || !json_object_is_type(object, json_type_object))
        return found;
    json_object_object_foreach(object, name, value)
    {
        if (str_eq_nocase(str_from(name), str_from(key)))
            found = value;
    }
    return found;
}

static void check_key(struct modifier *modifier, struct str where, struct str key, const struct str *names,
                      size_t count)
{
    struct arena *arena = modifier->arena;
    struct strlist all = {0};
    struct str at = arena_printf(arena, "%.*s%s%.*s", STR_ARG(where), where.len ? "." : "", STR_ARG(key));
    for (size_t i = 0; i < count; i++) {
        if (str_eq(key, names[i]))
            return;
        if (!modifier->exact && str_eq_nocase(key, names[i])) {
            /* No line: the document is searched by the right name. */
            modifier_warn(modifier, (struct str){NULL, 0}, "%.*s: Velero takes this, but the name is %.*s", STR_ARG(at),
                          STR_ARG(names[i]));
            return;
        }
        strlist_add(arena, &all, names[i]);
    }
    struct str near = str_nearest(key, names, count);
    if (near.len)
        modifier_problem(modifier, at, "unknown key %.*s; did you mean %.*s?", STR_ARG(arena_quote(arena, key)),
                         STR_ARG(near));
    else
        modifier_problem(modifier, at, "unknown key %.*s; known here: %.*s", STR_ARG(arena_quote(arena, key)),
                         STR_ARG(strlist_quoted(arena, &all)));
}

bool modifier_keys(struct modifier *modifier, struct str where, struct json_object *object, const char *const *keys,
                   size_t count)
{
    struct str names[8];
    if (!object)
        return true;
    if (!json_object_is_type(object, json_type_object)) {
        modifier_problem(modifier, where, "must be a map with keys such as %s", keys[0]);
        return false;
    }
    for (size_t i = 0; i < count && i < LENGTH_OF(names); i++)
        names[i] = str_from(keys[i]);
    json_object_object_foreach(object, key, value)
    {
        (void)value;
        check_key(modifier, where, str_from(key), names, count < LENGTH_OF(names) ? count : LENGTH_OF(names));
    }
    return true;
}

bool modifier_text(struct modifier *modifier, struct str where, struct json_object *object, const char *key,
                   struct str *text)
{
    struct json_object *value = modifier_get(object, key);
    *text = (struct str){NULL, 0};
    switch (json_object_get_type(value)) {
    case json_type_null:
        return true;
    case json_type_string:
        *text = json_str(value);
        return true;
    case json_type_boolean:
        *text = json_object_get_boolean(value) ? STR("true") : STR("false");
        return true;
    case json_type_int:
    case json_type_double:
        *text = arena_copy(modifier->arena, str_from(json_object_get_string(value)));
        return true;
    case json_type_array:
    case json_type_object:
    default:
        break;
    }
    struct str at = arena_printf(modifier->arena, "%.*s.%s", STR_ARG(where), key);
    BUF_SCOPED json;
    buf_init(&json, 200);
    json_write_tree(&json, value);
    if (json.failed || str_contains(buf_str(&json), STR("'")))
        modifier_problem(modifier, at, "must be text: write the JSON in quotes");
    else
        modifier_problem(modifier, at, "must be text: write %s: '%.*s'", key, STR_ARG(buf_str(&json)));
    return false;
}

size_t modifier_list(struct modifier *modifier, struct str where, struct json_object *object, const char *key,
                     struct json_object **list)
{
    *list = modifier_get(object, key);
    if (!*list || json_object_is_type(*list, json_type_array))
        return json_len(*list);
    modifier_problem(modifier, arena_printf(modifier->arena, "%.*s%s%s", STR_ARG(where), where.len ? "." : "", key),
                     "must be a list: begin each item with \"- \"");
    *list = NULL;
    return 0;
}

static const char *content_of(const struct modifier *modifier)
{
    return modifier->exact ? "volumePolicies" : "resourceModifierRules";
}

static bool parse(struct modifier *modifier, struct str key, struct str text)
{
    struct arena *arena = modifier->arena;
    const struct yaml_options options = {.reject_duplicates = true, .node_limit = NODE_LIMIT};
    struct yaml_document *document = NULL;
    struct error error = {.position = -1};
    if (!yaml_load(arena, text, &options, &document, &error)) {
        if (error.position > 0)
            modifier_problem(modifier, (struct str){NULL, 0}, "line %lld of key %.*s: %s", (long long)error.position,
                             STR_ARG(arena_quote(arena, key)), error.message);
        else
            modifier_problem(modifier, (struct str){NULL, 0}, "key %.*s: %s", STR_ARG(arena_quote(arena, key)),
                             error.message);
        return false;
    }
    if (!document || !document->tree) {
        modifier_problem(modifier, (struct str){NULL, 0}, "key %.*s is empty: write \"version: v1\" and %s",
                         STR_ARG(arena_quote(arena, key)), content_of(modifier));
        return false;
    }
    if (document->next && document->next->tree)
        modifier_warn(modifier, (struct str){NULL, 0}, "Velero reads only the first document, before the line ---");
    modifier->document = document;
    return true;
}

/* Velero counts only data, not binaryData. */
static bool one_key(struct modifier *modifier, const struct config_map *map, struct str *key, struct str *text)
{
    struct json_object *data = map->data;
    struct strlist keys = {0};
    if (json_object_is_type(data, json_type_object)) {
        json_object_object_foreach(data, name, value)
        {
            strlist_add(modifier->arena, &keys, str_from(name));
            *text = json_str(value);
        }
    }
    if (keys.len == 1) {
        *key = keys.items[0];
        return true;
    }
    if (keys.len == 0)
        modifier_problem(modifier, (struct str){NULL, 0},
                         "has no data: it needs exactly one key, which holds the rules%s",
                         map->binary_data ? " (binaryData is not read)" : "");
    else
        modifier_problem(modifier, (struct str){NULL, 0},
                         "has %zu keys (%.*s) but Velero takes exactly one: move the others to another "
                         "ConfigMap",
                         keys.len, STR_ARG(strlist_quoted(modifier->arena, &keys)));
    return false;
}

static bool load(struct modifier *modifier, const struct config_map *map)
{
    struct str key = {NULL, 0}, text = {NULL, 0};
    struct arena *arena = modifier->arena;
    if (!one_key(modifier, map, &key, &text) || !parse(modifier, key, text))
        return false;
    struct json_object *tree = modifier->document->tree;
    if (!json_object_is_type(tree, json_type_object)) {
        modifier_problem(modifier, (struct str){NULL, 0}, "key %.*s must hold a map with version and %s",
                         STR_ARG(arena_quote(arena, key)), content_of(modifier));
        return false;
    }
    modifier->rules = modifier_get(tree, "resourceModifierRules");
    return true;
}

bool modifier_load(struct modifier *modifier, struct arena *arena, struct decision *decision,
                   const struct config_map *map)
{
    *modifier = (struct modifier){
        .arena = arena, .decision = decision, .field = "spec.resourceModifier", .name = map->meta.name};
    return load(modifier, map);
}

bool modifier_load_for(struct modifier *modifier, struct arena *arena, struct decision *decision,
                       const struct config_map *map, const char *field)
{
    *modifier =
        (struct modifier){.arena = arena, .decision = decision, .field = field, .exact = true, .name = map->meta.name};
    return load(modifier, map);
}

static void check_version(struct modifier *modifier)
{
    struct str version;
    struct json_object *tree = modifier->document->tree;
    if (!modifier_text(modifier, (struct str){NULL, 0}, tree, "version", &version))
        return;
    if (version.len == 0)
        modifier_problem(modifier, STR("version"), "is missing: write \"version: v1\"");
    else if (!str_eq_nocase(version, STR("v1")))
        modifier_problem(modifier, STR("version"), "%.*s is not supported: write \"version: v1\"",
                         STR_ARG(arena_quote(modifier->arena, version)));
}

/* Exactly one kind of patch. Velero refuses two, and finds out about none only when it
 * applies the rule. */
static void check_kinds(struct modifier *modifier, struct str where, struct json_object *rule)
{
    static const char *const kinds[] = {"patches", "mergePatches", "strategicPatches"};
    struct strlist given = {0};
    for (size_t i = 0; i < LENGTH_OF(kinds); i++)
        if (json_len(modifier_get(rule, kinds[i])) > 0)
            strlist_add(modifier->arena, &given, str_from(kinds[i]));
    if (given.len == 0)
        modifier_problem(modifier, where,
                         "has no patches: give it patches, mergePatches or strategicPatches; Velero would "
                         "restore the objects unpatched");
    else if (given.len > 1)
        modifier_problem(modifier, where, "has %.*s: Velero takes one kind per rule; write a rule for each",
                         STR_ARG(strlist_quoted(modifier->arena, &given)));
}

static void check_rule(struct modifier *modifier, struct str where, struct json_object *rule)
{
    static const char *const keys[] = {"conditions", "patches", "mergePatches", "strategicPatches"};
    struct json_object *conditions = modifier_get(rule, "conditions");
    struct str target = json_str(modifier_get(conditions, "groupResource"));
    struct str conditions_at = arena_printf(modifier->arena, "%.*s.conditions", STR_ARG(where));
    if (!rule) {
        modifier_problem(modifier, where, "is empty");
        return;
    }
    if (!modifier_keys(modifier, where, rule, keys, LENGTH_OF(keys)))
        return;
    modifier_check_conditions(modifier, conditions_at, conditions);
    check_kinds(modifier, where, rule);
    modifier_check_patches(modifier, where, rule, target);
}

void modifier_check(struct modifier *modifier)
{
    static const char *const keys[] = {"version", "resourceModifierRules"};
    const struct str root = {NULL, 0};
    struct json_object *tree = modifier->document->tree, *rules;
    modifier_keys(modifier, root, tree, keys, LENGTH_OF(keys));
    check_version(modifier);
    size_t count = modifier_list(modifier, root, tree, "resourceModifierRules", &rules);
    if (count == 0 && (rules || !modifier_get(tree, "resourceModifierRules")))
        modifier_problem(modifier, STR("resourceModifierRules"), "is empty: Velero needs at least one rule");
    for (size_t i = 0; i < count; i++)
        check_rule(modifier, arena_printf(modifier->arena, "resourceModifierRules[%zu]", i), json_item(rules, i));
    if (modifier->problems > PROBLEMS_SHOWN && modifier->decision)
        decision_invalid(modifier->decision, "spec.resourceModifier",
                         "Invalid value: ConfigMap %.*s: %u more problems are not shown",
                         STR_ARG(arena_quote(modifier->arena, modifier->name)), modifier->problems - PROBLEMS_SHOWN);
}
