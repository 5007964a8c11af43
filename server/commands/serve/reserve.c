/* Makes the deletion of a Backup known to every replica before it is admitted. */
#include <time.h>

#include "backstop/telemetry.h"
#include "commands/serve/serve.h"

/* The caller waits 10 seconds, and one request to the API server takes 3 at most. */
enum { BEGIN_MS = 5000, AGAIN_MS = 2000, ATTEMPTS = 16, PAUSE_MS = 10, RETRY_AFTER = 2, RETRY_AFTER_MANY = 15 };

static int64_t waited_ms(const struct http_request *http)
{
    return (time_monotonic_ns() - http->received_ns) / 1000000;
}

/* Those who lost to each other must not meet again: each waits a while of its own. */
static void pause_before(unsigned attempt, struct str uid)
{
    unsigned spread = attempt;
    for (size_t i = 0; i < uid.len; i++)
        spread = spread * 31 + (unsigned char)uid.ptr[i];
    const struct timespec while_others_write = {.tv_nsec = (long)(spread % (PAUSE_MS * (attempt + 1)) + 1) * 1000000};
    nanosleep(&while_others_write, NULL);
}

static void reserve_refuse(struct review *review, const struct error *cause, int code, int64_t retry_after)
{
    struct error error;
    error_set(
        &error, code,
        "cannot make sure that another management backup remains: %.*s. Nothing was deleted; try again. To delete "
        "it anyway, annotate it: " ANNOTATION_ALLOW_DELETE "=REASON",
        600, cause->message);
    admission_fail(review, &error);
    review->decision.retry_after = retry_after;
}

static bool write_reservation(struct service *service, const struct review *review, const struct inventory *inventory,
                              const struct http_request *http, struct error *error)
{
    struct str backup = review->decision.reservation.backup;
    if (!service->facts)
        return error_set(error, 503, "there is no inventory to keep it in");
    if (waited_ms(http) > BEGIN_MS)
        return error_set(error, 503, "the API server answers too slowly");
    return facts_reserve(service->facts, inventory, backup, review->request.now, error);
}

enum reserve_result serve_reserve(struct service *service, struct review *review, const struct inventory *inventory,
                                  const struct http_request *http, unsigned attempt)
{
    static const char kind[] = "deletion";
    const struct reservation *reservation = &review->decision.reservation;
    struct error error;
    if (!reservation->backup.len || review->decision.denied || review->request.dry_run)
        return RESERVE_DONE;
    if (write_reservation(service, review, inventory, http, &error)) {
        metric_add(METRIC_EFFECTS, 1, kind, "reserved");
        return RESERVE_DONE;
    }
    if (error.code == 409 && attempt + 1 < ATTEMPTS && waited_ms(http) < AGAIN_MS) {
        pause_before(attempt, review->request.uid);
        return RESERVE_AGAIN;
    }
    metric_add(METRIC_EFFECTS, 1, kind, "failed");
    log_line(LOG_WARN, "deletion not reserved", LOG_TEXT("backup", reservation->backup),
             LOG_TEXT("uid", review->request.uid), LOG_TEXT("reason", str_from(error.message)));
    if (reservation->optional)
        decision_warn(&review->decision, "other replicas do not know of this deletion: %.*s",
                      STR_ARG(str_slice(arena_copy(review->decision.arena, str_from(error.message)), 0, 120)));
    else if (error.code == 409 || (error.code == 503 && attempt > 0)) /* others came first, and then the time was up */
        reserve_refuse(review, &(struct error){.message = "many deletions at the same time"}, 429, RETRY_AFTER);
    else if (error.code == 429)
        reserve_refuse(review, &error, 429, RETRY_AFTER_MANY);
    else
        reserve_refuse(review, &error, 503, RETRY_AFTER);
    return RESERVE_DONE;
}
