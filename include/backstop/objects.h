/* inventory: what is kept of each kind of object. A struct here holds the fields that some policy reads, and no others;
 * texts and maps are borrowed from the snapshot. include/backstop/facts.def says which kinds there are, and
 * server/inventory/objects.c and objects_velero.c fill the structs. */
#ifndef BACKSTOP_OBJECTS_H
#define BACKSTOP_OBJECTS_H

#include "backstop/base.h"
#include "backstop/json.h"

/* What every object has. Times are Unix seconds, 0 when absent. */
struct object_meta {
    struct str ns, name; /* ns is absent for cluster-scoped objects */
    int64_t created;
    bool deleting;
    struct json_object *labels, *annotations; /* maps of strings, or NULL */
};

enum storage_class { /* where the bytes end up; decides whether they survive the cluster */
                     STORAGE_EXTERNAL,
                     STORAGE_IN_CLUSTER_S3,
                     STORAGE_PVC,
                     STORAGE_HOST_PATH,
                     STORAGE_NFS
};

struct storage_location {
    struct object_meta meta;
    struct str provider, bucket, prefix, phase, message, access_mode;
    struct str credential_name, credential_key;
    struct json_object *config; /* or NULL */
    bool is_default;
    int64_t last_validated;
    int64_t sync_period;       /* seconds between looks into the object store; 0: never */
    int64_t validation_period; /* seconds between validations; 0: none after the first */
};

/* velero.io/v1 BackupStatus, as both Velero's Backup and kcm's lastBackup carry it. */
struct backup_status {
    struct str phase, failure_reason;
    struct strlist validation_errors;
    int64_t started, completed, expires;
    /* The one number that goes on counting in a snapshot: Velero writes it each second, and to copy ten thousand Backups for
     * it, and make snapshots of the copies, costs more than all else that they bring. */
    _Atomic int64_t items_done;
    int64_t items_total, errors, warnings;
    bool counted; /* there is a progress: 0 items are none, not unknown */
};

/* What a Velero Backup is, by the marks of who made it. */
enum backup_kind {
    BACKUP_OTHER,       /* neither k0rdent's nor KOTS's */
    BACKUP_MANAGEMENT,  /* by kcm: the management cluster can be restored from it */
    BACKUP_REGIONAL,    /* by kcm: of a regional cluster, and restored there */
    BACKUP_HANDMADE,    /* names k0rdent's objects, but kcm did not make it: a ClusterDeployment's migration, say */
    BACKUP_KOTS_FULL,   /* instance snapshot: admin console and all applications */
    BACKUP_KOTS_PARTIAL /* of one application: no disaster recovery */
};
enum backup_mark {
    BACKUP_SELECTS_KCM = 1,     /* orLabelSelectors: k0rdent.mirantis.com/component=kcm */
    BACKUP_ALL_NAMESPACES = 2,  /* includedNamespaces: ["*"] */
    BACKUP_LEAVES_CLUSTERS = 4, /* excludedResources holds clusters.cluster.x-k8s.io */
    BACKUP_NOT_NARROWED = 8,    /* no other filter that leaves out what kcm includes */
    BACKUP_KCM_MARKS = 15,      /* those are on every management Backup of every release of kcm */
    BACKUP_FROM_SCHEDULE = 16,  /* label k0rdent.mirantis.com/management-backup: of a ManagementBackup's schedule */
    BACKUP_OF_REGION = 32,      /* label k0rdent.mirantis.com/region */
    BACKUP_NAMES_K0RDENT = 64,  /* any label or selector of k0rdent; alone it proves nothing */
    BACKUP_EXCLUDES_A_NAMESPACE = 128 /* and includeClusterResources is not true */
};
struct backup_identity {
    enum backup_kind kind;
    unsigned marks; /* of enum backup_mark */
};

