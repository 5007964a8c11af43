/* What the object store plugins refuse at Init beside unknown keys: the location is then Unavailable. */
#include <string.h>

#include "backstop/grammar.h"
#include "policy/storage/storage.h"
#include "policy/velero/velero.h"

bool location_is_url(struct str url)
{
    return str_eq_nocase(str_slice(url, 0, 7), STR("http://")) || str_eq_nocase(str_slice(url, 0, 8), STR("https://"));
}

/* What Go's url.Parse finds wrong with a URL whose scheme is right; NULL when it is fine. It
 * does not judge whether the host exists: only Velero can reach it. */
static const char *url_problem(struct str url)
{
    struct str rest = str_slice(url, str_eq_nocase(str_slice(url, 0, 8), STR("https://")) ? 8 : 7, url.len), host, port;
    for (size_t i = 0; i < url.len; i++)
        if ((unsigned char)url.ptr[i] < 0x20 || url.ptr[i] == 0x7F)
            return "holds a control character";
    (void)str_cut(&rest, '/', &host);
    if (host.len == 0)
        return "has no host";
    if (str_contains(host, STR(" ")))
        return "has a space in its host";
    for (size_t i = host.len; i > 0 && host.ptr[i - 1] != ']'; i--)
        if (host.ptr[i - 1] == ':') {
            port = str_slice(host, i, host.len);
            for (size_t k = 0; k < port.len; k++)
                if (port.ptr[k] < '0' || port.ptr[k] > '9')
                    return "has a port that is not a number";
            break;
        }
    return NULL;
}

/* strconv.ParseBool */
static bool is_true(struct json_object *config, const char *key)
{
    static const char *const words[] = {"1", "t", "T", "true", "TRUE", "True"};
    return STR_IN(json_get_str(config, key), words);
}

/* The plugins parse these with strconv.ParseBool, to which "yes" and "on" are errors: Init then
 * fails. "" is false. */
static void check_bool(const struct location_edit *edit, struct json_object *config, const char *key)
{
    static const char *const words[] = {"", "0", "f", "F", "false", "FALSE", "False"};
    struct str value = json_get_str(config, key);
    if (!is_true(config, key) && !STR_IN(value, words))
        decision_invalid(edit->decision, "spec.config", "%.*s: %s must be \"true\" or \"false\"",
                         STR_ARG(arena_quote(edit->arena, value)), key);
}

static struct str listed_words(const struct location_edit *edit, const char *const *words, size_t count)
{
    struct strlist all = {0};
    for (size_t i = 0; i < count; i++)
        strlist_add(edit->arena, &all, str_from(words[i]));
    return strlist_quoted(edit->arena, &all);
}

/* object_store.go validChecksumAlg: "" switches it off, every other word must be one of the SDK's. Newer plugins
 * take the SDK's other words as well (MD5, SHA512, XXHASH64): the location is Available then and every upload fails,
 * "unknown checksum algorithm". */
static void check_checksum(const struct location_edit *edit, struct json_object *config)
{
    static const char *const words[] = {"CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"};
    struct str value = json_get_str(config, "checksumAlgorithm");
    if (value.len && !STR_IN(value, words))
        decision_not_supported(
            edit->decision, "spec.config", "%.*s: checksumAlgorithm must be one of %.*s, or \"\" for none",
            STR_ARG(arena_quote(edit->arena, value)), STR_ARG(listed_words(edit, words, LENGTH_OF(words))));
}

/* Handed on as it is: S3 refuses each upload with another word, S3-compatible stores may have their own. */
static void check_server_side(const struct location_edit *edit, struct json_object *config)
{
    static const char *const words[] = {"AES256", "aws:kms", "aws:kms:dsse", "aws:fsx"};
    struct str value = json_get_str(config, "serverSideEncryption");
    if (value.len == 0 || STR_IN(value, words))
        return;
    for (size_t i = 0; i < LENGTH_OF(words); i++)
        if (str_eq_nocase(value, str_from(words[i]))) {
            decision_not_supported(edit->decision, "spec.config", "%.*s: write serverSideEncryption as %s",
                                   STR_ARG(arena_quote(edit->arena, value)), words[i]);
            return;
        }
    if (json_get_str(config, "s3Url").len == 0)
        decision_warn(edit->decision,
                      "spec.config: serverSideEncryption %.*s is not one of %.*s: S3 refuses the uploads",
                      STR_ARG(arena_quote(edit->arena, value)), STR_ARG(listed_words(edit, words, LENGTH_OF(words))));
}

/* The limits are in characters, not bytes: each byte that does not continue a character begins
 * one. */
