/* The upgrade gate's plan: for each ManagementBackup that protects upgrades, whether its evidence lets the change pass,
 * has to be waited for, has to be started, or has failed. The worst one decides; other engines may stand in. */
#include "policy/upgrade/gate.h"
#include "policy/managementbackup/kcm_names.h"
#include "policy/velero/velero.h"

/* How this fits with kcm, which takes its own pre-upgrade backups after the change
 * (management_controller.go ensureUpgradeBackup): once spec.release differs from
 * status.release it gets or creates, per source, the ManagementBackup of the exact
 * name <source>-<status.release>, and waits for its completionTimestamp, whatever
 * its phase or age.
 * - The gate's first backup has that name and label: kcm finds it complete and goes on.
 * - A repeat has a suffix that kcm does not know. Then either the ManagementBackup of
 *   the exact name exists, complete if old: kcm reuses it, which is harmless, as the
 *   fresh one is our evidence. Or only a Velero Backup of that name does: kcm creates
 *   the ManagementBackup, adopts that Backup and goes on at once; as evidence for a
 *   later upgrade it is refused, being older than its ManagementBackup.
 * - What never gets a completionTimestamp (FailedValidation) under the exact name
 *   would hold kcm forever after the change was admitted: evidence_blocker. */

static bool gate_find_sources(struct gate *gate)
{
    const struct inventory *inventory = gate->inventory;
    struct arena *arena = gate->request->arena;
    size_t total = inventory->count[FACT_MANAGEMENT_BACKUPS];
    gate->sources = arena_array(arena, total ? total : 1, sizeof(*gate->sources));
    for (size_t i = 0; gate->sources && i < total; i++) {
        const struct management_backup *backup = inventory->management_backups[i];
        if (backup->schedule.len && backup->on_upgrade && !backup->meta.deleting)
            gate->sources[gate->count++] = (struct upgrade_source){
                .source = backup, .exact = kcm_upgrade_backup(arena, backup->meta.name, gate->running)};
    }
    return gate->sources != NULL;
}

/* Under the exact name kcm finds it; but a name that is taken would adopt what is there. */
static bool gate_exact_name_taken(const struct gate *gate, const struct upgrade_source *source)
{
    return inventory_management_backup(gate->inventory, source->exact) ||
           inventory_backup(gate->inventory, gate->settings->system_namespace, source->exact);
}

/* After a failure the next attempt waits, so that a cause that stays does not fill the bucket. */
static bool gate_may_retry(const struct gate *gate, const struct evidence *evidence)
{
    return evidence->when != 0 && gate->request->now - evidence->when >= gate->settings->upgrade_retry_after_failure;
}

/* Whatever makes the gate's own repeats unfit would do so to the next one: no backup after the other. */
static bool gate_is_unfit_again(const struct gate *gate, const struct upgrade_source *source)
{
    const struct evidence *evidence = &source->evidence;
    return evidence->unfit.len && !str_eq(evidence->backup->meta.name, source->exact) &&
           !gate_may_retry(gate, evidence);
}

/* Only the management cluster's own Backup: a region's lives on the regional cluster, where this webhook sees no
 * annotation. */
static bool gate_lacks_rehearsal(const struct gate *gate, const struct upgrade_source *source)
{
    const struct backup *velero = gate_velero_backup(gate, source->evidence.backup);
    return gate->settings->upgrade_rehearsal == VERDICT_DENY &&
           (!velero || !policy_backup_rehearsal(gate->request->arena, velero, gate->request->now).good);
}

static void gate_plan_pass(const struct gate *gate, struct upgrade_source *source)
{
    struct evidence_blocker blocker = evidence_blocker(gate, source);
    source->blocked = blocker.blocks;
    source->step = blocker.blocks ? UPGRADE_STEP_REFUSE : UPGRADE_STEP_PASS;
    if (blocker.blocks)
        source->says = gate_blocker_message(gate, source, &blocker);
    else if (gate_lacks_rehearsal(gate, source)) {
        source->step = UPGRADE_STEP_REFUSE;
        source->unrehearsed = true;
        source->says = gate_rehearsal_message(gate, source->evidence.backup);
    }
}

/* Waiting is in vain where Velero would refuse the backup the moment it begins with it. One that
 * runs may yet complete, so its storage is only named. */
