"""Where the facts come from: the cluster, and what happens to it."""
import json
import os
import re
import signal
import time

import webhook
from control_plane import wait_until
from standin import (SERVER_STATUS_CRD, StandIn, answer_server_status, server_status_requests, set_management_release)
from webhook import managementbackup

FACTS = ["managementbackups.k0rdent.mirantis.com", "managements.k0rdent.mirantis.com",
         "releases.k0rdent.mirantis.com", "backupstoragelocations.velero.io", "backups.velero.io",
         "deletebackuprequests.velero.io", "schedules.velero.io", "volumesnapshotlocations.velero.io", "configmaps",
         "secrets", "deployments.apps",
         "clusterdeployments.k0rdent.mirantis.com", "clustertemplates.k0rdent.mirantis.com",
         "credentials.k0rdent.mirantis.com", "regions.k0rdent.mirantis.com",
         "customresourcedefinitions.apiextensions.k8s.io", "daemonsets.apps", "deployments.apps of kcm", "namespaces",
         "customresourcedefinitions.apiextensions.k8s.io by name and version", "services",
         "mutatingwebhookconfigurations.admissionregistration.k8s.io",
         "validatingwebhookconfigurations.admissionregistration.k8s.io"]
BUILT_IN = [name for name in FACTS if not re.search(r"(k0rdent\.mirantis\.com|velero\.io)$", name)]


class Setup:
    """A replica on a cluster without CRDs; the first case installs them."""

    def __init__(self, cluster, binary):
        self.cluster, self.binary = cluster, binary
        webhook.apply_manifests(cluster)
        for account in ("kcm-controller-manager", "velero-server"):  # for the stand-in
            cluster.must("create", "clusterrolebinding", account, "--clusterrole=cluster-admin",
                         f"--serviceaccount=kcm-system:{account}")
        self.certificate = webhook.issue_certificate(f"{cluster.dir}/certificate")
        webhook.set_ca_bundle(cluster, f"{self.certificate}/ca.crt")
        self.replicas = []
        self.main = self.replica(0, env={"BACKSTOP_STATUS_PAGE": "true"})

    def replica(self, index, **more):
        tls = ("--tls-cert", f"{self.certificate}/tls.crt", "--tls-key", f"{self.certificate}/tls.key")
        replica = webhook.Replica(self.cluster, self.binary, index, extra=tls, **more)
        self.replicas.append(replica)
        return replica

    def close(self):
        for replica in self.replicas:
            replica.stop()


def facts_of(replica):
    """{resource: (synced, what is said)} of /readyz?verbose."""
    _, text = replica.health_get("/readyz?verbose")
    return {m[2]: (m[1] == "+", m[3]) for m in re.finditer(r"^    \[([+-])\]([^:\n]+): (.*)$", text, re.M)}


def lists_of(replica, resource):
    _, text = replica.health_get("/metrics")
    found = re.search(rf'^backstop_facts_lists_total{{resource="{resource}"}} (\d+)', text, re.M)
    return int(found[1]) if found else 0


def location(name, **spec):
    return {"apiVersion": "velero.io/v1", "kind": "BackupStorageLocation",
            "metadata": {"name": name, "namespace": "kcm-system"},
            "spec": {"provider": "aws", "objectStorage": {"bucket": "k0rdent"}, **spec}}


def add_location(cluster, name, phase="Available"):
    cluster.must("apply", "-f", "-", stdin=location(name))
    cluster.must("patch", "bsl", name, "-n", "kcm-system", "--type=merge", "-p",
                 json.dumps({"status": {"phase": phase}}))


def add_velero(cluster, image="velero:v1.18.2"):
    """A Deployment that says of itself that it runs."""
    labels = {"component": "velero"}
    cluster.must("apply", "-f", "-", stdin={
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "velero", "namespace": "kcm-system", "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels}, "spec": {
                "serviceAccountName": "velero-server", "containers": [{"name": "velero", "image": image}],
                "initContainers": [{"name": "aws", "image": "velero-plugin-for-aws"}]}}}})
    cluster.must("patch", "deployment", "velero", "-n", "kcm-system", "--subresource=status", "-p",
                 '{"status":{"replicas":1,"readyReplicas":1}}')


