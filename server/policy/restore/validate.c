#include "backstop/grammar.h"
#include "policy/backup/kots.h"
#include "policy/restore/restore.h"
#include "policy/velero/fields.h"

/* pkg/util/velero/restore.IsResourcePolicyValid: none or update, exactly. */
static void check_policy(const struct restore_view *view)
{
    struct json_object *sent = restore_field(view, "spec.existingResourcePolicy");
    bool regional = restore_is_regional(view), is_update = str_is(view->policy, "update");
    if (!restore_asks(view, "spec.existingResourcePolicy"))
        return;
    if (sent && !json_object_is_type(sent, json_type_string)) {
        decision_invalid(view->decision, "spec.existingResourcePolicy", "write \"update\" or \"none\"");
        return;
    }
    if (view->policy.len && !is_update && !str_is(view->policy, "none")) {
        static const struct str known[] = {STR_INIT("update"), STR_INIT("none")};
        struct str near = str_nearest(view->policy, known, LENGTH_OF(known));
        struct str hint = near.len           ? arena_printf(view->arena, "; did you mean \"%.*s\"?", STR_ARG(near))
                          : view->management ? STR("; a k0rdent management restore needs \"update\"")
                                             : STR("");
        decision_not_supported(view->decision, "spec.existingResourcePolicy",
                               "%.*s: Velero takes \"update\" and \"none\", in lower case%.*s",
                               STR_ARG(arena_quote(view->arena, view->policy)), STR_ARG(hint));
        return;
    }
    if (regional && is_update)
        decision_warn(view->decision,
                      "existingResourcePolicy is \"update\" on a regional backup: k0rdent documents leaving it unset");
    else if (view->management && !regional && str_is(view->policy, "none"))
        decision_caution(
            view->decision,
            "existingResourcePolicy \"none\" leaves existing objects unchanged; management restores need \"update\"");
}

static void check_mapping(const struct restore_view *view)
{
    struct json_object *mapping = restore_field(view, "spec.namespaceMapping");
    if (!mapping || !restore_asks(view, "spec.namespaceMapping"))
        return;
    if (!json_object_is_type(mapping, json_type_object)) {
        decision_invalid(view->decision, "spec.namespaceMapping", "must map namespaces to namespaces");
        return;
    }
    json_foreach(mapping, key, value)
    {
        if (said_enough(view->decision))
            return;
        struct str from = str_from(key), to = json_str(value), quoted = arena_quote(view->arena, from);
        if (!name_is_dns_label(to))
            decision_invalid(
                view->decision, "spec.namespaceMapping",
                "%.*s: %.*s is not a namespace name: use at most 63 lower-case letters, digits and inner dashes",
                STR_ARG(quoted), STR_ARG(arena_quote(view->arena, to)));
        else if (str_eq(from, view->settings->system_namespace) && !str_eq(from, to))
            decision_caution(view->decision, "namespaceMapping moves %.*s to %.*s: k0rdent expects its objects in %.*s",
                             STR_ARG(quoted), STR_ARG(arena_quote(view->arena, to)), STR_ARG(from));
    }
}

void restore_check_fields(const struct restore_view *view)
{
    check_policy(view);
    if (restore_asks(view, "spec.labelSelector") || restore_asks(view, "spec.orLabelSelectors"))
        check_selectors(view->decision, STR("spec"), restore_field(view, "spec.labelSelector"),
                        restore_field(view, "spec.orLabelSelectors"));
    check_mapping(view);
    if (restore_asks(view, "spec.itemOperationTimeout"))
        check_duration(view->decision, STR("spec.itemOperationTimeout"),
                       restore_field(view, "spec.itemOperationTimeout"));
}

/* k0rdent documents moving a ClusterDeployment to another management cluster, which runs, with a
 * Backup made by hand: what kcm did not make is never completed like a management restore. */
static void warn_handmade(const struct restore_view *view)
{
    const struct management *management = inventory_management(view->inventory);
    if (!view->backup || view->backup->identity.kind != BACKUP_HANDMADE)
        return;
    if (!view->management)
        decision_warn(view->decision, "backup %.*s is %.*s: the Restore was left unchanged",
                      STR_ARG(arena_quote(view->arena, view->backup->meta.name)),
                      STR_ARG(backup_identity_reason(view->arena, view->backup->identity)));
    if (management && str_is(view->policy, "update"))
        decision_caution(
            view->decision,
            "existingResourcePolicy \"update\" overwrites this cluster's objects, including Management %.*s, "
            "with those of the backup. Remove it to keep them",
            STR_ARG(arena_quote(view->arena, management->meta.name)));
}

/* What is not wrong with the Restore itself, but with when and where it is made. */
void restore_check_circumstances(const struct restore_view *view)
{
    const struct management *management = inventory_management(view->inventory);
    warn_no_velero(view->decision, view->inventory, view->ns, "Restore");
    kots_warn_restore(view->inventory, view->backup, view->decision);
    warn_handmade(view);
    if (view->backup && backup_lacks_management(view->backup))
        decision_caution(
            view->decision,
            "backup %.*s contains no Management, Release or other cluster-scoped object: a namespace was excluded "
            "from it. Prefer one with an empty spec.excludedNamespaces",
            STR_ARG(arena_quote(view->arena, view->backup->meta.name)));
    if (!view->management || !management || !view->backup)
        return;
    if (restore_is_regional(view))
        decision_caution(
            view->decision,
            "backup %.*s is from region %.*s, but this cluster has a Management: restore it on the regional cluster",
            STR_ARG(arena_quote(view->arena, view->backup->meta.name)),
            STR_ARG(arena_quote(view->arena, view->backup->region)));
    else
        decision_caution(view->decision,
                         "this cluster already has a Management (%.*s); restore into a clean installation "
                         "(controller.createManagement=false)",
                         STR_ARG(arena_quote(view->arena, management->meta.name)));
}
