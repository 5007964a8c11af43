/* Schemas read from CustomResourceDefinitions that are installed or stand in a folder; they outrank what is built in. */
#include "schema/room.h"

/* Schemas from CRDs that are at hand. */

enum { DEPTH_MAX = 40 };

static const char *const no_releases[] = {NULL};

static const struct schema *read_schema(struct arena *arena, struct json_object *tree, unsigned depth);

static enum schema_type type_of(struct json_object *tree)
{
    static const struct {
        const char *name;
        enum schema_type type;
    } types[] = {{"object", SCHEMA_OBJECT},   {"array", SCHEMA_LIST},    {"string", SCHEMA_TEXT},
                 {"integer", SCHEMA_INTEGER}, {"number", SCHEMA_NUMBER}, {"boolean", SCHEMA_BOOLEAN}};
    if (json_get_bool(tree, "x-kubernetes-int-or-string"))
        return SCHEMA_INT_OR_TEXT;
    for (size_t i = 0; i < LENGTH_OF(types); i++)
        if (str_is(json_get_str(tree, "type"), types[i].name))
            return types[i].type;
    return SCHEMA_ANY;
}

static size_t count_at(struct json_object *tree, const char *key)
{
    int64_t value = json_object_get_int64(json_get(tree, key));
    return value > 0 ? (size_t)value : 0;
}

static const char *crd_text_at(struct arena *arena, struct json_object *tree, const char *key)
{
    struct str text = json_get_str(tree, key);
    return text.len ? arena_copy(arena, text).ptr : NULL;
}

/* Only enums of texts: no CRD of ours has others. */
static void read_enum(struct arena *arena, struct json_object *list, struct schema *schema)
{
    const char **values = arena_array(arena, json_len(list), sizeof *values);
    for (size_t i = 0; values && i < json_len(list); i++)
        if (!(values[i] = arena_copy(arena, json_str(json_item(list, i))).ptr))
            return;
    schema->values = values;
    schema->value_count = values ? json_len(list) : 0;
}

static bool is_required(struct json_object *list, struct str name, struct json_object *property)
{
    for (size_t i = 0; i < json_len(list); i++)
        if (str_eq(json_str(json_item(list, i)), name))
            return !json_object_object_get_ex(property, "default", NULL);
    return false;
}

static void read_fields(struct arena *arena, struct json_object *tree, struct schema *schema, unsigned depth)
{
    struct json_object *properties = json_get(tree, "properties"), *required = json_get(tree, "required");
    if (!json_object_is_type(properties, json_type_object))
        return;
    size_t count = json_member_count(properties), i = 0;
    struct schema_field *fields = arena_array(arena, count, sizeof *fields);
    if (!fields)
        return;
    json_foreach(properties, name, property)
    {
        const char *copy = arena_copy(arena, str_from(name)).ptr;
        const struct schema *below = read_schema(arena, property, depth);
        if (copy && below)
            fields[i++] = (struct schema_field){copy, below, 0, is_required(required, str_from(name), property)};
    }
    schema->fields = fields;
    schema->field_count = i;
}

static const struct schema *read_schema(struct arena *arena, struct json_object *tree, unsigned depth)
{
    struct schema *schema = arena_alloc(arena, sizeof *schema);
    struct json_object *minimum = json_get(tree, "minimum"), *maximum = json_get(tree, "maximum");
    if (!schema)
        return NULL;
    *schema = (struct schema){
        .type = type_of(tree),
        .nullable = json_get_bool(tree, "nullable"),
        .open = json_get_bool(tree, "x-kubernetes-preserve-unknown-fields") || depth == DEPTH_MAX,
        .has_minimum = minimum != NULL,
        .has_maximum = maximum != NULL,
        .minimum = json_object_get_double(minimum),
        .maximum = json_object_get_double(maximum),
        .format = crd_text_at(arena, tree, "format"),
        .pattern = crd_text_at(arena, tree, "pattern"),
        .min_length = count_at(tree, "minLength"),
        .max_length = count_at(tree, "maxLength"),
        .min_items = count_at(tree, "minItems"),
        .max_items = count_at(tree, "maxItems"),
    };
    if (depth == DEPTH_MAX)
        return schema;
    read_enum(arena, json_get(tree, "enum"), schema);
    read_fields(arena, tree, schema, depth + 1);
    struct json_object *items = json_get(tree, schema->type == SCHEMA_LIST ? "items" : "additionalProperties");
    if (json_object_is_type(items, json_type_object))
        schema->items = read_schema(arena, items, depth + 1);
    return schema;
}

static void add_version(struct schema_set *set, const char *group, const char *kind, struct json_object *version)
{
    struct arena *arena = set->arena;
    struct json_object *schema = json_path(version, "schema.openAPIV3Schema"), *served = json_get(version, "served");
    struct schema_crd *crd = arena_alloc(arena, sizeof *crd);
    const char *name = crd_text_at(arena, version, "name");
    if (!crd || !name || (served && !json_object_get_boolean(served)))
        return;
    crd->kind = (struct schema_kind){.group = group, .version = name, .kind = kind, .releases = no_releases};
    if (schema)
        crd->kind.schema = read_schema(arena, schema, 0);
    crd->next = set->first;
    set->first = crd;
}

/* Only CRDs of the groups that are reviewed: others may be many and large. */
static bool add_crd(struct schema_set *set, struct json_object *tree)
{
    struct str group = json_path_str(tree, "spec.group");
    struct json_object *versions = json_path(tree, "spec.versions");
    const char *kind = crd_text_at(set->arena, json_path(tree, "spec.names"), "kind");
    if (!kind || (!str_is(group, "velero.io") && !str_is(group, "k0rdent.mirantis.com")))
        return false;
    const char *group_copy = arena_copy(set->arena, group).ptr;
    for (size_t i = 0; group_copy && i < json_len(versions); i++)
        add_version(set, group_copy, kind, json_item(versions, i));
    return json_len(versions) > 0;
}

bool schema_set_add(struct schema_set *set, struct json_object *tree)
{
    struct json_object *items = json_get(tree, "items");
    bool any = false;
    if (str_is(json_get_str(tree, "kind"), "CustomResourceDefinition"))
        return add_crd(set, tree);
    for (size_t i = 0; str_ends(json_get_str(tree, "kind"), STR("List")) && i < json_len(items); i++)
        any = add_crd(set, json_item(items, i)) || any;
    return any;
}
