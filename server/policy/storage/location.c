/* BackupStorageLocation: bucket, credential, access mode and default, by what Velero and its plugins accept. */
#include "policy/storage/location.h"
#include "policy/velero/installed.h"

#include "policy/checks.h"
#include "policy/storage/storage.h"

/* object_store.go objectBackupStoreGetter.Get cuts off the outer slashes of bucket and prefix. */
static struct str without_slashes(struct str text)
{
    while (str_starts(text, STR("/")))
        text = str_slice(text, 1, text.len);
    while (str_ends(text, STR("/")))
        text = str_slice(text, 0, text.len - 1);
    return text;
}

/* "s3://backups/kcm" as other tools write a bucket; an http address may name a host instead. */
static struct str without_scheme(struct str bucket)
{
    static const struct str schemes[] = {STR_INIT("s3://"), STR_INIT("gs://")};
    for (size_t i = 0; i < LENGTH_OF(schemes); i++)
        if (str_starts(bucket, schemes[i]))
            return str_slice(bucket, schemes[i].len, bucket.len);
    return bucket;
}

/* Since 1.19 Velero lets the ARN of an access point through (pkg/persistence/object_store.go Get). */
static bool location_takes_arn(const struct location_edit *edit)
{
    const struct product_version velero = inventory_velero_version(edit->inventory, edit->settings).version;
    enum version_answer takes = product_version_has(&velero, VELERO_BUCKET_ARN);
    if (takes == ANSWER_DEPENDS)
        decision_warn(edit->decision, "spec.objectStorage.bucket: an ARN needs %.*s or later, and %.*s",
                      STR_ARG(feature_since(edit->arena, VELERO_BUCKET_ARN)),
                      STR_ARG(product_version_doubt(edit->arena, &velero)));
    return takes != ANSWER_NO;
}

/* Get refuses an inner slash, of an access point's ARN too. Backup and sync controller ask BackupExists for the bucket
   with its outer ones: the location is Available, but with one in front every backup to it fails, and with one behind the
   S3 plugin looks for another key, so that a new cluster takes none for existing. */
static void check_bucket(const struct location_edit *edit)
{
    struct str bucket = json_path_str(edit->spec, "objectStorage.bucket"), inner = without_slashes(bucket);
    if (!edit->create && !location_asks(edit, "objectStorage.bucket"))
        return;
    struct str quoted = arena_quote(edit->arena, bucket), prefix = without_slashes(without_scheme(bucket)), head;
    if (prefix.len == 0) {
        decision_required(edit->decision, "spec.objectStorage.bucket", "name the bucket for backups");
        return;
    }
    if (str_starts(inner, STR("http://")) || str_starts(inner, STR("https://"))) {
        decision_invalid(
            edit->decision, "spec.objectStorage.bucket",
            "%.*s: Velero expects the bucket's name here; put the address of an S3 server in spec.config.s3Url",
            STR_ARG(quoted));
        return;
    }
    if (str_trim(bucket).len < bucket.len) {
        decision_invalid(edit->decision, "spec.objectStorage.bucket",
                         "%.*s: has leading or trailing white space; write bucket: %.*s", STR_ARG(quoted),
                         STR_ARG(arena_quote(edit->arena, str_trim(bucket))));
        return;
    }
    str_cut(&prefix, '/', &head);
    if (str_eq(head, bucket))
        return;
    if (str_starts(bucket, STR("arn:aws:s3:")) && location_takes_arn(edit))
        return;
    if (str_starts(inner, STR("arn:"))) {
        decision_invalid(edit->decision, "spec.objectStorage.bucket",
                         "%.*s: Velero takes no \"/\" in a bucket: write the alias of the access point",
                         STR_ARG(quoted));
        return;
    }
    struct str rest = prefix.len
                          ? arena_printf(edit->arena, " and prefix: %.*s", STR_ARG(arena_quote(edit->arena, prefix)))
                          : STR("");
    decision_invalid(edit->decision, "spec.objectStorage.bucket",
                     "%.*s: Velero takes no \"/\" in a bucket: write bucket: %.*s%.*s", STR_ARG(quoted),
                     STR_ARG(arena_quote(edit->arena, head)), STR_ARG(rest));
}

