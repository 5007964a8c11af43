#include "gate_world.h"

/* What counts as a pre-upgrade backup, one circumstance at a time. */

#define WORLD CLEANUP(world_end) struct world

static const char exact[] = "kcm-backup-kcm-1-2-0";

static void begin(struct world *world)
{
    world_begin(world);
    world_source(world, "kcm-backup");
}

/* A ManagementBackup with its own status, created 1000 s ago, and no Velero Backup beside it. */
static void add_with_status(struct world *world, const char *extra, const char *status)
{
    world_add(
        world,
        "{apiVersion: k0rdent.mirantis.com/v1beta1, kind: ManagementBackup, metadata: {name: %s, creationTimestamp: "
        "%s, labels: {k0rdent.mirantis.com/release-backup: kcm-1-2-0}}, spec: {%s}, status: {%s}}",
        exact, world_time(world, 1000), extra, status);
}

static void add_velero(struct world *world, const char *name, const char *labels, int64_t started, const char *rest)
{
    world_add(
        world,
        "{apiVersion: velero.io/v1, kind: Backup, metadata: {name: %s, namespace: kcm-system, creationTimestamp: %s, "
        "labels: {%s}}, spec: {" BY_KCM ", storageLocation: aws-s3}, status: {startTimestamp: %s, %s}}",
        name, world_time(world, 900), labels, world_time(world, started), rest);
}

static const char *completed(struct world *world, int64_t seconds_ago, const char *more)
{
    return arena_printf(world->arena, "phase: Completed, completionTimestamp: %s%s", world_time(world, seconds_ago),
                        more)
        .ptr;
}

static void test_expired(void)
{
    for (int64_t left = -1; left <= 1; left++) {
        WORLD world;
        begin(&world);
        add_with_status(&world, "", "");
        const char *until = arena_printf(world.arena, ", expiration: %s", world_time(&world, -left)).ptr;
        add_velero(&world, exact, "", 900, completed(&world, 100, until));
        CU_ASSERT_EQUAL(world_judge(&world)->denied, left <= 0);
    }
}

/* A regional Backup that was synced here counts when it is that region's, and of this time. */
static void test_synced_region(void)
{
    static const struct {
        const char *label;
        int64_t started;
        bool counts;
    } rows[] = {{"eu", 900, true}, {"us", 900, false}, {"eu", 5000, false}};
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        WORLD world;
        begin(&world);
        add_with_status(
            &world, "",
            "regions: [{region: eu, lastBackupName: kcm-backup-kcm-1-2-0-eu, lastBackup: {phase: InProgress}}]");
        add_velero(&world, exact, "", 900, completed(&world, 100, ""));
        const char *label = arena_printf(world.arena, "k0rdent.mirantis.com/region: %s", rows[i].label).ptr;
        add_velero(&world, "kcm-backup-kcm-1-2-0-eu", label, rows[i].started, completed(&world, 100, ""));
        CU_ASSERT_EQUAL(world_judge(&world)->denied, !rows[i].counts);
        CU_ASSERT_EQUAL(world.decision.effects.len, 0);
    }
}

/* The whole is complete when its last part is, in whatever order they stand. */
static void test_age_is_that_of_the_whole(void)
{
    static const int64_t ages[][3] = {{100, 800, 100}, {800, 100, 100}, {900, 800, 800}};
    for (size_t i = 0; i < LENGTH_OF(ages); i++) {
        WORLD world;
        begin(&world);
        const char *region = completed(&world, ages[i][1], "");
        add_with_status(&world, "", arena_printf(world.arena, "regions: [{region: eu, lastBackup: {%s}}]", region).ptr);
        add_velero(&world, exact, "", 900, completed(&world, ages[i][0], ""));
        world.settings.upgrade_max_backup_age = ages[i][2];
        CU_ASSERT_FALSE(world_judge(&world)->denied);
        world.settings.upgrade_max_backup_age = ages[i][2] - 1;
        CU_ASSERT(world_judge(&world)->denied);
        CU_ASSERT_EQUAL(world.decision.effects.len, 1);
    }
}

static void test_which_of_several(void)
{
    static const struct {
        const char *older, *newer;
        int code;
        size_t effects;
    } rows[] = {
        {"Completed", "Failed", 0, 0},
        {"Failed", "Completed", 0, 0},
        {"InProgress", "Failed", 429, 0},
        {"Failed", "InProgress", 429, 0},
        {"Deleting", "Failed", 403, 0},
        {"Failed", "Deleting", 429, 1},
        {"Completed", "InProgress", 0, 0},
        {"InProgress", "Deleting", 429, 0},
        {"FailedValidation", "Completed", 403, 0},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        WORLD world;
        begin(&world);
        world_taken(&world, exact, "kcm-1-2-0", 500, rows[i].older);
        world_taken(&world, "kcm-backup-kcm-1-2-0-20261121025500", "kcm-1-2-0", 300, rows[i].newer);
        const struct decision *decision = world_judge(&world);
        CU_ASSERT_EQUAL(decision->code, rows[i].code);
        CU_ASSERT_EQUAL(decision->effects.len, rows[i].effects);
    }
}

