#!/usr/bin/env python3
"""page.py RESULT PAGE: puts what bench.py wrote to RESULT, and the instruction counts of the baselines, between the marks of
docs/performance.md. What the page says around them has no figures of a run, so it stays true."""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
MARKS = "<!-- measured: make bench-page writes from here -->", "<!-- to here -->"
TITLES = {"backup": "ManagementBackup", "backup_denied": "ManagementBackup, denied", "restore": "Restore",
          "management": "Management UPDATE, 200 KiB", "backup_of_many": "ManagementBackup, 2,000 Backups known",
          "restore_of_many": "Restore, 2,000 Backups known", "report": "log line and counters of a review"}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def instructions():
    reviews = json.loads(read(f"{HERE}/baseline.json"))
    processes = json.loads(read(f"{HERE}/offline.json"))
    lines = [f"Instructions (callgrind, {reviews['compiler']}), without TLS and HTTP; processes with their start:", "",
             "| | instructions |", "|---|---:|"]
    for name, count in reviews["instructions"].items():
        lines.append(f"| {TITLES.get(name, name)} | {count:,} |")
    for name, count in processes["instructions"].items():
        lines.append(f"| process: {name.replace('_', ' ')} | {count:,} |")
    return lines


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    result, page = sys.argv[1:]
    head, _, rest = read(page).partition(MARKS[0])
    _, mark, tail = rest.partition(MARKS[1])
    if not mark:
        sys.exit(f"{page}: no marks")
    text = "\n".join([MARKS[0], "", read(result).rstrip(), "", *instructions(), "", MARKS[1]])
    with open(page, "w", encoding="utf-8") as out:
        out.write(head + text + tail)
    print(f"{page}: written from {result}; read the diff")


if __name__ == "__main__":
    main()
