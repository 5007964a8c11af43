#!/usr/bin/env python3
"""bodies.py DIR: the AdmissionReviews that are measured, and the facts they are decided over.

The reviews have the shape and the size that kube-apiserver sends for objects of a
management cluster that GitOps applies: labels, kubectl's last-applied annotation,
managedFields of several managers. The same bytes come out on every run.
"""
import hashlib
import json
import os
import sys

CREATED = "2026-11-20T09:15:42Z"
SYSTEM = "kcm-system"
PROVIDERS = ["bootstrap-k0sproject-k0smotron", "cluster-api", "control-plane-k0sproject-k0smotron",
             "infrastructure-azure"]


def uid(of):
    h = hashlib.sha256(of.encode()).hexdigest()
    return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}-{h[20:32]}"


def compact(value):
    return json.dumps(value, separators=(",", ":"))


# ---- reviews ------------------------------------------------------------------

def fields(names):
    return {f"f:{name}": {} for name in names}


def managed(manager, api_version, owned, operation="Update", **more):
    return {"apiVersion": api_version, "fieldsType": "FieldsV1", "fieldsV1": owned, "manager": manager,
            "operation": operation, "time": CREATED} | more


def applied(kind, api_version, name, spec, labels, annotated=False):
    """An object as it stands after `kubectl apply` and a GitOps controller's server-side apply."""
    labels |= {"app.kubernetes.io/instance": name, "app.kubernetes.io/managed-by": "flux",
               "app.kubernetes.io/part-of": "platform"}
    metadata = {"creationTimestamp": CREATED, "generation": 1, "labels": labels}
    owned = {"f:metadata": {"f:labels": {".": {}} | fields(labels)}, "f:spec": {".": {}} | fields(spec)}
    if annotated:
        last = {"apiVersion": api_version, "kind": kind, "metadata": {"annotations": {}, "name": name}, "spec": spec}
        key = "kubectl.kubernetes.io/last-applied-configuration"
        metadata["annotations"] = {key: compact(last) + "\n"}
        owned["f:metadata"]["f:annotations"] = {".": {}} | fields([key])
    metadata["managedFields"] = [
        managed("kubectl-client-side-apply", api_version, owned),
        managed("kustomize-controller", api_version,
                {"f:metadata": {"f:labels": fields(labels)}, "f:spec": fields(spec)}, "Apply")]
    metadata |= {"name": name, "uid": uid(kind + name)}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


def review(resource, operation, new, old=None):
    group, version = new["apiVersion"].split("/")
    kind = {"group": group, "version": version, "kind": new["kind"]}
    what = {"group": group, "version": version, "resource": resource}
    account = f"system:serviceaccount:{SYSTEM}:kustomize-controller"
    request = {"uid": uid(resource + operation), "kind": kind, "resource": what, "requestKind": kind,
               "requestResource": what, "name": new["metadata"]["name"]}
    if "namespace" in new["metadata"]:
        request["namespace"] = new["metadata"]["namespace"]
    request |= {
        "operation": operation,
        "userInfo": {"username": account, "uid": uid(account),
                     "groups": ["system:serviceaccounts", f"system:serviceaccounts:{SYSTEM}", "system:authenticated"],
                     "extra": {"authentication.kubernetes.io/credential-id": ["JTI=" + uid("token")],
                               "authentication.kubernetes.io/pod-name": ["kustomize-controller-7c9d8b6f5d-x2x8k"],
                               "authentication.kubernetes.io/pod-uid": [uid("pod")]}},
        "object": new, "oldObject": old, "dryRun": False,
        "options": {"kind": operation.capitalize() + "Options", "apiVersion": "meta.k8s.io/v1",
                    "fieldManager": "kustomize-controller", "fieldValidation": "Strict"}}
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}


def labels_of(count):
    return {f"example.com/component-{i}": "platform" for i in range(count)}


def management_backup(schedule="15 */6 * * 1-5"):
    spec = {"performOnManagementUpgrade": True, "schedule": schedule, "storageLocation": "location-37"}
    return review("managementbackups", "CREATE",
                  applied("ManagementBackup", "k0rdent.mirantis.com/v1beta1", "kcm-backup", spec, labels_of(7), True))


def restore():
    spec = {"backupName": "kcm-backup-20261120000000", "includedNamespaces": ["*"],
            "excludedResources": ["nodes", "events", "events.events.k8s.io", "csinodes.storage.k8s.io",
                                  "volumeattachments.storage.k8s.io"],
            "hooks": {}, "itemOperationTimeout": "4h0m0s", "preserveNodePorts": True, "restorePVs": True}
    new = applied("Restore", "velero.io/v1", "disaster-recovery", spec, {}, True)
    new["metadata"]["namespace"] = SYSTEM
    return review("restores", "CREATE", new)


