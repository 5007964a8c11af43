/* Deletions: whose they are, hostile requests, and which of several backups is the way back. */
#include "backstop/admission.h"
#include "suite.h"

enum { NOW = 1795230000, LIMIT = 1 << 22 }; /* 2026-11-21T03:00:00Z */

#define BACKUP(name, started)                                                                                          \
    "{\"apiVersion\":\"velero.io/v1\",\"kind\":\"Backup\",\"metadata\":{\"name\":\"" name                              \
    "\",\"namespace\":\"kcm-system\"},\"spec\":{\"storageLocation\":\"s\",\"includedNamespaces\":[\"*\"],"             \
    "\"excludedResources\":[\"clusters.cluster.x-k8s.io\"],\"orLabelSelectors\":[{\"matchLabels\":"                    \
    "{\"k0rdent.mirantis.com/component\":\"kcm\"}}]},\"status\":{\"phase\":\"Completed\",\"startTimestamp\":"          \
    "\"" started "\"}}"

static struct inventory *facts(struct arena *arena, const char *const *texts, size_t count)
{
    struct error error = {0};
    struct inventory_builder *builder = inventory_builder_new();
    CU_ASSERT_FATAL(builder != NULL);
    for (size_t i = 0; i < count; i++) {
        struct json_object *tree = json_build(arena, str_from(texts[i]), &error);
        CU_ASSERT_FATAL(tree && inventory_add(builder, tree, &error));
    }
    inventory_set_known(builder, FACT_BACKUPS, true);
    struct inventory *inventory = inventory_finish(builder);
    CU_ASSERT_FATAL(inventory != NULL);
    return inventory;
}

static struct decision decide(struct arena *arena, const struct inventory *inventory, const char *kind,
                              const char *operation, const char *user, const char *object)
{
    struct error error = {0};
    struct review review;
    struct settings *settings = settings_defaults(&error);
    bool deletes = strcmp(operation, "DELETE") == 0;
    struct str body = arena_printf(
        arena,
        "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"request\":{\"uid\":\"u\",\"kind\":"
        "{\"group\":\"velero.io\",\"version\":\"v1\",\"kind\":\"%s\"},\"resource\":{\"group\":\"velero.io\","
        "\"version\":\"v1\",\"resource\":\"x\"},\"name\":\"only\",\"namespace\":\"kcm-system\",\"operation\":\"%s\","
        "\"userInfo\":{\"username\":\"%s\"},\"object\":%s,\"oldObject\":%s}}",
        kind, operation, user, deletes ? "null" : object, deletes ? object : "null");
    CU_ASSERT_FATAL(settings && admission_read(arena, body, NOW, &review, &error));
    enum operation wanted = deletes ? OPERATION_DELETE : OPERATION_CREATE;
    const struct rule *rule = admission_rule_for_object(STR("velero.io"), str_from(kind), wanted, 0);
    CU_ASSERT_FATAL(rule != NULL);
    admission_decide(&review, rule, inventory, settings);
    shared_release(&settings->shared);
    return review.decision;
}

static void test_users(void)
{
    static const struct {
        const char *user;
        bool removal_denied, request_denied; /* Velero removes the object when the data is gone, and asks before */
    } users[] = {
        {"admin", true, true},
        {"system:serviceaccount:kcm-system:velero-server", false, true},
        {"system:serviceaccount:elsewhere:velero-server", true, true},
        {"system:serviceaccount:kube-system:namespace-controller", false, false},
        {"system:serviceaccount:kube-system:generic-garbage-collector", false, false},
        {"system:serviceaccount:kcm-system:generic-garbage-collector", true, true},
        {"", true, true},
    };
    static const char *const one[] = {BACKUP("only", "2026-11-20T00:00:00Z")};
    ARENA_SCOPED arena = arena_new(LIMIT);
    struct inventory *inventory = facts(arena, one, 1);
    for (size_t i = 0; i < LENGTH_OF(users); i++) {
        struct decision removal = decide(arena, inventory, "Backup", "DELETE", users[i].user, one[0]);
        struct decision request = decide(arena, inventory, "DeleteBackupRequest", "CREATE", users[i].user,
                                         "{\"spec\":{\"backupName\":\"only\"}}");
        CU_ASSERT_EQUAL(removal.denied, users[i].removal_denied);
        CU_ASSERT_EQUAL(request.denied, users[i].request_denied);
        CU_ASSERT_EQUAL(request.code, users[i].request_denied ? 403 : request.code);
    }
    snapshot_release(inventory);
}

static void test_hostile_requests(void)
{
    static const char *const objects[] = {
        "{}",
        "{\"spec\":null}",
        "{\"spec\":{\"backupName\":5}}",
        "{\"spec\":{\"backupName\":[\"only\"]}}",
        "{\"spec\":{\"backupName\":\"\\u001b[31m\"}}",
        "{\"metadata\":{\"annotations\":{\"backstop.k0rdent.mirantis.com/allow-delete\":1}},\"spec\":{\"backupName\":"
        "\"only\"}}",
    };
    static const char *const one[] = {BACKUP("only", "2026-11-20T00:00:00Z")};
    ARENA_SCOPED arena = arena_new(LIMIT);
    struct inventory *inventory = facts(arena, one, 1);
    for (size_t i = 0; i < LENGTH_OF(objects); i++) {
        struct decision decision = decide(arena, inventory, "DeleteBackupRequest", "CREATE", "admin", objects[i]);
        CU_ASSERT(decision.denied);
        CU_ASSERT(decision.code == 422 || decision.code == 403);
    }
    snapshot_release(inventory);
}

static void test_candidates(void)
{
    static const char *const several[] = {
        BACKUP("mb-kcm-1-0-0", "2026-11-01T00:00:00Z"), BACKUP("nightly", "2026-11-20T00:00:00Z"),
        BACKUP("mb-kcm-1-1-0", "2026-11-19T00:00:00Z"), BACKUP("a-kcm-1-1-0", "2026-11-19T00:00:00Z")};
    struct error error;
    size_t count = 0;
    ARENA_SCOPED arena = arena_new(LIMIT);
    struct settings *settings = settings_defaults(&error);
    struct inventory *inventory = facts(arena, several, LENGTH_OF(several));
    CU_ASSERT_FATAL(settings != NULL);
    const struct rollback_candidate *found = policy_rollback_candidates(arena, inventory, settings, &count);
    CU_ASSERT_FATAL(found != NULL && count == 3);
    ASSERT_TEXT(found[0].backup->meta.name, "a-kcm-1-1-0");
    ASSERT_TEXT(found[1].release, "kcm-1-1-0");
    ASSERT_TEXT(found[2].release, "kcm-1-0-0");
    CU_ASSERT(found[0].holds == HOLDS_UNKNOWN);
    snapshot_release(inventory);
    shared_release(&settings->shared);
}

SUITE(deletion, {"who deletes", test_users}, {"requests that are none", test_hostile_requests},
      {"the ways back, newest first", test_candidates})
