"""Velero Restores: what kubectl says, and the Restore in etcd."""
import base64
import json
import os
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from control_plane import base64_file, wait_until
from fixtures import (NEXT, RUNNING, TAKEN, Webhook, accepted, completed_backup, refused, settings_file, velero_deployment)
from standin import StandIn, set_management_release
from webhook import restore

AZURE = ["natgateways.network.azure.com", "resourcegroups.resources.azure.com", "virtualnetworks.network.azure.com",
         "virtualnetworkssubnets.network.azure.com"]
VSPHERE = [f"{kind}webhookconfigurations.admissionregistration.k8s.io" for kind in ("mutating", "validating")]
SINGULAR = [name.replace("configurations.", "configuration.") for name in VSPHERE]
RULES = """version: v1
resourceModifierRules:
- conditions:
    groupResource: managements.k0rdent.mirantis.com
  patches:
  - operation: replace
    path: /spec/release
    value: kcm-1-2-0
"""


class Setup(Webhook):
    def __init__(self, cluster, binary):
        super().__init__(cluster, binary)
        completed_backup(cluster, "nightly", "infrastructure-azure", "infrastructure-vsphere")
        completed_backup(cluster, "plain-aws", "infrastructure-aws")
        completed_backup(cluster, "half", phase="PartiallyFailed")
        cluster.request("POST", "/apis/velero.io/v1/namespaces/kcm-system/backups", {
            "apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"name": "somebody-elses"},
            "spec": {"includedNamespaces": ["shop"]}, "status": {"phase": "Completed"}})

    def create(self, document, *more, **how):
        return self.cluster.kubectl("create", "-f", "-", *more, stdin=document, **how)

    def spec(self, name):
        found = self.cluster.get("restore", "-n", "kcm-system", name)
        return found and found["spec"]


def case_completed(setup):
    """a Restore of a management backup gets its providers' exclusions and existingResourcePolicy: update"""
    answer = setup.create(restore("first", "nightly"))
    accepted(answer, "restore.velero.io/first created", "Warning:", "existingResourcePolicy")
    spec = setup.spec("first")
    assert sorted(spec["excludedResources"]) == sorted(AZURE + VSPHERE), spec
    assert spec["existingResourcePolicy"] == "update" and spec["backupName"] == "nightly", spec


def case_changed_before_velero(setup):
    """until Velero takes it, a Restore is completed and checked again when it is changed; its own writes are not"""
    cluster, first = setup.cluster, restore("changed", "nightly")
    accepted(setup.create(first))
    accepted(cluster.kubectl("replace", "-f", "-", stdin=first), "Warning:", "existingResourcePolicy")
    spec = setup.spec("changed")
    assert sorted(spec["excludedResources"]) == sorted(AZURE + VSPHERE) and spec["existingResourcePolicy"] == "update", spec
    accepted(cluster.kubectl("replace", "-f", "-", stdin=restore("changed", "plain-aws")))
    assert "excludedResources" not in setup.spec("changed"), setup.spec("changed")
    refused(cluster.kubectl("replace", "-f", "-", stdin=restore("changed", "gone")), "spec.backupName")
    before = setup.calls("restores")
    path = "/apis/velero.io/v1/namespaces/kcm-system/restores/changed"
    for change in ({"status": {"phase": "New"}}, {"spec": {"itemOperationTimeout": "4h0m0s"}},
                   {"status": {"phase": "InProgress"}, "spec": {"scheduleName": ""}}, {"status": {"phase": "Completed"}}):
        code, answer = cluster.request("PATCH", path, change, "velero-token", "application/merge-patch+json")
        assert code == 200, answer
    assert setup.calls("restores") == before
    accepted(cluster.kubectl("-n", "kcm-system", "patch", "restore", "changed", "--type=merge", "-p",
                             '{"spec":{"backupName":"nightly"}}'), "the change has no effect")
    accepted(cluster.kubectl("-n", "kcm-system", "patch", "restore", "changed", "--type=merge", "-p",
                             '{"status":{"phase":"New"},"spec":{"existingResourcePolicy":null}}'))
    spec = setup.spec("changed")
    assert sorted(spec["excludedResources"]) == sorted(AZURE + VSPHERE) and spec["existingResourcePolicy"] == "update", spec


