/* Velero asks the API server's discovery. Reviews cannot: in a disaster the cluster lacks the
 * very CRDs that a Restore's lists name, and offline there is no cluster. So the kinds that
 * matter are a table, and others are compared by the rule with which Kubernetes itself guesses
 * plurals. What the table lacks is never reported as wrong. */
#include <pthread.h>
#include <string.h>

#include "backstop/api.h"
#include "backstop/grammar.h"

/* How Velero's fields name kinds: "deployments", "deployments.apps", "deploy", singular or plural, resolved as
 * discovery would. */

#define K0RDENT GROUP_K0RDENT
#define CAPI "cluster.x-k8s.io"
#define CORE ""
#define APPS "apps"
#define VELERO GROUP_VELERO
#define FLUX "source.toolkit.fluxcd.io"
#define ADMISSION GROUP_ADMISSION
#define RBAC "rbac.authorization.k8s.io"
#define SNAPSHOT "snapshot.storage.k8s.io"
#define CERTS "cert-manager.io"
#define OPERATOR "operator.cluster.x-k8s.io"
#define KIND(plural, singular, group, a, b)                                                                            \
    {                                                                                                                  \
        {plural "." group, sizeof(plural "." group) - (sizeof(group) > 1 ? 1 : 2)}, STR_INIT(plural),                  \
            STR_INIT(singular), STR_INIT(group),                                                                       \
        {                                                                                                              \
            STR_INIT(a), STR_INIT(b)                                                                                   \
        }                                                                                                              \
    }
#define ONE(plural, singular, group) KIND(plural, singular, group, "", "")
#define SHORT(plural, singular, group, a) KIND(plural, singular, group, a, "")
#define SHORT2(plural, singular, group, a, b) KIND(plural, singular, group, a, b)

/* What k0rdent's documentation, its CRDs and the usual restores name. Where a short name belongs
 * to several kinds (crs, cr) the first row wins when no group is given. */
