#include <stdio.h>

#include "backstop/json.h"
#include "commands/commands.h"
#include "suite.h"

/* What `backstop rbac` prints, held against the shipped manifest. */

enum { FILE_LIMIT = 1 << 20 };
#define HEAD "apiVersion: backstop.k0rdent.mirantis.com/v1alpha1\nkind: Settings\n"

static struct yaml_document *documents_of(struct arena *arena, struct str text)
{
    struct error error = {0};
    struct yaml_document *documents = NULL;
    const struct yaml_options options = {.reject_duplicates = true};
    if (yaml_load(arena, text, &options, &documents, &error))
        return documents;
    fprintf(stderr, "\n    line %lld: %s\n", (long long)error.position, error.message);
    return NULL;
}

static struct yaml_document *printed(struct arena *arena, const char *yaml)
{
    struct error error = {0};
    struct settings *settings = settings_parse(str_from(yaml), &error);
    CU_ASSERT_FATAL(settings != NULL);
    BUF_SCOPED out;
    buf_init(&out, FILE_LIMIT);
    rbac_write(settings, RBAC_MANAGED, 0, STR("backstop-system"), STR("backstop"), &out);
    shared_release(&settings->shared);
    return documents_of(arena, arena_copy(arena, buf_str(&out)));
}

static bool is_among(struct json_object *tree, const struct yaml_document *documents)
{
    for (; documents; documents = documents->next)
        if (documents->tree && json_object_equal(tree, documents->tree))
            return true;
    fprintf(stderr, "\n    only in one of them: %s\n", json_object_to_json_string(tree));
    return false;
}

static void test_as_installed(void)
{
    ARENA_SCOPED arena = arena_new(8 * FILE_LIMIT);
    struct error error = {0};
    struct str text;
    CU_ASSERT_FATAL(file_read(arena, "manifests/install.yaml", FILE_LIMIT, &text, &error));
    struct yaml_document *shipped = documents_of(arena, text), *made = printed(arena, "");
    CU_ASSERT_FATAL(shipped != NULL && made != NULL);
    size_t count = 0;
    for (const struct yaml_document *each = shipped; each; each = each->next)
        if (str_starts(json_get_str(each->tree, "apiVersion"), STR("rbac.authorization.k8s.io/")) ||
            str_is(json_get_str(each->tree, "kind"), "Lease")) {
            count++;
            CU_ASSERT(is_among(each->tree, made));
        }
    for (const struct yaml_document *each = made; each; each = each->next)
        CU_ASSERT(!each->tree || is_among(each->tree, shipped));
    CU_ASSERT_EQUAL(count, 7);
}

static struct json_object *find(const struct yaml_document *documents, const char *kind, const char *ns)
{
    for (; documents; documents = documents->next)
        if (str_is(json_get_str(documents->tree, "kind"), kind) &&
            str_is(json_path_str(documents->tree, "metadata.name"), "backstop-evidence") &&
            str_is(json_path_str(documents->tree, "metadata.namespace"), ns))
            return documents->tree;
    return NULL;
}

static void test_evidence(void)
{
    ARENA_SCOPED arena = arena_new(8 * FILE_LIMIT);
    struct yaml_document *made = printed(
        arena, HEAD "upgrade:\n  evidence:\n    allOf:\n    - preset: k3s-etcd\n"
                    "    - {preset: etcd-job, selector: app=etcd, name: etcd}\n    anyOf:\n    - preset: kasten\n"
                    "    - {preset: kasten, name: again, selector: a=b}\n"
                    "    - {preset: kasten, name: single, kind: BackupAction}\n"
                    "    - {name: own, apiVersion: v1, kind: Box, resource: boxen, namespace: kasten-io, donePath: a, "
                    "doneValues: [b]}\n");
    CU_ASSERT_FATAL(made != NULL);
    struct json_object *wide = json_get(find(made, "ClusterRole", ""), "rules");
    CU_ASSERT_FATAL(json_len(wide) == 1);
    ASSERT_TEXT(json_str(json_item(json_get(json_item(wide, 0), "resources"), 0)), "etcdsnapshotfiles");
    struct json_object *jobs = json_get(find(made, "Role", "kube-system"), "rules");
    CU_ASSERT_FATAL(json_len(jobs) == 1);
    ASSERT_TEXT(json_str(json_item(json_get(json_item(jobs, 0), "apiGroups"), 0)), "batch");
    struct json_object *kasten = json_get(find(made, "Role", "kasten-io"), "rules");
    CU_ASSERT_FATAL(json_len(kasten) == 3);
    ASSERT_TEXT(json_str(json_item(json_get(json_item(kasten, 1), "resources"), 0)), "backupactions");
    ASSERT_TEXT(json_str(json_item(json_get(json_item(kasten, 2), "resources"), 0)), "boxen");
    ASSERT_TEXT(json_str(json_item(json_get(json_item(kasten, 2), "apiGroups"), 0)), "");
    CU_ASSERT(json_len(json_get(json_item(kasten, 0), "verbs")) == 2);
    ASSERT_TEXT(json_path_str(find(made, "RoleBinding", "kasten-io"), "roleRef.kind"), "Role");
    ASSERT_TEXT(json_path_str(find(made, "ClusterRoleBinding", ""), "roleRef.kind"), "ClusterRole");
}

SUITE(rbac, {"with the default settings it is what manifests/install.yaml grants", test_as_installed},
      {"evidence adds its objects, each where it is", test_evidence})
