"""What the cases stand on: a cluster that runs kcm-1-2-0 with Velero, and the webhook in front of it."""
import json
import os
import subprocess

from control_plane import wait_until
from standin import create_backup, forget, now, set_backup_status, set_location_phase, set_management_release
from webhook import (Replica, apply_crds, apply_manifests, issue_certificate, managementbackup, set_ca_bundle,
                     wait_in_force)

RUNNING, NEXT = "kcm-1-2-0", "kcm-1-3-0"
SOURCE = "kcm-backup"
TAKEN = f"{SOURCE}-{RUNNING}"  # kcm's own name for the backup before an upgrade
# Seconds where the defaults are minutes.
SETTINGS = {"upgrade": {"retryAfter": "1s", "startTimeout": "10s", "maxBackupAge": "1m", "retryAfterFailure": "5s"}}


def settings_file(folder, name="settings", **changes):
    """A settings file: the fast ones with these sections changed."""
    path = f"{folder}/{name}.json"
    sections = {key: {**SETTINGS.get(key, {}), **changes.get(key, {})} for key in {*SETTINGS, *changes}}
    with open(path, "w") as f:
        json.dump({"apiVersion": "backstop.k0rdent.mirantis.com/v1alpha1", "kind": "Settings", **sections}, f)
    return path


def release(name, ready=True):
    version = name.removeprefix("kcm-").replace("-", ".")
    return {"apiVersion": "k0rdent.mirantis.com/v1beta1", "kind": "Release", "metadata": {"name": name},
            "spec": {"version": version, "kcm": {"template": name}, "capi": {"template": name}}}


def location(name, **spec):
    return {"apiVersion": "velero.io/v1", "kind": "BackupStorageLocation",
            "metadata": {"name": name, "namespace": "kcm-system"},
            "spec": {"provider": "aws", "objectStorage": {"bucket": f"bucket-{name}"}, "config": {"region": "eu-1"},
                     **spec}}


def velero_deployment(name="velero", account="velero-server"):
    labels = {"component": "velero"}
    return {"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": "kcm-system", "labels": labels},
            "spec": {"selector": {"matchLabels": labels},
                     "template": {"metadata": {"labels": labels},
                                  "spec": {"serviceAccountName": account,
                                           "initContainers": [{"name": "velero-plugin-for-aws",
                                                               "image": "velero/velero-plugin-for-aws:v1.14.3"}],
                                           "containers": [{"name": "velero", "image": "velero/velero:v1.18.2"}]}}}}


def management(release_name=RUNNING, **metadata):
    return {"apiVersion": "k0rdent.mirantis.com/v1beta1", "kind": "Management",
            "metadata": {"name": "kcm", **metadata},
            "spec": {"release": release_name,
                     "providers": [{"name": "cluster-api-provider-azure"}, {"name": "cluster-api-provider-vsphere"}]}}


def grant(cluster):
    """Everybody but the webhook may do everything: what they may is not under test."""
    users = [cluster.USERS[token][0] for token in ("editor-token", "velero-token", "kcm-token")]
    cluster.must("create", "clusterrolebinding", "e2e", "--clusterrole=cluster-admin",
                 *[f"--user={user}" for user in users])


