"""Whether the image does what the chart asks of it: every pod that helm renders is run in the image, with its own arguments, user,
limits, mounts and probes (kubelet.py), against a real kube-apiserver."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "tests/chart")]
import helm  # noqa: E402
from control_plane import ControlPlane, free_port, wait_until  # noqa: E402
from fixtures import apply_world, grant, refused, release, upgrade_command  # noqa: E402
from kubelet import Kubelet  # noqa: E402
from webhook import NAMESPACE, apply_crds, ca_bundle, is_called, managementbackup, open_webhooks, restore  # noqa: E402

WORKLOADS = ("Deployment", "Job", "CronJob")


class Missing(Exception):
    """What these tests need is not here."""


class Chart:
    """A control plane that holds k0rdent and Velero, and the chart rendered for it."""

    def __init__(self, image):
        os.environ["HELM"] = helm.path() or ""
        assets = subprocess.run([ROOT / "hack/control-plane.sh"], stdout=subprocess.PIPE, text=True)
        if not os.environ["HELM"] or assets.returncode:
            raise Missing("there is no helm or no kube-apiserver, and no Go to build them")
        self.image, self.kubelets = image, []
        self.cluster = ControlPlane(assets.stdout.strip())

    def __enter__(self):
        cluster = self.cluster.start()
        apply_crds(cluster)
        cluster.must("apply", "--server-side", "-f", f"{ROOT}/tests/e2e/openreports.yaml")
        cluster.must("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
        for namespace in ("kcm-system", NAMESPACE):
            cluster.must("create", "namespace", namespace)
        grant(cluster)
        apply_world(cluster)
        return self

    def __exit__(self, *_):
        for kubelet in self.kubelets:
            kubelet.close()
        self.cluster.stop()

    def install(self, **values):
        """Applies a rendering. Returns its workloads by kind and component, and who runs their pods."""
        repository, _, tag = self.image.rpartition(":")
        values = {"image": {"repository": repository, "tag": tag}, "port": free_port(), "healthPort": free_port(), **values}
        answer = self.cluster.must("create", "--dry-run=client", "--validate=false", "-o", "json", "-f", "-",
                                   stdin=helm.render_text(values))
        objects, decoder, rest = [], json.JSONDecoder(), answer.out.strip()
        while rest:
            found, end = decoder.raw_decode(rest)
            rest = rest[end:].lstrip()
            objects.append(found)
        self.cluster.must("apply", "-f", "-", stdin=[o for o in objects if o["kind"] not in WORKLOADS])
        workloads = {}
        for o in objects:
            if o["kind"] in WORKLOADS:
                job = o["spec"]["jobTemplate"] if o["kind"] == "CronJob" else o
                workloads[o["kind"], job["spec"]["template"]["spec"]["containers"][0]["name"]] = job
        self.kubelets.append(Kubelet(self.cluster, self.image, objects))
        return workloads, self.kubelets[-1]


def in_force(cluster):
    """Called, closed, and answering as its settings say."""
    wait_until("the webhook to be called", lambda: is_called(cluster), 60)
    wait_until("the webhooks to fail closed", lambda: not open_webhooks(cluster), 60)
    refused(cluster.kubectl("create", "-f", "-", stdin=managementbackup("often", schedule="*/5 * * * *")), "every 5 minutes")
    refused(cluster.kubectl("create", "-f", "-", stdin=restore("r", "no-such-backup")), "no-such-backup")


def ends_in_time(pod):
    """SIGTERM: not ready at once, and still answering; then a clean end within the pod's grace period."""
    started = time.monotonic()
    pod.process.handle.send_signal(signal.SIGTERM)
    wait_until("it to be not ready", lambda: not pod.passes("readinessProbe"), 5, 0.05)
    refused(pod.cluster.kubectl("create", "-f", "-", stdin=managementbackup("late", schedule="0 9 * * 7")), "day-of-week 7")
    assert pod.passes("livenessProbe"), "a kubelet would kill it"
    pod.endpoint(False)
    assert pod.process.handle.wait(pod.grace) == 0, pod.process.tail()
    pod.process.handle = None
    return time.monotonic() - started


def managed(chart):
    """The Deployment with managed certificates: serves, is called, has metrics and a page, ends in time."""
    workloads, kubelet = chart.install(settings={"schedules": {"tooFrequent": "deny"}}, statusPage={"enabled": True})
    assert set(workloads) == {("Deployment", "backstop"), ("Job", "probe")}, workloads.keys()
    pod = kubelet.start(workloads["Deployment", "backstop"])
    wait_until("the caBundle", lambda: "BEGIN CERTIFICATE" in ca_bundle(chart.cluster), 30)
    in_force(chart.cluster)
    probed = kubelet.run(workloads["Job", "probe"], BACKSTOP_ADDRESS=f"127.0.0.1:{pod.port}")
    assert probed.returncode == 0, probed
    metrics = pod.health_get("/metrics")[1].splitlines()
    for line in ('backstop_storage_locations{phase="Available"} 2', 'backstop_facts_synced{resource="backups.velero.io"} 1'):
        assert line in metrics, (line, metrics)
    status, page = pod.health_get("/")
    assert status == 200 and "Could it be restored tonight?" in page, (status, page)
    took = ends_in_time(pod)
    return f"ended {took:.1f} s after SIGTERM, of {pod.grace} s"


def split(chart):
    """Certificates by a Job, reports by a CronJob: each pod by its own account, the Deployment with the Secret's files."""
    cluster = chart.cluster
    workloads, kubelet = chart.install(certificates={"mode": "job"}, reports={"enabled": True},
                                       settings={"schedules": {"tooFrequent": "deny"}})
    assert set(workloads) == {("Deployment", "backstop"), ("Job", "probe"), ("Job", "certificates"), ("CronJob", "certificates"),
                              ("CronJob", "reports")}, workloads.keys()
    cluster.must("delete", "secret", "-n", NAMESPACE, "backstop-certificates", "--ignore-not-found")
    issued = kubelet.run(workloads["Job", "certificates"])
    assert issued.returncode == 0 and "issued" in issued.stdout, issued
    pod = kubelet.start(workloads["Deployment", "backstop"])
    wait_until("the webhook to be called", lambda: is_called(cluster), 60)
    probed = kubelet.run(workloads["Job", "probe"], BACKSTOP_ADDRESS=f"127.0.0.1:{pod.port}")
    assert probed.returncode == 0, probed
    in_force(cluster)
    again = kubelet.run(workloads["CronJob", "certificates"])
    assert again.returncode == 0 and "nothing was due" in again.stdout, again
    reported = kubelet.run(workloads["CronJob", "reports"])
    assert reported.returncode == 0 and cluster.get("clusterreport", "backstop")["summary"], reported
    cluster.must("apply", "-f", "-", stdin=[release("kcm-9-9-9")])
    refused(cluster.kubectl(*upgrade_command("kcm-8-8-8")), "kcm-8-8-8")
    ends_in_time(pod)
    return f"{len(workloads)} workloads"
