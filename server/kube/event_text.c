/* Events before they are written: what one is of, the queue of those that wait, and the text that the API server takes
 * (k8s.io/api/events/v1). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backstop/api.h"
#include "backstop/telemetry.h"
#include "kube/kube.h"

enum { NAME_ROOM = 200 };

/* Cut between characters, never inside one. */
static bool event_put(char *to, size_t size, struct str text)
{
    struct str kept = str_utf8_head(text, size - 1);
    if (kept.len)
        memcpy(to, kept.ptr, kept.len);
    to[kept.len] = '\0';
    return text.len > 0 && kept.len == text.len;
}

/* A reason or a text may be cut; a kind or a name that does not fit would be another object's,
 * so the note is refused. */
bool event_note_copy(struct event_note *copy, const struct kube_note *note)
{
    copy->warning = note->warning;
    copy->weight = note->weight;
    copy->times = 1;
    copy->others = copy->tries = 0;
    event_put(copy->ns, sizeof copy->ns, note->ns);
    event_put(copy->uid, sizeof copy->uid, note->uid);
    event_put(copy->plural, sizeof copy->plural, note->plural);
    event_put(copy->reason, sizeof copy->reason, str_from(note->reason));
    event_put(copy->action, sizeof copy->action, str_from(note->action));
    event_put(copy->text, sizeof copy->text, note->text);
    return event_put(copy->api_version, sizeof copy->api_version, note->api_version) &&
           event_put(copy->kind, sizeof copy->kind, note->kind) && event_put(copy->name, sizeof copy->name, note->name);
}

bool event_same(const struct event_note *a, const struct event_note *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->reason, b->reason) == 0 && strcmp(a->kind, b->kind) == 0 &&
           strcmp(a->ns, b->ns) == 0 && strcmp(a->api_version, b->api_version) == 0;
}

/* What client-go's correlator groups by, without the text: "in 7m" and "in 6m" are one series. */
bool event_is_of(const struct event_series *series, const struct event_note *note)
{
    return strcmp(series->name, note->name) == 0 && strcmp(series->reason, note->reason) == 0 &&
           strcmp(series->kind, note->kind) == 0 && strcmp(series->about_ns, note->ns) == 0 &&
           strcmp(series->api_version, note->api_version) == 0;
}

static struct event_note *event_at(struct event_queue *queue, unsigned i)
{
    return &queue->notes[(queue->first + i) % EVENT_QUEUE];
}

/* Also when the queue is full: what is the same needs no place. */
static bool queue_merge(struct event_queue *queue, const struct event_note *note, bool newer)
{
    for (unsigned i = 0; i < queue->count; i++) {
        struct event_note *waiting = event_at(queue, i), before = *waiting;
        if (!event_same(waiting, note))
            continue;
        if (newer)
            *waiting = *note;
        waiting->times = before.times + note->times;
        waiting->others = before.others + note->others;
        return true;
    }
    if (queue->count == EVENT_QUEUE)
        return false;
    *event_at(queue, queue->count++) = *note;
    return true;
}

bool event_queue_put(struct event_queue *queue, const struct event_note *note)
{
    return queue_merge(queue, note, true);
}

/* Puts one back that could not be written; what has come since has the word. */
bool event_queue_return(struct event_queue *queue, const struct event_note *note)
{
    return queue_merge(queue, note, false);
}

/* The older one is removed and lives on as a number in the younger one's text. */
bool event_queue_fold(struct event_queue *queue, struct event_note *folded)
{
    for (unsigned i = 0; i < queue->count; i++)
        for (unsigned younger = i + 1; younger < queue->count; younger++) {
            if (strcmp(event_at(queue, i)->reason, event_at(queue, younger)->reason) != 0)
                continue;
            *folded = *event_at(queue, i);
            event_at(queue, younger)->others += 1 + folded->others;
            for (; i > 0; i--)
                *event_at(queue, i) = *event_at(queue, i - 1);
            queue->first = (queue->first + 1) % EVENT_QUEUE;
            queue->count--;
            return true;
        }
    return false;
}

