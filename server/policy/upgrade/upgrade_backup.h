/* Velero Backups that were taken for an upgrade: the way back from it. */
#ifndef BACKSTOP_POLICY_UPGRADE_UPGRADE_BACKUP_H
#define BACKSTOP_POLICY_UPGRADE_UPGRADE_BACKUP_H

#include "backstop/policy.h"

/* The release that a pre-upgrade backup was taken before leaving; absent for other
 * backups and for those of regions. On a fresh cluster its name says so. */
struct str upgrade_backup_release(const struct inventory *inventory, const struct backup *backup);
/* Which release such a backup holds. kcm itself takes it after spec.release was edited. That it
 * was taken before is believed only where what says so was written when Velero began with it. */
enum rollback_holds upgrade_backup_holds(const struct inventory *inventory, const struct backup *backup);
/* The components of that release that were not ready when it was taken; absent when all were, or nobody knows. */
struct str upgrade_backup_not_ready(const struct backup *backup);

#endif
