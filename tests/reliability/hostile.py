#!/usr/bin/env python3
"""Hostile clients against one server while good ones go on. Usage: hostile.py BINARY [WORD...]

For each attack: what it was answered, the server's memory before, at its peak and after, the CPU it
took, and how long two good clients waited meanwhile: one on a connection it keeps, as the API server
does, one that connects anew each time. Fails when a review on the kept connection fails, when memory
passes the limit of the shipped Deployment, or when it does not come back in the end. A good client
may be told to come again (429) for the moment in which slow bodies take all places."""
import re
import sys
import time

import place

place.make_certificates()
place.many_descriptors(20000)

from libwire import BACKUP, Client, Server, backup_review, json  # noqa: E402
import attacks  # noqa: E402

REQUEST_TIMEOUT = 3
with open(place.ROOT + "/manifests/install.yaml") as manifest:
    LIMIT_KIB = int(re.search(r"limits:\s+memory: (\d+)Mi", manifest.read())[1]) * 1024
BODY = json.dumps(backup_review()).encode()


class Kept:
    """One connection, opened anew when it was closed between two requests."""

    def __init__(self, port):
        self.port, self.client = port, None

    def __call__(self):
        self.client = self.client or Client(self.port)
        answer = self.client.post(BACKUP, BODY)
        return None if answer.status == 200 else f"HTTP {answer.status}"


class Anew:
    def __init__(self, port):
        self.port = port

    def __call__(self):
        with Client(self.port, timeout=5) as client:
            answer = client.post(BACKUP, BODY)
        return None if answer.status == 200 else f"HTTP {answer.status}"


def measure(server, run):
    pid = server.process.pid
    kept, anew = place.Aside(Kept(server.port)), place.Aside(Anew(server.port), 0.05)
    before, spent, began = place.status_kib(pid, "VmRSS"), place.cpu_seconds(pid), time.monotonic()
    with place.Peak(pid) as peak, kept, anew:
        answer = run(server)
    seconds, spent = time.monotonic() - began, place.cpu_seconds(pid) - spent
    settled = time.monotonic() + 4  # what is freed goes back to the kernel two seconds later
    while place.status_kib(pid, "VmRSS") > before + 1024 and time.monotonic() < settled:
        time.sleep(0.1)
    return {"answer": answer, "before": before, "peak": max(peak.kib, before),
            "after": place.status_kib(pid, "VmRSS"), "cpu": spent / seconds * 100, "seconds": seconds,
            "kept": kept, "anew": anew}


def row(name, m):
    def wait(aside):
        failed = f", {len(aside.problems)} failed" if aside.problems else ""
        return f"{aside.at(.5):.1f} / {aside.at(.99):.1f} / {aside.at(1):.0f} of {len(aside.kept)}{failed}"
    return (f"| {name} | {m['answer']} | {m['before'] / 1024:.1f} / {m['peak'] / 1024:.1f} / {m['after'] / 1024:.1f} | "
            f"{m['cpu']:.0f} % of {m['seconds']:.0f} s | {wait(m['kept'])} | {wait(m['anew'])} |")


def main():
    words = sys.argv[2:]
    server = Server("--request-timeout", f"{REQUEST_TIMEOUT}s", "--tls-min-version", "1.2", "--log-reviews=false")
    print("| input | answer | memory MiB: before / peak / after | CPU | good client, kept connection: "
          "p50 / p99 / slowest ms | good client, new connection each: the same |\n|---|---|---|---|---|---|")
    failed, first = [], place.status_kib(server.process.pid, "VmRSS")
    print(row("nothing, 5 s", measure(server, lambda _: time.sleep(5) or "")), flush=True)
    for name, run in attacks.ATTACKS:
        if words and not any(word in name for word in words):
            continue
        m = measure(server, run)
        print(row(name, m), flush=True)
        kept = m["kept"]
        if set(kept.problems) - {"HTTP 429"} or len(kept.problems) > len(kept.kept) / 10:
            failed.append(f"{name}: {len(kept.problems)} of {len(kept.kept)} failed: {sorted(set(kept.problems))[:3]}")
        if m["anew"].problems:
            print(f"<!-- new connections: {sorted(set(m['anew'].problems))[:3]} -->")
        if m["peak"] > LIMIT_KIB:
            failed.append(f"{name}: {m['peak']} KiB is above the Deployment's limit")
    last = place.status_kib(server.process.pid, "VmRSS")
    print(f"\nMemory at the start {first / 1024:.1f} MiB, at the end {last / 1024:.1f} MiB.")
    if last > first + 16 * 1024:
        failed.append(f"memory stays at {last} KiB")
    server.stop()
    for problem in failed:
        print("FAIL  " + problem)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
