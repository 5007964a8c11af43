#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backstop/telemetry.h"
#include "certificates/certificates.h"

/* What managed mode does whenever it looks: the Secret, the caBundle, what is served. */

enum { TRIES = 6, WRITES_FREE = 5, OPEN_POLL = 5 /* seconds */ };

/* ---- what is served --------------------------------------------------------------- */

static bool managed_hold(struct managed *managed, const struct pki_pair *pair, struct str ca)
{
    struct arena *memory = arena_new_secret(CERTIFICATES_MEMORY);
    if (!memory)
        return false;
    const struct pki_pair copy = {arena_copy(memory, pair->certificate), arena_copy(memory, pair->key)};
    struct str authority = arena_copy(memory, ca);
    if (arena_failed(memory)) {
        arena_free(memory);
        return false;
    }
    arena_free(managed->held_memory);
    managed->held_memory = memory;
    managed->held = copy;
    managed->held_ca = authority;
    return true;
}

static int64_t settle_ns(const struct managed *managed)
{
    return rotation_settle_seconds(managed->options->leaf_seconds) * NS_PER_SECOND;
}

static bool is_announced(const struct managed *managed, struct str ca)
{
    return managed->announced_ca && str_is(ca, managed->announced_ca) &&
           time_monotonic_ns() - managed->announced_ns >= settle_ns(managed);
}

/* Who checks the certificates is the API server, so they follow its clock: a replica whose own has jumped would
 * take the others' CA for one that is not valid yet, and issue one that no API server accepts. */
static int64_t managed_now(const struct managed *managed)
{
    return time_now() + kube_clock_ahead(managed->options->kube);
}

static struct rotation rotation_now(const struct managed *managed)
{
    const struct certificates_options *options = managed->options;
    return (struct rotation){.names = options->names,
                             .leaf_seconds = options->leaf_seconds,
                             .ca_seconds = options->ca_seconds,
                             .now = managed_now(managed),
                             .jitter = managed->jitter,
                             .held = managed->held.key.len ? &managed->held : NULL,
                             .held_ca = managed->held_ca};
}

/* ---- the Secret ------------------------------------------------------------------- */

