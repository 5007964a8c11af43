#include <stdio.h>

#include "gate_world.h"

/* Properties of the gate over random clusters and random lives of their backups. */

#define WORLD CLEANUP(world_end) struct world

static uint32_t random_state = 7;
static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % limit;
}

/* ---- random clusters, against the rule said once more -------------------- */

enum { SOURCES_MAX = 3, TAKEN_MAX = 4 };

struct taken {
    bool labelled, deleting, velero_gone, copied, region;
    int64_t created, velero_created, completed; /* seconds ago */
    const char *phase, *region_phase;
    char name[64];
};

static const char *random_phase(void)
{
    static const char *const phases[] = {"Completed", "Completed", "Completed",        "New",     "InProgress",
                                         "Failed",    "Queued",    "FailedValidation", "Deleting"};
    return phases[random_below(LENGTH_OF(phases))];
}

static struct taken random_taken(const char *source, uint32_t n)
{
    struct taken taken = {
        .labelled = random_below(8) != 0,
        .deleting = random_below(12) == 0,
        .velero_gone = random_below(10) == 0,
        .copied = random_below(2) == 0,
        .region = random_below(3) == 0,
        .created = 100 + (int64_t)random_below(5000),
        .phase = random_phase(),
        .region_phase = random_below(4) ? "Completed" : random_phase(),
    };
    taken.velero_created = taken.created - 1 + (random_below(8) == 0 ? 7000 : 0);
    taken.completed = taken.created - (int64_t)random_below(90);
    if (n == 0)
        snprintf(taken.name, sizeof taken.name, "%s-kcm-1-2-0", source);
    else
        snprintf(taken.name, sizeof taken.name, "%s-kcm-1-2-0-2026112102%02u%02u", source, n, random_below(60));
    return taken;
}

static struct str status_text(struct world *world, const struct taken *taken, const char *phase)
{
    bool ended = strcmp(phase, "Completed") == 0 || strcmp(phase, "Failed") == 0;
    return arena_printf(world->arena, "{phase: %s, startTimestamp: %s%s%s}", phase,
                        world_time(world, taken->velero_created), ended ? ", completionTimestamp: " : "",
                        ended ? world_time(world, taken->completed) : "");
}

static void add_taken(struct world *world, const struct taken *taken)
{
    struct str own = status_text(world, taken, taken->phase), region = status_text(world, taken, taken->region_phase);
    struct str regions =
        taken->region ? arena_printf(world->arena, "{region: eu, lastBackup: %.*s}", STR_ARG(region)) : STR("");
    world_add(world,
              "{apiVersion: k0rdent.mirantis.com/v1alpha1, kind: ManagementBackup, metadata: {name: %s, "
              "creationTimestamp: %s, labels: {k0rdent.mirantis.com/release-backup: %s}%s}, status: {%s%.*s%sregions: "
              "[%.*s]}}",
              taken->name, world_time(world, taken->created), taken->labelled ? "kcm-1-2-0" : "kcm-1-1-0",
              taken->deleting ? ", deletionTimestamp: \"2026-11-21T02:00:00Z\"" : "",
              taken->copied ? "lastBackup: " : "", taken->copied ? (int)own.len : 0, own.ptr, taken->copied ? ", " : "",
              STR_ARG(regions));
    if (!taken->velero_gone)
        world_add(world,
                  "{apiVersion: velero.io/v1, kind: Backup, metadata: {name: %s, namespace: kcm-system, "
                  "creationTimestamp: %s}, spec: {" BY_KCM ", storageLocation: aws-s3}, status: %.*s}",
                  taken->name, world_time(world, taken->velero_created), STR_ARG(own));
}

static bool is_good(const struct taken *taken)
{
    return taken->labelled && !taken->deleting && !taken->velero_gone && strcmp(taken->phase, "Completed") == 0 &&
           (!taken->region || strcmp(taken->region_phase, "Completed") == 0) && taken->completed <= 3600 &&
           taken->velero_created <= taken->created;
}

/* kcm looks the exact name up whatever its label, and never sees a completion time. */
static bool blocks_kcm(const struct taken *taken)
{
    bool own = strcmp(taken->phase, "FailedValidation") == 0 && (taken->copied || !taken->velero_gone);
    return own || (taken->region && strcmp(taken->region_phase, "FailedValidation") == 0);
}

static void test_passes_only_with_good_backups(void)
{
    int passed = 0, refused = 0;
    for (int round = 0; round < 1500; round++) {
        WORLD world;
        world_begin(&world);
        uint32_t sources = 1 + random_below(SOURCES_MAX);
        bool expected = true;
        for (uint32_t s = 0; s < sources; s++) {
            char source[24];
            snprintf(source, sizeof source, "source-%u", s);
            world_source(&world, source);
            bool good = false, blocked = false;
            for (uint32_t n = random_below(3) ? 0 : 1; n < TAKEN_MAX && random_below(4); n++) {
                struct taken taken = random_taken(source, n);
                add_taken(&world, &taken);
                good = good || is_good(&taken);
                blocked = blocked || (n == 0 && blocks_kcm(&taken));
            }
            expected = expected && good && !blocked;
        }
        const struct decision *decision = world_judge(&world);
        if (decision->denied == expected)
            fprintf(stderr, "\n    round %d: %.*s\n%s\n", round, STR_ARG(decision_message(decision)), world.yaml.data);
        CU_ASSERT_EQUAL_FATAL(!decision->denied, expected);
        CU_ASSERT(decision->code == 429 || decision->effects.len == 0);
        CU_ASSERT(decision->effects.len <= sources);
        for (size_t i = 0; i < decision->effects.len; i++) {
            struct str name = world_created(&world, i);
            CU_ASSERT(!inventory_management_backup(world.inventory, name));
            CU_ASSERT(!inventory_backup(world.inventory, STR("kcm-system"), name));
        }
        passed += expected;
        refused += decision->code == 403;
    }
    CU_ASSERT(passed > 100);
    CU_ASSERT(refused > 100);
}

