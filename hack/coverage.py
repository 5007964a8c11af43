#!/usr/bin/env python3
"""coverage.py FOLDER: the lines of each module that the tests ran, as gcov counted them.

FOLDER holds the objects of `make VARIANT=coverage` and what running them left there. Fails
when a module that decides or parses has less than its minimum. --files MODULE lists its files.
"""
import collections
import json
import os
import subprocess
import sys

MINIMUM = {"policy": 90, "cron": 90, "admission": 90, "json": 90, "pki": 90}


def counted(folder):
    """{file: {line: how often}}; a header's lines come from several objects."""
    lines = collections.defaultdict(dict)
    data = [os.path.join(at, name) for at, _, names in os.walk(os.path.join(folder, "server"))
            for name in names if name.endswith(".gcda")]
    if not data:
        sys.exit(f"{folder} has no counts: run `make coverage`")
    for path in sorted(data):
        said = subprocess.run(["gcov", "--json-format", "--stdout", path], capture_output=True, text=True, check=True)
        for document in said.stdout.splitlines():
            for file in json.loads(document)["files"]:
                for line in file["lines"]:
                    seen = lines[file["file"]]
                    seen[line["line_number"]] = max(line["count"], seen.get(line["line_number"], 0))
    return lines


def share(counts):
    return sum(1 for count in counts if count), len(counts)


def main(folder, *options):
    lines = counted(folder)
    modules = collections.defaultdict(list)
    for file, seen in sorted(lines.items()):
        parts = file.split("/")
        if parts[0] == "server" and len(parts) > 2:  # with the folders below
            modules[parts[1]] += seen.values()
            if options[:1] == ("--files",) and parts[1] in options[1:]:
                run, all_lines = share(seen.values())
                missed = [number for number, count in sorted(seen.items()) if not count]
                print(f"{file} {run}/{all_lines}: {missed}")
    low = []
    print(f"{'module':<14}{'lines':>8}{'run':>8}{'share':>8}  minimum")
    for module, counts in sorted(modules.items()):
        run, all_lines = share(counts)
        percent = 100 * run / all_lines
        if percent < MINIMUM.get(module, 0):
            low.append(module)
        print(f"{module:<14}{all_lines:>8}{run:>8}{percent:>7.1f}%  {MINIMUM.get(module, '')}")
    if low:
        sys.exit("below the minimum: " + ", ".join(low))


if __name__ == "__main__":
    main(*sys.argv[1:])
