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
    const struct backup *good;             /* its newest Completed one in this cluster; NULL: none */
    const struct status_location *goes_to; /* NULL when there is none */
};

struct status_velero {
    const struct velero_deployment *object;
    struct str account;
    bool ready, known_account; /* settings velero.serviceAccounts have it */
    bool bad_name;             /* not `velero`, where the release that runs needs it (velero issue 9023) */
};

enum status_blocks { STATUS_BLOCKS_UPGRADE = 1, STATUS_BLOCKS_RESTORE = 2, STATUS_BLOCKS_BACKUP = 4 };
struct status_finding {
    unsigned blocks;   /* of status_blocks; 0: a warning */
    struct str object; /* "managementbackup/kcm-backup" */
    struct str says, fix;
};

struct status_view {
    struct arena *arena;
    int64_t now;
    struct str from; /* the API server, or the files */
    const struct inventory *inventory;
    const struct settings *settings;
    struct upgrade_view upgrade;
    struct status_backup *backups; /* sorted by name, as the inventory is */
    size_t backup_count;
    struct status_location *locations; /* of the system namespace */
    size_t location_count;
    struct status_velero *veleros; /* all there are */
    size_t velero_count;
    const struct backup *good; /* the newest Completed management backup whose storage can be read; NULL: none */
    struct status_finding *findings;
    size_t finding_count, finding_cap, blocker_count;
};

/* Everything lives in view->arena; inventory and settings must outlive it. The caller
 * has set arena, now, from, inventory and settings; target as policy_upgrade_view has
 * it. False when out of memory. */
bool status_fill(struct status_view *view, struct str target) MUST_CHECK;
/* The location of this name in the system namespace, or for none the default; NULL when there is none. */
const struct status_location *status_location(const struct status_view *view, struct str name);
/* What an upgrade would meet, in a few words. */
const char *status_outcome(const struct upgrade_view *upgrade);

/* ---- the faces --------------------------------------------------------------- */

/* One object on one line; docs/status.md describes its keys. */
void status_json(const struct status_view *view, struct buf *out);

#endif
