#include "policy/storage/storage.h"
#include "policy/upgrade/gate.h"

/* Asked before a backup is started, so that nobody waits for one that cannot complete.
 * Of several defaults Velero takes the newest, so that one is judged; and a location on
 * its fix still takes backups. */
static const enum gate_step steps[] = {
    [STORAGE_MISSING] = STEP_REFUSE,         [STORAGE_NONE_AT_ALL] = STEP_REFUSE,
    [STORAGE_NO_DEFAULT] = STEP_REFUSE,      [STORAGE_SEVERAL_DEFAULTS] = STEP_START,
    [STORAGE_UNMARKED_DEFAULT] = STEP_START, [STORAGE_NOT_VALIDATED] = STEP_WAIT,
    [STORAGE_UNAVAILABLE] = STEP_REFUSE,     [STORAGE_READ_ONLY] = STEP_REFUSE,
    [STORAGE_DELETING] = STEP_START,
};

static bool gate_storage_any_at(const struct storage_faults *faults, enum gate_step step)
{
    for (size_t i = 0; i < faults->count; i++)
        if (steps[faults->items[i].kind] == step)
            return true;
    return false;
}

/* The field is named where it is what to change; while it waits, nothing is. */
static struct str gate_storage_message(const struct storage_faults *faults, enum gate_step step, struct arena *arena)
{
    const char *field = step == STEP_REFUSE ? "spec.storageLocation: " : "";
    struct str says = {NULL, 0};
    for (size_t i = 0; i < faults->count; i++)
        if (steps[faults->items[i].kind] == step)
            says = arena_printf(arena, "%.*s%s%.*s", STR_ARG(says), says.len ? ". " : field,
                                STR_ARG(faults->items[i].says));
    return says;
}

enum gate_step gate_storage(const struct gate *gate, struct str location, struct str *says)
{
    struct arena *arena = gate->request->arena;
    if (!gate->inventory->known[FACT_STORAGE_LOCATIONS])
        return STEP_START;
    const struct storage_target target = {gate->inventory, gate->settings->system_namespace, location};
    const struct storage_faults faults = storage_find_faults(&target, arena);
    struct str lost = faults.location && gate->settings->storage_not_durable == VERDICT_DENY
                          ? storage_lost(arena, faults.location, NULL)
                          : (struct str){NULL, 0};
    if (lost.len) {
        *says = arena_printf(arena, "spec.storageLocation: %.*s %.*s (settings storage.notDurable: deny)",
                             STR_ARG(storage_subject(&target, faults.location, arena)), STR_ARG(lost));
        return STEP_REFUSE;
    }
    if (!gate_storage_any_at(&faults, STEP_REFUSE) && !gate_storage_any_at(&faults, STEP_WAIT))
        return STEP_START;
    enum gate_step step = gate_storage_any_at(&faults, STEP_REFUSE) ? STEP_REFUSE : STEP_WAIT;
    *says = gate_storage_message(&faults, step, arena);
    return step;
}
