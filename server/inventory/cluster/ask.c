/* Which version Velero's server is, where the tag of its image does not tell: a ServerStatusRequest,
 * as `velero version` makes one. Velero answers within a second, and deletes what it has answered
 * some minutes later (server_status_request_controller.go). One image is asked for once a day. */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "backstop/telemetry.h"
#include "backstop/versions.h"
#include "inventory/cluster/cluster.h"

enum { LOOK_MS = 3000, ANSWER_MS = 500, ANSWER_TRIES = 40, AGAIN_SECONDS = 24 * 3600, RETRY_SECONDS = 600 };

struct question {
    char name[40], image[ASK_IMAGE_SIZE];
};

static struct feed *ask_feed(struct cluster *cluster)
{
    size_t f = 0;
    while (cluster->feeds[f].fact != FACT_SERVER_STATUSES)
        f++;
    return &cluster->feeds[f];
}

/* False when the cluster is closed. */
static bool ask_pause(struct cluster *cluster, int64_t milliseconds)
{
    int64_t until = time_monotonic_ns() + milliseconds * NS_PER_MS;
    pthread_mutex_lock(&cluster->lock);
    while (!cluster->asker.stopping && cond_wait_until(&cluster->asker.wake, &cluster->lock, until))
        continue;
    bool goes_on = !cluster->asker.stopping;
    pthread_mutex_unlock(&cluster->lock);
    return goes_on;
}

/* ---- whether to ask -------------------------------------------------------- */

/* A server whose image is no release that the table has, and, to be asked, that runs. The lock is held. */
static const struct velero_deployment *ask_whom(const struct cluster *cluster, bool runs)
{
    for (size_t f = 0; f < cluster->feed_count; f++) {
        const struct feed *feed = &cluster->feeds[f];
        for (size_t i = 0; feed->fact == FACT_VELERO && i < feed->records.size; i++) {
            const struct record *record = feed->records.slots[i];
            const struct velero_deployment *velero = record ? (const void *)record->bytes : NULL;
            if (velero && (velero->state.ready_replicas > 0 || !runs) && str_eq(velero->meta.ns, cluster->ns) &&
                !product_version_parse(PRODUCT_VELERO, image_tag(velero->image)).listed)
                return velero;
        }
    }
    return NULL;
}

/* ---- one question ---------------------------------------------------------- */

/* The name is random: two replicas that ask at the same moment must not collide. Velero deletes
 * the request itself. */
static bool ask_create(struct cluster *cluster, struct question *question, struct error *error)
{
    ARENA_SCOPED arena = arena_new(1 << 20);
    const struct fact_kind *kind = &fact_kinds[FACT_SERVER_STATUSES];
    struct json_object *object = arena ? json_own(arena, json_object_new_object()) : NULL, *metadata, *annotations,
                       *spec;
    uint32_t chance = (uint32_t)time_monotonic_ns(); /* of replicas that ask at the same moment */
    (void)!getrandom(&chance, sizeof chance, GRND_NONBLOCK);
    snprintf(question->name, sizeof question->name, "backstop-%08x", chance);
    if (!object || !json_put_text(object, "apiVersion", str_from(kind->api_version)) ||
        !json_put_text(object, "kind", kind->resource.kind) || !json_put_map(object, "metadata", &metadata) ||
        !json_put_text(metadata, "name", str_from(question->name)) ||
        !json_put_text(metadata, "namespace", cluster->ns) || !json_put_map(metadata, "annotations", &annotations) ||
        !json_put_text(annotations, ANNOTATION_OF_IMAGE, str_from(question->image)) ||
        !json_put_map(object, "spec", &spec))
        return error_set(error, 500, "out of memory");
    return kube_create(cluster->live, arena, &kind->resource, cluster->ns, object, NULL, error);
}

static bool ask_keep(void *context, struct record *record, struct error *error)
{
    struct feed *feed = context;
    return table_put(&feed->records, record) ? true : error_set(error, 500, "out of memory");
}

