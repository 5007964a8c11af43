#!/usr/bin/env python3
"""Measures backstop beside Go's webhook stacks and the bare HTTP library, on this machine.

Every round measures all servers one after another, each on one CPU with the load on the
others, so that what disturbs one disturbs all. The table shows medians of the rounds and
ratios to controller-runtime.
"""
import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time

import scale
from load import load, pace, quiet
from servers import Place, Server

SPREAD = 0.3  # rounds that differ by more are no result
NAMES = ["backstop", "controller-runtime", "net-http", "limit"]
BASE, LIMIT = "controller-runtime", "limit"
# name: review, connections, a new connection for each
WORK = {"backup x1": ("backup", 1, False), "backup x16": ("backup", 16, False), "backup x64": ("backup", 64, False),
        "restore x16": ("restore", 16, False), "management x16": ("management", 16, False),
        "backup, new connections": ("backup", 16, True)}
# design targets: (row, column of the row, compared with, at most or at least, ratio)
TARGETS = [("backup x16", "per_second", BASE, ">=", 8), ("restore x16", "per_second", BASE, ">=", 8),
           ("backup x16", "cpu_us", BASE, "<=", 1 / 8), ("restore x16", "cpu_us", BASE, "<=", 1 / 8),
           ("backup x16", "cpu_us", LIMIT, "<=", 1.7), ("restore x16", "cpu_us", LIMIT, "<=", 2.1),
           ("management x16", "per_second", BASE, ">=", 20), ("backup, new connections", "cpu_us", BASE, "<=", 1 / 1.5),
           ("memory", "high_kib", BASE, "<=", 1 / 3), ("start", "ms", BASE, "<=", 1 / 2)]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backstop", help="the binary")
    parser.add_argument("--development", help="a binary linked with the system's shared libraries, to compare starts and memory")
    parser.add_argument("--build", default="build/bench", help="folder of peers, certificates and results")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4, help="length of one measurement")
    parser.add_argument("--starts", type=int, default=5, help="cold starts a round")
    parser.add_argument("--only", default=",".join(NAMES), help="servers, by comma")
    parser.add_argument("--patience", type=float, default=60, help="seconds to wait for a quiet machine")
    parser.add_argument("--no-scale", action="store_true", help="leave out sizes, limits and the long run")
    parser.add_argument("--reviews", type=int, default=1_000_000, help="length of the long run")
    return parser.parse_args()


# ---- measuring ------------------------------------------------------------------

def check_answers(server):
    """A server that answers something else is not measured."""
    for review in ("backup", "restore", "management"):
        body = server.place.body(review)
        with server.connect() as connection:
            status, answer = server.ask(connection, review, body)
        response = json.loads(answer)["response"]
        fine = status == 200 and response["allowed"]
        if server.name != "limit":
            fine = fine and response["uid"] == json.loads(body)["request"]["uid"]
            fine = fine and ("patch" in response) == (review == "restore")
        if not fine:
            raise SystemExit(f"bench: {server.name} answers a {review} review with {status} {answer!r}")


def measure(place, name, args):
    rows = {}
    starts = []
    for _ in range(args.starts - 1):
        with Server(place, name) as server:
            starts.append(server.started_ms)
    with Server(place, name) as server:
        starts.append(server.started_ms)
        check_answers(server)
        rows["start"] = {"ms": statistics.median(starts), "idle_kib": server.memory_kib("VmRSS")}
        load(server, "backup", 16, min(2, args.seconds))
        for row, (review, connections, fresh) in WORK.items():
            rows[row] = load(server, review, connections, args.seconds, fresh)
        rows["memory"] = {"high_kib": server.memory_kib()}
    return rows


def spread(rounds, row, column):
    """By how much the rounds differ, relative to their median."""
    values = [one[row][column] for one in rounds]
    return (max(values) - min(values)) / (statistics.median(values) or 1)


def unsteady(rounds):
    return [(name, row) for name, runs in rounds.items() for row in WORK if spread(runs, row, "cpu_us") > SPREAD]


