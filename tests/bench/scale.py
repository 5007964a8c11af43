"""What must not grow: memory over a million reviews, cost with the inventory, connections, overload."""
import json
import os
import socket
import statistics
import threading
import time

from load import load
from servers import Server

MANY_CONNECTIONS = 500
HALF_SENT = 300
HALF_REQUEST = (b"POST /validate-k0rdent-mirantis-com-v1beta1-managementbackup HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Type: application/json\r\nContent-Length: 3500\r\n\r\n{\"kind\":\"AdmissionReview\",")


def long_run(place, reviews, seconds=4):
    """Memory every tenth of the way through `reviews` reviews."""
    with Server(place, "backstop") as server:
        done, marks = 0, []
        while done < reviews:
            done += load(server, "backup", 16, seconds)["requests"]
            marks.append({"reviews": done, "high_kib": server.memory_kib(), "rss_kib": server.memory_kib("VmRSS")})
    return marks


def inventory_size(place, facts, seconds):
    with Server(place, "backstop", facts) as server:
        idle = server.memory_kib("VmRSS")
        load(server, "backup", 16, 1)
        return {"idle_kib": idle, "start_ms": server.started_ms, "backup": load(server, "backup", 16, seconds),
                "restore": load(server, "restore", 16, seconds), "high_kib": server.memory_kib(),
                "rss_kib": server.memory_kib("VmRSS")}


def half_sent(place, name):
    """Memory of a TLS connection that sent a part of its request and waits."""
    with Server(place, name) as server:
        load(server, "backup", 16, 1)
        before, open_connections = server.memory_kib("VmRSS"), []
        for _ in range(HALF_SENT):
            connection = server.connect()
            connection.sendall(HALF_REQUEST)
            open_connections.append(connection)
        time.sleep(0.5)
        each = (server.memory_kib("VmRSS") - before) / HALF_SENT
        for connection in open_connections:
            connection.close()
    return each


def many_connections(place, seconds):
    with Server(place, "backstop") as server:
        row = load(server, "backup", MANY_CONNECTIONS, seconds)
        return row | {"high_kib": server.memory_kib()}


def overload(place):
    """Large bodies from more clients than the server takes at once: refused fast, in bounded memory."""
    body, waits, statuses = place.body("management"), [], []
    with Server(place, "backstop", more=["--max-concurrent", "16"]) as server:
        calm = server.memory_kib()
        held = [server.connect() for _ in range(16)]
        for connection in held:
            connection.sendall(HALF_REQUEST)
        time.sleep(0.2)

        def client():
            try:
                with server.connect() as connection:
                    for _ in range(8):
                        began = time.monotonic()
                        statuses.append(server.ask(connection, "management", body)[0])
                        waits.append(time.monotonic() - began)
            except (OSError, socket.timeout):
                statuses.append(0)

        clients = [threading.Thread(target=client) for _ in range(32)]
        for one in clients:
            one.start()
        for one in clients:
            one.join()
        for connection in held:
            connection.close()
        return {"answers": len(statuses), "refused": statuses.count(429), "failed": statuses.count(0),
                "p50_ms": statistics.median(waits) * 1000, "max_ms": max(waits) * 1000,
                "grown_kib": server.memory_kib() - calm}


