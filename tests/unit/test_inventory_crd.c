/* What is kept of CustomResourceDefinitions, and what is not known of them. */
#include "backstop/inventory.h"
#include "suite.h"

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

#define CRD(group, versions)                                                                                           \
    "---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n"                                       \
    "metadata: {name: backups." group "}\nspec: {group: " group ", versions: [" versions "]}\n"
#define VERSION(name, storage, properties)                                                                             \
    "{name: " name ", served: true, storage: " storage                                                                 \
    ", schema: {openAPIV3Schema: {type: object, properties: {" properties "}}}}"
#define TEXT_FIELD "{type: string}"
#define TEMPLATE                                                                                                       \
    "{type: object, properties: {ttl: " TEXT_FIELD ", metadata: {type: object, properties: {labels: {type: object, "   \
    "additionalProperties: " TEXT_FIELD "}}}}}"
#define SPEC "spec: {type: object, properties: {template: " TEMPLATE ", hooks: {type: array}}}"
#define PHASES(list) "status: {type: object, properties: {phase: {type: string, enum: [" list "]}}}"

static void test_fields(void)
{
    static const struct {
        const char *path;
        enum version_answer has;
    } cases[] = {
        {"spec.template", ANSWER_YES},
        {"spec.template.ttl", ANSWER_YES},
        {"spec.template.metadata.labels", ANSWER_YES},
        {"spec.template.metadata.labels.team", ANSWER_YES}, /* any member */
        {"spec.template.metadata.annotations", ANSWER_NO},
        {"spec.templat", ANSWER_NO},
        {"spec.template.metadata.more.still", ANSWER_DEPENDS}, /* deeper than anything that was kept */
    };
    INVENTORY_SCOPED inventory = build(CRD("velero.io", VERSION("v1", "true", SPEC)));
    const struct custom_resource *resource = inventory_custom_resource(inventory, STR("backups.velero.io"));
    CU_ASSERT_FATAL(resource != NULL && resource->schema);
    for (size_t i = 0; i < LENGTH_OF(cases); i++)
        CU_ASSERT_EQUAL(custom_resource_has_field(resource, cases[i].path), cases[i].has);
    CU_ASSERT_EQUAL(custom_resource_takes_phase(resource, "Queued"), ANSWER_YES); /* no enum: any */
}

static void test_phases(void)
{
    INVENTORY_SCOPED inventory =
        build(CRD("velero.io", VERSION("v1alpha1", "false", SPEC ", " PHASES("Queued")) ", " VERSION(
                                   "v1", "true", SPEC ", " PHASES("New, Completed"))));
    const struct custom_resource *resource = inventory_custom_resource(inventory, STR("backups.velero.io"));
    CU_ASSERT_FATAL(resource != NULL);
    CU_ASSERT_EQUAL(resource->versions.len, 2);
    CU_ASSERT_EQUAL(custom_resource_takes_phase(resource, "Completed"), ANSWER_YES);
    CU_ASSERT_EQUAL(custom_resource_takes_phase(resource, "Queued"), ANSWER_NO); /* of the stored version */
}

/* Metadata alone, a schema that keeps everything, no schema, one of another group: nothing is concluded. */
static void test_unknown(void)
{
    static const char *const yamls[] = {
        CRD("velero.io", ""),
        CRD("velero.io", "{name: v1, served: true, storage: true}"),
        CRD("velero.io", VERSION("v1", "false", SPEC)),
        CRD("velero.io", "{name: v1, storage: true, schema: {openAPIV3Schema: {type: object, "
                         "x-kubernetes-preserve-unknown-fields: true, properties: {" SPEC "}}}}"),
        CRD("example.com", VERSION("v1", "true", SPEC)),
        "---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: "
        "backups.velero.io}\n",
    };
    for (size_t i = 0; i < LENGTH_OF(yamls); i++) {
        INVENTORY_SCOPED inventory = build(yamls[i]);
        const struct custom_resource *resource = inventory_custom_resource(inventory, STR("backups.velero.io"));
        CU_ASSERT_EQUAL(custom_resource_has_field(resource, "spec.none"), ANSWER_DEPENDS);
        CU_ASSERT_EQUAL(custom_resource_takes_phase(resource, "Queued"), ANSWER_DEPENDS);
    }
    CU_ASSERT_EQUAL(custom_resource_has_field(NULL, "spec"), ANSWER_DEPENDS);
}

#define WORKLOAD(kind, name, labels, more)                                                                             \
    "---\napiVersion: apps/v1\nkind: " kind "\nmetadata: {name: " name ", namespace: kcm-system, labels: {" labels     \
    "}}\nspec: {template: {spec: {serviceAccountName: mine, containers: [{name: c, image: 'i:v1'}]}}}\n" more "\n"

static void test_workloads(void)
{
    INVENTORY_SCOPED inventory =
        build(WORKLOAD("DaemonSet", "node-agent", "", "status: {desiredNumberScheduled: 3, numberReady: 2}")
                  WORKLOAD("DaemonSet", "fluent", "", "") WORKLOAD("Deployment", "coredns", "", "")
                      WORKLOAD("Deployment", "velero", "component: velero", "")
                          WORKLOAD("Deployment", "kcm-controller-manager",
                                   "control-plane: kcm-controller-manager, k0rdent.mirantis.com/component: kcm",
                                   "status: {readyReplicas: 1}")
                              WORKLOAD("Deployment", "other", "k0rdent.mirantis.com/component: kcm", ""));
    CU_ASSERT_FATAL(inventory->count[FACT_NODE_AGENTS] == 1 && inventory->count[FACT_KCM] == 1);
    CU_ASSERT_EQUAL(inventory->count[FACT_VELERO], 1);
    CU_ASSERT_EQUAL(inventory->node_agents[0]->desired, 3);
    CU_ASSERT_EQUAL(inventory->node_agents[0]->ready, 2);
    ASSERT_TEXT(inventory->kcm_deployments[0]->service_account, "mine");
    ASSERT_TEXT(inventory->kcm_deployments[0]->image, "i:v1");
    CU_ASSERT_EQUAL(inventory->kcm_deployments[0]->state.ready_replicas, 1);
}

SUITE(inventory_crd, {"fields", test_fields}, {"phases", test_phases}, {"what is not known", test_unknown},
      {"node agent and kcm", test_workloads})
