#include "policy/storage/storage.h"
#include "policy/upgrade/gate.h"

/* Asked before a backup is started, so that nobody waits for one that cannot complete.
 * Of several defaults Velero takes the newest, so that one is judged; and a location on
 * its fix still takes backups. */
static const enum upgrade_step steps[] = {
    [STORAGE_MISSING] = UPGRADE_STEP_REFUSE,         [STORAGE_NONE_AT_ALL] = UPGRADE_STEP_REFUSE,
    [STORAGE_NO_DEFAULT] = UPGRADE_STEP_REFUSE,      [STORAGE_SEVERAL_DEFAULTS] = UPGRADE_STEP_START,
    [STORAGE_UNMARKED_DEFAULT] = UPGRADE_STEP_START, [STORAGE_NOT_VALIDATED] = UPGRADE_STEP_WAIT,
    [STORAGE_UNAVAILABLE] = UPGRADE_STEP_REFUSE,     [STORAGE_READ_ONLY] = UPGRADE_STEP_REFUSE,
    [STORAGE_DELETING] = UPGRADE_STEP_START,
};

static bool gate_storage_any_at(const struct storage_faults *faults, enum upgrade_step step)
{
    for (size_t i = 0; i < faults->count; i++)
        if (steps[faults->items[i].kind] == step)
            return true;
    return false;
}

/* The field is named where it is what to change; while it waits, nothing is. */
static struct str gate_storage_message(const struct storage_faults *faults, enum upgrade_step step, struct arena *arena)
{
    const char *field = step == UPGRADE_STEP_REFUSE ? "spec.storageLocation: " : "";
    struct str says = {NULL, 0};
    for (size_t i = 0; i < faults->count; i++)
        if (steps[faults->items[i].kind] == step)
            says = arena_printf(arena, "%.*s%s%.*s", STR_ARG(says), says.len ? ". " : field,
                                STR_ARG(faults->items[i].says));
    return says;
}

enum upgrade_step gate_storage(const struct gate *gate, struct str location, struct str *says)
{
    struct arena *arena = gate->request->arena;
    if (!gate->inventory->known[FACT_STORAGE_LOCATIONS])
        return UPGRADE_STEP_START;
    const struct storage_target target = {gate->inventory, gate->settings->system_namespace, location};
    const struct storage_faults faults = storage_find_faults(&target, arena);
    struct str lost = faults.location && gate->settings->storage_not_durable == VERDICT_DENY
                          ? storage_lost(arena, faults.location, NULL)
                          : (struct str){NULL, 0};
    if (lost.len) {
        *says = arena_printf(arena, "spec.storageLocation: %.*s %.*s (settings storage.notDurable: deny)",
                             STR_ARG(storage_subject(&target, faults.location, arena)), STR_ARG(lost));
        return UPGRADE_STEP_REFUSE;
    }
    if (!gate_storage_any_at(&faults, UPGRADE_STEP_REFUSE) && !gate_storage_any_at(&faults, UPGRADE_STEP_WAIT))
        return UPGRADE_STEP_START;
    enum upgrade_step step =
        gate_storage_any_at(&faults, UPGRADE_STEP_REFUSE) ? UPGRADE_STEP_REFUSE : UPGRADE_STEP_WAIT;
    *says = gate_storage_message(&faults, step, arena);
    return step;
}
