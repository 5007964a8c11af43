/* inventory: the facts that policies read, as an immutable snapshot, whatever
 * filled it: YAML files, or the cluster. Only the fields that some policy reads
 * are kept. */
#ifndef BACKSTOP_INVENTORY_H
#define BACKSTOP_INVENTORY_H

#include "backstop/api.h"
#include "backstop/base.h"
#include "backstop/json.h"
#include "backstop/kube.h"
#include "backstop/settings.h"
#include "backstop/versions.h"

struct store; /* private */

/* FACT_BACKUPS, ...: the kinds that are read, each declared once in facts.def. */
enum fact {
#define FACT(id, ...) FACT_##id,
#include "facts.def"
#undef FACT
    FACT_COUNT
};

/* What is read of a kind, and how. */
struct fact_kind {
    const char *name;        /* in logs and reports: managementbackups.k0rdent.mirantis.com */
    const char *api_version; /* as its objects are given to the extraction, where a group's version says nothing */
    struct kube_resource resource;
    const char *const *versions; /* preference for discovery; NULL: resource.version */
    struct str label_selector;
    struct str omit;          /* objects under this key are not read */
    unsigned page;            /* objects to list at once; 0: the usual number */
    const char *const *names; /* these objects only, an informer each: what RBAC can be narrowed to; NULL: all */
    bool asked;               /* neither listed nor watched: ask.c asks for it */
    bool everywhere;          /* of a namespaced kind: all namespaces, not the system one only */
    bool metadata_only;       /* existence, never content */
    bool gate;                /* the upgrade gate cannot do without */
    bool optional;            /* only what backups record needs it: a right that is not granted turns that off */
    bool never_all_in_files;  /* some in a file does not mean that there are no others */
    const char *verbs, *why;  /* that roles grant, and what for; NULL: another kind's rule grants it */
    size_t size;              /* of its struct */
    void (*extract)(struct store *store, void *fact, struct json_object *object);
    bool (*wanted)(struct json_object *object); /* NULL: all of that kind */
};
extern const struct fact_kind fact_kinds[FACT_COUNT];

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
    int64_t items_done, items_total, errors, warnings;
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

