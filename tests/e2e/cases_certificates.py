"""Certificates: managed by two replicas, or from files, under calls that never stop."""
import base64
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

from control_plane import wait_until
from webhook import (NAMES, NAMESPACE, Replica, apply_crds, apply_manifests, ca_bundle, issue_certificate,
                     managementbackup, set_ca_bundle, wait_in_force)

SECRET = "backstop-certificates"
ASK = "/apis/k0rdent.mirantis.com/v1beta1/managementbackups?dryRun=All"
CONFIGURATION = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/backstop"
WRONG = managementbackup("asked", schedule="0 9 * * 7")


class Setup:
    def __init__(self, cluster, binary):
        self.cluster, self.binary, self.replicas = cluster, binary, []
        apply_crds(cluster)
        apply_manifests(cluster)
        self.files = f"{cluster.dir}/files"

    def start(self, *extra, count=2, ready=True, **more):
        """Replaces the replicas by new ones."""
        self.close()
        first = int(time.monotonic() * 1000)
        self.replicas = [Replica(self.cluster, self.binary, first + i, extra, **more) for i in range(count)]
        for replica in self.replicas:
            replica.start(ready=False)
        for replica in self.replicas:
            if ready:
                replica.wait_ready()

    def close(self):
        for replica in self.replicas:
            replica.endpoint(False)
            replica.stop()
        self.replicas = []

    def secret(self):
        return self.cluster.get("secret", "-n", NAMESPACE, SECRET)

    def data(self, key):
        return base64.b64decode((self.secret() or {}).get("data", {}).get(key, "")).decode(errors="replace")

    def lines(self, message):
        found = []
        for replica in self.replicas:
            for line in open(replica.log, errors="replace"):
                if line.startswith("{") and json.loads(line)["message"] == message:
                    found.append(json.loads(line))
        return found


class Calls:
    """API requests that must reach the webhook, and TLS clients that trust what caBundle says."""

    def __init__(self, setup, threads=3):
        self.setup, self.stopping, self.failures = setup, threading.Event(), []
        self.calls = self.handshakes = 0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(threads)]
        self.threads += [threading.Thread(target=self._greet, args=(r,), daemon=True) for r in setup.replicas]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        if kind is None:
            assert not self.failures, f"{len(self.failures)} of {self.calls} calls failed: {self.failures[:3]}"
            assert self.calls > 10 and self.handshakes > 10, (self.calls, self.handshakes)
            print(f"      {self.calls} calls and {self.handshakes} handshakes, none failed", flush=True)

    def _count(self, what, problem):
        with self.lock:
            setattr(self, what, getattr(self, what) + 1)
            if problem:
                self.failures.append(f"{time.strftime('%H:%M:%S')} {problem}")

    def _ask(self):
        while not self.stopping.is_set():
            code, answer = self.setup.cluster.request("POST", ASK, WRONG, user="admin-token")
            good = code == 422 and "day-of-week 7" in str(answer)
            self._count("calls", None if good else f"{code} {str(answer)[:300]}")

    def _greet(self, replica):
        """As an API server whose view of caBundle is a second old."""
        bundles = []
        while not self.stopping.wait(0.05):
            _, document = self.setup.cluster.request("GET", CONFIGURATION)
            bundle = base64.b64decode(document["webhooks"][0]["clientConfig"].get("caBundle", "")).decode()
            bundles.append((time.monotonic(), bundle))
            while len(bundles) > 1 and time.monotonic() - bundles[1][0] > 0.7:
                bundles.pop(0)
            try:
                handshake(replica.port, bundles[0][1])
                self._count("handshakes", None)
            except (ssl.SSLError, OSError, ValueError) as refused:
                self._count("handshakes", f"handshake: {refused}")


def handshake(port, bundle):
    """The serial number of what is served; fails when it is not to be trusted."""
    context = ssl.create_default_context(cadata=bundle)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname=NAMES[2]) as client:
            return client.getpeercert()["serialNumber"]


def certificates_in(bundle):
    return bundle.count("BEGIN CERTIFICATE")


def replace_data(setup, **values):
    patch = {"data": {k.replace("_", "."): base64.b64encode(v.encode()).decode() for k, v in values.items()}}
    setup.cluster.must("patch", "secret", "-n", NAMESPACE, SECRET, "--type=merge", "-p", json.dumps(patch))


# ---- managed --------------------------------------------------------------------------

