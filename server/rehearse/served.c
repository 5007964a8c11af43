/* Names of resources, as Velero's discovery helper resolves them (pkg/discovery/helper.go: client-go's restmapper with
 * kubectl's shortcuts), from a cluster, from CRDs of the backup, or from what every cluster has. */
#include "backstop/rehearse.h"

static struct rehearse_kind *served_add(struct rehearse_served *served)
{
    if (!ARENA_ROOM(served->arena, served)) {
        arena_fail(served->arena);
        return NULL;
    }
    struct rehearse_kind *kind = &served->items[served->len++];
    *kind = (struct rehearse_kind){0};
    return kind;
}

const struct rehearse_kind *rehearse_served_exactly(const struct rehearse_served *served, struct str group,
                                                    struct str plural)
{
    for (size_t i = 0; i < served->len; i++)
        if (str_eq(served->items[i].plural, plural) && str_eq(served->items[i].group, group))
            return &served->items[i];
    return NULL;
}

static void shorts_copy(struct rehearse_served *served, struct rehearse_kind *kind, struct json_object *shorts)
{
    for (size_t i = 0; i < json_len(shorts); i++)
        strlist_add(served->arena, &kind->shorts, arena_copy(served->arena, json_str(json_item(shorts, i))));
}

/* Versions of a group come in the order that the API server prefers, so the first one stands for
 * the kind. */
static void served_take(void *context, const struct kube_served *each)
{
    struct rehearse_served *served = context;
    struct arena *arena = served->arena;
    const struct kube_resource *resource = &each->resource;
    struct rehearse_kind *kind = NULL;
    for (size_t i = served->len; i > 0 && !kind; i--)
        if (str_eq(served->items[i - 1].plural, resource->plural) &&
            str_eq(served->items[i - 1].group, resource->group))
            kind = &served->items[i - 1];
    if (!each->storable) /* filterByVerbs: Velero does not see it */
        return;
    if (!kind && (kind = served_add(served))) {
        kind->group = arena_copy(arena, resource->group);
        kind->plural = arena_copy(arena, resource->plural);
        kind->singular = arena_copy(arena, each->singular);
        kind->kind = arena_copy(arena, resource->kind);
        kind->version = arena_copy(arena, resource->version);
        kind->namespaced = resource->namespaced;
        shorts_copy(served, kind, each->shorts);
    }
    if (kind)
        strlist_add(arena, &kind->versions, arena_copy(arena, resource->version));
}

bool rehearse_served_by_cluster(struct rehearse_served *served, struct kube_client *client, struct error *error)
{
    return kube_discover(client, served_take, served, error) &&
           (!arena_failed(served->arena) || error_set(error, 500, "out of memory"));
}

