#include "settings/settings.h"

#define PLACE(member) offsetof(struct settings, member)
enum { MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

static const struct settings_key keys[] = {
    {"systemNamespace", KEY_TEXT, PLACE(system_namespace), "kcm-system", &rule_namespace, 0, 0,
     "The namespace in which k0rdent and Velero run, and in which Velero's objects are looked up."},

    {"schedules.minimumInterval", KEY_DURATION, PLACE(schedules_minimum_interval), "15m", NULL, 0, 30 * DAY,
     "A schedule that fires more often than this is too frequent; 0s turns the check off."},
    {"schedules.tooFrequent", KEY_VERDICT, PLACE(schedules_too_frequent), "warn", NULL, 0, 0,
     "What happens to a schedule that fires more often than schedules.minimumInterval."},
    {"schedules.controllerTimeZone", KEY_TEXT, PLACE(schedules_controller_zone), "UTC", &rule_zone, 0, 0,
     "The time zone of the controllers (k0rdent's and Velero's), in which a schedule without TZ= runs."},

    {"storage.whenUnknown", KEY_VERDICT, PLACE(storage_unknown), "warn", NULL, 0, 0,
     "What happens to an object that names a storage location while the locations are not known."},
    {"storage.notDurable", KEY_VERDICT, PLACE(storage_not_durable), "warn", NULL, 0, 0,
     "What happens to a ManagementBackup whose storage is lost together with the cluster (S3 inside the cluster, "
     "a volume claim, a host path)."},

    {"managementBackups.deleteProtecting", KEY_VERDICT, PLACE(backups_delete_protecting), "warn", NULL, 0, 0,
     "What happens when the backup that protects the running release, or the last ManagementBackup with "
     "performOnManagementUpgrade, is deleted or loses its flag or schedule."},

    {"restores.mutateAll", KEY_BOOL, PLACE(restores_mutate_all), "false", NULL, 0, 0,
     "Complete every Velero Restore, not only those of a management backup. Where this cluster has a Management, "
     "existingResourcePolicy is completed for kcm's own backups alone."},
    {"restores.forceExistingResourcePolicy", KEY_BOOL, PLACE(restores_force_update), "false", NULL, 0, 0,
     "Replace existingResourcePolicy: none by update in a Restore of a management backup."},
    {"restores.injectReleaseModifier", KEY_BOOL, PLACE(restores_inject_release_modifier), "false", NULL, 0, 0,
     "Add the resource modifier that sets the old release back to a Restore of a pre-upgrade backup that has none."},
    {"restores.providers", KEY_TEXTS, PLACE(restores_providers), "", &rule_provider, 0, 0,
     "CAPI providers to assume when neither the Backup nor the Management names any (infrastructure-azure, ...)."},
    {"restores.providerCaveats", KEY_PROVIDER_EXCLUSIONS, PLACE(provider_exclusions), "", NULL, 0, 0,
     "What a Restore must leave out for a provider, beside what is built in for Azure and vSphere."},

    {"upgrade.gate", KEY_BOOL, PLACE(upgrade_gate), "true", NULL, 0, 0,
     "Admit a new Management release only after a fresh, complete backup of the running one."},
    {"upgrade.maxBackupAge", KEY_DURATION, PLACE(upgrade_max_backup_age), "1h", NULL, MINUTE, 30 * DAY,
     "How old a pre-upgrade backup may be and still count."},
    {"upgrade.retryAfter", KEY_DURATION, PLACE(upgrade_retry_after), "15s", NULL, 1, 5 * MINUTE,
     "How long a client is told to wait while the backup runs; kubectl tries again ten times by itself."},
    {"upgrade.retryAfterFailure", KEY_DURATION, PLACE(upgrade_retry_after_failure), "10m", NULL, 0, DAY,
     "How soon after a failed pre-upgrade backup another one may be started."},
    {"upgrade.startTimeout", KEY_DURATION, PLACE(upgrade_start_timeout), "5m", NULL, 10, DAY,
     "A pre-upgrade backup that has not started after this time is reported as stuck."},
    {"upgrade.withoutBackups", KEY_VERDICT, PLACE(upgrade_without_backups), "warn", NULL, 0, 0,
     "What happens to an upgrade that no ManagementBackup with performOnManagementUpgrade protects."},
    {"upgrade.changedStatus", KEY_VERDICT, PLACE(upgrade_changed_status), "deny", NULL, 0, 0,
     "What happens to a change of a Management's status.release by anybody but kcm and Velero."},
    {"upgrade.changedRelease", KEY_VERDICT, PLACE(upgrade_changed_release), "deny", NULL, 0, 0,
     "What happens to a change of the spec of the Release that runs: other components under the same name."},
    {"upgrade.deletedManagement", KEY_VERDICT, PLACE(upgrade_deleted_management), "warn", NULL, 0, 0,
     "What happens to the deletion of a Management that runs a release."},
    {"upgrade.evidence", KEY_EVIDENCE, PLACE(evidence), "", NULL, 0, 0,
     "Backups of other engines (Kasten, Trilio, Cohesity, etcd snapshots) that the gate asks for as well."},

    {"velero.serviceAccounts", KEY_TEXTS, PLACE(velero_service_accounts), "velero-server,velero", &rule_account, 0, 0,
     "Service accounts of Velero, whose own writes (a restore) are warned about instead of denied: NAME in the "
     "system namespace, or NAMESPACE:NAME. Replaces the default. The account of Velero's Deployment there counts too."},
    {"velero.fieldManagers", KEY_TEXTS, PLACE(velero_field_managers), "velero-server", &rule_manager, 0, 0,
     "Names that the API server knows Velero's writes by (metadata.managedFields): of its binary, with -server. A "
     "Backup whose status anybody else wrote is no evidence. Replaces the default."},
    {"velero.version", KEY_TEXT, PLACE(velero_version), "", &rule_version, 0, 0,
     "The release of Velero that objects are judged by, such as 1.18.3. Empty: found from the image tag of Velero's "
     "Deployment, or asked of its server where the tag does not tell."},

    {"kcm.serviceAccounts", KEY_TEXTS, PLACE(kcm_service_accounts), "kcm-controller-manager", &rule_account, 0, 0,
     "Service accounts of kcm, which alone reports status.release. What kcm creates (its Backups) is warned about "
     "instead of denied, since kcm would only try again and again: NAME in the system namespace, or NAMESPACE:NAME. "
     "Replaces the default. The account of kcm's Deployment there (labels control-plane and "
     "k0rdent.mirantis.com/component=kcm) counts too."},
    {"kcm.version", KEY_TEXT, PLACE(kcm_version), "", &rule_version, 0, 0,
     "The release of k0rdent that runs, such as 1.12.0. Empty: found from the Management and its Release."},
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
