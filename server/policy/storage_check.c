#include "checks.h"

/* Mirrors velero pkg/controller/backup_controller.go prepareBackupRequest: a Backup
 * ends in FailedValidation when its location does not exist, is not Available, or
 * is ReadOnly. */

enum { NAMES_SHOWN = 6, NAMES_COMPARED = 500, COULD_NOT_TELL_RETRY = 5 };

struct site {
    const struct storage_check *check;
    const struct inventory *inventory;
    struct str ns;
    struct decision *decision;
    struct arena *arena;
};

static enum verdict milder(enum verdict a, enum verdict b)
{
    return a < b ? a : b;
}

static void judge_unknown(const struct site *site, enum verdict verdict)
{
    const struct storage_check *check = site->check;
    struct str what = check->name.len ? arena_quote(site->arena, check->name) : STR("the default one");
    struct str message =
        arena_printf(site->arena, "the BackupStorageLocations in %.*s are not known right now, so %.*s was not checked",
                     STR_ARG(site->ns), STR_ARG(what));
    if (verdict == VERDICT_DENY)
        decision_wait(site->decision, 503, COULD_NOT_TELL_RETRY, "%s: %.*s; try again in a moment", check->field,
                      STR_ARG(message));
    else if (verdict == VERDICT_WARN)
        decision_warn(site->decision, "%s: %.*s", check->field, STR_ARG(message));
}

/* The names there are, as far as they help to correct the one asked for. */
static struct str others(const struct site *site)
{
    struct arena *arena = site->arena;
    const struct inventory *inventory = site->inventory;
    struct strlist names = {0};
    for (size_t i = 0; i < inventory->count[FACT_STORAGE_LOCATIONS] && names.len < NAMES_COMPARED; i++)
        if (str_eq(inventory->storage_locations[i]->meta.ns, site->ns))
            strlist_add(arena, &names, inventory->storage_locations[i]->meta.name);
    if (names.len == 0)
        return STR("; there is none at all yet, create one first");
    struct str near = str_nearest(site->check->name, names.items, names.len);
    struct str text = {NULL, 0};
    if (near.len)
        text = arena_printf(arena, "; did you mean %.*s?", STR_ARG(arena_quote(arena, near)));
    if (names.len > NAMES_SHOWN)
        return near.len ? text
                        : arena_printf(arena, "; see kubectl -n %.*s get backupstoragelocations", STR_ARG(site->ns));
    if (near.len && names.len == 1)
        return text;
    return arena_printf(arena, "%.*s%s %s %.*s", STR_ARG(text), near.len ? " There" : "; there",
                        names.len == 1 ? "is only" : "are", STR_ARG(strlist_quoted(arena, &names)));
}

static void judge_missing(const struct site *site)
{
    struct str wanted = site->check->name, elsewhere = {NULL, 0};
    const struct inventory *inventory = site->inventory;
    for (size_t i = 0; i < inventory->count[FACT_STORAGE_LOCATIONS]; i++)
        if (str_eq(inventory->storage_locations[i]->meta.name, wanted))
            elsewhere = arena_printf(site->arena, " (the one in %.*s is out of reach for kcm and Velero)",
                                     STR_ARG(arena_quote(site->arena, inventory->storage_locations[i]->meta.ns)));
    judge_value(site->decision, site->check->unusable, site->check->field, wanted,
                "no BackupStorageLocation %.*s in %.*s%.*s%.*s", STR_ARG(arena_quote(site->arena, wanted)),
                STR_ARG(site->ns), STR_ARG(elsewhere), STR_ARG(others(site)));
}

static bool any_here(const struct site *site)
{
    for (size_t i = 0; i < site->inventory->count[FACT_STORAGE_LOCATIONS]; i++)
        if (str_eq(site->inventory->storage_locations[i]->meta.ns, site->ns))
            return true;
    return false;
}

/* Velero keeps the newest of several defaults and clears the others, at a time of
 * its own: which one a backup gets is then a matter of luck. */
static const struct storage_location *find_default(const struct site *site)
{
    size_t defaults = 0;
    const struct storage_location *location = inventory_default_location(site->inventory, site->ns, &defaults);
    if (defaults == 1)
        return location;
    if (location && defaults == 0) {
        decision_warn(
            site->decision,
            "%s: no BackupStorageLocation is the default; Velero takes the one named \"default\" unless it was "
            "told otherwise",
            site->check->field);
        return location;
    }
    enum verdict verdict = site->check->unusable;
    const char *required = verdict == VERDICT_DENY ? "Required value: " : "";
    if (defaults == 0 && !any_here(site)) {
        decision_judge(site->decision, verdict, site->check->field,
                       "%sthere is no BackupStorageLocation in %.*s yet; create one first", required,
                       STR_ARG(site->ns));
        return NULL;
    }
    if (defaults == 0) {
        decision_judge(site->decision, verdict, site->check->field,
                       "%sno BackupStorageLocation in %.*s is the default, so the one to use must be named%.*s",
                       required, STR_ARG(site->ns), STR_ARG(others(site)));
        return NULL;
    }
    struct strlist names = {0};
    for (size_t i = 0; i < site->inventory->count[FACT_STORAGE_LOCATIONS] && names.len < NAMES_SHOWN; i++) {
        const struct storage_location *each = site->inventory->storage_locations[i];
        if (each->is_default && str_eq(each->meta.ns, site->ns))
            strlist_add(site->arena, &names, each->meta.name);
    }
    decision_judge(site->decision, verdict, site->check->field,
                   "%s%zu BackupStorageLocations are marked as the default (%.*s): name the one to use", required,
                   defaults, STR_ARG(strlist_quoted(site->arena, &names)));
    return NULL;
}

