#include <stdio.h>

#include "backstop/json.h"
#include "backstop/settings.h"
#include "suite.h"

#define HEAD "apiVersion: backstop.k0rdent.mirantis.com/v1alpha1\nkind: Settings\n"

static void release(struct settings **settings)
{
    if (*settings)
        shared_release(&(*settings)->shared);
}
#define SETTINGS_SCOPED CLEANUP(release) struct settings *

static struct settings *parse(const char *evidence)
{
    struct error error = {0};
    char text[2048];
    snprintf(text, sizeof text, HEAD "upgrade:\n  evidence:\n    anyOf:\n    - %s\n", evidence);
    struct settings *settings = settings_parse(str_from(text), &error);
    if (!settings)
        fprintf(stderr, "\n    %s: %s\n", error.field, error.message);
    CU_ASSERT_FATAL(settings != NULL && settings->evidence_count == 1);
    return settings;
}

static void test_presets(void)
{
    static const struct {
        const char *entry, *group, *version, *kind, *resource, *ns, *done, *failed, *time;
    } rows[] = {
        {"{preset: kasten}", "actions.kio.kasten.io", "v1alpha1", "RunAction", "runactions", "kasten-io",
         "status.state", "status.state", "status.endTime"},
        {"{preset: kasten, kind: BackupAction, namespace: kcm-system}", "actions.kio.kasten.io", "v1alpha1",
         "BackupAction", "backupactions", "kcm-system", "status.state", "status.state", "status.endTime"},
        {"{preset: trilio}", "triliovault.trilio.io", "v1", "Backup", "backups", "", "status.status", "status.status",
         "status.completionTimestamp"},
        {"{preset: cohesity, namespace: cohesity}", "velero.io", "v1", "Backup", "backups", "cohesity", "status.phase",
         "status.phase", "status.completionTimestamp"},
        {"{preset: etcd-job, selector: app=etcd}", "batch", "v1", "Job", "jobs", "kube-system", "status.succeeded",
         "status.conditions[type=Failed].status", "status.completionTime"},
        {"{preset: k3s-etcd}", "k3s.cattle.io", "v1", "ETCDSnapshotFile", "etcdsnapshotfiles", "", "status.readyToUse",
         "status.error.message", "status.creationTime"},
        {"{name: own, apiVersion: v1, kind: Policy, donePath: a.b, doneValues: [true]}", "", "v1", "Policy", "policies",
         "", "a.b", "a.b", "metadata.creationTimestamp"},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        SETTINGS_SCOPED settings = parse(rows[i].entry);
        const struct evidence_source *source = settings->evidence;
        ASSERT_TEXT(source->group, rows[i].group);
        ASSERT_TEXT(source->version, rows[i].version);
        ASSERT_TEXT(source->kind, rows[i].kind);
        ASSERT_TEXT(source->resource, rows[i].resource);
        ASSERT_TEXT(source->ns, rows[i].ns);
        ASSERT_TEXT(source->done_path, rows[i].done);
        ASSERT_TEXT(source->failed_path, rows[i].failed);
        ASSERT_TEXT(source->time_path, rows[i].time);
        CU_ASSERT(source->alternative && source->maximum_age == 0 && source->done_values.len == 1);
    }
}

static void test_every_key_overrides(void)
{
    SETTINGS_SCOPED settings = parse(
        "{preset: kasten, name: k10, apiVersion: a.b/v2, kind: Run, resource: runz, namespace: ns1, selector: a=b, "
        "donePath: is.done, doneValues: [Done, 7, 1.5, true], failedPath: is.bad, failedValues: [Bad], timePath: "
        "is.at, "
        "maximumAge: 2h, hint: press the button}");
    const struct evidence_source *source = settings->evidence;
    ASSERT_TEXT(source->name, "k10");
    ASSERT_TEXT(source->group, "a.b");
    ASSERT_TEXT(source->version, "v2");
    ASSERT_TEXT(source->resource, "runz");
    ASSERT_TEXT(source->failed_path, "is.bad");
    ASSERT_TEXT(source->hint, "press the button");
    CU_ASSERT_FATAL(source->done_values.len == 4 && source->failed_values.len == 1);
    ASSERT_TEXT(source->done_values.items[1], "7");
    ASSERT_TEXT(source->done_values.items[2], "1.5");
    ASSERT_TEXT(source->done_values.items[3], "true");
    CU_ASSERT(source->maximum_age == 7200);
}

