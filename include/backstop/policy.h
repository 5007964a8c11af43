/* policy: the decisions, and what status, rehearse and other commands ask of them. Pure functions: they read a request, a
 * snapshot of the cache and the settings, and fill a decision (decision.h); no I/O, no clock, no global state. Each kind of
 * object has a folder below server/policy. */
#ifndef BACKSTOP_POLICY_H
#define BACKSTOP_POLICY_H

#include "backstop/api.h"
#include "backstop/base.h"
#include "backstop/decision.h"
#include "backstop/facts.h"
#include "backstop/json.h"
#include "backstop/settings.h"

/* ---- the policies --------------------------------------------------------- */

typedef void policy_fn(const struct request *request, const struct inventory *inventory,
                       const struct settings *settings, struct decision *decision);

policy_fn policy_management_backup; /* ManagementBackup: CREATE, UPDATE, DELETE */
policy_fn policy_credential;        /* Credential: CREATE, UPDATE; nothing unless settings ask for it */
policy_fn policy_credential_deletion, policy_region_deletion; /* Credential, Region: DELETE */
/* Management: the upgrade gate. Its evidence must be read for this very request: the
 * ManagementBackups and Velero Backups in the snapshot are to be no older than the
 * request (known = false where they cannot be read; the gate then stays closed). */
policy_fn policy_management;
/* Management: what UPDATEs of spec.core and spec.providers break; warned of, or denied by settings upgrade.disabledVelero
 * and upgrade.removedProvider. policy_management judges the same where spec.release changes as well. */
policy_fn policy_management_edit;
policy_fn policy_management_life;          /* Management: CREATE, DELETE */
policy_fn policy_management_status;        /* Management's /status: UPDATE */
policy_fn policy_management_backup_status; /* ManagementBackup's /status: UPDATE */
policy_fn policy_release;                  /* Release: UPDATE */
policy_fn policy_restore_mutate;           /* Restore CREATE: patch, then validate what the patch makes of it */
policy_fn policy_restore;                  /* Restore: validate only */
policy_fn policy_delete_backup_request;    /* DeleteBackupRequest: CREATE, UPDATE */
policy_fn policy_backup_deletion;          /* Velero Backup: DELETE */
policy_fn policy_restore_deletion;         /* Restore: DELETE */

policy_fn policy_storage_location; /* BackupStorageLocation: CREATE, UPDATE, DELETE */
policy_fn policy_velero_schedule;  /* Schedule: CREATE, UPDATE */
policy_fn policy_velero_backup;    /* Velero Backup: CREATE, UPDATE */
policy_fn policy_backup_passport;  /* Velero Backup CREATE: annotates kcm's own, never denies */

/* ---- the upgrade gate, looked at ------------------------------------------ */

enum upgrade_outcome {
    UPGRADE_ADMITTED,    /* good pre-upgrade backups are there */
    UPGRADE_WAITS,       /* for backups that run, or that the gate starts by itself */
    UPGRADE_REFUSED,     /* until somebody repairs something */
    UPGRADE_UNKNOWN,     /* facts could not be read */
    UPGRADE_UNPROTECTED, /* no ManagementBackup protects upgrades; by settings, warned about or refused */
    UPGRADE_LET_THROUGH, /* without a backup: gate off, skip annotation, no release running yet */
    UPGRADE_NONE         /* there is no Management to upgrade */
};
enum upgrade_step { UPGRADE_STEP_PASS, UPGRADE_STEP_WAIT, UPGRADE_STEP_START, UPGRADE_STEP_REFUSE };

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
    const struct management_backup *backup; /* the pre-upgrade ManagementBackup; NULL when there is none */
    struct str region;                      /* of the part that decided; absent for the management cluster */
    struct str velero;                      /* the name of that part's Velero Backup */
    struct str error;                       /* what kcm says of that part */
    struct str unfit;   /* EVIDENCE_ADOPTED: what the Velero Backup is or lacks; absent: it is from an earlier time */
    const char *hollow; /* EVIDENCE_FAILED, though Completed: what it lacks; else NULL */
    const struct backup_status *status; /* of that part, from whoever knows more; NULL for EVIDENCE_NONE alone */
    int64_t when;                       /* completed, failed, or (not started) created; 0 when nobody says */
};

