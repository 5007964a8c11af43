/* status: could this cluster be restored tonight and upgraded tomorrow? One view model
 * behind every face (text, JSON, HTML, the served page). Pure: it reads a snapshot of
 * facts and what its caller knows besides; no I/O, no clock. */
#ifndef BACKSTOP_STATUS_H
#define BACKSTOP_STATUS_H

#include "backstop/policy.h"

struct status_location {
    const struct storage_location *object;
    bool is_default;   /* the one Velero takes when none is named */
    bool usable;       /* a backup to it can complete: Available and writable */
    bool readable;     /* a restore from it can begin: Available */
    bool survives;     /* the loss of the cluster */
    const char *class; /* external, in-cluster S3, persistent volume, host path, NFS */
    bool used;         /* by a ManagementBackup that will run again */
    bool used_upgrade; /* by one that protects upgrades */
    bool no_plugin;    /* Velero lacks its provider's plugin */
};

/* ---- recovery points: what could be restored, and whether it is recent enough ---- */

struct status_source;
enum status_objective {
    STATUS_OBJECTIVE_NONE,
    STATUS_OBJECTIVE_SCHEDULE,  /* two missed runs */
    STATUS_OBJECTIVE_SETTINGS,  /* status.recoveryPoint */
    STATUS_OBJECTIVE_ANNOTATION /* ANNOTATION_RECOVERY_POINT of the ManagementBackup */
};
struct status_recovery {
    const struct recovery_candidate *point;    /* the newest that is sound; NULL: none */
    const struct recovery_candidate *fragile;  /* the newest that could be restored now, if it is newer; else NULL */
    const struct recovery_candidate *unusable; /* the newest that could not, if it is newer than both; else NULL */
    size_t unusable_count;
    int64_t age;       /* of the point, in seconds since it was completed; 0 without one */
    int64_t objective; /* seconds; 0: there is none */
    enum status_objective objective_from;
    bool late; /* older than the objective, or nothing for as long */
};

/* A Backup that has expired and stays. */
struct status_kept {
    const struct backup *object;
    struct backup_kept kept;
    int64_t age; /* in seconds since it was completed; 0: unknown */
};

enum status_kind { STATUS_SCHEDULED, STATUS_ON_DEMAND, STATUS_PRE_UPGRADE };

struct status_backup {
    const struct management_backup *object;
    enum status_kind kind;
    bool valid;                            /* the schedule parses and fires; true on demand */
    struct str meaning;                    /* "every 6 hours"; what is wrong when it is not valid */
    struct str zone;                       /* of the schedule */
    int64_t next;                          /* run; 0: none */
    int64_t due;                           /* the run after the last one; 0 when nobody knows */
    struct str last_name;                  /* of the last Velero Backup */
    const struct backup_status *last;      /* from whoever knows more; NULL: none yet */
    int64_t last_when;                     /* completed, else started; 0 when nobody says */
    struct status_recovery recovery;       /* of the Velero Backups it made in this cluster */
    const struct backup *good;             /* the newest of them that could be restored; NULL: none */
    const struct status_location *goes_to; /* NULL when there is none */
    const struct status_source *source;    /* its line of the calendar; NULL when it has no schedule */
};

struct status_velero {
    const struct velero_deployment *object;
    struct str account;
    bool ready, known_account; /* settings velero.serviceAccounts have it */
    bool bad_name;             /* not `velero`, where the release that runs needs it (velero issue 9023) */
};

enum status_blocks { STATUS_BLOCKS_UPGRADE = 1, STATUS_BLOCKS_RESTORE = 2, STATUS_BLOCKS_BACKUP = 4 };

/* CAUSE_VELERO_NOT_READY, ...: why something does not work, deepest first; each is declared once in causes.def. */
enum status_cause {
#define CAUSE(id, ...) CAUSE_##id,
#include "causes.def"
#undef CAUSE
    CAUSE_COUNT
};
/* What a cause keeps from going on: Velero as a whole, Backups that exist, the start of new ones. */
enum status_stops { STATUS_STOPS_VELERO = 1, STATUS_STOPS_BACKUPS = 2, STATUS_STOPS_STARTS = 4 };
struct status_cause_row {
    const char *name;                /* an interface: "velero-not-ready" */
    unsigned blocks;                 /* of status_blocks: the most that it blocks */
    const char *title, *proof, *fix; /* for the documentation */
    uint16_t stops, explained_by;    /* of status_stops */
    unsigned risks;                  /* of status_blocks: what it puts at risk where it blocks nothing */
};
extern const struct status_cause_row status_causes[CAUSE_COUNT];

