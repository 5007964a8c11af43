#!/usr/bin/env python3
"""From a binary to real reviews over HTTPS: make a certificate, start the webhook on
the sample inventory, send it what kube-apiserver would send, print what kubectl would
print, stop it cleanly. Usage: hack/demo.py BINARY"""
import base64
import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import uuid

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BOLD, DIM, RED, GREEN, YELLOW, OFF = (
    ("\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[33m", "\033[0m")
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ else ("",) * 6)
KCM, VELERO = "k0rdent.mirantis.com/v1beta1", "velero.io/v1"
PATHS = {
    "ManagementBackup": ("managementbackups", "/validate-k0rdent-mirantis-com-v1beta1-managementbackup"),
    "Management": ("managements", "/validate-k0rdent-mirantis-com-v1beta1-management"),
    "Restore": ("restores", "/mutate-velero-io-v1-restore"),
}


def main(binary):
    work = tempfile.mkdtemp(prefix="backstop-demo-")
    server = None
    try:
        subprocess.run([ROOT + "/certs/dev-cert.sh", work], check=True, stdout=subprocess.DEVNULL)
        server, port = start(binary, work)
        failures = tour(Client(port, work + "/ca.crt"))
        stop(server)
        server = None
    finally:
        if server:
            server.kill()
        shutil.rmtree(work)
    if failures:
        sys.exit(f"demo: {failures} wrong answers")


def start(binary, work):
    with open(work + "/settings.yaml", "w") as f:
        f.write("apiVersion: backstop.k0rdent.mirantis.com/v1alpha1\nkind: Settings\nupgrade:\n  retryAfter: 2s\n")
    ports = work + "/ports"
    command = [binary, "serve", "--listen", "127.0.0.1:0", "--health-listen", "127.0.0.1:0", "--port-file", ports,
               "--tls-cert", work + "/tls.crt", "--tls-key", work + "/tls.key", "--settings", work + "/settings.yaml",
               "--inventory", ROOT + "/manifests/samples/inventory", "--simulate-backups", "5s", "--lame-duck", "0s"]
    print(f"{DIM}$ backstop serve --tls-cert tls.crt --tls-key tls.key --inventory manifests/samples/inventory "
          f"--simulate-backups 5s{OFF}")
    log = open(work + "/log", "w")
    server = subprocess.Popen(command, stderr=log, stdout=log)
    for _ in range(100):
        if os.path.exists(ports) and os.path.getsize(ports):
            return server, int(dict(line.split("=") for line in open(ports).read().split())["listen"])
        if server.poll() is not None:
            break
        time.sleep(0.05)
    sys.exit("demo: the webhook did not start:\n" + open(work + "/log").read())


def stop(server):
    server.send_signal(signal.SIGTERM)
    code = server.wait(timeout=20)
    print(f"\n{DIM}SIGTERM: the webhook exited with code {code}{OFF}")
    if code:
        sys.exit("demo: the webhook did not stop cleanly")


class Client:
    """What kube-apiserver is to the webhook: one kept-alive HTTPS connection."""

    def __init__(self, port, ca):
        self.connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10,
                                                      context=ssl.create_default_context(cafile=ca))

    def review(self, operation, obj, old=None):
        group, version = obj["apiVersion"].split("/")
        resource, path = PATHS[obj["kind"]]
        meta = obj["metadata"]
        body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": str(uuid.uuid4()), "kind": {"group": group, "version": version, "kind": obj["kind"]},
            "resource": {"group": group, "version": version, "resource": resource},
            "name": meta["name"], "namespace": meta.get("namespace", ""), "operation": operation,
            "userInfo": {"username": "admin", "groups": ["system:masters"]},
            "object": obj, "oldObject": old, "dryRun": False, "options": None}}
        self.connection.request("POST", path + "?timeout=10s", json.dumps(body), {"Content-Type": "application/json"})
        answer = json.loads(self.connection.getresponse().read())
        assert answer["response"]["uid"] == body["request"]["uid"]
        return answer["response"]


def managementbackup(name, **spec):
    return {"apiVersion": KCM, "kind": "ManagementBackup", "metadata": {"name": name}, "spec": spec}


def restore(name, backup):
    return {"apiVersion": VELERO, "kind": "Restore", "metadata": {"name": name, "namespace": "kcm-system"},
            "spec": {"backupName": backup, "includedNamespaces": ["*"]}}


