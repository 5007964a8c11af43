/* The fields of the CRDs that the rule table reviews (velero.io v1 as of Velero 1.18,
 * k0rdent.mirantis.com v1beta1), and what is built of them. */
#ifndef BACKSTOP_TESTS_FUZZ_GRAMMAR_FIELDS_H
#define BACKSTOP_TESTS_FUZZ_GRAMMAR_FIELDS_H

#include "grammar.h"

struct grammar_field {
    const char *path;
    enum value value;
};

#define SPEC_OF_BACKUP(at)                                                                                             \
    {at "storageLocation", V_LOCATION}, {at "ttl", V_DURATION}, {at "csiSnapshotTimeout", V_DURATION},                 \
        {at "itemOperationTimeout", V_DURATION}, {at "includedResources", V_RESOURCES},                                \
        {at "excludedResources", V_RESOURCES}, {at "includedNamespaces", V_NAMESPACES},                                \
        {at "excludedNamespaces", V_NAMESPACES}, {at "includedClusterScopedResources", V_RESOURCES},                   \
        {at "excludedClusterScopedResources", V_RESOURCES}, {at "includedNamespaceScopedResources", V_RESOURCES},      \
        {at "excludedNamespaceScopedResources", V_RESOURCES}, {at "includeClusterResources", V_BOOL},                  \
        {at "labelSelector", V_SELECTOR}, {at "orLabelSelectors", V_SELECTORS}, {at "hooks.resources", V_HOOKS},       \
        {at "resourcePolicy.kind", V_KIND}, {at "resourcePolicy.name", V_CONFIG_MAP}, {at "snapshotVolumes", V_BOOL},  \
        {at "snapshotMoveData", V_BOOL}, {at "defaultVolumesToFsBackup", V_BOOL},                                      \
        {at "defaultVolumesToRestic", V_BOOL}, {at "volumeSnapshotLocations", V_TEXTS}, {at "datamover", V_NAME},      \
        {at "orderedResources", V_MAPPING}, {at "metadata.labels", V_LABELS},                                          \
        {at "uploaderConfig.parallelFilesUpload", V_COUNT},                                                            \
    {                                                                                                                  \
        at "volumeGroupSnapshotLabelKey", V_NAME                                                                       \
    }

static const struct grammar_field management_backup_fields[] = {
    {"spec.schedule", V_CRON},
    {"spec.storageLocation", V_LOCATION},
    {"spec.performOnManagementUpgrade", V_BOOL},
    {"status.lastBackup.phase", V_PHASE},
    {"status.lastBackup.startTimestamp", V_TIME},
    {"status.lastBackup.completionTimestamp", V_TIME},
    {"status.lastBackupName", V_BACKUP},
    {"status.lastBackupTime", V_TIME},
    {"status.nextAttempt", V_TIME},
    {"status.error", V_NAME},
};
static const struct grammar_field credential_fields[] = {
    {"spec.identityRef.kind", V_KIND},
    {"spec.identityRef.name", V_NAME},
    {"spec.identityRef.namespace", V_NAME},
    {"spec.region", V_NAME},
};
static const struct grammar_field management_fields[] = {
    {"spec.release", V_RELEASE},     {"status.release", V_RELEASE}, {"spec.providers", V_PROVIDERS},
    {"status.backupName", V_BACKUP}, {"spec.core", V_CONFIG},       {"status.availableProviders", V_TEXTS},
};
static const struct grammar_field backup_fields[] = {
    SPEC_OF_BACKUP("spec."),           {"status.phase", V_PHASE},
    {"status.startTimestamp", V_TIME}, {"status.completionTimestamp", V_TIME},
    {"status.expiration", V_TIME},
};
static const struct grammar_field schedule_fields[] = {
    {"spec.schedule", V_CRON},        {"spec.paused", V_BOOL},
    {"spec.skipImmediately", V_BOOL}, {"spec.useOwnerReferencesInBackup", V_BOOL},
    SPEC_OF_BACKUP("spec.template."),
};
static const struct grammar_field location_fields[] = {
    {"spec.provider", V_PROVIDER},
    {"spec.objectStorage.bucket", V_BUCKET},
    {"spec.objectStorage.prefix", V_BUCKET},
    {"spec.objectStorage.caCert", V_CERTIFICATE},
    {"spec.objectStorage.caCertRef.name", V_NAME},
    {"spec.objectStorage.caCertRef.key", V_NAME},
    {"spec.config", V_CONFIG},
    {"spec.default", V_BOOL},
    {"spec.accessMode", V_ACCESS},
    {"spec.credential.name", V_NAME},
    {"spec.credential.key", V_NAME},
    {"spec.backupSyncPeriod", V_DURATION},
    {"spec.validationFrequency", V_DURATION},
    {"status.phase", V_PHASE},
    {"status.lastValidationTime", V_TIME},
};
static const struct grammar_field region_fields[] = {{"spec.kubeConfig.name", V_NAME}, {"spec.kubeConfig.key", V_NAME}};
static const struct grammar_field release_fields[] = {{"spec.version", V_NAME}, {"spec.kcm.template", V_NAME}};
static const struct grammar_field restore_fields[] = {
    {"spec.backupName", V_BACKUP},
    {"spec.scheduleName", V_SCHEDULE},
    {"spec.existingResourcePolicy", V_RESOURCE_POLICY},
    {"spec.includedResources", V_RESOURCES},
    {"spec.excludedResources", V_RESOURCES},
    {"spec.includedNamespaces", V_NAMESPACES},
    {"spec.excludedNamespaces", V_NAMESPACES},
    {"spec.resourceModifier.kind", V_KIND},
    {"spec.resourceModifier.name", V_CONFIG_MAP},
    {"spec.includeClusterResources", V_BOOL},
    {"spec.labelSelector", V_SELECTOR},
    {"spec.orLabelSelectors", V_SELECTORS},
    {"spec.hooks.resources", V_HOOKS},
    {"spec.namespaceMapping", V_MAPPING},
    {"spec.itemOperationTimeout", V_DURATION},
    {"spec.restoreStatus.includedResources", V_RESOURCES},
    {"spec.restorePVs", V_BOOL},
    {"spec.preserveNodePorts", V_BOOL},
    {"spec.uploaderConfig.parallelFilesDownload", V_COUNT},
    {"status.phase", V_PHASE},
};
static const struct grammar_field delete_request_fields[] = {{"spec.backupName", V_BACKUP}, {"status.phase", V_PHASE}};

