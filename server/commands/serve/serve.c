/* `backstop serve`: its options, the two listeners, signals, limits of the system, and its life
 * from the start to the last answer.
 *
 * The order of the start matters. Signals are blocked before the first thread, so that none is
 * delivered to a worker. The sandbox is entered before any thread too, since seccomp and
 * Landlock bind the thread that asks for them and what it starts later; what can be opened only
 * once (libcurl, files named on the command line) is known by then. Facts are opened before the
 * listeners, and the certificate last: reviews are answered only when all of it stands. */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "backstop/telemetry.h"
#include "commands/commands.h"
#include "commands/serve/serve.h"

/* What the process is told while it serves: to read its files anew, and to stop. */

static void serving_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
}

/* Waits up to `seconds` (-1: for ever); SIGHUP reloads. True when told to stop. */
static bool serve_signals_wait(struct service *service, int64_t seconds)
{
    int64_t deadline = time_monotonic_ns() + seconds * NS_PER_SECOND;
    sigset_t signals;
    serving_signals(&signals);
    for (;;) {
        int64_t left = deadline - time_monotonic_ns();
        if (seconds >= 0 && left <= 0)
            return false;
        struct timespec timeout = {left / NS_PER_SECOND, left % NS_PER_SECOND};
        int signal = seconds < 0 ? sigwaitinfo(&signals, NULL) : sigtimedwait(&signals, NULL, &timeout);
        if (signal == SIGHUP) {
            /* Files reload by themselves when they change; SIGHUP is for the file systems that do not tell
             * (they are looked at every half minute), and after a fault that is over. */
            settings_source_reload(&service->settings);
            certificates_reload(service->certificates);
            if (service->facts)
                facts_reload(service->facts);
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

/* Before the first thread. */
static bool serve_sandbox_enter(struct service *service, const struct serve_options *values, struct error *error)
{
    ARENA_SCOPED arena = arena_new(CONFIG_BYTES_MAX);
    struct strlist files = {0};
    struct sandbox_options options = {.mode = (enum sandbox_mode)values->sandbox, .writable = values->port_file};
    if (!arena)
        return error_set(error, 500, "out of memory");
    if ((serve_asks_cluster(values) || values->tls.managed) && !kube_load_curl(error)) /* its files are read before */
        return false;
    sandbox_add_file(arena, &files, values->settings);
    sandbox_add_file(arena, &files, values->tls.cert);
    sandbox_add_file(arena, &files, values->tls.key);
    sandbox_add_file(arena, &files, values->tls.client_ca);
    for (size_t i = 0; i < values->inventory.len; i++)
        sandbox_add_file(arena, &files, values->inventory.items[i]);
    /* What cannot be read now is reported by who needs it, a moment later. */
    const struct kube_options kube = {.kubeconfig = values->kubeconfig, .context = values->context};
    struct error ignored;
    bool runs_program = false;
    bool asked = serve_asks_cluster(values) || values->tls.managed;
    if (asked && !kube_files(&kube, arena, &files, &runs_program, &ignored))
        sandbox_add_file(arena, &files, values->kubeconfig);
    options.runs_programs = runs_program;
    const char **paths = arena_array(arena, files.len + 1, sizeof *paths);
    for (size_t i = 0; paths && i < files.len; i++)
        paths[i] = files.items[i].ptr;
    options.readable = paths;
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

static struct http_server *serve_listen_reviews(struct service *service, const struct serve_options *values,
                                                struct error *error);

/* Plain HTTP, for the kubelet and Prometheus; limits of its own, so that neither can crowd out
 * reviews nor be crowded out by them. */
static struct http_server *serve_listen_health(struct service *service, const struct serve_options *values,
                                               struct error *error);

static bool serve_listen_tell(const char *path, unsigned reviews, unsigned health, struct error *error);

/* At the end the other way round. The pod is told to stop before every API server knows that it
 * goes, so it says "not ready" and still answers for a while, each time with Connection: close;
 * then the requests that are left get the time of one request. A second signal cuts this short. */
static bool start_and_serve(struct service *service, const struct serve_options *values, struct error *error)
{
    if (!settings_source_open(&service->settings, values->settings, error) ||
        !serve_source_open(service, values, error) ||
        (values->status_page && !serve_page_open(service, values->status_page_users, error)) ||
        !serve_calls_open(service, values, error))
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
        serve_signals_wait(service, -1);
        int64_t lame_duck = lame_duck_seconds(values);
        log_line(LOG_INFO, "stopping", LOG_INTEGER("lame_duck_seconds", lame_duck));
        atomic_store(&service->stopping, true);
        http_drain(reviews);
        serve_calls_stop(service);
        bool at_once = lame_duck > 0 && serve_signals_wait(service, lame_duck);
        certificates_stop(service->certificates);
        http_stop(reviews, at_once ? 0 : (unsigned)values->request_timeout * 1000);
        log_write(LOG_INFO, "stopped", NULL);
    } else {
        certificates_stop(service->certificates);
        http_stop(reviews, 0);
    }
    http_stop(health, 0);
    return fine;
}

static void serve_limits_memory(void);

static bool serve_limits_descriptors(int64_t *connections, unsigned health_connections, struct error *error);

/* All of it may be closed although it was never opened, wherever the start ended. */
int serve(const struct command *command, struct serve_options *values)
{
    struct service service = {.body_limit = (size_t)values->body_bytes, .log_reviews = values->log_reviews};
    struct error error;
    /* before any thread: only serve_signals_wait takes them */
    sigset_t signals;
    serving_signals(&signals);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    log_set_level((enum log_level)values->log_level);
    serve_limits_memory();
    bool fine = serve_limits_descriptors(&values->connections, SERVE_HEALTH_CONNECTIONS, &error) &&
                serve_sandbox_enter(&service, values, &error) && start_and_serve(&service, values, &error);
    int code = fine ? EXIT_OK : command_fail(command, "%s", error.message);
    serve_calls_close(&service);
    serve_events_close(&service);
    serve_page_close(&service);
    serve_certificates_close(&service);
    facts_close(service.facts);
    settings_source_close(&service.settings);
    return code;
}

/* What can be asked of `backstop serve`, and whether it makes sense. */

#define AT(member) offsetof(struct serve_options, member)
static const struct option options[] = {
    {"listen", 0, OPTION_TEXT, "ADDR:PORT", "address of the HTTPS listener for reviews (:9443)", AT(listen)},
    {"tls-cert", 0, OPTION_TEXT, "FILE", "PEM certificate, followed by its chain", AT(tls.cert)},
    {"tls-key", 0, OPTION_TEXT, "FILE", "PEM private key of the certificate", AT(tls.key)},
    {"tls-min-version", 0, OPTION_CHOICE, "1.3|1.2", "oldest TLS version accepted (1.3)", AT(tls.min_version)},
    {"tls-ciphers", 0, OPTION_TEXT, "NAME,...", "AES-128-GCM, AES-256-GCM, CHACHA20-POLY1305; preferred first (all)",
     AT(tls.ciphers)},
    {"tls-managed", 0, OPTION_FLAG, NULL, "issue and renew the certificate, and keep caBundle current",
     AT(tls.managed)},
    {"tls-secret", 0, OPTION_TEXT, "NAME", "Secret that holds managed certificates (backstop-certificates)",
     AT(tls.secret)},
    {"tls-service", 0, OPTION_TEXT, "NAME.NAMESPACE", "the Service the certificate is for (backstop, in its namespace)",
     AT(tls.service)},
    {"tls-configurations", 0, OPTION_TEXT, "NAME", "webhook configurations whose caBundle is managed (backstop)",
     AT(tls.configurations)},
    {"cert-lifetime", 0, OPTION_DURATION, "DURATION", "lifetime of managed certificates (2160h)", AT(tls.leaf_seconds)},
    {"ca-lifetime", 0, OPTION_DURATION, "DURATION", "lifetime of the managed CA (87600h)", AT(tls.ca_seconds)},
    {"client-ca", 0, OPTION_TEXT, "FILE", "require a client certificate signed by this CA (PEM)", AT(tls.client_ca)},
    {"client-name", 0, OPTION_LIST, "NAME", "require this client-certificate CN or DNS name (repeatable)",
     AT(tls.client_names)},
    {"inventory", 0, OPTION_LIST, "PATH", "file or folder of YAML to read cluster objects from (repeatable)",
     AT(inventory)},
    {"kubeconfig", 0, OPTION_TEXT, "FILE", "watch this cluster (default: the cluster it runs in)", AT(kubeconfig)},
    {"context", 0, OPTION_TEXT, "NAME", "the kubeconfig context (current-context)", AT(context)},
    {"simulate-backups", 0, OPTION_DURATION, "DURATION", "pretend that the gate's backups complete after this time",
     AT(simulate)},
    {"settings", 0, OPTION_TEXT, "FILE", "settings, reloaded when the file changes", AT(settings)},
    {"health-listen", 0, OPTION_TEXT, "ADDR:PORT", "plain HTTP for /livez, /readyz, /metrics (:8080); empty: none",
     AT(health_listen)},
    {"status-page", 0, OPTION_FLAG, NULL, "serve a status page at / of --health-listen, without authentication",
     AT(status_page)},
    {"status-page-users", 0, OPTION_FLAG, NULL, "show user names on the status page", AT(status_page_users)},
    {"log-level", 0, OPTION_CHOICE, "debug|info|warn|error", "how much to log (info)", AT(log_level)},
    {"log-reviews", 0, OPTION_FLAG, NULL, "one log line per review (on; --log-reviews=false)", AT(log_reviews)},
    {"max-body-bytes", 0, OPTION_INTEGER, "N", "largest review (7 MiB)", AT(body_bytes)},
    {"max-connections", 0, OPTION_INTEGER, "N", "open connections (1024)", AT(connections)},
    {"max-concurrent", 0, OPTION_INTEGER, "N", "reviews in memory at once; more are answered 429 (256)",
     AT(concurrent)},
    {"request-timeout", 0, OPTION_DURATION, "DURATION", "time to receive a whole request (10s)", AT(request_timeout)},
    {"idle-timeout", 0, OPTION_DURATION, "DURATION", "how long an idle connection is kept open (2m)", AT(idle_timeout)},
    {"lame-duck", 0, OPTION_DURATION, "DURATION", "keep serving this long after SIGTERM (10s in a cluster, else 0)",
     AT(lame_duck)},
    {"call-check", 0, OPTION_DURATION, "DURATION",
     "ask the API server this often whether it calls the webhook (5m; 0s: never)", AT(call_check)},
    {"sandbox", 0, OPTION_CHOICE, "auto|require|off", "drop privileges it does not need: seccomp, Landlock (auto)",
     AT(sandbox)},
    {"port-file", 0, OPTION_TEXT, "FILE", "write the port numbers to this file once serving", AT(port_file)},
};

static bool option_is_within(int64_t value, int64_t least, int64_t most)
{
    return value >= least && value <= most;
}

static int serve_options_check(const struct command *command, struct serve_options *values)
{
    /* With managed certificates the kubeconfig is needed for those at least. */
    if (values->inventory.len && (values->kubeconfig || values->context) && !values->tls.managed)
        return command_fail(command, "--inventory or --kubeconfig (--context), not both");
    if (serve_certificates_check(command, &values->tls) != EXIT_OK)
        return EXIT_USAGE;
    if (!option_is_within(values->body_bytes, 1024, 256 << 20))
        return command_fail(command, "--max-body-bytes: expected 1024 to 268435456");
    if (!option_is_within(values->connections, 1, 65536) || !option_is_within(values->concurrent, 1, 65536))
        return command_fail(command, "--max-connections and --max-concurrent: expected 1 to 65536");
    if (!option_is_within(values->request_timeout, 1, 3600) || !option_is_within(values->idle_timeout, 1, 86400))
        return command_fail(command, "--request-timeout: expected 1s to 1h; --idle-timeout: expected 1s to 24h");
    if ((values->status_page && !values->health_listen[0]) || (values->status_page_users && !values->status_page))
        return command_fail(command,
                            "--status-page-users needs --status-page, and --status-page needs --health-listen");
    return EXIT_OK;
}

static int serve_options_execute(const struct command *command, void *context, char **operands, size_t count)
{
    struct serve_options *values = context;
    (void)operands, (void)count;
    int code = serve_options_check(command, values);
    return code == EXIT_OK ? serve(command, values) : code;
}

const struct command command_serve = {
    .name = "serve",
    .summary = "run the webhook",
    .details = "Answers the API server's AdmissionReviews over HTTPS. Settings, certificates and inventory files\n"
               "are reloaded when they change, and on SIGHUP. SIGTERM stops it after the --lame-duck time, in\n"
               "which it still answers; a second SIGTERM stops it at once.",
    .options = options,
    .option_count = LENGTH_OF(options),
    .logs = true,
    .body = serve_options_execute,
    COMMAND_DEFAULTS(struct serve_options, .listen = ":9443", .health_listen = ":8080",
                     .tls = {.secret = "backstop-certificates",
                             .configurations = "backstop",
                             .leaf_seconds = 90 * 86400,
                             .ca_seconds = (int64_t)3650 * 86400},
                     .log_level = LOG_INFO, .simulate = -1, .body_bytes = 7 << 20, .connections = 1024,
                     .concurrent = 256, .request_timeout = 10, .idle_timeout = 120, .lame_duck = -1, .call_check = 300,
                     .log_reviews = true),
};

/* What the system grants this process, descriptors and memory, and how it keeps to that. */

enum {
    OTHERS = 64,          /* files, watches, the health port, the API server */
    LEAST_CONNECTIONS = 8 /* with fewer nobody can be served */
};

/* Without a descriptor nothing can be accepted or read, and certificates, settings and facts
 * cannot be reloaded: so connections are kept below what the system grants. */
static bool serve_limits_descriptors(int64_t *connections, unsigned health_connections, struct error *error)
{
    const rlim_t others = OTHERS + health_connections, wanted = (rlim_t)*connections + others;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= wanted)
        return true;
    limit.rlim_cur = limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= wanted ? wanted : limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* if not, the one in force is read next */
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return true;
    if (limit.rlim_cur < others + LEAST_CONNECTIONS)
        return error_set(error, 0,
                         "only %llu file descriptors are allowed, which is too few to serve; allow %llu or more",
                         (unsigned long long)limit.rlim_cur, (unsigned long long)wanted);
    *connections = (int64_t)(limit.rlim_cur - others);
    log_line(LOG_WARN, "fewer connections than asked for: file descriptors are limited",
             LOG_INTEGER("connections", *connections), LOG_INTEGER("descriptors", (int64_t)limit.rlim_cur),
             LOG_INTEGER("wanted", (int64_t)wanted));
    return true;
}

/* By default the memory of large bodies is given back after each review, and comes back page
 * by page, cleared by the kernel. A thread keeps what some dozens of them need. */
static void serve_limits_memory(void)
{
    enum { ONE = 1024 * 1024, KEPT = 8 * ONE };
    mallopt(M_MMAP_THRESHOLD, ONE);  /* NOLINT(concurrency-mt-unsafe): before any thread */
    mallopt(M_TRIM_THRESHOLD, KEPT); /* NOLINT(concurrency-mt-unsafe) */
}

/* The two listeners: reviews over HTTPS, health (and the status page) over plain HTTP. */

enum {
    CERTIFICATE_BYTES = 4 * 1024 * 1024,
    HEALTH_THREADS = 1,
    REVIEW_WORKERS = 4,
    PAGE_WORKERS = 1 /* and so many pages are made at once, while probes are answered */
};

/* NULL with an error. */
static struct http_server *serve_listen_reviews(struct service *service, const struct serve_options *values,
                                                struct error *error)
{
    ARENA_SCOPED arena = arena_new(CERTIFICATE_BYTES);
    struct http_config config = {.listen = values->listen,
                                 .limits = {.body_bytes = (size_t)values->body_bytes,
                                            .connections = (unsigned)values->connections,
                                            .concurrent = (unsigned)values->concurrent,
                                            .request_seconds = (unsigned)values->request_timeout,
                                            .idle_seconds = (unsigned)values->idle_timeout},
                                 .workers = service->facts && facts_wait(service->facts) ? REVIEW_WORKERS : 0,
                                 .handler = serve_review,
                                 .context = service};
    if (!arena)
        return error_null(error, 0, "out of memory");
    if (!serve_certificates_configure(arena, &values->tls, &config, error))
        return NULL;
    return http_start(&config, error);
}

static struct http_server *serve_listen_health(struct service *service, const struct serve_options *values,
                                               struct error *error)
{
    struct http_config config = {.listen = values->health_listen,
                                 .threads = HEALTH_THREADS,
                                 .limits = {.body_bytes = 1024,
                                            .connections = SERVE_HEALTH_CONNECTIONS,
                                            .request_seconds = 5,
                                            .idle_seconds = 10},
                                 .workers = service->page ? PAGE_WORKERS : 0,
                                 .handler = serve_health,
                                 .context = service};
    return http_start(&config, error);
}

/* Written beside and renamed, so that who waits for the file finds it whole. */
static bool serve_listen_tell(const char *path, unsigned reviews, unsigned health, struct error *error)
{
    char beside[4096];
    if (snprintf(beside, sizeof beside, "%s.tmp", path) >= (int)sizeof beside)
        return error_set(error, 0, "--port-file: the path is too long");
    FILE *file = fopen(beside, "w");
    bool written = file && fprintf(file, "listen=%u\nhealth=%u\n", reviews, health) > 0;
    if (file && fclose(file) != 0)
        written = false;
    if (written && rename(beside, path) == 0)
        return true;
    return error_set(error, 0, "cannot write %s: %s", path, strerror_r(errno, beside, sizeof beside));
}
