/* What is to be issued, and when. Pure: all replicas come to the same conclusions from the
 * same Secret, and the first to write wins. The order of a new CA: it stands in the Secret,
 * it is announced in every caBundle, and only when API servers had the time to notice does
 * a leaf of it follow. The old CA stays announced as long as one of its leaves could live. */
#include "certificates/certificates.h"

enum { SKEW_SECONDS = 300, SETTLE_MIN = 1, SETTLE_MAX = 300, SOON = 1 };

static int64_t rotation_clamp(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

int64_t rotation_settle_seconds(int64_t leaf_seconds)
{
    return rotation_clamp(leaf_seconds / 20, SETTLE_MIN, SETTLE_MAX);
}

/* Certificates begin in the past, for clocks that are behind. */
static int64_t rotation_skew(const struct rotation *rotation)
{
    return rotation_clamp(rotation->leaf_seconds / 20, 0, SKEW_SECONDS);
}

bool rotation_usable(const struct rotation *rotation, const struct pki_pair *pair, struct str bundle)
{
    struct error ignored;
    return pair->certificate.len && pair->key.len && bundle.len &&
           pki_verify(pair, bundle, rotation->names, rotation->now, &ignored);
}

/* Bundles are joined as text, so one that is damaged must not hide the other. */
static struct str rotation_sound_certificates(struct str bundle)
{
    struct pki_facts facts;
    struct error ignored;
    return bundle.len && pki_read(bundle, &facts, &ignored) ? bundle : (struct str){NULL, 0};
}

static struct str rotation_join(struct arena *arena, const struct rotation *rotation, struct str first,
                                struct str second)
{
    return pki_bundle_join(arena, rotation_sound_certificates(first), rotation_sound_certificates(second),
                           rotation->now);
}

static bool ca_usable(const struct rotation *rotation, const struct pki_pair *ca, struct pki_facts *facts)
{
    struct error ignored;
    return ca->certificate.len && ca->key.len && pki_verify(ca, STR(""), NULL, rotation->now, &ignored) &&
           pki_read(ca->certificate, facts, &ignored) && facts->is_ca;
}

/* A leaf of an earlier CA was issued before this CA was, and is out of time by then. */
static int64_t previous_until(const struct rotation *rotation, const struct pki_facts *ca)
{
    return ca->not_before + rotation_skew(rotation) + rotation->leaf_seconds +
           rotation_settle_seconds(rotation->leaf_seconds);
}

static bool issue_ca(struct arena *arena, const struct rotation *rotation, struct content *content, struct error *error)
{
    char now[TIME_TEXT_SIZE];
    struct str common = arena_printf(arena, "backstop CA %s", time_format(rotation->now, 0, now));
    const struct pki_profile profile = {.common_name = common.ptr ? common.ptr : "backstop CA",
                                        .not_before = rotation->now - rotation_skew(rotation),
                                        .not_after = rotation->now + rotation->ca_seconds};
    struct str earlier = rotation_join(arena, rotation, content->previous, rotation->held_ca);
    content->previous = rotation_join(arena, rotation, content->ca.certificate, earlier);
    return pki_issue_ca(arena, &profile, &content->ca, error);
}

static bool issue_serving(struct arena *arena, const struct rotation *rotation, struct content *content,
                          struct error *error)
{
    struct pki_facts ca;
    if (!pki_read(content->ca.certificate, &ca, error))
        return false;
    int64_t until = rotation->now + rotation->leaf_seconds;
    const struct pki_profile profile = {.common_name = rotation->names[2],
                                        .dns_names = rotation->names,
                                        .not_before = rotation->now - rotation_skew(rotation),
                                        .not_after = until < ca.not_after ? until : ca.not_after};
    return pki_issue_serving(arena, &profile, &content->ca, &content->serving, error);
}

static bool ca_due(const struct rotation *rotation, const struct content *content, const struct pki_facts *ca)
{
    if (ca->not_after - rotation->now < rotation->leaf_seconds / 3)
        return true;
    return !content->previous.len && rotation->now >= pki_renewal_time(ca, rotation->jitter);
}

/* A leaf that still leads to an earlier CA waits for the new one to be announced, until
 * its last tenth: an API server that knows neither could be no worse off. */
static bool serving_due(const struct rotation *rotation, const struct content *content, bool of_ca)
{
    struct pki_facts facts;
    struct error ignored;
    if (!pki_read(content->serving.certificate, &facts, &ignored))
        return true;
    if (of_ca)
        return rotation->now >= pki_renewal_time(&facts, rotation->jitter);
    return rotation->announced || rotation->now >= facts.not_after - (facts.not_after - facts.not_before) / 10;
}

static bool rotate_serving(struct arena *arena, const struct rotation *rotation, struct content *content,
                           unsigned *changes, struct error *error)
{
    struct str bundle = rotation_join(arena, rotation, content->ca.certificate, content->previous);
    bool any = rotation_usable(rotation, &content->serving, bundle);
    /* Deleted or damaged: what is served is as good as ever, and its CA is known. */
    if (!any && rotation->held && rotation_usable(rotation, rotation->held, bundle)) {
        content->serving.certificate = arena_copy(arena, rotation->held->certificate);
        content->serving.key = arena_copy(arena, rotation->held->key);
        *changes |= ROTATED_SERVING;
        any = true;
    }
    bool of_ca = any && rotation_usable(rotation, &content->serving, content->ca.certificate);
    if (any && !serving_due(rotation, content, of_ca))
        return true;
    *changes |= ROTATED_SERVING;
    return issue_serving(arena, rotation, content, error);
}

bool rotate(struct arena *arena, const struct rotation *rotation, struct content *content, unsigned *changes,
            struct error *error)
{
    struct pki_facts ca;
    bool usable = ca_usable(rotation, &content->ca, &ca);
    *changes = 0;
    if (usable && content->previous.len &&
        (rotation->now > previous_until(rotation, &ca) ||
         !rotation_join(arena, rotation, content->previous, STR("")).len) &&
        rotation_usable(rotation, &content->serving, content->ca.certificate)) {
        content->previous = STR("");
        *changes |= ROTATED_PREVIOUS;
    }
    if (!usable || ca_due(rotation, content, &ca)) {
        *changes |= ROTATED_CA;
        /* The last leaf of the old CA: it has its whole life to wait for the announcement. */
        if (usable && ca.not_after - rotation->now > rotation->leaf_seconds / 2) {
            *changes |= ROTATED_SERVING;
            if (!issue_serving(arena, rotation, content, error))
                return false;
        }
        if (!issue_ca(arena, rotation, content, error))
            return false;
    }
    return rotate_serving(arena, rotation, content, changes, error);
}

int64_t rotation_due(const struct rotation *rotation, const struct content *content)
{
    struct pki_facts ca, serving;
    struct error ignored;
    if (!pki_read(content->ca.certificate, &ca, &ignored) ||
        !pki_read(content->serving.certificate, &serving, &ignored))
        return rotation->now + SOON;
    int64_t due = pki_renewal_time(&serving, rotation->jitter), other = pki_renewal_time(&ca, rotation->jitter);
    if (!rotation_usable(rotation, &content->serving, content->ca.certificate))
        due = rotation->now + SOON;
    if (content->previous.len)
        other = previous_until(rotation, &ca) + 1;
    return due < other ? due : other;
}
