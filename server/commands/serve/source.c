/* Where facts come from: files, the cluster, or nowhere. */
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
    log_line(LOG_ERROR, "inventory file left out, its last good content stays in force",
             LOG_TEXT("file", str_from(path)), LOG_INTEGER("line", line), LOG_TEXT("reason", str_from(reason)));
}

static void inventory_reloaded(void *context, const struct inventory *inventory)
{
    (void)context;
    int64_t objects = 0;
    for (size_t i = 0; i < FACT_COUNT; i++)
        objects += (int64_t)inventory->count[i];
    log_line(LOG_INFO, "inventory loaded", LOG_INTEGER("objects", objects));
}

static bool open_files(struct service *service, const struct serve_options *values, struct error *error)
{
    struct inventory_files_options wanted = {.paths = (const char *const *)values->inventory.items,
                                             .path_count = values->inventory.len,
                                             .watch = true,
                                             .simulate_seconds = values->simulate,
                                             .problem = inventory_problem,
                                             .reloaded = inventory_reloaded};
    service->facts = facts_from_files(&wanted, error);
    return service->facts || error_wrap(error, "inventory");
}

static bool open_cluster(struct service *service, const struct serve_options *values, struct error *error)
{
    struct settings *settings = settings_source_get(&service->settings);
    struct facts_cluster_options wanted = {.access = {.kubeconfig = values->kubeconfig,
                                                      .context = values->context,
                                                      .user_agent = "backstop/" BACKSTOP_VERSION},
                                           .system_namespace = settings->system_namespace};
    service->facts = facts_from_cluster(&wanted, error);
    if (service->facts)
        log_line(LOG_INFO, "facts come from the cluster",
                 LOG_TEXT("server", str_from(facts_cluster_server(service->facts))),
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
        return open_files(service, values, error);
    if (serve_asks_cluster(values))
        return open_cluster(service, values, error);
    log_write(LOG_WARN, "no --inventory, --kubeconfig or cluster: facts are unknown", NULL);
    return true;
}