/* A ManagementBackup with schedule and performOnManagementUpgrade, and what the
 * upgrade owes it. */
struct upgrade_source {
    const struct management_backup *source;
    struct str exact; /* the name kcm itself uses for its pre-upgrade backup */
    struct evidence evidence;
    enum upgrade_step step;
    struct str starting; /* UPGRADE_STEP_START: the ManagementBackup to create */
    bool blocked;        /* UPGRADE_STEP_REFUSE for kcm's sake alone: the evidence itself is good */
    bool unrehearsed;    /* UPGRADE_STEP_REFUSE, and all that is missing is the rehearsal of a good backup */
    bool no_storage;     /* it waits or refuses because of its storage location */
    struct str says;     /* what is missing and what to do: its clause of the answer; empty when it passes */
};
/* The pre-upgrade ManagementBackup that is the evidence, or would be started, or is missing. */
struct str upgrade_source_name(const struct upgrade_source *source);
const char *evidence_state_name(enum evidence_state state); /* completed, running, failed, too old, none, ... */

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
/* One entry of settings upgrade.evidence, and its newest object. */
struct upgrade_evidence {
    const struct evidence_source *source;
    const struct evidence_reading *reading; /* NULL when it was never read */
    const struct evidence_object *object;   /* the one that decides; NULL when there is none, or none could be read */
    enum engine_state state;
    enum upgrade_step step; /* pass, wait or refuse, if it had to do alone; refuse also for ENGINE_UNKNOWN, when
                               another one decides */
    bool counts;            /* it has a part in the answer */
    int64_t when;           /* done, failed or created; 0 when nobody says */
    struct str says;        /* the object, or what is missing and what to do: its clause of the answer */
};
extern const char *const engine_states[]; /* "good", "running", ... */

struct upgrade_view {
    enum upgrade_outcome outcome;
    const struct management *management; /* NULL when there is none */
    struct str running, before, target;  /* status.release (ready or not), spec.release, the one asked about */
    bool under_way;                      /* spec.release is not in status.release yet */
    bool not_ready;                      /* it is, and components of it are not ready (management_progress) */
    const struct upgrade_source *sources;
    size_t count; /* 0 where other engines' backups stand in for them */
    const struct upgrade_evidence *evidence;
    size_t evidence_count;
    struct decision decision; /* the whole answer, as dryRun gets it */
};
/* What the gate would answer now to an upgrade to `target` (absent: to any other
 * release). The gate itself decides: this puts a dry run before it. False when out
 * of memory. Everything lives in the arena, or is borrowed from the inventory. */
bool policy_upgrade_view(struct arena *arena, const struct inventory *inventory, const struct settings *settings,
                         int64_t now, struct str target, struct upgrade_view *view) MUST_CHECK;

/* ---- backups that nobody may delete --------------------------------------- */

/* Why a Backup stays although somebody wants to delete it, Velero's garbage collector included: the first that applies. */
enum backup_keep {
    KEEP_NOT,
    KEEP_PIN,      /* ANNOTATION_KEEP */
    KEEP_LAST,     /* settings backups.keepLast: of this cluster, or of the same region */
    KEEP_ROLLBACK, /* of the running release, or from it */
    KEEP_YOUNG     /* settings backups.keepFor */
};
extern const char *const backup_keep_names[]; /* an interface: "pin", "keepLast", "rollback", "keepFor" */
struct backup_kept {
    enum backup_keep by;
    struct str why; /* to follow its name: "is the newest Completed management backup, so ..." */
};
/* By the snapshot alone, without what was admitted a moment ago. In the arena. */
struct backup_kept policy_backup_kept(struct arena *arena, const struct inventory *inventory,
                                      const struct settings *settings, int64_t now, const struct backup *backup);

/* ---- another cluster in the same bucket ------------------------------------- */