static const struct {
    const char *kind, *version;
    const struct grammar_field *fields;
    size_t count;
    enum value name;
} grammar_kinds[] = {
    {"ManagementBackup", "v1beta1", management_backup_fields, LENGTH_OF(management_backup_fields), V_NAME},
    {"Credential", "v1beta1", credential_fields, LENGTH_OF(credential_fields), V_NAME},
    {"Region", "v1beta1", region_fields, LENGTH_OF(region_fields), V_NAME},
    {"Management", "v1beta1", management_fields, LENGTH_OF(management_fields), V_NAME},
    {"Release", "v1beta1", release_fields, LENGTH_OF(release_fields), V_RELEASE},
    {"Backup", "v1", backup_fields, LENGTH_OF(backup_fields), V_BACKUP},
    {"Schedule", "v1", schedule_fields, LENGTH_OF(schedule_fields), V_SCHEDULE},
    {"BackupStorageLocation", "v1", location_fields, LENGTH_OF(location_fields), V_LOCATION},
    {"Restore", "v1", restore_fields, LENGTH_OF(restore_fields), V_NAME},
    {"DeleteBackupRequest", "v1", delete_request_fields, LENGTH_OF(delete_request_fields), V_NAME},
};

static inline size_t grammar_kind(const char *kind)
{
    for (size_t i = 0; i < LENGTH_OF(grammar_kinds); i++)
        if (str_is(str_from(kind), grammar_kinds[i].kind))
            return i;
    PROMISE(false, "server/admission/rules.c has %s, grammar_kinds has not", kind);
    return 0;
}

/* Puts the value at a dotted path, making the parents. */
static inline void put(struct json_object *tree, const char *path, struct json_object *value)
{
    struct str rest = str_from(path), part;
    char key[64];
    while (str_cut(&rest, '.', &part)) {
        snprintf(key, sizeof key, "%.*s", STR_ARG(part));
        if (!rest.ptr) {
            json_object_object_add(tree, key, value);
            return;
        }
        struct json_object *next = json_get(tree, key);
        if (!next)
            json_object_object_add(tree, key, next = json_object_new_object());
        tree = next;
    }
}

static inline struct json_object *metadata(struct tape *tape, enum value name, bool namespaced)
{
    static const char *const annotations[] = {"backstop.k0rdent.mirantis.com/skip-mutation",
                                              "backstop.k0rdent.mirantis.com/skip-pre-upgrade-backup",
                                              ANNOTATION_ALLOW_DELETE, "kots.io/instance"};
    struct json_object *tree = json_object_new_object();
    json_object_object_add(tree, choose(tape, 8) != 7 ? "name" : "generateName", text_word(tape, name));
    if (namespaced)
        json_object_object_add(tree, "namespace", text_word(tape, V_NAMESPACES));
    if (choose(tape, 4) == 3)
        json_object_object_add(tree, "labels", labels(tape));
    if (choose(tape, 4) == 3) {
        struct json_object *map = json_object_new_object();
        json_object_object_add(map, annotations[choose(tape, LENGTH_OF(annotations))], word(tape, V_NAME));
        json_object_object_add(tree, "annotations", map);
    }
    if (choose(tape, 16) == 15)
        json_object_object_add(tree, "deletionTimestamp", word(tape, V_TIME));
    json_object_object_add(tree, "creationTimestamp", word(tape, V_TIME));
    return tree;
}

