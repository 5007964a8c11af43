#include "inventory/inventory.h"

/* What kcm writes into its Backups: orLabelSelectors, one label each
 * (kcm internal/controller/backup/templating.go); and what admins write by hand. */
static bool is_k0rdent(struct str key)
{
    return str_starts(key, STR("k0rdent.mirantis.com/"));
}

typedef bool selector_fn(void *context, struct str key, struct str value); /* false stops the walk */

static bool walk_expression(struct json_object *expression, selector_fn *visit, void *context)
{
    struct str key = json_get_str(expression, "key"), operation = json_get_str(expression, "operator");
    if (str_is(operation, "Exists"))
        return visit(context, key, (struct str){NULL, 0});
    struct json_object *values = json_get(expression, "values");
    size_t count = str_is(operation, "In") ? json_len(values) : 0;
    for (size_t i = 0; i < count; i++)
        if (!visit(context, key, json_str(json_item(values, i))))
            return false;
    return true;
}

static bool walk_selector(struct json_object *selector, selector_fn *visit, void *context)
{
    struct json_object *labels = json_get(selector, "matchLabels");
    if (json_object_is_type(labels, json_type_object)) {
        json_foreach(labels, key, value)
        {
            if (!visit(context, str_from(key), json_str(value)))
                return false;
        }
    }
    struct json_object *expressions = json_get(selector, "matchExpressions");
    size_t count = json_len(expressions);
    for (size_t i = 0; i < count; i++)
        if (!walk_expression(json_item(expressions, i), visit, context))
            return false;
    return true;
}

static void walk_selectors(struct json_object *spec, selector_fn *visit, void *context)
{
    if (!walk_selector(json_get(spec, "labelSelector"), visit, context))
        return;
    struct json_object *either = json_get(spec, "orLabelSelectors");
    size_t count = json_len(either);
    for (size_t i = 0; i < count; i++)
        if (!walk_selector(json_item(either, i), visit, context))
            return;
}

static bool note_k0rdent(void *context, struct str key, struct str value)
{
    (void)value;
    bool *found = context;
    *found = is_k0rdent(key);
    return !*found;
}

bool selectors_name_k0rdent(struct json_object *backup_spec)
{
    bool found = false;
    walk_selectors(backup_spec, note_k0rdent, &found);
    return found;
}

bool labels_name_k0rdent(struct json_object *labels)
{
    if (!json_object_is_type(labels, json_type_object))
        return false;
    json_foreach(labels, key, value)
    {
        (void)value;
        if (is_k0rdent(str_from(key)))
            return true;
    }
    return false;
}

struct provider_walk {
    struct arena *scratch;
    struct strlist *providers;
};

static bool note_provider(void *context, struct str key, struct str value)
{
    struct provider_walk *walk = context;
    struct strlist *list = walk->providers;
    if (!str_is(key, LABEL_PROVIDER) || !value.len || str_is(value, "cluster-api") || strlist_has(list, value))
        return true;
    strlist_add(walk->scratch, list, value);
    if (arena_failed(walk->scratch))
        return false;
    size_t at = list->len - 1; /* sorted as it grows: there are a handful */
    for (; at > 0 && str_cmp(list->items[at - 1], value) > 0; at--)
        list->items[at] = list->items[at - 1];
    list->items[at] = value;
    return true;
}

void selectors_providers(struct arena *scratch, struct json_object *backup_spec, struct strlist *providers)
{
    struct provider_walk walk = {scratch, providers};
    walk_selectors(backup_spec, note_provider, &walk);
}
