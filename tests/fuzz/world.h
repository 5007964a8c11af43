/* The facts that the fuzz targets decide over: those of the golden cases. */
#ifndef BACKSTOP_TESTS_FUZZ_WORLD_H
#define BACKSTOP_TESTS_FUZZ_WORLD_H

#include "backstop/inventory.h"
#include "backstop/settings.h"
#include "fuzz.h"

#define WORLD_FILE "tests/golden/inventories/cluster.yaml"

/* The documents of the file, read once. */
static inline struct yaml_document *world_documents(void)
{
    static struct arena *arena;
    static struct yaml_document *documents;
    struct error error = {0};
    struct str text;
    if (!arena) {
        arena = arena_new(64 * 1024 * 1024);
        PROMISE(file_read(arena, WORLD_FILE, 1 << 20, &text, &error), "%s (run in the source tree)", error.message);
        PROMISE(yaml_load(arena, text, NULL, &documents, &error), "%s", error.message);
    }
    return documents;
}

/* Adds every object to the builder. */
static inline void world_add(struct inventory_builder *builder)
{
    struct error error = {0};
    for (struct yaml_document *document = world_documents(); document; document = document->next)
        PROMISE(!document->tree || inventory_add(builder, document->tree, &error), "%s", error.message);
    for (int fact = 0; fact < FACT_COUNT; fact++)
        inventory_set_known(builder, (enum fact)fact, true);
}

static inline const struct inventory *world_inventory(void)
{
    static struct inventory *inventory;
    if (!inventory) {
        struct inventory_builder *builder = inventory_builder_new();
        PROMISE(builder, "memory");
        world_add(builder);
        inventory = inventory_finish(builder);
        PROMISE(inventory, "memory");
    }
    return inventory;
}

/* The facts with one more ConfigMap, kcm-system/fuzzed, whose only key holds the bytes.
 * json-c's strings are bytes with a length, so they arrive as they are. */
static inline struct inventory *world_with_config_map(const uint8_t *data, size_t size)
{
    struct error error = {0};
    struct inventory_builder *builder = inventory_builder_new();
    PROMISE(builder, "memory");
    world_add(builder);
    struct json_object *map = json_object_new_object(), *meta = json_object_new_object(),
                       *content = json_object_new_object();
    json_object_object_add(map, "apiVersion", json_object_new_string("v1"));
    json_object_object_add(map, "kind", json_object_new_string("ConfigMap"));
    json_object_object_add(meta, "name", json_object_new_string("fuzzed"));
    json_object_object_add(meta, "namespace", json_object_new_string("kcm-system"));
    json_object_object_add(map, "metadata", meta);
    json_object_object_add(content, "content.yaml", json_object_new_string_len((const char *)data, (int)size));
    json_object_object_add(map, "data", content);
    PROMISE(inventory_add(builder, map, &error), "%s", error.message);
    json_object_put(map);
    struct inventory *inventory = inventory_finish(builder);
    PROMISE(inventory, "memory");
    return inventory;
}

static inline const struct settings *world_settings(void)
{
    static struct settings *settings;
    struct error error = {0};
    if (!settings)
        settings = settings_defaults(&error);
    PROMISE(settings, "%s", error.message);
    return settings;
}

#endif
