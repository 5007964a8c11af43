"""Commands over many objects: bounded memory, and time that grows as their number does."""
import os
import resource

from libapi import BY_VELERO, FakeApi, Handler, ServerOf, thing as served
from libbackup import archive, thing
from libwire import *

SANITIZED = any(word in BINARY for word in ("asan", "tsan", "ubsan"))
MANY = 10000 if SANITIZED else 50000
MEMORY = 64 * 1024  # KiB
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TEXT = "x" * 1500  # 20,000 of these alone are half of MEMORY


def contents(path, count):
    return archive(path, *(("configmaps", thing("v1", "ConfigMap", f"config-{i:05}", f"team-{i % 40:02}", data={
        "n": str(i), "text": TEXT})) for i in range(count)), level=1)


def measure(*arguments):
    """(seconds of CPU, KiB at most, exit status, the JSON that was printed)"""
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen([BINARY, *arguments, "-o", "json"], stdout=out, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        return used.ru_utime + used.ru_stime, used.ru_maxrss, process.returncode, json.loads(out.read() or "null")


def grows(half, whole, memory):
    """The second has twice the objects of the first. Answers with what the second printed."""
    seconds, kib, code, report = measure(*whole)
    before = min(measure(*half)[0] for _ in range(2))
    seconds = min(seconds, measure(*whole)[0])
    assert seconds < 3 * before, f"{seconds:.2f} s, and {before:.2f} s for half of it"
    assert SANITIZED or kib < memory, f"{kib} KiB"
    return code, report


def backups(path, count):
    with open(path, "w") as file:
        json.dump({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"name": f"b-{i:05}", "namespace": "kcm-system"},
             "spec": {"storageLocation": "aws-s3"}, "status": {"phase": "Completed", "completionTimestamp": "2026-11-21T02:00:00Z"}}
            for i in range(count)]}, file)
    return path


@shows("20,000 objects take less than 64 MiB, and not much more than twice the time of 10,000")
def _(_):
    with tempfile.TemporaryDirectory() as folder:
        half, whole = (contents(f"{folder}/{count}.tar.gz", count) for count in (10000, 20000))
        code, report = grows(("rehearse", "--contents", half), ("rehearse", "--contents", whole), MEMORY)
        same((code, report["total"], report["counts"]), (2, 20000, {"to be restored": 20000}))


