/* Opens and closes the cache of a cluster: one informer per kind (or per named object, which RBAC can be narrowed to), a
 * thread that composes snapshots, and a second client with a short time limit for uncached reads. */
#include <stdlib.h>

#include "inventory/cluster/cluster.h"

/* A list of a full page may take its time; what a review waits for may not. */
enum { LIST_SECONDS = 30, LIVE_SECONDS = 3, NAMES_LIMIT = 64 * 1024 };

static const struct inventory *cluster_snapshot(struct snapshot_source *self, int64_t now)
{
    (void)now;
    return snapshot_current(&((struct cluster *)self)->current);
}

static void close_cluster(struct snapshot_source *self)
{
    struct cluster *cluster = (struct cluster *)self;
    ask_stop(cluster);
    cluster_watch_stop(cluster);
    compose_stop(cluster);
    for (size_t f = 0; f < cluster->feed_count; f++)
        table_clear(&cluster->feeds[f].records);
    shared_slot_dispose(&cluster->current);
    tree_pool_free(cluster->pool);
    kube_close(cluster->live);
    kube_close(cluster->client);
    pthread_cond_destroy(&cluster->wake);
    pthread_cond_destroy(&cluster->asker.wake);
    pthread_mutex_destroy(&cluster->lock);
    arena_free(cluster->arena);
    free(cluster);
}

static const struct snapshot_source_table table = {
    .waits = true,
    .get = cluster_snapshot,
    .live = cluster_live,
    .create = cluster_create,
    .reserve = cluster_reserve,
    .report = cluster_report,
    .ready = cluster_ready,
    .problems = cluster_problems,
    .close = close_cluster,
};

static bool cluster_start(struct cluster *cluster, const struct facts_cluster_options *options, struct error *error)
{
    struct kube_options access = options->access;
    if (!access.timeout_seconds)
        access.timeout_seconds = LIST_SECONDS;
    cluster->pool = tree_pool_new();
    cluster->arena = arena_new(NAMES_LIMIT);
    if (cluster->arena)
        cluster->ns = arena_copy(cluster->arena, options->system_namespace);
    if (!cluster->pool || !cluster->ns.ptr)
        return error_set(error, 500, "out of memory");
    if (!repeat_start(cluster))
        return error_set(error, 500, "the system has no random numbers");
    cluster->client = kube_open(&access, error);
    access.timeout_seconds = LIVE_SECONDS;
    cluster->live = cluster->client ? kube_open(&access, error) : NULL;
    return cluster->live && compose_start(cluster, error) && cluster_watch_start(cluster, error) &&
           (!options->ask_velero || ask_start(cluster, error));
}

static void add_feed(struct cluster *cluster, enum fact fact, const char *object)
{
    struct feed feed = {.cluster = cluster, .fact = fact, .object = object, .since = time_now()};
    if (fact_kinds[fact].asked) { /* nothing needs to be asked for until something does */
        feed.settled = true;
        feed.state = KUBE_SYNCED;
    }
    if (cluster->feed_count < FEEDS_MAX)
        cluster->feeds[cluster->feed_count++] = feed;
}

static void add_feeds(struct cluster *cluster, enum fact fact)
{
    const char *const *names = fact_kinds[fact].names;
    if (!names)
        add_feed(cluster, fact, NULL);
    for (; names && *names; names++)
        add_feed(cluster, fact, *names);
}

struct snapshot_source *facts_from_cluster(const struct facts_cluster_options *options, struct error *error)
{
    struct cluster *cluster = calloc(1, sizeof *cluster);
    if (!cluster)
        return error_null(error, 500, "out of memory");
    cluster->source.table = &table;
    cluster->composed = options->composed;
    cluster->context = options->context;
    for (size_t f = 0; f < FACT_COUNT; f++)
        add_feeds(cluster, (enum fact)f);
    shared_slot_init(&cluster->current);
    pthread_mutex_init(&cluster->lock, NULL);
    cond_init(&cluster->wake);
    cond_init(&cluster->asker.wake);
    if (cluster_start(cluster, options, error))
        return &cluster->source;
    close_cluster(&cluster->source);
    return NULL;
}

const char *facts_cluster_server(const struct snapshot_source *source)
{
    return kube_server(((const struct cluster *)source)->client);
}
