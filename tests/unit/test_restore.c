/* How Restores are completed: exclusions, existingResourcePolicy, opting out. */
#include "restore_world.h"

#define AZURE_JSON                                                                                                     \
    "[\"natgateways.network.azure.com\",\"resourcegroups.resources.azure.com\",\"virtualnetworks.network.azure.com\"," \
    "\"virtualnetworkssubnets.network.azure.com\"]"
#define WEBHOOKS_JSON                                                                                                  \
    "[\"mutatingwebhookconfigurations.admissionregistration.k8s.io\","                                                 \
    "\"validatingwebhookconfigurations.admissionregistration.k8s.io\"]"
#define UPDATE_STEP "add /spec/existingResourcePolicy \"update\""

/* Beside these a changed Restore gets the annotation that tells what was added. */
static size_t spec_steps(const struct decision *decision)
{
    size_t steps = 0;
    for (size_t i = 0; i < decision->patch.len; i++)
        steps += str_starts(decision->patch.items[i].path, STR("/spec/"));
    CU_ASSERT_EQUAL(decision->patch.len, steps + (steps > 0));
    return steps;
}

static void test_azure(void)
{
    struct restore_world world;
    restore_world_begin(&world);
    const struct decision *decision = restore_mutated(&world, "{backupName: kcm-backup-20261121000000}");
    CU_ASSERT_FALSE(decision->denied);
    ASSERT_TEXT(restore_patch(&world), "add /spec/excludedResources " AZURE_JSON "\n" UPDATE_STEP);
    CU_ASSERT(restore_warns(&world, "excluded for infrastructure-azure: natgateways.network.azure.com, "));
    CU_ASSERT(restore_warns(&world, "existingResourcePolicy set to update"));
    CU_ASSERT_EQUAL(restore_again(&world)->patch.len, 0);
    restore_world_end(&world);
}

static void test_union_of_providers(void)
{
    struct restore_world world;
    restore_world_begin(&world);
    restore_mutated(&world,
                    "{backupName: both-20261121000000, existingResourcePolicy: update, excludedResources: null}");
    struct str patch = restore_patch(&world);
    CU_ASSERT(str_contains(patch, STR("natgateways.network.azure.com")));
    CU_ASSERT(str_contains(patch, STR("mutatingwebhookconfigurations.admissionregistration.k8s.io")));
    CU_ASSERT_EQUAL(spec_steps(&world.decision), 1);
    restore_world_end(&world);
}

static void test_only_what_is_missing(void)
{
    static const struct {
        const char *excluded, *patch;
    } cases[] = {
        {"[mutatingwebhookconfiguration.admissionregistration.k8s.io, "
         "ValidatingWebhookConfiguration.admissionregistration.k8s.io]",
         ""},
        {"[mutatingwebhookconfigurations, validatingwebhookconfigurations.admissionregistration]", ""},
        {"['*.admissionregistration.k8s.io']", ""},
        {"['{mutating,validating}webhook*']", ""},
        {"[pods]", "add /spec/excludedResources/- \"mutatingwebhookconfigurations.admissionregistration.k8s.io\"\n"
                   "add /spec/excludedResources/- \"validatingwebhookconfigurations.admissionregistration.k8s.io\""},
        {"[mutatingwebhookconfigurations.example.com, validatingwebhookconfigurations]",
         "add /spec/excludedResources/- \"mutatingwebhookconfigurations.admissionregistration.k8s.io\""},
        {"[]", "add /spec/excludedResources/- \"mutatingwebhookconfigurations.admissionregistration.k8s.io\"\n"
               "add /spec/excludedResources/- \"validatingwebhookconfigurations.admissionregistration.k8s.io\""},
        {"null", "add /spec/excludedResources " WEBHOOKS_JSON},
    };
    struct restore_world world;
    restore_world_begin(&world);
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        struct str spec = arena_printf(world.arena,
                                       "{backupName: vsphere-20261121000000, existingResourcePolicy: update, "
                                       "excludedResources: %s}",
                                       cases[i].excluded);
        CU_ASSERT_FALSE(restore_mutated(&world, spec.ptr)->denied);
        ASSERT_TEXT(restore_patch(&world), cases[i].patch);
    }
    restore_world_end(&world);
}

