/* Whether the API server calls the webhook at all. A pod can be ready and yet out of the API server's reach: a NetworkPolicy,
 * another CA in caBundle, a Service that selects other pods, configurations that were deleted. Requests then pass unchecked
 * (failurePolicy Ignore), and the chart's admission policies stay silent, since they see ready pods. Only the API server can
 * tell, so a thread asks it from time to time to create what only this webhook refuses, as a dry run (server/certificates/
 * enforce.c). The pod stays ready meanwhile: without it the Service would have nobody, and be reached even less. */
#include <stdio.h>
#include <stdlib.h>

#include "backstop/telemetry.h"
#include "commands/serve/serve.h"

enum {
    ANSWER_SECONDS = 40 /* the API server may try the webhook for 30 */,
    TRIES = 3, /* after a failure: one of several pods may be out of reach, and each call may go to another */
    CALLS_REASON = sizeof((struct error *)0)->message
};

struct calls {
    const char *kubeconfig, *context;
    int64_t every; /* seconds */
    pthread_t thread;
    bool started; /* not joined yet */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;
    struct kube_client *asking; /* under the lock, and only while it asks: to be interrupted */
    enum webhook_calls state;   /* as of `at`; 0: nothing was asked yet */
    unsigned tried, failed;     /* calls of the last time */
    int64_t at, since;
    char reason[CALLS_REASON];
};

static const char *const calls_words[] = {[WEBHOOK_CALLED] = "the API server calls the webhook",
                                          [WEBHOOK_NOT_CALLED] = "the API server does not call the webhook",
                                          [WEBHOOK_UNKNOWN] = "not known whether the API server calls the webhook"};

/* A part of the calls may fail: some pods are out of reach. */
static const char *calls_word(enum webhook_calls state, unsigned failed)
{
    return state == WEBHOOK_CALLED && failed ? "the API server calls the webhook, but not each time"
                                             : calls_words[state];
}

/* Told when it changes, counted always. */
static void calls_take(struct calls *calls, enum webhook_calls state, unsigned tried, unsigned failed,
                       const char *reason)
{
    int64_t now = time_now();
    pthread_mutex_lock(&calls->lock);
    bool changed = calls->at == 0 || calls->state != state || (calls->failed > 0) != (failed > 0);
    if (changed)
        calls->since = now;
    calls->state = state;
    calls->tried = tried;
    calls->failed = failed;
    calls->at = now;
    snprintf(calls->reason, sizeof calls->reason, "%s", state == WEBHOOK_CALLED && !failed ? "" : reason);
    pthread_mutex_unlock(&calls->lock);
    if (state == WEBHOOK_UNKNOWN)
        metric_clear(METRIC_WEBHOOK_CALLED, NULL);
    else
        metric_set(METRIC_WEBHOOK_CALLED, (double)(tried - failed) / tried, NULL);
    if (changed)
        log_line(state == WEBHOOK_NOT_CALLED          ? LOG_ERROR
                 : state == WEBHOOK_CALLED && !failed ? LOG_INFO
                                                      : LOG_WARN,
                 calls_word(state, failed),
                 LOG_TEXT("reason", str_from(state == WEBHOOK_CALLED && !failed ? "" : reason)));
}

static bool calls_stopping(struct calls *calls, struct kube_client *asking)
{
    pthread_mutex_lock(&calls->lock);
    bool stopping = calls->stopping;
    calls->asking = stopping ? NULL : asking;
    pthread_mutex_unlock(&calls->lock);
    return stopping;
}

