/* The rule table has no hole beside a guarded operation: what one operation may not do, no other may. */
#include "backstop/admission.h"
#include "suite.h"

enum { NOW = 1795230000, LIMIT = 1 << 22 }; /* 2026-11-21T03:00:00Z */

/* ---- each operation is reviewed, or can do no harm ------------------------------ */

/* Operations of a reviewed kind that are not in the rule table, and why they need not be. */
static const struct {
    const char *kind;
    enum operation operation;
    const char *why;
} excused[] = {
    {"Release", OPERATION_CREATE, "runs when spec.release names it, which the gate sees"},
    {"Release", OPERATION_DELETE, "kcm's own webhook keeps the one in use"},
    {"DeleteBackupRequest", OPERATION_DELETE, "gives up a deletion"},
    {"Region", OPERATION_CREATE, "takes nothing from a backup; status and ManagementBackups name one that fails"},
    {"Region", OPERATION_UPDATE, "the same"},
    {"Schedule", OPERATION_DELETE, "the Backups made of it stay, or come back with the next sync"},
};

static bool is_excused(const char *kind, enum operation operation)
{
    for (size_t i = 0; i < LENGTH_OF(excused); i++)
        if (strcmp(excused[i].kind, kind) == 0 && excused[i].operation == operation)
            return true;
    return false;
}

static void test_each_operation(void)
{
    static const enum operation operations[] = {OPERATION_CREATE, OPERATION_UPDATE, OPERATION_DELETE};
    size_t count;
    const struct rule *rules = admission_rules(&count);
    for (size_t i = 0; i < count; i++) {
        for (size_t o = 0; o < LENGTH_OF(operations); o++) {
            bool reviewed =
                admission_rule_for_object(str_from(rules[i].group), str_from(rules[i].kind), operations[o], 0) != NULL;
            if (reviewed == is_excused(rules[i].kind, operations[o]))
                fprintf(stderr, "\n    %s of %s: %s\n", operation_name(operations[o]), rules[i].kind,
                        reviewed ? "is reviewed, and excused" : "is neither reviewed nor excused");
            CU_ASSERT(reviewed != is_excused(rules[i].kind, operations[o]));
        }
    }
}

/* ---- the same harm by each operation that can do it -------------------------------- */

#define KCM_BACKUP(name, status)                                                                                       \
    "{\"apiVersion\":\"velero.io/v1\",\"kind\":\"Backup\",\"metadata\":{\"name\":\"" name                              \
    "\",\"namespace\":\"kcm-system\",\"labels\":{\"k0rdent.mirantis.com/management-backup\":\"kcm-backup\"}},"         \
    "\"spec\":{\"storageLocation\":\"aws-s3\",\"includedNamespaces\":[\"*\"],\"excludedResources\":"                   \
    "[\"clusters.cluster.x-k8s.io\"],\"orLabelSelectors\":[{\"matchLabels\":{\"k0rdent.mirantis.com/component\":"      \
    "\"kcm\"}}]},\"status\":" status "}"
#define GOOD                                                                                                           \
    "{\"phase\":\"Completed\",\"startTimestamp\":\"2026-11-20T00:00:00Z\",\"completionTimestamp\":"                    \
    "\"2026-11-20T00:01:00Z\",\"progress\":{\"totalItems\":9,\"itemsBackedUp\":9}}"

static const char *const world[] = {
    "{\"apiVersion\":\"velero.io/"
    "v1\",\"kind\":\"BackupStorageLocation\",\"metadata\":{\"name\":\"aws-s3\",\"namespace\":"
    "\"kcm-system\"},\"spec\":{\"provider\":\"aws\",\"objectStorage\":{\"bucket\":\"b\"},\"config\":{\"region\":\"eu-"
    "1\"}},"
    "\"status\":{\"phase\":\"Available\"}}",
    KCM_BACKUP("only", GOOD),
    KCM_BACKUP("half", "{\"phase\":\"PartiallyFailed\"}"),
};