static void check_access_mode(const struct location_edit *edit)
{
    static const struct str modes[] = {STR_INIT("ReadWrite"), STR_INIT("ReadOnly")};
    struct str mode = json_get_str(edit->spec, "accessMode");
    bool read_only = str_is(mode, "ReadOnly");
    if (!location_asks(edit, "accessMode") && !location_asks(edit, "default"))
        return;
    if (mode.len && !read_only && !str_is(mode, "ReadWrite")) {
        struct str near = str_nearest(mode, modes, LENGTH_OF(modes));
        decision_not_supported(edit->decision, "spec.accessMode", "%.*s: write ReadWrite or ReadOnly%s%.*s%s",
                               STR_ARG(arena_quote(edit->arena, mode)), near.len ? "; did you mean " : "",
                               STR_ARG(near), near.len ? "?" : "");
    }
    if (read_only && json_get_bool(edit->spec, "default"))
        decision_warn(edit->decision, "spec.accessMode: this is the default location and it is read-only, so every "
                                      "backup that names no other location fails");
}

/* ensureSingleDefaultBSL: the one created last stays, the others are set to false. */
static void check_default(const struct location_edit *edit)
{
    int64_t created = 0;
    /* An object that exists already may be reviewed as one to create: then it says how old it is. */
    const struct object *stored = edit->create ? edit->request->object : edit->request->old_object;
    if (!json_get_bool(edit->spec, "default") || !location_asks(edit, "default"))
        return;
    if (!time_parse(object_text(edit->request, stored, "metadata.creationTimestamp"), &created))
        created = edit->request->now;
    for (size_t i = 0; i < edit->inventory->count[FACT_STORAGE_LOCATIONS] && !said_enough(edit->decision); i++) {
        const struct storage_location *other = edit->inventory->storage_locations[i];
        if (!other->is_default || !str_eq(other->meta.ns, edit->ns) || str_eq(other->meta.name, edit->name))
            continue;
        struct str quoted = arena_quote(edit->arena, other->meta.name);
        if (created >= other->meta.created)
            decision_warn(edit->decision,
                          "spec.default: %.*s is the default too; Velero keeps the newest, so it sets "
                          "default of %.*s to false",
                          STR_ARG(quoted), STR_ARG(quoted));
        else
            decision_warn(edit->decision,
                          "spec.default: %.*s is the default too and newer; Velero keeps the newest, so "
                          "it sets this one back to false",
                          STR_ARG(quoted));
    }
}

static bool same_place(const struct location_edit *edit, const struct storage_location *other)
{
    return location_same_provider(other->provider, json_get_str(edit->spec, "provider")) &&
           str_eq(without_slashes(other->bucket), without_slashes(json_path_str(edit->spec, "objectStorage.bucket"))) &&
           str_eq(without_slashes(other->prefix), without_slashes(json_path_str(edit->spec, "objectStorage.prefix"))) &&
           location_same_config_place(other->provider, other->config, json_get(edit->spec, "config"));
}

static void check_shared(const struct location_edit *edit)
{
    if (!location_asks(edit, "objectStorage") && !location_asks(edit, "provider"))
        return;
    for (size_t i = 0; i < edit->inventory->count[FACT_STORAGE_LOCATIONS] && !said_enough(edit->decision); i++) {
        const struct storage_location *other = edit->inventory->storage_locations[i];
        if (str_eq(other->meta.ns, edit->ns) && !str_eq(other->meta.name, edit->name) && same_place(edit, other))
            decision_warn(edit->decision,
                          "spec.objectStorage: BackupStorageLocation %.*s has the same bucket and prefix: Velero lists "
                          "each backup under both",
                          STR_ARG(arena_quote(edit->arena, other->meta.name)));
    }
}

