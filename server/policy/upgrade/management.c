/* Who passes the gate without a backup: a restore by Velero, a first install, the rollback
 * to what still runs, the switch in the settings, an annotation with a reason. Each is said in a
 * warning and recorded in an audit annotation. */
#include "backstop/grammar.h"
#include "backstop/policy.h"
#include "policy/upgrade/gate.h"
#include "policy/velero/velero.h"

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
        !management_edit_check(request, inventory, settings, VERDICT_DENY, decision))
        return;
    management_judge_made(request, inventory, settings, decision);
    if (!decision->denied)
        management_edit_check(request, inventory, settings, VERDICT_WARN, decision);
}

void policy_management(const struct request *request, const struct inventory *inventory,
                       const struct settings *settings, struct decision *decision)
{
    struct gate gate;
    if (request->operation != OPERATION_UPDATE || !request->object || object_deleting(request->object) ||
        !gate_open(&gate, request, inventory, settings, decision) ||
        !management_edit_check(request, inventory, settings, VERDICT_DENY, decision))
        return;
    gate_decide(&gate);
    if (!decision->denied || decision->code == 429) /* whoever waits for the gate reads this, too */
        management_edit_check(request, inventory, settings, VERDICT_WARN, decision);
}

void policy_management_edit(const struct request *request, const struct inventory *inventory,
                            const struct settings *settings, struct decision *decision)
{
    if (request->operation == OPERATION_UPDATE && request->object && !object_deleting(request->object) &&
        !request_changes(request, "spec.release") &&
        management_edit_check(request, inventory, settings, VERDICT_DENY, decision))
        management_edit_check(request, inventory, settings, VERDICT_WARN, decision);
}
