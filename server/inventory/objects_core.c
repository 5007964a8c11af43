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