def set_velero_ready(cluster, name="velero", replicas=1):
    code, answer = cluster.request(
        "PATCH", f"/apis/apps/v1/namespaces/kcm-system/deployments/{name}/status",
        {"status": {"replicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas}},
        content_type="application/merge-patch+json")
    assert code == 200, answer


def set_release_ready(cluster, name, ready=True):
    code, answer = cluster.request("PATCH", f"/apis/k0rdent.mirantis.com/v1beta1/releases/{name}/status",
                                   {"status": {"ready": ready}}, "kcm-token", "application/merge-patch+json")
    assert code == 200, answer


def apply_world(cluster):
    """k0rdent and Velero as they are before anybody makes a mistake; applied before the webhook is."""
    cluster.must("apply", "-f", "-", stdin=[
        location("aws-s3", default=True), location("aws-east"), release(RUNNING), release(NEXT), release("kcm-1-4-0"),
        velero_deployment(), management(),
        managementbackup(SOURCE, schedule="0 */6 * * *", storageLocation="aws-s3", performOnManagementUpgrade=True)])
    set_location_phase(cluster, "aws-s3", "Available")
    set_location_phase(cluster, "aws-east", "Available")
    set_release_ready(cluster, RUNNING)
    set_release_ready(cluster, NEXT)
    set_management_release(cluster, RUNNING)
    set_velero_ready(cluster)


def management_selectors(*providers):
    return [("k0rdent.mirantis.com/component", "kcm"), ("cluster.x-k8s.io/provider", "cluster-api"),
            *[("cluster.x-k8s.io/provider", provider) for provider in providers]]


def completed_backup(cluster, name, *providers, labels=None, phase="Completed"):
    create_backup(cluster, name, labels=labels, selectors=management_selectors(*providers))
    set_backup_status(cluster, name, phase, now())


class Webhook:
    """The shipped manifests, and replicas of the binary behind their Service."""

    def __init__(self, cluster, binary, crds=(), replicas=1, world=apply_world, settings=None, **how):
        self.cluster, self.binary = cluster, binary
        apply_crds(cluster, crds)
        apply_manifests(cluster)
        grant(cluster)
        self.folder = issue_certificate(f"{cluster.dir}/certificates")
        self.settings = settings or settings_file(cluster.dir)
        self.replicas = [self.replica(i, **how) for i in range(replicas)]
        world(cluster)  # nothing of it is refused while nobody answers
        for replica in self.replicas:
            replica.start()
        set_ca_bundle(cluster, f"{self.folder}/ca.crt")
        wait_in_force(cluster)

    def replica(self, index, **how):
        return Replica(self.cluster, self.binary, index,
                       ["--tls-cert", f"{self.folder}/tls.crt", "--tls-key", f"{self.folder}/tls.key",
                        "--settings", self.settings], **how)

    def grant_for(self, path):
        """The roles that this settings file asks for, as `backstop rbac` prints them."""
        printed = subprocess.run([self.binary, "rbac", "--settings", path], stdout=subprocess.PIPE, text=True, check=True)
        self.cluster.must("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=printed.stdout)

    def without_webhook(self, work):
        """Does the work as if the webhook had not been installed yet, then brings it back."""
        cluster = self.cluster
        kinds = ("mutatingwebhookconfiguration", "validatingwebhookconfiguration")
        saved = [cluster.get(kind, "backstop") for kind in kinds]
        for kind in kinds:
            cluster.must("delete", kind, "backstop")
        bad = managementbackup("out-of-force", schedule="0 9 * * 7")
        wait_until("the webhook to be out of force", lambda: cluster.kubectl(
            "create", "--dry-run=server", "-f", "-", stdin=bad).code == 0)
        work()
        for hook in saved:
            hook["metadata"] = {key: hook["metadata"][key] for key in ("name", "labels")}
            cluster.must("create", "-f", "-", stdin=hook)
        wait_in_force(cluster)

    def metrics(self):
        return "".join(r.health_get("/metrics")[1] for r in self.replicas)

    def calls(self, resource, operation=None):
        """How many reviews of a resource were answered so far."""
        total = 0
        for line in self.metrics().splitlines():
            if line.startswith("backstop_reviews_total{") and f'resource="{resource}"' in line and \
                    (operation is None or f'operation="{operation}"' in line):
                total += int(float(line.rsplit(" ", 1)[1]))
        return total

    def logs(self):
        return "".join(open(r.log, errors="replace").read() for r in self.replicas)

    def reset_upgrade(self, release_name=RUNNING):
        """Back to the release that runs, with no evidence of an earlier upgrade left."""
        cluster = self.cluster
        cluster.must("patch", "management", "kcm", "--type=merge", "-p", json.dumps({
            "metadata": {"annotations": None, "labels": None}, "spec": {"release": release_name}}))
        taken = [o["metadata"]["name"] for o in cluster.items("managementbackups")
                 if o["metadata"].get("labels", {}).get("k0rdent.mirantis.com/release-backup")]
        backups = [o["metadata"]["name"] for o in cluster.items("backups.velero.io", "-n", "kcm-system")
                   if o["metadata"]["name"].startswith(SOURCE)]
        if taken:
            forget(cluster, "managementbackup", *taken)
        if backups:
            forget(cluster, "backup.velero.io", *backups)

    def close(self):
        for replica in self.replicas:
            replica.stop()


def stored_release(cluster):
    return cluster.get("management", "kcm")["spec"]["release"]


def taken_backups(cluster):
    """The names of the ManagementBackups that the gate (or kcm) has made."""
    return sorted(o["metadata"]["name"] for o in cluster.items("managementbackups")
                  if o["metadata"].get("labels", {}).get("k0rdent.mirantis.com/release-backup"))


def upgrade_command(release_name=NEXT, *more):
    patch = json.dumps({"spec": {"release": release_name}})
    return ["patch", "management", "kcm", "--type=merge", "-p", patch, *more]


def start_upgrade(cluster, release_name=NEXT, user="admin-token"):
    """The same in the background, for what happens while it waits."""
    return subprocess.Popen([f"{cluster.assets}/kubectl", "--kubeconfig", f"{cluster.dir}/{user}.kubeconfig",
                             *upgrade_command(release_name)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, env={**os.environ, "HOME": cluster.dir})


def refused(answer, *words):
    assert answer.code == 1, answer
    assert "denied the request" in answer.err or "is invalid" in answer.err, answer
    for word in words:
        assert word in answer.err, f"no {word!r} in: {answer}"


def accepted(answer, *words):
    assert answer.code == 0, answer
    for word in words:
        assert word in answer.text, f"no {word!r} in: {answer}"
