"""Who asks the API server: credential plugins that misbehave, and what is never sent."""
import http.server, threading

from libapi import *

PLUGIN = '#!/bin/sh\nexport STARTED_BY="$0"\n'
HANGS = PLUGIN + 'sleep 300 & sleep 300\n'
LEAVES = PLUGIN + "sleep 300 &\necho '{\"status\":{\"token\":\"t\"}}'\n"


def kubeconfig(folder, server, user, plugin=None):
    if plugin:
        with open(os.path.join(folder, "plugin"), "w") as file:
            file.write(plugin)
        os.chmod(file.name, 0o700)
        user = {**user, "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin"}}
    path = os.path.join(folder, "kubeconfig")
    with open(path, "w") as file:
        json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "c",
                   "clusters": [{"name": "c", "cluster": {"server": server, "insecure-skip-tls-verify": True}}],
                   "users": [{"name": "c", "user": user}],
                   "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}]}, file)
    return path


def run(*arguments, **options):
    began = time.monotonic()
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=120, **options)
    assert not SANITIZER.search(done.stderr), done.stderr
    return done, time.monotonic() - began


def sleepers(folder):
    """Processes of the plugin in that folder that still run: by its name, or by what it left in their environment."""
    found = []
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            words, environment = (open(f"/proc/{process}/{name}", "rb").read() for name in ("cmdline", "environ"))
        except OSError:  # it has ended, or is somebody else's
            continue
        if b"STARTED_BY=" + folder.encode() in environment or words.endswith(b"/plugin\0") and folder.encode() in words:
            found.append(words.replace(b"\0", b" ").decode())
    return found


class Recorder:
    """An API server that notes the headers of what it is asked, and knows nothing."""

    def __init__(self, tls):
        self.heads, recorder = [], self

        class Noting(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                recorder.heads.append(self.headers)
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Noting)
        if tls:
            made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            made.load_cert_chain(CERTS + "/tls.crt", CERTS + "/tls.key")
            self.server.socket = made.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server.server_port}"

    def said(self, name):
        return {value for head in self.heads for value in head.get_all(name, [])}


@shows("status ends although a credential plugin hangs, and leaves none of its processes behind")
def _(folder):
    path = kubeconfig(folder, "https://127.0.0.1:1", {}, HANGS)
    done, took = run("status", "--kubeconfig", path, "--timeout", "2s")
    same(done.returncode, 2, done.stderr)
    assert took < 15, f"{took:.0f} s"
    same(sleepers(folder), [])


@shows("a credential plugin that is not installed is reported at once, with the kubeconfig's hint")
def _(folder):
    path = kubeconfig(folder, "https://127.0.0.1:1", {"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plugin", "installHint": "Install it:\n  brew install it\n"}})
    for command in ("status", "audit", "probe"):
        done, took = run(command, "--kubeconfig", path)
        same((done.returncode, done.stdout, done.stderr.count("\n")), (2, "", 1), done.stderr)
        holds("no-such-plugin (No such file or directory). The kubeconfig's installHint: Install it: brew install it\n", done.stderr)
        assert took < 2.5, f"{took:.1f} s"


@shows("what a credential plugin leaves behind, holding its output, does not keep anybody waiting")
def _(folder):
    api = Recorder(tls=True)
    path = kubeconfig(folder, api.url, {}, LEAVES)
    done, took = run("audit", "--kubeconfig", path)
    assert took < 15, f"{took:.0f} s"
    same(api.said("Authorization"), {"Bearer t"})
    same(sleepers(folder), [])


@shows("serve stops in time although a credential plugin hangs, and leaves none of its processes behind")
def _(folder):
    path = kubeconfig(folder, "https://127.0.0.1:1", {}, HANGS)
    server = Server("--kubeconfig", path, inventory=False)
    eventually(lambda: same(len(sleepers(folder)) > 0, True))
    began = time.monotonic()
    server.stop()
    took = time.monotonic() - began
    assert took < 15, f"{took:.0f} s after SIGTERM"
    same(sleepers(folder), [])


