/* Managed mode, once: for a Job whose account may write the Secret and caBundle, beside replicas that may not
 * and serve the Secret's files. What replicas keep in mind between two looks (since when API servers know a CA,
 * which leaf is served) is read from the cluster instead: a CA that all our webhooks trusted before this run
 * began has been announced for long enough, since the kubelet brings a new leaf to the pods no sooner than some
 * seconds after it is written. */
#include <stdlib.h>

#include "backstop/telemetry.h"
#include "certificates/certificates.h"

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
