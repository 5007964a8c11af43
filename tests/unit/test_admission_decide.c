#include <string.h>

#include "backstop/admission.h"
#include "suite.h"

#define VELERO "system:serviceaccount:kcm-system:velero-server"

static void refuse(const struct request *request, const struct inventory *inventory, const struct settings *settings,
                   struct decision *decision)
{
    (void)request, (void)inventory, (void)settings;
    decision_invalid(decision, "spec.schedule", "\"x\"");
}

static void patch(const struct request *request, const struct inventory *inventory, const struct settings *settings,
                  struct decision *decision)
{
    (void)inventory, (void)settings;
    decision_patch(decision, "add", "/spec/paused", json_own(request->arena, json_object_new_boolean(1)));
}

static void exhaust(const struct request *request, const struct inventory *inventory, const struct settings *settings,
                    struct decision *decision)
{
    (void)inventory, (void)settings;
    decision_warn(decision, "a warning");
    arena_fail(request->arena);
}

static struct rule rule_of(policy_fn *policy, bool mutating)
{
    return (struct rule){.group = "k0rdent.mirantis.com",
                         .resource = "managementbackups",
                         .kind = "ManagementBackup",
                         .operations = OPERATION_CREATE | OPERATION_UPDATE,
                         .mutating = mutating,
                         .path = "/validate-test",
                         .policy = policy};
}

