/* What the webhook needs once it serves; everything else is given up before it listens. */
#include "backstop/telemetry.h"
#include "commands/serve/serve.h"

enum { CONFIG_BYTES_MAX = 64 * 1024 * 1024 };

static void sandbox_add_file(struct arena *arena, struct strlist *files, const char *path)
{
    if (path)
        strlist_add(arena, files, str_from(path));
}

/* What cannot be read now is told by who needs it, a moment later. */
static bool add_cluster(const struct serve_options *values, struct arena *arena, struct strlist *files)
{
    const struct kube_options kube = {.kubeconfig = values->kubeconfig, .context = values->context};
    struct error ignored;
    bool runs_program = false;
    bool asked = serve_asks_cluster(values) || values->tls.managed;
    if (asked && !kube_files(&kube, arena, files, &runs_program, &ignored))
        sandbox_add_file(arena, files, values->kubeconfig);
    return runs_program;
}

static const char *const *null_terminated(struct arena *arena, const struct strlist *files)
{
    const char **paths = arena_array(arena, files->len + 1, sizeof *paths);
    for (size_t i = 0; paths && i < files->len; i++)
        paths[i] = files->items[i].ptr;
    return paths;
}

bool serve_sandbox_enter(struct service *service, const struct serve_options *values, struct error *error)
{
    ARENA_SCOPED arena = arena_new(CONFIG_BYTES_MAX);
    struct strlist files = {0};
    struct sandbox_options options = {.mode = values->sandbox_mode, .writable = values->port_file};
    if (!arena)
        return error_set(error, 500, "out of memory");
    sandbox_add_file(arena, &files, values->settings);
    sandbox_add_file(arena, &files, values->tls.cert);
    sandbox_add_file(arena, &files, values->tls.key);
    sandbox_add_file(arena, &files, values->tls.client_ca);
    for (size_t i = 0; i < values->inventory.len; i++)
        sandbox_add_file(arena, &files, values->inventory.items[i]);
    options.runs_programs = add_cluster(values, arena, &files);
    options.readable = null_terminated(arena, &files);
    if (arena_failed(arena))
        return error_set(error, 500, "out of memory");
    if (!sandbox_enter(&options, &service->sandbox, error))
        return false;
    log_line(LOG_INFO, "sandbox", LOG_TEXT("state", str_from(service->sandbox.words)),
             LOG_BOOLEAN("no_new_privileges", service->sandbox.no_new_privileges));
    metric_set(METRIC_SANDBOX, service->sandbox.seccomp, "seccomp");
    metric_set(METRIC_SANDBOX, service->sandbox.landlock, "landlock");
    return true;
}
