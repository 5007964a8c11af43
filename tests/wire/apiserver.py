"""The API server fails in the ways it does: what is decided meanwhile, and that it heals."""
import base64
import threading

from libapi import *

MODES = {"throttle": "too many requests", "broken": "etcdserver: request timed out", "garbage": "", "slow": "",
         "gone": ""}


def timed(work):
    began = time.monotonic()
    answer = work()
    return answer, time.monotonic() - began


def gate(server):
    return server.post(MANAGEMENT, upgrade_review(dryRun=True))


def works(server):
    holds("would be started", gate(server).denied(403)["status"]["message"])


@shows("with the API server at hand the gate reads it and answers")
def _(server):
    eventually(lambda: same(server.get("/readyz")[0], 200))
    works(server)


@shows("throttled, broken, slow or gone: the gate stays closed and says why in time, the others go on, and it heals")
def _(server):
    api = server.api
    for mode, words in MODES.items():
        works(server)
        api.mode = mode
        answer, took = timed(lambda: gate(server))
        status = answer.denied(503, "cannot verify the pre-upgrade backup")["status"]
        holds(words, status["message"])
        assert status["details"]["retryAfterSeconds"] > 0, status
        assert took < 8, f"{mode}: the gate took {took:.1f} s, the API server waits for 10"
        answer, took = timed(lambda: server.post(BACKUP, backup_review()))
        same(answer.response()["allowed"], True, mode)
        assert took < 1, f"{mode}: a review of what is known took {took:.1f} s"
        answer, took = timed(lambda: server.post(BACKUP, backup_review(location="aws-s4")))
        answer.denied(422, 'no BackupStorageLocation "aws-s4"')  # as far as is known
        assert took < 8, f"{mode}: {took:.1f} s"
        same(server.get("/readyz")[0], 200, mode)
        eventually(lambda: holds("managementbackups.k0rdent.mirantis.com: stale since",
                                 server.get("/readyz?verbose")[1]), 25)
        api.mode = "ok"
        eventually(lambda: works(server))


KEY = "backstop.k0rdent.mirantis.com/"


def recorded(answer, allowed=True):
    """What is recorded on a management Backup that kcm creates, {} for nothing."""
    response = answer.response()
    same(response["allowed"], allowed)
    same(response.get("warnings", []), [])
    patch = json.loads(base64.b64decode(response["patch"])) if "patch" in response else []
    found = {key: value for step in patch if step["path"] == "/metadata/annotations" for key, value in step["value"].items()}
    found.update({step["path"].split("/", 3)[3].replace("~1", "/"): step["value"]
                  for step in patch if step["path"].startswith("/metadata/annotations/")})
    return {key.removeprefix(KEY): value for key, value in found.items()}


def record(server):
    return timed(lambda: server.post("/mutate-velero-io-v1-backup", review("Backup", "kcm-backup-20261121060000", {
        "storageLocation": "aws-s3", "includedNamespaces": ["*"], "excludedResources": ["clusters.cluster.x-k8s.io"],
        "orLabelSelectors": [{"matchLabels": {"k0rdent.mirantis.com/component": "kcm"}}]}, namespace="kcm-system",
        userInfo={"username": "system:serviceaccount:kcm-system:kcm-controller-manager"})))


@shows("a record that cannot be learnt is left out: a management Backup is never refused for it, nor held up")
def _(server):
    api = server.api
    whole = eventually(lambda: (found := recorded(record(server)[0])) and same((found["release"], "cluster-id" in found), ("kcm-1-2-0", True)) or found)
    times = []
    for mode in MODES:
        api.mode = mode
        answer, took = record(server)
        times.append(took)
        less = recorded(answer)
        assert "release" not in less, f"{mode}: {less}"  # it may have changed a moment ago
        same({key: less.get(key) for key in whole if key in ("cluster-id", "restore-exclusions")},
             {key: whole[key] for key in whole if key in ("cluster-id", "restore-exclusions")}, mode)
        assert took < 4, f"{mode}: {took:.1f} s"
        api.mode = "ok"
        eventually(lambda: works(server))
    for refused in ((403, {**STATUS, "code": 403, "reason": "Forbidden"}), (404, {**STATUS, "code": 404, "reason": "NotFound"}),
                    *((200, document) for document in NO_OBJECTS)):
        api.instead = {("GET", "/managements/kcm"): refused}
        try:
            assert "release" not in recorded(record(server)[0]), refused
        finally:
            api.instead = {}
    slow = FakeApi()
    slow.mode = "slow"
    fresh = ServerOf(slow)
    try:
        answer, took = record(fresh)
        same(recorded(answer), {}, "of a replica that knows nothing yet")
        assert took < 4, took
    finally:
        slow.mode = "ok"
        fresh.stop()


