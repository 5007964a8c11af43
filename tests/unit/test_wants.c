/* What is read anew for one review, and what the snapshot at hand is good enough for. */
#include <stdio.h>

#include "backstop/admission.h"
#include "suite.h"

static const char *const facts[] = {
    "{\"apiVersion\":\"velero.io/v1\",\"kind\":\"BackupStorageLocation\",\"metadata\":{\"name\":\"good\","
    "\"namespace\":\"kcm-system\"},\"status\":{\"phase\":\"Available\"}}",
    "{\"apiVersion\":\"velero.io/v1\",\"kind\":\"BackupStorageLocation\",\"metadata\":{\"name\":\"bad\","
    "\"namespace\":\"kcm-system\"},\"status\":{\"phase\":\"Unavailable\"}}",
    "{\"apiVersion\":\"velero.io/v1\",\"kind\":\"Backup\",\"metadata\":{\"name\":\"done\",\"namespace\":"
    "\"kcm-system\"},\"status\":{\"phase\":\"Completed\"}}",
    "{\"apiVersion\":\"k0rdent.mirantis.com/v1beta1\",\"kind\":\"ManagementBackup\",\"metadata\":{\"name\":\"daily\"},"
    "\"spec\":{\"schedule\":\"@daily\",\"performOnManagementUpgrade\":true}}",
    "{\"apiVersion\":\"k0rdent.mirantis.com/v1beta1\",\"kind\":\"Release\",\"metadata\":{\"name\":\"kcm-2\"},"
    "\"status\":{\"ready\":true}}",
    "{\"apiVersion\":\"k0rdent.mirantis.com/v1beta1\",\"kind\":\"Release\",\"metadata\":{\"name\":\"kcm-3\"}}",
};

/* more: one object beside `facts`, or NULL. */
static struct inventory *make_inventory(struct arena *arena, const char *more)
{
    struct inventory_builder *builder = inventory_builder_new();
    struct error error;
    CU_ASSERT_FATAL(builder != NULL);
    for (size_t i = 0; i < LENGTH_OF(facts); i++)
        CU_ASSERT_FATAL(inventory_add(builder, json_build(arena, str_from(facts[i]), &error), &error));
    if (more)
        CU_ASSERT_FATAL(inventory_add(builder, json_build(arena, str_from(more), &error), &error));
    for (int f = 0; f < FACT_COUNT; f++)
        inventory_set_known(builder, (enum fact)f, true);
    return inventory_finish(builder);
}

struct ask {
    const char *what, *path, *kind, *operation, *user, *object, *old;
    const char *wanted; /* "upgrade fact:ns/name ..." */
};

#define MANAGEMENTS "/validate-k0rdent-mirantis-com-v1beta1-management", "k0rdent.mirantis.com/v1beta1/Management"
#define BACKUPS                                                                                                        \
    "/validate-k0rdent-mirantis-com-v1beta1-managementbackup", "k0rdent.mirantis.com/v1beta1/ManagementBackup"
#define RESTORES "/validate-velero-io-v1-restore", "velero.io/v1/Restore"
#define MUTATED "/mutate-velero-io-v1-restore", "velero.io/v1/Restore"
#define VELERO "system:serviceaccount:kcm-system:velero-server"
#define FROM(release)                                                                                                  \
    "{\"metadata\":{\"name\":\"kcm\"},\"spec\":{\"release\":\"" release "\"},\"status\":{\"release\":\"kcm-1\"}}"
#define TO(release, more) "{\"metadata\":{\"name\":\"kcm\"" more "},\"spec\":{\"release\":\"" release "\"}}"
#define SKIP(reason) ",\"annotations\":{\"" ANNOTATION_SKIP_BACKUP "\":\"" reason "\"}"
#define GONE ",\"deletionTimestamp\":\"2026-11-21T00:00:00Z\""
#define AT(location) "{\"spec\":{\"schedule\":\"@daily\",\"storageLocation\":\"" location "\"}}"
#define OF(spec) "{\"metadata\":{\"name\":\"r\",\"namespace\":\"kcm-system\"},\"spec\":{" spec "}}"
#define MODIFIER(kind) "\"backupName\":\"done\",\"resourceModifier\":{\"kind\":\"" kind "\",\"name\":\"m\"}"
#define HERE "cluster:/kube-system"
#define EVIDENCE "upgrade backup:kcm-system/daily-kcm-1"

