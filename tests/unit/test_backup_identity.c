/* What a Velero Backup is: by kcm's own marks, and never by a k0rdent label alone. */
#include "backstop/inventory.h"
#include "suite.h"

#define NAMESPACES "includedNamespaces: ['*']"
#define EXCLUDED "excludedResources: [clusters.cluster.x-k8s.io]"
#define SELECTORS "orLabelSelectors: [{matchLabels: {k0rdent.mirantis.com/component: kcm}}]"
#define KCM NAMESPACES ", " EXCLUDED ", " SELECTORS

static struct json_object *yaml(struct arena *arena, const char *text)
{
    struct error error = {0};
    static const struct yaml_options options = {0};
    struct yaml_document *documents = NULL;
    CU_ASSERT_FATAL(yaml_load(arena, str_from(text), &options, &documents, &error) && documents);
    return documents->tree;
}

static void test_kinds(void)
{
    static const struct {
        const char *metadata, *spec;
        enum backup_kind kind;
        const char *reason; /* a part of it */
    } cases[] = {
        {"{}", "{" KCM "}", BACKUP_MANAGEMENT, "created by kcm"},
        {"{labels: {k0rdent.mirantis.com/management-backup: nightly}}", "{" KCM ", ttl: 720h}", BACKUP_MANAGEMENT, ""},
        /* What Velero itself appends when it takes the Backup up. */
        {"{namespace: kcm-system}",
         "{" NAMESPACES ", excludedNamespaces: [scratch], " SELECTORS
         ", excludedResources: [clusters.cluster.x-k8s.io, volumesnapshots.snapshot.storage.k8s.io]}",
         BACKUP_MANAGEMENT, ""},
        {"{}", "{" KCM ", includedResources: ['*'], includeClusterResources: true}", BACKUP_MANAGEMENT, ""},
        {"{labels: {k0rdent.mirantis.com/region: eu}}", "{" KCM "}", BACKUP_REGIONAL, "region"},
        {"{labels: {k0rdent.mirantis.com/region: eu}}", "{}", BACKUP_REGIONAL, "region"},
        /* The documented migration of a ClusterDeployment. */
        {"{}", "{" NAMESPACES ", " SELECTORS "}", BACKUP_HANDMADE, "excludedResources lacks clusters.cluster.x-k8s.io"},
        {"{}", "{" EXCLUDED ", " SELECTORS "}", BACKUP_HANDMADE, "includedNamespaces is not"},
        {"{}", "{includedNamespaces: [nothing], " EXCLUDED ", " SELECTORS "}", BACKUP_HANDMADE, "includedNamespaces"},
        {"{}", "{includedNamespaces: ['*', a], " EXCLUDED ", " SELECTORS "}", BACKUP_HANDMADE, "includedNamespaces"},
        {"{}", "{" NAMESPACES ", " EXCLUDED ", orLabelSelectors: [{matchLabels: {k0rdent.mirantis.com/component: x}}]}",
         BACKUP_HANDMADE, "orLabelSelectors lacks k0rdent.mirantis.com/component=kcm"},
        {"{}", "{" NAMESPACES ", " EXCLUDED ", labelSelector: {matchLabels: {k0rdent.mirantis.com/component: kcm}}}",
         BACKUP_HANDMADE, "orLabelSelectors lacks"},
        {"{labels: {k0rdent.mirantis.com/management-backup: nightly}}", "{}", BACKUP_HANDMADE, "lacks"},
        {"{}", "{" KCM ", includedResources: [secrets]}", BACKUP_HANDMADE, "it lacks"},
        {"{}", "{" KCM ", includedClusterScopedResources: [nodes]}", BACKUP_HANDMADE, "it lacks"},
        {"{}", "{" KCM ", includeClusterResources: false}", BACKUP_HANDMADE, "it lacks"},
        {"{}", "{" KCM ", excludedNamespaces: ['*']}", BACKUP_HANDMADE, "it lacks"},
        {"{namespace: kcm-system}", "{" KCM ", excludedNamespaces: [kcm-system]}", BACKUP_HANDMADE, "it lacks"},
        {"{namespace: kcm-system}", "{" KCM ", includeClusterResources: true, excludedNamespaces: ['kcm-*']}",
         BACKUP_HANDMADE, "it lacks"},
        {"{namespace: kcm-system}", "{" KCM ", includeClusterResources: true, excludedNamespaces: ['team-*']}",
         BACKUP_MANAGEMENT, ""},
        {"{}", "{" KCM ", labelSelector: {matchLabels: {a: b}}}", BACKUP_HANDMADE, "it lacks"},
        /* What a management cluster cannot be managed without, whatever form it is named in. */
        {"{}", "{" NAMESPACES ", " SELECTORS ", excludedResources: [clusters.cluster.x-k8s.io, secrets]}",
         BACKUP_HANDMADE, "it lacks"},
        {"{}", "{" NAMESPACES ", " SELECTORS ", excludedResources: [clusters.cluster.x-k8s.io, cm]}", BACKUP_HANDMADE,
         "it lacks"},
        {"{}",
         "{" NAMESPACES ", " SELECTORS ", excludedResources: [clusters.cluster.x-k8s.io, '*.k0rdent.mirantis.com']}",
         BACKUP_HANDMADE, "it lacks"},
        {"{}",
         "{" NAMESPACES ", " SELECTORS
         ", excludedResources: [clusters.cluster.x-k8s.io, awsmachines.infrastructure.cluster.x-k8s.io]}",
         BACKUP_HANDMADE, "it lacks"},
        {"{}", "{" NAMESPACES ", " SELECTORS ", excludedResources: [clusters.cluster.x-k8s.io, pods, '*.azure.com']}",
         BACKUP_MANAGEMENT, ""},
        {"{annotations: {kots.io/instance: 'true'}}", "{" NAMESPACES "}", BACKUP_KOTS_FULL, "full KOTS"},
        {"{annotations: {replicated.com/disaster-recovery-version: '1'}}", "{}", BACKUP_KOTS_FULL, "full KOTS"},
        {"{annotations: {kots.io/app-id: x}}", "{}", BACKUP_KOTS_PARTIAL, "partial KOTS"},
        {"{annotations: {kots.io/app-id: x}}", "{" KCM "}", BACKUP_MANAGEMENT, "created by kcm"},
        {"{labels: {app: shop}}", "{includedNamespaces: [shop], labelSelector: {matchLabels: {a: b}}}", BACKUP_OTHER,
         "not created by kcm"},
        {"{labels: 7, annotations: [x]}", "[1]", BACKUP_OTHER, ""},
        {"{}", "{includedNamespaces: 3, excludedResources: {a: b}, orLabelSelectors: [7, {matchLabels: x}]}",
         BACKUP_OTHER, ""},
    };
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        ARENA_SCOPED arena = arena_new(1 << 20);
        struct backup_identity identity = backup_identify(yaml(arena, cases[i].metadata), yaml(arena, cases[i].spec));
        struct str reason = backup_identity_reason(arena, identity);
        CU_ASSERT_EQUAL(identity.kind, cases[i].kind);
        CU_ASSERT(str_contains(reason, str_from(cases[i].reason)));
        if (identity.kind != cases[i].kind)
            fprintf(stderr, "backup_identity: case %zu is %d: %.*s\n", i, (int)identity.kind, STR_ARG(reason));
    }
    struct backup_identity none = backup_identify(NULL, NULL);
    CU_ASSERT_EQUAL(none.kind, BACKUP_OTHER);
}

SUITE(backup_identity, {"by kcm's own marks", test_kinds})
