"""A real etcd and kube-apiserver on loopback, and kubectl against it."""
import atexit
import base64
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.request

SANITIZER = re.compile(r"(AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:).*")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Skip(Exception):
    """Raised by a Setup or a case: what it needs is not on this machine, or not in this version of Kubernetes."""


PORTS = range(12000, 32000)  # below those that the kernel gives to clients, so that none takes one before its server does


def free_port():
    """A port that nobody listens on, and that no other run of these tests is given: they take turns by a file."""
    with open(f"{tempfile.gettempdir()}/backstop-e2e-ports", "a+") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        turn.seek(0)
        last = int(turn.read() or PORTS.start)
        for step in range(1, len(PORTS)):
            port = PORTS[(last - PORTS.start + step) % len(PORTS)]
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    s.bind(("127.0.0.1", port))
                except OSError:
                    continue
            turn.truncate(0)
            turn.write(str(port))
            return port
    raise AssertionError("no port is free")


def wait_until(what, check, seconds=20.0, every=0.1):
    """Polls until check() is true; its last exception or value tells why not."""
    deadline, last = time.monotonic() + seconds, None
    while time.monotonic() < deadline:
        try:
            last = check()
            if last:
                return last
        except Exception as problem:  # noqa: BLE001 - reported below
            last = problem
        time.sleep(every)
    raise AssertionError(f"timed out after {seconds:g} s waiting for {what}; last: {last}")


class Process:
    """A child process with its log; ended by its own handle, never by name, and with its parent at the latest."""

    STARTED = []

    def __init__(self, name, command, log, env=None):
        self.name, self.command, self.log, self.env = name, command, log, env
        self.handle = None

    def start(self):
        self.handle = subprocess.Popen(self.command, stdout=open(self.log, "a"), stderr=subprocess.STDOUT,
                                       env=self.env, stdin=subprocess.DEVNULL)
        self.STARTED.append(self.handle)
        return self

    def stop(self, how=signal.SIGTERM, seconds=20):
        if not self.handle or self.handle.poll() is not None:
            return self.handle.returncode if self.handle else None
        self.handle.send_signal(how)
        try:
            return self.handle.wait(seconds)
        except subprocess.TimeoutExpired:
            self.handle.kill()
            return self.handle.wait()

    def tail(self, lines=30):
        return "".join(open(self.log, errors="replace").readlines()[-lines:])

    def sanitizer_report(self):
        """What a sanitizer wrote into the log; empty when it found nothing."""
        text = open(self.log, errors="replace").read()
        found = SANITIZER.search(text)
        return text[max(0, found.start() - 200):][:6000] if found else ""


@atexit.register
def end_processes():
    """What a Setup that failed half-way has left."""
    for handle in Process.STARTED:
        if handle.poll() is None:
            handle.kill()


class Answer:
    """What one kubectl call printed."""

    def __init__(self, done, seconds):
        self.code, self.out, self.err, self.seconds = done.returncode, done.stdout, done.stderr, seconds
        self.text = done.stdout + done.stderr

    def __str__(self):
        return f"exit {self.code}\n{self.text}"


