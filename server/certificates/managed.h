/* Managed mode's state: what its thread (managed.c) and its work (managed_settle.c) share. */
#ifndef BACKSTOP_CERTIFICATES_MANAGED_H
#define BACKSTOP_CERTIFICATES_MANAGED_H

#include "certificates/certificates.h"

enum { NS = 1000000000, REFLECTORS = 3, POLL_MAX = 30 };

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
    int64_t extra_ns;     /* since when caBundle holds more than it should; 0 = it does not */
    unsigned failures, writes;
    int64_t last_write_ns;
};

/* Brings Secret, caBundle and what is served to what they should be; *wait_ns says when to
 * look again although nothing changes. */
bool managed_settle(struct managed *managed, int64_t *wait_ns, struct error *error) MUST_CHECK;

#endif