struct backup {
    struct object_meta meta;
    struct str storage_location;
    struct str schedule; /* label velero.io/schedule-name, or absent */
    struct str region;   /* label k0rdent.mirantis.com/region, or absent */
    struct backup_identity identity;
    struct strlist included_namespaces, excluded_namespaces; /* of spec; empty where "*" is among the first */
    struct strlist providers; /* CAPI names from its selectors, sorted, without core ("cluster-api") */
    const char *node_agent;   /* backup_spec_node_agent */
    struct backup_status status;
    /* The field managers that last wrote what decisions read of status, a line each; "": the API server names
     * none; NULL: read from a file that names none. */
    const char *status_managers;
};

struct region_status {
    struct str region, backup_name, error;
    struct backup_status backup;
};

struct management_backup {
    struct object_meta meta;
    struct str schedule, storage_location;
    bool on_upgrade;    /* spec.performOnManagementUpgrade */
    struct str release; /* label k0rdent.mirantis.com/release-backup, or absent */
    int64_t next_attempt, last_backup_time;
    struct str last_backup_name, error;
    struct backup_status last_backup;
    struct region_status *regions;
    size_t region_count;
};

struct management {
    struct object_meta meta;
    struct str release, status_release;
    struct strlist available_providers;      /* CAPI names, from status */
    struct strlist provider_components;      /* spec.providers[].name */
    struct strlist unready_components;       /* status.components without success: what status.release does not say */
    bool node_agent;                         /* its values for Velero say deployNodeAgent: true */
    bool webhook_off;                        /* its values for kcm say admissionWebhook.enabled: false */
    bool old_velero_values, regional_values; /* spec.core.kcm.config has `velero` (ignored since 1.4), `regional` */
};

struct release {
    struct object_meta meta;
    struct str version;
    bool ready;
};

struct velero_schedule {
    struct object_meta meta;
    struct str schedule, storage_location, phase;
    int64_t last_backup; /* when Velero started its last one */
    bool paused;
    const char *node_agent; /* backup_spec_node_agent of its template */
};

struct delete_request { /* DeleteBackupRequest */
    struct object_meta meta;
    struct str backup, phase; /* spec.backupName; "", New, InProgress, Processed */
    struct strlist errors;    /* of a processed one: why the Backup is still there */
};

/* Velero reads a ConfigMap that has exactly one key, and no binaryData. Of others only what a message says of them is kept. */
enum { CONFIG_MAP_KEYS_KEPT = 20 };
struct config_map {
    struct object_meta meta;
    size_t key_count;    /* of data */
    struct strlist keys; /* the first of them, at most CONFIG_MAP_KEYS_KEPT */
    struct str text;     /* of the only one; absent where there are more */
    bool has_binary_data;
};

struct secret { /* existence and key names only, never a value */
    struct object_meta meta;
    struct strlist keys; /* empty when only its metadata was read, as from a cluster */
};

struct snapshot_location { /* VolumeSnapshotLocation */
    struct object_meta meta;
    struct str provider;
};

struct deployment_state {
    int64_t ready_replicas;
    bool scaled_down;          /* spec.replicas is 0 */
    int64_t unavailable_since; /* of its condition Available, where that is False; 0: unknown */
};

struct velero_deployment {
    struct object_meta meta;
    struct str service_account;
    struct deployment_state state;
    struct str image;            /* of the container that runs the server */
    struct strlist plugins;      /* images of the init containers, which bring the plugins */
    bool default_file_backup;    /* --default-volumes-to-fs-backup: volumes are copied unless a Backup says no */
    struct str default_modifier; /* --default-resource-modifier-configmap: for Restores without one of their own */
};

/* What the schema of a CustomResourceDefinition's stored version admits. While they are known, one that is not found is
 * not installed: a cluster is asked for those that facts.def names. */
struct custom_resource {
    struct object_meta meta; /* named PLURAL.GROUP: "backups.velero.io" */
    struct strlist versions; /* served */
    bool schema;             /* the two below were read; false for a schema that is absent, or too large */
    struct strlist phases;   /* the enum of status.phase; empty: any text */
    struct strlist fields;   /* paths from spec on, "spec.template.ttl"; "spec.labels.*": any member */
};

