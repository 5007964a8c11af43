#include <stdio.h>
#include <stdlib.h>

#include "backstop/grammar.h"
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

enum { STAMP_LENGTH = 14 };

static bool all_digits(struct str text)
{
    int64_t number;
    return text.len > 0 && text.len < 18 && str_to_int64(text, &number);
}

struct str policy_name_without_stamp(struct str name)
{
    if (name.len <= STAMP_LENGTH + 1 || name.ptr[name.len - STAMP_LENGTH - 1] != '-' ||
        !all_digits(str_slice(name, name.len - STAMP_LENGTH, name.len)))
        return name;
    return str_slice(name, 0, name.len - STAMP_LENGTH - 1);
}

/* The moment that this stamp says (UTC); 0 where the name has none. */
static int64_t policy_name_stamp(struct str name)
{
    struct str rest = policy_name_without_stamp(name), digits;
    int64_t when;
    if (rest.len == name.len)
        return 0;
    digits = str_slice(name, rest.len + 1, name.len);
    char text[TIME_TEXT_SIZE];
    snprintf(text, sizeof text, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", digits.ptr, digits.ptr + 4, digits.ptr + 6,
             digits.ptr + 8, digits.ptr + 10, digits.ptr + 12);
    return time_parse(str_from(text), &when) ? when : 0;
}

/* "kcm-1-1-0" and "kcm-1-1-0-rc1": three numbers after kcm, then anything. */
static bool is_release_name(struct str text)
{
    struct str part;
    if (!str_starts(text, STR("kcm-")))
        return false;
    text = str_slice(text, 4, text.len);
    for (int i = 0; i < 3; i++)
        if (!str_cut(&text, '-', &part) || !all_digits(part))
            return false;
    return true;
}

/* On a fresh cluster the name is all there is: <ManagementBackup>-<release>. */
static struct str release_in_name(const struct inventory *inventory, struct str backup)
{
    struct str name = policy_name_without_stamp(backup);
    for (size_t i = 0; i < inventory->count[FACT_RELEASES]; i++) {
        struct str release = inventory->releases[i]->meta.name;
        if (name.len > release.len + 1 && str_ends(name, release) && name.ptr[name.len - release.len - 1] == '-')
            return release;
    }
    for (size_t at = name.len; at > 1; at--)
        if (name.ptr[at - 1] == '-' && is_release_name(str_slice(name, at, name.len)))
            return str_slice(name, at, name.len);
    return (struct str){NULL, 0};
}

/* Labels are bounded to 63 bytes: a value that long may be a shortened name. */
static struct str release_of_label(const struct inventory *inventory, struct str label)
{
    return label.len < LABEL_VALUE_MAX || inventory_release(inventory, label) ? label : (struct str){NULL, 0};
}

struct str upgrade_backup_release(const struct inventory *inventory, const struct backup *backup)
{
    if (!backup || backup->identity.kind != BACKUP_MANAGEMENT)
        return (struct str){NULL, 0};
    const struct management_backup *maker = inventory_management_backup(inventory, backup->meta.name);
    if (maker && maker->release.len)
        return release_of_label(inventory, maker->release);
    struct str label = json_get_str(backup->meta.labels, LABEL_RELEASE_BACKUP);
    if (label.len)
        return release_of_label(inventory, label);
    /* kcm labels what a schedule makes; a pre-upgrade backup has no such label. */
    if (json_get_str(backup->meta.labels, LABEL_MANAGEMENT_BACKUP).len)
        return (struct str){NULL, 0};
    return release_in_name(inventory, backup->meta.name);
}

/* Velero begins with a backup within minutes after it was asked for; clocks may differ. */
static bool began_then(int64_t asked, int64_t started)
{
    enum { SKEW = 300, WITHIN = 3600 };
    return asked != 0 && started != 0 && started >= asked - SKEW && started <= asked + WITHIN;
}

static int64_t annotated_time(struct json_object *annotations, const char *key)
{
    int64_t when;
    return time_parse(json_get_str(annotations, key), &when) ? when : 0;
}

/* When the gate asked for it: the gate wrote so on the ManagementBackup or, for a repeated one
 * and wherever the ManagementBackup is not there, into the name. 0: nobody says. */
static int64_t asked_at(const struct inventory *inventory, const struct backup *backup)
{
    const struct management_backup *maker = inventory_management_backup(inventory, backup->meta.name);
    int64_t stamp = policy_name_stamp(backup->meta.name);
    if (stamp != 0)
        return stamp;
    if (!maker || !json_get(maker->meta.annotations, ANNOTATION_TAKEN_BEFORE))
        return 0;
    return annotated_time(maker->meta.annotations, ANNOTATION_TAKEN_BEFORE_AT);
}

struct str upgrade_backup_not_ready(const struct backup *backup)
{
    struct json_object *own = backup->meta.annotations;
    if (!began_then(annotated_time(own, ANNOTATION_RECORDED_AT), backup->status.started))
        return (struct str){NULL, 0};
    return json_get_str(own, ANNOTATION_NOT_READY);
}

enum rollback_holds upgrade_backup_holds(const struct inventory *inventory, const struct backup *backup)
{
    struct json_object *own = backup->meta.annotations;
    struct str recorded = json_get_str(own, ANNOTATION_RELEASE);
    int64_t started = backup->status.started, asked;
    if (recorded.len && began_then(annotated_time(own, ANNOTATION_RECORDED_AT), started))
        return str_eq(recorded, upgrade_backup_release(inventory, backup)) ? HOLDS_OLD : HOLDS_NEW;
    asked = asked_at(inventory, backup);
    if (asked == 0 || started == 0)
        return HOLDS_UNKNOWN;
    return began_then(asked, started) ? HOLDS_OLD : HOLDS_LATER;
}
