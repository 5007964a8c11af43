/* The two listeners: reviews over HTTPS, health (and the status page) over plain HTTP. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "commands/serve/serve.h"

enum {
    CERTIFICATE_BYTES = 4 * 1024 * 1024,
    HEALTH_THREADS = 1,
    REVIEW_WORKERS = 4,
    PAGE_WORKERS = 1 /* and so many pages are made at once, while probes are answered */
};

struct http_server *serve_listen_reviews(struct service *service, const struct serve_options *values,
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
    if (!arena) {
        error_set(error, 0, "out of memory");
        return NULL;
    }
    if (!serve_certificates_configure(arena, &values->tls, &config, error))
        return NULL;
    return http_start(&config, error);
}

struct http_server *serve_listen_health(struct service *service, const struct serve_options *values,
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
bool serve_listen_tell(const char *path, unsigned reviews, unsigned health, struct error *error)
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
