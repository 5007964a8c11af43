#include "backstop/kube.h"
#include "commands/review/review.h"

/* kubectl apply asks for an update where the object is there already. What it would send is
 * a three-way merge with what was applied last; here the manifest stands for it. */

bool review_live(struct kube_client *client, struct arena *arena, struct json_object *tree, struct json_object **live,
                 struct error *error)
{
    *live = NULL;
    struct str version = json_get_str(tree, "apiVersion"), kind = json_get_str(tree, "kind"), head;
    struct str group = admission_group(version), name = json_path_str(tree, "metadata.name");
    const struct rule *rule = review_rule(group, kind);
    if (!rule || !name.len)
        return true;
    if (group.len)
        str_cut(&version, '/', &head);
    const struct kube_resource resource = {.group = group,
                                           .version = version,
                                           .plural = str_from(rule->resource),
                                           .kind = kind,
                                           .namespaced = review_is_namespaced(group, kind)};
    struct str ns = resource.namespaced ? json_path_str(tree, "metadata.namespace") : (struct str){NULL, 0};
    return kube_get(client, arena, &resource, ns, name, live, error) || error->code == 404;
}

static void review_keep_key(struct json_object *to, struct json_object *from, const char *key)
{
    struct json_object *value = json_get(from, key);
    if (value && !json_get(to, key))
        json_put_shared(to, key, value);
}

void review_keep_live(struct json_object *tree, struct json_object *live)
{
    static const char *const server_set[] = {"uid", "resourceVersion", "creationTimestamp", "deletionTimestamp"};
    struct json_object *metadata = json_get(tree, "metadata");
    if (!live || !metadata)
        return;
    review_keep_key(tree, live, "status");
    for (size_t i = 0; i < LENGTH_OF(server_set); i++)
        review_keep_key(metadata, json_get(live, "metadata"), server_set[i]);
}

static bool keep_management(void *context, struct manifest *manifest)
{
    struct review_managements *managements = context;
    if (!str_is(json_get_str(manifest->tree, "kind"), "Management"))
        return true;
    struct json_object *copy = json_own(managements->arena, json_copy(manifest->tree));
    struct manifest kept = {.source = manifest->source, .tree = copy};
    return copy && manifests_append(managements->arena, &managements->kept, &kept);
}

static void ignore_problem(void *context, const char *source, int64_t line, const char *reason)
{
    (void)context, (void)source, (void)line, (void)reason; /* said already as the inventory was read */
}

struct json_object *review_inventory_management(struct review_managements *managements, struct json_object *tree)
{
    struct manifest_files files = {.sink = {keep_management, ignore_problem, managements, NULL}, .quiet_others = true};
    for (size_t i = 0; !managements->read && i < managements->paths->len; i++)
        if (!manifests_read(&files, managements->paths->items[i]))
            break;
    managements->read = true;
    for (size_t i = 0; i < managements->kept.len; i++)
        if (str_eq(json_path_str(managements->kept.items[i].tree, "metadata.name"),
                   json_path_str(tree, "metadata.name")))
            return managements->kept.items[i].tree;
    return NULL;
}
