#include "versions/versions.h"

/* A release that fixes bugs may change what users see: Velero 1.18.3 brought another cron
 * parser. So a row names the very releases that were looked at, and no more. */

enum { ANY_PATCH = 999 };
#define HAS(feature) (1u << (feature))

enum {
    /* pkg/apis/velero/v1: BackupPhaseQueued, ObjectStorageLocation.CACertRef; pkg/util/wildcard; internal/resourcepolicies */
    FEATURES_1_18 = HAS(VELERO_QUEUE) | HAS(VELERO_NAMESPACE_PATTERNS) | HAS(VELERO_PVC_PHASE) |
                    HAS(VELERO_ACTION_CUSTOM) | HAS(VELERO_CA_CERT_REF),
    /* pkg/apis/velero/v1/restore_types.go ResourcePolicy; internal/resourcepolicies */
    FEATURES_1_18_3 =
        FEATURES_1_18 | HAS(VELERO_PVC_MODES) | HAS(VELERO_FILTER_POLICIES) | HAS(VELERO_RESTORE_RESOURCE_POLICY),
    /* Not released yet: what its development branch (d2241adb) had on 2026-08-21. pkg/apis/velero/v1 (BackupType: Full,
     * Incremental); pkg/controller/restore_controller.go; pkg/persistence/object_store.go; pkg/util/datamover;
     * internal/resourcepolicies (Action.validate, SupportedVolume) */
    FEATURES_1_19 = FEATURES_1_18_3 | HAS(VELERO_RESTORE_FINISHED_ONLY) | HAS(VELERO_DEFAULT_MODIFIER) |
                    HAS(VELERO_BACKUP_TYPE) | HAS(VELERO_TEMPLATE_ANNOTATIONS) | HAS(VELERO_NO_CREDENTIALS_FILE) |
                    HAS(VELERO_BUCKET_ARN) | HAS(VELERO_SNAPSHOT_PARAMETERS) | HAS(VELERO_DATA_MOVERS) |
                    HAS(VELERO_IMAGE_VOLUMES),
};

static const struct release_row rows[] = {
    {PRODUCT_VELERO, "1.17", {1, 17, 0}, {1, 17, ANY_PATCH}, CRON_ROBFIG, 0},
    {PRODUCT_VELERO, "1.18.0 to 1.18.2", {1, 18, 0}, {1, 18, 2}, CRON_ROBFIG, FEATURES_1_18},
    {PRODUCT_VELERO, "1.18.3", {1, 18, 3}, {1, 18, 3}, CRON_GO_CRON, FEATURES_1_18_3},
    {PRODUCT_VELERO, "1.19 (prepared)", {1, 19, 0}, {1, 19, 0}, CRON_GO_CRON, FEATURES_1_19},
    /* kcm's go.mod pins robfig/cron v3.0.1 in all of them. */
    {PRODUCT_KCM, "1.10", {1, 10, 0}, {1, 10, ANY_PATCH}, CRON_ROBFIG, HAS(KCM_REGIONAL_VELERO)},
    {PRODUCT_KCM,
     "1.11",
     {1, 11, 0},
     {1, 11, ANY_PATCH},
     CRON_ROBFIG,
     HAS(KCM_REGIONAL_VELERO) | HAS(KCM_SHIPS_VELERO_1_18)},
    {PRODUCT_KCM,
     "1.12",
     {1, 12, 0},
     {1, 12, ANY_PATCH},
     CRON_ROBFIG,
     HAS(KCM_REGIONAL_VELERO) | HAS(KCM_SHIPS_VELERO_1_18)},
};

