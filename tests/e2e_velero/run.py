#!/usr/bin/env python3
"""End to end with the real Velero. Usage: tests/e2e_velero/run.py [-l] [-v VERSION]... BINARY [WORD...]

Runs tests/e2e_velero/cases_*.py as tests/e2e/run.py runs its own, once for each supported version of Velero (or
those given), which hack/tool.sh builds from its Go module. Without Go nothing can be run: the exit code is 3 then."""
import argparse
import os
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), "e2e"), HERE]
sys.dont_write_bytecode = True

import run as e2e  # noqa: E402
import stage  # noqa: E402
from velero import VERSIONS, tool  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-l", action="store_true", help="list the cases")
    parser.add_argument("-v", action="append", choices=VERSIONS, help="only this version of Velero")
    parser.add_argument("binary", nargs="?")
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    chosen = e2e.choose(HERE, options.words)
    if options.l:
        print("\n".join(e2e.title(m, c) for m, cases in chosen for c in cases))
        return 0
    if not options.binary:
        parser.error("which binary?")
    for name in ("versitygw", "velero-plugin-for-aws", *[f"velero-{version}" for version in options.v or VERSIONS]):
        tool(name)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    passed = failed = 0
    for version in options.v or VERSIONS:
        stage.VERSION, start = version, time.monotonic()
        p, f = e2e.run_all(chosen, os.path.abspath(options.binary), f"{version} ")
        passed, failed = passed + p, failed + f
        print(f"velero {version}: {p} passed, {f} failed ({time.monotonic() - start:.0f} s)", flush=True)
    print(f"e2e-velero: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
