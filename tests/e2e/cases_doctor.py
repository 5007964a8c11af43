"""`backstop status` names why no backup runs: each cause provoked on the API server, and gone when it is mended."""
import contextlib
import json
import subprocess

import fixtures
import webhook
from control_plane import wait_until
from standin import create_backup, forget, now, set_backup_status, set_location_phase

KCM = "kcm-controller-manager"
SYSTEM = ("-n", "kcm-system")


def kcm_deployment():
    labels = {"k0rdent.mirantis.com/component": "kcm", "control-plane": KCM}
    return {"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": KCM, "namespace": "kcm-system", "labels": labels},
            "spec": {"selector": {"matchLabels": labels},
                     "template": {"metadata": {"labels": labels},
                                  "spec": {"containers": [{"name": "manager", "image": "ghcr.io/k0rdent/kcm/controller:1.12.0"}]}}}}


def preserving_crd(plural, kind):
    """A CRD as good as k0rdent's own, where the tests' small ones are all there is."""
    group = "k0rdent.mirantis.com"
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}"},
            "spec": {"group": group, "scope": "Namespaced",
                     "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"},
                     "versions": [{"name": "v1beta1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                         "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]}}


class Setup:
    """A cluster on which all is well, without the webhook: mistakes are made as they were before it."""

    def __init__(self, cluster, binary):
        self.cluster, self.binary = cluster, binary
        webhook.apply_crds(cluster)
        fixtures.grant(cluster)
        cluster.must("create", "namespace", "kcm-system")
        fixtures.apply_world(cluster)
        cluster.must("apply", "-f", "-", stdin=kcm_deployment())
        fixtures.set_velero_ready(cluster, KCM)
        self.settings = fixtures.settings_file(cluster.dir, kcm={"version": "1.12.0"})
        # A source of backups that kcm has just served.
        create_backup(cluster, "kcm-backup-1", labels={"k0rdent.mirantis.com/management-backup": "kcm-backup"})
        set_backup_status(cluster, "kcm-backup-1", "Completed", now(), expiration=now(30 * 86400),
                          progress={"itemsBackedUp": 980, "totalItems": 980})

    def close(self):
        pass

    def run(self, *more, user="admin-token", ahead=0):
        """`backstop status` as JSON, as it would be so many seconds from now; its exit code."""
        words = [self.binary, "status", "--settings", self.settings,
                 "--kubeconfig", f"{self.cluster.dir}/{user}.kubeconfig", *more]
        if ahead:
            words += ["--now", now(ahead)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout, done.stderr

    def causes(self, ahead=0, user="admin-token"):
        """The names of the causes, deepest first, and the findings by them. The text says the same."""
        code, out, err = self.run("-o", "json", ahead=ahead, user=user)
        assert out, err
        status = json.loads(out)
        found = status["blockers"] + status["warnings"]
        _, text, _ = self.run("--width", "0", ahead=ahead, user=user)
        plain = " ".join(text.split())
        for finding in found:
            assert f"- {finding['object']}: {finding['message'].split()[0]} " in plain, (finding, text)
        return [f["cause"] for f in found], {f["cause"]: f for f in reversed(found)}, status

    def expect(self, cause, *texts, blocks=(), ahead=0, gone=(), consequences=()):
        """The deepest cause is this one: it says these texts, blocks that, and none of `gone` is reported beside it."""
        names, by_name, status = self.causes(ahead)
        assert cause in by_name, (cause, status["blockers"], status["warnings"])
        finding = by_name[cause]
        assert sorted(finding["blocks"]) == sorted(blocks), finding
        said = f"{finding['object']}: {finding['message']} {finding['wayOut']}"
        for text in texts:
            assert text in said, (text, said)
        if blocks:
            assert names[0] == cause, names
        for name in gone:
            assert name not in names, (name, names)
        explained = [f["cause"] for f in status["consequences"]]
        for name in consequences:
            assert name in explained, (name, explained, names)
        return finding

    def expect_none(self, *causes, ahead=0):
        names, _, status = self.causes(ahead)
        for cause in causes:
            assert cause not in names, (cause, status["blockers"], status["warnings"])

    @contextlib.contextmanager
    def changed(self, kind, name, patch, namespace="kcm-system"):
        """A merge patch that is taken back afterwards, by replacing the spec."""
        where = ("-n", namespace) if namespace else ()
        before = self.cluster.get(kind, name, *where)
        self.cluster.must("patch", kind, name, *where, "--type=merge", "-p", json.dumps(patch))
        try:
            yield
        finally:
            there = self.cluster.get(kind, name, *where)
            self.cluster.must("replace", "-f", "-", stdin={**there, "spec": before["spec"]})


def case_well(setup):
    """where all is well no cause is named"""
    names, _, status = setup.causes()
    assert not status["blockers"] and not status["consequences"], (status["blockers"], status["consequences"])
    assert not {"crds-older-than-velero", "plugin-missing", "kcm-not-ready", "backup-stuck"} & set(names), names


def case_velero_down(setup):
    """Velero without a ready replica, scaled down, and removed; a location that nobody validates is its consequence"""
    cluster = setup.cluster
    cluster.must("apply", "-f", "-", stdin=fixtures.location("new"))
    setup.expect("location-not-validated", "new")
    fixtures.set_velero_ready(cluster, replicas=0)
    every = ("upgrade", "restore", "backup")
    setup.expect("velero-not-ready", "deployment/velero", "status.readyReplicas", "kubectl describe deployment", blocks=every,
                 gone=["location-not-validated"], consequences=["location-not-validated"])
    with setup.changed("deployment", "velero", {"spec": {"replicas": 0}}):
        fix = setup.expect("velero-not-ready", "spec.replicas: 0", blocks=every)["wayOut"]
        cluster.must(*fix.split()[1:])  # the command works as it is printed
        assert cluster.get("deployment", "velero", *SYSTEM)["spec"]["replicas"] == 1
    saved = cluster.get("deployment", "velero", *SYSTEM)
    cluster.must("delete", "deployment", "velero", *SYSTEM)
    setup.expect("velero-not-installed", "component=velero", '"enabled":true', blocks=every)
    cluster.must("create", "namespace", "velero")
    elsewhere = fixtures.velero_deployment()
    elsewhere["metadata"]["namespace"] = "velero"
    cluster.must("apply", "-f", "-", stdin=elsewhere)
    code, answer = cluster.request("PATCH", "/apis/apps/v1/namespaces/velero/deployments/velero/status",
                                   {"status": {"replicas": 1, "readyReplicas": 1}},
                                   content_type="application/merge-patch+json")
    assert code == 200, answer
    setup.expect("velero-wrong-namespace", 'namespace "velero"', "kcm-system", blocks=every)
    cluster.must("delete", "namespace", "velero", "--wait=false")
    cluster.must("delete", "deployment", "velero", "-n", "velero", "--ignore-not-found")
    saved["metadata"] = {key: saved["metadata"][key] for key in ("name", "namespace", "labels")}
    cluster.must("create", "-f", "-", stdin=saved)
    fixtures.set_velero_ready(cluster)
    cluster.must("delete", "backupstoragelocation", "new", *SYSTEM)
    setup.expect_none("velero-not-installed", "velero-not-ready", "velero-wrong-namespace", "location-not-validated")


def set_phases(cluster, phases):
    """The schema of Backups admits these phases, or any."""
    crd = cluster.get("crd", "backups.velero.io")
    for version in crd["spec"]["versions"]:
        status = version["schema"]["openAPIV3Schema"].setdefault("properties", {}).setdefault("status", {"type": "object"})
        if "properties" not in status:
            status["x-kubernetes-preserve-unknown-fields"] = True
        phase = status.setdefault("properties", {}).setdefault("phase", {"type": "string"})
        phase.pop("enum", None)
        if phases:
            phase["enum"] = phases
    cluster.must("replace", "-f", "-", stdin=crd)


def put_phase(cluster, name, phase):
    return cluster.request("PATCH", f"/apis/velero.io/v1/namespaces/kcm-system/backups/{name}",
                           {"status": {"phase": phase}}, "velero-token", "application/merge-patch+json")[0]


def case_old_crds(setup):
    """Velero 1.18 on the CRD of 1.17: its first phase gets 422, no backup starts, and status says so"""
    cluster = setup.cluster
    old = ["New", "FailedValidation", "InProgress", "WaitingForPluginOperations",
           "WaitingForPluginOperationsPartiallyFailed", "Finalizing", "FinalizingPartiallyFailed", "Completed",
           "PartiallyFailed", "Failed", "Deleting"]
    create_backup(cluster, "waits")
    set_phases(cluster, old)
    wait_until("the API server to refuse Queued", lambda: put_phase(cluster, "waits", "Queued") == 422)
    setup.expect("crds-older-than-velero", "Velero 1.18.2", "Queued", "1 Backup has not started", "velero install --crds-only",
                 blocks=["upgrade", "backup"])
    setup.expect("crds-older-than-velero", blocks=["upgrade", "backup"], ahead=3600, gone=["backup-not-started"],
                 consequences=["backup-not-started"])
    image = {"spec": {"template": {"spec": {"containers": [{"name": "velero", "image": "velero/velero:v1.17.2"}]}}}}
    with setup.changed("deployment", "velero", image):
        setup.expect_none("crds-older-than-velero")
    image["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.example.com/velero:main"
    with setup.changed("deployment", "velero", image):
        setup.expect("crds-older-than-velero", "not a release that backstop knows")  # a warning: only the version decides
    set_phases(cluster, [*old, "Queued", "ReadyToStart"])
    wait_until("the API server to admit Queued", lambda: put_phase(cluster, "waits", "Queued") == 200)
    setup.expect_none("crds-older-than-velero")
    forget(cluster, "backup", "waits")


def case_plugin(setup):
    """the plugin of the location's provider is gone from the Deployment, by hand or by an upgrade of k0rdent"""
    cluster = setup.cluster
    every = ("upgrade", "restore", "backup")
    try:
        plugin_lost(setup, every)
        setup.expect("location-unavailable", "aws-s3", blocks=["upgrade", "backup"], gone=["plugin-missing"])
    finally:
        set_location_phase(cluster, "aws-s3", "Available")
    setup.expect_none("location-unavailable")


def plugin_lost(setup, every):
    cluster = setup.cluster
    with setup.changed("deployment", "velero", {"spec": {"template": {"spec": {"initContainers": None}}}}):
        setup.expect_none("plugin-missing")  # as long as the location shows that it has it
        set_location_phase(cluster, "aws-s3", "Unavailable")
        fix = setup.expect("plugin-missing", "velero-plugin-for-aws", "aws-s3", "initContainers", blocks=every,
                           gone=["location-unavailable"])["wayOut"]
        patch = json.loads(fix.split(" -p '")[1].rstrip("'"))
        assert patch["spec"]["core"]["kcm"]["config"]["regional"]["velero"]["initContainers"], fix
        with setup.changed("management", "kcm", {"spec": {"core": {"kcm": {"config": {"velero": {
                "initContainers": []}}}}}}, namespace=None):
            fix = setup.expect("plugin-missing", "since 1.4", '"op":"move"', blocks=every)["wayOut"]
            steps = json.loads(fix.split(" -p '")[1].rstrip("'"))
            cluster.must("patch", "management", "kcm", "--type=json", "-p", json.dumps(steps))
            config = cluster.get("management", "kcm")["spec"]["core"]["kcm"]["config"]
            assert config["regional"]["velero"] == {"initContainers": []} and "velero" not in config, config


def case_node_agent(setup):
    """a Schedule moves data, and there is no node agent, or none that is ready"""
    cluster = setup.cluster
    schedule = {"apiVersion": "velero.io/v1", "kind": "Schedule", "metadata": {"name": "volumes", "namespace": "kcm-system"},
                "spec": {"schedule": "0 3 * * *", "template": {"storageLocation": "aws-s3", "snapshotMoveData": True}}}
    cluster.must("apply", "-f", "-", stdin=schedule)
    setup.expect("node-agent-missing", "schedule/volumes", "spec.template.snapshotMoveData", "deployNodeAgent")
    labels = {"name": "node-agent"}
    cluster.must("apply", "-f", "-", stdin={
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "node-agent", "namespace": "kcm-system"},
        "spec": {"selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "velero/velero:v1.18.2"}]}}}})
    path = "/apis/apps/v1/namespaces/kcm-system/daemonsets/node-agent/status"
    for ready in (0, 3):
        code, answer = cluster.request("PATCH", path, {"status": {
            "desiredNumberScheduled": 3, "currentNumberScheduled": 3, "numberMisscheduled": 0, "numberReady": ready}},
            content_type="application/merge-patch+json")
        assert code == 200, answer
        if ready:
            setup.expect_none("node-agent-missing")
        else:
            setup.expect("node-agent-missing", "daemonset/node-agent", "none of 3 nodes", "kubectl describe daemonset")
    cluster.must("delete", "daemonset", "node-agent", *SYSTEM)
    cluster.must("delete", "schedules.velero.io", "volumes", *SYSTEM)


def case_queue(setup):
    """a Backup hangs and those behind it stay Queued; then the queue alone is blocked; then nothing is taken up"""
    cluster = setup.cluster
    both = ["upgrade", "backup"]
    for name in ("hangs", "behind-1", "behind-2"):
        create_backup(cluster, name)
    set_backup_status(cluster, "hangs", "InProgress", startTimestamp=now(-1800))
    for name in ("behind-1", "behind-2"):
        assert put_phase(cluster, name, "Queued") == 200
    setup.expect("backup-stuck", "backup/hangs", "30m", "2 Backups wait", "kubectl rollout restart", "deployment/velero",
                 blocks=both)
    set_backup_status(cluster, "hangs", "InProgress", startTimestamp=now(-1800),
                      progress={"itemsBackedUp": 5, "totalItems": 980})
    setup.expect_none("backup-stuck", "queue-blocked", "backup-not-started")  # it works, and the others wait their turn
    setup.expect("backup-stuck", "5 of 980", blocks=both, ahead=5 * 3600)
    # As Velero does when it is restarted, without going on.
    set_backup_status(cluster, "hangs", "Failed", now())
    setup.expect_none("backup-stuck", "queue-blocked")
    setup.expect("queue-blocked", "backup/behind-", "2 of them Queued", blocks=both, ahead=900)
    for name in ("behind-1", "behind-2"):
        assert put_phase(cluster, name, "New") == 200
    setup.expect("backup-not-started", "phase New", "kubectl logs", blocks=both, ahead=900, gone=["queue-blocked"])
    forget(cluster, "backup", "hangs", "behind-1", "behind-2")
    setup.expect_none("backup-not-started", ahead=900)


def case_kcm(setup):
    """kcm is down: nothing starts a backup"""
    cluster = setup.cluster
    fixtures.set_velero_ready(cluster, KCM, 0)
    setup.expect("kcm-not-ready", f"deployment/{KCM}", blocks=["upgrade", "backup"], ahead=86400, gone=["run-missed"],
                 consequences=["run-missed"])
    fixtures.set_velero_ready(cluster, KCM)
    setup.expect("run-missed", "kcm-backup", ahead=86400)  # and nothing shows why


def case_credential(setup):
    """the Credential of one ClusterDeployment is gone: kcm makes no ManagementBackup at all"""
    cluster = setup.cluster
    for plural, kind in (("clusterdeployments", "ClusterDeployment"), ("credentials", "Credential"),
                         ("clustertemplates", "ClusterTemplate")):
        if not cluster.get("crd", f"{plural}.k0rdent.mirantis.com"):
            cluster.must("apply", "-f", "-", stdin=preserving_crd(plural, kind))
    cluster.must("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
    cluster.must("create", "namespace", "team-a")
    meta = {"namespace": "team-a"}
    api = {"apiVersion": "k0rdent.mirantis.com/v1beta1"}
    cluster.must("apply", "-f", "-", stdin=[
        {**api, "kind": "ClusterTemplate", "metadata": {**meta, "name": "aws"},
         "spec": {"helm": {"chartSpec": {"chart": "aws", "version": "1", "interval": "10m",
                                         "sourceRef": {"kind": "HelmRepository", "name": "r"}}}}},
        {**api, "kind": "ClusterDeployment", "metadata": {**meta, "name": "prod"},
         "spec": {"template": "aws", "credential": "aws-cred"}}])
    setup.expect("credential-missing", "credential/aws-cred", "team-a/prod", "kubectl -n team-a edit clusterdeployment prod",
                 blocks=["upgrade", "backup"], ahead=86400, gone=["run-missed"], consequences=["run-missed"])
    cluster.must("apply", "-f", "-", stdin={
        **api, "kind": "Credential", "metadata": {**meta, "name": "aws-cred"},
        "spec": {"identityRef": {"apiVersion": "infrastructure.cluster.x-k8s.io/v1beta2", "namespace": "team-a",
                                 "kind": "AWSClusterStaticIdentity", "name": "a"}}})
    setup.expect_none("credential-missing")
    cluster.must("delete", "clusterdeployment", "prod", "-n", "team-a", "--wait=false")


def case_schedules(setup):
    """schedules that never fire, cannot be parsed, or are paused; the printed command mends them"""
    cluster = setup.cluster
    cluster.must("apply", "-f", "-", stdin=[
        webhook.managementbackup("leap", schedule="0 0 30 2 *", storageLocation="aws-s3"),
        *[{"apiVersion": "velero.io/v1", "kind": "Schedule", "metadata": {"name": name, "namespace": "kcm-system"},
           "spec": {"schedule": spec, "paused": paused, "template": {"storageLocation": "aws-s3"}}}
          for name, spec, paused in (("short", "0 0 30", False), ("night", "0 3 * * *", True))]])
    for cause, name, blocks in (("schedule-never-fires", "managementbackup/leap", ["backup"]),
                                ("schedule-invalid", "schedule/short", []), ("schedule-paused", "schedule/night", [])):
        finding = setup.causes()[1][cause]
        assert finding["object"] == name and finding["blocks"] == blocks, finding
        command, patch = finding["wayOut"].split(" -p '")
        cluster.must(*command.split()[1:], "-p", patch.rstrip("'"))
        setup.expect_none(cause)
    cluster.must("delete", "managementbackup", "leap")
    cluster.must("delete", "schedules.velero.io", "short", "night", *SYSTEM)


def case_deletions(setup):
    """a DeleteBackupRequest that Velero does not take up, and one that failed; the printed command keeps the backup"""
    cluster = setup.cluster
    create_backup(cluster, "unwanted")
    set_backup_status(cluster, "unwanted", "Completed", now())
    cluster.must("apply", "-f", "-", stdin={
        "apiVersion": "velero.io/v1", "kind": "DeleteBackupRequest",
        "metadata": {"name": "delete-unwanted", "namespace": "kcm-system"}, "spec": {"backupName": "unwanted"}})
    setup.expect_none("deletion-waits")
    fix = setup.expect("deletion-waits", "deletebackuprequest/delete-unwanted", "unwanted", ahead=1200)["wayOut"]
    code, answer = cluster.request(
        "PATCH", "/apis/velero.io/v1/namespaces/kcm-system/deletebackuprequests/delete-unwanted",
        {"status": {"phase": "Processed", "errors": ["cannot delete backup because backup storage location aws-s3 is "
                                                     "currently in read-only mode"]}},
        "velero-token", "application/merge-patch+json")
    assert code == 200, answer
    setup.expect("deletion-failed", "read-only mode", "velero backup delete -n kcm-system unwanted")
    command = fix.split("to keep the backup: ")[1]
    cluster.must(*command.split()[1:])
    setup.expect_none("deletion-failed", "deletion-waits", ahead=1200)
    forget(cluster, "backup", "unwanted")


def case_clocks(setup):
    """Velero's clock is five hours ahead"""
    cluster = setup.cluster
    create_backup(cluster, "ahead")
    set_backup_status(cluster, "ahead", "Completed", now(5 * 3600))
    setup.expect("clocks-apart", "backup/ahead", "status.completionTimestamp", "in the future", "Velero")
    forget(cluster, "backup", "ahead")
    setup.expect_none("clocks-apart")


def case_unknown(setup):
    """who may not list what a cause would show is told that it is unknown"""
    cluster = setup.cluster
    cluster.must("create", "clusterrole", "few", "--verb=list,watch",
                 "--resource=managementbackups.k0rdent.mirantis.com,managements.k0rdent.mirantis.com,backups.velero.io,"
                 "backupstoragelocations.velero.io")
    cluster.must("create", "clusterrolebinding", "few", "--clusterrole=few", "--user=few")
    code, out, err = setup.run("-o", "json", "--as", "few", ahead=86400)
    status = json.loads(out)
    assert code in (1, 2) and not status["ready"], (code, err)
    unchecked = " ".join(status["unchecked"])
    for name in ("customresourcedefinitions", "of kcm", "credentials", "clusterdeployments"):
        assert name in unchecked, unchecked
    _, text, _ = setup.run("--width", "0", "--as", "few", ahead=86400)
    assert "a deeper cause may be hidden" in text, text
    assert not json.loads(setup.run("-o", "json", ahead=86400)[1])["unchecked"]
