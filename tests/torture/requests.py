#!/usr/bin/env python3
"""requests.py DIR: the fixed set of reviews that failing allocations are tried on.

They are decided over tests/golden/inventories/cluster.yaml at 2026-11-21T03:00:00Z.
"""
import json
import os
import sys

SYSTEM = "kcm-system"
POLICIES = """apiVersion: v1
kind: ConfigMap
metadata: {name: policies, namespace: kcm-system}
data:
  policies.yaml: |
    version: v1
    volumePolicies:
    - conditions: {capacity: "10Gi,1Gi", csi: {volumeAttributes: {a: b}}, volumeTypes: [emptyDirs]}
      action: {type: snapshoot}
    includeExcludePolicy: {includedNamespaceScopedResources: [pods, "*"], excludedNamespaceScopedResources: [pods]}
"""
K0RDENT, VELERO = "k0rdent.mirantis.com/v1beta1", "velero.io/v1"


def thing(version, kind, name, spec, **more):
    metadata = {"name": name, "uid": "5d0f6a0e-3a55-4a0c-9a5e-000000000001"} | more.pop("metadata", {})
    if version == VELERO:
        metadata["namespace"] = SYSTEM
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec} | more


def review(new=None, old=None, **more):
    either = new or old
    group, version = either["apiVersion"].split("/")
    operation = "UPDATE" if new and old else "CREATE" if new else "DELETE"
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "kind": {"group": group, "version": version, "kind": either["kind"]},
        "name": either["metadata"]["name"], "namespace": either["metadata"].get("namespace", ""), "operation": operation,
        "userInfo": {"username": "kubernetes-admin"}, "object": new, "oldObject": old, "dryRun": False} | more}


def management(release, **more):
    return thing(K0RDENT, "Management", "kcm", {"release": release, "core": {"kcm": {"config": {}}}},
                 status={"release": "kcm-1-2-0"}, **more)


def padded(size):
    """A Management as controllers leave it: what they own fills the metadata."""
    owned = {f"f:field-{i:05d}": {".": {}, "f:error": {}, "f:success": {}} for i in range(size // 50)}
    fields = [{"manager": "kcm-controller-manager", "operation": "Update", "apiVersion": K0RDENT,
               "fieldsType": "FieldsV1", "fieldsV1": {"f:status": owned}}]
    return [management(release, metadata={"managedFields": fields}) for release in ("kcm-1-3-0", "kcm-1-2-0")]


def requests():
    backup = {"schedule": "15 */6 * * 1-5", "storageLocation": "aws-s3", "performOnManagementUpgrade": True}
    yield "backup-good", review(thing(K0RDENT, "ManagementBackup", "nightly", backup))
    yield "backup-denied", review(thing(K0RDENT, "ManagementBackup", "nightly", backup | {
        "schedule": "0 9 * * 7", "storageLocation": "aws-s4"}))
    yield "backup-changed", review(thing(K0RDENT, "ManagementBackup", "kcm-backup", backup),
                                   thing(K0RDENT, "ManagementBackup", "kcm-backup", backup | {"schedule": "@daily"}))
    yield "backup-deleted", review(old=thing(K0RDENT, "ManagementBackup", "kcm-backup", backup))
    yield "restore-mutated", review(thing(VELERO, "Restore", "r", {
        "backupName": "both-20261121000000", "excludedResources": ["nodes", "events"], "includedNamespaces": ["*"]}))
    yield "restore-denied", review(thing(VELERO, "Restore", "r", {
        "backupName": "missing", "scheduleName": "nightly", "existingResourcePolicy": "always",
        "resourceModifier": {"kind": "Secret", "name": "x"}, "itemOperationTimeout": "4 hours",
        "includedResources": ["*"], "excludedResources": ["*"]}))
    yield "restore-modified", review(thing(VELERO, "Restore", "r", {
        "backupName": "kcm-backup-kcm-1-1-0", "existingResourcePolicy": "update",
        "resourceModifier": {"kind": "ConfigMap", "name": "patch-mgmt-spec-release"}}))
    yield "restore-rollback", review(thing(VELERO, "Restore", "r", {"backupName": "kcm-backup-kcm-1-1-0"}))
    yield "upgrade-gate", review(management("kcm-1-3-0"), management("kcm-1-2-0"))
    yield "upgrade-dry-run", review(management("kcm-1-3-0"), management("kcm-1-2-0"), dryRun=True)
    yield "upgrade-200k", review(*padded(94 * 1024))
    yield "velero-backup", review(thing(VELERO, "Backup", "b", {
        "storageLocation": "aws-s3", "ttl": "720h", "includedResources": ["pods"], "excludedResources": ["secrets"],
        "labelSelector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]},
        "resourcePolicy": {"kind": "ConfigMap", "name": "missing"}}))
    yield "velero-policies", review(thing(VELERO, "Backup", "b", {
        "storageLocation": "aws-s3", "resourcePolicy": {"kind": "ConfigMap", "name": "policies"}}))
    yield "velero-schedule", review(thing(VELERO, "Schedule", "s", {
        "schedule": "0 2 * * *", "template": {"storageLocation": "gone", "ttl": "1x", "includedNamespaces": ["a", "b"]}}))
    location = {"provider": "aws", "objectStorage": {"bucket": "Bad_Bucket"}, "config": {"region": "eu-west-1"},
                "credential": {"name": "absent", "key": "cloud"}, "default": True}
    yield "location", review(thing(VELERO, "BackupStorageLocation", "l", location))
    yield "location-deleted", review(old=thing(VELERO, "BackupStorageLocation", "aws-s3", location))
    yield "delete-request", review(thing(VELERO, "DeleteBackupRequest", "d", {"backupName": "kcm-backup-kcm-1-1-0"}))


def main(folder):
    os.makedirs(folder, exist_ok=True)
    whole = dict(requests())
    for name, body in whole.items():
        with open(f"{folder}/{name}.json", "w") as file:
            file.write(json.dumps(body, separators=(",", ":")))
    with open(f"{folder}/../facts.yaml", "w") as file:
        file.write(POLICIES)
    with open(f"{folder}/broken.json", "w") as file: # the envelope is whole, the object is not
        file.write(json.dumps(whole["backup-good"], separators=(",", ":"))[:-40])


if __name__ == "__main__":
    main(sys.argv[1])
