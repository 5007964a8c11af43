#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backstop/telemetry.h"
#include "serve.h"
#include "verbs.h"

enum {
    PEM_LIMIT = 1024 * 1024,
    CLUSTER_LAME_DUCK = 10,
    HEALTH_CONNECTIONS = 64,
    HEALTH_THREADS = 1,
    REVIEW_WORKERS = 4,
    PAGE_WORKERS = 1 /* and so many pages are made at once, while probes are answered */
};

struct serve_options {
    const char *listen, *health_listen, *settings, *log_level, *port_file, *sandbox;
    const char *kubeconfig, *context;
    struct tls_options tls;
    struct option_list inventory;
    int64_t simulate, body_bytes, connections, concurrent, request_timeout, idle_timeout, lame_duck;
    bool log_reviews, status_page, status_page_users;
};

#define AT(member) offsetof(struct serve_options, member)
static const struct option options[] = {
    {"listen", 0, OPTION_TEXT, "ADDR:PORT", "where reviews are answered over HTTPS (:9443)", AT(listen)},
    {"tls-cert", 0, OPTION_TEXT, "FILE", "PEM certificate, followed by its chain", AT(tls.cert)},
    {"tls-key", 0, OPTION_TEXT, "FILE", "PEM private key of the certificate", AT(tls.key)},
    {"tls-min-version", 0, OPTION_TEXT, "1.3|1.2", "oldest TLS version accepted (1.3)", AT(tls.min_version)},
    {"tls-ciphers", 0, OPTION_TEXT, "NAME,...", "of AES-128-GCM, AES-256-GCM and CHACHA20-POLY1305, best first (all)",
     AT(tls.ciphers)},
    {"tls-managed", 0, OPTION_FLAG, NULL, "issue and renew certificates itself, and keep caBundle current",
     AT(tls.managed)},
    {"tls-secret", 0, OPTION_TEXT, "NAME", "where managed certificates are kept (backstop-certificates)",
     AT(tls.secret)},
    {"tls-service", 0, OPTION_TEXT, "NAME.NAMESPACE", "the Service the certificate is for (backstop, in its namespace)",
     AT(tls.service)},
    {"tls-configurations", 0, OPTION_TEXT, "NAME", "webhook configurations whose caBundle is kept (backstop)",
     AT(tls.configurations)},
    {"cert-lifetime", 0, OPTION_DURATION, "DURATION", "of managed certificates (2160h)", AT(tls.leaf_seconds)},
    {"ca-lifetime", 0, OPTION_DURATION, "DURATION", "of the managed CA (87600h)", AT(tls.ca_seconds)},
    {"client-ca", 0, OPTION_TEXT, "FILE", "PEM; only clients with a certificate of this CA are answered",
     AT(tls.client_ca)},
    {"client-name", 0, OPTION_LIST, "NAME", "and with this common name or DNS name; may be repeated",
     AT(tls.client_names)},
    {"inventory", 0, OPTION_LIST, "PATH", "file or folder of YAML with the facts; may be repeated", AT(inventory)},
    {"kubeconfig", 0, OPTION_TEXT, "FILE", "facts from this cluster, watched (default: the cluster it runs in)",
     AT(kubeconfig)},
    {"context", 0, OPTION_TEXT, "NAME", "the kubeconfig context (current-context)", AT(context)},
    {"simulate-backups", 0, OPTION_DURATION, "DURATION", "let the upgrade gate's backups complete after this time",
     AT(simulate)},
    {"settings", 0, OPTION_TEXT, "FILE", "settings, reloaded when the file changes", AT(settings)},
    {"health-listen", 0, OPTION_TEXT, "ADDR:PORT", "plain HTTP for /livez, /readyz, /metrics (:8080); empty: none",
     AT(health_listen)},
    {"status-page", 0, OPTION_FLAG, NULL, "serve a status page for people at / there, to whoever can reach it",
     AT(status_page)},
    {"status-page-users", 0, OPTION_FLAG, NULL, "and name the people whose requests were decided",
     AT(status_page_users)},
    {"log-level", 0, OPTION_TEXT, "debug|info|warn|error", "how much to log (info)", AT(log_level)},
    {"log-reviews", 0, OPTION_FLAG, NULL, "one log line per review (on; --log-reviews=false)", AT(log_reviews)},
    {"max-body-bytes", 0, OPTION_INTEGER, "N", "largest review (7 MiB)", AT(body_bytes)},
    {"max-connections", 0, OPTION_INTEGER, "N", "open connections (1024)", AT(connections)},
    {"max-concurrent", 0, OPTION_INTEGER, "N", "reviews in memory at once; above it 429 (256)", AT(concurrent)},
    {"request-timeout", 0, OPTION_DURATION, "DURATION", "from a request's first byte to its last (10s)",
     AT(request_timeout)},
    {"idle-timeout", 0, OPTION_DURATION, "DURATION", "connections kept between requests (2m)", AT(idle_timeout)},
    {"lame-duck", 0, OPTION_DURATION, "DURATION", "on SIGTERM, how long to go on serving (10s in a cluster, else 0)",
     AT(lame_duck)},
    {"sandbox", 0, OPTION_TEXT, "auto|require|off", "give up what a webhook needs not: seccomp, Landlock (auto)",
     AT(sandbox)},
    {"port-file", 0, OPTION_TEXT, "FILE", "write the ports here once serving", AT(port_file)},
};