def case_install(setup):
    """installed without any certificate, two replicas at once: ready and called"""
    assert setup.secret() is None and not ca_bundle(setup.cluster)
    setup.start("--tls-managed")
    wait_in_force(setup.cluster)
    assert setup.secret()["type"] == "kubernetes.io/tls", setup.secret()["type"]
    assert certificates_in(ca_bundle(setup.cluster)) == 1, ca_bundle(setup.cluster)
    serials = {handshake(r.port, ca_bundle(setup.cluster)) for r in setup.replicas}
    assert len(serials) == 1, serials
    assert sum(line["ca"] for line in setup.lines("certificates renewed")) == 1, setup.lines("certificates renewed")
    for kind in ("mutatingwebhookconfiguration", "validatingwebhookconfiguration"):
        owners = setup.cluster.get(kind, "backstop", "--show-managed-fields")["metadata"]["managedFields"]
        ours = [o["fieldsV1"] for o in owners if o["manager"] == "backstop"]
        assert ours and "caBundle" in str(ours) and "rules" not in str(ours), owners


def case_openssl(setup):
    """what is served and stored passes `openssl verify` and `openssl s_client`"""
    folder = f"{setup.cluster.dir}/managed"
    os.makedirs(folder, exist_ok=True)
    for key in ("ca.crt", "tls.crt"):
        open(f"{folder}/{key}", "w").write(setup.data(key))
    done = subprocess.run(["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", NAMES[2],
                           "-CAfile", f"{folder}/ca.crt", f"{folder}/tls.crt"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in NAMES:
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{setup.replicas[0].port}", "-CAfile",
                               f"{folder}/ca.crt", "-verify_return_error", "-verify_hostname", name],
                              input="", capture_output=True, text=True)
        assert done.returncode == 0 and "Verify return code: 0" in done.stdout, done.stdout + done.stderr


def case_stripped(setup):
    """a caBundle that is stripped or replaced is put back"""
    good = ca_bundle(setup.cluster)
    for operation in ({"op": "remove"}, {"op": "replace", "value": "anVuaw=="}):
        patch = [{"path": "/webhooks/0/clientConfig/caBundle", **operation}]
        setup.cluster.must("patch", "validatingwebhookconfiguration", "backstop", "--type=json", "-p", json.dumps(patch))
        wait_until("caBundle to come back", lambda: ca_bundle(setup.cluster) == good, 10)
    wait_in_force(setup.cluster)


def case_gitops(setup):
    """a GitOps tool that applies the manifests again, and takes a webhook out, is not in our way nor we in its"""
    good = ca_bundle(setup.cluster)
    manifest = setup.cluster.get("validatingwebhookconfiguration", "backstop")
    for hook in manifest["webhooks"]:
        hook["clientConfig"].pop("caBundle")
    manifest["metadata"] = {"name": "backstop", "labels": manifest["metadata"]["labels"]}
    apply = ("apply", "--server-side", "--field-manager=gitops", "--force-conflicts", "-f", "-")
    setup.cluster.must(*apply, stdin=manifest)
    assert ca_bundle(setup.cluster) == good
    whole, manifest["webhooks"] = manifest["webhooks"], manifest["webhooks"][:-1]
    setup.cluster.must("delete", "validatingwebhookconfiguration", "backstop")
    setup.cluster.must(*apply, stdin={**manifest, "webhooks": whole})
    wait_until("caBundle in the new object", lambda: ca_bundle(setup.cluster) == good, 10)
    setup.cluster.must(*apply, stdin=manifest)
    left = setup.cluster.get("validatingwebhookconfiguration", "backstop")["webhooks"]
    assert len(left) == len(whole) - 1, left
    setup.cluster.must(*apply, stdin={**manifest, "webhooks": whole})
    wait_until("caBundle in all", lambda: all("caBundle" in h["clientConfig"] for h in setup.cluster.get(
        "validatingwebhookconfiguration", "backstop")["webhooks"]), 10)
    wait_in_force(setup.cluster)