static void gate_plan_wait(const struct gate *gate, struct upgrade_source *source)
{
    struct str fault = {NULL, 0};
    struct str location = source->evidence.backup->storage_location;
    enum upgrade_step step = source->evidence.region.len ? UPGRADE_STEP_START : gate_storage(gate, location, &fault);
    bool refused = step == UPGRADE_STEP_REFUSE && source->evidence.state == EVIDENCE_NOT_STARTED;
    source->step = refused ? UPGRADE_STEP_REFUSE : UPGRADE_STEP_WAIT;
    source->no_storage = refused;
    source->says = gate_progress_message(gate, source);
    if (fault.len)
        source->says = arena_printf(gate->request->arena, "%.*s%s%.*s", STR_ARG(source->says),
                                    refused ? "; it cannot complete: " : "; ", STR_ARG(fault));
}

/* One source of evidence, in the order of evidence_find's states. What falls out of the switch
 * starts a new backup: nothing there, too old, gone, adopted, or failed long enough ago. */
static void gate_plan_source(const struct gate *gate, struct upgrade_source *source)
{
    source->evidence = evidence_find(gate, source);
    switch (source->evidence.state) {
    case EVIDENCE_COMPLETED:
        gate_plan_pass(gate, source);
        return;
    case EVIDENCE_RUNNING:
    case EVIDENCE_NOT_STARTED:
        gate_plan_wait(gate, source);
        return;
    case EVIDENCE_FAILED:
        if (gate_may_retry(gate, &source->evidence))
            break;
        source->step = UPGRADE_STEP_REFUSE;
        source->says = gate_refusal_message(gate, source);
        return;
    case EVIDENCE_STUCK:
    case EVIDENCE_FUTURE:
        source->step = UPGRADE_STEP_REFUSE;
        source->says = gate_refusal_message(gate, source);
        return;
    case EVIDENCE_ADOPTED:
        if (!gate_is_unfit_again(gate, source))
            break;
        source->step = UPGRADE_STEP_REFUSE;
        source->says = gate_refusal_message(gate, source);
        return;
    case EVIDENCE_OLD:
    case EVIDENCE_GONE:
    case EVIDENCE_NONE:
        break;
    }
    struct arena *arena = gate->request->arena;
    struct str name = source->source->meta.name;
    source->step = gate_storage(gate, source->source->storage_location, &source->says);
    if (source->step != UPGRADE_STEP_START) {
        source->no_storage = true;
        source->says = arena_printf(arena, "%.*s: %.*s", STR_ARG(words_name(arena, name)), STR_ARG(source->says));
        return;
    }
    source->starting = gate_exact_name_taken(gate, source)
                           ? kcm_upgrade_backup_again(arena, name, gate->running, gate->request->now)
                           : source->exact;
    source->says = gate_starting_message(gate, source);
}

static bool gate_any_at(const struct gate *gate, enum upgrade_step step)
{
    for (size_t i = 0; i < gate->count; i++)
        if (gate->sources[i].step == step)
            return true;
    return false;
}

/* False where Velero's Deployments are not known: then the backup itself shows that nothing
 * happens (upgrade.startTimeout). */
static bool gate_velero_is_down(const struct gate *gate)
{
    if (!gate->inventory->known[FACT_VELERO])
        return false;
    for (size_t i = 0; i < gate->inventory->count[FACT_VELERO]; i++)
        if (gate->inventory->velero_deployments[i]->state.ready_replicas > 0)
            return false;
    return true;
}

/* ---- the ManagementBackup to create -------------------------------------- */

/* schedule and performOnManagementUpgrade stay unset: it runs once, as kcm's own does. The name
 * and the label are what kcm looks for (ensureUpgradeBackup), so that it takes this one for its
 * own. The annotations record for a later rollback that it was taken before the release was
 * changed, and when. */
static void gate_create_backup(const struct gate *gate, const struct upgrade_source *source)
{
    struct arena *arena = gate->request->arena;
    struct json_object *object = json_own(arena, json_object_new_object()), *metadata, *labels, *annotations, *spec;
    char now[TIME_TEXT_SIZE];
    time_format(gate->request->now, 0, now);
    /* A Restore may be what asks; the version that is served is put in when it is created. */
    struct str version = str_is(gate->request->kind, "Management") ? gate->request->api_version : STR(API_K0RDENT);
    bool done = json_put_text(object, "apiVersion", version) &&
                json_put_text(object, "kind", STR("ManagementBackup")) && json_put_map(object, "metadata", &metadata) &&
                json_put_text(metadata, "name", source->starting) && json_put_map(metadata, "labels", &labels) &&
                json_put_text(labels, LABEL_RELEASE_BACKUP, kcm_release_label(arena, gate->running)) &&
                json_put_map(metadata, "annotations", &annotations) &&
                json_put_text(annotations, ANNOTATION_TAKEN_BEFORE, gate->target) &&
                json_put_text(annotations, ANNOTATION_TAKEN_BEFORE_AT, str_from(now)) &&
                json_put_map(object, "spec", &spec);
    struct str location = source->source->storage_location;
    if (!done || (location.len && !json_put_text(spec, "storageLocation", location))) {
        arena_fail(arena);
        return;
    }
    decision_create(gate->decision, object,
                    arena_printf(arena, "ManagementBackup %.*s", STR_ARG(words_name(arena, source->starting))));
}

