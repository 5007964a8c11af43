/* Which facts a review rests on: the snapshot at hand, or what is read for it alone. */
#include "backstop/telemetry.h"
#include "commands/serve/serve.h"

enum { WAITED_MS = 2000 };

const struct inventory *serve_inventory(struct service *service, int64_t now)
{
    return service->facts ? facts_get(service->facts, now) : inventory_unknown();
}

const struct inventory *serve_inventory_shown(struct service *service, const struct settings *settings, int64_t now)
{
    struct error error;
    const struct facts_wanted wanted = {.evidence = settings->evidence, .evidence_count = settings->evidence_count};
    const struct inventory *read = NULL;
    if (service->facts && wanted.evidence_count)
        read = facts_live(service->facts, &wanted, now, &error);
    return read ? read : serve_inventory(service, now);
}

/* The gate stays closed, and says why and the fix. */
static void explain_gate(const struct review *review, struct error *error)
{
    const struct error cause = *error;
    error_set(
        error, 503,
        "cannot verify the pre-upgrade backup: %.*s. Nothing was changed; retry. If it persists, see /readyz?verbose. "
        "To upgrade without a backup, re-apply after: kubectl annotate management %.*s " ANNOTATION_SKIP_BACKUP
        "=\"REASON\"",
        600, cause.message, STR_ARG(review->request.name));
}

/* A review that has waited for a worker, behind others that wait for a slow API server, has
 * not the time left that a reading may take: its own caller waits 10 seconds. */
static const struct inventory *read_anew(struct service *service, const struct facts_wanted *wanted, int64_t now,
                                         int64_t received_ns, struct error *error)
{
    if (time_monotonic_ns() - received_ns < WAITED_MS * INT64_C(1000000))
        return facts_live(service->facts, wanted, now, error);
    error_set(error, 503, "the Kubernetes API server is slow, and other reviews are waiting for it");
    return NULL;
}

const struct inventory *serve_facts(struct service *service, const struct rule *rule, const struct review *review,
                                    const struct settings *settings, const struct http_request *http,
                                    bool *needs_worker, struct error *error)
{
    bool may_wait = http->may_wait;
    struct facts_wanted wanted;
    int64_t now = review->request.now;
    const struct inventory *cached = serve_inventory(service, now);
    /* Files are as fresh as they can be, but for evidence, which their snapshot leaves out. */
    bool waits = service->facts && facts_wait(service->facts);
    if (!cached || !service->facts || !admission_wants(review, rule, cached, settings, &wanted) ||
        (!waits && wanted.evidence_count == 0 && !wanted.reservations))
        return cached;
    const struct inventory *fresh = NULL;
    may_wait |= !waits;
    *needs_worker = !may_wait;
    if (may_wait)
        fresh = read_anew(service, &wanted, now, http->received_ns, error);
    if (may_wait && !fresh && !wanted.upgrade) {
        /* The gate alone fails closed; the others do with what is known. */
        log_line(LOG_WARN, "uncached read failed", LOG_TEXT("uid", review->request.uid),
                 LOG_TEXT("reason", str_from(error->message)));
        if (!wanted.k0rdent)
            return cached;
        snapshot_release(cached);
        return inventory_unknown();
    }
    snapshot_release(cached);
    if (may_wait && !fresh)
        explain_gate(review, error);
    return fresh;
}