def judge(cluster, name, where):
    """What the webhook says of a ManagementBackup that names a storage location."""
    return cluster.kubectl("create", "--dry-run=server", "-f", "-",
                           stdin=managementbackup(name, schedule="0 */6 * * *", storageLocation=where))


def wait_follows(cluster, name):
    """Facts that are made now reach the webhook."""
    add_location(cluster, name)
    wait_until(f"{name} to be known", lambda: judge(cluster, "probe", name).code == 0, 40)
    cluster.must("delete", "bsl", name, "-n", "kcm-system")
    wait_until(f"{name} to be gone", lambda: f'no BackupStorageLocation "{name}"' in judge(
        cluster, "probe", name).text, 40)


def set_management(cluster, release, running):
    cluster.must("apply", "-f", "-", stdin={"apiVersion": "k0rdent.mirantis.com/v1beta1", "kind": "Management",
                                            "metadata": {"name": "kcm"}, "spec": {"release": release}})
    set_management_release(cluster, running)


def add_release(cluster, version):
    name = "kcm-" + version.replace(".", "-")
    cluster.must("apply", "-f", "-", stdin={
        "apiVersion": "k0rdent.mirantis.com/v1beta1", "kind": "Release", "metadata": {"name": name},
        "spec": {"version": version, "kcm": {"template": f"kcm-{version}"}, "capi": {"template": "capi"},
                 "regional": {"template": "regional"}, "providers": []}})
    cluster.must("patch", "release", name, "--type=merge", "--subresource=status", "-p", '{"status":{"ready":true}}')
    return name


def upgrade(cluster, release, **more):
    return cluster.kubectl("patch", "management", "kcm", "--type=merge", "-p",
                           json.dumps({"spec": {"release": release}}), **more)


def case_started_before_crds(s):
    """started before the CRDs: ready, names what it waits for, and follows once they are there"""
    s.main.start()
    facts = facts_of(s.main)
    assert sorted(facts) == sorted(FACTS), facts
    for name, (synced, said) in facts.items():
        assert synced == (name in BUILT_IN), (name, synced, said)
        assert synced or "CRD is not installed" in said, (name, said)
    webhook.apply_crds(s.cluster)
    wait_until("all facts", lambda: all(synced for synced, _ in facts_of(s.main).values()), 20)
    webhook.wait_in_force(s.cluster)
    wait_follows(s.cluster, "first")


def backup_crd(cluster, queued):
    """The CRD of Velero's Backups with the phases of 1.18, or with those of 1.17."""
    crd = json.loads(cluster.must("get", "crd", "backups.velero.io", "-o", "json").text)
    version = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    phases = version["properties"]["status"]["properties"]["phase"]["enum"]
    wanted = [p for p in phases if p not in ("Queued", "ReadyToStart")] + (["Queued", "ReadyToStart"] if queued else [])
    cluster.must("patch", "crd", "backups.velero.io", "--type=json", "-p", json.dumps([{
        "op": "replace", "value": wanted,
        "path": "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/phase/enum"}]))


def case_crd_older_than_velero(s):
    """the CRD of Backups becomes one of 1.17 under Velero 1.18: said of every ManagementBackup, until it is repaired"""
    words = "no backup starts: Velero 1.18.2 first sets phase Queued, which the older CRD backups.velero.io refuses"
    add_velero(s.cluster)
    add_location(s.cluster, "crd")
    wait_until("the location", lambda: judge(s.cluster, "nightly", "crd").code == 0, 20)
    assert words not in judge(s.cluster, "nightly", "crd").text
    backup_crd(s.cluster, queued=False)
    try:
        wait_until("the warning", lambda: words in judge(s.cluster, "nightly", "crd").text, 20)
        assert judge(s.cluster, "nightly", "crd").code == 0
    finally:
        backup_crd(s.cluster, queued=True)
    wait_until("no warning", lambda: words not in judge(s.cluster, "nightly", "crd").text, 20)
    s.cluster.must("delete", "deployment", "velero", "-n", "kcm-system")
    s.cluster.must("delete", "bsl", "crd", "-n", "kcm-system")


