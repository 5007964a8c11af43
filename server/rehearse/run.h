/* A rehearsal under way; for run.c, judge.c, outcome.c and webhooks.c. */
#ifndef BACKSTOP_REHEARSE_RUN_H
#define BACKSTOP_REHEARSE_RUN_H

#include "backstop/rehearse.h"

#define RUN_MANAGER STR("velero")
#define DRILL_NOWHERE "/nowhere" /* in the drill's folder: the socket that no proxy listens on */

struct namespace_state {
    struct str name; /* after the mapping */
    enum { NAMESPACE_EXISTS, NAMESPACE_COMES, NAMESPACE_REFUSED, NAMESPACE_UNKNOWN } state;
    struct str reason;
};

/* A webhook that comes with the restore, fails closed, and whose service does not run. */
struct dead_webhook {
    struct json_object *webhook; /* as in its configuration */
    struct str name, service;
    const struct rehearse_item *item; /* its configuration, whose resource is the cure */
    size_t at;                        /* in the plan: objects before it do not meet it */
};

struct rehearse_state {
    struct rehearse_plan *plan;
    struct rehearse_contents *contents;
    const struct rehearse_restore *restore;
    struct rehearse_served *served;
    struct kube_client *client; /* or NULL */
    bool as_velero, stores;     /* as in struct rehearse_cluster */
    struct arena *arena;        /* of what outlives an object; under the lock */
    pthread_mutex_t lock;       /* guards the arena, the rate and the progress */
    const struct rehearse_progress *progress;
    struct {
        struct namespace_state *items;
        size_t len, cap;
    } namespaces;
    struct {
        struct dead_webhook *items;
        size_t len, cap;
    } webhooks;
    struct {
        struct service_state {
            struct str ns, name;
            bool runs;
        } * items;
        size_t len, cap;
    } services;            /* asked about once each */
    size_t cures;          /* that were looked for */
    size_t to, next, done; /* what the workers take: from..to of the plan */
    double rate, tokens;
    int64_t filled_ns;
};

void run_outcome(struct rehearse_state *run, struct rehearse_item *item, enum rehearse_outcome outcome,
                 enum rehearse_evidence evidence, const char *format, ...) PRINTF_LIKE(5, 6);
/* The cause and its cure of what was refused. */
void run_cause(struct rehearse_state *run, struct rehearse_item *item, struct str cure, const char *format, ...)
    PRINTF_LIKE(4, 5);
/* As fast as the rate allows, by Velero's field manager. A dry run, but for a trial that stores, as those of a drill. */
bool run_try(struct rehearse_state *run, struct arena *arena, struct kube_trial trial, struct error *error) MUST_CHECK;
/* The API server's own words without the name of the object, so that many objects have the same cause. */
struct str run_answer_cause(struct str message);
/* Nothing about the object: the rehearsal itself may not ask, or got no answer. */
bool run_answer_tells_nothing(const struct rehearse_state *run, const struct error *error, struct str message);
struct namespace_state *run_namespace(struct rehearse_state *run, struct str name); /* or NULL */

/* A refused object, as it was sent, and the cluster's where that is to be changed. */
struct run_refused {
    struct rehearse_state *run;
    struct arena *arena;
    struct rehearse_item *item;
    const struct kube_resource *resource;
    struct json_object *object, *cluster; /* cluster: NULL for a new one */
    struct str ns;                        /* it was sent to */
};
/* cure.c: looks for patches with which it is taken, by the fields that the API server's Status names. */
void run_find_cure(const struct run_refused *refused, struct json_object *status);
/* The same with another version of its kind, if that knows all its fields. */
void run_find_version(const struct run_refused *refused, struct str group, struct str version);

/* The outcome of one object, which is at this place of the plan. */
void run_judge(struct rehearse_state *run, struct rehearse_item *item, size_t at);

/* webhooks.c */
bool run_is_webhooks(const struct rehearse_item *item); /* a configuration */
bool run_find_webhooks(struct rehearse_state *run, struct error *error) MUST_CHECK;
/* Whether a webhook or a conversion that comes with the restore refuses this object; its outcome is then set. */
bool run_meets_webhook(struct rehearse_state *run, struct rehearse_item *item, size_t at,
                       const struct rehearse_kind *kind, struct json_object *object);
/* The cause of a refusal by it. */
void run_webhook_cause(struct rehearse_state *run, struct rehearse_item *item, const struct dead_webhook *dead);
/* The configuration in the backup of a webhook that could not be called, by the API server's message; or NULL. */
const struct dead_webhook *run_webhook_called(const struct rehearse_state *run, struct str message);
bool run_meets_conversion(struct rehearse_state *run, struct rehearse_item *item, struct json_object *crd,
                          struct str version);

/* drill.c's other half, stage.c: what a drill waits for between writes, so that no outcome depends on how soon the API
 * server notices. */
bool run_wait_for_crds(struct rehearse_state *run, struct error *error) MUST_CHECK;
bool run_wait_for_admission(struct rehearse_state *run, const struct rehearse_resource *written,
                            struct error *error) MUST_CHECK;

#endif
