#include "policy/checks.h"
#include "policy/storage/storage.h"
#include "policy/velero/velero.h"

/* BackupStorageLocation: bucket, credential, access mode and default, by what Velero and its plugins accept. */

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
    struct str bucket = json_path_str(edit->spec, "objectStorage.bucket"), inner = location_trim_slashes(bucket);
    if (!edit->create && !location_asks(edit, "objectStorage.bucket"))
        return;
    struct str quoted = arena_quote(edit->arena, bucket), prefix = location_trim_slashes(without_scheme(bucket)), head;
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
    if (mode.len && !read_only && !str_is(mode, "ReadWrite"))
        decision_not_supported(edit->decision, "spec.accessMode", "%.*s: write ReadWrite or ReadOnly%.*s",
                               STR_ARG(arena_quote(edit->arena, mode)),
                               STR_ARG(str_suggest(edit->arena, mode, modes, LENGTH_OF(modes), "; ", "")));
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

/* velero issue 8918. `other` stays as it is, so it is named last if it is the one that breaks. */
static void warn_nested(const struct location_edit *edit, const struct storage_location *asked,
                        const struct storage_location *other)
{
    struct str within = location_nested_folder(asked, other), around = location_nested_folder(other, asked);
    struct str quoted = arena_quote(edit->arena, other->meta.name);
    if (within.len)
        decision_warn(
            edit->decision,
            "spec.objectStorage: BackupStorageLocation %.*s keeps its data in folder %.*s here, and Velero makes a "
            "location with folders of others Unavailable. Set a prefix for this one",
            STR_ARG(quoted), STR_ARG(arena_quote(edit->arena, within)));
    if (around.len)
        decision_warn(edit->decision,
                      "spec.objectStorage: prefix puts folder %.*s into BackupStorageLocation %.*s, which becomes "
                      "Unavailable with the first backup here. Give that one a prefix of its own first",
                      STR_ARG(arena_quote(edit->arena, around)), STR_ARG(quoted));
}

/* Legitimate while a location is being renamed, so a warning. Not across namespaces: a Velero
 * serves its own only. */
