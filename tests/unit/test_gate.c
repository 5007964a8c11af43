#include <stdio.h>

#include "gate_world.h"

#define WORLD CLEANUP(world_end) struct world

static void test_missing_is_started(void)
{
    WORLD world;
    world_begin(&world);
    world_source(&world, "kcm-backup");
    const struct decision *decision = world_judge(&world);
    CU_ASSERT(decision->denied);
    CU_ASSERT_EQUAL(decision->code, 429);
    CU_ASSERT_EQUAL(decision->retry_after, 15);
    CU_ASSERT_EQUAL_FATAL(decision->effects.len, 1);
    struct json_object *object = decision->effects.items[0].object;
    static const char *const fields[][2] = {
        {"apiVersion", "k0rdent.mirantis.com/v1beta1"},
        {"kind", "ManagementBackup"},
        {"metadata.name", "kcm-backup-kcm-1-2-0"},
        {"spec.storageLocation", "aws-s3"},
    };
    for (size_t i = 0; i < LENGTH_OF(fields); i++)
        ASSERT_TEXT(json_path_str(object, fields[i][0]), fields[i][1]);
    ASSERT_TEXT(json_get_str(json_path(object, "metadata.labels"), LABEL_RELEASE_BACKUP), "kcm-1-2-0");
    ASSERT_TEXT(json_get_str(json_path(object, "metadata.annotations"), ANNOTATION_TAKEN_BEFORE), "kcm-1-3-0");
    CU_ASSERT_EQUAL(json_object_object_length(json_get(object, "spec")), 1);
    ASSERT_TEXT(decision->effects.items[0].what, "ManagementBackup kcm-backup-kcm-1-2-0");
}

/* Each phase of the one backup there is, created so long ago, and what the gate answers. */
static void test_every_phase(void)
{
    static const struct {
        const char *phase;
        int64_t age;
        int code; /* 0: allowed */
        size_t effects;
        const char *says;
    } rows[] = {
        {NULL, 10, 429, 0, "created 10s ago, not started yet"},
        {NULL, 300, 429, 0, "not started yet"},
        {NULL, 301, 403, 0, "stuck"},
        {"", 10, 429, 0, "not started yet"},
        {"New", 299, 429, 0, "New"},
        {"New", 301, 403, 0, "deployment/velero"},
        {"Queued", 301, 403, 0, "behind other backups"},
        {"ReadyToStart", 3, 429, 0, "ReadyToStart"},
        {"InProgress", 86400, 429, 0, "InProgress"},
        {"WaitingForPluginOperations", 400, 429, 0, "WaitingForPluginOperations"},
        {"WaitingForPluginOperationsPartiallyFailed", 400, 429, 0, "already with errors"},
        {"Finalizing", 400, 429, 0, "Finalizing"},
        {"FinalizingPartiallyFailed", 400, 429, 0, "already with errors"},
        {"SomethingNew", 400, 429, 0, "SomethingNew"},
        {"Completed", 0, 0, 0, NULL},
        {"Completed", 3600, 0, 0, NULL},
        {"Completed", 3601, 429, 1, "completed 1h ago and counts only for 1h"},
        {"Completed", -300, 0, 0, NULL},
        {"Completed", -301, 403, 0, "the clocks differ"},
        {"PartiallyFailed", 60, 403, 0, "re-apply in 9m, or re-apply now after"},
        {"PartiallyFailed", 599, 403, 0, "re-apply in 1s,"},
        {"PartiallyFailed", 600, 429, 1, "ended PartiallyFailed 10m ago"},
        {"Failed", 60, 403, 0, "kcm-backup-kcm-1-2-0 Failed 1m ago"},
        {"Failed", 86400, 429, 1, "just started"},
        {"FailedValidation", 60, 403, 0, "kubectl delete managementbackup kcm-backup-kcm-1-2-0"},
        {"FailedValidation", 700, 429, 1, "ended FailedValidation"},
        {"Deleting", 60, 429, 1, "is gone"},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        WORLD world;
        world_begin(&world);
        world_source(&world, "kcm-backup");
        world_taken(&world, "kcm-backup-kcm-1-2-0", "kcm-1-2-0", rows[i].age, rows[i].phase);
        const struct decision *decision = world_judge(&world);
        if (decision->code != rows[i].code)
            fprintf(stderr, "\n    row %zu: %s %lld: code %d\n", i, rows[i].phase ? rows[i].phase : "-",
                    (long long)rows[i].age, decision->code);
        CU_ASSERT_EQUAL(decision->code, rows[i].code);
        CU_ASSERT_EQUAL(decision->denied, rows[i].code != 0);
        CU_ASSERT_EQUAL(decision->effects.len, rows[i].effects);
        if (rows[i].says)
            CU_ASSERT(world_says(&world, rows[i].says));
        if (rows[i].effects)
            ASSERT_TEXT(world_created(&world, 0), "kcm-backup-kcm-1-2-0-20261121030000");
        if (rows[i].code == 403)
            CU_ASSERT(world_says(&world, "kubectl annotate management kcm " ANNOTATION_SKIP_BACKUP "=\"REASON\""));
        if (rows[i].code == 429)
            CU_ASSERT(world_says(&world, "kubectl get managementbackup kcm-backup-kcm-1-2-0"));
        if (rows[i].code == 0)
            CU_ASSERT(world_warns(&world, "pre-upgrade backup kcm-backup-kcm-1-2-0 completed"));
    }
}

