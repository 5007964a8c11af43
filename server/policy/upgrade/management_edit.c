/* What an edit of the Management does to Velero, and to k0rdent itself, that the gate does not
 * see: kcm installs Velero, and a release changes how. */
#include <stdlib.h>

#include "backstop/grammar.h"
#include "backstop/policy.h"
#include "policy/upgrade/gate.h"
#include "policy/velero/velero.h"

#define CONFIG "spec.core.kcm.config"

/* An UPDATE of the Management under judgement, beside the gate. What the settings deny is looked for before the gate, so
 * that nobody waits for a backup first; what they warn of, after it. */
struct management_edit {
    const struct request *request;
    const struct inventory *inventory;
    const struct settings *settings;
    struct decision *decision;
    enum verdict pass; /* which of the two is reported now */
    struct product_version before, after;
    struct str running; /* status.release */
};

/* `why` ends with what to do instead, without a stop. */
static void edit_judge(const struct management_edit *edit, enum verdict verdict, const char *field, struct str why)
{
    const struct request *request = edit->request;
    struct str name = words_name(request->arena, request->name);
    struct str reason = object_reason(request, request->object, ANNOTATION_ALLOW_EDIT);
    verdict = management_soften_verdict(request, edit->settings, verdict);
    bool excused = verdict == VERDICT_DENY && reason.len;
    if ((excused ? VERDICT_WARN : verdict) != edit->pass)
        return;
    if (edit->pass == VERDICT_DENY) {
        struct str how =
            request->operation == OPERATION_CREATE
                ? STR("To create it anyway, annotate it: ")
                : arena_printf(request->arena, "To change it anyway: kubectl annotate management %.*s ", STR_ARG(name));
        decision_forbidden(edit->decision, field, "%.*s. %.*s" WITH_REASON(ANNOTATION_ALLOW_EDIT), STR_ARG(why),
                           STR_ARG(how));
        return;
    }
    decision_judge(edit->decision, VERDICT_WARN, FIELD_FORBIDDEN, field, "%.*s", STR_ARG(why));
    if (!excused)
        return;
    decision_warn(edit->decision,
                  "allowed by annotation (%.*s), which also allows later edits. To remove it: kubectl annotate "
                  "management %.*s %s-",
                  STR_ARG(arena_quote(request->arena, reason)), STR_ARG(name), ANNOTATION_ALLOW_EDIT);
    decision_audit(edit->decision, "allow-edit", "%.*s", STR_ARG(reason));
}

/* What the change does not bring in is only warned of. */
static enum verdict edit_verdict(enum verdict verdict, bool brought_in)
{
    return verdict == VERDICT_DENY && !brought_in ? VERDICT_WARN : verdict;
}

/* kcm 1.4 moved its values for Velero below "regional", and moves none of them. */
static void edit_check_velero(const struct management_edit *edit)
{
    const struct request *request = edit->request;
    struct json_object *velero = object_tree(request, request->object, CONFIG ".velero");
    struct json_object *enabled = object_tree(request, request->object, CONFIG ".regional.velero.enabled");
    const char *place = CONFIG ".regional.velero.enabled";
    if (!enabled && product_version_before(&edit->after, 1, 4) == ANSWER_YES) {
        place = CONFIG ".velero.enabled";
        enabled = object_tree(request, request->object, CONFIG ".velero.enabled");
    }
    const enum verdict verdict = edit->settings->upgrade_disabled_velero;
    bool upgrade = request_changes(request, "spec.release"), placed = request_changes(request, CONFIG ".velero");
    bool off = request_changes(request, place);
    if (velero && (upgrade || placed) && product_version_before(&edit->after, 1, 4) != ANSWER_YES)
        edit_judge(edit, edit_verdict(verdict, placed || product_version_before(&edit->before, 1, 4) == ANSWER_YES),
                   CONFIG ".velero",
                   STR("k0rdent ignores this since 1.4, so the plugins and settings in it are not installed. Move it "
                       "to " CONFIG ".regional.velero"));
    if (json_object_is_type(enabled, json_type_boolean) && !json_object_get_boolean(enabled) && (upgrade || off))
        edit_judge(edit, edit_verdict(verdict, off), place,
                   STR("false makes kcm uninstall its Velero, and without Velero it upgrades without a backup"));
}

