#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
