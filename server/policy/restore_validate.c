#include "restore.h"
#include "selector.h"

#include "resource_name.h"

static void check_selector(const struct restore_view *view, struct str at, struct json_object *selector)
{
    struct str where = {NULL, 0}, why = {NULL, 0};
    if (!selector_problem(view->arena, selector, &where, &why))
        return;
    struct str field = arena_printf(view->arena, "%.*s%.*s", STR_ARG(at), STR_ARG(where));
    decision_invalid(view->decision, field.ptr ? field.ptr : "spec", "Invalid value: %.*s", STR_ARG(why));
}

static void check_selectors(const struct restore_view *view)
{
    struct json_object *one = json_get(view->spec, "labelSelector"), *any = json_get(view->spec, "orLabelSelectors");
    if (!restore_asks(view, "spec.labelSelector") && !restore_asks(view, "spec.orLabelSelectors"))
        return;
    if (one && any)
        decision_invalid(
            view->decision, "spec.orLabelSelectors",
            "Forbidden: Velero takes either labelSelector or orLabelSelectors; put the labels that must all "
            "match into one item of orLabelSelectors");
    check_selector(view, STR("spec.labelSelector"), one);
    if (any && !json_object_is_type(any, json_type_array))
        decision_invalid(view->decision, "spec.orLabelSelectors", "Invalid value: must be a list of selectors");
    for (size_t i = 0; i < json_len(any) && !restore_said_enough(view); i++)
        check_selector(view, arena_printf(view->arena, "spec.orLabelSelectors[%zu]", i), json_item(any, i));
}

/* pkg/util/velero/restore.IsResourcePolicyValid: none or update, exactly. */
static void check_policy(const struct restore_view *view)
{
    struct json_object *sent = json_get(view->spec, "existingResourcePolicy");
    bool regional = restore_is_regional(view), is_update = str_is(view->policy, "update");
    if (!restore_asks(view, "spec.existingResourcePolicy"))
        return;
    if (sent && !json_object_is_type(sent, json_type_string)) {
        decision_invalid(view->decision, "spec.existingResourcePolicy", "Invalid value: write \"update\" or \"none\"");
        return;
    }
    if (view->policy.len && !is_update && !str_is(view->policy, "none")) {
        static const struct str known[] = {STR_INIT("update"), STR_INIT("none")};
        struct str near = str_nearest(view->policy, known, LENGTH_OF(known));
        struct str hint = near.len ? arena_printf(view->arena, "; did you mean \"%.*s\"?", STR_ARG(near))
                                   : STR("; a k0rdent management restore needs \"update\"");
        decision_invalid(view->decision, "spec.existingResourcePolicy",
                         "Unsupported value: %.*s: Velero takes \"update\" and \"none\", in lower case%.*s",
                         STR_ARG(arena_quote(view->arena, view->policy)), STR_ARG(hint));
        return;
    }
    if (regional && is_update)
        decision_warn(view->decision,
                      "existingResourcePolicy update on a regional backup: k0rdent documents leaving it "
                      "unset there");
    else if (view->management && !regional && str_is(view->policy, "none"))
        decision_warn(view->decision,
                      "existingResourcePolicy none keeps objects that exist already as they are; k0rdent "
                      "documents update for a management restore");
}

static bool is_dns_label(struct str text)
{
    bool good = text.len > 0 && text.len <= 63;
    for (size_t i = 0; good && i < text.len; i++) {
        char c = text.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        good = plain || (c == '-' && i > 0 && i + 1 < text.len);
    }
    return good;
}

static void check_mapping(const struct restore_view *view)
{
    struct json_object *mapping = json_get(view->spec, "namespaceMapping");
    if (!mapping || !restore_asks(view, "spec.namespaceMapping"))
        return;
    if (!json_object_is_type(mapping, json_type_object)) {
        decision_invalid(view->decision, "spec.namespaceMapping", "Invalid value: must map namespaces to namespaces");
        return;
    }
    json_object_object_foreach(mapping, key, value)
    {
        if (restore_said_enough(view))
            return;
        struct str from = str_from(key), to = json_str(value), quoted = arena_quote(view->arena, from);
        if (!is_dns_label(to))
            decision_invalid(view->decision, "spec.namespaceMapping",
                             "Invalid value: %.*s: %.*s is not a namespace name: lower-case letters, digits and inner "
                             "dashes, at most 63",
                             STR_ARG(quoted), STR_ARG(arena_quote(view->arena, to)));
        else if (str_eq(from, view->settings->system_namespace) && !str_eq(from, to))
            decision_warn(view->decision, "namespaceMapping moves %.*s to %.*s: k0rdent expects its objects in %.*s",
                          STR_ARG(quoted), STR_ARG(arena_quote(view->arena, to)), STR_ARG(from));
    }
}

void restore_check_fields(const struct restore_view *view)
{
    check_policy(view);
    check_selectors(view);
    check_mapping(view);
    if (restore_asks(view, "spec.itemOperationTimeout"))
        restore_check_duration(view, STR("spec.itemOperationTimeout"), json_get(view->spec, "itemOperationTimeout"));
}

/* Velero works only in its own namespace. */
static void check_namespace(const struct restore_view *view)
{
    const struct inventory *inventory = view->inventory;
    const struct velero_deployment *elsewhere = NULL;
    for (size_t i = 0; i < inventory->count[FACT_VELERO]; i++) {
        if (str_eq(inventory->velero_deployments[i]->meta.ns, view->ns))
            return;
        elsewhere = inventory->velero_deployments[i];
    }
    if (elsewhere)
        decision_warn(
            view->decision, "no Velero runs in namespace %.*s: the Restore is never carried out; Velero is in %.*s",
            STR_ARG(arena_quote(view->arena, view->ns)), STR_ARG(arena_quote(view->arena, elsewhere->meta.ns)));
}

/* What is not wrong with the Restore itself, but with when and where it is made. */
void restore_check_circumstances(const struct restore_view *view)
{
    const struct management *management = inventory_management(view->inventory);
    check_namespace(view);
    if (!view->management || !management || !view->backup)
        return;
    if (restore_is_regional(view))
        decision_warn(
            view->decision,
            "backup %.*s is of region %.*s: restore it on that regional cluster, not here, where a Management exists",
            STR_ARG(arena_quote(view->arena, view->backup->meta.name)),
            STR_ARG(arena_quote(view->arena, view->backup->region)));
    else
        decision_warn(view->decision,
                      "a Management (%.*s) exists already: k0rdent restores into a clean installation "
                      "(controller.createManagement=false)",
                      STR_ARG(arena_quote(view->arena, management->meta.name)));
}
