/* Only the existence of a Secret is ever known from a cluster, its keys from files. */
#include "policy/checks.h"
#include "policy/storage/location.h"
#include "policy/storage/storage.h"
#include "policy/velero/installed.h"

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
    struct str near = str_nearest(key, secret->keys.items, secret->keys.len);
    decision_invalid(edit->decision, key_at.ptr, "%.*s: Secret %.*s has no such key; it has %.*s%s%.*s%s",
                     STR_ARG(arena_quote(arena, key)), STR_ARG(quoted), STR_ARG(strlist_quoted(arena, &secret->keys)),
                     near.len ? "; did you mean " : "", STR_ARG(near), near.len ? "?" : "");
}

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

static void check_ca(const struct location_edit *edit)
{
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

void location_check_secrets(const struct location_edit *edit)
{
    location_check_secret_reference(edit, "credential", "spec.credential");
    location_check_secret_reference(edit, "objectStorage.caCertRef", "spec.objectStorage.caCertRef");
    check_ca(edit);
}

enum { NAMES_SHOWN = 6, COULD_NOT_TELL_RETRY = 5 };

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

static enum verdict verdict_milder(enum verdict a, enum verdict b)
{
    return a < b ? a : b;
}

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

static void judge_durable(const struct site *site, const struct settings *settings,
                          const struct storage_location *location)
{
    struct str lost = storage_lost(site->arena, location, site->check->inside_means);
    if (lost.len)
        judge_value(site->decision, verdict_milder(settings->storage_not_durable, site->check->unusable),
                    site->check->field, site->check->name, "%.*s %.*s",
                    STR_ARG(storage_subject(&site->target, location, site->arena)), STR_ARG(lost));
    decision_audit(site->decision, "storage", "%.*s (%s)", STR_ARG(location->meta.name),
                   storage_class_name(storage_location_class(location)));
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
                      regions.len == 1 ? "" : "s", STR_ARG(strlist_quoted(site->arena, &regions)));
}

/* A location that Velero reached a moment ago has its plugin, whatever its image is called. */
static void warn_of_plugin(const struct site *site, int64_t now, const struct storage_location *location)
{
    enum { RECENT = 3600 };
    bool recent = location->last_validated == 0 || now - location->last_validated < RECENT;
    if (!str_is(location->phase, "Available") || !recent)
        velero_warn_plugin(site->target.inventory, location->meta.ns, site->check->field, location->provider,
                           site->decision);
}

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
    warn_of_plugin(&site, request->now, faults.location);
    judge_durable(&site, settings, faults.location);
    if (!check->only_here)
        mention_regions(&site);
}
