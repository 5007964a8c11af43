/* Resource modifier ConfigMaps: what Velero refuses when it reads them, and what it
 * notices only when a rule is applied. */
#include "restore_world.h"

#define SPEC                                                                                                           \
    "{backupName: aws-20261121000000, existingResourcePolicy: update, resourceModifier: {kind: ConfigMap, name: m}}"
#define HEAD "version: v1\nresourceModifierRules:\n"
#define RULE HEAD "- conditions: {groupResource: managements.k0rdent.mirantis.com}\n"
#define PATCH(text) RULE "  patches:\n  - {" text "}\n"
#define WHEN(text) HEAD "- conditions: {" text "}\n  patches: [{operation: add, path: /a, value: b}]\n"

struct row {
    const char *content;
    const char *part; /* of the denial; NULL: allowed */
};

static void check_rows(const struct row *rows, size_t count)
{
    struct restore_world world;
    restore_world_begin(&world);
    for (size_t i = 0; i < count; i++) {
        restore_world_map(&world, rows[i].content);
        bool denied = restore_mutated(&world, SPEC)->denied;
        bool good = rows[i].part ? denied && restore_says(&world, rows[i].part) : !denied;
        if (!good)
            fprintf(stderr, "\n%s\n    %.*s\n", rows[i].content, STR_ARG(decision_message(&world.decision)));
        CU_ASSERT(good);
    }
    restore_world_end(&world);
}

static void test_documented(void)
{
    static const struct row rows[] = {
        {PATCH("operation: replace, path: \"/spec/release\", value: \"kcm-1-1-0\""), NULL},
        {PATCH("operation: add, path: /metadata/annotations/k0rdent.mirantis.com~1region-pause, value: '\"true\"'"),
         NULL},
        {RULE "  mergePatches:\n  - patchData: |\n      metadata:\n        annotations: {a: null}\n", NULL},
        {RULE "  mergePatches:\n  - patchData: '{\"spec\": {\"release\": \"kcm-1-1-0\"}}'\n", NULL},
        {HEAD "- conditions: {groupResource: pods, namespaces: [a], labelSelector: {matchLabels: {app: 1}}}\n"
              "  strategicPatches:\n  - patchData: '{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"b\"}]}}'\n",
         NULL},
        {HEAD "- conditions: {groupResource: volumegroupsnapshots.groupsnapshot.storage.k8s.io}\n"
              "  strategicPatches:\n  - patchData: '{\"spec\":{\"a\":\"b\"}}'\n",
         NULL},
        {HEAD
         "- conditions:\n    groupResource: '*.apps'\n    resourceNameRegex: ^mysql.*$\n    matches:\n    - {path: "
         "/spec/replicas, value: 1}\n  patches:\n  - {operation: test, path: /a, value: b}\n  - {operation: move, "
         "from: "
         "/a, path: /b}\n  - {operation: copy, from: /a, path: /b}\n  - {operation: remove, path: /a}\n",
         NULL},
        {"Version: V1\nresourcemodifierrules:\n- Conditions: {GroupResource: pods}\n  patches: [{Operation: add, path: "
         "/a, "
         "value: b}]\n",
         NULL},
    };
    check_rows(rows, LENGTH_OF(rows));
}

