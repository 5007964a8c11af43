/* How each kind stands, for the log and for /readyz?verbose. */
#include <stdio.h>

#include "backstop/telemetry.h"
#include "inventory/cluster/cluster.h"

static void log_state(const struct feed *feed, enum kube_sync state, const char *reason)
{
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
}

static bool fact_followed(const struct cluster *cluster, enum fact fact)
{
    bool followed = true;
    for (size_t f = 0; f < cluster->feed_count; f++)
        followed = followed && (cluster->feeds[f].fact != fact || cluster->feeds[f].state == KUBE_SYNCED);
    return followed;
}

void cluster_state(struct feed *feed, enum kube_sync state, const char *reason)
{
    bool trying_again = state == KUBE_LISTING && (feed->state == KUBE_BROKEN || feed->state == KUBE_SYNCED);
    feed->settled |= state == KUBE_SYNCED || state == KUBE_MISSING || state == KUBE_BROKEN;
    if (trying_again)
        return;
    snprintf(feed->reason, sizeof feed->reason, "%s", reason);
    if (state == feed->state)
        return;
    log_state(feed, state, reason);
    feed->state = state;
    feed->since = time_now();
    metric_set(METRIC_FACTS_SYNCED, fact_followed(feed->cluster, feed->fact), fact_kinds[feed->fact].name);
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
        return FACTS_IN_STEP;
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

void cluster_report(struct facts_source *self, facts_report_fn *say, void *context)
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
        report_feed(worst, objects, &line);
        bool nothing = fact_kinds[f].asked && sync == FACTS_IN_STEP && objects == 0; /* nobody was asked */
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

bool cluster_ready(struct facts_source *self)
{
    struct cluster *cluster = (struct cluster *)self;
    bool ready = true;
    pthread_mutex_lock(&cluster->lock);
    for (size_t f = 0; f < cluster->feed_count; f++)
        ready &= feed_ready(&cluster->feeds[f]);
    pthread_mutex_unlock(&cluster->lock);
    return ready;
}

size_t cluster_problems(struct facts_source *self)
{
    struct cluster *cluster = (struct cluster *)self;
    size_t problems = 0;
    pthread_mutex_lock(&cluster->lock);
    for (size_t f = 0; f < cluster->feed_count; f++)
        problems += cluster->feeds[f].state == KUBE_BROKEN;
    pthread_mutex_unlock(&cluster->lock);
    return problems;
}
