#include "policy/backup/spec.h"
#include "policy/velero/config_rules.h"
#include "policy/velero/resource_policy.h"

/* Velero compares the kind without case and ignores every other one, without a word;
 * but a Schedule's Backups all get the kind ConfigMap (BackupBuilder.FromSchedule). */
static bool check_kind(const struct backup_spec *view, struct str kind)
{
    if (str_eq_nocase(kind, STR("ConfigMap")) || view->template)
        return true;
    decision_not_supported(view->decision, backup_spec_field(view, "resourcePolicy.kind"),
                           "%.*s: write \"ConfigMap\"; Velero ignores every other kind and backs up as if "
                           "there were no policy",
                           STR_ARG(arena_quote(view->arena, kind)));
    return false;
}

void backup_spec_check_policy(const struct backup_spec *view)
{
    struct json_object *reference = json_get(view->spec, "resourcePolicy");
    struct str name = json_get_str(reference, "name");
    const char *field = backup_spec_field(view, "resourcePolicy.name");
    bool filters_change = backup_spec_asks(view, "includedResources") || backup_spec_asks(view, "excludedResources") ||
                          backup_spec_asks(view, "includeClusterResources");
    bool changed = backup_spec_asks(view, "resourcePolicy");
    if (!reference || (!changed && !filters_change) || !check_kind(view, json_get_str(reference, "kind")))
        return;
    if (name.len == 0) {
        decision_required(view->decision, field, "name the ConfigMap with the resource policies");
        return;
    }
    if (!view->facts) {
        decision_unchecked(view->decision, FACT_CONFIG_MAPS,
                           "%s: %.*s was not checked: nothing is known about ConfigMaps", field,
                           STR_ARG(arena_quote(view->arena, name)));
        return;
    }
    const struct config_map *map = rules_find_map(view->decision, view->inventory, view->ns, field, name);
    const struct resource_policy_use use = {
        .velero = inventory_velero_version(view->inventory, view->settings).version,
        .old_filters = backup_spec_old_filters(view),
    };
    if (map)
        resource_policy_check(view->decision, field, map, &use);
}
