#include "suite.h"

#include "backstop/policy.h"

/* Properties over all combinations of good and bad fields; single rows are golden cases. */
static const char *const schedules[] = {
    "",           "0 */6 * * *",           "@daily", "0 9 * * 7", "TZ=UTC", "0 0 30 2 *", "* * * * *",
    "0 0 13 * 5", "TZ=No/Where 0 3 * * *",
};
static const char *const locations[] = {"", "good", "gone", "frozen", "fresh", "minio", "missing"};

static const char facts[] =
    "{apiVersion: velero.io/v1, kind: BackupStorageLocation, metadata: {name: good, namespace: kcm-system},\n"
    "  spec: {provider: aws, default: true}, status: {phase: Available}}\n"
    "---\n"
    "{apiVersion: velero.io/v1, kind: BackupStorageLocation, metadata: {name: gone, namespace: kcm-system},\n"
    "  spec: {provider: aws}, status: {phase: Unavailable, message: no such bucket}}\n"
    "---\n"
    "{apiVersion: velero.io/v1, kind: BackupStorageLocation, metadata: {name: frozen, namespace: kcm-system},\n"
    "  spec: {provider: aws, accessMode: ReadOnly}, status: {phase: Available}}\n"
    "---\n"
    "{apiVersion: velero.io/v1, kind: BackupStorageLocation, metadata: {name: fresh, namespace: kcm-system},\n"
    "  spec: {provider: aws}}\n"
    "---\n"
    "{apiVersion: velero.io/v1, kind: BackupStorageLocation, metadata: {name: minio, namespace: kcm-system},\n"
    "  spec: {provider: aws, config: {s3Url: \"http://minio.minio.svc\"}}, status: {phase: Available}}\n"
    "---\n"
    "{apiVersion: velero.io/v1, kind: Backup, metadata: {name: taken, namespace: kcm-system}}\n";

static struct inventory *load(const char *yaml)
{
    ARENA_SCOPED arena = arena_new(1 << 22);
    struct inventory_builder *builder = inventory_builder_new();
    struct yaml_document *documents = NULL;
    struct error error = {0};
    struct yaml_options options = {0};
    CU_ASSERT_FATAL(yaml_load(arena, str_from(yaml), &options, &documents, &error));
    for (; documents; documents = documents->next)
        CU_ASSERT(inventory_add(builder, documents->tree, &error));
    for (int fact = 0; fact < FACT_COUNT; fact++)
        inventory_set_known(builder, (enum fact)fact, true);
    return inventory_finish(builder);
}

struct world {
    struct inventory *inventory;
    struct settings *settings;
};

static struct world world_open(void)
{
    struct error error;
    struct world world = {load(facts), settings_defaults(&error)};
    CU_ASSERT_FATAL(world.inventory && world.settings);
    return world;
}

static void world_close(struct world *world)
{
    shared_release(&world->settings->shared);
    snapshot_release(world->inventory);
}

static struct str text_of(struct arena *arena, const char *name, const char *schedule, const char *location, bool flag)
{
    return arena_printf(arena,
                        "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"schedule\":\"%s\",\"storageLocation\":\"%s\","
                        "\"performOnManagementUpgrade\":%s}}",
                        name, schedule, location, flag ? "true" : "false");
}

static void decide(struct arena *arena, const struct world *world, struct str object, struct str old,
                   struct decision *decision)
{
    struct error error;
    struct object now = {json_index(arena, object, 2, &error)}, before = {NULL};
    struct request request;
    request_init(&request, arena);
    request.operation = old.ptr ? OPERATION_UPDATE : OPERATION_CREATE;
    request.now = 1795230000;
    request.object = &now;
    if (old.ptr) {
        before.root = json_index(arena, old, 2, &error);
        request.old_object = &before;
    }
    policy_management_backup(&request, world->inventory, world->settings, decision);
}

typedef void visit_fn(const struct world *world, const char *schedule, const char *location, bool flag);

static void visit_all(visit_fn *visit)
{
    struct world world = world_open();
    for (size_t s = 0; s < LENGTH_OF(schedules); s++)
        for (size_t l = 0; l < LENGTH_OF(locations); l++)
            for (int flag = 0; flag < 2; flag++)
                visit(&world, schedules[s], locations[l], flag);
    world_close(&world);
}

