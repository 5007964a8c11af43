#include "backstop/inventory.h"
#include "suite.h"

#define NS STR("kcm-system")

static void release(const struct inventory **inventory)
{
    snapshot_release(*inventory);
}
#define INVENTORY_SCOPED CLEANUP(release) const struct inventory *

static const struct inventory *build(const char *yaml)
{
    ARENA_SCOPED arena = arena_new(1 << 24);
    struct yaml_document *document = NULL;
    const struct yaml_options options = {0};
    struct error error = {0};
    struct inventory_builder *builder = inventory_builder_new();
    CU_ASSERT_FATAL(builder != NULL);
    CU_ASSERT_FATAL(yaml_load(arena, str_from(yaml), &options, &document, &error));
    for (; document; document = document->next)
        CU_ASSERT(!document->tree || inventory_add(builder, document->tree, &error));
    return inventory_finish(builder);
}

#define META(name) "metadata: {name: " name ", namespace: kcm-system}\n"
#define BACKUP(name) "---\napiVersion: velero.io/v1\nkind: Backup\n" META(name)

static void test_management_backup(void)
{
    static const char *const versions[] = {"v1beta1", "v1alpha1"};
    for (size_t i = 0; i < LENGTH_OF(versions); i++) {
        char yaml[2000];
        snprintf(yaml, sizeof yaml,
                 "apiVersion: k0rdent.mirantis.com/%s\nkind: ManagementBackup\n"
                 "metadata:\n  name: kcm\n  namespace: ignored\n  creationTimestamp: 2026-11-21T00:00:00Z\n"
                 "  deletionTimestamp: 2026-11-21T01:00:00Z\n"
                 "  labels: {k0rdent.mirantis.com/release-backup: kcm-1-2-0, app: x}\n"
                 "  annotations: {kubectl.kubernetes.io/last-applied-configuration: big,\n"
                 "    backstop.k0rdent.mirantis.com/taken-before-upgrade-to: kcm-1-3-0, notk0rdent.mirantis.com/x: y}\n"
                 "spec: {schedule: '@daily', storageLocation: s3, performOnManagementUpgrade: true}\n"
                 "status:\n  nextAttempt: 2026-11-22T00:00:00Z\n  lastBackupTime: 2026-11-21T00:00:00Z\n"
                 "  lastBackupName: kcm-1\n  error: oops\n"
                 "  lastBackup: {phase: InProgress, progress: {itemsBackedUp: 4, totalItems: 9}}\n"
                 "  regions:\n  - {region: eu, lastBackupName: kcm-eu-1, error: none,"
                 " lastBackup: {phase: Failed, failureReason: gone}}\n",
                 versions[i]);
        INVENTORY_SCOPED inventory = build(yaml);
        const struct management_backup *mb = inventory_management_backup(inventory, STR("kcm"));
        CU_ASSERT_FATAL(mb != NULL);
        CU_ASSERT(mb->meta.ns.len == 0 && mb->meta.deleting && mb->meta.created == 1795219200);
        ASSERT_TEXT(mb->schedule, "@daily");
        ASSERT_TEXT(mb->storage_location, "s3");
        ASSERT_TEXT(mb->release, "kcm-1-2-0");
        ASSERT_TEXT(mb->last_backup_name, "kcm-1");
        ASSERT_TEXT(mb->error, "oops");
        CU_ASSERT(mb->on_upgrade && mb->next_attempt == 1795305600 && mb->last_backup_time == 1795219200);
        CU_ASSERT(mb->last_backup.items_done == 4 && mb->last_backup.items_total == 9);
        CU_ASSERT_FATAL(mb->region_count == 1);
        ASSERT_TEXT(mb->regions[0].backup_name, "kcm-eu-1");
        ASSERT_TEXT(mb->regions[0].backup.failure_reason, "gone");
        CU_ASSERT(json_object_object_length(mb->meta.labels) == 1);
        CU_ASSERT(json_object_object_length(mb->meta.annotations) == 1);
        ASSERT_TEXT(json_get_str(mb->meta.annotations, "backstop.k0rdent.mirantis.com/taken-before-upgrade-to"),
                    "kcm-1-3-0");
    }
}

