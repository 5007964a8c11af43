#include "policy/annotations.h"
#include "policy/backup/spec.h"

/* What the restore of a management Backup will want to know about the time it was taken, written
 * on the Backup itself as it is created. Velero keeps annotations in the object store, so that
 * they are there on an empty cluster, where nothing else is. What cannot be learnt is left out:
 * this review never denies, and never holds a backup up. */

struct passport {
    const struct request *request;
    const struct inventory *inventory;
    const struct management *management;     /* NULL: there is none, or it is not known */
    const struct management_backup *made_by; /* on demand: it has the Backup's name; else NULL */
};

static struct str passport_release(const struct passport *passport)
{
    return passport->management ? passport->management->release : (struct str){NULL, 0};
}

/* The gate's, as long as the release is the one that the gate takes it for. After a restore kcm
 * runs the same ManagementBackup again, and then it is not. */
static struct str passport_upgrade(const struct passport *passport)
{
    const struct management_backup *made_by = passport->made_by;
    if (!made_by || made_by->release.len == 0 || !str_eq(made_by->release, passport_release(passport)))
        return (struct str){NULL, 0};
    return json_get_str(made_by->meta.annotations, ANNOTATION_TAKEN_BEFORE);
}

/* What is half installed is no release to go back to, though its name says so. */
static struct str passport_not_ready(const struct passport *passport)
{
    enum { NAMED = 10 };
    const struct management *management = passport->management;
    struct arena *arena = passport->request->arena;
    struct str names = {NULL, 0};
    if (!management || management_progress(management) != MANAGEMENT_NOT_READY)
        return names;
    for (size_t i = 0; i < management->unready_components.len && i < NAMED; i++)
        names = arena_printf(arena, "%.*s%s%.*s", STR_ARG(names), i ? "," : "",
                             STR_ARG(management->unready_components.items[i]));
    return names;
}

static const struct {
    const char *key;
    struct str (*value)(const struct passport *passport);
} fields[] = {
    {ANNOTATION_RELEASE, passport_release},
    {ANNOTATION_TAKEN_BEFORE, passport_upgrade},
    {ANNOTATION_NOT_READY, passport_not_ready},
};

/* A new management Backup, not one that Velero brings from the object store. */
static bool is_due(const struct request *request, const struct settings *settings)
{
    if (request->operation != OPERATION_CREATE || !str_eq(request->ns, settings->system_namespace) ||
        request_by_velero(request, settings) ||
        !phase_is(object_text(request, request->object, "status.phase"), PHASE_WAITING))
        return false;
    const struct backup_identity identity = backup_identify(object_tree(request, request->object, "metadata"),
                                                            object_tree(request, request->object, "spec"));
    return identity.kind == BACKUP_MANAGEMENT;
}

/* Called again for the same request, it keeps the moment of the first time. */
static struct str passport_moment(const struct request *request)
{
    enum { SAME_REQUEST = 60 };
    int64_t when;
    char now[TIME_TEXT_SIZE];
    struct str written = object_annotation(request, request->object, ANNOTATION_RECORDED_AT);
    if (time_parse(written, &when) && when <= request->now && request->now - when <= SAME_REQUEST)
        return written;
    return arena_copy(request->arena, str_from(time_format(request->now, 0, now)));
}

void policy_backup_passport(const struct request *request, const struct inventory *inventory,
                            const struct settings *settings, struct decision *decision)
{
    struct annotation items[LENGTH_OF(fields) + 1];
    size_t count = 0;
    if (!is_due(request, settings))
        return;
    const struct passport passport = {request, inventory, inventory_management(inventory),
                                      inventory_management_backup(inventory, request->name)};
    for (size_t i = 0; i < LENGTH_OF(fields); i++) {
        struct annotation item = {fields[i].key, fields[i].value(&passport)};
        if (item.value.len)
            items[count++] = item;
    }
    if (count == 0)
        return;
    items[count++] = (struct annotation){ANNOTATION_RECORDED_AT, passport_moment(request)};
    annotations_patch(request, decision, items, count);
}

/* A cache may not have seen yet that spec.release was changed: that is exactly when kcm takes its
 * own pre-upgrade backup. What cannot be read now is not written. */
void policy_backup_passport_wants(const struct request *request, const struct inventory *inventory,
                                  const struct settings *settings, struct facts_wanted *wanted)
{
    (void)inventory;
    wanted->k0rdent = is_due(request, settings);
}
