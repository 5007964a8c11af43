"""rehearse --record against a stand-in for the API server and the object store: what is written on the Backup, by whom, and
that nothing is written where nothing may be."""
from libapi import *
import libbackup

REHEARSED = "backstop.k0rdent.mirantis.com/rehearsed"
VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]


def config(name):
    return "configmaps", libbackup.thing("v1", "ConfigMap", name, "zoo", data={"k": "v"})


NODE = "nodes", libbackup.thing("v1", "Node", "n")
LION = "lions.example.com", libbackup.thing("example.com/v1", "Lion", "l", "zoo")


class WithVelero(Handler):
    """Velero answers a DownloadRequest at once, dry runs store nothing, and Backups take merge patches."""

    def discovery(self, groups):
        return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": [
            {"metadata": {"name": group}, "versions": [{"version": version, "resources": [
                {"resource": plural, "responseKind": {"group": group, "version": version, "kind": KINDS[plural]},
                 "scope": "Namespaced" if plural != "namespaces" else "Cluster", "singularResource": KINDS[plural].lower(),
                 "verbs": VERBS} for plural in plurals]}]} for group, version, plurals in groups]}

    def do_GET(self):
        if self.path == "/store":
            return self.say(200, self.api.contents, Content_Type="application/octet-stream")
        if self.path == "/api":
            return self.say(200, self.discovery([("", "v1", ["configmaps", "namespaces", "secrets"])]))
        if self.path == "/apis":
            return self.say(200, self.discovery([(*name.split("/"), plurals) for name, plurals in GROUPS.items()]))
        return super().do_GET()

    def do_POST(self):
        path, _, query = self.path.partition("?")
        if "dryRun=All" not in query and not path.endswith("/downloadrequests"):
            return super().do_POST()
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "dryRun=All" not in query:
            document["status"] = {"phase": "Processed", "downloadURL": f"http://127.0.0.1:{self.server.server_port}/store"}
            self.api.objects.setdefault("downloadrequests", []).append(document)
        return self.say(201, document)

    def do_PATCH(self):
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path, _, query = self.path.partition("?")
        self.api.patches.append((path, query, self.headers["Content-Type"], self.headers.get("Impersonate-User"), document))
        if self.api.refused:
            return self.refuse(*self.api.refused)
        found = [o for o in self.api.objects["backups"] if o["metadata"]["name"] == path.rsplit("/", 1)[-1]][0]
        if document["metadata"].get("uid", found["metadata"]["uid"]) != found["metadata"]["uid"]:
            return self.refuse(409, "Conflict", "Precondition failed: UID in precondition")
        found["metadata"].setdefault("annotations", {}).update(document["metadata"]["annotations"])
        return self.say(200, found)


def cluster(*objects, handler=WithVelero):
    api = FakeApi(handler)
    api.contents, api.patches, api.refused = libbackup.contents(*objects), [], None
    api.objects["namespaces"] = [thing("namespaces", "zoo")]
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 120))
    api.objects["backups"] = [thing("backups", "nightly", metadata={"managedFields": BY_VELERO}, spec={
        "storageLocation": "aws-s3", "includedNamespaces": ["*"], "excludedResources": ["clusters.cluster.x-k8s.io"],
        "orLabelSelectors": [{"matchLabels": {"k0rdent.mirantis.com/component": "kcm"}}]}, status={
            "phase": "Completed", "startTimestamp": now, "completionTimestamp": now})]
    api.objects["backupstoragelocations"][0]["status"]["lastValidationTime"] = now
    return api


def run(api, *arguments):
    done = subprocess.run([BINARY, *arguments, "--kubeconfig", api.kubeconfig], capture_output=True, text=True, timeout=60)
    assert not SANITIZER.search(done.stderr), done.stderr
    return done


def rehearse(api, *arguments):
    return run(api, "rehearse", "nightly", "--no-mutation", *arguments)


@shows("--record writes time, verdict and counts on the Backup by one merge patch, with the admin's own account")
def _(_):
    api = cluster(config("a"), config("b"), NODE)
    done = rehearse(api, "--record")
    same(done.returncode, 0, done.stdout + done.stderr)
    holds("RESTORABLE: all 2 objects", done.stdout)
    (path, query, form, user, patch), = api.patches
    same((path, form, user), ("/apis/velero.io/v1/namespaces/kcm-system/backups/nightly", "application/merge-patch+json", None))
    same(query, "fieldManager=backstop-rehearse")
    same((patch["metadata"]["uid"], set(patch), set(patch["metadata"])), ("nightly", {"metadata"}, {"uid", "annotations"}))
    at, rest = patch["metadata"]["annotations"][REHEARSED].split(" ", 1)
    same(rest, "restorable objects=3 skipped=1 refused=0 unknown=0")
    assert abs(time.mktime(time.strptime(at, "%Y-%m-%dT%H:%M:%SZ")) - time.mktime(time.gmtime())) < 60, at
    done = run(api, "status", "-o", "json")
    found = json.loads(done.stdout)["recovery"]["point"]["rehearsal"]
    same((found["good"], found["verdict"], found["time"], found["objects"], found["skipped"]), (True, "restorable", at, 3, 1))
    for form in ("text", "html"):
        holds("nightly was rehearsed ", run(api, "status", "-o", form).stdout)
    assert "rehearsed" not in run(cluster(config("a")), "status").stdout  # nobody asks for it, and there is nothing to tell


