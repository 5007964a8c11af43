#include "gate.h"

/* Mirrors velero pkg/controller/backup_controller.go prepareBackupRequest: a Backup
 * ends in FailedValidation when its location is missing, ReadOnly, or in any phase
 * but Available. Asked before a backup is started, so that nobody waits for one
 * that cannot complete. */

static struct str missing(const struct gate *gate, struct str wanted)
{
    struct arena *arena = gate->request->arena;
    const struct inventory *inventory = gate->inventory;
    struct str ns = gate->settings->system_namespace;
    size_t total = inventory->count[FACT_STORAGE_LOCATIONS], count = 0;
    struct str *names = arena_array(arena, total ? total : 1, sizeof(*names));
    for (size_t i = 0; names && i < total; i++)
        if (str_eq(inventory->storage_locations[i]->meta.ns, ns))
            names[count++] = inventory->storage_locations[i]->meta.name;
    struct str near = names ? str_nearest(wanted, names, count) : (struct str){NULL, 0};
    struct str says =
        arena_printf(arena, "there is no BackupStorageLocation %.*s in %.*s; correct its spec.storageLocation",
                     STR_ARG(arena_quote(arena, wanted)), STR_ARG(words_name(arena, ns)));
    if (near.len)
        says = arena_printf(arena, "%.*s (did you mean %.*s?)", STR_ARG(says), STR_ARG(arena_quote(arena, near)));
    return says;
}

static enum gate_step judge_location(const struct gate *gate, const struct storage_location *location, struct str *says)
{
    struct arena *arena = gate->request->arena;
    struct str name = arena_quote(arena, location->meta.name);
    if (str_is(location->access_mode, "ReadOnly")) {
        *says = arena_printf(arena, "storage location %.*s is ReadOnly; make it ReadWrite or name another one",
                             STR_ARG(name));
        return STEP_REFUSE;
    }
    if (location->phase.len == 0) {
        *says = arena_printf(arena, "Velero has not validated the storage location %.*s yet", STR_ARG(name));
        return STEP_WAIT;
    }
    if (str_is(location->phase, "Available"))
        return STEP_START;
    struct str message = location->message.len
                             ? arena_printf(arena, " (%.*s)", STR_ARG(arena_quote(arena, location->message)))
                             : STR("");
    *says = arena_printf(
        arena, "storage location %.*s is %.*s%.*s; correct its bucket, config or credential, or name another one",
        STR_ARG(name), STR_ARG(words_name(arena, location->phase)), STR_ARG(message));
    return STEP_REFUSE;
}

enum gate_step gate_storage(const struct gate *gate, const struct gate_source *source, struct str *says)
{
    if (!gate->inventory->known[FACT_STORAGE_LOCATIONS])
        return STEP_START;
    struct str ns = gate->settings->system_namespace, wanted = source->source->storage_location;
    const struct storage_location *location = wanted.len ? inventory_storage_location(gate->inventory, ns, wanted)
                                                         : inventory_default_location(gate->inventory, ns, NULL);
    if (location)
        return judge_location(gate, location, says);
    *says = wanted.len ? missing(gate, wanted)
                       : STR("it names no storage location and no BackupStorageLocation is the default; "
                             "set its spec.storageLocation");
    return STEP_REFUSE;
}
