/* What the API server finds wrong before any webhook: fields, types, names, kinds. */
#include "backstop/grammar.h"
#include "backstop/schema.h"

#include <stdlib.h>

#include "suite.h"

enum { ARENA = 64 * 1024 * 1024 };

static struct json_object *tree_of(struct arena *arena, const char *yaml)
{
    struct error error = {0};
    struct yaml_document *document = NULL;
    CU_ASSERT_FATAL(yaml_load(arena, str_from(yaml), &(struct yaml_options){0}, &document, &error));
    return document ? document->tree : NULL;
}

/* "FIELD: MESSAGE; ..." of what is wrong; "?" before doubts. */
static struct str problems_of(struct arena *arena, const struct schema_set *set, const char *yaml, const char *old,
                              const char *release)
{
    struct schema_request request = {.set = set, .tree = tree_of(arena, yaml), .velero_release = release};
    struct str text = STR("");
    size_t count;
    request.old = old ? tree_of(arena, old) : NULL;
    const struct schema_problem *problems = schema_check(&request, arena, &count);
    for (size_t i = 0; i < count; i++)
        text = arena_printf(arena, "%.*s%s%s%.*s: %.*s", STR_ARG(text), i ? "; " : "",
                            problems[i].kind == SCHEMA_DOUBT ? "?" : "", STR_ARG(problems[i].field),
                            STR_ARG(problems[i].message));
    return text;
}

#define RESTORE "apiVersion: velero.io/v1\nkind: Restore\nmetadata: {name: a, namespace: kcm-system}\n"
#define BACKUP "apiVersion: velero.io/v1\nkind: Backup\nmetadata: {name: a, namespace: kcm-system}\n"

static void test_releases(void)
{
    ARENA_SCOPED arena = arena_new(ARENA);
    const char *policy = RESTORE "spec: {backupName: b, resourcePolicy: {kind: configmap, name: p}}\n";
    const char *queued = BACKUP "spec: {}\nstatus: {phase: Queued}\n";
    ASSERT_TEXT(problems_of(arena, NULL, policy, NULL, NULL), "");
    ASSERT_TEXT(problems_of(arena, NULL, policy, NULL, "1.18.3"), "");
    ASSERT_TEXT(problems_of(arena, NULL, policy, NULL, "1.18.2"),
                "spec.resourcePolicy: unknown field \"resourcePolicy\" in Velero 1.18.2; it exists in Velero 1.18.3");
    ASSERT_TEXT(problems_of(arena, NULL, policy, NULL, "1.18.0"),
                "spec.resourcePolicy: unknown field \"resourcePolicy\" in Velero 1.18.0; it exists in Velero 1.18.3");
    CU_ASSERT(str_contains(problems_of(arena, NULL, queued, NULL, "1.17.2"), STR("Unsupported value: \"Queued\"")));
    ASSERT_TEXT(problems_of(arena, NULL, queued, NULL, "1.18.2"), "");
    ASSERT_TEXT(problems_of(arena, NULL, queued, NULL, NULL), "");
}

/* Of a release that is not in the table nobody knows the fields. */
static void test_newer_release(void)
{
    ARENA_SCOPED arena = arena_new(ARENA);
    const char *yaml = BACKUP "spec: {backupType: full}\n";
    CU_ASSERT(str_starts(problems_of(arena, NULL, yaml, NULL, "1.19.0"), STR("?spec.backupType: unknown field")));
    CU_ASSERT(str_starts(problems_of(arena, NULL, yaml, NULL, "1.18.9"), STR("spec.backupType: unknown field")));
    CU_ASSERT(str_starts(problems_of(arena, NULL, yaml, NULL, "main"), STR("spec.backupType: unknown field")));
}

static void test_update_keeps_what_was_wrong(void)
{
    ARENA_SCOPED arena = arena_new(ARENA);
    const char *was = BACKUP "spec: {snapshotVolumes: maybe}\n";
    ASSERT_TEXT(problems_of(arena, NULL, was, was, NULL), "");
    ASSERT_TEXT(problems_of(arena, NULL, BACKUP "spec: {snapshotVolumes: never}\n", was, NULL),
                "spec.snapshotVolumes: Invalid value: \"never\": must be true or false");
    CU_ASSERT(str_starts(problems_of(arena, NULL, BACKUP "spec: {tll: 1h}\n", BACKUP "spec: {tll: 1h}\n", NULL),
                         STR("spec.tll: unknown field \"tll\"")));
}

static const char crd[] =
    "apiVersion: apiextensions.k8s.io/v1\n"
    "kind: CustomResourceDefinition\n"
    "spec:\n"
    "  group: velero.io\n"
    "  names: {kind: Backup}\n"
    "  versions:\n"
    "  - name: v1\n"
    "    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, required: [a, d],\n"
    "      properties: {a: {type: string, minLength: 2, pattern: '^x'}, b: {type: array, maxItems: 1,\n"
    "      items: {type: integer}}, d: {type: string, default: e}, m: {type: object,\n"
    "      additionalProperties: {type: boolean}}}}}}}\n"
    "  - {name: v0, served: false}\n";

