/* KOTS snapshots, which are Velero Backups (kots-snapshots documentation). */
#ifndef BACKSTOP_POLICY_BACKUP_KOTS_H
#define BACKSTOP_POLICY_BACKUP_KOTS_H

#include "backstop/policy.h"

/* What storage inside the cluster means for a Backup with these annotations (NULL is
 * fine), where that is not what it means for any; else NULL. */
const char *kots_inside_means(struct json_object *annotations);
/* Backup CREATE: what the snapshot is good for, and where it goes. `storage_told`: what
 * kots_inside_means tells was said with the storage location. */
void kots_warn_backup(const struct request *request, const struct inventory *inventory, const struct settings *settings,
                      bool storage_told, struct decision *decision);
/* Restore of this backup: a partial snapshot taken for a disaster recovery, and what a
 * full one asks of the cluster. */
void kots_warn_restore(const struct inventory *inventory, const struct backup *backup, struct decision *decision);

#endif