def case_credential_missing(s):
    """a ManagementBackup is warned of as long as kcm cannot find the Credential of one ClusterDeployment, and so is an Event"""
    add_location(s.cluster, "held")

    def said():
        return s.cluster.kubectl("create", "--dry-run=server", "-f", "-",
                                 stdin=managementbackup("held", schedule="@daily", storageLocation="held")).text
    words = 'kcm starts no backup at all while Credential "kcm-system/gone" of ClusterDeployment "kcm-system/prod-1" does not'

    def thing(kind, name, **spec):
        return {"apiVersion": "k0rdent.mirantis.com/v1beta1", "kind": kind,
                "metadata": {"name": name, "namespace": "kcm-system"}, "spec": spec}
    credential = {"identityRef": {"apiVersion": "v1", "kind": "Secret", "namespace": "kcm-system", "name": "aws"}}
    wait_until("the location", lambda: "held" in said() and "Not found" not in said())
    assert "kcm starts no" not in said(), said()
    s.cluster.must("apply", "-f", "-", stdin=thing("ClusterTemplate", "aws-1-0-0", helm={"chartSpec": {
        "chart": "aws", "version": "1.0.0", "interval": "10m0s", "sourceRef": {"kind": "HelmRepository", "name": "templates"}}}))
    s.cluster.must("apply", "-f", "-",
                   stdin=thing("ClusterDeployment", "prod-1", template="aws-1-0-0", credential="gone"))
    wait_until("the warning", lambda: words in said(), 20)
    answer = s.cluster.kubectl("create", "-f", "-",
                               stdin=managementbackup("held", schedule="@daily", storageLocation="held"))
    assert answer.code == 0 and words in answer.text, answer
    event = wait_until("the Event", lambda: [
        e for e in s.cluster.items("events.events.k8s.io", "-n", "default")
        if e["regarding"]["name"] == "held" and e["reason"] == "ReviewWarning"], 20)[0]
    assert words in event["note"] and event["type"] == "Warning", event
    assert event["regarding"]["uid"] == s.cluster.get("managementbackup", "held")["metadata"]["uid"], event
    s.cluster.must("apply", "-f", "-", stdin=thing("Credential", "gone", **credential))
    wait_until("no warning", lambda: "kcm starts no" not in said(), 20)
    for kind, name in (("clusterdeployment", "prod-1"), ("credential", "gone"), ("clustertemplate", "aws-1-0-0")):
        s.cluster.must("delete", kind, name, "-n", "kcm-system", "--wait=false")
    s.cluster.must("delete", "managementbackup", "held")


def case_node_agent(s):
    """a Backup of volumes is warned of as long as there is no DaemonSet node-agent"""
    labels = {"name": "node-agent"}
    backup = {"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"name": "volumes", "namespace": "kcm-system"},
              "spec": {"storageLocation": "agent", "defaultVolumesToFsBackup": True}}

    def said():
        return s.cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=backup).text
    add_location(s.cluster, "agent")
    wait_until("the warning", lambda: "there is no DaemonSet node-agent in kcm-system" in said(), 20)
    s.cluster.must("apply", "-f", "-", stdin={
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "node-agent", "namespace": "kcm-system"},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {
            "containers": [{"name": "node-agent", "image": "velero/velero:v1.18.2"}]}}}})
    wait_until("no warning", lambda: "node agent" not in said(), 20)
    s.cluster.must("delete", "daemonset", "node-agent", "-n", "kcm-system")
    s.cluster.must("delete", "bsl", "agent", "-n", "kcm-system")