static void test_grammar(void)
{
    static const struct row rows[] = {
        {"", "key \"rules\" is empty"},
        {"# only a comment\n", "is empty"},
        {"just text", "must hold a map"},
        {"- a\n- b\n", "must hold a map"},
        {"a: [b", "line "},
        {"version: v1\nversion: v1\n", "line 2"},
        {"version: v2\nresourceModifierRules: []\n", "version (line 1): \"v2\" is not supported"},
        {"version: 1\n", "\"1\" is not supported"},
        {"version: v1\n", "resourceModifierRules"},
        {"version: v1\nresourceModifierRules: []\n", "resourceModifierRules (line 2): is empty"},
        {"version: v1\nresourceModifierRules: null\n", "is empty"},
        {"version: v1\nresourceModifierRules: {a: b}\n", "must be a list"},
        {"version: v1\nresourceModifierRules: [null]\n", "resourceModifierRules[0] (line 2): is empty"},
        {"version: v1\nresourceModifierRules: [text]\n", "must be a map"},
        {HEAD "- condition: {groupResource: pods}\n  patches: [{operation: add, path: /a, value: b}]\n",
         "unknown key \"condition\"; did you mean conditions?"},
        {RULE "  patch: [{operation: add, path: /a, value: b}]\n",
         "unknown key \"patch\"; known here: \"conditions\", \"patches\""},
        {RULE "  operations: []\n", "unknown key \"operations\"; known here:"},
        {PATCH("op: add, path: /a, value: b"), "unknown key \"op\""},
        {RULE, "resourceModifierRules[0] (line 3): has no patches"},
        {RULE "  patches: []\n", "has no patches"},
        {RULE "  patches: [{operation: add, path: /a, value: b}]\n  mergePatches: [{patchData: '{\"a\":1}'}]\n",
         "has \"patches\" and \"mergePatches\""},
        {RULE "  patches: {operation: add}\n", "must be a list"},
    };
    check_rows(rows, LENGTH_OF(rows));
}

static void test_conditions(void)
{
    static const struct row rows[] = {
        {WHEN("groupResource: ''"), "groupResource (line 3): is missing"},
        {WHEN("namespaces: [a]"), "groupResource"},
        {WHEN("groupResource: management.k0rdent.mirantis.com"), "write managements.k0rdent.mirantis.com"},
        {WHEN("groupResource: Management"), "write managements.k0rdent.mirantis.com"},
        {WHEN("groupResource: mgmt"), "write managements.k0rdent.mirantis.com"},
        {WHEN("groupResource: managements"), "write managements.k0rdent.mirantis.com"},
        {WHEN("groupResource: deployments"), "write deployments.apps"},
        {WHEN("groupResource: Foo.example.com"), "in lower case, not the kind"},
        {WHEN("groupResource: foo.example.com"), NULL},
        {WHEN("groupResource: apps/v1/deployments"), "without a version"},
        {WHEN("groupResource: 'deployments.[apps'"), "a [ is not closed"},
        {WHEN("groupResource: 'deployments.{apps'"), "a { is not closed"},
        {WHEN("groupResource: 'Deployments.*'"), "lower case"},
        {WHEN("groupResource: {a: b}"), "must be a string"},
        {WHEN("groupResource: pods, resourceNameRegex: '(?=a)'"), "resourceNameRegex (line 3)"},
        {WHEN("groupResource: pods, resourceNameRegex: '*-kcm'"), "nothing before it to repeat"},
        {WHEN("groupResource: pods, namespaces: ['a[']"), "would never apply"},
        {WHEN("groupResource: pods, namespaces: a"), "must be a list"},
        {WHEN("groupResource: pods, labelSelector: {matchExpressions: [{key: a, operator: in, values: [b]}]}"),
         "did you mean In?"},
        {WHEN("groupResource: pods, labelSelector: {app: web}"), "unknown key \"app\""},
        {WHEN("groupResource: pods, labelSelector: {matchLabels: {a: 5, b: true}}"), NULL},
        {WHEN("groupResource: pods, matches: [{value: b}]"), "matches[0].path"},
        {WHEN("groupResource: pods, matches: [{path: spec/a, value: b}]"), "must begin with \"/\""},
        {WHEN("groupResource: pods, matches: [{path: /a, value: '{'}]"), "is not JSON"},
    };
    check_rows(rows, LENGTH_OF(rows));
}

