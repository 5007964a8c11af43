/* The table of what differs between releases of Velero and k0rdent, and answers from it. A
 * version is a set of rows that it may be: one row when it is known, all of the product when it
 * is not, several for "1.18". A question then has three answers: yes, no, and "depends" where
 * the rows disagree; a rule must handle the third (it warns instead of denying).
 *
 * To support a release: a row, its features with where they are in the source, and
 * CONTRIBUTING.md, "Smaller changes". */
#include "backstop/versions.h"

struct release_number {
    int major, minor, patch;
};

/* Releases from `first` to `last`, which behave the same. */
struct release_row {
    enum product product;
    const char *name; /* "1.18.0 to 1.18.2" */
    struct release_number first, last;
    enum cron_dialect cron;
    unsigned features; /* bit set of enum feature */
};
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

static const struct release_row release_rows[] = {
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

/* The documentation lists a feature under its product. */
static enum product feature_product(enum feature feature)
{
    return features[feature].product;
}

/* "Velero", "k0rdent" */
static const char *product_words(enum product product)
{
    return product == PRODUCT_VELERO ? "Velero" : "k0rdent";
}

static void table_write_product(struct buf *out, enum product product)
{
    buf_puts(out, "\n| |");
    for (size_t i = 0; i < LENGTH_OF(release_rows); i++)
        if (release_rows[i].product == product)
            buf_printf(out, " %s %s |", product_words(product), release_rows[i].name);
    buf_puts(out, "\n|---|");
    for (size_t i = 0; i < LENGTH_OF(release_rows); i++)
        if (release_rows[i].product == product)
            buf_puts(out, "---|");
    buf_puts(out, "\n| schedules are parsed by |");
    for (size_t i = 0; i < LENGTH_OF(release_rows); i++)
        if (release_rows[i].product == product)
            buf_printf(out, " %s |", cron_library(release_rows[i].cron));
    for (unsigned f = 0; f < FEATURE_COUNT; f++) {
        if (features[f].product != product)
            continue;
        buf_printf(out, "\n| %s |", features[f].words);
        for (size_t i = 0; i < LENGTH_OF(release_rows); i++)
            if (release_rows[i].product == product)
                buf_puts(out, release_rows[i].features & HAS(f) ? " yes |" : " no |");
    }
    buf_putc(out, '\n');
}

void versions_write_table(struct buf *out)
{
    table_write_product(out, PRODUCT_VELERO);
    table_write_product(out, PRODUCT_KCM);
}

enum { TAG_MAX = 128 };

/* ---- image references ------------------------------------------------------- */

/* The last component of the path, without the digest: "velero:v1.18.2". A colon before
 * the last slash is a registry's port. */
static struct str image_last(struct str reference)
{
    struct str rest = reference, name = {NULL, 0}, last;
    str_cut(&rest, '@', &name);
    last = name;
    for (struct str part = {NULL, 0}; str_cut(&name, '/', &part);)
        last = part;
    return last;
}

struct str image_tag(struct str reference)
{
    struct str tag = image_last(reference), name = {NULL, 0};
    str_cut(&tag, ':', &name);
    return tag.len ? tag : (struct str){NULL, 0};
}

struct str image_name(struct str reference)
{
    struct str rest = image_last(reference), name = {NULL, 0};
    str_cut(&rest, ':', &name);
    return name;
}

/* ---- numbers ------------------------------------------------------------------ */

/* A version as it is written: how many of its numbers there are, and what follows them. */
struct version_text {
    struct release_number number;
    int numbers; /* 0 to 3 */
    struct str suffix;
};

static bool version_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* At most four digits a number: "v20260821" is a date, not a major version. */
static struct version_text version_scan(struct str text)
{
    enum { DIGITS_MAX = 4 };
    struct version_text found = {.suffix = text};
    int *const numbers[] = {&found.number.major, &found.number.minor, &found.number.patch};
    struct str rest = text;
    while (found.numbers < (int)LENGTH_OF(numbers)) {
        size_t digits = 0;
        int value = 0;
        for (; digits < rest.len && version_is_digit(rest.ptr[digits]); digits++)
            value = digits < DIGITS_MAX ? value * 10 + (rest.ptr[digits] - '0') : value;
        if (digits == 0 || digits > DIGITS_MAX)
            return found;
        *numbers[found.numbers++] = value;
        rest = found.suffix = str_slice(rest, digits, rest.len);
        if (rest.len < 2 || rest.ptr[0] != '.' || !version_is_digit(rest.ptr[1]))
            return found;
        rest = str_slice(rest, 1, rest.len);
    }
    return found;
}

/* "-rc.1" comes before the release; "-debian-12-r3" and "+k0s" are somebody's build of it. */
static bool version_suffix_is_release(struct str suffix)
{
    static const char *const early[] = {"alpha", "beta", "rc", "pre", "dev", "snapshot", "nightly", "main"};
    if (suffix.len == 0)
        return true;
    if (suffix.ptr[0] != '-' && suffix.ptr[0] != '+' && suffix.ptr[0] != '_')
        return false; /* "1.18.2x", "1.18.x" */
    for (size_t i = 0; i < LENGTH_OF(early); i++) {
        struct str word = str_slice(suffix, 1, 1 + strlen(early[i]));
        if (str_eq_nocase(word, str_from(early[i])))
            return false;
    }
    return suffix.len > 1;
}

static int release_compare(const struct release_number *a, const struct release_number *b)
{
    const int left[] = {a->major, a->minor, a->patch}, right[] = {b->major, b->minor, b->patch};
    for (size_t i = 0; i < LENGTH_OF(left); i++)
        if (left[i] != right[i])
            return left[i] < right[i] ? -1 : 1;
    return 0;
}

/* "1.18" names each of its patch releases, and only a whole version can be none of them. */
static bool release_row_may_be(const struct release_row *row, const struct version_text *text)
{
    if (text->numbers == 2)
        return row->first.major == text->number.major && row->first.minor == text->number.minor;
    return text->numbers == 3 && release_compare(&row->first, &text->number) <= 0 &&
           release_compare(&text->number, &row->last) <= 0;
}

/* A tag as the distribution specification has it, so that it can stand in a message as it is. */
static bool version_is_tag(struct str text)
{
    if (text.len == 0 || text.len > TAG_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!version_is_digit(c) && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && c != '_' &&
            (i == 0 || (c != '.' && c != '-' && c != '+')))
            return false;
    }
    return true;
}

