#include "backstop/inventory.h"
#include "suite.h"

#define NS STR("kcm-system")

static void release(struct inventory **inventory)
{
    snapshot_release(*inventory);
}
#define INVENTORY_SCOPED CLEANUP(release) struct inventory *

static void add(struct inventory_builder *builder, const char *format, ...) PRINTF_LIKE(2, 3);

static void add(struct inventory_builder *builder, const char *format, ...)
{
    ARENA_SCOPED arena = arena_new(1 << 20);
    va_list args;
    va_start(args, format);
    struct str json = arena_vprintf(arena, format, args);
    va_end(args);
    struct error error = {0};
    struct json_object *tree = json_build(arena, json, &error);
    CU_ASSERT_FATAL(tree != NULL);
    CU_ASSERT(inventory_add(builder, tree, &error));
}

static void add_location(struct inventory_builder *builder, const char *ns, const char *name, bool is_default, int day)
{
    add(builder,
        "{\"apiVersion\":\"velero.io/v1\",\"kind\":\"BackupStorageLocation\",\"metadata\":{\"name\":\"%s\","
        "\"namespace\":\"%s\",\"creationTimestamp\":\"2026-10-%02dT00:00:00Z\"},\"spec\":{\"default\":%s}}",
        name, ns, day, is_default ? "true" : "false");
}

static void add_scheduled(struct inventory_builder *builder, const char *name, const char *schedule, const char *phase,
                          int created_day, int started_day)
{
    char started[80] = "";
    if (started_day)
        snprintf(started, sizeof started, ",\"startTimestamp\":\"2026-11-%02dT00:00:00Z\"", started_day);
    add(builder,
        "{\"apiVersion\":\"velero.io/v1\",\"kind\":\"Backup\",\"metadata\":{\"name\":\"%s\",\"namespace\":"
        "\"kcm-system\",\"creationTimestamp\":\"2026-11-%02dT00:00:00Z\",\"labels\":{\"velero.io/schedule-name\":"
        "\"%s\"}},\"status\":{\"phase\":\"%s\"%s}}",
        name, created_day, schedule, phase, started);
}

static void test_default_location(void)
{
    struct inventory_builder *builder = inventory_builder_new();
    CU_ASSERT_FATAL(builder != NULL);
    add_location(builder, "kcm-system", "a", false, 9);
    add_location(builder, "kcm-system", "b", true, 3);
    add_location(builder, "kcm-system", "c", true, 5);
    add_location(builder, "kcm-system", "d", true, 5);
    add_location(builder, "zoo", "z", true, 1);
    add_location(builder, "none", "n", false, 1);
    INVENTORY_SCOPED inventory = inventory_finish(builder);
    CU_ASSERT_FATAL(inventory != NULL);
    size_t defaults = 99;
    const struct storage_location *found = inventory_default_location(inventory, NS, &defaults);
    CU_ASSERT_FATAL(found != NULL && defaults == 3);
    ASSERT_TEXT(found->meta.name, "c");
    found = inventory_default_location(inventory, STR("zoo"), &defaults);
    CU_ASSERT_FATAL(found != NULL && defaults == 1);
    ASSERT_TEXT(found->meta.name, "z");
    CU_ASSERT(inventory_default_location(inventory, STR("none"), &defaults) == NULL && defaults == 0);
    CU_ASSERT(inventory_default_location(inventory, STR("nowhere"), NULL) == NULL);
}

static void test_newest_of_schedule(void)
{
    struct inventory_builder *builder = inventory_builder_new();
    CU_ASSERT_FATAL(builder != NULL);
    add_scheduled(builder, "n-1", "nightly", "Completed", 1, 1);
    add_scheduled(builder, "n-2", "nightly", "Completed", 2, 2);
    add_scheduled(builder, "n-3", "nightly", "Failed", 3, 3);
    add_scheduled(builder, "n-4", "nightly", "New", 4, 0);
    add_scheduled(builder, "synced", "nightly", "Completed", 20, 1); /* created by the sync, started long ago */
    add_scheduled(builder, "b-1", "broken", "PartiallyFailed", 5, 5);
    INVENTORY_SCOPED inventory = inventory_finish(builder);
    CU_ASSERT_FATAL(inventory != NULL);
    const struct backup *newest = NULL;
    const struct backup *completed = inventory_newest_completed(inventory, NS, STR("nightly"), &newest);
    CU_ASSERT_FATAL(completed != NULL && newest != NULL);
    ASSERT_TEXT(completed->meta.name, "n-2");
    ASSERT_TEXT(newest->meta.name, "n-4");
    CU_ASSERT(inventory_newest_completed(inventory, NS, STR("broken"), &newest) == NULL);
    CU_ASSERT_FATAL(newest != NULL);
    ASSERT_TEXT(newest->meta.name, "b-1");
    CU_ASSERT(inventory_newest_completed(inventory, NS, STR("unknown"), &newest) == NULL && newest == NULL);
    CU_ASSERT(inventory_newest_completed(inventory, STR("other"), STR("nightly"), NULL) == NULL);
}

