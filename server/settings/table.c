#include "settings/settings.h"

#define PLACE(member) offsetof(struct settings, member)
enum { MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

static const struct settings_key keys[] = {
    {"systemNamespace", KEY_TEXT, PLACE(system_namespace), "kcm-system", &rule_namespace, 0, 0,
     "The namespace where k0rdent and Velero run and where Velero's objects are."},

    {"schedules.minimumInterval", KEY_DURATION, PLACE(schedules_minimum_interval), "15m", NULL, 0, 30 * DAY,
     "A schedule that fires more often than this is too frequent. 0s disables the check."},
    {"schedules.tooFrequent", KEY_VERDICT, PLACE(schedules_too_frequent), "warn", NULL, 0, 0,
     "What happens to a schedule that fires more often than schedules.minimumInterval."},
    {"schedules.controllerTimeZone", KEY_TEXT, PLACE(schedules_controller_zone), "UTC", &rule_zone, 0, 0,
     "The time zone of the controllers (k0rdent's and Velero's). A schedule without TZ= runs in it."},

    {"storage.whenUnknown", KEY_VERDICT, PLACE(storage_unknown), "warn", NULL, 0, 0,
     "What happens to an object that names a storage location while the storage locations are unknown."},
    {"storage.notDurable", KEY_VERDICT, PLACE(storage_not_durable), "warn", NULL, 0, 0,
     "What happens to a ManagementBackup whose storage would be lost with the cluster (S3 inside the cluster, a volume "
     "claim, a host path)."},

    {"managementBackups.deleteProtecting", KEY_VERDICT, PLACE(backups_delete_protecting), "warn", NULL, 0, 0,
     "What happens when somebody deletes the backup that protects the running release or the last ManagementBackup "
     "with performOnManagementUpgrade, or removes that ManagementBackup's flag or schedule."},

    {"credentials.notInBackups", KEY_VERDICT, PLACE(credentials_not_backed_up), "allow", NULL, 0, 0,
     "What happens to a Credential whose Secret no management backup contains, for want of a label. Identities that "
     "are no "
     "Secrets are not checked, which a warning says."},
    {"restores.mutateAll", KEY_BOOL, PLACE(restores_mutate_all), "false", NULL, 0, 0,
     "Complete every Velero Restore, not only restores of management backups. While this cluster has a Management, "
     "existingResourcePolicy is only set for kcm's own backups."},
    {"restores.forceExistingResourcePolicy", KEY_BOOL, PLACE(restores_force_update), "false", NULL, 0, 0,
     "In a Restore of a management backup, replace existingResourcePolicy: none with update."},
    {"restores.injectReleaseModifier", KEY_BOOL, PLACE(restores_inject_release_modifier), "false", NULL, 0, 0,
     "Add the resource modifier that sets the old release to a Restore of a pre-upgrade backup without one."},
    {"restores.providers", KEY_TEXTS, PLACE(restores_providers), "", &rule_provider, 0, 0,
     "CAPI providers to assume when neither the Backup nor the Management names one (infrastructure-azure, ...)."},
    {"restores.providerCaveats", KEY_PROVIDER_EXCLUSIONS, PLACE(provider_exclusions), "", NULL, 0, 0,
     "Provider exclusions: resources that a Restore must exclude for a provider, in addition to the built-in ones for "
     "Azure and vSphere."},

    {"upgrade.gate", KEY_BOOL, PLACE(upgrade_gate), "true", NULL, 0, 0,
     "Admit a new Management release only after a fresh, complete backup of the running one."},
    {"upgrade.maxBackupAge", KEY_DURATION, PLACE(upgrade_max_backup_age), "1h", NULL, MINUTE, 30 * DAY,
     "The maximum age of a pre-upgrade backup."},
    {"upgrade.retryAfter", KEY_DURATION, PLACE(upgrade_retry_after), "15s", NULL, 1, 5 * MINUTE,
     "The retry delay sent to clients while the backup runs. kubectl retries ten times on its own."},
    {"upgrade.retryAfterFailure", KEY_DURATION, PLACE(upgrade_retry_after_failure), "10m", NULL, 0, DAY,
     "The minimum time between a failed pre-upgrade backup and the next one."},
    {"upgrade.startTimeout", KEY_DURATION, PLACE(upgrade_start_timeout), "5m", NULL, 10, DAY,
     "After this time, a pre-upgrade backup that has not started is reported as stuck."},
    {"upgrade.withoutBackups", KEY_VERDICT, PLACE(upgrade_without_backups), "warn", NULL, 0, 0,
     "What happens to an upgrade when no ManagementBackup has performOnManagementUpgrade."},
    {"upgrade.changedStatus", KEY_VERDICT, PLACE(upgrade_changed_status), "deny", NULL, 0, 0,
     "What happens when anybody but kcm or Velero changes a Management's status.release."},
    {"upgrade.changedRelease", KEY_VERDICT, PLACE(upgrade_changed_release), "deny", NULL, 0, 0,
     "What happens when somebody changes the spec of the running Release (other components under the same name)."},
    {"upgrade.deletedManagement", KEY_VERDICT, PLACE(upgrade_deleted_management), "warn", NULL, 0, 0,
     "What happens when somebody deletes a Management that runs a release."},
    {"upgrade.evidence", KEY_EVIDENCE, PLACE(evidence), "", NULL, 0, 0,
     "Backups of other engines (Kasten, Trilio, Cohesity, etcd snapshots) that the upgrade gate checks too."},

    {"status.recoveryPoint", KEY_DURATION, PLACE(status_recovery_point), "0s", NULL, 0, 400 * DAY,
     "How old the newest backup that can be restored may become before backstop status reports AT RISK. 0s: two missed "
     "runs "
     "of the ManagementBackup that runs most often. The annotation backstop.k0rdent.mirantis.com/recovery-point of a "
     "ManagementBackup sets another value for it."},

    {"velero.serviceAccounts", KEY_TEXTS, PLACE(velero_service_accounts), "velero-server,velero", &rule_account, 0, 0,
     "Velero's service accounts: NAME in the system namespace, or NAMESPACE:NAME. What they write (restores) gets "
     "warnings instead of denials. Replaces the default. The account of Velero's Deployment in the system namespace "
     "always counts."},
    {"velero.fieldManagers", KEY_TEXTS, PLACE(velero_field_managers), "velero-server", &rule_manager, 0, 0,
     "Velero's names in metadata.managedFields: the name of its binary, and the same with -server. A Backup whose "
     "status was written under another name does not count as evidence. Replaces the default."},
    {"velero.version", KEY_TEXT, PLACE(velero_version), "", &rule_version, 0, 0,
     "The Velero release that objects are checked against, such as 1.18.3. Default: detected from the image tag of "
     "Velero's Deployment, or by asking its server if the tag does not tell."},

    {"kcm.serviceAccounts", KEY_TEXTS, PLACE(kcm_service_accounts), "kcm-controller-manager", &rule_account, 0, 0,
     "kcm's service accounts: NAME in the system namespace, or NAMESPACE:NAME. Only they may report status.release. "
     "What they create (Backups) gets warnings instead of denials, because kcm would retry forever. Replaces the "
     "default. The account of kcm's Deployment in the system namespace (labels control-plane and "
     "k0rdent.mirantis.com/component=kcm) always counts."},
    {"kcm.version", KEY_TEXT, PLACE(kcm_version), "", &rule_version, 0, 0,
     "The running k0rdent release, such as 1.12.0. Default: detected from the Management and its Release."},
};

const char *const verdict_words[3] = {
    [VERDICT_ALLOW] = "allow",
    [VERDICT_WARN] = "warn",
    [VERDICT_DENY] = "deny",
};

const struct settings_key *settings_keys(size_t *count)
{
    *count = LENGTH_OF(keys);
    return keys;
}
