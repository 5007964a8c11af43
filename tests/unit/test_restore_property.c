/* Generated Restores: completing one twice changes nothing more, and completing never
 * makes Velero refuse what it took before. */
#include "restore_world.h"

enum { ROUNDS = 4000 };

static uint64_t state;

static size_t pick(size_t count)
{
    state = state * 6364136223846793005U + 1442695040888963407U;
    return (size_t)((state >> 33) % count);
}

static const char *const backups[] = {"kcm-backup-20261121000000",
                                      "vsphere-20261121000000",
                                      "both-20261121000000",
                                      "aws-20261121000000",
                                      "core-only",
                                      "kcm-backup-eu-20261121000000",
                                      "kcm-backup-kcm-1-1-0",
                                      "partial",
                                      "app",
                                      "failed",
                                      "nosuch"};
static const char *const resources[] = {
    "natgateways.network.azure.com",
    "NatGateway.network.azure.com",
    "natgateway",
    "resourcegroups.resources.azure.com",
    "resourcegroups",
    "virtualnetworks.network.azure.com",
    "virtualnetworkssubnet.network",
    "virtualnetworkssubnets.network.azure.com",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io",
    "mutatingwebhookconfiguration.admissionregistration.k8s.io",
    "ValidatingWebhookConfiguration",
    "validatingwebhookconfigurations.admissionregistration.k8s.io",
    "pods",
    "managements.k0rdent.mirantis.com",
    "*.network.azure.com",
    "[mv]*webhook*",
    "foos.example.com",
    "",
    "*",
};
static const char *const policies[] = {NULL, "null", "''", "none", "update", "Update"};

static void add_list(struct buf *spec, const char *name)
{
    size_t shape = pick(4), count = pick(5);
    if (shape == 0)
        return;
    if (shape == 1) {
        buf_printf(spec, ", %s: null", name);
        return;
    }
    buf_printf(spec, ", %s: [", name);
    for (size_t i = 0; i < count; i++)
        buf_printf(spec, "%s\"%s\"", i ? ", " : "", resources[pick(LENGTH_OF(resources))]);
    buf_puts(spec, "]");
}

static void generate(struct buf *spec)
{
    const char *policy = policies[pick(LENGTH_OF(policies))];
    buf_clear(spec);
    if (pick(8) == 0)
        buf_puts(spec, "{scheduleName: nightly");
    else
        buf_printf(spec, "{backupName: %s", backups[pick(LENGTH_OF(backups))]);
    add_list(spec, "includedResources");
    add_list(spec, "excludedResources");
    if (policy)
        buf_printf(spec, ", existingResourcePolicy: %s", policy);
    if (pick(4) == 0)
        buf_puts(spec, ", resourceModifier: {kind: ConfigMap, name: patch-mgmt-spec-release}");
    buf_puts(spec, "}");
}

static void choose_settings(struct restore_world *world)
{
    world->settings->restores_mutate_all = pick(4) == 0;
    world->settings->restores_force_update = pick(2) == 0;
    world->settings->restores_inject_release_modifier = pick(2) == 0;
    world->annotations = pick(10) == 0 ? "{backstop.k0rdent.mirantis.com/skip-mutation: why}" : "{}";
}

static void test_twice_is_once(void)
{
    struct restore_world world;
    struct buf spec;
    size_t patched = 0, injected = 0;
    restore_world_begin(&world);
    buf_init(&spec, 1U << 16);
    state = 20261121;
    for (int i = 0; i < ROUNDS; i++) {
        generate(&spec);
        choose_settings(&world);
        restore_validated(&world, spec.data);
        bool refused = restore_says(&world, "includes and excludes the same");
        restore_mutated(&world, spec.data);
        patched += world.decision.patch.len > 0;
        injected += str_contains(restore_patch(&world), STR("/spec/resourceModifier"));
        CU_ASSERT_EQUAL(restore_says(&world, "includes and excludes the same"), refused);
        bool denied = world.decision.denied;
        size_t again = restore_again(&world)->patch.len;
        if (again)
            fprintf(stderr, "\n    %s: %.*s\n", spec.data, STR_ARG(restore_patch(&world)));
        CU_ASSERT_EQUAL(again, 0);
        CU_ASSERT_EQUAL(world.decision.denied, denied);
        CU_ASSERT_EQUAL(restore_says(&world, "includes and excludes the same"), refused);
        /* One arena for all would grow without need. */
        if (i % 200 == 199) {
            restore_world_end(&world);
            restore_world_begin(&world);
        }
    }
    CU_ASSERT(patched > ROUNDS / 4);
    CU_ASSERT(injected > 10);
    buf_dispose(&spec);
    restore_world_end(&world);
}

SUITE(restore_property, {"a completed Restore stays as it is, and stays acceptable", test_twice_is_once})