struct status_finding {
    enum status_cause cause;
    unsigned blocks;   /* of status_blocks; 0: a risk, or a warning */
    struct str object; /* "managementbackup/kcm-backup"; "60 ManagementBackups" where several are one finding */
    struct str says, fix;
    unsigned risks;      /* what can still be done, but is not to be relied on; 0 while it blocks */
    struct str *objects; /* each of them */
    size_t object_count;
};

/* ---- verdicts ----------------------------------------------------------------- */

enum status_grade { STATUS_READY, STATUS_AT_RISK, STATUS_UNKNOWN, STATUS_NOT_READY }; /* from good to worst */
struct status_verdict {
    enum status_grade grade;
    struct str says;                      /* the one sentence that decided */
    const struct status_finding *finding; /* that decided; NULL when READY */
};
/* "AT RISK". */
const char *status_grade_text(enum status_grade grade);

/* ---- the calendar: what makes backups, when it will, when it did ------------- */

enum { STATUS_DAYS = 14, STATUS_WINDOW = STATUS_DAYS * 86400 }; /* seconds, each way from now */

struct status_run {
    int64_t at;
    int offset;    /* of the schedule's zone then, in seconds east of UTC */
    bool collides; /* another source starts one to the same storage location within STATUS_CLOSE */
};
enum { STATUS_CLOSE = 5 * 60 };

enum status_result { STATUS_GOOD, STATUS_RUNNING, STATUS_PARTIAL, STATUS_FAILED, STATUS_GOING /* being deleted */ };
struct status_past {
    const struct backup *object;
    int64_t started; /* or created, when it has not started */
    int64_t ended;   /* 0: not yet, or nobody says */
    enum status_result result;
};

enum status_maker { STATUS_BY_MANAGEMENT_BACKUP, STATUS_BY_SCHEDULE, STATUS_BY_HAND /* all that has no schedule */ };
struct status_source {
    enum status_maker maker;
    const struct status_backup *backup;     /* of STATUS_BY_MANAGEMENT_BACKUP, else NULL */
    const struct velero_schedule *schedule; /* of STATUS_BY_SCHEDULE, else NULL */
    struct str ns, name;                    /* absent for STATUS_BY_HAND */
    struct str spec, meaning, zone;         /* the schedule; meaning says what is wrong when it is not valid */
    struct str location;                    /* storage location, the default filled in; absent: none, or unknown */
    bool valid;
    const char *rests;       /* "paused", "deleting"; NULL: it runs */
    int64_t first;           /* run in the window; 0: none */
    struct status_run *runs; /* all in the window; none when there are too many to list */
    size_t run_count;
    size_t run_total; /* in the window; counted_out: at least so many */
    bool counted_out;
    int64_t interval;                /* the shortest between two of them; 0 when there are not two */
    int64_t two_runs;                /* the longest that three runs in a row take; 0 when it does not run */
    struct status_recovery recovery; /* of STATUS_BY_SCHEDULE */
    struct status_past *past;        /* newest first; the newest of past_total */
    size_t past_count, past_total;
};
/* Two sources that start backups to one storage location within STATUS_CLOSE. */
struct status_collision {
    const struct status_source *one, *other;
    int64_t first;
    size_t count;
};

/* ---- what only the server knows, or is asked for ------------------------------ */

/* A review that did something: denied, warned, mutated, or was let past the gate. */
struct status_decision {
    int64_t at;
    struct str user, operation, kind, ns, name;
    struct str outcome; /* denied, warned, mutated, allowed, error */
    struct str why;     /* the denial, or the warnings */
    bool dry_run;
};
struct status_sync {
    struct str name, reason;
    bool synced;
};
struct status_serving {
    bool certificate_good;
    struct str certificate;  /* why not, or what is worth knowing; empty when all is well */
    bool called, not_called; /* whether the API server calls the webhook; neither: unknown */
    struct str calls;        /* what is known of that; empty where it is not asked */
    struct str settings;     /* why the last reload failed; empty when it did not */
    const struct status_sync *facts;
    size_t fact_count;
    const struct status_decision *decisions; /* newest first */
    size_t decision_count;
};

/* An object that exists and would be denied or warned about, were it created now. */
struct status_audited {
    struct str object; /* "restore/kcm-system/dr" */
    bool denied;
    struct strlist says;
};
struct status_audit {
    int64_t at;
    struct str problem; /* why some could not be read; empty when all could */
    size_t reviewed, denied, warned;
    const struct status_audited *rows; /* denied ones first; the first of all */
    size_t row_count, row_total;
};

/* ---- what a restore would miss ------------------------------------------------ */

