/* The health of the cluster as gauges, computed from the cache when somebody asks for the metrics. */
#include "backstop/policy.h"
#include "backstop/telemetry.h"
#include "commands/serve/serve.h"

static bool is_completed(const struct backup_status *status)
{
    return phase_is(status->phase, PHASE_COMPLETED);
}

/* The same fact is told by Velero's Backup and, a minute later, by the ManagementBackup; a Backup
 * that was deleted or has expired stays known by the latter. Another region's backup is not ours. */
static int64_t newest_completion(const struct inventory *inventory)
{
    int64_t newest = 0;
    for (size_t i = 0; i < inventory->count[FACT_BACKUPS]; i++) {
        const struct backup *backup = inventory->backups[i];
        if (backup->identity.kind == BACKUP_MANAGEMENT && is_completed(&backup->status) &&
            backup->status.completed > newest)
            newest = backup->status.completed;
    }
    for (size_t i = 0; i < inventory->count[FACT_MANAGEMENT_BACKUPS]; i++) {
        const struct backup_status *last = &inventory->management_backups[i]->last_backup;
        if (is_completed(last) && last->completed > newest)
            newest = last->completed;
    }
    return newest;
}

static bool is_failing(const struct management_backup *backup)
{
    bool bad = backup->error.len || phase_has_failed(backup->last_backup.phase);
    for (size_t i = 0; i < backup->region_count; i++)
        bad |= backup->regions[i].error.len || phase_has_failed(backup->regions[i].backup.phase);
    return bad;
}

static void set_backups(const struct inventory *inventory)
{
    size_t scheduled = 0, failing = 0;
    for (size_t i = 0; i < inventory->count[FACT_MANAGEMENT_BACKUPS]; i++) {
        const struct management_backup *backup = inventory->management_backups[i];
        scheduled += backup->schedule.len > 0;
        failing += backup->schedule.len > 0 && is_failing(backup);
    }
    metric_set(METRIC_BACKUPS_SCHEDULED, (double)scheduled, NULL);
    metric_set(METRIC_BACKUPS_FAILING, (double)failing, NULL);
    metric_set(METRIC_BACKUP_COMPLETED, (double)newest_completion(inventory), NULL);
}

static bool is_superseded(const struct inventory *inventory, const struct management_backup *backup)
{
    struct str base = policy_name_without_stamp(backup->meta.name);
    for (size_t i = 0; i < inventory->count[FACT_MANAGEMENT_BACKUPS]; i++) {
        const struct management_backup *other = inventory->management_backups[i];
        if (is_completed(&other->last_backup) && other->meta.created >= backup->meta.created &&
            str_eq(other->release, backup->release) && str_eq(policy_name_without_stamp(other->meta.name), base))
            return true;
    }
    return false;
}

/* Since when the oldest pre-upgrade backup of the running release is wanted and not Completed. */
static int64_t upgrade_waits_since(const struct inventory *inventory)
{
    const struct management *management = inventory_management(inventory);
    int64_t since = 0;
    for (size_t i = 0; management && i < inventory->count[FACT_MANAGEMENT_BACKUPS]; i++) {
        const struct management_backup *backup = inventory->management_backups[i];
        bool waits = management->status_release.len && str_eq(backup->release, management->status_release) &&
                     !backup->meta.deleting && !is_superseded(inventory, backup);
        if (waits && (since == 0 || backup->meta.created < since))
            since = backup->meta.created;
    }
    return since;
}

static void set_locations(const struct inventory *inventory)
{
    enum { AVAILABLE, UNAVAILABLE, UNKNOWN, PHASES };
    static const char *const names[PHASES] = {"Available", "Unavailable", "Unknown"};
    size_t counts[PHASES] = {0};
    for (size_t i = 0; i < inventory->count[FACT_STORAGE_LOCATIONS]; i++) {
        struct str phase = inventory->storage_locations[i]->phase;
        size_t at = AVAILABLE;
        while (at < UNKNOWN && !str_is(phase, names[at]))
            at++;
        counts[at]++;
    }
    for (size_t i = 0; i < PHASES; i++)
        if (inventory->known[FACT_STORAGE_LOCATIONS])
            metric_set(METRIC_STORAGE_LOCATIONS, (double)counts[i], names[i]);
        else
            metric_clear(METRIC_STORAGE_LOCATIONS, names[i]);
}

/* A kind that is no longer known (its CRD or its file is gone) has no value: the last one would be a lie. */
void serve_gauges(const struct inventory *inventory)
{
    bool backups = inventory->known[FACT_MANAGEMENT_BACKUPS];
    for (size_t i = 0; i < FACT_COUNT; i++)
        if (inventory->known[i])
            metric_set(METRIC_INVENTORY_OBJECTS, (double)inventory->count[i], fact_kinds[i].resource.kind.ptr);
        else
            metric_clear(METRIC_INVENTORY_OBJECTS, fact_kinds[i].resource.kind.ptr);
    set_locations(inventory);
    if (backups) {
        set_backups(inventory);
    } else {
        metric_clear(METRIC_BACKUPS_SCHEDULED, NULL);
        metric_clear(METRIC_BACKUPS_FAILING, NULL);
        metric_clear(METRIC_BACKUP_COMPLETED, NULL);
    }
    if (backups && inventory->known[FACT_MANAGEMENTS])
        metric_set(METRIC_UPGRADE_WAITS, (double)upgrade_waits_since(inventory), NULL);
    else
        metric_clear(METRIC_UPGRADE_WAITS, NULL);
}
