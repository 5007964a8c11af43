/* What there is of a pre-upgrade backup, and whether it can be relied on. An attempt is one
 * ManagementBackup of the right name and label; its parts are the Velero Backups of the
 * management cluster and of each region; the worst part decides, and of several attempts the
 * best.
 *
 * kcm looks only at completionTimestamp: a Failed backup, one of a year ago, one that somebody
 * else made and kcm adopted, all let its upgrade go on. Here each of these has a state of its
 * own. */
#include "policy/managementbackup/kcm_names.h"
#include "policy/storage/storage.h"
#include "policy/upgrade/gate.h"

/* Asked before a backup is started, so that nobody waits for one that cannot complete. Of
 * several defaults Velero takes the newest, so that one is judged; a location that is being
 * deleted still takes backups. */
static const enum upgrade_step steps[] = {
    [STORAGE_MISSING] = UPGRADE_STEP_REFUSE,         [STORAGE_NONE_AT_ALL] = UPGRADE_STEP_REFUSE,
    [STORAGE_NO_DEFAULT] = UPGRADE_STEP_REFUSE,      [STORAGE_SEVERAL_DEFAULTS] = UPGRADE_STEP_START,
    [STORAGE_UNMARKED_DEFAULT] = UPGRADE_STEP_START, [STORAGE_NOT_VALIDATED] = UPGRADE_STEP_WAIT,
    [STORAGE_UNAVAILABLE] = UPGRADE_STEP_REFUSE,     [STORAGE_READ_ONLY] = UPGRADE_STEP_REFUSE,
    [STORAGE_DELETING] = UPGRADE_STEP_START,
};

static bool gate_storage_any_at(const struct storage_faults *faults, enum upgrade_step step)
{
    for (size_t i = 0; i < faults->count; i++)
        if (steps[faults->items[i].kind] == step)
            return true;
    return false;
}

/* The field is named where it is what to change; while it waits, nothing is. */
static struct str gate_storage_message(const struct storage_faults *faults, enum upgrade_step step, struct arena *arena)
{
    const char *field = step == UPGRADE_STEP_REFUSE ? "spec.storageLocation: " : "";
    struct str says = {NULL, 0};
    for (size_t i = 0; i < faults->count; i++)
        if (steps[faults->items[i].kind] == step)
            says = arena_printf(arena, "%.*s%s%.*s", STR_ARG(says), says.len ? ". " : field,
                                STR_ARG(faults->items[i].says));
    return says;
}

enum upgrade_step gate_storage(const struct gate *gate, struct str location, struct str *says)
{
    struct arena *arena = gate->request->arena;
    if (!gate->inventory->known[FACT_STORAGE_LOCATIONS])
        return UPGRADE_STEP_START;
    const struct storage_target target = {gate->inventory, gate->settings->system_namespace, location};
    const struct storage_faults faults = storage_find_faults(&target, arena);
    struct str lost = faults.location && gate->settings->storage_not_durable == VERDICT_DENY
                          ? storage_lost(arena, faults.location, NULL)
                          : (struct str){NULL, 0};
    if (lost.len) {
        *says = arena_printf(arena, "spec.storageLocation: %.*s %.*s (settings storage.notDurable: deny)",
                             STR_ARG(storage_subject(&target, faults.location, arena)), STR_ARG(lost));
        return UPGRADE_STEP_REFUSE;
    }
    if (!gate_storage_any_at(&faults, UPGRADE_STEP_REFUSE) && !gate_storage_any_at(&faults, UPGRADE_STEP_WAIT))
        return UPGRADE_STEP_START;
    enum upgrade_step step =
        gate_storage_any_at(&faults, UPGRADE_STEP_REFUSE) ? UPGRADE_STEP_REFUSE : UPGRADE_STEP_WAIT;
    *says = gate_storage_message(&faults, step, arena);
    return step;
}

/* ---- the parts of a management backup ------------------------------------ */

/* The management cluster's Velero Backup, or one region's. */
struct part {
    struct str region, velero, error;
    const struct backup_status *status;
    bool adopted, gone;
    struct str unfit;   /* why nothing can be restored from it although it says Completed; absent: it is fit */
    const char *hollow; /* what it lacks although it says Completed; else NULL */
};

