/* Outcomes, what the API server's answers say of them, and how fast it is asked. */
#include <stdio.h>
#include <time.h>

#include "rehearse/run.h"

enum { BURST_SECONDS = 6, REASON_BYTES = 400 };

static const char *const outcome_names[REHEARSE_OUTCOMES] = {[REHEARSE_PENDING] = "to be restored",
                                                             [REHEARSE_CREATED] = "created",
                                                             [REHEARSE_UPDATED] = "updated",
                                                             [REHEARSE_LEFT_SAME] = "left (same)",
                                                             [REHEARSE_LEFT_DIFFERS] = "left (differs)",
                                                             [REHEARSE_SKIPPED] = "skipped",
                                                             [REHEARSE_REFUSED] = "refused",
                                                             [REHEARSE_UNKNOWN] = "unknown"};

const char *rehearse_outcome_name(enum rehearse_outcome outcome)
{
    return outcome_names[outcome];
}

const char *rehearse_evidence_name(enum rehearse_evidence evidence)
{
    static const char *const names[] = {[REHEARSE_BY_PLAN] = "plan",
                                        [REHEARSE_BY_DRY_RUN] = "dry run",
                                        [REHEARSE_BY_STAND_IN] = "dry run in namespace default",
                                        [REHEARSE_BY_WRITE] = "write to the drill's API server",
                                        [REHEARSE_BY_CRD] = "CRD in the backup",
                                        [REHEARSE_BY_WEBHOOK] = "webhook in the backup"};
    return names[evidence];
}

/* The reason is kept in the arena of the run, which several threads share: hence the lock around
 * the copy alone. */
void run_outcome(struct rehearse_state *run, struct rehearse_item *item, enum rehearse_outcome outcome,
                 enum rehearse_evidence evidence, const char *format, ...)
{
    char text[REASON_BYTES];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    __atomic_store_n(&item->outcome, (uint8_t)outcome, __ATOMIC_RELAXED); /* others ask: refusal_is_of_what_comes */
    item->evidence = (uint8_t)evidence;
    if (length <= 0)
        return;
    pthread_mutex_lock(&run->lock);
    item->reason = arena_copy(run->arena, str_utf8_head(str_from(text), sizeof text));
    pthread_mutex_unlock(&run->lock);
}

/* `cause` is what many objects have in common, `cure` the resource to exclude for it; empty
 * where that would not help. */
void run_cause(struct rehearse_state *run, struct rehearse_item *item, struct str cure, const char *format, ...)
{
    char text[REASON_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    pthread_mutex_lock(&run->lock);
    item->cause = arena_copy(run->arena, str_utf8_head(str_from(text), sizeof text));
    item->cure = arena_copy(run->arena, cure);
    pthread_mutex_unlock(&run->lock);
}

/* As client-go's limiter: so many a second, and at once what was not used in the seconds before. */
static void run_wait_for_rate(struct rehearse_state *run)
{
    for (;;) {
        pthread_mutex_lock(&run->lock);
        int64_t now = time_monotonic_ns();
        double most = run->rate * BURST_SECONDS;
        run->tokens += (double)(now - run->filled_ns) * run->rate / 1e9;
        run->tokens = run->tokens > most ? most : run->tokens;
        run->filled_ns = now;
        bool go = run->tokens >= 1;
        run->tokens -= go;
        double lack = 1 - run->tokens;
        pthread_mutex_unlock(&run->lock);
        if (go)
            return;
        int64_t wait = (int64_t)(lack / run->rate * 1e9) + 1000;
        nanosleep(&(struct timespec){wait / 1000000000, wait % 1000000000}, NULL);
    }
}

/* A drill's own API server may be asked as fast as it can answer. */
bool run_try(struct rehearse_state *run, struct arena *arena, struct kube_trial trial, struct error *error)
{
    trial.manager = RUN_MANAGER;
    if (!run->stores)
        run_wait_for_rate(run);
    return kube_try(run->client, arena, &trial, NULL, error);
}

/* ---- answers -------------------------------------------------------------------------------------- */

/* The API server's own words without the name of the object, so that many objects have the same cause. */
struct str run_answer_cause(struct str message)
{
    static const char *const before[] = {" is invalid: ", " is forbidden: ", "Internal error occurred: "};
    for (size_t i = 0; i < LENGTH_OF(before); i++) {
        struct str mark = str_from(before[i]);
        for (size_t at = 0; at + mark.len < message.len; at++)
            if (str_starts(str_slice(message, at, message.len), mark))
                return str_slice(message, at + mark.len, message.len);
    }
    struct str rest = message, head;
    str_cut(&rest, ':', &head); /* create PLURAL "NAME": ... */
    return rest.len ? str_trim(rest) : message;
}

/* Nothing about the object: the rehearsal itself may not ask, or got no answer. An answer of 500
 * and more is the object's fault only where a webhook gave it. */
bool run_answer_tells_nothing(const struct rehearse_state *run, const struct error *error, struct str message)
{
    bool denied_to_us =
        error->code == 401 || (error->code == 403 && !run->as_velero && str_contains(message, STR("User \"")) &&
                               str_contains(message, STR("cannot ")));
    bool webhook = str_contains(message, STR("admission webhook")) ||
                   str_contains(message, STR("failed calling webhook")) ||
                   str_contains(message, STR("conversion webhook for "));
    /* A drill reaches nothing outside of it, which a webhook with a URL may be; those with a Service are down as yet. */
    bool not_called =
        run->stores && str_contains(message, STR(DRILL_NOWHERE ": connect")) && !str_contains(message, STR(".svc:"));
    return error->code == 0 || not_called || error->code == 429 || denied_to_us || (error->code >= 500 && !webhook) ||
           str_contains(message, STR("does not support dry run"));
}

struct namespace_state *run_namespace(struct rehearse_state *run, struct str name)
{
    for (size_t i = 0; i < run->namespaces.len; i++)
        if (str_eq(run->namespaces.items[i].name, name))
            return &run->namespaces.items[i];
    return NULL;
}