static void test_explicit_include_wins(void)
{
    struct restore_world world;
    restore_world_begin(&world);
    const struct decision *decision =
        restore_mutated(&world, "{backupName: kcm-backup-20261121000000, existingResourcePolicy: update,"
                                " includedResources: [NatGateway.network.azure.com, virtualnetworks]}");
    CU_ASSERT_FALSE(decision->denied);
    ASSERT_TEXT(restore_patch(&world), "add /spec/excludedResources [\"resourcegroups.resources.azure.com\","
                                       "\"virtualnetworkssubnets.network.azure.com\"]");
    CU_ASSERT(restore_warns(&world, "included explicitly"));
    restore_world_end(&world);
}

static void test_whose_backup(void)
{
    static const struct {
        const char *spec;
        size_t steps;
    } cases[] = {
        {"{backupName: app}", 0},                /* somebody else's */
        {"{backupName: aws-20261121000000}", 1}, /* no provider exclusion: the policy only */
        {"{backupName: core-only}", 2},          /* no provider: the Management's */
        {"{scheduleName: nightly}", 2},          /* newest Completed is vSphere's */
        {"{backupName: nosuch}", 0},
        {"{backupName: kcm-backup-20261121000000, scheduleName: nightly}", 0},
        {"{}", 0},
    };
    struct restore_world world;
    restore_world_begin(&world);
    for (size_t i = 0; i < LENGTH_OF(cases); i++)
        CU_ASSERT_EQUAL(spec_steps(restore_mutated(&world, cases[i].spec)), cases[i].steps);
    world.settings->restores_mutate_all = true;
    CU_ASSERT_EQUAL(spec_steps(restore_mutated(&world, "{backupName: app}")), 1);
    restore_world_end(&world);
}

static void test_providers_from_settings(void)
{
    struct restore_world world;
    restore_world_begin(&world);
    world.facts = "fresh";
    CU_ASSERT_EQUAL(spec_steps(restore_mutated(&world, "{backupName: core-only}")), 1);
    strlist_add(world.arena, &world.settings->restores_providers, STR("cluster-api-provider-vsphere"));
    restore_mutated(&world, "{backupName: core-only}");
    ASSERT_TEXT(restore_patch(&world), "add /spec/excludedResources " WEBHOOKS_JSON "\n" UPDATE_STEP);
    restore_world_end(&world);
}

static void test_regional(void)
{
    struct restore_world world;
    restore_world_begin(&world);
    const struct decision *decision = restore_mutated(&world, "{backupName: kcm-backup-eu-20261121000000}");
    CU_ASSERT_FALSE(decision->denied);
    struct str patch = restore_patch(&world);
    CU_ASSERT(str_contains(patch, STR("mutatingwebhookconfigurations.admissionregistration.k8s.io")));
    CU_ASSERT(str_contains(patch, STR("natgateways.network.azure.com")));
    CU_ASSERT_FALSE(str_contains(patch, STR("existingResourcePolicy")));
    CU_ASSERT(restore_warns(&world, "regional cluster"));
    restore_mutated(&world, "{backupName: kcm-backup-eu-20261121000000, existingResourcePolicy: update}");
    CU_ASSERT(restore_warns(&world, "leaving it unset"));
    restore_world_end(&world);
}

static void test_existing_resource_policy(void)
{
    struct restore_world world;
    restore_world_begin(&world);
    restore_mutated(&world, "{backupName: aws-20261121000000, existingResourcePolicy: none}");
    CU_ASSERT_EQUAL(spec_steps(&world.decision), 0);
    CU_ASSERT(restore_warns(&world, "existingResourcePolicy \"none\""));
    world.settings->restores_force_update = true;
    restore_mutated(&world, "{backupName: aws-20261121000000, existingResourcePolicy: none}");
    ASSERT_TEXT(restore_patch(&world), "replace /spec/existingResourcePolicy \"update\"");
    CU_ASSERT_FALSE(restore_warns(&world, "existingResourcePolicy \"none\""));
    restore_mutated(&world, "{backupName: aws-20261121000000, existingResourcePolicy: ''}");
    ASSERT_TEXT(restore_patch(&world), "replace /spec/existingResourcePolicy \"update\"");
    restore_mutated(&world, "{backupName: aws-20261121000000, existingResourcePolicy: null}");
    ASSERT_TEXT(restore_patch(&world), UPDATE_STEP);
    CU_ASSERT(restore_mutated(&world, "{backupName: aws-20261121000000, existingResourcePolicy: Update}")->denied);
    CU_ASSERT(restore_says(&world, "did you mean \"update\"?"));
    CU_ASSERT(restore_mutated(&world, "{backupName: app, existingResourcePolicy: recreate}")->denied);
    restore_world_end(&world);
}

