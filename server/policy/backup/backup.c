#include "policy/backup/edit.h"
#include "policy/backup/kots.h"
#include "policy/backup/spec.h"
#include "policy/velero/installed.h"

/* Velero reads a Backup once. One that comes with a status is a copy of a backup in the
 * object store; and of what is edited afterwards it takes little notice. */
static bool is_taken_up(const struct request *request, const struct settings *settings, struct decision *decision)
{
    if (request->operation != OPERATION_UPDATE)
        return !phase_is(object_text(request, request->object, "status.phase"), PHASE_WAITING);
    struct str phase = object_text(request, request->old_object, "status.phase");
    if (phase_is(phase, PHASE_WAITING))
        return !phase_is(object_text(request, request->object, "status.phase"), PHASE_WAITING);
    if (request_changes(request, "spec") && !request_by_velero(request, settings))
        backup_edit_warn(request, settings, decision);
    return true;
}

/* k0rdent gives its own Backups 30 days; the least that is of use is a day. */
static void warn_of_ttl(const struct backup_spec *view)
{
    enum { SHORT = 3600 };
    struct error ignored;
    int64_t nanoseconds = 0;
    struct str ttl = json_get_str(view->spec, "ttl");
    if (!backup_spec_asks(view, "ttl") || !duration_parse(ttl, &nanoseconds, &ignored) || nanoseconds <= 0)
        return;
    if (nanoseconds / 1000000000 < SHORT)
        decision_caution(view->decision, "spec.ttl: the backup and its stored data are deleted after only %.*s",
                         STR_ARG(arena_quote(view->arena, ttl)));
}

void policy_velero_backup(const struct request *request, const struct inventory *inventory,
                          const struct settings *settings, struct decision *decision)
{
    bool update = request->operation == OPERATION_UPDATE;
    struct json_object *spec = object_tree(request, request->object, "spec");
    if (request->operation != OPERATION_DELETE)
        backup_edit_check(request, inventory, settings, decision);
    if (decision->denied)
        return;
    if ((update && !request_changes(request, "spec")) || request->operation == OPERATION_DELETE ||
        is_taken_up(request, settings, decision))
        return;
    if (spec && !json_object_is_type(spec, json_type_object)) {
        decision_type_invalid(decision, "spec", "must be an object");
        return;
    }
    struct backup_spec view = {
        .request = request,
        .inventory = inventory,
        .settings = settings,
        .decision = decision,
        .arena = request->arena,
        .spec = spec,
        .before = update ? object_tree(request, request->old_object, "spec") : NULL,
        .at = "spec",
        .ns = request->ns.len ? request->ns : settings->system_namespace,
    };
    view.facts = str_eq(view.ns, settings->system_namespace);
    view.inside_means =
        update ? NULL : kots_inside_means(object_tree(request, request->object, "metadata.annotations"));
    if (!update)
        warn_no_velero(decision, inventory, view.ns, "Backup");
    if (!update)
        velero_warn_fields(request, inventory, settings, decision);
    if (!update && view.facts)
        velero_warn_cannot_start(inventory, settings, decision);
    backup_spec_check(&view);
    warn_of_ttl(&view);
    bool storage_told = view.facts && settings->storage_not_durable != VERDICT_ALLOW;
    if (!update)
        kots_warn_backup(request, inventory, settings, storage_told, decision);
}

void policy_velero_backup_wants(const struct request *request, const struct inventory *inventory,
                                const struct settings *settings, struct facts_wanted *wanted)
{
    backup_edit_wants(request, inventory, settings, wanted);
    if (request->operation != OPERATION_DELETE &&
        phase_is(object_text(request, request->object, "status.phase"), PHASE_WAITING))
        backup_spec_wants(request, inventory, settings, "spec", wanted);
}
