/* What the client is made of; for client.c and exchange.c. */
#ifndef BACKSTOP_KUBE_CLIENT_H
#define BACKSTOP_KUBE_CLIENT_H

#include "kube/kube.h"

struct kube_client {
    struct arena *arena; /* holds the client itself and its configuration */
    struct kube_config config;
    struct str user_agent;
    unsigned timeout;
    _Atomic int64_t interrupt_ns; /* 0: never */
    _Atomic int64_t clock_ahead;
    pthread_mutex_t lock; /* guards all below */
    CURL *idle[8];        /* handles keep their connection open for the next request */
    size_t idle_count;
    struct kube_credentials credentials; /* of a token file or an exec plugin */
    struct arena *credentials_arena;
    int64_t refused_ns; /* when a plugin failed last, and why */
    struct error refusal;
    uint64_t random;
};

/* Whether nobody waits for this call any more; `call` may be NULL. */
bool kube_call_given_up(const struct kube_client *client, const struct kube_call *call);
CURL *kube_connection_take(struct kube_client *client);
void kube_connection_give(struct kube_client *client, CURL *connection);
/* The credentials to use now, refreshed when they are due; `call`, for which they are, may be NULL. */
bool kube_credentials_now(struct kube_client *client, const struct kube_call *call, struct arena *arena,
                          struct kube_credentials *credentials, struct error *error) MUST_CHECK;
void kube_credentials_forget(struct kube_client *client); /* after a 401: ask again */

#endif
