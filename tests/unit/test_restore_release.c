/* Rolling back an upgrade: the backup kcm made holds the release upgraded to. */
#include "restore_world.h"

#define ROLLBACK "{backupName: kcm-backup-kcm-1-1-0, existingResourcePolicy: update, excludedResources: ['*.azure.com']"

/* Without a storage location: whether that is there is not the point here. */
static void add_backup(struct restore_world *world, const char *metadata)
{
    struct str yaml = arena_printf(world->arena,
                                   "{apiVersion: velero.io/v1, kind: Backup, metadata: {namespace: kcm-system, %s}, "
                                   "spec: {includedNamespaces: ['*'], excludedResources: [clusters.cluster.x-k8s.io], "
                                   "orLabelSelectors: [{matchLabels: {k0rdent.mirantis.com/component: kcm}}]}, "
                                   "status: {phase: Completed}}",
                                   metadata);
    restore_world_add(world, yaml.ptr);
}

static void test_warned(void)
{
    struct restore_world world;
    restore_world_begin(&world);
    CU_ASSERT_FALSE(restore_mutated(&world, ROLLBACK "}")->denied);
    CU_ASSERT(restore_warns(&world, "is for the rollback to kcm-1-1-0, but may hold the new release already"));
    CU_ASSERT(restore_warns(&world, "add resourceModifier: {kind: ConfigMap, name: patch-mgmt-spec-release}"));
    restore_mutated(&world, ROLLBACK ", resourceModifier: {kind: ConfigMap, name: patch-mgmt-spec-release}}");
    CU_ASSERT_FALSE(restore_warns(&world, "kcm-1-1-0"));
    restore_mutated(&world, "{backupName: kcm-backup-kcm-1-1-0, includedResources: [pods]}");
    CU_ASSERT_FALSE(restore_warns(&world, "kcm-1-1-0"));
    restore_world_end(&world);
}

static void test_which_backups(void)
{
    static const struct {
        const char *metadata, *name;
        bool warned;
    } cases[] = {
        {"name: x-kcm-1-0-0", "x-kcm-1-0-0", true},
        {"name: x-kcm-1-0-0-20261121010203", "x-kcm-1-0-0-20261121010203", true},
        {"name: x-kcm-1-10-0-rc1", "x-kcm-1-10-0-rc1", true},
        {"name: x-y, labels: {k0rdent.mirantis.com/release-backup: kcm-1-0-0}", "x-y", true},
        {"name: x-kcm-1-0-0, labels: {k0rdent.mirantis.com/management-backup: x-kcm-1-0-0}", "x-kcm-1-0-0", false},
        {"name: x-kcm-1-0-0, labels: {k0rdent.mirantis.com/region: eu}", "x-kcm-1-0-0", false},
        {"name: x-kcm-1-0-0, annotations: {backstop.k0rdent.mirantis.com/taken-before-upgrade-to: kcm-1-1-0}",
         "x-kcm-1-0-0", true}, /* no moment, and no start that it could fit */
        {"name: x-kcm-20261121010203", "x-kcm-20261121010203", false},
        {"name: kcm-1-1-0", "kcm-1-1-0", false},
        {"name: x-kcm-1-x-0", "x-kcm-1-x-0", false},
    };
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        struct restore_world world;
        restore_world_begin(&world);
        world.facts = NULL;
        add_backup(&world, cases[i].metadata);
        restore_mutated(&world, arena_printf(world.arena, "{backupName: %s}", cases[i].name).ptr);
        CU_ASSERT_EQUAL(restore_warns(&world, "to roll back, add a resourceModifier ConfigMap"), cases[i].warned);
        restore_world_end(&world);
    }
}

