/* The upgrade gate's own header: one upgrade under judgement, and what its parts
 * (evidence, storage, messages) share. */
#ifndef BACKSTOP_POLICY_UPGRADE_GATE_H
#define BACKSTOP_POLICY_UPGRADE_GATE_H

#include "backstop/policy.h"
#include "policy/checks.h"

struct gate {
    const struct request *request;
    const struct inventory *inventory;
    const struct settings *settings;
    struct decision *decision;
    struct str running; /* status.release: what runs, and what the backups are named after */
    struct str before;  /* spec.release before this change */
    struct str target;  /* spec.release after it */
    bool under_way;     /* `before` was not reached yet: the cluster may be half upgraded */
    bool any_target;    /* no Release is meant, the question is what any upgrade would meet */
    struct upgrade_source *sources;
    size_t count; /* of the sources; 0 also where other engines stand in for them */
    struct upgrade_evidence *engines;
    size_t engine_count;
    enum upgrade_outcome outcome; /* what became of it */
};

/* Clocks of API server, Velero and this webhook may differ by this much. */
enum { GATE_CLOCK_SKEW = 300 };

/* What the request asks for, as the gate sees it. False when it changes no release. */
bool gate_open(struct gate *gate, const struct request *request, const struct inventory *inventory,
               const struct settings *settings, struct decision *decision);
/* The whole gate: fills the decision. */
void gate_decide(struct gate *gate);
/* Whether more than one Release, or ManagementBackups, show that an empty status.release is not that of a
 * first install. */
bool gate_sees_older_life(const struct inventory *inventory);
/* The release that runs: the old object's status.release (it comes from etcd, status and all), or else the
 * cached Management's, since a manifest reviewed offline has no status. Absent: nothing is reported as running. */
struct str gate_running_release(const struct request *request, const struct inventory *inventory);
/* A Management that is made where none is, and one that is deleted (paths.c). */
void management_judge_creation(const struct request *request, const struct inventory *inventory,
                               const struct settings *settings, struct decision *decision);
void management_judge_deletion(const struct request *request, const struct settings *settings,
                               struct decision *decision);
/* A denial becomes a warning for accounts of the system namespace, who run the controllers themselves. */
enum verdict management_soften_verdict(const struct request *request, const struct settings *settings,
                                       enum verdict verdict);
/* Steps 2 to 7 of it, once nothing lets the change through. */
void gate_judge(struct gate *gate);
/* For a change that is let through without the gate: what kcm will do about its own
 * backups then, so that nobody is surprised by an upgrade that hangs. */
void gate_warn_of_kcm(struct gate *gate);

/* The best of the ManagementBackups taken for this source and release. */
struct evidence evidence_find(const struct gate *gate, const struct upgrade_source *source);
/* kcm waits until the ManagementBackup of the exact name has a completion time for
 * each part; the part that never will have one, since Velero refused its Backup. */
struct evidence_blocker {
    bool blocks;
    struct str region, velero;
};
/* What stands in the way of this source's backup for good: a refusal by Velero that trying again does not change. */
struct evidence_blocker evidence_blocker(const struct gate *gate, const struct upgrade_source *source);

/* Whether a backup to this storage location (empty: Velero's default) can complete. When not,
 * *says tells why, and the step is UPGRADE_STEP_WAIT (soon) or UPGRADE_STEP_REFUSE. */
enum upgrade_step gate_storage(const struct gate *gate, struct str location, struct str *says);

/* ---- other engines: gate_engines.c ---- */

/* What each entry of upgrade.evidence proves. False when out of memory. */
bool engines_find(struct gate *gate);
/* Whether one of anyOf is in this state. */
bool engines_alternative(const struct gate *gate, enum engine_state state);
/* One that has a part in the answer and could not be read; NULL when there is none. */
const struct upgrade_evidence *engines_unknown(const struct gate *gate);
bool engines_any_alternative(const struct gate *gate);
/* Which of them have a part in the answer, once the sources are planned: those of allOf
 * do; of anyOf those that the ManagementBackups leave something to decide. Sets
 * gate->count to 0 where the engines decide alone. */
void engines_combine(struct gate *gate);
/* Whether one that has a part in the answer is at this step. */
bool engines_at(const struct gate *gate, enum upgrade_step step);
/* Names the engine whose snapshot let the upgrade pass, and what could not be verified of it. */
void engines_warn_passed(const struct gate *gate);
/* 503 with settings upgrade.retryAfter: unknown is not missing, and not there either. */
void engine_answer_unknown(const struct gate *gate, const struct upgrade_evidence *engine);
/* One audit annotation each: evidence-NAME. */
void engines_audit(const struct gate *gate);
/* The clause of the answer for one source. */
struct str gate_progress_message(const struct gate *gate, const struct upgrade_source *source);
struct str gate_starting_message(const struct gate *gate, const struct upgrade_source *source);
struct str gate_refusal_message(const struct gate *gate, const struct upgrade_source *source);
struct str gate_blocker_message(const struct gate *gate, const struct upgrade_source *source,
                                const struct evidence_blocker *blocker);
/* "pre-upgrade backup X has not been rehearsed (settings upgrade.rehearsal). Rehearse it ...: COMMAND" */
struct str gate_rehearsal_message(const struct gate *gate, const struct management_backup *backup);
/* Of this one's Velero Backup; NULL where it is not known. */
const struct backup *gate_velero_backup(const struct gate *gate, const struct management_backup *backup);
/* Whole answers: each fills the decision. */
void gate_answer_refused(const struct gate *gate);
void gate_answer_waiting(const struct gate *gate);
void gate_answer_admitted(const struct gate *gate);
void gate_answer_unknown(const struct gate *gate, const char *facts);
void gate_answer_velero_down(const struct gate *gate);
/* `why`: from policy_velero_can_start. */
void gate_answer_cannot_start(const struct gate *gate, struct str why);
void gate_answer_held(const struct gate *gate, const struct backup_hold *hold);
void gate_answer_unprotected(const struct gate *gate);
/* How to upgrade without a backup: one sentence that ends with the command. */
struct str gate_skip_hint(const struct request *request);
struct str gate_ago(struct arena *arena, int64_t now, int64_t when); /* "3m ago" */

/* ---- what an edit of the Management does beside the gate: management_edit.c ---- */

/* Of what anybody but Velero and kcm changes or creates. `pass`: what the settings deny is looked for before the gate, so that
 * nobody waits for a backup first; what they warn of, after it. False: it was denied. */
bool management_edit_check(const struct request *request, const struct inventory *inventory,
                           const struct settings *settings, enum verdict pass, struct decision *decision);
/* `gated`: a backup was taken before. */
void management_warn_removed_providers(const struct request *request, bool gated, struct decision *decision);

/* Velero Backups that were taken for an upgrade, to roll it back. */

/* The release that a pre-upgrade backup was taken before leaving; absent for other
 * backups and for those of regions. On a fresh cluster its name says so. */
struct str upgrade_backup_release(const struct inventory *inventory, const struct backup *backup);
/* Which release such a backup holds. kcm itself takes it after spec.release was edited. That it
 * was taken before is believed only where what says so was written when Velero began with it. */
enum rollback_holds upgrade_backup_holds(const struct inventory *inventory, const struct backup *backup);
/* What backstop recorded on a Backup under this annotation as it was created; absent when that was at another time than
 * Velero began with it, so that it is of another backup. */
struct str backup_recorded(const struct backup *backup, const char *key);
/* The components of that release that were not ready when it was taken; absent when all were, or nobody knows. */
struct str upgrade_backup_not_ready(const struct backup *backup);

#endif
