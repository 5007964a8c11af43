"""Backups of other engines as evidence: Kasten, Trilio and k3s by small CRDs of their own, and real Jobs."""
import json
import signal
import subprocess

from control_plane import ROOT, wait_until
from fixtures import (NEXT, RUNNING, TAKEN, Webhook, accepted, management, settings_file, start_upgrade, stored_release,
                      taken_backups, upgrade_command)
from standin import StandIn, now

KASTEN = {"preset": "kasten", "selector": "k10.kasten.io/policyName=kcm"}
TRILIO = {"preset": "trilio", "namespace": "kcm-system"}
K3S = {"preset": "k3s-etcd"}
JOB = {"preset": "etcd-job", "selector": "app=etcd-snapshot", "hint": "run kubectl create job"}


class Setup(Webhook):
    def __init__(self, cluster, binary):
        super().__init__(cluster, binary)
        cluster.must("create", "namespace", "kasten-io")

    def upgrade(self, query=""):
        """What the gate answers once: code and message; kubectl would try ten times."""
        return self.cluster.request("PATCH", f"/apis/k0rdent.mirantis.com/v1beta1/managements/kcm{query}",
                                    {"spec": {"release": NEXT}}, "editor-token", "application/merge-patch+json")

    def dry_run(self):
        return self.upgrade("?dryRun=All")[1].get("message", "")

    def ask_for(self, all_of=(), any_of=()):
        """Puts these into the settings, grants what they need, and waits until they are in force."""
        path = settings_file(self.cluster.dir, upgrade={"evidence": {"allOf": list(all_of), "anyOf": list(any_of)}})
        self.grant_for(path)
        before = self.reloads()
        self.replicas[0].process.handle.send_signal(signal.SIGHUP)
        wait_until("the settings to be reloaded", lambda: self.reloads() > before)

    def reloads(self):
        return sum(float(line.rsplit(" ", 1)[1]) for line in self.metrics().splitlines()
                   if line.startswith("backstop_settings_reloads_total{"))

    def make(self, api_version, kind, name, status, namespace=None, labels=None):
        metadata = {"name": name, "labels": labels or {}, **({"namespace": namespace} if namespace else {})}
        self.cluster.must("apply", "--server-side", "--force-conflicts", "-f", "-", stdin={
            "apiVersion": api_version, "kind": kind, "metadata": metadata, "status": status})

    def run_action(self, name, state, done=None, policy="kcm"):
        self.make("actions.kio.kasten.io/v1alpha1", "RunAction", name,
                  {"state": state, **({"endTime": done} if done else {})}, "kasten-io",
                  {"k10.kasten.io/policyName": policy})

    def reset(self):
        self.reset_upgrade()
        self.cluster.must("delete", "runactions", "--all", "-n", "kasten-io", "--wait=true")

    def states(self, source):
        return [line for line in self.metrics().splitlines()
                if line.startswith("backstop_upgrade_evidence_total{") and f'source="{source}"' in line]


def says(answer, code, *words):
    assert answer[0] == code, answer
    for word in words:
        assert word in answer[1]["message"], f"no {word!r} in: {answer[1]['message']}"


def case_permission_missing(setup):
    """ev-01: without the permission the gate names it and stays closed; with the printed roles it reads"""
    settings_file(setup.cluster.dir, upgrade={"evidence": {"allOf": [KASTEN]}})
    wait_until("the settings to be reloaded", lambda: "runactions" in setup.dry_run())
    answer = setup.upgrade()
    says(answer, 503, "kasten: list runactions", "forbidden", "system:serviceaccount:backstop-system:backstop",
         'in the namespace "kasten-io"', "backstop rbac --settings", "skip-pre-upgrade-backup")
    assert taken_backups(setup.cluster) == [] and stored_release(setup.cluster) == RUNNING


