"""Deletions of Backups: what two replicas tell each other through a Lease, and when that fails."""
from libapi import *

DELETION = "/validate-velero-io-v1-backup-deletion"
REQUEST = "/validate-velero-io-v1-deletebackuprequest"
ALLOW = "backstop.k0rdent.mirantis.com/allow-delete"


def stamp(offset=0):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + offset))


def good(name):
    """As kcm asks for it and Velero completes it."""
    return thing("backups", name, metadata={"managedFields": BY_VELERO}, spec={
        "storageLocation": "aws-s3", "includedNamespaces": ["*"], "excludedResources": ["clusters.cluster.x-k8s.io"],
        "orLabelSelectors": [{"matchLabels": {"k0rdent.mirantis.com/component": "kcm"}}]}, status={
            "phase": "Completed", "startTimestamp": stamp(-3600), "completionTimestamp": stamp(-3000)})


class LeaseHandler(Handler):
    """Leases with the API server's optimistic lock; `before_patch` plays what comes in between."""

    def do_GET(self):
        path = self.path.partition("?")[0]
        if self.api.mode == "ok" and path.endswith("/leases/backstop-deletions"):
            with self.api.lock:
                status, lease = self.api.lease_status, copy.deepcopy(self.api.lease)
            if status != 200:
                return self.refuse(status, "Forbidden" if status == 403 else "NotFound", "leases: as you like")
            return self.say(200, lease)
        return super().do_GET()

    def do_PATCH(self):
        if "/leases/" not in self.path:
            return super().do_PATCH()
        test, change = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert (test["op"], test["path"], change["path"]) == (
            "test", "/metadata/resourceVersion", "/spec/holderIdentity"), (test, change)
        act = self.api.before_patch(self.api) if self.api.before_patch else None
        if self.api.mode != "ok":
            return self.fail(self.api.mode)
        with self.api.lock:
            held = test["value"] == self.api.lease["metadata"]["resourceVersion"]
            if held:
                self.api.write(change["value"])
        if act == "silent":  # written, and the answer is lost
            self.close_connection = True
            return None
        if not held:
            return self.refuse(422, "Invalid", "the server rejected our request due to an error in our request")
        return self.say(200, self.api.lease)


class LeaseApi(FakeApi):
    def __init__(self, *names):
        self.lock, self.before_patch, self.lease_status = threading.Lock(), None, 200
        self.lease = {"kind": "Lease", "apiVersion": "coordination.k8s.io/v1", "spec": {}, "metadata": {
            "name": "backstop-deletions", "namespace": "kcm-system", "resourceVersion": "1"}}
        super().__init__(LeaseHandler)
        self.objects["backups"] = [good(name) for name in names]

    def write(self, text):
        self.lease["spec"]["holderIdentity"] = text
        self.lease["metadata"]["resourceVersion"] = str(int(self.lease["metadata"]["resourceVersion"]) + 1)

    def admitted(self):
        return [entry.split("@")[0] for entry in self.lease["spec"].get("holderIdentity", "").split(",") if entry]


def deletion(name, **more):
    document = {**good(name), "apiVersion": "velero.io/v1", "kind": "Backup"}
    document["metadata"].update(namespace="kcm-system", **more.pop("metadata", {}))
    kind = {"group": "velero.io", "version": "v1", "kind": "Backup"}
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {
        "uid": str(uuid.uuid4()), "kind": kind, "resource": {"group": "velero.io", "version": "v1", "resource": "backups"},
        "name": name, "namespace": "kcm-system", "operation": "DELETE", "userInfo": {"username": "admin"},
        "object": None, "oldObject": document, "dryRun": more.pop("dryRun", False)}}


def request_for(name, **metadata):
    kind = {"group": "velero.io", "version": "v1", "kind": "DeleteBackupRequest"}
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {
        "uid": str(uuid.uuid4()), "kind": kind, "resource": {"group": "velero.io", "version": "v1",
                                                             "resource": "deletebackuprequests"},
        "name": f"delete-{name}", "namespace": "kcm-system", "operation": "CREATE", "userInfo": {"username": "admin"},
        "object": {"apiVersion": "velero.io/v1", "kind": "DeleteBackupRequest", "metadata": {
            "name": f"delete-{name}", "namespace": "kcm-system", **metadata}, "spec": {"backupName": name}}}}