static const struct ask asks[] = {
    {"upgrade", MANAGEMENTS, "UPDATE", "admin", TO("kcm-2", ""), FROM("kcm-1"), EVIDENCE},
    {"to a release not ready", MANAGEMENTS, "UPDATE", "admin", TO("kcm-3", ""), FROM("kcm-1"),
     EVIDENCE " release:/kcm-3"},
    {"to one not seen yet", MANAGEMENTS, "UPDATE", "admin", TO("kcm-4", ""), FROM("kcm-1"), EVIDENCE " release:/kcm-4"},
    {"no change", MANAGEMENTS, "UPDATE", "admin", TO("kcm-2", ""), FROM("kcm-2"), ""},
    {"back to what runs", MANAGEMENTS, "UPDATE", "admin", TO("kcm-1", ""), FROM("kcm-2"), ""},
    {"first install", MANAGEMENTS, "UPDATE", "admin", TO("kcm-1", ""), "{\"spec\":{\"release\":\"\"}}", ""},
    {"a restore", MANAGEMENTS, "UPDATE", VELERO, TO("kcm-2", ""), FROM("kcm-1"), ""},
    {"skipped", MANAGEMENTS, "UPDATE", "admin", TO("kcm-2", SKIP("fire")), FROM("kcm-1"), ""},
    {"skipped for no reason", MANAGEMENTS, "UPDATE", "admin", TO("kcm-2", SKIP(" ")), FROM("kcm-1"), EVIDENCE},
    {"being deleted", MANAGEMENTS, "UPDATE", "admin", TO("kcm-2", GONE), FROM("kcm-1"), ""},
    {"created", MANAGEMENTS, "CREATE", "admin", TO("kcm-2", ""), NULL, ""},
    {"good location", BACKUPS, "CREATE", "admin", AT("good"), NULL, ""},
    {"bad location", BACKUPS, "CREATE", "admin", AT("bad"), NULL, "location:kcm-system/bad"},
    {"new location", BACKUPS, "CREATE", "admin", AT("new"), NULL, "location:kcm-system/new"},
    {"same location", BACKUPS, "UPDATE", "admin", AT("new"), AT("new"), ""},
    {"deleted", BACKUPS, "DELETE", "admin", NULL, AT("new"), ""},
    {"another kind", "/validate-k0rdent-mirantis-com-v1beta1-managementbackup", "velero.io/v1/Restore", "CREATE",
     "admin", AT("new"), NULL, ""},
    {"restore", RESTORES, "CREATE", "admin", OF("\"backupName\":\"done\""), NULL, HERE},
    {"of a new backup", MUTATED, "CREATE", "admin", OF("\"backupName\":\"new\""), NULL, "backup:kcm-system/new " HERE},
    {"with a modifier", RESTORES, "CREATE", "admin", OF(MODIFIER("configmap")), NULL, HERE " configmap:kcm-system/m"},
    {"with another kind", RESTORES, "CREATE", "admin", OF(MODIFIER("Secret")), NULL, HERE},
    {"by Velero", RESTORES, "CREATE", VELERO, OF("\"backupName\":\"new\""), NULL, ""},
    {"unchanged", RESTORES, "UPDATE", "admin", OF(MODIFIER("ConfigMap")), OF(MODIFIER("ConfigMap")), ""},
};

