#include <string.h>

#include "inventory/inventory.h"

/* What is kept of a CustomResourceDefinition: which fields of spec its objects may have, since the
 * API server drops all others without a word, and which phases their controller may report, since
 * it refuses all others. Schemas are as apiextensions.k8s.io/v1 has them. */

/* "spec.template.metadata.annotations" is the deepest that anybody asks for. */
enum { FIELD_DEPTH = 4, FIELDS_MAX = 2000 };

struct field_walk {
    struct arena *arena;
    struct strlist fields;
};

static bool schema_is_open(struct json_object *schema)
{
    struct json_object *more = json_get(schema, "additionalProperties");
    bool refused = json_object_is_type(more, json_type_boolean) && !json_object_get_boolean(more);
    return json_get_bool(schema, "x-kubernetes-preserve-unknown-fields") || (more && !refused);
}

/* Adds the members of one object's schema, which stands at `at`; items of lists are not looked into. */
static void walk_fields(struct field_walk *walk, struct str at, struct json_object *schema, int depth)
{
    struct json_object *properties = json_get(schema, "properties");
    if (schema_is_open(schema))
        strlist_add(walk->arena, &walk->fields, arena_printf(walk->arena, "%.*s.*", STR_ARG(at)));
    if (depth >= FIELD_DEPTH || !json_object_is_type(properties, json_type_object))
        return;
    json_foreach(properties, key, value)
    {
        if (walk->fields.len > FIELDS_MAX)
            return;
        struct str path = arena_printf(walk->arena, "%.*s.%s", STR_ARG(at), key);
        strlist_add(walk->arena, &walk->fields, path);
        walk_fields(walk, path, value, depth + 1);
    }
}

/* A cluster has hundreds, and schemas are large. */
bool is_our_custom_resource(struct json_object *object)
{
    struct str group = json_path_str(object, "spec.group");
    return str_is(group, "velero.io") || str_is(group, "k0rdent.mirantis.com");
}

static struct json_object *stored_version(struct json_object *versions)
{
    for (size_t i = 0; i < json_len(versions); i++)
        if (json_get_bool(json_item(versions, i), "storage"))
            return json_item(versions, i);
    return NULL;
}

void extract_custom_resource(struct store *store, void *fact, struct json_object *object)
{
    struct custom_resource *resource = fact;
    struct json_object *versions = json_path(object, "spec.versions");
    struct json_object *schema = json_path(stored_version(versions), "schema.openAPIV3Schema");
    struct json_object *spec = json_path(schema, "properties.spec");
    struct field_walk walk = {.arena = store->scratch};
    struct strlist served = {0};
    for (size_t i = 0; i < json_len(versions); i++)
        if (json_get_bool(json_item(versions, i), "served"))
            strlist_add(store->scratch, &served, json_get_str(json_item(versions, i), "name"));
    resource->versions = store_texts(store, &served);
    if (!spec || schema_is_open(schema))
        return;
    walk_fields(&walk, STR("spec"), spec, 1);
    if (walk.fields.len > FIELDS_MAX)
        return;
    resource->schema = true;
    resource->fields = store_texts(store, &walk.fields);
    resource->phases = store_strings(store, json_path(schema, "properties.status.properties.phase.enum"), NULL);
}

enum version_answer custom_resource_has_field(const struct custom_resource *resource, const char *path)
{
    struct str wanted = str_from(path);
    int depth = 1;
    if (!resource || !resource->schema)
        return ANSWER_DEPENDS;
    if (strlist_has(&resource->fields, wanted))
        return ANSWER_YES;
    for (size_t i = 0; i < wanted.len; i++)
        depth += wanted.ptr[i] == '.';
    for (size_t i = 0; i < resource->fields.len; i++) {
        struct str field = resource->fields.items[i];
        /* "spec.labels.*" has "spec.labels.team". */
        if (str_ends(field, STR(".*")) && str_starts(wanted, str_slice(field, 0, field.len - 1)))
            return ANSWER_YES;
    }
    return depth > FIELD_DEPTH ? ANSWER_DEPENDS : ANSWER_NO;
}

enum version_answer custom_resource_takes_phase(const struct custom_resource *resource, const char *phase)
{
    if (!resource || !resource->schema)
        return ANSWER_DEPENDS;
    return resource->phases.len == 0 || strlist_has(&resource->phases, str_from(phase)) ? ANSWER_YES : ANSWER_NO;
}
