#include "backstop/inventory.h"
#include "suite.h"

static void release(const struct inventory **inventory)
{
    snapshot_release(*inventory);
}
#define INVENTORY_SCOPED CLEANUP(release) const struct inventory *

static void settings_dispose(struct settings **settings)
{
    if (*settings)
        shared_release(&(*settings)->shared);
}
#define SETTINGS_SCOPED CLEANUP(settings_dispose) struct settings *

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

#define DEPLOYMENT(ns, containers, more)                                                                               \
    "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: velero, namespace: " ns                              \
    ", labels: {component: velero}}\nspec: {template: {spec: {containers: [" containers "]" more "}}}\n"
#define SETTINGS "apiVersion: " SETTINGS_API_VERSION "\nkind: " SETTINGS_KIND "\n"
#define SERVER(image) "{name: velero, image: '" image "'}"

static void assert_velero(const char *yaml, const char *setting, const char *text, const char *source)
{
    struct error error = {0};
    ARENA_SCOPED arena = arena_new(1 << 16);
    SETTINGS_SCOPED settings = settings_parse(str_from(setting), &error);
    CU_ASSERT_FATAL(settings != NULL);
    INVENTORY_SCOPED inventory = build(yaml);
    struct version_fact fact = inventory_velero_version(inventory, settings);
    ASSERT_TEXT(fact.version.text, text);
    ASSERT_TEXT(version_fact_source(arena, &fact), source);
    CU_ASSERT(fact.version.rows != 0);
}

static void test_velero(void)
{
    const char *const image = "image of Deployment kcm-system/velero";
    assert_velero("", "", "", "unknown");
    assert_velero(DEPLOYMENT("kcm-system", SERVER("velero/velero:v1.18.2"), ""), "", "1.18.2", image);
    assert_velero(DEPLOYMENT("kcm-system", SERVER("r:5000/velero@sha256:0123"), ""), "", "", "unknown");
    assert_velero(DEPLOYMENT("kcm-system", "{name: proxy, image: 'p:v9'}, " SERVER("velero:v1.18.3"), ""), "", "1.18.3",
                  image);
    assert_velero(DEPLOYMENT("kcm-system", SERVER("velero:v1.18.2"), ""), SETTINGS "velero: {version: v1.17.2}",
                  "1.17.2", "settings velero.version");
    /* Those of other namespaces count only where there is none here. */
    assert_velero(DEPLOYMENT("kcm-system", SERVER("velero:v1.18.2"), "")
                      DEPLOYMENT("velero", SERVER("velero:v1.17.2"), ""),
                  "", "1.18.2", image);
    assert_velero(DEPLOYMENT("velero", SERVER("velero:v1.17.2"), ""), "", "1.17.2",
                  "image of Deployment velero/velero");
    assert_velero(DEPLOYMENT("kcm-system", "", ""), "", "", "unknown");
}

/* A second one of another release: the object may be taken up by either. */
static void test_two_releases(void)
{
    struct error error = {0};
    SETTINGS_SCOPED settings = settings_defaults(&error);
    INVENTORY_SCOPED inventory =
        build(DEPLOYMENT("a", SERVER("velero:v1.17.2"), "") DEPLOYMENT("b", SERVER("velero:v1.18.2"), ""));
    CU_ASSERT_FATAL(settings != NULL);
    struct version_fact fact = inventory_velero_version(inventory, settings);
    CU_ASSERT_EQUAL(fact.version.text.len, 0);
    CU_ASSERT_EQUAL(product_version_has(&fact.version, VELERO_QUEUE), ANSWER_DEPENDS);
    CU_ASSERT_EQUAL(product_version_has(&fact.version, VELERO_PVC_MODES), ANSWER_NO);
    CU_ASSERT_EQUAL(fact.source, VERSION_UNKNOWN);
}

static void test_deployment(void)
{
    INVENTORY_SCOPED inventory =
        build(DEPLOYMENT("kcm-system", "{name: velero, image: v, args: [server, --default-volumes-to-fs-backup=true]}",
                         ", initContainers: [{name: a, image: 'velero/velero-plugin-for-aws:v1.14.3'}, {name: b}]"));
    CU_ASSERT_FATAL(inventory->count[FACT_VELERO] == 1);
    const struct velero_deployment *velero = inventory->velero_deployments[0];
    CU_ASSERT(velero->default_file_backup);
    CU_ASSERT_FATAL(velero->plugins.len == 1);
    ASSERT_TEXT(image_name(velero->plugins.items[0]), "velero-plugin-for-aws");
    INVENTORY_SCOPED off = build(
        DEPLOYMENT("kcm-system",
                   "{name: velero, args: [--default-volumes-to-fs-backup, --default-volumes-to-fs-backup=false]}", ""));
    CU_ASSERT_FALSE(off->velero_deployments[0]->default_file_backup);
}

#define MANAGEMENT(spec, status)                                                                                       \
    "---\napiVersion: k0rdent.mirantis.com/v1beta1\nkind: Management\nmetadata: {name: kcm}\nspec: {release: " spec    \
    "}\nstatus: {release: " status "}\n"
#define RELEASE(name, version)                                                                                         \
    "---\napiVersion: k0rdent.mirantis.com/v1beta1\nkind: Release\nmetadata: {name: " name                             \
    "}\nspec: {version: " version "}\n"

static void assert_kcm(const char *yaml, const char *setting, const char *text)
{
    struct error error = {0};
    ARENA_SCOPED arena = arena_new(1 << 16);
    SETTINGS_SCOPED settings = settings_parse(str_from(setting), &error);
    CU_ASSERT_FATAL(settings != NULL);
    INVENTORY_SCOPED inventory = build(yaml);
    struct version_fact fact = inventory_kcm_version(inventory, settings, arena);
    ASSERT_TEXT(fact.version.text, text);
}

static void test_kcm(void)
{
    assert_kcm("", "", "");
    assert_kcm("", SETTINGS "kcm: {version: 1.11.0}", "1.11.0");
    assert_kcm(MANAGEMENT("kcm-1-12-0", "kcm-1-11-0") RELEASE("kcm-1-11-0", "v1.11.0"), "", "1.11.0");
    assert_kcm(MANAGEMENT("kcm-1-12-0", "''") RELEASE("kcm-1-12-0", "1.12.0"), "", "1.12.0");
    assert_kcm(MANAGEMENT("kcm-1-12-0", "kcm-1-11-0-rc1"), "", "1.11.0-rc1");
    assert_kcm(MANAGEMENT("mine", "mine"), "", "");
}

SUITE(inventory_versions, {"Velero's, and where it is read", test_velero}, {"two Deployments", test_two_releases},
      {"plugins and flags of the Deployment", test_deployment}, {"k0rdent's", test_kcm})
