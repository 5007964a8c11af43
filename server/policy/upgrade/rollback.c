#include <stdlib.h>

#include "policy/upgrade/upgrade_backup.h"

static int rollback_newest_first(const void *a, const void *b)
{
    const struct rollback_candidate *left = a, *right = b;
    if (left->backup->status.started != right->backup->status.started)
        return left->backup->status.started < right->backup->status.started ? 1 : -1;
    return str_cmp(left->backup->meta.name, right->backup->meta.name);
}

struct str policy_rollback_reason(struct arena *arena, const struct rollback_candidate *candidate)
{
    const struct backup *backup = candidate->backup;
    char when[TIME_TEXT_SIZE];
    switch (candidate->holds) {
    case HOLDS_OLD:
        if (upgrade_backup_not_ready(backup).len)
            return arena_printf(arena, "was taken before the release was changed, with components not ready: %.*s",
                                STR_ARG(arena_quote(arena, upgrade_backup_not_ready(backup))));
        return STR("was taken before the release was changed and holds the old one");
    case HOLDS_NEW:
        return arena_printf(arena, "was taken when spec.release was %.*s already",
                            STR_ARG(arena_quote(arena, json_get_str(backup->meta.annotations, ANNOTATION_RELEASE))));
    case HOLDS_LATER:
        return arena_printf(arena,
                            "was taken again at %s, as kcm does after a restore, and holds the objects of that time",
                            time_format(backup->status.started, 0, when));
    case HOLDS_UNKNOWN:
        break;
    }
    return STR("may hold the new release already");
}

struct rollback_candidate *policy_rollback_candidates(struct arena *arena, const struct inventory *inventory,
                                                      const struct settings *settings, size_t *count)
{
    size_t all = inventory->count[FACT_BACKUPS];
    struct rollback_candidate *found = arena_array(arena, all + 1, sizeof *found);
    *count = 0;
    for (size_t i = 0; found && i < all; i++) {
        const struct backup *backup = inventory->backups[i];
        struct str release = upgrade_backup_release(inventory, backup);
        if (release.len == 0 || !str_eq(backup->meta.ns, settings->system_namespace))
            continue;
        found[(*count)++] = (struct rollback_candidate){backup, release, upgrade_backup_holds(inventory, backup)};
    }
    if (*count > 1)
        qsort(found, *count, sizeof *found, rollback_newest_first);
    return found;
}