@shows("the kubeconfig's environment reaches the plugin, not the inherited one")
def _(folder):
    api = Recorder(tls=True)
    path = kubeconfig(folder, api.url, {}, PLUGIN + "echo \"{\\\"status\\\":{\\\"token\\\":\\\"$AWS_PROFILE\\\"}}\"\n")
    document = json.load(open(path))
    document["users"][0]["user"]["exec"]["env"] = [{"name": "AWS_PROFILE", "value": "of-the-kubeconfig"}]
    json.dump(document, open(path, "w"))
    run("audit", "--kubeconfig", path, env=dict(os.environ, AWS_PROFILE="inherited"))
    same(api.said("Authorization"), {"Bearer of-the-kubeconfig"})


@shows("a token is not sent over plain HTTP, as with kubectl; given on the command line it is refused")
def _(folder):
    for user in ({"token": "secret"}, {"username": "me", "password": "secret"}):
        api = Recorder(tls=False)
        run("audit", "--kubeconfig", kubeconfig(folder, api.url, {**user, "as": "somebody"}))
        same((len(api.heads) > 0, api.said("Authorization"), api.said("Impersonate-User")), (True, set(), {"somebody"}))
    done, _ = run("audit", "--kubeconfig", path := kubeconfig(folder, api.url, {}), "--token", "secret")
    same(done.returncode, 2)
    holds("is not https, so the token was not sent", done.stderr)
    api = Recorder(tls=True)
    run("audit", "--kubeconfig", kubeconfig(folder, api.url, {"token": "secret"}))
    same(api.said("Authorization"), {"Bearer secret"})


@shows("a line break in a token or in a name to act as sends nothing at all")
def _(folder):
    nasty = "x\r\nImpersonate-Group: system:masters"
    token = PLUGIN + "printf '{\"status\":{\"token\":\"t\\\\nX-Evil: y\"}}'\n"
    for user, more, plugin in (({"token": nasty}, [], None), ({"token": "t", "as": nasty}, [], None),
                               ({"token": "t"}, ["--as", nasty], None), ({"token": "t"}, ["--token", nasty], None),
                               ({"token": "t", "as": "me", "as-groups": ["a\nX-Evil: y"]}, [], None), ({}, [], token)):
        api = Recorder(tls=True)
        done, _ = run("audit", "--timeout", "1s", "--kubeconfig", kubeconfig(folder, api.url, user, plugin), *more)
        same((done.returncode, api.heads), (2, []), str((user, more)))
        holds("contains a line break", done.stderr)


class Answers(http.server.BaseHTTPRequestHandler):
    """Whatever is asked is answered by a proxy: status, type and text of the class below."""

    def do_GET(self):
        self.send_response(self.status)
        self.send_header("Content-Type", "text/html" if self.text.startswith("<") else "text/plain")
        self.send_header("Content-Length", str(len(self.text)))
        self.end_headers()
        self.wfile.write(self.text.encode())

    def log_message(self, *_):
        pass


class Crowd(http.server.ThreadingHTTPServer):
    request_queue_size = 128  # every kind connects at once, and a connection that finds no place waits for a second


@shows("what is no API server is quoted: its text, or the title of its page")
def _(folder):
    for status, text, words in (
            (400, "Client sent an HTTP request to an HTTPS server.\n",
             "HTTP status 400: Client sent an HTTP request to an HTTPS server."),
            (502, "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body>", "HTTP status 502: 502 Bad Gateway"),
            (403, "<p>Log in first", "HTTP status 403 (an HTML page)"),
            # What a proxy does not find is not what the API server does not have.
            (404, "<html><head><title>404 Not Found</title></head>", "HTTP status 404: 404 Not Found"),
            (404, '{"message":"no Route matched with those values"}', "no Route matched with those values")):
        server = Crowd(("127.0.0.1", 0), type("A", (Answers,), {"status": status, "text": text}))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        path = kubeconfig(folder, f"http://127.0.0.1:{server.server_port}", {"token": "t"})
        for command in (["status", "--timeout", "3s"], ["rehearse", "nightly"]):
            done, _ = run(*command, "--kubeconfig", path)
            same((done.returncode, done.stdout), (2, ""), done.stderr)
            holds(words, done.stderr)
            assert "no k0rdent" not in done.stderr and "not installed" not in done.stderr, done.stderr
        server.shutdown()


class Folder(str):
    def stop(self):
        shutil.rmtree(self, ignore_errors=True)


main(Folder(tempfile.mkdtemp(prefix="wire-credentials-")))
