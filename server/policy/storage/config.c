/* What the object store plugins make of spec.config: each refuses keys it does not know
 * (ValidateObjectStoreConfigKeys), and the location then is Unavailable. */
#include "backstop/grammar.h"
#include "backstop/schema.h"
#include "policy/storage/storage.h"

enum { KEYS_MAX = 20 };

/* velero-plugin-for-aws v1.14, -gcp v1.14, -microsoft-azure v1.14; velero-plugin-for-openstack
 * (src/swift) and local-volume-provider take any key. */
struct provider {
    const char *name;
    bool takes_any;        /* unknown keys are passed over without a word */
    const char *places[3]; /* the keys that, with bucket and prefix, say where a backup lies */
    const char *keys[KEYS_MAX];
};
static const struct provider providers[] = {
    {"aws",
     false,
     {"s3Url"},
     {"region", "s3Url", "publicUrl", "kmsKeyId", "customerKeyEncryptionFile", "customerKeyEncryptionSecret",
      "s3ForcePathStyle", "signatureVersion", "credentialsFile", "profile", "serverSideEncryption",
      "insecureSkipTLSVerify", "enableSharedConfig", "tagging", "checksumAlgorithm"}},
    {"gcp",
     false,
     {"storeEndpoint", "universeDomain"},
     {"kmsKeyName", "serviceAccount", "credentialsFile", "storeEndpoint", "universeDomain"}},
    {"azure",
     false,
     {"storageAccount", "storageAccountURI"}, /* a container belongs to its account */
     {"resourceGroup", "storageAccount", "subscriptionId", "blockSizeInBytes", "storageAccountURI", "useAAD",
      "activeDirectoryAuthorityURI", "storageAccountKeyEnvVar", "credentialsFile"}},
    {"community.openstack.org/openstack",
     true,
     {"cloud", "region"},
     {"cloud", "region", "resticRepoPrefix", "credentialsFile"}},
    {"replicated.com/hostpath", true, {"path"}, {"path", "resticRepoPrefix", "credentialsFile"}},
    {"replicated.com/nfs", true, {"server", "path"}, {"path", "server", "resticRepoPrefix", "credentialsFile"}},
    {"replicated.com/pvc", true, {NULL}, {"storageSize", "resticRepoPrefix", "credentialsFile"}},
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
        if (str_is(short_name(name), providers[i].name) || str_is(name, providers[i].name))
            return &providers[i];
    return NULL;
}

/* "https://minio:9000" and "https://minio:9000/" are one address. Other values keep what stands
 * at their end. */
static struct str without_last_slashes(struct str text)
{
    while (text.len && text.ptr[text.len - 1] == '/')
        text.len--;
    return text;
}

/* Keys such as a region or a credential file change how a store is reached, not which one it is,
 * so only the keys named in `places` are compared. Where the provider is not known any
 * difference may be one of place. */
static bool same_config_place(struct str provider, struct json_object *a, struct json_object *b)
{
    const struct provider *known = provider_of(provider);
    if (!known) /* whatever its plugin makes of it */
        return json_equal(a, b);
    for (size_t i = 0; i < LENGTH_OF(known->places) && known->places[i]; i++)
        if (!str_eq(without_last_slashes(json_get_str(a, known->places[i])),
                    without_last_slashes(json_get_str(b, known->places[i]))))
            return false;
    return true;
}

static bool same_bucket(const struct storage_location *a, const struct storage_location *b)
{
    return str_eq(short_name(a->provider), short_name(b->provider)) &&
           str_eq(location_trim_slashes(a->bucket), location_trim_slashes(b->bucket)) &&
           same_config_place(a->provider, a->config, b->config);
}

bool location_same_place(const struct storage_location *a, const struct storage_location *b)
{
    return same_bucket(a, b) && str_eq(location_trim_slashes(a->prefix), location_trim_slashes(b->prefix));
}

/* Mirrors IsValid and isValidSubdir of pkg/persistence: "Backup store contains invalid top-level directories". */
struct str location_nested_folder(const struct storage_location *outer, const struct storage_location *inner)
{
    static const char *const layout[] = {"backups", "restores", "restic", "metadata", "plugins", "kopia"};
    struct str root = location_trim_slashes(outer->prefix), rest = location_trim_slashes(inner->prefix), folder;
    if (root.len) {
        if (!str_starts(rest, root) || str_slice(rest, root.len, rest.len).len == 0 || rest.ptr[root.len] != '/')
            return STR("");
        rest = str_slice(rest, root.len + 1, rest.len);
    }
    if (rest.len == 0 || !same_bucket(outer, inner))
        return STR("");
    str_cut(&rest, '/', &folder);
    return STR_IN(folder, layout) ? STR("") : folder;
}

const char *location_place_key(struct str provider, size_t i)
{
    const struct provider *known = provider_of(provider);
    return known && i < LENGTH_OF(known->places) ? known->places[i] : NULL;
}

/* What people write from the name of the store or of the cloud, and the plugin that was meant. */
static const struct {
    const char *wrong, *right;
} nicknames[] = {
    {"s3", "aws"},  {"minio", "aws"},  {"ceph", "aws"},   {"amazon", "aws"},
    {"gcs", "gcp"}, {"google", "gcp"}, {"blob", "azure"}, {"microsoft-azure", "azure"},
};

/* Also a right name in the wrong case: Velero looks plugins up by the exact text, so "AWS" is a
 * plugin that nobody has. */
static const char *provider_meant(struct str name)
{
    for (size_t i = 0; i < LENGTH_OF(nicknames); i++)
        if (str_eq_nocase(name, str_from(nicknames[i].wrong)))
            return nicknames[i].right;
    for (size_t i = 0; i < LENGTH_OF(providers); i++)
        if (str_eq_nocase(short_name(name), str_from(providers[i].name)))
            return providers[i].name;
    return NULL;
}