static void test_opting_out(void)
{
    struct restore_world world;
    restore_world_begin(&world);
    world.annotations = "{backstop.k0rdent.mirantis.com/skip-mutation: \"ticket 42\"}";
    const struct decision *decision = restore_mutated(&world, "{backupName: kcm-backup-20261121000000}");
    CU_ASSERT_EQUAL(decision->patch.len, 0);
    CU_ASSERT(restore_warns(&world, "ticket 42"));
    bool found = false;
    for (size_t i = 0; i < decision->audit.len; i++)
        found = found || (str_is(decision->audit.items[i].key, "skip-mutation") &&
                          str_is(decision->audit.items[i].value, "ticket 42"));
    CU_ASSERT(found);
    world.annotations = "{backstop.k0rdent.mirantis.com/skip-mutation: \" \"}";
    CU_ASSERT_EQUAL(spec_steps(restore_mutated(&world, "{backupName: kcm-backup-20261121000000}")), 2);
    CU_ASSERT(restore_warns(&world, "needs a reason"));
    restore_world_end(&world);
}

static void test_backups_unknown(void)
{
    struct restore_world world;
    restore_world_begin(&world);
    world.facts = NULL;
    world.unknown[FACT_BACKUPS] = true;
    CU_ASSERT_FALSE(restore_mutated(&world, "{backupName: kcm-backup-20261121000000}")->denied);
    CU_ASSERT_EQUAL(spec_steps(&world.decision), 0);
    CU_ASSERT(restore_warns(&world, "the backup was not checked"));
    world.settings->restores_mutate_all = true;
    CU_ASSERT_EQUAL(spec_steps(restore_mutated(&world, "{backupName: kcm-backup-20261121000000}")), 1);
    restore_world_end(&world);
}

static void test_validating_advises(void)
{
    struct restore_world world;
    restore_world_begin(&world);
    const struct decision *decision = restore_validated(&world, "{backupName: kcm-backup-20261121000000}");
    CU_ASSERT_EQUAL(decision->patch.len, 0);
    CU_ASSERT(restore_warns(&world, "missing from spec.excludedResources for infrastructure-azure: natgateways"));
    CU_ASSERT(restore_warns(&world, "existingResourcePolicy is not set"));
    restore_world_end(&world);
}

static void test_wrong_types(void)
{
    static const char *const specs[] = {
        "null",
        "[]",
        "{backupName: 5}",
        "{backupName: kcm-backup-20261121000000, excludedResources: pods}",
        "{backupName: kcm-backup-20261121000000, excludedResources: [5]}",
        "{backupName: kcm-backup-20261121000000, existingResourcePolicy: {}}",
        "{backupName: kcm-backup-20261121000000, includedNamespaces: {a: b}}",
        "{backupName: kcm-backup-20261121000000, namespaceMapping: [a]}",
        "{backupName: kcm-backup-20261121000000, labelSelector: x}",
        "{backupName: kcm-backup-20261121000000, orLabelSelectors: x}",
        "{backupName: kcm-backup-20261121000000, itemOperationTimeout: 5}",
        "{backupName: kcm-backup-20261121000000, resourceModifier: x}",
        "{backupName: kcm-backup-20261121000000, hooks: {resources: [{postHooks: [{init: {initContainers: [x]}}]}]}}",
    };
    struct restore_world world;
    restore_world_begin(&world);
    for (size_t i = 0; i < LENGTH_OF(specs); i++) {
        CU_ASSERT(restore_mutated(&world, specs[i])->denied);
        CU_ASSERT(restore_validated(&world, specs[i])->denied);
    }
    restore_world_end(&world);
}

SUITE(restore, {"Azure's exclusions and the policy are added once", test_azure},
      {"exclusions of all providers are joined", test_union_of_providers},
      {"only what no form of a name excludes is added", test_only_what_is_missing},
      {"what the user includes is not excluded", test_explicit_include_wins},
      {"only k0rdent's backups are completed", test_whose_backup},
      {"providers may come from the settings", test_providers_from_settings},
      {"a regional backup keeps its policy unset", test_regional},
      {"existingResourcePolicy", test_existing_resource_policy}, {"the annotation needs a reason", test_opting_out},
      {"without facts only a setting decides", test_backups_unknown},
      {"a validating review says what is missing", test_validating_advises},
      {"values of wrong types are denied", test_wrong_types})