/* ---- what was asked for ----------------------------------------------------------- */

static bool bounded(int64_t value, int64_t least, int64_t most)
{
    return value >= least && value <= most;
}

static int check_options(const struct verb *verb, const struct serve_options *values, enum log_level *level,
                         enum sandbox_mode *sandbox)
{
    /* With managed certificates the kubeconfig is needed for those at least. */
    if (values->inventory.len && (values->kubeconfig || values->context) && !values->tls.managed)
        return verb_fail(verb, "facts come from --inventory or from --kubeconfig, not both");
    if (serve_certificates_check(verb, &values->tls) != EXIT_OK)
        return EXIT_USAGE;
    if (!log_level_parse(str_from(values->log_level), level))
        return verb_fail(verb, "--log-level %s: expected debug, info, warn or error", values->log_level);
    if (!sandbox_mode_parse(str_from(values->sandbox), sandbox))
        return verb_fail(verb, "--sandbox %s: expected auto, require or off", values->sandbox);
    if (!bounded(values->body_bytes, 1024, 256 << 20))
        return verb_fail(verb, "--max-body-bytes: expected 1024 to 268435456");
    if (!bounded(values->connections, 1, 65536) || !bounded(values->concurrent, 1, 65536))
        return verb_fail(verb, "--max-connections and --max-concurrent: expected 1 to 65536");
    if (!bounded(values->request_timeout, 1, 3600) || !bounded(values->idle_timeout, 1, 86400))
        return verb_fail(verb, "--request-timeout: expected 1s to 1h; --idle-timeout: expected 1s to 24h");
    if ((values->status_page && !values->health_listen[0]) || (values->status_page_users && !values->status_page))
        return verb_fail(verb, "--status-page-users needs --status-page, and that --health-listen");
    return EXIT_OK;
}

static bool in_cluster(void)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the environment is never written */
    const char *host = getenv("KUBERNETES_SERVICE_HOST");
    return host && host[0];
}

static int64_t lame_duck_seconds(const struct serve_options *values)
{
    if (values->lame_duck >= 0)
        return values->lame_duck;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here sets the environment */
    return in_cluster() ? CLUSTER_LAME_DUCK : 0;
}

/* ---- opening ------------------------------------------------------------------------ */

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
    return service->facts != NULL;
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

static bool open_inventory(struct service *service, const struct serve_options *values, struct error *error)
{
    service->from = values->inventory.len ? "files" : "";
    if (values->inventory.len)
        return open_files(service, values, error);
    if (values->kubeconfig || values->context || in_cluster())
        return open_cluster(service, values, error);
    log_write(LOG_WARN, "no --inventory, --kubeconfig or cluster: facts are unknown", NULL);
    return true;
}