static void test_patches(void)
{
    static const struct row rows[] = {
        {PATCH("path: /a, value: b"), "patches[0].operation (line 5): is missing"},
        {PATCH("operation: Replace, path: /a, value: b"), "write replace in lower case"},
        {PATCH("operation: replac, path: /a, value: b"), "did you mean replace?"},
        {PATCH("operation: patch, path: /a, value: b"), "not one of add, remove"},
        {PATCH("operation: add, value: b"), "patches[0].path (line 5): is missing"},
        {PATCH("operation: add, path: spec/release, value: b"), "write \"/spec/release\""},
        {PATCH("operation: move, path: /a"), "patches[0].from (line 5): is missing"},
        {PATCH("operation: copy, path: /a, from: b"), "must begin with \"/\""},
        {PATCH("operation: add, path: /a, value: {b: c}"), "write value: '{\"b\":\"c\"}'"},
        {PATCH("operation: add, path: /a, value: [b]"), "write value: '[\"b\"]'"},
        {PATCH("operation: add, path: /metadata/labels/a.b/c, value: d"), "/metadata/labels/a.b~1c"},
        {PATCH("operation: add, path: /metadata/annotations/a, value: \"true\""), "write '\"true\"'"},
        {PATCH("operation: add, path: /metadata/labels/a, value: 5"), "write '\"5\"'"},
        {PATCH("operation: add, path: /a, value: 'say \"hi\" now'"), "does not escape quotes"},
        {PATCH("operation: add, path: /a, value: 'a\\d'"), "does not escape quotes"},
        {PATCH("operation: add, path: /a, value: \"a\\nb\""), "does not escape quotes"},
        {PATCH("operation: add, path: /a, value: '{\"b\": }'"), "is not JSON"},
        {PATCH("operation: add, path: /a, value: 'TRUE '"), NULL},
        {PATCH("operation: add, path: /a, value: 'TRUE'"), "in lower case"},
        {PATCH("operation: add, path: /a, value: '007'"), "reads \"007\" as a number"},
        {PATCH("operation: add, path: /a, value: 'inf'"), "reads \"inf\" as a number"},
        {PATCH("operation: add, path: /a, value: '+5'"), "as a number"},
        {PATCH("operation: add, path: /a, value: '0x10'"), NULL},
        {PATCH("operation: add, path: /a, value: '1e999'"), NULL},
        {PATCH("operation: add, path: /a, value: '\"007\"'"), NULL},
        {PATCH("operation: add, path: /a, value: 'null'"), NULL},
        {PATCH("operation: add, path: /a, value: '\"'"), NULL},
        {PATCH("operation: add, path: '/a\"', value: b"), "in a path"},
        {RULE "  mergePatches: [{patchData: ''}]\n", "patchData (line 4): is empty"},
        {RULE "  mergePatches: [{}]\n", "is empty"},
        {RULE "  mergePatches: [{patchData: {a: b}}]\n", "patchData: |"},
        {RULE "  mergePatches: [{patchData: '{a: ['}]\n", "is neither YAML nor JSON"},
        {RULE "  mergePatches: [{patchData: 'just text'}]\n", "must hold a map"},
        {RULE "  mergePatches: [{patch: '{}'}]\n", "unknown key \"patch\""},
        {RULE "  strategicPatches: [{patchData: '{\"spec\": {}}'}]\n", "use mergePatches"},
    };
    check_rows(rows, LENGTH_OF(rows));
}

