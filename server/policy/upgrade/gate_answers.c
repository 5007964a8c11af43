/* The gate's whole answers, one function for each outcome.
 *
 * Whoever reads one may have seen none before: kubectl retries a 429 by itself and prints only
 * the last answer. So each names both releases, the backup, what happens next, and ends with the
 * command. */
#include "policy/storage/storage.h"
#include "policy/upgrade/gate.h"
#include "policy/velero/velero.h"

/* The whole answers of the gate, put together from the sources' clauses. */

enum { ANSWER_LIMIT = 32 * 1024 };

static struct str gate_release_name(const struct gate *gate, struct str release)
{
    return words_name(gate->request->arena, release);
}

/* The clauses of the sources at one of these steps, joined. */
static struct str gate_clauses(const struct gate *gate, bool refused)
{
    BUF_SCOPED text;
    buf_init(&text, ANSWER_LIMIT);
    for (size_t i = 0; i < gate->count; i++) {
        const struct upgrade_source *source = &gate->sources[i];
        if (source->step == UPGRADE_STEP_PASS || (source->step == UPGRADE_STEP_REFUSE) != refused)
            continue;
        if (text.len)
            buf_puts(&text, refused ? ". " : "; ");
        buf_add(&text, source->says);
    }
    for (size_t i = 0; i < gate->engine_count; i++) {
        const struct upgrade_evidence *engine = &gate->engines[i];
        if (!engine->counts || engine->step == UPGRADE_STEP_PASS || (engine->step == UPGRADE_STEP_REFUSE) != refused)
            continue;
        if (text.len)
            buf_puts(&text, engine->source->alternative ? "; or instead " : refused ? ". " : "; ");
        buf_add(&text, engine->says);
    }
    return arena_copy(gate->request->arena, arena_text(gate->request->arena, &text));
}

static bool gate_any_source_waits(const struct gate *gate)
{
    for (size_t i = 0; i < gate->count; i++)
        if (gate->sources[i].step == UPGRADE_STEP_WAIT || gate->sources[i].step == UPGRADE_STEP_START)
            return true;
    return false;
}

/* Whether the answer is about several backups. */
static bool gate_has_several_backups(const struct gate *gate)
{
    size_t count = gate_any_source_waits(gate);
    for (size_t i = 0; i < gate->engine_count; i++)
        count += gate->engines[i].counts && gate->engines[i].step == UPGRADE_STEP_WAIT;
    return gate->count > 1 || count > 1;
}

/* The names to watch: what runs and what is being started. */
static struct str gate_watched_names(const struct gate *gate)
{
    BUF_SCOPED text;
    buf_init(&text, ANSWER_LIMIT);
    for (size_t i = 0; i < gate->count; i++) {
        const struct upgrade_source *source = &gate->sources[i];
        struct str name = source->starting;
        if (source->step == UPGRADE_STEP_WAIT && source->evidence.backup)
            name = source->evidence.backup->meta.name;
        if (source->step == UPGRADE_STEP_PASS || source->step == UPGRADE_STEP_REFUSE || name.len == 0)
            continue;
        buf_putc(&text, ' ');
        buf_add(&text, words_name(gate->request->arena, name));
    }
    return arena_copy(gate->request->arena, arena_text(gate->request->arena, &text));
}

static void gate_warn_under_way(const struct gate *gate)
{
    if (gate->under_way)
        decision_warn(gate->decision,
                      "the upgrade from %.*s to %.*s has not finished yet; this changes its target to %.*s",
                      STR_ARG(gate_release_name(gate, gate->running)), STR_ARG(gate_release_name(gate, gate->before)),
                      STR_ARG(gate_release_name(gate, gate->target)));
}

/* True when good backups are there, and only kcm's own wait stands against the upgrade:
 * the way past the gate would lead straight into that wait. */
static bool gate_is_only_blocked(const struct gate *gate)
{
    for (size_t i = 0; i < gate->count; i++)
        if (gate->sources[i].step == UPGRADE_STEP_REFUSE && !gate->sources[i].blocked)
            return false;
    return !engines_at(gate, UPGRADE_STEP_REFUSE);
}

/* The backup is good: the fix is to rehearse it, and no reason to upgrade without one. */
static bool gate_is_only_unrehearsed(const struct gate *gate)
{
    for (size_t i = 0; i < gate->count; i++)
        if (gate->sources[i].step == UPGRADE_STEP_REFUSE && !gate->sources[i].unrehearsed)
            return false;
    return !engines_at(gate, UPGRADE_STEP_REFUSE);
}

/* The way past the gate is offered in every refusal but two: where only kcm would hang, skipping
 * the gate would lead into that; and where a good backup is there. */
