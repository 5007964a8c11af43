#!/usr/bin/env python3
"""An API server for the rate alone: watch_rate.py CERT KEY RECORDED COUNT [--change progress|annotation|version]

Lists COUNT Backups, all made from RECORDED (one Backup in JSON, as kube-apiserver serves it), and watches them over TLS.
Every other kind is not installed. Commands come on the standard input, one a line, each answered by a line: `rate N`
(events a second from now on), `sent` (how many events and bytes went out so far). The first line printed is the port.

Each event is a chunk and a TLS record of its own, as kube-apiserver writes it while the watcher keeps up. What an event
changes beside the version and the writer's time: `progress` counts status.progress up, as Velero does each second;
`annotation` changes one that nobody reads; `version` nothing."""
import argparse
import json
import socket
import ssl
import sys
import threading
import time
import urllib.parse

TICK = 0.002
LIST = {"kind": "BackupList", "apiVersion": "velero.io/v1"}


class Backups:
    """Texts of list items and events, cut where they differ."""

    def __init__(self, recorded, count, change):
        self.count, self.version = count, 1000000
        backup = json.loads(json.dumps(recorded))
        meta = backup["metadata"]
        meta.update(name="@NAME@", resourceVersion="@VERSION@")
        backup.setdefault("status", {}).setdefault("progress", {}).update(itemsBackedUp=77770077)
        meta.setdefault("annotations", {})["example.com/round"] = "@ROUND@"
        meta["managedFields"][-1]["time"] = "@TIME@"
        # kube-apiserver writes the members of a custom resource in their order by name.
        text = json.dumps(backup, separators=(",", ":"), sort_keys=True).replace("77770077", "@ITEMS@")
        self.parts, self.change = self.cut(text), change
        self.names = [f"backup-{i % 20:02}-{time.strftime('%Y%m%d%H%M%S', time.gmtime(1767225600 + i * 3600))}".encode()
                      for i in range(count)]

    @staticmethod
    def cut(text):
        """[text, which value, text, which value, ..., text]"""
        parts = [text]
        for mark in ("@NAME@", "@VERSION@", "@ROUND@", "@TIME@", "@ITEMS@"):
            parts = [piece for part in parts for piece in
                     ([part] if part.startswith("@") else
                      [p for n, q in enumerate(part.split(mark)) for p in (([mark] if n else []) + [q])])]
        return [part if part.startswith("@") else part.encode() for part in parts]

    def text(self, i, n, version):
        values = {"@NAME@": self.names[i], "@VERSION@": b"%d" % version,
                  "@ROUND@": b"%d" % (n if self.change == "annotation" else 0),
                  "@TIME@": b"2026-11-29T%02d:%02d:%02dZ" % (n // 3600 % 24, n // 60 % 60, n % 60),
                  "@ITEMS@": b"%d" % (1000 + n if self.change == "progress" else 1000)}
        return b"".join(values[part] if isinstance(part, str) else part for part in self.parts)

    def page(self, query):
        limit, at = int(query.get("limit", ["500"])[0]), int(query.get("continue", ["0"])[0])
        to = min(self.count, at + limit)
        more = {"continue": str(to)} if to < self.count else {}
        head = json.dumps({**LIST, "metadata": {"resourceVersion": "1000000", **more}, "items": []}).encode()
        return head[:-2] + b",".join(self.text(i, 0, 1 + i) for i in range(at, to)) + b"]}"

    def event(self):
        self.version += 1
        n, i = divmod(self.version - 1000001, self.count)
        text = b'{"type":"MODIFIED","object":' + self.text(i, n + 1, self.version) + b"}\n"
        return b"%x\r\n%s\r\n" % (len(text), text)


class Server:
    def __init__(self, certificate, key, backups):
        self.backups, self.rate, self.events, self.bytes = backups, 0.0, 0, 0
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate, key)
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            with self.tls.wrap_socket(connection, server_side=True) as stream:
                head = b""
                while True:
                    while b"\r\n\r\n" not in head:
                        more = stream.recv(65536)
                        if not more:
                            return
                        head += more
                    request, _, head = head.partition(b"\r\n\r\n")
                    if not self.answer(stream, request.split(b" ", 2)[1].decode()):
                        return
        except (OSError, ssl.SSLError):
            pass

    def answer(self, stream, target):
        path, _, query = target.partition("?")
        query = urllib.parse.parse_qs(query)
        status, body = b"200 OK", b""
        if path == "/apis/velero.io/v1":
            body = json.dumps({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "velero.io/v1",
                               "resources": [{"name": "backups", "kind": "Backup"}]}).encode()
        elif path.endswith("/backups"):
            if "watch" in query:
                return self.watch(stream)
            body = self.backups.page(query)
        else:
            status, body = b"404 Not Found", b'{"kind":"Status","code":404,"message":"not installed"}'
        stream.sendall(b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                       % (status, len(body), body))
        return True

    def watch(self, stream):
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        due, before = 0.0, time.monotonic()
        while True:
            time.sleep(TICK)
            now = time.monotonic()
            due, before = min(due + self.rate * (now - before), self.rate), now  # what is late is sent, but of a second at most
            for _ in range(int(due)):
                chunk = self.backups.event()
                stream.sendall(chunk)
                self.events, self.bytes = self.events + 1, self.bytes + len(chunk)
            due -= int(due)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("certificate")
    parser.add_argument("key")
    parser.add_argument("recorded")
    parser.add_argument("count", type=int)
    parser.add_argument("--change", choices=["progress", "annotation", "version"], default="progress")
    args = parser.parse_args()
    with open(args.recorded, encoding="utf-8") as file:
        backups = Backups(json.load(file), args.count, args.change)
    server = Server(args.certificate, args.key, backups)
    print(server.listener.getsockname()[1], flush=True)
    for line in sys.stdin:
        command, *values = line.split()
        if command == "rate":
            server.rate = float(values[0])
        print(server.events, server.bytes, flush=True)


if __name__ == "__main__":
    main()
