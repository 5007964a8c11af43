"""What `backstop rehearse` foretells, held against what the real Velero then does, object by object."""
import base64
import collections
import glob
import gzip
import json
import os
import re
import subprocess
import tarfile

from control_plane import ControlPlane, wait_until
from fixtures import grant, velero_deployment
from stage import crds
from velero import NAMESPACE, Storage, Velero, velero
import stage
from webhook import apply_crds

MERGE = "application/merge-patch+json"
BACKUP = "everything"
FAR_MORE = 150  # ConfigMaps, so that the backup has a few hundred objects


def thing(api, kind, name, ns=None, labels=None, **more):
    metadata = {"name": name, **({"namespace": ns} if ns else {}), **({"labels": labels} if labels else {})}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **more}


def crd(plural, kind, versions, scope="Namespaced", group="example.com", properties=None, required=()):
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": {
        "type": "object", "required": list(required),
        "properties": properties or {}, "x-kubernetes-preserve-unknown-fields": True}}}}
    return thing("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{plural}.{group}", spec={
        "group": group, "scope": scope, "names": {"plural": plural, "kind": kind, "singular": kind.lower()},
        "versions": [{"name": name, "served": True, "storage": i == 0, "schema": schema} for i, name in enumerate(versions)]})


def webhook(name, plural, service="gone"):
    """It fails closed; nothing runs behind its Service."""
    return thing("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", name, webhooks=[{
        "name": f"{name}.example.com", "failurePolicy": "Fail", "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 1, "clientConfig": {"service": {"namespace": "shop", "name": service, "path": "/"}},
        "rules": [{"apiGroups": ["example.com"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": [plural]}]}])


def policy(name, field, value):
    """Denies ConfigMaps by a label: an admission policy, since it needs no server."""
    rule = thing("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", name, spec={
        "failurePolicy": "Fail", "matchConstraints": {"resourceRules": [{
            "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}]},
        "validations": [{"expression": f"!has(object.metadata.labels) || !('{field}' in object.metadata.labels) || "
                                       f"object.metadata.labels['{field}'] != '{value}'",
                         "message": f"no {value} here"}]})
    binding = thing("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding", name, spec={
        "policyName": name, "validationActions": ["Deny"], "matchResources": {"namespaceSelector": {}}})
    return [rule, binding]


def wait_in_force(cluster):
    """The API server takes up a policy a moment after it was created."""
    denied = thing("v1", "ConfigMap", "denied", "default", {"verdict": "forbidden"})
    wait_until("the policy", lambda: "no forbidden here" in cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=denied).text)


POD = {"containers": [{"name": "c", "image": "i"}]}
ROLE = {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}


def reference(kind, name):
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}


def world():
    """Every class of object that Velero treats in a way of its own."""
    volume = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}
    subject = [{"kind": "ServiceAccount", "name": "robot", "namespace": "shop"}]
    return [
        thing("v1", "Namespace", "shop", labels={"team": "blue"}), thing("v1", "Namespace", "ops"),
        thing("scheduling.k8s.io/v1", "PriorityClass", "urgent", value=7),
        crd("widgets", "Widget", ["v1"]), crd("gadgets", "Gadget", ["v1alpha1"]), crd("zeds", "Zed", ["v1"]),
        crd("gauges", "Gauge", ["v1"]), crd("realms", "Realm", ["v1"], scope="Cluster"),
        *[thing("v1", "ConfigMap", f"c-{i}", "shop", data={"n": str(i)}) for i in range(FAR_MORE)],
        *[thing("v1", "Secret", f"s-{i}", "ops", stringData={"n": str(i)}) for i in range(40)],
        thing("v1", "ConfigMap", "forbidden", "shop", {"verdict": "forbidden"}),
        thing("v1", "ConfigMap", "unmodified", "ops", {"modify": "badly"}, data={"a": "b"}),
        thing("v1", "ServiceAccount", "robot", "shop", imagePullSecrets=[{"name": "pull"}]),
        thing("v1", "ServiceAccount", "plain", "shop"),
        thing("v1", "Service", "web", "shop", spec={"selector": {"a": "b"}, "ports": [{"port": 80}]}),
        thing("v1", "Service", "none", "shop", spec={"clusterIP": "None", "ports": [{"port": 80}]}),
        thing("v1", "Service", "node", "ops", spec={"type": "NodePort", "ports": [{"port": 80}]}),
        thing("v1", "Pod", "runs", "shop", spec=POD), thing("v1", "Pod", "done", "shop", spec=POD),
        thing("v1", "Pod", "first", "shop", {"pick": "me"}, spec={
            **POD, "priorityClassName": "urgent", "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "claim"}}]}),
        thing("batch/v1", "Job", "runs", "ops", spec={"template": {"spec": {**POD, "restartPolicy": "Never"}}}),
        thing("batch/v1", "Job", "done", "ops", spec={"template": {"spec": {**POD, "restartPolicy": "Never"}}}),
        thing("apps/v1", "Deployment", "web", "shop", spec={
            "selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": POD}}),
        thing("v1", "PersistentVolume", "kept", spec={**volume, "persistentVolumeReclaimPolicy": "Retain"}),
        thing("v1", "PersistentVolume", "fleeting", spec={**volume, "persistentVolumeReclaimPolicy": "Delete"}),
        thing("v1", "PersistentVolumeClaim", "claim", "shop", spec={
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""}),
        thing("rbac.authorization.k8s.io/v1", "Role", "reader", "shop", **ROLE),
        thing("rbac.authorization.k8s.io/v1", "RoleBinding", "reader", "shop", roleRef=reference("Role", "reader"), subjects=subject),
        thing("rbac.authorization.k8s.io/v1", "ClusterRole", "shop-reader", **ROLE),
        thing("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "shop-reader", roleRef=reference("ClusterRole", "shop-reader"),
              subjects=subject),
        thing("networking.k8s.io/v1", "NetworkPolicy", "closed", "shop", spec={"podSelector": {}}),
        webhook("before-zeds", "zeds"),
    ]


def customs():
    return [*[thing("example.com/v1", "Widget", f"w-{i}", "shop", spec={"n": i}) for i in range(10)],
            thing("example.com/v1alpha1", "Gadget", "g", "shop", spec={}),
            thing("example.com/v1", "Gauge", "fine", "ops", spec={"level": 1}),
            thing("example.com/v1", "Gauge", "bad", "ops", spec={"level": "high"}),
            thing("example.com/v1", "Realm", "r", spec={})]


def zeds():
    return [thing("example.com/v1", "Zed", f"z-{i}", "shop", spec={}) for i in range(3)]


MODIFIER = """version: v1
resourceModifierRules:
- conditions: {groupResource: configmaps, resourceNameRegex: "^c-1.$"}
  patches: [{operation: add, path: /data/modified, value: "yes it is"}]
- conditions: {groupResource: configmaps, labelSelector: {matchLabels: {modify: badly}}}
  patches: [{operation: remove, path: /data/nothing-there}]
- conditions: {groupResource: secrets, namespaces: [ops]}
  mergePatches: [{patchData: '{"metadata": {"annotations": {"merged": "true"}}}'}]
- conditions: {groupResource: deployments.apps}
  strategicPatches: [{patchData: '{"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "j"}]}}}}'}]
"""


class Setup:
    def __init__(self, cluster, binary):
        self.cluster, self.binary = cluster, binary
        self.storage = Storage(cluster.dir).start()
        self.others = []
        self.velero = self.equip(cluster, start=False)
        # Kinds first, then the webhook that would refuse the zeds.
        objects = world()
        cluster.must("apply", "--server-side", "-f", "-", stdin=objects[:-1])
        cluster.must("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
        cluster.must("apply", "-f", "-", stdin=[*customs(), *zeds()])
        cluster.must("apply", "-f", "-", stdin=objects[-1:])
        self.status(cluster, "/api/v1/namespaces/shop/pods/done", {"phase": "Succeeded"})
        self.status(cluster, "/apis/batch/v1/namespaces/ops/jobs/done", {
            "startTime": "2026-11-21T00:00:00Z", "completionTime": "2026-11-21T00:01:00Z", "succeeded": 1, "conditions": [
                {"type": kind, "status": "True", "lastTransitionTime": "2026-11-21T00:01:00Z"}
                for kind in ("SuccessCriteriaMet", "Complete")]})
        self.velero.start().wait_location("Available")  # only now: what it can back up it looks up as it starts
        self.velero.create(velero("Backup", BACKUP, includedNamespaces=["shop", "ops"], includeClusterResources=True,
                                  storageLocation="aws-s3", defaultVolumesToFsBackup=False, snapshotVolumes=False))
        done = self.velero.wait_phase("backups", BACKUP)
        assert done["status"]["phase"] == "Completed", done["status"]

    @staticmethod
    def status(cluster, path, status):
        code, answer = cluster.request("PATCH", path + "/status", {"status": status}, content_type=MERGE)
        assert code == 200, answer

    def equip(self, cluster, start=True):
        """A cluster with Velero on the same storage."""
        cluster.must("create", "namespace", NAMESPACE)
        grant(cluster)
        apply_crds(cluster, crds(stage.VERSION)[:1])
        cluster.must("apply", "-f", "-", stdin=[*self.storage.location(), velero_deployment(), thing(
            "v1", "ConfigMap", "modifier", NAMESPACE, data={"rules": MODIFIER})])
        server = Velero(cluster, stage.VERSION)
        return server.start() if start else server

    def second(self, *objects):
        """Another cluster, which has synced the backup, and whose API server keeps an audit log."""
        cluster = ControlPlane(self.cluster.assets)
        with open(f"{cluster.dir}/audit.yaml", "w") as file:
            json.dump({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]}, file)
        cluster.api.command += [f"--audit-policy-file={cluster.dir}/audit.yaml", f"--audit-log-path={cluster.dir}/audit.log"]
        cluster.start()
        self.others.append(cluster)
        server = self.equip(cluster)
        if objects:
            cluster.must("apply", "-f", "-", stdin=list(objects))
        server.wait_location("Available")
        server.restart()
        wait_until("the backup to be synced", lambda: server.read("backups", BACKUP), 90)
        server.wait_location("Available")
        self.others.append(server)
        return cluster, server

    def rehearse(self, cluster, *args):
        """As somebody who does nothing else in these tests."""
        done = subprocess.run([self.binary, "rehearse", "--kubeconfig", f"{cluster.dir}/editor-token.kubeconfig",
                               "--rate", "1000", *args], capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout, done.stderr

    def foretell(self, cluster, restore):
        """(exit code, what is foretold for each object)"""
        path = f"{cluster.dir}/restore.json"
        with open(path, "w") as file:
            json.dump(restore, file)
        code, out, err = self.rehearse(cluster, "--restore", path, "-o", "json")
        assert out, err
        return code, json.loads(out)

    def drill(self, cluster, *kinds):
        """What is reported of the same contents when they are written to an API server of the rehearsal's own."""
        path = f"{cluster.dir}/drill-crds.json"
        with open(path, "w") as file:
            json.dump({"apiVersion": "v1", "kind": "List", "items": kinds}, file)
        done = subprocess.run([self.binary, "rehearse", BACKUP, "--against-crds", "--crds", path, "--crds", crds(stage.VERSION)[0], "-o", "json", "--contents",
                               f"{self.storage.folder}/backups/{BACKUP}/{BACKUP}.tar.gz"], capture_output=True, text=True,
                              timeout=120, env={**os.environ, "KUBEBUILDER_ASSETS": cluster.assets, "TMPDIR": cluster.dir})
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def kinds(self):
        """Which apiVersion/Kind each resource of the archive has."""
        found = {}
        with tarfile.open(f"{self.storage.folder}/backups/{BACKUP}/{BACKUP}.tar.gz") as archive:
            for member in archive:
                path = member.name.split("/")
                if path[0] == "resources" and path[1] not in found and path[2] in ("cluster", "namespaces"):
                    document = json.load(archive.extractfile(member))
                    found[path[1]] = f"{document['apiVersion']}/{document['kind']}"
        return found

    def restored(self, server, restore):
        """What Velero says it did with each object, from the restore's own list in the bucket."""
        name = restore["metadata"]["name"]
        for _ in range(5):  # Velero has just been restarted: what it knows of the location may be of before
            server.wait_location("Available")
            server.create(restore)
            done = server.wait_phase("restores", name)
            if "unavailable" not in str(done["status"].get("validationErrors")):
                break
            server.delete("restores", name)
        listed = glob.glob(f"{self.storage.folder}/restores/{name}/*resource-list.json.gz")
        assert listed, done["status"]
        with gzip.open(listed[0]) as file:
            result = json.load(file)
        return done, {(kind, *re.fullmatch(r"(.*)\((.*)\)", item).groups()[:1]): re.fullmatch(r"(.*)\((.*)\)", item)[2]
                      for kind, items in result.items() for item in items}

    def close(self):
        for other in reversed(self.others):
            other.stop()
        self.velero.stop()
        self.storage.stop()


WORDS = {"created": {"created"}, "updated": {"updated"}, "left (same)": {"skipped"}, "left (differs)": {"failed"},
         "refused": {"failed"}, "skipped": {None, "skipped"}}


def compare(setup, report, did):
    """Where Velero did something else than was foretold."""
    kinds, wrong = setup.kinds(), []
    for each in report["objects"]:
        ns = each.get("targetNamespace", each["namespace"])
        key = (kinds[each["resource"]], f"{ns}/{each['name']}" if ns else each["name"])
        allowed = WORDS.get(each["outcome"], set())
        if each.get("unmodified") and each["outcome"].startswith("left"):
            allowed = {"failed"}  # it counts the modifier's error
        if each["resource"] == "namespaces" and each["outcome"].startswith("left"):
            allowed = {None}  # Velero lists only those that it creates
        if each["resource"] == "ipaddresses.networking.k8s.io":
            # kube-apiserver makes and removes them itself, between the two, and while Velero looks why one is there already
            allowed = allowed | {"created", "skipped", "failed"}
        if did.get(key) not in allowed:
            wrong.append((key, each["outcome"], each.get("reason"), did.get(key)))
    return wrong


def check(setup, cluster, server, restore):
    code, report = setup.foretell(cluster, restore)
    done, did = setup.restored(server, restore)
    wrong = compare(setup, report, did)
    assert not wrong, "\n".join(map(str, wrong[:30])) + f"\n{len(wrong)} of {len(report['objects'])}"
    return code, report, done


def outcomes(report):
    return {(each["resource"], each["name"]): each["outcome"] for each in report["objects"]}


def case_empty_cluster(setup):
    """on an empty cluster every outcome is what Velero then does, whoever refuses, and only the DownloadRequest is written;
    a drill of the same contents agrees, but for the policy and the rights that the cluster has"""
    strict = crd("gauges", "Gauge", ["v1"], properties={"level": {"type": "integer"}})
    cluster, server = setup.second(*policy("no-forbidden", "verdict", "forbidden"), crd("gadgets", "Gadget", ["v1"]), strict)
    wait_in_force(cluster)
    code, report, _ = check(setup, cluster, server, velero("Restore", "onto-empty", backupName=BACKUP))
    foretold, counts = outcomes(report), collections.Counter(each["outcome"] for each in report["objects"])
    assert code == 1 and counts["created"] > 200 and not counts["unknown"], (code, counts)
    refused = {key for key, outcome in foretold.items() if outcome == "refused"}
    assert refused == {("configmaps", "forbidden"), ("gadgets.example.com", "g"), ("gauges.example.com", "bad"),
                       *[("zeds.example.com", f"z-{i}") for i in range(3)]}, refused
    assert "validatingwebhookconfigurations.admissionregistration.k8s.io" in report["exclude"], report["exclude"]
    writes = written(cluster)
    assert len(writes["dry run"]) > 200 and len(writes["written"]) == 1, writes["written"]
    assert writes["written"][0].endswith("/namespaces/kcm-system/downloadrequests"), writes["written"]
    suggested(setup, cluster, server)
    drilled = outcomes(setup.drill(cluster, crd("gadgets", "Gadget", ["v1"]), strict))
    differ = {key: (foretold[key], drilled[key]) for key in foretold if foretold[key] != drilled[key]}
    assert differ == {("configmaps", "forbidden"): ("refused", "created"),
                      ("clusterrolebindings.rbac.authorization.k8s.io", "e2e"): ("left (differs)", "created")}, differ


def suggested(setup, cluster, server):
    """What --suggest prints, ConfigMap and Restore, is restorable but for the policy's refusal, and Velero restores it so."""
    code, text, err = setup.rehearse(cluster, BACKUP, "--suggest")
    assert code == 1 and "a dry run" in text, text + err
    config, document = text.split("---\n")
    made = cluster.must("create", "-o", "json", "-f", "-", stdin=config)
    restore = json.loads(cluster.must("create", "--dry-run=client", "-o", "json", "-f", "-", stdin=document).out)
    assert restore["spec"]["resourceModifier"]["name"] == json.loads(made.out)["metadata"]["name"], restore
    code, report, done = check(setup, cluster, server, velero("Restore", "as-suggested", **restore["spec"]))
    found = outcomes(report)
    assert {key: found[key] for key in (("gadgets.example.com", "g"), ("gauges.example.com", "bad"))} == {
        ("gadgets.example.com", "g"): "created", ("gauges.example.com", "bad"): "created"}, report["causes"]
    assert {key for key, outcome in found.items() if outcome == "refused"} == {("configmaps", "forbidden")}, report["causes"]
    assert cluster.get("gadgets.v1.example.com", "-n", "shop", "g")["apiVersion"] == "example.com/v1"
    assert "level" not in cluster.get("gauges", "-n", "ops", "bad")["spec"]


def written(cluster):
    """What the rehearsal asked the API server to write, by its audit log."""
    found = {"dry run": [], "written": []}
    for line in open(f"{cluster.dir}/audit.log"):
        event = json.loads(line)
        if (event["user"]["username"] == "editor" and event["stage"] == "ResponseComplete"
                and event["verb"] not in ("get", "list", "watch")):
            found["dry run" if "dryRun=All" in event["requestURI"] else "written"].append(event["requestURI"])
    return found


def case_live_cluster(setup):
    """on the live cluster, changed since, with update and a resource modifier: updated, left and refused as foretold"""
    cluster, server = setup.cluster, setup.velero
    cluster.must("apply", "-f", "-", stdin=[
        thing("v1", "ConfigMap", "c-7", "shop", data={"n": "changed"}), thing("v1", "ServiceAccount", "robot", "shop"),
        *policy("no-old", "verdict", "forbidden")])
    wait_in_force(cluster)
    cluster.must("delete", "-n", "shop", "configmap/c-8", "pod/runs", "--now")
    restore = velero("Restore", "onto-live", backupName=BACKUP, existingResourcePolicy="update",
                     resourceModifier={"kind": "ConfigMap", "name": "modifier"}, excludedResources=["jobs"])
    code, report, done = check(setup, cluster, server, restore)
    foretold = outcomes(report)
    assert code == 1 and foretold[("configmaps", "c-7")] == "updated" and foretold[("configmaps", "c-8")] == "created"
    assert [each["name"] for each in report["objects"] if each.get("unmodified")] == ["unmodified"], report["causes"]
    assert done["status"]["errors"] >= 1, done["status"]


def case_left_alone(setup):
    """without a policy nothing that exists is changed, and a second namespace takes what a mapping sends there;
    what a pod refers to comes along with it, whatever the selector says of that"""
    restore = velero("Restore", "mapped", backupName=BACKUP, namespaceMapping={"shop": "annex"}, includedNamespaces=["shop"],
                     includeClusterResources=False, labelSelector={"matchExpressions": [
                         {"key": "verdict", "operator": "DoesNotExist"}]})
    code, report, _ = check(setup, setup.cluster, setup.velero, restore)
    counts = collections.Counter(each["outcome"] for each in report["objects"])
    assert counts["created"] > FAR_MORE and code in (0, 1), (code, counts)
    picked = velero("Restore", "picked", backupName=BACKUP, namespaceMapping={"shop": "picked"}, includedNamespaces=["shop"],
                    labelSelector={"matchLabels": {"pick": "me"}})
    _, report, _ = check(setup, setup.cluster, setup.velero, picked)
    taken = {key for key, outcome in outcomes(report).items() if outcome != "skipped"}
    assert taken == {("pods", "first"), ("persistentvolumeclaims", "claim"), ("priorityclasses.scheduling.k8s.io", "urgent")}, taken
    again = velero("Restore", "again", backupName=BACKUP)
    _, report, _ = check(setup, setup.cluster, setup.velero, again)
    assert not {each["outcome"] for each in report["objects"]} & {"updated"}, report["counts"]