static void test_reference(void)
{
    static const struct {
        const char *modifier, *part;
    } cases[] = {
        {"{kind: Secret, name: m}", "spec.resourceModifier.kind: Unsupported value: \"Secret\""},
        {"{name: m}", "spec.resourceModifier.kind"},
        {"{kind: ConfigMap}", "spec.resourceModifier.name: Required value"},
        {"{kind: ConfigMap, name: patch-mgmt-spec-releas}", "did you mean \"patch-mgmt-spec-release\"?"},
        {"{kind: ConfigMap, name: elsewhere}", "the one in \"default\" is not read"},
        {"{kind: ConfigMap, name: zzz}", "create it first"},
        {"{kind: ConfigMap, name: none}", "has no data"},
        {"{kind: ConfigMap, name: binary}", "binaryData is not read"},
        {"{kind: ConfigMap, name: two}", "has 2 keys (\"a\" and \"b\")"},
        {"{kind: configMAP, name: patch-mgmt-spec-release}", NULL},
        {"null", NULL},
    };
    struct restore_world world;
    restore_world_begin(&world);
    restore_world_add(&world, "{apiVersion: v1, kind: ConfigMap, metadata: {name: elsewhere, namespace: default}}");
    restore_world_add(&world, "{apiVersion: v1, kind: ConfigMap, metadata: {name: none, namespace: kcm-system}}");
    restore_world_add(&world, "{apiVersion: v1, kind: ConfigMap, metadata: {name: binary, namespace: kcm-system},"
                              " binaryData: {a: YQ==}}");
    restore_world_add(&world,
                      "{apiVersion: v1, kind: ConfigMap, metadata: {name: two, namespace: kcm-system}, data: {a: x,"
                      " b: z}}");
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        struct str spec = arena_printf(world.arena,
                                       "{backupName: aws-20261121000000, existingResourcePolicy: update, "
                                       "resourceModifier: %s}",
                                       cases[i].modifier);
        bool denied = restore_mutated(&world, spec.ptr)->denied;
        bool good = cases[i].part ? denied && restore_says(&world, cases[i].part) : !denied;
        if (!good)
            fprintf(stderr, "\n    %s: %.*s\n", cases[i].modifier, STR_ARG(decision_message(&world.decision)));
        CU_ASSERT(good);
    }
    world.unknown[FACT_CONFIG_MAPS] = true;
    restore_world_add(&world, "");
    CU_ASSERT_FALSE(restore_mutated(&world, SPEC)->denied);
    CU_ASSERT(restore_warns(&world, "was not checked"));
    restore_world_end(&world);
}

static void test_many_problems(void)
{
    struct restore_world world;
    struct buf content;
    restore_world_begin(&world);
    buf_init(&content, 1U << 20);
    buf_puts(&content, HEAD);
    for (int i = 0; i < 500; i++)
        buf_puts(&content, "- conditions: {groupResource: pod}\n");
    restore_world_map(&world, content.data);
    CU_ASSERT(restore_mutated(&world, SPEC)->denied);
    CU_ASSERT_EQUAL(world.decision.causes.len, 9);
    CU_ASSERT(restore_says(&world, "992 more problems"));
    buf_dispose(&content);
    restore_world_end(&world);
}

/* Every prefix of a good ConfigMap, and every one with a byte changed: an answer, never
 * a crash. The sanitizers watch. */
static void test_broken_bytes(void)
{
    static const char good[] =
        HEAD "- conditions:\n    groupResource: '{a,managements}.**'\n    resourceNameRegex: "
             "^(a|b)[^c]{2,3}$\n    labelSelector: {matchLabels: {a: b}}\n  patches:\n  - operation: "
             "replace\n    path: /spec/release\n    value: '{\"a\":1}'\n";
    static const char strange[] = {'\0', '[', '{', '"', '\\', '\n', '(', '\x80', '*', ':'};
    struct restore_world world;
    restore_world_begin(&world);
    for (size_t i = 0; i + 1 < sizeof(good); i++) {
        char text[sizeof(good)];
        memcpy(text, good, sizeof(good));
        text[i] = '\0';
        restore_world_map(&world, text);
        restore_mutated(&world, SPEC);
        text[i] = strange[i % LENGTH_OF(strange)];
        restore_world_map(&world, text);
        restore_mutated(&world, SPEC);
    }
    restore_world_map(&world, good);
    CU_ASSERT_FALSE(restore_mutated(&world, SPEC)->denied);
    restore_world_end(&world);
}

SUITE(modifier, {"what is documented passes", test_documented}, {"grammar", test_grammar},
      {"conditions", test_conditions}, {"patches", test_patches}, {"the reference", test_reference},
      {"many problems stay readable", test_many_problems}, {"broken bytes", test_broken_bytes})
