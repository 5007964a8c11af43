/* The table of rules: which policy judges which kind, operation and subresource, under which path. Webhook
 * configurations, documentation and RBAC follow from it. */
#include "backstop/admission.h"
#include "backstop/api.h"

/* Mutating rows stand before validating ones: the order in which the API server calls them. */
static const struct rule rules[] = {
    {
        .group = GROUP_VELERO,
        .resource = "restores",
        .kind = "Restore",
        .operations = OPERATION_CREATE | OPERATION_UPDATE,
        .mutating = true,
        .has_effects = true, /* the ConfigMap of a rollback, by settings; a backup before an upgrade by restore */
        .path = "/mutate-velero-io-v1-restore",
        .policy = policy_restore_mutate,
        .wants = policy_restore_wants,
        .failure_policy = "Fail",
        .documentation = "adds the exclusions for the backup's providers, and existingResourcePolicy: update",
    },
    {
        .group = GROUP_VELERO,
        .resource = "backups",
        .kind = "Backup",
        .operations = OPERATION_CREATE,
        .mutating = true,
        .advisory = true,
        .path = "/mutate-velero-io-v1-backup",
        .policy = policy_backup_passport,
        .wants = policy_backup_passport_wants,
        .failure_policy = "Ignore",
        .documentation = "records on a management backup what its restore needs to know; never denies one",
    },
    {
        .group = GROUP_VELERO,
        .resource = "restores",
        .kind = "Restore",
        .operations = OPERATION_CREATE | OPERATION_UPDATE,
        .path = "/validate-velero-io-v1-restore",
        .policy = policy_restore,
        .wants = policy_restore_wants,
        .failure_policy = "Fail",
        .documentation = "runs the checks that Velero runs only after the Restore is stored, or never",
    },
    {
        .group = GROUP_K0RDENT,
        .resource = "managementbackups",
        .kind = "ManagementBackup",
        .operations = OPERATION_CREATE | OPERATION_UPDATE | OPERATION_DELETE,
        .trusts_kcm = true,
        .path = "/validate-k0rdent-mirantis-com-v1beta1-managementbackup",
        .policy = policy_management_backup,
        .wants = policy_management_backup_wants,
        .failure_policy = "Ignore",
        .documentation = "checks schedule, storage location and upgrade flag, and explains what they do",
    },
    {
        .group = GROUP_K0RDENT,
        .resource = "credentials",
        .kind = "Credential",
        .operations = OPERATION_CREATE | OPERATION_UPDATE,
        .trusts_kcm = true,
        .path = "/validate-k0rdent-mirantis-com-v1beta1-credential",
        .policy = policy_credential,
        .failure_policy = "Ignore",
        .documentation = "warns when no management backup would contain its Secret (settings credentials.notInBackups)",
    },
    {
        .group = GROUP_K0RDENT,
        .resource = "credentials",
        .kind = "Credential",
        .operations = OPERATION_DELETE,
        .path = "/validate-k0rdent-mirantis-com-v1beta1-credential-deletion",
        .policy = policy_credential_deletion,
        .failure_policy = "Ignore",
        .documentation = "protects a Credential that a ClusterDeployment needs: without it kcm makes no backup at all",
    },
    {
        .group = GROUP_K0RDENT,
        .resource = "regions",
        .kind = "Region",
        .operations = OPERATION_DELETE,
        .path = "/validate-k0rdent-mirantis-com-v1beta1-region-deletion",
        .policy = policy_region_deletion,
        .failure_policy = "Ignore",
        .documentation = "the same of a Region that ClusterDeployments run in, whose backups would end",
    },
    {
        .group = GROUP_K0RDENT,
        .resource = "managements",
        .kind = "Management",
        .operations = OPERATION_UPDATE,
        .path = "/validate-k0rdent-mirantis-com-v1beta1-management",
        .policy = policy_management,
        .wants = policy_management_wants,
        .has_effects = true,
        .failure_policy = "Fail",
        .documentation = "admits a new release only when a fresh, complete pre-upgrade backup exists",
    },
    {
        .group = GROUP_K0RDENT,
        .resource = "managements",
        .kind = "Management",
        .operations = OPERATION_UPDATE,
        .path = "/validate-k0rdent-mirantis-com-v1beta1-management-edit",
        .policy = policy_management_edit,
        .failure_policy = "Ignore",
        .documentation =
            "warns of other edits, or denies them by settings: Velero switched off, a provider in use removed",
    },
    {
        .group = GROUP_K0RDENT,
        .resource = "managements",
        .kind = "Management",
        .operations = OPERATION_CREATE | OPERATION_DELETE,
        .path = "/validate-k0rdent-mirantis-com-v1beta1-management-life",
        .policy = policy_management_life,
        .wants = policy_management_wants,
        .has_effects = true,
        .failure_policy = "Ignore", /* an install or uninstall must not wait for it */
        .documentation = "the same for a Management that is deleted and re-created, or created beside the existing one",
    },
    {
        .group = GROUP_K0RDENT,
        .resource = "managements",
        .subresource = "status",
        .kind = "Management",
        .operations = OPERATION_UPDATE,
        .path = "/validate-k0rdent-mirantis-com-v1beta1-management-status",
        .policy = policy_management_status,
        .failure_policy = "Fail",
        .documentation = "lets only kcm change status.release, which the gate relies on",
    },
    {
        .group = GROUP_K0RDENT,
        .resource = "managementbackups",
        .subresource = "status",
        .kind = "ManagementBackup",
        .operations = OPERATION_UPDATE,
        .path = "/validate-k0rdent-mirantis-com-v1beta1-managementbackup-status",
        .policy = policy_management_backup_status,
        .failure_policy = "Fail",
        .documentation = "lets only kcm change status.regions, which the gate relies on for regional backups",
    },
    {
        .group = GROUP_K0RDENT,
        .resource = "releases",
        .kind = "Release",
        .operations = OPERATION_UPDATE,
        .path = "/validate-k0rdent-mirantis-com-v1beta1-release",
        .policy = policy_release,
        .failure_policy = "Fail",
        .documentation = "prevents in-place edits of the running Release, which would be an upgrade",
    },
    {
        .group = GROUP_VELERO,
        .resource = "deletebackuprequests",
        .kind = "DeleteBackupRequest",
        .operations = OPERATION_CREATE | OPERATION_UPDATE,
        .binds_velero = true, /* its garbage collector, of expired backups */
        .path = "/validate-velero-io-v1-deletebackuprequest",
        .policy = policy_delete_backup_request,
        .wants = policy_delete_backup_request_wants,
        .failure_policy =
            "Fail", /* unreviewed, an expired last backup would be gone; a refused request is made again */
        .documentation = "protects pinned backups, the last management backups and the rollback from the running "
                         "release, also from Velero's garbage collector; lists what is deleted",
    },
    {
        .group = GROUP_VELERO,
        .resource = "backups",
        .kind = "Backup",
        .operations = OPERATION_DELETE,
        .path = "/validate-velero-io-v1-backup-deletion",
        .policy = policy_backup_deletion,
        .wants = policy_backup_deletion_wants,
        .failure_policy = "Ignore",
        .documentation = "the same for the object alone, which Velero may re-create from the object store",
    },
    {
        .group = GROUP_VELERO,
        .resource = "restores",
        .kind = "Restore",
        .operations = OPERATION_DELETE,
        .path = "/validate-velero-io-v1-restore-deletion",
        .policy = policy_restore_deletion,
        .failure_policy = "Ignore",
        .documentation = "lists what is deleted with a Restore, and what remains",
    },
    {
        .group = GROUP_VELERO,
        .resource = "backupstoragelocations",
        .kind = "BackupStorageLocation",
        .operations = OPERATION_CREATE | OPERATION_UPDATE | OPERATION_DELETE,
        .trusts_kcm = true,
        .path = "/validate-velero-io-v1-backupstoragelocation",
        .policy = policy_storage_location,
        .failure_policy = "Ignore",
        .documentation = "checks bucket, provider, credential and certificate; prevents deletion while in use",
    },
    {
        .group = GROUP_VELERO,
        .resource = "schedules",
        .kind = "Schedule",
        .operations = OPERATION_CREATE | OPERATION_UPDATE,
        .trusts_kcm = true,
        .path = "/validate-velero-io-v1-schedule",
        .policy = policy_velero_schedule,
        .wants = policy_velero_schedule_wants,
        .failure_policy = "Ignore",
        .documentation = "checks the cron expression, and the template like the Backups created from it",
    },
    {
        .group = GROUP_VELERO,
        .resource = "backups",
        .kind = "Backup",
        .operations = OPERATION_CREATE | OPERATION_UPDATE,
        .trusts_kcm = true,
        .path = "/validate-velero-io-v1-backup",
        .policy = policy_velero_backup,
        .wants = policy_velero_backup_wants,
        .failure_policy = "Ignore",
        .documentation = "runs the checks that Velero runs when the backup starts",
    },
};