class Replicas:
    """Two of them, and the API server between them."""

    def __init__(self):
        self.api = LeaseApi("one", "two")
        self.servers = [ServerOf(self.api) for _ in range(2)]

    def reset(self, *names):
        with self.api.lock:
            self.api.lease_status, self.api.before_patch, self.api.mode = 200, None, "ok"
            self.api.write("")
        for server in self.servers:
            eventually(lambda s=server: same(s.get("/readyz")[0], 200), 30)
        return self.api

    def stop(self):
        for server in self.servers:
            server.stop()


def response(server, path, review):
    return server.post(path, review).response()


def admitted(server, path, review):
    answer = response(server, path, review)
    assert answer["allowed"], answer
    return answer


def denied(code, part, server, path, review):
    answer = response(server, path, review)
    assert not answer["allowed"] and answer["status"]["code"] == code and part in answer["status"]["message"], answer
    return answer


@shows("what one replica has admitted the other one knows, before anything shows")
def _(two):
    api = two.reset()
    admitted(two.servers[0], DELETION, deletion("one"))
    same(api.admitted(), ["one"])
    denied(403, 'The deletion of "one" was admitted a moment ago', two.servers[1], DELETION, deletion("two"))
    denied(403, 'The deletion of "one" was admitted a moment ago', two.servers[1], REQUEST, request_for("two"))
    denied(403, 'The deletion of "one" was admitted a moment ago', two.servers[0], REQUEST, request_for("two"))
    admitted(two.servers[1], DELETION, deletion("one"))  # the same once more is no other


@shows("a DeleteBackupRequest is known as a deletion of the Backup is")
def _(two):
    two.reset()
    admitted(two.servers[0], REQUEST, request_for("two"))
    denied(403, 'The deletion of "two" was admitted', two.servers[1], DELETION, deletion("one"))


