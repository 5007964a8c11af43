#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backstop/api.h"
#include "backstop/telemetry.h"
#include "certificates/certificates.h"

/* Managed mode: one thread looks at the Secret and at the webhook configurations, whenever
 * they change and when something falls due, and brings everything to what it should be. It
 * reads anew each time, so a missed event, a deleted Secret or a stripped caBundle are all
 * the same to it. */

enum { RETRY_MAX = 30, QUIET_MS = 30 };

/* ---- the thread ------------------------------------------------------------------------ */

static bool is_stopping(struct managed *managed)
{
    pthread_mutex_lock(&managed->lock);
    bool stopping = managed->stopping;
    pthread_mutex_unlock(&managed->lock);
    return stopping;
}

/* A failure is tried again after 1, 2, 4 ... seconds, and logged once as long as the reason is
 * the same. */
static void *managed_run(void *argument)
{
    struct managed *managed = argument;
    while (!is_stopping(managed)) {
        struct error error = {.message = ""};
        int64_t wait_ns = NS_PER_SECOND;
        bool fine = managed_settle(managed, &wait_ns, &error);
        if (!fine && is_stopping(managed))
            break;
        char before[sizeof managed->certificates->problem];
        pthread_mutex_lock(&managed->certificates->lock);
        snprintf(before, sizeof before, "%s", managed->certificates->problem);
        pthread_mutex_unlock(&managed->certificates->lock);
        if (!fine && strcmp(before, error.message) != 0)
            log_line(LOG_ERROR, "certificate reconciliation failed", LOG_TEXT("reason", str_from(error.message)));
        certificates_tell_problem(managed->certificates, fine ? "" : error.message);
        managed->failures = fine ? 0 : managed->failures + 1;
        if (!fine) {
            unsigned shift = managed->failures > 5 ? 5 : managed->failures - 1;
            int64_t seconds = (int64_t)1 << shift;
            wait_ns = (seconds > RETRY_MAX ? RETRY_MAX : seconds) * NS_PER_SECOND;
        }
        int64_t until = time_monotonic_ns() + wait_ns;
        pthread_mutex_lock(&managed->lock);
        while (!managed->stopping && !managed->looked_for && cond_wait_until(&managed->wake, &managed->lock, until))
            continue;
        managed->looked_for = false;
        pthread_mutex_unlock(&managed->lock);
        time_sleep_ms(QUIET_MS); /* several events at once are one */
    }
    return NULL;
}

/* From any thread. Several before the thread wakes are one. */
void managed_look(struct managed *managed)
{
    pthread_mutex_lock(&managed->lock);
    managed->looked_for = true;
    pthread_cond_signal(&managed->wake);
    pthread_mutex_unlock(&managed->lock);
}

/* ---- opening and closing ---------------------------------------------------------------- */

static void managed_noticed(void *context, enum kube_event event, struct json_object *object)
{
    (void)event, (void)object;
    managed_look(context);
}

static void managed_listed(void *context)
{
    managed_look(context);
}

/* Without the watch there is still the poll. */
static void managed_moved(void *context, enum kube_sync state, const char *reason)
{
    (void)context;
    if (state == KUBE_BROKEN)
        log_line(LOG_DEBUG, "cannot watch certificates; polling instead", LOG_TEXT("reason", str_from(reason)));
}

/* Only metadata is watched: no key travels but when it is needed. */
static bool start_reflectors(struct managed *managed, struct error *error)
{
    const struct certificates_options *options = managed->options;
    static const struct kube_resource secrets = {STR_INIT(""), STR_INIT("v1"), STR_INIT("secrets"), STR_INIT("Secret"),
                                                 true};
    for (size_t i = 0; i < REFLECTORS; i++) {
        char *selector = managed->selectors[i];
        snprintf(selector, sizeof managed->selectors[i], "metadata.name=%s",
                 i ? options->configurations : options->secret);
        const struct kube_reflector_options wanted = {.resource = i ? kube_webhook_configurations[i - 1] : secrets,
                                                      .list = {.ns = str_from(i ? NULL : options->ns),
                                                               .field_selector = str_from(selector),
                                                               .metadata_only = true},
                                                      .object = managed_noticed,
                                                      .replace_begin = managed_listed,
                                                      .replace_end = managed_listed,
                                                      .state = managed_moved,
                                                      .context = managed};
        managed->reflectors[i] = kube_reflect(options->kube, &wanted, error);
        if (!managed->reflectors[i])
            return false;
    }
    return true;
}

/* With all signals blocked: they are for the main thread. */
static bool managed_start_thread(struct managed *managed, struct error *error)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    managed->started = pthread_create(&managed->thread, NULL, managed_run, managed) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return managed->started || error_set(error, 500, "cannot start a thread");
}

/* The requests under way are interrupted, since each may take seconds and the process is to end. */
void managed_stop(struct managed *managed)
{
    if (!managed)
        return;
    pthread_mutex_lock(&managed->lock);
    managed->stopping = true;
    pthread_cond_signal(&managed->wake);
    pthread_mutex_unlock(&managed->lock);
    for (size_t i = 0; i < REFLECTORS; i++)
        kube_reflector_cancel(managed->reflectors[i]);
    kube_interrupt(managed->options->kube, time_monotonic_ns());
    for (size_t i = 0; i < REFLECTORS; i++)
        kube_reflector_stop(managed->reflectors[i]);
    if (managed->started)
        pthread_join(managed->thread, NULL);
    arena_free(managed->held_memory);
    free(managed->announced_ca);
    pthread_cond_destroy(&managed->wake);
    pthread_mutex_destroy(&managed->lock);
    free(managed);
}

