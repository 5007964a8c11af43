/* Any bytes as the one key of the ConfigMap that a Backup names as its resource policy. */
#include "check_review.h"

static const char backup[] =
    "{\"apiVersion\":\"velero.io/v1\",\"kind\":\"Backup\",\"metadata\":{\"name\":\"b\",\"namespace\":\"kcm-system\"},"
    "\"spec\":{\"storageLocation\":\"aws-s3\",\"includedResources\":[\"pods\"],\"resourcePolicy\":{\"kind\":"
    "\"ConfigMap\",\"name\":\"fuzzed\"}}}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ARENA_SCOPED arena = arena_new(ARENA);
    struct error error = {0};
    struct inventory *inventory = world_with_config_map(data, size < 1 << 20 ? size : 1 << 20);
    struct object object = {.root = json_index(arena, STR(backup), 2, &error)};
    PROMISE(object.root, "%s", error.message);
    struct request request = {.arena = arena,
                              .operation = OPERATION_CREATE,
                              .now = FUZZ_NOW,
                              .api_version = STR("velero.io/v1"),
                              .kind = STR("Backup"),
                              .ns = STR("kcm-system"),
                              .name = STR("b"),
                              .object = &object};
    struct decision decision;
    decision_init(&decision, arena);
    policy_velero_backup(&request, inventory, world_settings(), &decision);
    check_decision(&decision);
    snapshot_release(inventory);
    return 0;
}