static void test_management_and_release(void)
{
    INVENTORY_SCOPED inventory =
        build("apiVersion: k0rdent.mirantis.com/v1beta1\nkind: Management\nmetadata: {name: kcm}\n"
              "spec: {release: kcm-1-3-0, providers: [{name: cluster-api-provider-azure}, {config: {}}]}\n"
              "status: {release: kcm-1-2-0, availableProviders: [infrastructure-azure, 7, bootstrap-k0s]}\n"
              "---\napiVersion: k0rdent.mirantis.com/v1beta1\nkind: Release\nmetadata: {name: kcm-1-3-0}\n"
              "spec: {version: 1.3.0}\nstatus: {ready: true}\n");
    const struct management *management = inventory_management(inventory);
    CU_ASSERT_FATAL(management != NULL);
    ASSERT_TEXT(management->release, "kcm-1-3-0");
    ASSERT_TEXT(management->status_release, "kcm-1-2-0");
    CU_ASSERT(management->available_providers.len == 2 && management->provider_components.len == 1);
    ASSERT_TEXT(management->provider_components.items[0], "cluster-api-provider-azure");
    const struct release *found = inventory_release(inventory, STR("kcm-1-3-0"));
    CU_ASSERT_FATAL(found != NULL);
    CU_ASSERT(found->ready);
    ASSERT_TEXT(found->version, "1.3.0");
    CU_ASSERT(inventory_release(inventory, STR("kcm-9-9-9")) == NULL);
}

static void test_backup_selectors(void)
{
    INVENTORY_SCOPED inventory = build(BACKUP(
        "or") "spec:\n  orLabelSelectors:\n"
              "  - matchLabels: {cluster.x-k8s.io/provider: infrastructure-vsphere}\n"
              "  - matchLabels: {cluster.x-k8s.io/provider: cluster-api}\n"
              "  - matchLabels: {k0rdent.mirantis.com/component: kcm}\n"
              "  - matchLabels: {cluster.x-k8s.io/provider: infrastructure-azure}\n"
              "  - matchLabels: {cluster.x-k8s.io/provider: infrastructure-azure}\n" BACKUP(
                  "in") "spec:\n  labelSelector:\n    matchExpressions:\n"
                        "    - {key: cluster.x-k8s.io/provider, operator: In, values: [infrastructure-aws, b, 3]}\n"
                        "    - {key: cluster.x-k8s.io/provider, operator: NotIn, values: "
                        "[infrastructure-azure]}\n" BACKUP("labelled") "spec: {}\n" BACKUP(
                            "exists") "spec: {labelSelector: {matchExpressions: [{key: k0rdent.mirantis.com/component, "
                                      "operator: Exists}]}}\n" BACKUP("app") "spec: {labelSelector: {matchLabels: "
                                                                             "{app: x}}}\n");
    const struct backup *backup = inventory_backup(inventory, NS, STR("or"));
    CU_ASSERT_FATAL(backup != NULL && backup->providers.len == 2);
    CU_ASSERT(backup->identity.kind == BACKUP_HANDMADE);
    ASSERT_TEXT(backup->providers.items[0], "infrastructure-azure");
    ASSERT_TEXT(backup->providers.items[1], "infrastructure-vsphere");
    backup = inventory_backup(inventory, NS, STR("in"));
    CU_ASSERT_FATAL(backup != NULL && backup->providers.len == 2);
    CU_ASSERT(backup->identity.kind == BACKUP_OTHER);
    ASSERT_TEXT(backup->providers.items[1], "infrastructure-aws");
    CU_ASSERT(inventory_backup(inventory, NS, STR("exists"))->identity.kind == BACKUP_HANDMADE);
    CU_ASSERT(inventory_backup(inventory, NS, STR("app"))->identity.kind == BACKUP_OTHER);
    CU_ASSERT(inventory_backup(inventory, NS, STR("labelled"))->identity.kind == BACKUP_OTHER);
}

