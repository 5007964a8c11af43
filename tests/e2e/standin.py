"""Plays the k0rdent and Velero controllers: writes the status that they would write."""
import json
import threading
import time

from control_plane import wait_until


def now(offset=0):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + offset))


class StandIn:
    """Completes (or fails) every ManagementBackup without a schedule, `seconds` after it appears."""

    def __init__(self, cluster, seconds=3.0, phase="Completed"):
        self.cluster, self.seconds, self.phase = cluster, seconds, phase
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()

    def _run(self):
        started = {}
        while not self.stopping.wait(0.2):
            try:
                _, found = self.cluster.request("GET", "/apis/k0rdent.mirantis.com/v1beta1/managementbackups",
                                                user="kcm-token")
                for item in found.get("items", []):
                    self._advance(item, started)
            except Exception:  # noqa: BLE001 - the API server may be down on purpose
                continue

    def _advance(self, item, started):
        name, spec, status = item["metadata"]["name"], item.get("spec", {}), item.get("status", {})
        phase = status.get("lastBackup", {}).get("phase")
        if spec.get("schedule") or phase in ("Completed", "Failed", "PartiallyFailed", "FailedValidation"):
            return
        if name not in started:
            started[name] = time.monotonic()
            create_backup(self.cluster, name, spec.get("storageLocation", "aws-s3"))
            set_backup_status(self.cluster, name, "InProgress", progress={"itemsBackedUp": 412, "totalItems": 980})
        elif time.monotonic() - started[name] >= self.seconds:
            done = now() if self.phase != "FailedValidation" else None
            set_backup_status(self.cluster, name, self.phase, done)
            set_managementbackup_status(self.cluster, name, self.phase, done)


def create_backup(cluster, name, location="aws-s3", labels=None, selectors=None):
    cluster.request("POST", "/apis/velero.io/v1/namespaces/kcm-system/backups", {
        "apiVersion": "velero.io/v1", "kind": "Backup",
        "metadata": {"name": name, "namespace": "kcm-system", "labels": labels or {}},
        "spec": {"storageLocation": location, "includedNamespaces": ["*"],
                 "excludedResources": ["clusters.cluster.x-k8s.io"],
                 "orLabelSelectors": [{"matchLabels": {k: v}} for k, v in (selectors or [
                     ("k0rdent.mirantis.com/component", "kcm")])]}}, user="velero-token")


def set_backup_status(cluster, name, phase, completed=None, **more):
    status = {"phase": phase, "startTimestamp": now(-1), **more}
    if completed:
        status["completionTimestamp"] = completed
    if phase == "Failed":
        status["failureReason"] = "object store not reachable"
    if phase == "FailedValidation":
        status["validationErrors"] = ["backup storage location \"aws-s3\" is currently unavailable"]
    code, answer = cluster.request("PATCH", f"/apis/velero.io/v1/namespaces/kcm-system/backups/{name}",
                                   {"status": status}, "velero-token", "application/merge-patch+json")
    assert code == 200, answer


def set_managementbackup_status(cluster, name, phase, completed=None):
    last = {"phase": phase, "startTimestamp": now(-1)}
    if completed:
        last["completionTimestamp"] = completed
    code, answer = cluster.request(
        "PATCH", f"/apis/k0rdent.mirantis.com/v1beta1/managementbackups/{name}/status",
        {"status": {"lastBackup": last, "lastBackupName": name}}, "kcm-token", "application/merge-patch+json")
    assert code == 200, answer


def set_location_phase(cluster, name, phase):
    code, answer = cluster.request(
        "PATCH", f"/apis/velero.io/v1/namespaces/kcm-system/backupstoragelocations/{name}",
        {"status": {"phase": phase, "lastValidationTime": now()}}, "velero-token", "application/merge-patch+json")
    assert code == 200, answer


def set_management_release(cluster, release):
    """What kcm writes when a release runs."""
    code, answer = cluster.request(
        "PATCH", "/apis/k0rdent.mirantis.com/v1beta1/managements/kcm/status",
        {"status": {"release": release, "availableProviders": ["infrastructure-azure", "infrastructure-vsphere"]}},
        "kcm-token", "application/merge-patch+json")
    assert code == 200, answer


def forget(cluster, kind, *names):
    """As Velero's own service account: tidying up between cases is no deletion to be warned of or refused."""
    cluster.kubectl("delete", kind, "-n", "kcm-system", "--ignore-not-found", "--wait=true", *names, user="velero-token")
    for name in names:
        wait_until(f"{kind} {name} to go", lambda n=name: cluster.get(kind, "-n", "kcm-system", n) is None)


SERVER_STATUS_CRD = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
    "metadata": {"name": "serverstatusrequests.velero.io"},
    "spec": {"group": "velero.io", "scope": "Namespaced",
             "names": {"plural": "serverstatusrequests", "singular": "serverstatusrequest",
                       "kind": "ServerStatusRequest", "listKind": "ServerStatusRequestList", "shortNames": ["ssr"]},
             "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                 "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]}}


def server_status_requests(cluster):
    return cluster.items("serverstatusrequests.velero.io", "-n", "kcm-system")


def answer_server_status(cluster, version):
    """As Velero answers; the requests that were open."""
    opened = [r["metadata"]["name"] for r in server_status_requests(cluster) if not r.get("status")]
    for name in opened:
        cluster.must("patch", "serverstatusrequest", name, "-n", "kcm-system", "--type=merge", "-p", json.dumps({
            "status": {"phase": "Processed", "serverVersion": version, "processedTimestamp": "2026-01-01T00:00:00Z",
                       "plugins": [{"name": "velero.io/aws", "kind": "ObjectStore"}]}}))
    return opened
