#!/usr/bin/env python3
"""server.py BINARY ALLOCATOR.so [SAMPLES]: allocations fail in a running webhook, over TLS.

They fail once a connection stands: in a handshake GnuTLS computes by libgmp, which ends the
process when it gets no memory, and reads certificates by libtasn1, which crashes. Each answer
is the right one, or a refusal with 500, or the connection ends; the webhook goes
on, answers rightly afterwards and keeps no memory. WIRE_CERTS as in tests/wire/run.sh.
"""
import json
import mmap
import os
import struct
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "wire"))
from libwire import *  # noqa: E402,F403

REQUESTS = [
    ("good ManagementBackup", BACKUP, backup_review()),
    ("denied ManagementBackup", BACKUP, backup_review(schedule="0 9 * * 7", location="aws-s4")),
    ("Restore", RESTORE, review("Restore", "r", {"backupName": "missing"}, namespace="kcm-system")),
    ("upgrade", MANAGEMENT, upgrade_review(dryRun=True)),
]
LEFT_BEHIND = 64  # blocks that caches and sessions may come to hold


class Control:
    """The page that the allocator maps: countdown, forever, made, live, failed."""

    def __init__(self):
        self.file = tempfile.NamedTemporaryFile()
        self.file.write(bytes(40))
        self.file.flush()
        self.page = mmap.mmap(self.file.fileno(), 40)

    def value(self, index):
        return struct.unpack_from("<q", self.page, 8 * index)[0]

    def fail(self, number, forever=False):
        struct.pack_into("<q", self.page, 8, int(forever))
        struct.pack_into("<q", self.page, 0, number)

    def made(self):
        return self.value(2)

    def live(self):
        return self.value(3)


def judge(answer, right):
    """right, refused, or what was answered instead."""
    if answer.status == right.status and answer.body == right.body:
        return "right"
    if answer.status >= 500 or answer.status == 429:  # no memory for the body is overload
        return "refused"
    try:
        response = answer.json()["response"]
    except (ValueError, KeyError):
        return f"WRONG: {answer.status} {answer.body[:200]!r}"
    refused = not response["allowed"] and response["status"]["code"] in (500, 503)
    return "refused" if refused else f"WRONG: {answer.body[:300]!r}"


def tried(server, control, path, asked, right, failing):
    try:
        with server.client(timeout=5) as client:
            control.fail(*failing)
            return judge(client.post(path, asked), right)
    except (OSError, http.client.HTTPException, ssl.SSLError):
        return "cut"


def ended(server, outcome):
    """Whether the webhook is gone; a crash takes a moment to be seen."""
    if outcome == "cut":
        time.sleep(0.02)
    return server.process.poll() is not None


def torture_request(server, control, name, path, asked, samples):
    right = server.post(path, asked)
    with server.client() as client:
        before = control.made()
        client.post(path, asked)
        allocations = control.made() - before
    counts = {}
    stride = max(1, allocations // samples)
    for number in range(1, allocations + 1, stride):
        for forever in (False, True) if number // stride % 8 == 0 else (False,):
            outcome = tried(server, control, path, asked, right, (number, forever))
            control.fail(0)
            if outcome.startswith("WRONG"):
                print(f"FAIL  {name}: allocation {number} of {allocations}: {outcome}")
                outcome = "WRONG"
            counts[outcome] = counts.get(outcome, 0) + 1
            if ended(server, outcome):
                sys.exit(f"FAIL  {name}: the webhook ended at allocation {number} ({server.process.returncode}):\n"
                         + server.log()[-2000:])
    same(judge(server.post(path, asked), right), "right", "the answer afterwards")
    print(f"{name:<26}{allocations:>6} allocations, {sum(counts.values()):>5} tried: " + ", ".join(
        f"{count} {outcome}" for outcome, count in sorted(counts.items())))
    return "WRONG" not in counts


def main(binary, allocator, samples="150"):
    control = Control()
    server = Server(environment={"LD_PRELOAD": os.path.abspath(allocator), "TORTURE_CONTROL": control.file.name})
    for _, path, asked in REQUESTS * 3:
        server.post(path, asked)
    time.sleep(1)
    live = control.live()
    fine = [torture_request(server, control, *request, int(samples)) for request in REQUESTS]

    def settled():
        assert control.live() - live < LEFT_BEHIND, f"{control.live() - live} blocks were left behind"
    eventually(settled, 15)
    same(server.get("/readyz")[0], 200, "/readyz")
    server.stop()
    if not all(fine):
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
