"""The shipped roles: enough for everything, nothing beside, and a clear word when a permission is missing."""
import json
import time

from control_plane import ROOT, wait_until
from fixtures import (NEXT, RUNNING, TAKEN, Webhook, accepted, completed_backup, refused, settings_file,
                      stored_release, taken_backups, upgrade_command)
from standin import SERVER_STATUS_CRD, StandIn, answer_server_status
from webhook import managementbackup, restore

AUDIT_POLICY = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [
    {"level": "Metadata", "users": ["system:serviceaccount:backstop-system:backstop"], "omitStages": ["RequestReceived"]},
    {"level": "None"}]}


class Setup(Webhook):
    def __init__(self, cluster, binary):
        self.audit_log = f"{cluster.dir}/audit.log"
        cluster.api.stop()
        with open(f"{cluster.dir}/audit.json", "w") as f:
            json.dump(AUDIT_POLICY, f)
        cluster.api.command += [f"--audit-policy-file={cluster.dir}/audit.json", f"--audit-log-path={self.audit_log}"]
        cluster.api.start()
        cluster.wait_ready()
        super().__init__(cluster, binary)
        completed_backup(cluster, "nightly", "infrastructure-azure")

    def role(self, kind, name="backstop", namespace=None):
        return self.cluster.get(kind, name, *(["-n", namespace] if namespace else []))

    def without(self, kind, namespace, resource, verbs=None):
        """The role with these verbs of a resource taken away; returns what brings it back."""
        role = self.role(kind, namespace=namespace)
        rules = json.loads(json.dumps(role["rules"]))
        found = False
        for rule in list(rules):
            if resource in rule["resources"] and (not verbs or set(verbs) & set(rule["verbs"])):
                if verbs:
                    split = [{**rule, "resources": [r for r in rule["resources"] if r != resource]},
                             {**rule, "resources": [resource], "verbs": [v for v in rule["verbs"] if v not in verbs]}]
                else:
                    split = [{**rule, "resources": [r for r in rule["resources"] if r != resource]}]
                rules += [s for s in split if s["resources"] and s["verbs"]]
                rules.remove(rule)
                found = True
        assert found, (kind, resource)
        self.set_rules(kind, namespace, rules)
        return lambda: self.set_rules(kind, namespace, role["rules"])

    def set_rules(self, kind, namespace, rules):
        self.cluster.must("patch", kind, "backstop", *(["-n", namespace] if namespace else []), "--type=json", "-p",
                          json.dumps([{"op": "replace", "path": "/rules", "value": rules}]))
        time.sleep(0.3)  # the API server's own cache of roles

    def restart(self):
        replica = self.replicas[0]
        replica.endpoint(False)
        replica.stop()
        replica.start(ready=False)

    def readiness(self):
        return self.replicas[0].health_get("/readyz?verbose")[1]


def case_enough(setup):
    """as its ServiceAccount, with the shipped roles, everything works"""
    with StandIn(setup.cluster, seconds=1):
        accepted(setup.cluster.kubectl(*upgrade_command()))
    assert stored_release(setup.cluster) == NEXT
    accepted(setup.cluster.kubectl("create", "-f", "-", stdin=restore("r", "nightly")), "infrastructure-azure")
    accepted(setup.cluster.kubectl("create", "-f", "-", stdin=managementbackup("m", schedule="@daily")))
    # What must reach everybody is an Event, on the object by its uid.
    accepted(setup.cluster.kubectl("create", "-f", "-", stdin={
        "apiVersion": "velero.io/v1", "kind": "Schedule", "metadata": {"name": "gaps", "namespace": "kcm-system"},
        "spec": {"schedule": "0 3 * * 0", "template": {"ttl": "24h0m0s", "includedNamespaces": ["default"]}}}),
        "shorter than the time between runs")
    event = wait_until("the Event", lambda: [
        e for e in setup.cluster.items("events.events.k8s.io", "-n", "kcm-system") if e["regarding"]["name"] == "gaps"], 20)[0]
    assert event["regarding"]["uid"] == setup.cluster.get(
        "schedules.velero.io", "gaps", "-n", "kcm-system")["metadata"]["uid"], event
    # What is not known yet is read for the review, and a rollback's ConfigMap is made.
    refused(setup.cluster.kubectl(*upgrade_command("kcm-9")), "no such Release")
    refused(setup.cluster.kubectl("create", "-f", "-", stdin=managementbackup("n", storageLocation="nowhere")), "nowhere")
    setup.grant_for(settings_file(setup.cluster.dir, restores={"injectReleaseModifier": True}))
    completed_backup(setup.cluster, "by-kcm", labels={"k0rdent.mirantis.com/release-backup": RUNNING})
    document = restore("rollback", "by-kcm")
    wait_until("the settings to be reloaded", lambda: "resourceModifier set to" in setup.cluster.kubectl(
        "create", "--dry-run=server", "-f", "-", stdin=document).text)
    accepted(setup.cluster.kubectl("create", "-f", "-", stdin=document))
    settings_file(setup.cluster.dir)
    # A backup that counts is deleted: every replica is told first.
    completed_backup(setup.cluster, "surplus")
    accepted(setup.cluster.kubectl("delete", "-n", "kcm-system", "backups.velero.io", "surplus", "--wait=false"))
    lease = setup.cluster.get("lease", "-n", "kcm-system", "backstop-deletions")
    assert lease["spec"]["holderIdentity"].startswith("surplus@"), lease
    code, ready = setup.replicas[0].health_get("/readyz?verbose")
    assert code == 200 and "forbidden" not in ready, ready
    assert "forbidden" not in setup.logs(), setup.logs()


