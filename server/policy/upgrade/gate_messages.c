/* The clause of the gate's answer for one pre-upgrade backup: what it is, why it does not do, and the command that helps. */
#include "policy/upgrade/gate.h"

/* The clauses for one source. kubectl shows only the last answer, after its ten
 * retries, so each of them must stand alone. */

struct str gate_ago(struct arena *arena, int64_t now, int64_t when)
{
    char text[TIME_TEXT_SIZE];
    if (when == 0)
        return STR("at an unknown time");
    if (when >= now)
        return STR("just now");
    return arena_printf(arena, "%s ago", duration_format(now - when, text));
}

struct str gate_skip_hint(const struct request *request)
{
    if (str_is(request->kind, "Restore"))
        return arena_printf(request->arena, "To restore without a backup, annotate the Restore: %s: \"REASON\"",
                            ANNOTATION_SKIP_BACKUP);
    return arena_printf(request->arena,
                        "To upgrade without a backup, re-apply after: kubectl annotate management %.*s %s",
                        STR_ARG(words_name(request->arena, request->name)), WITH_REASON(ANNOTATION_SKIP_BACKUP));
}

/* "kcm-backup-kcm-1-2-0" or "kcm-backup-kcm-1-2-0 in region eu" */
static struct str evidence_subject(const struct gate *gate, const struct evidence *evidence)
{
    struct arena *arena = gate->request->arena;
    struct str name = words_name(arena, evidence->backup->meta.name);
    if (evidence->region.len == 0)
        return name;
    return arena_printf(arena, "%.*s in region %.*s", STR_ARG(name), STR_ARG(words_name(arena, evidence->region)));
}

/* kcm's own message (status.error), where it has any. */
static struct str evidence_kcm_error(const struct gate *gate, const struct evidence *evidence)
{
    struct arena *arena = gate->request->arena;
    if (evidence->error.len == 0)
        return STR("");
    return arena_printf(arena, "; kcm reports %.*s", STR_ARG(arena_quote_error(arena, evidence->error)));
}

struct str gate_progress_message(const struct gate *gate, const struct upgrade_source *source)
{
    const struct evidence *evidence = &source->evidence;
    const struct backup_status *status = evidence->status;
    struct arena *arena = gate->request->arena;
    struct str name = evidence_subject(gate, evidence), ago = gate_ago(arena, gate->request->now, evidence->when);
    struct str phase = words_name(arena, status->phase);
    if (evidence->state == EVIDENCE_NOT_STARTED && status->phase.len == 0)
        return arena_printf(arena, "%.*s: created %.*s, not started yet%.*s", STR_ARG(name), STR_ARG(ago),
                            STR_ARG(evidence_kcm_error(gate, evidence)));
    if (evidence->state == EVIDENCE_NOT_STARTED)
        return arena_printf(arena, "%.*s: %.*s, created %.*s", STR_ARG(name), STR_ARG(phase), STR_ARG(ago));
    struct str errors = phase_has_errors(status->phase) ? STR(", already with errors") : STR("");
    if (status->items_total > 0)
        return arena_printf(arena, "%.*s: %.*s, %lld of %lld items%.*s", STR_ARG(name), STR_ARG(phase),
                            (long long)status->items_done, (long long)status->items_total, STR_ARG(errors));
    return arena_printf(arena, "%.*s: %.*s, started %.*s%.*s", STR_ARG(name), STR_ARG(phase), STR_ARG(ago),
                        STR_ARG(errors));
}

/* Why what is there does not do. */
static struct str evidence_shortcoming(const struct gate *gate, const struct upgrade_source *source)
{
    struct arena *arena = gate->request->arena;
    const struct evidence *evidence = &source->evidence;
    if (evidence->state == EVIDENCE_NONE) {
        /* What holds the exact name, when nothing of it is evidence. */
        struct str exact = words_name(arena, source->exact);
        if (inventory_management_backup(gate->inventory, source->exact))
            return arena_printf(arena, ", since %.*s exists but is not a pre-upgrade backup of %.*s", STR_ARG(exact),
                                STR_ARG(words_name(arena, gate->running)));
        if (inventory_backup(gate->inventory, gate->settings->system_namespace, source->exact))
            return arena_printf(arena, ", since a Velero Backup %.*s already exists and kcm would adopt it",
                                STR_ARG(exact));
        return STR("");
    }
    struct str name = evidence_subject(gate, evidence), ago = gate_ago(arena, gate->request->now, evidence->when);
    char limit[TIME_TEXT_SIZE];
    switch (evidence->state) {
    case EVIDENCE_OLD:
        return arena_printf(arena, ", since %.*s completed %.*s and counts only for %s (upgrade.maxBackupAge)",
                            STR_ARG(name), STR_ARG(ago),
                            duration_format(gate->settings->upgrade_max_backup_age, limit));
    case EVIDENCE_GONE:
        return arena_printf(arena, ", since the Velero Backup behind %.*s is gone", STR_ARG(name));
    case EVIDENCE_ADOPTED:
        return arena_printf(arena, ", since the Velero Backup behind %.*s %.*s", STR_ARG(name),
                            STR_ARG(evidence->unfit.len ? evidence->unfit : STR("is from an earlier time")));
    case EVIDENCE_FAILED:
        return arena_printf(arena, ", since %.*s ended %.*s %.*s", STR_ARG(name),
                            STR_ARG(words_name(arena, evidence->status->phase)), STR_ARG(ago));
    default:
        return STR("");
    }
}