/* The attempt under judgement, and whose it is to be. */
struct evidence_attempt {
    const struct gate *gate;
    const struct management_backup *source, *backup;
};

/* kcm creates the Velero Backup after the ManagementBackup, unless one of that name
 * exists: then it takes that one for its own, whatever it holds. Velero's clock
 * writes the start, the API server's the creation. */
static bool is_older(const struct management_backup *backup, const struct backup_status *status, int64_t created)
{
    int64_t since = backup->meta.created;
    if (since == 0)
        return false;
    return (created != 0 && created < since) || (status->started != 0 && status->started < since - GATE_CLOCK_SKEW);
}

/* ---- whether a Completed Backup is one to restore from -------------------- */

/* Where the source's backups go: what it names, else Velero's default. */
static struct str location_of_source(const struct evidence_attempt *attempt)
{
    struct str named = attempt->source->storage_location;
    const struct storage_location *chosen =
        inventory_default_location(attempt->gate->inventory, attempt->gate->settings->system_namespace, NULL);
    return named.len || !chosen ? named : chosen->meta.name;
}

/* A ManagementBackup of the right name, made by hand, may point anywhere. Where neither it nor its
 * source names a location the choice was Velero's. */
static struct str evidence_misplaced(const struct evidence_attempt *attempt, const struct backup *velero)
{
    struct arena *arena = attempt->gate->request->arena;
    struct str wanted = location_of_source(attempt), is = velero->storage_location;
    bool left_to_velero = !attempt->source->storage_location.len && !attempt->backup->storage_location.len;
    if (str_eq(is, wanted) || left_to_velero)
        return (struct str){NULL, 0};
    return arena_printf(arena, "is in storage location %.*s, and those of %.*s belong in %.*s",
                        STR_ARG(arena_quote(arena, is)), STR_ARG(words_name(arena, attempt->source->meta.name)),
                        STR_ARG(arena_quote(arena, wanted)));
}

/* The location is not there, was found Unavailable, or is of a class that the settings do not allow. */
static struct str out_of_reach(const struct evidence_attempt *attempt, const struct backup *velero)
{
    const struct gate *gate = attempt->gate;
    const struct storage_location *location =
        inventory_storage_location(gate->inventory, velero->meta.ns, velero->storage_location);
    if (!velero->storage_location.len || !gate->inventory->known[FACT_STORAGE_LOCATIONS])
        return (struct str){NULL, 0};
    if (!location || str_is(location->phase, "Unavailable"))
        return STR("is in a storage location that cannot be read");
    const char *inside = storage_class_inside(storage_location_class(location));
    if (!inside || gate->settings->storage_not_durable != VERDICT_DENY)
        return (struct str){NULL, 0};
    return arena_printf(gate->request->arena, "is kept %s, which settings storage.notDurable do not allow", inside);
}

/* Why nothing can be restored from a Completed Backup of that name: kcm did not make it (it may be of no
 * namespaces, and kcm would have taken it for its own), Velero did not complete it, or it lies in the wrong
 * place. Absent: it is fit. */
static struct str unfit_because(const struct evidence_attempt *attempt, const struct backup *velero)
{
    const struct gate *gate = attempt->gate;
    struct str why;
    if ((velero->identity.marks & BACKUP_KCM_MARKS) != BACKUP_KCM_MARKS)
        return STR("is not one that kcm made for it");
    if (!backup_status_by_velero(gate->request->arena, velero, gate->settings, &why))
        return why;
    why = evidence_misplaced(attempt, velero);
    return why.len ? why : out_of_reach(attempt, velero);
}

/* What kcm's own Completed backup lacks. Another one would lack the same until somebody sees to it, so none is
 * started at once. */
static const char *hollow_because(const struct backup *velero)
{
    if (velero->status.counted && velero->status.items_total == 0)
        return "it is empty";
    return backup_lacks_management(velero)
               ? "it contains no Management, because a namespace is excluded from it: kubectl get "
                 "namespaces -l velero.io/exclude-from-backup=true"
               : NULL;
}

/* ---- the parts, read ------------------------------------------------------ */