static const struct resource_kind kinds[] = {
    SHORT2("managements", "management", K0RDENT, "mgmt", "kcm-mgmt"),
    SHORT2("managementbackups", "managementbackup", K0RDENT, "kcmbackup", "mgmtbackup"),
    ONE("releases", "release", K0RDENT),
    SHORT("regions", "region", K0RDENT, "rgn"),
    SHORT2("clusterdeployments", "clusterdeployment", K0RDENT, "clusterd", "cld"),
    SHORT("clustertemplates", "clustertemplate", K0RDENT, "clustertmpl"),
    ONE("servicetemplates", "servicetemplate", K0RDENT),
    SHORT("providertemplates", "providertemplate", K0RDENT, "providertmpl"),
    SHORT("credentials", "credential", K0RDENT, "cred"),
    ONE("accessmanagements", "accessmanagement", K0RDENT),
    ONE("multiclusterservices", "multiclusterservice", K0RDENT),
    ONE("clustertemplatechains", "clustertemplatechain", K0RDENT),
    ONE("servicetemplatechains", "servicetemplatechain", K0RDENT),
    ONE("providerinterfaces", "providerinterface", K0RDENT),
    ONE("clusteripams", "clusteripam", K0RDENT),
    ONE("clusteripamclaims", "clusteripamclaim", K0RDENT),
    ONE("servicesets", "serviceset", K0RDENT),
    ONE("statemanagementproviders", "statemanagementprovider", K0RDENT),
    ONE("clusterauthentications", "clusterauthentication", K0RDENT),
    ONE("datasources", "datasource", K0RDENT),
    ONE("natgateways", "natgateway", "network.azure.com"),
    ONE("virtualnetworks", "virtualnetwork", "network.azure.com"),
    ONE("virtualnetworkssubnets", "virtualnetworkssubnet", "network.azure.com"),
    ONE("resourcegroups", "resourcegroup", "resources.azure.com"),
    ONE("mutatingwebhookconfigurations", "mutatingwebhookconfiguration", ADMISSION),
    ONE("validatingwebhookconfigurations", "validatingwebhookconfiguration", ADMISSION),
    SHORT("clusters", "cluster", CAPI, "cl"),
    SHORT("machines", "machine", CAPI, "ma"),
    SHORT("machinesets", "machineset", CAPI, "ms"),
    SHORT("machinedeployments", "machinedeployment", CAPI, "md"),
    SHORT("machinepools", "machinepool", CAPI, "mp"),
    SHORT("clusterclasses", "clusterclass", CAPI, "cc"),
    SHORT2("machinehealthchecks", "machinehealthcheck", CAPI, "mhc", "mhcs"),
    SHORT("machinedrainrules", "machinedrainrule", CAPI, "mdr"),
    SHORT("clusterresourcesets", "clusterresourceset", "addons.cluster.x-k8s.io", "crs"),
    ONE("clusterresourcesetbindings", "clusterresourcesetbinding", "addons.cluster.x-k8s.io"),
    ONE("kubeadmconfigs", "kubeadmconfig", "bootstrap.cluster.x-k8s.io"),
    ONE("kubeadmconfigtemplates", "kubeadmconfigtemplate", "bootstrap.cluster.x-k8s.io"),
    SHORT("kubeadmcontrolplanes", "kubeadmcontrolplane", "controlplane.cluster.x-k8s.io", "kcp"),
    ONE("ipaddresses", "ipaddress", "ipam.cluster.x-k8s.io"),
    ONE("ipaddressclaims", "ipaddressclaim", "ipam.cluster.x-k8s.io"),
    ONE("coreproviders", "coreprovider", OPERATOR),
    ONE("bootstrapproviders", "bootstrapprovider", OPERATOR),
    ONE("controlplaneproviders", "controlplaneprovider", OPERATOR),
    ONE("infrastructureproviders", "infrastructureprovider", OPERATOR),
    SHORT("pods", "pod", CORE, "po"),
    SHORT("services", "service", CORE, "svc"),
    SHORT("configmaps", "configmap", CORE, "cm"),
    ONE("secrets", "secret", CORE),
    SHORT("namespaces", "namespace", CORE, "ns"),
    SHORT("nodes", "node", CORE, "no"),
    SHORT("events", "event", CORE, "ev"),
    SHORT("serviceaccounts", "serviceaccount", CORE, "sa"),
    SHORT("persistentvolumes", "persistentvolume", CORE, "pv"),
    SHORT("persistentvolumeclaims", "persistentvolumeclaim", CORE, "pvc"),
    SHORT("endpoints", "endpoints", CORE, "ep"),
    SHORT("limitranges", "limitrange", CORE, "limits"),
    SHORT("resourcequotas", "resourcequota", CORE, "quota"),
    SHORT("replicationcontrollers", "replicationcontroller", CORE, "rc"),
    ONE("podtemplates", "podtemplate", CORE),
    ONE("events", "event", "events.k8s.io"),
    SHORT("deployments", "deployment", APPS, "deploy"),
    SHORT("statefulsets", "statefulset", APPS, "sts"),
    SHORT("daemonsets", "daemonset", APPS, "ds"),
    SHORT("replicasets", "replicaset", APPS, "rs"),
    ONE("controllerrevisions", "controllerrevision", APPS),
    ONE("jobs", "job", "batch"),
    SHORT("cronjobs", "cronjob", "batch", "cj"),
    SHORT("ingresses", "ingress", "networking.k8s.io", "ing"),
    SHORT("networkpolicies", "networkpolicy", "networking.k8s.io", "netpol"),
    SHORT("storageclasses", "storageclass", "storage.k8s.io", "sc"),
    SHORT("horizontalpodautoscalers", "horizontalpodautoscaler", "autoscaling", "hpa"),
    SHORT("poddisruptionbudgets", "poddisruptionbudget", "policy", "pdb"),
    ONE("ingressclasses", "ingressclass", "networking.k8s.io"),
    ONE("endpointslices", "endpointslice", "discovery.k8s.io"),
    ONE("leases", "lease", "coordination.k8s.io"),
    ONE("leasecandidates", "leasecandidate", "coordination.k8s.io"),
    SHORT("ipaddresses", "ipaddress", "networking.k8s.io", "ip"),
    ONE("servicecidrs", "servicecidr", "networking.k8s.io"),
    ONE("clustertrustbundles", "clustertrustbundle", "certificates.k8s.io"),
    ONE("podcertificaterequests", "podcertificaterequest", "certificates.k8s.io"),
    SHORT("priorityclasses", "priorityclass", "scheduling.k8s.io", "pc"),
    ONE("runtimeclasses", "runtimeclass", "node.k8s.io"),
    SHORT("certificatesigningrequests", "certificatesigningrequest", "certificates.k8s.io", "csr"),
    ONE("apiservices", "apiservice", "apiregistration.k8s.io"),
    ONE("validatingadmissionpolicies", "validatingadmissionpolicy", ADMISSION),
    ONE("validatingadmissionpolicybindings", "validatingadmissionpolicybinding", ADMISSION),
    ONE("mutatingadmissionpolicies", "mutatingadmissionpolicy", ADMISSION),
    ONE("mutatingadmissionpolicybindings", "mutatingadmissionpolicybinding", ADMISSION),
    ONE("csidrivers", "csidriver", "storage.k8s.io"),
    ONE("csistoragecapacities", "csistoragecapacity", "storage.k8s.io"),
    ONE("volumeattributesclasses", "volumeattributesclass", "storage.k8s.io"),
    SHORT("volumesnapshots", "volumesnapshot", SNAPSHOT, "vs"),
    SHORT2("volumesnapshotcontents", "volumesnapshotcontent", SNAPSHOT, "vsc", "vscs"),
    SHORT2("volumesnapshotclasses", "volumesnapshotclass", SNAPSHOT, "vsclass", "vsclasses"),
    ONE("csinodes", "csinode", "storage.k8s.io"),
    ONE("volumeattachments", "volumeattachment", "storage.k8s.io"),
    SHORT2("customresourcedefinitions", "customresourcedefinition", "apiextensions.k8s.io", "crd", "crds"),
    ONE("clusterroles", "clusterrole", RBAC),
    ONE("clusterrolebindings", "clusterrolebinding", RBAC),
    ONE("roles", "role", RBAC),
    ONE("rolebindings", "rolebinding", RBAC),
    SHORT("helmreleases", "helmrelease", "helm.toolkit.fluxcd.io", "hr"),
    SHORT("helmcharts", "helmchart", FLUX, "hc"),
    SHORT("helmrepositories", "helmrepository", FLUX, "helmrepo"),
    SHORT2("certificates", "certificate", CERTS, "cert", "certs"),
    SHORT2("certificaterequests", "certificaterequest", CERTS, "cr", "crs"),
    ONE("issuers", "issuer", CERTS),
    ONE("clusterissuers", "clusterissuer", CERTS),
    ONE("orders", "order", "acme.cert-manager.io"),
    ONE("challenges", "challenge", "acme.cert-manager.io"),
    SHORT("gitrepositories", "gitrepository", FLUX, "gitrepo"),
    SHORT("ocirepositories", "ocirepository", FLUX, "ocirepo"),
    ONE("buckets", "bucket", FLUX),
    SHORT("kustomizations", "kustomization", "kustomize.toolkit.fluxcd.io", "ks"),
    ONE("backups", "backup", VELERO),
    ONE("restores", "restore", VELERO),
    ONE("schedules", "schedule", VELERO),
    SHORT("backupstoragelocations", "backupstoragelocation", VELERO, "bsl"),
    SHORT("volumesnapshotlocations", "volumesnapshotlocation", VELERO, "vsl"),
    ONE("backuprepositories", "backuprepository", VELERO),
    ONE("resticrepositories", "resticrepository", VELERO),
    ONE("deletebackuprequests", "deletebackuprequest", VELERO),
    ONE("downloadrequests", "downloadrequest", VELERO),
    ONE("podvolumebackups", "podvolumebackup", VELERO),
    ONE("podvolumerestores", "podvolumerestore", VELERO),
    ONE("serverstatusrequests", "serverstatusrequest", VELERO),
    ONE("datauploads", "dataupload", VELERO),
    ONE("datadownloads", "datadownload", VELERO),
};

