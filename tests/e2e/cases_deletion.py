"""Deleting backups and restores, KOTS snapshots, names that resolve to nothing, and the way back."""
import json
import subprocess

from control_plane import wait_until
from fixtures import Webhook, accepted, completed_backup, refused
from webhook import restore

ALLOW = "backstop.k0rdent.mirantis.com/allow-delete"
VELERO = "velero-token"


def deletion(backup, reason=None):
    annotations = {"annotations": {ALLOW: reason}} if reason else {}
    return {"apiVersion": "velero.io/v1", "kind": "DeleteBackupRequest",
            "metadata": {"generateName": "delete-", "namespace": "kcm-system", **annotations},
            "spec": {"backupName": backup}}


class Setup(Webhook):
    def __init__(self, cluster, binary):
        super().__init__(cluster, binary)
        completed_backup(cluster, "only", "infrastructure-azure")
        completed_backup(cluster, "half", phase="PartiallyFailed")
        cluster.request("POST", "/apis/velero.io/v1/namespaces/kcm-system/backups", {
            "apiVersion": "velero.io/v1", "kind": "Backup",
            "metadata": {"name": "app-snapshot", "annotations": {"kots.io/app-id": "1a2b"}},
            "spec": {"storageLocation": "aws-s3"}, "status": {"phase": "Completed"}})
        wait_until("the backups to be known", lambda: "last Completed" in self.ask("only").text)

    def ask(self, backup, reason=None, *more):
        return self.cluster.kubectl("create", "--dry-run=server", "-f", "-", *more, stdin=deletion(backup, reason))

    def delete(self, kind, name, *more):
        return self.cluster.kubectl("delete", "-n", "kcm-system", kind, name, "--wait=false", *more)


def case_request(setup):
    """a DeleteBackupRequest of no backup, and of the last management backup, is refused; a reason lets it pass"""
    refused(setup.ask("onli"), "spec.backupName", 'did you mean "only"?')
    refused(setup.ask("only"), "last Completed management backup", ALLOW)
    accepted(setup.ask("only", "the cluster goes"), "Warning:", "the cluster goes", "from the object store")
    accepted(setup.ask("half"), "Warning:", "this cannot be undone")


def case_request_edited(setup):
    """a DeleteBackupRequest that is edited to another backup, or that Velero is to take once more, is judged anew"""
    cluster, name = setup.cluster, "edited"
    document = {**deletion("half"), "metadata": {"name": name, "namespace": "kcm-system"}}
    accepted(cluster.kubectl("create", "-f", "-", stdin=document))

    def edit(user="admin-token", **changes):
        return cluster.kubectl("patch", "deletebackuprequest", "-n", "kcm-system", name, "--type=merge", "-p",
                               json.dumps(changes), user=user)

    refused(edit(spec={"backupName": "only"}), "last Completed management backup", ALLOW)
    assert cluster.get("deletebackuprequest", "-n", "kcm-system", name)["spec"]["backupName"] == "half"
    accepted(edit(metadata={"labels": {"seen": "yes"}}))
    accepted(edit(VELERO, status={"phase": "Processed", "errors": ["backup is still in progress"]}))
    accepted(edit(spec={"backupName": "only"}), "Warning:", "the change has no effect")
    refused(edit(status={"phase": "New"}), "last Completed management backup", ALLOW)
    cluster.must("delete", "-n", "kcm-system", "deletebackuprequest", name)


def case_backup(setup):
    """kubectl delete of the last management backup is refused, the annotation on the Backup lets it pass"""
    refused(setup.delete("backups.velero.io", "only"), "last Completed management backup", ALLOW)
    setup.cluster.must("annotate", "-n", "kcm-system", "backups.velero.io", "only", f"{ALLOW}=rehearsal")
    accepted(setup.delete("backups.velero.io", "only", "--dry-run=server"), "rehearsal", "comes back with the next sync")
    setup.cluster.must("annotate", "-n", "kcm-system", "backups.velero.io", "only", f"{ALLOW}-")
    refused(setup.delete("backups.velero.io", "only"), "last Completed management backup")


