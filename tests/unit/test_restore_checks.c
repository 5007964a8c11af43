/* What Velero would refuse only after the Restore is stored, and what it would do
 * silently. */
#include "restore_world.h"

#define AWS "{backupName: aws-20261121000000, existingResourcePolicy: update, "

struct row {
    const char *spec;
    bool denied;
    const char *part; /* of the denial, or of a warning */
};

static void check_rows(struct restore_world *world, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool denied = restore_mutated(world, rows[i].spec)->denied;
        bool said = rows[i].denied ? restore_says(world, rows[i].part) : restore_warns(world, rows[i].part);
        if (denied != rows[i].denied || !said) {
            fprintf(stderr, "\n    %s: %s: %.*s", rows[i].spec, denied ? "denied" : "allowed",
                    STR_ARG(decision_message(&world->decision)));
            for (size_t w = 0; w < world->decision.warnings.len; w++)
                fprintf(stderr, "\n      %.*s", STR_ARG(world->decision.warnings.items[w]));
            fprintf(stderr, "\n");
        }
        CU_ASSERT_EQUAL(denied, rows[i].denied);
        CU_ASSERT(said);
    }
}

static void test_source(void)
{
    static const struct row rows[] = {
        {"{}", true, "spec.backupName: Required value: name the backup to restore"},
        {"{backupName: app, scheduleName: nightly}", true, "set backupName or scheduleName, not both"},
        {"{backupName: ap}", true, "did you mean \"app\"?"},
        {"{backupName: kcm-backup}", true, "its latest backup is \"kcm-backup-20261121000000\""},
        {"{backupName: zzzzzzzzzz}", true, "the newest Completed management backup is"},
        {"{backupName: failed}", true, "is Failed (\"object store not reachable\")"},
        {"{backupName: invalid}", true, "is FailedValidation (\"backup can't be created"},
        {"{backupName: running}", true, "phase \"InProgress\" (412 of 980 items)"},
        {"{backupName: partial}", false, "PartiallyFailed (3 errors)"},
        {"{backupName: on-gone}", true, "BackupStorageLocation \"gone\" is Unavailable"},
        {"{backupName: on-missing}", true, "BackupStorageLocation \"deleted-location\" does not exist"},
        {"{scheduleName: nightly}", false,
         "the newest backup \"nightly-20261121010000\" is \"Failed\", so Velero restores \"nightly-20261120010000\""},
        {"{scheduleName: broken}", true, "none of its backups is Completed"},
        {"{scheduleName: unused}", true, "has not made a backup yet"},
        {"{scheduleName: nightl}", true, "did you mean \"nightly\"?"},
        {"{scheduleName: kcm-backup}", true, "use backupName: \"kcm-backup-20261121000000\""},
    };
    struct restore_world world;
    restore_world_begin(&world);
    check_rows(&world, rows, LENGTH_OF(rows));
    restore_world_end(&world);
}

static void test_phases(void)
{
    static const struct {
        const char *phase;
        bool denied;
    } cases[] = {
        {"Completed", false},
        {"PartiallyFailed", false},
        {"", true},
        {"New", true},
        {"Queued", true},
        {"ReadyToStart", true},
        {"WaitingForPluginOperations", true},
        {"WaitingForPluginOperationsPartiallyFailed", true},
        {"Finalizing", true},
        {"FinalizingPartiallyFailed", true},
        {"Deleting", true},
        {"SomethingNew", false},
    };
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        struct restore_world world;
        restore_world_begin(&world);
        struct str backup = arena_printf(world.arena,
                                         "{apiVersion: velero.io/v1, kind: Backup, metadata: {name: b, namespace: "
                                         "kcm-system}, spec: {storageLocation: aws-s3}, status: {phase: '%s'}}",
                                         cases[i].phase);
        restore_world_add(&world, backup.ptr);
        CU_ASSERT_EQUAL(restore_mutated(&world, "{backupName: b}")->denied, cases[i].denied);
        restore_world_end(&world);
    }
}

