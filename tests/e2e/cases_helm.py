"""Installs and uninstalls by the real helm, in whatever state the pods are: nothing is ever locked out by a failed one.

There is no kubelet: a thread takes its part, and the Job controller's, for the Job of the chart's hook."""
import json
import os
import subprocess
import threading
import time

from cases_chart import CONFIGURATIONS, Setup as Chart, helm_at
from control_plane import wait_until
from fixtures import NEXT, RUNNING, accepted, apply_world, stored_release, upgrade_command
import helm
from webhook import NAMESPACE, is_called, open_webhooks, restore

JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
IMAGE = ("--set", "image.repository=registry.example.com/backstop")


class Setup(Chart):
    def __init__(self, cluster, binary):
        super().__init__(cluster, binary)
        apply_world(cluster)


class Kubelet:
    """Runs the command of the hook's Job and tells how it ended; without `runs`, as for an image that cannot be had, the
    Job fails at its deadline at once."""

    def __init__(self, setup, runs=True):
        self.setup, self.runs, self.stopping, self.printed = setup, runs, threading.Event(), []
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()

    def _watch(self):
        while not self.stopping.wait(0.2):
            code, jobs = self.setup.cluster.request("GET", JOBS)
            for job in jobs["items"] if code == 200 else []:
                if not job.get("status", {}).get("conditions"):
                    self._end(job, self._run(job) if self.runs else False)

    def _run(self, job):
        assert job["spec"]["template"]["spec"]["serviceAccountName"] == "backstop-probe", job
        until = time.monotonic() + 20
        while True:
            done = self.setup.verb(job, "probe-token", "--address", f"127.0.0.1:{self.setup.replicas[0].port}")
            self.printed.append(done.stdout + done.stderr)
            if done.returncode == 0 or time.monotonic() > until or "forbidden" in done.stderr:
                return done.returncode == 0
            time.sleep(0.5)

    def _end(self, job, good):
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        kinds = ("SuccessCriteriaMet", "Complete") if good else ("FailureTarget", "Failed")
        if self.setup.cluster.minor < 31:  # where the first of them needs a successPolicy
            kinds = kinds[1:]
        status = {"startTime": at, "conditions": [
            {"type": kind, "status": "True", "reason": "CompletionsReached" if good else "DeadlineExceeded",
             "lastProbeTime": at, "lastTransitionTime": at} for kind in kinds]}
        if good:
            status.update(succeeded=1, completionTime=at)
        code, answer = self.setup.cluster.request("PATCH", f"{JOBS}/{job['metadata']['name']}/status", {"status": status},
                                                  content_type="application/merge-patch+json")
        assert code in (200, 404), answer


def helm_may_fail(cluster, *args):
    return subprocess.run([os.environ["HELM"], *args, "--namespace", NAMESPACE, "--kubeconfig",
                           f"{cluster.dir}/admin-token.kubeconfig"], capture_output=True, text=True,
                          env={**os.environ, "HOME": cluster.dir})


def blocks_nothing(cluster):
    """Upgrades and Restores pass, although nobody answers."""
    accepted(cluster.kubectl(*upgrade_command(NEXT)))
    accepted(cluster.kubectl(*upgrade_command(RUNNING)))
    accepted(cluster.kubectl("create", "-f", "-", stdin=restore("passes", "whatever")))
    cluster.must("delete", "restores.velero.io", "-n", "kcm-system", "passes")


def uninstalled(cluster):
    """helm uninstall ends in time, leaves nothing, blocks nothing; a second one is quiet."""
    start = time.monotonic()
    helm_at(cluster, "uninstall", "backstop", "--timeout=60s")
    assert time.monotonic() - start < 40, time.monotonic() - start
    kinds = f"{CONFIGURATIONS},clusterrole,clusterrolebinding,role,rolebinding,deployment,service,configmap,lease,job,sa"
    left = cluster.must("get", kinds, "-A", "-l", "app.kubernetes.io/name in (backstop,backstop-probe)", "-o", "name").out
    assert left.strip() == "", left
    wait_until("it to be out of force", lambda: not is_called(cluster))
    blocks_nothing(cluster)
    again = helm_may_fail(cluster, "uninstall", "backstop", "--ignore-not-found")
    assert again.returncode == 0 and "rror" not in again.stdout + again.stderr, again


def policies(cluster):
    return {h["failurePolicy"] for h in cluster.get("validatingwebhookconfiguration", "backstop")["webhooks"]}


def case_no_image(setup):
    """without an image that is named helm refuses, says what to do, and has changed nothing"""
    done = helm_may_fail(setup.cluster, "install", "backstop", str(helm.CHART))
    assert done.returncode == 1 and "no image is named" in done.stderr and "--set image.repository=" in done.stderr, done
    assert setup.cluster.must("get", CONFIGURATIONS, "-o", "name").out == ""
    assert helm_at(setup.cluster, "list", "--all", "-q").strip() == ""


def case_image_that_cannot_run(setup):
    """with an image that cannot be pulled, or crashes, the install fails with a reason and blocks nothing; it uninstalls"""
    cluster = setup.cluster
    with Kubelet(setup, runs=False):
        done = helm_may_fail(cluster, "install", "backstop", str(helm.CHART), *IMAGE, "--timeout=60s")
    assert done.returncode == 1 and "DeadlineExceeded" in done.stderr, done
    assert policies(cluster) == {"Ignore"} and open_webhooks(cluster)
    blocks_nothing(cluster)
    uninstalled(cluster)