const struct resource_kind *resource_kinds(size_t *count)
{
    *count = LENGTH_OF(kinds);
    return kinds;
}

void resource_name_split(struct str name, struct str *resource, struct str *group)
{
    *group = name;
    if (!str_cut(group, '.', resource))
        *resource = name;
}

/* Every form of every kind by its hash. Forms that several kinds share follow each other in the table's order. */
enum { FORMS_ROOM = 1024 }; /* a power of two, more than twice the forms */
static struct form {
    struct str text;
    const struct resource_kind *kind;
} forms[FORMS_ROOM];

static unsigned form_hash(struct str text)
{
    unsigned hash = 0;
    for (size_t i = 0; i < text.len; i++)
        hash = hash * 31 + ((unsigned char)text.ptr[i] | 0x20); /* in any case */
    return hash % FORMS_ROOM;
}

static void form_add(struct str text, const struct resource_kind *kind)
{
    unsigned at = form_hash(text);
    while (forms[at].kind)
        at = (at + 1) % FORMS_ROOM;
    forms[at] = (struct form){text, kind};
}

static void forms_fill(void)
{
    _Static_assert(LENGTH_OF(kinds) * 4 < FORMS_ROOM, "room for all forms");
    for (size_t i = 0; i < LENGTH_OF(kinds); i++) {
        form_add(kinds[i].plural, &kinds[i]);
        form_add(kinds[i].singular, &kinds[i]);
        for (size_t s = 0; s < LENGTH_OF(kinds[i].shorts) && kinds[i].shorts[s].len; s++)
            form_add(kinds[i].shorts[s], &kinds[i]);
    }
}