/* Two manners for two kinds of plugin. One that refuses unknown keys makes the location
 * Unavailable, so a wrong key is an error here too. One that takes any key passes over a
 * misspelt one without a word; there only a near miss is worth a warning, since a key that
 * resembles nothing may be read by a newer plugin. */
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
        if (decision_is_full(edit->decision))
            return;
        if (!found && provider->takes_any) {
            struct str near = str_nearest(name, known, count);
            if (near.len)
                decision_warn(edit->decision, "spec.config: provider %s ignores %.*s; did you mean %.*s?",
                              provider->name, STR_ARG(quoted), STR_ARG(near));
        } else if (!found) {
            struct str hint = str_suggest(edit->arena, name, known, count, "", "");
            if (!hint.len)
                hint = arena_printf(edit->arena, "it takes %.*s", STR_ARG(strlist_quoted(edit->arena, &listed)));
            decision_not_supported(edit->decision, "spec.config", "%.*s: provider %s refuses unknown keys; %.*s",
                                   STR_ARG(quoted), provider->name, STR_ARG(hint));
        } else if (!json_object_is_type(value, json_type_string)) {
            decision_invalid(edit->decision, "spec.config", "the value of %.*s must be a string, in quotes",
                             STR_ARG(quoted));
        }
    }
}

/* No value of a plugin's begins or ends with a blank, and none is trimmed. */
static void check_blanks(const struct location_edit *edit, struct json_object *config)
{
    json_foreach(config, key, value)
    {
        struct str text = json_str(value), trimmed = str_trim(text);
        if (decision_is_full(edit->decision))
            return;
        if (trimmed.len < text.len &&
            (location_is_url(text) || !location_is_url(trimmed))) /* else told as no address */
            decision_invalid(edit->decision, "spec.config",
                             "%.*s: has leading or trailing white space; write %.*s: %.*s",
                             STR_ARG(arena_quote(edit->arena, text)), STR_ARG(arena_quote(edit->arena, str_from(key))),
                             STR_ARG(arena_quote(edit->arena, trimmed)));
    }
}

/* object_store.go objectBackupStoreGetter.Get sets both from objectStorage, whatever stands here. */
static void check_overwritten(const struct location_edit *edit, struct json_object *config)
{
    static const char *const keys[] = {"bucket", "prefix"};
    for (size_t i = 0; i < LENGTH_OF(keys); i++) {
        struct str here = json_get_str(config, keys[i]);
        struct str there = json_get_str(json_get(edit->spec, "objectStorage"), keys[i]);
        if (here.len && !str_eq(here, there))
            decision_forbidden(
                edit->decision, "spec.config",
                "%s %.*s: Velero overwrites it with the value in spec.objectStorage (%.*s); set it there", keys[i],
                STR_ARG(arena_quote(edit->arena, here)),
                STR_ARG(there.len ? arena_quote(edit->arena, there) : STR("none")));
    }
}

/* pkg/plugin/framework/common/server_mux.go ValidatePluginName: no plugin can have another name, so none is found.
 * A name without "/" gets "velero.io/" put in front. */
static bool can_be_plugin(struct str name)
{
    struct str rest = name, vendor;
    if (!str_cut(&rest, '/', &vendor) || str_eq(vendor, name))
        return true;
    return rest.len && !memchr(rest.ptr, '/', rest.len) && name_is_dns_subdomain(vendor);
}

/* Name first, then config: what the config may hold depends on the plugin. An unknown provider
 * is nothing more than a warning, and only where a known one was probably meant, since anybody
 * may write a plugin. On an update this is asked only when provider or config changes, so that a
 * label can still be set on a location whose old config would not pass today. */
void location_check_provider(const struct location_edit *edit)
{
    struct str name = json_get_str(edit->spec, "provider");
    struct json_object *config = json_get(edit->spec, "config");
    const struct provider *provider = provider_of(name);
    location_check_bucket_name(edit, short_name(name));
    if (!edit->create && !location_asks(edit, "provider") && !location_asks(edit, "config"))
        return;
    if (name.len == 0) {
        decision_required(edit->decision, "spec.provider",
                          "name the plugin for the object store: aws (any S3), gcp or azure");
        return;
    }
    if (!can_be_plugin(name))
        decision_invalid(edit->decision, "spec.provider",
                         "%.*s: no plugin can have this name; write NAME or DNS-NAME/NAME",
                         STR_ARG(arena_quote(edit->arena, name)));
    if (config && !json_object_is_type(config, json_type_object)) {
        decision_invalid(edit->decision, "spec.config", "must map names to strings");
        return;
    }
    const char *right = provider ? NULL : provider_meant(str_trim(name));
    if (right)
        decision_warn(edit->decision,
                      "spec.provider: Velero has no plugin %.*s of its own; did you mean %s? Without the plugin the "
                      "location stays Unavailable",
                      STR_ARG(arena_quote(edit->arena, name)), right);
    if (config)
        check_overwritten(edit, config);
    if (!provider)
        return;
    if (config) {
        check_keys(edit, provider, config);
        check_blanks(edit, config);
    }
    if (str_is(short_name(name), "aws"))
        location_check_aws(edit, config);
    else if (str_is(short_name(name), "azure"))
        location_check_azure(edit, config);
    else if (str_is(short_name(name), "gcp"))
        location_check_gcp(edit, config);
    else if (str_starts(name, STR("replicated.com/")))
        location_check_volume(edit, config, provider->name);
}