static bool bad(const char *schedule, const char *location, bool flag)
{
    static const char *const bad_schedules[] = {"0 9 * * 7", "TZ=UTC", "0 0 30 2 *", "TZ=No/Where 0 3 * * *"};
    static const char *const bad_locations[] = {"gone", "frozen", "missing"};
    for (size_t i = 0; i < LENGTH_OF(bad_schedules); i++)
        if (strcmp(schedule, bad_schedules[i]) == 0)
            return true;
    for (size_t i = 0; i < LENGTH_OF(bad_locations); i++)
        if (strcmp(location, bad_locations[i]) == 0)
            return true;
    return flag && !*schedule;
}

static void visit_create(const struct world *world, const char *schedule, const char *location, bool flag)
{
    ARENA_SCOPED arena = arena_new(1 << 20);
    struct decision decision;
    decision_init(&decision, arena);
    decide(arena, world, text_of(arena, "x", schedule, location, flag), (struct str){NULL, 0}, &decision);
    CU_ASSERT_EQUAL(decision.denied, bad(schedule, location, flag));
    CU_ASSERT(!decision.denied || decision.code == 422);
    CU_ASSERT(!decision.denied || decision.causes.len > 0);
    for (size_t i = 0; i < decision.warnings.len; i++)
        CU_ASSERT(decision.warnings.items[i].len < 256);
}

/* What is there already stays editable elsewhere, however wrong it is. */
static void visit_unchanged(const struct world *world, const char *schedule, const char *location, bool flag)
{
    ARENA_SCOPED arena = arena_new(1 << 20);
    struct decision decision;
    decision_init(&decision, arena);
    struct str object = text_of(arena, "x", schedule, location, flag);
    decide(arena, world, object, object, &decision);
    CU_ASSERT_FALSE(decision.denied);
    CU_ASSERT_EQUAL(decision.warnings.len, 0);
}

static void visit_velero(const struct world *world, const char *schedule, const char *location, bool flag)
{
    ARENA_SCOPED arena = arena_new(1 << 20);
    struct decision decision;
    decision_init(&decision, arena);
    decision.lenient = true;
    decide(arena, world, text_of(arena, "taken", schedule, location, flag), (struct str){NULL, 0}, &decision);
    CU_ASSERT_FALSE(decision.denied);
    CU_ASSERT(!bad(schedule, location, flag) || decision.warnings.len > 0);
}

/* With too little memory the arena says so, or the answer is the same as ever. */
static void visit_little_memory(const struct world *world, const char *schedule, const char *location, bool flag)
{
    for (size_t limit = 256; limit < 8192; limit += 96) {
        ARENA_SCOPED arena = arena_new(limit);
        struct decision decision;
        decision_init(&decision, arena);
        struct str object = text_of(arena, "x", schedule, location, flag);
        if (!object.ptr)
            continue;
        decide(arena, world, object, (struct str){NULL, 0}, &decision);
        CU_ASSERT(arena_failed(arena) || decision.denied == bad(schedule, location, flag));
    }
}

static void test_create(void)
{
    visit_all(visit_create);
}

static void test_unchanged(void)
{
    visit_all(visit_unchanged);
}

static void test_velero(void)
{
    visit_all(visit_velero);
}

static void test_little_memory(void)
{
    visit_all(visit_little_memory);
}

/* Each change between two states is judged by the fields that it changes. */
static void test_edits(void)
{
    struct world world = world_open();
    for (size_t s = 0; s < LENGTH_OF(schedules); s++)
        for (size_t l = 0; l < LENGTH_OF(locations); l++) {
            ARENA_SCOPED arena = arena_new(1 << 20);
            struct decision decision;
            decision_init(&decision, arena);
            decide(arena, &world, text_of(arena, "x", schedules[s], "good", false),
                   text_of(arena, "x", "@daily", locations[l], false), &decision);
            CU_ASSERT_EQUAL(decision.denied, bad(schedules[s], "good", false));
            decision_init(&decision, arena);
            decide(arena, &world, text_of(arena, "x", schedules[s], locations[l], false),
                   text_of(arena, "x", schedules[s], "good", false), &decision);
            CU_ASSERT_EQUAL(decision.denied, bad("", locations[l], false));
        }
    world_close(&world);
}

SUITE(management_backup, {"what is wrong is denied, nothing else", test_create},
      {"what is not changed is not judged", test_unchanged}, {"only the changed field is judged", test_edits},
      {"Velero is never denied", test_velero}, {"little memory", test_little_memory})