/* ---- the judgement ------------------------------------------------------- */

static bool gate_cache_known(struct gate *gate, enum fact fact, const char *name)
{
    if (gate->inventory->known[fact])
        return true;
    gate->outcome = UPGRADE_UNKNOWN;
    gate_answer_unknown(gate, name);
    decision_audit(gate->decision, AUDIT_GATE, "unknown: %s could not be read", name);
    return false;
}

/* The ManagementBackups alone; other engines are not ours to start. */
static bool gate_waits_for_velero(const struct gate *gate)
{
    return gate_any_at(gate, UPGRADE_STEP_WAIT) || gate_any_at(gate, UPGRADE_STEP_START);
}

static void gate_refuse_velero_down(struct gate *gate)
{
    gate->outcome = UPGRADE_REFUSED;
    gate_answer_velero_down(gate);
    decision_audit(gate->decision, AUDIT_GATE, "refused: Velero is not running");
}

/* A backup that Velero has begun with shows by itself that its CRD admits the first phase. */
static bool gate_any_not_begun(const struct gate *gate)
{
    for (size_t i = 0; i < gate->count; i++) {
        enum evidence_state state = gate->sources[i].evidence.state;
        if (gate->sources[i].step == UPGRADE_STEP_START || state == EVIDENCE_NOT_STARTED || state == EVIDENCE_STUCK)
            return true;
    }
    return false;
}

/* True when it was refused; where only Velero's version decides, it is warned. */
static bool gate_refuse_cannot_start(struct gate *gate)
{
    struct str says = {NULL, 0};
    if (!gate_any_not_begun(gate))
        return false;
    switch (policy_velero_can_start(gate->inventory, gate->settings, gate->request->arena, &says)) {
    case ANSWER_NO:
        gate->outcome = UPGRADE_REFUSED;
        gate_answer_cannot_start(gate, says);
        decision_audit(gate->decision, AUDIT_GATE, "refused: the CRD of Backups is older than Velero");
        return true;
    case ANSWER_DEPENDS:
        velero_warn_cannot_start(gate->inventory, gate->settings, gate->decision);
        return false;
    case ANSWER_YES:
    default:
        return false;
    }
}

/* kcm fails over the same objects before it makes any backup, and waiting would be for nothing.
 * Of a k0rdent that is not in the table that is only likely. policy_backup_holds mirrors kcm's
 * getScope and areAnyBackupsProgressing. */
static bool gate_refuse_held(struct gate *gate)
{
    struct arena *arena = gate->request->arena;
    if (!gate_any_not_begun(gate))
        return false;
    const struct product_version kcm = inventory_kcm_version(gate->inventory, gate->settings, arena).version;
    const struct backup_holds holds = policy_backup_holds(arena, gate->inventory, gate->settings, gate->request->now);
    const struct backup_hold *hold = NULL;
    for (size_t i = 0; i < holds.len && !hold; i++)
        if (holds.items[i].whole)
            hold = &holds.items[i];
    if (!hold)
        return false;
    if (!hold->certain || !kcm.listed) {
        decision_warn(gate->decision, "kcm may start no backup while %.*s. %.*s", STR_ARG(hold->reason),
                      STR_ARG(hold->fix));
        return false;
    }
    gate->outcome = UPGRADE_REFUSED;
    gate_answer_held(gate, hold);
    decision_audit(gate->decision, AUDIT_GATE, "refused: kcm cannot start a backup");
    return true;
}

/* One refusal is enough to hold the upgrade, and then nothing is started: what completes now
 * would be too old when the other source is repaired. The order is from what no waiting can cure
 * to what it can. */
