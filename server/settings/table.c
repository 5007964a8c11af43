/* The table of settings: a row for each key of the file, from which follow the parser, the JSON
 * Schema, the sample file and docs/settings.md. A new setting is a member of struct settings and a
 * row here (CONTRIBUTING.md, "With a setting"). Rows of one section stand together, in the order in
 * which the sample shows them. Help texts are read in documentation and in editors, so they say what
 * a value does, and restate neither type nor default. */
#include "backstop/grammar.h"
#include "settings/settings.h"

/* Go's time.LoadLocation refuses these; whether the zone exists is known only
 * where schedules are read. */
static bool is_zone(struct str text)
{
    if (!text.len || text.ptr[0] == '/' || text.ptr[0] == '\\' || str_contains(text, STR("..")))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~')
            return false;
    return true;
}

/* The provider types of Cluster API (cmd/clusterctl/api/v1alpha3/provider_type.go). */
static bool is_provider(struct str text)
{
    static const struct str types[] = {STR_INIT("infrastructure-"), STR_INIT("bootstrap-"),
                                       STR_INIT("control-plane-"),  STR_INIT("ipam-"),
                                       STR_INIT("addon-"),          STR_INIT("runtime-extension-")};
    for (size_t i = 0; i < LENGTH_OF(types); i++)
        if (str_starts(text, types[i]) && name_is_dns_label(str_slice(text, types[i].len, text.len)))
            return true;
    return false;
}

/* Velero also takes short names, but a name it cannot resolve is compared with
 * plural.group, so only that form works before the provider is installed. */
static bool is_resource(struct str text)
{
    struct str rest = text, resource;
    str_cut(&rest, '.', &resource);
    return rest.ptr && name_is_dns_label(resource) && name_is_dns_subdomain(rest);
}

static bool is_account(struct str text)
{
    struct str rest = text, head;
    str_cut(&rest, ':', &head);
    return rest.ptr ? name_is_dns_label(head) && name_is_dns_subdomain(rest) : name_is_dns_subdomain(head);
}

/* "batch/v1", "v1". */
static bool is_api_version(struct str text)
{
    struct str version = text, group;
    str_cut(&version, '/', &group);
    return version.ptr ? name_is_dns_subdomain(group) && name_is_dns_label(version) : name_is_dns_label(group);
}

static bool is_kind_name(struct str text)
{
    if (!text.len || text.len > 63 || text.ptr[0] < 'A' || text.ptr[0] > 'Z')
        return false;
    for (size_t i = 1; i < text.len; i++)
        if (!char_is_alphanumeric(text.ptr[i]))
            return false;
    return true;
}

/* Audit annotations are named "evidence-NAME", in at most 63 characters. */
static bool is_evidence_name(struct str text)
{
    return text.len <= 40 && name_is_dns_label(text);
}

/* It stands in messages as it is. */
static bool is_hint(struct str text)
{
    if (!text.len || text.len > 200)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < ' ' || text.ptr[i] > '~')
            return false;
    return true;
}

static bool is_manager(struct str text)
{
    return text.len <= 128 && is_hint(text);
}

static bool is_path(struct str text)
{
    return text.len <= 200 && json_select_valid(text);
}

static bool is_short(struct str text)
{
    return text.len > 0 && text.len <= 1000;
}

/* As much of a version as a table of releases can be asked with; empty where none is given. */
static bool is_group_version(struct str text)
{
    struct str rest = text, major, minor;
    int64_t number;
    if (!text.len)
        return true;
    if (text.len > 64 || !is_hint(text) || str_contains(text, STR(" ")))
        return false;
    if (text.ptr[0] == 'v' || text.ptr[0] == 'V')
        rest = str_slice(text, 1, text.len);
    if (!str_cut(&rest, '.', &major) || !str_to_int64(major, &number) || !str_cut(&rest, '.', &minor))
        return false;
    return minor.len && minor.ptr[0] >= '0' && minor.ptr[0] <= '9';
}

#define LABEL "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
#define SUBDOMAIN LABEL "(\\." LABEL ")*"

const struct text_rule rule_namespace = {"^" LABEL "$", "a namespace (lower-case letters, digits and -, at most 63)",
                                         name_is_dns_label};
static const struct text_rule rule_zone = {"^[^/\\\\\\s][^\\s]*$", "a time zone, such as UTC or Europe/Berlin",
                                           is_zone};
const struct text_rule rule_provider = {
    "^(infrastructure|bootstrap|control-plane|ipam|addon|runtime-extension)-" LABEL "$",
    "the name of a Cluster API provider, such as infrastructure-azure", is_provider};
const struct text_rule rule_component = {
    "^" LABEL "$", "the name of a provider in Management.spec.providers, such as cluster-api-provider-azure",
    name_is_dns_label};
const struct text_rule rule_resource = {"^" LABEL "\\." SUBDOMAIN "$",
                                        "plural.group, such as virtualnetworks.network.azure.com", is_resource};
static const struct text_rule rule_account = {"^(" LABEL ":)?" SUBDOMAIN "$",
                                              "the name of a service account, or NAMESPACE:NAME", is_account};

/* As the API server takes it (apimachinery's ValidateFieldManager). */
static const struct text_rule rule_manager = {
    "^[ -~]{1,128}$", "a field manager, as managedFields name it, such as velero-server", is_manager};

const struct text_rule rule_name = {"^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$",
                                    "a short name (lower-case letters, digits and -, at most 40)", is_evidence_name};