static inline struct json_object *object_of(struct tape *tape, const struct rule *rule)
{
    size_t kind = grammar_kind(rule->kind);
    char version[128];
    bool velero = str_is(str_from(rule->group), "velero.io");
    struct json_object *tree = json_object_new_object();
    snprintf(version, sizeof version, "%s/%s", rule->group, grammar_kinds[kind].version);
    json_object_object_add(tree, "apiVersion", json_object_new_string(version));
    json_object_object_add(tree, "kind", json_object_new_string(rule->kind));
    json_object_object_add(tree, "metadata", metadata(tape, grammar_kinds[kind].name, velero));
    for (size_t i = 0; i < grammar_kinds[kind].count; i++)
        if (choose(tape, 3))
            put(tree, grammar_kinds[kind].fields[i].path, value_of(tape, grammar_kinds[kind].fields[i].value));
    return tree;
}

static inline enum operation operation_of(struct tape *tape, const struct rule *rule)
{
    static const enum operation all[] = {OPERATION_CREATE, OPERATION_UPDATE, OPERATION_DELETE};
    enum operation chosen = all[choose(tape, LENGTH_OF(all))];
    for (size_t i = 0; i < LENGTH_OF(all) && !(rule->operations & (unsigned)chosen); i++)
        chosen = all[i];
    return chosen;
}

/* The review that the bytes choose, for the rule they choose. Text in the arena. */
static inline struct str grammar_review(struct arena *arena, const uint8_t *data, size_t size,
                                        const struct rule **chosen)
{
    static const char *const users[] = {"kubernetes-admin", "system:serviceaccount:velero:velero",
                                        "system:serviceaccount:kcm-system:velero-server", "mallory\n"};
    struct tape tape = {.bytes = data, .len = size};
    size_t count;
    const struct rule *rules = admission_rules(&count), *rule = &rules[choose(&tape, (unsigned)count)];
    enum operation operation = operation_of(&tape, rule);
    struct json_object *root = json_object_new_object(), *request = json_object_new_object(),
                       *kind = json_object_new_object(), *user = json_object_new_object();
    json_object_object_add(root, "apiVersion", json_object_new_string("admission.k8s.io/v1"));
    json_object_object_add(root, "kind", json_object_new_string("AdmissionReview"));
    json_object_object_add(root, "request", request);
    json_object_object_add(request, "uid", json_object_new_string("0b4ff8a1-5a42-4c9d-8e0e-6d1f3a1c2b3d"));
    json_object_object_add(request, "kind", kind);
    json_object_object_add(kind, "group", json_object_new_string(rule->group));
    json_object_object_add(kind, "version", json_object_new_string(grammar_kinds[grammar_kind(rule->kind)].version));
    json_object_object_add(kind, "kind", json_object_new_string(rule->kind));
    json_object_object_add(request, "operation", json_object_new_string(operation_name(operation)));
    json_object_object_add(request, "dryRun", json_object_new_boolean(choose(&tape, 8) == 7));
    json_object_object_add(user, "username", json_object_new_string(users[choose(&tape, LENGTH_OF(users))]));
    json_object_object_add(request, "userInfo", user);
    size_t flip = choose(&tape, 200), more = choose(&tape, 6);
    struct tape again = tape; /* the old object is the new one but for some choices */
    struct json_object *object = object_of(&tape, rule);
    again.flip_from = again.at + flip;
    again.flip_to = again.flip_from + more;
    if (operation == OPERATION_DELETE)
        json_object_object_add(request, "oldObject", object);
    else
        json_object_object_add(request, "object", object);
    if (operation == OPERATION_UPDATE)
        json_object_object_add(request, "oldObject", object_of(&again, rule));
    struct str name = json_path_str(object, "metadata.name"), ns = json_path_str(object, "metadata.namespace");
    json_object_object_add(request, "name", json_object_new_string_len(name.ptr ? name.ptr : "", (int)name.len));
    json_object_object_add(request, "namespace", json_object_new_string_len(ns.ptr ? ns.ptr : "", (int)ns.len));
    BUF_SCOPED text;
    buf_init(&text, 4 << 20);
    json_write_tree(&text, root);
    PROMISE(!text.failed, "not written");
    json_object_put(root);
    *chosen = rule;
    return arena_copy(arena, buf_str(&text));
}

#endif
