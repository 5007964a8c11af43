#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kube/kube.h"

/* One line of a watch: what the API server sends as a WatchEvent (apimachinery meta/v1). */

bool kube_watch_line(struct arena *arena, struct str text, const struct kube_resource *resource, bool metadata_only,
                     struct kube_watch_line *line, struct error *error)
{
    static const struct {
        const char *type;
        enum kube_event event;
    } types[] = {{"ADDED", KUBE_ADDED}, {"MODIFIED", KUBE_MODIFIED}, {"DELETED", KUBE_DELETED}};
    struct str plural = resource->plural;
    struct error reason = {.code = 400, .message = "null is not an event"};
    struct json_object *event = json_build(arena, text, &reason);
    *line = (struct kube_watch_line){.changes = false};
    if (!event) {
        *error = reason;
        return error_wrap(error, "watch %.*s: invalid event", STR_ARG(plural));
    }
    struct str type = json_get_str(event, "type");
    line->object = json_get(event, "object");
    if (str_is(type, "ERROR")) {
        /* An ERROR carries a Status; 410 in it means: list again. */
        if (!str_is(json_get_str(line->object, "kind"), "Status"))
            return error_set(error, 400, "watch %.*s: an ERROR event without a Status", STR_ARG(plural));
        struct json_object *code = json_get(line->object, "code");
        return error_set(error, json_object_is_type(code, json_type_int) ? json_object_get_int(code) : 400,
                         "watch %.*s: %.*s", STR_ARG(plural), STR_ARG(json_get_str(line->object, "message")));
    }
    for (size_t i = 0; i < LENGTH_OF(types); i++) {
        if (str_is(type, types[i].type)) {
            line->changes = true;
            line->event = types[i].event;
        }
    }
    bool bookmark = str_is(type, "BOOKMARK");
    if (!line->changes && !bookmark)
        return error_set(error, 400, "watch %.*s: an event of an unknown type", STR_ARG(plural));
    if (!kube_answer_event(line->object, resource, metadata_only, bookmark, error)) {
        *line = (struct kube_watch_line){.changes = false};
        error->code = 400; /* the same version would bring the same again: list */
        return error_wrap(error, "watch %.*s", STR_ARG(plural));
    }
    line->version = json_path_str(line->object, "metadata.resourceVersion");
    return true;
}

/* List, then watch, for ever: what client-go calls a reflector. */

/* WATCH_SECONDS is shorter than client-go's five to ten minutes: after a network loss that no
 * packet reports, the cache is out of date for no longer than that. */
enum {
    EVENT_BYTES_MAX = 16 * 1024 * 1024,
    PATH_BYTES_MAX = 8192,
    WATCH_SECONDS = 180, /* the server ends a watch after this and up to a minute; it is taken up again */
    WATCH_SPREAD = 60,
    WATCH_GRACE =
        15, /* a server that does not end it by then is dead: an idle watch brings nothing, not even bookmarks */
    STEADY_SECONDS = 10,
    BACKOFF_FIRST_MS = 250,
    BACKOFF_LAST_MS = 30000,
    MISSING_MS = 3000,
    VERSION_SIZE = 128
};

struct kube_reflector {
    struct kube_client *client;
    struct kube_reflector_options options;
    struct kube_resource resource; /* with the version that discovery found */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_bool stopping;
    char version[VERSION_SIZE]; /* the resourceVersion seen last; empty: list again */
    struct buf line;            /* the bytes of an event not yet whole */
    bool gone;                  /* 410: the version is too old */
    bool stale;                 /* resuming would fail the same way again: list */
    bool progressed;            /* the watch brought something or stood a while: back-off starts anew */
    int64_t opened_ns;          /* when it was last opened; 0 = not in this round */
    struct error event_error;
};

static void reflector_report(struct kube_reflector *r, enum kube_sync state, const char *reason)
{
    if (r->options.state)
        r->options.state(r->options.context, state, reason);
}

/* Waits, unless stopped. Jitter keeps replicas from asking in step. */
static void pause_ms(struct kube_reflector *r, unsigned milliseconds)
{
    unsigned jittered = milliseconds / 2 + (unsigned)(kube_random(r->client) * milliseconds);
    int64_t until = time_monotonic_ns() + jittered * NS_PER_MS;
    pthread_mutex_lock(&r->lock);
    while (!atomic_load(&r->stopping) && cond_wait_until(&r->wake, &r->lock, until))
        continue;
    pthread_mutex_unlock(&r->lock);
}

/* A version too long to keep is ignored: the next watch then starts from an older one, and sees
 * some events twice. */
