#!/usr/bin/env python3
"""Counts the system calls of a review on a kept connection, and of one among reviews of several connections that come
together, and fails above a limit: syscalls.py BINARY BUILD

The log goes to a pipe, as a container's does, and the sandbox is on. The difference of a long and a short run is
counted, in the thread that serves the connection, so that the start and the end of both do not matter."""
import collections
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import Place, Server

FEW, MANY = 20, 120
# Wait for the request, read a record's head and its rest, send the answer, write the log line.
MOST = {"backup": 5, "restore": 5}
# Together they share the wait and the log line's write.
TOGETHER, MOST_TOGETHER = 12, 3.7
COUNTED = {"poll", "ppoll", "recvfrom", "sendto", "sendmsg", "sendmmsg", "write", "writev", "pwritev2"}


class Traced(Server):
    def __init__(self, place, trace):
        self.place, self.name = place, "backstop"
        reading, writing = os.pipe()
        ports = trace + ".ports"
        command = ["strace", "-f", "-qq", "-e", "signal=none", "-o", trace,
                   *place.command("backstop", "127.0.0.1:0", more=("--port-file", ports))]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=writing)
        os.close(writing)
        self.lines = []
        with os.fdopen(reading) as log:
            for line in log:
                self.lines.append(line)
                if '"message":"serving"' in line:
                    break
            else:
                raise SystemExit(f"syscalls: backstop does not serve under strace: {''.join(self.lines)[-1000:]}")
            self.rest = threading.Thread(target=collections.deque, args=(os.fdopen(os.dup(reading)), 0), daemon=True)
            self.rest.start()
        with open(ports, encoding="ascii") as file:
            self.port = int(re.search(r"listen=(\d+)", file.read())[1])

        self.child = int(subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True,
                                        text=True, check=True).stdout.split()[0])

    def __exit__(self, *_):
        os.kill(self.child, signal.SIGTERM)
        self.process.wait(60)


def traced_calls(trace):
    """By thread."""
    threads = collections.defaultdict(collections.Counter)
    with open(trace, encoding="utf-8", errors="replace") as file:
        for line in file:
            found = re.match(r"(\d+) +(\w+)\(", line)
            if found:
                threads[found[1]][found[2]] += 1
    return threads


def calls_together(place, folder, times):
    """Those of all threads, for reviews that all wait in their sockets when the server looks."""
    trace, body = f"{folder}/together-{times}", place.body("backup")
    with Traced(place, trace) as server:
        connections = [server.connect() for _ in range(TOGETHER)]
        for _ in range(times):
            os.kill(server.child, signal.SIGSTOP)
            for connection in connections:
                server.send(connection, "backup", body)
            os.kill(server.child, signal.SIGCONT)
            for connection in connections:
                status, answer = server.answer(connection)
                if status != 200:
                    raise SystemExit(f"syscalls: backup is answered {status} {answer[:200]!r}")
        for connection in connections:
            connection.close()
    each = sum(traced_calls(trace).values(), collections.Counter())
    return {name: each[name] for name in COUNTED}


def calls(place, folder, review, times):
    """The system calls of the thread that sent the most answers."""
    trace = f"{folder}/{review}-{times}"
    body = place.body(review)
    with Traced(place, trace) as server, server.connect() as connection:
        for _ in range(times):
            status, answer = server.ask(connection, review, body)
            if status != 200:
                raise SystemExit(f"syscalls: {review} is answered {status} {answer[:200]!r}")
    return max(traced_calls(trace).values(), key=lambda one: one["sendto"] + one["sendmsg"])


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    if subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], check=False).returncode != 0:
        print("syscalls: this machine lets nobody trace a process: not counted")
        return
    place, over = Place(sys.argv[2], sys.argv[1]), []
    with tempfile.TemporaryDirectory() as folder:
        for review, most in [*MOST.items(), ("together", MOST_TOGETHER)]:
            if review == "together":
                more, few, reviews = *(calls_together(place, folder, times) for times in (15, 5)), 10 * TOGETHER
            else:
                more, few, reviews = *(calls(place, folder, review, times) for times in (MANY, FEW)), MANY - FEW
            each = {name: (more[name] - few[name]) / reviews for name in more}
            total = sum(each.values())
            print(f"{review}: {total:.2f} system calls a review (at most {most}): "
                  + ", ".join(f"{name} {number:.2f}" for name, number in sorted(each.items()) if number > 0.005))
            if total > most + 0.2:  # the machine may hand over a body in two pieces now and then
                over.append(review)
    if over:
        sys.exit(f"syscalls: more than allowed for {', '.join(over)}")


if __name__ == "__main__":
    main()