@shows("more upgrades than workers beside a slow API server: each is answered before the API server gives up")
def _(server):
    server.api.mode, answers = "slow", []

    def ask():
        try:
            answer, took = timed(lambda: gate(server))
            answers.append((answer.denied(503, "cannot verify the pre-upgrade backup")["status"]["code"], took))
        except Exception as failure:  # noqa: BLE001 - reported below
            answers.append((repr(failure), 99))
    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    answer, took = timed(lambda: server.post(BACKUP, backup_review()))
    same(answer.response()["allowed"], True)
    assert took < 1, f"another review waits {took:.1f} s"
    for thread in threads:
        thread.join()
    server.api.mode = "ok"
    same(len(answers), 20)
    assert max(took for _, took in answers) < 9, answers
    eventually(lambda: works(server))


@shows("an effect that fails is said, and the gate does not tell anyone to wait for it")
def _(server):
    server.api.mode = "ok"
    eventually(lambda: works(server))
    refuse = Handler.do_POST

    def full(handler):
        handler.rfile.read(int(handler.headers["Content-Length"]))
        handler.refuse(403, "Forbidden", "exceeded quota: objects")
    Handler.do_POST = full
    try:
        holds("exceeded quota", server.post(MANAGEMENT, upgrade_review()).denied(503)["status"]["message"])
    finally:
        Handler.do_POST = refuse
    eventually(lambda: server.post(MANAGEMENT, upgrade_review()).denied(429))


# ---- a success that is none ------------------------------------------------------------

K0RDENT = "k0rdent.mirantis.com/v1beta1"
STATUS = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 500, "reason": "InternalError",
          "message": "etcdserver: leader changed"}
NO_OBJECTS = [{}, {"error": "no healthy upstream"}, STATUS, {**STATUS, "status": "Success"}, [], 5, "x", None, True,
              b"", b"<html>", b"{} {}"]


def lists(kind="ManagementBackupList", version=K0RDENT, **parts):
    return {"kind": kind, "apiVersion": version, "metadata": {"resourceVersion": "1"}, "items": [], **parts}


NO_LISTS = [*NO_OBJECTS, {"kind": "ManagementBackupList", "apiVersion": K0RDENT, "metadata": {}},
            *[lists(items=items) for items in (None, {}, 5, "x", [{}], [None], ["x"], [[]], [{"metadata": None}],
                                               [{"metadata": {"name": ""}}], [{"metadata": {"name": 5}}],
                                               [{"metadata": {"name": "a"}, "kind": "Backup"}])],
            lists(metadata=None), lists(metadata=[]), lists(metadata={"remainingItemCount": 3}),
            lists(metadata={"remainingItemCount": "3"}), lists(metadata={"continue": 5}),
            lists(metadata={"continue": "round"}), lists("List"), lists("BackupList"), lists("ReleaseList"),
            lists("ManagementBackup"), lists("ManagementList"), lists(version="k0rdent.mirantis.com/v1"),
            lists(version="v1"), lists(version=None), lists(version=K0RDENT + "x")]


def closed_while(server, method, end, answers):
    """The gate stays closed while that is answered, each time with the reason."""
    for status, document in answers:
        server.api.instead = {(method, end): (status, document)}
        try:
            said = server.post(MANAGEMENT, upgrade_review()).denied(503)["status"]
            assert said["details"]["retryAfterSeconds"] > 0, said
            if method == "GET" and document is STATUS:
                holds("etcdserver: leader changed", said["message"])
        except AssertionError as failure:
            raise AssertionError(f"{method} {end} {status} {document}: {failure}") from None
        finally:
            server.api.instead = {}


@shows("a list that is no list of ManagementBackups is not taken for none: the gate stays closed")
def _(server):
    server.api.mode, server.api.objects = "ok", world()
    eventually(lambda: works(server))
    closed_while(server, "GET", "/managementbackups", [(200, document) for document in NO_LISTS])
    closed_while(server, "GET", "/managementbackups", [(201, lists()), (202, lists()), (204, b"")])
    closed_while(server, "GET", "/managements", [(200, document) for document in [*NO_OBJECTS, lists()]])
    works(server)