static void test_sorted(void)
{
    struct inventory_builder *builder = inventory_builder_new();
    CU_ASSERT_FATAL(builder != NULL);
    static const char *const names[][2] = {{"b", "x"}, {"a", "z"}, {"b", "a"}, {"a", "y"}, {"", "q"}};
    for (size_t i = 0; i < LENGTH_OF(names); i++)
        add_location(builder, names[i][0], names[i][1], false, 1);
    INVENTORY_SCOPED inventory = inventory_finish(builder);
    CU_ASSERT_FATAL(inventory != NULL && inventory->count[FACT_STORAGE_LOCATIONS] == 5);
    static const char *const sorted[] = {"q", "y", "z", "a", "x"};
    for (size_t i = 0; i < LENGTH_OF(sorted); i++)
        ASSERT_TEXT(inventory->storage_locations[i]->meta.name, sorted[i]);
    CU_ASSERT(inventory_storage_location(inventory, STR("a"), STR("x")) == NULL);
    CU_ASSERT(inventory_storage_location(inventory, STR("a"), STR("")) == NULL);
}

static void test_known(void)
{
    struct inventory_builder *builder = inventory_builder_new();
    CU_ASSERT_FATAL(builder != NULL);
    inventory_set_known(builder, FACT_BACKUPS, true);
    INVENTORY_SCOPED inventory = inventory_finish(builder);
    CU_ASSERT_FATAL(inventory != NULL);
    CU_ASSERT(inventory->known[FACT_BACKUPS] && !inventory->known[FACT_RELEASES]);
    CU_ASSERT(inventory_backup(inventory, NS, STR("x")) == NULL && inventory_management(inventory) == NULL);
    const struct inventory *unknown = inventory_unknown();
    for (size_t f = 0; f < FACT_COUNT; f++)
        CU_ASSERT(!unknown->known[f] && unknown->count[f] == 0);
    CU_ASSERT(inventory_backup(unknown, NS, STR("x")) == NULL);
    CU_ASSERT(inventory_newest_completed(unknown, NS, STR("x"), NULL) == NULL);
    CU_ASSERT(inventory_default_location(unknown, NS, NULL) == NULL && inventory_management(unknown) == NULL);
}

static void test_storage_class(void)
{
    static const struct {
        const char *provider, *url;
        enum storage_class class;
    } rows[] = {
        {"aws", "", STORAGE_EXTERNAL},
        {"aws", "https://s3.eu-west-1.amazonaws.com", STORAGE_EXTERNAL},
        {"aws", "https://minio.example.com:9000/path.svc", STORAGE_EXTERNAL},
        {"aws", "http://10.0.0.5:9000", STORAGE_EXTERNAL},
        {"aws", "http://[2001:db8::1]:9000", STORAGE_EXTERNAL},
        {"aws", "https://minio.svc@storage.example.com", STORAGE_EXTERNAL},
        {"aws", "http://minio.minio.svc:9000", STORAGE_IN_CLUSTER_S3},
        {"aws", "http://minio.minio.svc.cluster.local", STORAGE_IN_CLUSTER_S3},
        {"aws", "http://minio.minio.SVC.:9000/", STORAGE_IN_CLUSTER_S3},
        {"aws", "http://user:pass@minio.minio.svc/x", STORAGE_IN_CLUSTER_S3},
        {"aws", "http://minio:9000", STORAGE_IN_CLUSTER_S3},
        {"velero.io/aws", "minio", STORAGE_IN_CLUSTER_S3},
        {"aws", "http://localhost:9000", STORAGE_IN_CLUSTER_S3},
        {"aws", "http://127.0.0.1:9000", STORAGE_IN_CLUSTER_S3},
        {"aws", "http://[::1]:9000", STORAGE_IN_CLUSTER_S3},
        {"aws", "x.cluster.local", STORAGE_IN_CLUSTER_S3},
        {"aws", "http://rook-ceph-rgw-rook-ceph-store.rook-ceph", STORAGE_IN_CLUSTER_S3},
        {"aws", "http://minio.minio:9000", STORAGE_IN_CLUSTER_S3},
        {"aws", "http://s3.backup-system:9000", STORAGE_IN_CLUSTER_S3}, /* the location's own namespace */
        {"aws", "http://s3.other-system:9000", STORAGE_EXTERNAL},
        {"aws", "https://wasabisys.com", STORAGE_EXTERNAL},
        {"aws", "http://nas.lan:9000", STORAGE_EXTERNAL},
        {"aws", "https://minio.example.com", STORAGE_EXTERNAL},
        {"aws", "http://", STORAGE_EXTERNAL},
        {"replicated.com/pvc", "", STORAGE_PVC},
        {"replicated.com/hostpath", "", STORAGE_HOST_PATH},
        {"replicated.com/nfs", "", STORAGE_NFS},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct json_object *config = json_object_new_object();
        json_object_object_add(config, "s3Url", json_object_new_string(rows[i].url));
        struct storage_location location = {
            .meta = {.ns = STR("backup-system")}, .provider = str_from(rows[i].provider), .config = config};
        if (storage_location_class(&location) != rows[i].class)
            fprintf(stderr, "\n    class of %s\n", rows[i].url);
        CU_ASSERT(storage_location_class(&location) == rows[i].class);
        json_object_put(config);
    }
}

SUITE(inventory_index, {"the default location of a namespace", test_default_location},
      {"the newest backup of a schedule", test_newest_of_schedule}, {"sorted by namespace and name", test_sorted},
      {"known and unknown", test_known}, {"which storage is lost with the cluster", test_storage_class})
