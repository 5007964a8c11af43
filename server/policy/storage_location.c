#include "storage_location.h"

#include "checks.h"
#include "storage.h"

bool location_asks(const struct location_edit *edit, const char *path)
{
    struct json_object *now = json_path(edit->spec, path);
    return edit->create ? now != NULL : !json_object_equal(now, json_path(edit->before, path));
}

/* object_store.go objectBackupStoreGetter.Get: outer slashes are cut off, an inner one
 * is refused unless the bucket is an access point. */
static void check_bucket(const struct location_edit *edit)
{
    struct str bucket = json_path_str(edit->spec, "objectStorage.bucket"), inner = bucket;
    if (!edit->create && !location_asks(edit, "objectStorage.bucket"))
        return;
    while (str_starts(inner, STR("/")))
        inner = str_slice(inner, 1, inner.len);
    while (str_ends(inner, STR("/")))
        inner = str_slice(inner, 0, inner.len - 1);
    if (inner.len == 0) {
        decision_invalid(edit->decision, "spec.objectStorage.bucket", "Required value: name the bucket for backups");
        return;
    }
    struct str prefix = inner, head;
    if (str_starts(inner, STR("arn:aws:s3:")) || !str_cut(&prefix, '/', &head) || !prefix.ptr)
        return;
    decision_invalid(edit->decision, "spec.objectStorage.bucket",
                     "Invalid value: %.*s: Velero takes no \"/\" in a bucket: write bucket: %.*s and prefix: %.*s",
                     STR_ARG(arena_quote(edit->arena, bucket)), STR_ARG(arena_quote(edit->arena, head)),
                     STR_ARG(arena_quote(edit->arena, prefix)));
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
        decision_invalid(edit->decision, "spec.accessMode",
                         "Unsupported value: %.*s: write ReadWrite or ReadOnly%s%.*s%s",
                         STR_ARG(arena_quote(edit->arena, mode)), near.len ? "; did you mean " : "", STR_ARG(near),
                         near.len ? "?" : "");
    }
    if (read_only && json_get_bool(edit->spec, "default"))
        decision_warn(edit->decision, "spec.accessMode: this is the default location and read-only: every backup that "
                                      "names no other fails");
}

/* ensureSingleDefaultBSL: the one created last stays, the others are set to false. */
static void check_default(const struct location_edit *edit)
{
    int64_t created = 0;
    const struct object *old = edit->request->old_object;
    if (!json_get_bool(edit->spec, "default") || !location_asks(edit, "default"))
        return;
    if (edit->create || !time_parse(object_text(edit->request, old, "metadata.creationTimestamp"), &created))
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
    return str_eq(other->provider, json_get_str(edit->spec, "provider")) &&
           str_eq(other->bucket, json_path_str(edit->spec, "objectStorage.bucket")) &&
           str_eq(other->prefix, json_path_str(edit->spec, "objectStorage.prefix")) &&
           str_eq(json_get_str(other->config, "s3Url"), json_path_str(edit->spec, "config.s3Url"));
}

static void check_shared(const struct location_edit *edit)
{
    if (!location_asks(edit, "objectStorage") && !location_asks(edit, "provider"))
        return;
    for (size_t i = 0; i < edit->inventory->count[FACT_STORAGE_LOCATIONS] && !said_enough(edit->decision); i++) {
        const struct storage_location *other = edit->inventory->storage_locations[i];
        if (str_eq(other->meta.ns, edit->ns) && !str_eq(other->meta.name, edit->name) && same_place(edit, other))
            decision_warn(edit->decision,
                          "spec.objectStorage: BackupStorageLocation %.*s has the same bucket and prefix: Velero finds "
                          "each backup under both",
                          STR_ARG(arena_quote(edit->arena, other->meta.name)));
    }
}

static void check_durations(const struct location_edit *edit)
{
    static const struct {
        const char *member, *field, *zero;
    } durations[] = {
        {"backupSyncPeriod", "spec.backupSyncPeriod",
         "backups in the bucket never appear by themselves, which a restore on a new cluster needs"},
        {"validationFrequency", "spec.validationFrequency",
         "Velero looks only once whether it can be reached, so its phase says nothing later"},
    };
    for (size_t i = 0; i < LENGTH_OF(durations); i++) {
        struct json_object *value = json_get(edit->spec, durations[i].member);
        struct error ignored;
        int64_t nanoseconds;
        if (!location_asks(edit, durations[i].member))
            continue;
        check_duration(edit->decision, str_from(durations[i].field), value);
        if (value && duration_parse(json_str(value), &nanoseconds, &ignored) && nanoseconds == 0)
            decision_warn(edit->decision, "%s: 0: %s", durations[i].field, durations[i].zero);
    }
}

/* Where the bytes end up, and whether they outlive the cluster. */
static void check_destination(const struct location_edit *edit)
{
    struct storage_location location = {.provider = json_get_str(edit->spec, "provider"),
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
        decision_invalid(decision, "spec", "Required value: give it a provider and objectStorage.bucket");
        return;
    }
    if (edit.create)
        warn_no_velero(decision, inventory, edit.ns, "BackupStorageLocation");
    check_bucket(&edit);
    location_check_provider(&edit);
    location_check_secrets(&edit);
    check_access_mode(&edit);
    check_durations(&edit);
    if (decision->denied)
        return;
    check_default(&edit);
    check_shared(&edit);
    check_destination(&edit);
    if (!edit.create)
        location_check_move(&edit);
}
