/* kcm's names for pre-upgrade backups, to the byte: what the gate creates must be
 * what kcm would look for. Mirrors kcm internal/controller/management_controller.go
 * (managementUpgradeBackupName, boundedDNSName). */
#ifndef BACKSTOP_POLICY_MANAGEMENTBACKUP_KCM_NAMES_H
#define BACKSTOP_POLICY_MANAGEMENTBACKUP_KCM_NAMES_H

#include "backstop/base.h"

/* The value itself when it fits; else its beginning, without trailing '-' and '.',
 * and "-" with the first 8 hex digits of the whole value's SHA-256. */
struct str kcm_bounded(struct arena *arena, struct str value, size_t limit);
/* The ManagementBackup that kcm gets or creates for `backup` when leaving `release`. */
struct str kcm_upgrade_backup(struct arena *arena, struct str backup, struct str release);
/* A further one, of its own: that name and "-YYYYMMDDhhmmss" in UTC, the form that
 * kcm's scheduled backups have; cut earlier where the whole would not fit. */
struct str kcm_upgrade_backup_again(struct arena *arena, struct str backup, struct str release, int64_t when);
/* True for both forms of name. */
bool kcm_is_upgrade_backup(struct arena *arena, struct str name, struct str backup, struct str release);
/* The value of the label k0rdent.mirantis.com/release-backup. */
struct str kcm_release_label(struct arena *arena, struct str release);

#endif
