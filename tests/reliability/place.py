"""Where the long tests stand: certificates of their own, the wire tests' server and clients, and
what a process costs. Import this before libwire."""
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, ROOT + "/tests/wire")
TICK = os.sysconf("SC_CLK_TCK")


def make_certificates():
    folder = tempfile.mkdtemp(prefix="reliability-certs-")
    for name, variable in (("certs", "WIRE_CERTS"), ("other", "WIRE_OTHER_CERTS")):
        os.environ[variable] = f"{folder}/{name}"
        subprocess.run([ROOT + "/certs/dev-cert.sh", f"{folder}/{name}"], check=True, capture_output=True)
    return folder


def many_descriptors(wanted):
    """As many as wanted, or as the machine allows."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


def status_kib(pid, key):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(key + ":"))


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Peak:
    """The highest resident memory while the block runs, in KiB."""

    def __init__(self, pid, every=0.02):
        self.pid, self.every, self.kib, self.stopping = pid, every, 0, threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        while not self.stopping.wait(self.every):
            self.kib = max(self.kib, status_kib(self.pid, "VmRSS"))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()


class Aside:
    """Calls work() again and again in a process of its own, so that this one's threads do not slow
    it down, and keeps (milliseconds, problem) of each."""

    def __init__(self, work, pause=0.005):
        self.stopping = multiprocessing.Event()
        self.ours, theirs = multiprocessing.Pipe(False)
        self.process = multiprocessing.Process(target=self._run, args=(work, pause, theirs), daemon=True)

    def _run(self, work, pause, pipe):
        kept = []
        while not self.stopping.wait(pause):
            began = time.monotonic()
            try:
                problem = work()
            except Exception as failure:  # noqa: BLE001 - counted
                problem = repr(failure)
            kept.append(((time.monotonic() - began) * 1000, problem))
        pipe.send(kept)

    def __enter__(self):
        self.process.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.kept = self.ours.recv()
        self.process.join()
        self.problems = [problem for _, problem in self.kept if problem]
        self.times = sorted(ms for ms, problem in self.kept if not problem) or [float("nan")]

    def at(self, share):
        return self.times[min(len(self.times) - 1, int(len(self.times) * share))]
