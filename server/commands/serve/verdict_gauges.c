/* The verdicts of `status` as gauges, judged when somebody asks for the metrics: never for a review. */
#include "backstop/status.h"
#include "backstop/telemetry.h"
#include "commands/serve/serve.h"

enum { MEMORY_LIMIT = 64 * 1024 * 1024, NAMED = 100 /* ManagementBackups, as metrics.def says */ };

static const enum metric_id gauges[] = {METRIC_RECOVERY_AGE, METRIC_RECOVERY_OBJECTIVE, METRIC_RESTORABLE,
                                        METRIC_VERDICT, METRIC_BACKUP_BLOCKED};
static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER; /* of those, and of all that is written meanwhile */

static void set_recovery(const struct status_recovery *recovery, const char *name)
{
    metric_set(METRIC_RESTORABLE, recovery->point != NULL, name);
    if (recovery->point)
        metric_set(METRIC_RECOVERY_AGE, (double)recovery->age, name);
    if (recovery->objective)
        metric_set(METRIC_RECOVERY_OBJECTIVE, (double)recovery->objective, name);
}

static void set_blocked(const struct status_view *view)
{
    size_t counts[CAUSE_COUNT] = {0};
    for (size_t i = 0; i < view->finding_count; i++) {
        const struct status_finding *finding = &view->findings[i];
        if ((finding->blocks | finding->risks) & STATUS_BLOCKS_BACKUP)
            counts[finding->cause] += finding->object_count;
    }
    for (size_t i = 0; i < CAUSE_COUNT; i++)
        if (counts[i])
            metric_set(METRIC_BACKUP_BLOCKED, (double)counts[i], status_causes[i].name);
}

/* What is not known has no value: the last one would be a lie. */
static void set_verdicts(const struct status_view *view)
{
    size_t named = 0;
    metric_set(METRIC_VERDICT, (double)view->restore.grade, "restore");
    metric_set(METRIC_VERDICT, (double)view->runs.grade, "backups");
    set_blocked(view);
    if (!view->inventory->known[FACT_BACKUPS] || !view->inventory->known[FACT_STORAGE_LOCATIONS])
        return;
    set_recovery(&view->recovery, "");
    for (size_t i = 0; i < view->backup_count && named < NAMED; i++) {
        const struct status_backup *backup = &view->backups[i];
        if (backup->kind != STATUS_SCHEDULED || backup->object->meta.deleting)
            continue;
        struct str name = arena_copy(view->arena, backup->object->meta.name);
        if (name.len) /* else out of memory */
            set_recovery(&backup->recovery, name.ptr);
        named++;
    }
}

void serve_write_metrics(struct service *service, const struct inventory *inventory, struct buf *out)
{
    struct settings *settings = inventory ? settings_source_get(&service->settings) : NULL;
    ARENA_SCOPED arena = settings ? arena_new(MEMORY_LIMIT) : NULL;
    struct status_view view = {.arena = arena,
                               .now = time_now(),
                               .from = str_from(service->from),
                               .inventory = inventory,
                               .settings = settings};
    bool judged = arena && status_fill(&view, STR(""));
    pthread_mutex_lock(&writing);
    for (size_t i = 0; judged && i < LENGTH_OF(gauges); i++)
        metric_forget(gauges[i]);
    if (judged)
        set_verdicts(&view);
    metrics_write(out);
    pthread_mutex_unlock(&writing);
    shared_release(settings ? &settings->shared : NULL);
}
