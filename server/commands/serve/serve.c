/* The life of `backstop serve`: what is given up, opened, served, drained and closed. */
#include "commands/serve/serve.h"
#include "backstop/telemetry.h"

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