struct installed_kind { /* a CustomResourceDefinition; the rest only with spec.conversion.strategy Webhook */
    struct object_meta meta;
    struct str preferred; /* the version that discovery prefers, in which Velero stores objects and restores them */
    struct str stored;    /* the one that the API server stores: only it needs no conversion */
};

/* Those webhooks of a configuration without which a creation fails. */
struct fail_closed {
    struct strlist services; /* NAMESPACE/NAME */
    struct strlist kinds;    /* one for each service: PLURAL.GROUP, either may be "*" */
};
struct mutating_webhook { /* MutatingWebhookConfiguration */
    struct object_meta meta;
    struct fail_closed closed;
};
struct validating_webhook { /* ValidatingWebhookConfiguration */
    struct object_meta meta;
    struct fail_closed closed;
};
struct provider_service { /* Service: existence and labels only */
    struct object_meta meta;
};

struct node_agent { /* the DaemonSet that copies volumes: file-system backups and data movement */
    struct object_meta meta;
    struct str image;
    int64_t desired, ready; /* nodes that should run it, nodes that do */
};

/* What kcm reads before it makes a ManagementBackup (internal/controller/backup/scope.go). */
struct cluster_deployment {
    struct object_meta meta;
    struct str template, credential; /* names in its own namespace */
};
struct cluster_template { /* existence and labels only */
    struct object_meta meta;
};
struct credential {
    struct object_meta meta;
    struct str region; /* spec.region; empty: of the management cluster */
    struct str identity_api_version, identity_kind, identity_ns, identity_name; /* spec.identityRef */
};
struct region {
    struct object_meta meta;
    struct str kubeconfig_secret, kubeconfig_key; /* spec.kubeConfig: a Secret of the system namespace, or absent */
    struct str cluster_ns, cluster_name;          /* spec.clusterDeployment, or absent */
    struct str problem; /* of condition Ready, where it is False: "ConfigurationError: ..."; else absent */
};

struct server_status {
    struct object_meta meta;
    struct str version;     /* the server's own: "v1.18.3"; empty: not answered */
    struct str image;       /* of the Deployment that was asked; absent: nobody noted it */
    struct strlist plugins; /* its ObjectStores: "velero.io/aws" */
};

struct cluster_identity { /* Namespace kube-system; read for one review it has ANNOTATION_KUBERNETES_VERSION of today */
    struct object_meta meta;
    struct str uid;
};

struct kcm_deployment {
    struct object_meta meta;
    struct str service_account, image;
    struct deployment_state state;
};

/* One object of another backup engine, as an entry of settings upgrade.evidence looks at
 * it. Texts are cut at EVIDENCE_TEXT_MAX bytes. */
enum { EVIDENCE_TEXT_MAX = 200 };
struct evidence_object {
    struct str ns, name;
    int64_t created;           /* metadata.creationTimestamp; 0 when absent */
    int64_t time;              /* at timePath; 0 when nothing stands there */
    struct str value, failure; /* at donePath and failedPath; absent when nothing stands there */
};
enum evidence_access {
    EVIDENCE_READ,
    EVIDENCE_NOT_SERVED, /* the API server knows no such resource */
    EVIDENCE_FORBIDDEN,  /* a permission is missing */
    EVIDENCE_UNREADABLE
};
/* What was read for one entry. */
struct evidence_reading {
    struct str source; /* the entry's name */
    enum evidence_access access;
    struct str problem;              /* in the API server's words, unless read */
    struct evidence_object *objects; /* the newest by when they began, newest first */
    size_t len, matching;            /* matching: how many there are, objects or not kept */
    struct str version;              /* of RESERVATIONS: what facts_reserve builds on */
};
/* The source under which admitted deletions of Backups are read: `value` is the Backup's name in
 * the system namespace, `created` when its deletion was admitted. Older ones are left out. */
#define RESERVATIONS "admitted deletions"

#endif