def management(generation, size):
    """Configured providers, and a status whose managedFields fill the rest: what a big installation looks like."""
    names = [f"cluster-api-provider-{i:03d}" for i in range(60)]
    limits = {"cpu": "500m", "memory": "512Mi"}
    spec = {"core": {"capi": {}, "kcm": {"config": {"velero": {"enabled": True}}}},
            "providers": [{"config": {"replicas": 2, "resources": {"limits": limits}}, "name": name,
                           "template": name + "-1-0-0"} for name in names], "release": "kcm-1-4-0"}
    new = applied("Management", "k0rdent.mirantis.com/v1beta1", "kcm", spec, labels_of(4))
    new["metadata"] |= {"generation": generation, "resourceVersion": str(100000 + generation)}
    new["status"] = {"availableProviders": PROVIDERS, "components": {
        name: {"exposedProviders": [name], "success": True, "template": name + "-1-0-0"} for name in names},
        "observedGeneration": generation - 1, "release": "kcm-1-4-0"}
    owned = {}
    new["metadata"]["managedFields"].append(managed("kcm-controller-manager", new["apiVersion"],
                                                    {"f:status": {"f:components": owned}}, subresource="status"))
    while len(compact(new)) < size:
        for _ in range(10):
            owned[f"f:cluster-api-provider-{len(owned):04d}"] = {".": {}} | fields(
                ["error", "exposedProviders", "success", "template"])
    return new


def management_update():
    size = 102_000
    return review("managements", "UPDATE", management(8, size), management(7, size))


# ---- facts --------------------------------------------------------------------

def location(i):
    return {"apiVersion": "velero.io/v1", "kind": "BackupStorageLocation",
            "metadata": {"name": f"location-{i:02d}", "namespace": SYSTEM, "creationTimestamp": CREATED},
            "spec": {"provider": "aws", "objectStorage": {"bucket": f"backups-{i:02d}"},
                     "config": {"region": "eu-central-1"}, "credential": {"name": "aws", "key": "cloud"},
                     "default": i == 0},
            "status": {"phase": "Available", "lastValidationTime": CREATED}}


def velero_backup(i):
    return {"apiVersion": "velero.io/v1", "kind": "Backup",
            "metadata": {"name": f"kcm-backup-{20261120000000 - i}", "namespace": SYSTEM, "creationTimestamp": CREATED,
                         "labels": {"k0rdent.mirantis.com/management-backup": "kcm-backup",
                                    "velero.io/storage-location": "location-37"}},
            "spec": {"excludedResources": ["clusters.cluster.x-k8s.io"], "includedNamespaces": ["*"],
                     "orLabelSelectors": [{"matchLabels": {"k0rdent.mirantis.com/component": "kcm"}}] + [
                         {"matchLabels": {"cluster.x-k8s.io/provider": p}} for p in PROVIDERS],
                     "storageLocation": "location-37", "ttl": "720h0m0s"},
            "status": {"phase": "Completed", "startTimestamp": CREATED, "completionTimestamp": CREATED,
                       "expiration": "2099-01-01T00:00:00Z",
                       "progress": {"itemsBackedUp": 980, "totalItems": 980}}}


def facts(backups, locations):
    source = management_backup()["request"]["object"] | {"status": {}}
    return [location(i) for i in range(locations)] + [velero_backup(i) for i in range(backups)] + [source]


def watched():
    """One of the Backups as kube-apiserver serves it: compact, members in the order of their names."""
    backup = velero_backup(0)
    backup["metadata"] |= {"generation": 7, "uid": uid("backup"), "resourceVersion": "123456", "managedFields": [
        managed("manager", "velero.io/v1", {"f:metadata": {"f:labels": {".": {}} | fields(backup["metadata"].get("labels", {}))},
                                            "f:spec": {".": {}} | fields(backup["spec"])}),
        managed("velero-server", "velero.io/v1", {"f:status": {".": {}} | fields(backup["status"])})]}
    return json.dumps(backup, separators=(",", ":"), sort_keys=True)


CLUSTER = "0b1f5a6e-3c1d-4f7e-9a55-6f0c3c1e9f10"


def recorded(facts):
    """The same, in a cluster whose id backstop has recorded on each Backup."""
    for item in facts:
        if item["kind"] == "Backup":
            item["metadata"]["annotations"] = {"backstop.k0rdent.mirantis.com/cluster-id": CLUSTER,
                                               "backstop.k0rdent.mirantis.com/recorded-at": CREATED}
    return [*facts, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system", "uid": CLUSTER}}]


def write(path, text):
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)


def write_all(folder):
    os.makedirs(folder, exist_ok=True)
    for name, body in (("backup", management_backup()), ("backup-denied", management_backup("15 */6 * * 7")),
                       ("restore", restore()), ("management", management_update())):
        write(f"{folder}/{name}.json", compact(body))
    for name, backups, locations in (("facts", 10, 50), ("facts-large", 10_000, 1_000)):
        write(f"{folder}/{name}.json",
              compact({"apiVersion": "v1", "kind": "List", "items": facts(backups, locations)}))
    write(f"{folder}/watched.json", watched())
    write(f"{folder}/facts-many.json",
          compact({"apiVersion": "v1", "kind": "List", "items": recorded(facts(2_000, 50))}))


if __name__ == "__main__":
    write_all(sys.argv[1])
