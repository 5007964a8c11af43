"""The Helm chart's renderings, on the real API server: taken, installed, serving, uninstalled."""
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

from cases_certificates import Calls, certificates_in, handshake
from control_plane import ROOT, Skip, base64_file, wait_until
from fixtures import accepted, apply_world, grant, refused, release, upgrade_command
from webhook import (NAMESPACE, Replica, apply_crds, ca_bundle, issue_certificate, managementbackup, restore, set_ca_bundle,
                     is_called, open_webhooks, wait_in_force)

sys.path.insert(0, f"{ROOT}/tests/chart")
import helm  # noqa: E402
from matrix import GOOD  # noqa: E402

CONFIGURATIONS = "validatingwebhookconfiguration,mutatingwebhookconfiguration"
# Kinds of others' CRDs, which this API server does not have.
FOREIGN = ("cert-manager.io/", "monitoring.coreos.com/")
HOOK = "post-install,post-upgrade,post-rollback"
VALUES = {"port": 10250, "statusPage": {"enabled": True, "users": True},
          "settings": {"upgrade": {"retryAfter": "1s"}, "schedules": {"tooFrequent": "deny"}}}
# By these a management backup selects (kcm); each names a cluster or a provider, or is as it stands here.
SELECTORS = ("k0rdent.mirantis.com/component", "controller.cert-manager.io/fao", "cluster.x-k8s.io/provider",
             "cluster.x-k8s.io/cluster-name", "helm.toolkit.fluxcd.io/name")


def documents(values, cluster):
    """The documents that helm renders for this API server, as text, without others' kinds."""
    found = [d for d in helm.render_text(values, minor=cluster.minor).split("\n---\n") if "kind:" in d]
    return [d for d in found if not any(f"apiVersion: {f}" in d for f in FOREIGN)]


class Setup:
    def __init__(self, cluster, binary):
        self.cluster, self.binary, self.replicas = cluster, binary, []
        os.environ["HELM"] = helm.path() or ""
        if not os.environ["HELM"]:
            if os.environ.get("CI"):
                raise AssertionError("there is no helm, and no Go to build it")
            raise Skip("there is no helm, and no Go to build it")
        apply_crds(cluster)
        for namespace in ("kcm-system", "k0rdent", NAMESPACE, "kasten-io", "etcd", "cohesity"):
            cluster.must("create", "namespace", namespace)
        grant(cluster)

    def objects(self, values):
        """What helm renders, without others' kinds and, apart, the objects of hooks by hook."""
        return self.split("\n---\n".join(documents(values, self.cluster)))

    def split(self, text):
        """The objects of a rendering, and those of its hooks by hook."""
        answer = self.cluster.must("create", "--dry-run=client", "--validate=false", "-o", "json", "-f", "-", stdin=text)
        hooks, plain, decoder, rest = {}, [], json.JSONDecoder(), answer.out.strip()
        while rest:
            found, end = decoder.raw_decode(rest)
            rest = rest[end:].lstrip()
            for o in found["items"] if found["kind"] == "List" else [found]:
                hook = o["metadata"].get("annotations", {}).get("helm.sh/hook")
                (hooks.setdefault(hook, []) if hook else plain).append(o)
        return plain, hooks

    def start(self, plain, ready=True, extra=()):
        self.replicas = [Replica(self.cluster, self.binary, 0, [*self.arguments(plain), *extra])]
        self.replicas[0].start(ready)

    def arguments(self, plain):
        """The Deployment's own command line, on loopback, with the ConfigMap as its volume."""
        pod = next(o for o in plain if o["kind"] == "Deployment")["spec"]["template"]["spec"]
        settings = next(o for o in plain if o["kind"] == "ConfigMap" and "settings.yaml" in o["data"])
        folder = f"{self.cluster.dir}/settings"
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/settings.yaml", "w") as f:
            f.write(settings["data"]["settings.yaml"])
        mount = next(m["mountPath"] for m in pod["containers"][0]["volumeMounts"] if m["name"] == "settings")
        return [a.replace(mount, folder).replace("/etc/backstop/certificates", f"{self.cluster.dir}/certificates")
                for a in pod["containers"][0]["args"] if not a.startswith(("--listen", "--health-listen", "serve"))]

    def verb(self, job, user, *extra):
        """Runs a hook Job's command line as the identity that its pod has."""
        args = job["spec"]["template"]["spec"]["containers"][0]["args"]
        return subprocess.run([self.binary, *args, "--kubeconfig", f"{self.cluster.dir}/{user}.kubeconfig", *extra],
                              capture_output=True, text=True)

    def close(self):
        for replica in self.replicas:
            replica.stop()


