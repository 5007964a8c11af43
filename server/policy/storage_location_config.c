/* What the object store plugins make of spec.config: each refuses keys it does not know
 * (ValidateObjectStoreConfigKeys), and the location then is Unavailable. */
#include "storage_location.h"

enum { KEYS_MAX = 20 };

struct provider {
    const char *name;
    const char *keys[KEYS_MAX];
};
static const struct provider providers[] = {
    {"aws",
     {"region", "s3Url", "publicUrl", "kmsKeyId", "customerKeyEncryptionFile", "customerKeyEncryptionSecret",
      "s3ForcePathStyle", "signatureVersion", "credentialsFile", "profile", "serverSideEncryption",
      "insecureSkipTLSVerify", "enableSharedConfig", "tagging", "checksumAlgorithm"}},
    {"gcp", {"kmsKeyName", "serviceAccount", "credentialsFile", "storeEndpoint", "universeDomain"}},
    {"azure",
     {"resourceGroup", "storageAccount", "subscriptionId", "blockSizeInBytes", "storageAccountURI", "useAAD",
      "activeDirectoryAuthorityURI", "storageAccountKeyEnvVar", "credentialsFile"}},
};

/* Velero adds these to every provider's config. */
static const char *const common_keys[] = {"bucket", "prefix", "caCert"};

/* A plugin's name may leave out "velero.io/". */
static struct str short_name(struct str provider)
{
    const struct str vendor = STR("velero.io/");
    return str_starts(provider, vendor) ? str_slice(provider, vendor.len, provider.len) : provider;
}

static const struct provider *provider_of(struct str name)
{
    for (size_t i = 0; i < LENGTH_OF(providers); i++)
        if (str_is(short_name(name), providers[i].name))
            return &providers[i];
    return NULL;
}

static const struct {
    const char *wrong, *right;
} nicknames[] = {
    {"s3", "aws"},  {"minio", "aws"},  {"ceph", "aws"},   {"amazon", "aws"},
    {"gcs", "gcp"}, {"google", "gcp"}, {"blob", "azure"}, {"microsoft-azure", "azure"},
};

static const char *meant(struct str name)
{
    for (size_t i = 0; i < LENGTH_OF(nicknames); i++)
        if (str_eq_nocase(name, str_from(nicknames[i].wrong)))
            return nicknames[i].right;
    for (size_t i = 0; i < LENGTH_OF(providers); i++)
        if (str_eq_nocase(short_name(name), str_from(providers[i].name)))
            return providers[i].name;
    return NULL;
}

static void check_keys(const struct location_edit *edit, const struct provider *provider, struct json_object *config)
{
    struct str known[KEYS_MAX + LENGTH_OF(common_keys)];
    struct strlist listed = {0};
    size_t count = 0;
    for (size_t i = 0; i < KEYS_MAX && provider->keys[i]; i++) {
        known[count++] = str_from(provider->keys[i]);
        strlist_add(edit->arena, &listed, str_from(provider->keys[i]));
    }
    for (size_t i = 0; i < LENGTH_OF(common_keys); i++)
        known[count++] = str_from(common_keys[i]);
    json_foreach(config, key, value)
    {
        struct str name = str_from(key), quoted = arena_quote(edit->arena, name);
        bool found = false;
        for (size_t i = 0; i < count; i++)
            found = found || str_eq(name, known[i]);
        if (said_enough(edit->decision))
            return;
        if (!found) {
            struct str near = str_nearest(name, known, count);
            struct str hint =
                near.len ? arena_printf(edit->arena, "did you mean %.*s?", STR_ARG(near))
                         : arena_printf(edit->arena, "it takes %.*s", STR_ARG(strlist_quoted(edit->arena, &listed)));
            decision_invalid(edit->decision, "spec.config",
                             "Unsupported value: %.*s: provider %s refuses unknown keys; %.*s", STR_ARG(quoted),
                             provider->name, STR_ARG(hint));
        } else if (!json_object_is_type(value, json_type_string)) {
            decision_invalid(edit->decision, "spec.config", "Invalid value: the value of %.*s must be text, in quotes",
                             STR_ARG(quoted));
        }
    }
}

static bool is_url(struct str url)
{
    return str_starts(url, STR("http://")) || str_starts(url, STR("https://"));
}

static bool is_one_of(struct str value, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_is(value, words[i]))
            return true;
    return false;
}

/* strconv.ParseBool */
static bool is_true(struct json_object *config, const char *key)
{
    static const char *const words[] = {"1", "t", "T", "true", "TRUE", "True"};
    return is_one_of(json_get_str(config, key), words, LENGTH_OF(words));
}

static void check_bool(const struct location_edit *edit, struct json_object *config, const char *key)
{
    static const char *const words[] = {"", "0", "f", "F", "false", "FALSE", "False"};
    struct str value = json_get_str(config, key);
    if (!is_true(config, key) && !is_one_of(value, words, LENGTH_OF(words)))
        decision_invalid(edit->decision, "spec.config", "Invalid value: %.*s: %s must be \"true\" or \"false\"",
                         STR_ARG(arena_quote(edit->arena, value)), key);
}

/* No value of a plugin's begins or ends with a blank, and none is trimmed. */
static void check_blanks(const struct location_edit *edit, struct json_object *config)
{
    json_foreach(config, key, value)
    {
        struct str text = json_str(value), trimmed = str_trim(text);
        if (said_enough(edit->decision))
            return;
        if (trimmed.len < text.len && (is_url(text) || !is_url(trimmed))) /* else told as no address */
            decision_invalid(edit->decision, "spec.config",
                             "Invalid value: %.*s: white space before or after it: write %.*s: %.*s",
                             STR_ARG(arena_quote(edit->arena, text)), STR_ARG(arena_quote(edit->arena, str_from(key))),
                             STR_ARG(arena_quote(edit->arena, trimmed)));
    }
}

