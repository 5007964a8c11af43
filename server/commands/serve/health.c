/* The health of the cluster as gauges, computed from the cache when somebody asks for the metrics. */
#include <stdio.h>
#include <string.h>

#include "backstop/policy.h"
#include "backstop/telemetry.h"
#include "commands/serve/serve.h"

/* The last run here or in any region, or kcm's own error about it. A run that is under way is
 * neither good nor bad. */
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
    /* The same fact is reported by Velero's Backup and, a minute later, by the ManagementBackup; a Backup
     * that was deleted or has expired stays known by the latter. Another region's backup is not ours. */
    int64_t newest = 0;
    for (size_t i = 0; i < inventory->count[FACT_BACKUPS]; i++) {
        const struct backup *backup = inventory->backups[i];
        if (backup->identity.kind == BACKUP_MANAGEMENT && phase_is(backup->status.phase, PHASE_COMPLETED) &&
            backup->status.completed > newest)
            newest = backup->status.completed;
    }
    for (size_t i = 0; i < inventory->count[FACT_MANAGEMENT_BACKUPS]; i++) {
        const struct backup_status *last = &inventory->management_backups[i]->last_backup;
        if (phase_is(last->phase, PHASE_COMPLETED) && last->completed > newest)
            newest = last->completed;
    }
    metric_set(METRIC_BACKUP_COMPLETED, (double)newest, NULL);
}

/* The gate starts a new backup for the same upgrade when the first one failed; the names differ
 * in the time stamp alone. The failed one stays, and must not be waited for any more. */
