#include "policy/storage/location.h"

enum { NAMES_SHOWN = 6 };

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

/* Whoever names the location, or gets it as the only default. */
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
            held, held == 1 ? "" : "s", STR_ARG(quoted));
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
        "first, or delete it anyway after: kubectl -n %.*s annotate backupstoragelocation %.*s %s='<reason>'",
        STR_ARG(quoted), STR_ARG(who), STR_ARG(ns), STR_ARG(name), ANNOTATION_ALLOW_DELETE);
}

/* backup_sync_controller.go deleteOrphanedBackups: Completed Backups that the new place
 * does not hold are removed from the cluster. */
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
                          places[i], held, held == 1 ? "" : "s", held == 1 ? "s" : "");
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