struct product_version product_version_unknown(enum product product)
{
    struct product_version version = {.product = product};
    for (size_t i = 0; i < LENGTH_OF(release_rows); i++)
        if (release_rows[i].product == product)
            version.rows |= 1u << i;
    return version;
}

struct product_version product_version_parse(enum product product, struct str text)
{
    struct product_version version = product_version_unknown(product);
    unsigned rows_found = 0;
    if (!version_is_tag(text))
        return version;
    bool led = text.len > 1 && (text.ptr[0] == 'v' || text.ptr[0] == 'V') && version_is_digit(text.ptr[1]);
    version.text = led ? str_slice(text, 1, text.len) : text;
    struct version_text scanned = version_scan(version.text);
    if (!version_suffix_is_release(scanned.suffix))
        return version;
    for (size_t i = 0; i < LENGTH_OF(release_rows); i++)
        if (release_rows[i].product == product && release_row_may_be(&release_rows[i], &scanned))
            rows_found |= 1u << i;
    version.listed = rows_found != 0;
    if (version.listed)
        version.rows = rows_found;
    return version;
}

/* ---- questions ------------------------------------------------------------------ */

enum version_answer product_version_has(const struct product_version *version, enum feature feature)
{
    size_t with = 0, without = 0;
    for (size_t i = 0; i < LENGTH_OF(release_rows); i++)
        if (version->rows & (1u << i))
            *(release_rows[i].features & (1u << feature) ? &with : &without) += 1;
    return with && without ? ANSWER_DEPENDS : with ? ANSWER_YES : ANSWER_NO;
}

