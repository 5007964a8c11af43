#include <stdlib.h>

#include "backstop/api.h"
#include "backstop/policy.h"

/* Flaws are looked for from the fatal to the doubtful, and the first one found is reported: a
 * backup that failed need not be told to be near its expiry as well. The names in recovery_flaws
 * are an interface (JSON of status). */

/* Whether a backup is one to rely on: for `status`, and for the gate while it waits for another. */

enum {
    CLOCK_SKEW = 5 * 60,     /* between Velero and whoever judges */
    VALIDATED_WITHIN = 3600, /* and three validations */
    RUN_LONGEST = 86400,     /* what a run may take, as estimated */
};

const char *const recovery_flaws[RECOVERY_COUNT] = {
    [RECOVERY_SOUND] = "sound",
    [RECOVERY_TIME] = "age-unknown",
    [RECOVERY_INSIDE] = "lost-with-cluster",
    [RECOVERY_STALE] = "location-not-validated-recently",
    [RECOVERY_KEPT] = "expired-kept",
    [RECOVERY_EXPIRES] = "expires-before-next",
    [RECOVERY_UNFINISHED] = "unfinished",
    [RECOVERY_HANDMADE] = "not-by-kcm",
    [RECOVERY_FOREIGN] = "of-another-cluster",
    [RECOVERY_HOLLOW] = "no-management",
    [RECOVERY_FAILED] = "failed",
    [RECOVERY_DELETING] = "being-deleted",
    [RECOVERY_DOUBTED] = "status-not-by-velero",
    [RECOVERY_EMPTY] = "empty",
    [RECOVERY_EXPIRED] = "expired",
    [RECOVERY_LOCATION_GONE] = "location-gone",
    [RECOVERY_LOCATION_UNREADABLE] = "location-unreadable",
};

/* ---- DeleteBackupRequests that wait ---------------------------------------------------- */

static int request_order(const void *left, const void *right)
{
    return str_cmp((*(const struct delete_request *const *)left)->backup,
                   (*(const struct delete_request *const *)right)->backup);
}

bool recovery_judge_init(struct recovery_judge *judge)
{
    const struct inventory *inventory = judge->inventory;
    size_t all = inventory->count[FACT_DELETE_REQUESTS];
    judge->requests = arena_array(judge->arena, all + 1, sizeof(void *));
    judge->foreign_since = policy_foreign_since(inventory);
    for (size_t i = 0; judge->requests && i < all; i++) {
        const struct delete_request *request = inventory->delete_requests[i];
        if (str_eq(request->meta.ns, judge->settings->system_namespace) && !request->meta.deleting &&
            !phase_is_processed(request->phase))
            judge->requests[judge->request_count++] = request;
    }
    if (judge->request_count)
        qsort(judge->requests, judge->request_count, sizeof(void *), request_order);
    return judge->requests != NULL;
}

