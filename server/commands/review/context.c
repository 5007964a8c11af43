/* What a document is reviewed against: its namespace, its rule, and its object before an update. */
#include <stdlib.h>

#include "commands/review/review.h"

const struct rule *review_rule(struct str group, struct str kind)
{
    const struct rule *rule = NULL;
    for (unsigned operation = OPERATION_CREATE; !rule && operation < OPERATION_CONNECT; operation <<= 1)
        rule = admission_rule_for_object(group, kind, (enum operation)operation, 0);
    return rule;
}

/* What kubectl would fill in from the namespace of its context. */
bool review_is_namespaced(struct str group, struct str kind)
{
    if (group.len == 0)
        return str_is(kind, "ConfigMap") || str_is(kind, "Secret");
    return str_is(group, "velero.io") || (str_is(group, "apps") && str_is(kind, "Deployment"));
}

static void context_fill_namespace(const struct review_context *context, struct json_object *tree)
{
    struct json_object *metadata = json_get(tree, "metadata");
    struct str ns = context->settings->system_namespace;
    bool wanted =
        review_is_namespaced(api_version_group(json_get_str(tree, "apiVersion"), NULL), json_get_str(tree, "kind"));
    if (wanted && json_object_is_type(metadata, json_type_object) && !json_get(metadata, "namespace"))
        json_put_text(metadata, "namespace", ns);
}

/* ---- the objects before an update: a table, sorted by what identifies an object ------ */

struct review_old_row {
    struct str kind, group, ns, name;
    size_t at; /* in `old` */
};

static struct review_old_row context_old_row(struct json_object *tree, size_t at)
{
    return (struct review_old_row){.kind = json_get_str(tree, "kind"),
                                   .group = api_version_group(json_get_str(tree, "apiVersion"), NULL),
                                   .ns = json_path_str(tree, "metadata.namespace"),
                                   .name = json_path_str(tree, "metadata.name"),
                                   .at = at};
}

static int context_old_compare(const struct review_old_row *a, const struct review_old_row *b)
{
    int order = str_cmp(a->name, b->name);
    if (order == 0)
        order = str_cmp(a->kind, b->kind);
    if (order == 0)
        order = str_cmp(a->ns, b->ns);
    return order ? order : str_cmp(a->group, b->group);
}

/* Of two for one object the first in the file counts. */
static int context_old_order(const void *left, const void *right)
{
    const struct review_old_row *a = left, *b = right;
    int order = context_old_compare(a, b);
    return order ? order : a->at < b->at ? -1 : 1;
}

bool review_old_open(struct review_context *context, struct arena *arena, const struct manifests *old)
{
    struct review_old_row *rows = arena_array(arena, old->len + 1, sizeof *rows);
    context->old_used = arena_array(arena, old->len + 1, sizeof *context->old_used);
    if (!rows || !context->old_used)
        return false;
    for (size_t i = 0; i < old->len; i++) {
        context_fill_namespace(context, old->items[i].tree);
        rows[i] = context_old_row(old->items[i].tree, i);
    }
    if (old->len)
        qsort(rows, old->len, sizeof *rows, context_old_order);
    context->old = old;
    context->old_rows = rows;
    return true;
}

struct json_object *review_old(const struct review_context *context, struct json_object *tree)
{
    context_fill_namespace(context, tree);
    const struct review_old_row wanted = context_old_row(tree, 0);
    size_t low = 0, high = context->old ? context->old->len : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (context_old_compare(&context->old_rows[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (!context->old || low == context->old->len || context_old_compare(&context->old_rows[low], &wanted) != 0)
        return NULL;
    context->old_used[context->old_rows[low].at] = true;
    return context->old->items[context->old_rows[low].at].tree;
}
