/* The serving certificate, whichever way it comes: whether it is good (/readyz), how it is
 * reloaded and stopped, and under which names a Service is called. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backstop/grammar.h"
#include "backstop/telemetry.h"
#include "certificates/certificates.h"

/* What the clock has to do with it: " (the API server's is at ...): fix the clock". */
static void clock_fix(char *out, size_t size, int64_t now, int64_t ahead)
{
    char theirs[TIME_TEXT_SIZE];
    if (ahead)
        snprintf(out, size, " (the API server's is at %s): fix the clock", time_format(now + ahead, 0, theirs));
    else
        snprintf(out, size, ": fix the clock");
}

/* The most useful thing goes first: a clock that is wrong looks like an expired certificate, and
 * only the API server's clock tells the two apart. Not ready without a valid certificate or
 * while its CA is not announced. */
bool certificates_ready(struct certificates *certificates, char *reason, size_t size)
{
    char until[TIME_TEXT_SIZE], clock[TIME_TEXT_SIZE], fix[128];
    const int64_t now = time_now();
    time_format(now, 0, clock);
    pthread_mutex_lock(&certificates->lock);
    const char *problem = certificates->problem, *notice = certificates->notice, *then = problem[0] ? "; " : "";
    int64_t ahead = certificates->clock_ahead;
    bool serving = certificates->serving_until != 0, expired = serving && now > certificates->serving_until;
    bool early = serving && now < certificates->serving_from; /* it was valid when it was taken */
    bool ready = serving && !expired && !early && certificates->announced;
    clock_fix(fix, sizeof fix, now, ahead);
    if (early)
        snprintf(reason, size, "the certificate is not valid before %s, but the clock is at %s%s%s%s",
                 time_format(certificates->serving_from, 0, until), clock, fix, then, problem);
    else if (expired && ahead < 0)
        snprintf(reason, size, "the certificate expired at %s, but the clock is at %s%s%s%s",
                 time_format(certificates->serving_until, 0, until), clock, fix, then, problem);
    else if (expired)
        snprintf(reason, size, "the certificate expired at %s%s%s", time_format(certificates->serving_until, 0, until),
                 then, problem);
    else if (ready && problem[0])
        snprintf(reason, size, "serving the last good certificate: %s", problem);
    else if (ready && ahead)
        snprintf(reason, size, "the clock is at %s%s; certificates are renewed by the API server's", clock, fix);
    else if (problem[0] || ready)
        snprintf(reason, size, "%s", problem[0] ? problem : notice);
    else
        snprintf(reason, size,
                 serving ? "waiting for the CA to be written to the webhook configurations" : "no certificate yet");
    pthread_mutex_unlock(&certificates->lock);
    return ready;
}

void certificates_reload(struct certificates *certificates)
{
    if (certificates->managed)
        managed_look(certificates->managed);
    else
        files_reload(certificates);
}

/* Joins the threads, so that nobody sets a certificate in a listener that is closed after this. */
void certificates_stop(struct certificates *certificates)
{
    if (!certificates)
        return;
    file_watch_stop(certificates->watch);
    managed_stop(certificates->managed);
    certificates->watch = NULL;
    certificates->managed = NULL;
}

void certificates_close(struct certificates *certificates)
{
    if (!certificates)
        return;
    certificates_stop(certificates);
    certificates_free(certificates);
}

/* The names under which the API server and others call a Service. */

static bool is_domain(struct str text)
{
    struct str label;
    bool fine = text.len > 0 && text.len < 128;
    while (fine && str_cut(&text, '.', &label))
        fine = name_is_dns_label(label);
    return fine;
}

/* NAME.NAMESPACE, or with .svc and a cluster domain; all four forms go into the certificate. The
 * API server asks for NAME.NAMESPACE.svc. */
bool certificates_service_parse(struct str text, struct certificates_service *service, struct error *error)
{
    struct str rest = text, name = {0}, ns = {0}, svc = {0}, domain = STR("cluster.local");
    str_cut(&rest, '.', &name);
    str_cut(&rest, '.', &ns);
    bool plain = !rest.len;
    if (!plain) {
        str_cut(&rest, '.', &svc);
        domain = rest;
    }
    if (!name_is_dns_label(name) || !name_is_dns_label(ns) || (!plain && !str_is(svc, "svc")) || !is_domain(domain))
        return error_set(error, 0, "\"%.*s\": expected NAME.NAMESPACE, as backstop.backstop-system",
                         STR_ARG(str_slice(text, 0, 128)));
    *service = (struct certificates_service){.names = {NULL}};
    snprintf(service->name, sizeof service->name, "%.*s", STR_ARG(name));
    snprintf(service->ns, sizeof service->ns, "%.*s", STR_ARG(ns));
    snprintf(service->full[0], sizeof service->full[0], "%s", service->name);
    snprintf(service->full[1], sizeof service->full[1], "%s.%s", service->name, service->ns);
    snprintf(service->full[2], sizeof service->full[2], "%s.%s.svc", service->name, service->ns);
    snprintf(service->full[3], sizeof service->full[3], "%s.%s.svc.%.*s", service->name, service->ns, STR_ARG(domain));
    for (size_t i = 0; i < LENGTH_OF(service->full); i++)
        service->names[i] = service->full[i];
    return true;
}