def run(place, names, args):
    """`args.rounds` rounds; where those differ too much others follow, as many again, and the last ones count."""
    rounds = {name: [] for name in names}
    for number in range(2 * args.rounds):
        if number >= args.rounds and not unsteady(rounds):
            break
        busy = quiet(0.15, args.patience)
        print(f"round {number + 1}: {busy:.0%} of a CPU was busy before, a fixed piece of work took {pace():.1f} ms",
              file=sys.stderr)
        for name in names:
            rounds[name] = [*rounds[name], measure(place, name, args)][-args.rounds:]
            row = rounds[name][-1]["backup x16"]
            print(f"  {name}: {row['per_second']:.0f} ManagementBackups/s, {row['cpu_us']:.1f} us CPU each "
                  f"(others used {row['foreign_cpu']:.0%} of a CPU)", file=sys.stderr)
        for name, row in unsteady(rounds) if number + 1 >= args.rounds else []:
            print(f"  {name}, {row}: rounds differ by {spread(rounds[name], row, 'cpu_us'):.0%}", file=sys.stderr)
    return rounds


# What the sandbox and the log line cost a review: the same server without one of them, and without both.
VARIANTS = {"as shipped": (), "without the sandbox": ("--sandbox", "off"),
            "without the log line": ("--log-reviews=false",),
            "without both": ("--sandbox", "off", "--log-reviews=false")}


def run_variants(place, args):
    """Microseconds of CPU of each variant and review, a list of rounds each."""
    costs = {name: {"backup": [], "restore": []} for name in VARIANTS}
    for _ in range(args.rounds):
        for name, more in VARIANTS.items():
            with Server(place, "backstop", more=more) as server:
                load(server, "backup", 16, min(1, args.seconds))
                for review, rounds in costs[name].items():
                    rounds.append(load(server, review, 16, args.seconds)["cpu_us"])
    return costs


def variants_table(costs):
    lines = ["| CPU of a review, 16 connections | ManagementBackup, us | Restore, us |", "|---|---:|---:|"]
    for name, reviews in costs.items():
        cells = []
        for rounds in reviews.values():
            middle = statistics.median(rounds)
            steady = max(rounds) - min(rounds) <= SPREAD * middle
            cells.append(f"{middle:.1f}" if steady else f"{min(rounds):.1f} to {max(rounds):.1f} (rounds differ)")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


# ---- the image's binary and one with shared libraries ------------------------------

COMMANDS = {"version": ["version"], "explain": ["explain", "0 */6 * * *"], "review of one file": ["review", "-f"]}