/* Of what another cluster began in a storage location since this one writes there. */
struct foreign_writer {
    const struct backup *newest; /* its last management Backup; NULL: no other cluster is known to write there */
    struct str cluster;          /* the id of that cluster (ANNOTATION_CLUSTER_ID) */
};
/* Looks in this location, and in others that lead to the same bucket and prefix, for management Backups of another cluster
 * that began after the first one of this cluster there or, where this one
 * has none there, after its Management was created. Finds none where settings storage.foreignWriter is allow, where
 * `location` is NULL, or where ids or times are not known; a region's Backups do not count. Borrowed. */
struct foreign_writer policy_foreign_writer(const struct inventory *inventory, const struct settings *settings,
                                            const struct storage_location *location);
/* By the recorded id: a management Backup of another cluster. It restores that one's objects, so it replaces none of this
 * cluster's. False where an id is not known. */
bool backup_is_foreign(const struct inventory *inventory, const struct backup *backup);
/* Since when this cluster makes backups: its first one or, before that, the creation of its Management; 0: not known. A
 * foreign Backup from before is what this cluster may have been restored from. */
int64_t policy_foreign_since(const struct inventory *inventory);
/* What that means, to follow the location's name, and what to do about it, with no stop at its end. Of one that was found;
 * short, for both must fit into a warning. */
struct str policy_foreign_writer_reason(struct arena *arena, const struct foreign_writer *writer, int64_t now);
#define FOREIGN_WRITER_FIX "Give each its own bucket or prefix"

/* ---- rehearsals -------------------------------------------------------------- */

/* What ANNOTATION_REHEARSED proves of a Backup. It is as trustworthy as whoever may write annotations of Backups. */
struct backup_rehearsal {
    bool good;                      /* the verdict was restorable, of at least one object, after it completed */
    bool annotated;                 /* there is such an annotation */
    bool read;                      /* and `record` is what it says */
    bool counts;                    /* and it is neither from before the backup completed nor from the future */
    struct rehearsal_record record; /* all 0 otherwise */
    struct str says;                /* to follow its name: "was rehearsed 3m ago: restorable (...)" */
};
struct backup_rehearsal policy_backup_rehearsal(struct arena *arena, const struct backup *backup, int64_t now);

/* ---- recovery points --------------------------------------------------------- */

/* Why a backup is nothing to rely on, in the order in which that is looked for. */
enum recovery_flaw {
    RECOVERY_SOUND,
    /* It could be restored now: */
    RECOVERY_TIME,    /* but nobody knows how old it is */
    RECOVERY_INSIDE,  /* but not after the loss of the cluster */
    RECOVERY_STALE,   /* if its location is still what it was when it was last validated, long ago */
    RECOVERY_KEPT,    /* although it has expired: it is kept (policy_backup_kept) */
    RECOVERY_EXPIRES, /* but not until the next run ends */
    /* It could not: */
    RECOVERY_UNFINISHED,
    RECOVERY_HANDMADE, /* not made by kcm */
    RECOVERY_FOREIGN,  /* another cluster's, since this one makes backups of its own (policy_foreign_since) */
    RECOVERY_HOLLOW,   /* without the Management */
    RECOVERY_FAILED,
    RECOVERY_DELETING, /* or about to be deleted */
    RECOVERY_DOUBTED,  /* somebody else wrote its status */
    RECOVERY_EMPTY,
    RECOVERY_EXPIRED,
    RECOVERY_LOCATION_GONE,
    RECOVERY_LOCATION_UNREADABLE,
    RECOVERY_COUNT
};
extern const char *const recovery_flaws[RECOVERY_COUNT]; /* an interface: "expires-before-next" */

struct recovery_candidate {
    const struct backup *object;
    const struct storage_location *location; /* NULL: none, or unknown */
    const struct delete_request *request;    /* that waits; NULL: none */
    void *owner;                             /* the caller's */
    struct backup_kept kept;                 /* why it is still there although it has expired */
    struct backup_rehearsal rehearsal;       /* no part of the judgement */
    enum recovery_flaw flaw;
    struct str why; /* to follow its name: "expired 3h ago"; empty: sound */
};
static inline bool recovery_is_fragile(const struct recovery_candidate *candidate)
{
    return candidate->flaw > RECOVERY_SOUND && candidate->flaw < RECOVERY_UNFINISHED;
}

