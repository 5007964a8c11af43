"""backstop as kubectl's plugin, with kubectl's flags and kubeconfigs."""
import json
import os
import subprocess

import fixtures
import webhook
from standin import create_backup, now, set_backup_status


class Setup:
    """A cluster with a storage location, and the plugin on PATH."""

    def __init__(self, cluster, binary):
        self.cluster = cluster
        self.folder = f"{cluster.dir}/bin"
        os.mkdir(self.folder)
        for name in ("kubectl-backstop", "kubectl_complete-backstop"):
            os.symlink(binary, f"{self.folder}/{name}")
        webhook.apply_crds(cluster)
        fixtures.grant(cluster)
        cluster.must("create", "namespace", "kcm-system")
        cluster.must("create", "namespace", "elsewhere")
        cluster.must("apply", "-f", "-", stdin=fixtures.location("in-kcm-system"))
        there = fixtures.location("in-elsewhere")
        there["metadata"]["namespace"] = "elsewhere"
        cluster.must("apply", "-f", "-", stdin=there)
        self.kubeconfig = f"{cluster.dir}/admin-token.kubeconfig"

    def kubectl(self, *args, kubeconfig=None):
        """kubectl backstop ARGS; its code, its JSON where it printed some, and all its text."""
        done = subprocess.run([f"{self.cluster.assets}/kubectl", "backstop", *args], capture_output=True, text=True,
                              timeout=60, stdin=subprocess.DEVNULL,
                              env={"PATH": f"{self.folder}:/usr/bin:/bin", "HOME": self.cluster.dir,
                                   **({"KUBECONFIG": kubeconfig} if kubeconfig else {})})
        try:
            tree = json.loads(done.stdout)
        except ValueError:
            tree = None
        return done.returncode, tree, done.stdout + done.stderr

    def locations(self, *args, **more):
        """The names of the storage locations that `kubectl backstop status` sees; else what it said."""
        _, tree, text = self.kubectl("status", "-o", "json", *args, **more)
        return [each["name"] for each in tree["storageLocations"]] if tree else text

    def close(self):
        pass

    def write(self, name, **lists):
        path = f"{self.cluster.dir}/{name}"
        with open(path, "w") as f:
            json.dump({"apiVersion": "v1", "kind": "Config", **lists}, f)
        return path


def case_kubeconfig(setup):
    """kubectl backstop finds the cluster through --kubeconfig and KUBECONFIG"""
    assert setup.locations("--kubeconfig", setup.kubeconfig) == ["in-kcm-system"]
    assert setup.locations(kubeconfig=setup.kubeconfig) == ["in-kcm-system"]
    _, _, text = setup.kubectl("status")
    assert text.startswith("kubectl backstop status: no kubeconfig"), text


def case_namespace(setup):
    """-n is where k0rdent and Velero run"""
    for flag in (["-n", "elsewhere"], ["--namespace=elsewhere"]):
        assert setup.locations(*flag, kubeconfig=setup.kubeconfig) == ["in-elsewhere"], flag


def case_merged(setup):
    """several files are merged as kubectl merges them, and --context, --cluster, --user choose among them"""
    cluster = {"server": setup.cluster.url, "certificate-authority": f"{setup.cluster.dir}/api.crt"}
    first = setup.write("first", contexts=[{"name": "good", "context": {"cluster": "c", "user": "nobody"}},
                                           {"name": "down", "context": {"cluster": "down", "user": "nobody"}}],
                        clusters=[{"name": "down", "cluster": {"server": "https://127.0.0.1:1"}}],
                        users=[{"name": "nobody", "user": {"token": "wrong"}}])
    second = setup.write("second", **{"current-context": "down"}, clusters=[{"name": "c", "cluster": cluster}],
                         users=[{"name": "admin", "user": {"token": "admin-token"}},
                                {"name": "nobody", "user": {"token": "admin-token"}}])
    both = f"{first}:{setup.cluster.dir}/absent:{second}"
    for flags in (["--context", "good", "--user", "admin"], ["--cluster=c", "--user=admin"],
                  ["-s", setup.cluster.url, "--certificate-authority", f"{setup.cluster.dir}/api.crt",
                   "--token", "admin-token"],
                  ["-s", setup.cluster.url, "--insecure-skip-tls-verify", "--token=admin-token"]):
        seen = setup.locations(*flags, kubeconfig=both)
        assert seen == ["in-kcm-system"], (flags, seen)
        asked = subprocess.run([f"{setup.cluster.assets}/kubectl", "get", "backupstoragelocations.velero.io", "-n",
                                "kcm-system", "-o", "name", *flags], capture_output=True, text=True,
                               env={"KUBECONFIG": both, "HOME": setup.cluster.dir})
        assert asked.stdout.strip().endswith("/in-kcm-system"), (flags, asked)  # and kubectl agrees
    # The first file's user of that name wins, as kubectl has it.
    refused = setup.locations("--context", "good", kubeconfig=both)
    assert "Unauthorized" in refused, refused
    assert "127.0.0.1:1" in setup.locations("--timeout", "1s", kubeconfig=both)