static void test_selectors(void)
{
    static const struct {
        const char *key;
        enum label_operator operator;
        size_t values;
    } rows[] = {{"a", LABEL_IN, 1},     {"c", LABEL_IN, 1},          {"e", LABEL_NOT_IN, 1}, {"g", LABEL_IN, 2},
                {"j", LABEL_NOT_IN, 1}, {"l.io/m", LABEL_EXISTS, 0}, {"n", LABEL_ABSENT, 0}};
    SETTINGS_SCOPED settings = parse("{preset: kasten, selector: 'a=b, c==d ,e!=f,g in (h, i),j notin(k),l.io/m,!n'}");
    const struct evidence_source *source = settings->evidence;
    CU_ASSERT_FATAL(source->requirement_count == LENGTH_OF(rows));
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        ASSERT_TEXT(source->requirements[i].key, rows[i].key);
        CU_ASSERT(source->requirements[i].operator== rows[i].operator);
        CU_ASSERT(source->requirements[i].values.len == rows[i].values);
    }
    ASSERT_TEXT(source->requirements[3].values.items[1], "i");
}

static void test_values(void)
{
    struct str patterns[] = {STR("Complete"), STR(">=2")}, any[] = {STR("*")};
    const struct strlist list = {patterns, 2, 2}, all = {any, 1, 1};
    CU_ASSERT(evidence_value_matches(&list, STR("Complete")) && !evidence_value_matches(&list, STR("complete")));
    CU_ASSERT(evidence_value_matches(&list, STR("2")) && evidence_value_matches(&list, STR("10")));
    CU_ASSERT(!evidence_value_matches(&list, STR("1")) && !evidence_value_matches(&list, STR("two")));
    CU_ASSERT(evidence_value_matches(&all, STR("x")) && !evidence_value_matches(&all, STR("")));
}

static void test_paths(void)
{
    static const char *const good[] = {"a", "a.b", "a[b=c].d", "a[b.c/d]", "metadata.labels[k10.kasten.io/x]"};
    static const char *const bad[] = {"", ".", ".a", "a.", "a..b", "a[", "a[]", "a[b=]", "[a]", "a]b", "a b", "a.*"};
    for (size_t i = 0; i < LENGTH_OF(good); i++)
        CU_ASSERT(json_select_valid(str_from(good[i])));
    for (size_t i = 0; i < LENGTH_OF(bad); i++)
        CU_ASSERT(!json_select_valid(str_from(bad[i])));
    ARENA_SCOPED arena = arena_new(1 << 20);
    struct error error;
    struct str text = STR("{\"s\":{\"c\":[{\"t\":\"A\",\"v\":\"no\"},{\"t\":\"B\",\"v\":true}],"
                          "\"n\":3,\"x.y/z\":\"dotted\"}}");
    struct json_object *tree = json_build(arena, text, &error);
    ASSERT_TEXT(json_scalar(json_select(tree, STR("s.c[t=B].v"))), "true");
    ASSERT_TEXT(json_scalar(json_select(tree, STR("s.n"))), "3");
    ASSERT_TEXT(json_scalar(json_select(tree, STR("s[x.y/z]"))), "dotted");
    CU_ASSERT(json_select(tree, STR("s.c[t=C].v")) == NULL && json_select(tree, STR("s.n.m")) == NULL);
    CU_ASSERT(json_scalar(json_select(tree, STR("s.c"))).ptr == NULL);
}

SUITE(settings_evidence, {"what each preset says", test_presets}, {"every key overrides it", test_every_key_overrides},
      {"selectors in kubectl's words", test_selectors}, {"values that match", test_values},
      {"paths into objects", test_paths})