static void test_expiry(void)
{
    static const struct {
        const char *expires, *warning;
    } cases[] = {{"2026-11-21T02:59:00Z", "expired at 2026-11-21T02:59:00Z"},
                 {"2026-11-21T12:00:00Z", "expires at 2026-11-21T12:00:00Z"},
                 {"2026-12-21T12:00:00Z", NULL}};
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        struct restore_world world;
        restore_world_begin(&world);
        struct str backup =
            arena_printf(world.arena,
                         "{apiVersion: velero.io/v1, kind: Backup, metadata: {name: b, namespace: kcm-system}, spec: "
                         "{storageLocation: aws-s3}, status: {phase: Completed, expiration: \"%s\"}}",
                         cases[i].expires);
        restore_world_add(&world, backup.ptr);
        CU_ASSERT_FALSE(restore_mutated(&world, "{backupName: b}")->denied);
        if (cases[i].warning)
            CU_ASSERT(restore_warns(&world, cases[i].warning))
        else
            CU_ASSERT_EQUAL(world.decision.warnings.len, 0);
        restore_world_end(&world);
    }
}

static void test_lists(void)
{
    static const struct row rows[] = {
        {AWS "includedResources: ['*', pods]}", true, "must be the only item; remove it, or remove \"pods\""},
        {AWS "includedNamespaces: ['*', a]}", true, "all namespaces and must be the only item"},
        {AWS "excludedResources: ['*']}", true, "spec.excludedResources: Invalid value: \"*\""},
        {AWS "excludedNamespaces: ['*']}", true, "spec.excludedNamespaces: Invalid value: \"*\""},
        {AWS "includedResources: [pods, secrets], excludedResources: [secrets]}", true,
         "\"secrets\": also in spec.includedResources"},
        {AWS "includedNamespaces: [a], excludedNamespaces: [a]}", true, "\"a\": also in spec.includedNamespaces"},
        {AWS "includedResources: [secret], excludedResources: [secrets]}", false, "are the same resource"},
        {AWS "includedResources: [pods, nodes]}", true,
         "\"nodes\": Velero never restores this; remove it from the list"},
        {AWS "includedResources: [backups.velero.io, restores.velero.io]}", true,
         "\"backups.velero.io\" and \"restores.velero.io\""},
        {AWS "includedResources: [node, pods]}", false, "Velero never restores \"node\""},
        {AWS "includedNamespaces: [Team_A]}", true, "no namespace can have this name"},
        {AWS "includedNamespaces: ['team-[a']}", true, "a [ is not closed"},
        {AWS "excludedNamespaces: ['team-{a']}", true, "a { is not closed"},
        {AWS "includedResources: [apps/v1/deployments]}", true, "without a version"},
        {AWS "includedNamespaces: [kcm-system]}", false, "skips cluster-scoped objects"},
        {AWS "excludedNamespaces: [a]}", false, "skips cluster-scoped objects"},
        {AWS "includeClusterResources: false}", false, "excludes Management"},
    };
    struct restore_world world;
    restore_world_begin(&world);
    check_rows(&world, rows, LENGTH_OF(rows));
    restore_mutated(&world, AWS "includedNamespaces: [kcm-system], includeClusterResources: true}");
    CU_ASSERT_FALSE(restore_warns(&world, "cluster-scoped"));
    restore_mutated(&world, AWS "includedNamespaces: ['*'], includeClusterResources: null}");
    CU_ASSERT_FALSE(restore_warns(&world, "cluster-scoped"));
    restore_world_end(&world);
}

static void test_huge_lists(void)
{
    struct restore_world world;
    struct buf spec;
    restore_world_begin(&world);
    buf_init(&spec, 1U << 24);
    buf_puts(&spec, AWS "includedNamespaces: [");
    for (int i = 0; i < 20000; i++)
        buf_printf(&spec, "%sn%d", i ? ", " : "", i);
    buf_puts(&spec, "]}");
    CU_ASSERT(restore_mutated(&world, spec.data)->denied);
    CU_ASSERT(restore_says(&world, "must have at most 5000"));
    buf_dispose(&spec);
    restore_world_end(&world);
}