/* NAME.TIME, as client-go names its Events; a part of a DNS name ends with a letter or digit. */
void event_series_begin(struct event_series *series, const struct event_note *note, int64_t now_ns)
{
    struct timespec now;
    size_t len = strnlen(note->name, NAME_ROOM);
    while (len > 0 && (note->name[len - 1] == '-' || note->name[len - 1] == '.'))
        len--;
    clock_gettime(CLOCK_REALTIME, &now);
    *series = (struct event_series){.seen_ns = now_ns, .written_ns = now_ns};
    event_put(series->api_version, sizeof series->api_version, str_from(note->api_version));
    event_put(series->kind, sizeof series->kind, str_from(note->kind));
    event_put(series->about_ns, sizeof series->about_ns, str_from(note->ns));
    event_put(series->name, sizeof series->name, str_from(note->name));
    event_put(series->reason, sizeof series->reason, str_from(note->reason));
    /* Events of cluster-scoped objects live in "default". */
    event_put(series->ns, sizeof series->ns, note->ns[0] ? str_from(note->ns) : STR("default"));
    snprintf(series->event, sizeof series->event, "%.*s.%llx", (int)len, note->name,
             (unsigned long long)now.tv_sec * 1000000000ULL + (unsigned long long)now.tv_nsec);
}

/* MicroTime, which eventTime requires: always six digits. */
static void put_micro_time(struct buf *out)
{
    struct timespec now;
    char text[TIME_TEXT_SIZE];
    clock_gettime(CLOCK_REALTIME, &now);
    time_format((int64_t)now.tv_sec, 0, text);
    struct str seconds = str_from(text);
    if (str_ends(seconds, STR("Z")))
        seconds.len--;
    buf_printf(out, "\"%.*s.%06ldZ\"", STR_ARG(seconds), now.tv_nsec / 1000);
}

static void event_member(struct buf *out, const char *key, const char *value)
{
    buf_printf(out, ",\"%s\":", key);
    json_write_str(out, str_from(value));
}

/* An Event's note may have 1024 bytes. */
static void write_note_text(struct buf *out, const struct event_note *note)
{
    char text[sizeof note->text], more[96] = "";
    if (note->others)
        snprintf(more, sizeof more, " (and %lld more about other objects: see the webhook's log)",
                 (long long)note->others);
    event_put(text, sizeof text - strlen(more), str_from(note->text));
    snprintf(text + strlen(text), sizeof text - strlen(text), "%s", more);
    event_member(out, "note", text);
}

void event_write(struct buf *out, const struct event_note *note, const struct event_series *series,
                 const char *controller, const char *instance)
{
    buf_puts(out, "{\"apiVersion\":\"events.k8s.io/v1\",\"kind\":\"Event\",\"metadata\":{\"namespace\":");
    json_write_str(out, str_from(series->ns));
    event_member(out, "name", series->event);
    buf_puts(out, "},\"eventTime\":");
    put_micro_time(out);
    event_member(out, "type", note->warning ? "Warning" : "Normal");
    event_member(out, "reason", note->reason);
    event_member(out, "action", note->action);
    write_note_text(out, note);
    event_member(out, "reportingController", controller);
    event_member(out, "reportingInstance", instance);
    buf_puts(out, ",\"regarding\":{\"apiVersion\":");
    json_write_str(out, str_from(note->api_version));
    event_member(out, "kind", note->kind);
    event_member(out, "name", note->name);
    if (note->ns[0])
        event_member(out, "namespace", note->ns);
    if (note->uid[0])
        event_member(out, "uid", note->uid);
    buf_puts(out, "}}");
}

/* events.k8s.io/v1 counts repetitions in `series`, which a new Event does not have: hence "add". */
void event_write_series(struct buf *out, const struct event_series *series)
{
    buf_printf(out, "[{\"op\":\"add\",\"path\":\"/series\",\"value\":{\"count\":%lld,\"lastObservedTime\":",
               (long long)series->count);
    put_micro_time(out);
    buf_puts(out, "}}]");
}