/* Back to the release that still runs is no downgrade yet, whatever image kcm has by now: never refused. */
static void edit_check_downgrade(const struct management_edit *edit, struct str target)
{
    struct arena *arena = edit->request->arena;
    if (product_version_compare(&edit->after, &edit->before) < 0)
        edit_judge(edit, edit_verdict(edit->settings->upgrade_unsupported_release, !str_eq(target, edit->running)),
                   "spec.release",
                   arena_printf(arena,
                                "%.*s is older than %.*s, and kcm does not undo what a release changed. To roll back, "
                                "restore the pre-upgrade backup: backstop rollback-plan",
                                STR_ARG(product_version_name(arena, &edit->after)),
                                STR_ARG(product_version_name(arena, &edit->before))));
}

/* docs.k0rdent.io, admin/upgrade: "clusters running k0rdent versions older than v1.0.0 cannot be upgraded directly". No
 * other release must not be skipped, and Release objects themselves name none. */
static void edit_check_skipped(const struct management_edit *edit)
{
    struct arena *arena = edit->request->arena;
    if (product_version_before(&edit->before, 1, 0) == ANSWER_YES &&
        product_version_before(&edit->after, 1, 1) == ANSWER_NO)
        edit_judge(edit, edit->settings->upgrade_unsupported_release, "spec.release",
                   arena_printf(arena,
                                "%.*s cannot be upgraded directly to %.*s: the API changed from v1alpha1 to v1beta1. "
                                "Upgrade to 1.0.0 first",
                                STR_ARG(product_version_name(arena, &edit->before)),
                                STR_ARG(product_version_name(arena, &edit->after))));
}

