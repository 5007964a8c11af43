#!/usr/bin/env python3
"""End to end with the real Velero. Usage: tests/e2e_velero/run.py [-l] [-j N] [-v VERSION]... BINARY [WORD...]

Runs tests/e2e_velero/cases_*.py as tests/e2e/run.py runs its own, once for each supported version of Velero (or
those given), which hack/tool.sh builds from its Go module. Without Go nothing can be run: the exit code is 3 then."""
import argparse
import os
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), "e2e"), HERE]
sys.dont_write_bytecode = True

import run as e2e  # noqa: E402
import stage  # noqa: E402
from velero import VERSIONS, tool  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-v", action="append", choices=VERSIONS, help="only this version of Velero")
    asked = e2e.options(parser)
    chosen, versions, binary = e2e.choose_by(HERE, asked), asked.v or VERSIONS, os.path.abspath(asked.binary or "")
    if asked.l:
        print("\n".join(e2e.title(m, c) for m, cases in chosen for c in cases))
        return 0
    for name in ("versitygw", "velero-plugin-for-aws", *[f"velero-{version}" for version in versions]):
        tool(name)
    signal.signal(signal.SIGTERM, e2e.end_all)
    if asked.j > 1:
        passed, failed = e2e.run_apart(chosen, asked, [[sys.executable, __file__, "-v", version, binary, *asked.words]
                                                       for version in versions])
    else:
        passed, failed = one_after_the_other(chosen, versions, binary)
    print(f"e2e-velero: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


def one_after_the_other(chosen, versions, binary):
    passed = failed = 0
    for version in versions:
        stage.VERSION, start = version, time.monotonic()
        p, f = e2e.run_all(chosen, binary, f"{version} ")
        passed, failed = passed + p, failed + f
        print(f"velero {version}: {p} passed, {f} failed ({time.monotonic() - start:.0f} s)", flush=True)
    return passed, failed


if __name__ == "__main__":
    sys.exit(main())
