/* What the recorder queues, and how an Event is written. */
#ifndef BACKSTOP_KUBE_EVENTS_H
#define BACKSTOP_KUBE_EVENTS_H

#include "kube/kube.h"

enum { EVENT_QUEUE = 64, EVENT_SERIES = 32 };
enum { EVENT_WEIGHTS = KUBE_VITAL + 1 }; /* each has all of its own */

/* A note that outlives its review. */
struct event_note {
    char api_version[128], kind[64], ns[64], name[254], uid[64], plural[64], reason[64], action[64], text[1025];
    bool warning;
    enum kube_weight weight;
    int64_t times;  /* how often it came while it waited */
    unsigned tries; /* that have failed */
    int64_t others; /* notes about other objects that are told of here alone, for want of room */
};
/* One Event in the cluster, and how often it has happened. */
struct event_series {
    char api_version[128], kind[64], about_ns[64], name[254], reason[64];
    char ns[64], event[254]; /* the Event's own namespace and name */
    int64_t count, seen_ns, written_ns;
};

struct event_queue {
    struct event_note notes[EVENT_QUEUE];
    unsigned first, count;
};
/* A note that waits already takes the newer one's words, so that however often one thing happens it
 * takes one place. False when there is no room. */
bool event_queue_put(struct event_queue *queue, const struct event_note *note);
/* As the oldest: one that could not be written. */
bool event_queue_return(struct event_queue *queue, const struct event_note *note);
/* Makes room: the oldest note that has a younger one with the same reason is counted in that one, and given to
 * the caller. False when all reasons are different. */
bool event_queue_fold(struct event_queue *queue, struct event_note *folded);

/* False when it is about nothing that has a name. */
bool event_note_copy(struct event_note *copy, const struct kube_note *note);
bool event_same(const struct event_note *a, const struct event_note *b); /* one Event tells of both */
bool event_is_of(const struct event_series *series, const struct event_note *note);
void event_series_begin(struct event_series *series, const struct event_note *note, int64_t now_ns);
void event_write(struct buf *out, const struct event_note *note, const struct event_series *series,
                 const char *controller, const char *instance);
void event_write_series(struct buf *out, const struct event_series *series); /* as a JSON Patch */

#endif