@shows(f"{MANY} Backups in one list are all judged, in less than 96 MiB and not much more than twice the time of half of them")
def _(_):
    rest = f"{ROOT}/tests/golden/status/ready/inventory.yaml"
    with tempfile.TemporaryDirectory() as folder:
        half, whole = ([word for file in (backups(f"{folder}/{count}.json", count), rest) for word in ("--inventory", file)]
                       for count in (MANY // 2, MANY))
        command = ("status", "--now", "2026-11-21T03:00:00Z")
        code, report = grows((*command, *half), (*command, *whole), 96 * 1024)
        alone = measure(*command, "--inventory", rest)[3]
        same((code, report["ready"], report["audit"]["reviewed"]), (0, True, MANY + alone["audit"]["reviewed"]))
        with open(whole[1], "r+") as file:
            file.truncate(MANY * 100)
        same(measure(*command, *whole)[2:], (2, None))


BACKUP_TEXT = json.dumps(served("backups", "@", metadata={"managedFields": BY_VELERO}, spec={
    "storageLocation": "aws-s3", "includedNamespaces": ["*"], "excludedResources": ["clusters.cluster.x-k8s.io"],
    "orLabelSelectors": [{"matchLabels": {"cluster.x-k8s.io/provider": f"infrastructure-{n}"}} for n in "ab"]},
    status={"phase": "Completed", "startTimestamp": "2026-01-01T00:00:00Z"})).encode()


class PagedHandler(Handler):
    """Backups in pages, as many as the stand-in has."""

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if not path.endswith("/backups") or "watch=true" in query:
            return super().do_GET()
        found = dict(part.split("=") for part in query.split("&") if part)
        at, limit = int(found.get("continue", 0)), int(found["limit"])
        to = min(self.api.backups, at + limit)
        more = b',"continue":"%d"' % to if to < self.api.backups else b""
        items = b",".join(BACKUP_TEXT.replace(b"@", b"backup-%06d" % i) for i in range(at, to))
        return self.say(200, b'{"kind":"BackupList","apiVersion":"velero.io/v1","metadata":{"resourceVersion":"9"%s},"items":[%s]}'
                        % (more, items))


def follow(count):
    """KiB at most of a server that follows so many Backups of an API server."""
    api = FakeApi(PagedHandler)
    api.backups = count
    server = ServerOf(api)
    eventually(lambda: holds(f'"objects":{count}', server.log()), 60)
    # /metrics, which judges them all for its verdict, is not asked: its memory is not meant here.
    with open(f"/proc/{server.process.pid}/status") as file:
        most = int(re.search(r"VmHWM:\s+(\d+)", file.read())[1])
    server.stop()
    return most


@shows(f"{MANY} Backups of an API server are followed in 620 bytes each, whatever their pages hold")
def _(_):
    few, many = 1000, MANY
    least, most = follow(few), follow(many)
    each = (most - least) * 1024 / (many - few)
    assert SANITIZED or each < 620, f"{each:.0f} bytes of memory for each: {least} KiB with {few}, {most} KiB with {many}"


def nested(depth, value):
    for level in range(depth):
        value = {f"level-{level}": value}
    return value


def block(value, indent=0, lead=None):
    """A tree as lines of YAML, as kubectl prints them."""
    lead = " " * indent if lead is None else lead
    if isinstance(value, dict) and value:
        for key, member in value.items():
            if isinstance(member, (dict, list)) and member:
                yield f"{lead}{key}:"
                yield from block(member, indent + (2 if isinstance(member, dict) else 0))
            else:
                yield f"{lead}{key}: {json.dumps(member)}"
            lead = " " * indent
    elif isinstance(value, list) and value:
        for item in value:
            yield from block(item, indent + 2, " " * indent + "- ")
    else:
        yield lead + json.dumps(value)


def management(config=None, metadata=None, **more):
    return {"apiVersion": "k0rdent.mirantis.com/v1beta1", "kind": "Management", "metadata": {"name": "kcm", **(metadata or {})},
            "spec": {"release": "kcm-1-2-0", "core": {"kcm": {"config": config or {}}}}, **more}


def large():
    yield "small values", management({f"key-{i:06}": f"v{i}" for i in range(90000)})
    yield "one text", management({"text": "x" * 2000000})
    yield "a list", management({"list": [f"item-{i:06}" for i in range(120000)]})
    yield "small objects", management({"list": [{"name": f"n{i}"} for i in range(100000)]})
    yield "deep objects", management({f"branch-{i}": nested(60, i) for i in range(1200)})
    yield "a status", management(status={"components": {f"c{i:06}": {"success": True, "template": f"t{i}"} for i in range(40000)}})
    yield "managedFields", management(metadata={"managedFields": [
        {"manager": "m", "operation": "Update", "fieldsV1": {f"f:key-{i:06}": {} for i in range(90000)}}]})


def velero(kind, **spec):
    return {"apiVersion": "velero.io/v1", "kind": kind, "metadata": {"name": "b", "namespace": "kcm-system"}, "spec": spec}


def core(kind, **more):
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "c", "namespace": "kcm-system"}, **more}


def full():
    """Objects that are full of what policies read, or of what they refuse: (name, object, exit status, multiple of the text)"""
    selectors = [{"matchLabels": {"a": f"v{i:06}"}} for i in range(70000)]
    expressions = [{"key": "a", "operator": "In", "values": [f"v{i:06}"]} for i in range(40000)]
    providers = management()
    providers["spec"]["providers"] = [{"name": f"provider-{i:06}"} for i in range(90000)]
    yield "providers", providers, 0, 8
    yield "annotations", management(metadata={"annotations": {f"example.com/a-{i:06}": f"value-{i}" for i in range(63000)}}), 0, 6
    yield "keys of a ConfigMap", core("ConfigMap", data={f"key-{i:06}": f"v{i}" for i in range(95000)}), 0, 7
    yield "keys of a Secret", core("Secret", data={f"key-{i:06}": "aGVsbG8=" for i in range(80000)}), 0, 14
    yield "namespaces", velero("Backup", includedNamespaces=[f"ns{i}" for i in range(200000)]), 1, 6
    yield "selectors", velero("Backup", storageLocation="a", orLabelSelectors=selectors), 0, 6
    yield "expressions", velero("Backup", storageLocation="a", labelSelector={"matchExpressions": expressions}), 0, 6
    yield "labels", velero("Backup", storageLocation="a", labelSelector={
        "matchLabels": {f"a{i:06}": f"v{i:06}" for i in range(100000)}}), 0, 17
    yield "hooks", velero("Restore", backupName="b", hooks={"resources": [{"name": f"h{i:06}"} for i in range(90000)]}), 0, 7
    yield "a mapping", velero("Restore", backupName="b", namespaceMapping={f"ns{i:06}": f"to{i:06}" for i in range(90000)}), 0, 6
    yield "unknown fields", velero("Backup", storageLocation="a", **{f"key-{i:06}": f"v{i}" for i in range(95000)}), 1, 26


