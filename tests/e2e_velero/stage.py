"""What the cases stand on: a management cluster with the real Velero, kcm's stand-in and the webhook, and its storage."""
import glob
import os

from control_plane import ROOT, ControlPlane, wait_until
from fixtures import (NEXT, RUNNING, SOURCE, Webhook, management, release, set_release_ready, set_velero_ready,
                      settings_file, velero_deployment)
from kcm import LABEL, Kcm
from standin import set_management_release
from velero import Storage, Velero, tool
from webhook import managementbackup

VERSION = None  # of the Velero under test; the runner sets it
KCM = {f"{LABEL}/component": "kcm"}
CLUSTER = "team-blue"


def crds(version):
    """Velero's own of that version, and k0rdent's: the real ones where BACKSTOP_E2E_CRDS points, else the tests'."""
    tool(f"velero-{version}")
    real = os.environ.get("BACKSTOP_E2E_CRDS", "")
    return [f"{ROOT}/build/tools/velero-{version}-crds",
            *(glob.glob(f"{real}/kcm") or [f"{ROOT}/tests/e2e/crds/k0rdent.yaml", f"{ROOT}/tests/e2e_velero/crds.yaml"])]


def labelled(document, **labels):
    document["metadata"].setdefault("labels", {}).update(labels)
    return document


def k0rdent(kind, name, spec, namespace="kcm-system", **labels):
    return labelled({"apiVersion": "k0rdent.mirantis.com/v1beta1", "kind": kind,
                     "metadata": {"name": name, "namespace": namespace}, "spec": spec}, **labels)


def deployment(version):
    document = velero_deployment()
    document["spec"]["template"]["spec"]["containers"][0]["image"] = f"velero/velero:v{version}"
    return document


def base(cluster, storage, version):
    """Of any cluster that k0rdent has been installed on: Velero and its storage."""
    cluster.must("apply", "-f", "-", stdin=[*storage.location(), deployment(version)])
    set_velero_ready(cluster)


def installation(cluster, running=RUNNING, owner="source", providers=("azure",)):
    """The Management and what kcm keeps with it. `owner` tells one cluster's objects from another's."""
    credential = k0rdent("Credential", "aws-credential", {
        "description": f"of the {owner} cluster",
        "identityRef": {"apiVersion": "v1", "kind": "Secret", "name": "identity", "namespace": "kcm-system"}}, **KCM)
    chosen = management(running)
    chosen["spec"]["providers"] = [{"name": f"cluster-api-provider-{name}"} for name in providers]
    identity = labelled({"apiVersion": "v1", "kind": "Secret", "stringData": {"owner": owner},
                         "metadata": {"name": "identity", "namespace": "kcm-system"}}, **KCM)
    objects = [labelled(release(RUNNING), **KCM), labelled(release(NEXT), **KCM), labelled(chosen, **KCM), credential, identity]
    for document in objects:
        document["metadata"].setdefault("annotations", {})["owner"] = owner
    cluster.must("apply", "-f", "-", stdin=objects)
    set_release_ready(cluster, RUNNING)
    set_release_ready(cluster, NEXT)
    set_management_release(cluster, running)


def cluster_deployment(cluster, name=CLUSTER):
    """A ClusterDeployment as kcm and Cluster API label what belongs to it."""
    values = {"apiVersion": "v1", "kind": "Secret", "stringData": {"value": "kubeconfig of " + name},
              "metadata": {"name": f"{name}-kubeconfig", "namespace": "kcm-system",
                           "labels": {"cluster.x-k8s.io/cluster-name": name}}}
    cluster.must("apply", "-f", "-", stdin=[
        k0rdent("ClusterTemplate", "azure-standalone", {"helm": {"chartSpec": {
            "chart": "azure-standalone-cp", "version": "1.0.0", "interval": "10m0s",
            "sourceRef": {"kind": "HelmRepository", "name": "kcm-templates"}}}}, **KCM),
        k0rdent("ClusterDeployment", name, {"template": "azure-standalone", "credential": "aws-credential"},
                **KCM, **{"helm.toolkit.fluxcd.io/name": name}), values])


