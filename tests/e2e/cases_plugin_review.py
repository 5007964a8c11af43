"""kubectl backstop review against a real cluster, by somebody who may only read it."""
import json
import subprocess

from cases_plugin import Setup as Plugin
from fixtures import NEXT, RUNNING, apply_world, location, management
from standin import set_location_phase
from webhook import managementbackup

WRITES = ("create", "update", "patch", "delete", "deletecollection")


class Setup(Plugin):
    """The world as the webhook meets it, without a webhook; `reader` gets, lists and watches."""

    def __init__(self, cluster, binary):
        super().__init__(cluster, binary)
        apply_world(cluster)
        cluster.must("apply", "-f", "-", stdin=[
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "reader"},
             "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]}])
        cluster.must("create", "clusterrolebinding", "reader", "--clusterrole=reader", "--user=reader")
        # A mistake that was there before anybody checked.
        cluster.must("apply", "-f", "-", stdin=[managementbackup("old-mistake", schedule="0 9 * * 7")])
        tree = json.load(open(self.kubeconfig))
        tree["users"][0]["user"]["as"] = "reader"
        tree["contexts"].append({"name": "down", "context": {"cluster": "down", "user": "e2e"}})
        tree["clusters"].append({"name": "down", "cluster": {"server": "https://127.0.0.1:1"}})
        self.kubeconfig = self.write("reader", **tree)
        for verb in WRITES:
            asked = cluster.kubectl("auth", "can-i", verb, "managementbackups", "--as=reader")
            assert asked.code == 1 and asked.text.startswith("no"), f"{verb}: {asked}"

    def review(self, *documents, flags=(), kubeconfig="", options=()):
        """What each document is answered, the exit code and what went to standard error."""
        path = f"{self.cluster.dir}/documents.yaml"
        with open(path, "w") as f:
            f.write("\n---\n".join(map(json.dumps, documents)))
        done = subprocess.run([f"{self.cluster.assets}/kubectl", "backstop", "review", *flags, "-f", path, "-o", "json",
                               *options], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
                              env={"PATH": f"{self.folder}:/usr/bin:/bin", "HOME": self.cluster.dir,
                                   "KUBECONFIG": kubeconfig or self.kubeconfig})
        return [json.loads(line) for line in done.stdout.splitlines()], done.returncode, done.stderr


def case_create(setup):
    """what is new is created: a good one is allowed, a wrong one denied with what the cluster knows"""
    said, code, err = setup.review(managementbackup("fresh", schedule="@daily", storageLocation="aws-s3"))
    assert code == 0 and said[0]["operation"] == "CREATE" and said[0]["allowed"], (said, err)
    said, code, err = setup.review(managementbackup("fresh", schedule="@daily", storageLocation="aws-s4"))
    assert code == 1 and said[0]["operation"] == "CREATE" and not said[0]["allowed"], (said, err)
    assert said[0]["causes"][0]["field"] == "spec.storageLocation" and "aws-s3" in said[0]["message"], said
    assert setup.cluster.kubectl("get", "managementbackup", "fresh").code == 1


def case_update(setup):
    """what is there already is updated: only what changes is judged, and the server's own fields are kept"""
    same = managementbackup("old-mistake", schedule="0 9 * * 7")
    said, code, err = setup.review(same)
    assert code == 0 and said[0]["operation"] == "UPDATE" and said[0]["allowed"], (said, err)
    live = setup.cluster.get("managementbackup", "old-mistake")["metadata"]
    assert said[0]["object"]["metadata"]["uid"] == live["uid"], said
    assert said[0]["object"]["metadata"]["creationTimestamp"] == live["creationTimestamp"], said
    said, code, _ = setup.review(managementbackup("old-mistake", schedule="0 8 * * 7"))
    assert code == 1 and said[0]["operation"] == "UPDATE" and said[0]["causes"][0]["field"] == "spec.schedule", said
    # What is said explicitly goes first.
    said, code, _ = setup.review(same, options=["--operation", "CREATE"])
    assert code == 1 and said[0]["operation"] == "CREATE", said
    said, code, _ = setup.review(same, options=["--operation", "DELETE"])
    assert code == 0 and said[0]["operation"] == "DELETE", said
    said, code, err = setup.review(managementbackup("fresh", schedule="@daily"), options=["--operation", "UPDATE"])
    assert code == 2 and said == [] and "neither in the cluster nor in --old" in err, (said, err)


def case_old(setup):
    """--old goes before the object in the cluster"""
    old = setup.write("old.json", **{**managementbackup("old-mistake", schedule="@daily"), "kind": "ManagementBackup"})
    tree = json.load(open(old))
    tree["apiVersion"] = "k0rdent.mirantis.com/v1beta1"
    with open(old, "w") as f:
        json.dump(tree, f)
    said, code, err = setup.review(managementbackup("old-mistake", schedule="0 9 * * 7"), options=["--old", old])
    assert code == 1 and said[0]["operation"] == "UPDATE" and not said[0]["allowed"], (said, err)


def case_after_another(setup):
    """a document that was allowed counts for those after it"""
    backup = managementbackup("uses", schedule="@daily", storageLocation="fresh")
    said, code, _ = setup.review(backup)
    assert code == 1, said
    said, code, err = setup.review(location("fresh"), backup)
    assert code == 0 and [each["allowed"] for each in said] == [True, True], (said, err)
    # One that is applied again keeps the status that Velero wrote.
    set_location_phase(setup.cluster, "aws-east", "Available")
    again = location("aws-east")
    said, code, err = setup.review(again, managementbackup("uses", schedule="@daily", storageLocation="aws-east"))
    assert code == 0 and said[0]["operation"] == "UPDATE", (said, err)
    assert said[0]["object"]["status"]["phase"] == "Available", said
    assert not any("not yet validated" in each for each in said[1]["warnings"]), said


def case_upgrade(setup):
    """an upgrade is answered as the gate would, and starts nothing"""
    before = setup.cluster.items("managementbackups")
    said, code, err = setup.review(management(NEXT))
    assert code == 3 and said[0]["operation"] == "UPDATE" and not said[0]["allowed"], (said, err)
    assert RUNNING in said[0]["message"] and said[0]["retryAfterSeconds"] > 0, said
    assert len(said[0]["effects"]) == 1 and "kcm-backup-" + RUNNING in json.dumps(said[0]["effects"]), said
    assert [each["metadata"]["name"] for each in setup.cluster.items("managementbackups")] == \
        [each["metadata"]["name"] for each in before]
    assert setup.cluster.get("management", "kcm")["spec"]["release"] == RUNNING
    said, code, err = setup.review(management(RUNNING))
    assert code == 0 and said[0]["allowed"], (said, err)


def case_flags(setup):
    """-n and --context are kubectl's; without the cluster nothing is judged"""
    backup = managementbackup("fresh", schedule="@daily", storageLocation="in-elsewhere")
    said, code, _ = setup.review(backup)
    assert code == 1 and "in-elsewhere" in said[0]["message"], said
    said, code, err = setup.review(backup, flags=["-n", "elsewhere"])
    assert code == 0, (said, err)
    there = location("in-elsewhere")
    del there["metadata"]["namespace"]
    said, code, err = setup.review(there, flags=["-n", "elsewhere"])
    assert said[0]["namespace"] == "elsewhere" and said[0]["operation"] == "UPDATE", (said, err)
    said, code, err = setup.review(backup, flags=["--context", "down", "--timeout", "1s"])
    assert code == 2 and said == [] and "127.0.0.1:1" in err, (said, err)
    said, code, err = setup.review(backup, flags=["--context", "e2e", "-n", "elsewhere"])
    assert code == 0, (said, err)


def case_forbidden(setup):
    """what may not be read is told, and nothing is said of the document"""
    cluster = setup.cluster
    cluster.must("apply", "-f", "-", stdin=[
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "lister"},
         "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["list", "watch"]}]}])
    cluster.must("create", "clusterrolebinding", "lister", "--clusterrole=lister", "--user=lister")
    said, code, err = setup.review(managementbackup("fresh", schedule="@daily"), flags=["--as", "lister"])
    assert code == 2 and said == [] and 'documents.yaml:1: get managementbackups' in err, (said, err)
    assert 'User "lister"' in err, err
    # Recorded reviews say themselves what was asked, and are the way out with --operation.
    said, code, err = setup.review(managementbackup("fresh", schedule="@daily"), flags=["--as", "lister"],
                                   options=["--operation", "CREATE"])
    assert code == 0 and said[0]["allowed"], (said, err)


def case_files(setup):
    """with --inventory the plugin asks no cluster"""
    path = setup.write("facts.json", items=[])
    said, code, err = setup.review(managementbackup("old-mistake", schedule="0 9 * * 7"),
                                   options=["--inventory", path], kubeconfig="/nonexistent")
    assert code == 1 and said[0]["operation"] == "CREATE", (said, err)
