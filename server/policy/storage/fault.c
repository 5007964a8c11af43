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
    if (!location || str_is(location->access_mode, "ReadOnly"))
        return location ? " (read-only)" : "";
    if (location->phase.len == 0)
        return " (not validated yet)";
    return str_is(location->phase, "Available") ? "" : " (Unavailable)";
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

static void storage_judge_location(const struct look *look, const struct storage_location *location, struct str who)
{
    struct arena *arena = look->arena;
    if (location->phase.len == 0)
        storage_fault_add(look, STORAGE_NOT_VALIDATED,
                          arena_printf(arena,
                                       "%.*s is not validated by Velero yet; backups to it fail until it is Available",
                                       STR_ARG(who)));
    else if (!str_is(location->phase, "Available"))
        storage_fault_add(
            look, STORAGE_UNAVAILABLE,
            arena_printf(arena,
                         "%.*s is %.*s: every backup to it fails. Check its bucket, config and credential, or name "
                         "another one",
                         STR_ARG(who), STR_ARG(storage_phase(arena, location))));
    if (str_is(location->access_mode, "ReadOnly"))
        storage_fault_add(
            look, STORAGE_READ_ONLY,
            arena_printf(arena,
                         "%.*s is read-only (spec.accessMode): no backup can be written to it. Name another one, or "
                         "make it ReadWrite",
                         STR_ARG(who)));
    if (location->meta.deleting)
        storage_fault_add(look, STORAGE_DELETING, arena_printf(arena, "%.*s is being deleted", STR_ARG(who)));
}

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