static void remember_version(struct kube_reflector *r, struct str version)
{
    if (version.len == 0 || version.len >= sizeof r->version)
        return;
    memcpy(r->version, version.ptr, version.len);
    r->version[version.len] = '\0';
}

/* replace_begin and replace_end put a whole list into force at once; a list that fails half way
 * changes nothing. */
static bool reflector_listed(void *context, struct json_object *object, struct error *error)
{
    struct kube_reflector *r = context;
    (void)error;
    r->options.object(r->options.context, KUBE_ADDED, object);
    return !atomic_load(&r->stopping);
}

static bool reflector_list_all(struct kube_reflector *r, struct error *error)
{
    ARENA_SCOPED arena = arena_new(1024 * 1024);
    struct str version = {NULL, 0};
    if (!arena)
        return error_set(error, 500, "out of memory");
    reflector_report(r, KUBE_LISTING, "listing");
    r->options.replace_begin(r->options.context);
    if (!kube_list(r->client, arena, &r->resource, &r->options.list, reflector_listed, r, &version, error))
        return false;
    r->options.replace_end(r->options.context);
    remember_version(r, version);
    reflector_report(r, KUBE_SYNCED, "");
    return true;
}

/* What kube-apiserver writes around an object that was added or changed. */
static bool take_repeat(struct kube_reflector *r, struct str event, struct str *version)
{
    static const struct str heads[] = {STR_INIT("{\"type\":\"MODIFIED\",\"object\":"),
                                       STR_INIT("{\"type\":\"ADDED\",\"object\":")};
    const struct kube_list_options *list = &r->options.list;
    for (size_t i = 0; list->repeat && i < LENGTH_OF(heads); i++)
        if (str_starts(event, heads[i]) && str_ends(event, STR("}")))
            return list->repeat(list->repeat_context, str_slice(event, heads[i].len, event.len - 1), version);
    return false;
}

static bool take_event(struct kube_reflector *r, struct str text)
{
    struct kube_watch_line line;
    if (take_repeat(r, text, &line.version)) {
        remember_version(r, line.version);
        r->progressed = true;
        return true;
    }
    ARENA_SCOPED arena = arena_new(EVENT_BYTES_MAX);
    if (!arena)
        return error_set(&r->event_error, 500, "watch %.*s: out of memory", STR_ARG(r->resource.plural));
    BUF_SCOPED shorter;
    buf_init(&shorter, EVENT_BYTES_MAX);
    if (r->options.list.omit.len) {
        buf_add(&shorter, text);
        json_omit(&shorter, r->options.list.omit);
        text = buf_str(&shorter);
    }
    if (!kube_watch_line(arena, text, &r->resource, r->options.list.metadata_only, &line, &r->event_error)) {
        r->gone = r->event_error.code == 410;
        return false;
    }
    if (line.changes)
        r->options.object(r->options.context, line.event, line.object);
    remember_version(r, line.version);
    r->progressed = true;
    return true;
}

static bool take_line(void *context, struct str line)
{
    struct kube_reflector *r = context;
    return take_event(r, line) && !atomic_load(&r->stopping);
}

static bool reflector_stream(void *context, struct str bytes)
{
    struct kube_reflector *r = context;
    if (!kube_lines(&r->line, bytes, take_line, r)) {
        if (r->line.failed)
            error_set(&r->event_error, 413, "watch %.*s: an event is too large", STR_ARG(r->resource.plural));
        return false;
    }
    return !atomic_load(&r->stopping);
}

/* As client-go: an overloaded or restarting server lets a watch be taken up where it
 * ended; after any other refusal, and after an event that cannot be read, all is listed
 * anew, since the same version would meet the same again. "Too large resource version"
 * (504, after etcd was restored from a backup) is no passing trouble. */
static bool is_passing(int status)
{
    return status == 0 || status == 429 || status == 500 || status == 502 || status == 503;
}

static void reflector_opened(void *context)
{
    struct kube_reflector *r = context;
    r->opened_ns = time_monotonic_ns();
    reflector_report(r, KUBE_SYNCED, "");
}

/* True when the watch ended in order and may simply be taken up again. Bookmarks keep the
 * version fresh on kinds that rarely change, so that a restarted watch need not list. */
