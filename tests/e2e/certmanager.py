"""What cert-manager does for the chart, played by a thread: certificates of its Certificates, and caBundle of its cainjector.

It reads the real CRs in the API server (cert-manager's own CRDs) and writes what cert-manager writes: Secrets, statuses and
caBundle. BACKSTOP_CERT_MANAGER names a program of the real one's code instead (`make e2e-cert-manager`)."""
import base64
import json
import os
import subprocess
import tempfile
import threading
import time

from control_plane import Process, ROOT, wait_until

GROUP = "/apis/cert-manager.io/v1"
MERGE = "application/merge-patch+json"
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/{kind}webhookconfigurations"


def crds():
    """The folder of cert-manager's CRDs, from its Go module; None without Go."""
    done = subprocess.run([f"{ROOT}/hack/tool.sh", "cert-manager-crds"], stdout=subprocess.PIPE, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def encode(text):
    return base64.b64encode(text.encode()).decode()


def decode(text):
    return base64.b64decode(text).decode()


def condition(kind, status):
    return {"type": kind, "status": status, "reason": "Played", "message": "",
            "lastTransitionTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


class CertManager:
    def __init__(self, cluster):
        self.cluster, self.stopping, self.real = cluster, threading.Event(), os.environ.get("BACKSTOP_CERT_MANAGER")
        self.problems = []
        if self.real:
            self.process = Process("cert-manager", [self.real, f"{cluster.dir}/admin-token.kubeconfig"], f"{cluster.dir}/cert-manager.log")
        self.thread = threading.Thread(target=self._work, daemon=True)

    def start(self):
        if self.real:
            self.process.start()
        else:
            self.thread.start()
        return self

    def stop(self):
        if self.real:
            self.process.stop()
        elif self.thread.is_alive():
            self.stopping.set()
            self.thread.join()

    def renew(self, namespace, name):
        """As `cmctl renew` asks for it. Returns when the Secret holds another certificate."""
        path = f"{GROUP}/namespaces/{namespace}/certificates/{name}"
        certificate = self._get(path)
        secret = f"/api/v1/namespaces/{namespace}/secrets/{certificate['spec']['secretName']}"
        before = self._get(secret)["data"]["tls.crt"]
        kept = [c for c in certificate["status"]["conditions"] if c["type"] != "Issuing"]
        code, answer = self.cluster.request("PATCH", f"{path}/status", {"status": {
            "conditions": [*kept, {**condition("Issuing", "True"), "reason": "ManuallyTriggered"}]}}, content_type=MERGE)
        assert code == 200, answer
        wait_until(f"{name} to be renewed", lambda: self._get(secret)["data"]["tls.crt"] != before, 60)

    def _get(self, path):
        code, document = self.cluster.request("GET", path)
        return document if code == 200 else None

    def _work(self):
        while not self.stopping.wait(0.1):
            try:
                for issuer in self._get(f"{GROUP}/issuers")["items"]:
                    self._judge(issuer)
                for certificate in self._get(f"{GROUP}/certificates")["items"]:
                    self._issue(certificate)
                for kind in ("mutating", "validating"):
                    for configuration in self._get(CONFIGURATIONS.format(kind=kind))["items"]:
                        self._inject(kind, configuration)
            except Exception as problem:  # noqa: BLE001 - told by the case that waits for what does not come
                self.problems.append(repr(problem))

    def _is_ready(self, o):
        return any(c["type"] == "Ready" and c["status"] == "True" for c in o.get("status", {}).get("conditions", []))

    def _judge(self, issuer):
        """An Issuer is ready once its CA is there."""
        meta = issuer["metadata"]
        ca = issuer["spec"].get("ca")
        if not self._is_ready(issuer) and (not ca or self._get(f"/api/v1/namespaces/{meta['namespace']}/secrets/{ca['secretName']}")):
            self._status("issuers", meta, {"conditions": [condition("Ready", "True")]})

    def _status(self, plural, meta, status):
        code, answer = self.cluster.request("PATCH", f"{GROUP}/namespaces/{meta['namespace']}/{plural}/{meta['name']}/status",
                                            {"status": status}, content_type=MERGE)
        assert code == 200, answer

    def _issue(self, certificate):
        meta, spec, conditions = certificate["metadata"], certificate["spec"], certificate.get("status", {}).get("conditions", [])
        path = f"/api/v1/namespaces/{meta['namespace']}/secrets"
        secret = self._get(f"{path}/{spec['secretName']}")
        asked = any(c["type"] == "Issuing" and c["status"] == "True" for c in conditions)
        issuer = self._get(f"{GROUP}/namespaces/{meta['namespace']}/issuers/{spec['issuerRef']['name']}")
        if (secret and not asked) or not issuer or not self._is_ready(issuer):
            return
        data = self._sign(spec, issuer, secret, path)
        template = spec.get("secretTemplate", {})
        code, answer = self.cluster.request("PATCH" if secret else "POST", f"{path}/{spec['secretName']}" if secret else path, {
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "data": {k: encode(v) for k, v in data.items()},
            "metadata": {"name": spec["secretName"], "labels": {"controller.cert-manager.io/fao": "true", **template.get("labels", {})},
                         "annotations": {"cert-manager.io/certificate-name": meta["name"]}}}, content_type=MERGE if secret else "application/json")
        assert code in (200, 201), answer
        self._status("certificates", meta, {"conditions": [condition("Ready", "True"), condition("Issuing", "False")],
                                            "revision": certificate.get("status", {}).get("revision", 0) + 1})

    def _sign(self, spec, issuer, secret, path):
        """By openssl: the key anew, unless rotationPolicy is Never; signed by itself or by the Issuer's CA."""
        with tempfile.TemporaryDirectory() as folder:
            def openssl(*args):
                subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=folder)

            def write(name, text):
                with open(f"{folder}/{name}", "w") as f:
                    f.write(text)

            def read(name):
                with open(f"{folder}/{name}") as f:
                    return f.read()
            assert spec["privateKey"]["algorithm"] == "ECDSA" and spec["privateKey"]["size"] == 256, spec
            if secret and spec["privateKey"].get("rotationPolicy", "Always") == "Never":
                write("key", decode(secret["data"]["tls.key"]))
            else:
                openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", "key")
            if spec.get("isCA"):
                extensions = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,digitalSignature\n"
            else:
                extensions = ("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
                              "subjectAltName=" + ",".join(f"DNS:{n}" for n in spec["dnsNames"]) + "\n")
            write("extensions", extensions + "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
            openssl("req", "-new", "-key", "key", "-out", "request", "-subj", f"/CN={spec['commonName']}")
            days = str(max(1, int(spec["duration"].split("h")[0]) // 24))
            common = ("x509", "-req", "-in", "request", "-days", days, "-extfile", "extensions", "-out", "crt")
            ca = issuer["spec"].get("ca")
            if not ca:
                openssl(*common, "-signkey", "key")
                return {"tls.crt": read("crt"), "tls.key": read("key"), "ca.crt": read("crt")}
            authority = self._get(f"{path}/{ca['secretName']}")["data"]
            write("ca.crt", decode(authority["tls.crt"]))
            write("ca.key", decode(authority["tls.key"]))
            openssl(*common, "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial")
            return {"tls.crt": read("crt"), "tls.key": read("key"), "ca.crt": read("ca.crt")}

    def _inject(self, kind, configuration):
        """ca.crt of the Secret of the Certificate that the annotation names, into each webhook."""
        source = configuration["metadata"].get("annotations", {}).get("cert-manager.io/inject-ca-from")
        if not source:
            return
        namespace, name = source.split("/")
        certificate = self._get(f"{GROUP}/namespaces/{namespace}/certificates/{name}")
        secret = certificate and self._get(f"/api/v1/namespaces/{namespace}/secrets/{certificate['spec']['secretName']}")
        bundle = secret and secret["data"]["ca.crt"]
        patch = [{"op": "add", "path": f"/webhooks/{i}/clientConfig/caBundle", "value": bundle}
                 for i, hook in enumerate(configuration["webhooks"]) if bundle and hook["clientConfig"].get("caBundle") != bundle]
        if patch:
            code, answer = self.cluster.request("PATCH", f"{CONFIGURATIONS.format(kind=kind)}/{configuration['metadata']['name']}",
                                                json.loads(json.dumps(patch)), content_type="application/json-patch+json")
            assert code == 200, answer
