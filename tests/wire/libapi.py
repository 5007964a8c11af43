"""A stand-in for the API server: discovery, lists, watches, gets and creates of a few objects, and
the ways in which a real one fails."""
import http.server
import threading

from libwire import *

GROUPS = {"k0rdent.mirantis.com/v1beta1": ["managementbackups", "managements", "releases", "clusterdeployments",
                                          "clustertemplates", "credentials", "regions"],
          "velero.io/v1": ["backupstoragelocations", "backups", "deletebackuprequests", "schedules", "volumesnapshotlocations"],
          "apps/v1": ["deployments", "daemonsets"],
          "apiextensions.k8s.io/v1": ["customresourcedefinitions"],
          "admissionregistration.k8s.io/v1": ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"]}
KINDS = {"managementbackups": "ManagementBackup", "managements": "Management", "releases": "Release",
         "clusterdeployments": "ClusterDeployment", "clustertemplates": "ClusterTemplate", "credentials": "Credential", "regions": "Region",
         "backupstoragelocations": "BackupStorageLocation", "backups": "Backup", "schedules": "Schedule", "deletebackuprequests": "DeleteBackupRequest",
         "volumesnapshotlocations": "VolumeSnapshotLocation", "deployments": "Deployment",
         "daemonsets": "DaemonSet", "customresourcedefinitions": "CustomResourceDefinition", "configmaps": "ConfigMap", "secrets": "Secret", "namespaces": "Namespace", "pods": "Pod",
         "services": "Service", "mutatingwebhookconfigurations": "MutatingWebhookConfiguration",
         "validatingwebhookconfigurations": "ValidatingWebhookConfiguration"}
VERSIONS = {**{plural: version for version, plurals in GROUPS.items() for plural in plurals},
            "configmaps": "v1", "secrets": "v1", "namespaces": "v1", "services": "v1", "pods": "v1"}


def thing(plural, name, **parts):
    namespaced = VERSIONS[plural].startswith("velero.io/") or VERSIONS[plural] == "apps/v1"
    return {"apiVersion": VERSIONS[plural], "kind": KINDS[plural], "metadata": {"name": name, "uid": name, "resourceVersion": "1", "creationTimestamp": "2026-01-01T00:00:00Z",
                         **({"namespace": "kcm-system"} if namespaced else {}), **parts.pop("metadata", {})}, **parts}


# Of a Backup that Velero completed.
BY_VELERO = [{"manager": "velero-server", "operation": "Update", "apiVersion": "velero.io/v1", "fieldsType": "FieldsV1",
              "fieldsV1": {"f:status": {"f:phase": {}, "f:startTimestamp": {}, "f:completionTimestamp": {}}}}]


def world():
    return {"namespaces": [thing("namespaces", "kube-system")],
            "managements": [thing("managements", "kcm", spec={"release": "kcm-1-2-0"}, status={"release": "kcm-1-2-0"})],
            "releases": [thing("releases", "kcm-1-3-0", spec={"version": "1.3.0"}, status={"ready": True})],
            "managementbackups": [thing("managementbackups", "kcm-backup", spec={
                "schedule": "0 */6 * * *", "storageLocation": "aws-s3", "performOnManagementUpgrade": True})],
            "backupstoragelocations": [thing("backupstoragelocations", "aws-s3", spec={
                "provider": "aws", "objectStorage": {"bucket": "b"}}, status={
                    "phase": "Available", "lastValidationTime": "2026-01-01T00:00:00Z"})],
            "deployments": [thing("deployments", "velero", metadata={"labels": {"component": "velero"}}, spec={
                "template": {"spec": {"serviceAccountName": "velero-server"}}}, status={"readyReplicas": 1})]}


class FakeApi:
    """mode: ok, or how it fails (see Handler.fail). instead: {(method, end of the path): (status, document)},
    what is answered instead of the truth."""

    def __init__(self, handler=None):
        self.turned, self.now = threading.Condition(), "ok"
        self.objects, self.asked, self.instead = world(), [], {}
        self.events_free = threading.Event()  # cleared: whoever writes an Event waits
        self.events_free.set()
        fake = self

        class Bound(handler or Handler):
            api = fake
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bound)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.kubeconfig = tempfile.mktemp(prefix="wire-kubeconfig-")
        with open(self.kubeconfig, "w") as file:
            json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "c",
                       "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.server.server_port}"}}],
                       "users": [{"name": "c", "user": {"token": "t"}}],
                       "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}]}, file)
        atexit.register(lambda: os.path.exists(self.kubeconfig) and os.remove(self.kubeconfig))

    @property
    def mode(self):
        return self.now

    @mode.setter
    def mode(self, mode):
        with self.turned:
            self.now = mode
            self.turned.notify_all()

    def wait_while(self, mode, seconds=None):
        """Watches are many, and must cost nothing meanwhile."""
        with self.turned:
            self.turned.wait_for(lambda: self.now != mode, seconds)


