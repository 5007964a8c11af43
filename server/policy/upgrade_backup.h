/* Velero Backups that were taken for an upgrade: the way back from it. */
#ifndef BACKSTOP_POLICY_UPGRADE_BACKUP_H
#define BACKSTOP_POLICY_UPGRADE_BACKUP_H

#include "backstop/policy.h"

/* The release that a pre-upgrade backup was taken before leaving; absent for other
 * backups and for those of regions. On a fresh cluster its name says so. */
struct str upgrade_backup_release(const struct inventory *inventory, const struct backup *backup);
/* kcm itself takes the backup after spec.release was edited, so it holds the new
 * release. One that the gate took before the edit holds the old. */
bool upgrade_backup_holds_old(const struct inventory *inventory, const struct backup *backup);

#endif
