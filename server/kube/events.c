/* Events about what was decided, for kubectl describe and kubectl events.
 *
 * A review never waits for an Event: kube_record copies the note into a queue, and one thread
 * writes. Common notes (warnings) are dropped when too many come; what matters (a denied
 * upgrade, a started backup) is queued apart, retried while the API server is away, and logged
 * if it cannot be written after all. Each weight has a queue, a series table and a rate of its
 * own, so that a flood of one cannot displace the other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backstop/api.h"
#include "backstop/telemetry.h"
#include "kube/kube.h"

/* BURST Events at once, then one a second: an upgrade that is retried, or a sync of a hundred
 * objects, must not become a load on etcd. TRIES is client-go's. STOP_MS is what a pod's
 * termination can spare for what is queued. A series ends after SERIES_SECONDS without a
 * repetition. */
enum {
    LOOK_UPS = 10,
    BURST = 25,
    TRIES = 12,
    RETRY_SECONDS = 1,
    STOP_MS = 2000,
    SERIES_SECONDS = 600,
    PATCH_EVERY = 10,
    TEXT_LIMIT = 1024,
    EVENT_LIMIT = 64 * 1024
};

struct event_rate {
    struct event_series series[EVENT_SERIES];
    unsigned next_series;
    int64_t tokens_ns; /* the bucket, as time: a token is a second */
    int64_t filled_ns;
};

struct kube_recorder {
    struct kube_client *client;
    char controller[128], instance[128];
    pthread_t thread;

    pthread_mutex_t lock; /* the queue */
    pthread_cond_t wake;
    struct event_queue queues[EVENT_WEIGHTS];
    bool stopping;
    int64_t stop_by_ns;

    struct event_rate rates[EVENT_WEIGHTS]; /* the thread's own */
};

static const struct kube_resource events_resource = {.group = STR_INIT("events.k8s.io"),
                                                     .version = STR_INIT("v1"),
                                                     .plural = STR_INIT("events"),
                                                     .kind = STR_INIT("Event"),
                                                     .namespaced = true};

/* ---- the queue ------------------------------------------------------------- */

/* The lock is held. The heaviest first; NULL when nothing waits. */
static struct event_queue *next_queue(struct kube_recorder *recorder)
{
    for (size_t weight = EVENT_WEIGHTS; weight-- > 0;)
        if (recorder->queues[weight].count)
            return &recorder->queues[weight];
    return NULL;
}

/* Of what matters the log at least keeps what an Event cannot. */
static void recorder_log_dropped(const struct event_note *note, const char *result, const char *why)
{
    metric_add(METRIC_EVENTS, 1, result);
    if (note->weight > KUBE_COMMON)
        log_line(LOG_WARN, "cannot write Event", LOG_TEXT("about", str_from(note->name)),
                 LOG_TEXT("event", str_from(note->reason)), LOG_TEXT("text", str_from(note->text)),
                 LOG_TEXT("reason", str_from(why)));
}

#define TOO_MANY "too many wait"

/* The queue is asked, under the lock; logging is done after it, since a log may stall. */
static bool recorder_put(struct kube_recorder *recorder, const struct event_note *note,
                         bool (*put)(struct event_queue *queue, const struct event_note *note))
{
    struct event_note folded = {.name = ""};
    pthread_mutex_lock(&recorder->lock);
    struct event_queue *queue = &recorder->queues[note->weight];
    bool stopping = recorder->stopping, room = !stopping && put(queue, note);
    if (!room && !stopping && note->weight > KUBE_COMMON)
        room = event_queue_fold(queue, &folded) && put(queue, note);
    pthread_cond_signal(&recorder->wake);
    pthread_mutex_unlock(&recorder->lock);
    if (folded.name[0])
        recorder_log_dropped(&folded, "coalesced", TOO_MANY);
    if (!room)
        recorder_log_dropped(note, "dropped", stopping ? "shutting down" : TOO_MANY);
    return !stopping;
}

void kube_record(struct kube_recorder *recorder, const struct kube_note *note)
{
    struct event_note copy;
    if (!recorder)
        return;
    if (!event_note_copy(&copy, note)) {
        metric_add(METRIC_EVENTS, 1, "dropped");
        return;
    }
    recorder_put(recorder, &copy, event_queue_put);
}

/* False when it is time to end. */
static bool recorder_take(struct kube_recorder *recorder, struct event_note *note)
{
    pthread_mutex_lock(&recorder->lock);
    while (!next_queue(recorder) && !recorder->stopping)
        pthread_cond_wait(&recorder->wake, &recorder->lock);
    bool late = recorder->stopping && time_monotonic_ns() >= recorder->stop_by_ns;
    struct event_queue *queue = next_queue(recorder);
    bool taken = queue && !late;
    if (taken) {
        *note = queue->notes[queue->first];
        queue->first = (queue->first + 1) % EVENT_QUEUE;
        queue->count--;
    }
    pthread_mutex_unlock(&recorder->lock);
    return taken;
}

