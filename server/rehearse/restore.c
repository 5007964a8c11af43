/* A Restore's spec, and what Velero refuses of it before it restores anything (pkg/controller/restore_controller.go). */
#include "backstop/grammar.h"
#include "backstop/rehearse.h"

/* An item that is no string would never have passed the API server. */
static bool restore_list(struct arena *arena, struct json_object *spec, const char *key, struct strlist *list,
                         struct error *error)
{
    struct json_object *array = json_get(spec, key);
    if (array && !json_object_is_type(array, json_type_array))
        return error_set(error, 422, "spec.%s is not a list", key);
    for (size_t i = 0; i < json_len(array); i++) {
        if (!json_object_is_type(json_item(array, i), json_type_string))
            return error_set(error, 422, "spec.%s[%zu] is not a string", key, i);
        strlist_add(arena, list, json_str(json_item(array, i)));
    }
    return true;
}

/* collections.ValidateIncludesExcludes */
static bool restore_lists_check(const struct strlist *included, const struct strlist *excluded, const char *what,
                                struct error *error)
{
    if (included->len > 1 && strlist_has(included, STR("*")))
        return error_set(error, 422, "Velero refuses this Restore: spec.included%s has \"*\" and other items", what);
    if (strlist_has(excluded, STR("*")))
        return error_set(error, 422, "Velero refuses this Restore: spec.excluded%s has \"*\"", what);
    for (size_t i = 0; i < excluded->len; i++)
        if (strlist_has(included, excluded->items[i]))
            return error_set(error, 422, "Velero refuses this Restore: \"%.*s\" is both included and excluded",
                             STR_ARG(str_utf8_head(excluded->items[i], 100)));
    return true;
}

static bool restore_selector_check(struct arena *arena, struct json_object *selector, const char *field,
                                   struct error *error)
{
    struct str where = {NULL, 0}, why = where;
    return !selector_problem(arena, selector, &where, &why) ||
           error_set(error, 422, "Velero refuses this Restore: spec.%s%.*s: %.*s", field, STR_ARG(where), STR_ARG(why));
}

/* Both together are refused, as is a selector that Kubernetes cannot parse. */
static bool restore_selectors(struct rehearse_restore *restore, struct arena *arena, struct json_object *spec,
                              struct error *error)
{
    restore->selector = json_get(spec, "labelSelector");
    restore->or_selectors = json_get(spec, "orLabelSelectors");
    if (restore->selector && restore->or_selectors)
        return error_set(error, 422, "Velero refuses this Restore: it has labelSelector and orLabelSelectors");
    if (!restore_selector_check(arena, restore->selector, "labelSelector", error))
        return false;
    for (size_t i = 0; i < json_len(restore->or_selectors); i++)
        if (!restore_selector_check(arena, json_item(restore->or_selectors, i), "orLabelSelectors", error))
            return false;
    return true;
}

static bool restore_existing(struct rehearse_restore *restore, struct str text, struct error *error)
{
    if (text.len == 0)
        restore->existing = REHEARSE_EXISTING_UNSET;
    else if (str_is(text, "none"))
        restore->existing = REHEARSE_EXISTING_NONE;
    else if (str_is(text, "update"))
        restore->existing = REHEARSE_EXISTING_UPDATE;
    else
        return error_set(error, 422,
                         "Velero refuses this Restore: existingResourcePolicy \"%.*s\" is not none or update",
                         STR_ARG(str_utf8_head(text, 100)));
    return true;
}

/* -1: not set, which is a third answer for includeClusterResources. */
static int restore_flag(struct json_object *spec, const char *key)
{
    struct json_object *value = json_get(spec, key);
    return json_object_is_type(value, json_type_boolean) ? json_object_get_boolean(value) : -1;
}

bool rehearse_restore_read(struct rehearse_restore *restore, struct arena *arena, struct json_object *tree,
                           struct error *error)
{
    struct json_object *spec = json_get(tree, "spec");
    *restore = (struct rehearse_restore){.name = json_path_str(tree, "metadata.name"),
                                         .backup = json_get_str(spec, "backupName"),
                                         .spec = spec,
                                         .mapping = json_get(spec, "namespaceMapping"),
                                         .include_cluster = restore_flag(spec, "includeClusterResources"),
                                         .preserve_node_ports = restore_flag(spec, "preserveNodePorts") == 1};
    if (!json_object_is_type(spec, json_type_object))
        return error_set(error, 422, "the Restore has no spec");
    return restore_list(arena, spec, "includedNamespaces", &restore->included_namespaces, error) &&
           restore_list(arena, spec, "excludedNamespaces", &restore->excluded_namespaces, error) &&
           restore_list(arena, spec, "includedResources", &restore->included_resources, error) &&
           restore_list(arena, spec, "excludedResources", &restore->excluded_resources, error) &&
           restore_lists_check(&restore->included_namespaces, &restore->excluded_namespaces, "Namespaces", error) &&
           restore_lists_check(&restore->included_resources, &restore->excluded_resources, "Resources", error) &&
           restore_selectors(restore, arena, spec, error) &&
           restore_existing(restore, json_get_str(spec, "existingResourcePolicy"), error);
}

/* The namespace itself where nothing maps it. */
struct str rehearse_restore_target(const struct rehearse_restore *restore, struct str ns)
{
    struct json_object *target = ns.len ? json_get_named(restore->mapping, ns) : NULL;
    return json_object_is_type(target, json_type_string) ? json_str(target) : ns;
}
