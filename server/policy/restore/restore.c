#include "policy/restore/restore.h"
#include "backstop/grammar.h"
#include "policy/velero/velero.h"

/* What could not be read was not checked either. */
static void restore_check_readable(const struct restore_view *view)
{
    struct str problem = request_problem(view->request);
    if (problem.ptr)
        decision_invalid(view->decision, "spec", "%.*s", STR_ARG(problem));
}

static void restore_check_lists(const struct restore_view *view);

static void restore_check_hooks(const struct restore_view *view);

/* First what the object itself says. What needs the backup or the cluster comes after, and only
 * for a Restore that Velero has not taken up. */
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
    restore_check_passport(view);
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
    if (phase_is_new(phase))
        return !phase_is_new(object_text(view->request, view->request->object, "status.phase"));
    if (request_changes(view->request, "spec") && !request_by_velero(view->request, view->settings))
        decision_warn(view->decision,
                      "the change has no effect: Velero has already read this Restore (phase %.*s); create a new one",
                      STR_ARG(arena_quote(view->arena, phase)));
    return true;
}

/* A mutating and a validating webhook both come here for a new Restore: the first adds, the
 * second sees what was added. */
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

static bool is_filled_text(struct json_object *container, const char *key)
{
    return json_object_is_type(json_get(container, key), json_type_string) && json_get_str(container, key).len > 0;
}

/* hook.ValidateContainer: a name, an image and a command, of the right types. */
static void check_init_container(const struct restore_view *view, struct str at, struct json_object *container)
{
    static const char *const texts[] = {"name", "image"};
    struct arena *arena = view->arena;
    struct json_object *command = json_get(container, "command");
    struct strlist words = {0};
    struct str missing = {NULL, 0};
    for (size_t i = 0; i < LENGTH_OF(texts); i++)
        if (!is_filled_text(container, texts[i]))
            missing = arena_printf(arena, "%.*s%s%s", STR_ARG(missing), missing.len ? ", " : "", texts[i]);
    if (!read_strings(arena, command, &words) || words.len == 0)
        missing = arena_printf(arena, "%.*s%scommand (a list of strings)", STR_ARG(missing), missing.len ? ", " : "");
    if (missing.len)
        decision_required(view->decision, at.ptr ? at.ptr : "spec.hooks",
                          "%.*s; Velero refuses an init container without name, image and command", STR_ARG(missing));
}

static void check_init(const struct restore_view *view, struct str at, struct json_object *hook)
{
    struct arena *arena = view->arena;
    struct json_object *containers = json_get(hook, "initContainers");
    if (json_len(containers) == 0)
        decision_warn(view->decision, "%.*s has no initContainers: the hook does nothing", STR_ARG(at));
    for (size_t i = 0; i < json_len(containers) && !decision_is_full(view->decision); i++)
        check_init_container(view, arena_printf(arena, "%.*s.initContainers[%zu]", STR_ARG(at), i),
                             json_item(containers, i));
    check_duration(view->decision, arena_printf(arena, "%.*s.timeout", STR_ARG(at)), json_get(hook, "timeout"));
}

static void check_exec(const struct restore_view *view, struct str at, struct json_object *hook)
{
    static const char *const timeouts[] = {"execTimeout", "waitTimeout"};
    check_exec_hook(view->decision, at, hook, timeouts, LENGTH_OF(timeouts));
}

static void restore_check_hook(const struct restore_view *view, struct str at, struct json_object *hook)
{
    struct arena *arena = view->arena;
    struct json_object *exec = json_get(hook, "exec"), *init = json_get(hook, "init");
    if (exec)
        check_exec(view, arena_printf(arena, "%.*s.exec", STR_ARG(at)), exec);
    if (init)
        check_init(view, arena_printf(arena, "%.*s.init", STR_ARG(at)), init);
    if (!exec && !init)
        decision_warn(view->decision, "%.*s has neither exec nor init: it does nothing", STR_ARG(at));
}

static void check_resource(const struct restore_view *view, struct str at, struct json_object *resource)
{
    struct arena *arena = view->arena;
    struct json_object *hooks = json_get(resource, "postHooks");
    if (json_get(resource, "labelSelector"))
        check_selector(view->decision, arena_printf(arena, "%.*s.labelSelector", STR_ARG(at)),
                       json_get(resource, "labelSelector"));
    for (size_t i = 0; i < json_len(hooks) && !decision_is_full(view->decision); i++)
        restore_check_hook(view, arena_printf(arena, "%.*s.postHooks[%zu]", STR_ARG(at), i), json_item(hooks, i));
}

static void restore_check_hooks(const struct restore_view *view)
{
    struct json_object *resources = restore_field(view, "spec.hooks.resources");
    if (!restore_asks(view, "spec.hooks"))
        return;
    size_t i = 0;
    json_walk_each(resources, none, resource)
    {
        (void)none;
        if (decision_is_full(view->decision))
            return;
        check_resource(view, arena_printf(view->arena, "spec.hooks.resources[%zu]", i++), resource);
    }
}

