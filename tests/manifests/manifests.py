"""300 manifests as people have them: all providers, rendered by Helm, kept for Argo CD and Flux, made by Kustomize, and
dumped by kubectl. All valid. `manifests()` gives (name, object); `inventory()` what is in their cluster."""
import copy
import itertools
import json

NS = "kcm-system"
REGIONS = ["eu-west-1", "eu-central-1", "us-east-1", "ap-southeast-2"]
HOSTED = {  # region, address: with virtual-hosted style, as their documentation has it
    "digitalocean": ("fra1", "https://fra1.digitaloceanspaces.com"), "oss": ("oss-eu-central-1", "https://oss-eu-central-1.aliyuncs.com"),
    "wasabi": ("eu-central-1", "https://s3.eu-central-1.wasabisys.com"), "backblaze": ("eu-central-003", "https://s3.eu-central-003.backblazeb2.com"),
    "scaleway": ("fr-par", "https://s3.fr-par.scw.cloud"), "ovh": ("gra", "https://s3.gra.io.cloud.ovh.net"),
    "hetzner": ("fsn1", "https://fsn1.your-objectstorage.com"), "linode": ("eu-central-1", "https://eu-central-1.linodeobjects.com"),
    "ibm": ("eu-de", "https://s3.eu-de.cloud-object-storage.appdomain.cloud"), "exoscale": ("ch-gva-2", "https://sos-ch-gva-2.exo.io"),
    "vultr": ("ewr1", "https://ewr1.vultrobjects.com"), "r2": ("auto", "https://0123abc.r2.cloudflarestorage.com"),
    "oracle": ("eu-frankfurt-1", "https://acme.compat.objectstorage.eu-frankfurt-1.oraclecloud.com"), "ionos": ("de", "https://s3-eu-central-1.ionoscloud.com"),
}


def location(name, provider, bucket, config=None, **spec):
    storage = {"bucket": bucket}
    for key in ("prefix", "caCert", "caCertRef"):
        if key in spec:
            storage[key] = spec.pop(key)
    body = {"provider": provider, "objectStorage": storage, **({"config": config} if config else {}), **spec}
    return {"apiVersion": "velero.io/v1", "kind": "BackupStorageLocation", "metadata": {"name": name, "namespace": NS}, "spec": body}