def case_taken(setup):
    """each rendering of the matrix is taken by the API server (--dry-run=server), with strict validation"""
    for name, values in GOOD.items():
        texts = documents(values, setup.cluster)
        answer = setup.cluster.kubectl("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-",
                                       stdin="\n---\n".join(texts))
        assert answer.code == 0 and "Warning" not in answer.err, (name, answer)
        assert len(answer.out.splitlines()) == len(texts) > 10, (name, answer)
    printed = helm_at(setup.cluster, "install", "backstop", str(helm.CHART), "--dry-run=server", "--set",
                      "image.repository=backstop,policies.mutate=true")
    told, made = "policies.mutate has no effect here" in printed, "kind: MutatingAdmissionPolicy\n" in printed
    assert (told, made) == ((True, False) if setup.cluster.minor < 36 else (False, True)), printed[-2000:]


def case_installed(setup):
    """installed from a rendering, with the Deployment's own arguments, it serves: its caBundle, settings, gate and Restores"""
    cluster = setup.cluster
    plain, _ = setup.objects(VALUES)
    apply_world(cluster)
    cluster.must("apply", "-f", "-", stdin=plain)
    setup.start(plain)
    wait_until("the caBundle", lambda: "BEGIN CERTIFICATE" in ca_bundle(cluster))
    wait_in_force(cluster)
    refused(cluster.kubectl("create", "-f", "-", stdin=managementbackup("often", schedule="*/5 * * * *")), "every 5 minutes")
    refused(cluster.kubectl("create", "-f", "-", stdin=restore("r", "no-such-backup")), "no-such-backup")
    cluster.must("apply", "-f", "-", stdin=[release("kcm-9-9-9")])
    refused(cluster.kubectl(*upgrade_command("kcm-8-8-8")), "kcm-8-8-8")
    metrics = setup.replicas[0].health_get("/metrics")[1]  # what the chart's alerts rest on
    for line in ('backstop_storage_locations{phase="Available"} 2', "backstop_management_backups_scheduled 1",
                 'backstop_facts_synced{resource="managementbackups.k0rdent.mirantis.com"} 1',
                 'backstop_facts_synced{resource="backups.velero.io"} 1'):
        assert line in metrics.splitlines(), (line, metrics)
    status, page = setup.replicas[0].health_get("/")[:2]
    assert status == 200 and "Could it be restored tonight?" in page, (status, page)


def case_probed(setup):
    """the probe Job's own command, as its own identity, is answered; what is to fail closed does"""
    _, hooks = setup.objects(VALUES)
    job, = hooks[HOOK]
    assert job["spec"]["template"]["spec"]["serviceAccountName"] == "backstop-probe"
    done = setup.verb(job, "probe-token", "--address", f"127.0.0.1:{setup.replicas[0].port}")
    assert done.returncode == 0 and "serves" in done.stdout, done


def case_applied_again(setup):
    """applying the rendering again leaves no configuration changed, the caBundle least of all"""
    before = setup.cluster.get("validatingwebhookconfiguration", "backstop")
    setup.cluster.must("apply", "-f", "-", stdin=setup.objects(VALUES)[0])
    wait_until("the webhooks to fail closed again", lambda: not open_webhooks(setup.cluster), 30)
    assert setup.cluster.get("validatingwebhookconfiguration", "backstop")["webhooks"] == before["webhooks"]


