/* Edits of a Velero Backup, and Backups that come with a status. */
#ifndef BACKSTOP_POLICY_BACKUP_EDIT_H
#define BACKSTOP_POLICY_BACKUP_EDIT_H

#include "backstop/policy.h"

/* By others than Velero: denies (403) what would have a backup count as a Completed management
 * backup that Velero did not complete, and what takes one away that the cluster needs, as
 * deletion_check_needed does. */
void backup_edit_check(const struct request *request, const struct inventory *inventory,
                       const struct settings *settings, struct decision *decision);
void backup_edit_wants(const struct request *request, const struct inventory *inventory,
                       const struct settings *settings, struct facts_wanted *wanted);
/* What a change of spec still does after Velero has read it; only of an UPDATE that changes it. */
void backup_edit_warn(const struct request *request, const struct settings *settings, struct decision *decision);
/* The old object of the request as a fact: what deletion_check_needed reads of one. */
struct backup backup_edit_old(const struct request *request, const struct settings *settings);

#endif
