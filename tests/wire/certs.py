"""Certificates: exchanged under traffic, asked of clients, made by `certs` and by openssl."""
import shutil, stat, threading

from libwire import *

WORK = tempfile.mkdtemp(prefix="wire-certs-")


def run(*command, code=0):
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert not SANITIZER.search(done.stderr), done.stderr
    same(done.returncode, code, f"exit code of {command}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def certs(*arguments, code=0):
    return run(BINARY, "certs", *arguments, code=code)


def issue(name, *more):
    folder = os.path.join(WORK, name)
    certs("issue", folder, *more)
    return folder


class Mounted(Server):
    """A server whose pair lies in a folder of its own."""

    def __init__(self, source, *more):
        self.pair = tempfile.mkdtemp(prefix="wire-pair-")
        self.swap(source)
        super().__init__("--tls-cert", self.pair + "/tls.crt", "--tls-key", self.pair + "/tls.key", *more)

    def swap(self, source):
        for name in ("tls.key", "tls.crt"):
            shutil.copy(f"{source}/{name}", f"{self.pair}/{name}~")
        for name in ("tls.key", "tls.crt"):
            os.rename(f"{self.pair}/{name}~", f"{self.pair}/{name}")


def trusting(*folders):
    made = ssl.create_default_context(cadata="".join(open(f + "/ca.crt").read() for f in folders))
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    return made


def serial(server, tls):
    with server.client(tls=tls) as client:
        return client.socket.getpeercert()["serialNumber"]


FIRST, SECOND = issue("first", "--keep-ca-key"), issue("second")


@shows("what `certs issue` makes passes openssl verify, and keys are readable by nobody else")
def _(server):
    for folder in (FIRST, SECOND):
        run("openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname",
            "backstop.backstop-system.svc", "-CAfile", folder + "/ca.crt", folder + "/tls.crt")
        same(stat.S_IMODE(os.stat(folder + "/tls.key").st_mode), 0o600, "mode of the key")
        same(stat.S_IMODE(os.stat(folder + "/tls.crt").st_mode), 0o644, "mode of the certificate")
    same(stat.S_IMODE(os.stat(FIRST + "/ca.key").st_mode), 0o600, "mode of the CA's key")
    assert not os.path.exists(SECOND + "/ca.key"), "the CA's key was kept without being asked for"
    before = open(FIRST + "/ca.crt").read()
    issue("first")
    same(open(FIRST + "/ca.crt").read(), before, "the CA that signs again")


@shows("what openssl makes passes `certs verify`, and what is wrong with a pair is said")
def _(server):
    holds("valid for", certs("verify", "--cert", CERTS + "/tls.crt", "--key", CERTS + "/tls.key", "--ca",
                            CERTS + "/ca.crt", "--name", "localhost"))
    for said, more in (("does not match", ("--key", OTHER_CERTS + "/tls.key")),
                       ("no CA in the bundle signed the certificate", ("--key", CERTS + "/tls.key", "--ca", OTHER_CERTS + "/ca.crt")),
                       ("is not valid for example.org", ("--key", CERTS + "/tls.key", "--name", "example.org")),
                       ("expired at", ("--key", CERTS + "/tls.key", "--at", "2090-01-01T00:00:00Z")),
                       ("not valid before", ("--key", CERTS + "/tls.key", "--at", "2001-01-01T00:00:00Z"))):
        holds(said, certs("verify", "--cert", CERTS + "/tls.crt", *more, code=1))
    holds("No such file", certs("verify", "--cert", "/nowhere", "--key", "/nowhere", code=2))
    holds("verify needs", certs("verify", code=2))
    holds("expected issue DIR", certs("renovate", code=2))


@shows("`certs show` prints each certificate of a file")
def _(server):
    chain = os.path.join(WORK, "chain.pem")
    with open(chain, "w") as file:
        file.write(open(FIRST + "/tls.crt").read() + open(FIRST + "/ca.crt").read())
    text = certs("show", chain)
    same(text.count("not after"), 2)
    holds("ECDSA P-256", text)
    documents = [json.loads(line) for line in certs("show", "-o", "json", chain).splitlines()]
    same([d["ca"] for d in documents], [False, True])
    holds("backstop.backstop-system.svc", documents[0]["names"])
    holds("not a PEM certificate", certs("show", CERTS + "/tls.key", code=2))


@shows("openssl s_client trusts what is served")
def _(server):
    for name in ("localhost", "backstop.backstop-system.svc"):
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-CAfile",
                               FIRST + "/ca.crt", "-verify_return_error", "-verify_hostname", name],
                              input="", capture_output=True, text=True)
        same(done.returncode, 0, done.stderr)
        holds("Verify return code: 0 (ok)", done.stdout)


@shows("a new certificate is served at once, and no request or connection fails meanwhile")
def _(server):
    both, failures, asked, stop = trusting(FIRST, SECOND), [], [0], threading.Event()

    def ask(fresh):
        try:
            kept = server.client(tls=both)
            while not stop.is_set():
                if fresh:
                    kept.close()
                    kept = server.client(tls=both)
                kept.post(BACKUP, backup_review()).response()
                asked[0] += 1
            kept.close()
        except Exception as failure:  # noqa: BLE001 - counted
            failures.append(repr(failure))
    threads = [threading.Thread(target=ask, args=(fresh,)) for fresh in (True, True, False)]
    for thread in threads:
        thread.start()
    seen = set()
    for turn in range(8):
        folder = (SECOND, FIRST)[turn % 2]
        wanted = certs("show", "-o", "json", folder + "/tls.crt")
        server.swap(folder)
        eventually(lambda: same(serial(server, both), json.loads(wanted)["serial"]))
        seen.add(json.loads(wanted)["serial"])
    stop.set()
    for thread in threads:
        thread.join()
    same(failures, [])
    same(len(seen), 2)
    assert asked[0] > 20, asked
    assert server.metric('backstop_certificate_loads_total{result="ok"}') >= 9


