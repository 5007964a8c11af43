#!/usr/bin/env python3
"""What clients ask each server's TLS for: hellos.py BINARY BUILD

A relay between them reads the ClientHello of each connection (RFC 8446, 4.1.2). One that offers a session to resume has the
extension pre_shared_key, and a server that takes it saves the certificate and its signature. `make bench` compares new
connections, so its client must never offer one, as kube-apiserver's does not. wrk does, to servers that issue tickets.
Fails where the client of `make bench` offered one."""
import socket
import struct
import subprocess
import sys
import threading

from servers import HERE, PATHS, Place, Server

PRE_SHARED_KEY = 41


def offers_session(hello):
    """Whether the first record of a connection, a ClientHello, has pre_shared_key."""
    at = 5 + 4 + 2 + 32  # heads of record and message, version, random
    at += 1 + hello[at]  # session id
    at += 2 + struct.unpack_from(">H", hello, at)[0]  # cipher suites
    at += 1 + hello[at]  # compression methods
    end = at + 2 + struct.unpack_from(">H", hello, at)[0]
    at += 2
    while at < end:
        kind, length = struct.unpack_from(">HH", hello, at)
        if kind == PRE_SHARED_KEY:
            return True
        at += 4 + length
    return False


def receive(connection, size):
    got = b""
    while len(got) < size:
        part = connection.recv(size - len(got))
        if not part:
            raise ConnectionError("ended within its ClientHello")
        got += part
    return got


class Relay:
    """Listens for one server, and counts hellos and those that offer a session."""

    def __init__(self, port):
        self.server_port, self.hellos, self.offers, self.lock = port, 0, 0, threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client = self.listener.accept()[0]
            threading.Thread(target=self.relay, args=(client,), daemon=True).start()

    def relay(self, client):
        try:
            head = receive(client, 5)
            hello = head + receive(client, struct.unpack(">H", head[3:])[0])
            with self.lock:
                self.hellos += 1
                self.offers += offers_session(hello)
            with socket.create_connection(("127.0.0.1", self.server_port)) as server:
                server.sendall(hello)
                back = threading.Thread(target=self.copy, args=(server, client), daemon=True)
                back.start()
                self.copy(client, server)
                back.join()
        except OSError:
            pass
        finally:
            client.close()

    @staticmethod
    def copy(source, target):
        try:
            while part := source.recv(65536):
                target.sendall(part)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def count(place, port, client):
    """(hellos, those that offer a session) of a second of new connections, four at a time."""
    relay = Relay(port)
    url, body = f"https://127.0.0.1:{relay.port}{PATHS['backup']}", f"{place.bodies}/backup.json"
    commands = {"make bench's client": [f"{place.build}/bin/client", "-url", url, "-body", body, "-ca", f"{place.certs}/ca.crt",
                                        "-connections", "4", "-for", "1s"],
                "wrk": ["wrk", "-t1", "-c4", "-d1s", "-s", f"{HERE}/post.lua", url, "--", body, "close"]}
    subprocess.run(commands[client], stdout=subprocess.DEVNULL, check=True)
    return relay.hellos, relay.offers


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    place, offered = Place(sys.argv[2], sys.argv[1]), 0
    print("| new connections to | by | ClientHellos | that offer a session |\n|---|---|---:|---:|")
    for name in ("backstop", "controller-runtime", "net-http"):
        for client in ("make bench's client", "wrk"):
            with Server(place, name) as server:
                hellos, offers = count(place, server.port, client)
            print(f"| {name} | {client} | {hellos:,} | {offers:,} |")
            if client != "wrk":
                offered += offers or not hellos
    raise SystemExit(1 if offered else 0)


if __name__ == "__main__":
    main()
