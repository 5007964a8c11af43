#!/usr/bin/env python3
"""The chart's tests: tests/chart/run.py [WORD...]; HELM names the helm to render with."""
import glob
import importlib
import json
import os
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import yaml  # noqa: E402

import helm  # noqa: E402
from chart import Rendering  # noqa: E402
from helm import CHART, Refused  # noqa: E402
from matrix import BAD, GOOD  # noqa: E402


def lint():
    """helm lint finds nothing, strictly"""
    for values in GOOD.values():
        helm.run("lint", "--strict", str(CHART), values=values)


def good(values):
    assert Rendering(values).objects


def bad(values, named):
    try:
        Rendering(values)
    except Refused as refused:
        assert named in str(refused), f"refused without naming {named}: {refused}"
        assert "values don't meet the specifications of the schema" in str(refused), refused
        return
    raise AssertionError(f"{values} is taken")


def documented():
    """values.yaml and its schema know the same keys, and each has a comment, which is its hint in the schema"""
    text = (CHART / "values.yaml").read_text()
    keys = set(yaml.safe_load(text))
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert keys == set(schema["properties"]) - {"uninstallJob"}, keys ^ set(schema["properties"])

    def check(path, values, node):
        if "description" in node and path:
            return
        assert values and isinstance(values, dict), f"{'.'.join(path)} has no comment that begins with '# -- '"
        for key, value in values.items():
            check((*path, key), value, node["properties"][key])
    check((), yaml.safe_load(text), schema)


def cases():
    yield lint.__doc__, lint
    yield documented.__doc__, documented
    for name, values in GOOD.items():
        yield f"renders: {name}", lambda v=values: good(v)
    for values, named in BAD:
        yield f"refused: {values}", lambda v=values, n=named: bad(v, n)
    for path in sorted(glob.glob(f"{HERE}/cases_*.py")):
        module = importlib.import_module(os.path.basename(path)[:-3])
        for name, function in vars(module).items():
            if name.startswith("case_"):
                yield f"{module.__name__[6:]}: {function.__doc__}", function


def main():
    passed = failed = 0
    start = time.monotonic()
    for name, case in cases():
        if sys.argv[1:] and not any(word in name for word in sys.argv[1:]):
            continue
        try:
            case()
            passed += 1
        except Exception:  # noqa: BLE001 - a failing case must not stop the others
            print(f"FAIL  {name}\n{traceback.format_exc()}", flush=True)
            failed += 1
    print(f"chart: {passed} passed, {failed} failed ({time.monotonic() - start:.1f} s)")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
