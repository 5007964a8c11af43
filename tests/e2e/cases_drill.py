"""`backstop rehearse --against-crds`: a restore that is written to an API server of its own, and leaves nothing behind."""
import collections
import glob
import json
import os
import signal
import subprocess
import sys
import time

from control_plane import ROOT, wait_until

sys.path.append(f"{ROOT}/tests/wire")

from libbackup import archive, thing  # noqa: E402

WEBHOOKS = "validatingwebhookconfigurations.admissionregistration.k8s.io"
MUTATING = "mutatingwebhookconfigurations.admissionregistration.k8s.io"
SHAPES = f"{ROOT}/tests/golden/inventories"


def crd(plural, kind, versions=("v1",), stored=0, spec=None, **more):
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec or {
        "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}}
    return thing("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{plural}.example.com", spec={
        "group": "example.com", "scope": "Namespaced", "names": {"plural": plural, "kind": kind}, "versions": [
            {"name": name, "served": True, "storage": i == stored, "schema": schema} for i, name in enumerate(versions)], **more})


def webhook(name, plural, client, policy="Fail"):
    return thing("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", name, webhooks=[{
        "name": f"{name}.example.com", "failurePolicy": policy, "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 1, "clientConfig": client,
        "rules": [{"apiGroups": ["example.com"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": [plural]}]}])


SERVICE = {"service": {"namespace": "shop", "name": "gone", "path": "/"}}
CONVERSION = {"strategy": "Webhook", "webhook": {"clientConfig": SERVICE, "conversionReviewVersions": ["v1"]}}
STRICT = {"type": "object", "properties": {"level": {"type": "integer"}}, "x-kubernetes-validations": [
    {"rule": "!has(self.level) || self.level < 10", "message": "too high"}]}


def denies(name, label):
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps", "services"]}
    return [("validatingadmissionpolicies.admissionregistration.k8s.io", thing(
        "admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", name, spec={
            "matchConstraints": {"resourceRules": [{**rule, "resources": ["*"], "apiGroups": ["example.com"]}]},
            "validations": [{"expression": f"!object.metadata.name.startsWith('{label}')", "message": "not by policy"}]})),
            ("validatingadmissionpolicybindings.admissionregistration.k8s.io", thing(
                "admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding", name, spec={
                    "policyName": name, "validationActions": ["Deny"]}))]


def custom(plural, kind, name, version="v1", **spec):
    return f"{plural}.example.com", thing(f"example.com/{version}", kind, name, "shop", spec=spec)


class Setup:
    def __init__(self, cluster, binary):
        self.cluster, self.binary, self.folder = cluster, binary, f"{cluster.dir}/drills"
        os.mkdir(self.folder)
        crds = "customresourcedefinitions.apiextensions.k8s.io"
        self.contents = archive(
            f"{cluster.dir}/contents.tar.gz", (crds, crd("widgets", "Widget")), (crds, crd("zeds", "Zed")),
            (crds, crd("gauges", "Gauge", spec=STRICT)), (crds, crd("olds", "Old", ("v1", "v1beta1"), 0, conversion=CONVERSION)),
            ("namespaces", thing("v1", "Namespace", "shop")), ("configmaps", thing("v1", "ConfigMap", "a", "shop", data={"a": "b"})),
            ("pods", thing("v1", "Pod", "first", "shop", spec={
                "priorityClassName": "urgent", "containers": [{"name": "c", "image": "i"}]})),
            ("priorityclasses.scheduling.k8s.io", thing("scheduling.k8s.io/v1", "PriorityClass", "urgent", value=7)),
            (WEBHOOKS, webhook("before-zeds", "zeds", SERVICE)),
            (WEBHOOKS, webhook("elsewhere", "yaks", {"url": f"https://127.0.0.1:{cluster.port}/elsewhere"})),
            (WEBHOOKS, webhook("open", "widgets", SERVICE, "Ignore")), *denies("no-worn", "worn"),
            custom("gauges", "Gauge", "fine", level=1), custom("gauges", "Gauge", "bad", level="high"),
            custom("gauges", "Gauge", "rule", level=11), custom("olds", "Old", "same"), custom("olds", "Old", "other", "v1beta1"),
            custom("widgets", "Widget", "w"), custom("widgets", "Widget", "worn"), custom("zeds", "Zed", "z-1"),
            custom("zeds", "Zed", "z-2"), custom("yaks", "Yak", "y"), custom("yaks", "Yak", "gone", "v1alpha1"))
        with open(f"{cluster.dir}/crds.yaml", "w") as file:
            json.dump(crd("yaks", "Yak", ("v1", "v2"), 1, conversion=CONVERSION), file)

    def command(self, *args):
        return [self.binary, "rehearse", "--against-crds", "--contents", self.contents, *args]

    def environment(self, **more):
        return {**os.environ, "KUBEBUILDER_ASSETS": self.cluster.assets, "TMPDIR": self.folder, "HTTPS_PROXY": "http://127.0.0.1:9",
                **more}

    def drill(self, *args, **more):
        done = subprocess.run(self.command(*args), capture_output=True, text=True, timeout=120, env=self.environment(**more))
        assert not os.listdir(self.folder), os.listdir(self.folder)
        return done

    def close(self):
        pass

    def servers(self):
        """The processes that have their folder here."""
        found = []
        for path in glob.glob("/proc/[0-9]*/cwd"):
            try:
                if os.readlink(path).startswith(self.folder):
                    found.append(int(path.split("/")[2]))
            except OSError:
                continue
        return found


def reported(done):
    report = json.loads(done.stdout)
    return report, {each["name"]: each for each in report["objects"]}


def case_outcomes(setup):
    """a drill writes the restore in Velero's order: CRDs with their CEL, policies, dead webhooks and conversions all answer"""
    done = setup.drill("-o", "json", "--crds", f"{setup.cluster.dir}/crds.yaml")
    assert done.returncode == 1, done.stderr
    report, found = reported(done)
    refused = {name: each["reason"] for name, each in found.items() if each["outcome"] == "refused"}
    assert set(refused) == {"bad", "rule", "other", "worn", "z-1", "z-2", "gone"}, refused
    unknown = {name: each["reason"] for name, each in found.items() if each["outcome"] == "unknown"}
    assert set(unknown) == {"y"} and 'failed calling webhook "elsewhere.example.com"' in unknown["y"], unknown
    for name, words in (("bad", "must be of type integer"), ("rule", "too high"), ("other", "conversion webhook"),
                        ("worn", "not by policy"), ("z-1", 'failed calling webhook "before-zeds.example.com"'),
                        ("gone", "version v1alpha1")):
        assert words in refused[name], (name, refused[name])
    assert report["counts"] == {"created": len(report["objects"]) - len(refused) - 1, "refused": len(refused), "unknown": 1}, report["counts"]
    dead = [each for each in report["causes"] if each.get("exclude") == WEBHOOKS]
    assert [each["objects"] for each in dead] == [2], report["causes"]
    assert "v1.3" in report["server"] and "no controller" in " ".join(report["notes"]), report
    assert found["z-1"]["evidence"] == "webhook in the backup" and found["w"]["evidence"].startswith("write to"), found


def case_never_served(setup):
    """a CRD that the API server will never serve is found by its conditions, at once, and the drill goes on without its objects"""
    crds = "customresourcedefinitions.apiextensions.k8s.io"
    contents = archive(f"{setup.cluster.dir}/taken.tar.gz", *((crds, each) for each in (
        crd("kings", "King"), crd("queens", "Queen"), crd("royals", "King"), {**crd("unborn", "Unborn"), "spec": {
            **crd("unborn", "Unborn")["spec"], "versions": [{**crd("unborn", "Unborn")["spec"]["versions"][0], "served": False}]}})),
        ("namespaces", thing("v1", "Namespace", "shop")), custom("kings", "King", "k"), custom("royals", "King", "r"))
    given = f"{setup.cluster.dir}/taken.yaml"
    with open(given, "w") as file:
        json.dump({"apiVersion": "v1", "kind": "List", "items": [crd("others", "Queen"), crd("more", "Queen")]}, file)
    begun = time.monotonic()
    done = setup.drill("-o", "json", "--contents", contents, "--crds", given)
    assert time.monotonic() - begun < 55, "waited for what does not come"
    report, found = reported(done)
    refused = {name: each["reason"] for name, each in found.items() if each["outcome"] == "refused"}
    assert set(refused) == {"royals.example.com", "r", "queens.example.com"}, (refused, done.stderr)
    assert 'never served: "KingList" is already in use' in refused["royals.example.com"], refused
    assert refused["r"] == "nothing serves royals.example.com: its CRD is refused", refused
    assert any("CRD more.example.com is installed, but never served" in note for note in report["notes"]), report["notes"]


def case_suggested(setup):
    """the Restore that a drill suggests has fewer refusals in the next, with CRDs that it leaves out installed before"""
    done = setup.drill("--suggest", "--crds", f"{setup.cluster.dir}/crds.yaml")
    assert WEBHOOKS in done.stdout, done.stdout + done.stderr
    restore = f"{setup.cluster.dir}/restore.yaml"
    with open(restore, "w") as file:
        file.write(done.stdout.replace("spec:\n", "spec:\n  includedNamespaces:\n  - shop\n", 1))
    done = setup.drill("-o", "json", "--restore", restore)
    report, found = reported(done)
    refused = {name for name, each in found.items() if each["outcome"] == "refused"}
    # The yaks' CRD was not given again; the PriorityClass of the pod comes along with it.
    assert refused == {"rule", "other", "y", "gone"}, (refused, done.stderr)
    assert found["bad"]["outcome"] == "created", found["bad"]  # by the modifier
    assert any("4 of the backup's CRDs" in note for note in report["notes"]), report["notes"]


PROVIDER_NEEDS = {  # what is excluded, and the kinds that are refused without it: the documented tables, and what they lack
    "azure": {f"{name}.azure.com": [f"{name}.azure.com"] for name in (
        "bastionhosts.network", "extensions.kubernetesconfiguration", "fleetsmembers.containerservice",
        "maintenanceconfigurations.containerservice", "managedclusters.containerservice",
        "managedclustersagentpools.containerservice", "natgateways.network", "privateendpoints.network",
        "resourcegroups.resources", "virtualnetworks.network", "virtualnetworkssubnets.network")},
    "vsphere": {MUTATING: [f"{name}.infrastructure.cluster.x-k8s.io" for name in (
        "vspheredeploymentzones", "vspheremachines", "vspheremachinetemplates", "vspheremachinetemplates.vmware", "vspherevms")],
        WEBHOOKS: [f"{name}.infrastructure.cluster.x-k8s.io" for name in (
            "vsphereclusters.vmware", "vsphereclustertemplates", "vspherefailuredomains", "vspheremachines.vmware")]},
    "aws": {MUTATING: ["rosacontrolplanes.controlplane.cluster.x-k8s.io", *(
        f"{name}.infrastructure.cluster.x-k8s.io" for name in ("rosamachinepools", "rosanetworks", "rosaroleconfigs"))]},
    # No template of k0rdent makes one: Velero restores it last of all, so rule 2 does not ask for it (docs/restore.md).
    "capi": {MUTATING: ["clusterresourcesets.addons.cluster.x-k8s.io"]}, "gcp": {}, "kubevirt": {}, "openstack": {}}


def provider_objects(cluster, provider):
    """What a provider installs, completed from its recorded shape, and an object of each of its kinds."""
    text = cluster.must("create", "--dry-run=client", "--validate=false", "-o", "json", "-f",
                        f"{SHAPES}/provider-{provider}.yaml").out.strip()
    found, rest = [], json.JSONDecoder()
    while text:
        document, end = rest.raw_decode(text)
        found += document["items"] if document["kind"].endswith("List") else [document]
        text = text[end:].lstrip()
    namespaces = sorted({each["metadata"]["namespace"] for each in found if each["kind"] == "Service"})
    yield from (("namespaces", thing("v1", "Namespace", name)) for name in namespaces)
    for each in found:
        if each["kind"] == "CustomResourceDefinition":
            yield from provider_kind(each, namespaces[0])
            continue
        for hook in each.get("webhooks", []):
            hook.update(sideEffects="None", admissionReviewVersions=["v1"], timeoutSeconds=1)
            for rule in hook["rules"]:
                rule.setdefault("apiVersions", ["*"])
        if each["kind"] == "Service":
            each["spec"] = {"ports": [{"port": 443}], "selector": {"of": "provider"}}
            yield "services", each
        else:
            yield f"{each['kind'].lower()}s.admissionregistration.k8s.io", each


def provider_kind(crd, namespace):
    """The CRD, and an object in the version that discovery prefers, as Velero stores it."""
    spec, (plural, group) = crd["spec"], crd["metadata"]["name"].split(".", 1)
    spec.update(scope="Namespaced", names={"plural": plural, "kind": plural.title()})
    for version in spec["versions"]:
        version["schema"] = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    if spec["conversion"]["strategy"] == "Webhook":
        name = "azureserviceoperator" if group.endswith("azure.com") else "provider"
        spec["conversion"]["webhook"] = {"conversionReviewVersions": ["v1"], "clientConfig": {
            "service": {"namespace": namespace, "name": f"{name}-webhook-service", "path": "/convert"}}}
    yield "customresourcedefinitions.apiextensions.k8s.io", crd
    # Those that convert and store none of Kubernetes' forms of a version are Azure's: the first by the alphabet is preferred.
    stored = next(version["name"] for version in spec["versions"] if version["storage"])
    served = sorted(version["name"] for version in spec["versions"] if version["served"])
    version = served[0] if group.endswith("azure.com") else stored
    if (plural, group) != ("clusters", "cluster.x-k8s.io"):  # which kcm leaves out of its backups
        yield crd["metadata"]["name"], thing(f"{group}/{version}", plural.title(), "one", namespace)


def check_needs(setup, contents, needs, *args):
    done = subprocess.run([setup.binary, "rehearse", "--contents", contents, "-o", "json", *args], capture_output=True,
                          text=True, env=setup.environment(), timeout=60)
    report, excluded = json.loads(done.stdout), collections.Counter()
    refused = sorted(each["resource"] for each in report["objects"] if each["outcome"] == "refused")
    for each in report["causes"]:
        excluded[each["exclude"]] += each["objects"]
    assert refused == sorted(kind for kinds in needs.values() for kind in kinds), (contents, refused, done.stderr)
    assert excluded == {name: len(kinds) for name, kinds in needs.items()}, (contents, report["causes"])


def case_documented_providers(setup):
    """of each provider as it is installed a rehearsal finds what k0rdent documents by itself, and no more; a drill of all, too"""
    together, needs = [], collections.defaultdict(list)
    for provider, alone in PROVIDER_NEEDS.items():
        objects = list(provider_objects(setup.cluster, provider))
        contents = archive(f"{setup.cluster.dir}/{provider}.tar.gz", *objects)
        check_needs(setup, contents, alone)
        done = subprocess.run([setup.binary, "rehearse", "--contents", contents, "--suggest"], capture_output=True, text=True)
        suggested = {line.strip(" -") for line in done.stdout.splitlines()}
        assert set(alone) <= suggested, (provider, done.stdout, done.stderr)
        assert not suggested & (set(sum((list(each) for each in PROVIDER_NEEDS.values()), [])) - set(alone)), done.stdout
        together += objects
        for name, kinds in alone.items():
            needs[name] += kinds
    check_needs(setup, archive(f"{setup.cluster.dir}/providers.tar.gz", *together), needs, "--against-crds")


def case_immutable(setup):
    """what may not change keeps the cluster's value by the suggested modifier, found in two rounds, and is then updated"""
    def deployment(label, replicas):
        return thing("apps/v1", "Deployment", "web", "default", spec={
            "replicas": replicas, "selector": {"matchLabels": {"a": label}}, "template": {
                "metadata": {"labels": {"a": label}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}})
    setup.cluster.must("apply", "-f", "-", stdin=deployment("now", 1))
    contents = archive(f"{setup.cluster.dir}/web.tar.gz", ("deployments.apps", deployment("then", 3)))
    restore = f"{setup.cluster.dir}/web.yaml"
    with open(restore, "w") as file:
        json.dump({"apiVersion": "velero.io/v1", "kind": "Restore", "metadata": {"name": "web", "namespace": "kcm-system"},
                   "spec": {"backupName": "web", "existingResourcePolicy": "update"}}, file)

    def rehearse(*args):
        return subprocess.run([setup.binary, "rehearse", "--contents", contents, "--restore", restore, "--kubeconfig",
                               setup.cluster.kubeconfig("admin-token"), *args], capture_output=True, text=True, timeout=60)
    done = rehearse("-o", "json")
    _, found = reported(done)
    assert done.returncode == 1 and [each["path"] for each in found["web"]["patches"]] == [
        "/spec/selector", "/spec/template/metadata/labels"], done.stdout + done.stderr
    done = rehearse("--suggest")
    with open(restore, "w") as file:
        file.write(done.stdout)
    done = rehearse("-o", "json")
    _, found = reported(done)
    assert done.returncode == 0 and found["web"]["outcome"] == "updated", done.stdout + done.stderr
    assert setup.cluster.get("deployment", "web")["spec"]["replicas"] == 1, "something was written"


def case_leaves_nothing(setup):
    """whatever ends a drill ends its servers and removes its folder: control-C, TERM and KILL, while it starts and after"""
    for number, (how, ready) in enumerate(((signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGKILL, True), (signal.SIGKILL, False))):
        # What runs in the background of a script inherits that control-C is ignored.
        process = subprocess.Popen(setup.command(), env=setup.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        wait_until("the servers", lambda: len(setup.servers()) >= 2 or process.poll() is not None, 30, 0.01)
        if ready:
            wait_until("the API server", lambda: glob.glob(f"{setup.folder}/*/kube-apiserver.log"), 30, 0.01)
        process.send_signal(how)
        process.communicate(timeout=60)  # ends although its output has a reader: nothing else holds it open
        assert process.returncode == -how, (number, process.returncode)
        wait_until("the servers to end", lambda: not setup.servers(), 30)
        wait_until("the folder to go", lambda: not os.listdir(setup.folder), 30)


def case_private(setup):
    """nobody but the drill reaches what it restores: a folder of its own, sockets in it, and a port that wants a token"""
    process = subprocess.Popen(setup.command(), env=setup.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until("the folder", lambda: glob.glob(f"{setup.folder}/*/data"), 30, 0.01)
    folder, = glob.glob(f"{setup.folder}/backstop-drill-*")
    assert os.stat(folder).st_mode & 0o777 == 0o700
    command = wait_until("kube-apiserver", lambda: [text for text in (
        open(f"/proc/{pid}/cmdline").read() for pid in setup.servers()) if "--secure-port" in text], 30, 0.01)[0].split("\0")
    assert {"--bind-address=127.0.0.1", "--anonymous-auth=false", "--etcd-servers=unix://localhost:1"} <= set(command), command
    assert process.wait(120) == 1


def case_no_servers(setup):
    """without etcd and kube-apiserver the error says what to do, and what they logged where they end at once"""
    done = setup.drill(KUBEBUILDER_ASSETS="")
    assert done.returncode == 2 and "export KUBEBUILDER_ASSETS=$(setup-envtest use -p path)" in done.stderr, done.stderr
    done = setup.drill("-o", "json", KUBEBUILDER_ASSETS=os.path.relpath(setup.cluster.assets))
    assert done.returncode == 1, done.stderr
    done = setup.drill(KUBEBUILDER_ASSETS="/nonexistent")
    assert done.returncode == 2 and "/nonexistent/etcd: No such file" in done.stderr, done.stderr
    assets = f"{setup.cluster.dir}/assets"
    os.mkdir(assets)
    os.symlink(f"{setup.cluster.assets}/etcd", f"{assets}/etcd")
    with open(f"{assets}/kube-apiserver", "w") as file:
        file.write("#!/bin/sh\necho 'E1121 no such flag: \033[31mred'\nexit 3\n")
    os.chmod(f"{assets}/kube-apiserver", 0o700)
    done = setup.drill(KUBEBUILDER_ASSETS=assets)
    assert done.returncode == 2 and "kube-apiserver ended with status 3" in done.stderr, done.stderr
    assert "no such flag" in done.stderr and "\033" not in done.stderr and "etcd.log" not in done.stderr, done.stderr


def case_usage(setup):
    """options that do not go together are refused before anything is started"""
    empty = f"{setup.cluster.dir}/none.yaml"
    with open(empty, "w") as file:
        json.dump(thing("v1", "ConfigMap", "c"), file)
    for args, words in ((["--record"], "--record"), (["--no-impersonation"], "--no-impersonation"), (["--rate", "9"], "--rate"), (["--concurrency", "2"], "--rate"),
                        (["--crds", empty], "there is no CustomResourceDefinition"), (["--crds", "/nonexistent"], "/nonexistent"),
                        (["--crds", ""], "--crds is empty"),
                        (["-n", "a,b"], "is not a name of a namespace")):
        done = setup.drill(*args)
        assert done.returncode == 2 and words in done.stderr and not done.stdout, (args, done.stderr)
        assert "etcd" not in done.stderr, done.stderr  # its log tells nothing of this
    done = subprocess.run([setup.binary, "rehearse", "--contents", setup.contents, "--crds", empty], capture_output=True, text=True)
    assert done.returncode == 2 and "add --against-crds" in done.stderr, done.stderr