/* What Velero never restores (restore_controller.go nonRestorableResources); it adds
 * these to the exclusions itself, compared as exact texts. */
static const struct str non_restorable[] = {
    STR_INIT("nodes"),
    STR_INIT("events"),
    STR_INIT("events.events.k8s.io"),
    STR_INIT("backups.velero.io"),
    STR_INIT("restores.velero.io"),
    STR_INIT("resticrepositories.velero.io"),
    STR_INIT("backuprepositories.velero.io"),
    STR_INIT("csinodes.storage.k8s.io"),
    STR_INIT("volumeattachments.storage.k8s.io"),
};

static void check_non_restorable(const struct restore_view *view)
{
    struct strlist refused = {0}, ignored = {0};
    for (size_t i = 0; i < view->included.len; i++)
        for (size_t n = 0; n < LENGTH_OF(non_restorable); n++) {
            struct str item = view->included.items[i];
            if (str_eq(item, non_restorable[n]))
                strlist_add(view->arena, &refused, item);
            else if (resource_name_same(item, non_restorable[n]) && !strlist_has(&ignored, item))
                strlist_add(view->arena, &ignored, item);
        }
    if (refused.len)
        decision_invalid(view->decision, "spec.includedResources", "%.*s: Velero never restores %s from the list",
                         STR_ARG(strlist_quoted(view->arena, &refused)),
                         refused.len > 1 ? "these; remove them" : "this; remove it");
    for (size_t i = 0; i < ignored.len && !decision_is_full(view->decision); i++)
        if (!strlist_has(&refused, ignored.items[i]))
            decision_warn(view->decision, "includedResources: Velero never restores %.*s",
                          STR_ARG(arena_quote(view->arena, ignored.items[i])));
}

static bool restore_check_list(const struct restore_view *view, const struct restore_list *list)
{
    if (!list->is_list)
        decision_invalid(view->decision, list->field, "must be a list of strings");
    return list->is_list;
}

static bool asks_pair(const struct restore_view *view, const struct list_pair *pair)
{
    return restore_asks(view, pair->included_field) || restore_asks(view, pair->excluded_field);
}

/* Included and excluded resources and namespaces, selectors. */
static void restore_check_lists(const struct restore_view *view)
{
    struct list_pair resources = {.included_field = view->resources_in.field,
                                  .excluded_field = view->resources_out.field,
                                  .what = "resources",
                                  .object = "Restore",
                                  .verb = "restore",
                                  .included = view->included,
                                  .excluded = view->excluded};
    struct list_pair namespaces = {.included_field = view->namespaces_in.field,
                                   .excluded_field = view->namespaces_out.field,
                                   .what = "namespaces",
                                   .object = "Restore",
                                   .verb = "restore",
                                   .included = view->namespaces_in.items,
                                   .excluded = view->namespaces_out.items};
    if (asks_pair(view, &resources) && restore_check_list(view, &view->resources_in) &&
        restore_check_list(view, &view->resources_out)) {
        check_list_pair(view->decision, &resources);
        check_non_restorable(view);
        warn_list_overlap(view->decision, &resources);
        check_resource_patterns(view->decision, resources.included_field, &view->included_names);
        check_resource_patterns(view->decision, resources.excluded_field, &view->excluded_names);
        warn_unresolvable(view->decision, "included", &view->included_names, true);
        warn_unresolvable(view->decision, "excluded", &view->excluded_names, true);
    }
    if (asks_pair(view, &namespaces) || restore_asks(view, "spec.includeClusterResources")) {
        if (!restore_check_list(view, &view->namespaces_in) || !restore_check_list(view, &view->namespaces_out))
            return;
        check_list_pair(view->decision, &namespaces);
        check_namespace_patterns(view->decision, namespaces.included_field, &namespaces.included);
        check_namespace_patterns(view->decision, namespaces.excluded_field, &namespaces.excluded);
        /* Cluster-scoped objects (Management, Release, Region...) come back only when all
         * namespaces do, or when asked for (restore.go, getOrderedResourceCollection). */
        struct json_object *include = restore_field(view, "spec.includeClusterResources");
        bool given = json_object_is_type(include, json_type_boolean);
        bool everything = namespaces.excluded.len == 0 &&
                          (namespaces.included.len == 0 || strlist_has(&namespaces.included, STR("*")));
        if (!view->management || (given && json_object_get_boolean(include)))
            return;
        if (given)
            decision_caution(view->decision, "includeClusterResources: false excludes Management, Release and all "
                                             "other cluster-scoped k0rdent objects");
        else if (!everything)
            decision_caution(view->decision, "Velero skips cluster-scoped objects (Management, Release) when only some "
                                             "namespaces are restored. Add includeClusterResources: true");
    }
}
