#!/usr/bin/env python3
"""Mixed load with faults, for SOAK_SECONDS (1800). Usage: soak.py BINARY

Clients ask for reviews of all kinds; meanwhile files are rewritten, well and badly, certificates
change, SIGHUPs come, the log's reader stands still, and rude clients try their luck. Once a second
it is noted what the server holds. Memory, descriptors and threads must be flat in the end: a line
is fitted through the lowest value of each of thirty windows, the first fifth left out."""
import os
import shutil
import sys
import tempfile
import time

import place

certificates = place.make_certificates()
place.many_descriptors(8192)

import soak_load  # noqa: E402
from libwire import CERTS, FACTS, OTHER_CERTS, Server  # noqa: E402
from soak_faults import Faults, LogReader, SETTINGS  # noqa: E402

SECONDS = int(os.environ.get("SOAK_SECONDS", "1800"))
RATE = int(os.environ.get("SOAK_RATE", "250"))
PROCESSES, WINDOWS, EVERY = 4, 30, 3.0
ALLOWED = {"rss": 1024, "fds": 3, "threads": 0.5}  # growth of the fitted line over the run: KiB, descriptors, threads


class Sample:
    def __init__(self, server, counters, began):
        pid = server.process.pid
        self.at = time.monotonic() - began
        self.rss, self.high = place.status_kib(pid, "VmRSS"), place.status_kib(pid, "VmHWM")
        self.threads, self.fds = threads_of(pid), place.descriptors(pid)
        self.cpu = place.cpu_seconds(pid)
        self.calls, self.busy, self.errors = counters.calls.value, counters.busy.value, counters.errors.value


def threads_of(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def growth(values):
    """What the least-squares line through them grows by from first to last."""
    n = len(values)
    middle, mean = (n - 1) / 2, sum(values) / n
    spread = sum((i - middle) ** 2 for i in range(n))
    return sum((i - middle) * (v - mean) for i, v in enumerate(values)) / spread * (n - 1) if spread else 0.0


def windows(samples):
    size = SECONDS / WINDOWS
    parts = [[s for s in samples if size * i <= s.at < size * (i + 1)] for i in range(WINDOWS)]
    return [part for part in parts if part]


def curve(parts):
    print("| minutes | reviews/s | CPU | resident MiB: low / high | most ever | descriptors | threads | 429 | errors |\n"
          "|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for before, part in zip([None] + parts, parts):
        first, last = (before or part)[-1 if before else 0], part[-1]
        seconds = max(last.at - first.at, 0.001)
        print(f"| {last.at / 60:.1f} | {(last.calls - first.calls) / seconds:.0f} | "
              f"{(last.cpu - first.cpu) / seconds * 100:.0f} % | {min(s.rss for s in part) / 1024:.1f} / "
              f"{max(s.rss for s in part) / 1024:.1f} | {last.high / 1024:.1f} | {min(s.fds for s in part)} - "
              f"{max(s.fds for s in part)} | {min(s.threads for s in part)} - {max(s.threads for s in part)} | "
              f"{last.busy} | {last.errors} |")


def verdict(parts):
    """Prints one line each; true when all are flat."""
    parts, fine = parts[len(parts) // 5:], True
    for what, most in ALLOWED.items():
        grown = growth([min(getattr(s, what) for s in part) for part in parts])
        fine &= grown <= most
        print(f"{what}: the lowest values grow by {grown:+.1f} (at most {most} is flat)")
    return fine


def main():
    pair, log, counters = tempfile.mkdtemp(prefix="soak-pair-"), LogReader(), soak_load.Counters()
    for name in ("tls.crt", "tls.key"):
        shutil.copy(f"{CERTS}/{name}", pair)
    server = Server("--tls-cert", pair + "/tls.crt", "--tls-key", pair + "/tls.key", "--request-timeout", "3s",
                    "--simulate-backups", "10s", facts=FACTS, settings=SETTINGS, log=log.writing)
    log.start()
    faults = Faults(server, pair, (CERTS, OTHER_CERTS), log)
    clients = soak_load.start(server.port, (CERTS, OTHER_CERTS), PROCESSES, RATE, counters)
    began, samples = time.monotonic(), []
    faults.start(EVERY)
    while time.monotonic() - began < SECONDS and server.process.poll() is None:
        samples.append(Sample(server, counters, began))
        time.sleep(max(0.0, began + len(samples) - time.monotonic()))
    faults.stop()
    counters.stopping.set()
    for client in clients:
        client.join(10)
    server.stop()
    shutil.rmtree(pair)
    shutil.rmtree(certificates)
    parts = windows(samples)
    print(f"{SECONDS} s, {counters.calls.value:,} reviews, {counters.errors.value} errors, {counters.busy.value} told to "
          f"come again (429); {sum(faults.done.values())} faults: "
          + ", ".join(f"{count} x {name}" for name, count in sorted(faults.done.items())))
    print(f"log: {log.lines:,} lines read\n")
    curve(parts)
    print()
    while not counters.texts.empty():
        print("error:", counters.texts.get())
    for text in faults.problems:
        print("fault not injected:", text)
    good = verdict(parts) and counters.errors.value == 0 and not faults.problems
    print("flat, no errors" if good else "NOT flat, or errors")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