/* Texts that are handed on as they are, and compared with their case. */
static const struct {
    const char *key, *values[5];
} cased[] = {
    {"checksumAlgorithm", {"CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"}},
    {"serverSideEncryption", {"AES256", "aws:kms", "aws:kms:dsse"}},
};

static void check_cased(const struct location_edit *edit, struct json_object *config)
{
    for (size_t i = 0; i < LENGTH_OF(cased); i++)
        for (size_t v = 0; v < LENGTH_OF(cased[i].values) && cased[i].values[v]; v++) {
            struct str value = json_get_str(config, cased[i].key), known = str_from(cased[i].values[v]);
            if (str_eq_nocase(value, known) && !str_eq(value, known))
                decision_invalid(edit->decision, "spec.config", "Unsupported value: %.*s: %s is written %s",
                                 STR_ARG(arena_quote(edit->arena, value)), cased[i].key, cased[i].values[v]);
        }
}

/* object_store.go Init: the key for encryption comes from one place. */
static void check_encryption(const struct location_edit *edit, struct json_object *config)
{
    static const char *const keys[] = {"kmsKeyId", "customerKeyEncryptionFile", "customerKeyEncryptionSecret"};
    struct strlist given = {0};
    for (size_t i = 0; i < LENGTH_OF(keys); i++)
        if (json_get_str(config, keys[i]).len)
            strlist_add(edit->arena, &given, str_from(keys[i]));
    if (given.len > 1)
        decision_invalid(edit->decision, "spec.config", "Forbidden: provider aws takes one of %.*s: keep one",
                         STR_ARG(strlist_quoted(edit->arena, &given)));
}

static void check_aws(const struct location_edit *edit, struct json_object *config)
{
    static const char *const urls[] = {"s3Url", "publicUrl"};
    struct str s3_url = json_get_str(config, "s3Url"), region = json_get_str(config, "region");
    check_bool(edit, config, "s3ForcePathStyle");
    check_bool(edit, config, "insecureSkipTLSVerify");
    check_cased(edit, config);
    check_encryption(edit, config);
    for (size_t i = 0; i < LENGTH_OF(urls); i++) {
        struct str url = json_get_str(config, urls[i]);
        if (url.len && !is_url(url))
            decision_invalid(edit->decision, "spec.config",
                             "Invalid value: %.*s: %s must begin with https:// or http://",
                             STR_ARG(arena_quote(edit->arena, url)), urls[i]);
    }
    if (region.len == 0 && s3_url.len)
        decision_warn(edit->decision, "spec.config: s3Url needs a region too, unless Velero's environment sets "
                                      "AWS_REGION; where the store has none, write region: us-east-1");
    else if (region.len == 0)
        decision_warn(edit->decision, "spec.config: no region: Velero has to ask AWS where the bucket is, which needs "
                                      "s3:GetBucketLocation; give it the region");
    if (s3_url.len && !json_get_str(config, "s3ForcePathStyle").len && !str_contains(s3_url, STR("amazonaws.com")))
        decision_warn(edit->decision, "spec.config: most S3-compatible stores (MinIO, Ceph) need s3ForcePathStyle: "
                                      "\"true\" beside s3Url");
    if (is_true(config, "insecureSkipTLSVerify"))
        decision_warn(edit->decision, "spec.config: insecureSkipTLSVerify lets anybody on the way read and change "
                                      "backups; give objectStorage.caCert instead");
}

static void check_azure(const struct location_edit *edit, struct json_object *config)
{
    if (json_get_str(config, "storageAccount").len == 0)
        decision_invalid(edit->decision, "spec.config",
                         "Required value: storageAccount: the Azure storage account that has the container");
    check_bool(edit, config, "useAAD");
    if (json_get_str(config, "resourceGroup").len == 0 && !is_true(config, "useAAD") &&
        json_get_str(config, "storageAccountKeyEnvVar").len == 0)
        decision_warn(edit->decision, "spec.config: without resourceGroup, useAAD or storageAccountKeyEnvVar Velero "
                                      "cannot find the key of the storage account");
}

void location_check_provider(const struct location_edit *edit)
{
    struct str name = json_get_str(edit->spec, "provider");
    struct json_object *config = json_get(edit->spec, "config");
    const struct provider *provider = provider_of(name);
    if (!edit->create && !location_asks(edit, "provider") && !location_asks(edit, "config"))
        return;
    if (name.len == 0) {
        decision_invalid(edit->decision, "spec.provider",
                         "Required value: the plugin that reaches the object store: aws (any S3), gcp or azure");
        return;
    }
    if (config && !json_object_is_type(config, json_type_object)) {
        decision_invalid(edit->decision, "spec.config", "Invalid value: must map names to texts");
        return;
    }
    const char *right = provider ? NULL : meant(str_trim(name));
    if (right)
        decision_warn(edit->decision,
                      "spec.provider: Velero has no plugin %.*s of its own; did you mean %s? Without the plugin the "
                      "location stays Unavailable",
                      STR_ARG(arena_quote(edit->arena, name)), right);
    if (!provider)
        return;
    if (config) {
        check_keys(edit, provider, config);
        check_blanks(edit, config);
    }
    if (str_is(short_name(name), "aws"))
        check_aws(edit, config);
    else if (str_is(short_name(name), "azure"))
        check_azure(edit, config);
}