def case_not_served(setup):
    """ev-01: an engine that is not installed is refused as such, and nothing is started"""
    setup.ask_for(all_of=[KASTEN])
    says(setup.upgrade(), 403, "the API server does not serve runactions.actions.kio.kasten.io in version v1alpha1")
    assert taken_backups(setup.cluster) == []
    setup.cluster.must("apply", "--server-side", "-f", f"{ROOT}/tests/e2e/engines.yaml")
    setup.cluster.must("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
    wait_until("it to be served", lambda: "there is no RunAction in kasten-io" in setup.dry_run())


def case_none(setup):
    """ev-01: no backup of the policy, or one of another policy: refused, with what to do"""
    setup.reset()
    setup.run_action("other", "Complete", now(), policy="shop")
    says(setup.upgrade(), 403, "there is no RunAction in kasten-io", "run the policy in Kasten")
    assert taken_backups(setup.cluster) == []


def case_failed(setup):
    """ev-01: the newest one failed"""
    setup.reset()
    setup.run_action("run-1", "Failed", now())
    says(setup.upgrade(), 403, "RunAction run-1 in kasten-io failed", 'status.state is "Failed"')
    assert taken_backups(setup.cluster) == []


def case_stale(setup):
    """ev-01: one that is too old"""
    setup.reset()
    setup.run_action("run-1", "Complete", now(-600))
    says(setup.upgrade(), 403, "RunAction run-1 in kasten-io is from 10m", "ago and counts only for 1m")


def case_waits_for_both(setup):
    """ev-01: kubectl patch waits for the engine's backup and the gate's own, and then succeeds"""
    setup.reset()
    setup.run_action("run-1", "Running")
    with StandIn(setup.cluster, seconds=1):
        client = start_upgrade(setup.cluster)
        wait_until("the backup to be started", lambda: taken_backups(setup.cluster) == [TAKEN])
        says(setup.upgrade(), 429, "RunAction run-1 in kasten-io is not done (status.state is Running")
        setup.run_action("run-1", "Complete", now())
        said = client.communicate(timeout=60)[0]
    assert client.returncode == 0 and "pre-upgrade backup by kasten: RunAction run-1" in said, said
    assert stored_release(setup.cluster) == NEXT
    assert any('state="good"' in line for line in setup.states("kasten")), setup.states("kasten")


def case_stands_in(setup):
    """ev-01: a good alternative stands in for the ManagementBackups, and none is started"""
    setup.reset()
    setup.ask_for(any_of=[TRILIO, KASTEN])
    setup.run_action("run-1", "Complete", now())
    answer = setup.cluster.kubectl(*upgrade_command())
    accepted(answer, "pre-upgrade backup by kasten: RunAction run-1 in kasten-io, status.state Complete")
    assert taken_backups(setup.cluster) == [] and stored_release(setup.cluster) == NEXT


def case_alternative_unreadable(setup):
    """ev-01: an alternative that cannot be read does not matter while the ManagementBackups do"""
    setup.reset()
    setup.cluster.must("delete", "role", "backstop-evidence", "-n", "kasten-io")
    listed = "/apis/actions.kio.kasten.io/v1alpha1/namespaces/kasten-io/runactions"
    wait_until("the API server to know", lambda: setup.cluster.request("GET", listed, user="backstop-token")[0] == 403)
    with StandIn(setup.cluster, seconds=1):
        accepted(setup.cluster.kubectl(*upgrade_command()), f"pre-upgrade backup {TAKEN} completed")
    assert stored_release(setup.cluster) == NEXT


def case_trilio(setup):
    """ev-01: Trilio's Backup is Available"""
    setup.reset()
    setup.ask_for(any_of=[TRILIO])
    setup.make("triliovault.trilio.io/v1", "Backup", "weekly", {"status": "Available", "completionTimestamp": now()},
               "kcm-system")
    accepted(setup.cluster.kubectl(*upgrade_command()), "pre-upgrade backup by trilio: Backup weekly in kcm-system")
    assert taken_backups(setup.cluster) == []


def case_k3s(setup):
    """ev-01: k3s's ETCDSnapshotFile, which is cluster-scoped, is ready to use"""
    setup.reset()
    setup.ask_for(all_of=[K3S])
    says(setup.upgrade(), 403, "k3s-etcd: there is no ETCDSnapshotFile", "etcd-snapshot save")
    setup.make("k3s.cattle.io/v1", "ETCDSnapshotFile", "on-demand-1", {"readyToUse": True, "creationTime": now()})
    with StandIn(setup.cluster, seconds=1):
        accepted(setup.cluster.kubectl(*upgrade_command()),
                 "pre-upgrade backup by k3s-etcd: ETCDSnapshotFile on-demand-1, status.readyToUse true")


def job_status(setup, name, **status):
    path = f"/apis/batch/v1/namespaces/kube-system/jobs/{name}/status"
    code, answer = setup.cluster.request("PATCH", path, {"status": status}, "kcm-token",
                                         "application/merge-patch+json")
    assert code == 200, answer


def condition(kind):
    return {"type": kind, "status": "True", "lastProbeTime": now(), "lastTransitionTime": now(), "reason": "Test"}


def make_job(setup, name):
    setup.cluster.must("create", "-f", "-", stdin={
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": name, "namespace": "kube-system", "labels": {"app": "etcd-snapshot"}},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [
            {"name": "etcdctl", "image": "registry.k8s.io/etcd:3.5.15-0", "command": ["etcdctl", "snapshot", "save"]}]}}}})


