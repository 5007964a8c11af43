"""Which API servers are trusted: those of the CA that the kubeconfig names, and no others."""
import glob, shutil, ssl

from libapi import *

WORK = tempfile.mkdtemp(prefix="wire-trust-")
PLAIN = re.compile(r"(/(C|O|OU|CN)=[A-Za-z0-9 .]+)+")


def openssl(*arguments):
    return subprocess.run(["openssl", *arguments], cwd=WORK, check=True, capture_output=True, text=True).stdout


def authority(name, subject):
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", subject,
            "-keyout", name + ".key", "-out", name + ".crt")


def known_subject():
    """Of a CA that the system trusts, with a key of the same kind, in the way that `openssl req` takes it."""
    for path in sorted(glob.glob("/etc/ssl/certs/*.0")):
        subject, _, text = openssl("x509", "-in", path, "-noout", "-subject", "-nameopt", "compat",
                                   "-text").partition("\n")
        subject = subject.removeprefix("subject=").strip()
        if PLAIN.fullmatch(subject) and "Public Key Algorithm: rsaEncryption" in text:
            return subject
    raise AssertionError("no CA in /etc/ssl/certs: is ca-certificates installed?")


def issue(ca):
    """Without an authorityKeyIdentifier, so that a CA is looked up by its name alone."""
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
            "-keyout", "server.key", "-out", "server.csr")
    with open(WORK + "/extensions", "w") as file:
        file.write("subjectAltName=IP:127.0.0.1\nauthorityKeyIdentifier=none\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", ca + ".crt", "-CAkey", ca + ".key", "-CAcreateserial",
            "-days", "2", "-extfile", "extensions", "-out", "server.crt")


class TlsApi(FakeApi):
    def __init__(self, ca):
        super().__init__()
        serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        serving.load_cert_chain(WORK + "/server.crt", WORK + "/server.key")
        self.server.socket = serving.wrap_socket(self.server.socket, server_side=True)
        with open(self.kubeconfig) as file:
            config = json.load(file)
        config["clusters"][0]["cluster"] = {"server": f"https://127.0.0.1:{self.server.server_port}",
                                            "certificate-authority": ca}
        with open(self.kubeconfig, "w") as file:
            json.dump(config, file)


def trust(ca):
    shutil.copy(f"{WORK}/{ca}.crt", WORK + "/trusted.crt~")
    os.rename(WORK + "/trusted.crt~", WORK + "/trusted.crt")


def facts(server):
    return server.get("/readyz?verbose")[1]


authority("cluster", "/CN=the cluster")
authority("public", known_subject())
issue("public")
trust("cluster")
API = TlsApi(WORK + "/trusted.crt")
atexit.register(shutil.rmtree, WORK, True)


@shows("the CAs of the system are not asked where the kubeconfig names one")
def _(server):
    eventually(lambda: holds("cannot be read since", facts(server)))
    holds("unable to get local issuer certificate", facts(server))  # with them: another key than the CA of that name
    same(server.get("/readyz")[0], 503)


@shows("a CA file that changes counts from the next connection on")
def _(server):
    trust("public")
    eventually(lambda: same(server.get("/readyz")[0], 200), 40)


main(ServerOf(API))