/* kcm copies the status of Velero's Backup about once a minute, so the Backup itself knows more. It may
 * also be gone (deleted, expired), and kcm then keeps what it copied last: no backup stands behind that. */
static struct part main_part(const struct evidence_attempt *attempt)
{
    const struct management_backup *backup = attempt->backup;
    const struct backup *velero =
        inventory_backup(attempt->gate->inventory, attempt->gate->settings->system_namespace, backup->meta.name);
    struct part part = {.velero = backup->meta.name, .error = backup->error, .status = &backup->last_backup};
    if (velero)
        part.status = &velero->status;
    part.adopted = is_older(backup, part.status, velero ? velero->meta.created : 0);
    enum phase phase = phase_of(part.status->phase);
    if (velero && phase == PHASE_COMPLETED) {
        part.unfit = unfit_because(attempt, velero);
        part.hollow = hollow_because(velero);
    }
    part.gone =
        velero ? velero->meta.deleting : phase == PHASE_RUNNING || phase == PHASE_UNKNOWN || phase == PHASE_COMPLETED;
    return part;
}

/* A region's Velero Backup lives on the regional cluster. It reaches this one only
 * by sync from the shared bucket, once it is done: absence here says nothing, and
 * kcm's word is all there is then. */
static struct part region_part(const struct evidence_attempt *attempt, const struct region_status *region)
{
    const struct management_backup *backup = attempt->backup;
    const struct backup *synced =
        inventory_backup(attempt->gate->inventory, attempt->gate->settings->system_namespace, region->backup_name);
    struct part part = {
        .region = region->region, .velero = region->backup_name, .error = region->error, .status = &region->backup};
    if (synced && str_eq(synced->region, region->region) && !is_older(backup, &synced->status, 0) &&
        phase_rank(synced->status.phase) >= phase_rank(part.status->phase)) {
        part.status = &synced->status;
        if (phase_is(part.status->phase, PHASE_COMPLETED)) {
            part.unfit = unfit_because(attempt, synced);
            part.hollow = hollow_because(synced);
        }
    }
    part.adopted = is_older(backup, part.status, 0);
    return part;
}

static int64_t first_known(int64_t a, int64_t b, int64_t c)
{
    if (a != 0)
        return a;
    return b != 0 ? b : c;
}

/* The order of the tests is that of trust: whose backup it is, whether it is still there, how it
 * ended. Only then its age, for all parts together. */
static struct evidence judge_part(const struct evidence_attempt *attempt, const struct part *part)
{
    const struct gate *gate = attempt->gate;
    const struct management_backup *backup = attempt->backup;
    const struct backup_status *status = part->status;
    int64_t now = gate->request->now, created = backup->meta.created;
    struct evidence evidence = {.backup = backup,
                                .region = part->region,
                                .velero = part->velero,
                                .error = part->error,
                                .status = status,
                                .unfit = part->unfit,
                                .hollow = part->hollow};
    enum phase phase = phase_of(status->phase);
    evidence.when = phase == PHASE_WAITING ? created : first_known(status->completed, status->started, created);
    if (part->adopted || part->unfit.len)
        evidence.state = EVIDENCE_ADOPTED;
    else if (part->gone || phase == PHASE_DELETING || (status->expires != 0 && status->expires <= now))
        evidence.state = EVIDENCE_GONE;
    else if (phase_has_failed(status->phase) || part->hollow)
        evidence.state = EVIDENCE_FAILED;
    else if (phase == PHASE_COMPLETED)
        evidence.state = EVIDENCE_COMPLETED;
    else if (phase == PHASE_RUNNING || phase == PHASE_UNKNOWN)
        evidence.state = EVIDENCE_RUNNING;
    else
        evidence.state = created != 0 && now - created > gate->settings->upgrade_start_timeout ? EVIDENCE_STUCK
                                                                                               : EVIDENCE_NOT_STARTED;
    return evidence;
}

/* All parts together: the worst state; a whole that is complete was so when its last part was. */
static struct evidence evidence_worse(struct evidence a, struct evidence b)
{
    if (a.state != b.state)
        return a.state > b.state ? a : b;
    return a.state == EVIDENCE_COMPLETED && b.when > a.when ? b : a;
}

