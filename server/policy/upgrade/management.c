/* What an edit of the Management does to Velero, and to k0rdent itself, that the gate does not
 * see: kcm installs Velero, and a release changes how.
 *
 * And who passes the gate without a backup: a restore by Velero, a first install, the rollback
 * to what still runs, the switch in the settings, an annotation with a reason. Each is said in a
 * warning and recorded in an audit annotation. */
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

/* Management: an UPDATE that changes spec.release is an upgrade, and passes the gate
 * or is let through for one of the reasons below. Everything else is kcm's matter. */

static struct str management_release_before(const struct request *request, const struct inventory *inventory)
{
    struct str release = object_text(request, request->old_object, "spec.release");
    if (release.len)
        return release;
    const struct management *management = inventory_management(inventory);
    return management ? management->release : (struct str){NULL, 0};
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
static void management_warn_removed_providers(const struct request *request, bool gated, struct decision *decision)
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

/* Of what anybody but Velero and kcm changes or creates. False: it was denied. */
static bool edit_check(const struct request *request, const struct inventory *inventory,
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

/* ---- who passes without a backup ----------------------------------------- */

/* An annotation without a reason opens nothing: a reason is what an auditor will look for. */
static bool management_skip_annotated(const struct gate *gate)
{
    const struct request *request = gate->request;
    struct str value = object_annotation(request, request->object, ANNOTATION_SKIP_BACKUP);
    struct str reason = object_reason(request, request->object, ANNOTATION_SKIP_BACKUP);
    if (reason.len == 0) {
        if (value.ptr)
            decision_warn(gate->decision, "annotation %s needs a reason as its value; without one it has no effect",
                          ANNOTATION_SKIP_BACKUP);
        return false;
    }
    decision_warn(gate->decision, "upgrade allowed by annotation, without a verified pre-upgrade backup: %.*s",
                  STR_ARG(arena_quote(request->arena, reason)));
    decision_warn(gate->decision,
                  "the annotation also allows later upgrades. To remove it: kubectl annotate management %.*s %s-",
                  STR_ARG(words_name(request->arena, request->name)), ANNOTATION_SKIP_BACKUP);
    decision_audit(gate->decision, AUDIT_GATE, "skipped by annotation: %.*s", STR_ARG(reason));
    return true;
}

/* Step 1 of the gate. A restore is known by its requester: the label
 * velero.io/restore-name can be set by anybody. */
static bool gate_let_through(struct gate *gate)
{
    struct decision *decision = gate->decision;
    struct arena *arena = gate->request->arena;
    if (request_by_velero(gate->request, gate->settings)) {
        decision_audit(decision, AUDIT_GATE, "let through: written by Velero (a restore)");
        return true;
    }
    /* Emptied by hand, or by a restore: what ran is what spec.release said until now. */
    if (gate->running.len == 0 && gate->before.len && gate_sees_older_life(gate->inventory)) {
        gate->running = gate->before;
        gate->under_way = false;
        decision_warn(decision,
                      "status.release is empty, but this is not a first install: %.*s (from spec.release) is taken as "
                      "the running release",
                      STR_ARG(words_name(arena, gate->running)));
    }
    if (gate->running.len == 0) {
        decision_audit(decision, AUDIT_GATE, "let through: status.release is empty");
        decision_warn(
            decision,
            "no release is reported as running yet (status.release is empty): no pre-upgrade backup is needed");
        return true;
    }
    if (str_eq(gate->target, gate->running)) {
        decision_audit(decision, AUDIT_GATE, "let through: back to the running release");
        decision_warn(decision, "back to %.*s, which is still the running release: no pre-upgrade backup is needed",
                      STR_ARG(words_name(arena, gate->running)));
        return true;
    }
    if (!gate->settings->upgrade_gate) {
        decision_audit(decision, AUDIT_GATE, "off");
        decision_warn(decision,
                      "the upgrade gate is off (upgrade.gate in the settings): no pre-upgrade backup was checked");
    } else if (!management_skip_annotated(gate)) {
        return false;
    }
    management_warn_removed_providers(gate->request, false, decision);
    gate_warn_of_kcm(gate);
    return true;
}

/* ---- the release that is asked for --------------------------------------- */

/* "1.3.0" or "v1.3.0" for the Release of that version. */
static struct str gate_release_of_version(const struct gate *gate)
{
    struct str wanted = str_trim(gate->target);
    if (str_starts(wanted, STR("v")))
        wanted = str_slice(wanted, 1, wanted.len);
    for (size_t i = 0; wanted.len && i < gate->inventory->count[FACT_RELEASES]; i++) {
        const struct release *release = gate->inventory->releases[i];
        struct str version = release->version;
        if (str_eq(str_starts(version, STR("v")) ? str_slice(version, 1, version.len) : version, wanted))
            return release->meta.name;
    }
    return (struct str){NULL, 0};
}

static struct str gate_nearest_release(const struct gate *gate)
{
    size_t count = gate->inventory->count[FACT_RELEASES];
    struct str versioned = gate_release_of_version(gate);
    if (versioned.len)
        return versioned;
    struct str *names = arena_array(gate->request->arena, count ? count : 1, sizeof(*names));
    for (size_t i = 0; names && i < count; i++)
        names[i] = gate->inventory->releases[i]->meta.name;
    return names ? str_nearest(gate->target, names, count) : (struct str){NULL, 0};
}

static struct str gate_nearest_hint(const struct gate *gate)
{
    struct arena *arena = gate->request->arena;
    struct str near = gate_nearest_release(gate);
    const struct release *meant = inventory_release(gate->inventory, near);
    return near.len ? arena_printf(arena, "; did you mean %.*s%s?", STR_ARG(arena_quote(arena, near)),
                                   meant && !meant->ready ? " (not ready)" : "")
                    : STR(".");
}

/* Step 2. kcm's own webhook refuses these as well, but webhooks run side by side:
 * its answer would come too late to keep a backup from being started. */
static bool gate_target_is_usable(const struct gate *gate)
{
    struct arena *arena = gate->request->arena;
    struct str target = arena_quote(arena, gate->target);
    if (gate->target.len == 0) {
        decision_required(gate->decision, "spec.release", "name the Release to run (kubectl get releases)");
        return false;
    }
    if (!name_is_dns_subdomain(gate->target)) {
        decision_invalid(gate->decision, "spec.release",
                         "%.*s: not a valid Release name (lower-case letters, digits, \"-\" and \".\")%.*s No backup "
                         "was started. To list Releases: kubectl get releases",
                         STR_ARG(target), STR_ARG(gate_nearest_hint(gate)));
        return false;
    }
    if (!gate->inventory->known[FACT_RELEASES])
        return true;
    const struct release *release = inventory_release(gate->inventory, gate->target);
    if (release && release->ready)
        return true;
    if (release) {
        decision_forbidden(gate->decision, "spec.release",
                           "Release %.*s is not ready (status.ready), so no backup was started. To see why: kubectl "
                           "describe release %.*s",
                           STR_ARG(target), STR_ARG(words_name(arena, gate->target)));
        return false;
    }
    decision_not_found(gate->decision, "spec.release",
                       "%.*s: no such Release%.*s No backup was started. To list Releases: kubectl get releases",
                       STR_ARG(target), STR_ARG(gate_nearest_hint(gate)));
    return false;
}

/* `under_way`: kcm has not reached the release that was asked for before. A backup from now
 * would hold half of each, so older evidence keeps counting. */
bool gate_open(struct gate *gate, const struct request *request, const struct inventory *inventory,
               const struct settings *settings, struct decision *decision)
{
    *gate = (struct gate){
        .request = request,
        .inventory = inventory,
        .settings = settings,
        .decision = decision,
        .running = gate_running_release(request, inventory),
        .before = management_release_before(request, inventory),
        .target = object_text(request, request->object, "spec.release"),
    };
    gate->under_way = gate->before.len && !str_eq(gate->before, gate->running);
    return !str_eq(gate->before, gate->target);
}

void gate_decide(struct gate *gate)
{
    struct decision *decision = gate->decision;
    gate->outcome = UPGRADE_LET_THROUGH;
    if (gate_let_through(gate))
        return;
    gate->outcome = UPGRADE_REFUSED;
    if (!gate->any_target && !gate_target_is_usable(gate)) {
        decision_audit(decision, AUDIT_GATE, "refused: the Release cannot be used");
        return;
    }
    /* status.release names a release about a minute after it was asked for, with nothing of it ready. */
    const struct management *management = inventory_management(gate->inventory);
    struct arena *arena = gate->request->arena;
    if (!gate->under_way && management && management_progress(management) == MANAGEMENT_NOT_READY)
        decision_warn(
            gate->decision,
            "kcm is still installing %.*s (not ready: %.*s). A backup taken now holds a half-installed cluster; "
            "wait and check: kubectl get management %.*s -o yaml",
            STR_ARG(words_name(arena, gate->running)), STR_ARG(strlist_quoted(arena, &management->unready_components)),
            STR_ARG(words_name(arena, management->meta.name)));
    gate_judge(gate);
    bool gated = gate->count > 0 || engines_at(gate, UPGRADE_STEP_PASS) || engines_at(gate, UPGRADE_STEP_WAIT);
    if (gated || !decision->denied)
        management_warn_removed_providers(gate->request, gated, decision);
}

/* A Management that is made beside another one is an upgrade of that. */
static void management_judge_made(const struct request *request, const struct inventory *inventory,
                                  const struct settings *settings, struct decision *decision)
{
    struct gate gate;
    const struct management *other = inventory_management(inventory);
    struct str name = request->name.len ? request->name : object_text(request, request->object, "metadata.name");
    if (!inventory->known[FACT_MANAGEMENTS] || !inventory->known[FACT_MANAGEMENT_BACKUPS]) {
        /* In a cluster they were read for this review, or it was answered 503. */
        decision_warn(decision,
                      "cannot verify whether k0rdent ran here before: Managements or ManagementBackups are not known");
        return;
    }
    if (!other) {
        management_judge_creation(request, inventory, settings, decision);
        return;
    }
    if (str_eq(other->meta.name, name)) /* the API server refuses it, or nobody asks it (audit) */
        return;
    decision_warn(decision,
                  "Management %.*s already exists and k0rdent supports only one: kcm would run the components of both",
                  STR_ARG(words_name(request->arena, other->meta.name)));
    if (gate_open(&gate, request, inventory, settings, decision))
        gate_decide(&gate);
}

void policy_management_life(const struct request *request, const struct inventory *inventory,
                            const struct settings *settings, struct decision *decision)
{
    if (request_by_velero(request, settings) || request_by_kcm(request, settings))
        return;
    if (request->operation == OPERATION_DELETE)
        management_judge_deletion(request, settings, decision);
    if (request->operation != OPERATION_CREATE || !request->object ||
        !edit_check(request, inventory, settings, VERDICT_DENY, decision))
        return;
    management_judge_made(request, inventory, settings, decision);
    if (!decision->denied)
        edit_check(request, inventory, settings, VERDICT_WARN, decision);
}

void policy_management(const struct request *request, const struct inventory *inventory,
                       const struct settings *settings, struct decision *decision)
{
    struct gate gate;
    if (request->operation != OPERATION_UPDATE || !request->object || object_deleting(request->object) ||
        !gate_open(&gate, request, inventory, settings, decision) ||
        !edit_check(request, inventory, settings, VERDICT_DENY, decision))
        return;
    gate_decide(&gate);
    if (!decision->denied || decision->code == 429) /* whoever waits for the gate reads this, too */
        edit_check(request, inventory, settings, VERDICT_WARN, decision);
}

void policy_management_edit(const struct request *request, const struct inventory *inventory,
                            const struct settings *settings, struct decision *decision)
{
    if (request->operation == OPERATION_UPDATE && request->object && !object_deleting(request->object) &&
        !request_changes(request, "spec.release") && edit_check(request, inventory, settings, VERDICT_DENY, decision))
        edit_check(request, inventory, settings, VERDICT_WARN, decision);
}
