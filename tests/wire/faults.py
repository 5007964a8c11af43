"""What the system refuses: room on the disk, somebody who reads the log, descriptors, memory."""
from libwire import *

SETTINGS = "apiVersion: backstop.k0rdent.mirantis.com/v1alpha1\nkind: Settings\n"
HEAD = f"POST {BACKUP} HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\n"


def limited(*limits):
    """A command that runs another under ulimit."""
    return ["sh", "-c", "; ".join(f"ulimit {limit}" for limit in limits) + '; exec "$@"', "sh"]


def served(server, seconds=2):
    began = time.monotonic()
    server.post(BACKUP, backup_review()).response()
    took = time.monotonic() - began
    assert took < seconds, f"a review took {took:.2f} s"


# ---- the log ----------------------------------------------------------------------------

@shows("with a full disk under the log reviews go on, and the lost lines are counted")
def _(server):
    full = Server(log=open("/dev/full", "w"))
    for _ in range(20):
        served(full)
    assert full.metric("backstop_log_lines_lost_total") >= 20, full.metric("backstop_log_lines_lost_total")
    full.stop()


@shows("a log that nobody reads holds up no review; when it is read again it says how much was lost")
def _(server):
    reading, writing = os.pipe()
    stalled = Server(log=os.fdopen(writing, "w"))
    with stalled.client() as client:
        for _ in range(400):  # some 400 bytes each; a pipe takes 64 KiB
            began = time.monotonic()
            client.post(BACKUP, backup_review()).response()
            took = time.monotonic() - began
            assert took < 1, f"a review took {took:.2f} s"
        lost = stalled.metric("backstop_log_lines_lost_total")
        assert lost >= 100, lost
        os.set_blocking(reading, False)
        text = b""

        def told():
            nonlocal text
            try:
                text += os.read(reading, 1 << 20)
            except BlockingIOError:
                pass
            client.post(BACKUP, backup_review()).response()
            assert b"log lines were lost" in text, text[-300:]
        eventually(told)
        note = next(line for line in text.decode().splitlines() if "log lines were lost" in line)
        assert json.loads(note)["lines"] >= 100, note
        for line in text.decode().splitlines()[:-1]:
            json.loads(line)  # none is torn
    os.close(reading)  # and now nobody ever will
    served(stalled)
    stalled.stop()


# ---- files ------------------------------------------------------------------------------

@shows("settings that a full disk left empty are not taken for the defaults")
def _(server):
    kept = Server(settings=SETTINGS + "upgrade:\n  gate: false\n")
    kept.write("settings.yaml", "")
    eventually(lambda: holds("the last good settings are still in use", kept.get("/readyz?verbose")[1]))
    same(kept.post(MANAGEMENT, upgrade_review(dryRun=True)).response()["allowed"], True)
    kept.write("settings.yaml", SETTINGS)
    eventually(lambda: kept.post(MANAGEMENT, upgrade_review(dryRun=True)).denied(403))
    kept.stop()


@shows("SIGHUP has inventory files read at once")
def _(server):
    before = len(server.log_lines("inventory loaded"))
    folder = os.path.realpath(server.inventory)
    real = server.path("elsewhere.yaml")
    with open(real, "w") as file:
        file.write(LOCATION % "aws-s9")
    os.symlink(real, folder + "/linked.yaml")
    eventually(lambda: same(len(server.log_lines("inventory loaded")) > before, True))
    server.signal(signal.SIGHUP)
    asked = backup_review(location="aws-s9")
    eventually(lambda: same(server.post(BACKUP, asked).response()["allowed"], True))


# ---- descriptors ------------------------------------------------------------------------

@shows("with few file descriptors there are fewer connections, and all else goes on")
def _(server):
    few = Server(before=limited("-n 200"), settings=SETTINGS)
    line = few.log_lines("fewer connections than asked for: file descriptors are limited")[0]
    most = line["connections"]
    assert 8 <= most < 200 and line["level"] == "warn", line
    crowd = [socket.create_connection(("127.0.0.1", few.port), timeout=5) for _ in range(300)]
    for _ in range(10):
        eventually(lambda: served(few), 5)
    few.write("settings.yaml", SETTINGS + "upgrade:\n  gate: false\n")
    eventually(lambda: same(few.post(MANAGEMENT, upgrade_review(dryRun=True)).response()["allowed"], True))
    few.write("inventory/more.yaml", LOCATION % "aws-s4")
    eventually(lambda: same(few.post(BACKUP, backup_review(location="aws-s4")).response()["allowed"], True))
    same(few.get("/readyz")[0], 200)
    for one in crowd:
        one.close()
    few.stop()


@shows("with too few file descriptors it says so and does not start")
def _(server):
    done = subprocess.run([*limited("-n 100"), BINARY, "serve", "--listen", "127.0.0.1:0", "--health-listen", "", "--tls-cert",
                           CERTS + "/tls.crt", "--tls-key", CERTS + "/tls.key"], capture_output=True, text=True)
    same(done.returncode, 2, done.stderr)
    holds("only 100 file descriptors are allowed", done.stderr)


# ---- memory -----------------------------------------------------------------------------

def address_space(server):
    with open(f"/proc/{server.process.pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmSize:"))


def least_memory():
    """A server with some MiB more than it needs to start."""
    for mib in range(40, 400, 10):
        try:
            Server(before=limited(f"-v {mib * 1024}")).stop()
            return Server(before=limited(f"-v {(mib + 10) * 1024}"))
        except RuntimeError:
            pass
    raise AssertionError("it does not start with 400 MiB")


def answer_of(client):
    try:
        answer = client.answer()
        return answer.status if answer.status != 200 else answer.json()["response"].get("status", {}).get("code", 200)
    except (OSError, http.client.HTTPException):
        return "closed"


@shows("without memory large reviews are refused, and the others go on")
def _(server):
    if address_space(server) > 8 << 20:
        return  # a sanitizer's shadow does not fit under any limit
    tight, answers = least_memory(), set()
    data = json.dumps(backup_review()).encode() + b" " * (6 << 20)
    head = HEAD + f"Content-Length: {len(data)}\r\n\r\n"
    for _ in range(3):
        clients = []
        for _ in range(12):
            try:
                clients.append(tight.client(timeout=10))
                clients[-1].send(head.encode() + data[:-1])
            except OSError:
                answers.add("closed")
        for client in clients:
            try:
                client.send(data[-1:])
            except OSError:
                pass
            answers.add(answer_of(client))
            client.close()
        eventually(lambda: served(tight), 5)
    # Alone, since a handshake beside it that finds not a byte left ends the process inside libtasn1 or GMP.
    big = json.dumps(review("Restore", "large", {"backupName": "b", "includedResources": [
        f"r{i}" for i in range(300000)]}, namespace="kcm-system")).encode()
    for _ in range(3):
        with tight.client(timeout=10) as client:
            client.send(HEAD.replace(BACKUP, RESTORE).encode() + f"Content-Length: {len(big)}\r\n\r\n".encode() + big)
            answers.add(answer_of(client))
        eventually(lambda: served(tight), 5)
    assert tight.process.poll() is None, f"it ended: {tight.process.poll()}"
    assert answers & {429, 500, 503, "closed"}, f"nothing was short: {answers}"
    assert answers <= {200, 422, 429, 500, 503, "closed"}, answers
    tight.stop()


main(Server())