/* False with code 0 while there is no answer yet. */
static bool ask_answered(struct cluster *cluster, const struct question *question, struct error *error)
{
    ARENA_SCOPED arena = arena_new(1 << 20);
    const struct fact_kind *kind = &fact_kinds[FACT_SERVER_STATUSES];
    struct json_object *object = NULL;
    struct feed *feed = ask_feed(cluster);
    *error = (struct error){.code = 0};
    if (!arena)
        return error_set(error, 500, "out of memory");
    if (!kube_get(cluster->live, arena, &kind->resource, cluster->ns, str_from(question->name), &object, error) ||
        json_path_str(object, "status.serverVersion").len == 0)
        return false;
    pthread_mutex_lock(&cluster->lock);
    table_clear(&feed->records);
    bool kept = cluster_extract(cluster, FACT_SERVER_STATUSES, object, ask_keep, feed, error);
    feed->known |= kept;
    if (kept) {
        cluster->asker.next_ns = time_monotonic_ns() + AGAIN_SECONDS * NS_PER_SECOND;
        cluster_state(feed, KUBE_SYNCED, "");
    }
    compose_soon(cluster);
    pthread_mutex_unlock(&cluster->lock);
    return kept;
}

static void ask_put_question(struct cluster *cluster, struct question *question)
{
    struct error error = {.code = 0};
    bool asked = ask_create(cluster, question, &error), answered = false;
    for (int i = 0; asked && !answered && error.code == 0 && i < ANSWER_TRIES; i++) {
        if (!ask_pause(cluster, ANSWER_MS))
            return;
        answered = ask_answered(cluster, question, &error);
    }
    if (asked && !answered && error.code == 0)
        error_set(&error, 504, "Velero has not answered ServerStatusRequest %s within %d seconds", question->name,
                  ANSWER_MS * ANSWER_TRIES / 1000);
    if (!answered) {
        struct feed *feed = ask_feed(cluster);
        pthread_mutex_lock(&cluster->lock);
        feed->known = feed->records.len > 0;
        cluster_state(feed, error.code == 404 ? KUBE_MISSING : KUBE_BROKEN, error.message);
        compose_soon(cluster);
        pthread_mutex_unlock(&cluster->lock);
    }
}

static void *ask_run(void *context)
{
    struct cluster *cluster = context;
    while (ask_pause(cluster, LOOK_MS)) {
        struct question question;
        struct cluster_asker *asker = &cluster->asker;
        int64_t now_ns = time_monotonic_ns();
        bool due = false;
        pthread_mutex_lock(&cluster->lock);
        const struct velero_deployment *velero = ask_whom(cluster, true);
        if (velero && velero->image.len > 0 && velero->image.len < sizeof question.image &&
            (!str_is(velero->image, asker->image) || now_ns >= asker->next_ns)) {
            due = true;
            memcpy(question.image, velero->image.ptr, velero->image.len);
            question.image[velero->image.len] = '\0';
            memcpy(asker->image, question.image, velero->image.len + 1);
            asker->next_ns = now_ns + RETRY_SECONDS * NS_PER_SECOND;
        } else if (!velero && asker->image[0] && !ask_whom(cluster, false)) {
            /* Nobody is to be asked any more: what was answered, or was not, is of a server that is gone. The lock is held. */
            struct feed *feed = ask_feed(cluster);
            cluster->asker.image[0] = '\0';
            table_clear(&feed->records);
            feed->known = false;
            cluster_state(feed, KUBE_SYNCED, "");
            compose_soon(cluster);
        }
        pthread_mutex_unlock(&cluster->lock);
        if (due)
            ask_put_question(cluster, &question);
    }
    return NULL;
}

bool ask_start(struct cluster *cluster, struct error *error)
{
    int failed = pthread_create(&cluster->asker.thread, NULL, ask_run, cluster);
    if (failed)
        return error_set(error, 500, "cannot start a thread: error %d", failed);
    pthread_setname_np(cluster->asker.thread, "ask");
    cluster->asker.running = true;
    return true;
}

void ask_stop(struct cluster *cluster)
{
    pthread_mutex_lock(&cluster->lock);
    cluster->asker.stopping = true;
    pthread_cond_signal(&cluster->asker.wake);
    pthread_mutex_unlock(&cluster->lock);
    if (cluster->asker.running)
        pthread_join(cluster->asker.thread, NULL);
}