def reload(place, changes=12):
    """The inventory of 10,000 Backups is replaced by one with another storage location, again and again. Reviews go on by
    one connection, a hundred a second; those that name the new location say when it is known."""
    with open(f"{place.bodies}/facts-large.json", encoding="utf-8") as file:
        facts = json.load(file)
    location = next(item for item in facts["items"] if item["kind"] == "BackupStorageLocation")
    path, review = f"{place.bodies}/facts-reloaded.json", json.loads(place.body("backup"))

    def write(name):
        location["metadata"]["name"] = review["request"]["object"]["spec"]["storageLocation"] = name
        with open(path + ".new", "w", encoding="utf-8") as new:
            json.dump(facts, new)
        return json.dumps(review).encode()

    write("before")
    os.rename(path + ".new", path)
    calm, busy, known, spent = [], [], [], []
    with Server(place, "backstop", "facts-reloaded") as server, server.connect() as connection:

        def ask(body, waits):
            began = time.monotonic()
            allowed = json.loads(server.ask(connection, "backup", body)[1])["response"]["allowed"]
            waits.append((time.monotonic() - began) * 1000)
            return allowed

        for number in range(changes):
            body = write(f"changed-{number}")
            time.sleep(0.5)
            for _ in range(50):
                ask(body, calm)
                time.sleep(0.01)
            used, began = server.running_seconds(), time.monotonic()
            os.rename(path + ".new", path)
            while not ask(body, busy):
                if time.monotonic() - began > 30:
                    raise SystemExit("bench: a changed inventory was not read")
                time.sleep(0.005)
            known.append((time.monotonic() - began) * 1000)
            time.sleep(0.5)
            spent.append((server.running_seconds() - used) * 1000)
    return {"calm_ms": statistics.median(calm), "calm_max_ms": max(calm), "busy_ms": statistics.median(busy),
            "busy_max_ms": max(busy), "known_ms": statistics.median(known), "cpu_ms": statistics.median(spent)}


def run(place, names, args):
    if "backstop" not in names:
        return None
    return {"long_run": long_run(place, args.reviews, args.seconds),
            "small": inventory_size(place, "facts", args.seconds),
            "large": inventory_size(place, "facts-large", args.seconds),
            "half_sent": {name: half_sent(place, name) for name in names},
            "many": many_connections(place, args.seconds), "overload": overload(place), "reload": reload(place)}


def table(sizes):
    marks, small, large, many, full, again = (sizes[key] for key in ("long_run", "small", "large", "many", "overload", "reload"))
    half = ", ".join(f"{name} {kib:.1f} KiB" for name, kib in sizes["half_sent"].items())
    return ["| what must not grow | measured |", "|---|---|",
            f"| memory high-water mark over reviews | {marks[0]['high_kib']:,} KiB after {marks[0]['reviews']:,}, "
            f"{marks[-1]['high_kib']:,} KiB after {marks[-1]['reviews']:,} |",
            f"| memory with 10 Backups and 50 locations, with 10,000 and 1,000 | {small['rss_kib']:,} KiB, "
            f"{large['rss_kib']:,} KiB ({(large['rss_kib'] - small['rss_kib']) / 1024:.1f} MiB more; high-water mark "
            f"while reading {large['high_kib']:,} KiB) |",
            f"| CPU a ManagementBackup review with those | {small['backup']['cpu_us']:.1f} us, "
            f"{large['backup']['cpu_us']:.1f} us |",
            f"| CPU a Restore review with those | {small['restore']['cpu_us']:.1f} us, "
            f"{large['restore']['cpu_us']:.1f} us |",
            f"| a TLS connection with a half-sent request | {half} |",
            f"| {MANY_CONNECTIONS} connections | {many['per_second']:,.0f} reviews/s, p99 {many['p99_us'] / 1000:.1f} ms, "
            f"{many['errors']} errors, {many['refused']} refused |",
            f"| overload: {full['answers']} large reviews beside 16 of 16 places taken | {full['refused']} answered 429, "
            f"{full['failed']} failed; p50 {full['p50_ms']:.1f} ms, slowest {full['max_ms']:.1f} ms; "
            f"memory grew {full['grown_kib']:,} KiB |",
            f"| an inventory of 10,000 Backups in which one object changes | known {again['known_ms']:.0f} ms after the change, "
            f"{again['cpu_ms']:.0f} ms of CPU; a review meanwhile p50 {again['busy_ms']:.2f} ms, slowest {again['busy_max_ms']:.1f} "
            f"ms (otherwise {again['calm_ms']:.2f} and {again['calm_max_ms']:.1f}) |"]
