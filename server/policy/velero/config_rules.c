/* ConfigMaps that Backups and Restores name (resource policies, resource modifiers): found as
 * Velero finds them, and read with the line of what is wrong.
 *
 * Both are one file inside a string: the ConfigMap has a single key, and its value is YAML of
 * its own. A problem is therefore reported with the path within that document and the line within
 * the string. How keys are matched depends on Velero's decoder, see `exact` in velero.h. */
#include "policy/velero/velero.h"

#include <string.h>

/* A ConfigMap holds a megabyte at most; this is about how far anchors of YAML may multiply it. */
enum { NODE_LIMIT = 100000 };

/* The line is looked up by the path, so a path that the document does not have, of a key that is
 * missing, is reported without one. */
static struct str rules_place_text(const struct config_rules *rules, struct str where)
{
    unsigned line = rules->document ? yaml_line(rules->document, where) : 0;
    if (where.len == 0)
        return STR("");
    if (line == 0)
        return arena_printf(rules->arena, "%.*s: ", STR_ARG(where));
    return arena_printf(rules->arena, "%.*s (line %u): ", STR_ARG(where), line);
}

/* Counts on beyond what is shown, so that the caller can say how many more there are. Without a
 * decision nothing is said and only the count is of interest: `rules->problems` then answers
 * whether the rules are fine. */
void rules_problem(struct config_rules *rules, struct str where, const char *format, ...)
{
    struct arena *arena = rules->arena;
    if (++rules->problems > RULES_PROBLEMS_SHOWN || !rules->decision)
        return;
    ARENA_FORMAT(message, arena, format);
    decision_invalid(rules->decision, rules->field, "ConfigMap %.*s: %.*s%.*s",
                     STR_ARG(arena_quote(arena, rules->name)), STR_ARG(rules_place_text(rules, where)),
                     STR_ARG(message));
}

void rules_warn(struct config_rules *rules, struct str where, const char *format, ...)
{
    struct arena *arena = rules->arena;
    if (!rules->decision || ++rules->warnings > RULES_PROBLEMS_SHOWN)
        return;
    ARENA_FORMAT(message, arena, format);
    decision_caution(rules->decision, "ConfigMap %.*s: %.*s%.*s", STR_ARG(arena_quote(arena, rules->name)),
                     STR_ARG(rules_place_text(rules, where)), STR_ARG(message));
}

/* As encoding/json finds a member: by the exact name first, then by any case, of which the last
 * one counts. */
struct json_object *rules_get(struct json_object *object, const char *key)
{
    struct json_object *found = json_get(object, key);
    if (found || !json_object_is_type(object, json_type_object))
        return found;
    json_foreach(object, name, value)
    {
        if (str_eq_nocase(str_from(name), str_from(key)))
            found = value;
    }
    return found;
}

/* Where a key belongs that is known, but not here. */
static const char *find_place(const struct config_rules *rules, struct str key)
{
    for (const struct rules_place *place = rules->places; place && place->key; place++)
        if (str_eq_nocase(key, str_from(place->key)))
            return place->place;
    return NULL;
}

/* Velero decodes both formats strictly: a key that it does not know makes the whole ConfigMap
 * invalid, and the Backup or Restore that names it ends in FailedValidation. What the key was
 * meant to be is looked for in two directions, a key of this level that is spelt like it, and
 * the same key on another level. */
static void check_key(struct config_rules *rules, struct str where, struct str key, const struct str *names,
                      size_t count)
{
    struct arena *arena = rules->arena;
    struct strlist all = {0};
    struct str at = arena_printf(arena, "%.*s%s%.*s", STR_ARG(where), where.len ? "." : "", STR_ARG(key));
    for (size_t i = 0; i < count; i++) {
        if (str_eq(key, names[i]))
            return;
        if (!rules->exact && str_eq_nocase(key, names[i])) {
            /* No line: the document is searched by the right name. */
            rules_warn(rules, (struct str){NULL, 0}, "%.*s: Velero takes this, but the name is %.*s", STR_ARG(at),
                       STR_ARG(names[i]));
            return;
        }
        strlist_add(arena, &all, names[i]);
    }
    struct str near = str_nearest(key, names, count);
    const char *place = find_place(rules, key);
    if (place)
        rules_problem(rules, at, "unknown key %.*s: it belongs %s", STR_ARG(arena_quote(arena, key)), place);
    else if (near.len)
        rules_problem(rules, at, "unknown key %.*s; did you mean %.*s?", STR_ARG(arena_quote(arena, key)),
                      STR_ARG(near));
    else
        rules_problem(rules, at, "unknown key %.*s; known here: %.*s", STR_ARG(arena_quote(arena, key)),
                      STR_ARG(strlist_quoted(arena, &all)));
}

bool rules_keys(struct config_rules *rules, struct str where, struct json_object *object, const char *const *keys,
                size_t count)
{
    struct str names[12];
    if (!object)
        return true;
    if (!json_object_is_type(object, json_type_object)) {
        rules_problem(rules, where, "must be a map with keys such as %s", keys[0]);
        return false;
    }
    for (size_t i = 0; i < count && i < LENGTH_OF(names); i++)
        names[i] = str_from(keys[i]);
    json_foreach(object, key, value)
    {
        (void)value;
        check_key(rules, where, str_from(key), names, count < LENGTH_OF(names) ? count : LENGTH_OF(names));
    }
    return true;
}

/* sigs.k8s.io/yaml turns YAML into JSON by the Go type it decodes into, so that a number or a
 * boolean without quotes becomes text; a map or a list does not. True also where the key is
 * absent: its text is then empty. */