struct str gate_starting_message(const struct gate *gate, const struct upgrade_source *source)
{
    struct arena *arena = gate->request->arena;
    return arena_printf(arena, "%.*s: %s%.*s", STR_ARG(words_name(arena, source->starting)),
                        gate->request->dry_run ? "would be started" : "just started",
                        STR_ARG(evidence_shortcoming(gate, source)));
}

const struct backup *gate_velero_backup(const struct gate *gate, const struct management_backup *backup)
{
    return inventory_backup(gate->inventory, gate->settings->system_namespace, backup->meta.name);
}

struct str gate_rehearsal_message(const struct gate *gate, const struct management_backup *backup)
{
    struct arena *arena = gate->request->arena;
    const struct backup *velero = gate_velero_backup(gate, backup);
    struct str name = words_name(arena, backup->meta.name), ns = gate->settings->system_namespace;
    struct backup_rehearsal rehearsal = {.says = STR("was not found")};
    if (velero)
        rehearsal = policy_backup_rehearsal(arena, velero, gate->request->now);
    bool require = gate->settings->upgrade_rehearsal == VERDICT_DENY;
    bool found = rehearsal.counts && !rehearsal.good;
    struct str where = str_is(ns, "kcm-system") ? STR("") : arena_join(arena, STR(" -n"), " ", words_name(arena, ns));
    return arena_printf(arena,
                        "pre-upgrade backup %.*s %.*s (settings upgrade.rehearsal: %s). %s it%s: backstop "
                        "rehearse %.*s%.*s --record",
                        STR_ARG(name), STR_ARG(rehearsal.says), require ? "require" : "warn",
                        found ? "Fix what was found, then rehearse" : "Rehearse",
                        require ? " and re-apply the same change" : "", STR_ARG(name), STR_ARG(where));
}

/* ---- refusals ------------------------------------------------------------ */

/* " (on the cluster of region eu)"; nothing for the management cluster. */
static struct str evidence_on_cluster(const struct gate *gate, struct str region)
{
    struct arena *arena = gate->request->arena;
    if (region.len == 0)
        return STR("");
    return arena_printf(arena, " (on the cluster of region %.*s)", STR_ARG(words_name(arena, region)));
}

/* "kubectl delete backups.velero.io -n kcm-system NAME", where the Backup is. */
static struct str gate_velero_command(const struct gate *gate, const char *verb, struct str name, struct str region)
{
    struct arena *arena = gate->request->arena;
    return arena_printf(arena, "%s -n %.*s %.*s%.*s", verb,
                        STR_ARG(words_name(arena, gate->settings->system_namespace)), STR_ARG(words_name(arena, name)),
                        STR_ARG(evidence_on_cluster(gate, region)));
}

/* What to do about an attempt that is not repeated at once. */
static struct str evidence_try_again(const struct gate *gate, const struct evidence *evidence)
{
    struct arena *arena = gate->request->arena;
    char left[TIME_TEXT_SIZE];
    int64_t wait = evidence->when + gate->settings->upgrade_retry_after_failure - gate->request->now;
    struct str when =
        evidence->when ? arena_printf(arena, "in %s, or re-apply now ", duration_format(wait, left)) : STR("");
    return arena_printf(arena, "Fix the cause and re-apply %.*safter: kubectl delete managementbackup %.*s",
                        STR_ARG(when), STR_ARG(words_name(arena, evidence->backup->meta.name)));
}

static struct str gate_failed_message(const struct gate *gate, const struct upgrade_source *source)
{
    struct arena *arena = gate->request->arena;
    const struct evidence *evidence = &source->evidence;
    struct str name = words_name(arena, evidence->backup->meta.name);
    struct str reason = evidence->hollow ? str_from(evidence->hollow) : backup_failure(arena, evidence->status);
    const char *look = phase_is(evidence->status->phase, PHASE_PARTIALLY_FAILED) ? "velero backup logs"
                                                                                 : "kubectl describe backups.velero.io";
    struct str see = gate_velero_command(gate, look, evidence->velero, evidence->region);
    struct str says =
        arena_printf(arena, "pre-upgrade backup %.*s %.*s %.*s%s (%.*s; see: %.*s)",
                     STR_ARG(evidence_subject(gate, evidence)), STR_ARG(words_name(arena, evidence->status->phase)),
                     STR_ARG(gate_ago(arena, gate->request->now, evidence->when)),
                     evidence->hollow ? ", but is unusable" : "", STR_ARG(reason), STR_ARG(see));
    /* Under kcm's own name it must go, see evidence_blocker; deleted, it need not be waited out. */
    if (evidence->status->completed == 0 && str_eq(evidence->backup->meta.name, source->exact)) {
        struct str command =
            gate_velero_command(gate, "kubectl delete backups.velero.io", evidence->velero, evidence->region);
        return arena_printf(arena,
                            "%.*s. Fix the cause and re-apply after deleting it, since kcm would wait for it forever: "
                            "kubectl delete managementbackup %.*s; %.*s",
                            STR_ARG(says), STR_ARG(name), STR_ARG(command));
    }
    return arena_printf(arena, "%.*s. %.*s", STR_ARG(says), STR_ARG(evidence_try_again(gate, evidence)));
}

