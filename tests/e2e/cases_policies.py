"""The ValidatingAdmissionPolicies of the chart, held against the webhook's verdicts in the golden cases."""
import glob
import hashlib
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
import ssl

from cases_chart import Setup as Chart
from control_plane import ROOT, Skip, free_port, wait_until
from webhook import NAMESPACE, is_called, managementbackup

CASES = f"{ROOT}/tests/golden/cases"
GROUPS = ("backup", "managementbackup", "restore", "modifier", "schedule", "storagelocation", "deletion", "kots")
# Causes of the webhook that a policy must flag, too: id, field, message.
DURATION = r"there is no unit d|the unit is missing|must be a duration in h|leave the field out for Velero's default"
COVERED = [(i, re.compile(field), re.compile(message)) for i, field, message in (
    ("mb-02", r"spec\.schedule$", r"has no space and no schedule after the time zone"),
    ("mb-10", r"spec\.performOnManagementUpgrade$", r"has no effect without spec\.schedule"),
    ("mb-11", r"metadata\.name$", r"must be at most 63 bytes with a schedule"),
    ("rs-02", r"spec\.existingResourcePolicy$", r"Unsupported value"),
    ("rs-07", r"^spec(\.backupName)?$", r"Required value: name the backup|set backupName or scheduleName, not both"),
    ("rs-10-resources", r"spec\.(in|ex)cludedResources$", r'^Invalid value: "\*":'),
    ("rs-10-namespaces", r"spec\.(in|ex)cludedNamespaces$", r'^Invalid value: "\*":'),
    ("rs-11-resources", r"spec\.excludedResources$", r"also in spec\.includedResources"),
    ("rs-11-namespaces", r"spec\.excludedNamespaces$", r"also in spec\.includedNamespaces"),
    ("rs-12", r"spec\.orLabelSelectors$", r"set labelSelector or orLabelSelectors, not both"),
    ("rs-13", r"spec\.includedResources$", r"Velero never restores"),
    ("rs-15", r"spec\.itemOperationTimeout$", DURATION),
    ("rm-02", r"spec\.resourceModifier\.kind$", r"Unsupported value"),
    ("bk-04", r"Resources$", r"Velero takes either the new filters"),
    ("bk-05-resources", r"\.(in|ex)cludedResources$", r'^Invalid value: "\*":|also in '),
    ("bk-05-namespaces", r"\.(in|ex)cludedNamespaces$", r'^Invalid value: "\*":|also in '),
    ("bk-05-cluster-scoped", r"cludedClusterScopedResources$", r'^Invalid value: "\*":|also in '),
    ("bk-05-namespace-scoped", r"cludedNamespaceScopedResources$", r'^Invalid value: "\*":|also in '),
    ("bk-07", r"\.orLabelSelectors$", r"set labelSelector or orLabelSelectors, not both"),
    ("bk-09", r"\.(ttl|csiSnapshotTimeout|itemOperationTimeout)$", DURATION),
    ("bk-10", r"abelSelector(s\[\d+\])?$", r"an empty selector makes every list call"),
    ("bl-bucket", r"spec\.objectStorage\.bucket$", r"Required value"),
    ("bl-provider", r"spec\.provider$", r"Required value"),
    *((f"bl-03-{name}", r"spec\.config$", f"provider {name} refuses unknown keys") for name in ("aws", "gcp", "azure")),
    ("bl-05", r"spec\.(backupSyncPeriod|validationFrequency)$", DURATION),
    ("de-01", r"spec\.backupName$", r"Required value"),
)]
KINDS = {"ManagementBackup": "mb", "Restore": "r", "Backup": "bk", "Schedule": "bk", "BackupStorageLocation": "bl",
         "DeleteBackupRequest": "de"}