/* A group may be cut short, as discovery matches by prefix: "backups.velero" is velero.io's. The
 * core group is empty, and no prefix names it. */
static const struct resource_kind *kind_find(struct str resource, struct str group)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, forms_fill);
    for (unsigned at = form_hash(resource); forms[at].kind; at = (at + 1) % FORMS_ROOM) {
        struct str of_kind = forms[at].kind->group;
        if (str_eq_nocase(resource, forms[at].text) && (group.len == 0 || (of_kind.len && str_starts(of_kind, group))))
            return forms[at].kind;
    }
    return NULL;
}

/* A known name is never a pattern; "*" and "*.apps" are. */
struct resource_name resource_name_read(struct str text)
{
    struct resource_name name = {.text = text};
    resource_name_split(text, &name.resource, &name.group);
    name.kind = kind_find(name.resource, name.group);
    name.wildcard = !name.kind && glob_has_wildcard(text);
    return name;
}

void resource_names_add(struct arena *arena, struct resource_names *names, struct resource_name name)
{
    if (ARENA_ROOM(arena, names))
        names->items[names->len++] = name;
}

struct resource_names resource_names_of(struct arena *arena, const struct strlist *list)
{
    struct resource_names names = {NULL, 0, 0};
    for (size_t i = 0; i < list->len; i++)
        resource_names_add(arena, &names, resource_name_read(list->items[i]));
    return names;
}

const struct resource_kind *resource_name_known(struct str name)
{
    struct str resource, group;
    resource_name_split(name, &resource, &group);
    return kind_find(resource, group);
}

/* Velero's RESTMapper takes a missing group for any and a part of one for its prefix. */
static bool same_group(struct str a, struct str b)
{
    return a.len == 0 || b.len == 0 || str_starts(a, b) || str_starts(b, a);
}

static bool ends_with_one_of(struct str text, const char *const *endings, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_ends(text, str_from(endings[i])))
            return true;
    return false;
}

/* Whether `plural` is the usual plural of `singular`, both in any case.
 * meta.UnsafeGuessKindToResource: -y becomes -ies; -s, -x, -ch and -sh get -es; all others -s. */