def case_account_of_kcm(s):
    """the account that kcm's Deployment runs as is kcm's, whatever it is called: warned, not denied"""
    account = ["--as=system:serviceaccount:kcm-system:our-kcm", "--as-group=system:serviceaccounts"]
    labels = {"control-plane": "our-controller-manager", "k0rdent.mirantis.com/component": "kcm"}
    s.cluster.must("create", "clusterrolebinding", "our-kcm", "--clusterrole=cluster-admin",
                   "--serviceaccount=kcm-system:our-kcm")

    def written():
        return s.cluster.kubectl("create", "--dry-run=server", "-f", "-", *account,
                                 stdin=managementbackup("by-kcm", storageLocation="nowhere"))
    assert written().code != 0
    s.cluster.must("apply", "-f", "-", stdin={
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "our-controller-manager", "namespace": "kcm-system", "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {
            "serviceAccountName": "our-kcm", "containers": [{"name": "manager", "image": "kcm/controller:1.12.0"}]}}}})
    wait_until("the account to be known", lambda: written().code == 0, 20)
    assert 'no BackupStorageLocation "nowhere"' in written().text, written().text
    s.cluster.must("delete", "deployment", "our-controller-manager", "-n", "kcm-system")
    wait_until("the account to be nobody's", lambda: written().code != 0, 20)


def case_version_by_digest(s):
    """an image without a tag: Velero is asked for its version, once, and again when the image changes; a tag ends it"""
    def versions():
        return re.search(r"\[\+\]versions ok: (.*)", s.main.health_get("/readyz?verbose")[1])[1]

    def asked(digit, version):
        add_velero(s.cluster, "registry.example.com:5000/velero@sha256:" + digit * 64)
        wait_until("the question", lambda: answer_server_status(s.cluster, version), 30)
        wait_until("the version", lambda: version.lstrip("v") in versions(), 10)
    s.cluster.must("apply", "-f", "-", stdin=SERVER_STATUS_CRD)
    s.cluster.must("wait", "--for=condition=Established", "crd/serverstatusrequests.velero.io")
    asked("a", "v1.18.3")
    assert "Velero 1.18.3 (answer of the server of Deployment kcm-system/velero)" in versions()
    time.sleep(7)
    assert len(server_status_requests(s.cluster)) == 1  # Velero deletes it; nobody asks twice
    asked("b", "v1.17.2")
    add_velero(s.cluster)
    wait_until("the tag", lambda: "Velero 1.18.2 (image of" in versions(), 10)
    time.sleep(4)
    assert len(server_status_requests(s.cluster)) == 2
    log = open(s.main.log).read()
    for words in ("1.18.3 (answer", "1.17.2 (answer", "1.18.2 (image"):
        assert any("versions detected" in line and words in line for line in log.splitlines()), words
    s.cluster.must("delete", "deployment", "velero", "-n", "kcm-system")
    s.cluster.must("delete", "crd", "serverstatusrequests.velero.io")


def case_version_not_answered(s):
    """a Velero that does not answer is of unknown version, and /readyz?verbose says who was asked"""
    s.cluster.must("apply", "-f", "-", stdin=SERVER_STATUS_CRD)
    s.cluster.must("wait", "--for=condition=Established", "crd/serverstatusrequests.velero.io")
    add_velero(s.cluster, "velero@sha256:" + "c" * 64)
    said = wait_until("the reason", lambda: [text for name, (synced, text) in facts_of(s.main).items()
                                             if name == "serverstatusrequests.velero.io" and not synced], 40)
    assert "Velero has not answered ServerStatusRequest backstop-" in said[0], said
    assert "Velero of unknown version" in s.main.health_get("/readyz?verbose")[1]
    s.cluster.must("delete", "deployment", "velero", "-n", "kcm-system")
    s.cluster.must("delete", "crd", "serverstatusrequests.velero.io")
    wait_until("the question to be forgotten", lambda: "serverstatusrequests.velero.io" not in facts_of(s.main), 20)