class Setup(Chart):
    def __init__(self, cluster, binary):
        super().__init__(cluster, binary)
        plain, _ = self.objects({})
        self.rules = [v["message"].rpartition("(")[2].rstrip(")") for o in plain
                      if o["kind"] == "ValidatingAdmissionPolicy" for v in o["spec"]["validations"]]
        self.plain = plain
        cluster.must("apply", "-f", "-", stdin=[o for o in plain if o["kind"].startswith("ValidatingAdmissionPolicy")])
        # As the endpoint controller makes one for a Service that has no pod.
        cluster.must("apply", "-f", "-", stdin={
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "endpoints": [], "ports": [],
            "metadata": {"name": "backstop-0", "namespace": NAMESPACE, "labels": {"kubernetes.io/service-name": "backstop"}}})


def load(paths):
    """All documents of these YAML files, read by whichever python has a YAML reader."""
    read = ("import json,sys,yaml\nout={}\nfor p in sys.stdin.read().split('\\n'):\n try: out[p]=[d for d in yaml.load_all("
            "open(p),Loader=getattr(yaml,'CSafeLoader',yaml.SafeLoader)) if d]\n except Exception: out[p]=None\n"
            "print(json.dumps(out,default=str))")
    for python in (sys.executable, "/usr/bin/python3"):
        done = subprocess.run([python, "-c", read], input="\n".join(paths), capture_output=True, text=True)
        if done.returncode == 0:
            return json.loads(done.stdout)
    raise AssertionError(done.stderr)


class Client:
    """Requests with the warnings that come with their answers."""

    def __init__(self, cluster):
        self.cluster, self.context = cluster, ssl.create_default_context(cafile=f"{cluster.dir}/api.crt")

    def ask(self, method, path, body=None, user=None):
        """(status, document, ids that a policy flagged)."""
        headers = {"Authorization": "Bearer admin-token", "Content-Type": "application/json"}
        if user:
            headers["Impersonate-User"] = user
        request = urllib.request.Request(self.cluster.url + path, method=method, headers=headers,
                                         data=None if body is None else json.dumps(body).encode())
        try:
            answer = urllib.request.urlopen(request, context=self.context, timeout=20)
        except urllib.error.HTTPError as refused:
            answer = refused
        with answer:
            text = answer.read().decode()
            warnings = " ".join(answer.headers.get_all("Warning") or [])
        return answer.status, json.loads(text) if text[:1] == "{" else text, set(re.findall(r"\(([a-z]{2}-[a-z0-9-]+)\)", warnings))


PATHS = {"ManagementBackup": "/apis/k0rdent.mirantis.com/{v}/managementbackups", "Restore": "restores", "Backup": "backups",
         "Schedule": "schedules", "BackupStorageLocation": "backupstoragelocations", "DeleteBackupRequest": "deletebackuprequests"}


def path_of(o):
    path = PATHS[o["kind"]]
    if path.startswith("/"):
        return path.format(v=o["apiVersion"].split("/")[1])
    return f"/apis/velero.io/v1/namespaces/{o['metadata'].get('namespace', 'kcm-system')}/{path}"


