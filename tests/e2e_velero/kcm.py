"""A stand-in for kcm's backup and upgrade controllers, which no module proxy has: what kcm v1.12 does, as its account.

- A ManagementBackup yields a Velero Backup with kcm's marks: `<name>-<stamp>` each time it is due (here: when a test
  says so), or one of its own name when it has no schedule. None is started while another is New or InProgress.
- A refused Backup is tried again every 5 s, under a new name where the name has a stamp.
- The Backup's status is copied into the ManagementBackup's once a minute (less in tests where that is not the point).
- An upgrade (status.release is not spec.release) makes `<name>-<release>` of each ManagementBackup that protects
  upgrades, or takes the one that is there, waits for completionTimestamp, then sets status.release.
- After a restore Velero's labels are removed and the status is cleared; on-demand backups whose Backup is gone run again.
"""
import http.client
import threading
import time

from control_plane import wait_until
from velero import API, ENDED, MERGE

USER = "kcm-token"
K0RDENT = "/apis/k0rdent.mirantis.com/v1beta1"
LABEL = "k0rdent.mirantis.com"
PROVIDERS = ("infrastructure-azure", "bootstrap-k0sproject-k0smotron")


def marks(location, clusters=("team-blue",), providers=PROVIDERS):
    """The spec that kcm gives every Backup of the management cluster (its collect.go)."""
    labels = [(f"{LABEL}/component", "kcm"), ("controller.cert-manager.io/fao", "true"),
              ("cluster.x-k8s.io/provider", "cluster-api"),
              *[("cluster.x-k8s.io/provider", name) for name in providers],
              *[(key, name) for name in clusters for key in ("helm.toolkit.fluxcd.io/name", "cluster.x-k8s.io/cluster-name")]]
    return {"includedNamespaces": ["*"], "excludedResources": ["clusters.cluster.x-k8s.io"], "ttl": "720h0m0s",
            "storageLocation": location, "orLabelSelectors": [{"matchLabels": {k: v}} for k, v in sorted(labels)]}