def settings(cluster):
    """A start within a minute, however busy the machine is; an S3 server on this machine is as good as another."""
    return settings_file(cluster.dir, upgrade={"startTimeout": "60s"}, storage={"notDurable": "allow"})


class Stage(Webhook):
    """The cluster that is backed up."""

    def __init__(self, cluster, binary, **more):
        self.version = VERSION
        self.storage = Storage(cluster.dir).start()
        self.velero = Velero(cluster, self.version)
        super().__init__(cluster, binary, crds=crds(self.version), world=self.world, settings=settings(cluster), **more)
        self.velero.start()
        self.kcm = Kcm(cluster).start()
        self.velero.wait_location("Available")
        self.others = []

    def world(self, cluster):
        base(cluster, self.storage, self.version)
        installation(cluster)
        cluster_deployment(cluster)
        cluster.must("apply", "-f", "-", stdin=labelled(managementbackup(
            SOURCE, schedule="0 */6 * * *", storageLocation="aws-s3", performOnManagementUpgrade=True), **KCM))

    def before_case(self):
        """Velero writes its credentials file anew while its plugin may be reading it, and then takes a location that is well for
        Unavailable until it looks again: that is not what a case is about."""
        location = self.velero.read("backupstoragelocations", "aws-s3") or {}
        if location.get("status", {}).get("phase") == "Unavailable":
            self.velero.wait_location("Available")

    def back_up(self, name, **spec):
        """A ManagementBackup on demand, as an admin applies it, and the Velero Backup that comes of it."""
        self.cluster.must("apply", "-f", "-", stdin=labelled(managementbackup(name, storageLocation="aws-s3", **spec), **KCM))
        status = self.kcm.wait_backed_up(name)
        return self.velero.read("backups", status["lastBackupName"])

    def second(self, **how):
        """Another API server with the same storage, Velero and webhook, and no Management unless `world` makes one."""
        made = Second(ControlPlane(self.cluster.assets).start(), self.binary, self.storage, self.version, **how)
        self.others.append(made)
        return made

    def close(self):
        for other in self.others:
            other.close()
        self.kcm.stop()
        super().close()
        self.velero.stop()
        self.storage.stop()


class Second(Webhook):
    """A second cluster on the same storage: k0rdent is installed there, and Velero has synced the backups."""

    def __init__(self, cluster, binary, storage, version, world=lambda _: None):
        self.storage, self.version, self.velero = storage, version, Velero(cluster, version)
        self.more = world
        super().__init__(cluster, binary, crds=crds(version), world=self.world, settings=settings(cluster))
        self.velero.start()
        self.velero.wait_location("Available")
        self.kcm = Kcm(cluster).start()

    def world(self, cluster):
        base(cluster, self.storage, self.version)
        self.more(cluster)

    def wait_synced(self, *names):
        # It lists the bucket as it starts, and then once a minute: a location must be Available by then.
        self.velero.restart()
        for name in names:
            wait_until(f"Backup {name} to be synced", lambda n=name: self.velero.read("backups", n), 90)

    def objects(self):
        """All of k0rdent's that the cluster has of its own, as they are stored, and its Secret."""
        kinds = ["managements", "releases", "credentials", "secrets"]
        return {f"{kind}/{item['metadata']['name']}": {key: item.get(key) for key in ("metadata", "spec", "status", "data")}
                for kind in kinds for item in self.cluster.items(kind, "-A")
                if item["metadata"].get("annotations", {}).get("owner") == "target"}

    def close(self):
        self.kcm.stop()
        super().close()
        self.velero.stop()
        self.cluster.stop()


def owner(cluster, kind, name):
    """Whose object it is: the source's or the target's."""
    found = cluster.get(kind, "-n", "kcm-system", name)
    return found and found["metadata"].get("annotations", {}).get("owner")
