#!/usr/bin/env python3
"""A large, busy cluster: live.py BINARY [--backups N] [--seconds S] [--list N] [--sizes]

Fills a real API server with Backups, follows them with `backstop serve`, and updates all of them as fast as this machine
can, once a second at most, while reviews go on. Prints one line of JSON: updates a second, the CPU that each costs
backstop, its memory, and the latency of reviews without and with the updates. --list adds Backups and starts it once more
on all of them: what a first list costs. --sizes asks the API server which objects are too large for it."""
import argparse
import concurrent.futures
import http.client
import json
import os
import ssl
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))
sys.dont_write_bytecode = True

import bench_inventory as fill  # noqa: E402
import webhook  # noqa: E402
from control_plane import ROOT, ControlPlane, wait_until  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
WRITERS = 4


def connect(cluster):
    return http.client.HTTPSConnection("localhost", cluster.port, timeout=60,
                                       context=ssl.create_default_context(cafile=f"{cluster.dir}/api.crt"))


def ask(connection, method, path, body, kind="application/json"):
    connection.request(method, path, body, {"Authorization": "Bearer admin-token", "Content-Type": kind})
    answer = connection.getresponse()
    return answer.status, answer.read()


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def threads(pid):
    """CPU seconds by the names of threads."""
    spent = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/stat", encoding="ascii", errors="replace") as file:
            name, _, rest = file.read().partition("(")[2].rpartition(")")
        fields = rest.split()
        spent[name] = spent.get(name, 0) + (int(fields[11]) + int(fields[12])) / TICK
    return spent


def metric(replica, name):
    """The sum of a metric's series."""
    lines = replica.health_get("/metrics")[1].splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith((name + " ", name + "{")))


