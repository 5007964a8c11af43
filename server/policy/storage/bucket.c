/* The bucket of a BackupStorageLocation: as Velero takes it, as the provider's store can name one, and not once more in
 * the address of the store. */
#include <string.h>

#include "backstop/grammar.h"
#include "policy/storage/storage.h"

/* Mirrors objectBackupStoreGetter.Get of pkg/persistence/object_store.go, which cuts the outer
 * slashes off bucket and prefix before it hands them to the plugin. */
struct str location_trim_slashes(struct str text)
{
    while (str_starts(text, STR("/")))
        text = str_slice(text, 1, text.len);
    while (str_ends(text, STR("/")))
        text = str_slice(text, 0, text.len - 1);
    return text;
}

/* "s3://backups/kcm" as other tools write a bucket; an http address may name a host instead. */
static struct str bucket_without_scheme(struct str bucket)
{
    static const struct str schemes[] = {STR_INIT("s3://"), STR_INIT("gs://")};
    for (size_t i = 0; i < LENGTH_OF(schemes); i++)
        if (str_starts(bucket, schemes[i]))
            return str_slice(bucket, schemes[i].len, bucket.len);
    return bucket;
}

/* Since 1.19 Velero lets the ARN of an access point through (pkg/persistence/object_store.go Get). */
static bool bucket_takes_arn(const struct location_edit *edit)
{
    const struct product_version velero = inventory_velero_version(edit->inventory, edit->settings).version;
    enum version_answer takes = product_version_has(&velero, VELERO_BUCKET_ARN);
    if (takes == ANSWER_DEPENDS)
        decision_warn(edit->decision, "spec.objectStorage.bucket: an ARN needs %.*s or later, and %.*s",
                      STR_ARG(feature_since(edit->arena, VELERO_BUCKET_ARN)),
                      STR_ARG(product_version_doubt(edit->arena, &velero)));
    return takes != ANSWER_NO;
}

/* Get refuses an inner slash, of an access point's ARN too. Backup and sync controller ask BackupExists for the bucket
   with its outer ones: the location is Available, but with one in front every backup to it fails, and with one behind the
   S3 plugin looks for another key, so that a new cluster takes none for existing. */
void location_check_bucket(const struct location_edit *edit)
{
    struct str bucket = json_path_str(edit->spec, "objectStorage.bucket"), inner = location_trim_slashes(bucket);
    if (!edit->create && !location_asks(edit, "objectStorage.bucket"))
        return;
    struct str quoted = arena_quote(edit->arena, bucket), prefix = location_trim_slashes(bucket_without_scheme(bucket)),
               head;
    if (prefix.len == 0) {
        decision_required(edit->decision, "spec.objectStorage.bucket", "name the bucket for backups");
        return;
    }
    if (str_starts(inner, STR("http://")) || str_starts(inner, STR("https://"))) {
        decision_invalid(
            edit->decision, "spec.objectStorage.bucket",
            "%.*s: Velero expects the bucket's name here; put the address of an S3 server in spec.config.s3Url",
            STR_ARG(quoted));
        return;
    }
    if (str_trim(bucket).len < bucket.len) {
        decision_invalid(edit->decision, "spec.objectStorage.bucket",
                         "%.*s: has leading or trailing white space; write bucket: %.*s", STR_ARG(quoted),
                         STR_ARG(arena_quote(edit->arena, str_trim(bucket))));
        return;
    }
    str_cut(&prefix, '/', &head);
    if (str_eq(head, bucket))
        return;
    if (str_starts(bucket, STR("arn:aws:s3:")) && bucket_takes_arn(edit))
        return;
    if (str_starts(inner, STR("arn:"))) {
        decision_invalid(edit->decision, "spec.objectStorage.bucket",
                         "%.*s: Velero takes no \"/\" in a bucket: write the alias of the access point",
                         STR_ARG(quoted));
        return;
    }
    struct str rest = prefix.len
                          ? arena_printf(edit->arena, " and prefix: %.*s", STR_ARG(arena_quote(edit->arena, prefix)))
                          : STR("");
    decision_invalid(edit->decision, "spec.objectStorage.bucket",
                     "%.*s: Velero takes no \"/\" in a bucket: write bucket: %.*s%.*s", STR_ARG(quoted),
                     STR_ARG(arena_quote(edit->arena, head)), STR_ARG(rest));
}

/* ---- names, by store -------------------------------------------------------- */

static bool bucket_has(const char *letters, char c)
{
    return c && strchr(letters, c);
}

/* Letters and digits may be anywhere, `others` not at either end. */
static bool bucket_fits(struct str bucket, const char *letters, const char *others, size_t longest)
{
    for (size_t i = 0; i < bucket.len; i++)
        if (!bucket_has(letters, bucket.ptr[i]) &&
            (i == 0 || i + 1 == bucket.len || !bucket_has(others, bucket.ptr[i])))
            return false;
    return bucket.len >= 3 && bucket.len <= longest;
}

/* The bucket where its name is to be judged here; empty where it is left as it was, or where location_check_bucket
 * refuses it already (an address, a path). */
static struct str bucket_to_judge(const struct location_edit *edit)
{
    struct str bucket = str_trim(json_path_str(edit->spec, "objectStorage.bucket"));
    bool asked = edit->create || location_asks(edit, "objectStorage.bucket") || location_asks(edit, "provider");
    return asked && !str_contains(bucket, STR("/")) ? bucket : (struct str){NULL, 0};
}

#define LOWER "abcdefghijklmnopqrstuvwxyz0123456789"

