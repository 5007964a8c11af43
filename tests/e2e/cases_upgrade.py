"""Version 0.1.0 of the chart, upgraded to this one by the real helm and rolled back, while the API server is asked without a
pause. BACKSTOP_OLD_BINARY names a backstop 0.1.0 that stands for the old pods; without it, the present one does."""
import os
import signal
import threading
import time

from cases_chart import Setup as Chart, helm_at
from cases_helm import IMAGE, Kubelet, helm_may_fail, policies
from control_plane import ROOT, wait_until
from fixtures import NEXT, apply_world, completed_backup, refused, upgrade_command
import helm
from load import MERGE, REQUESTS, Load
from webhook import NAMESPACE, Replica, ca_bundle, is_called, open_webhooks

OLD_CHART = f"{ROOT}/tests/e2e/chart-0.1.0"
# Beside what both versions deny or change: an edit that 0.1 did not review, by a path that its pods do not have.
RELEASE = ("edited Release", "PATCH", "/apis/k0rdent.mirantis.com/v1beta1/releases/kcm-1-4-0?dryRun=All", MERGE,
           {"spec": {"version": "1.4.1"}}, 200, '"kind":"Release"')


class Setup(Chart):
    def __init__(self, cluster, binary):
        super().__init__(cluster, binary)
        self.old_binary, self.made = os.environ.get("BACKSTOP_OLD_BINARY") or binary, 0
        apply_world(cluster)
        completed_backup(cluster, "rolling", "infrastructure-azure")
        with open(f"{OLD_CHART}/templates/all.yaml") as f:
            self.old, _ = self.split(f.read())
        self.new, _ = self.objects({})

    def pod(self, binary, objects):
        """A ready pod of this version's Deployment, then behind the Service."""
        replica = Replica(self.cluster, binary, self.made, [*self.arguments(objects), "--lame-duck", "2s"])
        self.made += 1
        replica.process.start()
        replica.wait_ready()
        replica.endpoint(True)
        self.replicas.append(replica)
        template = self.deployment()["spec"]["template"]
        self.cluster.must("create", "-f", "-", stdin={
            "apiVersion": "v1", "kind": "Pod", "spec": {**template["spec"], "nodeName": "node"}, "metadata": {
                "name": f"backstop-{replica.index}", "namespace": NAMESPACE, "labels": template["metadata"]["labels"]}})

    def deployment(self):
        return self.cluster.get("deployment", "-n", NAMESPACE, "backstop")

    def tell(self, updated):
        """The status that the Deployment's controller writes: how many pods are of its last version. Those that terminate it
        counts since Kubernetes 1.35 only."""
        generation = self.deployment()["metadata"]["generation"]
        code, answer = self.cluster.request(
            "PATCH", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/backstop/status", {"status": {
                "observedGeneration": generation, "replicas": 2, "updatedReplicas": updated}},
            content_type="application/merge-patch+json")
        assert code == 200, answer

    def roll(self, binary, objects):
        """As a rolling update: a new pod, ready, then an old one is told to stop and leaves the Service later."""
        self.tell(0)
        for number, old in enumerate(list(self.replicas)):
            self.pod(binary, objects)
            self.cluster.must("delete", "pod", "-n", NAMESPACE, f"backstop-{old.index}", "--wait=false")  # terminates from now on
            old.process.handle.send_signal(signal.SIGTERM)
            self.tell(number + 1)
            time.sleep(1)
            old.endpoint(False)
            self.cluster.must("delete", "endpointslice", "-n", NAMESPACE, f"backstop-{old.index}", "--ignore-not-found")
            old.process.handle.wait(20)
            old.stop()
            self.cluster.must("delete", "pod", "-n", NAMESPACE, f"backstop-{old.index}", "--grace-period=0", "--force")
            self.replicas.remove(old)
            self.tell(number + 1)

    def served(self):
        return Load(self.cluster, clients=6, pause=0.5, requests=[*REQUESTS, RELEASE])


def names(objects):
    return {(o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]) for o in objects}


def stored(setup, wanted):
    """Which of these objects there are."""
    return {(kind, namespace, name) for kind, namespace, name in wanted if setup.cluster.get(
        kind.lower(), name, *(("-n", namespace) if namespace else ()))}


def no_failure(load):
    assert not load.failures, f"{len(load.failures)} of {load.calls} calls failed, the first: {load.failures[0]}"
    assert load.calls > 100, load.calls


def case_installed(setup):
    """0.1.0 is installed from its own rendering, and serves"""
    helm_at(setup.cluster, "install", "backstop", OLD_CHART, "--no-hooks", "--set", "image.repository=registry.example.com/backstop")
    for _ in range(2):
        setup.pod(setup.old_binary, setup.old)
    setup.tell(2)
    wait_until("the webhook to be called", lambda: is_called(setup.cluster), 30)
    assert "Fail" in policies(setup.cluster)


def case_reused_values(setup):
    """helm upgrade --reuse-values, which has none of the new values, is refused before it changes anything, with what to do"""
    before = setup.deployment()["metadata"]["generation"]
    done = helm_may_fail(setup.cluster, "upgrade", "backstop", str(helm.CHART), *IMAGE, "--reuse-values")
    assert done.returncode == 1 and "--reset-then-reuse-values" in done.stderr, done
    assert setup.deployment()["metadata"]["generation"] == before


def case_upgraded(setup):
    """helm upgrade to this version: no call fails, what 0.1 refused is refused throughout, what is no longer needed is gone"""
    cluster, before = setup.cluster, ca_bundle(setup.cluster)

    def upgrade():
        helm_at(cluster, "upgrade", "backstop", str(helm.CHART), *IMAGE, "--reset-then-reuse-values", "--timeout=120s")

    def generation():
        return setup.deployment()["metadata"]["generation"]

    with setup.served() as load, Kubelet(setup) as kubelet:
        asked = threading.Thread(target=upgrade)
        asked.start()
        wait_until("the new Deployment", lambda: generation() > 1)
        setup.roll(setup.binary, setup.new)
        asked.join()
    no_failure(load)
    assert helm_at(cluster, "status", "backstop", "-o", "json").find('"status":"deployed"') > 0
    print(f"      {load.calls} calls, none failed", flush=True)
    assert kubelet.printed and ca_bundle(cluster) == before, kubelet.printed
    assert policies(cluster) == {"Ignore", "Fail"} and not open_webhooks(cluster), open_webhooks(cluster)
    old, new = names(setup.old), names(setup.new)
    assert stored(setup, new) == new and not stored(setup, old - new)
    gone = cluster.must("get", "sa,clusterrole,clusterrolebinding,role,rolebinding,job", "-A", "-o", "name").out
    assert "backstop-uninstall" not in gone, gone


def case_rolled_back(setup):
    """helm rollback to 0.1.0: no call fails either, and what only this version has is gone"""
    cluster = setup.cluster
    with setup.served() as load:
        helm_at(cluster, "rollback", "backstop", "1", "--timeout=60s")
        setup.roll(setup.old_binary, setup.old)
    no_failure(load)
    old, new = names(setup.old), names(setup.new)
    assert stored(setup, old) == old and not stored(setup, new - old)
    refused(cluster.kubectl(*upgrade_command(NEXT, "--dry-run=server")))
