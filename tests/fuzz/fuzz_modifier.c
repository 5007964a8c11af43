/* Any bytes as the one key of a resource modifier ConfigMap that a Restore names. */
#include <string.h>

#include "backstop/policy.h"
#include "fuzz.h"
#include "world.h"

enum { ARENA = 64 * 1024 * 1024 };

static const char restore[] = "{\"apiVersion\":\"velero.io/v1\",\"kind\":\"Restore\",\"metadata\":{\"name\":\"r\","
                              "\"namespace\":\"kcm-system\"},\"spec\":{\"backupName\":\"kcm-backup-20261121000000\","
                              "\"existingResourcePolicy\":\"update\",\"resourceModifier\":{\"kind\":\"ConfigMap\","
                              "\"name\":\"fuzzed\"}}}";

/* The objects of the world that this Restore reads, and the ConfigMap. json-c
 * strings are bytes with a length, so the text arrives as it is. */
static struct inventory *facts(const uint8_t *data, size_t size)
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
    json_object_object_add(content, "modifier.yaml", json_object_new_string_len((const char *)data, (int)size));
    json_object_object_add(map, "data", content);
    PROMISE(inventory_add(builder, map, &error), "%s", error.message);
    json_object_put(map);
    return inventory_finish(builder);
}

static void check_decision(const struct decision *decision)
{
    PROMISE(!decision->denied || decision->code >= 400, "code %d", decision->code);
    for (size_t i = 0; i < decision->causes.len; i++) {
        PROMISE(decision->causes.items[i].message.len > 0, "cause %zu", i);
        PROMISE(str_utf8_valid(decision->causes.items[i].message), "cause %zu is not UTF-8", i);
    }
    for (size_t i = 0; i < decision->warnings.len; i++)
        PROMISE(str_utf8_valid(decision->warnings.items[i]), "warning %zu is not UTF-8", i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ARENA_SCOPED arena = arena_new(ARENA);
    struct error error = {0};
    struct inventory *inventory = facts(data, size < 1 << 20 ? size : 1 << 20);
    PROMISE(inventory, "memory");
    struct object object = {.root = json_index(arena, STR(restore), 2, &error)};
    PROMISE(object.root, "%s", error.message);
    struct request request = {.arena = arena,
                              .operation = OPERATION_CREATE,
                              .now = FUZZ_NOW,
                              .api_version = STR("velero.io/v1"),
                              .kind = STR("Restore"),
                              .ns = STR("kcm-system"),
                              .name = STR("r"),
                              .object = &object};
    struct decision decision;
    decision_init(&decision, arena);
    policy_restore(&request, inventory, world_settings(), &decision);
    check_decision(&decision);
    shared_release(&inventory->shared);
    return 0;
}
