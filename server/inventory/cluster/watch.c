/* Readers never wait for any of this: they hold the last snapshot, which is immutable, and take
 * the next one with their next request. */
#include <stdio.h>
#include <time.h>

#include "backstop/telemetry.h"
#include "inventory/cluster/cluster.h"

/* Snapshots of what the store holds. They share its records, so one costs an
 * index; a burst of events makes one snapshot, not one each. */

enum { QUIET_MS = 50, COST_SHARE = 40, RETRY_MS = 1000 };

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

/* The lock is held, and given up while the snapshot is made. */
static bool compose_snapshot(struct cluster *cluster)
{
    struct inventory_builder *builder = inventory_builder_new();
    const struct inventory *before = snapshot_current(&cluster->current);
    if (builder)
        builder_follow(builder, before);
    bool filled = builder && compose_fill_builder(cluster, builder);
    pthread_mutex_unlock(&cluster->lock);
    snapshot_release(before);
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

/* Of this thread. What passes while others have the CPU is no cost of a snapshot, and to wait so much longer for the next
 * one would have ever more objects twice, as the last one has them and as they are now. */
static int64_t compose_cpu_ns(void)
{
    struct timespec spent;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
    return (int64_t)spent.tv_sec * NS_PER_SECOND + spent.tv_nsec;
}

/* QUIET_MS gathers a burst into one snapshot; `pause` bounds the cost when events never stop. */
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
        if (time_monotonic_ns() < next) {
            while (!cluster->stopping && cond_wait_until(&cluster->wake, &cluster->lock, next))
                continue;
            continue;
        }
        cluster->dirty = false;
        int64_t before = compose_cpu_ns();
        bool composed = compose_snapshot(cluster);
        cluster->dirty |= !composed;
        int64_t pause = (compose_cpu_ns() - before) * COST_SHARE;
        int64_t least = (composed ? QUIET_MS : RETRY_MS) * NS_PER_MS;
        /* Large inventories that never rest take at most a fortieth of a CPU. */
        next = time_monotonic_ns() + (pause > least ? pause : least);
    }
    pthread_mutex_unlock(&cluster->lock);
    return NULL;
}

