#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backstop/cli.h"
#include "backstop/pki.h"
#include "backstop/telemetry.h"
#include "commands/serve/serve.h"

/* Which certificate is served: from files, or managed. */

enum { PEM_LIMIT = 1024 * 1024, NAMESPACE_LIMIT = 256, LIFETIME_MIN = 3 };

/* Checked before anything is opened, so that a wrong command line is reported at once and not after
 * the cluster has been asked. */
int serve_certificates_check(const struct command *command, const struct tls_options *options)
{
    struct certificates_service service;
    struct error error;
    if (options->managed && (options->cert || options->key))
        return command_fail(command, "--tls-managed or --tls-cert and --tls-key, not both");
    if (!options->managed && (!options->cert || !options->key))
        return command_fail(command,
                            "no serving certificate: give --tls-cert and --tls-key, or --tls-managed in a cluster. For "
                            "development: make certs");
    if (options->service && !certificates_service_parse(str_from(options->service), &service, &error))
        return command_fail(command, "--tls-service %s", error.message);
    if (options->client_names.len && !options->client_ca)
        return command_fail(command, "--client-name needs --client-ca");
    if (options->leaf_seconds < LIFETIME_MIN || options->ca_seconds / 3 < options->leaf_seconds)
        return command_fail(command,
                            "--cert-lifetime: expected %ds or more; --ca-lifetime: at least three times as long",
                            LIFETIME_MIN);
    return EXIT_OK;
}

/* The client CA is read once, here; a new one needs a restart. */
bool serve_certificates_configure(struct arena *arena, const struct tls_options *options, struct http_config *config,
                                  struct error *error)
{
    config->tls = true;
    config->tls12 = options->min_version != 0;
    config->tls_ciphers = options->ciphers;
    if (!options->client_ca)
        return true;
    const char **names = arena_array(arena, options->client_names.len + 1, sizeof(char *));
    for (size_t i = 0; names && i < options->client_names.len; i++)
        names[i] = options->client_names.items[i];
    config->client_names = names;
    if (!names)
        return error_set(error, 0, "out of memory");
    if (!file_read(arena, options->client_ca, PEM_LIMIT, &config->client_ca, error))
        return error_wrap(error, "client CA");
    struct pki_facts facts;
    if (!config->client_ca.len)
        return error_set(error, 0, "client CA %s is empty", options->client_ca);
    return pki_read(config->client_ca, &facts, error) || error_wrap(error, "client CA %s", options->client_ca);
}

static bool serve_certificates_use(void *context, struct str certificate, struct str key, struct error *error)
{
    return http_set_certificate(context, certificate, key, error);
}

/* "backstop" in the namespace this pod runs in, else where the manifests put it. */
static bool default_service(struct certificates_service *service, struct error *error)
{
    ARENA_SCOPED arena = arena_new((size_t)16 * NAMESPACE_LIMIT);
    struct str ns, name = STR("backstop.backstop-system");
    struct error ignored;
    if (arena &&
        file_read(arena, "/var/run/secrets/kubernetes.io/serviceaccount/namespace", NAMESPACE_LIMIT, &ns, &ignored))
        name = arena_printf(arena, "backstop.%.*s", STR_ARG(str_trim(ns)));
    return certificates_service_parse(name, service, error);
}

/* After the listener, since the first certificate is set in it. Managed certificates ask the
 * cluster by a client of their own. */
bool serve_certificates_open(struct service *service, const struct tls_options *options, struct http_server *server,
                             const char *kubeconfig, const char *context, struct error *error)
{
    struct certificates_service *names = &service->tls_service;
    struct certificates_options wanted = {.use = serve_certificates_use,
                                          .context = server,
                                          .certificate_file = options->cert,
                                          .key_file = options->key,
                                          .secret = options->secret,
                                          .configurations = options->configurations,
                                          .leaf_seconds = options->leaf_seconds,
                                          .ca_seconds = options->ca_seconds};
    if (options->service && !certificates_service_parse(str_from(options->service), names, error))
        return false;
    wanted.names = options->service ? names->names : NULL;
    if (!options->managed)
        return (service->certificates = certificates_from_files(&wanted, error)) != NULL;
    if (!options->service && !default_service(names, error))
        return false;
    wanted.names = names->names;
    wanted.service = names->name;
    wanted.ns = names->ns;
    const struct kube_options kube = {
        .kubeconfig = kubeconfig, .context = context, .user_agent = "backstop/" BACKSTOP_VERSION};
    wanted.kube = service->certificates_kube = kube_open(&kube, error);
    if (!wanted.kube)
        return error_wrap(error, "--tls-managed");
    return (service->certificates = certificates_managed(&wanted, error)) != NULL;
}