/* What a cluster without any CRD serves (1.36), in discovery's order of groups: enough for the names in lists. */
static const struct {
    const char *group, *plural, *kind, *version, *shorts;
    bool namespaced;
} built_in[] = {
    {"", "bindings", "Binding", "v1", "", true},
    {"", "configmaps", "ConfigMap", "v1", "cm", true},
    {"", "endpoints", "Endpoints", "v1", "ep", true},
    {"", "events", "Event", "v1", "ev", true},
    {"", "limitranges", "LimitRange", "v1", "limits", true},
    {"", "namespaces", "Namespace", "v1", "ns", false},
    {"", "nodes", "Node", "v1", "no", false},
    {"", "persistentvolumeclaims", "PersistentVolumeClaim", "v1", "pvc", true},
    {"", "persistentvolumes", "PersistentVolume", "v1", "pv", false},
    {"", "pods", "Pod", "v1", "po", true},
    {"", "podtemplates", "PodTemplate", "v1", "", true},
    {"", "replicationcontrollers", "ReplicationController", "v1", "rc", true},
    {"", "resourcequotas", "ResourceQuota", "v1", "quota", true},
    {"", "secrets", "Secret", "v1", "", true},
    {"", "serviceaccounts", "ServiceAccount", "v1", "sa", true},
    {"", "services", "Service", "v1", "svc", true},
    {"apiregistration.k8s.io", "apiservices", "APIService", "v1", "", false},
    {"apps", "controllerrevisions", "ControllerRevision", "v1", "", true},
    {"apps", "daemonsets", "DaemonSet", "v1", "ds", true},
    {"apps", "deployments", "Deployment", "v1", "deploy", true},
    {"apps", "replicasets", "ReplicaSet", "v1", "rs", true},
    {"apps", "statefulsets", "StatefulSet", "v1", "sts", true},
    {"events.k8s.io", "events", "Event", "v1", "ev", true},
    {"autoscaling", "horizontalpodautoscalers", "HorizontalPodAutoscaler", "v2", "hpa", true},
    {"batch", "cronjobs", "CronJob", "v1", "cj", true},
    {"batch", "jobs", "Job", "v1", "", true},
    {"certificates.k8s.io", "certificatesigningrequests", "CertificateSigningRequest", "v1", "csr", false},
    {"networking.k8s.io", "ingressclasses", "IngressClass", "v1", "", false},
    {"networking.k8s.io", "ingresses", "Ingress", "v1", "ing", true},
    {"networking.k8s.io", "networkpolicies", "NetworkPolicy", "v1", "netpol", true},
    {"policy", "poddisruptionbudgets", "PodDisruptionBudget", "v1", "pdb", true},
    {"rbac.authorization.k8s.io", "clusterrolebindings", "ClusterRoleBinding", "v1", "", false},
    {"rbac.authorization.k8s.io", "clusterroles", "ClusterRole", "v1", "", false},
    {"rbac.authorization.k8s.io", "rolebindings", "RoleBinding", "v1", "", true},
    {"rbac.authorization.k8s.io", "roles", "Role", "v1", "", true},
    {"storage.k8s.io", "csidrivers", "CSIDriver", "v1", "", false},
    {"storage.k8s.io", "csinodes", "CSINode", "v1", "", false},
    {"storage.k8s.io", "csistoragecapacities", "CSIStorageCapacity", "v1", "", true},
    {"storage.k8s.io", "storageclasses", "StorageClass", "v1", "sc", false},
    {"storage.k8s.io", "volumeattachments", "VolumeAttachment", "v1", "", false},
    {"admissionregistration.k8s.io", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", "v1", "", false},
    {"admissionregistration.k8s.io", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", "v1", "", false},
    {"admissionregistration.k8s.io", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", "v1", "",
     false},
    {"admissionregistration.k8s.io", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", "v1", "",
     false},
    {"apiextensions.k8s.io", "customresourcedefinitions", "CustomResourceDefinition", "v1", "crd", false},
    {"scheduling.k8s.io", "priorityclasses", "PriorityClass", "v1", "pc", false},
    {"coordination.k8s.io", "leases", "Lease", "v1", "", true},
    {"node.k8s.io", "runtimeclasses", "RuntimeClass", "v1", "", false},
    {"discovery.k8s.io", "endpointslices", "EndpointSlice", "v1", "", true},
    {"flowcontrol.apiserver.k8s.io", "flowschemas", "FlowSchema", "v1", "", false},
    {"flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations", "PriorityLevelConfiguration", "v1", "", false},
};

void rehearse_served_by_kubernetes(struct rehearse_served *served)
{
    for (size_t i = 0; i < LENGTH_OF(built_in); i++) {
        struct rehearse_kind *kind = served_add(served);
        if (!kind)
            return;
        *kind = (struct rehearse_kind){.group = str_from(built_in[i].group),
                                       .plural = str_from(built_in[i].plural),
                                       .kind = str_from(built_in[i].kind),
                                       .version = str_from(built_in[i].version),
                                       .namespaced = built_in[i].namespaced};
        strlist_add(served->arena, &kind->versions, kind->version);
        if (*built_in[i].shorts)
            strlist_add(served->arena, &kind->shorts, str_from(built_in[i].shorts));
    }
}

/* Of its versions the first that is served is asked for. */
void rehearse_served_add_crd(struct rehearse_served *served, struct json_object *crd, const struct rehearse_item *item)
{
    struct arena *arena = served->arena;
    struct json_object *names = json_path(crd, "spec.names"), *versions = json_path(crd, "spec.versions");
    struct str group = json_path_str(crd, "spec.group"), plural = json_get_str(names, "plural");
    if (!plural.len || rehearse_served_exactly(served, group, plural))
        return; /* Velero leaves the CRD that is there */
    struct rehearse_kind *kind = served_add(served);
    if (!kind)
        return;
    *kind = (struct rehearse_kind){.group = arena_copy(arena, group),
                                   .plural = arena_copy(arena, plural),
                                   .singular = arena_copy(arena, json_get_str(names, "singular")),
                                   .kind = arena_copy(arena, json_get_str(names, "kind")),
                                   .namespaced = str_is(json_path_str(crd, "spec.scope"), "Namespaced"),
                                   .crd = item};
    shorts_copy(served, kind, json_get(names, "shortNames"));
    for (size_t i = 0; i < json_len(versions); i++) {
        struct json_object *version = json_item(versions, i);
        struct str name = arena_copy(arena, json_get_str(version, "name"));
        if (!json_get_bool(version, "served"))
            continue;
        strlist_add(arena, &kind->versions, name);
        if (!kind->version.len)
            kind->version = name;
    }
}

/* `exact`: the whole group; else one that begins so, as kubectl takes "deploy.app". */
static bool served_group_fits(const struct rehearse_kind *kind, struct str group, bool exact)
{
    return group.len == 0 || (exact ? str_eq(kind->group, group) : str_starts(kind->group, group));
}

static bool served_is_named(const struct rehearse_kind *kind, struct str name, bool shorts)
{
    for (size_t i = 0; shorts && i < kind->shorts.len; i++)
        if (str_eq(kind->shorts.items[i], name))
            return true;
    return !shorts && (str_eq_nocase(kind->plural, name) || str_eq_nocase(kind->singular, name) ||
                       str_eq_nocase(kind->kind, name));
}

/* A resource's own name goes before a short one, a whole group before a prefix of one, and of several groups the first
 * in discovery counts. */
const struct rehearse_kind *rehearse_served_find(const struct rehearse_served *served, struct str name)
{
    struct str group = name, resource;
    if (!str_cut(&group, '.', &resource) || !resource.len)
        return NULL;
    for (int pass = 0; pass < 4; pass++)
        for (size_t i = 0; i < served->len; i++)
            if (served_group_fits(&served->items[i], group, pass % 2 == 0) &&
                served_is_named(&served->items[i], resource, pass >= 2))
                return &served->items[i];
    return NULL;
}