/* Measured with Velero 1.18.3, its plugin 1.14.3 and versitygw: whatever is not of Amazon's rule is InvalidBucketName.
 * Amazon itself has capitals and underscores in buckets of before 2018, and stores of one's own may take them, or
 * TENANT:BUCKET (Ceph); nobody takes a space. */
static void bucket_check_s3(const struct location_edit *edit, bool own_store)
{
    struct str bucket = bucket_to_judge(edit), quoted = arena_quote(edit->arena, bucket);
    if (!bucket.len || bucket_fits(bucket, LOWER, ".-", 63) || str_starts(bucket, STR("arn:")))
        return;
    for (size_t i = 0; i < bucket.len; i++)
        if (!bucket_has(LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ._-", bucket.ptr[i]) && !(own_store && bucket.ptr[i] == ':')) {
            decision_invalid(edit->decision, "spec.objectStorage.bucket",
                             "%.*s: no S3 store takes such a name (InvalidBucketName): use 3 to 63 lower-case letters, "
                             "digits, dots and dashes",
                             STR_ARG(quoted));
            return;
        }
    decision_warn(edit->decision,
                  "spec.objectStorage.bucket: S3 refuses %.*s with InvalidBucketName: use 3 to 63 lower-case letters, "
                  "digits, dots and dashes",
                  STR_ARG(quoted));
}

/* docs.cloud.google.com/storage/docs/buckets (222 with dots in it) */
static void bucket_check_google(const struct location_edit *edit)
{
    struct str bucket = bucket_to_judge(edit);
    if (bucket.len && !bucket_fits(bucket, LOWER, "._-", str_contains(bucket, STR(".")) ? 222 : 63))
        decision_invalid(
            edit->decision, "spec.objectStorage.bucket",
            "%.*s: Google Cloud Storage takes no such name: use 3 to 63 lower-case letters, digits, dashes, "
            "underscores and dots, with a letter or digit at both ends",
            STR_ARG(arena_quote(edit->arena, bucket)));
}

/* learn.microsoft.com, "Naming and referencing containers": also $root, $web and $logs, and no dash beside another. */
static void bucket_check_azure(const struct location_edit *edit)
{
    static const char *const own[] = {"$root", "$web", "$logs"};
    struct str bucket = bucket_to_judge(edit);
    if (bucket.len && !STR_IN(bucket, own) && (!bucket_fits(bucket, LOWER, "-", 63) || str_contains(bucket, STR("--"))))
        decision_invalid(edit->decision, "spec.objectStorage.bucket",
                         "%.*s: Azure takes no such container name: use 3 to 63 lower-case letters, digits and single "
                         "dashes, with a letter or digit at both ends",
                         STR_ARG(arena_quote(edit->arena, bucket)));
}

/* local-volume-provider pkg/plugin/volume.go: a volume of the bucket's name in Velero's own pods. */
static void bucket_check_volume(const struct location_edit *edit, struct str provider)
{
    struct str bucket = bucket_to_judge(edit);
    if (bucket.len && !name_is_dns_label(bucket))
        decision_invalid(edit->decision, "spec.objectStorage.bucket",
                         "%.*s: provider %.*s creates a volume of this name; use at most 63 lower-case letters, digits "
                         "and inner dashes",
                         STR_ARG(arena_quote(edit->arena, bucket)), STR_ARG(provider));
}

void location_check_bucket_name(const struct location_edit *edit, struct str provider)
{
    if (str_is(provider, "aws"))
        bucket_check_s3(edit, json_path_str(edit->spec, "config.s3Url").len > 0);
    else if (str_is(provider, "azure"))
        bucket_check_azure(edit);
    else if (str_is(provider, "gcp"))
        bucket_check_google(edit);
    else if (str_starts(provider, STR("replicated.com/")))
        bucket_check_volume(edit, provider);
}

/* ---- the address ------------------------------------------------------------ */

/* The SDK adds the bucket to the address itself, as a folder or before the host. */
void location_check_url_bucket(const struct location_edit *edit, struct str url, struct str host)
{
    static const char *const clouds[] = {".amazonaws.com", ".aliyuncs.com",    ".digitaloceanspaces.com",
                                         ".wasabisys.com", ".backblazeb2.com", ".scw.cloud"};
    struct str bucket = location_trim_slashes(json_path_str(edit->spec, "objectStorage.bucket")), rest = str_trim(url),
               path;
    bool before = false;
    for (size_t i = 0; i < 3 && rest.ptr; i++) /* "https:", "", the host */
        (void)str_cut(&rest, '/', &path);
    path = location_trim_slashes(rest);
    if (bucket.len && str_starts(host, bucket) && str_slice(host, bucket.len, host.len).len > 1) {
        struct str server = str_slice(host, bucket.len, host.len); /* ".s3.eu-west-1.amazonaws.com" */
        for (size_t i = 0; i < LENGTH_OF(clouds); i++)
            before = before || (str_ends(server, str_from(clouds[i])) && server.len > strlen(clouds[i]) &&
                                (i == 2 || str_starts(server, STR(".s3")) || str_starts(server, STR(".oss-"))));
    }
    if (bucket.len && (before || (path.ptr && str_eq(path, bucket))))
        decision_warn(
            edit->decision,
            "spec.config: s3Url %.*s names bucket %.*s, and Velero's plugin adds the bucket itself. Write only the "
            "address of the server",
            STR_ARG(arena_quote(edit->arena, url)), STR_ARG(arena_quote(edit->arena, bucket)));
}
