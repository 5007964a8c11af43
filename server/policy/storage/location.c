/* BackupStorageLocation: secrets, access mode, default and the other locations, by what Velero accepts. What a provider
 * takes is in bucket.c, config.c and plugins.c. */
#include "policy/checks.h"
#include "policy/storage/storage.h"
#include "policy/velero/velero.h"

static void check_access_mode(const struct location_edit *edit)
{
    static const struct str modes[] = {STR_INIT("ReadWrite"), STR_INIT("ReadOnly")};
    struct str mode = json_get_str(edit->spec, "accessMode");
    bool read_only = str_is(mode, "ReadOnly");
    if (!location_asks(edit, "accessMode") && !location_asks(edit, "default"))
        return;
    if (mode.len && !read_only && !str_is(mode, "ReadWrite"))
        decision_not_supported(edit->decision, "spec.accessMode", "%.*s: write ReadWrite or ReadOnly%.*s",
                               STR_ARG(arena_quote(edit->arena, mode)),
                               STR_ARG(str_suggest(edit->arena, mode, modes, LENGTH_OF(modes), "; ", "")));
    if (read_only && json_get_bool(edit->spec, "default"))
        decision_warn(edit->decision, "spec.accessMode: this is the default location and it is read-only, so every "
                                      "backup that names no other location fails");
}

enum { NAMES_SHOWN = 6 }; /* in one message */

/* The other locations that one warning is about: it names them together, so that the warnings of a review are not used
 * up by one mistake. */
struct location_others {
    struct strlist names, folders;
};

static void others_add(const struct location_edit *edit, struct location_others *others,
                       const struct storage_location *other, struct str folder)
{
    strlist_add(edit->arena, &others->names, other->meta.name);
    if (folder.len && others->folders.len < NAMES_SHOWN && !strlist_has(&others->folders, folder))
        strlist_add(edit->arena, &others->folders, folder);
}

static struct str others_names(const struct location_edit *edit, const struct location_others *others)
{
    return strlist_quoted_first(edit->arena, &others->names, NAMES_SHOWN);
}

/* `folder "a"`, or `folders "a" and "b"` */
static struct str others_folders(const struct location_edit *edit, const struct location_others *others)
{
    return arena_printf(edit->arena, "folder%s %.*s", plural_s(others->folders.len),
                        STR_ARG(strlist_quoted(edit->arena, &others->folders)));
}

/* ensureSingleDefaultBSL: the one created last stays, the others are set to false. */
static void check_default(const struct location_edit *edit)
{
    int64_t created = 0;
    struct location_others older = {.names = {0}}, newer = {.names = {0}};
    /* An object that exists already may be reviewed as one to create: then it says how old it is. */
    const struct object *stored = edit->create ? edit->request->object : edit->request->old_object;
    if (!json_get_bool(edit->spec, "default") || !location_asks(edit, "default"))
        return;
    if (!time_parse(object_text(edit->request, stored, "metadata.creationTimestamp"), &created))
        created = edit->request->now;
    for (size_t i = 0; i < edit->inventory->count[FACT_STORAGE_LOCATIONS]; i++) {
        const struct storage_location *other = edit->inventory->storage_locations[i];
        if (other->is_default && str_eq(other->meta.ns, edit->ns) && !str_eq(other->meta.name, edit->name))
            others_add(edit, created >= other->meta.created ? &older : &newer, other, STR(""));
    }
    struct str quoted = others_names(edit, &older);
    if (older.names.len)
        decision_warn(edit->decision,
                      "spec.default: %.*s %s too; Velero keeps the newest, so it sets default of %.*s to false",
                      STR_ARG(quoted), older.names.len > 1 ? "are defaults" : "is the default",
                      STR_ARG(older.names.len > 1 ? STR("these") : quoted));
    if (newer.names.len)
        decision_warn(edit->decision,
                      "spec.default: %.*s %s too and newer; Velero keeps the newest, so it sets this one back to false",
                      STR_ARG(others_names(edit, &newer)), newer.names.len > 1 ? "are defaults" : "is the default");
}