/* The gate's own repeat completed, and does not count either. */
static struct str gate_unfit_message(const struct gate *gate, const struct upgrade_source *source)
{
    const struct evidence *evidence = &source->evidence;
    struct arena *arena = gate->request->arena;
    return arena_printf(arena, "pre-upgrade backup %.*s completed %.*s, but its Velero Backup %.*s. %.*s",
                        STR_ARG(evidence_subject(gate, evidence)),
                        STR_ARG(gate_ago(arena, gate->request->now, evidence->when)), STR_ARG(evidence->unfit),
                        STR_ARG(evidence_try_again(gate, evidence)));
}

/* kcm makes a Velero Backup without a status; its phase stays empty until Velero takes it up. */
static bool evidence_is_made(const struct gate *gate, const struct evidence *evidence)
{
    if (evidence->region.len)
        return evidence->velero.len > 0;
    return inventory_backup(gate->inventory, gate->settings->system_namespace, evidence->velero) != NULL;
}

static struct str gate_stuck_message(const struct gate *gate, const struct upgrade_source *source)
{
    struct arena *arena = gate->request->arena;
    const struct evidence *evidence = &source->evidence;
    struct str ns = words_name(arena, gate->settings->system_namespace), phase = evidence->status->phase, look;
    char limit[TIME_TEXT_SIZE];
    if (phase.len == 0 && !evidence_is_made(gate, evidence))
        look = arena_printf(
            arena,
            "kcm has not created its Velero Backup%.*s; see: kubectl logs -n %.*s deployment/kcm-controller-manager",
            STR_ARG(evidence_kcm_error(gate, evidence)), STR_ARG(ns));
    else if (phase_is_new(phase))
        look = arena_printf(arena, "Velero has not picked it up%.*s; see: kubectl logs -n %.*s deployment/velero%.*s",
                            STR_ARG(evidence_kcm_error(gate, evidence)), STR_ARG(ns),
                            STR_ARG(evidence_on_cluster(gate, evidence->region)));
    else
        look = arena_printf(arena, "it is %.*s behind other backups; see: kubectl get backups.velero.io -n %.*s",
                            STR_ARG(words_name(arena, phase)), STR_ARG(ns));
    struct str name = words_name(arena, evidence->backup->meta.name);
    return arena_printf(
        arena,
        "pre-upgrade backup %.*s is stuck: created %.*s and not started (limit %s, upgrade.startTimeout); %.*s. Once "
        "it starts the upgrade can go on; to start over: kubectl delete managementbackup %.*s",
        STR_ARG(evidence_subject(gate, evidence)), STR_ARG(gate_ago(arena, gate->request->now, evidence->when)),
        duration_format(gate->settings->upgrade_start_timeout, limit), STR_ARG(look), STR_ARG(name));
}

static struct str gate_future_message(const struct gate *gate, const struct upgrade_source *source)
{
    struct arena *arena = gate->request->arena;
    const struct evidence *evidence = &source->evidence;
    char when[TIME_TEXT_SIZE], now[TIME_TEXT_SIZE];
    return arena_printf(arena,
                        "pre-upgrade backup %.*s completed at %s, but the time here is %s: the clocks differ too much "
                        "to tell its age. Fix the clocks, or start over: kubectl delete managementbackup %.*s",
                        STR_ARG(evidence_subject(gate, evidence)), time_format(evidence->when, 0, when),
                        time_format(gate->request->now, 0, now),
                        STR_ARG(words_name(arena, evidence->backup->meta.name)));
}

struct str gate_refusal_message(const struct gate *gate, const struct upgrade_source *source)
{
    switch (source->evidence.state) {
    case EVIDENCE_STUCK:
        return gate_stuck_message(gate, source);
    case EVIDENCE_FUTURE:
        return gate_future_message(gate, source);
    case EVIDENCE_ADOPTED:
        return gate_unfit_message(gate, source);
    default:
        return gate_failed_message(gate, source);
    }
}

struct str gate_blocker_message(const struct gate *gate, const struct upgrade_source *source,
                                const struct evidence_blocker *blocker)
{
    struct arena *arena = gate->request->arena;
    struct str exact = words_name(arena, source->exact);
    struct str command =
        gate_velero_command(gate, "kubectl delete backups.velero.io", blocker->velero, blocker->region);
    return arena_printf(arena,
                        "%.*s is complete, but kcm would then wait forever for %.*s, which failed Velero's validation. "
                        "Delete that and re-apply: kubectl delete managementbackup %.*s; %.*s",
                        STR_ARG(words_name(arena, source->evidence.backup->meta.name)), STR_ARG(exact), STR_ARG(exact),
                        STR_ARG(command));
}
