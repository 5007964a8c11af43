#!/usr/bin/env python3
"""Each test that docs/failure-modes.md and SECURITY.md name must exist: `wire/NAME: words`, `e2e/NAME: words` of its
title, `golden/FOLDER`."""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FILES = {"wire": "tests/wire/{}.py", "e2e": "tests/e2e/cases_{}.py"}


def problem(kind, name, words):
    if kind == "golden":
        return None if os.path.isdir(f"{ROOT}/tests/golden/cases/{name}") else f"no golden case {name}"
    path = FILES[kind].format(name)
    if not os.path.exists(f"{ROOT}/{path}"):
        return f"no {path}"
    with open(f"{ROOT}/{path}") as file:
        return None if words in file.read() else f'{path} has no test "{words}"'


def page(path, least):
    """Whether all is well with one page, which names at least so many tests."""
    with open(f"{ROOT}/{path}") as file:
        text = " ".join(file.read().split())
    named = re.findall(r"`(wire|e2e|golden)/([\w/-]+)(?:: ([^`]+))?`", text)
    problems = [said for said in (problem(*one) for one in named) if said]
    for said in problems:
        print(f"{path}:", said)
    print(f"{path}: {len(named)} tests named, {len(problems)} missing")
    return not problems and len(named) >= least


def main():
    good = [page("docs/failure-modes.md", 20), page("SECURITY.md", 20)]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