/* What backups are judged by. */
struct recovery_judge {
    struct arena *arena;
    const struct inventory *inventory;
    const struct settings *settings;
    int64_t now;
    const struct delete_request **requests; /* that wait, of the system namespace, sorted by the Backup they name */
    size_t request_count;
    int64_t foreign_since; /* policy_foreign_since */
};
/* Of a judge whose first four members are set. False when out of memory. */
bool recovery_judge_init(struct recovery_judge *judge) MUST_CHECK;
/* Says of a candidate whose `object` is set what is wrong with it, if anything. `next`: when a newer backup will be begun,
 * 0 when nobody knows. `management`: as a backup to restore the management cluster from, which only kcm makes
 * (backup_identify); else as any backup. Without FACT_STORAGE_LOCATIONS the location is left out. */
void recovery_judge(const struct recovery_judge *judge, struct recovery_candidate *candidate, int64_t next,
                    bool management);
/* Whether it is of the system namespace, and by kcm or looks so: worth being judged as a management backup. */
bool recovery_may_be_management(const struct backup *backup, const struct settings *settings);
/* The newest sound one of all management backups, else the newest that could be restored now; its object is NULL when
 * there is neither. */
struct recovery_candidate policy_recovery_point(struct arena *arena, const struct inventory *inventory,
                                                const struct settings *settings, int64_t now);

/* ---- the rollback of an upgrade ------------------------------------------- */

/* Which release a backup holds that was taken for an upgrade, by what was written when it was
 * taken. Only HOLDS_OLD goes without a resource modifier that sets the release. */
enum rollback_holds {
    HOLDS_UNKNOWN, /* kcm may have taken it by itself, after spec.release was edited */
    HOLDS_OLD,     /* taken before the edit */
    HOLDS_NEW,     /* spec.release was another one already */
    HOLDS_LATER    /* the gate asked for it before the edit, but it was taken later: after a restore kcm runs
                      on-demand ManagementBackups again whose Velero Backup is gone */
};
/* A Velero Backup that was taken for an upgrade. */
struct rollback_candidate {
    const struct backup *backup;
    struct str release; /* before the upgrade */
    enum rollback_holds holds;
};
/* What is known of the release it holds, to follow its name: "was taken before ...". */
struct str policy_rollback_reason(struct arena *arena, const struct rollback_candidate *candidate);
/* All of the system namespace, newest first; NULL when out of memory. */
struct rollback_candidate *policy_rollback_candidates(struct arena *arena, const struct inventory *inventory,
                                                      const struct settings *settings, size_t *count) MUST_CHECK;

/* ---- what keeps kcm from starting backups ---------------------------------- */

enum backup_hold_kind {
    HOLD_NO_CREDENTIAL, /* of a ClusterDeployment */
    HOLD_NO_KUBECONFIG, /* of a Region that a ClusterDeployment's Credential names */
    HOLD_REGION_FAILS,  /* kcm reports an error of a Region whose Backups it lists first */
    HOLD_BACKUP_RUNS    /* a Backup has been New or InProgress for more than an hour */
};
struct backup_hold {
    enum backup_hold_kind kind;
    bool whole;          /* kcm starts none at all, on demand and before an upgrade neither; else no scheduled one */
    bool certain;        /* seen in the objects; else likely, by what kcm reports or because some are not known */
    struct str owner;    /* of HOLD_BACKUP_RUNS: the ManagementBackup that it holds back; absent: all of them */
    struct str ns, name; /* of the Credential, Region or Backup (ns: its region, absent: here) */
    size_t others;       /* how many more objects name the same, such as ClusterDeployments the Credential */
    struct str reason;   /* "Credential "a/b" of ClusterDeployment "a/c" does not exist", without a full stop */
    struct str fix;      /* a sentence with its command last */
};
struct backup_holds {
    const struct backup_hold *items; /* certain ones of all backups first; 32 at most */
    size_t len;
    bool known; /* false: some kinds that this takes are not known, so that none found proves nothing */
};
/* What holds back all ManagementBackups, or all scheduled ones of one, though kcm reports it nowhere. Everything is in the
 * arena, or borrowed from the inventory; where there is no memory it finds nothing and `known` is false. */
