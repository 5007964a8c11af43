/* Managed mode: one thread looks at the Secret and at the webhook configurations, whenever
 * they change and when something falls due, and brings everything to what it should be. It
 * reads anew each time, so a missed event, a deleted Secret or a stripped caBundle are all
 * the same to it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backstop/telemetry.h"
#include "certificates.h"

enum { NS = 1000000000, TRIES = 6, POLL_MAX = 30, RETRY_MAX = 30, QUIET_MS = 30, WRITES_FREE = 5, REFLECTORS = 3 };

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
    struct pki_pair held; /* what is served, and its CA; malloc'ed */
    char *held_ca;
    char *announced_ca;   /* the CA that all our webhooks are known to trust */
    int64_t announced_ns; /* since when */
    int64_t extra_ns;     /* since when caBundle holds more than it should; 0 = it does not */
    unsigned failures, writes;
    int64_t last_write_ns;
};

/* ---- what is served --------------------------------------------------------------- */

static void drop_held(struct managed *managed)
{
    pki_pair_dispose(&managed->held);
    free(managed->held_ca);
    managed->held_ca = NULL;
}

static bool hold(struct managed *managed, const struct pki_pair *pair, struct str ca)
{
    char *certificate = strndup(pair->certificate.ptr, pair->certificate.len),
         *key = strndup(pair->key.ptr, pair->key.len), *authority = strndup(ca.ptr, ca.len);
    struct pki_pair copy = {{certificate, certificate ? pair->certificate.len : 0}, {key, key ? pair->key.len : 0}};
    if (!certificate || !key || !authority) {
        pki_pair_dispose(&copy);
        free(authority);
        return false;
    }
    drop_held(managed);
    managed->held = copy;
    managed->held_ca = authority;
    return true;
}

static int64_t settle_ns(const struct managed *managed)
{
    return rotation_settle_seconds(managed->options->leaf_seconds) * NS;
}

static bool is_announced(const struct managed *managed, struct str ca)
{
    return managed->announced_ca && str_is(ca, managed->announced_ca) &&
           time_monotonic_ns() - managed->announced_ns >= settle_ns(managed);
}

static void note_announced(struct managed *managed, struct str ca)
{
    if (managed->announced_ca && str_is(ca, managed->announced_ca))
        return;
    free(managed->announced_ca);
    managed->announced_ca = strndup(ca.ptr, ca.len);
    managed->announced_ns = time_monotonic_ns();
}

static struct rotation rotation_now(const struct managed *managed)
{
    const struct certificates_options *options = managed->options;
    return (struct rotation){.names = options->names,
                             .leaf_seconds = options->leaf_seconds,
                             .ca_seconds = options->ca_seconds,
                             .now = time_now(),
                             .jitter = managed->jitter,
                             .held = managed->held.key.len ? &managed->held : NULL,
                             .held_ca = str_from(managed->held_ca)};
}

/* ---- the Secret ------------------------------------------------------------------- */

static void tell_issued(unsigned changes, const char *secret)
{
    if (changes & ROTATED_CA)
        metric_add(METRIC_CERTIFICATE_ISSUES, 1, "ca");
    if (changes & ROTATED_SERVING)
        metric_add(METRIC_CERTIFICATE_ISSUES, 1, "serving");
    log_line(LOG_INFO, "certificates renewed", LOG_TEXT("secret", str_from(secret)),
             LOG_BOOLEAN("ca", (changes & ROTATED_CA) != 0), LOG_BOOLEAN("serving", (changes & ROTATED_SERVING) != 0),
             LOG_BOOLEAN("previous_ca_dropped", (changes & ROTATED_PREVIOUS) != 0));
}