/* ---- an upgrade applied again and again until it is admitted -------------- */

struct life {
    char name[80];
    int64_t created;
    const char *phase; /* NULL: kcm has not seen it yet */
    int64_t ended;
};

static void put_life(struct world *world, const struct life *life)
{
    world_taken(world, life->name, "kcm-1-2-0", world->now - life->created, NULL);
    if (!life->phase)
        return;
    struct str ended = life->ended ? arena_printf(world->arena, ", completionTimestamp: %s",
                                                  world_time(world, world->now - life->ended))
                                   : STR("");
    world_add(
        world,
        "{apiVersion: velero.io/v1, kind: Backup, metadata: {name: %s, namespace: kcm-system, creationTimestamp: %s}, "
        "spec: {" BY_KCM ", storageLocation: aws-s3}, status: {phase: %s%.*s}}",
        life->name, world_time(world, world->now - life->created), life->phase, STR_ARG(ended));
}

static void live_on(struct life *life, int64_t now, uint32_t failing)
{
    if (life->ended || random_below(3) == 0)
        return;
    if (!life->phase)
        life->phase = "New";
    else if (strcmp(life->phase, "New") == 0)
        life->phase = "InProgress";
    else if (random_below(3) == 0) {
        life->phase = random_below(100) < failing ? "PartiallyFailed" : "Completed";
        life->ended = now;
    }
}

static void test_an_upgrade_ends_and_starts_no_storm(void)
{
    for (int round = 0; round < 25; round++) {
        struct life lives[64] = {0};
        size_t count = 0;
        int failures = 0, tick = 0;
        bool admitted = false;
        for (int64_t now = WORLD_NOW; !admitted && tick < 600; tick++, now += 15) {
            WORLD world;
            world_begin(&world);
            world.now = now;
            world_source(&world, "kcm-backup");
            world_source(&world, "other");
            for (size_t i = 0; i < count; i++) {
                bool ended = lives[i].ended;
                live_on(&lives[i], now, round < 5 ? 0 : 50);
                failures += !ended && lives[i].ended && strcmp(lives[i].phase, "PartiallyFailed") == 0;
                put_life(&world, &lives[i]);
            }
            const struct decision *decision = world_judge(&world);
            admitted = !decision->denied;
            for (size_t i = 0; i < decision->effects.len; i++, count++) {
                CU_ASSERT_FATAL(count < LENGTH_OF(lives));
                struct str name = world_created(&world, i);
                for (size_t other = 0; other < count; other++)
                    CU_ASSERT(!str_is(name, lives[other].name));
                snprintf(lives[count].name, sizeof lives[count].name, "%.*s", STR_ARG(name));
                lives[count].created = now;
                world_taken(&world, lives[count].name, "kcm-1-2-0", 0, NULL);
            }
            if (decision->effects.len)
                CU_ASSERT_EQUAL(world_judge(&world)->effects.len, 0); /* asked again at once, nothing more */
        }
        CU_ASSERT(admitted);
        CU_ASSERT(count <= 4 + (size_t)failures); /* the first ones, one per failure, and a stale one each */
        if (round < 5)
            CU_ASSERT_EQUAL(count, 2);
    }
}

/* Whatever runs out, and where: nothing crashes, and the shell can tell (arena_failed). */
static void test_out_of_memory(void)
{
    int failed = 0, answered = 0;
    for (size_t limit = 0; limit < 24000; limit += 61) {
        WORLD world;
        world_begin(&world);
        ARENA_SCOPED arena = arena_new(limit);
        world.request_arena = arena;
        world.unknown[FACT_STORAGE_LOCATIONS] = limit % 2;
        world_source(&world, "running");
        world_taken(&world, "running-kcm-1-2-0", "kcm-1-2-0", 100, "InProgress");
        world_source(&world, "stale");
        world_taken(&world, "stale-kcm-1-2-0", "kcm-1-2-0", 9000, "Completed");
        world_source(&world, "failed");
        world_taken(&world, "failed-kcm-1-2-0", "kcm-1-2-0", limit % 3 ? 100 : 900, "Failed");
        world.annotations = limit % 5 ? "{}" : "{\"" ANNOTATION_SKIP_BACKUP "\":\"disk snapshot\"}";
        world.providers = "[{\"name\":\"projectsveltos\"}]";
        const struct decision *decision = world_judge(&world);
        failed += arena_failed(arena);
        answered += !arena_failed(arena);
        CU_ASSERT(arena_failed(arena) || decision->denied || limit % 5 == 0);
    }
    CU_ASSERT(failed > 50);
    CU_ASSERT(answered > 50);
}

SUITE(gate_life, {"passes only with good backups", test_passes_only_with_good_backups},
      {"an upgrade ends and starts no storm", test_an_upgrade_ends_and_starts_no_storm},
      {"out of memory", test_out_of_memory})