def case_upgrade_by_restore(setup):
    """a resource modifier that sets a newer release needs the pre-upgrade backup; an older one is a rollback"""
    cluster = setup.cluster
    for name, release in (("to-newer", NEXT), ("to-older", "kcm-1-1-0")):
        cluster.must("create", "-f", "-", stdin={
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "kcm-system"},
            "data": {"rules.yaml": json.dumps({"version": "v1", "resourceModifierRules": [{
                "conditions": {"groupResource": "managements.k0rdent.mirantis.com"},
                "patches": [{"operation": "replace", "path": "/spec/release", "value": release}]}]})}})
    upgrade = restore("upgrade", "nightly", resourceModifier={"kind": "ConfigMap", "name": "to-newer"})
    answer = setup.create(upgrade, "--dry-run=server")
    assert answer.code == 1 and f"{TAKEN}: would be started" in answer.err, answer
    with StandIn(cluster, seconds=1):
        accepted(setup.create(upgrade), "restore.velero.io/upgrade created", "this Restore is an upgrade")
    accepted(setup.create(restore("rollback", "nightly", resourceModifier={"kind": "ConfigMap", "name": "to-older"})))
    setup.reset_upgrade()


def case_with_management(setup):
    """on a cluster that has a Management the admin is told that a clean installation is expected"""
    accepted(setup.create(restore("second", "nightly"), "--dry-run=server"), 'already has a Management ("kcm")')


def case_without_management(setup):
    """on a fresh cluster without a Management the backup itself names the providers"""
    cluster, kept = setup.cluster, setup.cluster.get("management", "kcm")
    cluster.must("delete", "management", "kcm")
    wait_until("it to be known", lambda: "already has a Management" not in setup.create(
        restore("fresh", "nightly"), "--dry-run=server").text)
    accepted(setup.create(restore("fresh", "nightly")))
    assert sorted(setup.spec("fresh")["excludedResources"]) == sorted(AZURE + VSPHERE)
    kept["metadata"] = {"name": "kcm"}
    cluster.must("create", "-f", "-", stdin=kept)
    set_management_release(cluster, RUNNING)


def case_present_already(setup):
    """exclusions that are there already, plural, singular or as a Kind, are not added twice"""
    accepted(setup.create(restore("plural", "nightly", excludedResources=AZURE + VSPHERE,
                                  existingResourcePolicy="update")))
    assert setup.spec("plural")["excludedResources"] == AZURE + VSPHERE
    accepted(setup.create(restore("singular", "nightly", excludedResources=SINGULAR)))
    assert setup.spec("singular")["excludedResources"] == SINGULAR + AZURE


def case_others_left_alone(setup):
    """Restores of other Backups, and those that opt out with a reason, stay as they are"""
    accepted(setup.create(restore("shop", "somebody-elses")))
    assert setup.spec("shop") == {"backupName": "somebody-elses"}
    own = restore("own", "nightly")
    own["metadata"]["annotations"] = {"backstop.k0rdent.mirantis.com/skip-mutation": "rehearsal in a sandbox"}
    accepted(setup.create(own), "Warning:")
    assert setup.spec("own") == {"backupName": "nightly"}


def case_refused(setup):
    """what Velero would find out later is refused, and nothing is stored"""
    refused(setup.create(restore("bad", "nightlyy")), "spec.backupName", "nightly")
    refused(setup.create(restore("bad", "nightly", existingResourcePolicy="Update")), 'did you mean "update"')
    refused(setup.create(restore("bad", "nightly", scheduleName="x")), "spec.")
    refused(setup.create(restore("bad", "nightly", excludedResources=["*"])), "spec.excludedResources")
    assert setup.spec("bad") is None
    accepted(setup.create(restore("partly", "half")), "Warning:", "PartiallyFailed")


def case_apply(setup):
    """kubectl apply, server-side or not, twice: the second changes nothing"""
    for more in ((), ("--server-side",)):
        document = restore("applied-" + ("ss" if more else "cs"), "nightly", existingResourcePolicy="update")
        accepted(setup.cluster.kubectl("apply", *more, "-f", "-", stdin=document))
        first = setup.cluster.get("restore", "-n", "kcm-system", document["metadata"]["name"])
        accepted(setup.cluster.kubectl("apply", *more, "-f", "-", stdin=document))
        again = setup.cluster.get("restore", "-n", "kcm-system", document["metadata"]["name"])
        assert first["spec"] == again["spec"] and len(first["spec"]["excludedResources"]) == 6, again["spec"]
        assert first["metadata"]["generation"] == again["metadata"]["generation"]


def case_dry_run(setup):
    """--dry-run=server shows the completed Restore and stores none"""
    answer = setup.create(restore("dry", "nightly"), "--dry-run=server", "-o", "json")
    assert answer.code == 0 and len(json.loads(answer.out)["spec"]["excludedResources"]) == 6, answer
    assert setup.spec("dry") is None