static void check_shared(const struct location_edit *edit)
{
    const struct storage_location asked = {.provider = json_get_str(edit->spec, "provider"),
                                           .bucket = json_path_str(edit->spec, "objectStorage.bucket"),
                                           .prefix = json_path_str(edit->spec, "objectStorage.prefix"),
                                           .config = json_get(edit->spec, "config")};
    if (!location_asks(edit, "objectStorage") && !location_asks(edit, "provider"))
        return;
    for (size_t i = 0; i < edit->inventory->count[FACT_STORAGE_LOCATIONS] && !said_enough(edit->decision); i++) {
        const struct storage_location *other = edit->inventory->storage_locations[i];
        if (!str_eq(other->meta.ns, edit->ns) || str_eq(other->meta.name, edit->name))
            continue;
        warn_nested(edit, &asked, other);
        if (location_same_place(&asked, other))
            decision_warn(edit->decision,
                          "spec.objectStorage: BackupStorageLocation %.*s has the same bucket and prefix: Velero lists "
                          "each backup under both",
                          STR_ARG(arena_quote(edit->arena, other->meta.name)));
    }
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

static void location_check_secrets(const struct location_edit *edit);

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

enum { NAMES_SHOWN = 6, COULD_NOT_TELL_RETRY = 5 };

/* Where a check of a location was asked for, and what its answer goes to. */
struct site {
    const struct storage_check *check;
    struct storage_target target;
    struct decision *decision;
    struct arena *arena;
};

/* How a fault is said: with the value that is wrong, or as one that is required; what
 * passes by itself, or may, is never more than a warning. */
static const enum {
    SAID_OF_VALUE,
    SAID_AS_REQUIRED,
    SAID_AS_WARNING
} manner[] = {
    [STORAGE_MISSING] = SAID_OF_VALUE,
    [STORAGE_NONE_AT_ALL] = SAID_AS_REQUIRED,
    [STORAGE_NO_DEFAULT] = SAID_AS_REQUIRED,
    [STORAGE_SEVERAL_DEFAULTS] = SAID_AS_REQUIRED,
    [STORAGE_UNMARKED_DEFAULT] = SAID_AS_WARNING,
    [STORAGE_NOT_VALIDATED] = SAID_AS_WARNING,
    [STORAGE_UNAVAILABLE] = SAID_OF_VALUE,
    [STORAGE_READ_ONLY] = SAID_OF_VALUE,
    [STORAGE_DELETING] = SAID_AS_WARNING,
};

/* Two settings may govern one finding, what is wrong and where it was found: the milder one
 * wins, so that a rule set to warn stays a warning wherever it is asked. */
static enum verdict verdict_milder(enum verdict a, enum verdict b)
{
    return a < b ? a : b;
}

/* 503 with a delay rather than a denial: the facts come back by themselves. */
static void judge_unknown(const struct site *site, enum verdict verdict)
{
    const struct storage_check *check = site->check;
    struct str what = check->name.len ? arena_quote(site->arena, check->name) : STR("the default one");
    struct str message =
        arena_printf(site->arena, "the BackupStorageLocations in %.*s are not known right now, so %.*s was not checked",
                     STR_ARG(site->target.ns), STR_ARG(what));
    if (verdict == VERDICT_DENY)
        decision_wait(site->decision, 503, COULD_NOT_TELL_RETRY, "%s: %.*s; try again in a moment", check->field,
                      STR_ARG(message));
    else if (verdict == VERDICT_WARN)
        decision_unchecked(site->decision, FACT_STORAGE_LOCATIONS, "%s: %.*s", check->field, STR_ARG(message));
}

static void storage_report_fault(const struct site *site, const struct storage_fault *fault)
{
    const struct storage_check *check = site->check;
    switch (manner[fault->kind]) {
    case SAID_OF_VALUE:
        judge_value(site->decision, check->unusable, check->field, check->name, "%.*s", STR_ARG(fault->says));
        break;
    case SAID_AS_REQUIRED:
        decision_judge(site->decision, check->unusable, FIELD_REQUIRED, check->field, "%.*s", STR_ARG(fault->says));
        break;
    case SAID_AS_WARNING:
        decision_caution(site->decision, "%s: %.*s", check->field, STR_ARG(fault->says));
        break;
    }
}

/* A backup goes to the location of this name on each regional cluster as well,
 * which this webhook does not see. */
static void mention_regions(const struct site *site)
{
    const struct inventory *inventory = site->target.inventory;
    struct strlist regions = {0};
    for (size_t i = 0; i < inventory->count[FACT_MANAGEMENT_BACKUPS]; i++) {
        const struct management_backup *backup = inventory->management_backups[i];
        for (size_t r = 0; r < backup->region_count && regions.len < NAMES_SHOWN; r++)
            if (backup->regions[r].region.len && !strlist_has(&regions, backup->regions[r].region))
                strlist_add(site->arena, &regions, backup->regions[r].region);
    }
    if (regions.len)
        decision_warn(site->decision, "%s: %s must also exist on the regional cluster%s %.*s, which was not checked",
                      site->check->field, site->check->name.len ? "a location of this name" : "a default location",
                      plural_s(regions.len), STR_ARG(strlist_quoted(site->arena, &regions)));
}

/* Several defaults end the check, for which one a backup will get cannot be known. Other faults
 * do not: what is said of durability stays true of a location that is Unavailable today. */
void check_storage(const struct storage_check *check, const struct request *request, const struct inventory *inventory,
                   const struct settings *settings, struct decision *decision)
{
    const struct site site = {
        .check = check,
        .target = {inventory, check->ns.len ? check->ns : settings->system_namespace, check->name},
        .decision = decision,
        .arena = request->arena};
    if (!inventory->known[FACT_STORAGE_LOCATIONS]) {
        judge_unknown(&site, verdict_milder(settings->storage_unknown, check->unusable));
        return;
    }
    const struct storage_faults faults = storage_find_faults(&site.target, site.arena);
    for (size_t i = 0; i < faults.count; i++) {
        storage_report_fault(&site, &faults.items[i]);
        if (faults.items[i].kind == STORAGE_SEVERAL_DEFAULTS) /* so none of them is judged */
            return;
    }
    if (!faults.location)
        return;
    /* A location that Velero reached a moment ago has its plugin, whatever its image is called. */
    enum { RECENT = 3600 };
    bool recent = faults.location->last_validated == 0 || request->now - faults.location->last_validated < RECENT;
    if (!storage_location_available(faults.location) || !recent)
        velero_warn_plugin(site.target.inventory, faults.location->meta.ns, site.check->field,
                           faults.location->provider, site.decision);
    /* The audit annotation is written whatever the verdict: it lets somebody tell from the audit log
     * alone where each backup went. */
    struct str lost = storage_lost(site.arena, faults.location, site.check->inside_means);
    if (lost.len)
        judge_value(site.decision, verdict_milder(settings->storage_not_durable, site.check->unusable),
                    site.check->field, site.check->name, "%.*s %.*s",
                    STR_ARG(storage_subject(&site.target, faults.location, site.arena)), STR_ARG(lost));
    decision_audit(site.decision, "storage", "%.*s (%s)", STR_ARG(faults.location->meta.name),
                   storage_class_name(storage_location_class(faults.location)));
    if (check->management) {
        const struct foreign_writer writer = policy_foreign_writer(site.target.inventory, settings, faults.location);
        if (writer.newest)
            judge_value(site.decision, verdict_milder(settings->storage_foreign_writer, site.check->unusable),
                        site.check->field, site.check->name, "%.*s %.*s. " FOREIGN_WRITER_FIX,
                        STR_ARG(storage_subject(&site.target, faults.location, site.arena)),
                        STR_ARG(policy_foreign_writer_reason(site.arena, &writer, request->now)));
    }
    if (!check->only_here)
        mention_regions(&site);
}
