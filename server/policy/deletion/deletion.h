/* Deleting backups and restores: what is lost, and what comes back. */
#ifndef BACKSTOP_POLICY_DELETION_DELETION_H
#define BACKSTOP_POLICY_DELETION_DELETION_H

#include "backstop/policy.h"

/* The deletion of an object that Kubernetes or Velero itself carries out (of a namespace, of owned
 * objects, of a Backup whose data is gone): nobody reads an answer there, and a denial would only
 * block them. What Velero asks for in a DeleteBackupRequest is another matter: its data is still there. */
bool deletion_is_automatic(const struct request *request, const struct settings *settings);
/* How a backup would go. */
struct removal {
    const struct object *holder; /* whose annotation ANNOTATION_ALLOW_DELETE counts */
    struct str change;           /* the fields of an edit that takes the backup away; empty: it is deleted */
};
/* By kcm and Completed, expired or not; or pinned: what deletions and edits are checked for. */
bool deletion_is_guarded(const struct backup *backup);
/* Denies (403) when the backup stays (policy_backup_kept). ANNOTATION_ALLOW_DELETE with a reason on
 * the holder allows it with a warning, unless it is pinned. True when it may go; then that is reserved. */
bool deletion_check_needed(const struct request *request, const struct inventory *inventory,
                           const struct settings *settings, const struct removal *removal, const struct backup *backup,
                           struct decision *decision);

/* What is read for a review that would have this Backup of the system namespace go: which
 * deletions were admitted, which wait for Velero, and some of the backups that would remain. */
void deletion_want_others(const struct request *request, const struct inventory *inventory,
                          const struct settings *settings, struct str name, struct facts_wanted *wanted);

#endif