def case_impersonation(setup):
    """--as asks as somebody else, from the command line and from the kubeconfig"""
    refused = setup.locations("--as", "jane", "--as-group=readers", kubeconfig=setup.kubeconfig)
    assert 'User "jane"' in refused, refused
    setup.cluster.must("create", "clusterrolebinding", "readers", "--clusterrole=cluster-admin", "--group=readers")
    assert setup.locations("--as", "jane", "--as-group=readers", kubeconfig=setup.kubeconfig) == ["in-kcm-system"]
    tree = json.load(open(setup.kubeconfig))
    tree["users"][0]["user"]["as"] = "joe"
    path = setup.write("joe", **tree)
    assert 'User "joe"' in setup.locations(kubeconfig=path)


def case_without_watch(setup):
    """who may list but not watch sees all of it, each time; who may list one kind is told which are missing"""
    setup.cluster.must("create", "clusterrole", "lists", "--verb=get,list", "--resource=*.*")
    setup.cluster.must("create", "clusterrolebinding", "lists", "--clusterrole=lists", "--user=lister")
    _, whole, _ = setup.kubectl("status", "-o", "json", kubeconfig=setup.kubeconfig)
    for _ in range(5):
        _, tree, text = setup.kubectl("status", "-o", "json", "--as=lister", kubeconfig=setup.kubeconfig)
        assert tree, text
        for key in ("blockers", "upgrade", "managementBackups", "storageLocations", "velero"):
            assert tree[key] == whole[key], (key, tree[key], whole[key])
    setup.cluster.must("create", "clusterrole", "locations", "--verb=list",
                       "--resource=backupstoragelocations.velero.io")
    setup.cluster.must("create", "clusterrolebinding", "locations", "--clusterrole=locations", "--user=joan")
    _, _, text = setup.kubectl("status", "--as=joan", kubeconfig=setup.kubeconfig)
    assert "list backups: " in text and "not enough of the cluster" in text, text


def case_other_verbs(setup):
    """audit, rollback-plan and probe take the same flags"""
    code, _, text = setup.kubectl("audit", "--kubeconfig", setup.kubeconfig, "-n", "elsewhere")
    assert code in (0, 1) and "reviewed" in text, text
    code, _, text = setup.kubectl("rollback-plan", "-n", "elsewhere", "--context", "e2e", kubeconfig=setup.kubeconfig)
    assert code == 1 and "before an upgrade in elsewhere" in text, text
    code, _, text = setup.kubectl("probe", "--context", "e2e", kubeconfig=setup.kubeconfig)
    assert code == 2 and 'validatingwebhookconfigurations "backstop"' in text, text


def case_watch(setup):
    """--watch shows a running backup as a bar that grows"""
    create_backup(setup.cluster, "kcm-backup-kcm-1-2-0")
    set_backup_status(setup.cluster, "kcm-backup-kcm-1-2-0", "InProgress", startTimestamp=now(-60),
                      progress={"itemsBackedUp": 120, "totalItems": 480})
    watch = subprocess.Popen([f"{setup.cluster.assets}/kubectl", "backstop", "status", "--watch", "--interval=1s"],
                             stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL,
                             env={"PATH": f"{setup.folder}:/usr/bin:/bin", "KUBECONFIG": setup.kubeconfig,
                                  "LC_ALL": "C.UTF-8"})
    try:
        bars = (line for line in watch.stdout if "items " in line and "kcm-backup-kcm-1-2-0" in line)
        first = next(bars)
        assert "███████▌░" in first and "120/480 items  25%" in first and "left" in first, first
        set_backup_status(setup.cluster, "kcm-backup-kcm-1-2-0", "InProgress", startTimestamp=now(-70),
                          progress={"itemsBackedUp": 360, "totalItems": 480})
        assert any("360/480 items  75%" in bar for _, bar in zip(range(20), bars))
    finally:
        watch.kill()
        watch.wait()


def case_completion(setup):
    """kubectl completes kubectl backstop"""
    def complete(*words):
        done = subprocess.run([f"{setup.cluster.assets}/kubectl", "__complete", "backstop", *words],
                              capture_output=True, text=True,
                              env={"PATH": f"{setup.folder}:/usr/bin:/bin", "KUBECONFIG": setup.kubeconfig})
        return [line.split("\t")[0] for line in done.stdout.splitlines()]
    assert complete("sta") == ["status", ":4"], complete("sta")
    assert complete("status", "--context", "") == ["e2e", ":4"], complete("status", "--context", "")
    assert complete("status", "--output=j") == ["json", ":4"], complete("status", "--output=j")
    assert complete("status", "--reque") == ["--request-timeout", ":4"], complete("status", "--reque")