/* Ways to one harm: `harmless` is what an UPDATE begins with. */
static const struct harm {
    const char *group, *kind, *harmful, *harmless;
    unsigned operations;
} harms[] = {
    {"k0rdent.mirantis.com", "ManagementBackup", "{\"spec\":{\"schedule\":\"0 9 * * 7\"}}",
     "{\"spec\":{\"schedule\":\"0 9 * * 6\"}}", OPERATION_CREATE | OPERATION_UPDATE},
    {"velero.io", "Schedule", "{\"spec\":{\"schedule\":\"never\",\"template\":{}}}",
     "{\"spec\":{\"schedule\":\"@daily\",\"template\":{}}}", OPERATION_CREATE | OPERATION_UPDATE},
    {"velero.io", "BackupStorageLocation", "{\"spec\":{\"provider\":\"aws\",\"objectStorage\":{}}}",
     "{\"spec\":{\"provider\":\"aws\",\"objectStorage\":{\"bucket\":\"b\"}}}", OPERATION_CREATE | OPERATION_UPDATE},
    {"velero.io", "Backup", "{\"spec\":{\"ttl\":\"30d\"}}", "{\"spec\":{\"ttl\":\"30h\"}}",
     OPERATION_CREATE | OPERATION_UPDATE},
    {"velero.io", "Restore", "{\"spec\":{\"backupName\":\"only\",\"existingResourcePolicy\":\"Update\"}}",
     "{\"spec\":{\"backupName\":\"only\"}}", OPERATION_CREATE | OPERATION_UPDATE},
    {"velero.io", "DeleteBackupRequest", "{\"spec\":{\"backupName\":\"only\"}}", "{\"spec\":{\"backupName\":\"half\"}}",
     OPERATION_CREATE | OPERATION_UPDATE},
    {"velero.io", "DeleteBackupRequest", "{\"spec\":{\"backupName\":\"only\"}}",
     "{\"spec\":{\"backupName\":\"only\"},\"status\":{\"phase\":\"Processed\"}}", OPERATION_UPDATE},
    {"velero.io", "Backup", KCM_BACKUP("only", GOOD), KCM_BACKUP("only", GOOD), OPERATION_DELETE},
    {"velero.io", "Backup", KCM_BACKUP("only", "{\"phase\":\"Failed\"}"), KCM_BACKUP("only", GOOD), OPERATION_UPDATE},
    {"velero.io", "Backup", KCM_BACKUP("only", GOOD), KCM_BACKUP("only", "{\"phase\":\"Failed\"}"),
     OPERATION_CREATE | OPERATION_UPDATE},
};

static struct inventory *facts(struct arena *arena)
{
    struct error error = {0};
    struct inventory_builder *builder = inventory_builder_new();
    CU_ASSERT_FATAL(builder != NULL);
    for (size_t i = 0; i < LENGTH_OF(world); i++) {
        struct json_object *tree = json_build(arena, str_from(world[i]), &error);
        CU_ASSERT_FATAL(tree && inventory_add(builder, tree, &error));
    }
    for (size_t f = 0; f < FACT_COUNT; f++)
        inventory_set_known(builder, (enum fact)f, true);
    return inventory_finish(builder);
}

static struct str review_of(struct arena *arena, const struct harm *harm, enum operation operation)
{
    bool creates = operation == OPERATION_CREATE, deletes = operation == OPERATION_DELETE;
    return arena_printf(
        arena,
        "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"request\":{\"uid\":\"u\","
        "\"kind\":{\"group\":\"%s\",\"version\":\"v1\",\"kind\":\"%s\"},\"resource\":{\"group\":\"%s\","
        "\"version\":\"v1\",\"resource\":\"x\"},\"name\":\"only\",\"namespace\":\"kcm-system\","
        "\"operation\":\"%s\",\"userInfo\":{\"username\":\"admin\"},\"object\":%s,\"oldObject\":%s}}",
        harm->group, harm->kind, harm->group, operation_name(operation), deletes ? "null" : harm->harmful,
        creates ? "null" : harm->harmless);
}

/* Of all the rules that the API server would ask, one denies. */
static bool is_denied(struct arena *arena, const struct harm *harm, enum operation operation)
{
    struct error error = {0};
    struct settings *settings = settings_defaults(&error);
    struct inventory *inventory = facts(arena);
    struct str body = review_of(arena, harm, operation);
    const struct rule *rule;
    bool denied = false;
    CU_ASSERT_FATAL(settings && inventory);
    for (size_t n = 0;
         (rule = admission_rule_for_object(str_from(harm->group), str_from(harm->kind), operation, n)) != NULL; n++) {
        struct review review;
        CU_ASSERT_FATAL(admission_read(arena, body, NOW, &review, &error));
        admission_decide(&review, rule, inventory, settings);
        denied |= review.decision.denied;
    }
    snapshot_release(inventory);
    shared_release(&settings->shared);
    return denied;
}

static void test_harms(void)
{
    for (size_t i = 0; i < LENGTH_OF(harms); i++) {
        for (unsigned operation = OPERATION_CREATE; operation < OPERATION_CONNECT; operation <<= 1) {
            ARENA_SCOPED arena = arena_new(LIMIT);
            if (!(harms[i].operations & operation))
                continue;
            bool denied = is_denied(arena, &harms[i], (enum operation)operation);
            if (!denied)
                fprintf(stderr, "\n    %s of %s %s is admitted\n", operation_name((enum operation)operation),
                        harms[i].kind, harms[i].harmful);
            CU_ASSERT(denied);
        }
    }
}

SUITE(rules, {"each operation of a reviewed kind is reviewed, or can do no harm", test_each_operation},
      {"the same harm is refused by each operation that can do it", test_harms})