def case_damaged(setup):
    """the Secret deleted, then damaged in every way: made whole, and no call fails"""
    def whole():
        text = "".join(setup.data(k) for k in ("ca.crt", "tls.crt"))
        return certificates_in(text) == 2 and "PRIVATE KEY" in setup.data("ca.key") and \
            "PRIVATE KEY" in setup.data("tls.key") and "junk" not in text

    with Calls(setup):
        time.sleep(1)
        setup.cluster.must("delete", "secret", "-n", NAMESPACE, SECRET)
        wait_until("a new Secret", whole, 15)
        for key in ("tls_key", "tls_crt", "ca_key", "ca_crt", "previous-ca_crt"):
            before = setup.secret()["metadata"]["resourceVersion"]
            replace_data(setup, **{key: "-----BEGIN CERTIFICATE-----\njunk\n-----END CERTIFICATE-----\n"})
            wait_until(f"the Secret to be whole after {key} was damaged", lambda: whole() and
                       setup.secret()["metadata"]["resourceVersion"] != before, 15)
            time.sleep(0.5)
        other = setup.data("ca.key")
        replace_data(setup, tls_key=other)
        wait_until("a key that does not fit to be replaced", lambda: setup.data("tls.key") != other, 15)
        time.sleep(2)
    for replica in setup.replicas:
        replica.wait_ready()


def case_rotation(setup):
    """leaf and CA rotated every few seconds under continuous calls: none fails"""
    setup.close()
    setup.cluster.must("delete", "secret", "-n", NAMESPACE, SECRET)
    setup.start("--tls-managed", "--cert-lifetime", "18s", "--ca-lifetime", "54s")
    wait_in_force(setup.cluster)
    seen, cas = set(), set()
    with Calls(setup):
        until = time.monotonic() + 90
        while time.monotonic() < until:
            seen.add(setup.data("tls.crt"))
            cas.add(setup.data("ca.crt"))
            assert 1 <= certificates_in(ca_bundle(setup.cluster)) <= 3
            time.sleep(0.5)
    assert len(seen) >= 6 and len(cas) >= 3, (len(seen), len(cas))
    print(f"      {len(seen)} certificates of {len(cas)} CAs", flush=True)
    for replica in setup.replicas:
        assert replica.health_get("/readyz")[0] == 200
        metrics = replica.health_get("/metrics")[1]
        assert 'backstop_certificate_loads_total{result="ok"}' in metrics, metrics
        assert 'backstop_certificate_expiry_timestamp_seconds{certificate="ca"}' in metrics, metrics


def case_foreign(setup):
    """a Secret that is not ours is never overwritten: unready, with the reason"""
    setup.start("--tls-managed")
    setup.cluster.must("create", "secret", "generic", "foreign", "-n", NAMESPACE, "--from-literal=tls.key=mine")
    other = Replica(setup.cluster, setup.binary, 99, ("--tls-managed", "--tls-secret", "foreign"),
                    kubeconfig=f"{setup.cluster.dir}/admin-token.kubeconfig")
    other.process.start()
    try:
        said = wait_until("the reason", lambda: (lambda a: a[1] if "was not created by backstop" in a[1] else None)(
            other.health_get("/readyz")), 15)
        assert "delete it, or use another one with --tls-secret" in said, said
        assert setup.cluster.get("secret", "-n", NAMESPACE, "foreign")["data"] == {"tls.key": "bWluZQ=="}
        setup.cluster.must("delete", "secret", "-n", NAMESPACE, "foreign")
        other.wait_ready(15)
    finally:
        other.stop()
        setup.cluster.must("delete", "secret", "-n", NAMESPACE, "foreign", "--ignore-not-found")


# ---- files ----------------------------------------------------------------------------

def mount(setup, *sources):
    """A Secret's mount: tls.crt -> ..data/tls.crt, ..data -> a folder with a time for a name."""
    os.makedirs(setup.files, exist_ok=True)
    for name in ("tls.crt", "tls.key"):
        if not os.path.islink(f"{setup.files}/{name}"):
            os.symlink(f"..data/{name}", f"{setup.files}/{name}")
    for source in sources:
        fresh = f"..{time.monotonic_ns()}"
        os.mkdir(f"{setup.files}/{fresh}")
        for name in ("tls.crt", "tls.key"):
            shutil.copy(f"{source}/{name}", f"{setup.files}/{fresh}/{name}")
        old = os.readlink(f"{setup.files}/..data") if os.path.islink(f"{setup.files}/..data") else None
        os.symlink(fresh, f"{setup.files}/..data_tmp")
        os.rename(f"{setup.files}/..data_tmp", f"{setup.files}/..data")
        if old:
            shutil.rmtree(f"{setup.files}/{old}")
    return "--tls-cert", f"{setup.files}/tls.crt", "--tls-key", f"{setup.files}/tls.key"