void gate_answer_refused(const struct gate *gate)
{
    struct str from = gate_release_name(gate, gate->running), to = gate_release_name(gate, gate->target);
    struct str says = gate_clauses(gate, true);
    gate_warn_under_way(gate);
    if (gate_is_only_blocked(gate))
        decision_forbid(gate->decision, "upgrade from %.*s to %.*s would hang: %.*s", STR_ARG(from), STR_ARG(to),
                        STR_ARG(says));
    else if (gate_is_only_unrehearsed(gate))
        decision_forbid(gate->decision, "upgrade from %.*s to %.*s blocked: %.*s", STR_ARG(from), STR_ARG(to),
                        STR_ARG(says));
    else
        decision_forbid(gate->decision, "upgrade from %.*s to %.*s blocked: %.*s%s %.*s", STR_ARG(from), STR_ARG(to),
                        STR_ARG(says), str_ends(says, STR("?")) ? "" : ".", STR_ARG(gate_skip_hint(gate->request)));
}

/* ". Until then the newest backup to restore from is kcm-backup-20261121000000, 2h56m old". */
static struct str gate_recovery_point(const struct gate *gate)
{
    struct arena *arena = gate->request->arena;
    int64_t now = gate->request->now;
    char age[TIME_TEXT_SIZE];
    if (!gate->inventory->known[FACT_BACKUPS])
        return STR("");
    const struct recovery_candidate point = policy_recovery_point(arena, gate->inventory, gate->settings, now);
    if (!point.object)
        return STR(". Until then there is no backup to restore from");
    int64_t old = now > point.object->status.completed ? now - point.object->status.completed : 0;
    struct str name = words_name(arena, point.object->meta.name);
    if (point.flaw != RECOVERY_SOUND)
        return arena_printf(arena, ". Until then the newest backup to restore from is %.*s, but it %.*s", STR_ARG(name),
                            STR_ARG(point.why));
    return arena_printf(arena, ". Until then the newest backup to restore from is %.*s, %s old", STR_ARG(name),
                        duration_format(old, age));
}

/* kubectl would retry a dry run ten times for nothing, since nothing was started: 403. */
void gate_answer_waiting(const struct gate *gate)
{
    const struct request *request = gate->request;
    struct arena *arena = request->arena;
    struct str from = gate_release_name(gate, gate->running), to = gate_release_name(gate, gate->target);
    struct str half = gate->under_way ? STR("; the cluster is between two releases and no earlier backup is left, so "
                                            "this one holds a half-upgraded cluster")
                                      : STR("");
    gate_warn_under_way(gate);
    if (request->dry_run) {
        decision_forbid(gate->decision,
                        "dry run: the upgrade from %.*s to %.*s would first wait for its pre-upgrade backup%s "
                        "(%.*s%.*s). Nothing was created",
                        STR_ARG(from), STR_ARG(to), gate_has_several_backups(gate) ? "s" : "",
                        STR_ARG(gate_clauses(gate, false)), STR_ARG(half));
        gate->decision->waits = true;
        return;
    }
    struct str names = gate_watched_names(gate), ns = words_name(arena, gate->settings->system_namespace);
    struct str watch = names.len ? arena_printf(arena,
                                                ". To watch: kubectl get managementbackup%.*s -o wide; kubectl get "
                                                "backups.velero.io -n %.*s%.*s -o yaml",
                                                STR_ARG(names), STR_ARG(ns), STR_ARG(names))
                                 : STR("");
    bool more = gate_has_several_backups(gate);
    decision_wait(gate->decision, 429, gate->settings->upgrade_retry_after,
                  "upgrade from %.*s to %.*s: waiting for pre-upgrade backup%s (%.*s%.*s). Re-apply the same change; "
                  "it is admitted once %s%s%.*s%.*s",
                  STR_ARG(from), STR_ARG(to), more ? "s" : "", STR_ARG(gate_clauses(gate, false)), STR_ARG(half),
                  more ? "the backups complete" : "the backup completes",
                  gate->settings->upgrade_rehearsal != VERDICT_DENY ? ""
                  : more ? " and have been rehearsed (backstop rehearse BACKUP --record)"
                         : " and has been rehearsed (backstop rehearse BACKUP --record)",
                  STR_ARG(gate_recovery_point(gate)), STR_ARG(watch));
}

/* The regions of the source (by its scheduled backups) that this backup lacks. kcm
 * leaves a region out while it cannot be reached, and never forgets a former one, so
 * this cannot be a refusal. */