static struct str said(struct arena *arena, const struct facts_wanted *wanted)
{
    static const char *const names[FACT_COUNT] = {[FACT_RELEASES] = "release",
                                                  [FACT_STORAGE_LOCATIONS] = "location",
                                                  [FACT_BACKUPS] = "backup",
                                                  [FACT_CONFIG_MAPS] = "configmap",
                                                  [FACT_CLUSTER] = "cluster"};
    struct str text = wanted->upgrade ? STR("upgrade") : STR("");
    for (size_t i = 0; i < wanted->len; i++)
        text = arena_printf(arena, "%.*s%s%s:%.*s/%.*s", STR_ARG(text), text.len ? " " : "",
                            names[wanted->refs[i].fact] ? names[wanted->refs[i].fact] : "?",
                            STR_ARG(wanted->refs[i].ns), STR_ARG(wanted->refs[i].name));
    return text;
}

static void put(const struct ask *ask, const struct inventory *inventory, const struct settings *settings)
{
    ARENA_SCOPED arena = arena_new(1 << 20);
    struct str kind = str_from(ask->kind), group, version;
    struct review review;
    struct error error;
    struct facts_wanted wanted;
    str_cut(&kind, '/', &group);
    str_cut(&kind, '/', &version);
    struct str body = arena_printf(
        arena,
        "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"request\":{\"uid\":\"u\",\"kind\":"
        "{\"group\":\"%.*s\",\"version\":\"%.*s\",\"kind\":\"%.*s\"},\"name\":\"n\",\"namespace\":\"kcm-system\","
        "\"operation\":\"%s\",\"userInfo\":{\"username\":\"%s\"},\"object\":%s,\"oldObject\":%s}}",
        STR_ARG(group), STR_ARG(version), STR_ARG(kind), ask->operation, ask->user, ask->object ? ask->object : "null",
        ask->old ? ask->old : "null");
    if (!admission_read(arena, body, 1795230000, &review, &error))
        fprintf(stderr, "\n    %s: %s\n", ask->what, error.message);
    bool any = admission_wants(&review, admission_rule_for_path(str_from(ask->path)), inventory, settings, &wanted);
    struct str text = said(arena, &wanted);
    CU_ASSERT_EQUAL(any, ask->wanted[0] != '\0');
    if (!str_is(text, ask->wanted))
        fprintf(stderr, "\n    %s:", ask->what);
    ASSERT_TEXT(text, ask->wanted);
}

static void test_wants(void)
{
    ARENA_SCOPED arena = arena_new(16 << 20);
    struct error error;
    struct settings *settings = settings_defaults(&error);
    struct inventory *inventory = make_inventory(arena, NULL);
    CU_ASSERT_FATAL(settings && inventory);
    for (size_t i = 0; i < LENGTH_OF(asks); i++)
        put(&asks[i], inventory, settings);
    snapshot_release(inventory);
    shared_release(&settings->shared);
}

/* A manifest reviewed offline has no status: the gate takes the cached Management's, and so does what is read for it. */
static void test_running_release_of_cache(void)
{
    static const struct ask without_status[] = {
        {"upgrade of what the cache says runs", MANAGEMENTS, "UPDATE", "admin", TO("kcm-2", ""), TO("kcm-1", ""),
         EVIDENCE},
        {"back to what the cache says runs", MANAGEMENTS, "UPDATE", "admin", TO("kcm-1", ""), TO("kcm-2", ""), ""},
    };
    ARENA_SCOPED arena = arena_new(16 << 20);
    struct error error;
    struct settings *settings = settings_defaults(&error);
    struct inventory *inventory =
        make_inventory(arena, "{\"apiVersion\":\"k0rdent.mirantis.com/v1beta1\",\"kind\":\"Management\",\"metadata\":{"
                              "\"name\":\"kcm\"},\"spec\":{\"release\":\"kcm-1\"},\"status\":{\"release\":\"kcm-1\"}}");
    CU_ASSERT_FATAL(settings && inventory);
    for (size_t i = 0; i < LENGTH_OF(without_status); i++)
        put(&without_status[i], inventory, settings);
    snapshot_release(inventory);
    shared_release(&settings->shared);
}

SUITE(wants,
      {"the release that runs comes from the cache where the old object has none", test_running_release_of_cache},
      {"each rule asks for what may have changed a moment ago, and no more", test_wants})
