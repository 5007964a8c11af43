"""Commands that ask a cluster: one that is not meant, and one whose CRDs are not those that are built in."""
from libapi import *

ALL = {f"/apis/{group}": (404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "reason": "NotFound",
                                "message": "the server could not find the requested resource"}) for group in GROUPS}


def without(*groups):
    """An API server that does not serve these groups."""
    api = FakeApi()
    api.instead = {("GET", path): answer for path, answer in ALL.items() if any(group in path for group in groups)}
    return api


def run(api, *arguments):
    done = subprocess.run([BINARY, *arguments, "--kubeconfig", api.kubeconfig], capture_output=True, text=True, timeout=60)
    assert not SANITIZER.search(done.stderr), done.stderr
    return done


@shows("without k0rdent: one line, and exit code 2")
def _(_):
    for groups in (("k0rdent",), ("k0rdent", "velero")):
        api = without(*groups)
        for command in (["status"], ["status", "-o", "json"], ["rollback-plan"], ["probe"]):
            if command == ["probe"]:
                api.instead[("GET", "/validatingwebhookconfigurations/backstop")] = ALL["/apis/apps/v1"]
            done = run(api, *command)
            same((done.returncode, done.stdout, done.stderr.count("\n")), (2, "", 1), f"{command}: {done.stderr}")
            holds("no k0rdent here (http://127.0.0.1:", done.stderr)
            holds("): is --context right?", done.stderr)


@shows("audit and review: neither k0rdent nor Velero is one line; Velero alone is reviewed")
def _(_):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write("apiVersion: velero.io/v1\nkind: Backup\nmetadata: {name: b, namespace: kcm-system}\nspec: {storageLocation: aws-s3}\n")
        file.flush()
        for command in (["audit"], ["review", "-f", file.name]):
            done = run(without("k0rdent", "velero"), *command)
            same((done.returncode, done.stdout, done.stderr.count("\n")), (2, "", 1), f"{command}: {done.stderr}")
            holds("is --context right?", done.stderr)
        done = run(without("k0rdent"), "audit", "--all")
        holds("backupstoragelocation/kcm-system/aws-s3", done.stdout)
        done = run(without("k0rdent"), "review", "-f", file.name)
        holds("allowed", done.stdout)


@shows("probe: with k0rdent there, what is missing is the webhook configuration")
def _(_):
    api = FakeApi()
    done = run(api, "probe")
    same(done.returncode, 2)
    assert "is --context right" not in done.stderr, done.stderr


def crd(**properties):
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "backupstoragelocations.velero.io"},
            "spec": {"group": "velero.io", "names": {"kind": "BackupStorageLocation", "plural": "backupstoragelocations"},
                     "scope": "Namespaced", "versions": [{"name": "v1", "served": True, "storage": True, "schema": {
                         "openAPIV3Schema": {"type": "object", "properties": {
                             **{name: {"type": "string"} for name in ("apiVersion", "kind")}, "metadata": {"type": "object"},
                             "spec": {"type": "object", "properties": properties},
                             "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}}}]}}


@shows("audit holds what is stored against the cluster's own CRD, else against the one that is built in")
def _(_):
    api = FakeApi()
    api.objects["backupstoragelocations"][0]["spec"].update(config={"region": "eu-west-1"}, homeMade="yes")
    asked = ("GET", "/customresourcedefinitions/backupstoragelocations.velero.io")
    for extra in ((), ("-o", "json")):
        api.instead[asked] = ALL["/apis/apps/v1"]  # nobody may read it: what is built in does not know the field
        done = run(api, "audit", *extra)
        holds("spec.homeMade", done.stdout)
        same(done.returncode, 0, done.stdout + done.stderr)  # a newer release may have it: no denial
        api.instead[asked] = (200, crd(provider={"type": "string"}, config={"type": "object", "additionalProperties": {"type": "string"}},
                                       objectStorage={"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                                       homeMade={"type": "string"}))
        done = run(api, "audit", *extra)
        same(done.returncode, 0, done.stdout + done.stderr)
        assert "homeMade" not in done.stdout.partition('"object":')[0], done.stdout
        api.instead[asked] = (200, crd(provider={"type": "string", "enum": ["gcp"]}, config={"type": "object"},
                                       objectStorage={"type": "object"}, homeMade={"type": "boolean"}))
        done = run(api, "audit", *extra)
        same(done.returncode, 1, done.stdout + done.stderr)
        for part in ("spec.provider", "gcp", "spec.homeMade"):
            holds(part, done.stdout)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:  # and so does review what is to be
        json.dump({**api.objects["backupstoragelocations"][0], "metadata": {"name": "new", "namespace": "kcm-system"}}, file)
        file.flush()
        done = run(api, "review", "-f", file.name)
        same(done.returncode, 1, done.stdout + done.stderr)
        holds("spec.homeMade", done.stdout)
    done = run(api, "status", "-o", "json")
    holds("spec.homeMade", json.dumps(json.loads(done.stdout)["audit"]))


class Nothing:
    def stop(self):
        pass


main(Nothing())
