#!/usr/bin/env python3
"""Writes hack/order.txt, the members of libraries that the image's binary uses: order.py BINARY MAP BENCH

Of the image's binary a start and reviews use a quarter, scattered among what they never call, and the kernel maps 64 KiB
around each page that is used. hack/order.awk makes a linker script of the list, which puts what is used side by side
(docs/performance.md). Here the binary runs under callgrind, which counts each instruction: a start from files, reviews, and
a start that follows a cluster. MAP says which member an address is of, BENCH has make bench's bodies and certificates.

A list that is out of date costs memory, and nothing else: names that no library has match nothing."""
import bisect
import collections
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, f"{ROOT}/tests/bench")
sys.dont_write_bytecode = True
from servers import PATHS, Place, Server  # noqa: E402

LIST = f"{ROOT}/hack/order.txt"
# Which of a function's variants runs is decided by the processor, and valgrind's has no AVX-512.
LIBC_VARIANT = re.compile(r"(.+?)-(?:sse2|avx2?|evex|avx512)[\w-]*$")
LIBC_KEPT = re.compile(r"-(?:avx2|evex|evex512|avx512|(?:avx|avx512|evex)-unaligned-erms)(?:-movbe)?$")
NETTLE_VARIANT, NETTLE_KEPT = re.compile(r"(.+?)(?:-\d)?$"), re.compile(r"(?:-\d)?$")
# Debian's archives have one section a file, our own objects one a function.
OWN, OWN_FUNCTION = "libbackstop.a", re.compile(r"\.text\.(?!unlikely\.)(\w+)")

# What valgrind's machine does not do: it has no vDSO, and the sandbox would shut valgrind in.
UNSEEN = {"libc.a": ["dl-lookup", "dl-object", "realpath_chk", "setrlimit64"],
          "libseccomp.a": ["libseccomp_la-" + name for name in ("api", "arch", "arch-x86_64", "db", "gen_bpf", "hash", "helper",
                                                                "syscalls", "system")]}
SANDBOX = "sandbox"  # and so all functions of this file
# Members without code: tables that are read at each start.
TABLES = {"libgnutls.a": ["gnutls_asn1_tab", "pkix_asn1_tab"], "libgmp.a": ["mp_bases"]}


# ---- the map --------------------------------------------------------------------

def members_of(path):
    """[(address, size, library, member)] of the input sections with code, by address; of our own library member:function."""
    found, name = [], None
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            part = re.match(r" (\.text\S*)?\s+(?:0x([0-9a-f]+)\s+0x([0-9a-f]+)\s+(\S.*)\n)?", line)
            name = (part and part[1]) or (name if part and part[2] else None)
            source = part and part[2] and name and re.search(r"([^/]+\.a)\((.+)\.o\)$", part[4])
            if source and int(part[2], 16):
                library, member = re.sub(r"-[\d.].*\.a$", "*.a", source[1]), source[2]
                function = OWN_FUNCTION.match(name) if library == OWN else None
                found.append((int(part[2], 16), int(part[3], 16), library, f"{member}:{function[1]}" if function else member))
    return sorted(found)


def siblings(library, member, every):
    """The member, and what may run in its place on another processor."""
    variant, kept = {"libc.a": (LIBC_VARIANT, LIBC_KEPT), "libnettle.a": (NETTLE_VARIANT, NETTLE_KEPT)}.get(library, (None, None))
    found = variant and variant.match(member)
    stem = found and found[1]
    return {member} | {name for other, name in every
                       if stem and other == library and name.startswith(stem) and kept.fullmatch(name[len(stem):])}


# ---- runs -----------------------------------------------------------------------