def case_outside_backups(setup):
    """a management backup selects nothing of the running installation; Velero leaves its certificates out of any"""
    cluster = setup.cluster
    kinds = cluster.must("api-resources", "--verbs=list", "-o", "name").out.split()
    kinds = ",".join(k for k in kinds if not k.endswith((".velero.io", ".k0rdent.mirantis.com")))
    for label in SELECTORS:
        found = cluster.must("get", kinds, "-A", "-l", label, "-o", "name", "--ignore-not-found").out
        assert "backstop" not in found, (label, found)
    excluded = cluster.must("get", kinds, "-A", "-l", "velero.io/exclude-from-backup=true", "-o", "name").out.split()
    assert sorted(excluded) == ["lease.coordination.k8s.io/backstop-deletions",
                                "mutatingwebhookconfiguration.admissionregistration.k8s.io/backstop",
                                "secret/backstop-certificates",
                                "validatingwebhookconfiguration.admissionregistration.k8s.io/backstop"], excluded


def case_uninstalled(setup):
    """`backstop uninstall` takes both configurations away; again it is content"""
    cluster = setup.cluster

    def uninstall():
        return subprocess.run([setup.binary, "uninstall", "--yes", "--kubeconfig",
                               f"{cluster.dir}/admin-token.kubeconfig"], capture_output=True, text=True)
    done = uninstall()
    assert done.returncode == 0 and done.stdout.count("deleted") == 2, done
    assert cluster.must("get", CONFIGURATIONS, "-o", "name").out == ""
    again = uninstall()
    assert again.returncode == 0 and again.stdout.count("is not there") == 2, again
    wait_until("it to be out of force", lambda: not is_called(cluster))
    setup.replicas[0].stop()
    accepted(cluster.kubectl(*upgrade_command()))


def case_existing_secret(setup):
    """with a Secret of one's own the CA given as a value is what the API server trusts"""
    cluster = setup.cluster
    folder = issue_certificate(f"{cluster.dir}/certificates")
    values = {"certificates": {"mode": "secret", "secretName": "own", "caBundle": base64_file(f"{folder}/ca.crt")}}
    plain, hooks = setup.objects(values)
    cluster.must("apply", "-f", "-", stdin=[o for o in plain if o["kind"] != "Deployment"])
    setup.start(plain)
    wait_in_force(cluster)
    done = setup.verb(hooks[HOOK][0], "probe-token", "--address",
                      f"127.0.0.1:{setup.replicas[0].port}")
    assert done.returncode == 0 and "serves" in done.stdout, done
    setup.replicas[0].stop()


class Kubelet:
    """What a kubelet and the CronJob's controller would do of a rendering with certificates.mode job."""

    def __init__(self, setup, plain, *more):
        self.setup, self.more, self.folder = setup, more, f"{setup.cluster.dir}/certificates"
        self.job, = [o for o in plain if o["kind"] == "Job"]
        cron, = [o for o in plain if o["kind"] == "CronJob"]
        assert cron["spec"]["jobTemplate"]["spec"] == self.job["spec"]
        assert self.job["spec"]["template"]["spec"]["serviceAccountName"] == "backstop-certificates"
        pod = next(o for o in plain if o["kind"] == "Deployment")["spec"]["template"]["spec"]
        self.volume, = [v["secret"] for v in pod["volumes"] if "secret" in v]

    def run(self, *more):
        return self.setup.verb(self.job, "certificates-token", "--wait=0s", *self.more, *more)

    def succeeds(self):
        done = self.run()
        assert done.returncode == 0, done
        return True

    def secret(self):
        return self.setup.cluster.get("secret", "-n", NAMESPACE, self.volume["secretName"])["data"]

    def mount(self):
        """The Secret's files, as the volume lists them, in the kubelet's way: ..data is swapped."""
        if not os.path.islink(f"{self.folder}/..data"):
            shutil.rmtree(self.folder, ignore_errors=True)
            os.mkdir(self.folder)
        data, fresh = self.secret(), tempfile.mkdtemp(prefix="..", dir=self.folder)
        for item in self.volume["items"]:
            with open(f"{fresh}/{item['path']}", "wb") as f:
                f.write(base64.b64decode(data[item["key"]]))
            if not os.path.islink(f"{self.folder}/{item['path']}"):
                os.symlink(f"..data/{item['path']}", f"{self.folder}/{item['path']}")
        os.symlink(os.path.basename(fresh), f"{self.folder}/..data_tmp")
        os.rename(f"{self.folder}/..data_tmp", f"{self.folder}/..data")