static bool is_superseded(const struct inventory *inventory, const struct management_backup *backup)
{
    struct str base = policy_name_without_stamp(backup->meta.name);
    for (size_t i = 0; i < inventory->count[FACT_MANAGEMENT_BACKUPS]; i++) {
        const struct management_backup *other = inventory->management_backups[i];
        if (phase_is(other->last_backup.phase, PHASE_COMPLETED) && other->meta.created >= backup->meta.created &&
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

/* By phase, so that the sum is the number of locations. A phase that Velero may add later counts
 * as unknown. */
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

enum { PAGE_LIMIT = 1024 * 1024, VERSIONS_LIMIT = 64 * 1024 };

/* ---- checks ------------------------------------------------------------------- */

/* A check writes its reason; false takes the server out of the Service. What has a last
 * good state to fall back on is reported, not failed: a typo in a file must not stop the
 * webhook that guards the cluster. */
typedef bool check_fn(struct service *service, struct buf *reason);

static bool check_shutdown(struct service *service, struct buf *reason)
{
    if (!atomic_load(&service->stopping))
        return true;
    buf_puts(reason, "stopping: requests are still answered; send new ones elsewhere");
    return false;
}

static bool check_settings(struct service *service, struct buf *reason)
{
    char problem[sizeof service->settings.problem];
    if (settings_source_problem(&service->settings, problem, sizeof problem))
        buf_printf(reason, "the last good settings are still in use: %s", problem);
    return true;
}

static bool check_inventory(struct service *service, struct buf *reason)
{
    if (!service->facts) {
        buf_puts(reason, "no --inventory, --kubeconfig or cluster: objects of the cluster are unknown");
        return true;
    }
    size_t problems = facts_problems(service->facts);
    bool ready = facts_ready(service->facts);
    if (problems)
        buf_printf(reason, "%zu kind%s cannot be read now; see below", problems, problems == 1 ? "" : "s");
    else if (!ready)
        buf_puts(reason, "the cache is not synced yet; see below");
    return ready;
}

/* By which versions of Velero and k0rdent objects are judged, and who says so. */
static bool check_versions(struct service *service, struct buf *reason)
{
    ARENA_SCOPED arena = arena_new(VERSIONS_LIMIT);
    const struct inventory *inventory = serve_inventory(service, time_now());
    struct settings *settings = settings_source_get(&service->settings);
    if (arena && inventory && settings)
        buf_printf(reason, "%.*s", STR_ARG(serve_versions(arena, inventory, settings)));
    shared_release(settings ? &settings->shared : NULL);
    snapshot_release(inventory);
    return true;
}

/* Not a reason to be unready: that would leave the Service without a pod, and nothing better. */
static bool check_calls(struct service *service, struct buf *reason)
{
    (void)serve_calls_state(service, reason);
    return true;
}

static bool check_sandbox(struct service *service, struct buf *reason)
{
    buf_puts(reason, service->sandbox.words);
    return true;
}

static const struct {
    const char *name;
    check_fn *run;
} checks[] = {
    {"shutdown", check_shutdown}, {"certificate", serve_certificate_check},
    {"settings", check_settings}, {"inventory", check_inventory},
    {"versions", check_versions}, {"sandbox", check_sandbox},
    {"calls", check_calls},
};

static void write_fact(void *context, const char *name, enum facts_sync sync, const char *reason)
{
    buf_printf(context, "    [%c]%s%s%s\n", sync == FACTS_SYNCED ? '+' : '-', name, *reason ? ": " : "", reason);
}

/* The form of kube-apiserver's /readyz?verbose, which people know how to read. The kinds of the
 * inventory are listed only when asked for or when something is wrong. */
static void answer_ready(struct service *service, const struct http_request *request, struct http_reply *reply)
{
    bool ready = true, verbose = str_starts(request->query, STR("verbose"));
    BUF_SCOPED reason;
    buf_init(&reason, 4096);
    for (size_t i = 0; i < LENGTH_OF(checks); i++) {
        buf_clear(&reason);
        bool passed = checks[i].run(service, &reason);
        ready &= passed;
        if (verbose || !passed)
            buf_printf(&reply->body, "[%c]%s %s%s%.*s\n", passed ? '+' : '-', checks[i].name, passed ? "ok" : "failed",
                       reason.len ? ": " : "", STR_ARG(buf_str(&reason)));
    }
    if (service->facts && (verbose || !ready))
        facts_report(service->facts, write_fact, &reply->body);
    buf_puts(&reply->body, ready ? verbose ? "readyz check passed\n" : "ok" : "readyz check failed\n");
    reply->status = ready ? 200 : 503;
}

/* Always: a restart repairs nothing that this process does not repair itself, and a liveness
 * probe that fails under load would end the webhook when it is needed most. */
static void answer_live(struct service *service, const struct http_request *request, struct http_reply *reply)
{
    (void)service;
    (void)request;
    reply->status = 200;
    buf_puts(&reply->body, "ok");
}

/* ---- metrics ------------------------------------------------------------------ */

static void answer_metrics(struct service *service, const struct http_request *request, struct http_reply *reply)
{
    if (!request->may_wait && !request->overloaded) { /* the verdicts take some milliseconds */
        reply->later = true;
        return;
    }
    const struct inventory *inventory = serve_inventory(service, time_now());
    if (inventory) {
        /* A kind that is no longer known (its CRD or its file is gone) has no value: the last one would be a lie. */
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
    if (service->facts)
        metric_set(METRIC_INVENTORY_PROBLEMS, (double)facts_problems(service->facts), NULL);
    metric_set(METRIC_BUILD_INFO, 1, BACKSTOP_VERSION);
    reply->status = 200;
    reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
    serve_write_metrics(service, request->may_wait ? inventory : NULL, &reply->body);
    snapshot_release(inventory);
}

/* ---- pages -------------------------------------------------------------------- */

static const struct {
    const char *path;
    void (*answer)(struct service *service, const struct http_request *request, struct http_reply *reply);
} pages[] = {
    {"/livez", answer_live},
    {"/readyz", answer_ready},
    {"/metrics", answer_metrics},
    {"/", serve_page_answer},
};

/* Whatever is asked, this listener answers from memory; only the page and the metrics take a
 * while, and a worker. */
void serve_health(void *context, const struct http_request *request, struct http_reply *reply)
{
    buf_init(&reply->body, PAGE_LIMIT);
    reply->content_type = "text/plain; charset=utf-8";
    if (!str_is(request->method, "GET") && !str_is(request->method, "HEAD")) {
        reply->allow = "GET, HEAD";
        reply->status = 405;
        buf_puts(&reply->body, "only GET and HEAD are answered here\n");
        return;
    }
    if (request->content_encoding.ptr) {
        reply->status = 415;
        buf_puts(&reply->body, "Content-Encoding is not supported\n");
        return;
    }
    for (size_t i = 0; i < LENGTH_OF(pages); i++) {
        bool served = pages[i].answer != serve_page_answer || ((struct service *)context)->page;
        if (served && str_is(request->path, pages[i].path)) {
            pages[i].answer(context, request, reply);
            return;
        }
    }
    reply->status = 404;
    buf_puts(&reply->body, "not found; there are /livez, /readyz and /metrics\n");
}
