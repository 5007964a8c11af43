"""The probe command: against the webhook, and against what only looks like one."""
import base64, http.server, threading
from libwire import *

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("BACKSTOP_")}
ENVIRONMENT.update(KUBECONFIG="/nonexistent", http_proxy="http://127.0.0.1:1", https_proxy="http://127.0.0.1:1",
                   no_proxy="localhost")


def probe(*arguments, ca=CERTS + "/ca.crt", name="localhost"):
    command = [BINARY, "probe", "--timeout", "5s", *arguments]
    command += ["--ca", ca] if ca else []
    command += ["--server-name", name] if name else []
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    found = SANITIZER.search(done.stderr)
    if found:
        raise AssertionError(done.stderr)
    return done.returncode, done.stdout, done.stderr


class Impostor:
    """A TLS server with the right certificate that answers whatever it is told to."""

    def __init__(self, answer, status="200 OK"):
        self.answer, self.status = answer, status
        self.asked = None
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(CERTS + "/tls.crt", CERTS + "/tls.key")
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        try:
            with self.tls.wrap_socket(self.socket.accept()[0], server_side=True) as peer:
                text = b""
                while b"\r\n\r\n" not in text:
                    text += peer.recv(65536)
                head, body = text.split(b"\r\n\r\n", 1)
                length = int(re.search(rb"(?i)content-length: (\d+)", head).group(1))
                while len(body) < length:
                    body += peer.recv(65536)
                self.asked = json.loads(body)
                answer = self.answer(self.asked["request"]) if callable(self.answer) else self.answer
                if answer is None:
                    time.sleep(20)
                peer.sendall(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (self.status.encode(), len(answer)) + answer)
        except (OSError, ssl.SSLError):
            pass