def case_rbac_missing(setup):
    """with a role missing the install fails with the API server's reason, nothing fails closed, and it uninstalls"""
    cluster = setup.cluster

    class Without(Kubelet):
        def _run(self, job):
            cluster.must("delete", "clusterrolebinding", "backstop", "backstop-probe")
            wait_until("the right to be gone", lambda: cluster.kubectl(
                "auth", "can-i", "patch", "validatingwebhookconfigurations/backstop", user="probe-token").out.strip() == "no")
            setup.start(setup.objects({})[0], ready=False)
            return super()._run(job)

    with Without(setup) as kubelet:
        done = helm_may_fail(cluster, "install", "backstop", str(helm.CHART), *IMAGE, "--timeout=60s")
    assert done.returncode == 1 and kubelet.printed and "forbidden" in kubelet.printed[-1], (done, kubelet.printed)
    assert policies(cluster) == {"Ignore"}
    setup.replicas[0].stop()
    blocks_nothing(cluster)
    uninstalled(cluster)


def case_install(setup):
    """with pods that answer, what is to fail closed does so once helm returns: with nobody left, an upgrade is refused"""
    cluster = setup.cluster
    setup.start(setup.objects({})[0], ready=False)
    with Kubelet(setup) as kubelet:
        helm_at(cluster, "install", "backstop", str(helm.CHART), *IMAGE, "--timeout=120s")
    assert "the API server calls it" in kubelet.printed[-1] or "do so already" in kubelet.printed[-1], kubelet.printed
    assert policies(cluster) == {"Ignore", "Fail"} and not open_webhooks(cluster)
    setup.replicas[0].endpoint(False)
    setup.replicas[0].stop()
    refused = cluster.kubectl(*upgrade_command(NEXT))
    assert refused.code == 1 and "failed calling webhook" in refused.err, refused
    assert stored_release(cluster) == RUNNING


def case_failed_upgrade(setup):
    """an upgrade whose pods never answer fails, and leaves the gate as closed as it was; so does a rollback"""
    cluster = setup.cluster
    with Kubelet(setup, runs=False):
        done = helm_may_fail(cluster, "upgrade", "backstop", str(helm.CHART), *IMAGE, "--set", "image.tag=broken", "--timeout=60s")
        assert done.returncode == 1 and "DeadlineExceeded" in done.stderr, done
    assert "Fail" in policies(cluster)
    refused = cluster.kubectl(*upgrade_command(NEXT))
    assert refused.code == 1 and "failed calling webhook" in refused.err, refused
    setup.start(setup.objects({})[0], ready=False)
    with Kubelet(setup):
        helm_at(cluster, "rollback", "backstop", "1", "--timeout=60s")
    assert "Fail" in policies(cluster) and not open_webhooks(cluster)
    setup.replicas[0].endpoint(False)
    setup.replicas[0].stop()


def case_uninstall_without_pods(setup):
    """with no pod left, and its webhooks failing closed, helm uninstall needs none; nothing is blocked after it"""
    assert "Fail" in policies(setup.cluster)
    uninstalled(setup.cluster)


def case_without_k0rdent(setup):
    """where k0rdent is not installed nothing can be proven: the install succeeds, and says that nothing fails closed"""
    cluster = setup.cluster
    crd = cluster.get("crd", "managementbackups.k0rdent.mirantis.com")
    crd["metadata"] = {k: v for k, v in crd["metadata"].items() if k in ("name", "annotations", "labels")}
    setup.start(setup.objects({})[0], ready=False)
    cluster.must("delete", "crd", "managementbackups.k0rdent.mirantis.com")
    with Kubelet(setup) as kubelet:
        helm_at(cluster, "install", "backstop", str(helm.CHART), *IMAGE, "--timeout=120s")
    assert "are not installed here" in kubelet.printed[-1] and policies(cluster) == {"Ignore"}, kubelet.printed
    cluster.must("create", "-f", "-", stdin={k: v for k, v in crd.items() if k != "status"})
    wait_until("the replica to let them fail closed once it is", lambda: not open_webhooks(cluster), 90)
    setup.replicas[0].endpoint(False)
    setup.replicas[0].stop()
    uninstalled(cluster)


def case_kubectl(setup):
    """applied with kubectl, whose manifests hold no Job, the first replica that is called closes what is to fail closed, and
    again after they were applied anew"""
    cluster, plain = setup.cluster, setup.objects({})[0]
    manifests = f"{helm.ROOT}/manifests"
    cluster.must("apply", "-k", manifests)
    assert policies(cluster) == {"Ignore"}
    blocks_nothing(cluster)
    setup.start(plain)
    wait_until("the webhooks to fail closed", lambda: not open_webhooks(cluster), 60)
    cluster.must("apply", "-k", manifests)
    wait_until("the webhooks to fail closed again", lambda: not open_webhooks(cluster), 60)
    replica = setup.replicas[0]
    assert "do not fail closed" not in replica.health_get("/readyz?verbose")[1]
    # An API server that calls nobody, as behind a firewall: here, because nothing is selected.
    assert cluster.get("validatingwebhookconfiguration", "backstop")["webhooks"][0]["name"].startswith("managementbackups.")
    cluster.must("patch", "validatingwebhookconfiguration", "backstop", "--type=json", "-p", json.dumps(
        [{"op": "add", "path": "/webhooks/0/objectSelector", "value": {"matchLabels": {"never": "there"}}}]))
    wait_until("no webhook to be called", lambda: not is_called(cluster), 30)
    cluster.must("apply", "-k", manifests)
    wait_until("the reason in readyz", lambda: "could not call the webhook" in replica.health_get("/readyz?verbose")[1], 60)
    assert policies(cluster) == {"Ignore"} and replica.health_get("/readyz")[0] == 200
    replica.stop()
    cluster.must("delete", "-k", manifests, "--wait=false", "--ignore-not-found")