@shows("an object full of what policies read takes no more memory than its row allows, and seconds; each cause has its line")
def _(_):
    if SANITIZED:
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, tree, code, times in full():
            for end, written in (("json", json.dumps(tree, indent=1)), ("yaml", "\n".join(block(tree)) + "\n")):
                with open(f"{folder}/{end}", "w") as file:
                    file.write(written)
                most = 2 * 1024 * 1024 + times * len(written)
                done = subprocess.run(["timeout", "60", BINARY, "review", "-f", f"{folder}/{end}"], stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True,
                                      preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (most, most)))
                same((name, end, done.returncode, done.stdout[:300] if done.returncode != code else ""), (name, end, code, ""))
            if name == "unknown fields":
                lines = [int(line) for line in re.findall(r"yaml:(\d+)  spec\.key-", done.stdout)]
                same(lines, list(range(lines[0], lines[0] + 100)))
        written = json.dumps(next(full())[1])
        with open(f"{folder}/old.json", "w") as file:
            file.write(written)
        with open(f"{folder}/new.json", "w") as file:
            file.write(written.replace("provider-000000", "another"))
        started = time.monotonic()
        done = subprocess.run(["timeout", "60", BINARY, "review", "-f", f"{folder}/new.json", "--old", f"{folder}/old.json"],
                              stdout=subprocess.PIPE, text=True)
        same(done.returncode, 0)
        assert time.monotonic() - started < 30, "each name of a list was compared with each of the other"


def greedy():
    """Reviews of 2 MB that hold as many objects as possible where a policy looks at each: (name, path, spec)"""
    nothing = [{}] * 600000
    selector = {f"a{i:06}": f"v{i:06}" for i in range(100000)}
    yield "hooks", "Restore", {"backupName": "b", "hooks": {"resources": [{"name": "h", "postHooks": nothing}]}}
    yield "selectors", "Restore", {"backupName": "b", "orLabelSelectors": nothing}
    yield "resources of hooks", "Backup", {"hooks": {"resources": nothing}}
    yield "labels", "Backup", {"labelSelector": {"matchLabels": selector}}
    yield "unknown fields", "Backup", selector


@shows("no review takes more than 64 MiB, however many objects its 2 MB hold; one that would is refused")
def _(_):
    refused = []
    for name, kind, spec in greedy():
        server = Server()
        path = RESTORE if kind == "Restore" else "/validate-velero-io-v1-backup"
        answer = server.post(path, review(kind, "b", spec, namespace="kcm-system")).response()
        if answer.get("status", {}).get("code") == 500:
            holds("this review needs more memory than one review may use: make the object smaller", answer["status"]["message"])
            refused.append(name)
        with open(f"/proc/{server.process.pid}/status") as file:
            most = int(re.search(r"VmHWM:\s+(\d+)", file.read())[1])
        assert SANITIZED or most < 64 * 1024, f"{name}: {most} KiB"
        server.post(BACKUP, backup_review()).response()
        server.stop()
    holds("hooks", refused)


@shows("a Management of 2 MB takes six times its size to review, whatever is in it; so does an update, and each of several")
def _(_):
    if SANITIZED:
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, tree in large():
            text, yaml = json.dumps(tree), "\n".join(block(tree)) + "\n"
            for end, written in (("json", text), ("yaml", yaml), ("several.yaml", f"---\n{yaml}" * 3)):
                with open(f"{folder}/{end}", "w") as file:
                    file.write(written)
            for size, words in ((len(text), ["json"]), (len(yaml), ["yaml"]), (3 * len(yaml), ["several.yaml"]),
                                (2 * len(text), ["json", "--old", f"{folder}/json"])):
                most = 2 * 1024 * 1024 + 6 * size
                done = subprocess.run([BINARY, "review", "-f", f"{folder}/{words[0]}", *words[1:]], stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True,
                                      preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (most, most)))
                same((name, words[0], done.returncode), (name, words[0], 0))


class Nothing:
    def stop(self):
        pass


main(Nothing())