/* Time is counted instead of tokens: a nanosecond of it is a nanosecond of credit, up to BURST
 * seconds. */
static bool take_token(struct event_rate *rate)
{
    int64_t now = time_monotonic_ns();
    rate->tokens_ns += now - rate->filled_ns;
    rate->filled_ns = now;
    if (rate->tokens_ns > BURST * NS_PER_SECOND)
        rate->tokens_ns = BURST * NS_PER_SECOND;
    if (rate->tokens_ns < NS_PER_SECOND)
        return false;
    rate->tokens_ns -= NS_PER_SECOND;
    return true;
}

static bool recorder_stopping(struct kube_recorder *recorder)
{
    pthread_mutex_lock(&recorder->lock);
    bool stopping = recorder->stopping;
    pthread_mutex_unlock(&recorder->lock);
    return stopping;
}

/* What matters waits for its turn, but not for longer than the end allows. */
static bool recorder_may_write(struct kube_recorder *recorder, const struct event_note *note)
{
    struct event_rate *rate = &recorder->rates[note->weight];
    bool taken = take_token(rate), stopping = false;
    while (!taken && note->weight > KUBE_COMMON && !stopping) {
        time_sleep_ms(100);
        stopping = recorder_stopping(recorder);
        taken = take_token(rate);
    }
    return taken || (note->weight > KUBE_COMMON && stopping);
}

/* ---- writing --------------------------------------------------------------- */

/* kubectl describe finds an object's Events by its uid, which the one who created the
 * object through the API alone knows. */
static void look_up(struct kube_recorder *recorder, struct arena *arena, struct event_note *note)
{
    struct str version, group = api_version_group(str_from(note->api_version), &version);
    struct json_object *object = NULL;
    struct error ignored;
    if (note->uid[0] || !note->plural[0] || !group.len)
        return;
    const struct kube_resource resource = {.group = group,
                                           .version = version,
                                           .plural = str_from(note->plural),
                                           .kind = str_from(note->kind),
                                           .namespaced = note->ns[0] != '\0'};
    for (unsigned attempt = 0; attempt < LOOK_UPS; attempt++) {
        if (kube_get(recorder->client, arena, &resource, str_from(note->ns), str_from(note->name), &object, &ignored)) {
            snprintf(note->uid, sizeof note->uid, "%.*s", STR_ARG(json_path_str(object, "metadata.uid")));
            return;
        }
        /* The review of its creation is just being answered: the API server stores it afterwards. */
        if (ignored.code != 404 || recorder_stopping(recorder))
            return;
        time_sleep_ms(100);
    }
}

static struct json_object *recorder_parse(struct arena *arena, struct buf *text)
{
    struct error ignored;
    struct str copy = text->failed ? (struct str){NULL, 0} : arena_copy(arena, buf_str(text));
    return copy.ptr ? json_build(arena, copy, &ignored) : NULL;
}

static struct event_series *recorder_find(struct kube_recorder *recorder, const struct event_note *note)
{
    int64_t now = time_monotonic_ns();
    for (size_t i = 0; i < EVENT_SERIES; i++) {
        struct event_series *series = &recorder->rates[note->weight].series[i];
        if (series->count && now - series->seen_ns < SERIES_SECONDS * NS_PER_SECOND && event_is_of(series, note))
            return series;
    }
    return NULL;
}

static void recorder_log(const struct event_note *note, bool good, const char *result, const struct error *error)
{
    metric_add(METRIC_EVENTS, 1, good ? result : "failed");
    if (!good)
        log_line(LOG_WARN, "cannot write Event", LOG_TEXT("about", str_from(note->name)),
                 LOG_TEXT("event", str_from(note->reason)), LOG_TEXT("reason", str_from(error->message)));
}

/* An API server that is away for a while must not lose what matters. Whether the answer may be another next time:
 * as client-go's recorder has it, which tries 12 times. */
static bool recorder_retry(struct kube_recorder *recorder, struct event_note *note, const struct error *error)
{
    bool passing = error->code == 0 || error->code == 429 || error->code >= 500;
    if (note->weight == KUBE_COMMON || !passing || ++note->tries >= TRIES)
        return false;
    if (recorder_put(recorder, note, event_queue_return))
        time_sleep_ms(RETRY_SECONDS * 1000);
    return true;
}

