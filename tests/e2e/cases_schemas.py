"""What `review` says of fields, types and names without a cluster, beside what the real API server says."""
import copy
import importlib.util
import json
import os
import subprocess

from control_plane import ROOT, Skip
from webhook import apply_crds

EVERY = 9  # of some 10,000 mutants
PLURALS = {"Backup": "backups", "BackupStorageLocation": "backupstoragelocations", "Schedule": "schedules", "Restore": "restores",
           "DeleteBackupRequest": "deletebackuprequests", "ManagementBackup": "managementbackups", "Management": "managements"}


def load_manifests():
    spec = importlib.util.spec_from_file_location("manifests_run", f"{ROOT}/tests/manifests/run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Setup:
    def __init__(self, cluster, binary):
        if not os.environ.get("BACKSTOP_E2E_CRDS"):
            raise Skip("the real CRDs (BACKSTOP_E2E_CRDS)")
        self.cluster, self.binary, self.run = cluster, binary, load_manifests()
        apply_crds(cluster)
        cluster.must("create", "namespace", "kcm-system")

    def close(self):
        pass

    def refuses(self, kind, item):
        """What the API server says against it, as kubectl apply asks; None when it takes it."""
        item = copy.deepcopy(item)
        if isinstance(item.get("metadata"), dict):
            item["metadata"].pop("resourceVersion", None)  # it is no update
        folder = "k0rdent.mirantis.com/v1beta1" if kind.startswith("Management") else "velero.io/v1/namespaces/kcm-system"
        code, answer = self.cluster.request("POST", f"/apis/{folder}/{PLURALS[kind]}?dryRun=All&fieldValidation=Strict", item)
        return None if code in (201, 409) else answer["message"]


def of_served_versions(items):
    return [row for row in items if "v1alpha1" not in str(row[-1].get("apiVersion", ""))]


def case_valid(setup):
    """the valid manifests are taken"""
    refused = {name: setup.refuses(item["kind"], item) for name, item in of_served_versions(setup.run.manifests())}
    assert not any(refused.values()), {name: message for name, message in refused.items() if message}


def case_mutants(setup):
    """what the API server refuses in them is denied by review, and warned of in a dump"""
    kinds = {name: item["kind"] for name, item in setup.run.manifests()}
    made = of_served_versions(list(setup.run.mutants()))[::EVERY]
    answers = setup.run.review(setup.binary, [(id, item) for _, id, _, _, item in made])
    differing = {}
    for name, id, _, _, item in made:
        refused = setup.refuses(kinds[name], item)
        allowed, warnings, _ = answers.get(id, (False, [], ""))
        if refused and allowed and not ("dump" in name and warnings):
            differing[id] = refused
    assert len(made) > 900 and not differing, differing


def case_own_crd(setup):
    """audit and review hold objects against the cluster's own CRD, not against the one that is built in"""
    cluster = setup.cluster
    location = {"apiVersion": "velero.io/v1", "kind": "BackupStorageLocation", "metadata": {"name": "ours", "namespace": "kcm-system"},
                "spec": {"provider": "aws", "config": {"region": "eu-west-1"}, "objectStorage": {"bucket": "backups"}}}
    code, answer = cluster.request("POST", "/apis/velero.io/v1/namespaces/kcm-system/backupstoragelocations", location)
    assert code == 201, answer

    def ask(verb, *arguments, wanted):
        done = subprocess.run([setup.binary, verb, "--kubeconfig", cluster.kubeconfig("admin-token"), *arguments], capture_output=True, text=True)
        assert done.returncode in wanted, (done.returncode, done.stdout, done.stderr)
        return done.stdout

    assert "spec.provider" not in ask("audit", wanted=(0, 2))
    crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/backupstoragelocations.velero.io"
    _, ours = cluster.request("GET", crd)
    spec = ours["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["provider"]["enum"] = ["gcp", "azure"]
    spec["properties"]["ours"] = {"type": "boolean"}
    code, answer = cluster.request("PUT", crd, ours)
    assert code == 200, answer
    # The API server itself holds new objects against it, a moment later; what is stored stays.
    found = ask("audit", wanted=(1,))
    assert "spec.provider" in found and '"azure"' in found, found
    with open(f"{cluster.dir}/own.json", "w") as file:
        json.dump({**location, "metadata": {"name": "new", "namespace": "kcm-system"},
                   "spec": {**location["spec"], "provider": "azure", "ours": "yes"}}, file)
    found = ask("review", "-f", file.name, wanted=(1,))
    assert "spec.ours" in found and "spec.provider" not in found, found


def case_openreports(setup):
    """audit -o openreports is applied as it is, and once more"""
    cluster = setup.cluster
    cluster.must("apply", "--server-side", "-f", f"{ROOT}/tests/e2e/openreports.yaml")
    cluster.must("wait", "--for=condition=Established", "--timeout=60s", "crd/reports.openreports.io", "crd/clusterreports.openreports.io")
    for every in ([], ["--all"]):
        done = subprocess.run([setup.binary, "audit", "--inventory", f"{ROOT}/manifests/samples/inventory", "-o", "openreports", *every],
                              stdout=subprocess.PIPE, text=True, check=False)
        cluster.must("apply", "--server-side", "--validate=strict", "-f", "-", stdin=json.loads(done.stdout)["items"])
    summary = json.loads(cluster.must("-n", "kcm-system", "get", "reports.openreports.io", "backstop", "-o", "json").out)["summary"]
    assert summary["pass"] >= 5 and summary["warn"] >= 1, summary