/* The jitter spreads the renewals of replicas. */
static struct managed *managed_create(struct certificates *certificates)
{
    struct managed *managed = calloc(1, sizeof *managed);
    if (!managed)
        return NULL;
    managed->certificates = certificates;
    managed->options = &certificates->options;
    managed->jitter = (double)((uint64_t)time_monotonic_ns() / 1000 % 1000) / 1000;
    pthread_mutex_init(&managed->lock, NULL);
    cond_init(&managed->wake);
    return managed;
}

struct certificates *certificates_managed(const struct certificates_options *options, struct error *error)
{
    struct certificates *certificates = calloc(1, sizeof *certificates);
    if (!certificates)
        return error_null(error, 500, "out of memory");
    certificates->options = *options;
    pthread_mutex_init(&certificates->lock, NULL);
    pthread_mutex_init(&certificates->loading, NULL);
    certificates->managed = managed_create(certificates);
    if (!certificates->managed)
        error_set(error, 500, "out of memory");
    else if (certificates_lifetimes(&certificates->options, error) && start_reflectors(certificates->managed, error) &&
             managed_start_thread(certificates->managed, error))
        return certificates;
    managed_stop(certificates->managed);
    certificates_free(certificates);
    return NULL;
}

/* Managed mode, once: for a Job whose account may write the Secret and caBundle, beside replicas that may not
 * and serve the Secret's files. What replicas keep in mind between two looks (since when API servers know a CA,
 * which leaf is served) is read from the cluster instead: a CA that all our webhooks trusted before this run
 * began has been announced for long enough, since the kubelet brings a new leaf to the pods no sooner than some
 * seconds after it is written. */

enum { RENEW_TRIES = 6 };

/* What the webhooks trust before anything is written. */
static bool renew_look(struct arena *arena, const struct certificates_options *options, const struct content *content,
                       int64_t now, struct announcement *seen, struct error *error)
{
    *seen = (struct announcement){.ca = content->ca.certificate,
                                  .bundle = pki_bundle_join(arena, content->ca.certificate, content->previous, now),
                                  .look_only = true};
    if (!announce(arena, options, seen, now, error))
        return error_wrap(error, "cannot read caBundle");
    return true;
}

/* Who loses the race for the Secret reads it again and decides anew. */
static bool renew_secret(struct arena *arena, const struct certificates_options *options, struct content *content,
                         struct certificates_renewal *done, struct error *error)
{
    for (int i = 0; i < RENEW_TRIES; i++) {
        struct announcement seen;
        if (!secret_read(arena, options, content, error))
            return false;
        int64_t now = time_now() + kube_clock_ahead(options->kube);
        if (!renew_look(arena, options, content, now, &seen, error))
            return false;
        const struct rotation rotation = {.names = options->names,
                                          .leaf_seconds = options->leaf_seconds,
                                          .ca_seconds = options->ca_seconds,
                                          .now = now,
                                          .announced = !seen.lacking,
                                          /* Of a Secret that is gone or damaged: what is served by its last leaf. */
                                          .held_ca = seen.lacking ? seen.found : STR("")};
        unsigned changes = 0;
        if (!rotate(arena, &rotation, content, &changes, error))
            return false;
        done->ca = changes & ROTATED_CA;
        done->serving = changes & ROTATED_SERVING;
        done->changed = changes != 0;
        if (!changes || secret_write(arena, options, content, error))
            return true;
        if ((error->code != 409 && error->code != 404) || (error->code == 404 && !content->secret))
            return false;
    }
    return false;
}

/* A second run in a row finds nothing due; what it may do then is to take an old CA out of
 * caBundle (`prune`). */
bool certificates_renew(const struct certificates_options *wanted, struct certificates_renewal *done,
                        struct error *error)
{
    ARENA_SCOPED arena = arena_new((size_t)RENEW_TRIES * CERTIFICATES_MEMORY);
    struct certificates_options options = *wanted;
    struct content content;
    struct pki_facts facts;
    *done = (struct certificates_renewal){.changed = false};
    if (!arena)
        return error_set(error, 500, "out of memory");
    if (!certificates_lifetimes(&options, error) || !renew_secret(arena, &options, &content, done, error))
        return false;
    int64_t now = time_now() + kube_clock_ahead(options.kube);
    struct announcement announcement = {.ca = content.ca.certificate,
                                        .bundle = pki_bundle_join(arena, content.ca.certificate, content.previous, now),
                                        .prune = !done->changed};
    if (!announce(arena, &options, &announcement, now, error))
        return error_wrap(error, "cannot write the CA to caBundle");
    done->webhooks = announcement.webhooks;
    done->announced = announcement.wrote;
    if (!pki_read(content.serving.certificate, &facts, error))
        return false;
    done->until = facts.not_after;
    return !arena_failed(arena) || error_set(error, 500, "out of memory");
}