class Kcm:
    def __init__(self, cluster, copy=1.0, retry=5.0, upgrade=1.0):
        self.cluster, self.copy, self.retry, self.upgrade = cluster, copy, retry, upgrade
        self.due, self.later, self.copied, self.failures = set(), {}, {}, []
        self.stopping, self.thread = threading.Event(), None

    def start(self):
        self.stopping.clear()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        return self

    def stop(self):
        self.stopping.set()
        if self.thread:
            self.thread.join()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def fire(self, name):
        """The schedule of a ManagementBackup comes due."""
        self.due.add(name)

    # ---- its loop ----------------------------------------------------------
    def _request(self, method, path, body=None, kind="application/json"):
        return self.cluster.request(method, path, body, USER, kind, timeout=30)

    def _run(self):
        while not self.stopping.wait(0.3):
            try:
                backups = {b["metadata"]["name"]: b for b in self._request("GET", f"{API}/backups")[1]["items"]}
                items = self._request("GET", f"{K0RDENT}/managementbackups")[1]["items"]
                for item in items:
                    self._after_restore(item)
                    self._back_up(item, backups)
                    self._copy_status(item, backups)
                for management in self._request("GET", f"{K0RDENT}/managements")[1]["items"]:
                    self._upgrade(management, items)
            except (OSError, KeyError, TypeError, ValueError, http.client.HTTPException):
                continue  # the API server may be down on purpose

    def _back_up(self, item, backups):
        name, spec, status = item["metadata"]["name"], item.get("spec") or {}, item.get("status") or {}
        scheduled = bool(spec.get("schedule"))
        if (name not in self.due) if scheduled else status.get("lastBackupName"):
            return
        if time.monotonic() < self.later.get(name, 0):
            return
        if any((b.get("status") or {}).get("phase") in ("New", "InProgress") for b in backups.values()):
            return
        backup = f"{name}-{time.strftime('%Y%m%d%H%M%S', time.gmtime())}" if scheduled else name
        if scheduled and backup in backups:
            return  # a run of this very second: still due
        if backup not in backups:
            labels = {f"{LABEL}/component": "kcm", **({f"{LABEL}/management-backup": name} if scheduled else {})}
            location = spec.get("storageLocation") or self._default_location()
            code, answer = self._request("POST", f"{API}/backups", {
                "apiVersion": "velero.io/v1", "kind": "Backup",
                "metadata": {"name": backup, "namespace": "kcm-system", "labels": labels}, "spec": marks(location)})
            if code not in (201, 409):
                self.failures.append((backup, answer.get("message", "")))
                self.later[name] = time.monotonic() + self.retry
                return
        self.due.discard(name)
        self._status(name, {"lastBackupName": backup, "lastBackup": None})

    def _default_location(self):
        locations = self._request("GET", f"{API}/backupstoragelocations")[1]["items"]
        return next((l["metadata"]["name"] for l in locations if l["spec"].get("default")), "")

    def _copy_status(self, item, backups):
        name, status = item["metadata"]["name"], item.get("status") or {}
        backup = backups.get(status.get("lastBackupName"))
        if not backup or time.monotonic() < self.copied.get(name, 0) + self.copy:
            return
        self.copied[name] = time.monotonic()
        last = backup.get("status") or {}
        if last != (status.get("lastBackup") or {}):
            self._status(name, {"lastBackup": last, "lastBackupTime": last.get("startTimestamp")})

    def _status(self, name, status):
        self._request("PATCH", f"{K0RDENT}/managementbackups/{name}/status", {"status": status}, MERGE)

    def _after_restore(self, item):
        meta = item["metadata"]
        labels = {k: None for k in meta.get("labels") or {} if k.startswith("velero.io/")}
        if labels:
            item["status"] = {}
            self._request("PATCH", f"{K0RDENT}/managementbackups/{meta['name']}", {"metadata": {"labels": labels}}, MERGE)
            self._status(meta["name"], {"lastBackupName": None, "lastBackup": None, "lastBackupTime": None})

    def _upgrade(self, management, items):
        wanted, running = management["spec"].get("release"), (management.get("status") or {}).get("release")
        if running and wanted != running and self._velero_runs():
            names = [f"{i['metadata']['name']}-{running}" for i in items if (i.get("spec") or {}).get(
                "performOnManagementUpgrade") and i["spec"].get("schedule")]
            found = {i["metadata"]["name"]: (i.get("status") or {}).get("lastBackup") or {} for i in items}
            for name in [n for n in names if n not in found]:
                source = next(i for i in items if f"{i['metadata']['name']}-{running}" == name)
                self._request("POST", f"{K0RDENT}/managementbackups", {
                    "apiVersion": "k0rdent.mirantis.com/v1beta1", "kind": "ManagementBackup",
                    "metadata": {"name": name, "labels": {f"{LABEL}/release-backup": running}},
                    "spec": {"storageLocation": source["spec"].get("storageLocation", "")}})
            if not all(found.get(name, {}).get("completionTimestamp") for name in names):
                return
        if wanted and wanted != running:
            # With the HelmReleases applied, and nothing Ready yet.
            if self.stopping.wait(self.upgrade):
                return
            self._request("PATCH", f"{K0RDENT}/managements/{management['metadata']['name']}/status",
                          {"status": {"release": wanted, "availableProviders": ["infrastructure-azure"]}}, MERGE)

    def _velero_runs(self):
        found = self._request("GET", "/apis/apps/v1/deployments?labelSelector=component%3Dvelero")[1]
        return bool(found.get("items"))

    def wait_backed_up(self, name, seconds=180, after=None):
        """The status of a ManagementBackup whose last backup has ended, once that is another than `after`."""
        def ended():
            status = self._request("GET", f"{K0RDENT}/managementbackups/{name}")[1].get("status") or {}
            return status if (status.get("lastBackup") or {}).get("phase") in ENDED and status["lastBackupName"] != after else None
        return wait_until(f"ManagementBackup {name} to have its backup{f' after {after}' if after else ''}; "
                          f"refused until now: {self.failures}", ended, seconds)

    def run_until_completed(self, name, after, runs=5):
        """Comes due until a backup is Completed, and returns the status of that. One run may meet a storage that Velero has
        found again a moment ago and cannot use yet; not one after the other."""
        seen = []
        while len(seen) < runs:
            self.fire(name)
            status = self.wait_backed_up(name, after=after)
            if status["lastBackup"]["phase"] == "Completed":
                return status
            after = status["lastBackupName"]
            seen.append(status["lastBackup"])
        raise AssertionError(f"no backup of {name} was Completed: {seen}")
