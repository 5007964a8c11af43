#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backstop/telemetry.h"
#include "certificates/certificates.h"

/* Files mode: a pair that others renew (cert-manager, a mounted Secret). */

enum { PEM_LIMIT = 1024 * 1024, POLL_SECONDS = 5, READS = 5, SWAP_MS = 100 };

/* An empty file is reported as such, not as one that is no PEM. */
static bool read_pair(struct arena *arena, const struct certificates_options *options, struct pki_pair *pair,
                      struct error *error)
{
    if (!file_read(arena, options->certificate_file, PEM_LIMIT, &pair->certificate, error))
        return error_wrap(error, "certificate");
    if (!file_read(arena, options->key_file, PEM_LIMIT, &pair->key, error))
        return error_wrap(error, "key");
    if (!pair->certificate.len)
        return error_set(error, 0, "certificate %s is empty", options->certificate_file);
    return pair->key.len || error_set(error, 0, "key %s is empty", options->key_file);
}

/* A Secret's mount is swapped as a whole, but its files are read one after the other: a
 * pair that does not fit may be half old, half new. Reads until it is good or stays bad. */
static bool read_settled(struct arena *arena, const struct certificates_options *options, struct pki_pair *pair,
                         struct pki_facts *facts, struct error *error)
{
    struct pki_pair before = {0};
    for (int i = 0; i < READS; i++) {
        if (i)
            time_sleep_ms(SWAP_MS);
        if (!read_pair(arena, options, pair, error))
            return false;
        if (pki_verify_facts(pair, time_now(), facts, error))
            return true;
        if (str_eq(pair->key, before.key) && str_eq(pair->certificate, before.certificate))
            return false;
        before = *pair;
    }
    return false; /* it changes all the time: what is wrong with it is reported */
}

static bool certificates_use(struct certificates *certificates, const struct pki_pair *pair,
                             const struct pki_facts *facts, struct error *error);

/* A certificate that lacks a name of the Service is served all the same: whoever made it may
 * call it by another; it is a warning in /readyz. */
static bool files_load(struct certificates *certificates, struct error *error)
{
    ARENA_SCOPED arena = arena_new_secret((size_t)4 * READS * PEM_LIMIT);
    struct pki_pair pair = {0};
    struct pki_facts facts;
    if (!arena)
        return error_set(error, 0, "out of memory");
    bool taken = read_settled(arena, &certificates->options, &pair, &facts, error) &&
                 certificates_use(certificates, &pair, &facts, error);
    metric_add(METRIC_CERTIFICATE_LOADS, 1, taken ? "ok" : "failed");
    if (taken) {
        struct error lacking = {.message = ""};
        const char *const *names = certificates->options.names;
        if (names && !pki_verify(&pair, STR(""), names, time_now(), &lacking))
            log_line(LOG_WARN, "the certificate is not valid for the Service",
                     LOG_TEXT("reason", str_from(lacking.message)));
        certificates_tell_notice(certificates, lacking.message);
    }
    return taken;
}

/* What is wrong is tried again, since it may be the time or the system rather than the
 * files, and told once. */
static void tell_failure(struct certificates *certificates, const char *what, const char *reason)
{
    pthread_mutex_lock(&certificates->lock);
    bool told = strcmp(certificates->problem, reason) == 0;
    pthread_mutex_unlock(&certificates->lock);
    if (!told)
        log_line(LOG_ERROR, what, LOG_TEXT("file", str_from(certificates->options.certificate_file)),
                 LOG_TEXT("reason", str_from(reason)));
    certificates_tell_problem(certificates, reason);
    file_watch_again(certificates->watch);
}

/* One load at a time. The listener keeps what it has until a new pair has been verified. */
void files_reload(struct certificates *certificates)
{
    struct error error;
    pthread_mutex_lock(&certificates->loading);
    if (files_load(certificates, &error))
        certificates_tell_problem(certificates, "");
    else
        tell_failure(certificates, "certificate rejected; still serving the last good one", error.message);
    pthread_mutex_unlock(&certificates->loading);
}

static void files_changed(void *context)
{
    files_reload(context);
}

/* At the start, what only time or a renewal can repair is waited for; anything else is
 * a mistake in the command line. */
