/* Restore.spec.resourcePolicy, which Velero reads since 1.18.3 (restore_controller.go
 * validateAndComplete, resourcepolicies.GetResourcePoliciesFromRestore). */
#include "policy/velero/modifier.h"
#include "policy/restore/restore.h"
#include "policy/velero/resource_policy.h"

#define FIELD "spec.resourcePolicy"

/* A Velero that does not know the field restores everything, without a word. */
static bool restore_policy_is_read(const struct restore_view *view, const struct product_version *velero)
{
    struct arena *arena = view->arena;
    struct str since = feature_since(arena, VELERO_RESTORE_RESOURCE_POLICY);
    switch (product_version_has(velero, VELERO_RESTORE_RESOURCE_POLICY)) {
    case ANSWER_NO:
        decision_forbidden(view->decision, FIELD,
                           "%.*s ignores it and would restore everything in the backup. Remove it, or upgrade Velero "
                           "and its CRDs: it needs %.*s or later",
                           STR_ARG(product_version_name(arena, velero)), STR_ARG(since));
        return false;
    case ANSWER_DEPENDS:
        decision_caution(view->decision,
                         "%s needs %.*s or later, and %.*s. An older Velero ignores it and restores everything in the "
                         "backup",
                         FIELD, STR_ARG(since), STR_ARG(product_version_doubt(arena, velero)));
        return true;
    case ANSWER_YES:
    default:
        return true;
    }
}

static bool restore_policy_is_config_map(const struct restore_view *view, struct str kind, struct str name)
{
    if (!str_eq_nocase(kind, STR("ConfigMap"))) {
        decision_not_supported(view->decision, FIELD ".kind",
                               "%.*s: write \"ConfigMap\", the only kind that Velero takes",
                               STR_ARG(arena_quote(view->arena, kind)));
        return false;
    }
    if (name.len == 0)
        decision_required(view->decision, FIELD ".name", "name the ConfigMap with the filter policies");
    return name.len > 0;
}

void restore_check_resource_policy(const struct restore_view *view)
{
    struct json_object *reference = restore_field(view, "spec.resourcePolicy");
    struct str name = json_get_str(reference, "name");
    const struct product_version velero = inventory_velero_version(view->inventory, view->settings).version;
    /* Whichever Velero reads the field at all also knows the filters. */
    const struct resource_policy_use use = {.velero = product_version_having(velero, VELERO_RESTORE_RESOURCE_POLICY),
                                            .restore = true};
    if (!reference || !restore_asks(view, FIELD) || !restore_policy_is_read(view, &velero) ||
        !restore_policy_is_config_map(view, json_get_str(reference, "kind"), name))
        return;
    const struct config_map *map = rules_find_map(view->decision, view->inventory, view->ns, FIELD ".name", name);
    if (map)
        resource_policy_check(view->decision, FIELD ".name", map, &use);
}

/* The ConfigMap this webhook makes may not be in the facts yet when the validating
 * review follows at the mutating one's heels; its content is known to be right. */
static bool is_own_map(const struct restore_view *view)
{
    struct str release = restore_release_left(view);
    return view->settings->restores_inject_release_modifier && release.len &&
           str_eq(view->modifier_name, restore_release_map_name(view->arena, release));
}

/* Velero compares the kind without case and ignores every other one, without a word. */
static bool restore_check_modifier_reference(const struct restore_view *view)
{
    if (!str_eq_nocase(view->modifier_kind, STR("ConfigMap"))) {
        decision_not_supported(view->decision, "spec.resourceModifier.kind",
                               "%.*s: write \"ConfigMap\"; Velero ignores every other kind and restores the "
                               "objects unpatched",
                               STR_ARG(arena_quote(view->arena, view->modifier_kind)));
        return false;
    }
    if (view->modifier_name.len == 0) {
        decision_required(view->decision, "spec.resourceModifier.name", "name the ConfigMap with the rules");
        return false;
    }
    return true;
}

/* modifier.match compares the object's own namespace; it is mapped only afterwards. */
static void check_rule_namespaces(const struct restore_view *view, struct config_rules *modifier)
{
    struct json_object *rules = rules_get(modifier->document->tree, "resourceModifierRules");
    for (size_t r = 0; r < json_len(rules); r++) {
        struct json_object *list = rules_get(rules_get(json_item(rules, r), "conditions"), "namespaces");
        for (size_t i = 0; i < json_len(list); i++) {
            struct str ns = json_str(json_item(list, i)), from = restore_mapped_from(view, ns);
            struct str at = arena_printf(view->arena, "resourceModifierRules[%zu].conditions.namespaces[%zu]", r, i);
            if (ns.len == 0 || str_is(ns, "*"))
                continue;
            bool listed = view->backup && view->backup->included_namespaces.len && restore_backup_holds(view, ns);
            if (from.len && !listed && !json_get_named(restore_field(view, "spec.namespaceMapping"), ns))
                rules_warn(modifier, at,
                           "the rule never applies: Velero matches the namespace in the backup, where %.*s is %.*s",
                           STR_ARG(arena_quote(view->arena, ns)), STR_ARG(arena_quote(view->arena, from)));
            else if (!restore_backup_holds(view, ns))
                rules_warn(modifier, at, "%.*s is not in the backup, so the rule never applies: %.*s",
                           STR_ARG(arena_quote(view->arena, ns)), STR_ARG(restore_backup_held(view)));
        }
    }
}

/* The modifier of all Restores that have none (Velero 1.19, restore_controller.go loadResourceModifierConfigMap). Velero
 * takes up one of the two, and goes on without a word where its own default is missing. */
static void check_default_modifier(const struct restore_view *view)
{
    const struct inventory *inventory = view->inventory;
    struct str name = {NULL, 0};
    for (size_t i = 0; i < inventory->count[FACT_VELERO] && name.len == 0; i++)
        if (str_eq(inventory->velero_deployments[i]->meta.ns, view->ns))
            name = inventory->velero_deployments[i]->default_modifier;
    struct str quoted = arena_quote(view->arena, name);
    if (name.len == 0 || str_eq(name, view->modifier_name))
        return;
    if (view->modifier_name.len)
        decision_caution(
            view->decision,
            "spec.resourceModifier replaces Velero's default modifier, ConfigMap %.*s: copy the rules of it "
            "that are still needed",
            STR_ARG(quoted));
    else if (inventory->known[FACT_CONFIG_MAPS] && !inventory_config_map(inventory, view->ns, name) &&
             !object_true(view->request, view->request->object, "spec.skipDefaultResourceModifier"))
        decision_caution(view->decision,
                         "Velero's default modifier, ConfigMap %.*s, does not exist in %.*s: objects are restored "
                         "unpatched",
                         STR_ARG(quoted), STR_ARG(view->ns));
}

void restore_check_modifier(const struct restore_view *view)
{
    if (view->request->operation == OPERATION_CREATE)
        check_default_modifier(view);
    struct config_rules modifier;
    struct json_object *reference = restore_field(view, "spec.resourceModifier");
    if (!reference || view->modifier_injected || !restore_asks(view, "spec.resourceModifier") ||
        !restore_check_modifier_reference(view))
        return;
    if (view->inventory->known[FACT_CONFIG_MAPS] && is_own_map(view) &&
        !inventory_config_map(view->inventory, view->ns, view->modifier_name))
        return;
    const struct config_map *map =
        rules_find_map(view->decision, view->inventory, view->ns, "spec.resourceModifier.name", view->modifier_name);
    if (map && modifier_load(&modifier, view->arena, view->decision, map)) {
        modifier_check(&modifier);
        check_rule_namespaces(view, &modifier);
    }
}