/* One that waits for its time already is not woken: that would be two switches of threads for each event. */
void compose_soon(struct cluster *cluster)
{
    if (!cluster->dirty)
        pthread_cond_signal(&cluster->wake);
    cluster->dirty = true;
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

/* What the reflectors bring goes into the store, under one lock. */

/* The text of a page is held whole; small ones keep the peak low. */
enum { PAGE = 100 };

/* Items of a list do not say what they are, and metadata says it is only metadata. */
static bool name_kind(struct json_object *object, const struct fact_kind *kind)
{
    return json_put_text(object, "apiVersion", str_from(kind->api_version)) &&
           json_put_text(object, "kind", kind->resource.kind);
}

bool cluster_extract(struct cluster *cluster, enum fact fact, struct json_object *object, record_sink *sink,
                     void *context, struct error *error)
{
    struct extractor extractor = {.pool = cluster->pool, .default_ns = cluster->ns, .from_server = true};
    if (!json_object_is_type(object, json_type_object))
        return error_set(error, 422, "no object");
    if (!name_kind(object, &fact_kinds[fact]))
        return error_set(error, 500, "out of memory");
    return extract_object(&extractor, object, sink, context, error);
}

/* A table is one kind's, whatever a list brings: Velero's Deployment may bear kcm's label, too. */
static bool watch_keep_record(void *context, struct record *record, struct error *error)
{
    struct feed *feed = context;
    if (record->fact != feed->fact) {
        table_remove(&feed->records, record_meta(record)->ns, record_meta(record)->name);
        shared_release(&record->shared);
        return true;
    }
    record->round = feed->round;
    record->digest = feed->digest;
    return table_put(&feed->records, record) ? true : error_set(error, 500, "out of memory");
}

/* Rounds: what the new list names gets its number, and what has an older one at the end is gone.
 * Until then the old records stay, so no reader sees half a list. */
static void on_replace_begin(void *context)
{
    struct feed *feed = context;
    pthread_mutex_lock(&feed->cluster->lock);
    feed->round++;
    feed->listing = true;
    pthread_mutex_unlock(&feed->cluster->lock);
}

/* An object that cannot be kept is logged and left as it was: one broken object must not stop
 * the informer. */
static void on_object(void *context, enum kube_event event, struct json_object *object)
{
    struct feed *feed = context;
    struct error error;
    bool good = true;
    pthread_mutex_lock(&feed->cluster->lock);
    if (event == KUBE_DELETED)
        table_remove(&feed->records, json_path_str(object, "metadata.namespace"),
                     json_path_str(object, "metadata.name"));
    else
        good = cluster_extract(feed->cluster, feed->fact, object, watch_keep_record, feed, &error);
    bool followed = feed->known && !feed->listing;
    if (followed)
        compose_soon(feed->cluster);
    pthread_mutex_unlock(&feed->cluster->lock);
    if (followed)
        metric_add(METRIC_FACTS_EVENTS, 1, fact_kinds[feed->fact].name);
    if (!good)
        log_line(LOG_ERROR, "object ignored", LOG_TEXT("resource", str_from(fact_kinds[feed->fact].name)),
                 LOG_TEXT("name", json_path_str(object, "metadata.name")), LOG_TEXT("reason", str_from(error.message)));
}

static bool on_text(void *context, struct str object, struct str *version)
{
    struct feed *feed = context;
    if (!repeat_object(feed, object, version))
        return false;
    /* This informer's thread is the only one that sets the two. */
    if (feed->known && !feed->listing)
        metric_add(METRIC_FACTS_EVENTS, 1, fact_kinds[feed->fact].name);
    return true;
}

static void on_replace_end(void *context)
{
    struct feed *feed = context;
    pthread_mutex_lock(&feed->cluster->lock);
    table_keep_round(&feed->records, feed->round);
    feed->known = true;
    feed->listing = false;
    compose_soon(feed->cluster);
    pthread_mutex_unlock(&feed->cluster->lock);
    metric_add(METRIC_FACTS_LISTS, 1, fact_kinds[feed->fact].name);
    memory_trim(); /* the trees of a long list are gone: give their memory back */
}

static void on_state(void *context, enum kube_sync state, const char *reason)
{
    struct feed *feed = context;
    pthread_mutex_lock(&feed->cluster->lock);
    cluster_state(feed, state, reason);
    if (state == KUBE_MISSING && (feed->known || feed->records.len)) {
        table_clear(&feed->records);
        feed->known = false;
        compose_soon(feed->cluster);
    }
    pthread_mutex_unlock(&feed->cluster->lock);
}

/* RBAC takes a list with this selector for one of that object alone. */
static struct str object_selector(struct cluster *cluster, const struct feed *feed)
{
    return feed->object ? arena_printf(cluster->arena, "metadata.name=%s", feed->object) : (struct str){NULL, 0};
}

bool cluster_watch_start(struct cluster *cluster, struct error *error)
{
    for (size_t f = 0; f < cluster->feed_count; f++) {
        struct feed *feed = &cluster->feeds[f];
        const struct fact_kind *kind = &fact_kinds[feed->fact];
        if (kind->asked)
            continue;
        const struct kube_reflector_options options = {
            .resource = kind->resource,
            .versions = kind->versions,
            .list = {.ns = kind->resource.namespaced && !kind->everywhere ? cluster->ns : (struct str){NULL, 0},
                     .label_selector = kind->label_selector,
                     .field_selector = object_selector(cluster, feed),
                     .metadata_only = kind->metadata_only,
                     .omit = kind->omit,
                     .page = kind->page ? kind->page : PAGE,
                     .repeat = feed->fact == FACT_BACKUPS ? on_text : NULL,
                     .repeat_context = feed},
            .replace_begin = on_replace_begin,
            .object = on_object,
            .replace_end = on_replace_end,
            .state = on_state,
            .context = feed};
        feed->reflector = kube_reflect(cluster->client, &options, error);
        if (!feed->reflector)
            return false;
    }
    return true;
}

void cluster_watch_stop(struct cluster *cluster)
{
    for (size_t f = 0; f < cluster->feed_count; f++)
        kube_reflector_cancel(cluster->feeds[f].reflector);
    if (cluster->client)
        kube_interrupt(cluster->client, time_monotonic_ns());
    for (size_t f = 0; f < cluster->feed_count; f++)
        kube_reflector_stop(cluster->feeds[f].reflector);
}

/* How each kind stands, for the log and for /readyz?verbose. */

/* A watch that is taken up again goes through "listing" for a moment; that is no news, and would
 * fill the log. */
void cluster_state(struct feed *feed, enum kube_sync state, const char *reason)
{
    bool trying_again = state == KUBE_LISTING && (feed->state == KUBE_BROKEN || feed->state == KUBE_SYNCED);
    feed->settled |= state == KUBE_SYNCED || state == KUBE_MISSING || state == KUBE_BROKEN;
    if (trying_again)
        return;
    snprintf(feed->reason, sizeof feed->reason, "%s", reason);
    if (state == feed->state)
        return;
    struct str resource = str_from(feed->object ? feed->object : fact_kinds[feed->fact].name);
    if (state == KUBE_SYNCED)
        log_line(LOG_INFO, "cache synced", LOG_TEXT("resource", resource),
                 LOG_INTEGER("objects", (int64_t)feed->records.len));
    else if (state == KUBE_MISSING)
        log_line(LOG_WARN, "kind not installed; waiting for its CRD", LOG_TEXT("resource", resource),
                 LOG_TEXT("reason", str_from(reason)));
    else if (state == KUBE_BROKEN)
        log_line(LOG_WARN, feed->known ? "cache may be stale" : "cannot read from the API server",
                 LOG_TEXT("resource", resource), LOG_TEXT("reason", str_from(reason)));
    feed->state = state;
    feed->since = time_now();
    bool followed = true;
    for (size_t f = 0; f < feed->cluster->feed_count; f++)
        followed =
            followed && (feed->cluster->feeds[f].fact != feed->fact || feed->cluster->feeds[f].state == KUBE_SYNCED);
    metric_set(METRIC_FACTS_SYNCED, followed, fact_kinds[feed->fact].name);
}

/* ---- for people ------------------------------------------------------------ */

static void report_feed(const struct feed *feed, size_t objects, struct buf *out)
{
    char since[TIME_TEXT_SIZE];
    time_format(feed->since, 0, since);
    if (feed->object && feed->state != KUBE_SYNCED)
        buf_printf(out, "%s: ", feed->object);
    switch (feed->state) {
    case KUBE_SYNCED:
        buf_printf(out, "%zu object%s", objects, objects == 1 ? "" : "s");
        return;
    case KUBE_MISSING:
        buf_printf(out, "waiting since %s: %s", since, feed->reason);
        return;
    case KUBE_BROKEN:
        buf_printf(out, "%s since %s: %s", feed->known ? "stale" : "cannot be read", since, feed->reason);
        return;
    case KUBE_CONNECTING:
    case KUBE_LISTING:
        buf_printf(out, "%s since %s", feed->state == KUBE_LISTING ? "listing" : "connecting", since);
        return;
    }
}

static enum facts_sync sync_of(const struct feed *feed)
{
    if (feed->state == KUBE_SYNCED)
        return FACTS_SYNCED;
    if (feed->known)
        return FACTS_BEHIND;
    return feed->state == KUBE_MISSING ? FACTS_NOT_INSTALLED : FACTS_UNREAD;
}

/* Of the feeds of one fact: it is known as well as the least of them is. */
static const struct feed *worst_feed(const struct cluster *cluster, enum fact fact, size_t *objects)
{
    const struct feed *worst = NULL;
    for (size_t f = 0; f < cluster->feed_count; f++) {
        const struct feed *feed = &cluster->feeds[f];
        if (feed->fact != fact)
            continue;
        *objects += feed->records.len;
        if (!worst || sync_of(feed) < sync_of(worst))
            worst = feed;
    }
    return worst;
}

void cluster_report(struct snapshot_source *self, facts_report_fn *say, void *context)
{
    struct cluster *cluster = (struct cluster *)self;
    BUF_SCOPED line;
    buf_init(&line, 2048);
    for (size_t f = 0; f < FACT_COUNT; f++) {
        size_t objects = 0;
        buf_clear(&line);
        pthread_mutex_lock(&cluster->lock);
        const struct feed *worst = worst_feed(cluster, (enum fact)f, &objects);
        if (!worst) {
            pthread_mutex_unlock(&cluster->lock);
            continue;
        }
        enum facts_sync sync = sync_of(worst);
        if (fact_kinds[f].optional && sync == FACTS_UNREAD && worst->state == KUBE_BROKEN) {
            sync = FACTS_OFF;
            buf_puts(&line, "off: ");
        }
        report_feed(worst, objects, &line);
        bool nothing = fact_kinds[f].asked && sync == FACTS_SYNCED && objects == 0; /* nobody was asked */
        pthread_mutex_unlock(&cluster->lock);
        if (nothing)
            continue;
        say(context, fact_kinds[f].name, sync, line.data ? line.data : "");
    }
}

/* Once ready it stays so: facts that are a little old, and a gate that says it cannot
 * read, serve better than no webhook at all. */
static bool feed_ready(const struct feed *feed)
{
    if (feed->known || feed->state == KUBE_MISSING)
        return true;
    return feed->settled && !fact_kinds[feed->fact].gate;
}

/* A kind whose CRD is not installed does not hold readiness up: on a fresh cluster in a disaster
 * k0rdent's are missing, and Velero's must be reviewed. */
bool cluster_ready(struct snapshot_source *self)
{
    struct cluster *cluster = (struct cluster *)self;
    bool ready = true;
    pthread_mutex_lock(&cluster->lock);
    for (size_t f = 0; f < cluster->feed_count; f++)
        ready &= feed_ready(&cluster->feeds[f]);
    pthread_mutex_unlock(&cluster->lock);
    return ready;
}

size_t cluster_problems(struct snapshot_source *self)
{
    struct cluster *cluster = (struct cluster *)self;
    size_t problems = 0;
    pthread_mutex_lock(&cluster->lock);
    for (size_t f = 0; f < cluster->feed_count; f++)
        problems += cluster->feeds[f].state == KUBE_BROKEN && !fact_kinds[cluster->feeds[f].fact].optional;
    pthread_mutex_unlock(&cluster->lock);
    return problems;
}
