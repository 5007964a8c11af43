/* The upgrade gate's own header: one upgrade under judgement, and what its parts
 * (evidence, storage, messages) share. */
#ifndef BACKSTOP_POLICY_UPGRADE_GATE_H
#define BACKSTOP_POLICY_UPGRADE_GATE_H

#include "policy/checks.h"

/* What one ManagementBackup proves, from the best to the least useful. Of its parts
 * (the management cluster's backup and each region's) the worst one counts. */
enum evidence_state {
    EVIDENCE_COMPLETED,
    EVIDENCE_RUNNING,
    EVIDENCE_NOT_STARTED,
    EVIDENCE_STUCK,   /* not started for longer than upgrade.startTimeout */
    EVIDENCE_FAILED,  /* FailedValidation, PartiallyFailed, Failed; or Completed with nothing to go back to in it */
    EVIDENCE_OLD,     /* completed, but longer ago than upgrade.maxBackupAge */
    EVIDENCE_FUTURE,  /* "completed" after now, by more than clocks may differ */
    EVIDENCE_GONE,    /* its Velero Backup does not exist any more, or is about to go */
    EVIDENCE_ADOPTED, /* its Velero Backup is from before the ManagementBackup itself, or not kcm's */
    EVIDENCE_NONE     /* there is no ManagementBackup at all */
};

struct evidence {
    enum evidence_state state;
    const struct management_backup *backup;
    struct str region;  /* of the part that decided; absent for the management cluster */
    struct str velero;  /* the name of that part's Velero Backup */
    struct str error;   /* what kcm says of that part */
    struct str unfit;   /* EVIDENCE_ADOPTED: what the Velero Backup is or lacks; absent: it is from an earlier time */
    const char *hollow; /* EVIDENCE_FAILED, though Completed: what it lacks; else NULL */
    const struct backup_status *status; /* of that part, from whoever knows more; never NULL but for NONE */
    int64_t when;                       /* completed, failed, or (not started) created; 0 when nobody says */
};

enum gate_step { STEP_PASS, STEP_WAIT, STEP_START, STEP_REFUSE };

/* A ManagementBackup with schedule and performOnManagementUpgrade, and what the
 * upgrade owes it. */
struct gate_source {
    const struct management_backup *source;
    struct str exact; /* the name kcm itself uses for its pre-upgrade backup */
    struct evidence evidence;
    enum gate_step step;
    struct str starting; /* STEP_START: the ManagementBackup to create */
    bool blocked;        /* STEP_REFUSE for kcm's sake alone: the evidence itself is good */
    bool no_storage;     /* STEP_REFUSE or STEP_WAIT because of its storage location */
    struct str says;     /* its clause of the answer */
};

/* What another backup engine proves (settings upgrade.evidence). */
enum engine_state {
    ENGINE_GOOD,
    ENGINE_RUNNING,
    ENGINE_FAILED,
    ENGINE_OLD,
    ENGINE_FUTURE,
    ENGINE_NONE,       /* there is no such object */
    ENGINE_NOT_SERVED, /* nor can there be: the API server does not know the kind */
    ENGINE_UNKNOWN     /* it could not be read */
};
struct gate_engine {
    const struct evidence_source *source;
    const struct evidence_reading *reading; /* NULL when it was never read */
    const struct evidence_object *object;   /* the one that decides; NULL when there is none */
    enum engine_state state;
    enum gate_step step; /* STEP_REFUSE also for ENGINE_UNKNOWN, when another one decides */
    bool counts;         /* it has a part in the answer */
    int64_t when;        /* done, failed or created; 0 when nobody says */
    struct str says;     /* its clause of the answer */
};

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
    struct gate_source *sources;
    size_t count; /* of the sources; 0 also where other engines stand in for them */
    struct gate_engine *engines;
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
/* management_velero.c: what an edit does to Velero and k0rdent beside what the gate looks at. */
void management_warn_of_versions(const struct request *request, const struct inventory *inventory,
                                 const struct settings *settings, struct decision *decision);
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
/* Steps 2 to 7 of it, once nothing lets the change through. */
void gate_judge(struct gate *gate);
/* For a change that is let through without the gate: what kcm will do about its own
 * backups then, so that nobody is surprised by an upgrade that hangs. */
void gate_warn_of_kcm(struct gate *gate);

/* The best of the ManagementBackups taken for this source and release. */
struct evidence evidence_find(const struct gate *gate, const struct gate_source *source);
/* kcm waits until the ManagementBackup of the exact name has a completion time for
 * each part; the part that never will have one, since Velero refused its Backup. */
struct evidence_blocker {
    bool blocks;
    struct str region, velero;
};
struct evidence_blocker evidence_blocker(const struct gate *gate, const struct gate_source *source);

/* Whether a backup to this storage location (empty: Velero's default) can complete. When not,
 * *says tells why, and the step is STEP_WAIT (soon) or STEP_REFUSE. */
enum gate_step gate_storage(const struct gate *gate, struct str location, struct str *says);

/* ---- other engines: gate_engines.c ---- */

/* What each entry of upgrade.evidence proves. False when out of memory. */
bool engines_find(struct gate *gate);
/* Whether one of anyOf is in this state. */
bool engines_alternative(const struct gate *gate, enum engine_state state);
/* One that has a part in the answer and could not be read; NULL when there is none. */
const struct gate_engine *engines_unknown(const struct gate *gate);
bool engines_any_alternative(const struct gate *gate);
/* Which of them have a part in the answer, once the sources are planned: those of allOf
 * do; of anyOf those that the ManagementBackups leave something to decide. Sets
 * gate->count to 0 where the engines decide alone. */
void engines_combine(struct gate *gate);
/* Whether one that has a part in the answer is at this step. */
bool engines_at(const struct gate *gate, enum gate_step step);
struct str engine_message(const struct gate *gate, const struct gate_engine *engine);
void engines_warn_passed(const struct gate *gate);
void engine_answer_unknown(const struct gate *gate, const struct gate_engine *engine);
/* One audit annotation each: evidence-NAME. */
void engines_audit(const struct gate *gate);
extern const char *const engine_states[]; /* "good", "running", ... */

/* The clause of the answer for one source. */
struct str gate_progress_message(const struct gate *gate, const struct gate_source *source);
struct str gate_starting_message(const struct gate *gate, const struct gate_source *source);
struct str gate_refusal_message(const struct gate *gate, const struct gate_source *source);
struct str gate_blocker_message(const struct gate *gate, const struct gate_source *source,
                                const struct evidence_blocker *blocker);
/* Whole answers: each fills the decision. */
void gate_answer_refused(const struct gate *gate);
void gate_answer_waiting(const struct gate *gate);
void gate_answer_admitted(const struct gate *gate);
void gate_answer_unknown(const struct gate *gate, const char *facts);
void gate_answer_velero_down(const struct gate *gate);
/* `why`: from policy_velero_can_start. */
void gate_answer_cannot_start(const struct gate *gate, struct str why);
void gate_answer_unprotected(const struct gate *gate);
/* How to upgrade without a backup: one sentence that ends with the command. */
struct str gate_skip_hint(const struct request *request);
struct str gate_ago(struct arena *arena, int64_t now, int64_t when); /* "3m ago" */

#endif