def case_one_apply(s):
    """a storage location and what names it, in one kubectl apply"""
    for i in range(5):
        answer = s.cluster.kubectl("apply", "-f", "-", stdin=[
            location(f"together-{i}"), managementbackup(f"together-{i}", schedule="0 3 * * *",
                                                        storageLocation=f"together-{i}")])
        assert answer.code == 0 and "not validated by Velero yet" in answer.text, answer
    s.cluster.must("delete", "managementbackup", *[f"together-{i}" for i in range(5)])


def case_upgrade(s):
    """an upgrade waits for the backup that the webhook starts, then goes through"""
    add_velero(s.cluster)
    add_location(s.cluster, "aws-s3")
    s.cluster.must("apply", "-f", "-", stdin=managementbackup(
        "daily", schedule="0 3 * * *", storageLocation="aws-s3", performOnManagementUpgrade=True))
    old, new = add_release(s.cluster, "1.11.0"), add_release(s.cluster, "1.12.0")
    set_management(s.cluster, old, old)
    refused = s.cluster.request("PATCH", "/apis/k0rdent.mirantis.com/v1beta1/managements/kcm",
                                {"spec": {"release": new}}, content_type="application/merge-patch+json")
    assert refused[0] == 429 and "daily-kcm-1-11-0" in refused[1]["message"], refused
    with StandIn(s.cluster, seconds=1.0):
        answer = upgrade(s.cluster, new)
    assert answer.code == 0, answer
    assert s.cluster.get("management", "kcm")["spec"]["release"] == new


def case_status_page(s):
    """the status page has what the cluster holds, and what this replica decided, without names of people"""
    def decided():
        answer = s.cluster.kubectl("apply", "-f", "-", stdin=managementbackup("paged", schedule="0 9 * * 7"))
        assert answer.code != 0, answer
        time.sleep(2.1)  # a page serves everybody for two seconds
        return "CREATE ManagementBackup <bdi>paged</bdi>" in s.main.health_get("/")[1]
    wait_until("the page to tell of a denial", decided, 30)
    code, page = s.main.health_get("/")
    versions = s.main.health_get("/readyz?verbose")[1]
    for found in ("Velero 1.18.2 (image of Deployment kcm-system/velero)", "k0rdent 1.11.0 (Management and Release)"):
        assert found in page and found in versions, (found, versions)
    for part in ("from <bdi>https://", "day-of-week 7 is out of range", "The next 14 days",
                 '<tspan class="row-name">daily</tspan>', "managementbackups.k0rdent.mirantis.com", "synced"):
        assert part in page, part
    assert code == 200 and "kubernetes-admin" not in page and "<script" not in page, code


def case_api_server_restarted(s):
    """the API server is killed and restarted: facts stay, then follow again"""
    s.cluster.api.stop(signal.SIGKILL)
    wait_until("it to be noticed", lambda: not all(synced for synced, _ in facts_of(s.main).values()), 20)
    synced, said = facts_of(s.main)["managementbackups.k0rdent.mirantis.com"]
    assert not synced and "stale since 20" in said, said
    assert s.main.health_get("/readyz")[0] == 200
    s.cluster.api.start()
    s.cluster.wait_ready()
    try:
        wait_until("all facts", lambda: all(synced for synced, _ in facts_of(s.main).values()), 45)
    except AssertionError as late:
        raise AssertionError(f"{late}: {[row for row in facts_of(s.main).items() if not row[1][0]]}") from None
    wait_follows(s.cluster, "restarted")


def case_etcd_stopped(s):
    """etcd stops for some seconds"""
    s.cluster.etcd.handle.send_signal(signal.SIGSTOP)
    time.sleep(6)
    assert s.main.health_get("/readyz")[0] == 200
    s.cluster.etcd.handle.send_signal(signal.SIGCONT)
    s.cluster.wait_ready()
    wait_follows(s.cluster, "etcd")


