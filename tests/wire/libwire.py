"""What the wire tests share: a server of their own, raw TLS clients, reviews."""
import atexit, copy, http.client, io, json, os, re, shutil, signal, socket, ssl, subprocess, sys, tempfile, time, traceback, uuid

BINARY = sys.argv[1]
HERE = os.path.dirname(os.path.abspath(__file__))
CERTS, OTHER_CERTS = os.environ["WIRE_CERTS"], os.environ["WIRE_OTHER_CERTS"]
BACKUP = "/validate-k0rdent-mirantis-com-v1beta1-managementbackup"
MANAGEMENT = "/validate-k0rdent-mirantis-com-v1beta1-management"
RESTORE = "/mutate-velero-io-v1-restore"
SANITIZER = re.compile(r"(AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:).*")

# ---- tests: functions registered by what they show ------------------------------------

TESTS = []


def shows(behaviour):
    def register(function):
        TESTS.append((behaviour, function))
        return function
    return register


def main(*fixtures):
    """Runs the tests, each with the fixtures; fixtures are stopped and checked at the end."""
    failed = 0

    def report(behaviour, run):
        nonlocal failed
        try:
            run()
            print("ok -", behaviour, flush=True)
        except Exception:
            failed += 1
            print("FAIL -", behaviour, flush=True)
            traceback.print_exc(file=sys.stdout)
    for behaviour, function in TESTS:
        report(behaviour, lambda: function(*fixtures))
    for fixture in fixtures:
        report("the server stops cleanly, nothing leaked", fixture.stop)
    sys.exit(1 if failed else 0)


def same(actual, expected, what=""):
    if actual != expected:
        raise AssertionError(f"{what or 'value'}: expected {expected!r}, got {actual!r}")


def holds(part, text):
    if part not in text:
        raise AssertionError(f"expected {part!r} in {text!r}")


def eventually(check, seconds=10):
    """Waits until check() fails no more; its last failure is the test's."""
    until = time.monotonic() + seconds
    while True:
        try:
            return check()
        except (AssertionError, OSError):
            if time.monotonic() > until:
                raise
        time.sleep(0.05)


# ---- reviews ---------------------------------------------------------------------------

def review(kind, name, spec, operation="CREATE", old=None, namespace=None, status=None, version="v1", **request):
    group, kind_version = {"Restore": ("velero.io", "v1"), "Backup": ("velero.io", "v1")}.get(kind, ("k0rdent.mirantis.com", "v1beta1"))
    resource = kind.lower() + "s"
    metadata = {"name": name, "uid": str(uuid.uuid4())}
    if namespace:
        metadata["namespace"] = namespace
    body = {"apiVersion": f"{group}/{kind_version}", "kind": kind, "metadata": metadata, "spec": spec}
    if status:
        body["status"] = status
    old_body = dict(copy.deepcopy(body), spec=old) if old is not None else None
    kinds = {"group": group, "version": kind_version, "kind": kind}
    resources = {"group": group, "version": kind_version, "resource": resource}
    return {"kind": "AdmissionReview", "apiVersion": f"admission.k8s.io/{version}", "request": {
        "uid": str(uuid.uuid4()), "kind": kinds, "resource": resources, "requestKind": kinds,
        "requestResource": resources, "name": name, **({"namespace": namespace} if namespace else {}),
        "operation": operation, "userInfo": {"username": "admin", "groups": ["system:masters"]},
        "object": body, "oldObject": old_body, "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"}, **request}}


def backup_review(name="daily", schedule="0 */6 * * *", location="aws-s3", **more):
    return review("ManagementBackup", name, {"schedule": schedule, "storageLocation": location}, **more)


def upgrade_review(release="kcm-1-3-0", **more):
    return review("Management", "kcm", {"release": release}, operation="UPDATE", old={"release": "kcm-1-2-0"},
                  status={"release": "kcm-1-2-0"}, **more)