struct backup_holds policy_backup_holds(struct arena *arena, const struct inventory *inventory,
                                        const struct settings *settings, int64_t now);

/* What the Management depends on and the backups by kcm leave out, as far as the cache has it: identities of Credentials
 * that are no Secrets, and objects of other namespaces, are not read. */
enum backup_omission_kind {
    OMITS_SECRET, /* a Credential's identity or a Region's kubeconfig, without a label that kcm selects by */
    OMITS_CLUSTER /* a ClusterDeployment whose ClusterTemplate is gone: kcm passes over all that belongs to it */
};
struct backup_omission {
    enum backup_omission_kind kind;
    struct str ns, name; /* of the Secret or the ClusterDeployment */
    struct str reason;   /* without a full stop */
    struct str fix;      /* a sentence with its command last */
};
struct backup_omissions {
    const struct backup_omission *items; /* 32 at most */
    size_t len;
    bool known; /* false: some kinds that this takes are not known */
};
/* What kcm's selectors (internal/controller/backup/collect.go) leave out although a restore needs it. Not known
 * unless all that it rests on is. */
struct backup_omissions policy_backup_omissions(struct arena *arena, const struct inventory *inventory,
                                                const struct settings *settings);

/* What a policy needs to be read for this very request, beside the snapshot that is
 * at hand: what the same `kubectl apply` may have created a moment ago, and the gate's
 * evidence. Wants nothing where the snapshot is enough. */
typedef void wants_fn(const struct request *request, const struct inventory *inventory, const struct settings *settings,
                      struct facts_wanted *wanted);
wants_fn policy_management_wants, policy_management_backup_wants, policy_restore_wants,
    policy_delete_backup_request_wants, policy_backup_deletion_wants;

/* Whether Velero's Deployment must be named "velero": the release that runs is before
 * k0rdent 1.2.0, or nobody knows which one runs (velero issue 9023). */
bool policy_velero_name_matters(struct arena *arena, const struct inventory *inventory,
                                const struct settings *settings);

/* ---- Velero as it is installed -------------------------------------------- */

/* Whether Velero's Backup controller can report the first phase of a Backup: Velero 1.18 and later
 * begin with Queued, which the CRD of 1.17 refuses (422), and then no backup ever starts. ANSWER_YES
 * where the version or the CRD is not known to say otherwise; ANSWER_DEPENDS where only the version
 * decides. `says` gets what is wrong, unless it can. */
enum version_answer policy_velero_can_start(const struct inventory *inventory, const struct settings *settings,
                                            struct arena *arena, struct str *says);
/* "velero install --crds-only ...": how its CRDs are brought up to date. */
#define VELERO_CRDS_COMMAND "velero install --crds-only --dry-run -o yaml | kubectl apply -f -"
/* The Deployment of Velero in that namespace that lacks the plugin for this provider, and the plugin's `image`; NULL when it
 * has it, as the server itself answered or by the names of its init containers, or when nobody knows. */
const struct velero_deployment *policy_velero_lacks_plugin(const struct inventory *inventory, struct str ns,
                                                           struct str provider, const char **image);

wants_fn policy_velero_schedule_wants, policy_velero_backup_wants, policy_backup_passport_wants;

/* The audit annotation of what a controller wrote and a user could not: "FIELD: why". */
#define AUDIT_WOULD_DENY "would-deny"
/* Of the audit annotation that tells what another engine proves: this, then its name;
 * its value is the state, ":" and the object. */
#define AUDIT_EVIDENCE "evidence-"

/* The name without the -YYYYMMDDhhmmss that the gate appends when it repeats a backup. */
struct str policy_name_without_stamp(struct str name);

/* ---- what a rehearsal shares with the checks ---------------------------------------- */

/* Velero's text for a resource modifier's patch value as JSON: quoted or as it is. Mirrors addQuotes
 * (internal/resourcemodifiers/json_patch.go). */
struct str modifier_value_json(struct arena *arena, struct str value);

#endif
