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


def load(folder=HERE):
    for path in sorted(glob.glob(f"{folder}/cases_*.py")):
        spec = importlib.util.spec_from_file_location(os.path.basename(path)[:-3], path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        cases = [f for n, f in vars(module).items() if n.startswith("case_")]
        yield module, cases


def title(module, case):
    return f"{module.__name__[6:]}: {(case.__doc__ or case.__name__[5:]).splitlines()[0]}"


def choose(folder, words):
    """The modules of a folder with those of their cases that the words name."""
    return [(m, [c for c in cases if not words or any(w in title(m, c) for w in words)]) for m, cases in load(folder)]


def run_all(chosen, binary, prefix=""):
    """Returns (passed, failed)."""
    assets = subprocess.run([ROOT + "/hack/control-plane.sh"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    passed = failed = 0
    for module, cases in chosen:
        if cases:
            p, f = run_file(module, cases, assets, binary, prefix)
            passed, failed = passed + p, failed + f
    return passed, failed


def run_file(module, cases, assets, binary, prefix=""):
    """Returns (passed, failed)."""
    Replica.PROBLEMS.clear()
    passed, failed = run_cases(module, cases, ControlPlane(assets), binary, prefix)
    for problem in Replica.PROBLEMS:
        print(f"FAIL  {prefix}{module.__name__[6:]}: {problem}", flush=True)
    return passed, failed + len(Replica.PROBLEMS)


def run_cases(module, cases, cluster, binary, prefix=""):
    passed, setup = 0, None
    try:
        cluster.start()
        setup = module.Setup(cluster, binary)
        for case in cases:
            start = time.monotonic()
            try:
                case(setup)
                passed += 1
                print(f"ok    {prefix}{title(module, case)} ({time.monotonic() - start:.1f} s)", flush=True)
            except Exception:  # noqa: BLE001 - a failing case must not stop the others
                print(f"FAIL  {prefix}{title(module, case)}\n{traceback.format_exc()}", flush=True)
        return passed, len(cases) - passed
    except Skip as reason:
        print(f"skip  {module.__name__[6:]}: {reason}", flush=True)
        return passed, 0
    except Exception:  # noqa: BLE001
        print(f"FAIL  {prefix}{module.__name__[6:]}: setup\n{traceback.format_exc()}\n{cluster.api.tail(10)}", flush=True)
        return passed, len(cases) - passed
    finally:
        if setup:
            setup.close()
        cluster.stop()


def main():
    words = [a for a in sys.argv[1:] if a != "-l"]
    chosen = choose(HERE, words[1:])
    if "-l" in sys.argv:
        print("\n".join(title(m, c) for m, cases in chosen for c in cases))
        return 0
    if not words:
        sys.exit(__doc__)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    passed, failed = run_all(chosen, os.path.abspath(words[0]))
    print(f"e2e: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