class Reviews(threading.Thread):
    """Reviews one after another with a pause between them, and how long each took."""

    def __init__(self, port, certificate):
        super().__init__(daemon=True)
        self.port, self.certificate, self.taken, self.over = port, certificate, [], threading.Event()

    def run(self):
        while not self.over.is_set():
            self.taken += fill.reviews(self.port, self.certificate, 20)
            self.over.wait(0.05)

    def end(self):
        self.over.set()
        self.join()
        return {"median_us": round(statistics.median(self.taken)), "p99_us": round(sorted(self.taken)[len(self.taken) * 99 // 100]),
                "reviews": len(self.taken)}


def churn(cluster, paths, seconds):
    """Patches all objects in rounds of a second at least; how many were patched, and how long it took."""
    began, done = time.monotonic(), [0] * WRITERS

    def writer(n):
        connection = connect(cluster)
        while time.monotonic() - began < seconds:
            round_began = time.monotonic()
            for path in paths[n::WRITERS]:
                done[n] += 1
                patch = json.dumps({"metadata": {"annotations": {"example.com/round": str(done[n])}}})
                status, text = ask(connection, "PATCH", path, patch, "application/merge-patch+json")
                assert status == 200, text
                if time.monotonic() - began >= seconds:
                    break
            time.sleep(max(0, 1 - (time.monotonic() - round_began)))

    with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(writer, range(WRITERS)))
    return sum(done), time.monotonic() - began


def start(cluster, binary, certificate, index):
    replica = webhook.Replica(cluster, binary, index, extra=(
        "--log-reviews=false", "--tls-cert", f"{certificate}/tls.crt", "--tls-key", f"{certificate}/tls.key"))
    began = time.monotonic()
    replica.start(ready=False)
    wait_until("it to be ready", lambda: replica.health_get("/readyz")[0] == 200, 300, 0.05)
    return replica, round(time.monotonic() - began, 2)


def busy(cluster, binary, certificate, backups, seconds):
    replica, synced = start(cluster, binary, certificate, 0)
    pid = replica.process.handle.pid
    reviews = Reviews(replica.port, certificate)
    reviews.start()
    time.sleep(min(10, seconds))
    calm = reviews.end()
    idle = fill.memory(pid)
    alone = cpu_seconds(pid)
    time.sleep(2)
    alone = (cpu_seconds(pid) - alone) / 2
    paths = [f"{path}/{body['metadata']['name']}" for path, body in (fill.backup(i) for i in range(backups))]
    reviews = Reviews(replica.port, certificate)
    reviews.start()
    before = threads(pid)
    updates, taken = churn(cluster, paths, seconds)
    each = {name: cpu - before.get(name, 0) for name, cpu in threads(pid).items()}
    spent = sum(each.values())
    loaded = reviews.end()
    result = {"synced_s": synced, "updates_per_s": round(updates / taken), "cpu_percent_of_a_core": round(100 * spent / taken, 1),
              "cpu_us_per_update_reviews_included": round(spent / updates * 1e6, 1), "idle_cpu_percent": round(100 * alone, 1),
              "cpu_percent_by_thread": {name: round(100 * cpu / taken, 2) for name, cpu in sorted(each.items()) if cpu > 0.01},
              "memory_before": idle, "memory_after": fill.memory(pid), "reviews_calm": calm, "reviews_busy": loaded}
    replica.stop()
    return result


def first_list(cluster, binary, certificate):
    replica, synced = start(cluster, binary, certificate, 1)
    pid = replica.process.handle.pid
    result = {"synced_s": synced, "backups": metric(replica, 'backstop_inventory_objects{kind="Backup"}'),
              "cpu_s": round(cpu_seconds(pid), 2), **fill.memory(pid)}
    replica.stop()
    return result


def sizes(cluster):
    """What the API server answers to a Management of so many MiB."""
    connection, answers = connect(cluster), {}
    for mib in (0.9, 1.3, 1.6, 2.9, 3.1, 4):
        body = json.dumps({"apiVersion": "k0rdent.mirantis.com/v1beta1", "kind": "Management", "metadata": {"name": "kcm"},
                           "spec": {"release": "kcm-1-11-0", "core": {"kcm": {"config": {"pad": "x" * int(mib * 1048576)}}}}})
        status, text = ask(connection, "POST", "/apis/k0rdent.mirantis.com/v1beta1/managements?dryRun=All", body)
        stored, why = ask(connection, "POST", "/apis/k0rdent.mirantis.com/v1beta1/managements", body)
        answers[f"{mib} MiB"] = [status, stored, json.loads(why).get("message", "stored")[:120] if stored != 201 else "stored"]
        if stored == 201:
            ask(connection, "DELETE", "/apis/k0rdent.mirantis.com/v1beta1/managements/kcm", None)
    return answers


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--backups", type=int, default=10000)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--list", type=int, default=0, metavar="N")
    parser.add_argument("--sizes", action="store_true")
    args = parser.parse_args()
    assets = subprocess.run([ROOT + "/hack/control-plane.sh"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    cluster = ControlPlane(assets)
    try:
        cluster.start()
        webhook.apply_crds(cluster)
        result = {"sizes": sizes(cluster)} if args.sizes else {}
        webhook.apply_manifests(cluster)
        for kind in ("mutatingwebhookconfiguration", "validatingwebhookconfiguration"):
            cluster.must("delete", kind, "backstop")  # reviews are sent directly
        certificate = webhook.issue_certificate(f"{cluster.dir}/certificate")
        filler = fill.Filler(cluster)
        if args.backups:
            filler.fill([fill.location(i) for i in range(10)] + [fill.backup(i) for i in range(args.backups)])
            result["busy"] = busy(cluster, args.binary, certificate, args.backups, args.seconds)
        if args.list > args.backups:
            filler.fill([fill.backup(i) for i in range(args.backups, args.list)])
            result["list"] = first_list(cluster, args.binary, certificate)
        print(json.dumps(result, indent=1))
    finally:
        cluster.stop()


if __name__ == "__main__":
    main()
