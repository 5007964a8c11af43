"""The chart's CronJob for reports: its own command, with the rights of its own account and no other."""
import json
import subprocess

from cases_chart import Setup as Chart
from control_plane import ROOT, wait_until
from fixtures import apply_world
from webhook import managementbackup

VALUES = {"reports": {"enabled": True}}


class Setup(Chart):
    def __init__(self, cluster, binary):
        super().__init__(cluster, binary)
        cluster.must("apply", "--server-side", "-f", f"{ROOT}/tests/e2e/openreports.yaml")
        cluster.must("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
        apply_world(cluster)
        plain, _ = self.objects(VALUES)
        self.job = next(o for o in plain if o["kind"] == "CronJob")["spec"]["jobTemplate"]
        self.arguments(plain)  # writes the ConfigMap's file
        cluster.must("apply", "-f", "-", stdin=[o for o in plain if o["kind"] not in (
            "Deployment", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration") and
            not o["kind"].startswith("ValidatingAdmissionPolicy")])

    def report(self):
        args = [a.replace("/etc/backstop/settings", f"{self.cluster.dir}/settings")
                for a in self.job["spec"]["template"]["spec"]["containers"][0]["args"]]
        return subprocess.run([self.binary, *args, "--kubeconfig", f"{self.cluster.dir}/reports-token.kubeconfig"],
                              capture_output=True, text=True)


def summary(cluster, *where):
    found = cluster.get(*where, "backstop")
    return found and {**found["summary"], "listed": [r["message"] for r in found["results"] if "message" in r]}


def case_written(setup):
    """the CronJob's command writes the reports with its account's rights; a mistake that is mended is gone by the next run"""
    cluster = setup.cluster
    assert setup.job["spec"]["template"]["spec"]["serviceAccountName"] == "backstop-reports"
    cluster.must("create", "-f", "-", stdin=[managementbackup("wrong", schedule="0 9 * * 7"), {
        "apiVersion": "velero.io/v1", "kind": "Schedule", "metadata": {"name": "own", "namespace": "k0rdent"},
        "spec": {"schedule": "0 6 * * *", "template": {"ttl": "1d"}}}])
    wait_until("the rights to be in force", lambda: setup.report().returncode == 0, 30)
    done = setup.report()
    assert done.returncode == 0 and "forbidden" not in done.stderr, done
    of_cluster = summary(cluster, "clusterreport")
    assert of_cluster["fail"] >= 1 and of_cluster["error"] == 0 and any("day-of-week 7" in m for m in of_cluster["listed"]), of_cluster
    assert summary(cluster, "report", "-n", "k0rdent")["fail"] >= 1
    cluster.must("delete", "managementbackup", "wrong")
    cluster.must("delete", "schedules.velero.io", "-n", "k0rdent", "own")
    done = setup.report()
    assert done.returncode == 0 and "1 of namespaces that have none any more deleted" in done.stdout, done
    assert not any("day-of-week 7" in m for m in summary(cluster, "clusterreport")["listed"])
    assert summary(cluster, "report", "-n", "k0rdent") is None and summary(cluster, "report", "-n", "kcm-system")


def case_others_are_left(setup):
    """reports of other tools stay, and the account may write none of them, nor anything else"""
    cluster = setup.cluster
    other = {**cluster.get("report", "-n", "kcm-system", "backstop"), "metadata": {
        "name": "kyverno", "namespace": "k0rdent", "labels": {"app.kubernetes.io/managed-by": "kyverno"}}}
    cluster.must("create", "-f", "-", stdin=json.dumps(other))
    assert setup.report().returncode == 0 and cluster.get("report", "-n", "k0rdent", "kyverno")
    for verb, what in (("update", "reports.openreports.io/kyverno"), ("delete", "reports.openreports.io/kyverno"),
                       ("get", "secrets"), ("create", "managementbackups"), ("patch", "validatingwebhookconfigurations/backstop"),
                       ("delete", "backups.velero.io"), ("create", "events.events.k8s.io"), ("list", "pods")):
        assert cluster.kubectl("auth", "can-i", verb, what, "-n", "kcm-system", user="reports-token").out.strip() == "no", (verb, what)


def case_no_crds(setup):
    """without the CRDs of openreports.io the run fails and says what is missing"""
    setup.cluster.must("delete", "crd", "reports.openreports.io", "clusterreports.openreports.io")
    done = setup.report()
    assert done.returncode == 2 and "CRDs of openreports.io" in done.stderr, done
