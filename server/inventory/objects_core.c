#include "inventory/inventory.h"

void extract_config_map(struct store *store, void *fact, struct json_object *object)
{
    struct config_map *map = fact;
    map->data = store_map(store, json_get(object, "data"), NULL);
    map->binary_data = store_map(store, json_get(object, "binaryData"), NULL);
}

/* Values of Secrets are never copied: a webhook that holds none can leak none. */
void extract_secret(struct store *store, void *fact, struct json_object *object)
{
    static const char *const members[] = {"data", "stringData"};
    struct secret *secret = fact;
    struct strlist keys = {0};
    for (size_t i = 0; i < LENGTH_OF(members); i++) {
        struct json_object *map = json_get(object, members[i]);
        if (!json_object_is_type(map, json_type_object))
            continue;
        json_foreach(map, key, value)
        {
            (void)value;
            if (!strlist_has(&keys, str_from(key)))
                strlist_add(store->scratch, &keys, str_from(key));
        }
    }
    secret->keys = store_texts(store, &keys);
}

/* Velero looks for it by this name in its own namespace (pkg/nodeagent). */
bool is_node_agent(struct json_object *object)
{
    return str_is(json_path_str(object, "metadata.name"), "node-agent");
}

void extract_node_agent(struct store *store, void *fact, struct json_object *object)
{
    struct node_agent *agent = fact;
    struct json_object *containers = json_path(object, "spec.template.spec.containers");
    agent->image = store_text(store, json_get_str(json_item(containers, 0), "image"));
    agent->desired = object_count(object, "status.desiredNumberScheduled");
    agent->ready = object_count(object, "status.numberReady");
}

/* kcm's chart names its Deployment after the Helm release, and gives it both labels. */
bool is_kcm_deployment(struct json_object *object)
{
    struct json_object *labels = json_path(object, "metadata.labels");
    return str_is(json_get_str(labels, LABEL_COMPONENT), "kcm") &&
           str_ends(json_get_str(labels, "control-plane"), STR("controller-manager"));
}

void extract_kcm_deployment(struct store *store, void *fact, struct json_object *object)
{
    struct kcm_deployment *deployment = fact;
    struct json_object *pod = json_path(object, "spec.template.spec");
    struct str account = json_get_str(pod, "serviceAccountName");
    deployment->service_account = store_text(store, account.len ? account : json_get_str(pod, "serviceAccount"));
    deployment->image = store_text(store, json_get_str(json_item(json_get(pod, "containers"), 0), "image"));
    deployment->state = object_deployment_state(object);
}
