"""Backups, the gate, restore, rollback and migration with the real Velero, and kcm's stand-in."""
import json
import re
import subprocess
import tarfile

from control_plane import wait_until
from fixtures import (NEXT, RUNNING, SOURCE, TAKEN, accepted, refused, settings_file, stored_release, taken_backups,
                      upgrade_command)
from kcm import LABEL, marks
from stage import CLUSTER, KCM, Stage, installation, labelled, owner
from velero import velero
from webhook import managementbackup, restore

AZURE = ["natgateways.network.azure.com", "resourcegroups.resources.azure.com", "virtualnetworks.network.azure.com",
         "virtualnetworkssubnets.network.azure.com"]


# Of Azure Service Operator, as CAPZ installs it; no documentation lists it.
LEARNT = "fleetsmembers.containerservice.azure.com"
CONVERTS = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": LEARNT}, "spec": {
    "group": "containerservice.azure.com", "scope": "Namespaced", "names": {"plural": "fleetsmembers", "kind": "FleetsMember"},
    "versions": [{"name": name, "served": True, "storage": name.endswith("storage"),
                  "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}
                 for name in ("v1api20250301", "v1api20250301storage")],
    "conversion": {"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {
        "service": {"namespace": "kcm-system", "name": "nobody"}}}}}}


