#include "backstop/grammar.h"
#include "policy/velero/velero.h"
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

static void assert_causes(const char *text, size_t causes, struct resource_policy_use use)
{
    ARENA_SCOPED arena = arena_new(1 << 22);
    struct decision decision;
    struct str key = STR("policy");
    struct config_map map = {
        .meta = {.name = STR("m")}, .key_count = 1, .keys = {.items = &key, .len = 1}, .text = str_from(text)};
    decision_init(&decision, arena);
    resource_policy_check(&decision, "spec.resourcePolicy.name", &map, &use);
    if (decision.causes.len != causes)
        fprintf(stderr, "\n    %s: %zu causes, not %zu (%.*s)\n", text, decision.causes.len, causes,
                STR_ARG(product_version_name(arena, &use.velero)));
    CU_ASSERT_EQUAL(decision.causes.len, causes);
}

/* Resource policies as Velero reads them: how many causes each has. */
static void test_policies(void)
{
    static const struct {
        const char *text;
        size_t causes;
        bool old_filters;
    } policies[] = {
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
    for (size_t i = 0; i < LENGTH_OF(policies); i++)
        assert_causes(policies[i].text, policies[i].causes,
                      (struct resource_policy_use){.velero = product_version_unknown(PRODUCT_VELERO),
                                                   .old_filters = policies[i].old_filters});
}

/* The filters and conditions that came with 1.18.3, and what each release makes of them. */
static void test_policies_by_version(void)
{
#define VOLUMES(conditions) "version: v1\nvolumePolicies: [{conditions: {" conditions "}, action: {type: skip}}]"
#define NAMESPACED(policies) "version: v1\nnamespacedFilterPolicies: [" policies "]"
#define CLUSTER(filters) "version: v1\nclusterScopedFilterPolicy: {resourceFilters: [" filters "]}"
#define ONE(filters) NAMESPACED("{namespaces: [a], resourceFilters: [" filters "]}")
    static const struct {
        const char *text;
        int old, now; /* causes: of 1.18.2, and of 1.18.3 */
    } policies[] = {
        {VOLUMES("pvcPhase: [Bound]"), 0, 0},
        {VOLUMES("pvcVolumeMode: Block"), 1, 0},
        {VOLUMES("pvcVolumeMode: Odd"), 1, 0}, /* a warning */
        {VOLUMES("pvcVolumeMode: [Block]"), 1, 1},
        {VOLUMES("pvcVolumeMode: 1"), 1, 1},
        {VOLUMES("pvcAccessModes: [ReadWriteOnce]"), 1, 0},
        {VOLUMES("pvcAccessModes: ReadWriteOnce"), 1, 1},
        {VOLUMES("pvcAccessModes: [1]"), 1, 1},
        {CLUSTER("{kinds: [clusterroles]}"), 1, 0},
        {CLUSTER(""), 1, 1},
        {CLUSTER("{}"), 1, 1},
        {CLUSTER("{kinds: ['*']}"), 1, 1},
        {CLUSTER("{kinds: ['*', pods]}"), 1, 0},
        {CLUSTER("{kinds: [a]}, {kinds: [b, a]}"), 1, 1},
        {CLUSTER("{kinds: [a], name: [x]}"), 1, 1},
        {"version: v1\nclusterScopedFilterPolicy: {}", 1, 1},
        {"version: v1\nclusterScopedFilterPolicy: []", 1, 1},
        {ONE("{kinds: [pods]}"), 1, 0},
        {ONE("{}"), 1, 0},
        {ONE("{}, {kinds: ['*']}"), 1, 1},
        {ONE("{names: [x]}"), 1, 1},
        {ONE("{kinds: [pods], names: ['x-*', 'y?'], excludedNames: ['{a,b}']}"), 1, 0},
        {ONE("{kinds: [pods], names: ['x[']}"), 1, 1},
        {ONE("{kinds: [pods, pods]}"), 1, 1},
        {ONE("{kinds: [pods]}, {kinds: [Pods]}"), 1, 0}, /* a warning: a Backup takes both */
        {ONE("{kinds: [pods], labelSelector: {}}"), 1, 0},
        {ONE("{kinds: [pods], labelSelector: {}, orLabelSelectors: [{}]}"), 1, 0},
        {ONE("{kinds: [pods], labelSelector: {matchLabels: {app: 1}}}"), 1, 0},
        {ONE("{kinds: [pods], labelSelector: {matchLabels: {app: 'a b'}}}"), 1, 1},
        {ONE("{kinds: [pods], labelSelector: {app: a}}"), 1, 1},
        {ONE("{kinds: [pods], labelSelector: {matchExpressions: [{key: a, operator: In, values: [1]}]}}"), 1, 0},
        {ONE("{kinds: [pods], labelSelector: {matchExpressions: [{key: a, operator: in, values: [b]}]}}"), 1, 1},
        {ONE("{kinds: [pods], labelSelector: {matchExpressions: [{key: a, operator: In}]}}"), 1, 1},
        {ONE("{kinds: [pods], labelSelector: {matchLabels: {a: b}}, orLabelSelectors: [{matchLabels: {a: c}}]}"), 1, 1},
        {NAMESPACED(""), 1, 0},
        {NAMESPACED("{namespaces: [a]}"), 1, 1},
        {NAMESPACED("{resourceFilters: [{}]}"), 1, 1},
        {NAMESPACED("{namespaces: [a, a], resourceFilters: [{}]}"), 1, 1},
        {NAMESPACED("{namespaces: ['a*', 'b?', 'c[12]'], resourceFilters: [{}]}"), 1, 0},
        {NAMESPACED("{namespaces: ['a**'], resourceFilters: [{}]}"), 1, 1},
        {NAMESPACED("{namespaces: ['a['], resourceFilters: [{}]}"), 1, 1},
        {NAMESPACED("{namespaces: ['a]'], resourceFilters: [{}]}"), 1, 1},
        {NAMESPACED("{namespaces: ['a[]'], resourceFilters: [{}]}"), 1, 1},
        {NAMESPACED("{namespaces: ['{a,b}'], resourceFilters: [{}]}"), 1, 1},
        {NAMESPACED("{namespaces: [a], resourceFilters: [{}]}, {namespaces: [a], resourceFilters: [{}]}"), 1, 1},
        {NAMESPACED("{namespace: [a], resourceFilters: [{}]}"), 1, 2},
    };
    const struct product_version old = product_version_parse(PRODUCT_VELERO, STR("1.18.2"));
    const struct product_version now = product_version_parse(PRODUCT_VELERO, STR("1.18.3"));
    for (size_t i = 0; i < LENGTH_OF(policies); i++) {
        assert_causes(policies[i].text, (size_t)policies[i].old, (struct resource_policy_use){.velero = old});
        assert_causes(policies[i].text, (size_t)policies[i].now, (struct resource_policy_use){.velero = now});
        /* Not known: denied only what both refuse, and warned where they differ. */
        assert_causes(policies[i].text, policies[i].old ? (size_t)policies[i].now : 0,
                      (struct resource_policy_use){.velero = product_version_unknown(PRODUCT_VELERO)});
    }
    const struct product_version before = product_version_parse(PRODUCT_VELERO, STR("1.17.2"));
    assert_causes(VOLUMES("pvcPhase: [Bound]"), 1, (struct resource_policy_use){.velero = before});
    assert_causes("version: v1\nvolumePolicies: [{action: {type: custom}}]", 1,
                  (struct resource_policy_use){.velero = before});
    assert_causes(ONE("{kinds: [pods]}"), 1, (struct resource_policy_use){.velero = now, .old_filters = true});
    assert_causes(CLUSTER("{kinds: [a]}"), 1, (struct resource_policy_use){.velero = now, .old_filters = true});
    /* A Restore takes filters only, and compares kinds in lower case. */
    assert_causes(ONE("{kinds: [pods]}"), 0, (struct resource_policy_use){.velero = now, .restore = true});
    assert_causes(ONE("{kinds: [pods]}, {kinds: [Pods]}"), 1,
                  (struct resource_policy_use){.velero = now, .restore = true});
    assert_causes(VOLUMES("capacity: '1Gi,'"), 1, (struct resource_policy_use){.velero = now, .restore = true});
    assert_causes("version: v1\nvolumePolicies: []", 0, (struct resource_policy_use){.velero = now, .restore = true});
    assert_causes("version: v1\nincludeExcludePolicy: {}", 1,
                  (struct resource_policy_use){.velero = now, .restore = true});
}

SUITE(resource_policy, {"quantities as apimachinery parses them", test_quantities},
      {"resource policies, strictly", test_policies}, {"resource policies by version", test_policies_by_version})