/* By bisection: with ten thousand Backups and as many requests this is asked for each. */
static const struct delete_request *recovery_request(const struct recovery_judge *judge, const struct backup *backup)
{
    size_t low = 0, high = judge->request_count;
    if (!str_eq(backup->meta.ns, judge->settings->system_namespace))
        return NULL;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(backup->meta.name, judge->requests[middle]->backup);
        if (order == 0)
            return judge->requests[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static struct str recovery_ago(const struct recovery_judge *judge, int64_t when)
{
    char text[TIME_TEXT_SIZE];
    return arena_printf(judge->arena, "%s ago", duration_format(judge->now - when, text));
}

/* ---- one backup ---------------------------------------------------------------------------- */

static bool flaw_set(struct recovery_candidate *candidate, enum recovery_flaw flaw, struct str why)
{
    candidate->flaw = flaw;
    candidate->why = why;
    return true;
}

/* By whom, and whether it ended well. True: it did not. */
static bool recovery_judge_outcome(const struct recovery_judge *judge, struct recovery_candidate *candidate)
{
    struct arena *arena = judge->arena;
    const struct backup *backup = candidate->object;
    const struct delete_request *request = recovery_request(judge, backup);
    enum phase phase = phase_of(backup->status.phase);
    struct str is = shown(arena, phase_name(backup->status.phase)), doubt;
    candidate->request = request;
    if (backup->meta.deleting || phase == PHASE_DELETING)
        return flaw_set(candidate, RECOVERY_DELETING, STR("is being deleted"));
    if (phase == PHASE_WAITING || phase == PHASE_RUNNING || phase == PHASE_UNKNOWN)
        return flaw_set(candidate, RECOVERY_UNFINISHED, arena_printf(arena, "is %.*s", STR_ARG(is)));
    if (phase != PHASE_COMPLETED)
        return flaw_set(
            candidate, RECOVERY_FAILED,
            arena_printf(arena, "is %.*s (%.*s)", STR_ARG(is), STR_ARG(backup_failure(arena, &backup->status))));
    if (request)
        return flaw_set(candidate, RECOVERY_DELETING,
                        arena_printf(arena, "is about to be deleted (DeleteBackupRequest %.*s)",
                                     STR_ARG(shown(arena, request->meta.name))));
    if (!backup_status_by_velero(arena, backup, judge->settings, &doubt))
        return flaw_set(candidate, RECOVERY_DOUBTED, doubt);
    if (backup->status.counted && backup->status.items_total == 0)
        return flaw_set(candidate, RECOVERY_EMPTY, STR("contains no objects"));
    if (backup->status.expires && backup->status.expires <= judge->now)
        candidate->kept = policy_backup_kept(arena, judge->inventory, judge->settings, judge->now, backup);
    if (backup->status.expires && backup->status.expires <= judge->now && candidate->kept.by == KEEP_NOT)
        return flaw_set(candidate, RECOVERY_EXPIRED,
                        arena_printf(arena, "expired %.*s", STR_ARG(recovery_ago(judge, backup->status.expires))));
    return false;
}

/* A restore begins only while the location is Available (restore_controller.go). True: it could not. */
static bool recovery_judge_location(const struct recovery_judge *judge, struct recovery_candidate *candidate)
{
    struct arena *arena = judge->arena;
    struct str ns = candidate->object->meta.ns, name = candidate->object->storage_location;
    if (!judge->inventory->known[FACT_STORAGE_LOCATIONS])
        return false;
    const struct storage_location *location = name.len ? inventory_storage_location(judge->inventory, ns, name)
                                                       : inventory_default_location(judge->inventory, ns, NULL);
    candidate->location = location;
    if (!location)
        return flaw_set(candidate, RECOVERY_LOCATION_GONE,
                        arena_printf(arena, "is in storage location %.*s, which does not exist",
                                     STR_ARG(arena_quote(arena, name))));
    struct str which = arena_quote(arena, location->meta.name), reason = storage_location_reason(location);
    if (location->meta.deleting)
        return flaw_set(candidate, RECOVERY_LOCATION_GONE,
                        arena_printf(arena, "is in storage location %.*s, which is being deleted", STR_ARG(which)));
    if (location->phase.len == 0)
        return flaw_set(
            candidate, RECOVERY_LOCATION_UNREADABLE,
            arena_printf(arena, "is in storage location %.*s, which Velero has not validated yet", STR_ARG(which)));
    if (!storage_location_available(location))
        return flaw_set(candidate, RECOVERY_LOCATION_UNREADABLE,
                        arena_printf(arena, "is in storage location %.*s, which is %.*s%s%.*s", STR_ARG(which),
                                     STR_ARG(shown(arena, location->phase)), reason.len ? ": " : "",
                                     STR_ARG(reason.len ? arena_quote_error(arena, reason) : reason)));
    return false;
}

/* It could be restored now. What makes that uncertain, worst first. */
static void recovery_judge_fragile(const struct recovery_judge *judge, struct recovery_candidate *candidate,
                                   int64_t next)
{
    struct arena *arena = judge->arena;
    const struct backup_status *status = &candidate->object->status;
    const struct storage_location *location = candidate->location;
    const char *inside = location ? storage_class_inside(storage_location_class(location)) : NULL;
    int64_t took = status->started && status->completed > status->started ? status->completed - status->started : 0;
    char text[TIME_TEXT_SIZE];
    if (status->completed == 0)
        flaw_set(candidate, RECOVERY_TIME, STR("has no completion time, so its age is unknown"));
    else if (status->completed > judge->now + CLOCK_SKEW)
        flaw_set(candidate, RECOVERY_TIME,
                 arena_printf(arena, "has a completion time that is %s in the future, so its age is unknown",
                              duration_format(status->completed - judge->now, text)));
    else if (inside)
        flaw_set(candidate, RECOVERY_INSIDE, arena_printf(arena, "is kept %s, so it is lost with the cluster", inside));
    else if (location && !location->last_validated)
        flaw_set(candidate, RECOVERY_STALE,
                 arena_printf(arena, "is in storage location %.*s, whose status.lastValidationTime is empty",
                              STR_ARG(arena_quote(arena, location->meta.name))));
    else if (location && location->validation_period &&
             judge->now - location->last_validated > VALIDATED_WITHIN + 3 * location->validation_period)
        flaw_set(candidate, RECOVERY_STALE,
                 arena_printf(arena, "is in storage location %.*s, which was last validated %.*s",
                              STR_ARG(arena_quote(arena, location->meta.name)),
                              STR_ARG(recovery_ago(judge, location->last_validated))));
    else if (candidate->kept.by != KEEP_NOT)
        flaw_set(candidate, RECOVERY_KEPT,
                 arena_printf(arena, "expired %.*s and %.*s", STR_ARG(recovery_ago(judge, status->expires)),
                              STR_ARG(candidate->kept.why)));
    else if (next && status->expires && status->expires < next + (took < RUN_LONGEST ? took : RUN_LONGEST))
        flaw_set(candidate, RECOVERY_EXPIRES,
                 arena_printf(arena, "expires in %s, before the next backup is complete",
                              duration_format(status->expires - judge->now, text)));
}

/* Only what kcm made restores the management cluster, and only with the Management in it. True: it does not. */
static bool recovery_judge_kind(const struct recovery_judge *judge, struct recovery_candidate *candidate)
{
    const struct backup *backup = candidate->object;
    if (backup->identity.kind != BACKUP_MANAGEMENT)
        return flaw_set(
            candidate, RECOVERY_HANDMADE,
            arena_printf(judge->arena, "was %.*s", STR_ARG(backup_identity_reason(judge->arena, backup->identity))));
    if (judge->foreign_since && backup->status.started > judge->foreign_since &&
        backup_is_foreign(judge->inventory, backup))
        return flaw_set(candidate, RECOVERY_FOREIGN, STR("belongs to another cluster"));
    if (phase_is(backup->status.phase, PHASE_COMPLETED) && backup_lacks_management(backup))
        return flaw_set(candidate, RECOVERY_HOLLOW,
                        STR("contains no Management: a namespace was excluded from it, so Velero left out all "
                            "cluster-scoped objects"));
    return false;
}

void recovery_judge(const struct recovery_judge *judge, struct recovery_candidate *candidate, int64_t next,
                    bool management)
{
    candidate->rehearsal = policy_backup_rehearsal(judge->arena, candidate->object, judge->now);
    if (management && recovery_judge_kind(judge, candidate))
        return;
    if (!recovery_judge_outcome(judge, candidate) && !recovery_judge_location(judge, candidate))
        recovery_judge_fragile(judge, candidate, next);
}

bool recovery_may_be_management(const struct backup *backup, const struct settings *settings)
{
    return (backup->identity.kind == BACKUP_MANAGEMENT || backup->identity.kind == BACKUP_HANDMADE) &&
           str_eq(backup->meta.ns, settings->system_namespace);
}

struct recovery_candidate policy_recovery_point(struct arena *arena, const struct inventory *inventory,
                                                const struct settings *settings, int64_t now)
{
    struct recovery_judge judge = {.arena = arena, .inventory = inventory, .settings = settings, .now = now};
    struct recovery_candidate sound = {.object = NULL}, fragile = {.object = NULL};
    if (!inventory->known[FACT_BACKUPS] || !recovery_judge_init(&judge))
        return sound;
    for (size_t i = 0; i < inventory->count[FACT_BACKUPS]; i++) {
        struct recovery_candidate candidate = {.object = inventory->backups[i]};
        if (!recovery_may_be_management(candidate.object, settings))
            continue;
        recovery_judge(&judge, &candidate, 0, true);
        struct recovery_candidate *best = candidate.flaw == RECOVERY_SOUND ? &sound : &fragile;
        if ((best == &sound || recovery_is_fragile(&candidate)) &&
            (!best->object || candidate.object->status.completed > best->object->status.completed))
            *best = candidate;
    }
    return sound.object ? sound : fragile;
}

/* What the annotation of `backstop rehearse --record` proves of a Backup: for the upgrade gate
 * and for status.
 *
 * A rehearsal counts if it was recorded after the backup completed and not in the future: Velero
 * may run a backup of the same name again, and the annotation could be of the one before. */

/* Clocks of the admin's machine, Velero and whoever judges may differ by this much. */
enum { REHEARSED_SKEW = 5 * 60 };

static struct str rehearsed_ago(struct arena *arena, int64_t now, int64_t at)
{
    char text[TIME_TEXT_SIZE];
    return at < now ? arena_printf(arena, "%s ago", duration_format(now - at, text)) : STR("just now");
}

/* "6 of 420 objects refused, 2 unknown" */
static struct str rehearsed_counts(struct arena *arena, const struct rehearsal_record *record)
{
    struct str more = STR("");
    if (record->verdict == REHEARSAL_RESTORABLE)
        return arena_printf(arena, "%lld object%s, %lld of them skipped", (long long)record->objects,
                            plural_s((uint64_t)record->objects), (long long)record->skipped);
    if (record->unknown)
        more = arena_printf(arena, ", %lld unknown", (long long)record->unknown);
    return arena_printf(arena, "%lld of %lld object%s refused%.*s", (long long)record->refused,
                        (long long)record->objects, plural_s((uint64_t)record->objects), STR_ARG(more));
}

struct backup_rehearsal policy_backup_rehearsal(struct arena *arena, const struct backup *backup, int64_t now)
{
    struct str text = json_get_str(backup->meta.annotations, ANNOTATION_REHEARSED);
    struct backup_rehearsal rehearsal = {.annotated = json_get(backup->meta.annotations, ANNOTATION_REHEARSED) != NULL};
    struct rehearsal_record *record = &rehearsal.record;
    if (!rehearsal.annotated) {
        rehearsal.says = STR("has not been rehearsed");
        return rehearsal;
    }
    if (!rehearsal_record_read(text, record)) {
        *record = (struct rehearsal_record){.at = 0};
        rehearsal.says = arena_printf(arena, "has an annotation " ANNOTATION_REHEARSED " that cannot be read: %.*s",
                                      STR_ARG(arena_quote(arena, text)));
        return rehearsal;
    }
    rehearsal.read = true;
    struct str ago = rehearsed_ago(arena, now, record->at);
    if (record->at > now + REHEARSED_SKEW)
        rehearsal.says = STR("was rehearsed at a time that is in the future");
    else if (record->at + REHEARSED_SKEW < backup->status.completed)
        rehearsal.says = arena_printf(arena, "was rehearsed %.*s, before it completed", STR_ARG(ago));
    else if (record->verdict == REHEARSAL_RESTORABLE && record->skipped == record->objects)
        rehearsal.says =
            arena_printf(arena, "was rehearsed %.*s with a Restore that restores none of its objects", STR_ARG(ago));
    else {
        rehearsal.counts = true;
        rehearsal.good = record->verdict == REHEARSAL_RESTORABLE;
        rehearsal.says =
            arena_printf(arena, "was rehearsed %.*s: %s (%.*s)", STR_ARG(ago), rehearsal_verdict_name(record->verdict),
                         STR_ARG(rehearsed_counts(arena, record)));
    }
    return rehearsal;
}