class ControlPlane:
    USERS = {  # token: (user, groups)
        "admin-token": ("admin", "system:masters"),
        "editor-token": ("editor", "editors"),
        "velero-token": ("system:serviceaccount:kcm-system:velero-server", "system:serviceaccounts"),
        "kcm-token": ("system:serviceaccount:kcm-system:kcm-controller-manager", "system:serviceaccounts"),
        "backstop-token": ("system:serviceaccount:backstop-system:backstop", "system:serviceaccounts"),
        "certificates-token": ("system:serviceaccount:backstop-system:backstop-certificates", "system:serviceaccounts"),
        "reports-token": ("system:serviceaccount:backstop-system:backstop-reports", "system:serviceaccounts"),
        "probe-token": ("system:serviceaccount:backstop-system:backstop-probe", "system:serviceaccounts"),
    }

    def __init__(self, assets):
        self.assets, self.minor, self.ports = assets, 0, {}
        self.dir = tempfile.mkdtemp(prefix="backstop-e2e-")
        self.port, etcd, peer = free_port(), free_port(), free_port()
        self.url = f"https://localhost:{self.port}"
        self._identities()
        self.etcd = Process("etcd", [
            f"{assets}/etcd", "--data-dir", f"{self.dir}/etcd", "--unsafe-no-fsync",
            "--listen-client-urls", f"http://127.0.0.1:{etcd}", "--advertise-client-urls", f"http://127.0.0.1:{etcd}",
            "--listen-peer-urls", f"http://127.0.0.1:{peer}"], f"{self.dir}/etcd.log")
        self.api = Process("kube-apiserver", [
            f"{assets}/kube-apiserver", f"--etcd-servers=http://127.0.0.1:{etcd}", "--bind-address=127.0.0.1",
            f"--secure-port={self.port}", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
            f"--tls-cert-file={self.dir}/api.crt", f"--tls-private-key-file={self.dir}/api.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.dir}/sa.key", f"--service-account-signing-key-file={self.dir}/sa.key",
            f"--token-auth-file={self.dir}/tokens.csv", "--authorization-mode=RBAC",
            "--disable-admission-plugins=ServiceAccount", "--service-cluster-ip-range=10.0.0.0/24",
            # The shipped Service is an ordinary ClusterIP one: let the API server go to its endpoints itself.
            "--enable-aggregator-routing=true"], f"{self.dir}/api.log")

    def _identities(self):
        def openssl(*args):
            subprocess.run(["openssl", *args], check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", f"{self.dir}/sa.key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-keyout", f"{self.dir}/api.key", "-out", f"{self.dir}/api.crt", "-subj", "/CN=kube-apiserver",
                "-addext", "subjectAltName=DNS:localhost,DNS:kubernetes.default.svc,IP:127.0.0.1")
        with open(f"{self.dir}/tokens.csv", "w") as f:
            for token, (user, group) in self.USERS.items():
                f.write(f'{token},{user},{user},"{group}"\n')
        for token in self.USERS:
            self.kubeconfig(token)

    def kubeconfig(self, token, name=None):
        """The path of a kubeconfig for one of USERS' tokens."""
        path = f"{self.dir}/{name or token}.kubeconfig"
        with open(path, "w") as f:
            json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "e2e",
                       "clusters": [{"name": "e2e", "cluster": {
                           "server": self.url, "certificate-authority": f"{self.dir}/api.crt"}}],
                       "users": [{"name": "e2e", "user": {"token": token}}],
                       "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "e2e"}}]}, f)
        return path

    def start(self):
        self.etcd.start()
        self.api.start()
        self.wait_ready()
        return self

    def wait_ready(self):
        wait_until("kube-apiserver", lambda: self.request("GET", "/readyz")[0] == 200, 60)
        self.minor = int(re.match(r"\d+", self.request("GET", "/version")[1]["minor"])[0])

    def follows_endpoints(self):
        """It finds webhooks by Endpoints, not by EndpointSlices yet."""
        return self.minor < 33

    def restart_api(self):
        self.api.stop(signal.SIGKILL)
        self.api.start()
        self.wait_ready()

    def stop(self):
        self.api.stop(signal.SIGKILL)  # a graceful stop waits a minute for watches
        self.etcd.stop(signal.SIGKILL)
        shutil.rmtree(self.dir, ignore_errors=True)

    def kubectl(self, *args, stdin=None, user="admin-token", timeout=200):
        start = time.monotonic()
        if isinstance(stdin, (dict, list)):
            stdin = json.dumps(stdin if isinstance(stdin, dict) else {"apiVersion": "v1", "kind": "List", "items": stdin})
        done = subprocess.run([f"{self.assets}/kubectl", "--kubeconfig", f"{self.dir}/{user}.kubeconfig", *args],
                              input=stdin, capture_output=True, text=True, timeout=timeout,
                              env={**os.environ, "HOME": self.dir})
        return Answer(done, time.monotonic() - start)

    def must(self, *args, **more):
        answer = self.kubectl(*args, **more)
        assert answer.code == 0, f"kubectl {' '.join(args)}: {answer}"
        return answer

    def get(self, *args, **more):
        """An object as the API server has it; None when there is none."""
        answer = self.kubectl("get", *args, "-o", "json", "--ignore-not-found", **more)
        assert answer.code == 0, answer
        return json.loads(answer.out) if answer.out.strip() else None

    def items(self, *args, **more):
        """The objects of a list; kubectl prints nothing for an empty one."""
        return (self.get(*args, **more) or {"items": []})["items"]

    def request(self, method, path, body=None, user="admin-token", content_type="application/json", timeout=10):
        """One plain API request: (status, document). managedFields name a writer by its User-Agent, so Velero's is set."""
        headers = {"Authorization": f"Bearer {user}", "Content-Type": content_type,
                   **({"User-Agent": "velero-server/e2e"} if user == "velero-token" else {})}
        request = urllib.request.Request(self.url + path, method=method,
                                         data=None if body is None else json.dumps(body).encode(), headers=headers)
        context = ssl.create_default_context(cafile=f"{self.dir}/api.crt")
        try:
            with urllib.request.urlopen(request, context=context, timeout=timeout) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text[:1] == b"{" else text
        except urllib.error.HTTPError as refused:
            text = refused.read()
            return refused.code, json.loads(text) if text[:1] == b"{" else text


def base64_file(path):
    return base64.b64encode(open(path, "rb").read()).decode()
