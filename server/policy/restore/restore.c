#include "policy/restore/restore.h"
#include "policy/velero/fields.h"
#include "policy/velero/installed.h"

/* What could not be read was not checked either. */
static void restore_check_readable(const struct restore_view *view)
{
    struct str problem = request_problem(view->request);
    if (problem.ptr)
        decision_invalid(view->decision, "spec", "%.*s", STR_ARG(problem));
}

static void restore_check(struct restore_view *view)
{
    restore_check_source(view);
    restore_check_lists(view);
    restore_check_namespaces(view);
    restore_check_hooks(view);
    restore_check_fields(view);
    restore_check_modifier(view);
    restore_check_resource_policy(view);
    if (!view->as_new)
        return;
    restore_check_circumstances(view);
    restore_check_velero(view);
    velero_warn_fields(view->request, view->inventory, view->settings, view->decision);
    restore_check_release(view);
    restore_gate_release(view);
}

void policy_restore_mutate(const struct request *request, const struct inventory *inventory,
                           const struct settings *settings, struct decision *decision)
{
    struct restore_view view;
    if (!restore_is_as_new(request, settings) || !restore_view_init(&view, request, inventory, settings, decision))
        return;
    size_t before = decision->warnings.len;
    view.mutating = true;
    restore_mutate(&view);
    for (size_t i = before; i < decision->warnings.len; i++)
        strlist_add(decision->arena, &decision->told, decision->warnings.items[i]);
    restore_check(&view);
    restore_check_readable(&view);
    if (decision->denied)
        decision_forget_changes(decision);
    else
        restore_record(&view);
}

/* Velero reads a Restore once, and rewrites its spec in the same write that moves it on
 * from New (both names set, exclusions appended). Whatever is edited afterwards changes
 * nothing, so there is nothing left to check. */
static bool already_taken_up(const struct restore_view *view)
{
    struct str phase = object_text(view->request, view->request->old_object, "status.phase");
    if (view->as_new)
        return false;
    if (restore_is_open(phase))
        return !restore_is_open(object_text(view->request, view->request->object, "status.phase"));
    if (request_changes(view->request, "spec") && !request_by_velero(view->request, view->settings))
        decision_warn(view->decision,
                      "the change has no effect: Velero has already read this Restore (phase %.*s); create a new one",
                      STR_ARG(arena_quote(view->arena, phase)));
    return true;
}

void policy_restore(const struct request *request, const struct inventory *inventory, const struct settings *settings,
                    struct decision *decision)
{
    struct restore_view view;
    bool writes = request->operation == OPERATION_CREATE || request->operation == OPERATION_UPDATE;
    if (!writes || !(restore_is_as_new(request, settings) || request_changes(request, "spec")))
        return;
    if (!restore_view_init(&view, request, inventory, settings, decision) || already_taken_up(&view))
        return;
    if (view.as_new)
        restore_advise(&view);
    restore_check(&view);
    restore_check_readable(&view);
}