LOCATION = """apiVersion: velero.io/v1
kind: BackupStorageLocation
metadata: {name: %s, namespace: kcm-system, creationTimestamp: "2026-01-01T00:00:00Z"}
spec: {provider: aws, objectStorage: {bucket: b}, config: {region: eu-west-1}}
status: {phase: Available, lastValidationTime: "2026-01-01T00:00:00Z"}
"""
FACTS = LOCATION % "aws-s3" + """---
apiVersion: k0rdent.mirantis.com/v1beta1
kind: Management
metadata: {name: kcm}
spec: {release: kcm-1-2-0}
status: {release: kcm-1-2-0}
---
apiVersion: k0rdent.mirantis.com/v1beta1
kind: Release
metadata: {name: kcm-1-3-0}
spec: {version: 1.3.0}
status: {ready: true}
---
apiVersion: k0rdent.mirantis.com/v1beta1
kind: ManagementBackup
metadata: {name: kcm-backup}
spec: {schedule: 0 */6 * * *, storageLocation: aws-s3, performOnManagementUpgrade: true}
---
apiVersion: velero.io/v1
kind: BackupList
items: []
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: velero, namespace: kcm-system, labels: {component: velero}}
spec: {template: {spec: {serviceAccountName: velero-server}}}
status: {readyReplicas: 1}
"""


# ---- the server ------------------------------------------------------------------------

class Server:
    def __init__(self, *arguments, facts=FACTS, settings=None, environment=None, health=True, log=None, before=(),
                 inventory=True):
        """log: a file instead of one in the folder; before: a command that runs the server's."""
        self.folder = tempfile.mkdtemp(prefix="wire-")
        self.inventory, self.settings = self.path("inventory"), self.path("settings.yaml")
        os.mkdir(self.inventory)
        self.write("inventory/facts.yaml", facts)
        command = [*before, BINARY, "serve", "--listen", "127.0.0.1:0", "--tls-cert", CERTS + "/tls.crt", "--tls-key",
                   CERTS + "/tls.key", "--port-file", self.path("ports"),
                   *(["--inventory", self.inventory] if inventory else []),
                   "--health-listen", "127.0.0.1:0" if health else ""]
        if settings is not None:
            self.write("settings.yaml", settings)
            command += ["--settings", self.settings]
        self.log_file = log or open(self.path("log"), "w")
        self.process = subprocess.Popen(command + list(arguments), stderr=self.log_file,
                                        env=dict(os.environ, **(environment or {})))
        self.stopped = False
        atexit.register(self.sweep)

        def up():
            if self.process.poll() is not None:
                raise RuntimeError("the server ended: " + self.log())
            assert os.path.exists(self.path("ports")), "the server does not start: " + self.log()
        eventually(up, 30)
        ports = dict(line.split("=") for line in open(self.path("ports")).read().split())
        self.port, self.health = int(ports["listen"]), int(ports["health"])

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        """Whole or not at all, as editors and kubelet do."""
        with open(self.path(name) + "~", "w") as file:
            file.write(text)
        os.rename(self.path(name) + "~", self.path(name))

    def log(self):
        if not os.path.exists(self.path("log")):
            return ""
        return open(self.path("log"), errors="replace").read()

    def log_lines(self, message):
        lines = [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]
        return [line for line in lines if line["message"] == message]

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def ended(self, seconds=30):
        code = self.process.wait(seconds)
        found = SANITIZER.search(self.log())
        if found:
            raise AssertionError(self.log()[max(0, found.start() - 200):][:6000])
        same(code, 0, "exit code of the server")

    def stop(self):
        if self.stopped:
            return
        self.stopped = True
        self.signal()
        self.ended()

    def sweep(self):
        """Whatever became of the test, no process and no folder stay behind."""
        if self.process.poll() is None:
            self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def client(self, **options):
        return Client(self.port, **options)

    def post(self, path, review, **options):
        with self.client() as client:
            return client.post(path, review, **options)

    def get(self, path, method="GET"):
        connection = http.client.HTTPConnection("127.0.0.1", self.health, timeout=10)
        connection.putrequest(method, path, skip_host=False)
        connection.endheaders()
        response = connection.getresponse()
        answer = response.status, response.read().decode(), response
        connection.close()
        return answer

    def metric(self, name):
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
        return 0


