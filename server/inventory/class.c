/* Where a storage location's bytes end up, by its provider and address: only what lies outside of the cluster survives it. */
#include "inventory/inventory.h"

/* KOTS's own providers (kots-snapshots documentation). */
static const struct {
    const char *provider;
    enum storage_class class;
} by_provider[] = {
    {"replicated.com/pvc", STORAGE_PVC},
    {"replicated.com/hostpath", STORAGE_HOST_PATH},
    {"replicated.com/nfs", STORAGE_NFS},
};

struct str storage_url_host(struct str url)
{
    for (size_t i = 0; i + 2 < url.len; i++)
        if (url.ptr[i] == ':' && url.ptr[i + 1] == '/' && url.ptr[i + 2] == '/') {
            url = str_slice(url, i + 3, url.len);
            break;
        }
    struct str rest = url, host;
    if (!str_cut(&rest, '/', &host))
        return url;
    for (size_t i = host.len; i > 0; i--)
        if (host.ptr[i - 1] == '@') {
            host = str_slice(host, i, host.len);
            break;
        }
    struct str authority = host, port;
    if (!str_split_host_port(authority, &host, &port))
        host = authority;
    return str_ends(host, STR(".")) ? str_slice(host, 0, host.len - 1) : host;
}

static bool has_byte(struct str text, char wanted)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == wanted)
            return true;
    return false;
}

static bool ends_nocase(struct str text, struct str suffix)
{
    return text.len >= suffix.len && str_eq_nocase(str_slice(text, text.len - suffix.len, text.len), suffix);
}

/* "minio.minio", "rook-ceph-rgw-rook-ceph-store.rook-ceph", which kURL gives KOTS's internal
 * storage: a Service and its namespace. Two labels may be a public name as well, so the
 * namespace must be one that object stores live in, the storage location's own (Velero's),
 * or bear the Service's own name. */
static bool is_service_of_namespace(struct str host, struct str own)
{
    static const char *const namespaces[] = {"minio",   "rook-ceph", "default",     "velero",        "kurl",
                                             "openebs", "ceph",      "kube-system", "minio-operator"};
    struct str ns = host, service;
    if (!str_cut(&ns, '.', &service) || ns.len == 0 || has_byte(ns, '.'))
        return false;
    for (size_t i = 0; i < LENGTH_OF(namespaces); i++)
        if (str_eq_nocase(ns, str_from(namespaces[i])))
            return true;
    return str_eq_nocase(ns, service) || (own.len && str_eq_nocase(ns, own));
}

/* Names that only the cluster itself resolves. */
static bool is_cluster_host(struct str host, struct str own)
{
    static const struct str suffixes[] = {STR_INIT(".svc"), STR_INIT(".svc.cluster.local"), STR_INIT(".cluster.local")};
    for (size_t i = 0; i < LENGTH_OF(suffixes); i++)
        if (ends_nocase(host, suffixes[i]))
            return true;
    if (is_service_of_namespace(host, own))
        return true;
    if (str_starts(host, STR("127.")) || str_is(host, "::1"))
        return true;
    return host.len && !has_byte(host, '.') && !has_byte(host, ':'); /* "minio", "localhost" */
}

enum storage_class storage_location_class(const struct storage_location *location)
{
    for (size_t i = 0; i < LENGTH_OF(by_provider); i++)
        if (str_is(location->provider, by_provider[i].provider))
            return by_provider[i].class;
    struct str url = json_get_str(location->config, "s3Url");
    return url.len && is_cluster_host(storage_url_host(url), location->meta.ns) ? STORAGE_IN_CLUSTER_S3
                                                                                : STORAGE_EXTERNAL;
}

static const struct {
    const char *name, *inside;
} classes[] = {
    [STORAGE_EXTERNAL] = {"external", NULL},
    [STORAGE_IN_CLUSTER_S3] = {"in-cluster S3", "in an S3 service inside this cluster"},
    [STORAGE_PVC] = {"persistent volume", "on a persistent volume of this cluster"},
    [STORAGE_HOST_PATH] = {"host path", "on a node's disk"},
    [STORAGE_NFS] = {"NFS", NULL},
};

const char *storage_class_name(enum storage_class class)
{
    return classes[class].name;
}

const char *storage_class_inside(enum storage_class class)
{
    return classes[class].inside;
}

struct str storage_location_reason(const struct storage_location *location)
{
    static const struct str head = STR_INIT("BackupStorageLocation "), middle = STR_INIT(" is unavailable: ");
    struct str message = str_trim(location->message);
    for (size_t at = head.len; str_starts(message, head) && at < message.len; at++)
        if (str_starts(str_slice(message, at, message.len), middle))
            return str_slice(message, at + middle.len, message.len);
    return message;
}

struct str backup_failure(struct arena *arena, const struct backup_status *status)
{
    struct str text = STR("");
    for (size_t i = 0; i < status->validation_errors.len; i++)
        text = arena_printf(arena, "%.*s%s%.*s", STR_ARG(text), i ? ", " : "",
                            STR_ARG(arena_quote_error(arena, status->validation_errors.items[i])));
    if (text.len)
        return text;
    if (status->failure_reason.len)
        return arena_quote_error(arena, status->failure_reason);
    if (status->errors > 0)
        return arena_printf(arena, "%lld error%s", (long long)status->errors, status->errors == 1 ? "" : "s");
    return STR("Velero reports no reason");
}