/* Whoever loses the race reads what the winner wrote. */
static bool settle_secret(struct managed *managed, struct arena *arena, struct content *content, struct error *error)
{
    for (int i = 0; i < TRIES; i++) {
        unsigned changes = 0;
        if (!secret_read(arena, managed->options, content, error))
            return false;
        struct rotation rotation = rotation_now(managed);
        rotation.announced = is_announced(managed, content->ca.certificate);
        if (!rotate(arena, &rotation, content, &changes, error))
            return false;
        if (!changes)
            return true;
        if (secret_write(arena, managed->options, content, error)) {
            tell_issued(changes, managed->options->secret);
            return true;
        }
        if (error->code != 409 && error->code != 404)
            return false;
        if (error->code == 404 && !content->secret)
            return false; /* the namespace is missing */
    }
    return false;
}

/* ---- caBundle ----------------------------------------------------------------------- */

/* Two that write the same field for ever would load the API server: each further write
 * within a second waits twice as long. */
static bool may_write(struct managed *managed)
{
    int64_t quiet = time_monotonic_ns() - managed->last_write_ns;
    if (quiet > (int64_t)POLL_MAX * NS)
        managed->writes = 0;
    unsigned over = managed->writes > WRITES_FREE ? managed->writes - WRITES_FREE : 0;
    return !over || quiet >= (int64_t)(1u << (over > 5 ? 5 : over)) * NS;
}

static bool settle_bundle(struct managed *managed, struct arena *arena, const struct content *content,
                          struct error *error)
{
    int64_t now = time_now(), now_ns = time_monotonic_ns();
    struct str held = pki_bundle_join(arena, content->previous, str_from(managed->held_ca), now);
    struct announcement announcement = {.ca = content->ca.certificate,
                                        .bundle = pki_bundle_join(arena, content->ca.certificate, held, now),
                                        .prune =
                                            managed->extra_ns && now_ns - managed->extra_ns > 3 * settle_ns(managed)};
    if (!may_write(managed))
        return error_set(error, 0, "caBundle is changed again and again by someone else; it is put right every while");
    bool done = announce(arena, managed->options, &announcement, now, error);
    if (announcement.wrote) {
        managed->last_write_ns = now_ns;
        managed->writes++;
    }
    if (!done)
        return error_wrap(error, "the CA cannot be announced");
    managed->extra_ns = !announcement.extra || announcement.prune ? 0 : managed->extra_ns ? managed->extra_ns : now_ns;
    note_announced(managed, content->ca.certificate);
    pthread_mutex_lock(&managed->certificates->lock);
    managed->certificates->announced = true;
    pthread_mutex_unlock(&managed->certificates->lock);
    char notice[256] = "";
    if (!announcement.webhooks)
        snprintf(notice, sizeof notice, "no webhook in the configurations named %s calls Service %s/%s",
                 managed->options->configurations, managed->options->ns, managed->options->service);
    certificates_tell_notice(managed->certificates, notice);
    return true;
}

/* ---- serving -------------------------------------------------------------------------- */

/* What is served is exchanged only for what API servers trust by now, unless it is good
 * for nothing itself. */
static bool settle_serving(struct managed *managed, const struct content *content, struct error *error)
{
    struct pki_facts ca;
    struct rotation rotation = rotation_now(managed);
    if (pki_read(content->ca.certificate, &ca, error))
        metric_set(METRIC_CERTIFICATE_EXPIRY, (double)ca.not_after, "ca");
    bool same = str_eq(managed->held.certificate, content->serving.certificate);
    bool held_good = rotation.held && rotation_usable(&rotation, rotation.held, rotation.held_ca);
    if (same || (held_good && !is_announced(managed, content->ca.certificate)))
        return true;
    bool of_ca = rotation_usable(&rotation, &content->serving, content->ca.certificate);
    if (!certificates_take(managed->certificates, &content->serving, rotation.now, error))
        return false;
    return hold(managed, &content->serving, of_ca ? content->ca.certificate : content->previous) ||
           error_set(error, 500, "out of memory");
}