static int management_order_names(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static struct strlist management_provider_names(struct arena *arena, struct json_object *providers)
{
    struct strlist names = {0};
    json_walk_each(providers, none, provider)
    {
        struct str name = json_get_str(provider, "name");
        (void)none;
        if (name.len)
            strlist_add(arena, &names, arena_copy(arena, name));
    }
    return names;
}

/* In the order in which they were listed. Lists may be as long as a request allows, so each name is looked up in a sorted one. */
static struct strlist management_removed_providers(const struct request *request)
{
    struct arena *arena = request->arena;
    struct json_object *before = object_tree(request, request->old_object, "spec.providers");
    struct json_object *after = object_tree(request, request->object, "spec.providers");
    struct strlist removed = {0};
    if (json_equal(before, after))
        return removed;
    const struct strlist had = management_provider_names(arena, before), has = management_provider_names(arena, after);
    if (has.len)
        qsort(has.items, has.len, sizeof *has.items, management_order_names);
    for (size_t i = 0; i < had.len; i++)
        if (!has.len || !bsearch(&had.items[i], has.items, has.len, sizeof *has.items, management_order_names))
            strlist_add(arena, &removed, had.items[i]);
    return removed;
}

/* kcm cleans removed components up before it takes its backup; the gate's backup
 * comes before both. */
void management_warn_removed_providers(const struct request *request, bool gated, struct decision *decision)
{
    struct strlist removed = management_removed_providers(request);
    if (removed.len == 0)
        return;
    struct str names = strlist_quoted(request->arena, &removed);
    if (gated)
        decision_warn(decision,
                      "this change also removes %.*s: kcm deletes removed providers as soon as it is admitted. The "
                      "pre-upgrade backup still holds them",
                      STR_ARG(names));
    else
        decision_warn(decision,
                      "this change also removes %.*s: kcm deletes removed providers before it takes its own backup. "
                      "Remove them in a later change instead",
                      STR_ARG(names));
}

/* The CAPI provider of a component ("cluster-api-provider-azure": "infrastructure-azure"), by what kcm's bundles are
 * called. */
static bool management_component_is(struct str component, struct str provider)
{
    static const char *const types[] = {"infrastructure-", "bootstrap-", "control-plane-", "ipam-", "addon-"};
    const struct str prefix = STR("cluster-api-provider-");
    struct str name = str_starts(component, prefix) ? str_slice(component, prefix.len, component.len) : component;
    for (size_t i = 0; i < LENGTH_OF(types); i++) {
        struct str type = str_from(types[i]);
        if (str_starts(provider, type) && str_eq(str_slice(provider, type.len, provider.len), name))
            return true;
    }
    return false;
}

/* Of this cluster. Its selectors name the providers of all ClusterDeployments that there were when it was taken. */
static const struct backup *management_newest_backup(const struct inventory *inventory, const struct settings *settings)
{
    const struct backup *newest = NULL;
    for (size_t i = 0; i < inventory->count[FACT_BACKUPS]; i++) {
        const struct backup *backup = inventory->backups[i];
        if (backup->identity.kind == BACKUP_MANAGEMENT && str_eq(backup->meta.ns, settings->system_namespace) &&
            backup->status.started > (newest ? newest->status.started : 0) && !backup_is_foreign(inventory, backup))
            newest = backup;
    }
    return newest;
}

static void edit_check_providers(const struct management_edit *edit)
{
    struct arena *arena = edit->request->arena;
    const struct strlist removed = management_removed_providers(edit->request);
    const struct backup *backup = removed.len ? management_newest_backup(edit->inventory, edit->settings) : NULL;
    struct strlist used = {0};
    for (size_t i = 0; backup && i < removed.len; i++)
        for (size_t j = 0; j < backup->providers.len; j++)
            if (management_component_is(removed.items[i], backup->providers.items[j]) &&
                !strlist_has(&used, removed.items[i]))
                strlist_add(arena, &used, removed.items[i]);
    if (used.len)
        edit_judge(edit, edit->settings->upgrade_removed_provider, "spec.providers",
                   arena_printf(arena,
                                "this removes %.*s, which ClusterDeployments used when backup %.*s was taken. kcm "
                                "uninstalls it at once, and then nothing manages their clusters",
                                STR_ARG(strlist_quoted(arena, &used)), STR_ARG(arena_quote(arena, backup->meta.name))));
}

bool management_edit_check(const struct request *request, const struct inventory *inventory,
                           const struct settings *settings, enum verdict pass, struct decision *decision)
{
    struct management_edit edit = {
        .request = request,
        .inventory = inventory,
        .settings = settings,
        .decision = decision,
        .pass = pass,
        .before = inventory_kcm_version(inventory, settings, request->arena).version,
        .running = gate_running_release(request, inventory),
    };
    struct str target = object_text(request, request->object, "spec.release");
    bool upgrade = request_changes(request, "spec.release");
    if (request_by_velero(request, settings) || request_by_kcm(request, settings))
        return true;
    edit.after = upgrade && target.len ? inventory_release_version(inventory, target, request->arena) : edit.before;
    edit_check_velero(&edit);
    if (request->operation != OPERATION_UPDATE)
        return !decision->denied;
    if (upgrade) {
        /* kcm ships Velero's chart with upgradeCRDs: false. */
        const struct custom_resource *crd = inventory_custom_resource(edit.inventory, STR("backups.velero.io"));
        if (edit.pass == VERDICT_WARN && custom_resource_takes_phase(crd, "Queued") != ANSWER_YES &&
            product_version_before(&edit.before, 1, 11) == ANSWER_YES &&
            product_version_before(&edit.after, 1, 11) == ANSWER_NO)
            decision_warn(edit.decision,
                          "k0rdent 1.11 installs Velero 1.18 but keeps the CRDs of 1.17, which reject its first "
                          "phase (Queued). No backup starts until you run: " VELERO_CRDS_COMMAND);
        edit_check_downgrade(&edit, target);
        edit_check_skipped(&edit);
    }
    edit_check_providers(&edit);
    return !decision->denied;
}