def compact(cluster):
    """Forgets all history in etcd, through its HTTP gateway."""
    import urllib.request
    url = next(a for a in cluster.etcd.command if a.startswith("http://"))

    def post(path, body):
        request = urllib.request.Request(url + path, data=json.dumps(body).encode(), method="POST")
        return json.loads(urllib.request.urlopen(request, timeout=10).read())
    revision = post("/v3/kv/range", {"key": "AA=="})["header"]["revision"]
    post("/v3/kv/compaction", {"revision": revision, "physical": True})


def case_gone(s):
    """410 Gone: what it saw last is forgotten by the server, so it lists anew"""
    add_location(s.cluster, "deleted-unseen")
    wait_until("it to be known", lambda: judge(s.cluster, "probe", "deleted-unseen").code == 0, 20)
    before = lists_of(s.main, "backupstoragelocations.velero.io")
    s.main.hang()
    try:
        s.cluster.restart_api()  # ends its watches while it cannot see it
        s.cluster.must("delete", "bsl", "deleted-unseen", "-n", "kcm-system")
        add_location(s.cluster, "made-unseen")
        s.cluster.api.stop(signal.SIGKILL)
        compact(s.cluster)
        s.cluster.api.start()
        s.cluster.wait_ready()  # and this one's own history begins after what was seen
    finally:
        s.main.process.handle.send_signal(signal.SIGCONT)
    wait_until("the deletion to be known", lambda: 'no BackupStorageLocation "deleted-unseen"' in judge(
        s.cluster, "probe", "deleted-unseen").text, 45)
    wait_until("the creation to be known", lambda: judge(s.cluster, "probe", "made-unseen").code == 0, 45)
    assert lists_of(s.main, "backupstoragelocations.velero.io") > before


def case_crd_deleted(s):
    """a CRD is deleted and comes back: unknown in between, not wrong"""
    crd = s.cluster.get("crd", "backupstoragelocations.velero.io")
    for key in ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"):
        crd["metadata"].pop(key, None)
    crd.pop("status", None)
    s.cluster.must("delete", "crd", "backupstoragelocations.velero.io")
    wait_until("it to be missed", lambda: "CRD is not installed" in facts_of(s.main)[
        "backupstoragelocations.velero.io"][1], 20)
    answer = judge(s.cluster, "probe", "made-unseen")
    assert answer.code == 0 and "Warning" in answer.text, answer
    s.cluster.must("create", "-f", "-", stdin=crd)
    s.cluster.must("wait", "--for=condition=Established", "--timeout=30s", "crd", "backupstoragelocations.velero.io")
    wait_until("it to be followed", lambda: facts_of(s.main)["backupstoragelocations.velero.io"][0], 20)
    add_location(s.cluster, "aws-s3")
    wait_follows(s.cluster, "again")


def rotating_token(cluster, number):
    """A real ServiceAccount token that lives as long as its Secret."""
    name = f"token-{number}"
    cluster.must("create", "secret", "generic", name, "-n", "backstop-system")
    token = cluster.must("create", "token", "backstop", "-n", "backstop-system", "--bound-object-kind=Secret",
                         f"--bound-object-name={name}").out.strip()
    return name, token


def write_token(path, token):
    with open(path + ".new", "w") as f:
        f.write(token + "\n")
    os.rename(path + ".new", path)