def case_backup_edited(setup):
    """edits that take the last management backup away, or make one up, are refused; Velero's own are not asked about"""
    cluster = setup.cluster
    _, backup = cluster.request("GET", "/apis/velero.io/v1/namespaces/kcm-system/backups/only")

    def edit(user="admin-token", name="only", **changes):
        return cluster.kubectl("patch", "backups.velero.io", "-n", "kcm-system", name, "--type=merge", "-p",
                               json.dumps(changes), user=user)

    for changes in ({"status": {"phase": "Failed"}}, {"status": {"expiration": "2026-01-01T00:00:00Z"}}, {"status": None},
                    {"spec": {"orLabelSelectors": None}}, {"spec": {"storageLocation": "aws-east"}},
                    {"metadata": {"labels": {"k0rdent.mirantis.com/region": "eu"}}},
                    {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "y"}]}}):
        refused(edit(**changes), "last Completed management backup", "With this change", ALLOW)
    refused(edit(name="half", status={"phase": "Completed"}), "only Velero may complete one")
    twin = {**backup, "metadata": {"name": "twin", "namespace": "kcm-system"}}
    refused(cluster.kubectl("create", "-f", "-", stdin=twin), "only Velero may complete one")
    accepted(edit(metadata={"labels": {"seen": "yes"}}))
    calls = setup.calls("backups", "UPDATE")
    accepted(edit(VELERO, status={"warnings": 3}))
    assert setup.calls("backups", "UPDATE") == calls
    refused(setup.delete("backups.velero.io", "only"), "last Completed management backup")


def case_all(setup):
    """kubectl delete --all leaves one good management backup"""
    for name in ("gone-1", "gone-2"):
        completed_backup(setup.cluster, name)
    wait_until("them to be known", lambda: setup.ask("gone-2").code == 0 and setup.ask("only").code == 0)
    answer = setup.cluster.kubectl("delete", "-n", "kcm-system", "backups.velero.io", "only", "gone-1", "gone-2",
                                   "--wait=false")
    refused(answer, "last Completed management backup")
    left = [name for name in ("only", "gone-1", "gone-2") if setup.cluster.get("backups.velero.io", "-n", "kcm-system", name)]
    assert len(left) == 1, left
    if left != ["only"]:
        completed_backup(setup.cluster, "only", "infrastructure-azure")


def case_all_requests(setup):
    """velero backup delete --all, a request after the other before Velero begins with any: one backup remains"""
    names = ("only", "gone-3", "gone-4")
    for name in names[1:]:
        completed_backup(setup.cluster, name)
    for name in ("gone-1", "gone-2"):  # which of them the case before has left
        setup.cluster.must("delete", "-n", "kcm-system", "backups.velero.io", name, "--ignore-not-found", "--wait=false")
    wait_until("them to be known", lambda: all(setup.ask(name).code == 0 for name in names))
    documents = [{**deletion(name), "metadata": {"name": f"delete-{name}", "namespace": "kcm-system"}} for name in names]
    answer = setup.cluster.kubectl("create", "-f", "-", stdin={"apiVersion": "v1", "kind": "List", "items": documents})
    refused(answer, "last Completed management backup that is not already being deleted", ALLOW)
    made = [name for name in names if setup.cluster.get("deletebackuprequests", "-n", "kcm-system", f"delete-{name}")]
    assert len(made) == 2, made
    refused(setup.delete("backups.velero.io", *(set(names) - set(made))), "that is not already being deleted")
    for name in made:
        setup.cluster.must("delete", "-n", "kcm-system", "deletebackuprequests", f"delete-{name}")
    for name in names[1:]:  # by Velero: the deletions that were given up count for two minutes
        setup.cluster.must("delete", "-n", "kcm-system", "backups.velero.io", name, "--wait=false", user=VELERO)


def case_velero(setup):
    """what Velero asks for is held like anybody's request; what it notes on one, and the object that it removes, is not"""
    path = "/apis/velero.io/v1/namespaces/kcm-system"
    code, answer = setup.cluster.request("POST", f"{path}/deletebackuprequests", deletion("only"), VELERO)
    assert code == 403 and "last Completed management backup" in answer["message"], answer
    assert "To let Velero delete it, annotate it" in answer["message"], answer
    code, answer = setup.cluster.request("POST", f"{path}/deletebackuprequests", deletion("half"), VELERO)
    assert code == 201, answer
    calls = setup.calls("deletebackuprequests", "UPDATE")
    code, answer = setup.cluster.request("PATCH", f"{path}/deletebackuprequests/{answer['metadata']['name']}",
                                         {"status": {"phase": "Processed"}}, VELERO, "application/merge-patch+json")
    assert code == 200 and setup.calls("deletebackuprequests", "UPDATE") == calls, answer
    code, answer = setup.cluster.request("DELETE", f"{path}/backups/half", user=VELERO)
    assert code == 200, answer