static void test_backup_labels(void)
{
    INVENTORY_SCOPED inventory =
        build("apiVersion: velero.io/v1\nkind: Backup\nmetadata: {name: b, namespace: kcm-system, labels: "
              "{k0rdent.mirantis.com/region: eu, velero.io/schedule-name: nightly}}\n"
              "spec: {storageLocation: s3}\nstatus: {phase: FailedValidation, validationErrors: [a, b], errors: 3,"
              " warnings: -1, startTimestamp: 2026-11-21T00:00:00Z, completionTimestamp: 2026-11-21T00:04:00Z,"
              " expiration: 2026-12-21T00:00:00Z}\n");
    const struct backup *backup = inventory_backup(inventory, NS, STR("b"));
    CU_ASSERT_FATAL(backup != NULL);
    CU_ASSERT(backup->identity.kind == BACKUP_REGIONAL);
    ASSERT_TEXT(backup->region, "eu");
    ASSERT_TEXT(backup->schedule, "nightly");
    ASSERT_TEXT(backup->status.phase, "FailedValidation");
    CU_ASSERT(backup->status.validation_errors.len == 2 && backup->status.errors == 3 && backup->status.warnings == 0);
    CU_ASSERT(backup->status.completed - backup->status.started == 240 && backup->status.expires > 0);
}

static void test_secrets_hold_no_values(void)
{
    INVENTORY_SCOPED inventory =
        build("apiVersion: v1\nkind: Secret\n" META("s") "data: {cloud: c2VjcmV0}\n"
                                                         "stringData: {other: hush, cloud: x}\n");
    const struct secret *secret = inventory_secret(inventory, NS, STR("s"));
    CU_ASSERT_FATAL(secret != NULL && secret->keys.len == 2);
    ASSERT_TEXT(secret->keys.items[0], "cloud");
    ASSERT_TEXT(secret->keys.items[1], "other");
}

static void test_other_kinds(void)
{
    INVENTORY_SCOPED inventory = build("apiVersion: v1\nkind: ConfigMap\n" META(
        "c") "data: {a: text, b: 3}\nbinaryData: {x: aGk=}\n"
             "---\napiVersion: velero.io/v1\nkind: Schedule\n" META(
                 "nightly") "spec: {schedule: '@daily', paused: true, template: {storageLocation: s3,"
                            " labelSelector: {matchLabels: {k0rdent.mirantis.com/component: kcm}}}}\nstatus: {phase: "
                            "Enabled}\n"
                            "---\napiVersion: apps/v1\nkind: Deployment\n"
                            "metadata: {name: velero, namespace: kcm-system, labels: {component: velero}}\n"
                            "spec: {template: {spec: {serviceAccountName: velero-server}}}\nstatus: {readyReplicas: "
                            "1}\n"
                            "---\napiVersion: apps/v1\nkind: Deployment\n" META(
                                "other") "---\napiVersion: v1\nkind: Pod\n" META("p") "---\napiVersion: "
                                                                                      "example.com/v1\nkind: "
                                                                                      "Backup\n" META("foreign"));
    const struct config_map *map = inventory_config_map(inventory, NS, STR("c"));
    CU_ASSERT_FATAL(map != NULL);
    CU_ASSERT(map->key_count == 1 && map->keys.len == 1 && map->has_binary_data);
    ASSERT_TEXT(map->keys.items[0], "a");
    ASSERT_TEXT(map->text, "text");
    const struct velero_schedule *schedule = inventory_velero_schedule(inventory, NS, STR("nightly"));
    CU_ASSERT_FATAL(schedule != NULL);
    CU_ASSERT(schedule->paused);
    ASSERT_TEXT(schedule->storage_location, "s3");
    CU_ASSERT_FATAL(inventory->count[FACT_VELERO] == 1);
    ASSERT_TEXT(inventory->velero_deployments[0]->service_account, "velero-server");
    CU_ASSERT(inventory->velero_deployments[0]->state.ready_replicas == 1);
    CU_ASSERT(inventory->count[FACT_BACKUPS] == 0);
}