static void decide(struct arena *arena, const char *operation, const char *user, const char *metadata,
                   const struct rule *rule, struct review *review)
{
    static const char format[] =
        "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"request\":{\"uid\":\"u\",\"kind\":"
        "{\"group\":\"k0rdent.mirantis.com\",\"version\":\"v1beta1\",\"kind\":\"ManagementBackup\"},\"name\":\"kcm\","
        "\"operation\":\"%s\",\"userInfo\":{\"username\":\"%s\"},"
        "\"object\":{\"apiVersion\":\"k0rdent.mirantis.com/v1beta1\",\"kind\":\"ManagementBackup\",\"metadata\":{%s}},"
        "\"oldObject\":{\"apiVersion\":\"k0rdent.mirantis.com/"
        "v1beta1\",\"kind\":\"ManagementBackup\",\"metadata\":{}}}}";
    struct error error;
    struct str text = arena_printf(arena, format, operation, user, metadata);
    bool read = admission_read(arena, text, 1000, review, &error);
    CU_ASSERT(read);
    struct settings *settings = settings_defaults(&error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    admission_decide(review, rule, inventory_unknown(), settings);
    shared_release(&settings->shared);
}

static struct str audit(const struct review *review, const char *key)
{
    for (size_t i = 0; i < review->decision.audit.len; i++)
        if (str_is(review->decision.audit.items[i].key, key))
            return review->decision.audit.items[i].value;
    return (struct str){NULL, 0};
}

static void test_policy_decides(void)
{
    ARENA_SCOPED arena = arena_new(1024 * 1024);
    struct review review;
    struct rule rule = rule_of(refuse, false);
    decide(arena, "CREATE", "admin", "", &rule, &review);
    CU_ASSERT(review.decision.denied && review.decision.code == 422);
    ASSERT_TEXT(audit(&review, "decision"), "denied");
}

static void test_velero_is_warned(void)
{
    ARENA_SCOPED arena = arena_new(1024 * 1024);
    struct review review;
    struct rule rule = rule_of(refuse, false);
    decide(arena, "CREATE", VELERO, "", &rule, &review);
    CU_ASSERT(!review.decision.denied && review.decision.warnings.len == 1);
    ASSERT_TEXT(audit(&review, "decision"), "allowed");
}

/* The label that Velero sets can be set by anyone. */
static void test_restore_label_proves_nothing(void)
{
    ARENA_SCOPED arena = arena_new(1024 * 1024);
    struct review review;
    struct rule rule = rule_of(refuse, false);
    decide(arena, "CREATE", "admin", "\"labels\":{\"velero.io/restore-name\":\"dr\"}", &rule, &review);
    CU_ASSERT(review.decision.denied);
}

static void test_what_passes(void)
{
    static const struct {
        const char *operation, *metadata;
        bool passes;
    } rows[] = {
        {"UPDATE", "\"deletionTimestamp\":\"2026-11-21T03:00:00Z\"", true},
        {"UPDATE", "\"deletionTimestamp\":null", false},
        {"CREATE", "\"deletionTimestamp\":\"2026-11-21T03:00:00Z\"", false},
        {"DELETE", "", true}, /* not an operation of this rule */
        {"CONNECT", "", true},
        {"UPDATE", "", false},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        ARENA_SCOPED arena = arena_new(1024 * 1024);
        struct review review;
        struct rule rule = rule_of(refuse, false);
        decide(arena, rows[i].operation, "admin", rows[i].metadata, &rule, &review);
        CU_ASSERT_EQUAL(review.decision.denied, !rows[i].passes);
        CU_ASSERT_EQUAL(audit(&review, "skipped").len > 0, rows[i].passes);
    }
}

static void test_wrong_path(void)
{
    ARENA_SCOPED arena = arena_new(1024 * 1024);
    struct review review;
    struct rule rule = rule_of(refuse, false);
    rule.kind = "Management";
    decide(arena, "CREATE", "admin", "", &rule, &review);
    CU_ASSERT(review.decision.denied && review.decision.code == 400);
    CU_ASSERT(str_contains(review.decision.message, STR("/validate-test reviews Management.k0rdent.mirantis.com")));
    CU_ASSERT(str_contains(review.decision.message, STR("\"ManagementBackup\"")));
}

/* A patch in a validating webhook's answer makes the API server fail the request. */
static void test_only_mutating_rules_patch(void)
{
    for (int mutating = 0; mutating < 2; mutating++) {
        ARENA_SCOPED arena = arena_new(1024 * 1024);
        struct review review;
        struct rule rule = rule_of(patch, mutating);
        decide(arena, "CREATE", "admin", "", &rule, &review);
        CU_ASSERT_EQUAL(review.decision.patch.len, (size_t)mutating);
        ASSERT_TEXT(audit(&review, "decision"), mutating ? "patched" : "allowed");
    }
}

static void test_out_of_memory(void)
{
    ARENA_SCOPED arena = arena_new(1024 * 1024);
    struct review review;
    struct rule rule = rule_of(exhaust, false);
    decide(arena, "CREATE", "admin", "", &rule, &review);
    CU_ASSERT(review.decision.denied && review.decision.code == 500);
    CU_ASSERT(str_contains(review.decision.message, STR(ADMISSION_OUT_OF_MEMORY)));
}

/* ---- the rule table ------------------------------------------------------- */

static void test_rule_table(void)
{
    size_t count;
    const struct rule *rules = admission_rules(&count);
    CU_ASSERT(count >= 4);
    for (size_t i = 0; i < count; i++) {
        const struct rule *rule = &rules[i];
        CU_ASSERT(rule->policy && rule->operations && *rule->documentation);
        CU_ASSERT(strcmp(rule->failure_policy, "Fail") == 0 || strcmp(rule->failure_policy, "Ignore") == 0);
        CU_ASSERT(admission_rule_for_path(str_from(rule->path)) == rule); /* no path twice */
        /* controller-runtime's convention: /verb-group-version-kind, dots become dashes */
        char dashed[64] = "";
        for (size_t c = 0; rule->group[c]; c++)
            dashed[c] = rule->group[c] == '.' ? '-' : rule->group[c];
        struct str path = str_from(rule->path);
        CU_ASSERT(str_starts(path, rule->mutating ? STR("/mutate-") : STR("/validate-")));
        CU_ASSERT(str_contains(path, str_from(dashed)));
    }
    CU_ASSERT_PTR_NULL(admission_rule_for_path(STR("/validate")));
    CU_ASSERT_PTR_NULL(admission_rule_for_path(STR("")));
}

static void test_rules_of_an_object(void)
{
    struct str velero = STR("velero.io"), kind = STR("Restore");
    const struct rule *first = admission_rule_for_object(velero, kind, OPERATION_CREATE, 0);
    const struct rule *second = admission_rule_for_object(velero, kind, OPERATION_CREATE, 1);
    CU_ASSERT(first && first->mutating && second && !second->mutating);
    CU_ASSERT_PTR_NULL(admission_rule_for_object(velero, kind, OPERATION_CREATE, 2));
    const struct rule *update = admission_rule_for_object(velero, kind, OPERATION_UPDATE, 0);
    CU_ASSERT(update && update->mutating); /* until Velero takes it */
    CU_ASSERT_PTR_NULL(admission_rule_for_object(STR("other.io"), kind, OPERATION_CREATE, 0));
    CU_ASSERT_PTR_NULL(admission_rule_for_object(STR(""), STR("Pod"), OPERATION_CREATE, 0));
}

static void test_operations(void)
{
    static const char *const names[] = {"CREATE", "UPDATE", "DELETE", "CONNECT"};
    enum operation operation;
    for (size_t i = 0; i < LENGTH_OF(names); i++) {
        CU_ASSERT(operation_parse(str_from(names[i]), &operation));
        CU_ASSERT_STRING_EQUAL(operation_name(operation), names[i]);
    }
    CU_ASSERT(!operation_parse(STR("create"), &operation));
    CU_ASSERT(!operation_parse(STR(""), &operation));
}

SUITE(admission_decide, {"the policy decides", test_policy_decides}, {"Velero is warned", test_velero_is_warned},
      {"the restore label proves nothing", test_restore_label_proves_nothing}, {"what passes unseen", test_what_passes},
      {"a kind that is not the path's", test_wrong_path}, {"only mutating rules patch", test_only_mutating_rules_patch},
      {"out of memory", test_out_of_memory}, {"the rule table is whole", test_rule_table},
      {"rules of an object, mutating first", test_rules_of_an_object}, {"operations", test_operations})