static struct http_server *start_reviews(struct service *service, const struct serve_options *values,
                                         struct error *error)
{
    ARENA_SCOPED arena = arena_new((size_t)4 * PEM_LIMIT);
    struct http_config config = {.listen = values->listen,
                                 .limits = {.body_bytes = (size_t)values->body_bytes,
                                            .connections = (unsigned)values->connections,
                                            .concurrent = (unsigned)values->concurrent,
                                            .request_seconds = (unsigned)values->request_timeout,
                                            .idle_seconds = (unsigned)values->idle_timeout},
                                 .workers = service->facts && facts_wait(service->facts) ? REVIEW_WORKERS : 0,
                                 .handler = serve_review,
                                 .context = service};
    if (!arena) {
        error_set(error, 0, "out of memory");
        return NULL;
    }
    if (!serve_certificates_configure(arena, &values->tls, &config, error))
        return NULL;
    return http_start(&config, error);
}

static struct http_server *start_health(struct service *service, const struct serve_options *values,
                                        struct error *error)
{
    struct http_config config = {
        .listen = values->health_listen,
        .threads = HEALTH_THREADS,
        .limits = {.body_bytes = 1024, .connections = HEALTH_CONNECTIONS, .request_seconds = 5, .idle_seconds = 10},
        .workers = service->page ? PAGE_WORKERS : 0,
        .handler = serve_health,
        .context = service};
    return http_start(&config, error);
}

/* Written beside and renamed, so that who waits for the file finds it whole. */
static bool write_ports(const char *path, unsigned listen, unsigned health, struct error *error)
{
    char beside[4096];
    if (snprintf(beside, sizeof beside, "%s.tmp", path) >= (int)sizeof beside)
        return error_set(error, 0, "--port-file: the path is too long");
    FILE *file = fopen(beside, "w");
    bool written = file && fprintf(file, "listen=%u\nhealth=%u\n", listen, health) > 0;
    if (file && fclose(file) != 0)
        written = false;
    if (written && rename(beside, path) == 0)
        return true;
    return error_set(error, 0, "cannot write %s: %s", path, strerror_r(errno, beside, sizeof beside));
}

/* ---- serving ------------------------------------------------------------------------ */

static void stop_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
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
static bool wait_for_stop(struct service *service, const sigset_t *signals, int64_t seconds)
{
    int64_t deadline = time_monotonic_ns() + seconds * 1000000000;
    for (;;) {
        int64_t left = deadline - time_monotonic_ns();
        if (seconds >= 0 && left <= 0)
            return false;
        struct timespec timeout = {left / 1000000000, left % 1000000000};
        int signal = seconds < 0 ? sigwaitinfo(signals, NULL) : sigtimedwait(signals, NULL, &timeout);
        if (signal == SIGHUP) {
            reload_all(service);
        } else if (signal > 0) {
            return true;
        }
    }
}

static void serve_until_told(struct service *service, const struct serve_options *values, const sigset_t *signals,
                             struct http_server *reviews)
{
    wait_for_stop(service, signals, -1);
    int64_t lame_duck = lame_duck_seconds(values);
    log_line(LOG_INFO, "stopping", LOG_INTEGER("lame_duck_seconds", lame_duck));
    atomic_store(&service->stopping, true);
    http_drain(reviews);
    bool at_once = lame_duck > 0 && wait_for_stop(service, signals, lame_duck);
    certificates_stop(service->certificates);
    http_stop(reviews, at_once ? 0 : (unsigned)values->request_timeout * 1000);
    log_write(LOG_INFO, "stopped", NULL);
}

static bool enter_sandbox(struct service *service, const struct serve_options *values, enum sandbox_mode mode,
                          struct error *error)
{
    const struct sandbox_wanted wanted = {.mode = mode,
                                          .settings = values->settings,
                                          .port_file = values->port_file,
                                          .kubeconfig = values->kubeconfig,
                                          .context = values->context,
                                          .tls = &values->tls,
                                          .inventory = &values->inventory,
                                          .cluster = values->kubeconfig || values->context || in_cluster() ||
                                                     values->tls.managed};
    return serve_sandbox_enter(service, &wanted, error);
}