/* The age counts from completion. A backup taken before an upgrade began stays the
 * right one however long the upgrade takes: a newer one would hold a half-upgraded cluster. */
static enum evidence_state evidence_judge_age(const struct gate *gate, int64_t completed)
{
    int64_t age = gate->request->now - completed;
    if (age < -GATE_CLOCK_SKEW)
        return EVIDENCE_FUTURE;
    return age > gate->settings->upgrade_max_backup_age && !gate->under_way ? EVIDENCE_OLD : EVIDENCE_COMPLETED;
}

static struct evidence judge_backup(const struct evidence_attempt *attempt)
{
    const struct management_backup *backup = attempt->backup;
    struct part part = main_part(attempt);
    struct evidence evidence = judge_part(attempt, &part);
    for (size_t i = 0; i < backup->region_count; i++) {
        part = region_part(attempt, &backup->regions[i]);
        evidence = evidence_worse(evidence, judge_part(attempt, &part));
    }
    if (evidence.state == EVIDENCE_COMPLETED)
        evidence.state = evidence_judge_age(attempt->gate, evidence.when);
    return evidence;
}

/* ---- which of several ---------------------------------------------------- */

/* A good one counts whatever came after it, one on its way is waited for; otherwise
 * the newest attempt speaks. */
static int evidence_usefulness(const struct evidence *evidence)
{
    switch (evidence->state) {
    case EVIDENCE_COMPLETED:
        return 2;
    case EVIDENCE_RUNNING:
    case EVIDENCE_NOT_STARTED:
        return 1;
    default:
        return 0;
    }
}

/* Ties are broken by age and then by name, so that every replica picks the same. */
static bool is_better(const struct evidence *a, const struct evidence *b)
{
    if (b->state == EVIDENCE_NONE)
        return true;
    int difference = evidence_usefulness(a) - evidence_usefulness(b);
    if (difference != 0)
        return difference > 0;
    if (a->backup->meta.created != b->backup->meta.created)
        return a->backup->meta.created > b->backup->meta.created;
    return str_cmp(a->backup->meta.name, b->backup->meta.name) > 0;
}

/* The label alone can be set by anybody and is cut for long release names; the name must fit as
 * well. */
struct evidence evidence_find(const struct gate *gate, const struct upgrade_source *source)
{
    struct arena *arena = gate->request->arena;
    const struct inventory *inventory = gate->inventory;
    struct str label = kcm_release_label(arena, gate->running);
    struct evidence best = {.state = EVIDENCE_NONE};
    for (size_t i = 0; i < inventory->count[FACT_MANAGEMENT_BACKUPS]; i++) {
        const struct management_backup *backup = inventory->management_backups[i];
        if (!str_eq(backup->release, label) || backup->schedule.len || backup->meta.deleting ||
            !kcm_is_upgrade_backup(arena, backup->meta.name, source->source->meta.name, gate->running))
            continue;
        const struct evidence_attempt attempt = {gate, source->source, backup};
        struct evidence evidence = judge_backup(&attempt);
        if (is_better(&evidence, &best))
            best = evidence;
    }
    return best;
}

/* FailedValidation sets no completionTimestamp, which is what kcm waits for. */
static bool never_completes(const struct backup_status *status)
{
    return phase_has_failed(status->phase) && status->completed == 0;
}

struct evidence_blocker evidence_blocker(const struct gate *gate, const struct upgrade_source *source)
{
    const struct management_backup *backup = inventory_management_backup(gate->inventory, source->exact);
    if (!backup) {
        /* kcm will create it and adopt what Velero has under that name. */
        const struct backup *velero =
            inventory_backup(gate->inventory, gate->settings->system_namespace, source->exact);
        return (struct evidence_blocker){.blocks = velero && never_completes(&velero->status), .velero = source->exact};
    }
    const struct evidence_attempt attempt = {gate, source->source, backup};
    struct part part = main_part(&attempt);
    for (size_t i = 0; i < backup->region_count && !never_completes(part.status); i++)
        part = region_part(&attempt, &backup->regions[i]);
    return (struct evidence_blocker){never_completes(part.status), part.region, part.velero};
}
