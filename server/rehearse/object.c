/* What Velero makes of an object on its way from the archive to the API server: restoreItem in pkg/restore/restore.go,
 * and those of its own plugins (pkg/restore/actions) that change what the API server is sent. */
#include "backstop/api.h"
#include "backstop/grammar.h"
#include "backstop/rehearse.h"

#define LABEL_BACKUP_NAME "velero.io/backup-name"
#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"

/* resetMetadataAndStatus */
void rehearse_object_strip(struct json_object *object)
{
    static const char *const gone[] = {"generateName",
                                       "selfLink",
                                       "uid",
                                       "resourceVersion",
                                       "generation",
                                       "creationTimestamp",
                                       "deletionTimestamp",
                                       "deletionGracePeriodSeconds",
                                       "ownerReferences"};
    struct json_object *metadata = json_get(object, "metadata");
    for (size_t i = 0; i < LENGTH_OF(gone); i++)
        json_delete(metadata, gone[i]);
    json_delete(object, "status");
}

/* ---- plugins ------------------------------------------------------------------------------ */

struct action {
    struct arena *arena;
    struct json_object *object;
    const struct rehearse_restore *restore;
    struct str *skip;
};

/* `dotted` is a path of maps; a map that is absent has no keys. */
static void keys_delete(struct json_object *object, const char *dotted, const char *const *keys, size_t count)
{
    struct json_object *map = json_path(object, dotted);
    for (size_t i = 0; i < count; i++)
        json_delete(map, keys[i]);
}

static struct json_object *service_last_applied(const struct action *action, struct json_object *metadata)
{
    struct error ignored;
    struct str text = json_get_str(json_get(metadata, "annotations"), LAST_APPLIED);
    return text.len ? json_build(action->arena, text, &ignored) : NULL;
}

/* A port whose nodePort somebody has asked for, by name or, unnamed, by its number. */
static bool port_is_applied(struct json_object *applied, struct json_object *port)
{
    struct json_object *ports = json_path(applied, "spec.ports");
    struct str name = json_get_str(port, "name");
    for (size_t i = 0; i < json_len(ports); i++) {
        struct json_object *each = json_item(ports, i);
        int64_t asked = json_object_get_int64(json_get(each, "nodePort"));
        if (asked > 0 && str_eq(json_get_str(each, "name"), name) &&
            (name.len || asked == json_object_get_int64(json_get(port, "nodePort"))))
            return true;
    }
    return false;
}

/* Without the annotation of kubectl apply, managedFields say whether somebody has set the field. */
static bool port_is_managed(const struct action *action, struct json_object *metadata, struct json_object *port)
{
    struct json_object *entries = json_get(metadata, "managedFields");
    struct str protocol = json_get_str(port, "protocol");
    struct str key = arena_printf(action->arena, "k:{\"port\":%lld,\"protocol\":\"%.*s\"}",
                                  (long long)json_object_get_int64(json_get(port, "port")), STR_ARG(protocol));
    for (size_t i = 0; i < json_len(entries); i++) {
        struct json_object *ports = json_path(json_get(json_item(entries, i), "fieldsV1"), "f:spec.f:ports");
        if (json_has(json_get_named(ports, key), "f:nodePort"))
            return true;
    }
    return false;
}

/* The cluster's addresses are the old cluster's, so they go, unless the Service is headless. A
 * nodePort stays only where somebody has asked for that very one. */
static void action_service(const struct action *action)
{
    struct json_object *spec = json_get(action->object, "spec"), *metadata = json_get(action->object, "metadata");
    struct json_object *ports = json_get(spec, "ports"), *applied = service_last_applied(action, metadata);
    if (!str_is(json_get_str(spec, "clusterIP"), "None")) {
        json_delete(spec, "clusterIP");
        json_delete(spec, "clusterIPs");
    }
    if (action->restore->preserve_node_ports)
        return;
    for (size_t i = 0; !str_is(json_get_str(spec, "type"), "ExternalName") && i < json_len(ports); i++) {
        struct json_object *port = json_item(ports, i);
        if (!(applied ? port_is_applied(applied, port) : port_is_managed(action, metadata, port)))
            json_delete(port, "nodePort");
    }
    if (!json_path(applied, "spec.healthCheckNodePort"))
        json_delete(spec, "healthCheckNodePort");
}