/* Each field of another type than it should have counts as absent. */
static void test_wrong_types(void)
{
    INVENTORY_SCOPED inventory =
        build("apiVersion: velero.io/v1\nkind: Backup\nmetadata: {name: b, namespace: [1], labels: 7, annotations: x,"
              " creationTimestamp: never, deletionTimestamp: null}\nspec: 4\nstatus: [1]\n"
              "---\napiVersion: velero.io/v1\nkind: Backup\nmetadata: {name: c}\n"
              "spec: {orLabelSelectors: {a: b}, labelSelector: {matchLabels: [x], matchExpressions: [3, {key: 1}]}}\n"
              "status: {progress: 3, errors: many, validationErrors: {a: b}}\n"
              "---\napiVersion: velero.io/v1\nkind: BackupStorageLocation\nmetadata: {name: l}\n"
              "spec: {default: 'true', config: [1], objectStorage: 1}\n"
              "---\napiVersion: k0rdent.mirantis.com/v1beta1\nkind: ManagementBackup\nmetadata: {name: m}\n"
              "spec: [1]\nstatus: {regions: [1, null, {}], lastBackup: x}\n");
    const struct backup *backup = inventory_backup(inventory, (struct str){0}, STR("b"));
    CU_ASSERT_FATAL(backup != NULL);
    CU_ASSERT(!backup->meta.created && !backup->meta.deleting && !backup->meta.labels && !backup->status.phase.len);
    CU_ASSERT(inventory_backup(inventory, (struct str){0}, STR("c"))->status.errors == 0);
    CU_ASSERT(!inventory_storage_location(inventory, (struct str){0}, STR("l"))->is_default);
    CU_ASSERT(inventory_management_backup(inventory, STR("m"))->region_count == 3);
}

static void test_lists_and_replacing(void)
{
    INVENTORY_SCOPED inventory =
        build("apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n"
              "- {apiVersion: v1, kind: Pod}\n"
              "---\napiVersion: v1\nkind: ConfigMapList\nitems: [{metadata: {name: b}}]\n"
              "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {newer: 'yes'}\n");
    CU_ASSERT(inventory->count[FACT_CONFIG_MAPS] == 2);
    const struct config_map *map = inventory_config_map(inventory, (struct str){0}, STR("a"));
    CU_ASSERT_FATAL(map != NULL);
    ASSERT_TEXT(map->keys.items[0], "newer");
    ASSERT_TEXT(map->text, "yes");
    CU_ASSERT(inventory_config_map(inventory, (struct str){0}, STR("b")) != NULL);
}

static void test_no_objects(void)
{
    static const struct {
        const char *json, *message, *field;
    } rows[] = {
        {"[]", "apiVersion: missing; a Kubernetes object has apiVersion, kind and metadata", "apiVersion"},
        {"7", "apiVersion: missing; a Kubernetes object has apiVersion, kind and metadata", "apiVersion"},
        {"{\"apiVersion\":\"v1\"}", "kind: missing; a Kubernetes object has apiVersion, kind and metadata", "kind"},
        {"{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\"}", "metadata.name: missing", "metadata.name"},
        {"{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{\"apiVersion\":\"v1\",\"kind\":\"Secret\"}]}",
         "items[0].metadata.name: missing", "items[0].metadata.name"},
        {"{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[null]}",
         "items[0].apiVersion: missing; a Kubernetes object has apiVersion, kind and metadata", "items[0].apiVersion"},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        ARENA_SCOPED arena = arena_new(1 << 20);
        struct error error = {0};
        struct inventory_builder *builder = inventory_builder_new();
        struct json_object *tree = json_build(arena, str_from(rows[i].json), &error);
        CU_ASSERT_FATAL(builder != NULL && tree != NULL);
        CU_ASSERT(!inventory_add(builder, tree, &error));
        ASSERT_TEXT(str_from(error.message), rows[i].message);
        ASSERT_TEXT(str_from(error.field), rows[i].field);
        inventory_builder_free(builder);
    }
}

SUITE(inventory, {"ManagementBackup of both versions", test_management_backup},
      {"Management and Release", test_management_and_release}, {"providers from selectors", test_backup_selectors},
      {"what a Backup's labels and status say", test_backup_labels},
      {"no value of a Secret is kept", test_secrets_hold_no_values}, {"the other kinds", test_other_kinds},
      {"wrong types count as absent", test_wrong_types}, {"Lists, and replacing", test_lists_and_replacing},
      {"what is no Kubernetes object", test_no_objects})
