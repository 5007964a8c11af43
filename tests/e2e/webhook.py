"""The webhook under test: its process(es) behind the shipped Service, manifests applied as they are."""
import base64
import glob
import json
import os
import signal
import subprocess
import time

from control_plane import ROOT, Process, base64_file, free_port, wait_until

NAMESPACE = "backstop-system"
NAMES = ["backstop", f"backstop.{NAMESPACE}", f"backstop.{NAMESPACE}.svc", f"backstop.{NAMESPACE}.svc.cluster.local"]


class Replica:
    """One `backstop serve` and the EndpointSlice that puts it behind the Service."""

    PROBLEMS = []  # ends that were not clean, of all replicas; the runner reports them

    def __init__(self, cluster, binary, index, extra=(), kubeconfig=None, env=None):
        self.cluster, self.index, Replica.binary = cluster, index, binary
        self.port, self.health = free_port(), free_port()
        self.log = f"{cluster.dir}/backstop-{index}.log"
        self.process = Process(f"backstop-{index}", [
            binary, "serve", "--listen", f"{'' if cluster.follows_endpoints() else '127.0.0.1'}:{self.port}", "--health-listen", f"127.0.0.1:{self.health}",
            "--kubeconfig", kubeconfig or f"{cluster.dir}/backstop-token.kubeconfig", *extra], self.log,
            {**os.environ, "BACKSTOP_CALL_CHECK": "0s", **(env or {})})  # cases count what is reviewed

    def start(self, ready=True):
        self.process.start()
        self.endpoint(True)
        if ready:
            self.wait_ready()
        return self

    def health_get(self, path):
        done = subprocess.run(["curl", "-s", "-m", "5", "-w", "\n%{http_code}",
                               f"http://127.0.0.1:{self.health}{path}"], capture_output=True, text=True)
        body, _, code = done.stdout.rpartition("\n")
        return int(code or 0), body

    def wait_ready(self, seconds=30):
        try:
            wait_until(f"replica {self.index} to be ready", lambda: self.health_get("/readyz")[0] == 200, seconds)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.health_get('/readyz?verbose')[1]}\n{self.process.tail()}") from None

    def endpoint(self, present):
        """In or out of the Service, as the endpoint controller would do it."""
        self.cluster.ports[self.index] = self.port if present else None
        if self.cluster.follows_endpoints():
            self.old_endpoint(present)
        self.cluster.must("apply", "-f", "-", stdin={
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "FQDN",
            "metadata": {"name": f"backstop-{self.index}", "namespace": NAMESPACE,
                         "labels": {"kubernetes.io/service-name": "backstop"}},
            "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}] if present else [],
            "ports": [{"name": "https", "port": self.port, "protocol": "TCP"}]})

    def old_endpoint(self, present):
        """Endpoints name no loopback address, and hold all replicas."""
        address = subprocess.run(["hostname", "-I"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[0]
        self.cluster.must("apply", "-f", "-", stdin={
            "apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "backstop", "namespace": NAMESPACE},
            "subsets": [{"addresses": [{"ip": address}], "ports": [{"name": "https", "port": port, "protocol": "TCP"}]}
                        for port in self.cluster.ports.values() if port]})

    def hang(self):
        """Stops all its threads; on a busy machine that takes a moment."""
        def states():
            return {open(path).read().rpartition(")")[2].split()[0] for path in glob.glob(f"/proc/{pid}/task/*/stat")}
        pid = self.process.handle.pid
        self.process.handle.send_signal(signal.SIGSTOP)
        wait_until(f"replica {self.index} to stand still", lambda: states() == {"T"})

    def stop(self, **how):
        """Ends it; whatever but a clean end at SIGTERM, and every sanitizer report, is noted."""
        running = self.process.handle is not None and self.process.handle.poll() is None
        code = self.process.stop(**how)
        killed = how.get("how") == signal.SIGKILL
        if self.process.handle is not None and code != (-signal.SIGKILL if killed else 0):
            self.PROBLEMS.append(f"replica {self.index} ended with {code}{'' if running else ' by itself'}:\n"
                                 f"{self.process.tail(5)}")
        report = self.process.sanitizer_report() if self.process.handle is not None else ""
        if report:
            self.PROBLEMS.append(f"replica {self.index}:\n{report}")
        self.process.handle = None
        return code


SMALL_CRDS = f"{ROOT}/tests/e2e/crds"


def apply_crds(cluster, folders=()):
    """The real CRDs where BACKSTOP_E2E_CRDS points, else the project's own small ones; or those of these folders."""
    folders = folders or [os.environ.get("BACKSTOP_E2E_CRDS") or SMALL_CRDS]
    cluster.must("apply", "--server-side", "-R", *[word for folder in folders for word in ("-f", folder)])
    cluster.must("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")


def apply_manifests(cluster):
    cluster.must("create", "namespace", "kcm-system")
    cluster.must("apply", "-k", f"{ROOT}/manifests")


def issue_certificate(folder):
    """A CA and a serving certificate for the Service's names, by the openssl command."""
    os.makedirs(folder, exist_ok=True)

    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.crt", "-subj", "/CN=e2e CA")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{folder}/tls.key",
            "-out", f"{folder}/tls.csr", "-subj", f"/CN={NAMES[2]}")
    with open(f"{folder}/ext", "w") as f:
        f.write("basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n"
                "subjectAltName=" + ",".join(f"DNS:{n}" for n in NAMES) + "\n")
    openssl("x509", "-req", "-in", f"{folder}/tls.csr", "-CA", f"{folder}/ca.crt", "-CAkey", f"{folder}/ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", f"{folder}/ext", "-out", f"{folder}/tls.crt")
    return folder


def set_ca_bundle(cluster, ca_file):
    for kind in ("mutatingwebhookconfiguration", "validatingwebhookconfiguration"):
        hooks = cluster.get(kind, "backstop")["webhooks"]
        patch = [{"op": "add", "path": f"/webhooks/{i}/clientConfig/caBundle", "value": base64_file(ca_file)}
                 for i in range(len(hooks))]
        cluster.must("patch", kind, "backstop", "--type=json", "-p", json.dumps(patch))


def ca_bundle(cluster):
    hook = cluster.get("validatingwebhookconfiguration", "backstop")["webhooks"][0]
    return base64.b64decode(hook["clientConfig"].get("caBundle", "")).decode()


def is_called(cluster):
    """Whether the API server calls the webhook: it denies what nobody else would."""
    return "day-of-week 7" in cluster.kubectl(
        "create", "--dry-run=server", "-f", "-", stdin=managementbackup("in-force", schedule="0 9 * * 7")).text


def open_webhooks(cluster):
    """The names of those that are to fail closed, and do not yet."""
    found = []
    for kind in ("validatingwebhookconfiguration", "mutatingwebhookconfiguration"):
        configuration = cluster.get(kind, "backstop")
        named = configuration["metadata"].get("annotations", {}).get("backstop.k0rdent.mirantis.com/fail-closed", "")
        found += [h["name"] for h in configuration["webhooks"] if h["failurePolicy"] == "Ignore" and
                  h["name"].split(".")[0] in named.split(",")]
    return found


def wait_in_force(cluster):
    """A webhook configuration is in force about 0.1 s after it is applied. Then it fails closed, as the chart's Job or,
    with managed certificates, a replica has it."""
    wait_until("the webhook to be called", lambda: is_called(cluster), 15)
    if not open_webhooks(cluster):
        return
    index, port = next((index, port) for index, port in cluster.ports.items() if port)
    done = subprocess.run([Replica.binary, "probe", "--enforce", "--address", f"127.0.0.1:{port}", "--kubeconfig",
                           f"{cluster.dir}/admin-token.kubeconfig"], capture_output=True, text=True)
    assert done.returncode == 0 and not open_webhooks(cluster), (index, done)
    # Until it is in force, somebody may be admitted who is not called for.
    time.sleep(0.3)


def managementbackup(name, version="v1beta1", **spec):
    return {"apiVersion": f"k0rdent.mirantis.com/{version}", "kind": "ManagementBackup",
            "metadata": {"name": name}, "spec": spec}


def restore(name, backup, **spec):
    return {"apiVersion": "velero.io/v1", "kind": "Restore", "metadata": {"name": name, "namespace": "kcm-system"},
            "spec": {"backupName": backup, **spec}}