def plain(o):
    """Without what the API server sets."""
    metadata = {k: v for k, v in o["metadata"].items() if k not in (
        "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "deletionTimestamp", "ownerReferences")}
    return {**o, "metadata": metadata}


def expected_ids(kind, answer):
    prefixes = {"mb": ("mb-",), "r": ("rs-", "rm-"), "bk": ("bk-",), "bl": ("bl-",), "de": ("de-",)}[KINDS[kind]]
    return {i for cause in answer.get("causes") or [] for i, field, message in COVERED
            if i.startswith(prefixes) and field.search(cause["field"]) and message.search(cause["message"])}


def comparable(folder, files):
    """(object, old or None, the webhook's answer, user) of a case that is one plain request; None for others."""
    inputs, answers = files.get(f"{folder}/input.yaml"), files.get(f"{folder}/expected.yaml")
    args = open(f"{folder}/args").read().split("\n") if os.path.exists(f"{folder}/args") else []
    text = " ".join(args)
    # Another system namespace, other accounts: other match conditions than those of the default values.
    settings = open(f"{folder}/settings.yaml").read() if os.path.exists(f"{folder}/settings.yaml") else ""
    if not inputs or len(inputs) != 1 or not answers or len(answers) != 1 or "--operation" in text or \
            "systemNamespace" in settings or "erviceAccounts" in settings:
        return None
    o, answer = inputs[0], answers[0]
    if not isinstance(o, dict) or o.get("kind") not in PATHS or not isinstance(o.get("metadata"), dict) or \
            answer.get("operation") not in ("CREATE", "UPDATE") or o["metadata"].get("deletionTimestamp"):
        return None
    old = files.get(f"{folder}/old.yaml")
    if (answer["operation"] == "UPDATE") != bool(old) or (old and len(old) != 1):
        return None
    user = re.search(r"--user[ =](\S+)", text)
    return o, old and old[0], answer, user and user[1]


def is_pruned(sent, stored):
    """Whether the API server dropped fields that the CRD does not have: the webhook would not see them either."""
    if isinstance(sent, dict):
        return not isinstance(stored, dict) or any(k not in stored or is_pruned(v, stored[k]) for k, v in sent.items() if v is not None)
    if isinstance(sent, list):
        return not isinstance(stored, list) or len(sent) != len(stored) or any(map(is_pruned, sent, stored))
    return False


def compare(client, o, old, user):
    """What the policies flag of it; None if the API server does not take it as it is anyway."""
    path, name = path_of(o), o["metadata"].get("name")
    if not old:
        status, stored, flagged = client.ask("POST", f"{path}?dryRun=All", plain(o), user)
        return flagged if status == 201 and not is_pruned(o.get("spec"), stored.get("spec")) else None
    status, stored, _ = client.ask("POST", path, plain(old))
    if status != 201:
        return None
    try:
        stored["metadata"] = {**plain(o)["metadata"], "resourceVersion": stored["metadata"]["resourceVersion"]}
        status, stored, flagged = client.ask("PUT", f"{path}/{name}?dryRun=All", {**plain(o), "metadata": stored["metadata"]}, user)
        return flagged if status == 200 and not is_pruned(o.get("spec"), stored.get("spec")) else None
    finally:
        client.ask("DELETE", f"{path}/{name}")


def case_agree(setup):
    """in each golden case that is one request, the policies flag what the webhook denies of what they check, and no more"""
    cluster, client = setup.cluster, Client(setup.cluster)
    cluster.must("create", "clusterrolebinding", "everybody", "--clusterrole=cluster-admin", "--group=system:authenticated")
    bad = {"apiVersion": "velero.io/v1", "kind": "DeleteBackupRequest", "metadata": {"name": "x", "namespace": "kcm-system"},
           "spec": {"backupName": ""}}
    wait_until("the policies to be in force", lambda: client.ask("POST", path_of(bad) + "?dryRun=All", bad)[2], 30)
    folders = sorted(f for g in GROUPS for f in glob.glob(f"{CASES}/{g}/*"))
    files = load([p for f in folders for p in glob.glob(f"{f}/*.yaml")])
    compared, refused, seen, differences = 0, 0, set(), []
    for folder in folders:
        case = comparable(folder, files)
        if not case:
            continue
        o, old, answer, user = case
        for namespace in {x["metadata"].get("namespace") for x in (o, old) if x} - {None, "kcm-system"}:
            client.ask("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        flagged = compare(client, o, old, user)
        if flagged is None:
            refused += 1
            continue
        compared += 1
        wanted = expected_ids(o["kind"], answer)
        seen |= wanted & flagged
        if flagged != wanted:
            differences.append(f"{os.path.relpath(folder, CASES)}: policies {sorted(flagged)}, webhook {sorted(wanted)}")
    print(f"      {len(setup.rules)} checks in {len(set(setup.rules))} rules; {compared} cases compared, {refused} that the API server "
          f"does not take, {len(differences)} disagreements; {len(seen)} rules seen to refuse", flush=True)
    assert not differences, "\n".join(differences)
    assert not set(setup.rules) ^ {i for i, _, _ in COVERED}, set(setup.rules) ^ {i for i, _, _ in COVERED}
    assert compared > 400, compared
    assert seen == set(setup.rules), f"no golden case of {sorted(set(setup.rules) - seen)}"


ADDED = "backstop.k0rdent.mirantis.com/added"
# Golden cases in which the policy leaves a Restore to the webhook, which completes it, by the reason.
LEFT = {
    "the backup names no provider, so that of the Management count": """
        facts-unknown-mutated-by-settings providers-from-management providers-from-settings rs-09-storage-location-not-validated
        rs-29-into-a-live-cluster-with-the-webhook-off rs-29-into-a-live-cluster-with-the-webhook-on rs-31-newer-k0rdent-here
        rs-31-older-k0rdent-here rs-31-same-k0rdent-allowed rs-32-newer-velero-allowed rs-32-older-patch-of-velero-allowed
        rs-32-older-velero-here rs-33-kubernetes-not-known-allowed rs-33-newer-kubernetes-here rs-33-older-kubernetes-here
        rs-33-same-kubernetes-allowed rs-34-another-clusters-backup-into-a-live-cluster
        rs-34-another-clusters-backup-on-a-fresh-cluster rs-34-own-backup-allowed rs-35-region-of-another-cluster
        rs-36-crds-left-out rs-37-recorded-at-another-time rs-37-recorded-by-somebody-else rs-37-recorded-kind-that-is-included
        rs-37-recorded-nothing-is-needed-allowed""",
    "of a schedule": "rs-04-schedule-of-vsphere rs-08-schedule-whose-newest-failed",
    "of another backup (restores.mutateAll)": """
        other-backup-mutated-by-settings rs-25-backup-by-hand-mutate-all rs-25-kots-snapshot-mutate-all-on-a-live-cluster""",
    "a modifier (restores.injectReleaseModifier)": "rs-17-rollback-modifier-created rs-17-rollback-modifier-injected",
    "a record that is too long, or no text": "rs-37-recorded-more-than-anybody-needs rs-37-recorded-nonsense",
    "an annotation that opts out without a reason": "skip-mutation-with-an-invisible-reason skip-mutation-without-reason",
}


def completed(o):
    """What is added to a Restore, in any order."""
    spec = {k: v for k, v in (o.get("spec") or {}).items() if v is not None}
    return {**spec, "excludedResources": sorted(spec.get("excludedResources") or [])}, \
        (o["metadata"].get("annotations") or {}).get(ADDED)


def restores(files, settings=False):
    """(case, Restore, its Backup or None, the Restore as the webhook makes it, user) of each golden case that creates one and is
    admitted, with or without settings that the policy is rendered from. The Backup has a name of its own for what it holds."""
    for folder in sorted(glob.glob(f"{CASES}/restore/*")):
        case, name = comparable(folder, files), os.path.basename(folder)
        rendered = (files.get(f"{folder}/settings.yaml") or [{}])[0].get("restores") or {}
        if not case or case[1] or case[0]["metadata"].get("namespace") != "kcm-system" or not case[2]["allowed"] or \
                "skipped" in case[2]["auditAnnotations"] or settings != any(k in rendered for k in ("forceExistingResourcePolicy", "providerCaveats")):
            continue
        o, _, answer, user = case
        inventories = open(f"{folder}/inventory").read().split() if os.path.exists(f"{folder}/inventory") else ["cluster"]
        paths = [f"{ROOT}/tests/golden/inventories/{i}.yaml" for i in inventories if i != "none"] + [f"{folder}/inventory.yaml"]
        wanted = o["spec"].get("backupName")
        found = [b for path in paths for b in files.get(path) or [] if b["kind"] == "Backup" and wanted and
                 b["metadata"]["name"] == wanted and b["metadata"].get("namespace") == "kcm-system"]
        backup, made, text = found[-1] if found else None, answer["object"], None
        if backup:
            text = f"b-{hashlib.sha256(json.dumps(backup, sort_keys=True).encode()).hexdigest()[:16]}"
            backup = {**plain(backup), "metadata": {**plain(backup)["metadata"], "name": text}}
            o, made = ({**x, "spec": {**x["spec"], "backupName": text}} for x in (o, made))
        yield name, o, backup, made, user, rendered


def mutate(setup, values, probe):
    """Installs the mutating policy of these values, and waits until it is in force: probe is true."""
    rendered, _ = setup.objects({**values, "policies": {"mutate": True}})
    setup.cluster.must("apply", "-f", "-", stdin=[o for o in rendered if o["kind"].startswith("MutatingAdmissionPolicy")])
    wait_until("the mutating policy to be in force", probe, 30)


def golden_files():
    return load(glob.glob(f"{CASES}/restore/*/*.yaml") + glob.glob(f"{ROOT}/tests/golden/inventories/*.yaml"))


def case_completes(setup):
    """without a webhook the mutating policy makes of each golden Restore what the webhook makes of it, or leaves it alone"""
    if setup.cluster.minor < 36:
        raise Skip("the API server serves MutatingAdmissionPolicies in v1 from Kubernetes 1.36 on")
    client, files = Client(setup.cluster), golden_files()
    cases = [c for s in (False, True) for c in restores(files, s)]
    last = next(c[2] for c in cases if c[0] == "rs-03-azure-exclusions-missing")
    last = {**last, "metadata": {**last["metadata"], "name": "the-last"}}  # when the policy knows it, it knows all
    locations = [o for o in files[f"{ROOT}/tests/golden/inventories/fresh.yaml"] if o["kind"] == "BackupStorageLocation"]
    for o in (*locations, *{c[2]["metadata"]["name"]: c[2] for c in cases if c[2]}.values(), last):
        status, answer, _ = client.ask("POST", path_of(o), plain(o))
        assert status == 201 or o["metadata"]["name"] != "the-last", answer

    def made(o, user=None):
        return client.ask("POST", path_of(o) + "?dryRun=All", plain(o), user)[:2]
    setup.made = made

    def probe(backup, **spec):
        spec = made({"apiVersion": "velero.io/v1", "kind": "Restore", "metadata": {"name": "x", "namespace": "kcm-system"},
                     "spec": {"backupName": backup, **spec}})[1]["spec"]
        return len(spec.get("excludedResources", [])), spec.get("existingResourcePolicy")

    def compare_restores(chosen):
        for name, o, _, webhook, user, _ in chosen:
            status, policy = made(o, user)
            if status != 201 or is_pruned(o["spec"], policy["spec"]):
                counts["refused"] += 1
            elif completed(policy) == completed(webhook) == completed(o):
                counts["unchanged"] += 1
            elif completed(policy) == completed(webhook):
                setup.completed[name] = (o, webhook, user)
            elif completed(policy) == completed(o):
                setup.left[name] = (o, webhook, user)
            else:
                differences.append(f"{name}: policy {completed(policy)}, webhook {completed(webhook)}")
    setup.completed, setup.left, counts, differences = {}, {}, {"refused": 0, "unchanged": 0}, []
    mutate(setup, {}, lambda: probe("the-last") == (4, "update"))
    compare_restores(c for c in cases if not {"forceExistingResourcePolicy", "providerCaveats"} & set(c[5]))
    mutate(setup, {"settings": {"restores": {"forceExistingResourcePolicy": True}}},
           lambda: probe("the-last", existingResourcePolicy="none") == (4, "update"))
    compare_restores(c for c in cases if "forceExistingResourcePolicy" in c[5])
    # Exclusions of the settings' own: whatever that provider needs is left to the webhook.
    caveats = next(c for c in cases if "providerCaveats" in c[5])
    assert probe(caveats[2]["metadata"]["name"]) == (0, "update")
    mutate(setup, {"settings": {"restores": caveats[5]}}, lambda: probe(caveats[2]["metadata"]["name"]) == (0, None))
    assert probe("the-last") == (4, "update")
    mutate(setup, {}, lambda: probe(caveats[2]["metadata"]["name"]) == (0, "update"))
    print(f"      {len(setup.completed) + counts['unchanged']} golden Restores made the same, {len(setup.completed)} of them "
          f"completed; {len(setup.left)} left to the webhook, {counts['refused']} that the API server does not take, "
          f"{len(differences)} disagreements", flush=True)
    assert not differences, "\n".join(differences)
    assert set(setup.left) == set(" ".join(LEFT.values()).split()), set(setup.left) ^ set(" ".join(LEFT.values()).split())
    assert len(setup.completed) >= 20 and counts["unchanged"] >= 80, counts


def case_told_once(setup):
    """beside a ready pod the webhook's answer is the only one; when none is ready any more, the policies warn"""
    cluster, client = setup.cluster, Client(setup.cluster)
    bad = managementbackup("told", performOnManagementUpgrade=True)
    cluster.must("delete", "endpointslice", "-n", NAMESPACE, "backstop-0")
    cluster.must("apply", "-f", "-", stdin=setup.plain)
    setup.start(setup.plain)
    wait_until("the webhook to be called", lambda: is_called(cluster), 30)

    def told():
        """(refused by the webhook, rules that a policy warns of)"""
        status, answer, flagged = client.ask("POST", path_of(bad) + "?dryRun=All", bad)
        return "denied the request" in answer.get("message", ""), flagged
    assert told() == (True, set()), told()
    replica = setup.replicas[0]
    replica.endpoint(False)
    replica.stop()
    # ManagementBackups fail open, as in the default values.
    wait_until("the policies to warn", lambda: told() == (False, {"mb-10"}), 20)
    # A connection that is open would still reach it when the Service no longer does.
    setup.start(setup.plain, extra=["--call-check", "3s", "--idle-timeout", "1s"])
    wait_until("the webhook alone to answer again", lambda: told() == (True, set()), 20)


def case_out_of_reach(setup):
    """a pod that is ready, and that the API server cannot reach: the policies are silent, and the pod says that nobody calls it"""
    replica, bad = setup.replicas[0], managementbackup("unreached", performOnManagementUpgrade=True)
    client = Client(setup.cluster)

    def told():
        return {line for line in replica.health_get("/metrics")[1].splitlines() if line.startswith("backstop_webhook_called")}
    wait_until("it to know that it is called", lambda: told() == {"backstop_webhook_called 1"}, 30)
    port, replica.port = replica.port, free_port()  # as behind a NetworkPolicy: an address that answers nobody
    try:
        replica.endpoint(True)
        wait_until("it to know that it is not", lambda: told() == {"backstop_webhook_called 0"}, 60)
        status, verbose = replica.health_get("/readyz?verbose")
        assert status == 200 and "the API server does not call the webhook" in verbose, verbose
        assert client.ask("POST", path_of(bad) + "?dryRun=All", bad)[::2] == (201, set())
    finally:
        replica.port = port
        replica.endpoint(True)
    wait_until("it to be called again", lambda: told() == {"backstop_webhook_called 1"}, 60)


def case_completed_once(setup):
    """beside the webhook the mutating policy adds nothing twice: the Restores are what the webhook alone makes of them"""
    if setup.cluster.minor < 36:
        raise Skip("MutatingAdmissionPolicies are in Kubernetes 1.36")
    assert hasattr(setup, "left"), "runs after the case without a webhook, and the webhook's own"
    cluster, same = setup.cluster, 0
    wait_until("the webhook to be called", lambda: is_called(cluster), 30)
    o, webhook, user = setup.left["rs-31-same-k0rdent-allowed"]  # by the webhook alone: it is in force
    wait_until("the webhook to complete a Restore", lambda: completed(setup.made(o, user)[1]) == completed(webhook), 20)
    for name, (o, webhook, user) in setup.completed.items():
        if os.path.exists(f"{CASES}/restore/{name}/settings.yaml"):
            continue
        status, both = setup.made(o, user)
        assert status == 201, (name, both)
        assert completed(both) == completed(webhook), (name, completed(both), completed(webhook))
        same += 1
    print(f"      {same} golden Restores the same with both", flush=True)
    assert same >= 20, same
