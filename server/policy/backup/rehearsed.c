/* What the annotation of `backstop rehearse --record` proves of a Backup: for the upgrade gate
 * and for status.
 *
 * A rehearsal counts if it was recorded after the backup completed and not in the future: Velero
 * may run a backup of the same name again, and the annotation could be of the one before. */
#include "backstop/api.h"
#include "backstop/policy.h"

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