def case_certificate_job(setup):
    """with a certificate Job the pods serve what it issued, without a right on webhook configurations or any Secret"""
    cluster = setup.cluster
    plain, hooks = setup.objects({"certificates": {"mode": "job"}})
    cluster.must("delete", "secret", "-n", NAMESPACE, "backstop-certificates", "--ignore-not-found")
    for kind in ("clusterrole,clusterrolebinding", "role,rolebinding"):
        cluster.must("delete", kind, "-A" if "cluster" not in kind else "--wait", "-l", "app.kubernetes.io/name=backstop")
    kubelet = Kubelet(setup, plain)
    denied = kubelet.run()
    assert denied.returncode == 1 and "forbidden" in denied.stderr, denied
    cluster.must("apply", "-f", "-", stdin=[o for o in plain if o["kind"] not in ("Deployment", "Job", "CronJob")])
    wait_until("the roles to be in force, and the certificate Job to succeed", kubelet.succeeds, 30)
    kubelet.mount()
    assert os.listdir(kubelet.folder) and "ca.key" not in os.listdir(kubelet.folder)
    setup.start(plain)
    wait_in_force(cluster)
    done = setup.verb(hooks[HOOK][0], "probe-token", "--address",
                      f"127.0.0.1:{setup.replicas[0].port}")
    assert done.returncode == 0 and "serves" in done.stdout, done
    again = kubelet.run()
    assert again.returncode == 0 and "nothing was due" in again.stdout and "webhooks: current" in again.stdout, again
    for user, expected in (("backstop-token", "no"), ("certificates-token", "yes")):
        for verb, what in (("patch", "validatingwebhookconfigurations/backstop"), ("create", "secrets"),
                           ("patch", "mutatingwebhookconfigurations/backstop"), ("update", "secrets/backstop-certificates")):
            assert cluster.kubectl("auth", "can-i", verb, what, "-n", NAMESPACE, user=user).out.strip() == expected, (user, what)
    for verb, what in (("patch", "validatingwebhookconfigurations/other"), ("get", "secrets/other"), ("delete", "secrets"),
                       ("list", "secrets"), ("create", "validatingwebhookconfigurations")):
        assert cluster.kubectl("auth", "can-i", verb, what, "-n", NAMESPACE, user="certificates-token").out.strip() == "no"


def case_certificate_job_repairs(setup):
    """a Secret that is gone: its successor's CA is trusted beside the old one until the pods serve the new certificate"""
    cluster = setup.cluster
    plain, _ = setup.objects({"certificates": {"mode": "job"}})
    kubelet, replica, before = Kubelet(setup, plain), setup.replicas[0], ca_bundle(cluster)
    cluster.must("delete", "secret", "-n", NAMESPACE, "backstop-certificates")
    assert "CA and serving certificate issued" in kubelet.run().stdout
    bundle = ca_bundle(cluster)
    assert certificates_in(bundle) == 2 and before.strip() in bundle, bundle
    old = handshake(replica.port, bundle)
    kubelet.mount()
    wait_until("the new certificate to be served", lambda: handshake(replica.port, bundle) != old)
    set_ca_bundle(cluster, f"{kubelet.folder}/tls.crt")
    done = kubelet.run()
    assert "nothing was due" in done.stdout and "webhooks: written" in done.stdout, done
    handshake(replica.port, ca_bundle(cluster))
    wait_in_force(cluster)