static bool watch_once(struct kube_reflector *r, struct error *error)
{
    BUF_SCOPED path;
    BUF_SCOPED answer;
    buf_init(&path, PATH_BYTES_MAX);
    buf_init(&answer, 1024 * 1024);
    kube_list_path(&path, &r->resource, &r->options.list);
    unsigned seconds = WATCH_SECONDS + (unsigned)(kube_random(r->client) * WATCH_SPREAD);
    buf_printf(&path, "&watch=true&allowWatchBookmarks=true&timeoutSeconds=%u&resourceVersion=", seconds);
    kube_escape(&path, str_from(r->version));
    const struct kube_call call = {
        .verb = "watch",
        .method = "GET",
        .path = path.data,
        .accept = r->options.list.metadata_only ? "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1" : NULL,
        .timeout_seconds = seconds + WATCH_GRACE,
        .stream = reflector_stream,
        .opened = reflector_opened,
        .cancelled = &r->stopping,
        .context = r};
    long status;
    buf_clear(&r->line);
    r->event_error = (struct error){.code = 0};
    if (path.failed)
        return error_set(error, 500, "out of memory");
    if (!kube_exchange(r->client, &call, &status, &answer, error))
        return error_wrap(error, "watch %.*s", STR_ARG(r->resource.plural));
    if (status != 200) {
        r->gone = status == 410;
        r->stale = !is_passing((int)status);
        return kube_refused(status, buf_str(&answer), "watch", r->resource.plural, error);
    }
    /* What stands after the last line end is no event that was cut: then curl would have said so. */
    if (r->line.len && !r->event_error.message[0])
        (void)take_line(r, buf_str(&r->line));
    if (r->event_error.message[0]) {
        r->stale = !is_passing(r->event_error.code);
        *error = r->event_error;
        return false;
    }
    return true;
}

static bool reflector_discover(struct kube_reflector *r, struct error *error)
{
    const char *version = NULL;
    if (!r->options.versions)
        return true;
    if (!kube_served_version(r->client, r->resource.group, r->resource.plural, r->options.versions, &version, error))
        return false;
    r->resource.version = str_from(version);
    return true;
}

/* One round: discover and list when there is no version to resume from, then watch. `progressed`
 * resets the back-off only if the watch brought something or lasted: a server that accepts and
 * closes at once is backed off from, too. */
static bool round_trip(struct kube_reflector *r, struct error *error)
{
    r->gone = r->stale = false;
    r->progressed = false;
    r->opened_ns = 0;
    if (r->version[0] == '\0') {
        if (!reflector_discover(r, error) || !reflector_list_all(r, error))
            return false;
    }
    bool ended = watch_once(r, error);
    r->progressed |= r->opened_ns && time_monotonic_ns() - r->opened_ns > STEADY_SECONDS * NS_PER_SECOND;
    return ended;
}

static void *reflector_run(void *context)
{
    struct kube_reflector *r = context;
    unsigned backoff = BACKOFF_FIRST_MS;
    reflector_report(r, KUBE_CONNECTING, "connecting");
    while (!atomic_load(&r->stopping)) {
        struct error error = {.code = 0};
        if (round_trip(r, &error)) {
            backoff = BACKOFF_FIRST_MS;
            /* A server that ends each watch at once must not be asked in a tight loop. */
            if (!r->progressed)
                pause_ms(r, BACKOFF_FIRST_MS);
            continue;
        }
        if (atomic_load(&r->stopping))
            break;
        bool missing = error.code == 404;
        if (r->gone || r->stale || missing)
            r->version[0] = '\0';
        if (r->progressed)
            backoff = BACKOFF_FIRST_MS;
        if (!r->gone)
            reflector_report(r, missing ? KUBE_MISSING : KUBE_BROKEN, error.message);
        pause_ms(r, missing ? MISSING_MS : backoff);
        backoff = backoff * 2 < BACKOFF_LAST_MS ? backoff * 2 : BACKOFF_LAST_MS;
    }
    return NULL;
}

struct kube_reflector *kube_reflect(struct kube_client *client, const struct kube_reflector_options *options,
                                    struct error *error)
{
    struct kube_reflector *r = calloc(1, sizeof *r);
    if (!r)
        return error_null(error, 500, "out of memory");
    r->client = client;
    r->options = *options;
    r->resource = options->resource;
    buf_init(&r->line, EVENT_BYTES_MAX);
    pthread_mutex_init(&r->lock, NULL);
    cond_init(&r->wake);
    if (pthread_create(&r->thread, NULL, reflector_run, r) != 0) {
        pthread_cond_destroy(&r->wake);
        pthread_mutex_destroy(&r->lock);
        free(r);
        return error_null(error, 500, "cannot start a thread to watch %.*s", STR_ARG(options->resource.plural));
    }
    return r;
}

/* Apart from stopping, so that many can be cancelled first and then joined together. */
void kube_reflector_cancel(struct kube_reflector *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    atomic_store(&r->stopping, true);
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
}

void kube_reflector_stop(struct kube_reflector *r)
{
    if (!r)
        return;
    kube_reflector_cancel(r);
    pthread_join(r->thread, NULL);
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->lock);
    buf_dispose(&r->line);
    free(r);
}
