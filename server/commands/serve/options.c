/* What can be asked of `backstop serve`, and whether it makes sense. */
#include "commands/commands.h"
#include "commands/serve/serve.h"

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

static bool option_is_within(int64_t value, int64_t least, int64_t most)
{
    return value >= least && value <= most;
}

static int serve_options_check(const struct verb *verb, struct serve_options *values)
{
    /* With managed certificates the kubeconfig is needed for those at least. */
    if (values->inventory.len && (values->kubeconfig || values->context) && !values->tls.managed)
        return verb_fail(verb, "facts come from --inventory or from --kubeconfig, not both");
    if (serve_certificates_check(verb, &values->tls) != EXIT_OK)
        return EXIT_USAGE;
    if (!log_level_parse(str_from(values->log_level), &values->level))
        return verb_fail(verb, "--log-level %s: expected debug, info, warn or error", values->log_level);
    if (!sandbox_mode_parse(str_from(values->sandbox), &values->sandbox_mode))
        return verb_fail(verb, "--sandbox %s: expected auto, require or off", values->sandbox);
    if (!option_is_within(values->body_bytes, 1024, 256 << 20))
        return verb_fail(verb, "--max-body-bytes: expected 1024 to 268435456");
    if (!option_is_within(values->connections, 1, 65536) || !option_is_within(values->concurrent, 1, 65536))
        return verb_fail(verb, "--max-connections and --max-concurrent: expected 1 to 65536");
    if (!option_is_within(values->request_timeout, 1, 3600) || !option_is_within(values->idle_timeout, 1, 86400))
        return verb_fail(verb, "--request-timeout: expected 1s to 1h; --idle-timeout: expected 1s to 24h");
    if ((values->status_page && !values->health_listen[0]) || (values->status_page_users && !values->status_page))
        return verb_fail(verb, "--status-page-users needs --status-page, and that --health-listen");
    return EXIT_OK;
}

static int serve_options_execute(const struct verb *verb, void *context, char **operands, size_t count)
{
    struct serve_options *values = context;
    (void)operands, (void)count;
    int code = serve_options_check(verb, values);
    return code == EXIT_OK ? serve(verb, values) : code;
}

static int serve_options_run(const struct verb *verb, int argc, char **argv)
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
    return verb_run(verb, argc, argv, &values, serve_options_execute);
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
    .logs = true,
    .run = serve_options_run,
};