/* A known series is patched at most every PATCH_EVERY seconds; otherwise a new Event begins it.
 * The table of series is a ring: the oldest makes room, and a repetition of it is then a new
 * Event. */
static void recorder_record(struct kube_recorder *recorder, struct event_note *note)
{
    ARENA_SCOPED arena = arena_new((size_t)16 * EVENT_LIMIT);
    struct error error = {0};
    struct event_series *series = recorder_find(recorder, note);
    int64_t now = time_monotonic_ns();
    if (series) {
        series->count += note->times;
        series->seen_ns = now;
        /* A client that asks again each second needs no write each second. */
        if (now - series->written_ns < PATCH_EVERY * NS_PER_SECOND)
            return;
    }
    if (!arena || !recorder_may_write(recorder, note)) {
        recorder_log_dropped(note, "dropped", arena ? TOO_MANY : "out of memory");
        return;
    }
    if (series) {
        series->written_ns = now;
        BUF_SCOPED text;
        buf_init(&text, EVENT_LIMIT);
        event_write_series(&text, series);
        struct json_object *patch = recorder_parse(arena, &text);
        bool good = patch ? kube_patch(recorder->client, arena, &events_resource, str_from(series->ns),
                                       str_from(series->event), patch, STR("backstop"), NULL, &error)
                          : error_set(&error, 500, "out of memory");
        if (good || error.code != 404) {
            recorder_log(note, good, "repeated", &error);
            return;
        }
        series->count = 0; /* it has expired: begin anew */
    }
    struct event_rate *rate = &recorder->rates[note->weight];
    series = &rate->series[rate->next_series++ % EVENT_SERIES];
    event_series_begin(series, note, now);
    BUF_SCOPED text;
    buf_init(&text, EVENT_LIMIT);
    look_up(recorder, arena, note);
    event_write(&text, note, series, recorder->controller, recorder->instance);
    struct json_object *object = recorder_parse(arena, &text);
    bool good = object
                    ? kube_create(recorder->client, arena, &events_resource, str_from(series->ns), object, NULL, &error)
                    : error_set(&error, 500, "out of memory");
    series->count = good ? note->times : 0;
    if (good || !recorder_retry(recorder, note, &error))
        recorder_log(note, good, "created", &error);
}

/* What is still queued at the end is reported as dropped, not forgotten. */
static void *recorder_run(void *context)
{
    struct kube_recorder *recorder = context;
    struct event_note note;
    while (recorder_take(recorder, &note))
        recorder_record(recorder, &note);
    for (struct event_queue *queue; (queue = next_queue(recorder)); queue->count--)
        recorder_log_dropped(&queue->notes[(queue->first + queue->count - 1) % EVENT_QUEUE], "dropped",
                             "shutting down");
    return NULL;
}

/* ---- life ------------------------------------------------------------------ */

struct kube_recorder *kube_recorder_start(struct kube_client *client, const char *controller, struct error *error)
{
    struct kube_recorder *recorder = calloc(1, sizeof *recorder);
    if (!recorder)
        return error_null(error, 500, "out of memory");
    recorder->client = client;
    for (size_t weight = 0; weight < EVENT_WEIGHTS; weight++) {
        recorder->rates[weight].filled_ns = time_monotonic_ns();
        recorder->rates[weight].tokens_ns = BURST * NS_PER_SECOND;
    }
    snprintf(recorder->controller, sizeof recorder->controller, "%s", controller);
    if (gethostname(recorder->instance, sizeof recorder->instance - 1) != 0 || !recorder->instance[0])
        snprintf(recorder->instance, sizeof recorder->instance, "backstop");
    pthread_mutex_init(&recorder->lock, NULL);
    pthread_cond_init(&recorder->wake, NULL);
    int failed = pthread_create(&recorder->thread, NULL, recorder_run, recorder);
    if (!failed) {
        pthread_setname_np(recorder->thread, "events");
        return recorder;
    }
    error_set(error, 500, "cannot start a thread: error %d", failed);
    pthread_cond_destroy(&recorder->wake);
    pthread_mutex_destroy(&recorder->lock);
    free(recorder);
    return NULL;
}

void kube_recorder_stop(struct kube_recorder *recorder)
{
    if (!recorder)
        return;
    pthread_mutex_lock(&recorder->lock);
    recorder->stopping = true;
    recorder->stop_by_ns = time_monotonic_ns() + STOP_MS * NS_PER_MS;
    kube_interrupt(recorder->client, recorder->stop_by_ns);
    pthread_cond_signal(&recorder->wake);
    pthread_mutex_unlock(&recorder->lock);
    pthread_join(recorder->thread, NULL);
    pthread_cond_destroy(&recorder->wake);
    pthread_mutex_destroy(&recorder->lock);
    free(recorder);
}