struct config_map {
    struct object_meta meta;
    struct json_object *data, *binary_data;
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

struct conversion { /* a CustomResourceDefinition with spec.conversion.strategy Webhook */
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

/* Arrays of pointers, sorted by namespace, then name. A fact whose `known` is
 * false was never read (no source, not synced): an empty array then means nothing. */
struct inventory {
    struct shared *counted; /* private: what snapshot_hold and snapshot_release count; NULL: not counted */
    bool known[FACT_COUNT];
    union {
        struct {
#define FACT(id, list, type, ...) const struct type *const *list;
#include "facts.def"
#undef FACT
        };
        const void *const *facts[FACT_COUNT]; /* the same arrays, whatever their type */
    };
    size_t count[FACT_COUNT];      /* of each array above, by fact */
    struct inventory_index *index; /* private */
    /* Of settings upgrade.evidence; only in snapshots for which it was wanted. */
    const struct evidence_reading *evidence;
    size_t evidence_count;
};

/* Snapshots are handed out as const, and counted. */
const struct inventory *snapshot_hold(const struct inventory *inventory);
void snapshot_release(const struct inventory *inventory); /* NULL is fine */

/* Look-ups cost the same with ten objects and with ten thousand; NULL when absent. */
const void *inventory_find(const struct inventory *inventory, enum fact fact, struct str ns, struct str name);
#define FACT_FINDER_NAMESPACED(id, type)                                                                               \
    static inline const struct type *inventory_##type(const struct inventory *inventory, struct str ns,                \
                                                      struct str name)                                                 \
    {                                                                                                                  \
        return (const struct type *)inventory_find(inventory, id, ns, name);                                           \
    }
#define FACT_FINDER_CLUSTER_SCOPED(id, type)                                                                           \
    static inline const struct type *inventory_##type(const struct inventory *inventory, struct str name)              \
    {                                                                                                                  \
        return (const struct type *)inventory_find(inventory, id, (struct str){NULL, 0}, name);                        \
    }
#define FACT_FINDER_SINGLETON(id, type)                                                                                \
    static inline const struct type *inventory_##type(const struct inventory *inventory)                               \
    {                                                                                                                  \
        return inventory->count[id] ? (const struct type *)inventory->facts[id][0] : NULL;                             \
    }
/* inventory_backup(inventory, ns, name), inventory_release(inventory, name), inventory_management(inventory), ... */
#define FACT(id, list, type, scope, ...) FACT_FINDER_##scope(FACT_##id, type)
#include "facts.def"
#undef FACT
/* Whether objects of it keep this field ("spec.resourcePolicy"), which the API server drops otherwise;
 * ANSWER_DEPENDS where that is not known, and for NULL. */
enum version_answer custom_resource_has_field(const struct custom_resource *resource, const char *path);
/* Whether status.phase may be this; ANSWER_DEPENDS as above. */
enum version_answer custom_resource_takes_phase(const struct custom_resource *resource, const char *phase);
/* What was read for the entry of this name; NULL when it was not. */
const struct evidence_reading *inventory_evidence(const struct inventory *inventory, struct str source);
/* What Velero restores from for a scheduleName: the Completed backup of that
 * schedule with the newest start. `newest` (may be NULL) gets the newest of any
 * phase. Mirrors velero restore_controller.go mostRecentCompletedBackup. */
const struct backup *inventory_newest_completed(const struct inventory *inventory, struct str ns, struct str schedule,
                                                const struct backup **newest);
/* What a Backup is, by its metadata and spec; both may be NULL. Everything that depends on
 * who made a Backup asks this. */
struct backup_identity backup_identify(struct json_object *metadata, struct json_object *spec);
/* The same as far as KOTS's annotations alone tell: a BACKUP_KOTS_ kind or BACKUP_OTHER. */
enum backup_kind backup_kots_kind(struct json_object *annotations);
/* Of the management cluster or of a region. */
bool backup_is_by_kcm(const struct backup *backup);
/* kcm's backup of the management cluster, without the Management or any other cluster-scoped object: Velero leaves those
 * out where a namespace is excluded (pkg/util/collections GlobalIncludesExcludes.ShouldInclude), and adds each with the
 * label velero.io/exclude-from-backup=true to excludedNamespaces itself. Measured on 1.18.3. */
bool backup_lacks_management(const struct backup *backup);
/* The field of a BackupSpec that needs Velero's node agent, static; NULL: none does. */
const char *backup_spec_node_agent(struct json_object *spec);
/* Whether a Backup's status is Velero's own word: metadata.managedFields name nobody but Velero (settings
 * velero.fieldManagers) for what decisions read of it, and it does not contradict itself (Velero completes
 * nothing with errors: backup_controller.go). Files often lack managedFields, and are believed; the API
 * server always has them, unless somebody has taken them off. When not, `doubt` (may be NULL) says why,
 * to follow the Backup's name: `has a status that "kubectl-edit" wrote, not Velero`. */
bool backup_status_by_velero(struct arena *arena, const struct backup *backup, const struct settings *settings,
                             struct str *doubt);
/* What it was recognised by, to follow the Backup's name and a verb: "made by hand, not by
 * kcm (spec.excludedResources lacks ...)". Static, or in the arena. */
struct str backup_identity_reason(struct arena *arena, struct backup_identity identity);
/* The storage location Velero uses when none is named: the newest of the defaults;
 * `defaults` (may be NULL) gets how many there are. With none it is the one named
 * "default", if there is one: what `velero server --default-backup-storage-location`
 * says unless set, and Velero marks it as the default when it next looks at it
 * (backup_storage_location_controller.go). */
const struct storage_location *inventory_default_location(const struct inventory *inventory, struct str ns,
                                                          size_t *defaults);
/* How far kcm is with the release in status.release. kcm writes it as soon as it has applied the HelmReleases, about a
 * minute after a change is admitted, with none of it ready (internal/controller/management_controller.go). */
enum management_progress {
    MANAGEMENT_NEW,       /* status.release is empty */
    MANAGEMENT_ASKED,     /* spec.release is another one, which kcm has not applied yet */
    MANAGEMENT_NOT_READY, /* applied, and components of it are reported as not ready: still installed, or broken */
    MANAGEMENT_READY      /* applied, and no component is */
};
enum management_progress management_progress(const struct management *management);
/* To follow the release in status.release: "is not ready ("capi", "kcm")" or "runs". In the arena. */
struct str management_progress_words(struct arena *arena, const struct management *management);

/* Where a version was read. */
enum version_source { VERSION_UNKNOWN, VERSION_SETTINGS, VERSION_IMAGE, VERSION_SERVER, VERSION_RELEASE };
struct version_fact {
    struct product_version version;
    enum version_source source;
    const struct object_meta *object; /* the Deployment, the Release or the Management; NULL when the settings say it */
};
/* What the server of this Deployment has answered; NULL when it was not asked. */
const struct server_status *inventory_velero_answer(const struct inventory *inventory,
                                                    const struct velero_deployment *velero);
/* Velero's version: settings velero.version, else the image tag of its Deployments, or, where that
 * is no release of the table, what the server has answered to a ServerStatusRequest. Where
 * several run, those in the system namespace count; if they differ it may be any of theirs. */
struct version_fact inventory_velero_version(const struct inventory *inventory, const struct settings *settings);
/* k0rdent's: settings kcm.version, else the image tag of kcm's Deployment in the system namespace, where that is a
 * release of the table; else that of the release in Management's status.release (spec.release while that is empty), by
 * its Release's spec.version or by its name. */
struct version_fact inventory_kcm_version(const struct inventory *inventory, const struct settings *settings,
                                          struct arena *arena);
/* The version of a release, by its Release's spec.version or by its name. */
struct product_version inventory_release_version(const struct inventory *inventory, struct str name,
                                                 struct arena *arena);
/* "settings velero.version", "image of Deployment kcm-system/velero", "unknown": for logs and screens. */
struct str version_fact_source(struct arena *arena, const struct version_fact *fact);
/* "Velero 1.18.2 (image of Deployment kcm-system/velero)", "Velero of unknown version". */
struct str version_fact_line(struct arena *arena, const struct version_fact *fact);
/* Where it keeps its backups, by its provider and s3Url; "minio.NAMESPACE" is in the cluster when that is the
 * location's own namespace (meta.ns). */
enum storage_class storage_location_class(const struct storage_location *location);
/* The host of a URL or of "host:port", without brackets, port, user and trailing dot; borrowed. */
struct str storage_url_host(struct str url);
/* What it is called: "external", "in-cluster S3", ... */
const char *storage_class_name(enum storage_class class);
/* Where its backups lie when they are lost with the cluster ("on the disk of a node");
 * NULL where they outlive it. */
const char *storage_class_inside(enum storage_class class);
/* Velero has validated it, and can use it (pkg/apis/velero/v1 BackupStorageLocationPhaseAvailable). False for NULL, and while
 * it has no phase yet. */
bool storage_location_available(const struct storage_location *location);
/* Backups in it can be restored, and none is added or deleted. */
bool storage_location_read_only(const struct storage_location *location);
/* Velero's status.message, which begins by naming the location and its phase once more,
 * without that beginning; borrowed. Empty when there is none. */
struct str storage_location_reason(const struct storage_location *location);
/* Why a backup failed, in Velero's words and quoted so that their end survives; how many
 * errors there were; or that Velero gives no reason. In the arena, or static. */
struct str backup_failure(struct arena *arena, const struct backup_status *status);

/* ---- filling ------------------------------------------------------------- */

struct inventory_builder;
/* For files, and for tests: objects are added in any order, then the snapshot is finished. NULL when out of
 * memory. */
struct inventory_builder *inventory_builder_new(void) MUST_CHECK;
/* Keeps what is used of one object (apiVersion, kind, metadata, ...) or of each
 * item of a List; copies, so the tree may go. Kinds no policy reads are passed
 * over. The same kind, namespace and name again replaces the first. */
bool inventory_add(struct inventory_builder *builder, struct json_object *object, struct error *error) MUST_CHECK;
/* A kind that was read and has no objects is known and empty; one that was not read is not known. */
void inventory_set_known(struct inventory_builder *builder, enum fact fact, bool known);
/* Consumes the builder. NULL when out of memory. */
struct inventory *inventory_finish(struct inventory_builder *builder) MUST_CHECK;
/* With all that was added and not finished; NULL is fine. */
void inventory_builder_free(struct inventory_builder *builder);
/* The same facts without those that hide() says true of; they are shared, not copied.
 * A snapshot of its own, held for the caller; NULL when out of memory. */
typedef bool inventory_hide_fn(void *context, enum fact fact, const struct object_meta *meta);
/* The same snapshot with some objects out of sight, sharing all others: what would be, were they deleted. Released
 * like any other; NULL when out of memory. */
const struct inventory *inventory_without(const struct inventory *inventory, inventory_hide_fn *hide,
                                          void *context) MUST_CHECK;
/* A snapshot that grows: what the cluster would be with further objects, as offline
 * reviews need it. Adding an object costs the same with ten facts and with ten thousand.
 * For one thread; what inventory_overlay_get gives is borrowed until the next call. */
struct inventory_overlay;
enum overlay_mode {
    OVERLAY_REPLACES, /* in the place of a fact of its kind, namespace and name */
    OVERLAY_FILLS     /* only where there is no such fact */
};
/* Of the same facts and evidence as `base`, which is held; NULL when out of memory. */
struct inventory_overlay *inventory_overlay_new(const struct inventory *base) MUST_CHECK;
void inventory_overlay_free(struct inventory_overlay *overlay); /* NULL is fine */
/* Adds one object, as inventory_add keeps it. Objects that hold no fact, or have no name
 * yet, are passed over. False when out of memory. */
bool inventory_overlay_add(struct inventory_overlay *overlay, struct json_object *object,
                           enum overlay_mode mode) MUST_CHECK;
/* The snapshot as changed so far; borrowed, until the next change. */
const struct inventory *inventory_overlay_get(const struct inventory_overlay *overlay);
/* An overlay of another snapshot with all that was added to this one; NULL when out of memory. */
struct inventory_overlay *inventory_overlay_onto(const struct inventory_overlay *overlay,
                                                 const struct inventory *base) MUST_CHECK;

/* ---- from files ---------------------------------------------------------- */

/* A problem with one file: path, line and reason. The file's last good content stays in force. */
typedef void inventory_problem_fn(void *context, const char *path, int64_t line, const char *reason);

struct inventory_files_options {
    const char *const *paths; /* files and folders (*.yaml, *.yml, *.json) */
    size_t path_count;
    struct str system_namespace; /* of namespaced objects that name none: settings' systemNamespace; copied */
    bool watch;                  /* reload when something changes */
    int64_t simulate_seconds;    /* created ManagementBackups complete after this time; -1: never */
    inventory_problem_fn *problem;
    void (*reloaded)(void *context, const struct inventory *inventory); /* may be NULL */
    void *context;
};

struct facts_wanted;
struct inventory_files;
/* Fails only when a named path cannot be opened at all. */
struct inventory_files *inventory_files_open(const struct inventory_files_options *options,
                                             struct error *error) MUST_CHECK;
/* The snapshot as of `now`, held for the caller; release with snapshot_release. */
const struct inventory *inventory_files_get(struct inventory_files *files, int64_t now);
/* Carries out an effect: keeps the object in memory beside the files. A name that
 * exists already is success (the gate races with itself and with kcm). */
bool inventory_files_create(struct inventory_files *files, struct json_object *object, int64_t now,
                            struct error *error) MUST_CHECK;
/* facts_reserve, in memory. */
void inventory_files_reload(struct inventory_files *files); /* reads what has changed now; safe from any thread */
/* inventory_files_get with the evidence that is wanted, which is read from the files now. */
size_t inventory_files_problems(const struct inventory_files *files); /* files that are bad right now */
void inventory_files_close(struct inventory_files *files);
/* An inventory that knows nothing. */
const struct inventory *inventory_unknown(void);

/* ---- where facts come from ------------------------------------------------ */

/* What one review wants read for itself, because the cache may lag behind: what the
 * same `kubectl apply` created a moment ago, and the gate's evidence. */
struct facts_ref {
    enum fact fact;
    struct str ns, name; /* ns absent: the system namespace, or cluster-scoped */
};
struct facts_wanted {
    bool upgrade; /* all ManagementBackups and Managements, and the Velero Backups of pre-upgrade ones */
    bool k0rdent; /* all ManagementBackups and Managements; they are unknown where they cannot be read,
                     since the cache, which may lag, is no substitute */
    const struct evidence_source *evidence; /* of these, the newest objects */
    size_t evidence_count;
    bool reservations; /* the admitted deletions of Backups (RESERVATIONS) */
    struct facts_ref *refs;
    size_t len, cap;
};
/* Asks for one object by name. On failure the arena is marked failed. */
void facts_want(struct arena *arena, struct facts_wanted *wanted, enum fact fact, struct str ns, struct str name);

enum facts_sync {
    FACTS_NOT_INSTALLED, /* the API server serves no such kind */
    FACTS_UNREAD,
    FACTS_BEHIND, /* read whole once, but not followed now: who may list may not watch, or the server is away */
    FACTS_IN_STEP,
    FACTS_OFF /* cannot be read, and only what is optional needs it: no problem, and no proof of a cluster */
};
/* One line of /readyz?verbose: `reason` is empty when there is nothing to say. */
typedef void facts_report_fn(void *context, const char *name, enum facts_sync sync, const char *reason);

/* A source is one of the two below; all of it is safe from any thread. Snapshots
 * are held for the caller and released with snapshot_release. */
struct facts_source {
    const struct facts_source_table *table;
};
struct facts_source_table {
    bool waits; /* live and create may take seconds */
    const struct inventory *(*get)(struct facts_source *self, int64_t now);
    const struct inventory *(*live)(struct facts_source *self, const struct facts_wanted *wanted, int64_t now,
                                    struct error *error);
    bool (*create)(struct facts_source *self, struct json_object *object, int64_t now, struct error *error);
    bool (*reserve)(struct facts_source *self, const struct inventory *base, struct str backup, int64_t now,
                    struct error *error);
    void (*report)(struct facts_source *self, facts_report_fn *report, void *context);
    bool (*ready)(struct facts_source *self);
    size_t (*problems)(struct facts_source *self);
    void (*reload)(struct facts_source *self); /* NULL: what it says is always fresh */
    void (*close)(struct facts_source *self);
};
/* The snapshot as of `now`; NULL when out of memory. */
const struct inventory *facts_get(struct facts_source *source, int64_t now) MUST_CHECK;
/* The same with what is wanted read anew. NULL with error->code 503 when it cannot
 * be, in at most 7 seconds; the message names what was asked and who refused. */
const struct inventory *facts_live(struct facts_source *source, const struct facts_wanted *wanted, int64_t now,
                                   struct error *error) MUST_CHECK;
/* Carries out an effect. A name that exists already is success. */
bool facts_create(struct facts_source *source, struct json_object *object, int64_t now, struct error *error) MUST_CHECK;
/* The middle of the protocol in docs/deletions.md ("Two at the same moment"): read with
 * reservations wanted, decide, reserve, answer.
 * Has every replica know that the deletion of this Backup is admitted, before it is. `base`: the
 * snapshot that the decision rests on, for which reservations were wanted. False with code 409
 * when another deletion was admitted since it was read: read and decide again; 429 when there are
 * too many; 503 when it could not be written. Takes at most 3 seconds. */
bool facts_reserve(struct facts_source *source, const struct inventory *base, struct str backup, int64_t now,
                   struct error *error) MUST_CHECK;
void facts_report(struct facts_source *source, facts_report_fn *report, void *context);
/* Every list that decisions need has come once, or its CRD is not installed. */
bool facts_ready(struct facts_source *source);
size_t facts_problems(struct facts_source *source); /* files that are bad, kinds that cannot be read, right now */
void facts_reload(struct facts_source *source);     /* reads changed files now, without waiting for a notice */
bool facts_wait(const struct facts_source *source); /* live and create may take seconds */
void facts_close(struct facts_source *source);      /* NULL is fine */

/* Facts from files, through inventory_files_*. */
struct facts_source *facts_from_files(const struct inventory_files_options *options, struct error *error) MUST_CHECK;

struct facts_cluster_options {
    struct kube_options access; /* its time limit is of one list; 0: the default */
    struct str system_namespace;
    bool ask_velero; /* create a ServerStatusRequest where the image's tag does not tell Velero's version */
    void (*composed)(void *context, const struct inventory *inventory); /* a new snapshot; may be NULL */
    void *context;
};
/* Facts from the cluster: lists and watches every kind that a policy reads, kept up
 * from then on. Fails only for a configuration that cannot be read: an API server
 * that does not answer is waited for. */
struct facts_source *facts_from_cluster(const struct facts_cluster_options *options, struct error *error) MUST_CHECK;
const char *facts_cluster_server(const struct facts_source *source); /* https://10.0.0.1:443 */

#endif
