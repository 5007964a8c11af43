/* Whether a location can be used, for whoever names one; and who uses it, before it is deleted or moved. */
#include "policy/checks.h"
#include "policy/storage/storage.h"

enum { NAMES_SHOWN = 6, NAMES_COMPARED = 500, PHASE_SHOWN = 40 };

/* One look at a target, while its faults are gathered. */
struct look {
    const struct inventory *inventory;
    struct str ns, name;
    struct arena *arena;
    struct storage_faults *faults;
};

static void storage_fault_add(const struct look *look, enum storage_fault_kind kind, struct str says)
{
    struct storage_faults *faults = look->faults;
    if (faults->count < STORAGE_FAULTS_MAX)
        faults->items[faults->count++] = (struct storage_fault){kind, says};
}

static struct str ns_name(const struct look *look)
{
    return words_name(look->arena, look->ns);
}

/* `limit` bounds what a message lists, not what counts. */
static struct strlist names_here(const struct look *look, size_t limit, bool defaults_only)
{
    const struct inventory *inventory = look->inventory;
    struct strlist names = {0};
    for (size_t i = 0; i < inventory->count[FACT_STORAGE_LOCATIONS] && names.len < limit; i++) {
        const struct storage_location *each = inventory->storage_locations[i];
        if (str_eq(each->meta.ns, look->ns) && (each->is_default || !defaults_only))
            strlist_add(look->arena, &names, each->meta.name);
    }
    return names;
}

/* What keeps a location from being the fix, so that nobody corrects a name twice. */
static const char *storage_drawback(const struct look *look, struct str name)
{
    const struct storage_location *location = inventory_storage_location(look->inventory, look->ns, name);
    if (!location || storage_location_read_only(location))
        return location ? " (read-only)" : "";
    if (location->phase.len == 0)
        return " (not validated yet)";
    return storage_location_available(location) ? "" : " (Unavailable)";
}

/* The names there are, as far as they help to correct the one asked for. */
static struct str storage_other_names(const struct look *look)
{
    struct arena *arena = look->arena;
    struct strlist names = names_here(look, NAMES_COMPARED, false);
    if (names.len == 0)
        return STR("; there are none yet, create one first");
    struct str near = str_nearest(look->name, names.items, names.len);
    struct str text = {NULL, 0};
    if (near.len)
        text = arena_printf(arena, "; did you mean %.*s%s?", STR_ARG(arena_quote(arena, near)),
                            storage_drawback(look, near));
    if (names.len > NAMES_SHOWN)
        return near.len
                   ? text
                   : arena_printf(arena, "; see kubectl -n %.*s get backupstoragelocations", STR_ARG(ns_name(look)));
    if (near.len && names.len == 1)
        return text;
    return arena_printf(arena, "%.*s%s %s %.*s", STR_ARG(text), near.len ? " There" : "; there",
                        names.len == 1 ? "is only" : "are", STR_ARG(strlist_quoted(arena, &names)));
}

/* The location of that name in another namespace is pointed out, as it is usually why somebody
 * is sure that it exists: Velero and kcm read only those beside them. */
static void add_missing(const struct look *look)
{
    struct str elsewhere = {NULL, 0};
    const struct inventory *inventory = look->inventory;
    for (size_t i = 0; i < inventory->count[FACT_STORAGE_LOCATIONS]; i++)
        if (str_eq(inventory->storage_locations[i]->meta.name, look->name))
            elsewhere = arena_printf(look->arena, " (kcm and Velero cannot use the one in %.*s)",
                                     STR_ARG(arena_quote(look->arena, inventory->storage_locations[i]->meta.ns)));
    storage_fault_add(look, STORAGE_MISSING,
                      arena_printf(look->arena, "no BackupStorageLocation %.*s in %.*s%.*s%.*s",
                                   STR_ARG(arena_quote(look->arena, look->name)), STR_ARG(ns_name(look)),
                                   STR_ARG(elsewhere), STR_ARG(storage_other_names(look))));
}

/* Velero keeps the newest of several defaults and clears the others, at a time of
 * its own: which one a backup gets is then a matter of luck. */
static const struct storage_location *find_default(const struct look *look)
{
    struct arena *arena = look->arena;
    size_t defaults = 0;
    const struct storage_location *location = inventory_default_location(look->inventory, look->ns, &defaults);
    if (defaults > 1) {
        struct strlist names = names_here(look, NAMES_SHOWN, true);
        storage_fault_add(
            look, STORAGE_SEVERAL_DEFAULTS,
            arena_printf(arena, "%zu BackupStorageLocations are marked as the default (%.*s): name the one to use",
                         defaults, STR_ARG(strlist_quoted(arena, &names))));
    } else if (location && defaults == 0) {
        storage_fault_add(look, STORAGE_UNMARKED_DEFAULT,
                          STR("no BackupStorageLocation is marked as the default; Velero uses the one named "
                              "\"default\" unless configured otherwise"));
    } else if (!location && names_here(look, 1, false).len == 0) {
        storage_fault_add(look, STORAGE_NONE_AT_ALL,
                          arena_printf(arena, "there is no BackupStorageLocation in %.*s yet; create one first",
                                       STR_ARG(ns_name(look))));
    } else if (!location) {
        storage_fault_add(look, STORAGE_NO_DEFAULT,
                          arena_printf(arena,
                                       "no BackupStorageLocation in %.*s is the default: name the one to use%.*s",
                                       STR_ARG(ns_name(look)), STR_ARG(storage_other_names(look))));
    }
    return location;
}