void serve_certificates_close(struct service *service)
{
    certificates_close(service->certificates);
    kube_close(service->certificates_kube);
    service->certificates = NULL;
    service->certificates_kube = NULL;
}

/* False takes the pod out of the Service: a webhook whose certificate nobody trusts cannot
 * answer, and another replica may. */
bool serve_certificate_check(struct service *service, struct buf *reason)
{
    char text[1500] = "";
    bool ready = !service->certificates || certificates_ready(service->certificates, text, sizeof text);
    buf_puts(reason, text);
    return ready;
}

/* The settings in force: a slot that a reload swaps. A file that is wrong leaves the last good settings in effect. */

enum { POLL_SECONDS = 30 };

static struct settings *settings_source_load(const char *path, struct error *error)
{
    return path ? settings_load_file(path, error) : settings_defaults(error);
}

static void settings_source_changed(void *context)
{
    settings_source_reload(context);
}

/* At the start a bad file is an error and no reason to run with the defaults: somebody meant
 * other rules. */
bool settings_source_open(struct settings_source *source, const char *path, struct error *error)
{
    source->path = path;
    shared_slot_init(&source->slot);
    pthread_mutex_init(&source->lock, NULL);
    /* Watched first, so that a file that is exchanged while it is read is read again. */
    pthread_mutex_lock(&source->lock);
    if (path)
        source->watch = file_watch_start(&source->path, 1, POLL_SECONDS, settings_source_changed, source, error);
    struct settings *settings = path && !source->watch ? NULL : settings_source_load(path, error);
    if (settings)
        shared_slot_set(&source->slot, &settings->shared);
    else
        error_wrap(error, "settings file");
    pthread_mutex_unlock(&source->lock);
    return settings != NULL;
}

void settings_source_reload(struct settings_source *source)
{
    struct error error;
    if (!source->path)
        return;
    pthread_mutex_lock(&source->lock);
    struct settings *settings = settings_source_load(source->path, &error);
    metric_add(METRIC_SETTINGS_RELOADS, 1, settings ? "ok" : "failed");
    if (settings) {
        shared_slot_set(&source->slot, &settings->shared);
        source->problem[0] = '\0';
        log_line(LOG_INFO, "settings reloaded", LOG_TEXT("file", str_from(source->path)));
    } else {
        bool unread = error.code == 0 || error.code >= 500; /* rather than wrong: read again, and told once */
        if (!unread || strcmp(source->problem, error.message) != 0)
            log_line(LOG_ERROR, "settings not reloaded; the last good ones stay in use",
                     LOG_TEXT("file", str_from(source->path)), LOG_TEXT("reason", str_from(error.message)));
        snprintf(source->problem, sizeof source->problem, "%s", error.message);
        if (unread)
            file_watch_again(source->watch);
    }
    pthread_mutex_unlock(&source->lock);
}

/* Settings never change once they are in the slot; a review keeps the ones it began with. */
struct settings *settings_source_get(struct settings_source *source)
{
    return (struct settings *)(void *)shared_slot_get(&source->slot);
}

bool settings_source_problem(struct settings_source *source, char *out, size_t size)
{
    pthread_mutex_lock(&source->lock);
    snprintf(out, size, "%s", source->problem);
    pthread_mutex_unlock(&source->lock);
    return out[0] != '\0';
}

/* The watch first: after it no reload can be under way. */
void settings_source_close(struct settings_source *source)
{
    file_watch_stop(source->watch);
    shared_slot_dispose(&source->slot);
    pthread_mutex_destroy(&source->lock);
}