static void gate_warn_missing_regions(const struct gate *gate, const struct upgrade_source *source)
{
    const struct management_backup *backup = source->evidence.backup;
    struct arena *arena = gate->request->arena;
    for (size_t i = 0; i < source->source->region_count; i++) {
        struct str region = source->source->regions[i].region;
        bool found = false;
        for (size_t j = 0; j < backup->region_count; j++)
            found = found || str_eq(backup->regions[j].region, region);
        if (!found)
            decision_warn(gate->decision, "pre-upgrade backup %.*s does not include region %.*s, which %.*s backs up",
                          STR_ARG(words_name(arena, backup->meta.name)), STR_ARG(words_name(arena, region)),
                          STR_ARG(words_name(arena, source->source->meta.name)));
    }
}

/* kcm makes its own only after spec.release has changed; and annotations may outlive what they tell of. */
static bool gate_was_taken_before(const struct gate *gate, const struct management_backup *backup)
{
    const struct backup *velero = gate_velero_backup(gate, backup);
    return velero && upgrade_backup_holds(gate->inventory, velero) == HOLDS_OLD;
}

static const struct storage_location *gate_backup_location(const struct gate *gate,
                                                           const struct management_backup *backup)
{
    const struct backup *velero = gate_velero_backup(gate, backup);
    return velero ? inventory_storage_location(gate->inventory, velero->meta.ns, velero->storage_location) : NULL;
}

/* Allowed by the settings (storage.notDurable), and yet not what one would want to fall back on. */
static void gate_warn_not_durable(const struct gate *gate, const struct management_backup *backup)
{
    const struct storage_location *location = gate_backup_location(gate, backup);
    struct arena *arena = gate->request->arena;
    struct str lost = location ? storage_lost(arena, location, NULL) : (struct str){NULL, 0};
    if (lost.len && gate->settings->storage_not_durable == VERDICT_WARN)
        decision_warn(gate->decision, "BackupStorageLocation %.*s of %.*s %.*s",
                      STR_ARG(arena_quote(arena, location->meta.name)), STR_ARG(words_name(arena, backup->meta.name)),
                      STR_ARG(lost));
}

void gate_answer_admitted(const struct gate *gate)
{
    struct arena *arena = gate->request->arena;
    BUF_SCOPED evidence;
    buf_init(&evidence, ANSWER_LIMIT);
    gate_warn_under_way(gate);
    for (size_t i = 0; i < gate->count; i++) {
        const struct upgrade_source *source = &gate->sources[i];
        const struct management_backup *backup = source->evidence.backup;
        struct str name = words_name(arena, backup->meta.name);
        char when[TIME_TEXT_SIZE];
        time_format(source->evidence.when, 0, when);
        decision_warn(gate->decision, "pre-upgrade backup %.*s completed %.*s (%s)", STR_ARG(name),
                      STR_ARG(gate_ago(arena, gate->request->now, source->evidence.when)), when);
        if (!gate_was_taken_before(gate, backup))
            decision_warn(gate->decision,
                          "%.*s was not started by this gate: if kcm made it, a rollback from it needs a resource "
                          "modifier that sets spec.release",
                          STR_ARG(name));
        gate_warn_not_durable(gate, backup);
        /* Whose garbage collector does not know what is kept here. */
        const struct storage_location *location = gate_backup_location(gate, backup);
        const struct foreign_writer writer = policy_foreign_writer(gate->inventory, gate->settings, location);
        if (writer.newest)
            decision_warn(gate->decision, "BackupStorageLocation %.*s %.*s. " FOREIGN_WRITER_FIX,
                          STR_ARG(arena_quote(arena, location->meta.name)),
                          STR_ARG(policy_foreign_writer_reason(arena, &writer, gate->request->now)));
        /* settings upgrade.rehearsal: warn. With require the source was refused before. */
        const struct backup *velero = gate_velero_backup(gate, backup);
        if (gate->settings->upgrade_rehearsal != VERDICT_ALLOW && velero) {
            const struct backup_rehearsal rehearsal = policy_backup_rehearsal(arena, velero, gate->request->now);
            if (rehearsal.good)
                decision_warn(gate->decision, "pre-upgrade backup %.*s %.*s",
                              STR_ARG(words_name(arena, backup->meta.name)), STR_ARG(rehearsal.says));
            else
                decision_warn(gate->decision, "%.*s", STR_ARG(gate_rehearsal_message(gate, backup)));
        }
        gate_warn_missing_regions(gate, source);
        buf_printf(&evidence, "%s%.*s completed %s", i ? ", " : "", STR_ARG(backup->meta.name), when);
    }
    engines_warn_passed(gate);
    struct str text = arena_text(gate->decision->arena, &evidence);
    if (text.len)
        decision_audit(gate->decision, "pre-upgrade-backup", "%.*s", STR_ARG(text));
}