static size_t utf8_characters(struct str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
    return count;
}

/* helpers.go CheckTags. */
static const char *tagging_problem(struct str tagging)
{
    enum { TAGS_MAX = 10, KEY_MAX = 128, VALUE_MAX = 248 };
    struct str tag, key;
    size_t count = 0;
    while (str_cut(&tagging, '&', &tag)) {
        struct str value = tag;
        if (++count > TAGS_MAX)
            return "provider aws takes at most ten tags";
        if (!str_cut(&value, '=', &key) || !value.ptr || str_contains(value, STR("=")))
            return "write each tag as key=value";
        if (utf8_characters(key) > KEY_MAX || utf8_characters(value) > VALUE_MAX)
            return "a key has at most 128 characters, a value 248";
    }
    return count == 1 ? "provider aws refuses a single tag: write two or more, joined by \"&\"" : NULL;
}

static void check_tagging(const struct location_edit *edit, struct json_object *config)
{
    struct str tagging = json_get_str(config, "tagging");
    const char *problem = tagging.len ? tagging_problem(tagging) : NULL;
    if (problem)
        decision_invalid(edit->decision, "spec.config", "%.*s: tagging: %s", STR_ARG(arena_quote(edit->arena, tagging)),
                         problem);
}

/* object_store.go readCustomerKeyFromSecret: NAME/KEY of a Secret beside Velero. */
static void check_customer_key(const struct location_edit *edit, struct json_object *config)
{
    struct str value = json_get_str(config, "customerKeyEncryptionSecret"), key = value, name;
    if (value.len == 0)
        return;
    if (!str_cut(&key, '/', &name) || !key.ptr || str_contains(key, STR("/"))) {
        decision_invalid(edit->decision, "spec.config", "%.*s: write customerKeyEncryptionSecret as SECRET/KEY",
                         STR_ARG(arena_quote(edit->arena, value)));
        return;
    }
    const struct secret *secret = inventory_secret(edit->inventory, edit->ns, name);
    bool lacks_key = secret && secret->keys.len && !strlist_has(&secret->keys, key);
    if (edit->inventory->known[FACT_SECRETS] && (!secret || lacks_key))
        decision_warn(edit->decision,
                      "spec.config: customerKeyEncryptionSecret: there is no Secret %.*s in %.*s with key %.*s; the "
                      "location stays Unavailable until there is",
                      STR_ARG(arena_quote(edit->arena, name)), STR_ARG(edit->ns),
                      STR_ARG(arena_quote(edit->arena, key)));
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
        decision_forbidden(edit->decision, "spec.config", "provider aws takes only one of %.*s: keep one",
                           STR_ARG(strlist_quoted(edit->arena, &given)));
}

/* Digits and dots, or a colon, which only IPv6 has within a host. */
static bool is_address(struct str host)
{
    bool digits = host.len > 0;
    for (size_t i = 0; i < host.len; i++)
        digits = digits && ((host.ptr[i] >= '0' && host.ptr[i] <= '9') || host.ptr[i] == '.');
    return digits || str_contains(host, STR(":"));
}

/* Stores that answer to BUCKET.HOST only where somebody has set up DNS for it: by address, inside the
 * cluster, and the software that people run themselves. Hosted ones have wildcard DNS. */
static bool needs_path_style(const struct location_edit *edit, struct json_object *config, struct str host)
{
    static const struct str own[] = {STR_INIT("minio"),      STR_INIT("ceph"),   STR_INIT("rgw"),   STR_INIT("seaweed"),
                                     STR_INIT("localstack"), STR_INIT("noobaa"), STR_INIT("garage")};
    const struct storage_location location = {
        .meta = {.ns = edit->ns}, .provider = json_get_str(edit->spec, "provider"), .config = config};
    for (size_t i = 0; i < LENGTH_OF(own); i++)
        if (str_contains(host, own[i]))
            return true;
    return is_address(host) || storage_location_class(&location) == STORAGE_IN_CLUSTER_S3;
}

/* A store without wildcard DNS cannot be found under BUCKET.HOST, and the error that follows,
 * "no such host", names a host that nobody has configured. Alibaba's is the opposite case: it
 * refuses requests in path style. */
static void check_path_style(const struct location_edit *edit, struct json_object *config, struct str host)
{
    bool said = json_get_str(config, "s3ForcePathStyle").len > 0;
    if (host.len && !said && needs_path_style(edit, config, host))
        decision_warn(edit->decision, "spec.config: a store at %.*s usually needs s3ForcePathStyle: \"true\"",
                      STR_ARG(arena_quote(edit->arena, host)));
    if (is_true(config, "s3ForcePathStyle") && str_ends(host, STR(".aliyuncs.com")))
        decision_warn(edit->decision, "spec.config: Alibaba Cloud OSS refuses path style: remove s3ForcePathStyle");
}

