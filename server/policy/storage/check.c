/* The location that another object names, or Velero's default: whether backups can go there, and outlive the cluster. */
#include "policy/checks.h"
#include "policy/storage/storage.h"
#include "policy/velero/velero.h"

enum { NAMES_SHOWN = 6, COULD_NOT_TELL_RETRY = 5 };

/* Where a check of a location was asked for, and what its answer goes to. */
struct site {
    const struct storage_check *check;
    struct storage_target target;
    struct decision *decision;
    struct arena *arena;
};

/* How a fault is reported: with the value that is wrong, or as one that is required; what
 * passes by itself, or may, is never more than a warning. */
static const enum {
    FAULT_OF_VALUE,
    FAULT_REQUIRED,
    FAULT_CAUTION
} fault_manner[] = {
    [STORAGE_MISSING] = FAULT_OF_VALUE,         [STORAGE_NONE_AT_ALL] = FAULT_REQUIRED,
    [STORAGE_NO_DEFAULT] = FAULT_REQUIRED,      [STORAGE_SEVERAL_DEFAULTS] = FAULT_REQUIRED,
    [STORAGE_UNMARKED_DEFAULT] = FAULT_CAUTION, [STORAGE_NOT_VALIDATED] = FAULT_CAUTION,
    [STORAGE_UNAVAILABLE] = FAULT_OF_VALUE,     [STORAGE_READ_ONLY] = FAULT_OF_VALUE,
    [STORAGE_DELETING] = FAULT_CAUTION,
};

/* Two settings may govern one finding, what is wrong and where it was found: the milder one
 * wins, so that a rule set to warn stays a warning wherever it is asked. */
static enum verdict verdict_milder(enum verdict a, enum verdict b)
{
    return a < b ? a : b;
}

/* 503 with a delay rather than a denial: the cache recovers by itself. */
static void storage_report_unknown(const struct site *site, enum verdict verdict)
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
    switch (fault_manner[fault->kind]) {
    case FAULT_OF_VALUE:
        judge_value(site->decision, check->unusable, check->field, check->name, "%.*s", STR_ARG(fault->says));
        break;
    case FAULT_REQUIRED:
        decision_judge(site->decision, check->unusable, FIELD_REQUIRED, check->field, "%.*s", STR_ARG(fault->says));
        break;
    case FAULT_CAUTION:
        decision_caution(site->decision, "%s: %.*s", check->field, STR_ARG(fault->says));
        break;
    }
}

/* A backup goes to the location of this name on each regional cluster as well,
 * which this webhook does not see. */
static void storage_warn_regions(const struct site *site)
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
        storage_report_unknown(&site, verdict_milder(settings->storage_unknown, check->unusable));
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
        storage_warn_regions(&site);
}