/* When to look again although nothing changes. */
static int64_t next_ns(const struct managed *managed, const struct content *content)
{
    struct rotation rotation = rotation_now(managed);
    int64_t wait = rotation_due(&rotation, content) - rotation.now, poll = managed->options->leaf_seconds / 4;
    poll = poll > POLL_MAX ? POLL_MAX : poll;
    if (!str_eq(managed->held.certificate, content->serving.certificate) || managed->extra_ns)
        wait = 1;
    wait = wait < 1 ? 1 : wait > poll ? poll : wait;
    return wait < 1 ? NS : wait * NS;
}

static bool settle(struct managed *managed, int64_t *wait_ns, struct error *error)
{
    ARENA_SCOPED arena = arena_new(CERTIFICATES_MEMORY);
    struct content content;
    if (!arena)
        return error_set(error, 500, "out of memory");
    if (!settle_secret(managed, arena, &content, error))
        return false;
    /* A first certificate is served although nobody may trust it yet: so it can be seen. */
    struct error ignored;
    bool announced = settle_bundle(managed, arena, &content, error);
    bool served = settle_serving(managed, &content, announced ? error : &ignored);
    if (arena_failed(arena) && announced && served)
        return error_set(error, 500, "out of memory");
    *wait_ns = next_ns(managed, &content);
    return announced && served;
}

/* ---- the thread ------------------------------------------------------------------------ */

static void pause_ns(struct managed *managed, int64_t nanoseconds)
{
    int64_t until = time_monotonic_ns() + nanoseconds;
    struct timespec deadline = {until / NS, until % NS};
    pthread_mutex_lock(&managed->lock);
    while (!managed->stopping && !managed->looked_for)
        if (pthread_cond_timedwait(&managed->wake, &managed->lock, &deadline) != 0)
            break;
    managed->looked_for = false;
    pthread_mutex_unlock(&managed->lock);
}

static bool is_stopping(struct managed *managed)
{
    pthread_mutex_lock(&managed->lock);
    bool stopping = managed->stopping;
    pthread_mutex_unlock(&managed->lock);
    return stopping;
}

static void tell(struct managed *managed, bool fine, const struct error *error)
{
    char before[sizeof managed->certificates->problem];
    pthread_mutex_lock(&managed->certificates->lock);
    snprintf(before, sizeof before, "%s", managed->certificates->problem);
    pthread_mutex_unlock(&managed->certificates->lock);
    if (!fine && strcmp(before, error->message) != 0)
        log_line(LOG_ERROR, "certificates are not as they should be", LOG_TEXT("reason", str_from(error->message)));
    certificates_tell_problem(managed->certificates, fine ? "" : error->message);
}

static void *run(void *argument)
{
    struct managed *managed = argument;
    const struct timespec quiet = {0, QUIET_MS * 1000000L};
    while (!is_stopping(managed)) {
        struct error error = {.message = ""};
        int64_t wait_ns = NS;
        bool fine = settle(managed, &wait_ns, &error);
        tell(managed, fine, &error);
        managed->failures = fine ? 0 : managed->failures + 1;
        if (!fine) {
            unsigned shift = managed->failures > 5 ? 5 : managed->failures - 1;
            int64_t seconds = (int64_t)1 << shift;
            wait_ns = (seconds > RETRY_MAX ? RETRY_MAX : seconds) * NS;
        }
        pause_ns(managed, wait_ns);
        nanosleep(&quiet, NULL); /* several events at once are one */
    }
    return NULL;
}

void managed_look(struct managed *managed)
{
    pthread_mutex_lock(&managed->lock);
    managed->looked_for = true;
    pthread_cond_signal(&managed->wake);
    pthread_mutex_unlock(&managed->lock);
}

/* ---- opening and closing ---------------------------------------------------------------- */

static void noticed(void *context, enum kube_event event, struct json_object *object)
{
    (void)event, (void)object;
    managed_look(context);
}

static void listed(void *context)
{
    managed_look(context);
}

