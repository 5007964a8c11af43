#include "policy/velero/resource_policy.h"
#include "policy/restore/restore.h"

/* Restore.spec.resourcePolicy, which Velero reads since 1.18.3 (restore_controller.go
 * validateAndComplete, resourcepolicies.GetResourcePoliciesFromRestore). */

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
