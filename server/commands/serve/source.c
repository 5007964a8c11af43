/* Where facts come from: files, the cluster, or nowhere. */
#include <stdio.h>
#include <stdlib.h>

#include "backstop/telemetry.h"
#include "commands/serve/serve.h"

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
             LOG_TEXT("file", str_from(path)), LOG_INTEGER("line", line), LOG_TEXT("reason", str_from(reason)));
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

static bool facts_open_files(struct service *service, const struct serve_options *values, struct error *error)
{
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

bool serve_source_open(struct service *service, const struct serve_options *values, struct error *error)
{
    service->from = values->inventory.len ? "files" : "";
    if (values->inventory.len)
        return facts_open_files(service, values, error);
    if (serve_asks_cluster(values))
        return facts_open_cluster(service, values, error);
    log_write(LOG_WARN, "no --inventory, --kubeconfig or cluster: nothing is known about other objects", NULL);
    return true;
}