/* velero issue 8918. Those in `around` stay as they are, so they are named last as the ones that break. */
static void warn_nested(const struct location_edit *edit, const struct location_others *within,
                        const struct location_others *around)
{
    bool several = around->names.len > 1;
    if (within->names.len)
        decision_warn(edit->decision,
                      "spec.objectStorage: BackupStorageLocation%s %.*s %s data in %.*s here, and Velero makes a "
                      "location with folders of others Unavailable. Set a prefix for this one",
                      plural_s(within->names.len), STR_ARG(others_names(edit, within)),
                      within->names.len > 1 ? "keep their" : "keeps its", STR_ARG(others_folders(edit, within)));
    if (around->names.len)
        decision_warn(edit->decision,
                      "spec.objectStorage: prefix puts %.*s into BackupStorageLocation%s %.*s, which become%s "
                      "Unavailable with the first backup here. Give %s a prefix of its own first",
                      STR_ARG(others_folders(edit, around)), plural_s(around->names.len),
                      STR_ARG(others_names(edit, around)), several ? "" : "s", several ? "each" : "that one");
}

/* Legitimate while a location is being renamed, so a warning. Not across namespaces: a Velero
 * serves its own only. */
static void check_shared(const struct location_edit *edit)
{
    struct location_others within = {.names = {0}}, around = {.names = {0}}, same = {.names = {0}};
    const struct storage_location asked = {.provider = json_get_str(edit->spec, "provider"),
                                           .bucket = json_path_str(edit->spec, "objectStorage.bucket"),
                                           .prefix = json_path_str(edit->spec, "objectStorage.prefix"),
                                           .config = json_get(edit->spec, "config")};
    if (!location_asks(edit, "objectStorage") && !location_asks(edit, "provider"))
        return;
    for (size_t i = 0; i < edit->inventory->count[FACT_STORAGE_LOCATIONS]; i++) {
        const struct storage_location *other = edit->inventory->storage_locations[i];
        if (!str_eq(other->meta.ns, edit->ns) || str_eq(other->meta.name, edit->name))
            continue;
        struct str inner = location_nested_folder(&asked, other), outer = location_nested_folder(other, &asked);
        if (inner.len)
            others_add(edit, &within, other, inner);
        if (outer.len)
            others_add(edit, &around, other, outer);
        if (location_same_place(&asked, other))
            others_add(edit, &same, other, STR(""));
    }
    warn_nested(edit, &within, &around);
    if (same.names.len)
        decision_warn(edit->decision,
                      "spec.objectStorage: BackupStorageLocation%s %.*s %s the same bucket and prefix: Velero lists "
                      "each backup under %s",
                      plural_s(same.names.len), STR_ARG(others_names(edit, &same)), same.names.len > 1 ? "have" : "has",
                      same.names.len > 1 ? "all of them" : "both");
}

/* Nothing less than zero is an error to Velero: it falls back on its default. Zero switches the
 * job off, which is legitimate and yet seldom meant, so the warning says what stops. */
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

/* Only the existence of a Secret is ever known from a cluster, its keys from files. */

/* Without both a name and a key there is nothing to read: an error. A missing Secret is a
 * warning, because a GitOps tool may apply the location before the Secret. A missing key in a
 * Secret whose keys are known is an error: that comes from files alone, where the Secret stands
 * beside the location. */