static bool first_load(struct certificates *certificates, struct error *error)
{
    struct error reason;
    if (files_load(certificates, error))
        return true;
    ARENA_SCOPED arena = arena_new_secret((size_t)4 * PEM_LIMIT);
    struct pki_pair pair = {0};
    struct pki_facts facts;
    bool out_of_time = arena && read_pair(arena, &certificates->options, &pair, &reason) &&
                       pki_read(pair.certificate, &facts, &reason) &&
                       (time_now() > facts.not_after || time_now() < facts.not_before) &&
                       pki_verify(&pair, STR(""), NULL, facts.not_before, &reason);
    if (!out_of_time)
        return error_wrap(error, "certificate %s and key %s", certificates->options.certificate_file,
                          certificates->options.key_file);
    tell_failure(certificates, "certificate rejected; waiting for a valid one", error->message);
    return true;
}

struct certificates *certificates_from_files(const struct certificates_options *options, struct error *error)
{
    const char *const paths[] = {options->certificate_file, options->key_file};
    struct certificates *certificates = calloc(1, sizeof *certificates);
    if (!certificates)
        return error_null(error, 0, "out of memory");
    certificates->options = *options;
    certificates->announced = true;
    pthread_mutex_init(&certificates->lock, NULL);
    pthread_mutex_init(&certificates->loading, NULL);
    /* Watched first, so that a pair that is exchanged while it is read is read again. */
    pthread_mutex_lock(&certificates->loading);
    certificates->watch = file_watch_start(paths, LENGTH_OF(paths), POLL_SECONDS, files_changed, certificates, error);
    bool opened = certificates->watch && first_load(certificates, error);
    pthread_mutex_unlock(&certificates->loading);
    if (opened)
        return certificates;
    file_watch_stop(certificates->watch);
    certificates_free(certificates);
    return NULL;
}

/* What both ways of having a certificate share: a pair is verified before the listener gets it, and what is wrong is kept
 * for /readyz. */

void certificates_tell_problem(struct certificates *certificates, const char *problem)
{
    pthread_mutex_lock(&certificates->lock);
    snprintf(certificates->problem, sizeof certificates->problem, "%s", problem);
    pthread_mutex_unlock(&certificates->lock);
}

void certificates_tell_notice(struct certificates *certificates, const char *notice)
{
    pthread_mutex_lock(&certificates->lock);
    snprintf(certificates->notice, sizeof certificates->notice, "%s", notice);
    pthread_mutex_unlock(&certificates->lock);
}

/* The only way into the listener, for a pair that was verified. */
static bool certificates_use(struct certificates *certificates, const struct pki_pair *pair,
                             const struct pki_facts *facts, struct error *error)
{
    char until[TIME_TEXT_SIZE];
    const struct certificates_options *options = &certificates->options;
    if (!options->use(options->context, pair->certificate, pair->key, error))
        return false;
    metric_set(METRIC_CERTIFICATE_EXPIRY, (double)facts->not_after, "serving");
    pthread_mutex_lock(&certificates->lock);
    certificates->serving_from = facts->not_before;
    certificates->serving_until = facts->not_after;
    pthread_mutex_unlock(&certificates->lock);
    log_line(LOG_INFO, "serving certificate loaded", LOG_TEXT("names", str_from(facts->dns_names)),
             LOG_TEXT("issuer", str_from(facts->issuer)), LOG_TEXT("serial", str_from(facts->serial)),
             LOG_TEXT("not_after", str_from(time_format(facts->not_after, 0, until))));
    return true;
}

bool certificates_take(struct certificates *certificates, const struct pki_pair *pair, int64_t now, struct error *error)
{
    struct pki_facts facts;
    bool taken = pki_verify_facts(pair, now, &facts, error) && certificates_use(certificates, pair, &facts, error);
    metric_add(METRIC_CERTIFICATE_LOADS, 1, taken ? "ok" : "failed");
    return taken;
}

/* A CA must outlive several of its leaves, or each renewal would bring a new CA to announce. */
bool certificates_lifetimes(struct certificates_options *options, struct error *error)
{
    enum { DAY = 86400 };
    options->leaf_seconds = options->leaf_seconds ? options->leaf_seconds : 90 * DAY;
    options->ca_seconds = options->ca_seconds ? options->ca_seconds : (int64_t)3650 * DAY;
    return options->ca_seconds / 3 >= options->leaf_seconds ||
           error_set(error, 0, "the CA lifetime must be at least three times the certificate lifetime");
}

void certificates_free(struct certificates *certificates)
{
    pthread_mutex_destroy(&certificates->loading);
    pthread_mutex_destroy(&certificates->lock);
    free(certificates);
}