@shows("a bad pair leaves the good one in force, and says so")
def _(server):
    served, failed = serial(server, trusting(FIRST)), server.metric('backstop_certificate_loads_total{result="failed"}')
    bad = os.path.join(WORK, "bad")
    os.makedirs(bad, exist_ok=True)
    shutil.copy(FIRST + "/tls.crt", bad)
    shutil.copy(SECOND + "/tls.key", bad)
    server.swap(bad)

    def told():
        status, text, _ = server.get("/readyz?verbose")
        same(status, 200)
        holds("serving the last good certificate: the private key does not match", text)
    eventually(told)
    same(serial(server, trusting(FIRST)), served)
    assert server.metric('backstop_certificate_loads_total{result="failed"}') > failed
    server.swap(FIRST)
    eventually(lambda: same("last good" in server.get("/readyz?verbose")[1], False))
    text = server.log()
    assert "PRIVATE KEY" not in text and open(FIRST + "/tls.key").read().splitlines()[1] not in text, "a key in the log"


@shows("expiry is a metric; handshakes that fail are counted by reason")
def _(server):
    until = json.loads(certs("show", "-o", "json", FIRST + "/tls.crt"))["notAfter"]
    same(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(
        server.metric('backstop_certificate_expiry_timestamp_seconds{certificate="serving"}'))), until)
    try:
        serial(server, trusting(SECOND))
        raise AssertionError("a certificate of another CA was trusted")
    except ssl.SSLCertVerificationError:
        pass
    eventually(lambda: same(server.metric('backstop_tls_handshake_failures_total{reason="unknown_ca"}'), 1))
    with socket.create_connection(("127.0.0.1", server.port)):
        pass
    same(server.metric('backstop_tls_handshake_failures_total{reason="closed"}'), 0, "a port probe counted")


def client_pair(name, ca, cn, usage="clientAuth"):
    folder = os.path.join(WORK, "client-" + name)
    os.makedirs(folder, exist_ok=True)
    open(folder + "/ext", "w").write(f"extendedKeyUsage={usage}\nsubjectAltName=DNS:{cn}.example\n")
    run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
        folder + "/tls.key", "-out", folder + "/csr", "-subj", f"/CN={cn}")
    run("openssl", "x509", "-req", "-in", folder + "/csr", "-CA", ca + "/ca.crt", "-CAkey", ca + "/ca.key", "-days", "1",
        "-set_serial", "7", "-extfile", folder + "/ext", "-out", folder + "/tls.crt")
    return folder


@shows("with --client-ca and --client-name only the right clients are answered")
def _(server):
    ours, theirs = issue("clients", "--keep-ca-key"), issue("strangers", "--keep-ca-key")
    asked = Mounted(FIRST, "--client-ca", ours + "/ca.crt", "--client-name", "kube-apiserver", "--client-name",
                    "other.example")

    def ask(pair):
        tls = trusting(FIRST)
        if pair:
            tls.load_cert_chain(pair + "/tls.crt", pair + "/tls.key")
        with asked.client(tls=tls) as client:
            return client.post(BACKUP, backup_review()).response()

    def refused(pair, reason):
        before = asked.metric(f'backstop_tls_handshake_failures_total{{reason="{reason}"}}')
        try:
            ask(pair)
        except (ssl.SSLError, ConnectionError, http.client.HTTPException):
            eventually(lambda: same(asked.metric(f'backstop_tls_handshake_failures_total{{reason="{reason}"}}'),
                                    before + 1))
            return
        raise AssertionError(f"{pair} was answered")
    try:
        ask(client_pair("good", ours, "kube-apiserver"))
        ask(client_pair("by-san", ours, "other"))
        refused(client_pair("other-name", ours, "somebody"), "client_name")
        refused(client_pair("stranger", theirs, "kube-apiserver"), "client_certificate")
        refused(client_pair("no-client", ours, "kube-apiserver", "serverAuth"), "client_certificate")
        refused(None, "client_certificate")
        ask(client_pair("good", ours, "kube-apiserver"))
    finally:
        asked.stop()


@shows("--tls-ciphers narrows what is agreed on, and refuses what it does not know")
def _(server):
    narrow = Mounted(FIRST, "--tls-ciphers", "CHACHA20-POLY1305,TLS_AES_256_GCM_SHA384")
    try:
        with narrow.client(tls=trusting(FIRST)) as client:
            holds("CHACHA20", client.socket.cipher()[0])
    finally:
        narrow.stop()
    pair = ["--tls-cert", FIRST + "/tls.crt", "--tls-key", FIRST + "/tls.key", "--listen", "127.0.0.1:0"]
    for wrong, said in (("RC4", 'unknown TLS cipher "RC4"; use AES-128-GCM'), ("AES-128-GCM,,", 'cipher ""')):
        code, line = start_fails(*pair, "--tls-ciphers", wrong)
        same(code, 2)
        holds(said, line)
    for more, said in ((("--client-name", "x"), "--client-name needs --client-ca"),
                       (("--client-ca", "/nowhere"), "No such file"),
                       (("--client-ca", FIRST + "/tls.key"), "/tls.key: not a PEM certificate"),
                       (("--tls-managed",), "not both"), (("--tls-service", "x"), "expected NAME.NAMESPACE")):
        code, line = start_fails(*pair, *more)
        same(code, 2)
        holds(said, line)


main(Mounted(FIRST))