def case_create_missing(setup):
    """without create on managementbackups the gate says that it could not start the backup, and stays closed"""
    setup.reset_upgrade()
    back = setup.without("clusterrole", None, "managementbackups", ["create"])
    try:
        code, answer = setup.cluster.request("PATCH", "/apis/k0rdent.mirantis.com/v1beta1/managements/kcm",
                                             {"spec": {"release": NEXT}}, "editor-token",
                                             "application/merge-patch+json")
    finally:
        back()
    assert code == 503, answer
    for words in (f"cannot create ManagementBackup {TAKEN}", "forbidden", "backstop-system:backstop"):
        assert words in answer["message"], (words, answer)
    assert stored_release(setup.cluster) != NEXT and taken_backups(setup.cluster) == []


def case_list_missing(setup):
    """without list on managementbackups or get on backups the gate says what it could not read, and stays closed"""
    setup.reset_upgrade()
    for kind, namespace, resource in (("clusterrole", None, "managementbackups"), ("role", "kcm-system", "backups")):
        back = setup.without(kind, namespace, resource)
        try:
            code, answer = setup.cluster.request("PATCH", "/apis/k0rdent.mirantis.com/v1beta1/managements/kcm",
                                                 {"spec": {"release": NEXT}}, "editor-token",
                                                 "application/merge-patch+json")
        finally:
            back()
        assert code == 503, (resource, answer)
        for words in (resource, "forbidden", "cannot verify the pre-upgrade backup", "skip-pre-upgrade-backup"):
            assert words in answer["message"], (resource, words, answer)
        assert stored_release(setup.cluster) != NEXT


def case_each_missing(setup):
    """each permission to read, taken away in turn, is named by /readyz?verbose with the API server's words"""
    removed = [("clusterrole", None, "managementbackups"), ("clusterrole", None, "managements"),
               ("clusterrole", None, "releases"), ("clusterrole", None, "deployments"),
               *(("clusterrole", None, plural) for plural in ("clusterdeployments", "clustertemplates", "credentials",
                                                              "regions", "customresourcedefinitions",
                                                              "namespaces", "services", "mutatingwebhookconfigurations")),
               ("role", "kcm-system", "daemonsets"),
               ("role", "kcm-system", "backups"), ("role", "kcm-system", "backupstoragelocations"),
               ("role", "kcm-system", "schedules"), ("role", "kcm-system", "configmaps"),
               ("role", "kcm-system", "secrets")]
    for kind, namespace, resource in removed:
        back = setup.without(kind, namespace, resource)
        setup.restart()
        try:
            line = wait_until(f"{resource} to be named", lambda r=resource: [
                line for line in setup.readiness().splitlines() if "forbidden" in line and r in line], 10)
        finally:
            back()
        # Deployments are asked for twice: Velero's anywhere, and kcm's.
        assert len(line) == 1 + (resource in ("deployments", "customresourcedefinitions")) and "system:serviceaccount:backstop-system:backstop" in line[0], line
    # The last of them is given back: it recovers by itself.
    wait_until("recovery", lambda: "forbidden" not in setup.readiness(), 40)
    setup.replicas[0].wait_ready()


