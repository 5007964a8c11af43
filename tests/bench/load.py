"""Load: programs beside the server, and what the machine does meanwhile."""
import hashlib
import json
import os
import subprocess
import time

from servers import HERE


def load(server, review, connections, seconds, fresh=False):
    """One measurement: what the client saw, and what the server spent on it. Kept connections are wrk's; new ones
    are made by a client in Go that never resumes a session, as the API server's does not (wrk would)."""
    body = f"{server.place.bodies}/{review}.json"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s",
               "-s", f"{HERE}/post.lua", server.url(review), "--", body]
    if fresh:
        command = [f"{server.place.build}/bin/client", "-url", server.url(review), "-body", body,
                   "-ca", server.place.certs + "/ca.crt", "-connections", str(connections), "-for", f"{seconds}s"]
    server.forget_log()
    spent, total, mine = server.cpu_seconds(), busy_seconds(), os.times()
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    spent, total, after = server.cpu_seconds() - spent, busy_seconds() - total, os.times()
    line = next((line for line in result.stdout.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise SystemExit(f"bench: {command[0]} failed: " + result.stdout + result.stderr)
    row = json.loads(line[len("RESULT "):])
    taken = sum(after[:4]) - sum(mine[:4])
    answered = row["requests"] or 1
    return row | {"per_second": row["requests"] / row["seconds"], "cpu_us": spent / answered * 1e6,
                  "server_cpu": spent / row["seconds"], "load_cpu": taken / row["seconds"],
                  # what others took of the machine: above a few percent, throughput means little
                  "foreign_cpu": max(0.0, total - spent - taken) / row["seconds"]}


def busy_seconds():
    """What all processors did or were kept from doing: a virtual machine's may be given to others (steal)."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, irq, softirq, steal = (int(field) for field in file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def pace():
    """Milliseconds that a fixed piece of work takes here and now: a slow or shared processor shows in it, though
    nothing runs beside it."""
    block, best = bytes(1 << 20), 1e9
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(8):
            hashlib.blake2b(block).digest()
        best = min(best, (time.perf_counter() - began) * 1000)
    return best


def quiet(most, patience):
    """Waits for a machine that does nothing else; says how busy it stayed."""
    until = time.monotonic() + patience
    while True:
        before = busy_seconds()
        time.sleep(1)
        busy = busy_seconds() - before
        if busy < most or time.monotonic() > until:
            return busy
