#!/usr/bin/env python3
"""compare.py BASELINE RUNS COSTS COMPILER [--accept]: instruction counts against those committed.

Counts of another compiler say nothing about the code, so then nothing is compared.
"""
import json
import os
import re
import sys

MOST = 1.05


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def counts(runs, costs):
    """Instructions for one run of each kind of work."""
    times = {name: int(number) for name, number in (line.split() for line in read(runs).splitlines())}
    spent = {name: int(cost.replace(",", ""))
             for cost, name in re.findall(r"^ *([\d,]+) +\S*:(work_\w+)", read(costs), re.M)}
    return {name.removeprefix("work_"): spent[name] // times[name] for name in times}


def report(path, now, compiler, accept):
    """Prints the counts beside the baseline's, and ends the process where one is too large."""
    if accept:
        if os.path.exists(path) and compiler == json.loads(read(path))["compiler"]:
            now = {**json.loads(read(path))["instructions"], **now}  # what was not counted this time stays
        with open(path, "w", encoding="utf-8") as out:
            json.dump({"compiler": compiler, "instructions": now}, out, indent=2)
            out.write("\n")
    baseline = json.loads(read(path))
    print(f"{'instructions for one':24}{'baseline':>15}{'now':>15}{'change':>9}")
    slower = []
    for name, count in now.items():
        before = baseline["instructions"].get(name)
        change = f"{count / before - 1:+9.1%}" if before else "      new"
        print(f"{name:24}{before or 0:15,}{count:15,}{change}")
        if before and count > before * MOST:
            slower.append(name)
    if baseline["compiler"] != compiler:
        print(f"bench-quick: not compared: the baseline is of {baseline['compiler']}, this is {compiler}")
    elif slower:
        sys.exit(f"bench-quick: over 5 % more instructions for {', '.join(slower)}; "
                 "if that is worth it, run `make bench-accept` and say why in the commit")
    else:
        print("bench-quick: within 5 % of the baseline")


def main():
    path, runs, costs, compiler = sys.argv[1:5]
    report(path, counts(runs, costs), compiler, "--accept" in sys.argv)


if __name__ == "__main__":
    main()