static void test_let_through(void)
{
    static const struct {
        const char *user, *running, *before, *target, *annotations, *audit;
        bool gate_off;
    } rows[] = {
        {"system:serviceaccount:kcm-system:velero-server", "kcm-1-2-0", "kcm-1-2-0", "kcm-1-3-0", "{}",
         "let through: written by Velero (a restore)", false},
        {"admin", "", "kcm-1-2-0", "kcm-1-3-0", "{}", "let through: status.release is empty", false},
        {"admin", "kcm-1-2-0", "kcm-1-3-0", "kcm-1-2-0", "{}", "let through: back to the running release", false},
        {"admin", "kcm-1-2-0", "kcm-1-2-0", "kcm-1-3-0", "{}", "off", true},
        {"admin", "kcm-1-2-0", "kcm-1-2-0", "kcm-1-3-0", "{\"" ANNOTATION_SKIP_BACKUP "\":\" we have a snapshot \"}",
         "skipped by annotation: we have a snapshot", false},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        WORLD world;
        world_begin(&world);
        if (rows[i].running[0]) /* else it is a first install */
            world_source(&world, "kcm-backup");
        world.user = rows[i].user;
        world.running = rows[i].running;
        world.before = rows[i].before;
        world.target = rows[i].target;
        world.annotations = rows[i].annotations;
        world.settings.upgrade_gate = !rows[i].gate_off;
        CU_ASSERT_FALSE(world_judge(&world)->denied);
        ASSERT_TEXT(world_audit(&world, "upgrade-gate"), rows[i].audit);
        CU_ASSERT_EQUAL(world.decision.effects.len, 0);
    }
}

static void test_not_let_through(void)
{
    static const struct {
        const char *user, *annotations;
    } rows[] = {
        {"system:serviceaccount:default:velero-server", "{}"},
        {"velero-server", "{}"},
        {"admin", "{\"" ANNOTATION_SKIP_BACKUP "\":\"\"}"},
        {"admin", "{\"" ANNOTATION_SKIP_BACKUP "\":\"  \\n\"}"},
        {"admin", "{\"" ANNOTATION_SKIP_BACKUP "\":null}"},
        {"admin", "{\"" ANNOTATION_SKIP_BACKUP "\":true}"},
        {"admin", "{\"backstop.k0rdent.mirantis.com/skip-mutation\":\"x\"}"},
        {"admin", "\"no map\""},
        {"admin", "null"},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        WORLD world;
        world_begin(&world);
        world_source(&world, "kcm-backup");
        world.user = rows[i].user;
        world.annotations = rows[i].annotations;
        CU_ASSERT_EQUAL(world_judge(&world)->code, 429);
        CU_ASSERT_EQUAL(world_warns(&world, "needs a reason"), i == 2 || i == 3);
    }
}

static void test_skip_says_what_kcm_does(void)
{
    WORLD world;
    world_begin(&world);
    world_source(&world, "kcm-backup");
    world.annotations = "{\"" ANNOTATION_SKIP_BACKUP "\":\"disk snapshot\"}";
    world.providers = "[{\"name\":\"projectsveltos\"}]";
    CU_ASSERT_FALSE(world_judge(&world)->denied);
    CU_ASSERT(world_warns(&world, "\"disk snapshot\""));
    CU_ASSERT(world_warns(&world, "kubectl annotate management kcm " ANNOTATION_SKIP_BACKUP "-"));
    CU_ASSERT(world_warns(&world, "kcm still waits for ManagementBackup kcm-backup-kcm-1-2-0"));
    CU_ASSERT(world_warns(&world, "also removes \"cluster-api-provider-azure\""));
    world_taken(&world, "kcm-backup-kcm-1-2-0", "kcm-1-2-0", 900, "FailedValidation");
    CU_ASSERT_FALSE(world_judge(&world)->denied);
    CU_ASSERT(world_warns(&world, "kcm will wait forever for ManagementBackup kcm-backup-kcm-1-2-0"));
}

