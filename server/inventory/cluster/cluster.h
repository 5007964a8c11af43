/* Facts from a cluster: one feed per kind, one store, snapshots composed of it. */
#ifndef BACKSTOP_INVENTORY_CLUSTER_CLUSTER_H
#define BACKSTOP_INVENTORY_CLUSTER_CLUSTER_H

#include "backstop/kube.h"
#include "inventory/inventory.h"

struct feed { /* one kind, or one object of it; guarded by the cluster's lock */
    struct cluster *cluster;
    enum fact fact;
    const char *object; /* its name; NULL: all of the kind */
    struct kube_reflector *reflector;
    struct record_table records;
    unsigned round;
    uint64_t digest; /* of the object at hand, for its record; 0: none. The informer's thread's own */
    bool listing;    /* between a list's first object and its last */
    enum kube_sync state;
    bool known;    /* listed whole since the CRD is there */
    bool settled;  /* has come to some end: synced, missing or refused */
    int64_t since; /* when `state` began */
    char reason[640];
};

enum { FEEDS_MAX = 32, ASK_IMAGE_SIZE = 512 };

struct cluster_asker {
    pthread_t thread;
    pthread_cond_t wake;
    bool running, stopping;
    char image[ASK_IMAGE_SIZE]; /* that was asked for last */
    int64_t next_ns;            /* when it may be asked for again */
};

struct cluster {
    struct snapshot_source source;
    struct kube_client *client; /* of the lists and watches */
    struct kube_client *live;   /* of what is read for a review, with a short timeout */
    struct str ns;
    struct arena *arena;
    struct shared_slot current;

    pthread_mutex_t lock; /* everything below */
    pthread_cond_t wake;
    struct tree_pool *pool;
    struct feed feeds[FEEDS_MAX]; /* in the order of their facts */
    size_t feed_count;
    const char *versions[FACT_COUNT]; /* that live reads found served; NULL: ask again */
    bool dirty, stopping, composing;
    pthread_t composer;
    void (*composed)(void *context, const struct inventory *inventory); /* may be NULL; never changed */
    void *context;
    struct cluster_asker asker;
    uint64_t digest_key[2];
};

/* Puts the facts of one object as the API server gave it; the lock is held. */
bool cluster_extract(struct cluster *cluster, enum fact fact, struct json_object *object, record_sink *sink,
                     void *context, struct error *error) MUST_CHECK;

/* ---- events in, state kept -------------------------------- */
bool cluster_watch_start(struct cluster *cluster, struct error *error) MUST_CHECK;
void cluster_watch_stop(struct cluster *cluster);

/* ---- objects that bring what is known already: repeat.c ---- */
bool repeat_start(struct cluster *cluster) MUST_CHECK; /* makes the key */
/* Whether a Backup's record is what a parser would make of this text, once its items are counted on, as is done here. False:
 * it is to be parsed, and the record that is made of it gets the feed's digest. Called by the informer's thread before it
 * parses anything. */
bool repeat_object(struct feed *feed, struct str object, struct str *version);

/* ---- snapshots of what the store holds ------------------ */
bool compose_start(struct cluster *cluster, struct error *error) MUST_CHECK;
void compose_stop(struct cluster *cluster);
void compose_soon(struct cluster *cluster); /* the lock is held */
/* Whether every feed of the fact has been listed whole; the lock is held. */
bool cluster_knows(const struct cluster *cluster, enum fact fact);

/* ---- what is read for one review, and what is created ------ */
const struct inventory *cluster_live(struct snapshot_source *self, const struct facts_wanted *wanted, int64_t now,
                                     struct error *error);
bool cluster_create(struct snapshot_source *self, struct json_object *object, int64_t now, struct error *error);

/* ---- evidence ----------------------------------------------------- */

/* ---- reservations -------------------------------------------------- */
/* Fills the reading, if only with why it could not be read; false when out of memory. */
bool cluster_reserve(struct snapshot_source *self, const struct inventory *base, struct str backup, int64_t now,
                     struct error *error);

/* ---- which version Velero's server is, asked of itself ---------------- */
bool ask_start(struct cluster *cluster, struct error *error);
void ask_stop(struct cluster *cluster);

void cluster_report(struct snapshot_source *self, facts_report_fn *say, void *context);
bool cluster_ready(struct snapshot_source *self);
size_t cluster_problems(struct snapshot_source *self);
/* Takes a reflector's news and logs what is worth a line; the lock is held. */
void cluster_state(struct feed *feed, enum kube_sync state, const char *reason);

#endif
