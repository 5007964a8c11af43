#include "policy/upgrade/gate.h"

#include "policy/velero/installed.h"

/* What an edit of the Management does to Velero, and to k0rdent itself, that the gate does
 * not see: kcm installs Velero, and a release changes how. */

#define CONFIG "spec.core.kcm.config"

/* kcm of the release that this edit asks for. */
static struct product_version kcm_asked_for(const struct request *request, const struct inventory *inventory,
                                            const struct settings *settings)
{
    struct str target = object_text(request, request->object, "spec.release");
    if (target.len && request_changes(request, "spec.release"))
        return inventory_release_version(inventory, target, request->arena);
    return inventory_kcm_version(inventory, settings, request->arena).version;
}

/* kcm 1.4 moved its values for Velero below "regional", and moves none of them. */
static void management_warn_ignored_velero(struct json_object *config, const struct product_version *kcm,
                                           struct decision *decision)
{
    if (json_get(config, "velero") && product_version_before(kcm, 1, 4) != ANSWER_YES)
        decision_warn(decision, CONFIG ".velero: k0rdent ignores this since 1.4, so the plugins and settings in it are "
                                       "not installed. Move it to " CONFIG ".regional.velero");
}

static void management_warn_velero_off(struct json_object *config, struct decision *decision)
{
    struct json_object *enabled = json_path(config, "regional.velero.enabled");
    if (json_object_is_type(enabled, json_type_boolean) && !json_object_get_boolean(enabled))
        decision_warn(decision, CONFIG ".regional.velero.enabled is false: kcm uninstalls its Velero, and without "
                                       "Velero it upgrades without a backup");
}

/* kcm ships Velero's chart with upgradeCRDs: false. */
static void management_warn_old_crds(const struct inventory *inventory, const struct product_version *before,
                                     const struct product_version *after, struct decision *decision)
{
    const struct custom_resource *crd = inventory_custom_resource(inventory, STR("backups.velero.io"));
    if (custom_resource_takes_phase(crd, "Queued") != ANSWER_YES &&
        product_version_before(before, 1, 11) == ANSWER_YES && product_version_before(after, 1, 11) == ANSWER_NO)
        decision_warn(decision, "k0rdent 1.11 installs Velero 1.18 but keeps the CRDs of 1.17, which reject its first "
                                "phase (Queued). No backup starts until you run: " VELERO_CRDS_COMMAND);
}

static void management_warn_downgrade(const struct request *request, const struct product_version *before,
                                      const struct product_version *after, struct decision *decision)
{
    if (product_version_compare(after, before) < 0)
        decision_warn(decision,
                      "%.*s is older than %.*s, and kcm does not undo what a release changed. To roll "
                      "back, restore the pre-upgrade backup: backstop rollback-plan",
                      STR_ARG(product_version_name(request->arena, after)),
                      STR_ARG(product_version_name(request->arena, before)));
}

/* docs.k0rdent.io, admin/upgrade: "clusters running k0rdent versions older than v1.0.0 cannot be upgraded directly". No
 * other release must not be skipped, and Release objects themselves name none. */
static void management_warn_skipped(const struct request *request, const struct product_version *before,
                                    const struct product_version *after, struct decision *decision)
{
    if (product_version_before(before, 1, 0) == ANSWER_YES && product_version_before(after, 1, 1) == ANSWER_NO)
        decision_warn(decision,
                      "%.*s cannot be upgraded directly to %.*s: the API changed from v1alpha1 to v1beta1. Upgrade to "
                      "1.0.0 first",
                      STR_ARG(product_version_name(request->arena, before)),
                      STR_ARG(product_version_name(request->arena, after)));
}

void management_warn_of_versions(const struct request *request, const struct inventory *inventory,
                                 const struct settings *settings, struct decision *decision)
{
    struct json_object *config = object_tree(request, request->object, CONFIG);
    bool upgrade = request_changes(request, "spec.release");
    const struct product_version before = inventory_kcm_version(inventory, settings, request->arena).version;
    const struct product_version after = kcm_asked_for(request, inventory, settings);
    if (request_by_velero(request, settings) || !(upgrade || request_changes(request, CONFIG)))
        return;
    management_warn_ignored_velero(config, &after, decision);
    management_warn_velero_off(config, decision);
    if (!upgrade)
        return;
    management_warn_old_crds(inventory, &before, &after, decision);
    management_warn_downgrade(request, &before, &after, decision);
    management_warn_skipped(request, &before, &after, decision);
}