def run_command(binary, words):
    """Milliseconds of CPU and page faults of a command, the best of many runs."""
    best, faults = 1e9, 0
    for _ in range(20):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([binary, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        if spent * 1000 < best:
            best, faults = spent * 1000, after.ru_minflt - before.ru_minflt
    return {"cpu_ms": best, "page_faults": faults}


def run_binaries(place, args):
    """Starts, page faults, memory and commands of the image's binary, the development one and controller-runtime."""
    names = ["backstop", "development", BASE] if place.development else []
    rows = {name: {"start_ms": [], "page_faults": [], "idle_kib": [], "high_kib": []} for name in names}
    for _ in range(args.rounds):
        for name, row in rows.items():
            starts = []
            for _ in range(args.starts):
                with Server(place, name) as server:
                    starts.append(server.started_ms)
            row["start_ms"].append(statistics.median(starts))
            with Server(place, name) as server:
                row["page_faults"].append(server.page_faults())
                row["idle_kib"].append(server.memory_kib("VmRSS"))
                for review in ("backup", "restore", "management"):
                    load(server, review, 16, min(1, args.seconds))
                row["high_kib"].append(server.memory_kib())
    result = {name: {column: statistics.median(values) for column, values in row.items()} for name, row in rows.items()}
    manifest = f"{place.build}/manifest.json"
    with open(manifest, "w", encoding="utf-8") as out:
        json.dump(json.loads(place.body("backup"))["request"]["object"], out)
    for name in names[:2]:
        for title, words in COMMANDS.items():
            more = [manifest] if words[-1] == "-f" else []
            result[name][title] = run_command(getattr(place, name), [*words, *more])
    return result


def binaries_table(rows):
    lines = ["| | image's binary | with shared libraries | controller-runtime |", "|---|---:|---:|---:|"]
    for title, column, form in (("start to first answer, ms", "start_ms", "{:.1f}"), ("page faults of that start", "page_faults", "{:,.0f}"),
                                ("memory idle, KiB", "idle_kib", "{:,.0f}"), ("memory high-water mark, KiB", "high_kib", "{:,.0f}")):
        lines.append(f"| {title} | " + " | ".join(form.format(row[column]) for row in rows.values()) + " |")
    for title in COMMANDS:
        cells = [f"{row[title]['cpu_ms']:.1f} ms of CPU, {row[title]['page_faults']} page faults" if title in row else "" for row in rows.values()]
        lines.append(f"| `backstop {title}` | " + " | ".join(cells) + " |")
    return lines


# ---- reporting --------------------------------------------------------------------

def ratio(rounds, name, base, row, column):
    """None where the rounds of either differ too much to say."""
    steady = max(spread(rounds[one], row, column) for one in (name, base)) <= SPREAD
    return median(rounds[name], row, column) / (median(rounds[base], row, column) or 1) if steady else None


def median(rounds, row, column):
    return statistics.median(one[row][column] for one in rounds)


def table(rounds):
    names = list(rounds)
    rows = []
    for work in WORK:
        rows += [(f"{work}: reviews/s", work, "per_second", "{:,.0f}"), (f"{work}: CPU us", work, "cpu_us", "{:.1f}"),
                 (f"{work}: p50 us", work, "p50_us", "{:,.0f}"), (f"{work}: p99 us", work, "p99_us", "{:,.0f}")]
    rows += [("start to first answer, ms", "start", "ms", "{:.1f}"),
             ("memory idle, KiB", "start", "idle_kib", "{:,.0f}"),
             ("memory high-water mark, KiB", "memory", "high_kib", "{:,.0f}")]
    lines = ["| | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for title, work, column, form in rows:
        cells = []
        for name in names:
            cell = form.format(median(rounds[name], work, column))
            if BASE in rounds and name != BASE:
                times = ratio(rounds, name, BASE, work, column)
                cell += f" ({times:.2f}x)" if times is not None else " (rounds differ)"
            cells.append(cell)
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return lines


def verdicts(rounds):
    lines = ["| target | wanted | measured | |", "|---|---:|---:|---|"]
    for work, column, against, sign, wanted in TARGETS:
        if "backstop" not in rounds or against not in rounds:
            continue
        measured = ratio(rounds, "backstop", against, work, column)
        if measured is None:
            lines.append(f"| {work}: {column} against {against} | {sign} {wanted:.3g}x | rounds differ | no result |")
            continue
        met = measured >= wanted if sign == ">=" else measured <= wanted
        lines.append(f"| {work}: {column} against {against} | {sign} {wanted:.3g}x | {measured:.3f}x | "
                     f"{'met' if met else 'missed'} |")
    return lines


def report(rounds, costs, binaries, sizes, args, began):
    trouble = sum(one[work][key] for runs in rounds.values() for one in runs for work in WORK
                  for key in ("errors", "refused"))
    foreign = statistics.median(one[work]["foreign_cpu"] for runs in rounds.values() for one in runs for work in WORK)
    resumed = sum(one[work].get("resumed", 0) for runs in rounds.values() for one in runs for work in WORK)
    version = subprocess.run([args.backstop, "version"], capture_output=True, text=True, check=False).stdout.split()
    commit = version[version.index("revision") + 1][:12] if "revision" in version else "unknown"
    lines = [f"{time.strftime('%F')}, commit {commit}, `{' '.join(sys.argv[1:])}`", "",
             f"{args.rounds} interleaved rounds, medians; (x) is the ratio to {BASE}; {os.cpu_count()} CPUs, "
             f"{platform.release()}; {trouble} errors; {resumed} resumed sessions; other processes used {foreign:.0%} of a CPU (median); "
             f"{(time.time() - began) / 60:.0f} minutes", "", *table(rounds), "", *verdicts(rounds)]
    if binaries:
        lines += ["", *binaries_table(binaries)]
    if costs:
        lines += ["", *variants_table(costs)]
    if sizes:
        lines += ["", *scale.table(sizes)]
    return "\n".join(lines) + "\n"


def main():
    args, began = arguments(), time.time()
    place = Place(args.build, args.backstop, args.development)
    names = [name for name in NAMES if name in args.only.split(",")]
    rounds = run(place, names, args)
    costs = run_variants(place, args) if "backstop" in names else None
    binaries = run_binaries(place, args) if "backstop" in names else None
    sizes = None if args.no_scale else scale.run(place, names, args)
    text = report(rounds, costs, binaries, sizes, args, began)
    print(text)
    stem = f"{args.build}/result-{time.strftime('%Y%m%d-%H%M%S')}"
    with open(stem + ".md", "w", encoding="utf-8") as out:
        out.write(text)
    version = subprocess.run([args.backstop, "version"], capture_output=True, text=True, check=False).stdout
    with open(stem + ".json", "w", encoding="utf-8") as out:
        json.dump({"version": version, "arguments": vars(args), "rounds": rounds, "variants": costs, "binaries": binaries, "scale": sizes}, out, indent=1)
    print(f"written to {stem}.md and .json")


if __name__ == "__main__":
    main()