/* 503, not 403: nothing is wrong with the request, and clients may try again. */
void gate_answer_unknown(const struct gate *gate, const char *facts)
{
    decision_wait(gate->decision, 503, gate->settings->upgrade_retry_after,
                  "cannot verify the pre-upgrade backup: the %s could not be read. Nothing was changed; retry. If it "
                  "persists, see /readyz?verbose. %.*s",
                  facts, STR_ARG(gate_skip_hint(gate->request)));
}

void gate_answer_velero_down(const struct gate *gate)
{
    struct str ns = words_name(gate->request->arena, gate->settings->system_namespace);
    bool installed = gate->inventory->count[FACT_VELERO] > 0;
    decision_forbid(gate->decision,
                    "upgrade from %.*s to %.*s blocked: %s, so no pre-upgrade backup can complete. See: kubectl get "
                    "deployments -n %.*s -l component=velero. %.*s",
                    STR_ARG(gate_release_name(gate, gate->running)), STR_ARG(gate_release_name(gate, gate->target)),
                    installed ? "Velero is not running (no ready replica)" : "Velero is not installed", STR_ARG(ns),
                    STR_ARG(gate_skip_hint(gate->request)));
}

void gate_answer_cannot_start(const struct gate *gate, struct str why)
{
    decision_forbid(gate->decision,
                    "upgrade from %.*s to %.*s blocked: %.*s. To update the CRDs: " VELERO_CRDS_COMMAND ". %.*s",
                    STR_ARG(gate_release_name(gate, gate->running)), STR_ARG(gate_release_name(gate, gate->target)),
                    STR_ARG(why), STR_ARG(gate_skip_hint(gate->request)));
}

void gate_answer_held(const struct gate *gate, const struct backup_hold *hold)
{
    decision_forbid(gate->decision, "upgrade from %.*s to %.*s blocked: kcm starts no backup while %.*s. %.*s. %.*s",
                    STR_ARG(gate_release_name(gate, gate->running)), STR_ARG(gate_release_name(gate, gate->target)),
                    STR_ARG(hold->reason), STR_ARG(hold->fix), STR_ARG(gate_skip_hint(gate->request)));
}

/* What to do about it: the field to set on which object. */
static struct str gate_protection_advice(const struct gate *gate, const struct management_backup *backup)
{
    struct arena *arena = gate->request->arena;
    if (!backup)
        return STR("Create a ManagementBackup with both");
    const char *field = backup->on_upgrade ? "\"schedule\":\"0 */6 * * *\"" : "\"performOnManagementUpgrade\":true";
    return arena_printf(arena, "%s: kubectl patch managementbackup %.*s --type=merge -p '{\"spec\":{%s}}'",
                        backup->on_upgrade ? "One has the flag but no schedule, so kcm ignores it. Add one"
                                           : "To protect upgrades",
                        STR_ARG(words_name(arena, backup->meta.name)), field);
}

void gate_answer_unprotected(const struct gate *gate)
{
    struct decision *decision = gate->decision;
    enum verdict verdict = gate->settings->upgrade_without_backups;
    decision_audit(decision, AUDIT_GATE, "%s: no ManagementBackup protects upgrades",
                   verdict == VERDICT_DENY ? "refused" : "passed");
    if (verdict == VERDICT_ALLOW)
        return;
    gate_warn_under_way(gate);
    /* A ManagementBackup that would protect upgrades with one more field; one that asks
     * for it already (kcm ignores the flag where there is no schedule) comes first. */
    const struct inventory *inventory = gate->inventory;
    const struct management_backup *found = NULL;
    for (size_t i = 0; i < inventory->count[FACT_MANAGEMENT_BACKUPS]; i++) {
        const struct management_backup *backup = inventory->management_backups[i];
        if (!backup->meta.deleting && (backup->on_upgrade || (backup->schedule.len && !found)))
            found = backup;
    }
    struct str protect = gate_protection_advice(gate, found);
    if (verdict == VERDICT_WARN) {
        decision_warn(decision,
                      "no ManagementBackup has both a schedule and performOnManagementUpgrade: true, so there is no "
                      "backup of %.*s to roll back to",
                      STR_ARG(gate_release_name(gate, gate->running)));
        decision_warn(decision, "%.*s", STR_ARG(protect));
        return;
    }
    decision_forbid(decision,
                    "upgrade from %.*s to %.*s blocked: no ManagementBackup has both a schedule and "
                    "performOnManagementUpgrade: true. %.*s. %.*s",
                    STR_ARG(gate_release_name(gate, gate->running)), STR_ARG(gate_release_name(gate, gate->target)),
                    STR_ARG(protect), STR_ARG(gate_skip_hint(gate->request)));
}