static bool start_and_serve(struct service *service, const struct serve_options *values, struct error *error)
{
    sigset_t signals;
    stop_signals(&signals);
    if (!settings_source_open(&service->settings, values->settings, error) || !open_inventory(service, values, error))
        return false;
    if (values->status_page && !serve_page_open(service, values->status_page_users, error))
        return false;
    struct http_server *reviews = start_reviews(service, values, error), *health = NULL;
    if (!reviews)
        return false;
    bool fine = serve_certificates_open(service, &values->tls, reviews, values->kubeconfig, values->context, error);
    fine = fine && (!values->health_listen[0] || (health = start_health(service, values, error)));
    unsigned port = http_port(reviews), health_port = health ? http_port(health) : 0;
    if (fine && values->port_file)
        fine = write_ports(values->port_file, port, health_port, error);
    if (fine) {
        log_line(LOG_INFO, "serving", LOG_TEXT("version", str_from(BACKSTOP_VERSION)), LOG_INTEGER("port", port),
                 LOG_INTEGER("health_port", health_port));
        serve_until_told(service, values, &signals, reviews);
    } else {
        certificates_stop(service->certificates);
        http_stop(reviews, 0);
    }
    http_stop(health, 0);
    return fine;
}

/* By default the memory of large bodies is given back after each review, and comes back page
 * by page, cleared by the kernel. A thread keeps what some dozens of them need. */
static void keep_memory(void)
{
    enum { ONE = 1024 * 1024, KEPT = 8 * ONE };
    mallopt(M_MMAP_THRESHOLD, ONE);  /* NOLINT(concurrency-mt-unsafe): before any thread */
    mallopt(M_TRIM_THRESHOLD, KEPT); /* NOLINT(concurrency-mt-unsafe) */
}

static int body(const struct verb *verb, void *context, char **operands, size_t count)
{
    struct serve_options *values = context;
    enum log_level level = LOG_INFO;
    (void)operands, (void)count;
    enum sandbox_mode mode = SANDBOX_AUTO;
    int code = check_options(verb, values, &level, &mode);
    if (code != EXIT_OK)
        return code;
    struct service service = {.body_limit = (size_t)values->body_bytes, .log_reviews = values->log_reviews};
    struct error error;
    sigset_t signals;
    stop_signals(&signals);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before any thread: only sigwait takes them */
    log_set_level(level);
    keep_memory();
    if (!serve_limits_descriptors(&values->connections, HEALTH_CONNECTIONS, &error) ||
        !enter_sandbox(&service, values, mode, &error) || !start_and_serve(&service, values, &error))
        code = verb_fail(verb, "%s", error.message);
    serve_events_close(&service);
    serve_page_close(&service);
    serve_certificates_close(&service);
    facts_close(service.facts);
    settings_source_close(&service.settings);
    return code;
}

static int run(const struct verb *verb, int argc, char **argv)
{
    struct serve_options values = {.listen = ":9443",
                                   .health_listen = ":8080",
                                   .tls = {.min_version = "1.3",
                                           .secret = "backstop-certificates",
                                           .configurations = "backstop",
                                           .leaf_seconds = 90 * 86400,
                                           .ca_seconds = (int64_t)3650 * 86400},
                                   .log_level = "info",
                                   .sandbox = "auto",
                                   .simulate = -1,
                                   .body_bytes = 7 << 20,
                                   .connections = 1024,
                                   .concurrent = 256,
                                   .request_timeout = 10,
                                   .idle_timeout = 120,
                                   .lame_duck = -1,
                                   .log_reviews = true};
    return verb_run(verb, argc, argv, &values, body);
}

const struct verb verb_serve = {
    .name = "serve",
    .summary = "run the webhook",
    .details =
        "Answers the API server's AdmissionReviews over HTTPS. SIGHUP reads settings, certificate and inventory\n"
        "files anew, which otherwise happens when they change. SIGTERM\n"
        "stops, after a time in which requests are still answered; a second one stops at once.",
    .options = options,
    .option_count = LENGTH_OF(options),
    .run = run,
};
