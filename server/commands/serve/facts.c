/* Where facts come from: files, the cluster, or nowhere. */
#include <stdio.h>
#include <stdlib.h>

#include "backstop/telemetry.h"
#include "commands/serve/serve.h"

/* The kubelet sets it in each pod. */
bool serve_in_cluster(void)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the environment is never written */
    const char *host = getenv("KUBERNETES_SERVICE_HOST");
    return host && host[0];
}

bool serve_asks_cluster(const struct serve_options *values)
{
    return values->kubeconfig || values->context || serve_in_cluster();
}

static void inventory_problem(void *context, const char *path, int64_t line, const char *reason)
{
    (void)context;
    log_line(LOG_ERROR, "inventory file not reloaded; its last good content stays in use",
             LOG_TEXT("file", str_from(path)), LOG_INTEGER("line", line > 0 ? line : 0),
             LOG_TEXT("reason", str_from(reason)));
}

enum { VERSIONS_LIMIT = 64 * 1024 };

struct str serve_versions(struct arena *arena, const struct inventory *inventory, const struct settings *settings)
{
    const struct version_fact velero = inventory_velero_version(inventory, settings);
    const struct version_fact kcm = inventory_kcm_version(inventory, settings, arena);
    return arena_printf(arena, "%.*s, %.*s", STR_ARG(version_fact_line(arena, &velero)),
                        STR_ARG(version_fact_line(arena, &kcm)));
}

/* A line in the log whenever the versions change. Called by the one thread that makes snapshots. */
static void versions_changed(void *context, const struct inventory *inventory)
{
    struct service *service = context;
    ARENA_SCOPED arena = arena_new(VERSIONS_LIMIT);
    struct settings *settings = settings_source_get(&service->settings);
    struct str words = arena && settings ? serve_versions(arena, inventory, settings) : (struct str){NULL, 0};
    if (words.len && !str_is(words, service->versions)) {
        snprintf(service->versions, sizeof service->versions, "%.*s", STR_ARG(words));
        log_line(LOG_INFO, "versions detected", LOG_TEXT("versions", words));
    }
    shared_release(settings ? &settings->shared : NULL);
}

static void inventory_reloaded(void *context, const struct inventory *inventory)
{
    int64_t objects = 0;
    for (size_t i = 0; i < FACT_COUNT; i++)
        objects += (int64_t)inventory->count[i];
    log_line(LOG_INFO, "inventory loaded", LOG_INTEGER("objects", objects));
    versions_changed(context, inventory);
}

static bool facts_open_cluster(struct service *service, const struct serve_options *values, struct error *error)
{
    struct settings *settings = settings_source_get(&service->settings);
    struct facts_cluster_options wanted = {.access = {.kubeconfig = values->kubeconfig,
                                                      .context = values->context,
                                                      .user_agent = "backstop/" BACKSTOP_VERSION},
                                           .system_namespace = settings->system_namespace,
                                           .ask_velero = true,
                                           .composed = versions_changed,
                                           .context = service};
    service->facts = facts_from_cluster(&wanted, error);
    if (service->facts)
        log_line(LOG_INFO, "watching the cluster", LOG_TEXT("server", str_from(facts_cluster_server(service->facts))),
                 LOG_TEXT("system_namespace", settings->system_namespace));
    shared_release(&settings->shared);
    if (service->facts)
        service->from = facts_cluster_server(service->facts);
    if (service->facts)
        serve_events_open(service, values->kubeconfig, values->context);
    return service->facts != NULL;
}

/* --inventory goes before the cluster, so that a pod can be told to judge by files. Without
 * either the rules still run; what they cannot know they say. */
bool serve_source_open(struct service *service, const struct serve_options *values, struct error *error)
{
    service->from = values->inventory.len ? "files" : "";
    if (values->inventory.len) {
        struct settings *settings = settings_source_get(&service->settings);
        struct inventory_files_options wanted = {.paths = (const char *const *)values->inventory.items,
                                                 .path_count = values->inventory.len,
                                                 .system_namespace = settings->system_namespace,
                                                 .watch = true,
                                                 .simulate_seconds = values->simulate,
                                                 .problem = inventory_problem,
                                                 .reloaded = inventory_reloaded,
                                                 .context = service};
        service->facts = facts_from_files(&wanted, error);
        shared_release(&settings->shared);
        return service->facts || error_wrap(error, "inventory");
    }
    if (serve_asks_cluster(values))
        return facts_open_cluster(service, values, error);
    log_write(LOG_WARN, "no --inventory, --kubeconfig or cluster: nothing is known about other objects", NULL);
    return true;
}