class Setup(Stage):
    def backstop(self, *args, cluster=None):
        cluster = cluster or self.cluster
        done = subprocess.run([self.binary, *args, "--kubeconfig", f"{cluster.dir}/admin-token.kubeconfig"],
                              capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    def stored(self, backup, path):
        """An object as it lies in the bucket."""
        with tarfile.open(f"{self.storage.folder}/backups/{backup}/{backup}.tar.gz") as archive:
            return json.load(archive.extractfile(path))

    def denials(self):
        """Reviews that were answered with a denial, as the log has them."""
        return [line for line in self.logs().splitlines() if '"decision":"denied"' in line]


def case_scheduled(setup):
    """a scheduled ManagementBackup comes due: kcm's Backup passes, Velero completes it, status finds it; only its storage is here"""
    before = len(setup.denials())
    setup.kcm.fire(SOURCE)
    status = setup.kcm.wait_backed_up(SOURCE)
    assert status["lastBackup"]["phase"] == "Completed" and status["lastBackupName"].startswith(SOURCE + "-2"), status
    assert len(setup.denials()) == before and not setup.kcm.failures, (setup.denials(), setup.kcm.failures)
    kept = setup.stored(status["lastBackupName"], "resources/managements.k0rdent.mirantis.com/cluster/kcm.json")
    assert kept["spec"]["release"] == RUNNING
    code, text = setup.backstop("status")
    # The S3 server of this test has an address of this machine, as one inside the cluster would.
    assert code == 3 and text.startswith(f"AT RISK: backup/{status['lastBackupName']}") and "lost with the cluster" in text, text
    assert re.search(r"^  backups  READY ", text, re.M) and re.search(r"^  upgrade  READY ", text, re.M), text


def case_on_demand(setup):
    """a ManagementBackup without a schedule yields one Backup of its name, which records what is installed"""
    setup.cluster.must("apply", "-f", "-", stdin=CONVERTS)
    wait_until("its CRD to be known", lambda: LEARNT in setup.cluster.kubectl(
        "create", "--dry-run=server", "-o", "json", "-f", "-", user="kcm-token",
        stdin=velero("Backup", "nothing", **marks("aws-s3"))).out)
    backup = setup.back_up("before-holidays")
    assert backup["metadata"]["name"] == "before-holidays" and backup["status"]["phase"] == "Completed", backup["status"]
    refused(setup.cluster.kubectl("create", "-f", "-", stdin=managementbackup("typo", storageLocation="aws-s4")),
            'did you mean "aws-s3"')


def case_gate(setup):
    """an upgrade waits for the backup that the gate starts, passes, and what was stored is the old release"""
    answer = setup.cluster.kubectl(*upgrade_command())
    accepted(answer, "patched")
    assert answer.seconds > 1 and stored_release(setup.cluster) == NEXT, answer
    assert taken_backups(setup.cluster) == [TAKEN]
    kept = setup.stored(TAKEN, "resources/managements.k0rdent.mirantis.com/cluster/kcm.json")
    assert kept["spec"]["release"] == RUNNING, kept["spec"]
    wait_until("kcm to run the new release", lambda: setup.cluster.get("management", "kcm")["status"]["release"] == NEXT)
    assert taken_backups(setup.cluster) == [TAKEN], "kcm took another one"


def case_recorded(setup):
    """a rehearsal that is recorded stays on the Backup, is shown by status, and opens a gate that requires it"""
    old, new = (f"{setup.cluster.dir}/{name}.json" for name in ("old", "new"))
    require = settings_file(setup.cluster.dir, name="require", upgrade={"rehearsal": "require"}, storage={"notDurable": "allow"})
    management = setup.cluster.get("management", "kcm")
    for file, target in ((old, RUNNING), (new, NEXT)):
        with open(file, "w") as out:
            json.dump({**management, "spec": {**management["spec"], "release": target},
                       "status": {**management["status"], "release": RUNNING}}, out)

    def review():
        return setup.backstop("review", "-f", new, "--old", old, "--settings", require)
    code, text = review()
    assert code == 1 and "has not been rehearsed" in text and "without a backup" not in text, text
    code, text = setup.backstop("rehearse", TAKEN, "--record")
    assert text.startswith(("RESTORABLE", "INCOMPLETE")) and "not recorded" not in text, text
    synced = setup.velero.read("backups", TAKEN)
    record = synced["metadata"]["annotations"]["backstop.k0rdent.mirantis.com/rehearsed"]
    assert re.match(r"\S+Z restorable objects=\d+ skipped=\d+ refused=0 unknown=0$", record), (record, text)
    assert f"{TAKEN} was rehearsed" in setup.backstop("status")[1]
    code, text = review()
    assert code == 0, text
    setup.velero.restart()  # it writes the Backups anew that it finds in the bucket, and not this one
    setup.velero.wait_location("Available")
    assert setup.velero.read("backups", TAKEN)["metadata"]["annotations"].items() >= {
        "backstop.k0rdent.mirantis.com/rehearsed": record}.items()


def status_managers(backup):
    """Who last wrote what the gate reads of a Backup's status, by its managedFields."""
    fields = {f"f:{name}" for name in ("phase", "startTimestamp", "completionTimestamp", "expiration", "progress")}
    return {entry["manager"] for entry in backup["metadata"].get("managedFields", [])
            if fields & set(entry.get("fieldsV1", {}).get("f:status", {}))}


def case_status_managers(setup):
    """what Velero writes of a Backup's status bears its manager's name, also where it was synced from the bucket"""
    assert status_managers(setup.velero.read("backups", TAKEN)) == {"velero-server"}
    second = setup.second()
    second.wait_synced(TAKEN)
    synced = second.velero.read("backups", TAKEN)
    assert status_managers(synced) == {"velero-server"}, synced["metadata"]["managedFields"]
    setup.others.remove(second)
    second.close()


def case_restore(setup):
    """a disaster: on an empty cluster the Restore gets exclusions and policy, from the backup alone, and Velero completes it"""
    second = setup.restored = setup.second()
    second.wait_synced("before-holidays", TAKEN)
    code, text = setup.backstop("rehearse", "before-holidays", cluster=second.cluster)
    assert code == 0 and text.startswith("RESTORABLE: all") and "existingResourcePolicy set to update" in text, text
    # Asked as somebody else, backstop itself refuses the ManagementBackup whose Backup is there already.
    code, text = setup.backstop("rehearse", "before-holidays", "--no-impersonation", cluster=second.cluster)
    assert code == 1 and "kcm would adopt it" in text, text
    answer = second.cluster.kubectl("create", "-f", "-", stdin=restore("disaster", "before-holidays"))
    accepted(answer, "created", "Warning:", "existingResourcePolicy", LEARNT, "was taken on another cluster")
    assert not second.cluster.get("crd", LEARNT), "what is excluded was learnt here"
    done = second.velero.wait_phase("restores", "disaster")
    assert done["status"]["phase"] == "Completed", (done["status"], second.velero.process.tail(20))
    assert {*AZURE, LEARNT} <= set(done["spec"]["excludedResources"]), done["spec"]
    assert done["spec"]["existingResourcePolicy"] == "update"
    assert owner(second.cluster, "management", "kcm") == "source"
    assert second.cluster.get("clusterdeployment", "-n", "kcm-system", CLUSTER)
    assert stored_release(second.cluster) == RUNNING


def case_restored_on_demand(setup):
    """kcm runs a restored on-demand ManagementBackup again when its Backup is gone; the webhook is not in its way"""
    second = setup.restored  # of the disaster above
    before = len(second.kcm.failures)
    wait_until("the ManagementBackups to be restored", lambda: second.cluster.get("managementbackup", SOURCE))
    second.cluster.must("apply", "-f", "-", stdin=labelled(
        managementbackup("gone", storageLocation="aws-s3"), **{"velero.io/restore-name": "disaster"}, **KCM))
    status = second.kcm.wait_backed_up("gone")
    assert status["lastBackup"]["phase"] == "Completed" and len(second.kcm.failures) == before, status
    assert "velero.io/restore-name" not in second.cluster.get("managementbackup", "gone")["metadata"]["labels"]


def case_rollback(setup):
    """what rollback-plan prints of the backup before the upgrade brings a fresh cluster back to the old release"""
    third = setup.second()
    third.wait_synced(TAKEN)
    code, plan = setup.backstop("rollback-plan", TAKEN, cluster=third.cluster)
    assert code == 0, plan
    accepted(third.cluster.kubectl("apply", "-f", "-", stdin=plan), "created")
    name = third.velero.items("restores")[0]["metadata"]["name"]
    done = third.velero.wait_phase("restores", name)
    assert done["status"]["phase"] == "Completed", done["status"]
    assert stored_release(third.cluster) == RUNNING
    setup.others.remove(third)
    third.close()


def migrate(setup, target, backup):
    """The documented Restore of the documented Backup; kcm's own admission webhook would be off for it."""
    target.wait_synced(backup)
    answer = target.cluster.kubectl("create", "-f", "-", user="editor-token", stdin=restore(
        f"restore-{backup}", backup, includedNamespaces=["*"], restoreStatus={"includedResources": ["*"]},
        excludedResources=["mutatingwebhookconfiguration.admissionregistration.k8s.io",
                           "validatingwebhookconfiguration.admissionregistration.k8s.io"]))
    accepted(answer, "created")
    done = target.velero.wait_phase("restores", f"restore-{backup}")
    assert done["status"]["phase"] == "Completed", done["status"]
    assert not done["spec"].get("existingResourcePolicy"), done["spec"]


def case_cluster_scoped(setup):
    """whether the Management gets into a Backup: backstop warns of each that will not hold it, and of no other"""
    kcm = [{"matchLabels": {f"{LABEL}/component": "kcm"}}]
    clusters, home = ["clusters.cluster.x-k8s.io"], ["kcm-system"]
    specs = [{}, {"includedNamespaces": ["*"]}, {"includedNamespaces": home}, {"orLabelSelectors": kcm},
             {"orLabelSelectors": kcm, "excludedResources": clusters, "includedNamespaces": ["*"]},
             {"includedNamespaces": home, "excludedResources": clusters},
             {"includedNamespaces": ["*"], "excludedResources": clusters},
             {"excludedNamespaces": ["kube-public"], "excludedResources": clusters},
             {"includedNamespaces": home, "includeClusterResources": True},
             {"includedNamespaces": home, "includedClusterScopedResources": ["*"]},
             {"includedClusterScopedResources": ["management"]}, {"excludedClusterScopedResources": ["nodes"]},
             {"includedNamespaceScopedResources": ["*"]}, {"includedResources": ["*"]},
             {"excludedNamespaces": ["kube-public"], "includeClusterResources": True}]
    wrong = []
    for number, spec in enumerate(specs):
        name = f"scope-{number}"
        answer = setup.cluster.kubectl("create", "-f", "-", user="editor-token",
                                       stdin=velero("Backup", name, storageLocation="aws-s3", **spec))
        accepted(answer, "created")
        phase = setup.velero.wait_phase("backups", name)["status"]["phase"]
        with tarfile.open(f"{setup.storage.folder}/backups/{name}/{name}.tar.gz") as archive:
            held = any("managements.k0rdent.mirantis.com" in entry for entry in archive.getnames())
        if phase != "Completed" or held == ("will hold no Management" in answer.text):
            wrong.append((spec, phase, held, answer.text))
    assert not wrong, wrong


def case_namespace_excluded_by_its_label(setup):
    """kcm's backup while a namespace has Velero's label: it holds no Management, and backstop knows"""
    setup.cluster.must("create", "namespace", "left-out")
    setup.cluster.must("label", "namespace", "left-out", "velero.io/exclude-from-backup=true")
    try:
        made = setup.back_up("hollow")
    finally:
        setup.cluster.must("delete", "namespace", "left-out", "--wait=false")
    assert made["status"]["phase"] == "Completed" and made["spec"]["excludedNamespaces"] == ["left-out"], made
    with tarfile.open(f"{setup.storage.folder}/backups/hollow/hollow.tar.gz") as archive:
        assert not any("managements" in name for name in archive.getnames())
    accepted(setup.cluster.kubectl("create", "--dry-run=server", "-f", "-", user="editor-token",
                                   stdin=restore("from-hollow", "hollow")), '"hollow" contains no Management')


def case_migration(setup):
    """k0rdent's documented migration of a ClusterDeployment: the target's own objects are as they were"""
    selectors = [(f"{LABEL}/component", "kcm"), ("cluster.x-k8s.io/provider", "cluster-api"),
                 ("controller.cert-manager.io/fao", "true"), ("helm.toolkit.fluxcd.io/name", CLUSTER),
                 ("cluster.x-k8s.io/cluster-name", CLUSTER), ("cluster.x-k8s.io/provider", "infrastructure-azure")]
    # As documented, Velero leaves all cluster-scoped objects out; with them the source's Management is in the Backup.
    for name, more in (("cld-migration", {}), ("cld-migration-all", {"includeClusterResources": True})):
        accepted(setup.cluster.kubectl("create", "-f", "-", user="editor-token", stdin=velero(
            "Backup", name, storageLocation="aws-s3", includedNamespaces=["*"], **more,
            orLabelSelectors=[{"matchLabels": {key: value}} for key, value in selectors])), "created")
        assert setup.velero.wait_phase("backups", name)["status"]["phase"] == "Completed"
    kept = setup.stored("cld-migration", "resources/credentials.k0rdent.mirantis.com/namespaces/kcm-system/aws-credential.json")
    assert kept["metadata"]["annotations"]["owner"] == "source", kept
    kept = setup.stored("cld-migration-all", "resources/managements.k0rdent.mirantis.com/cluster/kcm.json")
    assert kept["metadata"]["annotations"]["owner"] == "source", kept

    target = setup.second(world=lambda cluster: installation(cluster, owner="target"))
    before = target.objects()
    assert {key.split("/")[0] for key in before} == {"managements", "releases", "credentials", "secrets"}, list(before)
    migrate(setup, target, "cld-migration")
    moved = target.cluster.get("clusterdeployment", "-n", "kcm-system", CLUSTER)
    assert moved and moved["spec"]["template"] == "azure-standalone", moved
    assert target.cluster.get("secret", "-n", "kcm-system", f"{CLUSTER}-kubeconfig")
    migrate(setup, target, "cld-migration-all")
    after = target.objects()
    assert after == before, {key: (before[key], after[key]) for key in before if before[key] != after[key]}
    setup.others.remove(target)
    target.close()
