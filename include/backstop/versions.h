/* versions: what differs between the releases of Velero and of k0rdent (kcm), as a table
 * with a row per release. Policies ask it instead of comparing numbers themselves.
 *
 * A version that is not known, or that the table does not hold (a newer release, a
 * release candidate), may be any row: then only what all rows agree on is certain. */
#ifndef BACKSTOP_VERSIONS_H
#define BACKSTOP_VERSIONS_H

#include "backstop/base.h"
#include "backstop/cron.h"

enum product { PRODUCT_VELERO, PRODUCT_KCM };

/* What a release does and another does not. The table in versions/version.c says which, and
 * names the source of each. */
enum feature {
    /* Velero */
    VELERO_QUEUE,                   /* the first phase of a Backup is Queued: its CRD must allow that */
    VELERO_NAMESPACE_PATTERNS,      /* patterns in a Backup's includedNamespaces are expanded */
    VELERO_PVC_PHASE,               /* volume condition pvcPhase */
    VELERO_ACTION_CUSTOM,           /* volume policy action "custom" */
    VELERO_CA_CERT_REF,             /* caCertRef of a storage location */
    VELERO_PVC_MODES,               /* volume conditions pvcVolumeMode and pvcAccessModes */
    VELERO_FILTER_POLICIES,         /* namespacedFilterPolicies and clusterScopedFilterPolicy */
    VELERO_RESTORE_RESOURCE_POLICY, /* Restore.spec.resourcePolicy */
    VELERO_RESTORE_FINISHED_ONLY,   /* restores only from Completed or PartiallyFailed backups */
    VELERO_DEFAULT_MODIFIER,        /* a server-wide resource modifier, Restore.spec.skipDefaultResourceModifier */
    VELERO_BACKUP_TYPE,             /* Backup.spec.backupType */
    VELERO_TEMPLATE_ANNOTATIONS,    /* Schedule.spec.template.metadata.annotations */
    VELERO_NO_CREDENTIALS_FILE,     /* config.credentialsFile of a storage location is ignored */
    VELERO_BUCKET_ARN,              /* objectStorage.bucket may be an ARN of S3, slashes and all */
    VELERO_SNAPSHOT_PARAMETERS,     /* volume policy action "snapshot" reads its parameters dataMover, snapshotClass */
    VELERO_DATA_MOVERS,             /* Backup.spec.datamover: velero-fs and velero-block are built in too */
    VELERO_IMAGE_VOLUMES,           /* volume type "image" */
    /* kcm */
    KCM_REGIONAL_VELERO,   /* Velero is configured below regional.velero, no longer below velero */
    KCM_SHIPS_VELERO_1_18, /* its Velero chart is 12.x */
    FEATURE_COUNT
};

/* A version as far as it is known. Plain data; `text` is borrowed. */
struct product_version {
    enum product product;
    unsigned rows;   /* bit set: the table rows that it may be; never empty */
    bool listed;     /* the table holds it, so that all its rows are of that very version */
    struct str text; /* without a leading "v": "1.18.2", "main"; absent: not known at all */
};

/* Not known at all: every row. */
struct product_version product_version_unknown(enum product product);
/* "v1.18.2", "1.18" (any of its patch releases), "1.18.2-debian-12-r3" (a vendor's build of
 * 1.18.2). A pre-release, a release that is not in the table and anything else ("main")
 * keeps its text and may be every row. Empty, or no text a tag could be: not known at all. */
struct product_version product_version_parse(enum product product, struct str text);
/* The tag of an image reference: registry:5000/velero/velero:v1.18.2@sha256:... gives v1.18.2.
 * Absent when it has none (a digest only, or implicitly "latest"). Borrowed. */
struct str image_tag(struct str reference);
/* The last path component without tag and digest: "velero-plugin-for-aws". Borrowed. */
struct str image_name(struct str reference);

enum version_answer { ANSWER_NO, ANSWER_YES, ANSWER_DEPENDS };
/* Whether this version has the feature; ANSWER_DEPENDS when it may be rows that differ. So
 * ANSWER_NO for an unknown version means "no supported release has it". */
enum version_answer product_version_has(const struct product_version *version, enum feature feature);
/* The same, of its rows only those that have the feature; unchanged where none has. */
struct product_version product_version_having(struct product_version version, enum feature feature);
/* Whether it is a release before MAJOR.MINOR, by number, whether the table holds it or not. */
enum version_answer product_version_before(const struct product_version *version, int major, int minor);
/* Less than 0, 0, more than 0 by number; 0 where one of them has none. */
int product_version_compare(const struct product_version *a, const struct product_version *b);
/* How it reads schedules: bits 1u << CRON_ROBFIG and 1u << CRON_GO_CRON; both when it may
 * be rows that differ. */
unsigned product_version_cron(const struct product_version *version);
/* Which releases that this may be read schedules in the dialect: "Velero 1.18.2" where they all
 * do, else "Velero before 1.18.3" or "Velero 1.18.3 and later". */
struct str product_version_readers(struct arena *arena, const struct product_version *version,
                                   enum cron_dialect dialect);

/* "Velero 1.18.2", "Velero main", or "Velero" when nothing is known. */
struct str product_version_name(struct arena *arena, const struct product_version *version);
/* Why an answer depends: "which Velero runs is not known (settings: velero.version)". */
struct str product_version_doubt(struct arena *arena, const struct product_version *version);
/* The first release that has it: "Velero 1.18.3". */
struct str feature_since(struct arena *arena, enum feature feature);

/* The table as Markdown, for the documentation. */
void versions_write_table(struct buf *out);

#endif