static bool is_plural_of(struct str plural, struct str singular)
{
    static const char *const hissing[] = {"s", "x", "ch", "sh", "S", "X", "CH", "SH"};
    static const char *const with_y[] = {"y", "Y"};
    struct str stem = singular, ending = STR("s");
    if (plural.len <= singular.len || plural.len > singular.len + 2)
        return false;
    if (ends_with_one_of(singular, with_y, LENGTH_OF(with_y))) {
        stem.len--;
        ending = STR("ies");
    } else if (ends_with_one_of(singular, hissing, LENGTH_OF(hissing))) {
        ending = STR("es");
    }
    return plural.len == stem.len + ending.len && str_eq_nocase(str_slice(plural, 0, stem.len), stem) &&
           str_eq_nocase(str_slice(plural, stem.len, plural.len), ending);
}

/* Whether both name the same resource, in whatever form each is written. */
static bool resource_name_is(const struct resource_name *a, const struct resource_name *b)
{
    if (a->kind && a->kind == b->kind) /* each group is then the beginning of the kind's */
        return true;
    if (!same_group(a->group, b->group))
        return false;
    if (str_eq_nocase(a->resource, b->resource))
        return true;
    return is_plural_of(a->resource, b->resource) || is_plural_of(b->resource, a->resource);
}

bool resource_name_same(struct str a, struct str b)
{
    const struct resource_name one = resource_name_read(a), other = resource_name_read(b);
    return resource_name_is(&one, &other);
}

struct str resource_name_plural(struct str name)
{
    const struct resource_kind *kind = resource_name_known(name);
    return kind ? kind->name : name;
}

/* apimachinery resource/quantity.go: sign, digits with at most one point, suffix. */
static const struct {
    const char *suffix;
    double factor;
} suffixes[] = {
    {"", 1},        {"n", 1e-9},    {"u", 1e-6},    {"m", 1e-3},    {"k", 1e3},     {"M", 1e6},
    {"G", 1e9},     {"T", 1e12},    {"P", 1e15},    {"E", 1e18},    {"Ki", 0x1p10}, {"Mi", 0x1p20},
    {"Gi", 0x1p30}, {"Ti", 0x1p40}, {"Pi", 0x1p50}, {"Ei", 0x1p60},
};

/* "e3", "E-2" after the digits. */
static bool quantity_exponent(struct str text, double *factor)
{
    int64_t power = 0;
    if (text.len < 2 || (text.ptr[0] != 'e' && text.ptr[0] != 'E'))
        return false;
    bool negative = text.ptr[1] == '-', sign = negative || text.ptr[1] == '+';
    if (!str_to_int64(str_slice(text, sign ? 2 : 1, text.len), &power) || power > 300)
        return false;
    *factor = 1;
    for (int64_t i = 0; i < power; i++)
        *factor *= negative ? 0.1 : 10;
    return true;
}

/* As a double: quantities are compared and shown here, never added up, and 53 bits are more than
 * any size needs. */
bool quantity_parse(struct str text, double *value)
{
    bool negative = text.len && text.ptr[0] == '-';
    size_t at = text.len && (negative || text.ptr[0] == '+') ? 1 : 0, digits = 0;
    double number = 0, place = 0;
    for (; at < text.len && (char_is_digit(text.ptr[at]) || (text.ptr[at] == '.' && !(place > 0))); at++) {
        if (text.ptr[at] == '.') {
            place = 1;
            continue;
        }
        digits++;
        number = number * 10 + (text.ptr[at] - '0');
        place *= 10;
    }
    if (digits == 0)
        return false;
    if (place > 0)
        number /= place;
    struct str suffix = str_slice(text, at, text.len);
    double factor = 0;
    for (size_t i = 0; i < LENGTH_OF(suffixes); i++)
        if (str_is(suffix, suffixes[i].suffix))
            factor = suffixes[i].factor;
    if (!(factor > 0) && !quantity_exponent(suffix, &factor))
        return false;
    *value = (negative ? -number : number) * factor;
    return true;
}

bool resource_names_have(const struct resource_names *names, const struct resource_name *wanted)
{
    for (size_t i = 0; i < names->len; i++)
        if (resource_name_is(&names->items[i], wanted))
            return true;
    return false;
}