struct str storage_subject(const struct storage_target *target, const struct storage_location *location,
                           struct arena *arena)
{
    return arena_printf(arena, "%sBackupStorageLocation %.*s", target->name.len ? "" : "the default ",
                        STR_ARG(arena_quote(arena, location->meta.name)));
}

struct str storage_phase(struct arena *arena, const struct storage_location *location)
{
    struct str reason = storage_location_reason(location);
    struct str phase = words_name(arena, str_slice(location->phase, 0, PHASE_SHOWN));
    return reason.len ? arena_printf(arena, "%.*s (%.*s)", STR_ARG(phase), STR_ARG(arena_quote_error(arena, reason)))
                      : phase;
}

struct str storage_lost(struct arena *arena, const struct storage_location *location, const char *means)
{
    const char *inside = storage_class_inside(storage_location_class(location));
    if (!inside)
        return (struct str){NULL, 0};
    return arena_printf(arena, "keeps its backups %s: %s", inside,
                        means ? means : "if the cluster is lost, so are they");
}

/* A phase that is absent is not one that is bad: Velero has not looked yet. Deletion comes last,
 * for the location still works until it is gone. */
static void storage_judge_location(const struct look *look, const struct storage_location *location, struct str who)
{
    struct arena *arena = look->arena;
    if (location->phase.len == 0)
        storage_fault_add(look, STORAGE_NOT_VALIDATED,
                          arena_printf(arena,
                                       "%.*s is not validated by Velero yet; backups to it fail until it is Available",
                                       STR_ARG(who)));
    else if (!storage_location_available(location))
        storage_fault_add(
            look, STORAGE_UNAVAILABLE,
            arena_printf(arena,
                         "%.*s is %.*s: every backup to it fails. Check its bucket, config and credential, or name "
                         "another one",
                         STR_ARG(who), STR_ARG(storage_phase(arena, location))));
    if (storage_location_read_only(location))
        storage_fault_add(
            look, STORAGE_READ_ONLY,
            arena_printf(arena,
                         "%.*s is read-only (spec.accessMode): no backup can be written to it. Name another one, or "
                         "make it ReadWrite",
                         STR_ARG(who)));
    if (location->meta.deleting)
        storage_fault_add(look, STORAGE_DELETING, arena_printf(arena, "%.*s is being deleted", STR_ARG(who)));
}

/* Faults of choosing come first, then those of the one that is chosen: where there is none,
 * nothing of the second sort can be said. */
struct storage_faults storage_find_faults(const struct storage_target *target, struct arena *arena)
{
    struct storage_faults faults = {0};
    const struct look look = {target->inventory, target->ns, target->name, arena, &faults};
    if (target->name.len == 0)
        faults.location = find_default(&look);
    else
        faults.location = inventory_storage_location(target->inventory, target->ns, target->name);
    if (faults.location)
        storage_judge_location(&look, faults.location, storage_subject(target, faults.location, arena));
    else if (target->name.len)
        add_missing(&look);
    return faults;
}

/* By the name that the Backups carry. Those that Velero has not synced yet are not counted, so
 * the number is a lower bound. */
static size_t backups_in(const struct inventory *inventory, struct str ns, struct str name)
{
    size_t count = 0;
    for (size_t i = 0; i < inventory->count[FACT_BACKUPS]; i++) {
        const struct backup *backup = inventory->backups[i];
        count += str_eq(backup->meta.ns, ns) && str_eq(backup->storage_location, name);
    }
    return count;
}

struct users {
    struct arena *arena;
    struct strlist names;
    size_t count;
};

static void add_user(struct users *users, const char *kind, struct str name)
{
    users->count++;
    if (users->names.len < NAMES_SHOWN)
        strlist_add(users->arena, &users->names,
                    arena_printf(users->arena, "%s %.*s", kind, STR_ARG(arena_quote(users->arena, name))));
}

/* Whoever names the location, or gets it as the only default. A ManagementBackup without a
 * schedule has no use for the location once its only backup is taken. Objects that are being
 * deleted do not count. */
