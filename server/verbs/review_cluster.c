#include "backstop/kube.h"
#include "review.h"

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

static void keep(struct json_object *to, struct json_object *from, const char *key)
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
    keep(tree, live, "status");
    for (size_t i = 0; i < LENGTH_OF(server_set); i++)
        keep(metadata, json_get(live, "metadata"), server_set[i]);
}