static void location_check_secret_reference(const struct location_edit *edit, const char *member, const char *field)
{
    struct arena *arena = edit->arena;
    const struct inventory *inventory = edit->inventory;
    struct json_object *reference = json_path(edit->spec, member);
    struct str name = json_get_str(reference, "name"), key = json_get_str(reference, "key");
    struct str name_at = arena_printf(arena, "%s.name", field), key_at = arena_printf(arena, "%s.key", field);
    if (!reference || !location_asks(edit, member) || !name_at.ptr || !key_at.ptr)
        return;
    if (name.len == 0)
        decision_required(edit->decision, name_at.ptr, "name the Secret in %.*s", STR_ARG(edit->ns));
    if (key.len == 0)
        decision_required(edit->decision, key_at.ptr, "name the key in the Secret that holds the file");
    if (name.len == 0 || key.len == 0 || !inventory->known[FACT_SECRETS])
        return;
    const struct secret *secret = inventory_secret(inventory, edit->ns, name);
    struct str quoted = arena_quote(arena, name);
    if (!secret) {
        /* What is known of Secrets lags behind the cluster, and Velero looks again every minute. */
        decision_warn(edit->decision,
                      "%s: there is no Secret %.*s in %.*s; the location stays Unavailable until there is", field,
                      STR_ARG(quoted), STR_ARG(edit->ns));
        return;
    }
    if (secret->keys.len == 0 || strlist_has(&secret->keys, key))
        return;
    decision_invalid(edit->decision, key_at.ptr, "%.*s: Secret %.*s has no such key; it has %.*s%.*s",
                     STR_ARG(arena_quote(arena, key)), STR_ARG(quoted), STR_ARG(strlist_quoted(arena, &secret->keys)),
                     STR_ARG(str_suggest(arena, key, secret->keys.items, secret->keys.len, "; ", "")));
}

/* Both lines, since a file that was cut off has only the first. */
static bool is_pem(struct str text)
{
    return str_contains(text, STR("-----BEGIN CERTIFICATE-----")) &&
           str_contains(text, STR("-----END CERTIFICATE-----"));
}

/* Between the two lines there is base64 of DER, which begins with a SEQUENCE. */
static bool holds_der(struct arena *arena, struct str text)
{
    const struct str begin = STR("-----BEGIN CERTIFICATE-----");
    size_t from = 0, to;
    while (from < text.len && !str_starts(str_slice(text, from, text.len), begin))
        from++;
    from += begin.len;
    for (to = from; to < text.len && text.ptr[to] != '-'; to++)
        ;
    struct str der = base64_decode(arena, str_trim(str_slice(text, from, to)));
    return der.len > 2 && der.ptr[0] == 0x30;
}

/* Credential, caCert and caCertRef. */
static void location_check_secrets(const struct location_edit *edit)
{
    location_check_secret_reference(edit, "credential", "spec.credential");
    location_check_secret_reference(edit, "objectStorage.caCertRef", "spec.objectStorage.caCertRef");
    /* By the mistakes that people make: PEM left plain, something that is no base64, base64 of
     * base64, a DER file, and a PEM file of something else. */
    const char *field = "spec.objectStorage.caCert";
    struct json_object *value = json_path(edit->spec, "objectStorage.caCert");
    struct str text = json_str(value);
    if (!value || !location_asks(edit, "objectStorage"))
        return;
    if (json_path(edit->spec, "objectStorage.caCertRef"))
        decision_forbidden(edit->decision, field, "Velero takes caCert or caCertRef, not both: keep caCertRef");
    if (text.len == 0 || !location_asks(edit, "objectStorage.caCert")) /* "" is none */
        return;
    struct str decoded = base64_decode(edit->arena, str_trim(text));
    if (is_pem(text))
        decision_invalid(edit->decision, field, "plain PEM must be base64-encoded: base64 -w0 ca.crt");
    else if (decoded.len == 0)
        decision_invalid(edit->decision, field, "not base64. Encode the PEM file of the CA: base64 -w0 ca.crt");
    else if (is_pem(base64_decode(edit->arena, str_trim(decoded))))
        decision_invalid(edit->decision, field, "encoded twice. Encode the PEM file once: base64 -w0 ca.crt");
    else if (!is_pem(decoded))
        decision_invalid(edit->decision, field,
                         "contains no PEM certificate (-----BEGIN CERTIFICATE-----). Convert a DER file first: openssl "
                         "x509 -inform der");
    else if (!holds_der(edit->arena, decoded))
        decision_invalid(edit->decision, field, "the PEM block does not contain a certificate");
}

/* An update whose old object is missing is judged as a creation: everything in it counts as new,
 * which is what the offline review has. */
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
    location_check_bucket(&edit);
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