const struct text_rule rule_api_version = {"^(" SUBDOMAIN "/)?" LABEL "$",
                                           "an apiVersion, such as actions.kio.kasten.io/v1alpha1 or batch/v1",
                                           is_api_version};
const struct text_rule rule_kind = {"^[A-Z][A-Za-z0-9]*$", "a kind, such as RunAction", is_kind_name};
const struct text_rule rule_plural = {
    "^" LABEL "$", "a plural as in kubectl get, such as runactions, without its group", name_is_dns_label};
const struct text_rule rule_path = {"^[^.\\[\\]=\\s]+(\\.[^.\\[\\]=\\s]+|\\[[^\\]]+\\])*$",
                                    "a path such as status.state or status.conditions[type=Complete].status", is_path};
const struct text_rule rule_hint = {"^[ -~]{1,200}$", "a line of at most 200 plain characters", is_hint};
const struct text_rule rule_selector = {
    "^.{1,1000}$", "a label selector as for kubectl -l, such as \"app=etcd,tier in (a,b)\"", is_short};
static const struct text_rule rule_version = {"^([vV]?[0-9]+\\.[0-9][!-~]*)?$", "a version, such as 1.18.3",
                                              is_group_version};

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
    {"storage.foreignWriter", KEY_VERDICT, PLACE(storage_foreign_writer), "warn", NULL, 0, 0,
     "What happens to a ManagementBackup whose storage another cluster writes management backups to as well. allow "
     "also "
     "turns off the warnings of the gate and of status."},

    {"managementBackups.deleteProtecting", KEY_VERDICT, PLACE(backups_delete_protecting), "warn", NULL, 0, 0,
     "What happens when somebody deletes the backup that protects the running release or the last ManagementBackup "
     "with performOnManagementUpgrade, or removes that ManagementBackup's flag or schedule."},

    {"managementBackups.deleteNeeded", KEY_VERDICT, PLACE(backups_delete_needed), "warn", NULL, 0, 0,
     "What happens when somebody deletes a Credential or Region that a ClusterDeployment needs. Without the Credential "
     "kcm makes no management backup at all."},

    {"credentials.notInBackups", KEY_VERDICT, PLACE(credentials_not_backed_up), "allow", NULL, 0, 0,
     "What happens to a Credential whose Secret no management backup contains, for want of a label. Identities "
     "other than Secrets are not checked, and a warning says so."},
    {"backups.keepLast", KEY_COUNT, PLACE(backups_keep_last), "1", NULL, 0, 1000,
     "How many of the newest Completed management backups, of this cluster and of each region, nobody can delete, "
     "Velero's garbage collector included: an expired one stays until that many newer ones are Completed. 0 disables "
     "the check."},
    {"backups.keepFor", KEY_DURATION, PLACE(backups_keep_for), "0s", NULL, 0, 3650 * DAY,
     "Nobody can delete a Completed management backup younger than this, Velero's garbage collector included. 0s "
     "disables the check."},
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
    {"upgrade.rehearsal", KEY_STRICTNESS, PLACE(upgrade_rehearsal), "off", NULL, 0, 0,
     "Whether the pre-upgrade backup must have been rehearsed (backstop rehearse BACKUP --record) with the verdict "
     "restorable: off, warn, or require, which refuses the upgrade until it has been."},
    {"upgrade.changedStatus", KEY_VERDICT, PLACE(upgrade_changed_status), "deny", NULL, 0, 0,
     "What happens when anybody but kcm or Velero changes a Management's status.release, or a ManagementBackup's "
     "status.regions."},
    {"upgrade.changedRelease", KEY_VERDICT, PLACE(upgrade_changed_release), "deny", NULL, 0, 0,
     "What happens when somebody changes the spec of the running Release (other components under the same name)."},
    {"upgrade.deletedManagement", KEY_VERDICT, PLACE(upgrade_deleted_management), "warn", NULL, 0, 0,
     "What happens when somebody deletes a Management that runs a release."},
    {"upgrade.disabledVelero", KEY_VERDICT, PLACE(upgrade_disabled_velero), "warn", NULL, 0, 0,
     "What happens to a change of the Management that switches Velero off, or leaves its values where k0rdent ignores "
     "them (spec.core.kcm.config.velero, since 1.4)."},
    {"upgrade.removedProvider", KEY_VERDICT, PLACE(upgrade_removed_provider), "warn", NULL, 0, 0,
     "What happens to a change of the Management that removes a provider that ClusterDeployments use."},
    {"upgrade.unsupportedRelease", KEY_VERDICT, PLACE(upgrade_unsupported_release), "warn", NULL, 0, 0,
     "What happens to a downgrade, and to an upgrade that skips a release that k0rdent requires."},
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
     "The running k0rdent release, such as 1.12.0. Default: detected from the image of kcm's Deployment, or from the "
     "Management and its Release."},
};

const char *const verdict_words[3] = {
    [VERDICT_ALLOW] = "allow",
    [VERDICT_WARN] = "warn",
    [VERDICT_DENY] = "deny",
};
const char *const strictness_words[3] = {
    [VERDICT_ALLOW] = "off",
    [VERDICT_WARN] = "warn",
    [VERDICT_DENY] = "require",
};

const struct settings_key *settings_keys(size_t *count)
{
    *count = LENGTH_OF(keys);
    return keys;
}
