#!/usr/bin/env python3
"""What a large cluster costs. Usage: tests/e2e/bench_inventory.py BINARY [BACKUPS] [LOCATIONS]

Fills a real API server, then runs `backstop serve` against it twice, with 10 objects and
with all of them, and prints one line of JSON: seconds to synced, memory (resident, and its
high-water mark), seconds until a change is seen, and the latency of reviews over TLS."""
import concurrent.futures
import http.client
import json
import os
import re
import ssl
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import webhook  # noqa: E402
from control_plane import ROOT, ControlPlane, wait_until  # noqa: E402

VELERO = "/apis/velero.io/v1/namespaces/kcm-system"


class Filler:
    """Objects through one kept connection a thread."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.context = ssl.create_default_context(cafile=f"{cluster.dir}/api.crt")

    def post(self, objects):
        connection = http.client.HTTPSConnection("localhost", self.cluster.port, context=self.context, timeout=30)
        for path, body in objects:
            connection.request("POST", path, json.dumps(body), {"Authorization": "Bearer admin-token",
                                                                "Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status in (201, 409), text
        connection.close()

    def fill(self, objects):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(self.post, [objects[i::4] for i in range(4)]))


def backup(i):
    """As kcm and Velero leave a scheduled management backup behind, managedFields and all."""
    stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime(1767225600 + i * 3600))
    selectors = [("k0rdent.mirantis.com/component", "kcm"), ("controller.cert-manager.io/fao", "true"),
                 ("cluster.x-k8s.io/provider", "cluster-api"),
                 ("cluster.x-k8s.io/provider", "infrastructure-azure")]
    for n in range(4):
        selectors += [("helm.toolkit.fluxcd.io/name", f"cluster-{n}"), ("cluster.x-k8s.io/cluster-name", f"cluster-{n}")]
    name = f"backup-{i % 20:02}"
    return f"{VELERO}/backups", {
        "apiVersion": "velero.io/v1", "kind": "Backup",
        "metadata": {"name": f"{name}-{stamp}", "namespace": "kcm-system",
                     "labels": {"k0rdent.mirantis.com/management-backup": name, "velero.io/storage-location": "loc-00001"},
                     "annotations": {"velero.io/resource-timeout": "10m0s", "velero.io/source-cluster-k8s-gitversion":
                                     "v1.36.3"}},
        "spec": {"storageLocation": f"loc-{i % 1000:05}", "includedNamespaces": ["*"], "ttl": "720h0m0s",
                 "excludedResources": ["clusters.cluster.x-k8s.io"],
                 "orLabelSelectors": [{"matchLabels": {k: v}} for k, v in selectors]},
        "status": {"phase": "Completed", "startTimestamp": "2026-01-01T00:00:00Z", "version": 1, "formatVersion": "1.1.0",
                   "completionTimestamp": "2026-01-01T00:05:00Z", "expiration": "2026-12-31T00:00:00Z",
                   "progress": {"itemsBackedUp": 980, "totalItems": 980}}}


def location(i):
    return f"{VELERO}/backupstoragelocations", {
        "apiVersion": "velero.io/v1", "kind": "BackupStorageLocation",
        "metadata": {"name": f"loc-{i:05}", "namespace": "kcm-system"},
        "spec": {"provider": "aws", "objectStorage": {"bucket": f"bucket-{i}", "prefix": "kcm"},
                 "config": {"region": "eu-central-1", "s3Url": f"https://s3-{i}.example.com"},
                 "credential": {"name": f"credential-{i}", "key": "cloud"}},
        "status": {"phase": "Available", "lastValidationTime": "2026-01-01T00:00:00Z"}}


def memory(pid):
    text = open(f"/proc/{pid}/status").read()
    return {k: round(int(re.search(rf"{v}:\s+(\d+)", text)[1]) / 1024, 1) for k, v in
            (("resident_mib", "VmRSS"), ("high_water_mib", "VmHWM"))}


def reviews(port, certificate, count):
    """Microseconds of each of so many reviews, one after another over one connection."""
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "b", "kind": {"group": "k0rdent.mirantis.com", "version": "v1beta1", "kind": "ManagementBackup"},
        "resource": {"group": "k0rdent.mirantis.com", "version": "v1beta1", "resource": "managementbackups"},
        "name": "daily", "operation": "CREATE", "userInfo": {"username": "admin"}, "dryRun": False,
        "object": webhook.managementbackup("daily", schedule="0 */6 * * *", storageLocation="loc-00007"),
        "oldObject": None}}
    body = json.dumps(review)
    context = ssl.create_default_context(cafile=f"{certificate}/ca.crt")
    context.check_hostname = False
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=10)
    taken = []
    for _ in range(count):
        begin = time.perf_counter()
        connection.request("POST", "/validate-k0rdent-mirantis-com-v1beta1-managementbackup", body,
                           {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        taken.append((time.perf_counter() - begin) * 1e6)
        assert answer["response"]["allowed"], answer
    connection.close()
    return taken


def latency(port, certificate, count=2000):
    taken = reviews(port, certificate, count)
    return {"review_us_median": round(statistics.median(taken)), "review_us_p99": round(sorted(taken)[count * 99 // 100])}


def measure(cluster, binary, certificate, index):
    log = ("--log-reviews=false", "--tls-cert", f"{certificate}/tls.crt", "--tls-key", f"{certificate}/tls.key")
    replica = webhook.Replica(cluster, binary, index, extra=log)
    begin = time.monotonic()
    replica.start(ready=False)
    wait_until("it to be ready", lambda: replica.health_get("/readyz")[0] == 200, 120, 0.02)
    result = {"synced_s": round(time.monotonic() - begin, 2)}
    time.sleep(2)
    pid = replica.process.handle.pid
    result |= memory(pid)
    result |= latency(replica.port, certificate)
    begin = time.monotonic()
    _, before = replica.health_get("/metrics")
    count = re.search(r'backstop_inventory_objects\{kind="Backup"\} (\d+)', before)[1]
    Filler(cluster).post([backup(20_000_000 + index)])
    wait_until("it to be seen", lambda: re.search(r'backstop_inventory_objects\{kind="Backup"\} (\d+)', replica.health_get(
        "/metrics")[1])[1] != count, 20, 0.005)
    result["seen_after_s"] = round(time.monotonic() - begin, 3)
    result["objects"] = int(count)
    replica.stop()
    return result


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    binary = os.path.abspath(sys.argv[1])
    backups, locations = (int(a) for a in (sys.argv[2:] + ["10000", "1000"][len(sys.argv) - 2:]))
    assets = subprocess.run([ROOT + "/hack/control-plane.sh"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    cluster = ControlPlane(assets)
    try:
        cluster.start()
        webhook.apply_crds(cluster)
        webhook.apply_manifests(cluster)
        for kind in ("mutatingwebhookconfiguration", "validatingwebhookconfiguration"):
            cluster.must("delete", kind, "backstop")  # reviews are sent directly
        certificate = webhook.issue_certificate(f"{cluster.dir}/certificate")
        filler = Filler(cluster)
        filler.fill([location(i) for i in range(10)] + [backup(i) for i in range(10)])
        small = measure(cluster, binary, certificate, 0)
        begin = time.monotonic()
        filler.fill([location(i) for i in range(10, locations)] + [backup(i) for i in range(10, backups)])
        filled = round(time.monotonic() - begin, 1)
        large = measure(cluster, binary, certificate, 1)
        print(json.dumps({"backups": backups, "storage_locations": locations, "filled_in_s": filled,
                          "small": small, "large": large}, indent=1))
    finally:
        cluster.stop()


if __name__ == "__main__":
    main()