static const struct feature_row {
    enum product product;
    const char *words;
} features[FEATURE_COUNT] = {
    [VELERO_QUEUE] = {PRODUCT_VELERO, "the first phase of a Backup is `Queued`"},
    [VELERO_NAMESPACE_PATTERNS] = {PRODUCT_VELERO, "patterns (`team-*`) in a Backup's `includedNamespaces`"},
    [VELERO_PVC_PHASE] = {PRODUCT_VELERO, "volume condition `pvcPhase`"},
    [VELERO_ACTION_CUSTOM] = {PRODUCT_VELERO, "volume policy action `custom`"},
    [VELERO_CA_CERT_REF] = {PRODUCT_VELERO, "BackupStorageLocation `objectStorage.caCertRef`"},
    [VELERO_PVC_MODES] = {PRODUCT_VELERO, "volume conditions `pvcVolumeMode`, `pvcAccessModes`"},
    [VELERO_FILTER_POLICIES] = {PRODUCT_VELERO, "`namespacedFilterPolicies`, `clusterScopedFilterPolicy`"},
    [VELERO_RESTORE_RESOURCE_POLICY] = {PRODUCT_VELERO, "Restore `spec.resourcePolicy`"},
    [VELERO_RESTORE_FINISHED_ONLY] = {PRODUCT_VELERO, "restores only from Completed or PartiallyFailed backups"},
    [VELERO_DEFAULT_MODIFIER] = {PRODUCT_VELERO, "Restore `spec.skipDefaultResourceModifier`"},
    [VELERO_BACKUP_TYPE] = {PRODUCT_VELERO, "Backup `spec.backupType`"},
    [VELERO_TEMPLATE_ANNOTATIONS] = {PRODUCT_VELERO, "Schedule `spec.template.metadata.annotations`"},
    [VELERO_NO_CREDENTIALS_FILE] = {PRODUCT_VELERO, "ignores `config.credentialsFile` of a storage location"},
    [VELERO_BUCKET_ARN] = {PRODUCT_VELERO, "takes the ARN of an S3 access point as `objectStorage.bucket`"},
    [VELERO_SNAPSHOT_PARAMETERS] = {PRODUCT_VELERO, "parameters `dataMover`, `snapshotClass` of action `snapshot`"},
    [VELERO_DATA_MOVERS] = {PRODUCT_VELERO, "data movers `velero-fs`, `velero-block` beside `velero`"},
    [VELERO_IMAGE_VOLUMES] = {PRODUCT_VELERO, "volume type `image`"},
    [KCM_REGIONAL_VELERO] = {PRODUCT_KCM, "configures Velero below `regional.velero`, ignores `velero`"},
    [KCM_SHIPS_VELERO_1_18] = {PRODUCT_KCM, "brings Velero 1.18, and leaves its CRDs as they are"},
};

const struct release_row *release_rows(size_t *count)
{
    *count = LENGTH_OF(rows);
    return rows;
}

const char *feature_words(enum feature feature)
{
    return features[feature].words;
}

enum product feature_product(enum feature feature)
{
    return features[feature].product;
}

const char *product_words(enum product product)
{
    return product == PRODUCT_VELERO ? "Velero" : "k0rdent";
}

static void table_write_product(struct buf *out, enum product product)
{
    buf_puts(out, "\n| |");
    for (size_t i = 0; i < LENGTH_OF(rows); i++)
        if (rows[i].product == product)
            buf_printf(out, " %s %s |", product_words(product), rows[i].name);
    buf_puts(out, "\n|---|");
    for (size_t i = 0; i < LENGTH_OF(rows); i++)
        if (rows[i].product == product)
            buf_puts(out, "---|");
    buf_puts(out, "\n| schedules are parsed by |");
    for (size_t i = 0; i < LENGTH_OF(rows); i++)
        if (rows[i].product == product)
            buf_printf(out, " %s |", cron_library(rows[i].cron));
    for (unsigned f = 0; f < FEATURE_COUNT; f++) {
        if (features[f].product != product)
            continue;
        buf_printf(out, "\n| %s |", features[f].words);
        for (size_t i = 0; i < LENGTH_OF(rows); i++)
            if (rows[i].product == product)
                buf_puts(out, rows[i].features & HAS(f) ? " yes |" : " no |");
    }
    buf_putc(out, '\n');
}

void versions_write_table(struct buf *out)
{
    table_write_product(out, PRODUCT_VELERO);
    table_write_product(out, PRODUCT_KCM);
}