def review_answer(allowed=False, uid=None, message="spec.schedule: no"):
    def answer(request):
        response = {"uid": uid or request["uid"], "allowed": allowed, "status": {"code": 422, "message": message}}
        return json.dumps({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": response}).encode()
    return answer


def refused(impostor, part):
    code, out, err = probe("--address", f"127.0.0.1:{impostor.port}")
    same((code, out), (1, ""))
    holds(part, err)
    same(len(err.splitlines()), 1, "lines told")


@shows("a webhook that serves is said to, with its certificate's expiry")
def _(server):
    code, out, err = probe("--address", f"127.0.0.1:{server.port}")
    same((code, err), (0, ""))
    if not re.fullmatch(r"localhost at 127\.0\.0\.1:\d+ serves: it denied a bad schedule in \d+\.\d ms; "
                        r"the certificate expires 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ \(in \d+d.*\)\n", out):
        raise AssertionError(out)


@shows("the Service's name is asked for and verified, whatever address is connected to")
def _(server):
    code, out, err = probe("--address", f"localhost:{server.port}", name="backstop.kcm-system.svc")
    same((code, err), (0, ""))
    code, out, err = probe("--address", f"127.0.0.1:{server.port}", name="example.org")
    same((code, out), (1, ""))
    holds("example.org", err)
    code, out, err = probe("--address", f"127.0.0.1:{server.port}", name=None)
    holds("backstop.backstop-system.svc", out + err)


@shows("another CA, or none, is not taken for good")
def _(server):
    for ca in (OTHER_CERTS + "/ca.crt", None):
        code, out, err = probe("--address", f"127.0.0.1:{server.port}", ca=ca)
        same((code, out), (1, ""))
        holds("certificate", err)


@shows("an expired certificate's age is told from --now")
def _(server):
    code, out, err = probe("--address", f"127.0.0.1:{server.port}", "--now", "2099-01-01T00:00:00Z")
    same((code, err), (0, ""))
    holds(" ago)", out)


@shows("what it asks is a harmless dry run with a fresh uid")
def _(server):
    first, second = Impostor(review_answer()), Impostor(review_answer())
    for impostor in (first, second):
        same(probe("--address", f"127.0.0.1:{impostor.port}")[0], 0)
    asked = first.asked["request"]
    same((asked["dryRun"], asked["operation"], asked["kind"]["kind"]), (True, "CREATE", "ManagementBackup"))
    if asked["uid"] == second.asked["request"]["uid"]:
        raise AssertionError("the same uid twice")
    uuid.UUID(asked["uid"])


@shows("impostors are found out")
def _(server):
    refused(Impostor(review_answer(allowed=True)), "admits the schedule")
    refused(Impostor(review_answer(uid="\x1b[31m-other")), "answers for uid \"\\x1b[31m-other\"")
    refused(Impostor(review_answer(message="go\nAway\x1b")), "denies, but not for the schedule: \"go\\nAway\\x1b\"")
    refused(Impostor(b"hello"), "not with an AdmissionReview")
    refused(Impostor(b""), "not with an AdmissionReview")
    refused(Impostor(b"[" * 100000), "not with an AdmissionReview")
    refused(Impostor(b"{\"kind\":\"AdmissionReview\",\"response\":[]}"), "uid")
    refused(Impostor(b"x" * (2 << 20)), "larger than any answer")
    refused(Impostor(b"{\"message\":\"nothing\\u001b here\"}", "404 Not Found"), "answers HTTP 404, \"nothing\\x1b here\"")
    refused(Impostor(b"", "301 Moved\r\nLocation: https://127.0.0.1:1/"), "answers HTTP 301")


@shows("a port where nobody listens, or nobody answers, or nobody speaks TLS")
def _(server):
    code, _, err = probe("--address", "127.0.0.1:1")
    same(code, 1)
    holds("is it running", err)
    silent = Impostor(lambda request: None)
    begun = time.monotonic()
    code, _, err = probe("--address", f"127.0.0.1:{silent.port}", "--timeout", "1s")
    same(code, 1)
    if time.monotonic() - begun > 5:
        raise AssertionError("the timeout did not hold")
    with socket.create_server(("127.0.0.1", 0)) as plain:
        def answer():
            peer = plain.accept()[0]
            peer.recv(100)
            peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            peer.close()
        threading.Thread(target=answer, daemon=True).start()
        code, _, err = probe("--address", f"127.0.0.1:{plain.getsockname()[1]}")
        same(code, 1)
        holds("TLS", err)


@shows("usage and unreadable files are exit 2")
def _(server):
    with tempfile.NamedTemporaryFile("w") as empty:
        for arguments, part in (
                (["extra"], "unexpected argument"), (["--address", "a:b"], "HOST:PORT"), (["--address", ":9443"], "HOST:PORT"),
                (["--address", "[::1"], "HOST:PORT"), (["--address", "a/b:1"], "HOST:PORT"),
                (["--address", "h:70000"], "HOST:PORT"), (["--timeout", "0s"], "1s to 5m"),
                (["--server-name", "a b"], "host name"), (["--ca", "/nonexistent"], "/nonexistent"),
                (["--ca", empty.name], "no PEM certificate"), (["--via-configuration"], "/nonexistent"),
                (["--bogus"], "unknown option")):
            code, out, err = probe(*arguments, ca=None, name=None)
            same((code, out), (2, ""), " ".join(arguments))
            holds(part, err)


class Api:
    """Just enough of an API server: one ValidatingWebhookConfiguration over TLS."""

    def __init__(self, configuration):
        handler = type("Handler", (http.server.BaseHTTPRequestHandler,), {
            "do_GET": lambda self: self.reply(configuration), "log_message": lambda *_: None, "reply": Api.reply})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(CERTS + "/tls.crt", CERTS + "/tls.key")
        self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def reply(self, configuration):
        known = self.path == "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/backstop"
        served = {"kind": "APIResourceList", "groupVersion": "k0rdent.mirantis.com/v1beta1", "apiVersion": "v1",
                  "resources": [{"name": "managements", "kind": "Management"}]}
        if self.path == "/apis/k0rdent.mirantis.com/v1beta1":
            known, configuration = True, served
        body = json.dumps(configuration if known else {"kind": "Status", "message": "not found here"}).encode()
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def kubeconfig(self, folder):
        path = os.path.join(folder, "kubeconfig")
        with open(path, "w") as file:
            json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "x",
                       "clusters": [{"name": "c", "cluster": {
                           "server": f"https://localhost:{self.server.server_address[1]}",
                           "certificate-authority": CERTS + "/ca.crt"}}],
                       "users": [{"name": "u", "user": {"token": "t"}}],
                       "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}]}, file)
        return path


def configured(server, bundle, path=BACKUP, extra=()):
    webhook = {"name": "x", "clientConfig": {"caBundle": bundle, "service": {
        "name": "backstop", "namespace": "kcm-system", "port": server.port, "path": path}}}
    with tempfile.TemporaryDirectory() as folder:
        kubeconfig = Api({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
                          "metadata": {"name": "backstop"}, "webhooks": [webhook]}).kubeconfig(folder)
        return probe("--kubeconfig", kubeconfig, "--address", f"127.0.0.1:{server.port}", *extra, ca=None, name=None)


@shows("the CA bundle and the name come from the webhook configuration")
def _(server):
    with open(CERTS + "/ca.crt", "rb") as file:
        good = base64.b64encode(file.read()).decode()
    with open(OTHER_CERTS + "/ca.crt", "rb") as file:
        other = base64.b64encode(file.read()).decode()
    code, out, err = configured(server, good)
    same((code, err), (0, ""))
    holds("backstop.kcm-system.svc at", out)
    code, _, err = configured(server, other)
    same(code, 1)
    holds("certificate", err)
    for bundle, part in (("", "caBundle is empty"), ("***", "not base64")):
        code, _, err = configured(server, bundle)
        same(code, 2)
        holds(part, err)
    code, _, err = configured(server, good, path="/elsewhere")
    same(code, 2)
    holds("calls no Service at", err)
    code, _, err = configured(server, good, extra=("--configuration", "other"))
    same(code, 2)
    holds("not found here", err)


main(Server())
