/* inventory: the facts that policies read, as an immutable snapshot, whatever
 * filled it: YAML files, or the cluster. Only the fields that some policy reads
 * are kept. */
#ifndef BACKSTOP_INVENTORY_H
#define BACKSTOP_INVENTORY_H

#include "backstop/api.h"
#include "backstop/base.h"
#include "backstop/json.h"
#include "backstop/kube.h"
#include "backstop/objects.h"
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

/* The Backups for which kcm starts no other (phase_holds_kcm), and those that another cluster's id was recorded on
 * (ANNOTATION_CLUSTER_ID; none where this cluster's is not known), in no order. */
const struct backup *const *inventory_unfinished_backups(const struct inventory *inventory, size_t *count);
const struct backup *const *inventory_foreign_backups(const struct inventory *inventory, size_t *count);

/* What k0rdent cannot manage its clusters without, and a clean installation (k0rdent documentation, "Restoration") does
 * not bring: each with what goes wrong. A group stands for all its kinds, and for those of groups that end with it. */
struct resource_name;
struct needed_kinds {
    struct str kind, group; /* one of the two */
    const char *without;
};
const struct needed_kinds *needed_kinds_all(size_t *count);
/* The row that an item of excludedResources leaves out, by name or by pattern (for which `arena` is scratch): one of the
 * table above, or NULL. */
const struct needed_kinds *needed_kinds_excluded(struct arena *arena, const struct resource_name *item);

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

/* An inventory that knows nothing. */
const struct inventory *inventory_unknown(void);

#endif
