#!/usr/bin/env python3
"""End to end against a real kube-apiserver. Usage: tests/e2e/run.py [-l] BINARY [WORD...]

Runs every case whose name holds one of the words (all without words); -l lists them.
A case is a function case_... in tests/e2e/cases_*.py taking the Setup; its first
docstring line is its name. Each file's cases run in order on one control plane."""
import glob
import importlib.util
import os
import signal
import subprocess
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

from control_plane import ROOT, ControlPlane, Skip  # noqa: E402
from webhook import Replica  # noqa: E402


def load():
    for path in sorted(glob.glob(f"{HERE}/cases_*.py")):
        spec = importlib.util.spec_from_file_location(os.path.basename(path)[:-3], path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        cases = [f for n, f in vars(module).items() if n.startswith("case_")]
        yield module, cases


def title(module, case):
    return f"{module.__name__[6:]}: {(case.__doc__ or case.__name__[5:]).splitlines()[0]}"


def run_file(module, cases, assets, binary):
    """Returns (passed, failed)."""
    Replica.PROBLEMS.clear()
    passed, failed = run_cases(module, cases, ControlPlane(assets), binary)
    for problem in Replica.PROBLEMS:
        print(f"FAIL  {module.__name__[6:]}: {problem}", flush=True)
    return passed, failed + len(Replica.PROBLEMS)


def run_cases(module, cases, cluster, binary):
    passed, setup = 0, None
    try:
        cluster.start()
        setup = module.Setup(cluster, binary)
        for case in cases:
            start = time.monotonic()
            try:
                case(setup)
                passed += 1
                print(f"ok    {title(module, case)} ({time.monotonic() - start:.1f} s)", flush=True)
            except Exception:  # noqa: BLE001 - a failing case must not stop the others
                print(f"FAIL  {title(module, case)}\n{traceback.format_exc()}", flush=True)
        return passed, len(cases) - passed
    except Skip as reason:
        print(f"skip  {module.__name__[6:]}: {reason}", flush=True)
        return passed, 0
    except Exception:  # noqa: BLE001
        print(f"FAIL  {module.__name__}: setup\n{traceback.format_exc()}\n{cluster.api.tail(10)}", flush=True)
        return passed, len(cases) - passed
    finally:
        if setup:
            setup.close()
        cluster.stop()


def main():
    words = [a for a in sys.argv[1:] if a != "-l"]
    chosen = [(m, [c for c in cases if not words[1:] or any(w in title(m, c) for w in words[1:])]) for m, cases in load()]
    if "-l" in sys.argv:
        print("\n".join(title(m, c) for m, cases in chosen for c in cases))
        return 0
    if not words:
        sys.exit(__doc__)
    assets = subprocess.run([ROOT + "/hack/control-plane.sh"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    passed = failed = 0
    for module, cases in chosen:
        if cases:
            p, f = run_file(module, cases, assets, os.path.abspath(words[0]))
            passed, failed = passed + p, failed + f
    print(f"e2e: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
