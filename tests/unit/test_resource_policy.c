#include "../../server/policy/resource_policy.h"
#include "suite.h"

#include <stdio.h>

static void test_quantities(void)
{
    static const struct {
        const char *text;
        double value;
    } good[] = {
        {"10Gi", 10.0 * 0x1p30}, {"1", 1},     {"0", 0},     {"1.5Ki", 1536}, {"+2k", 2000}, {"-3M", -3e6},
        {"1e3", 1000},           {"2E2", 200}, {"5E", 5e18}, {"100m", 0.1},   {".5", 0.5},   {"1.", 1},
        {"12e-1", 1.2},          {"7n", 7e-9}, {"3u", 3e-6}, {"1Ei", 0x1p60},
    };
    static const char *const bad[] = {"",    "Gi",   "10GB", "10 Gi", "1.2.3", "1e",  "e3",    "ten",
                                      "1ki", "0x10", "--1",  "1e3Gi", "10gi",  "1e+", "1e301", "."};
    for (size_t i = 0; i < LENGTH_OF(good); i++) {
        double value = -1;
        CU_ASSERT(quantity_parse(str_from(good[i].text), &value));
        double off = value - good[i].value, size = good[i].value < 0 ? -good[i].value : good[i].value;
        CU_ASSERT((off < 0 ? -off : off) <= size * 1e-9);
    }
    for (size_t i = 0; i < LENGTH_OF(bad); i++) {
        double value;
        if (quantity_parse(str_from(bad[i]), &value))
            fprintf(stderr, "\n    %s is taken for a quantity\n", bad[i]);
        CU_ASSERT(!quantity_parse(str_from(bad[i]), &value));
    }
}

/* Resource policies as Velero reads them: how many causes each has. */
static void test_policies(void)
{
    static const struct {
        const char *text;
        size_t causes;
        bool old_filters;
    } rows[] = {
        {"version: v1", 0, true},
        {"version: v1\nvolumePolicies:\n- conditions: {}\n  action: {type: skip}", 0, false},
        {"version: 1", 1, false},
        {"Version: v1", 1, false}, /* yaml.v3 knows keys in no other case */
        {"version: v1\nversion: v1", 1, false},
        {"", 1, false},
        {"- a", 1, false},
        {"version: v1\nvolumePolicies: {}", 1, false},
        {"version: v1\nvolumePolicies: [1]", 1, false},
        {"version: v1\nvolumePolicies: [{action: {type: skip}, condition: {}}]", 1, false},
        {"version: v1\nvolumePolicies: [{conditions: {capacity: '1Gi,2Gi,3Gi'}, action: {type: skip}}]", 1, false},
        {"version: v1\nvolumePolicies: [{conditions: {capacity: ',2Gi'}, action: {type: skip}}]", 0, false},
        {"version: v1\nvolumePolicies: [{conditions: {capacity: '2Gi,'}, action: {type: skip}}]", 0, false},
        {"version: v1\nvolumePolicies: [{conditions: {capacity: '2Gi,1Gi'}, action: {type: skip}}]", 1, false},
        {"version: v1\nvolumePolicies: [{conditions: {storageClass: gp2}, action: {type: skip}}]", 1, false},
        {"version: v1\nvolumePolicies: [{conditions: {pvcLabels: [a]}, action: {type: skip}}]", 1, false},
        {"version: v1\nincludeExcludePolicy: {includedClusterScopedResources: [a]}", 0, false},
        {"version: v1\nincludeExcludePolicy: {includedClusterScopedResources: [a]}", 1, true},
        {"version: v1\nincludeExcludePolicy: {includedResources: [a]}", 1, false},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        ARENA_SCOPED arena = arena_new(1 << 22);
        struct decision decision;
        struct json_object *data = json_own(arena, json_object_new_object());
        struct config_map map = {.meta = {.name = STR("m")}, .data = data};
        json_object_object_add(data, "policy", json_object_new_string(rows[i].text));
        decision_init(&decision, arena);
        resource_policy_check(&decision, "spec.resourcePolicy.name", &map, rows[i].old_filters);
        if (decision.causes.len != rows[i].causes)
            fprintf(stderr, "\n    %s: %zu causes\n", rows[i].text, decision.causes.len);
        CU_ASSERT_EQUAL(decision.causes.len, rows[i].causes);
    }
}

SUITE(resource_policy, {"quantities as apimachinery parses them", test_quantities},
      {"resource policies, strictly", test_policies})
