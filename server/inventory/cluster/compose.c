/* Snapshots of what the store holds. They share its records, so one costs a sort and
 * an index; a burst of events makes one snapshot, not one each. */
#include <time.h>

#include "backstop/telemetry.h"
#include "inventory/cluster/cluster.h"

enum { QUIET_MS = 50, COST_SHARE = 20, RETRY_MS = 1000 };
#define NS_PER_MS INT64_C(1000000)

bool cluster_knows(const struct cluster *cluster, enum fact fact)
{
    bool known = true;
    for (size_t f = 0; f < cluster->feed_count; f++)
        known = known && (cluster->feeds[f].fact != fact || cluster->feeds[f].known);
    return known;
}

/* The lock is held. What was never listed whole is left out: half a list misleads. */
static bool compose_fill_builder(const struct cluster *cluster, struct inventory_builder *builder)
{
    for (size_t f = 0; f < FACT_COUNT; f++)
        inventory_set_known(builder, (enum fact)f, cluster_knows(cluster, (enum fact)f));
    for (size_t f = 0; f < cluster->feed_count; f++) {
        const struct feed *feed = &cluster->feeds[f];
        if (feed->known && !builder_share_table(builder, feed->fact, &feed->records))
            return false;
    }
    return true;
}

/* The lock is held, and given up while the snapshot is sorted. */
static bool compose_snapshot(struct cluster *cluster)
{
    struct inventory_builder *builder = inventory_builder_new();
    bool filled = builder && compose_fill_builder(cluster, builder);
    pthread_mutex_unlock(&cluster->lock);
    struct inventory *fresh = filled ? inventory_finish(builder) : NULL;
    if (!filled)
        inventory_builder_free(builder);
    if (fresh && cluster->composed)
        cluster->composed(cluster->context, fresh);
    if (fresh)
        shared_slot_set(&cluster->current, fresh->counted);
    metric_add(METRIC_FACTS_SNAPSHOTS, fresh != NULL, NULL);
    pthread_mutex_lock(&cluster->lock);
    tree_pool_sweep(cluster->pool);
    return fresh != NULL;
}

static void wait_until(struct cluster *cluster, int64_t when_ns)
{
    struct timespec until = {when_ns / 1000000000, when_ns % 1000000000};
    while (!cluster->stopping && pthread_cond_timedwait(&cluster->wake, &cluster->lock, &until) == 0)
        continue;
}

static void *compose_thread(void *context)
{
    struct cluster *cluster = context;
    int64_t next = 0;
    pthread_mutex_lock(&cluster->lock);
    while (!cluster->stopping) {
        if (!cluster->dirty) {
            pthread_cond_wait(&cluster->wake, &cluster->lock);
            continue;
        }
        int64_t begin = time_monotonic_ns();
        if (begin < next) {
            wait_until(cluster, next);
            continue;
        }
        cluster->dirty = false;
        bool composed = compose_snapshot(cluster);
        cluster->dirty |= !composed;
        int64_t took = time_monotonic_ns() - begin, pause = took * COST_SHARE;
        int64_t least = (composed ? QUIET_MS : RETRY_MS) * NS_PER_MS;
        /* Large inventories that never rest take at most a twentieth of a CPU. */
        next = begin + took + (pause > least ? pause : least);
    }
    pthread_mutex_unlock(&cluster->lock);
    return NULL;
}

void compose_soon(struct cluster *cluster)
{
    cluster->dirty = true;
    pthread_cond_signal(&cluster->wake);
}

bool compose_start(struct cluster *cluster, struct error *error)
{
    pthread_mutex_lock(&cluster->lock);
    bool composed = compose_snapshot(cluster);
    pthread_mutex_unlock(&cluster->lock);
    if (!composed)
        return error_set(error, 500, "out of memory");
    int failed = pthread_create(&cluster->composer, NULL, compose_thread, cluster);
    if (failed)
        return error_set(error, 500, "cannot start a thread: error %d", failed);
    pthread_setname_np(cluster->composer, "facts");
    cluster->composing = true;
    return true;
}

void compose_stop(struct cluster *cluster)
{
    pthread_mutex_lock(&cluster->lock);
    cluster->stopping = true;
    pthread_cond_signal(&cluster->wake);
    pthread_mutex_unlock(&cluster->lock);
    if (cluster->composing)
        pthread_join(cluster->composer, NULL);
}
