/* What backstop's webhook would make of the Restore before Velero sees it. */
#include "backstop/admission.h"
#include "backstop/policy.h"
#include "commands/facts_open.h"
#include "commands/rehearse/rehearse.h"

enum { RESTORE_LIMIT = 4 * 1024 * 1024 };

static bool mutate_review(struct rehearsal *rehearsal, const struct inventory *inventory,
                          const struct settings *settings, int64_t now, struct decision *decision)
{
    struct error ignored;
    struct request request;
    BUF_SCOPED text;
    buf_init(&text, RESTORE_LIMIT);
    json_write_tree(&text, rehearsal->tree);
    const struct object object = {
        text.failed ? NULL : json_index(rehearsal->arena, arena_copy(rehearsal->arena, buf_str(&text)), 2, &ignored)};
    if (!object.root)
        return false;
    request_init(&request, rehearsal->arena);
    request.operation = OPERATION_CREATE;
    request.dry_run = true;
    request.now = now;
    request.api_version = STR(API_VELERO);
    request.kind = STR("Restore");
    request.ns = rehearsal->ns;
    request.name = json_path_str(rehearsal->tree, "metadata.name");
    request.object = &object;
    decision_init(decision, rehearsal->arena);
    policy_restore_mutate(&request, inventory, settings, decision);
    return true;
}

/* ConfigMaps that the webhook would create stand in for the cluster's, as those of the file do. */
static void mutate_keep_effects(struct rehearsal *rehearsal, const struct decision *decision)
{
    for (size_t i = 0; i < decision->effects.len; i++)
        if (str_is(json_get_str(decision->effects.items[i].object, "kind"), "ConfigMap"))
            json_append(rehearsal->maps, json_object_get(decision->effects.items[i].object));
}

bool rehearsal_mutate(struct rehearsal *rehearsal, const struct inventory *inventory, const struct settings *settings,
                      int64_t now, struct error *error)
{
    struct arena *arena = rehearsal->arena;
    struct decision decision;
    if (!mutate_review(rehearsal, inventory, settings, now, &decision))
        return error_set(error, 500, "out of memory");
    if (decision.denied)
        return error_set(error, REHEARSAL_DENIED, "backstop's webhook would refuse this Restore: %.*s",
                         STR_ARG(decision_message(&decision)));
    for (size_t i = 0; i < decision.warnings.len; i++)
        strlist_add(arena, &rehearsal->notes,
                    arena_printf(arena, "the webhook warns: %.*s", STR_ARG(decision.warnings.items[i])));
    if (decision.patch.len == 0)
        return true;
    struct json_object *mutated = admission_apply_patch(arena, rehearsal->tree, &decision, error);
    if (!mutated)
        return false;
    rehearsal->tree = mutated;
    mutate_keep_effects(rehearsal, &decision);
    return true;
}