@shows("an incomplete rehearsal is recorded as such, and exit code and report are as without")
def _(_):
    api = cluster(config("a"), LION)
    plain = rehearse(api)
    same((plain.returncode, api.patches), (1, []), plain.stdout + plain.stderr)
    done = rehearse(api, "--record")
    same((done.returncode, done.stdout), (1, plain.stdout), done.stderr)
    holds(" incomplete objects=2 skipped=0 refused=1 unknown=0", api.patches[0][4]["metadata"]["annotations"][REHEARSED])
    point = json.loads(run(api, "status", "-o", "json").stdout)["recovery"]["point"]["rehearsal"]
    same((point["good"], point["verdict"], point["refused"]), (False, "incomplete", 1))


@shows("a record that the API server refuses is said after the report, with exit code 2")
def _(_):
    for refused, words in (((403, "Forbidden", 'backups.velero.io "nightly" is forbidden: User "u" cannot patch'), "cannot patch"),
                           ((409, "Conflict", "Precondition failed: UID in precondition"), "UID")):
        api = cluster(config("a"))
        api.refused = refused
        done = rehearse(api, "--record")
        same(done.returncode, 2, done.stderr)
        holds("RESTORABLE: 1 object\n", done.stdout)
        holds("the rehearsal was not recorded", done.stderr)
        holds(words, done.stderr)
        assert "annotations" not in api.objects["backups"][0]["metadata"]


class WithoutRequests(WithVelero):
    """The CRD DownloadRequest is not installed: Go's HTTP server answers, not the API server."""

    def do_POST(self):
        if self.path.partition("?")[0].endswith("/downloadrequests"):
            self.rfile.read(int(self.headers["Content-Length"]))
            return self.say(404, b"404 page not found\n", Content_Type="text/plain; charset=utf-8")
        return super().do_POST()


@shows("without the CRD DownloadRequest: which is missing, and what to do instead")
def _(_):
    done = rehearse(cluster(config("a"), handler=WithoutRequests))
    same((done.returncode, done.stdout, done.stderr.count("\n")), (2, "", 1), done.stderr)
    holds("does not serve downloadrequests.velero.io", done.stderr)
    assert done.stderr.endswith("--contents FILE\n"), done.stderr


@shows("another Backup that has the name by then is not marked")
def _(_):
    class Replaced(WithVelero):
        def do_PATCH(self):
            self.api.objects["backups"][0]["metadata"]["uid"] = "another"
            return super().do_PATCH()
    api = cluster(config("a"), handler=Replaced)
    same(rehearse(api, "--record").returncode, 2)
    assert "annotations" not in api.objects["backups"][0]["metadata"]


@shows("nothing is recorded of a file of contents, nor without --record")
def _(_):
    api = cluster(config("a"))
    with tempfile.NamedTemporaryFile(suffix=".tar.gz") as file:
        file.write(api.contents)
        file.flush()
        done = run(api, "rehearse", "nightly", "--contents", file.name, "--record")
    same((done.returncode, done.stdout, api.patches), (2, "", []), done.stderr)
    holds("cannot be used with --contents", done.stderr)
    same((rehearse(api).returncode, api.patches), (0, []))


@shows("the order is that of Velero's own --restore-resource-priorities, and the report says so")
def _(_):
    secret = "secrets", libbackup.thing("v1", "Secret", "s", "zoo")
    order = lambda done: [each["name"] for each in json.loads(done.stdout)["objects"]]
    api = cluster(config("a"), secret)
    same(order(rehearse(api, "-o", "json")), ["s", "a"])
    container = {}
    api.objects["deployments"][0]["spec"]["template"]["spec"]["containers"] = [{"name": "sidecar"}, container]
    container["args"] = ["server", "--restore-resource-priorities=configmaps,-,secrets"]
    done = rehearse(api, "-o", "json")
    same(order(done), ["a", "s"])
    holds("--restore-resource-priorities of Velero's Deployment", done.stdout)
    container["args"] = ["server", "--restore-resource-priorities=a,-,b,-,c"]
    holds("multiple priority separator", rehearse(api).stdout)


class Nothing:
    def stop(self):
        pass


main(Nothing())