class Run:
    """`backstop serve` under callgrind, and how often each address was executed once it has ended."""

    def __init__(self, binary, folder, *words):
        self.out, self.ports = f"{folder}/counts", f"{folder}/ports"
        self.process = subprocess.Popen(
            ["valgrind", "--tool=callgrind", "--dump-instr=yes", f"--callgrind-out-file={self.out}", binary, "serve", "--listen",
             "127.0.0.1:0", "--health-listen", "127.0.0.1:0", "--port-file", self.ports, "--sandbox", "off", *words],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.listens = self.wait(lambda: dict(re.findall(r"(\w+)=(?:.*:)?(\d+)\n", self.read())))

    def read(self):
        try:
            with open(self.ports, encoding="ascii") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def wait(self, ready):
        until = time.monotonic() + 120
        while time.monotonic() < until and self.process.poll() is None:
            if got := ready():
                return got
            time.sleep(0.05)
        raise SystemExit("order: the server does not start")

    def health(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.listens['health']}{path}", timeout=60) as answer:
                return answer.read()
        except urllib.error.HTTPError:
            return None

    def counts(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(120)
        counts, at, called = collections.Counter(), 0, False
        with open(self.out, encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("calls="):
                    called = True  # the next line is what the call cost altogether
                    continue
                if line[0] not in "0+-*":
                    continue
                where, _, cost = line.split()
                at = int(where, 16) if line[0] == "0" else at if where == "*" else at + int(where)
                if not called:
                    counts[at] += int(cost)
                called = False
        os.remove(self.ports)
        return counts


def run_files(place, folder, reviews):
    certificate = ["--tls-cert", f"{place.certs}/tls.crt", "--tls-key", f"{place.certs}/tls.key"]
    run = Run(place.backstop, folder, "--inventory", f"{place.bodies}/facts.json", *certificate)
    server = Server.__new__(Server)  # as a client
    server.place, server.port = place, int(run.listens["listen"])
    for _ in range(reviews):
        with server.connect(timeout=120) as connection:
            for _ in range(3):
                for review in PATHS:
                    server.ask(connection, review, place.body(review))
    if reviews:
        address = ("127.0.0.1", server.port)
        subprocess.run(["openssl", "s_client", "-status", "-connect", "%s:%d" % address], stdin=subprocess.DEVNULL,
                       capture_output=True, check=True)  # asks for a stapled answer of OCSP, as Go's clients do
        with socket.create_connection(address) as connection:  # one that fails
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            connection.recv(4096)
    for path in ("/healthz", "/readyz", "/metrics")[:reviews]:
        run.health(path)
    return run.counts()


def run_cluster(place, folder):
    certificate = [f"{place.certs}/tls.crt", f"{place.certs}/tls.key"]
    with subprocess.Popen([sys.executable, f"{ROOT}/tests/bench/watch_rate.py", *certificate, f"{place.bodies}/watched.json", "50"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as api:
        cluster = {"server": f"https://localhost:{int(api.stdout.readline())}", "certificate-authority": f"{place.certs}/ca.crt"}
        with open(f"{folder}/config", "w", encoding="utf-8") as file:
            json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "c", "clusters": [{"name": "c", "cluster": cluster}],
                       "users": [{"name": "c", "user": {"token": "t"}}],
                       "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}]}, file)
        run = Run(place.backstop, folder, "--kubeconfig", f"{folder}/config", "--tls-cert", certificate[0], "--tls-key", certificate[1])
        run.wait(lambda: run.health("/readyz"))
        api.stdin.write("rate 50\n")
        api.stdin.flush()
        time.sleep(3)
        counts = run.counts()
        api.stdin.close()
        return counts


# ---- the list -------------------------------------------------------------------

def main():
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    place, table = Place(sys.argv[3], sys.argv[1]), members_of(sys.argv[2])
    begins, every = [row[0] for row in table], {row[2:] for row in table}

    def used(addresses):
        found = set()
        for address in addresses:
            begin, size, library, member = table[bisect.bisect_right(begins, address) - 1]
            if begin <= address < begin + size:
                found |= {(library, name) for name in siblings(library, member, every)}
        return found

    with tempfile.TemporaryDirectory() as folder:
        start, reviewed, cluster = run_files(place, folder, 0), run_files(place, folder, 3), run_cluster(place, folder)
    reviews = used(address for address, count in reviewed.items() if count > start[address])
    unseen = {(library, name) for library, names in UNSEEN.items() for name in names}
    unseen |= {(library, name) for library, name in every if library == OWN and name.startswith(SANDBOX + ":")}
    start = (used({**start, **reviewed}) | unseen & every) - reviews
    groups = {"start": start, "reviews": reviews, "cluster": used(cluster) - start - reviews}
    # Constants are of whole files, those of the cluster's too many.
    groups["constants"] = {(library, name) for library, names in TABLES.items() for name in names}
    groups["constants"] |= {(OWN, name.split(":")[0]) for library, name in start | reviews if library == OWN}
    with open(LIST, "w", encoding="utf-8") as out:
        print("# The code that is used, by what uses it first. Written by `make order` (hack/order.py).", file=out)
        for group, members in groups.items():
            by_library = collections.defaultdict(set)
            for library, member in members:
                by_library[library].add(member.split(":")[-1])
            for library, names in sorted(by_library.items()):
                for line in textwrap.wrap(" ".join(sorted(names)), 120 - len(group) - len(library), break_on_hyphens=False):
                    print(group, library, line, file=out)
    print(", ".join(f"{group}: {len(members)}" for group, members in groups.items()))


if __name__ == "__main__":
    main()