static void find_users(struct users *users, const struct inventory *inventory, const struct settings *settings,
                       struct str ns, const struct storage_location *location)
{
    size_t defaults = 0;
    const struct storage_location *fallback = inventory_default_location(inventory, ns, &defaults);
    bool by_default = fallback == location && defaults <= 1;
    for (size_t i = 0; i < inventory->count[FACT_MANAGEMENT_BACKUPS]; i++) {
        const struct management_backup *backup = inventory->management_backups[i];
        bool names =
            str_eq(backup->storage_location, location->meta.name) || (by_default && backup->storage_location.len == 0);
        bool will_run = backup->schedule.len || backup->last_backup_name.len == 0;
        if (names && will_run && !backup->meta.deleting && str_eq(ns, settings->system_namespace))
            add_user(users, "ManagementBackup", backup->meta.name);
    }
    for (size_t i = 0; i < inventory->count[FACT_SCHEDULES]; i++) {
        const struct velero_schedule *schedule = inventory->schedules[i];
        bool names = str_eq(schedule->storage_location, location->meta.name) ||
                     (by_default && schedule->storage_location.len == 0);
        if (names && str_eq(schedule->meta.ns, ns) && !schedule->meta.deleting)
            add_user(users, "Schedule", schedule->meta.name);
    }
}

static struct str users_listed(struct users *users)
{
    struct str text = {NULL, 0};
    for (size_t i = 0; i < users->names.len; i++)
        text = arena_printf(users->arena, "%.*s%s%.*s", STR_ARG(text), i ? ", " : "", STR_ARG(users->names.items[i]));
    if (users->count > users->names.len)
        text = arena_printf(users->arena, "%.*s and %zu more", STR_ARG(text), users->count - users->names.len);
    return text;
}

/* Who uses the location decides, not what lies in it: the data stays in the bucket, so a warning
 * is enough for that. The annotation lets somebody who knows better delete it all the same, and
 * leaves the reason in the audit log. */
void location_check_deletion(const struct request *request, const struct inventory *inventory,
                             const struct settings *settings, struct decision *decision)
{
    struct arena *arena = request->arena;
    struct str ns = request->ns.len ? request->ns : settings->system_namespace;
    struct str name = request->name.len ? request->name : object_text(request, request->old_object, "metadata.name");
    const struct storage_location *location = inventory_storage_location(inventory, ns, name);
    struct str reason = object_reason(request, request->old_object, ANNOTATION_ALLOW_DELETE);
    struct users users = {.arena = arena};
    if (!location || object_deleting(request->old_object))
        return;
    size_t held = backups_in(inventory, ns, name);
    struct str quoted = arena_quote(arena, name);
    find_users(&users, inventory, settings, ns, location);
    if (held)
        decision_warn(
            decision,
            "%zu Backup%s of BackupStorageLocation %.*s cannot be restored without it; their data stays in the "
            "bucket",
            held, plural_s(held), STR_ARG(quoted));
    if (users.count == 0)
        return;
    struct str who = users_listed(&users);
    if (reason.len) {
        decision_warn(decision, "BackupStorageLocation %.*s is in use by %.*s: their backups fail from now on",
                      STR_ARG(quoted), STR_ARG(who));
        decision_audit(decision, "allow-delete", "%.*s", STR_ARG(arena_quote(arena, reason)));
        return;
    }
    decision_forbid(
        decision,
        "BackupStorageLocation %.*s is in use by %.*s: without it their backups fail. Move them to another location "
        "first, or delete it anyway after: kubectl -n %.*s annotate backupstoragelocation %.*s %s",
        STR_ARG(quoted), STR_ARG(who), STR_ARG(ns), STR_ARG(name), WITH_REASON(ANNOTATION_ALLOW_DELETE));
}

/* backup_sync_controller.go deleteOrphanedBackups: Completed Backups that the new place does not
 * hold are removed from the cluster. Only a warning: to move a location is what somebody does
 * after moving the bucket, and then the new place has the backups already. */
void location_check_move(const struct location_edit *edit)
{
    static const char *const fixed[] = {"provider", "objectStorage.bucket", "objectStorage.prefix"};
    const char *places[LENGTH_OF(fixed) + 3] = {fixed[0], fixed[1], fixed[2]};
    const char *key;
    size_t count = LENGTH_OF(fixed);
    for (size_t i = 0; (key = location_place_key(json_get_str(edit->spec, "provider"), i)) && count < LENGTH_OF(places);
         i++)
        places[count++] = arena_printf(edit->arena, "config.%s", key).ptr;
    struct users users = {.arena = edit->arena};
    const struct storage_location *location = inventory_storage_location(edit->inventory, edit->ns, edit->name);
    size_t held = backups_in(edit->inventory, edit->ns, edit->name);
    for (size_t i = 0; i < count; i++)
        if (held && places[i] && location_asks(edit, places[i]))
            decision_warn(edit->decision,
                          "spec.%s: %zu Backup%s at the old location disappear%s from the cluster at Velero's next "
                          "sync; their data stays there",
                          places[i], held, plural_s(held), held == 1 ? "s" : "");
    if (!location)
        return;
    find_users(&users, edit->inventory, edit->settings, edit->ns, location);
    if (users.count && location_asks(edit, "accessMode") && str_is(json_get_str(edit->spec, "accessMode"), "ReadOnly"))
        decision_warn(edit->decision, "spec.accessMode: ReadOnly: the backups of %.*s fail from now on",
                      STR_ARG(users_listed(&users)));
    if (location_asks(edit, "default") && !json_get_bool(edit->spec, "default"))
        decision_warn(edit->decision,
                      "spec.default: backups that name no location fail until another one is the default");
}