def management(release, running):
    return {"apiVersion": KCM, "kind": "Management", "metadata": {"name": "kcm"},
            "spec": {"release": release}, "status": {"release": running}}


def show(command, obj, response, verb):
    """Prints a review's outcome as kubectl would."""
    resource, _ = PATHS[obj["kind"]]
    group = obj["apiVersion"].split("/")[0]
    print(f"\n{BOLD}$ {command}{OFF}")
    for warning in response.get("warnings", []):
        print(f"{YELLOW}Warning:{OFF} {warning}")
    if response["allowed"]:
        print(f"{GREEN}{obj['kind'].lower()}.{group}/{obj['metadata']['name']} {verb}{OFF}")
        return
    status = response["status"]
    print(f"{RED}Error from server ({status.get('reason', 'Forbidden')}):{OFF} admission webhook "
          f"\"{resource}.backstop.k0rdent.mirantis.com\" denied the request: {status['message']}")


def patched(obj, response):
    """The object after the JSON Patch; the demo only meets `add`."""
    obj = json.loads(json.dumps(obj))
    for step in json.loads(base64.b64decode(response.get("patch", "W10="))):
        *parents, last = step["path"].lstrip("/").split("/")
        at = obj
        for part in parents:
            at = at[part]
        at.append(step["value"]) if last == "-" else at.__setitem__(last, step["value"])
    return obj


def yaml_lines(value, indent="  "):
    for key, item in value.items():
        if isinstance(item, list):
            yield f"{indent}{key}:"
            yield from (f"{indent}- {json.dumps(i) if i == '*' else i}" for i in item)
        else:
            yield f"{indent}{key}: {item}"


def show_change(before, after):
    old = list(yaml_lines(before["spec"]))
    print("spec:")
    for line in yaml_lines(after["spec"]):
        print(line if line in old else f"{GREEN}+{line[1:]}{OFF}")


def tour(client):
    """Returns the number of wrong answers."""
    wrong = 0

    def expect(allowed, response):
        nonlocal wrong
        wrong += response["allowed"] is not allowed

    backups = [
        (True, "every-six-hours", {"schedule": "0 */6 * * *", "storageLocation": "aws-s3", "performOnManagementUpgrade": True}),
        (False, "sundays", {"schedule": "0 9 * * 7", "storageLocation": "aws-s3"}),
        (False, "zoned", {"schedule": "TZ=UTC", "storageLocation": "aws-s3"}),
        (False, "never", {"schedule": "0 0 30 2 *", "storageLocation": "aws-s3"}),
        (False, "misspelt", {"schedule": "@daily", "storageLocation": "aws-s4"}),
    ]
    for allowed, name, spec in backups:
        obj = managementbackup(name, **spec)
        response = client.review("CREATE", obj)
        words = " ".join(f"{k}={json.dumps(v)}" for k, v in spec.items() if k != "storageLocation" or "misspelt" == name)
        show(f"kubectl apply -f {name}.yaml   # {words}", obj, response, "created")
        expect(allowed, response)

    for name, backup in (("azure", "azure-20261121000000"), ("vsphere", "vsphere-20261121000000")):
        obj = restore("restore-" + name, backup)
        response = client.review("CREATE", obj)
        show(f"kubectl apply -f restore-{name}.yaml", obj, response, "created")
        show_change(obj, patched(obj, response))
        expect(True, response)

    wrong += upgrade(client)
    return wrong


def upgrade(client):
    old, new = management("kcm-1-2-0", "kcm-1-2-0"), management("kcm-1-3-0", "kcm-1-2-0")
    command = """kubectl patch management kcm --type=merge -p '{"spec":{"release":"kcm-1-3-0"}}'"""
    response = client.review("UPDATE", new, old)
    show(command, new, response, "patched")
    wrong = response["allowed"] or response["status"]["code"] != 429
    for _ in range(10):  # client-go waits and retries by itself, up to ten times
        if response["allowed"] or response["status"]["code"] != 429:
            break
        seconds = response["status"]["details"]["retryAfterSeconds"]
        print(f"{DIM}  429: kubectl prints nothing, waits {seconds} s and retries{OFF}")
        time.sleep(seconds)
        response = client.review("UPDATE", new, old)
        if not response["allowed"]:
            print(f"{DIM}  {response['status']['message']}{OFF}")
    show(command + "   # the same command, still waiting", new, response, "patched")
    return wrong + (not response["allowed"])


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(os.path.abspath(sys.argv[1]))
