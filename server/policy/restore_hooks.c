#include "restore.h"
#include "selector.h"

/* Velero decodes durations with time.ParseDuration. The CRD takes any text, and one
 * that does not parse can stop the informers of the whole Velero server. */
void restore_check_duration(const struct restore_view *view, struct str field, struct json_object *value)
{
    struct error error = {0};
    int64_t nanoseconds = 0;
    struct arena *arena = view->arena;
    if (!value)
        return;
    struct str text = json_str(value), name = arena_copy(arena, field), quoted = arena_quote(arena, text);
    struct str number = str_slice(text, 0, text.len ? text.len - 1 : 0);
    int64_t count = 0;
    const char *path = name.ptr ? name.ptr : "spec";
    if (!json_object_is_type(value, json_type_string)) {
        decision_invalid(view->decision, path, "Invalid value: must be a duration in quotes, such as \"4h\"");
        return;
    }
    if (duration_parse(text, &nanoseconds, &error)) {
        if (nanoseconds < 0)
            decision_warn(view->decision, "%s: %.*s is negative: the time is over before it begins", path,
                          STR_ARG(quoted));
        return;
    }
    if (text.len == 0)
        decision_invalid(view->decision, path, "Invalid value: \"\": leave the field out for Velero's default");
    else if (str_ends(text, STR("d")) && str_to_int64(number, &count) && count > 0 && count < 100000)
        decision_invalid(view->decision, path, "Invalid value: %.*s: there is no unit d; write \"%lldh\"",
                         STR_ARG(quoted), (long long)count * 24);
    else if (str_to_int64(text, &count))
        decision_invalid(view->decision, path,
                         "Invalid value: %.*s: the unit is missing, such as \"%.*sm\" for minutes", STR_ARG(quoted),
                         STR_ARG(text));
    else
        decision_invalid(view->decision, path,
                         "Invalid value: %.*s: must be a duration of units h, m, s, ms, such as \"90m\" or \"4h\"",
                         STR_ARG(quoted));
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
    if (!restore_strings(arena, command, &words) || words.len == 0)
        missing = arena_printf(arena, "%.*s%scommand (a list of strings)", STR_ARG(missing), missing.len ? ", " : "");
    if (missing.len)
        decision_invalid(view->decision, at.ptr ? at.ptr : "spec.hooks",
                         "Required value: %.*s; Velero refuses an init container without name, image and command",
                         STR_ARG(missing));
}

static void check_init(const struct restore_view *view, struct str at, struct json_object *hook)
{
    struct arena *arena = view->arena;
    struct json_object *containers = json_get(hook, "initContainers");
    if (json_len(containers) == 0)
        decision_warn(view->decision, "%.*s has no initContainers: the hook does nothing", STR_ARG(at));
    for (size_t i = 0; i < json_len(containers) && !restore_said_enough(view); i++)
        check_init_container(view, arena_printf(arena, "%.*s.initContainers[%zu]", STR_ARG(at), i),
                             json_item(containers, i));
    restore_check_duration(view, arena_printf(arena, "%.*s.timeout", STR_ARG(at)), json_get(hook, "timeout"));
}

static void check_exec(const struct restore_view *view, struct str at, struct json_object *hook)
{
    struct arena *arena = view->arena;
    struct strlist words = {0};
    struct json_object *on_error = json_get(hook, "onError"), *container = json_get(hook, "container");
    struct str mode = json_str(on_error);
    struct str command_at = arena_printf(arena, "%.*s.command", STR_ARG(at));
    struct str mode_at = arena_printf(arena, "%.*s.onError", STR_ARG(at));
    struct str container_at = arena_printf(arena, "%.*s.container", STR_ARG(at));
    if (!command_at.ptr || !mode_at.ptr || !container_at.ptr)
        return;
    if (!restore_strings(arena, json_get(hook, "command"), &words) || words.len == 0)
        decision_invalid(
            view->decision, command_at.ptr,
            "Required value: the command to run, as a list of strings, such as [\"/bin/sh\", \"-c\", \"...\"]");
    if (container && !json_object_is_type(container, json_type_string))
        decision_invalid(view->decision, container_at.ptr, "Invalid value: must be the name of a container");
    if (on_error && !str_is(mode, "Continue") && !str_is(mode, "Fail"))
        decision_invalid(view->decision, mode_at.ptr, "Unsupported value: %.*s: write \"Continue\" or \"Fail\"",
                         STR_ARG(arena_quote(arena, mode)));
    restore_check_duration(view, arena_printf(arena, "%.*s.execTimeout", STR_ARG(at)), json_get(hook, "execTimeout"));
    restore_check_duration(view, arena_printf(arena, "%.*s.waitTimeout", STR_ARG(at)), json_get(hook, "waitTimeout"));
}

static void check_hook(const struct restore_view *view, struct str at, struct json_object *hook)
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
    struct str where = {NULL, 0}, why = {NULL, 0};
    struct json_object *hooks = json_get(resource, "postHooks");
    if (selector_problem(arena, json_get(resource, "labelSelector"), &where, &why)) {
        struct str field = arena_printf(arena, "%.*s.labelSelector%.*s", STR_ARG(at), STR_ARG(where));
        decision_invalid(view->decision, field.ptr ? field.ptr : "spec.hooks", "Invalid value: %.*s", STR_ARG(why));
    }
    for (size_t i = 0; i < json_len(hooks) && !restore_said_enough(view); i++)
        check_hook(view, arena_printf(arena, "%.*s.postHooks[%zu]", STR_ARG(at), i), json_item(hooks, i));
}

void restore_check_hooks(const struct restore_view *view)
{
    struct json_object *resources = json_path(view->spec, "hooks.resources");
    if (!restore_asks(view, "spec.hooks"))
        return;
    for (size_t i = 0; i < json_len(resources) && !restore_said_enough(view); i++)
        check_resource(view, arena_printf(view->arena, "spec.hooks.resources[%zu]", i), json_item(resources, i));
}