/* Whoever loses the race reads what the winner wrote. */
static bool settle_secret(struct managed *managed, struct arena *arena, struct content *content, struct error *error)
{
    for (int i = 0; i < TRIES; i++) {
        unsigned changes = 0;
        if (!secret_read(arena, managed->options, content, error))
            return false;
        int64_t ahead = kube_clock_ahead(managed->options->kube);
        pthread_mutex_lock(&managed->certificates->lock);
        int64_t before = managed->certificates->clock_ahead;
        managed->certificates->clock_ahead = ahead;
        pthread_mutex_unlock(&managed->certificates->lock);
        if (ahead && !before)
            log_line(LOG_ERROR,
                     "the clock differs from the API server's, by which certificates are renewed: fix the clock",
                     LOG_INTEGER("seconds_behind", ahead));
        struct rotation rotation = rotation_now(managed);
        rotation.announced = is_announced(managed, content->ca.certificate);
        if (!rotate(arena, &rotation, content, &changes, error))
            return false;
        if (!changes)
            return true;
        if (secret_write(arena, managed->options, content, error)) {
            if (changes & ROTATED_CA)
                metric_add(METRIC_CERTIFICATE_ISSUES, 1, "ca");
            if (changes & ROTATED_SERVING)
                metric_add(METRIC_CERTIFICATE_ISSUES, 1, "serving");
            log_line(LOG_INFO, "certificates renewed", LOG_TEXT("secret", str_from(managed->options->secret)),
                     LOG_BOOLEAN("ca", (changes & ROTATED_CA) != 0),
                     LOG_BOOLEAN("serving", (changes & ROTATED_SERVING) != 0),
                     LOG_BOOLEAN("previous_ca_dropped", (changes & ROTATED_PREVIOUS) != 0));
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
static bool managed_may_write(struct managed *managed)
{
    int64_t quiet = time_monotonic_ns() - managed->last_write_ns;
    if (quiet > POLL_MAX * NS_PER_SECOND)
        managed->writes = 0;
    unsigned over = managed->writes > WRITES_FREE ? managed->writes - WRITES_FREE : 0;
    return !over || quiet >= (1u << (over > 5 ? 5 : over)) * NS_PER_SECOND;
}

/* Extra CAs in caBundle are left for a while: they may be those of a replica that has just
 * renewed. */
static bool settle_bundle(struct managed *managed, struct arena *arena, const struct content *content,
                          struct error *error)
{
    int64_t now = managed_now(managed), now_ns = time_monotonic_ns();
    struct str held = pki_bundle_join(arena, content->previous, managed->held_ca, now);
    struct announcement announcement = {.ca = content->ca.certificate,
                                        .bundle = pki_bundle_join(arena, content->ca.certificate, held, now),
                                        .prune =
                                            managed->extra_ns && now_ns - managed->extra_ns > 3 * settle_ns(managed)};
    if (!managed_may_write(managed))
        return error_set(error, 0,
                         "another writer keeps overwriting caBundle or failurePolicy; retrying with back-off");
    bool done = announce(arena, managed->options, &announcement, now, error);
    if (announcement.wrote) {
        managed->last_write_ns = now_ns;
        managed->writes++;
    }
    if (!done)
        return error_wrap(error, "cannot write the CA to caBundle");
    managed->extra_ns = !announcement.extra || announcement.prune ? 0 : managed->extra_ns ? managed->extra_ns : now_ns;
    struct str ca = content->ca.certificate;
    if (!managed->announced_ca || !str_is(ca, managed->announced_ca)) {
        free(managed->announced_ca);
        managed->announced_ca = strndup(ca.ptr, ca.len);
        managed->announced_ns = time_monotonic_ns();
    }
    pthread_mutex_lock(&managed->certificates->lock);
    managed->certificates->announced = true;
    pthread_mutex_unlock(&managed->certificates->lock);
    char notice[sizeof managed->certificates->notice] = "";
    if (!announcement.webhooks)
        snprintf(notice, sizeof notice, "no webhook in the configurations named %s calls Service %s/%s",
                 managed->options->configurations, managed->options->ns, managed->options->service);
    managed->open = announcement.open > 0;
    if (!managed->open)
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
    return managed_hold(managed, &content->serving, of_ca ? content->ca.certificate : content->previous) ||
           error_set(error, 500, "out of memory");
}

/* ---- fail-closed ------------------------------------------------------------------------ */

/* Not before all else is as it should be; and as long as the API server cannot call us, nothing of it is refused. */
static void settle_enforcement(struct managed *managed)
{
    struct enforcement done;
    struct error error;
    bool fine = webhooks_enforce(managed->options->kube, managed->options->configurations, &done, &error);
    if (done.closed) {
        managed->last_write_ns = time_monotonic_ns();
        managed->writes++;
    }
    managed->open = !fine;
    certificates_tell_notice(managed->certificates, fine ? "" : error.message);
}

/* When to look again although nothing changes. */
static int64_t next_ns(const struct managed *managed, const struct content *content)
{
    struct rotation rotation = rotation_now(managed);
    int64_t wait = rotation_due(&rotation, content) - rotation.now, poll = managed->options->leaf_seconds / 4;
    poll = poll > POLL_MAX ? POLL_MAX : poll;
    if (!str_eq(managed->held.certificate, content->serving.certificate) || managed->extra_ns)
        wait = 1;
    else if (managed->open && wait > OPEN_POLL)
        wait = OPEN_POLL;
    wait = wait < 1 ? 1 : wait > poll ? poll : wait;
    return wait < 1 ? NS_PER_SECOND : wait * NS_PER_SECOND;
}

bool managed_settle(struct managed *managed, int64_t *wait_ns, struct error *error)
{
    ARENA_SCOPED arena = arena_new_secret(CERTIFICATES_MEMORY);
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
    if (announced && served && managed->open)
        settle_enforcement(managed);
    *wait_ns = next_ns(managed, &content);
    return announced && served;
}

/* What is to be issued, and when. Pure: all replicas come to the same conclusions from the
 * same Secret, and the first to write wins. The order of a new CA: it stands in the Secret,
 * it is announced in every caBundle, and only when API servers had the time to notice does
 * a leaf of it follow. The old CA stays announced as long as one of its leaves could live. */

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

/* A leaf of an earlier CA was issued before this CA was, and is out of time by then. */
static int64_t previous_until(const struct rotation *rotation, const struct pki_facts *ca)
{
    return ca->not_before + rotation_skew(rotation) + rotation->leaf_seconds +
           rotation_settle_seconds(rotation->leaf_seconds);
}

/* The old CA moves to `previous`, with what is still served of an earlier one. */
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

/* Never beyond the life of its CA. */
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

/* Late enough, or renewed on time; not on time while an earlier one is still being announced, as
 * then there would be three. */
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

/* One that is usable by any of the announced CAs is kept until it falls due. */
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

/* `changes` says what is to be written. The old CA is dropped when none of its leaves can be
 * valid any more. */
bool rotate(struct arena *arena, const struct rotation *rotation, struct content *content, unsigned *changes,
            struct error *error)
{
    struct pki_facts ca;
    struct error ignored;
    bool usable = content->ca.certificate.len && content->ca.key.len &&
                  pki_verify(&content->ca, STR(""), NULL, rotation->now, &ignored) &&
                  pki_read(content->ca.certificate, &ca, &ignored) && ca.is_ca;
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

/* The next moment at which rotate would change anything. */
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