static void test_unknown_facts_close_the_gate(void)
{
    static const enum fact facts[] = {FACT_MANAGEMENT_BACKUPS, FACT_BACKUPS};
    for (size_t i = 0; i < LENGTH_OF(facts); i++) {
        WORLD world;
        world_begin(&world);
        world_source(&world, "kcm-backup");
        world_taken(&world, "kcm-backup-kcm-1-2-0", "kcm-1-2-0", 60, "Completed");
        world.unknown[facts[i]] = true;
        const struct decision *decision = world_judge(&world);
        CU_ASSERT_EQUAL(decision->code, 503);
        CU_ASSERT_EQUAL(decision->retry_after, 15);
        CU_ASSERT_EQUAL(decision->effects.len, 0);
    }
}

static void test_without_velero_nobody_waits(void)
{
    WORLD world;
    world_begin(&world);
    world_source(&world, "kcm-backup");
    world.unknown[FACT_BACKUPS] = true;
    world.unknown[FACT_VELERO] = false; /* there is no Deployment, and then no CRD either */
    CU_ASSERT_EQUAL(world_judge(&world)->code, 403);
    CU_ASSERT(world_says(&world, "Velero is not installed"));
    CU_ASSERT_EQUAL(world.decision.effects.len, 0);
}

static void test_other_requests_pass(void)
{
    WORLD world;
    world_begin(&world);
    world_source(&world, "kcm-backup");
    world.target = world.before; /* some other field changed */
    CU_ASSERT_FALSE(world_judge(&world)->denied);
    CU_ASSERT_EQUAL(world.decision.warnings.len, 0);
    struct request request;
    request_init(&request, world.arena);
    request.operation = OPERATION_DELETE;
    policy_management(&request, world.inventory, &world.settings, &world.decision);
    request.operation = OPERATION_UPDATE; /* without an object, as no API server sends it */
    policy_management(&request, world.inventory, &world.settings, &world.decision);
    CU_ASSERT_FALSE(world.decision.denied);
}

/* Adopted: the Velero Backup, or what kcm copied from it, is from before the ManagementBackup. */
static void test_adopted_is_no_evidence(void)
{
    static const struct {
        int64_t created, started;
        bool evidence;
    } rows[] = {{120, 119, true}, {121, 119, false}, {119, 420, true}, {119, 421, false}, {119, 90000, false}};
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        WORLD world;
        world_begin(&world);
        world_source(&world, "kcm-backup");
        world_taken(&world, "kcm-backup-kcm-1-2-0", "kcm-1-2-0", 120, NULL);
        world_add(
            &world,
            "{apiVersion: velero.io/v1, kind: Backup, metadata: {name: kcm-backup-kcm-1-2-0, namespace: kcm-system, "
            "creationTimestamp: %s}, spec: {" BY_KCM
            ", storageLocation: aws-s3}, status: {phase: Completed, startTimestamp: %s, completionTimestamp: %s}}",
            world_time(&world, rows[i].created), world_time(&world, rows[i].started), world_time(&world, 60));
        CU_ASSERT_EQUAL(world_judge(&world)->denied, !rows[i].evidence);
        if (!rows[i].evidence) {
            CU_ASSERT(world_says(&world, "from an earlier time"));
            ASSERT_TEXT(world_created(&world, 0), "kcm-backup-kcm-1-2-0-20261121030000");
        }
    }
}

SUITE(gate, {"a missing backup is started", test_missing_is_started}, {"every phase", test_every_phase},
      {"let through", test_let_through}, {"not let through", test_not_let_through},
      {"a skip says what kcm does", test_skip_says_what_kcm_does},
      {"unknown facts close the gate", test_unknown_facts_close_the_gate},
      {"without Velero nobody waits", test_without_velero_nobody_waits},
      {"other requests pass", test_other_requests_pass}, {"adopted is no evidence", test_adopted_is_no_evidence})
