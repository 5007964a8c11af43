/* What can be asked of `backstop serve`, and whether it makes sense. */
#include "commands/commands.h"
#include "commands/serve/serve.h"

#define AT(member) offsetof(struct serve_options, member)
static const struct option options[] = {
    {"listen", 0, OPTION_TEXT, "ADDR:PORT", "address of the HTTPS listener for reviews (:9443)", AT(listen)},
    {"tls-cert", 0, OPTION_TEXT, "FILE", "PEM certificate, followed by its chain", AT(tls.cert)},
    {"tls-key", 0, OPTION_TEXT, "FILE", "PEM private key of the certificate", AT(tls.key)},
    {"tls-min-version", 0, OPTION_TEXT, "1.3|1.2", "oldest TLS version accepted (1.3)", AT(tls.min_version)},
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
    {"log-level", 0, OPTION_TEXT, "debug|info|warn|error", "how much to log (info)", AT(log_level)},
    {"log-reviews", 0, OPTION_FLAG, NULL, "one log line per review (on; --log-reviews=false)", AT(log_reviews)},
    {"max-body-bytes", 0, OPTION_INTEGER, "N", "largest review (7 MiB)", AT(body_bytes)},
    {"max-connections", 0, OPTION_INTEGER, "N", "open connections (1024)", AT(connections)},
    {"max-concurrent", 0, OPTION_INTEGER, "N", "reviews in memory at once; more are answered 429 (256)",
     AT(concurrent)},
    {"request-timeout", 0, OPTION_DURATION, "DURATION", "time to receive a whole request (10s)", AT(request_timeout)},
    {"idle-timeout", 0, OPTION_DURATION, "DURATION", "how long an idle connection is kept open (2m)", AT(idle_timeout)},
    {"lame-duck", 0, OPTION_DURATION, "DURATION", "keep serving this long after SIGTERM (10s in a cluster, else 0)",
     AT(lame_duck)},
    {"sandbox", 0, OPTION_TEXT, "auto|require|off", "drop privileges it does not need: seccomp, Landlock (auto)",
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
    if (!log_level_parse(str_from(values->log_level), &values->level))
        return command_fail(command, "--log-level %s: expected debug, info, warn or error", values->log_level);
    if (!sandbox_mode_parse(str_from(values->sandbox), &values->sandbox_mode))
        return command_fail(command, "--sandbox %s: expected auto, require or off", values->sandbox);
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

static int serve_options_run(const struct command *command, int argc, char **argv)
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
    return command_run(command, argc, argv, &values, serve_options_execute);
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
    .run = serve_options_run,
};