/* A few thousand mistakes are answered as fast as a few. */
static void test_many_mistakes(void)
{
    static const struct {
        const char *before, *item, *after;
    } cases[] = {
        {AWS "hooks: {resources: [", "{name: h, postHooks: [{}]}", "]}}"},
        {AWS "hooks: {resources: [{name: h, postHooks: [", "{exec: {}}", "]}]}}"},
        {AWS "orLabelSelectors: [", "{matchLabels: {a: ' '}}", "]}"},
        {AWS "excludedResources: [", "'{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}*'", "]}"},
        {AWS "excludedResources: [", "'[a'", "]}"},
    };
    struct buf spec;
    buf_init(&spec, 1U << 24);
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        struct restore_world world;
        restore_world_begin(&world);
        buf_clear(&spec);
        buf_puts(&spec, cases[i].before);
        for (int n = 0; n < 4000; n++)
            buf_printf(&spec, "%s%s", n ? ", " : "", cases[i].item);
        buf_puts(&spec, cases[i].after);
        const struct decision *decision = restore_mutated(&world, spec.data);
        CU_ASSERT(decision->causes.len + decision->warnings.len < 60);
        restore_world_end(&world);
    }
    buf_dispose(&spec);
}

static void test_selectors(void)
{
    static const struct row rows[] = {
        {AWS "labelSelector: {}, orLabelSelectors: []}", true, "set labelSelector or orLabelSelectors, not both"},
        {AWS "labelSelector: {matchExpressions: [{key: a, operator: notin, values: [b]}]}}", true,
         "spec.labelSelector.matchExpressions[0].operator: Invalid value: \"notin\" is not In, NotIn, Exists or "
         "DoesNotExist (did you mean NotIn?)"},
        {AWS "labelSelector: {matchExpressions: [{key: a, operator: In, values: []}]}}", true, "must not be empty"},
        {AWS "labelSelector: {matchExpressions: [{key: a, operator: In}]}}", true, "must not be empty"},
        {AWS "labelSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}", true, "must be empty"},
        {AWS "labelSelector: {matchExpressions: [{key: '-a', operator: Exists}]}}", true, "is not a label key"},
        {AWS "labelSelector: {matchLabels: {a/b/c: d}}}", true, "is not a label key"},
        {AWS "labelSelector: {matchLabels: {Team.example/b: d}}}", true, "is not a label key"},
        {AWS "orLabelSelectors: [{matchLabels: {a: 'b c'}}]}", true,
         "spec.orLabelSelectors[0].matchLabels[a]: Invalid value: \"b c\" is not a label value"},
    };
    struct restore_world world;
    restore_world_begin(&world);
    check_rows(&world, rows, LENGTH_OF(rows));
    CU_ASSERT_FALSE(restore_mutated(&world, AWS "labelSelector: {matchExpressions: [{key: "
                                                "cluster.x-k8s.io/cluster-name, operator: NotIn, values: [a, b]}],"
                                                " matchLabels: {x: ''}}}")
                        ->denied);
    restore_world_end(&world);
}

static void test_hooks_and_durations(void)
{
    static const struct row rows[] = {
        {AWS "itemOperationTimeout: 30d}", true, "there is no unit d; write \"720h\""},
        {AWS "itemOperationTimeout: '30'}", true, "the unit is missing: \"30h\" is hours"},
        {AWS "itemOperationTimeout: ''}", true, "leave the field out"},
        {AWS "itemOperationTimeout: 4 hours}", true, "must be a duration"},
        {AWS "itemOperationTimeout: -4h}", false, "is negative"},
        {AWS
         "hooks: {resources: [{name: h, postHooks: [{init: {timeout: 1d, initContainers: [{name: a, image: b, command: "
         "[c]}]}}]}]}}",
         true, "spec.hooks.resources[0].postHooks[0].init.timeout: Invalid value: \"1d\""},
        {AWS "hooks: {resources: [{name: h, postHooks: [{init: {initContainers: [{name: a, image: b}]}}]}]}}", true,
         "initContainers[0]: Required value: command"},
        {AWS "hooks: {resources: [{name: h, postHooks: [{init: {initContainers: [{command: [c]}]}}]}]}}", true,
         "Required value: name, image"},
        {AWS
         "hooks: {resources: [{name: h, postHooks: [{init: {initContainers: [{name: a, image: b, command: c}]}}]}]}}",
         true, "command (a list of strings)"},
        {AWS "hooks: {resources: [{name: h, postHooks: [{exec: {command: []}}]}]}}", true, "the command to run"},
        {AWS "hooks: {resources: [{name: h, postHooks: [{exec: {command: [a], onError: fail}}]}]}}", true,
         "Unsupported value: \"fail\": write \"Continue\" or \"Fail\""},
        {AWS "hooks: {resources: [{name: h, postHooks: [{exec: {command: [a], execTimeout: 5x}}]}]}}", true,
         "exec.execTimeout"},
        {AWS "hooks: {resources: [{name: h, postHooks: [{exec: {command: [a], waitTimeout: 5}}]}]}}", true,
         "exec.waitTimeout"},
        {AWS "hooks: {resources: [{name: h, labelSelector: {matchExpressions: [{key: a, operator: Eq}]}}]}}", true,
         "spec.hooks.resources[0].labelSelector.matchExpressions[0].operator"},
        {AWS "hooks: {resources: [{name: h, postHooks: [{}]}]}}", false, "neither exec nor init"},
        {AWS "namespaceMapping: {kcm-system: other}}", false, "k0rdent expects its objects in kcm-system"},
        {AWS "namespaceMapping: {a: B}}", true, "is not a namespace name"},
    };
    struct restore_world world;
    restore_world_begin(&world);
    check_rows(&world, rows, LENGTH_OF(rows));
    CU_ASSERT_FALSE(restore_mutated(&world,
                                    AWS "itemOperationTimeout: 4h30m, namespaceMapping: {a: b}, hooks: {resources: "
                                        "[{name: h, postHooks: [{init: {timeout: 5m, initContainers: [{name: a, "
                                        "image: b, command: [c]}]}}, {exec: {command: [a], container: c, onError: "
                                        "Fail, execTimeout: 30s, waitTimeout: 1m}}]}]}}")
                        ->denied);
    restore_world_end(&world);
}