/* "s3.eu-west-1.amazonaws.com", "s3-eu-west-1...", "s3.dualstack.eu-west-1..."; "s3.amazonaws.com" is us-east-1's. */
static struct str amazon_region(struct str host)
{
    static const char *const before[] = {"s3.dualstack.", "s3.", "s3-"};
    const struct str amazon = STR("amazonaws.com");
    if (!str_ends(host, amazon))
        return STR("");
    host.len -= amazon.len;
    if (str_is(host, "s3."))
        return STR("us-east-1");
    for (size_t i = 0; i < LENGTH_OF(before) && str_ends(host, STR(".")); i++)
        if (str_starts(host, str_from(before[i])) && host.len > strlen(before[i]) + 1)
            return str_slice(host, strlen(before[i]), host.len - 1);
    return STR("");
}

/* Of Amazon's own store; what other stores call their regions is their own matter. A signature for another region than
 * the endpoint's is refused (velero issue 5511), and a zone has no endpoint. */
static void check_amazon_region(const struct location_edit *edit, struct str region, struct str host)
{
    struct str meant = amazon_region(host), quoted = arena_quote(edit->arena, region);
    struct str zone = region.len > 2 ? str_slice(region, 0, region.len - 1) : STR("");
    bool upper = false;
    for (size_t i = 0; i < region.len; i++) {
        if (!char_is_alphanumeric(region.ptr[i]) && region.ptr[i] != '-')
            return; /* "${AWS_REGION}" */
        upper = upper || (region.ptr[i] >= 'A' && region.ptr[i] <= 'Z');
    }
    if (meant.len && !str_contains(meant, STR(".")) && region.len && !str_eq(meant, region))
        decision_warn(
            edit->decision,
            "spec.config: s3Url is the address of region %.*s, and AWS refuses requests that are signed for %.*s. "
            "Remove s3Url, which AWS itself does not need",
            STR_ARG(meant), STR_ARG(quoted));
    else if (host.len && !meant.len)
        return;
    else if (upper)
        decision_warn(edit->decision, "spec.config: region %.*s does not exist: AWS writes regions in lower case",
                      STR_ARG(quoted));
    else if (zone.len && zone.ptr[zone.len - 1] >= '1' && zone.ptr[zone.len - 1] <= '9' &&
             region.ptr[region.len - 1] >= 'a' && region.ptr[region.len - 1] <= 'f' && str_contains(zone, STR("-")))
        decision_warn(edit->decision, "spec.config: region %.*s is an availability zone; write region: %.*s",
                      STR_ARG(quoted), STR_ARG(zone));
}

/* The plugin hands it to the SDK as it is (object_store.go Init), unless objectStorage.caCert replaces it. */
static void check_config_ca(const struct location_edit *edit, struct json_object *config)
{
    struct str ca = json_get_str(config, "caCert");
    if (ca.len && !json_path(edit->spec, "objectStorage.caCert") &&
        !str_contains(ca, STR("-----BEGIN CERTIFICATE-----")))
        decision_invalid(edit->decision, "spec.config",
                         "caCert must be the CA as PEM here; its base64 belongs in spec.objectStorage.caCert");
}

/* Everything that speaks S3 uses this plugin, so what is wrong for Amazon's own store is a
 * warning where another may take it, and an error only where the plugin itself refuses. */
void location_check_aws(const struct location_edit *edit, struct json_object *config)
{
    static const char *const urls[] = {"s3Url", "publicUrl"};
    struct str s3_url = json_get_str(config, "s3Url"), region = json_get_str(config, "region");
    check_bool(edit, config, "s3ForcePathStyle");
    check_bool(edit, config, "insecureSkipTLSVerify");
    check_checksum(edit, config);
    check_config_ca(edit, config);
    check_server_side(edit, config);
    check_tagging(edit, config);
    check_customer_key(edit, config);
    check_encryption(edit, config);
    for (size_t i = 0; i < LENGTH_OF(urls); i++) {
        struct str url = json_get_str(config, urls[i]);
        if (url.len && !location_is_url(url))
            decision_invalid(edit->decision, "spec.config", "%.*s: %s must begin with https:// or http://",
                             STR_ARG(arena_quote(edit->arena, url)), urls[i]);
        else if (url.len && url_problem(str_trim(url)))
            decision_invalid(edit->decision, "spec.config", "%.*s: %s %s", STR_ARG(arena_quote(edit->arena, url)),
                             urls[i], url_problem(str_trim(url)));
    }
    if (region.len == 0 && s3_url.len)
        decision_warn(edit->decision, "spec.config: s3Url needs a region too, unless Velero's environment sets "
                                      "AWS_REGION. If the store has no regions, write region: us-east-1");
    else if (region.len == 0)
        decision_warn(
            edit->decision,
            "spec.config: no region is set, so Velero must ask AWS and needs s3:GetBucketLocation. Set region");
    check_path_style(edit, config, storage_url_host(s3_url));
    location_check_url_bucket(edit, s3_url, storage_url_host(s3_url));
    check_amazon_region(edit, region, storage_url_host(s3_url));
    if (is_true(config, "insecureSkipTLSVerify"))
        decision_warn(edit->decision, "spec.config: insecureSkipTLSVerify lets anyone on the network path read and "
                                      "change backups. Set objectStorage.caCert instead");
}