/* An object that the Management depends on, and that the backups by kcm do not select. */
struct status_omission {
    struct json_object *tree; /* borrowed from what was read */
    struct str object;        /* "secret/kcm-system/aws-cluster-identity-secret" */
    struct str reason;        /* "needed by Credential \"aws\"" */
    struct str fix;           /* the command that labels it */
};
struct status_completeness {
    const struct status_omission *items; /* the first of all */
    size_t len, total;
    size_t checked;         /* objects that were looked at, those omitted among them */
    struct strlist unknown; /* what could not be looked at: a kind, or an object and why */
};
/* Finds them. `world` holds what was read: of each kind that is known an object whose members are the objects, by
 * "namespace/name" ("/name" where there is none), with apiVersion, kind and metadata; of Secrets and ConfigMaps nothing
 * else is read. A kind without a member is unknown. Mirrors kcm's internal/controller/backup/collect.go. False when out
 * of memory. */
bool status_complete(struct arena *arena, struct json_object *world, struct str system_namespace,
                     struct status_completeness *found) MUST_CHECK;
/* "3 objects are in no management backup: ...": all of it in a line, without a full stop. `files`: they were read. */
struct str status_completeness_words(struct arena *arena, const struct status_completeness *found, bool files);

struct status_view {
    struct arena *arena;
    int64_t now;
    struct str from; /* the API server, or the files */
    bool files;      /* the files */
    const struct inventory *inventory;
    const struct settings *settings;
    struct upgrade_view upgrade;
    struct status_backup *backups; /* sorted by name, as the inventory is */
    size_t backup_count;
    struct status_location *locations; /* of the system namespace */
    size_t location_count;
    struct version_fact velero_version, kcm_version; /* by which objects are judged */
    struct status_velero *veleros;                   /* all there are */
    size_t velero_count;
    struct status_verdict verdict; /* the worst of the three below */
    struct status_verdict restore, runs, upgrades;
    struct recovery_candidate *candidates; /* management backups, and those of Schedules, newest first */
    size_t candidate_count;
    struct status_kept *kept; /* of the system namespace, newest first */
    size_t kept_count;
    struct status_recovery recovery;          /* of the cluster */
    const struct status_backup *objective_of; /* whose objective is the cluster's; NULL: the settings' */
    const struct backup *good;                /* the newest management backup that could be restored; NULL: none */
    struct status_finding *findings;
    size_t finding_count, finding_cap, blocker_count, risk_count;
    struct status_finding *consequences; /* of findings: problems that go with their cause */
    size_t consequence_count;
    struct strlist unchecked;        /* kinds nobody knows, so that causes that they would show are not reported */
    struct status_finding *unjudged; /* kinds nobody knows; `blocks` is what could not be judged without them */
    size_t unjudged_count;
    struct status_source *sources; /* ManagementBackups, then Schedules by namespace and name, then the rest */
    size_t source_count;
    struct status_collision *collisions;
    size_t collision_count;
    const struct status_serving *serving;           /* NULL: this is no server */
    const struct status_audit *audit;               /* NULL: not asked for */
    const struct status_completeness *completeness; /* NULL: not asked for */
};

/* Everything lives in view->arena; inventory and settings must outlive it. The caller
 * has set arena, now, from, files, inventory and settings, and serving and audit where it has
 * them; target as policy_upgrade_view has it. False when out of memory. */
bool status_fill(struct status_view *view, struct str target) MUST_CHECK;
/* The location of this name in the system namespace, or for none the default; NULL when there is none. */
const struct status_location *status_location(const struct status_view *view, struct str name);
/* The first unknown kind that one of `judges` (status_blocks) rests on; NULL: all that they rest on is known. */
const struct status_finding *status_unjudged(const struct status_view *view, unsigned judges);
/* The kinds without which deeper causes may be hidden, in a sentence; empty where that does not matter. */
struct str status_unchecked_text(const struct status_view *view);
/* What an upgrade would meet, in a few words. */
const char *status_outcome(const struct upgrade_view *upgrade);
/* "NAME was rehearsed 3m ago: restorable (...)", of the recovery point or what stands in for it. Empty where there is none,
 * and where there is no annotation and settings upgrade.rehearsal are off. */
struct str status_rehearsal_text(const struct status_view *view);
/* "upgrades, restores": what a finding blocks, in words. */
struct str status_blocked(const struct status_view *view, unsigned blocks);

/* ---- the faces --------------------------------------------------------------- */

/* One object on one line; docs/status.md describes its keys. */
void status_json(const struct status_view *view, struct buf *out);
/* One HTML document: no script, nothing loaded from anywhere. `served`: by a server that
 * answers at / and /?refresh, to which it links. Tables and pictures are bounded. */
void status_html(const struct status_view *view, bool served, struct buf *out);
/* The Content-Security-Policy that the document keeps to. */
void status_html_policy(struct buf *out);

#endif