/* Without the watch there is still the poll. */
static void moved(void *context, enum kube_sync state, const char *reason)
{
    (void)context;
    if (state == KUBE_BROKEN)
        log_line(LOG_DEBUG, "certificates are polled, not watched", LOG_TEXT("reason", str_from(reason)));
}

/* Only metadata is watched: no key travels but when it is needed. */
static bool start_reflectors(struct managed *managed, struct error *error)
{
    const struct certificates_options *options = managed->options;
    static const struct kube_resource resources[REFLECTORS] = {
        {STR_INIT(""), STR_INIT("v1"), STR_INIT("secrets"), true},
        {STR_INIT("admissionregistration.k8s.io"), STR_INIT("v1"), STR_INIT("mutatingwebhookconfigurations"), false},
        {STR_INIT("admissionregistration.k8s.io"), STR_INIT("v1"), STR_INIT("validatingwebhookconfigurations"), false}};
    for (size_t i = 0; i < REFLECTORS; i++) {
        char *selector = managed->selectors[i];
        snprintf(selector, sizeof managed->selectors[i], "metadata.name=%s",
                 i ? options->configurations : options->secret);
        const struct kube_reflector_options wanted = {.resource = resources[i],
                                                      .list = {.ns = str_from(i ? NULL : options->ns),
                                                               .field_selector = str_from(selector),
                                                               .metadata_only = true},
                                                      .object = noticed,
                                                      .replace_begin = listed,
                                                      .replace_end = listed,
                                                      .state = moved,
                                                      .context = managed};
        managed->reflectors[i] = kube_reflect(options->kube, &wanted, error);
        if (!managed->reflectors[i])
            return false;
    }
    return true;
}

static bool start_thread(struct managed *managed, struct error *error)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    managed->started = pthread_create(&managed->thread, NULL, run, managed) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return managed->started || error_set(error, 500, "cannot start a thread");
}

void managed_stop(struct managed *managed)
{
    if (!managed)
        return;
    pthread_mutex_lock(&managed->lock);
    managed->stopping = true;
    pthread_cond_signal(&managed->wake);
    pthread_mutex_unlock(&managed->lock);
    for (size_t i = 0; i < REFLECTORS; i++)
        if (managed->reflectors[i])
            kube_reflector_stop(managed->reflectors[i]);
    if (managed->started)
        pthread_join(managed->thread, NULL);
    drop_held(managed);
    free(managed->announced_ca);
    pthread_cond_destroy(&managed->wake);
    pthread_mutex_destroy(&managed->lock);
    free(managed);
}

static struct managed *create(struct certificates *certificates)
{
    struct managed *managed = calloc(1, sizeof *managed);
    pthread_condattr_t monotonic;
    if (!managed)
        return NULL;
    managed->certificates = certificates;
    managed->options = &certificates->options;
    managed->jitter = (double)((uint64_t)time_monotonic_ns() / 1000 % 1000) / 1000;
    pthread_mutex_init(&managed->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&managed->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return managed;
}

struct certificates *certificates_managed(const struct certificates_options *options, struct error *error)
{
    enum { DAY = 86400 };
    struct certificates *certificates = calloc(1, sizeof *certificates);
    if (!certificates) {
        error_set(error, 500, "out of memory");
        return NULL;
    }
    certificates->options = *options;
    certificates->options.leaf_seconds = options->leaf_seconds ? options->leaf_seconds : 90 * DAY;
    certificates->options.ca_seconds = options->ca_seconds ? options->ca_seconds : (int64_t)3650 * DAY;
    pthread_mutex_init(&certificates->lock, NULL);
    certificates->managed = create(certificates);
    if (!certificates->managed)
        error_set(error, 500, "out of memory");
    else if (certificates->options.ca_seconds / 3 < certificates->options.leaf_seconds)
        error_set(error, 0, "the CA must live at least three times as long as a certificate");
    else if (start_reflectors(certificates->managed, error) && start_thread(certificates->managed, error))
        return certificates;
    certificates_close(certificates);
    return NULL;
}