def case_etcd_job(setup):
    """ev-01: a batch/v1 Job: running is waited for, failed is refused, succeeded is good"""
    setup.reset()
    setup.ask_for(any_of=[JOB])
    make_job(setup, "etcd-1")
    job_status(setup, "etcd-1", startTime=now(), active=1)
    says(setup.upgrade(), 429, "Job etcd-1 in kube-system is not done")
    assert taken_backups(setup.cluster) == []
    job_status(setup, "etcd-1", active=None, failed=1, conditions=[condition("FailureTarget"), condition("Failed")])
    setup.ask_for(all_of=[JOB])
    says(setup.upgrade(), 403, "Job etcd-1 in kube-system failed", "status.conditions[type=Failed].status",
         "run kubectl create job")
    setup.ask_for(any_of=[JOB])
    setup.cluster.must("delete", "job", "etcd-1", "-n", "kube-system", "--cascade=orphan", "--wait=false")
    setup.cluster.kubectl("patch", "job", "etcd-1", "-n", "kube-system", "--type=merge", "-p",
                          '{"metadata":{"finalizers":null}}')
    make_job(setup, "etcd-2")
    job_status(setup, "etcd-2", startTime=now(-5), succeeded=1, completionTime=now(),
               conditions=[condition(kind) for kind in ("SuccessCriteriaMet", "Complete")
                           if kind == "Complete" or setup.cluster.minor >= 31])  # which asks for both
    accepted(setup.cluster.kubectl(*upgrade_command()),
             "pre-upgrade backup by etcd-job: Job etcd-2 in kube-system, status.succeeded 1")
    assert taken_backups(setup.cluster) == []


def case_status(setup):
    """ev-01: backstop status reads the same evidence and shows it"""
    setup.reset()
    path = settings_file(setup.cluster.dir, "shown", upgrade={"evidence": {"allOf": [K3S], "anyOf": [KASTEN, JOB]}})
    command = [setup.binary, "status", "--kubeconfig", f"{setup.cluster.dir}/admin-token.kubeconfig", "--settings", path]
    shown = subprocess.run([*command, "-o", "json"], capture_output=True, text=True)
    found = {e["name"]: e for e in json.loads(shown.stdout)["upgrade"]["evidence"]}
    assert found["kasten"]["state"] == "none" and found["kasten"]["use"] == "anyOf", found
    assert found["etcd-job"]["state"] == "good" and found["etcd-job"]["object"] == "etcd-2", found
    assert found["k3s-etcd"]["object"] == "on-demand-1" and found["k3s-etcd"]["value"] == "true", found
    text = subprocess.run(command, capture_output=True, text=True).stdout
    for words in ("EVIDENCE OF", "etcd-2", "or another"):
        assert words in text, text


def case_review(setup):
    """ev-01: backstop review of the cluster says what the gate says, and starts nothing"""
    setup.reset()
    setup.ask_for(all_of=[KASTEN])
    setup.run_action("run-1", "Failed", now())
    gate = setup.dry_run()
    path = f"{setup.cluster.dir}/next.yaml"
    with open(path, "w") as file:
        json.dump(management(NEXT), file)
    command = [setup.binary, "review", "--kubeconfig", f"{setup.cluster.dir}/admin-token.kubeconfig", "--settings",
               f"{setup.cluster.dir}/settings.json", "-f", path, "-o", "json"]
    said = json.loads(subprocess.run([*command, "--dry-run"], capture_output=True, text=True).stdout)
    assert said["operation"] == "UPDATE" and "RunAction run-1 in kasten-io failed" in said["message"], said
    assert said["message"] in gate, (said["message"], gate)
    setup.run_action("run-1", "Complete", now())
    said = json.loads(subprocess.run(command, capture_output=True, text=True).stdout)
    assert [each["metadata"]["name"] for each in said["effects"]] == [TAKEN], said
    assert taken_backups(setup.cluster) == [] and stored_release(setup.cluster) == RUNNING
