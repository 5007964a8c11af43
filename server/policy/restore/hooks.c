#include "policy/restore/restore.h"
#include "policy/velero/fields.h"

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
    for (size_t i = 0; i < json_len(containers) && !said_enough(view->decision); i++)
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
    check_selector(view->decision, arena_printf(arena, "%.*s.labelSelector", STR_ARG(at)),
                   json_get(resource, "labelSelector"));
    for (size_t i = 0; i < json_len(hooks) && !said_enough(view->decision); i++)
        restore_check_hook(view, arena_printf(arena, "%.*s.postHooks[%zu]", STR_ARG(at), i), json_item(hooks, i));
}

void restore_check_hooks(const struct restore_view *view)
{
    struct json_object *resources = restore_field(view, "spec.hooks.resources");
    if (!restore_asks(view, "spec.hooks"))
        return;
    for (size_t i = 0; i < json_len(resources) && !said_enough(view->decision); i++)
        check_resource(view, arena_printf(view->arena, "spec.hooks.resources[%zu]", i), json_item(resources, i));
}