def case_velero_status(setup):
    """Velero's status writes pass without a call; what it changes in the spec passes too"""
    cluster, before = setup.cluster, setup.calls("restores")
    path = "/apis/velero.io/v1/namespaces/kcm-system/restores/first"
    for document in ({"status": {"phase": "InProgress"}}, {"spec": {"scheduleName": "s"}, "status": {"phase": "Completed"}}):
        code, answer = cluster.request("PATCH", path, document, "velero-token", "application/merge-patch+json")
        assert code == 200, answer
    code, answer = cluster.request("PATCH", path, {"status": {"phase": "PartiallyFailed"}}, "editor-token",
                                   "application/merge-patch+json")
    assert code == 200, answer
    assert setup.calls("restores") == before
    assert cluster.get("restore", "-n", "kcm-system", "first")["status"]["phase"] == "PartiallyFailed"


def case_update(setup):
    """an edit is refused for what it changes; of a Restore that Velero has read, it is told to be without effect"""
    answer = setup.cluster.kubectl("patch", "restore", "-n", "kcm-system", "plural", "--type=merge", "-p",
                                   '{"spec":{"existingResourcePolicy":"Update"}}')
    refused(answer, "spec.existingResourcePolicy")
    assert setup.spec("plural")["existingResourcePolicy"] == "update"
    answer = setup.cluster.kubectl("patch", "restore", "-n", "kcm-system", "first", "--type=merge", "-p",
                                   '{"spec":{"existingResourcePolicy":"none"}}')
    accepted(answer, "the change has no effect")
    accepted(setup.cluster.kubectl("delete", "restore", "-n", "kcm-system", "first"))
    assert setup.spec("first") is None


def case_deleting(setup):
    """a Restore with a deletionTimestamp loses its finalizer, however wrong it is"""
    wrong = restore("going", "no-such-backup", existingResourcePolicy="Always")
    wrong["metadata"]["finalizers"] = ["restores.velero.io/external-resources-finalizer"]
    setup.without_webhook(lambda: setup.cluster.must("create", "-f", "-", stdin=wrong))
    setup.cluster.must("delete", "restore", "-n", "kcm-system", "going", "--wait=false")
    accepted(setup.cluster.kubectl("patch", "restore", "-n", "kcm-system", "going", "--type=merge", "-p",
                                   '{"metadata":{"finalizers":null},"spec":{"existingResourcePolicy":"Never"}}'))
    wait_until("it to be gone", lambda: setup.spec("going") is None)


def case_modifier(setup):
    """the resource modifier ConfigMap: absent, wrong, right"""
    cluster = setup.cluster
    document = restore("modified", "nightly", resourceModifier={"kind": "ConfigMap", "name": "release-back"})
    config_map = {"apiVersion": "v1", "kind": "ConfigMap",
                  "metadata": {"name": "release-back", "namespace": "kcm-system"}}
    refused(setup.create(document), "spec.resourceModifier.name", "release-back", "there is no ConfigMap")
    wrong = RULES.replace("operation: replace", "operation: Replace")
    cluster.must("create", "-f", "-", stdin={**config_map, "data": {"rules": wrong}})
    refused(setup.create(document), "Replace", "release-back")
    assert setup.spec("modified") is None
    # Corrected in the same breath as the Restore: no cache in between.
    accepted(cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-",
                             stdin=[{**config_map, "data": {"rules": RULES}}, document]))
    assert setup.spec("modified")["resourceModifier"]["name"] == "release-back"
    refused(setup.create(restore("kind", "nightly", resourceModifier={"kind": "Secret", "name": "release-back"})),
            "spec.resourceModifier.kind")


def case_injected_modifier(setup):
    """restores.injectReleaseModifier: the ConfigMap of a rollback is made, never under --dry-run"""
    setup.cluster.must("delete", "configmap", "-n", "kcm-system", "--all")  # one that is right would be used
    completed_backup(setup.cluster, TAKEN, labels={"k0rdent.mirantis.com/release-backup": RUNNING})
    folder = os.path.dirname(setup.settings)
    setup.grant_for(settings_file(folder, restores={"injectReleaseModifier": True}))
    document = restore("rollback-injected", TAKEN)
    wait_until("the settings to be reloaded", lambda: "resourceModifier set to" in setup.create(
        document, "--dry-run=server").text)
    assert maps(setup) == []
    accepted(setup.create(document), "sets the release back to kcm-1-2-0")
    name = setup.spec("rollback-injected")["resourceModifier"]["name"]
    made = setup.cluster.get("configmap", "-n", "kcm-system", name)
    assert "value: \"kcm-1-2-0\"" in "".join(made["data"].values()), made
    settings_file(folder)


