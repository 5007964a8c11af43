#!/usr/bin/env python3
"""What the offline commands take: CPU seconds and peak memory. Usage: tests/bench/offline.py BINARY

Documents and inventories of several sizes, so that growth shows: time in proportion to what is read,
memory that hardly depends on it. The limits are those of docs/performance.md; exit 1 when one is missed."""
import os
import subprocess
import sys
import tempfile

NOW = "2026-11-21T05:00:00Z"
DOCUMENTS = ["""apiVersion: k0rdent.mirantis.com/v1beta1
kind: ManagementBackup
metadata:
  name: mb-{i}
spec:
  schedule: "0 */6 * * *"
  storageLocation: loc-1
""", """apiVersion: velero.io/v1
kind: Backup
metadata:
  name: b-{i}
  namespace: kcm-system
spec:
  storageLocation: loc-1
  ttl: 720h
""", """apiVersion: v1
kind: ConfigMap
metadata:
  name: cm-{i}
  namespace: kcm-system
data:
  a: b
""", """apiVersion: velero.io/v1
kind: Schedule
metadata:
  name: s-{i}
  namespace: kcm-system
spec:
  schedule: "0 3 * * *"
  template:
    storageLocation: loc-1
    ttl: 720h
"""]
LOCATION = """apiVersion: velero.io/v1
kind: BackupStorageLocation
metadata:
  name: loc-{i}
  namespace: kcm-system
  creationTimestamp: "2026-10-01T00:00:00Z"
spec:
  provider: aws
  objectStorage: {{bucket: bucket-{i}}}
  config: {{region: us-east-1}}
status: {{phase: Available, lastValidationTime: "2026-11-21T04:59:00Z"}}
"""
BACKUP = """apiVersion: velero.io/v1
kind: Backup
metadata:
  name: bk-{i}
  namespace: kcm-system
  creationTimestamp: "2026-11-{day:02}T0{hour}:00:00Z"
  labels: {{k0rdent.mirantis.com/management-backup: kcm-backup}}
spec:
  storageLocation: loc-{location}
  includedNamespaces: ["*"]
  excludedResources: [clusters.cluster.x-k8s.io]
  orLabelSelectors:
  - matchLabels: {{k0rdent.mirantis.com/component: kcm}}
  - matchLabels: {{cluster.x-k8s.io/provider: infrastructure-aws}}
  ttl: 720h
status:
  phase: Completed
  startTimestamp: "2026-11-{day:02}T0{hour}:00:00Z"
  completionTimestamp: "2026-11-{day:02}T0{hour}:05:00Z"
  expiration: "2026-12-{day:02}T0{hour}:00:00Z"
  progress: {{itemsBackedUp: 10, totalItems: 10}}
"""


def write(folder, name, documents):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        for document in documents:
            file.write("---\n" + document)  # not all at once: a child's peak counts from its parent's
    return path


def documents(count):
    return (DOCUMENTS[i % len(DOCUMENTS)].format(i=i) for i in range(count))


REST = """apiVersion: k0rdent.mirantis.com/v1beta1
kind: Management
metadata: {name: kcm}
spec: {release: kcm-1-2-0}
status: {release: kcm-1-2-0}
---
apiVersion: k0rdent.mirantis.com/v1beta1
kind: ManagementBackup
metadata: {name: kcm-backup, creationTimestamp: "2026-10-01T00:00:00Z"}
spec: {schedule: "0 */6 * * *", storageLocation: loc-1, performOnManagementUpgrade: true}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: velero, namespace: kcm-system, labels: {component: velero}}
spec: {template: {spec: {serviceAccountName: velero-server}}}
status: {readyReplicas: 1}
"""


def inventory(backups, locations):
    yield REST
    yield from (LOCATION.format(i=i) for i in range(locations))
    yield from (BACKUP.format(i=i, day=1 + i % 20, hour=i % 10, location=i % locations) for i in range(backups))


def measure(command):
    """CPU seconds and peak KiB of the child."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    error = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        sys.exit(f"{' '.join(command)}: {error.decode()}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    binary, missed = sys.argv[1], 0
    with tempfile.TemporaryDirectory() as folder:
        small = write(folder, "5000.yaml", documents(5000))
        large = write(folder, "50000.yaml", documents(50000))
        usual = write(folder, "inventory-10000.yaml", inventory(10000, 1000))
        huge = write(folder, "inventory-50000.yaml", inventory(50000, 1000))
        # The same objects before and after: each document has its old one.
        changed = write(folder, "changed.yaml", (text.replace("720h", "719h").replace("a: b", "a: c") for text in documents(5000)))
        rows = [("review, 5,000 documents, each an update (--old)",
                 ["review", "-f", changed, "--old", small, "-o", "json"], 1, 64),
                ("review, 5,000 documents", ["review", "-f", small, "-o", "json"], 1, 64),
                ("review, 5,000 documents, 10,000 Backups known", ["review", "-f", small, "--inventory", usual, "-o", "json"], 1, 64),
                ("review, 50,000 documents, 10,000 Backups known", ["review", "-f", large, "--inventory", usual, "-o", "json"], 10, 64),
                ("audit, 10,000 Backups, 1,000 locations", ["audit", "--inventory", usual], 1, 64),
                ("audit, 50,000 Backups", ["audit", "--inventory", huge], 5, 128),
                ("status -o json, 10,000 Backups", ["status", "--inventory", usual, "-o", "json"], 1, 64),
                ("status -o html, 10,000 Backups", ["status", "--inventory", usual, "-o", "html"], 1, 64),
                ("status -o json, 50,000 Backups", ["status", "--inventory", huge, "-o", "json"], 5, 128)]
        print("| work | CPU | limit | memory | limit |\n|---|---:|---:|---:|---:|")
        for name, words, seconds, mebibytes in rows:
            cpu, peak = min(measure([binary, *words, "--now", NOW]) for _ in range(3))
            missed += cpu > seconds or peak > mebibytes * 1024
            print(f"| {name} | {cpu:.2f} s | {seconds} s | {peak / 1024:.0f} MiB | {mebibytes} MiB |", flush=True)
    sys.exit(f"{missed} limits missed" if missed else 0)


if __name__ == "__main__":
    main()