def locations():
    cred = {"name": "cloud-credentials", "key": "cloud"}
    for region in REGIONS:
        yield location(f"aws-{region}", "aws", f"acme-backups-{region}", {"region": region}, accessMode="ReadWrite")
    yield location("aws-kms", "velero.io/aws", "acme-kms", {"region": "eu-west-1", "kmsKeyId": "arn:aws:kms:eu-west-1:123456789012:key/1234abcd"}, credential=cred)
    yield location("aws-sse", "aws", "acme-sse", {"region": "us-east-2", "serverSideEncryption": "AES256", "checksumAlgorithm": ""}, prefix="prod/eu")
    yield location("aws-tags", "aws", "acme-tags", {"region": "us-east-2", "tagging": "team=platform&cost-centre=4711", "profile": "backup"}, backupSyncPeriod="5m0s", validationFrequency="1m0s")
    yield location("aws-govcloud", "aws", "acme-gov", {"region": "us-gov-west-1", "enableSharedConfig": "true", "checksumAlgorithm": "CRC32"}, accessMode="ReadOnly")
    for name, (region, url) in HOSTED.items():
        yield location(name, "aws", f"acme-{name}", {"region": region, "s3Url": url, "checksumAlgorithm": ""}, credential=cred)
    yield location("minio", "aws", "velero", {"region": "minio", "s3ForcePathStyle": "true", "s3Url": "https://minio.acme.example:9000", "publicUrl": "https://minio.acme.example"}, caCertRef={"name": "minio-ca", "key": "ca.crt"})
    yield location("ceph", "aws", "velero-ceph", {"region": "us-east-1", "s3ForcePathStyle": "true", "s3Url": "https://rgw.acme.example"})
    yield location("gcp", "velero.io/gcp", "acme-gcp", {"serviceAccount": "velero@acme-prod.iam.gserviceaccount.com"}, prefix="mgmt")
    yield location("gcp-kms", "gcp", "acme-gcp-kms", {"kmsKeyName": "projects/acme/locations/eu/keyRings/r/cryptoKeys/k"}, credential={"name": "gcp-credentials", "key": "gcp"})
    yield location("azure", "azure", "velero", {"storageAccount": "acmebackups", "resourceGroup": "backups", "subscriptionId": "0b2a6a3c-0000-4000-8000-1f2e3d4c5b6a"})
    yield location("azure-west", "velero.io/azure", "velero", {"storageAccount": "acmewest", "resourceGroup": "backups", "storageAccountKeyEnvVar": "AZURE_STORAGE_ACCOUNT_ACCESS_KEY"})
    yield location("azure-aad", "azure", "velero-aad", {"storageAccount": "acmeaad", "useAAD": "true", "storageAccountURI": "https://acmeaad.blob.core.windows.net", "blockSizeInBytes": "1048576"})
    yield location("swift", "community.openstack.org/openstack", "acme-swift", {"cloud": "backup", "region": "RegionOne", "resticRepoPrefix": "swift:acme-swift:/restic"})
    yield location("nfs", "replicated.com/nfs", "velero-nfs", {"path": "/exports/velero", "server": "10.0.0.9", "resticRepoPrefix": "/var/velero-local-volume-provider/velero-nfs/restic"})
    yield location("alibaba", "alibabacloud", "acme-ali", {"region": "eu-central-1", "network": "internal"})
    yield location("huawei", "huawei.com/obs", "acme-obs", {"endpoint": "https://obs.eu-west-101.myhuaweicloud.eu"})


def template(**spec):
    return spec


BODIES = {  # what a Backup or a Schedule's template holds
    "all": template(storageLocation="aws-s3", ttl="720h0m0s"),
    "one": template(storageLocation="aws-s3", includedNamespaces=["shop"], snapshotVolumes=False),
    "lists": template(storageLocation="aws-s3", includedNamespaces=["shop", "web"], excludedResources=["events", "pods.metrics.k8s.io"], includeClusterResources=True),
    "all-but": template(storageLocation="aws-s3", includedNamespaces=["*"], excludedNamespaces=["kube-system", "velero"], excludedResources=["storageclasses.storage.k8s.io"], ttl="168h0m0s"),
    "selector": template(storageLocation="aws-s3", labelSelector={"matchLabels": {"app.kubernetes.io/part-of": "shop"}}, ttl="336h"),
    "expressions": template(storageLocation="aws-s3", labelSelector={"matchExpressions": [{"key": "tier", "operator": "In", "values": ["db", "cache"]}, {"key": "velero.io/exclude-from-backup", "operator": "DoesNotExist"}]}),
    "either": template(storageLocation="aws-s3", orLabelSelectors=[{"matchLabels": {"app": "a"}}, {"matchLabels": {"app": "b"}}], defaultVolumesToFsBackup=False),
    "scoped": template(storageLocation="aws-s3", includedNamespaceScopedResources=["persistentvolumeclaims", "deployments.apps"], includedClusterScopedResources=["persistentvolumes"], csiSnapshotTimeout="10m0s"),
    "k0rdent": template(storageLocation="aws-s3", includedNamespaces=["*"], excludedResources=["clusters.cluster.x-k8s.io"], orLabelSelectors=[{"matchLabels": {"k0rdent.mirantis.com/component": "kcm"}}, {"matchLabels": {"cluster.x-k8s.io/provider": "cluster-api"}}], ttl="720h"),
    "ordered": template(storageLocation="aws-s3", orderedResources={"pods": "shop/db-0,shop/db-1", "persistentvolumes": "pv-1,pv-2"}, itemOperationTimeout="4h0m0s"),
    "uploader": template(storageLocation="aws-s3", uploaderConfig={"parallelFilesUpload": 8}, metadata={"labels": {"team": "platform"}}),
    "policy": template(storageLocation="aws-s3", resourcePolicy={"kind": "configmap", "name": "skip-nfs"}),
    "hooks": template(storageLocation="aws-s3", includedNamespaces=["shop"], hooks={"resources": [{
        "name": "freeze", "includedNamespaces": ["shop"], "includedResources": ["pods"], "labelSelector": {"matchLabels": {"app": "db"}},
        "pre": [{"exec": {"container": "db", "command": ["/bin/sh", "-c", "mysqldump -u$USER -p${PASSWORD} > /backup/$(date +%F).sql"], "onError": "Fail", "timeout": "5m0s"}}],
        "post": [{"exec": {"command": ["/sbin/fsfreeze", "--unfreeze", "/data"], "onError": "Continue", "timeout": "30s"}}]}]}),
    "empty-lists": template(storageLocation="aws-s3", includedResources=[], excludedNamespaces=[], hooks={}, labelSelector=None),
    "kinds": template(storageLocation="aws-s3", includedNamespaces=["clusters"], includedResources=["sa", "role", "pvc", "configmap", "secrets", "hostedcluster", "nodepool", "agents", "bmh"]),
    "patterns": template(storageLocation="aws-s3", includedNamespaces=["team-*", "shop"], ttl="240h0m0s"),
}
CRONS = ["0 1 * * *", "30 2 * * 0", "@daily", "@every 12h", "0 */6 * * *", "0 3 1 * *", "CRON_TZ=Europe/Berlin 15 4 * * 1-5"]