/* With a client of its own for the moment: it waits longer than others may, and keeps no connection. */
static void calls_ask(struct calls *calls)
{
    const struct kube_options access = {.kubeconfig = calls->kubeconfig,
                                        .context = calls->context,
                                        .user_agent = "backstop/" BACKSTOP_VERSION,
                                        .timeout_seconds = ANSWER_SECONDS};
    struct error error = {.message = ""}, failure = error;
    struct kube_client *client = kube_open(&access, &error);
    enum webhook_calls state = WEBHOOK_UNKNOWN;
    unsigned tried = 0, failed = 0;
    while (client && tried < TRIES && !calls_stopping(calls, client)) {
        state = webhooks_called(client, &error);
        if (state == WEBHOOK_UNKNOWN)
            break;
        tried++;
        if (state == WEBHOOK_NOT_CALLED) {
            failed++;
            failure = error;
        } else if (!failed)
            break;
    }
    bool stopping = calls_stopping(calls, NULL);
    kube_close(client);
    if (stopping)
        return;
    if (failed)
        state = failed < tried ? WEBHOOK_CALLED : WEBHOOK_NOT_CALLED;
    calls_take(calls, state, tried, failed, failed ? failure.message : error.message);
}

/* The first time after one interval: until then who lets the webhooks fail closed has looked. */
static void *calls_run(void *argument)
{
    struct calls *calls = argument;
    for (;;) {
        int64_t until_ns = time_monotonic_ns() + calls->every * NS_PER_SECOND;
        pthread_mutex_lock(&calls->lock);
        while (!calls->stopping && cond_wait_until(&calls->wake, &calls->lock, until_ns))
            continue;
        bool stopping = calls->stopping;
        pthread_mutex_unlock(&calls->lock);
        if (stopping)
            return NULL;
        calls_ask(calls);
    }
}

bool serve_calls_open(struct service *service, const struct serve_options *values, struct error *error)
{
    metric_clear(METRIC_WEBHOOK_CALLED, NULL); /* not 0 until it is known */
    if (!values->call_check || !(serve_asks_cluster(values) || values->tls.managed))
        return true;
    struct calls *calls = calloc(1, sizeof *calls);
    if (!calls)
        return error_set(error, 500, "out of memory");
    *calls = (struct calls){.kubeconfig = values->kubeconfig, .context = values->context, .every = values->call_check};
    pthread_mutex_init(&calls->lock, NULL);
    cond_init(&calls->wake);
    if (pthread_create(&calls->thread, NULL, calls_run, calls) == 0) {
        calls->started = true;
        service->calls = calls;
        return true;
    }
    free(calls);
    return error_set(error, 500, "cannot start a thread");
}

enum webhook_calls serve_calls_state(struct service *service, struct buf *reason)
{
    struct calls *calls = service->calls;
    if (!calls)
        return WEBHOOK_UNKNOWN;
    char age[TIME_TEXT_SIZE];
    pthread_mutex_lock(&calls->lock);
    enum webhook_calls state = calls->state;
    if (!calls->at) {
        duration_format(calls->every, age);
        buf_printf(reason, "%s: it is asked every %s", calls_words[WEBHOOK_UNKNOWN], age);
    } else {
        bool partly = state == WEBHOOK_CALLED && calls->failed;
        duration_format(time_now() - (state == WEBHOOK_NOT_CALLED ? calls->since : calls->at), age);
        buf_printf(reason, "%s (%s%s ago)", calls_word(state, calls->failed),
                   state == WEBHOOK_NOT_CALLED ? "first seen " : "asked ", age);
        if (partly)
            buf_printf(reason, ": %u of %u calls failed", calls->failed, calls->tried);
        if (calls->reason[0])
            buf_printf(reason, ": %s", calls->reason);
    }
    pthread_mutex_unlock(&calls->lock);
    return state;
}

void serve_calls_stop(struct service *service)
{
    struct calls *calls = service->calls;
    if (!calls || !calls->started)
        return;
    pthread_mutex_lock(&calls->lock);
    calls->stopping = true;
    pthread_cond_signal(&calls->wake);
    if (calls->asking)
        kube_interrupt(calls->asking, time_monotonic_ns());
    pthread_mutex_unlock(&calls->lock);
    pthread_join(calls->thread, NULL);
    calls->started = false;
}

void serve_calls_close(struct service *service)
{
    struct calls *calls = service->calls;
    if (!calls)
        return;
    serve_calls_stop(service);
    pthread_cond_destroy(&calls->wake);
    pthread_mutex_destroy(&calls->lock);
    free(calls);
    service->calls = NULL;
}
