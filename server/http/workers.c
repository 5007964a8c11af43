/* A handler that waits for somebody else must not hold up the threads that read and write all
 * connections: its connection is suspended and a worker runs it.
 *
 * Uncached reads are such handlers: they wait for the API server. The queue is bounded
 * (limits.waiting); who finds it full is answered as overload, which costs one retry, instead of
 * waiting for a time-out. */
#include <stdlib.h>
#include <string.h>

#include "backstop/telemetry.h"
#include "http/http.h"

enum { WORKERS_MAX = 64 };

struct workers {
    struct http_server *server;
    worker_fn *work;
    pthread_mutex_t lock; /* everything below */
    pthread_cond_t wake;
    struct http_connection *first, **last;
    unsigned queued; /* reserved ones included */
    bool stopping;
    unsigned count;
    pthread_t threads[WORKERS_MAX];
};

/* The lock is held. */
static struct http_connection *workers_next(struct workers *workers)
{
    struct http_connection *connection = workers->first;
    if (!connection)
        return NULL;
    workers->first = connection->later;
    if (!workers->first)
        workers->last = &workers->first;
    workers->queued--;
    return connection;
}

/* The reply is stored and `answered` set before the connection is resumed: from then on
 * libmicrohttpd's thread owns it again. */
static void *workers_work(void *context)
{
    struct workers *workers = context;
    pthread_mutex_lock(&workers->lock);
    for (;;) {
        struct http_connection *connection = workers_next(workers);
        bool refuse = workers->stopping;
        if (refuse && !connection && !workers->queued)
            break;
        if (!connection) {
            pthread_cond_wait(&workers->wake, &workers->lock);
            continue;
        }
        pthread_mutex_unlock(&workers->lock);
        workers->work(connection, !refuse, refuse, &connection->reply);
        connection->answered = true;
        MHD_resume_connection(connection->mhd);
        pthread_mutex_lock(&workers->lock);
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

/* A worker that stops waits for what is reserved: it comes at once. */
bool workers_reserve(struct workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    bool room = !workers->stopping && workers->queued < workers->server->limits.waiting;
    workers->queued += room;
    pthread_mutex_unlock(&workers->lock);
    if (!room)
        metric_add(METRIC_HTTP_REFUSED, 1, "overload");
    return room;
}

/* Called after the connection was suspended: a worker may resume it before this returns. */
void workers_give(struct workers *workers, struct http_connection *connection)
{
    connection->later = NULL;
    pthread_mutex_lock(&workers->lock);
    *workers->last = connection;
    workers->last = &connection->later;
    pthread_cond_signal(&workers->wake);
    pthread_mutex_unlock(&workers->lock);
}

struct workers *workers_start(struct http_server *server, unsigned threads, worker_fn *work, struct error *error)
{
    struct workers *workers = calloc(1, sizeof *workers);
    if (!workers)
        return error_null(error, 0, "out of memory");
    workers->server = server;
    workers->work = work;
    workers->last = &workers->first;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->wake, NULL);
    for (; workers->count < threads && workers->count < WORKERS_MAX; workers->count++) {
        int failed = pthread_create(&workers->threads[workers->count], NULL, workers_work, workers);
        if (failed) {
            char reason[128];
            error_set(error, 0, "cannot start a thread: %s", strerror_r(failed, reason, sizeof reason));
            workers_stop(workers);
            workers_free(workers);
            return NULL;
        }
        pthread_setname_np(workers->threads[workers->count], "http-worker");
    }
    return workers;
}

/* What is queued is answered as overload, not dropped: a suspended connection that nobody
 * resumes would keep libmicrohttpd from stopping. */
void workers_stop(struct workers *workers)
{
    if (!workers)
        return;
    pthread_mutex_lock(&workers->lock);
    workers->stopping = true;
    pthread_cond_broadcast(&workers->wake);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->count; i++)
        pthread_join(workers->threads[i], NULL);
    workers->count = 0;
}

void workers_free(struct workers *workers)
{
    if (!workers)
        return;
    pthread_cond_destroy(&workers->wake);
    pthread_mutex_destroy(&workers->lock);
    free(workers);
}
