/* What both ways of having a certificate share: a pair is verified before the listener gets it, and what is wrong is kept
 * for /readyz. */
#include "backstop/telemetry.h"
#include "certificates/certificates.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static bool certificates_read_pair(struct certificates *certificates, const struct pki_pair *pair, int64_t now,
                                   struct pki_facts *facts, struct error *error)
{
    const struct certificates_options *options = &certificates->options;
    return pki_verify(pair, STR(""), NULL, now, error) && pki_read(pair->certificate, facts, error) &&
           options->use(options->context, pair->certificate, pair->key, error);
}

bool certificates_take(struct certificates *certificates, const struct pki_pair *pair, int64_t now, struct error *error)
{
    struct pki_facts facts;
    char until[TIME_TEXT_SIZE];
    bool taken = certificates_read_pair(certificates, pair, now, &facts, error);
    metric_add(METRIC_CERTIFICATE_LOADS, 1, taken ? "ok" : "failed");
    if (!taken)
        return false;
    metric_set(METRIC_CERTIFICATE_EXPIRY, (double)facts.not_after, "serving");
    pthread_mutex_lock(&certificates->lock);
    certificates->serving_from = facts.not_before;
    certificates->serving_until = facts.not_after;
    pthread_mutex_unlock(&certificates->lock);
    log_line(LOG_INFO, "serving certificate loaded", LOG_TEXT("names", str_from(facts.dns_names)),
             LOG_TEXT("issuer", str_from(facts.issuer)), LOG_TEXT("serial", str_from(facts.serial)),
             LOG_TEXT("not_after", str_from(time_format(facts.not_after, 0, until))));
    return true;
}

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