def backups():
    for name, body in BODIES.items():
        yield {"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"name": f"manual-{name}", "namespace": NS}, "spec": copy.deepcopy(body)}


def schedules():
    for (name, body), cron in zip(BODIES.items(), itertools.cycle(CRONS)):
        spec = {"schedule": cron, "template": copy.deepcopy(body)}
        if name in ("lists", "hooks"):
            spec["paused"] = False
        if name == "selector":
            spec["useOwnerReferencesInBackup"] = False
        yield {"apiVersion": "velero.io/v1", "kind": "Schedule", "metadata": {"name": f"nightly-{name}", "namespace": NS}, "spec": spec}


RESTORES = {
    "plain": {}, "mapped": {"includedNamespaces": ["shop"], "namespaceMapping": {"shop": "shop-copy"}},
    "lists": {"includedNamespaces": ["*"], "excludedResources": ["nodes", "events", "events.events.k8s.io", "backups.velero.io", "restores.velero.io", "resticrepositories.velero.io"]},
    "some": {"includedResources": ["deployments.apps", "configmaps", "secrets"], "includeClusterResources": False},
    "policy": {"existingResourcePolicy": "update", "restorePVs": True, "preserveNodePorts": True},
    "none": {"existingResourcePolicy": "none", "itemOperationTimeout": "4h0m0s"},
    "selector": {"labelSelector": {"matchLabels": {"app": "db"}}}, "either": {"orLabelSelectors": [{"matchLabels": {"app": "db"}}, {"matchLabels": {"app": "web"}}]},
    "status": {"restoreStatus": {"includedResources": ["workflows.argoproj.io"], "excludedResources": []}},
    "uploader": {"uploaderConfig": {"writeSparseFiles": True, "parallelFilesDownload": 4}},
    "modifier": {"resourceModifier": {"kind": "ConfigMap", "name": "change-class"}},
    "hooks": {"hooks": {"resources": [{"name": "wait", "includedNamespaces": ["shop"], "postHooks": [
        {"init": {"timeout": "2m0s", "initContainers": [{"name": "wait", "image": "alpine:3.20", "command": ["/bin/ash", "-c", "echo $X"]}]}},
        {"exec": {"container": "db", "command": ["/bin/sh", "-c", "pg_restore ${FILE}"], "waitTimeout": "5m0s", "execTimeout": "1m0s", "onError": "Fail", "waitForReady": True}}]}]}},
}


def restores():
    for name, spec in RESTORES.items():
        yield {"apiVersion": "velero.io/v1", "kind": "Restore", "metadata": {"name": f"restore-{name}", "namespace": NS}, "spec": {"backupName": "shop-nightly", **copy.deepcopy(spec)}}
    yield {"apiVersion": "velero.io/v1", "kind": "Restore", "metadata": {"generateName": "newest-", "namespace": NS}, "spec": {"scheduleName": "web-nightly"}}


def others():
    for version, (name, spec) in itertools.product(["v1beta1", "v1alpha1"], {
            "six-hours": {"schedule": "0 */6 * * *", "storageLocation": "aws-s3", "performOnManagementUpgrade": True},
            "weekly": {"schedule": "@weekly", "storageLocation": "aws-s3"}, "once": {"storageLocation": "aws-s3"},
            "default": {}, "daily": {"schedule": "30 3 * * *", "performOnManagementUpgrade": False}}.items()):
        yield {"apiVersion": f"k0rdent.mirantis.com/{version}", "kind": "ManagementBackup", "metadata": {"name": f"{name}-{version}"}, "spec": copy.deepcopy(spec)}
    for backup in ("shop-old", "web-old"):
        yield {"apiVersion": "velero.io/v1", "kind": "DeleteBackupRequest", "metadata": {"generateName": f"{backup}-", "namespace": NS, "labels": {"velero.io/backup-name": backup}}, "spec": {"backupName": backup}}
    for version in ("v1beta1", "v1alpha1"):
        yield {"apiVersion": f"k0rdent.mirantis.com/{version}", "kind": "Management", "metadata": {"name": "kcm"}, "spec": {
            "release": "kcm-1-11-0", "core": {"kcm": {"config": {"regional": {"velero": {"enabled": True, "x": "{{ y }}"}}}}, "capi": {}},
            "providers": [{"name": "cluster-api-provider-azure"}, {"name": "projectsveltos", "config": {"a": 1}}]}}


def dressed(item, how):
    """The object as a tool leaves it."""
    meta = item["metadata"]
    labels, notes = meta.setdefault("labels", {}), meta.setdefault("annotations", {})
    if how == "helm":
        labels.update({"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "velero", "helm.sh/chart": "velero-12.1.0"})
        notes.update({"helm.sh/hook": "post-install,post-upgrade", "helm.sh/hook-delete-policy": "before-hook-creation", "meta.helm.sh/release-name": "velero"})
    elif how == "argo":
        notes.update({"argocd.argoproj.io/sync-wave": "-1", "argocd.argoproj.io/tracking-id": f"velero:velero.io/{item['kind']}:{NS}/x", "argocd.argoproj.io/sync-options": "SkipDryRunOnMissingResource=true"})
        meta["finalizers"] = ["resources-finalizer.argocd.argoproj.io"]
    elif how == "flux":
        labels.update({"kustomize.toolkit.fluxcd.io/name": "velero", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"})
        notes["kustomize.toolkit.fluxcd.io/reconcile"] = "disabled"
    elif how == "kustomize":
        labels["team"] = "platform"
        notes.update({"config.kubernetes.io/origin": "path: base/velero.yaml\n", "note": "<as> is, {{ really }} ${SO}"})
        meta["creationTimestamp"] = None
    elif how == "dump":
        meta.update({"uid": "6b1c0f55-3b0e-4b52-8f6c-0a3f0d7d5a11", "resourceVersion": "48151623", "generation": 2, "creationTimestamp": "2026-11-20T10:00:00Z"})
        notes["kubectl.kubernetes.io/last-applied-configuration"] = json.dumps({"spec": {"x": "${Y}"}}) + "\n"
        meta["managedFields"] = [{"manager": "kubectl", "operation": "Update", "apiVersion": item["apiVersion"], "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {".": {}}}, "time": "2026-11-20T10:00:00Z"}]
        if item["kind"] in ("Backup", "Restore"):
            item["status"] = {"phase": "Completed", "startTimestamp": "2026-11-20T10:00:00Z", "completionTimestamp": "2026-11-20T10:02:00Z", "progress": {"totalItems": 9, "itemsBackedUp" if item["kind"] == "Backup" else "itemsRestored": 9}}
        elif item["kind"] == "BackupStorageLocation":
            item["status"] = {"phase": "Available", "lastSyncedTime": "2026-11-21T02:59:00Z", "lastValidationTime": "2026-11-21T02:59:00Z"}
        elif item["kind"] == "Schedule":
            item["status"] = {"phase": "Enabled", "lastBackup": "2026-11-20T10:00:00Z"}
    if not labels:
        del meta["labels"]
    if not notes:
        del meta["annotations"]
    return item


def manifests():
    base = [*locations(), *backups(), *schedules(), *restores(), *others()]
    ways = ["plain", "helm", "argo", "flux", "kustomize", "dump"]
    found = []
    for turn in range(len(ways)):
        for i, item in enumerate(base):
            how = ways[(i + turn) % len(ways)]
            if len(found) < 300:
                found.append((f"{len(found):03}-{item['kind'].lower()}-{how}", dressed(copy.deepcopy(item), how)))
    return found


def done(name, age, **spec):
    return {"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"name": name, "namespace": NS, "labels": {"velero.io/schedule-name": name.rsplit("-", 1)[0] + "-nightly"}},
            "spec": {"storageLocation": "aws-s3", **spec}, "status": {"phase": "Completed", "startTimestamp": f"2026-11-{age}T01:00:00Z", "completionTimestamp": f"2026-11-{age}T01:03:00Z"}}


def inventory():
    config = {"a": "version: v1\nresourceModifierRules:\n- conditions: {groupResource: persistentvolumeclaims}\n  patches:\n  - {operation: replace, path: /spec/storageClassName, value: fast}\n"}
    return [
        # A clean installation: k0rdent never ran here, which is known.
        {"apiVersion": "k0rdent.mirantis.com/v1beta1", "kind": "ManagementList", "items": []},
        {"apiVersion": "k0rdent.mirantis.com/v1beta1", "kind": "ManagementBackupList", "items": []},
        {**location("aws-s3", "aws", "acme", {"region": "eu-west-3"}, default=True), "status": {"phase": "Available"}},
        {"apiVersion": "velero.io/v1", "kind": "Schedule", "metadata": {"name": "web-nightly", "namespace": NS}, "spec": {"schedule": "0 1 * * *", "template": {}}},
        done("shop-nightly", 21), done("shop-old", 11), done("web-today", 21), done("web-old", 10),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "change-class", "namespace": NS}, "data": config},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "skip-nfs", "namespace": NS}, "data": {"p": "version: v1\nvolumePolicies:\n- conditions: {nfs: {}}\n  action: {type: skip}\n"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "cloud-credentials", "namespace": NS}, "data": {"cloud": ""}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "gcp-credentials", "namespace": NS}, "data": {"gcp": ""}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "minio-ca", "namespace": NS}, "data": {"ca.crt": ""}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "velero", "namespace": NS, "labels": {"component": "velero"}}, "spec": {"template": {"spec": {
            "serviceAccountName": "velero-server", "containers": [{"name": "velero", "image": "velero/velero:v1.18.3"}],
            "initContainers": [{"name": name, "image": f"velero/{name}:v1.14.0"} for name in (
                "velero-plugin-for-aws", "velero-plugin-for-microsoft-azure", "velero-plugin-for-gcp")]}}}, "status": {"readyReplicas": 1}},
    ]