/* Set by the old cluster's Job controller; the new one sets its own. */
static void action_job(const struct action *action)
{
    static const char *const keys[] = {"batch.kubernetes.io/controller-uid", "controller-uid"};
    keys_delete(action->object, "spec.selector.matchLabels", keys, LENGTH_OF(keys));
    keys_delete(action->object, "spec.template.metadata.labels", keys, LENGTH_OF(keys));
}

/* The items of a list whose name begins so. */
static void list_drop(struct json_object *list, struct str prefix, bool one)
{
    for (size_t i = json_len(list); i > 0; i--)
        if (str_starts(json_get_str(json_item(list, i - 1), "name"), prefix)) {
            json_remove(list, i - 1);
            if (one)
                return;
        }
}

/* The node and the numeric priority are the old cluster's, and so are the volumes with its
 * tokens. */
static void action_pod(const struct action *action)
{
    static const char *const containers[] = {"containers", "initContainers"};
    struct json_object *spec = json_get(action->object, "spec");
    struct str prefix = arena_printf(action->arena, "%.*s-token-", STR_ARG(json_get_str(spec, "serviceAccountName")));
    json_delete(spec, "nodeName");
    json_delete(spec, "priority");
    list_drop(json_get(spec, "volumes"), prefix, false);
    for (size_t c = 0; c < LENGTH_OF(containers); c++)
        for (size_t i = 0; i < json_len(json_get(spec, containers[c])); i++)
            list_drop(json_get(json_item(json_get(spec, containers[c]), i), "volumeMounts"), prefix, false);
}

/* The first one alone, as the plugin does. */
static void action_service_account(const struct action *action)
{
    struct str name = json_path_str(action->object, "metadata.name");
    list_drop(json_get(action->object, "secrets"), arena_join(action->arena, name, "-token-", STR("")), true);
}

/* The plugin asks which ServiceAccounts exist; the Secret itself says whose it is. */
static void action_secret(const struct action *action)
{
    struct json_object *object = action->object, *annotations = json_path(object, "metadata.annotations");
    struct str account = json_get_str(annotations, "kubernetes.io/service-account.name");
    if (!str_is(json_get_str(object, "type"), "kubernetes.io/service-account-token"))
        return;
    if (account.len &&
        str_starts(json_path_str(object, "metadata.name"), arena_join(action->arena, account, "-token-", STR(""))))
        *action->skip = STR("Kubernetes makes this token of a ServiceAccount itself");
    json_delete(annotations, "kubernetes.io/service-account.uid");
    json_delete(json_get(object, "data"), "token");
    json_delete(json_get(object, "data"), "ca.crt");
}

/* Subjects follow the mapping of namespaces. */
static void action_bindings(const struct action *action)
{
    struct json_object *subjects = json_get(action->object, "subjects");
    for (size_t i = 0; action->restore->mapping && i < json_len(subjects); i++) {
        struct json_object *subject = json_item(subjects, i);
        struct str ns = json_get_str(subject, "namespace"), target = rehearse_restore_target(action->restore, ns);
        if (!str_eq(ns, target))
            json_put_text(subject, "namespace", target);
    }
}

/* v1 refuses the older values of v1beta1. */
static void action_webhooks(const struct action *action)
{
    struct json_object *webhooks = json_get(action->object, "webhooks");
    for (size_t i = 0; i < json_len(webhooks); i++) {
        struct str effects = json_get_str(json_item(webhooks, i), "sideEffects");
        if (!str_is(effects, "None") && !str_is(effects, "NoneOnDryRun"))
            json_put_text(json_item(webhooks, i), "sideEffects", STR("None"));
    }
}

