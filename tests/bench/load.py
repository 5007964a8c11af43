"""Load: wrk beside the server, and connections held open by hand."""
import json
import os
import subprocess
import time

from servers import HERE


def wrk(server, review, connections, seconds, fresh=False):
    """One measurement: what wrk saw, and what the server spent on it."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s",
               "-s", f"{HERE}/post.lua", server.url(review), "--", f"{server.place.bodies}/{review}.json"]
    if fresh:
        command.append("close")
    server.forget_log()
    spent, total, mine = server.cpu_seconds(), busy_seconds(), os.times()
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    spent, total, after = server.cpu_seconds() - spent, busy_seconds() - total, os.times()
    line = next((line for line in result.stdout.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise SystemExit("bench: wrk failed: " + result.stdout + result.stderr)
    row = json.loads(line[len("RESULT "):])
    load = sum(after[:4]) - sum(mine[:4])
    answered = row["requests"] or 1
    return row | {"per_second": row["requests"] / row["seconds"], "cpu_us": spent / answered * 1e6,
                  "server_cpu": spent / row["seconds"], "load_cpu": load / row["seconds"],
                  # what others took of the machine: above a few percent, throughput means little
                  "foreign_cpu": max(0.0, total - spent - load) / row["seconds"]}


def busy_seconds():
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system = (int(field) for field in file.readline().split()[1:4])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


def quiet(most, patience):
    """Waits for a machine that does nothing else; says how busy it stayed."""
    until = time.monotonic() + patience
    while True:
        before = busy_seconds()
        time.sleep(1)
        busy = busy_seconds() - before
        if busy < most or time.monotonic() > until:
            return busy
