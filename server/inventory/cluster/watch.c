/* What the reflectors bring goes into the store, under one lock. */

#include "backstop/telemetry.h"
#include "inventory/cluster/cluster.h"

/* A page is parsed whole, at ten times its size; small ones keep the peak low. */
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

static bool watch_keep_record(void *context, struct record *record, struct error *error)
{
    struct feed *feed = context;
    record->round = feed->round;
    return table_put(&feed->records, record) ? true : error_set(error, 500, "out of memory");
}

static void on_replace_begin(void *context)
{
    struct feed *feed = context;
    pthread_mutex_lock(&feed->cluster->lock);
    feed->round++;
    feed->listing = true;
    pthread_mutex_unlock(&feed->cluster->lock);
}

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
                     .page = PAGE},
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