/* `BackupStorageLocation "gone" is Unavailable`, or with "the default" before it. */
static struct str subject(const struct site *site, const struct storage_location *location)
{
    return arena_printf(site->arena, "%sBackupStorageLocation %.*s", site->check->name.len ? "" : "the default ",
                        STR_ARG(arena_quote(site->arena, location->meta.name)));
}

/* Velero's message begins by naming the location once more. */
static struct str bare_message(const struct storage_location *location)
{
    struct str message = str_trim(location->message), head = message;
    if (!str_starts(message, STR("BackupStorageLocation ")) || !str_contains(message, STR(" is unavailable: ")))
        return message;
    size_t at = 0;
    while (!str_starts(str_slice(head, at, head.len), STR(" is unavailable: ")))
        at++;
    return str_slice(message, at + sizeof(" is unavailable: ") - 1, message.len);
}

static void judge_usable(const struct site *site, const struct storage_location *location)
{
    const struct storage_check *check = site->check;
    struct arena *arena = site->arena;
    struct str who = subject(site, location), message = bare_message(location);
    if (location->phase.len == 0)
        decision_warn(site->decision,
                      "%s: %.*s is not validated by Velero yet; backups to it fail until it is Available", check->field,
                      STR_ARG(who));
    else if (!str_is(location->phase, "Available"))
        judge_value(site->decision, check->unusable, check->field, check->name,
                    "%.*s is %.*s%s%.*s%s: every backup to it fails. Check its bucket, config and credential, or name "
                    "another one",
                    STR_ARG(who), STR_ARG(str_slice(location->phase, 0, 40)), message.len ? " (" : "",
                    STR_ARG(message.len ? arena_quote(arena, message) : message), message.len ? ")" : "");
    if (str_is(location->access_mode, "ReadOnly"))
        judge_value(site->decision, check->unusable, check->field, check->name,
                    "%.*s is read-only (spec.accessMode): no backup can be written to it. Name another one, or make it "
                    "ReadWrite",
                    STR_ARG(who));
    if (location->meta.deleting)
        decision_warn(site->decision, "%s: %.*s is being deleted", check->field, STR_ARG(who));
}

static const struct {
    const char *name, *lost; /* lost: how it goes down with the cluster; NULL where it does not */
} classes[] = {
    [STORAGE_EXTERNAL] = {"external", NULL},
    [STORAGE_IN_CLUSTER_S3] = {"in-cluster S3", "keeps its backups in an S3 service of this cluster"},
    [STORAGE_PVC] = {"persistent volume", "keeps its backups on a persistent volume of this cluster"},
    [STORAGE_HOST_PATH] = {"host path", "keeps its backups on the disk of a node"},
    [STORAGE_NFS] = {"NFS", NULL},
};

const char *storage_class_lost(enum storage_class class, const char **name)
{
    if (name)
        *name = classes[class].name;
    return classes[class].lost;
}

static void judge_durable(const struct site *site, const struct settings *settings,
                          const struct storage_location *location)
{
    enum storage_class class = storage_location_class(location);
    if (classes[class].lost)
        judge_value(site->decision, milder(settings->storage_not_durable, site->check->unusable), site->check->field,
                    site->check->name, "%.*s %s: if the cluster is lost, so are they", STR_ARG(subject(site, location)),
                    classes[class].lost);
    decision_audit(site->decision, "storage", "%.*s (%s)", STR_ARG(location->meta.name), classes[class].name);
}

/* A backup goes to the location of this name on each regional cluster as well,
 * which this webhook does not see. */
static void mention_regions(const struct site *site)
{
    struct strlist regions = {0};
    for (size_t i = 0; i < site->inventory->count[FACT_MANAGEMENT_BACKUPS]; i++) {
        const struct management_backup *backup = site->inventory->management_backups[i];
        for (size_t r = 0; r < backup->region_count && regions.len < NAMES_SHOWN; r++)
            if (backup->regions[r].region.len && !strlist_has(&regions, backup->regions[r].region))
                strlist_add(site->arena, &regions, backup->regions[r].region);
    }
    if (regions.len)
        decision_warn(site->decision, "%s: %s must also exist on the regional cluster%s %.*s, which was not checked",
                      site->check->field, site->check->name.len ? "a location of this name" : "a default location",
                      regions.len == 1 ? "" : "s", STR_ARG(strlist_quoted(site->arena, &regions)));
}

void check_storage(const struct storage_check *check, const struct request *request, const struct inventory *inventory,
                   const struct settings *settings, struct decision *decision)
{
    struct site site = {check, inventory, check->ns.len ? check->ns : settings->system_namespace, decision,
                        request->arena};
    if (!inventory->known[FACT_STORAGE_LOCATIONS]) {
        judge_unknown(&site, milder(settings->storage_unknown, check->unusable));
        return;
    }
    const struct storage_location *location =
        check->name.len ? inventory_storage_location(inventory, site.ns, check->name) : find_default(&site);
    if (!location) {
        if (check->name.len)
            judge_missing(&site);
        return;
    }
    judge_usable(&site, location);
    judge_durable(&site, settings, location);
    if (!check->only_here)
        mention_regions(&site);
}
