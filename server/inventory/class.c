/* Also the versions of Velero and k0rdent that a cluster runs, found in settings, image tags,
 * Velero's own answer, or Management and Release, in that order of trust. */
#include "backstop/versions.h"
#include "inventory/inventory.h"

/* Where a storage location's bytes end up, by its provider and address: only what lies outside of the cluster survives it. */

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

/* In doubt it is external: a warning about storage that would be lost must be right, and an
 * address that only this cluster resolves is recognisable by its form. */
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

/* An empty phase is not available: Velero has not validated the location yet, and refuses
 * Backups until it has. */
bool storage_location_available(const struct storage_location *location)
{
    return location && str_is(location->phase, "Available");
}

bool storage_location_read_only(const struct storage_location *location)
{
    return str_is(location->access_mode, "ReadOnly");
}

/* Velero wraps its reason in a sentence that names the location again; what follows " is
 * unavailable: " is the reason itself. */
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

/* Where the versions of Velero and k0rdent are read, and how sure that is. */

static struct version_fact version_from_settings(enum product product, struct str text)
{
    return (struct version_fact){.version = product_version_parse(product, text), .source = VERSION_SETTINGS};
}

const struct server_status *inventory_velero_answer(const struct inventory *inventory,
                                                    const struct velero_deployment *velero)
{
    for (size_t i = 0; i < inventory->count[FACT_SERVER_STATUSES]; i++) {
        const struct server_status *status = inventory->server_statuses[i];
        if (status->version.len && str_eq(status->meta.ns, velero->meta.ns) &&
            (status->image.len == 0 || str_eq(status->image, velero->image)))
            return status;
    }
    return NULL;
}

/* Velero may run in several namespaces. Where one runs in the system namespace only that counts;
 * otherwise all of them do, since any of them may take up the object. */
struct version_fact inventory_velero_version(const struct inventory *inventory, const struct settings *settings)
{
    struct version_fact fact = {.version = product_version_unknown(PRODUCT_VELERO)};
    size_t count = inventory->count[FACT_VELERO];
    bool here = false;
    if (settings->velero_version.len)
        return version_from_settings(PRODUCT_VELERO, settings->velero_version);
    for (size_t i = 0; i < count; i++)
        here = here || str_eq(inventory->velero_deployments[i]->meta.ns, settings->system_namespace);
    for (size_t i = 0; i < count; i++)
        if (!here || str_eq(inventory->velero_deployments[i]->meta.ns, settings->system_namespace)) {
            /* Deployments that run different releases: whichever of them takes up an object. */
            const struct velero_deployment *deployment = inventory->velero_deployments[i];
            struct product_version version = product_version_parse(PRODUCT_VELERO, image_tag(deployment->image));
            const struct server_status *status = version.listed ? NULL : inventory_velero_answer(inventory, deployment);
            if (status)
                version = product_version_parse(PRODUCT_VELERO, status->version);
            enum version_source source = status ? VERSION_SERVER : VERSION_IMAGE;
            if (!fact.object) {
                fact.version = version;
                fact.object = &deployment->meta;
            } else if (!str_eq(fact.version.text, version.text)) {
                fact.version.rows |= version.rows;
                fact.version.listed = fact.version.listed && version.listed;
                fact.version.text = (struct str){NULL, 0};
            }
            fact.source = fact.version.text.len ? source : VERSION_UNKNOWN;
        }
    return fact;
}

/* A Release is named after its version, in which "." and "+" become "-" (kcm's release.Name). */
static struct str version_of_release_name(struct arena *arena, struct str name)
{
    struct str rest = str_starts(name, STR("kcm-")) ? str_slice(name, 4, name.len) : name;
    struct str major = {NULL, 0}, minor = {NULL, 0}, patch = {NULL, 0};
    str_cut(&rest, '-', &major);
    str_cut(&rest, '-', &minor);
    str_cut(&rest, '-', &patch);
    if (!major.len || !minor.len || !patch.len)
        return (struct str){NULL, 0};
    return arena_printf(arena, "%.*s.%.*s.%.*s%s%.*s", STR_ARG(major), STR_ARG(minor), STR_ARG(patch),
                        rest.len ? "-" : "", STR_ARG(rest));
}

struct product_version inventory_release_version(const struct inventory *inventory, struct str name,
                                                 struct arena *arena)
{
    const struct release *release = inventory_release(inventory, name);
    bool said = release && release->version.len;
    return product_version_parse(PRODUCT_KCM, said ? release->version : version_of_release_name(arena, name));
}

/* status.release names a release before anything of it runs; an image is what runs. */
static bool version_of_kcm_deployment(const struct inventory *inventory, const struct settings *settings,
                                      struct version_fact *fact)
{
    for (size_t i = 0; i < inventory->count[FACT_KCM]; i++) {
        const struct kcm_deployment *deployment = inventory->kcm_deployments[i];
        struct product_version version = product_version_parse(PRODUCT_KCM, image_tag(deployment->image));
        if (!version.listed || !str_eq(deployment->meta.ns, settings->system_namespace))
            continue;
        *fact = (struct version_fact){.version = version, .source = VERSION_IMAGE, .object = &deployment->meta};
        return true;
    }
    return false;
}

struct version_fact inventory_kcm_version(const struct inventory *inventory, const struct settings *settings,
                                          struct arena *arena)
{
    struct version_fact fact = {.version = product_version_unknown(PRODUCT_KCM)};
    const struct management *management = inventory_management(inventory);
    if (settings->kcm_version.len)
        return version_from_settings(PRODUCT_KCM, settings->kcm_version);
    if (version_of_kcm_deployment(inventory, settings, &fact) || !management)
        return fact;
    struct str name = management->status_release.len ? management->status_release : management->release;
    const struct release *release = inventory_release(inventory, name);
    bool said = release && release->version.len;
    fact.version = inventory_release_version(inventory, name, arena);
    fact.object = said ? &release->meta : &management->meta;
    fact.source = fact.version.text.len ? VERSION_RELEASE : VERSION_UNKNOWN;
    return fact;
}

struct str version_fact_source(struct arena *arena, const struct version_fact *fact)
{
    const char *key = fact->version.product == PRODUCT_VELERO ? "velero.version" : "kcm.version";
    switch (fact->source) {
    case VERSION_SETTINGS:
        return arena_printf(arena, "settings %s", key);
    case VERSION_IMAGE:
        return arena_printf(arena, "image of Deployment %.*s/%.*s", STR_ARG(fact->object->ns),
                            STR_ARG(fact->object->name));
    case VERSION_SERVER:
        return arena_printf(arena, "answer of the server of Deployment %.*s/%.*s", STR_ARG(fact->object->ns),
                            STR_ARG(fact->object->name));
    case VERSION_RELEASE:
        return arena_printf(arena, "Management and Release");
    default:
        return STR("unknown");
    }
}

struct str version_fact_line(struct arena *arena, const struct version_fact *fact)
{
    struct str name = product_version_name(arena, &fact->version);
    if (!fact->version.text.len)
        return arena_printf(arena, "%.*s of unknown version", STR_ARG(name));
    return arena_printf(arena, "%.*s (%.*s%s)", STR_ARG(name), STR_ARG(version_fact_source(arena, fact)),
                        fact->version.listed ? "" : "; not a release that backstop knows");
}
