#include "inventory/cluster/cluster.h"

/* kcm serves v1beta1 today, older ones v1alpha1; objects of both read the same. */
static const char *const k0rdent_versions[] = {"v1beta1", "v1alpha1", NULL};
static const char *const velero_versions[] = {"v1", NULL};

/* Those whose schemas decide what becomes of an object; a cluster has hundreds of others. */
static const char *const crd_names[] = {"backups.velero.io",
                                        "restores.velero.io",
                                        "schedules.velero.io",
                                        "backupstoragelocations.velero.io",
                                        "managementbackups.k0rdent.mirantis.com",
                                        NULL};
static const char *const node_agent_names[] = {"node-agent", NULL};

#define K0RDENT(plural_name, kind_name)                                                                                \
    {                                                                                                                  \
        .group = STR_INIT("k0rdent.mirantis.com"), .plural = STR_INIT(plural_name), .kind = STR_INIT(kind_name)        \
    }
#define VELERO(plural_name, kind_name)                                                                                 \
    {                                                                                                                  \
        .group = STR_INIT("velero.io"), .plural = STR_INIT(plural_name), .kind = STR_INIT(kind_name),                  \
        .namespaced = true                                                                                             \
    }
#define BUILT_IN(group_name, plural_name, kind_name)                                                                   \
    {                                                                                                                  \
        .group = STR_INIT(group_name), .version = STR_INIT("v1"), .plural = STR_INIT(plural_name),                     \
        .kind = STR_INIT(kind_name), .namespaced = true                                                                \
    }

const struct cluster_kind cluster_kinds[FACT_COUNT] = {
    [FACT_MANAGEMENT_BACKUPS] = {.name = "managementbackups.k0rdent.mirantis.com",
                                 .api_version = "k0rdent.mirantis.com/v1beta1",
                                 .resource = K0RDENT("managementbackups", "ManagementBackup"),
                                 .versions = k0rdent_versions,
                                 .gate = true},
    [FACT_MANAGEMENTS] = {.name = "managements.k0rdent.mirantis.com",
                          .api_version = "k0rdent.mirantis.com/v1beta1",
                          .resource = K0RDENT("managements", "Management"),
                          .versions = k0rdent_versions,
                          .gate = true},
    [FACT_RELEASES] = {.name = "releases.k0rdent.mirantis.com",
                       .api_version = "k0rdent.mirantis.com/v1beta1",
                       .resource = K0RDENT("releases", "Release"),
                       .versions = k0rdent_versions},
    [FACT_STORAGE_LOCATIONS] = {.name = "backupstoragelocations.velero.io",
                                .api_version = "velero.io/v1",
                                .resource = VELERO("backupstoragelocations", "BackupStorageLocation"),
                                .versions = velero_versions},
    [FACT_BACKUPS] = {.name = "backups.velero.io",
                      .api_version = "velero.io/v1",
                      .resource = VELERO("backups", "Backup"),
                      .versions = velero_versions,
                      .gate = true},
    [FACT_SCHEDULES] = {.name = "schedules.velero.io",
                        .api_version = "velero.io/v1",
                        .resource = VELERO("schedules", "Schedule"),
                        .versions = velero_versions},
    [FACT_CONFIG_MAPS] = {.name = "configmaps",
                          .api_version = "v1",
                          .resource = BUILT_IN("", "configmaps", "ConfigMap")},
    [FACT_SECRETS] = {.name = "secrets",
                      .api_version = "v1",
                      .resource = BUILT_IN("", "secrets", "Secret"),
                      .metadata_only = true},
    [FACT_SNAPSHOT_LOCATIONS] = {.name = "volumesnapshotlocations.velero.io",
                                 .api_version = "velero.io/v1",
                                 .resource = VELERO("volumesnapshotlocations", "VolumeSnapshotLocation"),
                                 .versions = velero_versions},
    /* kcm looks for a Deployment with this label in any namespace before it takes backups. */
    [FACT_VELERO] = {.name = "deployments.apps",
                     .api_version = "apps/v1",
                     .resource = BUILT_IN("apps", "deployments", "Deployment"),
                     .label_selector = STR_INIT("component=velero"),
                     .everywhere = true},
    [FACT_CUSTOM_RESOURCES] = {.name = "customresourcedefinitions.apiextensions.k8s.io",
                               .api_version = "apiextensions.k8s.io/v1",
                               .resource = {.group = STR_INIT("apiextensions.k8s.io"),
                                            .version = STR_INIT("v1"),
                                            .plural = STR_INIT("customresourcedefinitions"),
                                            .kind = STR_INIT("CustomResourceDefinition")},
                               .names = crd_names},
    [FACT_NODE_AGENTS] = {.name = "daemonsets.apps",
                          .api_version = "apps/v1",
                          .resource = BUILT_IN("apps", "daemonsets", "DaemonSet"),
                          .names = node_agent_names},
    [FACT_SERVER_STATUSES] = {.name = "serverstatusrequests.velero.io",
                              .api_version = "velero.io/v1",
                              .resource = {.group = STR_INIT("velero.io"),
                                           .version = STR_INIT("v1"),
                                           .plural = STR_INIT("serverstatusrequests"),
                                           .kind = STR_INIT("ServerStatusRequest"),
                                           .namespaced = true},
                              .asked = true},
    [FACT_KCM] = {.name = "deployments.apps of kcm",
                  .api_version = "apps/v1",
                  .resource = BUILT_IN("apps", "deployments", "Deployment"),
                  .label_selector = STR_INIT("k0rdent.mirantis.com/component=kcm")},
};

const char *fact_kind(enum fact fact)
{
    return cluster_kinds[fact].resource.kind.ptr;
}

const struct cluster_kind *cluster_kind_of(struct json_object *object)
{
    struct str group, rest = json_get_str(object, "apiVersion"), kind = json_get_str(object, "kind");
    str_cut(&rest, '/', &group);
    if (!rest.ptr) /* the core group has a version only */
        group = STR("");
    for (size_t f = 0; f < FACT_COUNT; f++)
        if (str_eq(kind, cluster_kinds[f].resource.kind) && str_eq(group, cluster_kinds[f].resource.group))
            return &cluster_kinds[f];
    return NULL;
}