struct product_version product_version_having(struct product_version version, enum feature feature)
{
    unsigned having = 0;
    for (size_t i = 0; i < LENGTH_OF(release_rows); i++)
        if (version.rows & (1u << i) && release_rows[i].features & (1u << feature))
            having |= 1u << i;
    version.rows = having ? having : version.rows;
    return version;
}

/* By the number alone, known to the table or not: for what changed in a release before those of
 * the table. */
enum version_answer product_version_before(const struct product_version *version, int major, int minor)
{
    struct version_text scanned = version_scan(version->text);
    if (scanned.numbers < 2)
        return ANSWER_DEPENDS;
    const struct release_number limit = {.major = major, .minor = minor};
    return release_compare(&scanned.number, &limit) < 0 ? ANSWER_YES : ANSWER_NO;
}

int product_version_compare(const struct product_version *a, const struct product_version *b)
{
    struct version_text left = version_scan(a->text), right = version_scan(b->text);
    return left.numbers < 2 || right.numbers < 2 ? 0 : release_compare(&left.number, &right.number);
}

unsigned product_version_cron(const struct product_version *version)
{
    unsigned dialects = 0;
    for (size_t i = 0; i < LENGTH_OF(release_rows); i++)
        if (version->rows & (1u << i))
            dialects |= 1u << release_rows[i].cron;
    return dialects;
}

struct str product_version_name(struct arena *arena, const struct product_version *version)
{
    const char *product = product_words(version->product);
    return version->text.len ? arena_printf(arena, "%s %.*s", product, STR_ARG(version->text)) : str_from(product);
}

static struct str version_release_name(struct arena *arena, const struct release_row *row)
{
    const struct release_number *first = &row->first;
    const char *product = product_words(row->product);
    return first->patch ? arena_printf(arena, "%s %d.%d.%d", product, first->major, first->minor, first->patch)
                        : arena_printf(arena, "%s %d.%d", product, first->major, first->minor);
}

/* "Velero 1.18.3 and later", "Velero before 1.18.3": who reads a schedule in this dialect, for
 * messages on what two dialects read differently. */
struct str product_version_readers(struct arena *arena, const struct product_version *version,
                                   enum cron_dialect dialect)
{
    size_t first = 0;
    if (product_version_cron(version) == 1u << dialect)
        return product_version_name(arena, version);
    while (first < LENGTH_OF(release_rows) &&
           (release_rows[first].product != version->product || release_rows[first].cron != CRON_GO_CRON))
        first++;
    if (first == LENGTH_OF(release_rows))
        return str_from(product_words(version->product));
    struct str name = version_release_name(arena, &release_rows[first]), number = name;
    if (dialect == CRON_GO_CRON)
        return arena_printf(arena, "%.*s and later", STR_ARG(name));
    str_cut(&number, ' ', &name);
    return arena_printf(arena, "%.*s before %.*s", STR_ARG(name), STR_ARG(number));
}

struct str product_version_doubt(struct arena *arena, const struct product_version *version)
{
    const char *setting = version->product == PRODUCT_VELERO ? "velero.version" : "kcm.version";
    if (!version->text.len)
        return arena_printf(arena, "the running %s is unknown (settings: %s)", product_words(version->product),
                            setting);
    return arena_printf(arena, "%.*s %s (settings: %s)", STR_ARG(product_version_name(arena, version)),
                        version->listed ? "may be an older one" : "is not a release that backstop knows", setting);
}

struct str feature_since(struct arena *arena, enum feature feature)
{
    for (size_t i = 0; i < LENGTH_OF(release_rows); i++)
        if (release_rows[i].product == feature_product(feature) && (release_rows[i].features & (1u << feature)))
            return version_release_name(arena, &release_rows[i]);
    return str_from(product_words(feature_product(feature)));
}
