/* Private to the module certificates: what files and managed mode share, and managed mode's state. */
#ifndef BACKSTOP_CERTIFICATES_CERTIFICATES_H
#define BACKSTOP_CERTIFICATES_CERTIFICATES_H

#include "backstop/certificates.h"
#include "backstop/pki.h"

enum { CERTIFICATES_MEMORY = 16 * 1024 * 1024 };

struct certificates {
    struct certificates_options options;
    pthread_mutex_t lock;    /* guards what follows up to `watch` */
    int64_t serving_from;    /* when what is served begins to be valid */
    int64_t serving_until;   /* when it expires; 0 = nothing is served */
    int64_t clock_ahead;     /* managed: of the API server, when it differs too much; else 0 */
    bool announced;          /* clients were told to trust it; with files that is not our part */
    char problem[1100];      /* why the last attempt failed */
    char notice[400];        /* worth knowing, although all is well */
    pthread_mutex_t loading; /* files: one at a time, so that what was read last is what is served */
    struct file_watch *watch;
    struct managed *managed;
};

/* ---- what both modes do with a pair ---- */
/* Verifies, takes into use, counts, logs. False leaves the old pair in force. */
bool certificates_take(struct certificates *certificates, const struct pki_pair *pair, int64_t now,
                       struct error *error) MUST_CHECK;
void certificates_tell_problem(struct certificates *certificates, const char *problem); /* "" = none */
void certificates_tell_notice(struct certificates *certificates, const char *notice);

void files_reload(struct certificates *certificates);

void managed_look(struct managed *managed); /* soon, on its own thread */
void managed_stop(struct managed *managed); /* joins; NULL is fine */

/* ---- the Secret all replicas share ---- */

/* What the Secret holds, or is to hold. Memory of the arena; keys are zeroed with it. */
struct content {
    struct pki_pair ca, serving;
    struct str previous;        /* CAs of leaves that may still be served */
    struct json_object *secret; /* as read; NULL when there is none */
};
bool secret_read(struct arena *arena, const struct certificates_options *options, struct content *content,
                 struct error *error) MUST_CHECK;
/* Creates or replaces; error->code 409 or 404 when another replica was faster: read again. */
bool secret_write(struct arena *arena, const struct certificates_options *options, const struct content *content,
                  struct error *error) MUST_CHECK;

/* ---- what is to be issued; no I/O, no clock ---- */
struct rotation {
    const char *const *names;
    int64_t leaf_seconds, ca_seconds, now;
    double jitter;               /* 0-1 */
    bool announced;              /* API servers have known content's CA for long enough */
    const struct pki_pair *held; /* what this replica serves; may be absent */
    struct str held_ca;          /* the CA it leads to */
};
enum { ROTATED_CA = 1, ROTATED_SERVING = 2, ROTATED_PREVIOUS = 4 };
/* Brings content to what it should be; *changes says what was done. */
bool rotate(struct arena *arena, const struct rotation *rotation, struct content *content, unsigned *changes,
            struct error *error) MUST_CHECK;
/* When rotate could have something to do again, Unix seconds. */
int64_t rotation_due(const struct rotation *rotation, const struct content *content);
/* How long an API server may take to notice a caBundle, generously. */
int64_t rotation_settle_seconds(int64_t leaf_seconds);
/* Whether the pair could be served now: it fits, is in time, and leads to the bundle. */
bool rotation_usable(const struct rotation *rotation, const struct pki_pair *pair, struct str bundle);

/* ---- caBundle of our webhooks ---- */
struct announcement {
    struct str ca, bundle; /* the CA in force; all that must be trusted */
    bool prune;            /* take out what else is there */
    bool look_only;        /* write nothing */
    /* results */
    size_t webhooks;  /* that call our Service */
    struct str found; /* all that they trusted */
    bool wrote, extra;
    size_t open;  /* that are to become fail-closed (enforce.c) */
    bool lacking; /* some of them did not trust all of the bundle */
};
/* Brings the caBundle of both configurations to the bundle where it lacks something. */
bool announce(struct arena *arena, const struct certificates_options *options, struct announcement *announcement,
              int64_t now, struct error *error) MUST_CHECK;

/* ---- enforce.c ---- */
/* Whether this webhook of the configuration is named to fail closed, and does not yet. */
bool enforce_is_open(struct json_object *configuration, struct json_object *webhook);

/* The defaults, and whether they fit. */
bool certificates_lifetimes(struct certificates_options *options, struct error *error) MUST_CHECK;
/* Frees one whose watch and threads have been stopped. */
void certificates_free(struct certificates *certificates);

/* Managed mode's state: what its thread (managed.c) and its work (managed_settle.c) share. */

enum { REFLECTORS = 1 + KUBE_WEBHOOK_CONFIGURATIONS /* the Secret first */, POLL_MAX = 30 };

struct managed {
    struct certificates *certificates;
    const struct certificates_options *options;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    bool started, stopping, looked_for; /* under the lock; looked_for: something changed */
    struct kube_reflector *reflectors[REFLECTORS];
    char selectors[REFLECTORS][300]; /* which reflectors borrow */

    /* The thread's own. */
    double jitter;
    struct arena *held_memory; /* of the two below; NULL until something is served */
    struct pki_pair held;      /* what is served, and its CA */
    struct str held_ca;
    char *announced_ca;   /* the CA that all our webhooks are known to trust */
    int64_t announced_ns; /* since when */
    bool open;            /* some webhooks are to fail closed, and do not yet (enforce.c) */
    int64_t extra_ns;     /* since when caBundle holds more than it should; 0 = it does not */
    unsigned failures, writes;
    int64_t last_write_ns;
};

/* Brings Secret, caBundle and what is served to what they should be; *wait_ns says when to
 * look again although nothing changes. */
bool managed_settle(struct managed *managed, int64_t *wait_ns, struct error *error) MUST_CHECK;

#endif