def case_certificate_job_rotates(setup):
    """leaf and CA renewed by the CronJob's runs, the pods reloading their files: no call fails"""
    cluster = setup.cluster
    plain, _ = setup.objects({"certificates": {"mode": "job"}})
    kubelet, authorities, leaves = Kubelet(setup, plain, "--lifetime=20s", "--ca-lifetime=60s"), set(), set()
    cluster.must("delete", "secret", "-n", NAMESPACE, "backstop-certificates")
    with Calls(setup):
        until = time.monotonic() + 150
        while len(authorities) < 2 or len(leaves) < 5:
            done = kubelet.run()
            assert done.returncode == 0, done
            data = kubelet.secret()
            authorities.add(data["ca.crt"])
            if data["tls.crt"] not in leaves:
                leaves.add(data["tls.crt"])
                time.sleep(1)  # a kubelet takes longer; API servers notice caBundle meanwhile
                kubelet.mount()
            assert time.monotonic() < until, (len(authorities), len(leaves))
            time.sleep(0.3)
    setup.replicas[0].stop()


def rules_of(documents):
    return sorted(json.dumps([d["kind"], d["metadata"]["name"], d["metadata"].get("namespace"),
                              sorted(d.get("rules") or [], key=json.dumps), d.get("roleRef"), d.get("subjects")], sort_keys=True)
                  for d in documents if d["kind"] in ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"))


def case_rbac_agrees(setup):
    """`backstop rbac --certificates MODE --settings FILE --reports --probe` prints the roles that the chart renders for these"""
    evidence, file = GOOD["evidence of other engines"]["settings"], f"{setup.cluster.dir}/evidence.json"
    with open(file, "w") as f:
        json.dump({"apiVersion": "backstop.k0rdent.mirantis.com/v1alpha1", "kind": "Settings", **evidence}, f)
    for mode, settings in (({"mode": "managed"}, {}), ({"mode": "managed"}, evidence), ({"mode": "job"}, {}),
                           ({"mode": "cert-manager"}, {}),
                           ({"mode": "secret", "secretName": "own", "caBundle": "eA=="}, {})):
        jobs = mode["mode"] != "managed" or bool(settings)
        printed = subprocess.run([setup.binary, "rbac", "--certificates", mode["mode"], *(["--reports", "--probe"] if jobs else []),
                                  *(["--settings", file] if settings else [])], capture_output=True, text=True, check=True)
        answer = setup.cluster.must("create", "--dry-run=client", "--validate=false", "-o", "json", "-f", "-", stdin=printed.stdout)
        wanted, decoder, rest = [], json.JSONDecoder(), answer.out.strip()
        while rest:
            found, end = decoder.raw_decode(rest)
            rest = rest[end:].lstrip()
            wanted += found["items"] if found["kind"] == "List" else [found]
        rendered = rules_of(setup.objects({"certificates": mode, "probeJob": {"enabled": jobs}, "settings": settings,
                                           "reports": {"enabled": jobs}})[0])
        assert rules_of(wanted) == rendered, (mode, set(rules_of(wanted)) ^ set(rendered))


def case_split(setup):
    """with certificates of cert-manager or one's own the serving pods may change no webhook configuration and no Secret"""
    cluster = setup.cluster
    wanted = [("patch", "validatingwebhookconfigurations/backstop", None),
              ("patch", "mutatingwebhookconfigurations/backstop", None), ("create", "secrets", NAMESPACE),
              ("update", "secrets/backstop-certificates", NAMESPACE), ("get", "secrets/backstop-certificates", NAMESPACE)]

    def may(mode):
        cluster.must("delete", "clusterrole,clusterrolebinding", "backstop", "--ignore-not-found")
        for namespace in ("kcm-system", NAMESPACE):
            cluster.must("delete", "role,rolebinding", "backstop", "-n", namespace, "--ignore-not-found")
        plain, _ = setup.objects({"certificates": mode})
        cluster.must("apply", "-f", "-", stdin=[o for o in plain if o["kind"] in (
            "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")])

        def ask():
            return [cluster.kubectl("auth", "can-i", verb, what, *(["-n", namespace] if namespace else []),
                                    user="backstop-token").out.strip() for verb, what, namespace in wanted]
        expected = ["yes" if mode["mode"] == "managed" else "no"] * len(wanted)
        wait_until(f"the roles of {mode['mode']}: {expected}", lambda: ask() == expected, 10)
        lease = cluster.kubectl("auth", "can-i", "patch", "leases/backstop-deletions", "-n", "kcm-system",
                                user="backstop-token")
        assert lease.out.strip() == "yes", lease

    may({"mode": "managed"})
    may({"mode": "cert-manager"})
    may({"mode": "job"})
    may({"mode": "secret", "secretName": "own", "caBundle": "eA=="})


def helm_at(cluster, *args):
    done = subprocess.run([os.environ["HELM"], *args, "--namespace", NAMESPACE, "--kubeconfig",
                           f"{cluster.dir}/admin-token.kubeconfig"], capture_output=True, text=True,
                          env={**os.environ, "HOME": cluster.dir})
    assert done.returncode == 0, done
    return done.stdout


def case_taken_over(setup):
    """what kubectl applied, helm takes over, upgrades without touching the caBundle, and takes away (Jobs apart: no pods)"""
    cluster = setup.cluster
    for kind, where in (("clusterrole,clusterrolebinding", ()), ("role,rolebinding", ("-n", NAMESPACE))):
        cluster.must("delete", kind, "backstop-certificates", *where, "--ignore-not-found")  # the cases' before
    cluster.must("apply", "-k", f"{ROOT}/manifests")
    helm_at(cluster, "install", "backstop", str(helm.CHART), "--no-hooks", "--take-ownership", "--set", "image.repository=backstop")
    setup.start(setup.objects(VALUES)[0])
    wait_until("the caBundle", lambda: "BEGIN CERTIFICATE" in ca_bundle(cluster))
    before = ca_bundle(cluster)
    helm_at(cluster, "upgrade", "backstop", str(helm.CHART), "--no-hooks", "--set",
            "image.repository=backstop,replicas=3,port=10250,webhooks.schedules.failurePolicy=Fail")

    def schedules():
        return [h["failurePolicy"] for h in cluster.get("validatingwebhookconfiguration", "backstop")["webhooks"]
                if h["name"].startswith("schedules.")]
    wait_until("the one that is new among those to fail closed", lambda: schedules() == ["Fail"], 30)
    hooks = cluster.get("validatingwebhookconfiguration", "backstop")["webhooks"]
    assert ca_bundle(cluster) == before and all(h["clientConfig"].get("caBundle") for h in hooks)
    deployment = cluster.get("deployment", "-n", NAMESPACE, "backstop")["spec"]
    ports = [p["containerPort"] for p in deployment["template"]["spec"]["containers"][0]["ports"]]
    assert deployment["replicas"] == 3 and sorted(ports) == [8080, 10250], deployment
    helm_at(cluster, "uninstall", "backstop", "--no-hooks")
    kinds = f"{CONFIGURATIONS},clusterrole,clusterrolebinding,role,rolebinding,deployment,service,configmap"
    left = cluster.must("get", kinds, "-A", "-l", "app.kubernetes.io/name=backstop", "-o", "name").out.split()
    assert not left, left