static void test_updates(void)
{
    struct restore_world world;
    restore_world_begin(&world);
    /* Velero's own writes: both names, its exclusions; nothing of that is news. */
    CU_ASSERT_FALSE(
        restore_updated(&world, "{backupName: app, scheduleName: nightly}", "{backupName: app}", "InProgress")->denied);
    CU_ASSERT(restore_warns(&world, "the change has no effect"));
    CU_ASSERT_FALSE(restore_updated(&world, "{backupName: nosuch}", "{backupName: nosuch}", "''")->denied);
    /* Until Velero takes it, a Restore that is changed is checked as a new one. */
    CU_ASSERT(restore_updated(&world, "{backupName: nosuch, itemOperationTimeout: 5m}", "{backupName: nosuch}", "''")
                  ->denied);
    CU_ASSERT(restore_says(&world, "nosuch"));
    CU_ASSERT(
        restore_updated(&world, "{backupName: app, itemOperationTimeout: 5d}", "{backupName: app}", "New")->denied);
    CU_ASSERT(restore_updated(&world, "{backupName: nosuch}", "{backupName: app}", "''")->denied);
    CU_ASSERT_EQUAL(world.decision.patch.len, 0);
    restore_world_end(&world);
}

static void test_existing_management(void)
{
    struct restore_world world;
    restore_world_begin(&world);
    restore_mutated(&world, AWS "}");
    CU_ASSERT(restore_warns(&world, "already has a Management (\"kcm\")"));
    restore_world_end(&world);
    restore_world_begin(&world);
    world.facts = "fresh";
    restore_mutated(&world, AWS "}");
    CU_ASSERT_EQUAL(world.decision.warnings.len, 0);
    /* Velero's CRD is known, and k0rdent's is not among them. */
    restore_world_add(&world, "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: "
                              "backups.velero.io}, spec: {group: velero.io}}");
    restore_mutated(&world, AWS "}");
    CU_ASSERT(restore_warns(&world, "k0rdent is not installed in this cluster"));
    restore_world_add(&world, "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: "
                              "managementbackups.k0rdent.mirantis.com}, spec: {group: k0rdent.mirantis.com}}");
    restore_mutated(&world, AWS "}");
    CU_ASSERT_EQUAL(world.decision.warnings.len, 0);
    restore_world_end(&world);
}

SUITE(restore_checks, {"the backup or schedule", test_source}, {"phases of a backup", test_phases},
      {"expiry of a backup", test_expiry}, {"lists", test_lists}, {"lists no person writes", test_huge_lists},
      {"many mistakes", test_many_mistakes}, {"label selectors", test_selectors},
      {"hooks, durations, mapping", test_hooks_and_durations}, {"updates", test_updates},
      {"a Management that exists", test_existing_management})