def case_pin(setup):
    """a pinned Backup is deleted by nobody, allow-delete or not, until the pin is removed"""
    keep = "backstop.k0rdent.mirantis.com/keep"

    def annotate(change):
        return setup.cluster.kubectl("annotate", "-n", "kcm-system", "backups.velero.io", "app-snapshot", change)

    accepted(annotate(f"{keep}=audit 2026"), "pinned: nobody, Velero included, can delete", "pin backup")
    wait_until("the pin to be known", lambda: "is pinned" in setup.ask("app-snapshot", "really").text)
    refused(setup.delete("backups.velero.io", "app-snapshot"), "audit 2026", f"app-snapshot {keep}-")
    code, answer = setup.cluster.request("POST", "/apis/velero.io/v1/namespaces/kcm-system/deletebackuprequests",
                                         deletion("app-snapshot"), VELERO)
    assert code == 403 and "is pinned by annotation" in answer["message"], answer
    accepted(annotate(f"{keep}-"))
    wait_until("it to be free", lambda: setup.ask("app-snapshot").code == 0)


def case_credential(setup):
    """deleting the Credential that a ClusterDeployment needs is warned of: kcm would make no management backup at all"""
    api, meta = {"apiVersion": "k0rdent.mirantis.com/v1beta1"}, {"namespace": "kcm-system"}
    setup.cluster.must("apply", "-f", "-", stdin=[
        {**api, "kind": "Credential", "metadata": {**meta, "name": "aws-cred"}, "spec": {"identityRef": {
            "apiVersion": "v1", "kind": "Secret", "name": "identity", "namespace": "kcm-system"}}},
        {**api, "kind": "ClusterDeployment", "metadata": {**meta, "name": "prod"},
         "spec": {"template": "aws", "credential": "aws-cred"}}])
    wait_until("it to be warned of", lambda: "without it kcm makes no management backup at all" in setup.delete(
        "credentials.k0rdent.mirantis.com", "aws-cred", "--dry-run=server").text)
    setup.cluster.must("delete", "-n", "kcm-system", "clusterdeployments.k0rdent.mirantis.com", "prod", "--wait=false")
    accepted(setup.delete("credentials.k0rdent.mirantis.com", "aws-cred"))


def case_restore(setup):
    """deleting a Restore says that its log goes too"""
    accepted(setup.cluster.kubectl("create", "-f", "-", stdin=restore("dr", "app-snapshot")), "partial KOTS snapshot")
    accepted(setup.delete("restores.velero.io", "dr"), "Warning:", "from the object store")


def case_names(setup):
    """an exclusion that resolves to nothing is warned about"""
    document = restore("typo", "app-snapshot", excludedResources=["secretes"])
    accepted(setup.cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=document), "did you mean secrets?")


def case_rollback_plan(setup):
    """what rollback-plan prints of this cluster, kubectl applies without a denial"""
    cluster = setup.cluster
    completed_backup(cluster, "kcm-backup-kcm-1-1-0", "infrastructure-azure")
    context = f"{cluster.dir}/rollback-facts.yaml"
    kinds = "backups.velero.io,backupstoragelocations.velero.io,managements,releases,configmaps"
    with open(context, "w") as f:
        f.write(cluster.kubectl("get", kinds, "-n", "kcm-system", "-o", "yaml").out)
    plan = subprocess.run([setup.binary, "rollback-plan", "--inventory", context, "kcm-backup-kcm-1-1-0"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert plan.returncode == 0, plan
    path = f"{cluster.dir}/rollback.yaml"
    with open(path, "w") as f:
        f.write(plan.stdout)
    accepted(cluster.kubectl("apply", "-f", path), "restore.velero.io/rollback-to-kcm-1-1-0 created")
    assert len(cluster.get("restore", "-n", "kcm-system", "rollback-to-kcm-1-1-0")["spec"]["excludedResources"]) == 4
