#!/usr/bin/env python3
"""A large, busy cluster: live.py BINARY [--backups N] [--seconds S] [--rates R,...] [--list N] [--sizes]

Fills a real API server with Backups, follows them with `backstop serve`, and counts up the progress of all of them as fast
as this machine can, once a second at most, while reviews go on. Prints JSON: updates a second, the CPU that each costs
backstop, its memory, and the latency of reviews without and with the updates.
--rates does the same with the stand-in for the rate (watch_rate.py), which sends a Backup that this API server recorded so
often a second; --list has it serve so many: what a first list costs. --sizes asks the API server which objects are too
large for it."""
import argparse
import concurrent.futures
import http.client
import json
import os
import re
import ssl
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

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
    """CPU seconds by the names of threads, to the nanosecond where the kernel counts so."""
    spent = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/comm", encoding="ascii", errors="replace") as file:
            name = file.read().strip()
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
            spent[name] = spent.get(name, 0) + int(file.read().split()[0]) / 1e9
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
                patch = json.dumps({"status": {"progress": {"itemsBackedUp": 1000 + done[n]}}})
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


def record(cluster):
    """One Backup as kube-apiserver serves it, written by two managers as kcm and Velero do."""
    connection, (path, body) = connect(cluster), fill.backup(30_000_000)
    status, name = body.pop("status"), body["metadata"]["name"]
    for method, where, text, kind in (("POST", f"{path}?fieldManager=manager", body, "application/json"),
                                      ("PATCH", f"{path}/{name}?fieldManager=velero-server", {"status": status},
                                       "application/merge-patch+json")):
        code, answer = ask(connection, method, where, json.dumps(text), kind)
        assert code in (200, 201), answer
    recorded = f"{cluster.dir}/recorded.json"
    with open(recorded, "wb") as file:
        file.write(answer)
    ask(connection, "DELETE", f"{path}/{name}", None)
    return recorded


class StandIn:
    """watch_rate.py with so many Backups, and a backstop that follows it."""

    def __init__(self, cluster, binary, certificate, recorded, count):
        folder = cluster.dir
        self.server = subprocess.Popen([sys.executable, f"{HERE}/watch_rate.py", f"{folder}/api.crt", f"{folder}/api.key",
                                        recorded, str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        url, ports = f"https://localhost:{int(self.server.stdout.readline())}", f"{folder}/stand-in-{count}"
        with open(f"{ports}.kubeconfig", "w", encoding="ascii") as file:
            json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "c",
                       "clusters": [{"name": "c", "cluster": {"server": url, "certificate-authority": f"{folder}/api.crt"}}],
                       "users": [{"name": "c", "user": {"token": "t"}}],
                       "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}]}, file)
        began = time.monotonic()
        with open(f"{ports}.log", "w", encoding="ascii") as log:
            self.process = subprocess.Popen(
                [binary, "serve", "--listen", "127.0.0.1:0", "--health-listen", "127.0.0.1:0", "--port-file", ports,
                 "--kubeconfig", f"{ports}.kubeconfig", "--log-reviews=false", "--tls-cert", f"{certificate}/tls.crt",
                 "--tls-key", f"{certificate}/tls.key"], stderr=log)
        wait_until("its ports", lambda: os.path.exists(ports) and "health=" in open(ports, encoding="ascii").read(), 60, 0.02)
        with open(ports, encoding="ascii") as file:
            found = dict(re.findall(r"(\w+)=(?:.*:)?(\d+)", file.read()))
        self.port, self.health = int(found["listen"]), int(found["health"])
        wait_until("it to be ready", lambda: self.health_get("/readyz")[0] == 200, 300, 0.02)
        self.synced = round(time.monotonic() - began, 2)

    def health_get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, ""

    def command(self, text):
        """(events, bytes) sent so far"""
        self.server.stdin.write(text + "\n")
        self.server.stdin.flush()
        return [int(number) for number in self.server.stdout.readline().split()]

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.server.kill()


def at_rate(stand_in, certificate, rate, seconds):
    """CPU of an event, and reviews without and with them in turns."""
    pid, reviews, spent, taken = stand_in.process.pid, {"calm": [], "busy": []}, 0, 0
    stand_in.command(f"rate {rate}")
    time.sleep(2)  # a second's events, and what is new after the list
    sent = events = size = 0
    for _ in range(3):
        stand_in.command("rate 0")
        time.sleep(0.3)
        reviews["calm"] += fill.reviews(stand_in.port, certificate, 400)
        sent = stand_in.command(f"rate {rate}")
        time.sleep(0.3)
        reviews["busy"] += fill.reviews(stand_in.port, certificate, 400)
        begin, before, first = time.monotonic(), sum(threads(pid).values()), stand_in.command("sent")
        time.sleep(seconds / 3)
        last, taken = stand_in.command("sent"), taken + time.monotonic() - begin
        spent += sum(threads(pid).values()) - before
        events, size = events + last[0] - first[0], size + last[1] - first[1]
    stand_in.command("rate 0")
    p99 = {name: sorted(all_of)[len(all_of) * 99 // 100] for name, all_of in reviews.items()}
    return {"events_per_s": round(events / taken), "mb_per_s": round(size / taken / 1e6, 1),
            "cpu_percent_of_a_core": round(100 * spent / taken, 1), "cpu_us_per_event": round(spent / max(events, 1) * 1e6, 1),
            "reviews_p50_busy_to_calm": round(statistics.median(reviews["busy"]) / statistics.median(reviews["calm"]), 2),
            "reviews_p99_us": {name: round(of) for name, of in p99.items()}, **fill.memory(pid)}


def rates(cluster, binary, certificate, recorded, args):
    stand_in = StandIn(cluster, binary, certificate, recorded, args.backups)
    result = {"synced_s": stand_in.synced, "after_list": fill.memory(stand_in.process.pid)}
    for rate in (int(rate) for rate in args.rates.split(",")):
        result[f"{rate}/s"] = at_rate(stand_in, certificate, rate, min(args.seconds, 9))
    stand_in.stop()
    return result


def first_list(cluster, binary, certificate, recorded, count):
    stand_in = StandIn(cluster, binary, certificate, recorded, count)
    pid = stand_in.process.pid
    wait_until("a snapshot of them", lambda: metric(stand_in, 'backstop_inventory_objects{kind="Backup"}') == count, 30)
    result = {"synced_s": stand_in.synced, "backups": metric(stand_in, 'backstop_inventory_objects{kind="Backup"}'),
              "cpu_s": round(cpu_seconds(pid), 2), **fill.memory(pid)}
    stand_in.stop()
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
    parser.add_argument("--rates", default="", metavar="R,...")
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
        if args.rates or args.list:
            recorded = record(cluster)
        if args.rates:
            result["rates"] = rates(cluster, args.binary, certificate, recorded, args)
        if args.list:
            result["list"] = first_list(cluster, args.binary, certificate, recorded, args.list)
        print(json.dumps(result, indent=1))
    finally:
        cluster.stop()


if __name__ == "__main__":
    main()