def reissue(setup, name, *more, names=NAMES, expired=False):
    """A pair by the CA of issue_certificate, by the openssl command."""
    folder, ca = f"{setup.cluster.dir}/{name}", f"{setup.cluster.dir}/issued"
    if not os.path.exists(ca):
        issue_certificate(ca)
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/ext", "w") as f:
        f.write("basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n"
                "subjectAltName=" + ",".join(f"DNS:{n}" for n in names) + "\n")
    run = lambda *a: subprocess.run(["openssl", *a], check=True, capture_output=True)  # noqa: E731
    run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{folder}/tls.key", "-out",
        f"{folder}/csr", "-subj", "/CN=e2e")
    if expired:
        with open(f"{folder}/ca.cnf", "w") as f:
            f.write(f"[ca]\ndefault_ca=c\n[c]\ndatabase={folder}/db\nnew_certs_dir={folder}\nserial={folder}/serial\n"
                    "default_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=optional\n")
        open(f"{folder}/db", "w").close()
        open(f"{folder}/serial", "w").write("1000")
        run("ca", "-batch", "-config", f"{folder}/ca.cnf", "-in", f"{folder}/csr", "-out", f"{folder}/tls.crt", "-notext",
            "-cert", f"{ca}/ca.crt", "-keyfile", f"{ca}/ca.key", "-startdate", "20200101000000Z", "-enddate",
            "20200201000000Z", "-extfile", f"{folder}/ext")
    else:
        run("x509", "-req", "-in", f"{folder}/csr", "-CA", f"{ca}/ca.crt", "-CAkey", f"{ca}/ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", f"{folder}/ext", "-out", f"{folder}/tls.crt")
    return folder


def case_expired(setup):
    """an expired pair at the start: unready with the reason, ready once a good one is mounted"""
    expired, good = reissue(setup, "expired", expired=True), reissue(setup, "good")
    setup.start(*mount(setup, expired), "--tls-service", "backstop.backstop-system", count=1, ready=False)
    replica = setup.replicas[0]
    said = wait_until("the reason", lambda: (lambda a: a[1] if "expired at" in a[1] else None)(replica.health_get("/readyz")))
    assert "[-]certificate failed: the certificate expired at 2020-02-01T00:00:00Z" in said, said
    mount(setup, good)
    replica.wait_ready(10)
    set_ca_bundle(setup.cluster, f"{setup.cluster.dir}/issued/ca.crt")
    wait_in_force(setup.cluster)


def case_wrong_names(setup):
    """a certificate for other names: told in readyz and log, counted; the API server's refusal names them"""
    replica = setup.replicas[0]
    mount(setup, reissue(setup, "wrong", names=["other.example"]))
    wait_until("the warning", lambda: "is not valid for backstop: its names are other.example" in
               replica.health_get("/readyz?verbose")[1], 10)
    replica.stop(how=signal.SIGTERM)
    setup.start(*mount(setup), "--tls-service", "backstop.backstop-system", count=1)
    refused = setup.cluster.kubectl("create", "--dry-run=server", "-f", "-", user="admin-token", stdin={
        "apiVersion": "velero.io/v1", "kind": "Restore", "metadata": {"name": "r", "namespace": "kcm-system"},
        "spec": {"backupName": "b"}})
    assert "not backstop.backstop-system.svc" in refused.text, refused
    wait_until("the handshake to be counted", lambda: 'backstop_tls_handshake_failures_total{reason="bad_certificate"}' in
               setup.replicas[0].health_get("/metrics")[1], 10)
    mount(setup, reissue(setup, "good"))
    wait_in_force(setup.cluster)


def case_mount_swap(setup):
    """mounts swapped as cert-manager and kubelet do it, every second under continuous calls: none fails"""
    pairs = [reissue(setup, f"swap-{i}") for i in range(4)]
    bad = f"{setup.cluster.dir}/bad"
    os.makedirs(bad, exist_ok=True)
    shutil.copy(f"{pairs[0]}/tls.crt", bad)
    shutil.copy(f"{pairs[1]}/tls.key", bad)
    setup.start(*mount(setup, pairs[0]), count=2)
    wait_in_force(setup.cluster)
    with Calls(setup):
        for turn in range(12):
            mount(setup, bad if turn % 4 == 3 else pairs[turn % 4])
            time.sleep(1)
        mount(setup, pairs[1])
        time.sleep(1)
    for replica in setup.replicas:
        metrics = replica.health_get("/metrics")[1]
        loads = [line for line in metrics.splitlines() if line.startswith("backstop_certificate_loads_total")]
        assert any('"failed"' in line for line in loads) and any('"ok"' in line for line in loads), loads
        assert "last good" not in replica.health_get("/readyz?verbose")[1]