@shows("fifty rounds of four deletions at the same moment, by both replicas: one of two backups remains")
def _(two):
    acts = [(0, DELETION, deletion), (1, DELETION, deletion), (0, REQUEST, request_for), (1, REQUEST, request_for)]
    for i in range(50):
        api = two.reset()
        start, answers = threading.Barrier(len(acts)), []

        def run(replica, path, make, name):
            start.wait()
            answers.append((name, response(two.servers[replica], path, make(name))["allowed"]))
        threads = [threading.Thread(target=run, args=(*act, ("one", "two")[(i + n) % 2])) for n, act in enumerate(acts)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        gone = {name for name, allowed in answers if allowed}
        assert len(gone) == 1, (answers, api.lease)


@shows("a write that somebody else's overtakes is decided again, on what that one wrote")
def _(two):
    api = two.reset()

    def overtaken(api):
        api.before_patch = None
        with api.lock:
            api.write(f"two@{stamp()}")
    api.before_patch = overtaken
    denied(403, 'The deletion of "two" was admitted', two.servers[0], DELETION, deletion("one"))
    same(api.admitted(), ["two"])

    def unrelated(api):
        api.before_patch = None
        with api.lock:
            api.write(f"elsewhere@{stamp()}")
    two.reset()
    api.before_patch = unrelated
    admitted(two.servers[0], DELETION, deletion("one"))
    same(sorted(api.admitted()), ["elsewhere", "one"])


@shows("a Lease that changes under every write: 429 within three seconds, and nothing is admitted")
def _(two):
    api = two.reset()

    def always(api):
        with api.lock:
            api.write(f"other@{stamp()}")
    api.before_patch = always
    began = time.monotonic()
    answer = denied(429, "many deletions at the same time", two.servers[0], DELETION, deletion("one"))
    same(answer["status"]["details"]["retryAfterSeconds"], 2)
    assert time.monotonic() - began < 3, time.monotonic() - began


@shows("a Lease that is forbidden or missing: 503 with the way out; the annotation lets it pass with a warning")
def _(two):
    for status, words in ((403, "as you like"), (404, 'the Lease "backstop-deletions" is missing')):
        api = two.reset()
        api.lease_status = status
        answer = denied(503, "cannot make sure that another management backup remains", two.servers[0], DELETION,
                        deletion("one"))
        holds(words, answer["status"]["message"])
        holds(ALLOW, answer["status"]["message"])
        answer = admitted(two.servers[0], DELETION, deletion("one", metadata={"annotations": {ALLOW: "a rehearsal"}}))
        holds("other replicas do not know of this deletion", " ".join(answer["warnings"]))
        answer = admitted(two.servers[0], REQUEST, request_for("one", annotations={ALLOW: "a rehearsal"}))
        holds("other replicas do not know of this deletion", " ".join(answer["warnings"]))


@shows("an API server that falls silent at the write: 503 within the caller's ten seconds; the next one passes")
def _(two):
    api = two.reset()

    def silent(api):
        api.mode = "slow"
    api.before_patch = silent
    began = time.monotonic()
    denied(503, "cannot make sure", two.servers[0], DELETION, deletion("one"))
    assert time.monotonic() - began < 9, time.monotonic() - began
    two.reset()
    eventually(lambda: admitted(two.servers[0], DELETION, deletion("one")), 20)


@shows("a write whose answer is lost does not stand in its own way when it is tried again")
def _(two):
    api = two.reset()

    def lost(api):
        api.before_patch = None
        return "silent"
    api.before_patch = lost
    admitted(two.servers[0], DELETION, deletion("one"))  # libcurl asks again by itself
    same(api.before_patch, None)
    same(api.admitted(), ["one"])


@shows("a replica that dies after its write holds the others up for two minutes, and no longer")
def _(two):
    api = two.reset()
    dying = ServerOf(api)

    def knows_the_backups():
        answer = response(dying, DELETION, deletion("one", dryRun=True))
        assert "nothing is known" not in " ".join(answer.get("warnings", [])), answer
    eventually(knows_the_backups)

    def dies(api):
        api.before_patch = None
        dying.process.kill()
    api.before_patch = dies
    try:
        answer = dying.post(DELETION, deletion("one"))
    except (OSError, http.client.HTTPException):
        answer = None
    assert answer is None, (answer.status, answer.body)
    eventually(lambda: same(api.admitted(), ["one"]))
    denied(403, 'The deletion of "one" was admitted', two.servers[1], DELETION, deletion("two"))
    with api.lock:
        api.write(f"one@{stamp(-121)}")
    admitted(two.servers[1], DELETION, deletion("two"))
    same(api.admitted(), ["two"])


@shows("a dry run writes nothing, and counts what others have written")
def _(two):
    api = two.reset()
    version = api.lease["metadata"]["resourceVersion"]
    admitted(two.servers[0], DELETION, deletion("one", dryRun=True))
    same(api.lease["metadata"]["resourceVersion"], version)
    with api.lock:
        api.write(f"one@{stamp()}")
    denied(403, 'The deletion of "one" was admitted', two.servers[0], DELETION, deletion("two", dryRun=True))


@shows("a Lease that somebody has written nonsense into is read as far as it makes sense, and put right")
def _(two):
    api = two.reset()
    for text in ("x", "@,@@,one", "one@tomorrow", f"one@{stamp(3600)}", "," * 10000, "one@" + "9" * 5000, "\x00\u202eone@"):
        with api.lock:
            api.write(text)
        admitted(two.servers[0], DELETION, deletion("two"))
        same(api.admitted(), ["two"])


@shows("a thousand deletions within two minutes: the next one is told to wait")
def _(two):
    api = two.reset()
    with api.lock:
        api.write(",".join(f"gone-{i}@{stamp()}" for i in range(1000)))
    answer = denied(429, "1000 other management backups were deleted", two.servers[0], DELETION, deletion("one"))
    same(answer["status"]["details"]["retryAfterSeconds"], 15)


@shows("a backup that no restore needs is deleted without any of it")
def _(two):
    api = two.reset()
    api.lease_status = 403
    failed = deletion("one")
    failed["request"]["name"] = failed["request"]["oldObject"]["metadata"]["name"] = "application"
    failed["request"]["oldObject"]["spec"] = {"storageLocation": "aws-s3"}
    admitted(two.servers[0], DELETION, failed)


main(Replicas())