static void location_check_durations(const struct location_edit *edit)
{
    static const struct {
        const char *member, *field, *zero;
    } durations[] = {
        {"backupSyncPeriod", "spec.backupSyncPeriod",
         "Velero never syncs the backups in the bucket, and a restore on a new cluster needs that"},
        {"validationFrequency", "spec.validationFrequency",
         "Velero checks only once whether it is reachable, so its phase goes stale"},
    };
    for (size_t i = 0; i < LENGTH_OF(durations); i++) {
        struct json_object *value = json_get(edit->spec, durations[i].member);
        struct error ignored;
        int64_t nanoseconds;
        if (!location_asks(edit, durations[i].member))
            continue;
        if (!value || !duration_parse(json_str(value), &nanoseconds, &ignored))
            check_duration(edit->decision, str_from(durations[i].field), value);
        else if (nanoseconds < 0)
            decision_warn(edit->decision, "%s: %.*s is negative, so Velero uses its default", durations[i].field,
                          STR_ARG(arena_quote(edit->arena, json_str(value))));
        else if (nanoseconds == 0)
            decision_warn(edit->decision, "%s: 0: %s", durations[i].field, durations[i].zero);
    }
}

/* Where the bytes end up, and whether they outlive the cluster. */
static void check_destination(const struct location_edit *edit)
{
    struct storage_location location = {.meta = {.ns = edit->ns},
                                        .provider = json_get_str(edit->spec, "provider"),
                                        .config = json_get(edit->spec, "config")};
    struct str lost = storage_lost(edit->arena, &location, NULL);
    if (!location_asks(edit, "provider") && !location_asks(edit, "config"))
        return;
    if (lost.len && edit->settings->storage_not_durable != VERDICT_ALLOW)
        decision_warn(edit->decision, "BackupStorageLocation %.*s %.*s", STR_ARG(arena_quote(edit->arena, edit->name)),
                      STR_ARG(lost));
    decision_audit(edit->decision, "storage", "%.*s (%s)", STR_ARG(edit->name),
                   storage_class_name(storage_location_class(&location)));
}

static struct location_edit edit_of(const struct request *request, const struct inventory *inventory,
                                    const struct settings *settings, struct decision *decision)
{
    bool create = request->operation == OPERATION_CREATE || !request->old_object;
    return (struct location_edit){
        .request = request,
        .inventory = inventory,
        .settings = settings,
        .decision = decision,
        .arena = request->arena,
        .spec = object_tree(request, request->object, "spec"),
        .before = create ? NULL : object_tree(request, request->old_object, "spec"),
        .ns = request->ns.len ? request->ns : settings->system_namespace,
        .name = request->name.len ? request->name : object_text(request, request->object, "metadata.name"),
        .create = create,
    };
}

void policy_storage_location(const struct request *request, const struct inventory *inventory,
                             const struct settings *settings, struct decision *decision)
{
    if (request->operation == OPERATION_DELETE) {
        location_check_deletion(request, inventory, settings, decision);
        return;
    }
    struct location_edit edit = edit_of(request, inventory, settings, decision);
    if (!edit.create && !request_changes(request, "spec"))
        return;
    if (!json_object_is_type(edit.spec, json_type_object)) {
        decision_required(decision, "spec", "set provider and objectStorage.bucket");
        return;
    }
    if (edit.create)
        warn_no_velero(decision, inventory, edit.ns, "BackupStorageLocation");
    if (edit.create)
        velero_warn_fields(request, inventory, settings, decision);
    if (location_asks(&edit, "provider"))
        velero_warn_plugin(inventory, edit.ns, "spec.provider", json_get_str(edit.spec, "provider"), decision);
    check_bucket(&edit);
    location_check_provider(&edit);
    location_check_secrets(&edit);
    check_access_mode(&edit);
    location_check_durations(&edit);
    if (decision->denied)
        return;
    if (location_asks(&edit, "config"))
        velero_warn_credentials_file(inventory, settings, json_get(edit.spec, "config"), decision);
    check_default(&edit);
    check_shared(&edit);
    check_destination(&edit);
    if (!edit.create)
        location_check_move(&edit);
}
