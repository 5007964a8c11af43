#!/usr/bin/env python3
"""Random objects, judged by backstop and by the real Velero. Usage: tests/e2e_velero/diff.py [-v VERSION]... BINARY

Each object of grammar.py is sent to the API server twice: as a person with dryRun, which asks backstop, and as
Velero's account, which the webhook is not called for. What Velero makes of it (its phase, its reasons) is compared:

  false denial   backstop denies it, and Velero completes it
  missed         Velero refuses it or fails for a reason in the object, and backstop neither denies it nor warns of that

What is known and meant stands in differences.tsv with its reason, and is counted apart. Writes build/velero-diff/VERSION.txt
with every case; exits with 1 if a difference is left that is not explained."""
import argparse
import glob
import os
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), "e2e"), HERE]
sys.dont_write_bytecode = True

import diff_world  # noqa: E402
import grammar  # noqa: E402
import stage  # noqa: E402
from control_plane import ROOT, ControlPlane  # noqa: E402
from diff_verdict import Differences, compare  # noqa: E402
from velero import VERSIONS, tool  # noqa: E402

KINDS = ("Backup", "Restore", "Schedule", "BackupStorageLocation")
# How many Velero has at the same time. Behind a Backup that fails its validation its queue stands for up to a minute.
BATCH = {"Backup": 1, "Schedule": 1, "Restore": 8, "BackupStorageLocation": 8}


def run(version, options, assets):
    """Yields (case, what backstop said, what Velero found, the verdict) for all cases of a version."""
    stage.VERSION = version
    cluster = ControlPlane(assets).start()
    world = None
    try:
        world = diff_world.DiffWorld(cluster, os.path.abspath(options.binary))
        numbers = options.case or range(options.count)
        cases = [grammar.make(options.seed, number, version, world.storage.port) for number in numbers]
        for batch in batches([case for case in cases if options.kind in (None, case.object["kind"])]):
            for case, said, found in world.judge(batch):
                yield case, said, found, compare(case, said, found, Differences.of(version))
    finally:
        if world:
            world.close()
        cluster.stop()


def batches(cases):
    """Of one kind each; what may wedge Velero's informers alone, and last."""
    for kind in KINDS:
        mine = [case for case in cases if case.object["kind"] == kind and not case.wedge]
        for start in range(0, len(mine), BATCH[kind]):
            yield mine[start:start + BATCH[kind]]
    for case in cases:
        if case.wedge:
            yield [case]


def schemas(version):
    import yaml  # only here: judging needs no more than Python itself
    crds = []
    for file in glob.glob(f"{ROOT}/build/tools/velero-{version}-crds/*.yaml"):
        with open(file) as f:
            crds.append(yaml.safe_load(f))
    return crds


def uncovered(crds, version, seed, count):
    """The fields of each kind's CRD that none of the objects of this seed and count has."""
    specs = {crd["spec"]["names"]["kind"]: crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
             for crd in crds if crd["spec"]["names"]["kind"] in KINDS}
    assert len(specs) == len(KINDS), list(specs)
    got = {kind: set() for kind in KINDS}
    for number in range(count):
        made = grammar.make(seed, number, version, 9000).object
        got[made["kind"]] |= set(fields(specs[made["kind"]], made["spec"]))
    return {kind: missing for kind in KINDS if (missing := sorted(set(fields(specs[kind])) - got[kind]))}


EVERYTHING = object()


def fields(schema, value=EVERYTHING, path="spec"):
    """The paths of the schema; with a value, only those that it has."""
    yield path
    for name, child in (schema.get("properties") or {}).items():
        if value is EVERYTHING or isinstance(value, dict) and name in value:
            yield from fields(child, value if value is EVERYTHING else value[name], f"{path}.{name}")
    if "items" in schema:
        for item in [value] if value is EVERYTHING else value or []:
            yield from fields(schema["items"], item, f"{path}[]")


def describe(case, said, found, verdict):
    lines = [f"{verdict.kind:14} {case.name} {case.object['kind']} {','.join(case.mistakes) or '-'}"]
    lines += [f"    backstop: {word}" for word in said.lines()]
    lines += [f"    velero:   {word}" for word in found.lines()]
    if verdict.reason:
        lines.append(f"    {verdict.reason}")
    if verdict.kind in ("false denial", "missed"):
        lines.append(f"    object:   {grammar.text(case)}")
    return "\n".join(lines)


def table(version, results):
    print(f"\nvelero {version}: {'kind':24} cases  completed  refused  agreed  known  false denials  missed  not sent")
    for kind in (*KINDS, "all"):
        mine = [r for r in results if kind in (r[0].object["kind"], "all")]
        count = {name: sum(r[3].kind == name for r in mine) for name in ("agreed", "known", "false denial", "missed", "not sent")}
        completed = sum(r[2].completed for r in mine)
        sent = len(mine) - count["not sent"]
        print(f"{'':15}{kind:24} {sent:5}  {completed:9}  {sent - completed:7}  {count['agreed']:6}  {count['known']:5}"
              f"  {count['false denial']:13}  {count['missed']:6}  {count['not sent']:8}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-v", action="append", choices=VERSIONS, help="only this version of Velero")
    parser.add_argument("--count", type=int, default=300, help="objects per version (300)")
    parser.add_argument("--seed", default="1", help="another seed, other objects (1)")
    parser.add_argument("--case", type=int, action="append", help="only this number of the seed; may be repeated")
    parser.add_argument("--kind", choices=KINDS, help="only these of them")
    parser.add_argument("--fields", action="store_true", help="only name the fields of the CRDs that no object has")
    parser.add_argument("binary", nargs="?" if "--fields" in sys.argv else None)
    options = parser.parse_args()
    versions = options.v or VERSIONS
    for name in ("versitygw", "velero-plugin-for-aws", *[f"velero-{version}" for version in versions]):
        tool(name)
    assets = subprocess.run([f"{ROOT}/hack/control-plane.sh"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.makedirs(f"{ROOT}/build/velero-diff", exist_ok=True)
    if options.fields:
        left = [f"velero {version}: no {kind} has {', '.join(names)}" for version in versions
                for kind, names in uncovered(schemas(version), version, options.seed, options.count).items()]
        print("\n".join(left) or "every field of the CRDs is in some object")
        return 1 if left else 0
    left = 0
    for version in versions:
        start = time.monotonic()
        results = []
        with open(f"{ROOT}/build/velero-diff/{version}.txt", "w") as f:
            for result in run(version, options, assets):
                results.append(result)
                print(describe(*result), file=f, flush=True)
        table(version, results)
        unexplained = [r for r in results if r[3].kind in ("false denial", "missed")]
        for result in unexplained:
            print(describe(*result))
        left += len(unexplained)
        sent = sum(r[3].kind != "not sent" for r in results)
        print(f"velero-diff {version}: {sent} judged with seed {options.seed}, {len(unexplained)} unexplained "
              f"({time.monotonic() - start:.0f} s)", flush=True)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