static void test_wrong_release(void)
{
    struct restore_world world;
    restore_world_begin(&world);
    restore_world_map(&world, "version: v1\nresourceModifierRules:\n- conditions: {groupResource: managements.**}\n"
                              "  mergePatches: [{patchData: '{\"spec\":{\"release\":\"kcm-1-0-0\"}}'}]\n");
    restore_mutated(&world, ROLLBACK ", resourceModifier: {kind: ConfigMap, name: m}}");
    CU_ASSERT(restore_warns(&world, "sets release \"kcm-1-0-0\", but the backup is for the rollback to \"kcm-1-1-0\""));
    restore_world_map(&world, "version: v1\nresourceModifierRules:\n- conditions: {groupResource: pods}\n"
                              "  patches: [{operation: remove, path: /spec/nodeName}]\n");
    restore_mutated(&world, ROLLBACK ", resourceModifier: {kind: configmap, name: m}}");
    CU_ASSERT(restore_warns(&world, "does not set /spec/release"));
    restore_world_end(&world);
}

static void test_injected(void)
{
    struct restore_world world;
    restore_world_begin(&world);
    world.settings->restores_inject_release_modifier = true;
    restore_mutated(&world, ROLLBACK "}");
    ASSERT_TEXT(restore_patch(&world),
                "add /spec/resourceModifier {\"kind\":\"ConfigMap\",\"name\":\"patch-mgmt-spec-release\"}");
    CU_ASSERT_EQUAL(world.decision.effects.len, 0);
    CU_ASSERT_EQUAL(restore_validated(&world, ROLLBACK "}")->patch.len, 0);
    restore_world_end(&world);
}

static void test_created(void)
{
    struct restore_world world;
    restore_world_begin(&world);
    world.facts = NULL;
    world.settings->restores_inject_release_modifier = true;
    add_backup(&world, "name: x-kcm-1-0-0");
    restore_mutated(&world, "{backupName: x-kcm-1-0-0, existingResourcePolicy: update}");
    ASSERT_TEXT(restore_patch(&world),
                "add /spec/resourceModifier {\"kind\":\"ConfigMap\",\"name\":\"backstop-release-kcm-1-0-0\"}");
    CU_ASSERT_EQUAL_FATAL(world.decision.effects.len, 1);
    ASSERT_TEXT(world.decision.effects.items[0].what, "ConfigMap backstop-release-kcm-1-0-0");
    struct json_object *map = json_object_get(world.decision.effects.items[0].object);
    /* Called again before the ConfigMap is among the facts: created again, not refused. */
    CU_ASSERT_FALSE(restore_again(&world)->denied);
    CU_ASSERT_EQUAL(world.decision.patch.len, 0);
    CU_ASSERT_EQUAL(world.decision.effects.len, 1);
    restore_world_add(&world, json_object_to_json_string(map));
    json_object_put(map);
    /* What was made passes the webhook's own checks and is taken for what it is. */
    CU_ASSERT_FALSE(restore_mutated(&world,
                                    "{backupName: x-kcm-1-0-0, existingResourcePolicy: update, resourceModifier: "
                                    "{kind: ConfigMap, name: backstop-release-kcm-1-0-0}}")
                        ->denied);
    CU_ASSERT_EQUAL(world.decision.warnings.len, 0);
    CU_ASSERT_EQUAL(world.decision.effects.len, 0);
    restore_world_end(&world);
}

static void test_not_when_denied(void)
{
    struct restore_world world;
    restore_world_begin(&world);
    world.facts = NULL;
    world.settings->restores_inject_release_modifier = true;
    add_backup(&world, "name: x-kcm-1-0-0");
    CU_ASSERT(restore_mutated(&world, "{backupName: x-kcm-1-0-0, itemOperationTimeout: 1d}")->denied);
    CU_ASSERT_EQUAL(world.decision.effects.len, 0);
    restore_world_end(&world);
}

SUITE(restore_release, {"a rollback without a modifier is warned about", test_warned},
      {"which backups are taken for pre-upgrade ones", test_which_backups},
      {"a modifier for another release", test_wrong_release}, {"a ConfigMap that is there is used", test_injected},
      {"else one is created", test_created}, {"never for a denied Restore", test_not_when_denied})
