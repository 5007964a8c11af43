#include "restore.h"

/* Velero as it runs in this cluster, as far as a restore depends on it. */

/* "1.1.0", "v1.2.0-rc1", "kcm-1-1-0" */
static bool is_before_1_2(struct str version, char separator)
{
    struct str part;
    int64_t numbers[2] = {0, 0};
    for (size_t i = 0; i < LENGTH_OF(numbers); i++)
        if (!str_cut(&version, separator, &part) || !str_to_int64(part, &numbers[i]))
            return true;
    return numbers[0] < 1 || (numbers[0] == 1 && numbers[1] < 2);
}

bool policy_velero_name_matters(const struct inventory *inventory)
{
    const struct management *management = inventory_management(inventory);
    struct str name = management ? management->status_release : STR("");
    const struct release *release = inventory_release(inventory, name);
    struct str version = release ? release->version : STR("");
    if (version.len)
        return is_before_1_2(str_starts(version, STR("v")) ? str_slice(version, 1, version.len) : version, '.');
    return is_before_1_2(str_starts(name, STR("kcm-")) ? str_slice(name, 4, name.len) : name, '-');
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
    if (named && view->management && policy_velero_name_matters(inventory))
        decision_warn(
            view->decision,
            "before k0rdent 1.2.0 the restore fails unless Velero's Deployment is named \"velero\", and it is "
            "%.*s: set velero.fullnameOverride: velero in k0rdent's Helm values",
            STR_ARG(arena_quote(view->arena, named->meta.name)));
}