const struct rule *admission_rules(size_t *count)
{
    *count = LENGTH_OF(rules);
    return rules;
}

/* The server knows a rule by its path alone: a webhook configuration says which one it means. */
const struct rule *admission_rule_for_path(struct str path)
{
    for (size_t i = 0; i < LENGTH_OF(rules); i++)
        if (str_is(path, rules[i].path))
            return &rules[i];
    return NULL;
}

/* The `n`th that fits, so that a caller can go through all of them in the order of the table. */
static const struct rule *find_rule(struct str group, struct str kind, struct str subresource, enum operation operation,
                                    size_t n)
{
    for (size_t i = 0; i < LENGTH_OF(rules); i++) {
        const struct rule *rule = &rules[i];
        if (str_is(group, rule->group) && str_is(kind, rule->kind) &&
            str_is(subresource, rule->subresource ? rule->subresource : "") &&
            (rule->operations & (unsigned)operation) && n-- == 0)
            return rule;
    }
    return NULL;
}

/* Those of subresources are not among them. */
const struct rule *admission_rule_for_object(struct str group, struct str kind, enum operation operation, size_t n)
{
    return find_rule(group, kind, STR(""), operation, n);
}

const struct rule *admission_rule_for_request(const struct request *request, size_t n)
{
    return find_rule(api_version_group(request->api_version, NULL), request->kind, request->subresource,
                     request->operation, n);
}

static const struct {
    enum operation operation;
    const char *name;
} operations[] = {
    {OPERATION_CREATE, "CREATE"},
    {OPERATION_UPDATE, "UPDATE"},
    {OPERATION_DELETE, "DELETE"},
    {OPERATION_CONNECT, "CONNECT"},
};

const char *operation_name(enum operation operation)
{
    for (size_t i = 0; i < LENGTH_OF(operations); i++)
        if (operations[i].operation == operation)
            return operations[i].name;
    return "";
}

bool operation_parse(struct str text, enum operation *operation)
{
    for (size_t i = 0; i < LENGTH_OF(operations); i++) {
        if (str_is(text, operations[i].name)) {
            *operation = operations[i].operation;
            return true;
        }
    }
    return false;
}