static void test_crd(void)
{
    ARENA_SCOPED arena = arena_new(ARENA);
    struct schema_set set = {.arena = arena};
    CU_ASSERT(schema_set_add(&set, tree_of(arena, crd)));
    CU_ASSERT(!schema_set_add(&set, tree_of(arena, "kind: List\nitems: [5, null]")));
    CU_ASSERT(!schema_set_add(&set, tree_of(arena, "kind: CustomResourceDefinition\nspec: 5")));
    CU_ASSERT(!schema_set_add(&set, NULL));
    ASSERT_TEXT(problems_of(arena, &set, BACKUP "spec: {a: xx, b: [1.0], m: {z: true}}\n", NULL, NULL), "");
    ASSERT_TEXT(problems_of(arena, &set, BACKUP "spec: {b: [1, x], m: {z: 1}}\n", NULL, NULL),
                "spec.b: Too many: the maximum is 1 items, this has 2; spec.m.z: Invalid value: 1: must be true or "
                "false; spec.a: Required value");
    ASSERT_TEXT(problems_of(arena, &set, BACKUP "spec: {a: yy, ttl: 1h}\n", NULL, NULL),
                "spec.a: Invalid value: \"yy\": must match ^x; spec.ttl: unknown field \"ttl\": kubectl apply rejects "
                "it, other clients drop it; valid fields: a, b, d, m");
}

static void test_kinds(void)
{
    static const struct {
        const char *version, *kind;
        bool fine;
        const char *meant;
    } cases[] = {
        {"velero.io/v1", "Backup", true, NULL},
        {"velero.io/v2alpha1", "DataUpload", true, NULL},
        {"k0rdent.mirantis.com/v1alpha1", "Management", true, NULL},
        {"k0rdent.mirantis.com/v1beta1", "SomethingNew", true, NULL},
        {"apps/v1", "Deployment", true, NULL},
        {"v1", "Secret", true, NULL},
        {"v1", "Event", true, NULL},
        {"postgresql.cnpg.io/v1", "Backup", true, NULL},
        {"velero.io/v1", "backup", false, "apiVersion: velero.io/v1, kind: Backup"},
        {"velero.io/v1", "BackupStorageLocations", false, "apiVersion: velero.io/v1, kind: BackupStorageLocation"},
        {"velero.io/v1", "Kustomization", false, ""},
        {"velero.io/v1", "DataUpload", false, "apiVersion: velero.io/v2alpha1, kind: DataUpload"},
        {"valero.io/v1", "Backup", false, "apiVersion: velero.io/v1, kind: Backup"},
        {"v1", "BackupStorageLocation", false, "apiVersion: velero.io/v1, kind: BackupStorageLocation"},
        {"k0rdent.mirantis.com/v1beta2", "ManagementBackup", false,
         "apiVersion: k0rdent.mirantis.com/v1beta1, kind: ManagementBackup"},
    };
    ARENA_SCOPED arena = arena_new(ARENA);
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        struct str meant;
        bool fine = schema_kind_check(NULL, str_from(cases[i].version), str_from(cases[i].kind), arena, &meant) ==
                    SCHEMA_KIND_FINE;
        CU_ASSERT_EQUAL(fine, cases[i].fine);
        if (!cases[i].fine)
            ASSERT_TEXT(meant, cases[i].meant);
    }
}

static void test_names(void)
{
    char long_label[65], long_name[255];
    memset(long_label, 'a', sizeof long_label);
    memset(long_name, 'a', sizeof long_name);
    CU_ASSERT(name_is_dns_label((struct str){long_label, 63}) && !name_is_dns_label((struct str){long_label, 64}));
    CU_ASSERT(name_is_dns_subdomain((struct str){long_name, 253}));
    CU_ASSERT(!name_is_dns_subdomain((struct str){long_name, 254}));
    CU_ASSERT(name_is_dns_subdomain(STR("a.b-c.0")) && !name_is_dns_subdomain(STR("a..b")));
    CU_ASSERT(!name_is_dns_subdomain(STR("a.")) && !name_is_dns_subdomain(STR("-a")));
    CU_ASSERT(!name_is_dns_label(STR("a.b")) && !name_is_dns_label(STR("")) && !name_is_dns_label(STR("A")));
    CU_ASSERT(label_key_is_valid(STR("a.b/C_d")) && label_key_is_valid(STR("C")) && !label_key_is_valid(STR("a/")));
    CU_ASSERT(!label_key_is_valid(STR("A.b/c")) && !label_key_is_valid(STR("")) && !label_key_is_valid(STR("/a")));
    CU_ASSERT(label_value_is_valid(STR("")) && label_value_is_valid(STR("A.b_c-1")) &&
              !label_value_is_valid(STR("a b")));
}

SUITE(schema, {"a field that not every release has", test_releases},
      {"a release that is not known", test_newer_release},
      {"what an update leaves as it was", test_update_keeps_what_was_wrong}, {"a CRD goes first", test_crd},
      {"kinds, groups and versions that are near", test_kinds}, {"names of objects and labels", test_names})
