/* What the system grants this process, descriptors and memory, and how it keeps to that. */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "backstop/telemetry.h"
#include "commands/serve/serve.h"

enum {
    OTHERS = 64,          /* files, watches, the health port, the API server */
    LEAST_CONNECTIONS = 8 /* with fewer nobody can be served */
};

/* Without a descriptor nothing can be accepted or read, and certificates, settings and facts
 * cannot be reloaded: so connections are kept below what the system grants. */
bool serve_limits_descriptors(int64_t *connections, unsigned health_connections, struct error *error)
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
void serve_limits_memory(void)
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