bool rules_text(struct config_rules *rules, struct str where, struct json_object *object, const char *key,
                struct str *text)
{
    struct json_object *value = rules_get(object, key);
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
        *text = arena_copy(rules->arena, str_from(json_object_get_string(value)));
        return true;
    case json_type_array:
    case json_type_object:
    default:
        break;
    }
    struct str at = arena_printf(rules->arena, "%.*s.%s", STR_ARG(where), key);
    BUF_SCOPED json;
    buf_init(&json, 200);
    json_write_tree(&json, value);
    if (!json.data) /* else it failed for being too long to be shown */
        arena_fail(rules->arena);
    if (json.failed || str_contains(buf_str(&json), STR("'")))
        rules_problem(rules, at, "must be a string: write the JSON in quotes");
    else
        rules_problem(rules, at, "must be a string: write %s: '%.*s'", key, STR_ARG(buf_str(&json)));
    return false;
}

/* Zero both for an empty list and for something else, which has been reported by then: callers that
 * must tell "absent" from "wrong" look at the member themselves. */
size_t rules_list(struct config_rules *rules, struct str where, struct json_object *object, const char *key,
                  struct json_object **list)
{
    *list = rules_get(object, key);
    if (!*list || json_object_is_type(*list, json_type_array))
        return json_len(*list);
    rules_problem(rules, arena_printf(rules->arena, "%.*s%s%s", STR_ARG(where), where.len ? "." : "", key),
                  "must be a list: begin each item with \"- \"");
    *list = NULL;
    return 0;
}

static bool rules_parse_document(struct config_rules *rules, struct str key, struct str text)
{
    struct arena *arena = rules->arena;
    const struct yaml_options options = {.reject_duplicates = true, .node_limit = NODE_LIMIT};
    struct yaml_document *document = NULL;
    struct error error = {.position = -1};
    if (!yaml_load(arena, text, &options, &document, &error)) {
        if (error.position > 0)
            rules_problem(rules, (struct str){NULL, 0}, "line %lld of key %.*s: %s", (long long)error.position,
                          STR_ARG(arena_quote(arena, key)), error.message);
        else
            rules_problem(rules, (struct str){NULL, 0}, "key %.*s: %s", STR_ARG(arena_quote(arena, key)),
                          error.message);
        return false;
    }
    if (!document || !document->tree) {
        rules_problem(rules, (struct str){NULL, 0}, "key %.*s is empty: write \"version: v1\" and %s",
                      STR_ARG(arena_quote(arena, key)), rules->content);
        return false;
    }
    if (document->next && document->next->tree)
        rules_warn(rules, (struct str){NULL, 0}, "Velero reads only the first document, before the line ---");
    rules->document = document;
    return true;
}

/* Velero counts only data, not binaryData. */
static bool rules_one_key(struct config_rules *rules, const struct config_map *map)
{
    if (map->key_count == 1)
        return true;
    if (map->key_count == 0)
        rules_problem(rules, (struct str){NULL, 0}, "has no data: it needs exactly one key, which holds the rules%s",
                      map->has_binary_data ? " (binaryData is not read)" : "");
    else
        rules_problem(rules, (struct str){NULL, 0},
                      "has %zu keys (%.*s%s) but Velero takes exactly one: move the others to another "
                      "ConfigMap",
                      map->key_count, STR_ARG(strlist_quoted(rules->arena, &map->keys)),
                      map->key_count > map->keys.len ? ", ..." : "");
    return false;
}

bool rules_load(struct config_rules *rules, const struct config_map *map)
{
    struct arena *arena = rules->arena;
    rules->name = map->meta.name;
    if (!rules_one_key(rules, map))
        return false;
    const struct str key = map->keys.items[0];
    if (!rules_parse_document(rules, key, map->text))
        return false;
    struct json_object *tree = rules->document->tree;
    if (!json_object_is_type(tree, json_type_object)) {
        rules_problem(rules, (struct str){NULL, 0}, "key %.*s must hold a map with version and %s",
                      STR_ARG(arena_quote(arena, key)), rules->content);
        return false;
    }
    return true;
}

/* NULL with nothing denied where ConfigMaps are not known. Velero looks in its own namespace
 * only, so one of that name elsewhere is pointed out. */
const struct config_map *rules_find_map(struct decision *decision, const struct inventory *inventory, struct str ns,
                                        const char *field, struct str name)
{
    const struct config_map *map = inventory_config_map(inventory, ns, name);
    if (map) /* from an earlier document, perhaps: the kind need not be known for that */
        return map;
    if (!inventory->known[FACT_CONFIG_MAPS])
        decision_unchecked(decision, FACT_CONFIG_MAPS, "%s: %.*s was not checked: nothing is known about ConfigMaps",
                           field, STR_ARG(arena_quote(decision->arena, name)));
    else {
        struct arena *arena = decision->arena;
        struct strlist names = {0};
        struct str elsewhere = {NULL, 0}, hint = STR("create it first");
        for (size_t i = 0; i < inventory->count[FACT_CONFIG_MAPS]; i++) {
            const struct object_meta *meta = &inventory->config_maps[i]->meta;
            if (str_eq(meta->ns, ns))
                strlist_add(arena, &names, meta->name);
            else if (str_eq(meta->name, name))
                elsewhere = meta->ns;
        }
        struct str near = str_nearest(name, names.items, names.len);
        if (elsewhere.len)
            hint = arena_printf(arena, "the one in %.*s is not read", STR_ARG(arena_quote(arena, elsewhere)));
        else if (near.len)
            hint = arena_printf(arena, "did you mean %.*s?", STR_ARG(arena_quote(arena, near)));
        decision_invalid(decision, field, "%.*s: there is no ConfigMap of that name in %.*s; %.*s",
                         STR_ARG(arena_quote(arena, name)), STR_ARG(arena_quote(arena, ns)), STR_ARG(hint));
    }
    return NULL;
}