def custom_resource(group, version, plural, kind, scope):
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}"},
            "spec": {"group": group, "scope": scope,
                     "names": {"kind": kind, "listKind": kind + "List", "plural": plural, "singular": kind.lower()},
                     "versions": [{"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                         "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]}}


K0RDENT, SOURCES, CAPI = "k0rdent.mirantis.com", "source.toolkit.fluxcd.io", "infrastructure.cluster.x-k8s.io"
LABEL = f"{K0RDENT}/component=kcm"
NEEDED = [  # what a Credential and a template of users need, none of it labelled
    {"apiVersion": f"{CAPI}/v1beta2", "kind": "AWSClusterStaticIdentity", "metadata": {"name": "aws"},
     "spec": {"secretRef": "aws-keys"}},
    {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "aws-keys", "namespace": "kcm-system"},
     "stringData": {"AccessKeyID": "not-to-be-shown"}},
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "aws-resource-template", "namespace": "kcm-system"}},
    {"apiVersion": f"{K0RDENT}/v1beta1", "kind": "ServiceTemplate", "metadata": {"name": "web-1", "namespace": "elsewhere"},
     "spec": {"helm": {"chartSpec": {"chart": "web", "sourceRef": {"kind": "HelmRepository", "name": "charts"}}}}},
    {"apiVersion": f"{SOURCES}/v1", "kind": "HelmRepository", "metadata": {"name": "charts", "namespace": "elsewhere"},
     "spec": {"url": "oci://registry.example.com/charts", "secretRef": {"name": "charts-login"}}},
    {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "charts-login", "namespace": "elsewhere"}},
]


def case_completeness(setup):
    """what a restore would miss is listed with commands that label it; what may not be read is unknown"""
    for group, version, plural, kind, scope in (
            (K0RDENT, "v1beta1", "credentials", "Credential", "Namespaced"),
            (K0RDENT, "v1beta1", "servicetemplates", "ServiceTemplate", "Namespaced"),
            (CAPI, "v1beta2", "awsclusterstaticidentities", "AWSClusterStaticIdentity", "Cluster"),
            (SOURCES, "v1", "helmrepositories", "HelmRepository", "Namespaced")):
        if setup.cluster.kubectl("get", "crd", f"{plural}.{group}").code:
            setup.cluster.must("create", "-f", "-", stdin=custom_resource(group, version, plural, kind, scope))
    setup.cluster.must("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")

    def completeness(*args):
        code, tree, text = setup.kubectl("status", "-o", "json", *args, kubeconfig=setup.kubeconfig)
        assert tree, (code, text)
        assert "not-to-be-shown" not in text, text
        return tree["completeness"]
    found = completeness()
    assert found["missing"] == 0 and not found["unknown"] and "nothing to miss" in found["summary"], found
    setup.cluster.must("create", "-f", "-", stdin={
        "apiVersion": f"{K0RDENT}/v1beta1", "kind": "Credential", "metadata": {"name": "aws", "namespace": "kcm-system"},
        "spec": {"identityRef": {"apiVersion": f"{CAPI}/v1beta2", "kind": "AWSClusterStaticIdentity", "name": "aws"}}})
    found = completeness()
    assert any("AWSClusterStaticIdentity" in each and "not found" in each for each in found["unknown"]), found
    assert "unknown" in found["summary"], found
    for each in NEEDED:
        setup.cluster.must("create", "-f", "-", stdin=each)
    names = {(each["kind"].lower(), each["metadata"]["name"]) for each in NEEDED}
    found = completeness()
    assert {(each["object"].split("/")[0], each["object"].split("/")[-1]) for each in found["objects"]} == names, found
    assert not found["unknown"] and found["summary"].startswith("6 objects are in no management backup"), found
    _, _, text = setup.kubectl("audit", kubeconfig=setup.kubeconfig)
    assert "secret/kcm-system/aws-keys" in text and "in no management backup" in text, text
    assert "not-to-be-shown" not in text, text
    # Who may not read Secrets is told so, and never that all is there.
    setup.cluster.must("create", "clusterrole", "all-but-secrets", "--verb=get,list,watch",
                       f"--resource=*.{K0RDENT},*.{CAPI},*.{SOURCES},*.velero.io,deployments.apps,daemonsets.apps,configmaps")
    setup.cluster.must("create", "clusterrolebinding", "all-but-secrets", "--clusterrole=all-but-secrets", "--user=jill")
    less = completeness("--as=jill")
    assert any(each.startswith("Secrets: ") and "forbidden" in each for each in less["unknown"]), less
    assert less["missing"] == 4, less
    for each in found["objects"]:
        command = each["wayOut"].split()
        assert command[0] == "kubectl" and command[-1] == LABEL, command
        setup.cluster.must(*command[1:])
    found = completeness()
    assert found["missing"] == 0 and found["checked"] >= 6 and not found["unknown"], found
    assert "nothing is missing" in found["summary"], found
    less = completeness("--as=jill")
    assert "unknown" in less["summary"] and "nothing is missing" not in less["summary"], less
