#!/usr/bin/env python3
"""Counts the instructions of the offline commands with callgrind and compares them with tests/bench/offline.json,
5 % allowed: tests/bench/offline_counts.py BINARY [--quick] [--accept]

As with hack/bench-quick.sh, neither what else the machine does nor its processor disturbs it, and counts of another
compiler are shown but not compared. --quick leaves out the audit, which takes minutes. Process start, libraries included, is part of what a user waits for and is counted, too."""
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "wire")]
import compare
import libbackup
import offline

LINEAR = 200  # Backups of a small inventory, beside one of twice as many
BASELINE = os.path.join(HERE, "offline.json")


# One version of memcpy and the like, as in hack/bench-quick.sh.
PLAIN = "glibc.cpu.hwcaps=-AVX2,-AVX,-BMI2,-ERMS,-FSRM,-SSSE3,-SSE4_1,-SSE4_2,-Fast_Unaligned_Copy,-Fast_Unaligned_Load"


def contents(folder, objects):
    """What Velero keeps of a backup, with so many ConfigMaps."""
    path = os.path.join(folder, "contents.tar.gz")
    with open(path, "wb") as file:
        file.write(libbackup.pack([("metadata/version", "1.1.0\n")] + [
            (f"resources/configmaps/namespaces/kcm-system/cm-{i}.json",
             json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"},
                         "metadata": {"name": f"cm-{i}", "namespace": "kcm-system"}})) for i in range(objects)]))
    return path


def backups(folder, count):
    """What kubectl get -o json prints: half of it is white space, a third is managedFields."""
    fields = {f"f:field-{i}": {} for i in range(20)}
    path = os.path.join(folder, f"{count}-backups.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "velero.io/v1", "kind": "Backup",
         "metadata": {"name": f"bk-{i}", "namespace": "kcm-system", "uid": f"uid-{i}", "creationTimestamp": "2026-11-20T00:00:00Z",
                      "managedFields": [{"manager": "velero-server", "operation": "Update", "fieldsType": "FieldsV1",
                                         "fieldsV1": {"f:spec": fields, "f:status": fields}}]},
         "spec": {"storageLocation": "loc-1", "ttl": "720h0m0s", "includedNamespaces": ["*"]},
         "status": {"phase": "Completed", "startTimestamp": "2026-11-20T00:00:00Z",
                    "completionTimestamp": "2026-11-20T00:01:00Z"}} for i in range(count)]}, file, indent=4)
    return path


def work(folder, quick):
    """Name, what the exit code must be, and arguments."""
    one = offline.write(folder, "one.yaml", offline.documents(1))
    hundred = offline.write(folder, "100.yaml", offline.documents(100))
    thousand = offline.write(folder, "1000.yaml", offline.documents(1000))
    ten = offline.write(folder, "10.yaml", offline.inventory(10, 1))
    runs = [("version", 0, ["version"]),
            ("explain", 0, ["explain", "0 */6 * * *"]),
            ("settings", 0, ["settings"]),
            ("rbac", 0, ["rbac"]),
            ("completion", 0, ["completion", "bash"]),
            ("man", 0, ["man", "serve"]),
            ("probe_help", 0, ["probe", "--help"]),
            ("uninstall_help", 0, ["uninstall", "--help"]),
            ("certs_show", 0, ["certs", "show", os.path.join(os.path.dirname(HERE), "fuzz/corpus/x509/rsa.crt")]),
            ("rehearse_100", 2, ["rehearse", "--contents", contents(folder, 100), "--all"]),
            # A start that ends by itself: everything up to the certificate, which is missing.
            ("serve_10", 2, ["serve", "--sandbox", "off", "--inventory", ten, "--health-listen", "", "--tls-cert", "none",
                             "--tls-key", "none"]),
            ("status_10", 1, ["status", "-o", "json", "--inventory", ten]),
            ("audit_10", 1, ["audit", "--inventory", ten]),
            ("rollback_plan_10", 1, ["rollback-plan", "--inventory", ten]),
            ("review_one", 0, ["review", "-f", one]),
            ("review_1000", 0, ["review", "-f", thousand, "-o", "json"]),
            ("review_one_over_1000_json", 0, ["review", "-f", one, "--inventory", backups(folder, 1000)]),
            ("review_one_over_1000_yaml", 0, ["review", "-f", one, "--inventory", offline.write(
                folder, "1000-backups.yaml", offline.inventory(1000, 100))])]
    # Callgrind is slow: that twice as much takes twice as long is what keeps 10,000 cheap.
    for size in (LINEAR, 2 * LINEAR):
        some = offline.write(folder, f"{size}.yaml", offline.inventory(size, size // 10))
        runs += [(f"review_100_of_{size}", 0, ["review", "-f", hundred, "--inventory", some, "-o", "json"]),
                 (f"audit_{size}", 0, ["audit", "--inventory", some])]
    if quick:
        return runs
    usual = offline.write(folder, "inventory.yaml", offline.inventory(10000, 1000))
    return [*runs, ("audit_10000", 0, ["audit", "--inventory", usual])]


def count(binary, name, wanted, words, folder):
    out = os.path.join(folder, name + ".callgrind")
    now = ["--now", offline.NOW] if words[0] in ("explain", "review", "status", "audit", "rollback-plan") else []
    done = subprocess.run(["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}", binary, *words, *now],
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=folder,
                          env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "GLIBC_TUNABLES": PLAIN})
    if done.returncode != wanted:
        sys.exit(f"{name}: exit {done.returncode} instead of {wanted}: {done.stderr}")
    with open(out, encoding="utf-8", errors="replace") as file:
        return int(re.search(r"^(?:totals|summary): (\d+)", file.read(), re.M)[1])


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    binary = os.path.abspath(sys.argv[1])
    compiler = " ".join(subprocess.run([os.environ.get("CC", "gcc"), "-dumpfullversion", "-dumpmachine"], capture_output=True,
                                       text=True, check=True).stdout.split())
    with tempfile.TemporaryDirectory() as folder:
        counts = {name: count(binary, name, wanted, words, folder) for name, wanted, words in work(folder, "--quick" in sys.argv)}
    for name in (f"review_100_of_{LINEAR}", f"audit_{LINEAR}"):
        twice = name.replace(str(LINEAR), str(2 * LINEAR))
        if counts[twice] > 2.1 * counts[name]:
            sys.exit(f"{twice}: {counts[twice]:,} instructions, more than twice the {counts[name]:,} of half as much")
    compare.report(BASELINE, counts, compiler, "--accept" in sys.argv)


if __name__ == "__main__":
    main()