/* preserveUnknownFields is not allowed in v1; what it meant is written into each schema instead. */
static void action_crd(const struct action *action)
{
    struct json_object *spec = json_get(action->object, "spec"), *versions = json_get(spec, "versions");
    if (!json_get_bool(spec, "preserveUnknownFields"))
        return;
    json_delete(spec, "preserveUnknownFields");
    for (size_t i = 0; i < json_len(versions); i++) {
        struct json_object *schema = json_path(json_item(versions, i), "schema.openAPIV3Schema");
        if (schema)
            json_put(schema, "x-kubernetes-preserve-unknown-fields", json_object_new_boolean(true));
    }
}

static void action_api_service(const struct action *action)
{
    *action->skip = STR("Velero does not restore APIServices: Kubernetes manages them");
}

/* resetVolumeBindingInfo */
static void action_claim(const struct action *action)
{
    struct json_object *annotations = json_path(action->object, "metadata.annotations");
    if (!json_path(action->object, "spec.volumeName"))
        return;
    json_delete(annotations, "pv.kubernetes.io/bind-completed");
    json_delete(annotations, "pv.kubernetes.io/bound-by-controller");
}

/* As for a volume without a snapshot: a rehearsal asks no plugin. */
static void action_volume(const struct action *action)
{
    struct json_object *spec = json_get(action->object, "spec"), *claim = json_get(spec, "claimRef");
    if (str_is(json_get_str(spec, "persistentVolumeReclaimPolicy"), "Delete")) {
        *action->skip = STR("its reclaim policy is Delete: without a snapshot Velero has the volume provisioned again");
        return;
    }
    struct str ns = json_get_str(claim, "namespace"), target = rehearse_restore_target(action->restore, ns);
    if (!str_eq(ns, target))
        json_put_text(claim, "namespace", target);
    json_delete(claim, "uid");
    json_delete(claim, "resourceVersion");
    json_delete(json_path(action->object, "metadata.annotations"), "pv.kubernetes.io/bind-completed");
    json_delete(json_path(action->object, "metadata.annotations"), "pv.kubernetes.io/bound-by-controller");
}

/* `typed`: the plugin makes a Go type of the object, and that writes an empty status: the object then differs from the
 * cluster's in every case. */
static const struct {
    const char *resource;
    bool typed;
    void (*change)(const struct action *action);
} actions[] = {{"services", true, action_service},
               {"jobs.batch", true, action_job},
               {"pods", true, action_pod},
               {"serviceaccounts", false, action_service_account},
               {"secrets", false, action_secret},
               {"rolebindings.rbac.authorization.k8s.io", false, action_bindings},
               {"clusterrolebindings.rbac.authorization.k8s.io", false, action_bindings},
               {"validatingwebhookconfigurations.admissionregistration.k8s.io", false, action_webhooks},
               {"mutatingwebhookconfigurations.admissionregistration.k8s.io", false, action_webhooks},
               {"customresourcedefinitions.apiextensions.k8s.io", true, action_crd},
               {"apiservices.apiregistration.k8s.io", false, action_api_service},
               {"persistentvolumeclaims", true, action_claim},
               {"persistentvolumes", false, action_volume}};

/* One action for each kind: those that Velero itself brings. Plugins of others are not known
 * here. */
static void object_act(const struct action *action, struct str resource)
{
    for (size_t i = 0; i < LENGTH_OF(actions); i++)
        if (str_is(resource, actions[i].resource)) {
            actions[i].change(action);
            if (actions[i].typed)
                json_put(action->object, "status", json_object_new_object());
            return;
        }
}

/* isCompleted, and mirror pods */
static struct str object_is_over(struct json_object *object, struct str resource)
{
    struct str phase = json_path_str(object, "status.phase");
    if (str_is(resource, "pods") && (str_is(phase, "Failed") || str_is(phase, "Succeeded")))
        return STR("the pod has ended");
    if (str_is(resource, "jobs.batch") && json_path_str(object, "status.completionTime").len)
        return STR("the job is complete");
    if (str_is(resource, "pods") &&
        json_get_str(json_path(object, "metadata.annotations"), "kubernetes.io/config.mirror").len)
        return STR("it is a mirror pod: its node makes it");
    return (struct str){NULL, 0};
}

