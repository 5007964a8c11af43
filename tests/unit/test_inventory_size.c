#include <malloc.h>

#include "backstop/api.h"
#include "backstop/inventory.h"
#include "suite.h"

enum { BACKUPS = 10000, LOCATIONS = 1000 };

static void add(struct inventory_builder *builder, struct str json)
{
    ARENA_SCOPED arena = arena_new(1 << 20);
    struct error error = {0};
    struct json_object *tree = json_build(arena, json, &error);
    CU_ASSERT_FATAL(tree && inventory_add(builder, tree, &error));
}

/* As kcm and Velero write them, managed fields and all. */
static struct inventory *build(int backups, int locations)
{
    struct inventory_builder *builder = inventory_builder_new();
    CU_ASSERT_FATAL(builder != NULL);
    for (int i = 0; i < backups; i++) {
        ARENA_SCOPED arena = arena_new(1 << 16);
        add(builder,
            arena_printf(
                arena,
                "{\"apiVersion\":\"velero.io/"
                "v1\",\"kind\":\"Backup\",\"metadata\":{\"name\":\"kcm-backup-%d-2026112100%d\","
                "\"namespace\":\"kcm-system\",\"uid\":\"7b8a4f8e-0000-4000-8000-%012d\",\"creationTimestamp\":"
                "\"2026-11-21T00:00:00Z\",\"labels\":{\"k0rdent.mirantis.com/management-backup\":\"kcm-backup-%d\","
                "\"velero.io/storage-location\":\"aws-s3\"},\"annotations\":{\"velero.io/"
                "source-cluster-k8s-gitversion\":"
                "\"v1.36.3\"},\"managedFields\":[{\"manager\":\"velero-server\"}]},\"spec\":{\"storageLocation\":"
                "\"location-%d\",\"orLabelSelectors\":[{\"matchLabels\":{\"cluster.x-k8s.io/provider\":"
                "\"infrastructure-azure\"}},{\"matchLabels\":{\"cluster.x-k8s.io/provider\":\"bootstrap-k0sproject-"
                "k0smotron\"}},{\"matchLabels\":{\"k0rdent.mirantis.com/component\":\"kcm\"}}]},\"status\":{\"phase\":"
                "\"Completed\",\"startTimestamp\":\"2026-11-21T00:00:00Z\",\"progress\":{\"itemsBackedUp\":980,"
                "\"totalItems\":980}}}",
                i, i, i, i % 20, i % 1000));
    }
    for (int i = 0; i < locations; i++) {
        ARENA_SCOPED arena = arena_new(1 << 16);
        add(builder,
            arena_printf(arena,
                         "{\"apiVersion\":\"velero.io/v1\",\"kind\":\"BackupStorageLocation\",\"metadata\":"
                         "{\"name\":\"location-%d\",\"namespace\":\"kcm-system\"},\"spec\":{\"provider\":\"aws\","
                         "\"objectStorage\":{\"bucket\":\"bucket-%d\"},\"config\":{\"region\":\"eu-west-%d\"},"
                         "\"credential\":{\"name\":\"cloud\",\"key\":\"cloud\"}},\"status\":{\"phase\":"
                         "\"Available\"}}",
                         i, i, i % 4));
    }
    return inventory_finish(builder);
}

/* The whole process may take 12 MiB with these facts: they may take half of it. */
static void test_memory(void)
{
    size_t before = mallinfo2().uordblks;
    struct inventory *inventory = build(BACKUPS, LOCATIONS);
    CU_ASSERT_FATAL(inventory != NULL);
    size_t used = mallinfo2().uordblks - before;
    CU_ASSERT(inventory->count[FACT_BACKUPS] == BACKUPS && inventory->count[FACT_STORAGE_LOCATIONS] == LOCATIONS);
    if (used >= (size_t)6 << 20)
        fprintf(stderr, "\n    %d backups and %d locations take %zu KiB\n", BACKUPS, LOCATIONS, used / 1024);
    CU_ASSERT(used < (size_t)6 << 20);
    snapshot_release(inventory);
}

static int64_t nanoseconds_per_look_up(const struct inventory *inventory, int backups)
{
    enum { ROUNDS = 10000, ATTEMPTS = 60 }; /* a short attempt is seldom interrupted */
    struct str names[64];
    ARENA_SCOPED arena = arena_new(1 << 20);
    for (size_t i = 0; i < LENGTH_OF(names); i++) {
        int n = (int)(i * 7919) % backups;
        names[i] = arena_printf(arena, "kcm-backup-%d-2026112100%d", n, n);
    }
    int64_t best = INT64_MAX;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        size_t found = 0;
        int64_t start = time_monotonic_ns();
        for (size_t i = 0; i < ROUNDS; i++)
            found += inventory_backup(inventory, STR("kcm-system"), names[i % LENGTH_OF(names)]) != NULL;
        int64_t took = (time_monotonic_ns() - start) / ROUNDS;
        CU_ASSERT(found == ROUNDS);
        best = took < best ? took : best;
    }
    return best;
}

static void test_look_up_cost(void)
{
    struct inventory *small = build(10, 1), *large = build(BACKUPS, LOCATIONS);
    CU_ASSERT_FATAL(small != NULL && large != NULL);
    int64_t few = nanoseconds_per_look_up(small, 10), many = nanoseconds_per_look_up(large, BACKUPS);
    /* A walk would cost a thousand times as much; the caches' share is allowed for. */
    if (many > few * 4 + 200)
        fprintf(stderr, "\n    %lld ns with 10 backups, %lld ns with %d\n", (long long)few, (long long)many, BACKUPS);
    CU_ASSERT(many <= few * 4 + 200);
    snapshot_release(small);
    snapshot_release(large);
}

/* Whoever may write Backups may annotate them with 256 KiB; a pin among it still counts. */
static void test_annotations_are_cut(void)
{
    enum { LARGE = 200000 };
    ARENA_SCOPED arena = arena_new(1 << 20);
    struct inventory_builder *builder = inventory_builder_new();
    char *text = malloc(LARGE + 1);
    CU_ASSERT_FATAL(builder && text);
    memset(text, 'x', LARGE);
    text[LARGE] = '\0';
    add(builder,
        arena_printf(arena,
                     "{\"apiVersion\":\"velero.io/v1\",\"kind\":\"Backup\",\"metadata\":{\"name\":\"b\",\"namespace\":"
                     "\"kcm-system\",\"annotations\":{\"backstop.k0rdent.mirantis.com/keep\":\"%s\","
                     "\"backstop.k0rdent.mirantis.com/cluster-id\":\"here\"}}}",
                     text));
    free(text);
    struct inventory *inventory = inventory_finish(builder);
    CU_ASSERT_FATAL(inventory != NULL);
    const struct backup *backup = inventory_backup(inventory, STR("kcm-system"), STR("b"));
    CU_ASSERT_FATAL(backup != NULL);
    CU_ASSERT(json_get_str(backup->meta.annotations, ANNOTATION_KEEP).len == 8192);
    CU_ASSERT(str_is(json_get_str(backup->meta.annotations, ANNOTATION_CLUSTER_ID), "here"));
    snapshot_release(inventory);
}

SUITE(inventory_size, {"10,000 Backups and 1,000 locations in 6 MiB", test_memory},
      {"a long annotation is kept in part", test_annotations_are_cut},
      {"a look-up costs the same with 10 and 10,000", test_look_up_cost})
