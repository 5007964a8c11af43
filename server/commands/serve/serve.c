/* What the process is told while it serves: to read its files anew, and to stop. */
#include <signal.h>
#include <time.h>

#include "backstop/telemetry.h"
#include "commands/serve/serve.h"

static void serving_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
}

/* before any thread: only serve_signals_wait takes them */
static void serve_signals_block(void)
{
    sigset_t signals;
    serving_signals(&signals);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

/* Files reload by themselves when they change; SIGHUP is for the file systems that do not tell
 * (they are looked at every half minute), and after a fault that is over. */
static void reload_all(struct service *service)
{
    settings_source_reload(&service->settings);
    certificates_reload(service->certificates);
    if (service->facts)
        facts_reload(service->facts);
}

/* Waits up to `seconds` (-1: for ever); SIGHUP reloads. True when told to stop. */
static bool serve_signals_wait(struct service *service, int64_t seconds)
{
    int64_t deadline = time_monotonic_ns() + seconds * 1000000000;
    sigset_t signals;
    serving_signals(&signals);
    for (;;) {
        int64_t left = deadline - time_monotonic_ns();
        if (seconds >= 0 && left <= 0)
            return false;
        struct timespec timeout = {left / 1000000000, left % 1000000000};
        int signal = seconds < 0 ? sigwaitinfo(&signals, NULL) : sigtimedwait(&signals, NULL, &timeout);
        if (signal == SIGHUP) {
            reload_all(service);
        } else if (signal > 0) {
            return true;
        }
    }
}

/* What the webhook needs once it serves; everything else is given up before it listens. */

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

/* Before the first thread. */
static bool serve_sandbox_enter(struct service *service, const struct serve_options *values, struct error *error)
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

/* The life of `backstop serve`: what is given up, opened, served, drained and closed. */

enum { CLUSTER_LAME_DUCK = 10 };

/* In a cluster a pod is told to stop before every API server has heard that it goes. */
static int64_t lame_duck_seconds(const struct serve_options *values)
{
    if (values->lame_duck >= 0)
        return values->lame_duck;
    return serve_in_cluster() ? CLUSTER_LAME_DUCK : 0;
}

static void serve_until_told(struct service *service, const struct serve_options *values, struct http_server *reviews)
{
    serve_signals_wait(service, -1);
    int64_t lame_duck = lame_duck_seconds(values);
    log_line(LOG_INFO, "stopping", LOG_INTEGER("lame_duck_seconds", lame_duck));
    atomic_store(&service->stopping, true);
    http_drain(reviews);
    bool at_once = lame_duck > 0 && serve_signals_wait(service, lame_duck);
    certificates_stop(service->certificates);
    http_stop(reviews, at_once ? 0 : (unsigned)values->request_timeout * 1000);
    log_write(LOG_INFO, "stopped", NULL);
}

static bool serve_open_all(struct service *service, const struct serve_options *values, struct error *error)
{
    return settings_source_open(&service->settings, values->settings, error) &&
           serve_source_open(service, values, error) &&
           (!values->status_page || serve_page_open(service, values->status_page_users, error));
}

static bool start_and_serve(struct service *service, const struct serve_options *values, struct error *error)
{
    if (!serve_open_all(service, values, error))
        return false;
    struct http_server *reviews = serve_listen_reviews(service, values, error), *health = NULL;
    if (!reviews)
        return false;
    bool fine = serve_certificates_open(service, &values->tls, reviews, values->kubeconfig, values->context, error);
    fine = fine && (!values->health_listen[0] || (health = serve_listen_health(service, values, error)));
    unsigned port = http_port(reviews), health_port = health ? http_port(health) : 0;
    if (fine && values->port_file)
        fine = serve_listen_tell(values->port_file, port, health_port, error);
    if (fine) {
        log_line(LOG_INFO, "serving", LOG_TEXT("version", str_from(BACKSTOP_VERSION)), LOG_INTEGER("port", port),
                 LOG_INTEGER("health_port", health_port));
        serve_until_told(service, values, reviews);
    } else {
        certificates_stop(service->certificates);
        http_stop(reviews, 0);
    }
    http_stop(health, 0);
    return fine;
}

static void serve_close_all(struct service *service)
{
    serve_events_close(service);
    serve_page_close(service);
    serve_certificates_close(service);
    facts_close(service->facts);
    settings_source_close(&service->settings);
}

int serve(const struct command *command, struct serve_options *values)
{
    struct service service = {.body_limit = (size_t)values->body_bytes, .log_reviews = values->log_reviews};
    struct error error;
    serve_signals_block();
    log_set_level(values->level);
    serve_limits_memory();
    bool fine = serve_limits_descriptors(&values->connections, SERVE_HEALTH_CONNECTIONS, &error) &&
                serve_sandbox_enter(&service, values, &error) && start_and_serve(&service, values, &error);
    int code = fine ? EXIT_OK : command_fail(command, "%s", error.message);
    serve_close_all(&service);
    return code;
}
