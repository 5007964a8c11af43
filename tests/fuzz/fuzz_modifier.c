/* Any bytes as the one key of a resource modifier ConfigMap that a Restore names. */
#include "check_review.h"

static const char restore[] = "{\"apiVersion\":\"velero.io/v1\",\"kind\":\"Restore\",\"metadata\":{\"name\":\"r\","
                              "\"namespace\":\"kcm-system\"},\"spec\":{\"backupName\":\"kcm-backup-20261121000000\","
                              "\"existingResourcePolicy\":\"update\",\"resourceModifier\":{\"kind\":\"ConfigMap\","
                              "\"name\":\"fuzzed\"}}}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ARENA_SCOPED arena = arena_new(ARENA);
    struct error error = {0};
    struct inventory *inventory = world_with_config_map(data, size < 1 << 20 ? size : 1 << 20);
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
    snapshot_release(inventory);
    return 0;
}