static void gate_answer(struct gate *gate)
{
    struct decision *decision = gate->decision;
    if (gate_waits_for_velero(gate) && gate_velero_is_down(gate)) {
        gate_refuse_velero_down(gate);
    } else if (gate_refuse_cannot_start(gate) || gate_refuse_held(gate)) {
        return;
    } else if (gate_any_at(gate, UPGRADE_STEP_REFUSE) || engines_at(gate, UPGRADE_STEP_REFUSE)) {
        gate->outcome = UPGRADE_REFUSED;
        gate_answer_refused(gate);
        decision_audit(decision, AUDIT_GATE, "refused");
    } else if (gate_waits_for_velero(gate) || engines_at(gate, UPGRADE_STEP_WAIT)) {
        gate->outcome = UPGRADE_WAITS;
        gate_answer_waiting(gate);
        decision_audit(decision, AUDIT_GATE, gate->request->dry_run ? "dry run: would wait" : "waiting");
        for (size_t i = 0; i < gate->count; i++)
            if (gate->sources[i].step == UPGRADE_STEP_START)
                gate_create_backup(gate, &gate->sources[i]);
    } else {
        gate->outcome = UPGRADE_ADMITTED;
        gate_answer_admitted(gate);
        decision_audit(decision, AUDIT_GATE, "passed");
    }
}

static bool gate_engines_known(struct gate *gate)
{
    const struct upgrade_evidence *engine = engines_unknown(gate);
    if (!engine)
        return true;
    gate->outcome = UPGRADE_UNKNOWN;
    engine_answer_unknown(gate, engine);
    return false;
}

/* Sources are planned where no other engine's backup makes them needless. */
static bool gate_plan_all(struct gate *gate)
{
    if (engines_alternative(gate, ENGINE_GOOD) || gate->count == 0)
        return true;
    /* Without Velero there may be no CRD of its Backups either, and that is no passing trouble. */
    if (!gate->inventory->known[FACT_BACKUPS] && gate_velero_is_down(gate)) {
        gate_refuse_velero_down(gate);
        return false;
    }
    if (!gate_cache_known(gate, FACT_BACKUPS, "Velero Backups"))
        return false;
    if (gate->settings->storage_not_durable == VERDICT_DENY &&
        !gate_cache_known(gate, FACT_STORAGE_LOCATIONS, "BackupStorageLocations"))
        return false;
    for (size_t i = 0; i < gate->count; i++)
        gate_plan_source(gate, &gate->sources[i]);
    return true;
}

/* The steps: is everything known that decides; which ManagementBackups protect upgrades; what
 * other engines have; the plan for each; how the two go together; the answer. "Unknown" is
 * answered 503 before anything is started. */
void gate_judge(struct gate *gate)
{
    if (!gate_cache_known(gate, FACT_MANAGEMENT_BACKUPS, "ManagementBackups") || !gate_find_sources(gate) ||
        !engines_find(gate))
        return;
    engines_audit(gate);
    if (!gate_engines_known(gate))
        return;
    if (gate->count == 0 && !engines_any_alternative(gate)) {
        /* No ManagementBackup protects upgrades, and no other engine is to stand in for one. */
        bool refused = gate->settings->upgrade_without_backups == VERDICT_DENY;
        gate->outcome = UPGRADE_UNPROTECTED;
        if (refused || gate->engine_count == 0) {
            gate_answer_unprotected(gate);
        } else {
            gate_answer(gate);
            if (gate->outcome == UPGRADE_ADMITTED)
                gate_answer_unprotected(gate);
        }
        return;
    }
    if (!gate_plan_all(gate))
        return;
    engines_combine(gate);
    if (!gate_engines_known(gate)) /* now also those of anyOf, where nothing else will do */
        return;
    gate_answer(gate);
    if (gate->outcome == UPGRADE_ADMITTED && gate->count == 0)
        gate_warn_of_kcm(gate);
}

void gate_warn_of_kcm(struct gate *gate)
{
    size_t counted = gate->count;
    gate->count = 0;
    if (!gate->inventory->known[FACT_MANAGEMENT_BACKUPS] || !gate_find_sources(gate))
        return;
    struct arena *arena = gate->request->arena;
    for (size_t i = 0; i < gate->count; i++) {
        struct str exact = words_name(arena, gate->sources[i].exact);
        if (gate->inventory->known[FACT_BACKUPS] && evidence_blocker(gate, &gate->sources[i]).blocks)
            decision_warn(gate->decision,
                          "kcm will wait forever for ManagementBackup %.*s, which failed Velero's validation. Delete "
                          "it and the Velero Backup of that name first",
                          STR_ARG(exact));
        else
            decision_warn(
                gate->decision,
                "kcm still waits for ManagementBackup %.*s before it upgrades, and creates it if it is missing",
                STR_ARG(exact));
    }
    gate->count = counted;
}
