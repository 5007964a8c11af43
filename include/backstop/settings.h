/* settings: what an operator may choose, from one strict YAML file. One table in
 * settings/table.c declares every key with its type, default, bounds and
 * documentation; it parses the file and writes the JSON Schema. */
#ifndef BACKSTOP_SETTINGS_H
#define BACKSTOP_SETTINGS_H

#include "backstop/base.h"

#define SETTINGS_API_VERSION "backstop.k0rdent.mirantis.com/v1alpha1"
#define SETTINGS_KIND "Settings"

enum verdict { VERDICT_ALLOW, VERDICT_WARN, VERDICT_DENY }; /* allow, warn, deny in the file */

/* What a Restore must leave out for a CAPI provider (k0rdent documentation,
 * "Restoration: Caveats"). `provider` is the CAPI name (infrastructure-azure),
 * `component` k0rdent's (cluster-api-provider-azure). */
struct provider_exclusion {
    struct str provider, component;
    struct strlist excluded_resources;
};

/* One term of a label selector, as `kubectl get -l` takes it. */
enum label_operator { LABEL_IN, LABEL_NOT_IN, LABEL_EXISTS, LABEL_ABSENT };
struct label_requirement {
    struct str key;
    enum label_operator operator;
    struct strlist values;
};

/* Objects of another backup engine that prove a backup: an entry of upgrade.evidence. */
struct evidence_source {
    struct str name;                           /* unique; in messages, metrics and audit annotations */
    struct str group, version, kind, resource; /* group "" for the core group; resource is the plural */
    struct str ns;                             /* absent: cluster-scoped, or all namespaces */
    struct str selector;                       /* as kubectl -l takes it; absent: all objects */
    struct label_requirement *requirements;    /* the same, taken apart */
    size_t requirement_count;
    struct str done_path, failed_path, time_path; /* as json_select takes them */
    struct strlist done_values, failed_values;    /* as evidence_value_matches takes them */
    int64_t maximum_age;                          /* seconds; 0: upgrade.maxBackupAge */
    struct str hint;                              /* how such a backup is taken: "run the Kasten policy" */
    bool alternative;                             /* of anyOf: can stand in for the ManagementBackups */
    size_t kept;                                  /* how many objects, of the newest, are looked at; 0: 16 */
};
/* Whether one of the values is this one: the same text, "*" (any text), or ">=N". */
bool evidence_value_matches(const struct strlist *values, struct str value);

/* Immutable once loaded. Key names in comments. */
struct settings {
    struct shared shared;
    struct str system_namespace; /* systemNamespace: kcm-system */

    int64_t schedules_minimum_interval;     /* schedules.minimumInterval: 15m, in seconds */
    enum verdict schedules_too_frequent;    /* schedules.tooFrequent: warn */
    struct str schedules_controller_zone;   /* schedules.controllerTimeZone: UTC */
    enum verdict storage_unknown;           /* storage.whenUnknown: warn */
    enum verdict storage_not_durable;       /* storage.notDurable: warn */
    enum verdict storage_foreign_writer;    /* storage.foreignWriter: warn */
    enum verdict backups_delete_protecting; /* managementBackups.deleteProtecting: warn */
    enum verdict backups_delete_needed;     /* managementBackups.deleteNeeded: warn */
    enum verdict credentials_not_backed_up; /* credentials.notInBackups: allow */
    int64_t backups_keep_last;              /* backups.keepLast: 1, a number of backups */
    int64_t backups_keep_for;               /* backups.keepFor: 0s (off), in seconds */

    bool restores_mutate_all;                       /* restores.mutateAll: false */
    bool restores_force_update;                     /* restores.forceExistingResourcePolicy: false */
    bool restores_inject_release_modifier;          /* restores.injectReleaseModifier: false */
    struct strlist restores_providers;              /* restores.providers: [] (used when nothing names them) */
    struct provider_exclusion *provider_exclusions; /* built in, then restores.providerCaveats[] */
    size_t provider_exclusion_count;

    bool upgrade_gate;                        /* upgrade.gate: true */
    int64_t upgrade_max_backup_age;           /* upgrade.maxBackupAge: 1h */
    int64_t upgrade_retry_after;              /* upgrade.retryAfter: 15s */
    int64_t upgrade_retry_after_failure;      /* upgrade.retryAfterFailure: 10m */
    int64_t upgrade_start_timeout;            /* upgrade.startTimeout: 5m */
    enum verdict upgrade_without_backups;     /* upgrade.withoutBackups: warn */
    enum verdict upgrade_rehearsal;           /* upgrade.rehearsal: off; VERDICT_DENY is require */
    enum verdict upgrade_changed_status;      /* upgrade.changedStatus: deny */
    enum verdict upgrade_changed_release;     /* upgrade.changedRelease: deny */
    enum verdict upgrade_deleted_management;  /* upgrade.deletedManagement: warn */
    enum verdict upgrade_disabled_velero;     /* upgrade.disabledVelero: warn */
    enum verdict upgrade_removed_provider;    /* upgrade.removedProvider: warn */
    enum verdict upgrade_unsupported_release; /* upgrade.unsupportedRelease: warn */
    struct evidence_source *evidence;         /* upgrade.evidence: first allOf, then anyOf; none */
    size_t evidence_count;

    int64_t status_recovery_point; /* status.recoveryPoint: 0s (two missed runs), in seconds */

    struct strlist velero_service_accounts; /* velero.serviceAccounts: [velero-server, velero]; in the
                                                system namespace, or NAMESPACE:NAME */
    struct strlist velero_field_managers;   /* velero.fieldManagers: [velero-server] */
    struct str velero_version;              /* velero.version: "" (found from the cluster) */
    struct strlist kcm_service_accounts; /* kcm.serviceAccounts: [kcm-controller-manager]; as velero.serviceAccounts */
    struct str kcm_version;              /* kcm.version: "" (found from the cluster) */
};

/* Every value at its default. Held by the caller; release with shared_release. */
struct settings *settings_defaults(struct error *error) MUST_CHECK;
/* Strict: unknown or duplicate keys, wrong types and values out of bounds are
 * errors with the line (error->position) and the key (error->field). An empty
 * text gives the defaults. */
struct settings *settings_parse(struct str yaml, struct error *error) MUST_CHECK;
/* The same from a file that is not empty, and schedules.controllerTimeZone is a zone of this machine. The message has
 * path, line, key and what is wrong; error->code is 0 or 500 when the file could not be read rather than is wrong.
 * For a hot reload: call it from a file watch and put what is not NULL into a slot. */
struct settings *settings_load_file(const char *path, struct error *error) MUST_CHECK;
/* The JSON Schema of the file, and a file with every key at its default and a comment
 * of what it decides; both from the same table. */
void settings_write_schema(struct buf *out);
/* A settings file with every key at its default, each under its documentation; parsing it gives the defaults. */
void settings_write_sample(struct buf *out);

#endif
