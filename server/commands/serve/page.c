#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backstop/status.h"
#include "backstop/telemetry.h"
#include "commands/serve/serve.h"

/* The status page, read-only, at / of the plain listener. Whoever reaches the port may
 * read it: so nothing of a Secret is ever among the facts, and people's names are asked for
 * separately. One page is made at a time, on a worker thread, so that probes are answered
 * meanwhile; it serves everybody for a moment. */

enum {
    MEMORY_LIMIT = 64 * 1024 * 1024,
    PAGE_LIMIT = 4 * 1024 * 1024,
    REASON_LIMIT = 4096,
    SYNCS = 64,
    POLICY_LIMIT = 512,
    RETRY = 2
};
static const int64_t fresh_ns = INT64_C(2000000000);

/* The headers forbid what the page does not do: it has no scripts, loads nothing and is framed
 * by nobody. */
bool serve_page_open(struct service *service, bool users, struct error *error)
{
    struct status_page *page = calloc(1, sizeof *page);
    BUF_SCOPED policy;
    buf_init(&policy, POLICY_LIMIT);
    status_html_policy(&policy);
    if (!page || policy.failed) {
        free(page);
        return error_set(error, 0, "out of memory");
    }
    snprintf(page->policy, sizeof page->policy, "%s", policy.data);
    const struct http_header headers[LENGTH_OF(page->headers)] = {
        {"Refresh", "60"}, /* only where it is asked for: pages that reload by themselves disturb readers */
        {"Content-Security-Policy", page->policy},
        {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},
        {"X-Frame-Options", "DENY"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Cache-Control", "no-store"},
    };
    memcpy(page->headers, headers, sizeof headers);
    pthread_mutex_init(&page->lock, NULL);
    pthread_mutex_init(&page->decisions.lock, NULL);
    page->decisions.users = users;
    buf_init(&page->body, PAGE_LIMIT);
    service->page = page;
    return true;
}

void serve_page_close(struct service *service)
{
    struct status_page *page = service->page;
    if (!page)
        return;
    service->page = NULL;
    buf_dispose(&page->body);
    pthread_mutex_destroy(&page->lock);
    pthread_mutex_destroy(&page->decisions.lock);
    free(page);
}

/* ---- making a page --------------------------------------------------------------- */

/* Kinds of the inventory beyond the limit are left out of the page; there are far fewer than
 * that. */
struct syncs {
    struct arena *arena;
    struct status_sync items[SYNCS];
    size_t count;
};

static void keep_sync(void *context, const char *name, enum facts_sync sync, const char *reason)
{
    struct syncs *syncs = context;
    if (syncs->count == SYNCS)
        return;
    syncs->items[syncs->count++] = (struct status_sync){.name = arena_copy(syncs->arena, str_from(name)),
                                                        .reason = arena_copy(syncs->arena, str_from(reason)),
                                                        .synced = sync >= FACTS_SYNCED};
}

/* All that the page borrows lives in one arena, freed when the text is done. False when that
 * arena was too small: a page that lacks something would look complete. */
static bool page_make(struct service *service, const struct inventory *inventory, const struct settings *settings,
                      struct buf *out)
{
    ARENA_SCOPED arena = arena_new(MEMORY_LIMIT);
    struct syncs syncs = {.arena = arena};
    struct status_serving serving = {0};
    if (!arena || !inventory || !settings)
        return false;
    char problem[sizeof service->settings.problem];
    BUF_SCOPED reason;
    buf_init(&reason, REASON_LIMIT);
    serving.certificate_good = serve_certificate_check(service, &reason);
    serving.certificate = arena_copy(arena, buf_str(&reason));
    buf_clear(&reason);
    enum webhook_calls calls = serve_calls_state(service, &reason);
    serving.called = calls == WEBHOOK_CALLED;
    serving.not_called = calls == WEBHOOK_NOT_CALLED;
    serving.calls = arena_copy(arena, buf_str(&reason));
    if (settings_source_problem(&service->settings, problem, sizeof problem))
        serving.settings = arena_copy(arena, str_from(problem));
    if (service->facts)
        facts_report(service->facts, keep_sync, &syncs);
    serving.facts = syncs.items;
    serving.fact_count = syncs.count;
    serving.decisions = decisions_list(&service->page->decisions, arena, &serving.decision_count);
    struct status_view view = {.arena = arena,
                               .now = time_now(),
                               .from = str_from(service->from),
                               .files = strcmp(service->from, "files") == 0,
                               .inventory = inventory,
                               .settings = settings,
                               .serving = &serving};
    if (!status_fill(&view, STR("")))
        return false;
    status_html(&view, true, out);
    return !out->failed && !arena_failed(arena);
}

/* Made outside the lock, so that those who ask meanwhile get the last page; only the exchange is
 * guarded. */
static bool page_remake(struct service *service)
{
    struct status_page *page = service->page;
    struct buf fresh;
    buf_init(&fresh, PAGE_LIMIT);
    struct settings *settings = settings_source_get(&service->settings);
    const struct inventory *inventory = settings ? serve_inventory_shown(service, settings, time_now()) : NULL;
    bool made = page_make(service, inventory, settings, &fresh);
    snapshot_release(inventory);
    shared_release(settings ? &settings->shared : NULL);
    if (!made) {
        buf_dispose(&fresh);
        return false;
    }
    pthread_mutex_lock(&page->lock);
    struct buf old = page->body;
    page->body = fresh;
    page->made_ns = time_monotonic_ns();
    pthread_mutex_unlock(&page->lock);
    buf_dispose(&old);
    return true;
}

/* ---- answering ----------------------------------------------------------------------- */

/* Two seconds: many viewers cost one page, and nobody sees an old one. */
static bool answer_fresh(struct status_page *page, struct http_reply *reply)
{
    pthread_mutex_lock(&page->lock);
    bool fresh = page->made_ns && time_monotonic_ns() - page->made_ns < fresh_ns;
    if (fresh)
        buf_add(&reply->body, buf_str(&page->body));
    pthread_mutex_unlock(&page->lock);
    if (fresh) {
        reply->status = 200;
        reply->content_type = "text/html; charset=utf-8";
    }
    return fresh;
}

void serve_page_answer(struct service *service, const struct http_request *request, struct http_reply *reply)
{
    struct status_page *page = service->page;
    buf_dispose(&reply->body);
    buf_init(&reply->body, PAGE_LIMIT);
    reply->headers = str_starts(request->query, STR("refresh")) ? page->headers : page->headers + 1;
    if (answer_fresh(page, reply))
        return;
    if (request->overloaded) {
        reply->status = 429;
        reply->retry_after = RETRY;
        buf_puts(&reply->body, "too many look at this page at once; try again in a moment\n");
    } else if (!request->may_wait) {
        reply->later = true;
    } else if (!page_remake(service) || !answer_fresh(page, reply)) {
        reply->status = 503;
        buf_puts(&reply->body, "the page cannot be made: it needs more memory than it is granted. "
                               "`backstop status` says the same in a terminal\n");
    }
}

/* The verdicts of `status` as gauges, judged when somebody asks for the metrics: never for a review. */

enum { NAMED = 100 /* ManagementBackups, as metrics.def says */ };

static const enum metric_id gauges[] = {METRIC_RECOVERY_AGE, METRIC_RECOVERY_OBJECTIVE, METRIC_RESTORABLE,
                                        METRIC_VERDICT, METRIC_BACKUP_BLOCKED};
static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER; /* of those, and of all that is written meanwhile */

/* Age and objective are absent rather than 0 where they are not known: an alert on a number
 * would take 0 for a good one. */
static void set_recovery(const struct status_recovery *recovery, const char *name)
{
    metric_set(METRIC_RESTORABLE, recovery->point != NULL, name);
    if (recovery->point)
        metric_set(METRIC_RECOVERY_AGE, (double)recovery->age, name);
    if (recovery->objective)
        metric_set(METRIC_RECOVERY_OBJECTIVE, (double)recovery->objective, name);
}

/* What is not known has no value: the last one would be a lie. */
static void set_verdicts(const struct status_view *view)
{
    size_t named = 0;
    metric_set(METRIC_VERDICT, (double)view->restore.grade, "restore");
    metric_set(METRIC_VERDICT, (double)view->runs.grade, "backups");
    size_t counts[CAUSE_COUNT] = {0};
    for (size_t i = 0; i < view->finding_count; i++) {
        const struct status_finding *finding = &view->findings[i];
        if ((finding->blocks | finding->risks) & STATUS_BLOCKS_BACKUP)
            counts[finding->cause] += finding->object_count;
    }
    for (size_t i = 0; i < CAUSE_COUNT; i++)
        if (counts[i])
            metric_set(METRIC_BACKUP_BLOCKED, (double)counts[i], status_causes[i].name);
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

/* Gauges of names that are gone are forgotten before the new ones are set, and both under one
 * lock with the writing, so that no scrape sees the gap between. Without a judgement the last
 * one stays. */
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
