#include "upgrade_backup.h"

enum { LABEL_VALUE_MAX = 63, STAMP_LENGTH = 14 };

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

bool upgrade_backup_holds_old(const struct inventory *inventory, const struct backup *backup)
{
    const struct management_backup *maker = inventory_management_backup(inventory, backup->meta.name);
    return json_get(backup->meta.annotations, ANNOTATION_TAKEN_BEFORE) ||
           (maker && json_get(maker->meta.annotations, ANNOTATION_TAKEN_BEFORE));
}
