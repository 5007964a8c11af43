#!/usr/bin/env python3
"""Replicas replaced under load. Usage: tests/e2e/rolling.py BINARY [--turns 20] [--other BINARY]

Two replicas stand behind the shipped Service, clients ask the API server without a pause, and
one replica after the other is replaced: first by SIGTERM, as a rolling update does it, then by
kill -9. --other takes turns between two builds, so that two versions serve side by side."""
import argparse
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

from control_plane import ROOT, ControlPlane  # noqa: E402
from fixtures import Webhook, completed_backup  # noqa: E402
from load import Load  # noqa: E402
from webhook import NAMESPACE, Replica  # noqa: E402

SEEN = 0.1  # seconds until the API server's own routing follows an EndpointSlice
LATE = 1.0  # seconds in which a replica that was told to stop still gets new connections


class Rolling(Webhook):
    def __init__(self, cluster, binary, lame_duck=5, other=None, clients=16):
        self.binaries, self.lame_duck, self.clients, self.made = [binary, other or binary], lame_duck, clients, 2
        super().__init__(cluster, binary, replicas=2)
        completed_backup(cluster, "rolling", "infrastructure-azure")

    def replica(self, index, **how):
        made = super().replica(index, **how)
        made.process.command[0] = self.binaries[index % 2]
        made.process.command += ["--lame-duck", f"{self.lame_duck}s"]
        return made

    def add(self):
        """A replica that is ready before the Service knows it."""
        replica = self.replica(self.made)
        self.made += 1
        replica.process.start()
        replica.wait_ready()
        replica.endpoint(True)
        self.replicas.append(replica)

    def forget(self, replica):
        replica.endpoint(False)
        self.cluster.request("DELETE", f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices/"
                             f"backstop-{replica.index}")

    def replace(self):
        """As a rolling update: one more, then the oldest is told to stop and leaves the Service later."""
        self.add()
        oldest = self.replicas.pop(0)
        oldest.process.handle.send_signal(signal.SIGTERM)
        time.sleep(LATE)
        self.forget(oldest)
        oldest.process.handle.wait(self.lame_duck + 15)
        oldest.stop()

    def kill(self):
        """kill -9, noticed at once; returns when it died and when the Service had forgotten it."""
        oldest = self.replicas.pop(0)
        died = time.monotonic()
        oldest.stop(how=signal.SIGKILL)
        self.forget(oldest)
        forgotten = time.monotonic()
        self.add()
        return died, forgotten


def rolling(setup, turns):
    """Returns the load's numbers; every failure is one too many."""
    with Load(setup.cluster, setup.clients) as load:
        for _ in range(turns):
            setup.replace()
        time.sleep(1)
    return load


def killing(setup, turns):
    """Returns the load and its failures: under way at the time, begun before the Service knew, others."""
    deaths = []
    with Load(setup.cluster, setup.clients) as load:
        for _ in range(turns):
            time.sleep(1)
            deaths.append(setup.kill())
        time.sleep(1)
    flight, unaware, others = [], [], []
    for failure in load.failures:
        at = next((d for d in deaths if failure.began <= d[1] + SEEN and failure.ended >= d[0]), None)
        (others if at is None else flight if failure.began <= at[0] else unaware).append(failure)
    return load, flight, unaware, others, deaths


def say(what, load):
    print(f"{what}: {load.calls:,} calls in {load.seconds:.0f} s ({load.calls / load.seconds:.0f}/s), "
          f"{len(load.failures)} failed; p50 {load.latency(.5):.1f} ms, p99 {load.latency(.99):.1f} ms, "
          f"slowest {load.latency(1):.0f} ms", flush=True)


def show(failures):
    kinds = {}
    for failure in failures:
        kinds.setdefault(failure.kind(), []).append(failure)
    for kind, them in kinds.items():
        print(f"  {len(them)} x {kind}; the first: {them[0]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--turns", type=int, default=20, help="replicas replaced by SIGTERM (20)")
    parser.add_argument("--kills", type=int, default=10, help="replicas killed (10)")
    parser.add_argument("--clients", type=int, default=16, help="clients that ask at once (16)")
    parser.add_argument("--lame-duck", type=int, default=5, help="seconds (5; in a cluster it is 10)")
    parser.add_argument("--other", help="another build, of which every second replica is")
    options = parser.parse_args()
    assets = subprocess.run([ROOT + "/hack/control-plane.sh"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    cluster, setup = ControlPlane(assets), None
    try:
        cluster.start()
        setup = Rolling(cluster, os.path.abspath(options.binary), options.lame_duck,
                        options.other and os.path.abspath(options.other), options.clients)
        load = rolling(setup, options.turns)
        say(f"{options.turns} replicas replaced by SIGTERM", load)
        show(load.failures)
        killed, flight, unaware, others, deaths = killing(setup, options.kills)
        say(f"{options.kills} replicas killed", killed)
        window = sum(forgotten - died for died, forgotten in deaths) / max(1, len(deaths))
        print(f"  {len(flight)} were under way, {len(unaware)} began in the {window * 1000:.0f} ms (mean) until the "
              f"Service had forgotten it, {len(others)} others")
        show(killed.failures)
    finally:
        if setup:
            setup.close()
        cluster.stop()
    for problem in Replica.PROBLEMS:
        print(f"FAIL  {problem}")
    return 1 if load.failures or others or Replica.PROBLEMS else 0


if __name__ == "__main__":
    sys.exit(main())