def maps(setup):
    return [o["metadata"]["name"] for o in setup.cluster.items("configmap", "-n", "kcm-system")]


class SecondWebhook:
    """Another mutating webhook, which appends an exclusion after ours has run."""

    def __init__(self, setup):
        folder = setup.folder
        subprocess.run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                        f"{folder}/second.key", "-out", f"{folder}/second.csr", "-subj", "/CN=localhost"],
                       check=True, capture_output=True)
        with open(f"{folder}/second.ext", "w") as f:
            f.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        subprocess.run(["openssl", "x509", "-req", "-in", f"{folder}/second.csr", "-CA", f"{folder}/ca.crt", "-CAkey",
                        f"{folder}/ca.key", "-CAcreateserial", "-days", "2", "-extfile", f"{folder}/second.ext",
                        "-out", f"{folder}/second.crt"], check=True, capture_output=True)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                spec = review["request"]["object"]["spec"]
                response = {"uid": review["request"]["uid"], "allowed": True}
                # It drops what it does not know, and so undoes a part of ours.
                wanted = [e for e in spec.get("excludedResources", []) if "azure" in e] + ["secrets.example.com"]
                if "secrets.example.com" not in spec.get("excludedResources", []):
                    patch = json.dumps([{"op": "add", "path": "/spec/excludedResources", "value": wanted}])
                    response.update(patchType="JSONPatch", patch=base64.b64encode(patch.encode()).decode())
                body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
                                   "response": response}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{folder}/second.crt", f"{folder}/second.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.configuration = {
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": "zz-second"}, "webhooks": [{
                "name": "second.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
                "clientConfig": {"url": f"https://127.0.0.1:{self.server.server_address[1]}/",
                                 "caBundle": base64_file(f"{folder}/ca.crt")},
                "rules": [{"apiGroups": ["velero.io"], "apiVersions": ["v1"], "resources": ["restores"],
                           "operations": ["CREATE"]}]}]}


def case_reinvocation(setup):
    """another mutating webhook changes the Restore after ours: ours is called again and completes it"""
    second, cluster = SecondWebhook(setup), setup.cluster
    cluster.must("create", "-f", "-", stdin=second.configuration)
    try:
        wait_until("the second webhook to be in force", lambda: "secrets.example.com" in setup.create(
            restore("again", "nightly"), "--dry-run=server", "-o", "json").out)
        accepted(setup.create(restore("again", "nightly")))
        excluded = setup.spec("again")["excludedResources"]
        assert sorted(excluded) == sorted(AZURE + VSPHERE + ["secrets.example.com"]), excluded
    finally:
        cluster.must("delete", "mutatingwebhookconfiguration", "zz-second")
        second.server.shutdown()


def case_velero_name(setup):
    """rs-22: a Velero Deployment of another name than velero is warned about on old releases"""
    cluster = setup.cluster
    cluster.must("delete", "deployment", "-n", "kcm-system", "velero")
    cluster.must("create", "-f", "-", stdin=velero_deployment("kcm-velero"))
    set_management_release(cluster, "kcm-1-1-0")
    wait_until("the warning", lambda: "velero" in setup.create(
        restore("named", "nightly"), "--dry-run=server").err and "kcm-velero" in setup.create(
        restore("named", "nightly"), "--dry-run=server").err)
    set_management_release(cluster, RUNNING)
    wait_until("no warning with a newer release", lambda: "kcm-velero" not in setup.create(
        restore("named", "nightly"), "--dry-run=server").err)


def case_webhook_down(setup):
    """while the webhook is down Restores are refused, ManagementBackups and Velero's own writes are not"""
    replica = setup.replicas[0]
    replica.endpoint(False)
    replica.stop()
    answer = setup.create(restore("down", "nightly"))
    assert answer.code == 1 and "failed calling webhook" in answer.err, answer
    code, answer = setup.cluster.request("PATCH", "/apis/velero.io/v1/namespaces/kcm-system/restores/plural",
                                         {"status": {"phase": "InProgress"}}, "velero-token",
                                         "application/merge-patch+json")
    assert code == 200, answer
    setup.cluster.must("annotate", "managementbackup", "kcm-backup", "note=written-while-down")
    setup.replicas[0].start()
    accepted(setup.create(restore("up-again", "nightly")))