/* An account is required since the plugin cannot tell one from the container. The other keys are
 * alternatives to one another, and which are needed depends on what the credential holds, so
 * their absence is no more than a warning. */
void location_check_azure(const struct location_edit *edit, struct json_object *config)
{
    enum { BLOCK_MAX = 100 * 1024 * 1024 };
    struct str block = json_get_str(config, "blockSizeInBytes"), uri = json_get_str(config, "storageAccountURI");
    int64_t size = 0;
    if (json_get_str(config, "storageAccount").len == 0)
        decision_required(edit->decision, "spec.config",
                          "set storageAccount to the Azure storage account with the container");
    check_bool(edit, config, "useAAD");
    if (block.ptr && (!str_to_int64(block, &size) || size <= 0 || size > BLOCK_MAX))
        decision_warn(edit->decision,
                      "spec.config: blockSizeInBytes %.*s is not a number from 1 to %d, so Velero uses %d",
                      STR_ARG(arena_quote(edit->arena, block)), BLOCK_MAX, BLOCK_MAX);
    if (uri.len && (!location_is_url(uri) || url_problem(uri)))
        decision_invalid(edit->decision, "spec.config",
                         "%.*s: write storageAccountURI as https://ACCOUNT.blob.core.windows.net",
                         STR_ARG(arena_quote(edit->arena, uri)));
    /* pkg/util/azure/storage.go GetStorageAccountCredentials */
    if (json_get_str(config, "resourceGroup").len == 0 && !is_true(config, "useAAD") &&
        json_get_str(config, "storageAccountKeyEnvVar").len == 0)
        decision_warn(edit->decision, "spec.config: set resourceGroup, useAAD or storageAccountKeyEnvVar, unless the "
                                      "credential has AZURE_RESOURCE_GROUP");
}

/* An empty one is read all the same, as a file without a name (velero-plugin-for-gcp object_store.go Init). */
void location_check_gcp(const struct location_edit *edit, struct json_object *config)
{
    struct json_object *file = json_get(config, "credentialsFile");
    if (json_object_is_type(file, json_type_string) && !json_str(file).len && !json_get(edit->spec, "credential"))
        decision_invalid(edit->decision, "spec.config",
                         "\"\": credentialsFile: remove it, or give the location a credential");
}

/* local-volume-provider pkg/plugin/volume.go */
void location_check_volume(const struct location_edit *edit, struct json_object *config, const char *provider)
{
    static const struct {
        const char *provider, *key, *what;
    } needed[] = {{"replicated.com/hostpath", "path", "the folder on the node"},
                  {"replicated.com/nfs", "path", "the folder that the server exports"},
                  {"replicated.com/nfs", "server", "the NFS server"},
                  {"replicated.com/pvc", "storageSize", "the size of the volume, such as 50Gi"}};
    struct str path = json_get_str(config, "path");
    struct str size = json_get_str(config, "storageSize");
    double ignored;
    for (size_t i = 0; i < LENGTH_OF(needed); i++)
        if (strcmp(needed[i].provider, provider) == 0 && json_get_str(config, needed[i].key).len == 0)
            decision_required(edit->decision, "spec.config", "%s: %s", needed[i].key, needed[i].what);
    if (path.len && path.ptr[0] != '/')
        decision_invalid(edit->decision, "spec.config", "%.*s: path must begin with \"/\"",
                         STR_ARG(arena_quote(edit->arena, path)));
    if (size.len && !quantity_parse(size, &ignored))
        decision_invalid(edit->decision, "spec.config",
                         "%.*s: storageSize must be a quantity such as 50Gi; any other value makes the plugin exit",
                         STR_ARG(arena_quote(edit->arena, size)));
}
