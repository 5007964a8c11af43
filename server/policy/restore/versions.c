#include "policy/restore/restore.h"

/* Velero as it runs in this cluster, as far as a restore depends on it. */

bool policy_velero_name_matters(struct arena *arena, const struct inventory *inventory, const struct settings *settings)
{
    struct version_fact kcm = inventory_kcm_version(inventory, settings, arena);
    return product_version_before(&kcm.version, 1, 2) != ANSWER_NO;
}

/* Before k0rdent 1.2.0 a restore fails when Velero's Deployment has another name (velero issue 9023). */
void restore_check_velero(const struct restore_view *view)
{
    const struct inventory *inventory = view->inventory;
    const struct velero_deployment *named = NULL;
    for (size_t i = 0; i < inventory->count[FACT_VELERO]; i++) {
        const struct velero_deployment *deployment = inventory->velero_deployments[i];
        if (!str_eq(deployment->meta.ns, view->ns))
            continue;
        if (str_is(deployment->meta.name, "velero"))
            return;
        named = deployment;
    }
    if (named && view->management && policy_velero_name_matters(view->arena, inventory, view->settings))
        decision_caution(view->decision,
                         "Velero's Deployment is named %.*s, and before k0rdent 1.2.0 only \"velero\" can restore. Set "
                         "velero.fullnameOverride: velero in k0rdent's Helm values",
                         STR_ARG(arena_quote(view->arena, named->meta.name)));
}