def case_token_rotated(s):
    """the token file is rotated: a refused token is read anew, and said"""
    path = f"{s.cluster.dir}/rotating.token"
    with open(s.cluster.kubeconfig("backstop-token", "rotating")) as f:
        config = json.load(f)
    config["users"][0]["user"] = {"tokenFile": "rotating.token"}
    with open(f"{s.cluster.dir}/rotating.kubeconfig", "w") as f:
        json.dump(config, f)
    write_token(path, "mistyped")
    replica = s.replica(1, kubeconfig=f"{s.cluster.dir}/rotating.kubeconfig")
    replica.process.start()
    wait_until("the refusal", lambda: "Unauthorized" in replica.health_get("/readyz?verbose")[1], 20)
    assert replica.health_get("/readyz")[0] == 503
    secret, token = rotating_token(s.cluster, 1)
    write_token(path, token)
    replica.wait_ready(60)
    s.cluster.must("delete", "secret", secret, "-n", "backstop-system")
    _, token = rotating_token(s.cluster, 2)
    write_token(path, token)
    s.cluster.restart_api()  # ends the watches of the old token
    wait_until("all facts", lambda: all(synced for synced, _ in facts_of(replica).values()), 60)
    replica.stop()


def case_permission_removed(s):
    """a permission is taken away: the gate says which, and a new replica is not ready"""
    old, new = "kcm-1-12-0", add_release(s.cluster, "1.13.0")
    set_management(s.cluster, old, old)
    role = s.cluster.get("clusterrole", "backstop")
    rules = [dict(r, resources=[x for x in r["resources"] if x != "managementbackups"]) for r in role["rules"]]
    s.cluster.must("patch", "clusterrole", "backstop", "--type=merge", "-p",
                   json.dumps({"rules": [r for r in rules if r["resources"]]}))
    path = "/apis/k0rdent.mirantis.com/v1beta1/managements/kcm"

    def attempt():
        return s.cluster.request("PATCH", path, {"spec": {"release": new}}, content_type="application/merge-patch+json")
    refused = wait_until("the refusal", lambda: (lambda a: a if a[0] == 503 else None)(attempt()), 20)
    assert 'cannot list resource "managementbackups"' in refused[1]["message"], refused
    assert refused[1]["details"]["retryAfterSeconds"] > 0, refused
    fresh = s.replica(2)
    fresh.process.start()
    wait_until("the reason", lambda: 'cannot list resource "managementbackups"' in facts_of(fresh).get(
        "managementbackups.k0rdent.mirantis.com", (0, ""))[1], 20)
    assert fresh.health_get("/readyz")[0] == 503
    s.cluster.must("patch", "clusterrole", "backstop", "--type=merge", "-p", json.dumps({"rules": role["rules"]}))
    fresh.wait_ready(60)
    fresh.stop()
    wait_until("the gate to work again", lambda: attempt()[0] == 429, 20)


def case_secrets_not_allowed(s):
    """without the permission for Secrets it is ready, and says what it cannot see"""
    role = s.cluster.get("role", "backstop", "-n", "kcm-system")
    s.cluster.must("patch", "role", "backstop", "-n", "kcm-system", "--type=merge", "-p",
                   json.dumps({"rules": [r for r in role["rules"] if "secrets" not in r["resources"]]}))
    fresh = s.replica(3).start()
    synced, said = facts_of(fresh)["secrets"]
    assert not synced and "forbidden" in said, said
    fresh.stop()
    s.cluster.must("patch", "role", "backstop", "-n", "kcm-system", "--type=merge", "-p",
                   json.dumps({"rules": role["rules"]}))


def case_secrets_are_never_read(s):
    """no request of the webhook ever asked for the content of a Secret"""
    s.cluster.must("create", "secret", "generic", "cloud-credentials", "-n", "kcm-system", "--from-literal=cloud=hush")
    wait_until("it to be counted", lambda: facts_of(s.main)["secrets"][1].startswith("1 "), 20)
    with open(f"/proc/{s.main.process.handle.pid}/maps") as maps, \
            open(f"/proc/{s.main.process.handle.pid}/mem", "rb") as memory:
        needle = b"aHVzaA=="  # "hush" as the API server would send it
        for line in maps:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if found:
                begin, end = int(found[1], 16), int(found[2], 16)
                if end - begin > 1 << 28:
                    continue  # a sanitizer's shadow
                memory.seek(begin)
                assert needle not in memory.read(end - begin), line