def case_location_unreadable(setup):
    """without storage locations a ManagementBackup is admitted with a warning that nothing was checked"""
    back = setup.without("role", "kcm-system", "backupstoragelocations")
    setup.restart()
    try:
        setup.replicas[0].wait_ready()  # only the gate's facts are needed to serve
        answer = setup.cluster.kubectl("create", "-f", "-", "--dry-run=server",
                                       stdin=managementbackup("unchecked", schedule="@daily", storageLocation="x"))
    finally:
        back()
    accepted(answer, "Warning:", "storageLocation")


def case_deletions_unseen(setup):
    """without list on deletebackuprequests a deletion says that it does not know what else is to go"""
    for name in ("kept-1", "kept-2"):
        completed_backup(setup.cluster, name)
    request = {"apiVersion": "velero.io/v1", "kind": "DeleteBackupRequest",
               "metadata": {"generateName": "delete-", "namespace": "kcm-system"}, "spec": {"backupName": "kept-1"}}

    def ask():
        return setup.cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=request)

    wait_until("the backups to be known", lambda: ask().code == 0)
    assert "about to be deleted" not in ask().text, ask()
    back = setup.without("role", "kcm-system", "deletebackuprequests")
    try:
        wait_until("the warning", lambda: "not checked whether other backups are about to be deleted" in ask().text, 10)
    finally:
        back()


def used_permissions(log):
    used = set()
    for line in open(log):
        event = json.loads(line)
        reference = event.get("objectRef", {})
        if event["responseStatus"].get("code", 0) != 403 and reference:
            used.add((event["verb"], reference.get("apiGroup", ""), reference["resource"],
                      reference.get("namespace", "")))
    return used


def case_nothing_beside(setup):
    """every permission granted is used (the API server's audit log), but for those of --tls-managed"""
    wait_until("a series of Events", lambda: any(e.get("series") for e in setup.cluster.items(
        "events.events.k8s.io", "-n", "default")) or setup.cluster.kubectl(*upgrade_command("kcm-9")).code != 1, 20, 1)
    setup.cluster.must("apply", "-f", "-", stdin=SERVER_STATUS_CRD)
    setup.cluster.must("wait", "--for=condition=Established", "crd/serverstatusrequests.velero.io")
    setup.cluster.must("set", "image", "deployment/velero", "-n", "kcm-system", "velero=velero@sha256:" + "a" * 64)
    wait_until("Velero to be asked", lambda: answer_server_status(setup.cluster, "v1.18.2"), 30)
    # What a new management backup records of the cluster.
    setup.cluster.must("create", "--dry-run=server", "-f", "-", stdin={
        "apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"name": "recorded", "namespace": "kcm-system"},
        "spec": {"storageLocation": "aws-s3", "includedNamespaces": ["*"], "excludedResources": ["clusters.cluster.x-k8s.io"],
                 "orLabelSelectors": [{"matchLabels": {"k0rdent.mirantis.com/component": "kcm"}}]}})
    time.sleep(2)
    used = used_permissions(setup.audit_log)
    unused = []
    for kind, namespace in (("clusterrole", ""), ("role", "kcm-system")):
        for rule in setup.role(kind, namespace=namespace or None)["rules"]:
            if rule["apiGroups"] == ["admissionregistration.k8s.io"]:
                continue
            unused += [f"{verb} {resource}" for resource in rule["resources"] for verb in rule["verbs"]
                       if not any(u[0] == verb and u[1] in rule["apiGroups"] and u[2] == resource and
                                  (not namespace or u[3] == namespace) for u in used)]
    assert not unused, unused


def case_cannot(setup):
    """it can read no Secret's data, nor anything outside of its business"""
    cannot = [("get", "secrets", "kcm-system"), ("list", "secrets", "default"), ("delete", "managementbackups", None),
              ("patch", "managements", None), ("update", "managementbackups", None), ("list", "pods", "kcm-system"),
              ("delete", "backups.velero.io", "kcm-system"), ("create", "restores.velero.io", "kcm-system"),
              ("delete", "validatingwebhookconfigurations", None), ("create", "clusterrolebindings", None),
              ("create", "leases", "kcm-system"), ("patch", "leases/another", "kcm-system"),
              ("create", "configmaps", "kcm-system"), ("update", "configmaps", "kcm-system")]
    setup.cluster.must("apply", "-f", f"{ROOT}/manifests/install.yaml")  # without any setting that needs more
    for verb, resource, namespace in cannot:
        answer = setup.cluster.kubectl("auth", "can-i", verb, resource, *(["-n", namespace] if namespace else []),
                                       user="backstop-token")
        assert answer.out.strip() == "no", (verb, resource, answer)