static void test_what_is_no_evidence(void)
{
    static const struct {
        const char *name, *release;
    } rows[] = {
        {"kcm-backup-kcm-1-2-0", "kcm-1-1-0"},
        {"kcm-backup-kcm-1-2-0-manual", "kcm-1-2-0"},
        {"other-kcm-1-2-0", "kcm-1-2-0"},
        {"kcm-backup", "kcm-1-2-0"},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        WORLD world;
        begin(&world);
        world_taken(&world, rows[i].name, rows[i].release, 100, "Completed");
        /* the source itself again, should the row have replaced it */
        world_source(&world, "kcm-backup");
        CU_ASSERT_EQUAL(world_judge(&world)->code, 429);
        CU_ASSERT_EQUAL(world.decision.effects.len, 1);
    }
    WORLD world;
    begin(&world); /* a scheduled one under that name */
    add_with_status(&world, "schedule: '@daily'", "");
    add_velero(&world, exact, "", 900, completed(&world, 100, ""));
    CU_ASSERT_EQUAL(world_judge(&world)->code, 429);
    ASSERT_TEXT(world_created(&world, 0), "kcm-backup-kcm-1-2-0-20261121030000");
}

static void test_what_is_no_source(void)
{
    static const char *const specs[] = {
        "metadata: {name: a}, spec: {schedule: '@daily'}",
        "metadata: {name: a}, spec: {schedule: '@daily', performOnManagementUpgrade: false}",
        "metadata: {name: a}, spec: {performOnManagementUpgrade: true}",
        "metadata: {name: a}, spec: {schedule: '', performOnManagementUpgrade: true}",
        "metadata: {name: a, deletionTimestamp: '2026-11-21T02:00:00Z'}, spec: {schedule: '@daily', "
        "performOnManagementUpgrade: true}",
    };
    for (size_t i = 0; i < LENGTH_OF(specs); i++) {
        WORLD world;
        world_begin(&world);
        world_add(&world, "{apiVersion: k0rdent.mirantis.com/v1beta1, kind: ManagementBackup, %s}", specs[i]);
        CU_ASSERT_FALSE(world_judge(&world)->denied);
        CU_ASSERT(world_warns(&world, "no ManagementBackup has both"));
        world.settings.upgrade_without_backups = VERDICT_DENY;
        CU_ASSERT_EQUAL(world_judge(&world)->code, 403);
        CU_ASSERT_EQUAL(world.decision.effects.len, 0);
    }
}

static void test_under_way(void)
{
    WORLD world;
    begin(&world);
    world.before = "kcm-1-3-0";
    world.target = "kcm-1-4-0";
    world_taken(&world, exact, "kcm-1-2-0", 90 * 86400, "Completed");
    CU_ASSERT_FALSE(world_judge(&world)->denied);
    CU_ASSERT(world_warns(&world, "the upgrade from kcm-1-2-0 to kcm-1-3-0 has not finished yet"));
    world.before = "kcm-1-2-0"; /* not under way: the same backup is too old */
    CU_ASSERT_EQUAL(world_judge(&world)->code, 429);
}

/* Nothing is started for a Release that cannot be used, whatever else is true. */
static void test_release(void)
{
    static const struct {
        const char *target;
        int code;
    } rows[] = {{"kcm-1-3-0", 429}, {"kcm-1-4-0", 422}, {"kcm-1-3-1", 422}, {"", 422}};
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        WORLD world;
        begin(&world);
        world.unknown[FACT_RELEASES] = false;
        world_add(&world,
                  "{apiVersion: k0rdent.mirantis.com/v1beta1, kind: Release, metadata: {name: kcm-1-3-0}, status: "
                  "{ready: true}}");
        world_add(&world,
                  "{apiVersion: k0rdent.mirantis.com/v1beta1, kind: Release, metadata: {name: kcm-1-4-0}, status: "
                  "{ready: false}}");
        world.target = rows[i].target;
        CU_ASSERT_EQUAL(world_judge(&world)->code, rows[i].code);
        CU_ASSERT_EQUAL(world.decision.effects.len, rows[i].code == 429);
        if (rows[i].code == 422)
            ASSERT_TEXT(world.decision.causes.items[0].field, "spec.release");
    }
}

SUITE(gate_evidence, {"expired", test_expired}, {"synced region", test_synced_region},
      {"the age is that of the whole", test_age_is_that_of_the_whole}, {"which of several", test_which_of_several},
      {"what is no evidence", test_what_is_no_evidence}, {"what is no source", test_what_is_no_source},
      {"under way", test_under_way}, {"the release asked for", test_release})
