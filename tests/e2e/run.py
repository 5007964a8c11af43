#!/usr/bin/env python3
"""End to end against a real kube-apiserver. Usage: tests/e2e/run.py [-l] [-j N] BINARY [WORD...]

Runs every case whose name holds one of the words (all without words); -l lists them.
A case is a function case_... in tests/e2e/cases_*.py taking the Setup; its first
docstring line is its name. Each file's cases run in order on one control plane, N files at a time."""
import argparse
import concurrent.futures
import glob
import importlib.util
import os
import re
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
    assets = control_plane_assets()
    counts = [run_file(module, cases, assets, binary, prefix) for module, cases in chosen if cases]
    return sum(passed for passed, _ in counts), sum(failed for _, failed in counts)


def control_plane_assets():
    return subprocess.run([ROOT + "/hack/control-plane.sh"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


ALONE = []  # the processes that run one file each


def run_apart(chosen, asked, commands):
    """Runs each file of cases by a process of its own, some at a time, once for each of the commands; with --again a
    file that fails has a second run, and what passes then is called flaky. Returns (passed, failed)."""
    control_plane_assets()  # built once, before all ask for it
    files = sorted((f for f in chosen if f[1]), key=lambda f: -len(f[1]))  # long ones first: none is left alone at the end
    runs = [[*command, "--only", module.__name__] for module, _ in files for command in commands]
    with concurrent.futures.ThreadPoolExecutor(asked.j) as pool:
        counts = list(pool.map(run_alone, runs))
    for number, (_, failed) in enumerate(counts):
        if asked.again and failed and (again := run_alone(runs[number]))[1] == 0:
            print(f"FLAKY {' '.join(runs[number][2:])}: {failed} failed at first, all passed when run alone", flush=True)
            counts[number] = again
    return sum(passed for passed, _ in counts), sum(failed for _, failed in counts)


def run_alone(command):
    """Prints what the process said when it has ended. Returns (passed, failed)."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    ALONE.append(process)
    said, _ = process.communicate()
    cases, _, last = said.rstrip("\n").rpartition("\n")
    counts = re.search(r"(\d+) passed, (\d+) failed", last)
    print(cases if counts else f"{said}\nFAIL  {command[-1]}: ended with {process.returncode}", flush=True)
    return (int(counts[1]), int(counts[2])) if counts else (0, 1)


def end_all(*_):
    for process in ALONE:
        if process.poll() is None:
            process.terminate()
    sys.exit(143)


def run_file(module, cases, assets, binary, prefix=""):
    """Returns (passed, failed)."""
    Replica.PROBLEMS.clear()
    passed, failed = run_cases(module, cases, ControlPlane(assets), binary, prefix)
    for problem in Replica.PROBLEMS:
        print(f"FAIL  {prefix}{module.__name__[6:]}: {problem}", flush=True)
    return passed, failed + len(Replica.PROBLEMS)


def run_cases(module, cases, cluster, binary, prefix=""):
    passed, skipped, setup = 0, 0, None
    try:
        cluster.start()
        setup = module.Setup(cluster, binary)
        for case in cases:
            start = time.monotonic()
            try:
                getattr(setup, "before_case", lambda: None)()
                case(setup)
                passed += 1
                print(f"ok    {prefix}{title(module, case)} ({time.monotonic() - start:.1f} s)", flush=True)
            except Skip as reason:
                skipped += 1
                print(f"skip  {prefix}{title(module, case)}: {reason}", flush=True)
            except Exception:  # noqa: BLE001 - a failing case must not stop the others
                print(f"FAIL  {prefix}{title(module, case)}\n{traceback.format_exc()}", flush=True)
        return passed, len(cases) - passed - skipped
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


def options(parser):
    """What this runner and the one with the real Velero take alike."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("-l", action="store_true", help="list the cases")
    parser.add_argument("-j", type=int, default=1, metavar="N", help="run N files of cases at a time")
    parser.add_argument("--again", action="store_true", help="with -j: run a file that fails once more, alone")
    parser.add_argument("--only", metavar="FILE", help="only this file's cases (cases_gate)")
    parser.add_argument("binary", nargs="?")
    parser.add_argument("words", nargs="*")
    chosen = parser.parse_args()
    if not chosen.l and not chosen.binary:
        parser.error("which binary?")
    return chosen


def choose_by(folder, asked):
    return [(m, cases) for m, cases in choose(folder, asked.words) if asked.only in (None, m.__name__)]


def main():
    asked = options(argparse.ArgumentParser(description=__doc__))
    chosen = choose_by(HERE, asked)
    if asked.l:
        print("\n".join(title(m, c) for m, cases in chosen for c in cases))
        return 0
    signal.signal(signal.SIGTERM, end_all)
    binary = os.path.abspath(asked.binary)
    if asked.j > 1:
        passed, failed = run_apart(chosen, asked, [[sys.executable, __file__, binary, *asked.words]])
    else:
        passed, failed = run_all(chosen, binary)
    print(f"e2e: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