@shows("an object that is none, or another one, is not the backup that was asked for")
def _(server):
    name = "kcm-backup-kcm-1-2-0"
    server.api.objects = world()
    server.api.objects["managementbackups"].append(thing("managementbackups", name, metadata={
        "labels": {"k0rdent.mirantis.com/release-backup": "kcm-1-2-0"},
        "creationTimestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}, spec={"storageLocation": "aws-s3"}))
    backup = thing("backups", name, spec={"storageLocation": "aws-s3"}, status={"phase": "Completed"})
    others = [{**backup, "kind": "Restore"}, {**backup, "apiVersion": "velero.io/v2"}, {**backup, "metadata": None},
              {**backup, "metadata": {**backup["metadata"], "name": "other"}},
              {**backup, "metadata": {**backup["metadata"], "namespace": "other"}}]
    eventually(lambda: server.post(MANAGEMENT, upgrade_review()).denied(429))  # and it goes on by itself
    closed_while(server, "GET", "/backups/" + name, [(200, document) for document in [*NO_OBJECTS, *others]])
    server.api.objects = world()


@shows("only the object itself, or the word that it exists, is a backup that was started")
def _(server):
    name, end = "kcm-backup-kcm-1-2-0", "/managementbackups"
    server.api.objects = world()
    eventually(lambda: works(server))
    made = thing("managementbackups", name)

    def conflict(reason, **details):
        return {**STATUS, "code": 409, "reason": reason, "details": details}
    closed_while(server, "POST", end, [(status, document) for status in (200, 201) for document in [
        *NO_OBJECTS, {**made, "kind": "Backup"}, {**made, "metadata": {"name": "other"}}]])
    closed_while(server, "POST", end, [(202, made), (202, STATUS), (204, b""), (302, b"")])
    closed_while(server, "POST", end, [(409, document) for document in [
        *NO_OBJECTS, conflict("Conflict", name=name), conflict("AlreadyExists"), conflict("AlreadyExists", name="other"),
        made]])
    for status, document in ((200, made), (201, made), (409, conflict("AlreadyExists", name=name))):
        server.api.instead = {("POST", end): (status, document)}
        server.post(MANAGEMENT, upgrade_review()).denied(429)
    server.api.instead = {}


@shows("discovery that is none does not say that a CRD is absent")
def _(server):
    groups = [*NO_OBJECTS, {"kind": "APIResourceList", "groupVersion": K0RDENT},
              {"kind": "APIResourceList", "groupVersion": K0RDENT, "resources": None},
              {"kind": "APIResourceList", "groupVersion": "velero.io/v1", "resources": []}]
    for document in groups:
        other = FakeApi()
        other.instead = {("GET", K0RDENT): (200, document)}
        fresh = ServerOf(other)
        try:
            eventually(lambda: holds(": discover k0rdent.mirantis.com: ", fresh.get("/readyz?verbose")[1]))
            assert fresh.get("/readyz")[0] == 503, document
            fresh.post(MANAGEMENT, upgrade_review()).denied(503)
            other.instead = {}
            eventually(lambda: same(fresh.get("/readyz")[0], 200), 40)
        finally:
            fresh.stop()


@shows("a name that is a path is refused as a name, at once, and asked for nowhere")
def _(server):
    server.api.objects = world()
    for release in ("a/b", "..", ".", "%2e%2e/x", "x" * 300, "a?b", "\n"):
        before = len(server.api.asked)
        status = server.post(MANAGEMENT, upgrade_review(release)).denied(422, "not a valid Release name")["status"]
        same(status["details"]["causes"][0]["field"], "spec.release")
        asked = [path for path in server.api.asked[before:] if "/releases/" in path]
        assert not asked or release in ("a?b", "\n"), asked  # which are escaped, and stay a name
    for name in ("..", "a/b", "%2e%2e/x"):
        asked = backup_review(location=name)
        server.post(BACKUP, asked).denied(422, "no BackupStorageLocation")
    same([path for path in server.api.asked if ".." in path or "%2" in path], [], "paths")


@shows("a silent API server does not hold up the end")
def _(server):
    silent = FakeApi()
    silent.mode = "slow"
    other = ServerOf(silent)
    time.sleep(0.5)  # lists are under way
    took = timed(other.stop)[1]
    silent.mode = "ok"
    assert took < 8, f"{took:.1f} s"


api = FakeApi()
@shows("300 different upgrades without a backup, and 200 denials, while no Event can be written: each is told of, in an Event or counted in one, and logged")
def _(*_fixtures):
    api = FakeApi()
    server = ServerOf(api)
    eventually(lambda: same(server.get("/readyz")[0], 200), 30)
    api.events_free.clear()

    def skipping(name):
        asked = upgrade_review("kcm-1-3-0")
        for part in (asked["request"], asked["request"]["object"]["metadata"], asked["request"]["oldObject"]["metadata"]):
            part["name"] = name
        asked["request"]["object"]["metadata"]["annotations"] = {
            "backstop.k0rdent.mirantis.com/skip-pre-upgrade-backup": "because"}
        return asked
    with server.client() as client:
        for i in range(300):
            same(client.post(MANAGEMENT, skipping(f"management-{i}")).response()["allowed"], True)
            if i < 200:
                client.post(BACKUP, backup_review(name=f"denied-{i}", schedule="0 9 * * 7")).denied(422)
    coalesced = server.metric('backstop_events_total{result="coalesced"}')
    assert 200 <= coalesced <= 300, coalesced
    api.events_free.set()
    server.stop()  # what waits is written, whatever the rate
    events = [e for e in api.objects["events"] if e["reason"] == "UpgradeWithoutBackup"]
    assert any("more about other objects: see the webhook's log)" in e["note"] for e in events), events[-1]
    logged = {line["about"] for line in server.log_lines("cannot write Event") if line["event"] == "UpgradeWithoutBackup"}
    told = {e["regarding"]["name"] for e in events} | logged
    same(len([name for name in told if name.startswith("management-")]), 300, "told of")
    assert len(events) <= 100, len(events)
    api.server.shutdown()


main(ServerOf(api))