class ServerOf(Server):
    """A server whose facts come from the stand-in."""

    def __init__(self, api, *more, **options):
        self.api = api
        super().__init__("--kubeconfig", api.kubeconfig, *more, inventory=False, **options)


class Managed:
    """`serve --tls-managed`, which keeps its certificate in a Secret of the stand-in."""

    def __init__(self, api, *more, environment=None):
        self.folder = tempfile.mkdtemp(prefix="wire-managed-")
        self.log_path, ports = f"{self.folder}/log", f"{self.folder}/ports"
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(
                [BINARY, "serve", "--listen", "127.0.0.1:0", "--health-listen", "127.0.0.1:0", "--port-file", ports,
                 "--kubeconfig", api.kubeconfig, "--tls-managed", "--tls-service", "backstop.backstop-system", *more],
                stderr=log, env=dict(os.environ, **(environment or {})))
        atexit.register(self.process.kill)
        eventually(lambda: holds("health=", open(ports).read() if os.path.exists(ports) else self.log()), 30)
        self.health = int(dict(line.split("=") for line in open(ports).read().split())["health"])

    def log(self):
        return open(self.log_path).read()

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.health, timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        same(self.process.wait(20), 0, self.log())
        shutil.rmtree(self.folder)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def say(self, status, document, **headers):
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, code, reason, message, **headers):
        self.say(code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
                        "message": message}, **headers)

    def fail(self, mode):
        if mode == "throttle":
            self.refuse(429, "TooManyRequests", "too many requests, please try again later", Retry_After="1")
        elif mode == "broken":
            self.refuse(500, "InternalError", "etcdserver: request timed out")
        elif mode == "garbage":
            self.say(200, b"<html>a proxy's sign-in page</html>", Content_Type="text/html")
        elif mode == "slow":
            self.api.wait_while("slow", 15)
            self.close_connection = True
        else:  # "gone"
            self.close_connection = True

    def watch(self, mode):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.api.wait_while(mode)
        self.wfile.write(b"0\r\n\r\n")

    def another(self, method):
        """Whether something else was answered."""
        path = self.path.partition("?")[0]
        for (wanted, end), (status, document) in list(self.api.instead.items()):
            if wanted == method and path.endswith(end):
                self.say(status, document)
                return True
        return False

    def do_GET(self):
        mode, (path, _, query) = self.api.mode, self.path.partition("?")
        if mode != "ok":
            return self.fail(mode)
        self.api.asked.append(path)
        if self.another("GET"):
            return None
        if "watch=true" in query:
            return self.watch(mode)
        group = path.removeprefix("/apis/")
        if group in GROUPS:
            return self.say(200, {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group,
                                  "resources": [{"name": n, "kind": KINDS[n]} for n in GROUPS[group]]})
        plural = path.rsplit("/", 1)[-1]
        if plural in [p for some in GROUPS.values() for p in some] + ["configmaps", "secrets", "namespaces", "services", "pods"]:
            wanted = re.search("metadata.name%3D([^&]*)", query)
            items = [o for o in self.api.objects.get(plural, []) if not wanted or o["metadata"]["name"] == wanted[1]]
            partial = "PartialObjectMetadata" in self.headers.get("Accept", "")
            if partial:
                items = [{"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": o["metadata"]} for o in items]
            return self.say(200, {"kind": ("PartialObjectMetadata" if partial else KINDS[plural]) + "List",
                                  "apiVersion": "meta.k8s.io/v1" if partial else VERSIONS[plural],
                                  "metadata": {"resourceVersion": "1"}, "items": items})
        plural, name = path.split("/")[-2:]
        found = [o for o in self.api.objects.get(plural, []) if o["metadata"]["name"] == name]
        return self.say(200, found[0]) if found else self.refuse(404, "NotFound", f'{plural} "{name}" not found')

    def do_POST(self):
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.api.mode != "ok":
            return self.fail(self.api.mode)
        if self.another("POST"):
            return None
        plural = self.path.partition("?")[0].rsplit("/", 1)[-1]
        if plural == "events":
            self.api.events_free.wait(60)
        document["metadata"].update(uid=document["metadata"].get("name", "e"), resourceVersion="2",
                                    creationTimestamp=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        self.api.objects.setdefault(plural, []).append(document)
        return self.say(201, document)

    def do_PUT(self):
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        plural, name = self.path.partition("?")[0].split("/")[-2:]
        for at, old in enumerate(self.api.objects.get(plural, [])):
            if old["metadata"]["name"] == name:
                document["metadata"]["resourceVersion"] = str(int(old["metadata"]["resourceVersion"]) + 1)
                self.api.objects[plural][at] = document
                return self.say(200, document)
        return self.refuse(404, "NotFound", f'{plural} "{name}" not found')

    def do_PATCH(self):  # of a series of Events: it has expired
        self.rfile.read(int(self.headers["Content-Length"]))
        self.refuse(404, "NotFound", "not found")