/* Which facts a review rests on: the snapshot at hand, or what is read for it alone. */

enum { WAITED_MS = 2000 };

const struct inventory *serve_inventory(struct service *service, int64_t now)
{
    return service->facts ? facts_get(service->facts, now) : inventory_unknown();
}

/* Only the page asks for this, on its own worker: evidence is read from the API server and takes
 * a while. Where that fails, the snapshot without it is shown. */
const struct inventory *serve_inventory_shown(struct service *service, const struct settings *settings, int64_t now)
{
    struct error error;
    const struct facts_wanted wanted = {.evidence = settings->evidence, .evidence_count = settings->evidence_count};
    const struct inventory *read = NULL;
    if (service->facts && wanted.evidence_count)
        read = facts_live(service->facts, &wanted, now, &error);
    return read ? read : serve_inventory(service, now);
}

/* The gate stays closed, and says why and the fix. */
static void explain_gate(const struct review *review, struct error *error)
{
    const struct error cause = *error;
    error_set(
        error, 503,
        "cannot verify the pre-upgrade backup: %.*s. Nothing was changed; retry. If it persists, see /readyz?verbose. "
        "To upgrade without a backup, re-apply after: kubectl annotate management %.*s " WITH_REASON(
            ANNOTATION_SKIP_BACKUP),
        600, cause.message, STR_ARG(review->request.name));
}

/* A review that has waited for a worker, behind others that wait for a slow API server, has
 * not the time left that a reading may take: its own caller waits 10 seconds. */
static const struct inventory *read_anew(struct service *service, const struct facts_wanted *wanted, int64_t now,
                                         int64_t received_ns, struct error *error)
{
    if (time_monotonic_ns() - received_ns < WAITED_MS * INT64_C(1000000))
        return facts_live(service->facts, wanted, now, error);
    return error_null(error, 503, "the Kubernetes API server is slow, and other reviews are waiting for it");
}

/* The cache, but for what may have changed a moment ago and could not be read (facts_wanted.k0rdent). Its reference goes
 * with it; NULL when out of memory. */
static const struct inventory *facts_without_k0rdent(struct arena *arena, const struct inventory *cached)
{
    static const enum fact unknown[] = {FACT_MANAGEMENTS, FACT_MANAGEMENT_BACKUPS};
    struct inventory *rest = arena_alloc(arena, sizeof *rest);
    if (!rest) {
        snapshot_release(cached);
        return NULL;
    }
    *rest = *cached;
    for (size_t i = 0; i < LENGTH_OF(unknown); i++) {
        rest->known[unknown[i]] = false;
        rest->count[unknown[i]] = 0;
    }
    return rest;
}

/* The order of the questions is that of cost. Most reviews are answered from the cache, on the
 * thread that read them. Only what a rule wants to be certain of is read anew: the gate before
 * an upgrade, and deletions, which other replicas may have admitted a moment ago. Where the
 * reading fails, the gate denies and every other rule judges what is known. */
const struct inventory *serve_facts(struct service *service, const struct rule *rule, const struct review *review,
                                    const struct settings *settings, const struct http_request *http,
                                    bool *needs_worker, struct error *error)
{
    bool may_wait = http->may_wait;
    struct facts_wanted wanted;
    int64_t now = review->request.now;
    const struct inventory *cached = serve_inventory(service, now);
    /* Files are as fresh as they can be, but for evidence, which their snapshot leaves out. */
    bool waits = service->facts && facts_wait(service->facts);
    if (!cached || !service->facts || !admission_wants(review, rule, cached, settings, &wanted) ||
        (!waits && wanted.evidence_count == 0 && !wanted.reservations))
        return cached;
    const struct inventory *fresh = NULL;
    may_wait |= !waits;
    *needs_worker = !may_wait;
    if (may_wait)
        fresh = read_anew(service, &wanted, now, http->received_ns, error);
    if (may_wait && !fresh && !wanted.upgrade) {
        /* The gate alone fails closed; the others do with what is known. */
        log_line(LOG_WARN, "uncached read failed", LOG_TEXT("uid", review->request.uid),
                 LOG_TEXT("reason", str_from(error->message)));
        return wanted.k0rdent ? facts_without_k0rdent(review->decision.arena, cached) : cached;
    }
    snapshot_release(cached);
    if (may_wait && !fresh)
        explain_gate(review, error);
    return fresh;
}