/* label.GetValidName, but for the hash of a long one */
static void restore_label(struct json_object *object, const char *key, struct str value)
{
    struct json_object *labels = json_path(object, "metadata.labels");
    struct json_object *metadata = json_get(object, "metadata");
    if (!json_object_is_type(labels, json_type_object) && !json_put_map(metadata, "labels", &labels))
        return;
    value = str_slice(value, 0, LABEL_VALUE_MAX);
    while (value.len && !char_is_alphanumeric(value.ptr[value.len - 1]))
        value.len--;
    json_put_text(labels, key, value);
}

/* In restoreItem's order: what is over is passed by, then status and the server's metadata go,
 * then the item action, then the modifiers, then namespace and labels. */
struct json_object *rehearse_object_prepare(struct arena *arena, struct json_object *object,
                                            const struct rehearse_item *item, const struct rehearse_restore *restore,
                                            struct str *skip, struct str *problem)
{
    struct str resource = item->resource->name;
    const struct action action = {arena, object, restore, skip};
    *problem = (struct str){NULL, 0};
    *skip = object_is_over(object, resource);
    if (skip->len)
        return object;
    rehearse_object_strip(object);
    object_act(&action, resource);
    if (skip->len)
        return object;
    if (restore->modifier)
        *problem = rehearse_modify(arena, &object, resource, restore->modifier);
    if (item->target_ns.len)
        json_put_text(json_get(object, "metadata"), "namespace", item->target_ns);
    restore_label(object, LABEL_BACKUP_NAME, restore->backup);
    restore_label(object, LABEL_RESTORE_NAME, restore->name);
    return object;
}

/* ---- comparing --------------------------------------------------------------------------------- */

/* A merge patch (RFC 7386) from one to the other. The result is a new reference of the caller's. */
struct json_object *rehearse_merge_diff(struct json_object *from, struct json_object *to)
{
    struct json_object *patch = json_object_new_object();
    json_foreach(from, key, before)
    {
        (void)before;
        if (!json_has(to, key))
            json_put_null(patch, key);
    }
    json_foreach(to, name, after)
    {
        struct json_object *was = json_get(from, name);
        if (json_has(from, name) && json_equal(was, after))
            continue;
        if (json_object_is_type(was, json_type_object) && json_object_is_type(after, json_type_object))
            json_put(patch, name, rehearse_merge_diff(was, after));
        else if (!json_put_shared(patch, name, after))
            break;
    }
    return patch;
}

static bool reference_is_listed(struct json_object *list, struct json_object *reference)
{
    for (size_t i = 0; i < json_len(list); i++)
        if (str_eq(json_get_str(json_item(list, i), "name"), json_get_str(reference, "name")))
            return true;
    return false;
}

static bool references_merge(struct json_object *cluster, struct json_object *backup, const char *key)
{
    struct json_object *more = json_get(backup, key), *list = json_get(cluster, key);
    bool changed = false;
    for (size_t i = 0; i < json_len(more); i++) {
        if (reference_is_listed(list, json_item(more, i)))
            continue;
        if (!list) {
            json_put(cluster, key, json_object_new_array());
            list = json_get(cluster, key);
        }
        changed = true;
        json_append(list, json_object_get(json_item(more, i)));
    }
    return changed;
}

static bool maps_merge(struct json_object *cluster, struct json_object *backup, const char *key)
{
    struct json_object *map = json_get(cluster, key);
    bool changed = false;
    json_foreach(json_get(backup, key), name, value)
    {
        if (json_has(map, name))
            continue;
        if (!json_object_is_type(map, json_type_object) && !json_put_map(cluster, key, &map))
            return true;
        changed = true;
        json_put_shared(map, name, value);
    }
    return changed;
}

/* mergeServiceAccounts: what the cluster has stays, what it lacks is added. True when anything
 * was. */
bool rehearse_service_account_merge(struct json_object *cluster, struct json_object *backup)
{
    struct json_object *metadata = json_get(cluster, "metadata"), *from = json_get(backup, "metadata");
    bool secrets = references_merge(cluster, backup, "secrets");
    bool pulls = references_merge(cluster, backup, "imagePullSecrets");
    bool labels = maps_merge(metadata, from, "labels");
    bool annotations = maps_merge(metadata, from, "annotations");
    return secrets || pulls || labels || annotations;
}
