/* What the system grants this process, descriptors and memory, and how it keeps to that. */
#include <errno.h>
#include <malloc.h>
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