def start_fails(*arguments, environment=None):
    """Why `serve` does not start, by its last log line, and its exit code. Every line is JSON."""
    done = subprocess.run([BINARY, "serve", *arguments], capture_output=True, text=True, timeout=30,
                          env=dict(os.environ, **(environment or {})))
    found = SANITIZER.search(done.stderr)
    assert not found, done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert lines and (lines[-1]["level"], lines[-1]["message"]) == ("error", "cannot start"), done.stderr
    return done.returncode, lines[-1]["reason"]


# ---- the client ------------------------------------------------------------------------

def context(least=ssl.TLSVersion.TLSv1_3, most=ssl.TLSVersion.MAXIMUM_SUPPORTED):
    made = ssl.create_default_context(cafile=CERTS + "/ca.crt")
    made.minimum_version, made.maximum_version = least, most
    return made


class Client:
    """One TLS connection; sends whatever bytes it is told to."""

    def __init__(self, port, tls=None, name="localhost", timeout=20):
        plain = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as Go's clients do
        try:
            self.socket = (tls or context()).wrap_socket(plain, server_hostname=name)
        except BaseException:
            plain.close()
            raise
        self.stream = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.stream.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def answer(self, method="POST"):
        """The next answer: status, headers, body."""
        class Source:
            def __init__(self, stream):
                self.stream = stream

            def makefile(self, *_):
                return io.BufferedReader(NoClose(self.stream), 1)
        response = http.client.HTTPResponse(Source(self.stream), method=method)
        response.begin()
        body = response.read()
        return Answer(response.status, response.headers, body)

    def request(self, method, path, body=b"", headers=None):
        head = {"Host": "backstop", "Content-Type": "application/json", "Content-Length": str(len(body)),
                **(headers or {})}
        lines = [f"{method} {path} HTTP/1.1"] + [f"{k}: {v}" for k, v in head.items() if v is not None]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return self.answer(method)

    def post(self, path, review, headers=None):
        body = review if isinstance(review, bytes) else json.dumps(review).encode()
        return self.request("POST", path, body, headers)

    def closed(self, seconds):
        """How long until the server closes, without an answer; fails when it does not."""
        began = time.monotonic()
        self.socket.settimeout(seconds)
        try:
            same(self.socket.recv(1), b"", "what came instead of the end")
        except TimeoutError:
            raise AssertionError(f"still open after {seconds} s")
        except (ConnectionError, ssl.SSLError):
            pass
        return time.monotonic() - began


class NoClose(io.RawIOBase):
    """Reads byte-exactly from a stream shared by several answers."""

    def __init__(self, stream):
        super().__init__()
        self.stream = stream

    def readable(self):
        return True

    def readinto(self, buffer):
        data = self.stream.read(len(buffer))
        buffer[:len(data)] = data
        return len(data)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def response(self, uid=None):
        """The response of an AdmissionReview."""
        same(self.status, 200, f"status of {self.body[:300]!r}")
        same(self.headers["Content-Type"], "application/json")
        document = self.json()
        same(document["kind"], "AdmissionReview")
        if uid:
            same(document["response"]["uid"], uid, "uid")
        return document["response"]

    def denied(self, code, part="", uid=None):
        response = self.response(uid)
        same(response["allowed"], False, "allowed")
        same(response["status"]["code"], code, f"code of {response['status']}")
        holds(part, response["status"]["message"])
        return response

    def error(self, status, part=""):
        """A metav1.Status."""
        same(self.status, status, f"status of {self.body[:300]!r}")
        document = self.json()
        same((document["kind"], document["apiVersion"], document["status"], document["code"]),
             ("Status", "v1", "Failure", status))
        holds(part, document["message"])
        return document
