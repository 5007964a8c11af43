"""Hostile clients. Each attack yields while it presses, and says in the end what it was answered."""
import os
import subprocess
import time

from libwire import *  # noqa: F403 - the wire tests' vocabulary

HEAD = f"POST {BACKUP} HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\n"
ATTACKS = []


def attack(name):
    def register(function):
        ATTACKS.append((name, function))
        return function
    return register


def crowd(server, size, plain=False, **options):
    """That many connections, as far as they are let in."""
    made = []
    for _ in range(size):
        try:
            made.append(socket.create_connection(("127.0.0.1", server.port), timeout=5) if plain else
                        Client(server.port, timeout=5, **options))
        except OSError:
            pass
    return made


def press(clients, data, seconds, every=0.2):
    """Sends the same bytes on all of them again and again; how many of them the server cut."""
    alive, until = list(clients), time.monotonic() + seconds
    for one in alive:
        raw(one).settimeout(0.05)
    while alive and time.monotonic() < until:
        for one in list(alive):
            try:
                raw(one).sendall(data)
            except TimeoutError:
                pass
            except OSError:
                alive.remove(one)
        time.sleep(every)
    return len(clients) - len(alive)


def raw(client):
    return client.socket if isinstance(client, Client) else client


def drop(clients):
    for one in clients:
        one.close()


def status_of(server, data, timeout=5, port=None):
    """The status line's number, or how the connection ended. port: one that speaks plain HTTP."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout) if port else server.client(timeout=timeout) as client:
            (client.sendall if port else client.send)(data)
            line = (client.makefile("rb") if port else client.stream).readline().decode(errors="replace")
            return line.split()[1] if line.startswith("HTTP/") else "closed"
    except TimeoutError:
        return "silence"
    except OSError:
        return "closed"


def tally(answers):
    counts = {}
    for answer in answers:
        counts[answer] = counts.get(answer, 0) + 1
    return ", ".join(f"{count} x {answer}" for answer, count in sorted(counts.items(), key=lambda c: -c[1]))


# ---- slow -------------------------------------------------------------------------------

@attack("200 heads, a byte each 0.2 s")
def _(server):
    clients = crowd(server, 200)
    cut = press(clients, b"P", 5)
    drop(clients)
    return f"{cut} cut at the request timeout"


@attack("400 bodies, a byte each 0.2 s")
def _(server):
    clients = crowd(server, 400)
    for client in clients:
        client.send(HEAD + "Content-Length: 100000\r\n\r\n{")
    cut = press(clients, b" ", 5)
    drop(clients)
    return f"{cut} cut, for newer ones or at the request timeout"


@attack("200 bodies announced and never sent")
def _(server):
    clients = crowd(server, 200)
    for client in clients:
        client.send(HEAD + "Content-Length: 100000\r\nExpect: 100-continue\r\n\r\n")
    time.sleep(4.5)
    drop(clients)
    return "100 Continue, then cut at the request timeout"


@attack("100 clients that never read their answers")
def _(server):
    body = json.dumps(backup_review(schedule="x" * 200))
    clients = crowd(server, 100)
    cut = press(clients, (HEAD + f"Content-Length: {len(body)}\r\n\r\n{body}").encode() * 30, 8, 0.1)
    drop(clients)
    return f"no more is read of them; {cut} cut"


# ---- large ------------------------------------------------------------------------------

@attack("20 chunked bodies without an end")
def _(server):
    clients = crowd(server, 20)
    for client in clients:
        client.send(HEAD + "Transfer-Encoding: chunked\r\n\r\n")
    chunk = b"%x\r\n%s\r\n" % (65536, b" " * 65536)
    cut = press(clients, chunk * 8, 8, 0)
    drop(clients)
    return f"{cut} closed after twice the limit"


@attack("40 bodies of 8 MiB, the limit being 7")
def _(server):
    body = b" " * (8 << 20)
    return tally(status_of(server, (HEAD + f"Content-Length: {len(body)}\r\n\r\n").encode() + body) for _ in range(40))


@attack("40 bodies of 7 MiB at once, all but the last byte")
def _(server):
    asked = json.dumps(backup_review()).encode()
    body = asked + b" " * ((7 << 20) - len(asked))
    clients = crowd(server, 40)
    for client in clients:
        client.socket.settimeout(10)
        try:
            client.send((HEAD + f"Content-Length: {len(body)}\r\n\r\n").encode() + body[:-1])
        except OSError:
            pass
    answers = []
    for client in clients:
        try:
            client.send(body[-1:])
            answers.append(str(client.answer().status))
        except (OSError, http.client.HTTPException):
            answers.append("closed")
    drop(clients)
    return tally(answers)


@attack("16 Restores of 3 MiB that are all small values")
def _(server):
    asked = review("Restore", "large", {"backupName": "b", "excludedResources": [f"r{i}" for i in range(200000)],
                                        "includedResources": [f"i{i}" for i in range(200000)]}, namespace="kcm-system")
    body = json.dumps(asked).encode()
    clients, answers = crowd(server, 16), []
    for client in clients:
        client.socket.settimeout(20)
        client.send((HEAD.replace(BACKUP, RESTORE) + f"Content-Length: {len(body)}\r\n\r\n").encode() + body)
    for client in clients:
        try:
            answers.append(f"review {client.answer().json()['response'].get('status', {}).get('code', 200)}")
        except (OSError, http.client.HTTPException, KeyError) as problem:
            answers.append(type(problem).__name__)
    drop(clients)
    return f"{len(body) >> 20} MiB each: " + tally(answers)


@attack("500 heads of 100 KB; of 1,000 lines; a path of 100 KB")
def _(server):
    bombs = [HEAD + "X-Large: " + "x" * 100000 + "\r\n\r\n",
             HEAD + "".join(f"X-{i}: {i}\r\n" for i in range(1000)) + "\r\n",
             "POST /" + "p" * 100000 + " HTTP/1.1\r\nHost: b\r\n\r\n"]
    return tally(status_of(server, bombs[i % 3].encode()) for i in range(500))


# ---- many -------------------------------------------------------------------------------

@attack("10,000 connections without a byte")
def _(server):
    made = crowd(server, 10000, plain=True)
    time.sleep(2)
    drop(made)
    return f"{len(made):,} connected, 1,024 at a time; the silent give way at once"


@attack("2,000 idle TLS connections")
def _(server):
    made = crowd(server, 2000)
    drop(made)
    return f"{len(made):,} made; the longest idle give way"


@attack("2,000 connections that end at once, half with a reset")
def _(server):
    for i in range(2000):
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as one:
            one.send(b"\x16\x03\x01\x02\x00\x01" if i % 3 else b"")
            if i % 2:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    return "closed"


@attack("500 requests cut in the middle of the body")
def _(server):
    for client in crowd(server, 500):
        client.send(HEAD + "Content-Length: 50000\r\n\r\n" + "{" * 20000)
        client.close()
    return "closed"


@attack("50 connections with 400 requests each in one go")
def _(server):
    body = json.dumps(backup_review())
    one = (HEAD + f"Content-Length: {len(body)}\r\n\r\n{body}").encode()
    clients = crowd(server, 50)
    cut = press(clients, one * 400, 4, 0.1)
    drop(clients)
    return f"answered in order until nobody reads; {cut} cut"


# ---- what is no TLS or no HTTP ----------------------------------------------------------

@attack("2,000 times random bytes instead of TLS")
def _(server):
    for _ in range(2000):
        try:
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as one:
                one.sendall(os.urandom(600))
                one.shutdown(socket.SHUT_WR)
                while one.recv(4096):
                    pass
        except OSError:
            pass
    return "closed"


def s_client(server, command, times, option):
    """What openssl's client says of a handshake that it does again: how many times until it was closed."""
    done = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-CAfile",
                             CERTS + "/ca.crt", option], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)
    try:
        for _ in range(times):  # it takes one command at each read
            done.stdin.write(command + "\n")
            done.stdin.flush()
            time.sleep(0.002)
        done.stdin.close()
    except OSError:
        pass
    return done.stdout.read(), done.wait()


@attack("TLS 1.2 renegotiation, 50 clients")
def _(server):
    asked = [s_client(server, "R", 5, "-tls1_2")[0].count("RENEGOTIATING") for _ in range(50)]
    assert all(asked), asked
    return f"closed at the {max(asked)}. attempt"


@attack("TLS 1.3 key updates, 50 clients, 500 each")
def _(server):
    asked = [s_client(server, "K", 500, "-tls1_3")[0].count("KEYUPDATE") for _ in range(50)]
    assert all(asked) and max(asked) < 500, asked
    return f"closed after {max(asked)} at most"


@attack("2,000 requests that are wrong in method, path, type, version or all")
def _(server):
    wrong = {"GET": b"GET " + BACKUP.encode() + b" HTTP/1.1\r\nHost: b\r\n\r\n",
             "path": b"POST /nowhere HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n",
             "type": HEAD.replace("application/json", "text/plain").encode() + b"Content-Length: 2\r\n\r\n{}",
             "no body": HEAD.encode() + b"Content-Length: 0\r\n\r\n",
             "HTTP/1.0": HEAD.replace("HTTP/1.1", "HTTP/1.0").encode() + b"Content-Length: 2\r\n\r\n{}",
             "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/9": b"POST / HTTP/9.9\r\nHost: b\r\n\r\n",
             "words": b"HELO there\r\n\r\n"}
    answers = {}
    for i in range(2000):
        name = list(wrong)[i % len(wrong)]
        answers.setdefault(name, set()).add(status_of(server, wrong[name]))
    return "; ".join(f"{name} {'/'.join(sorted(seen))}" for name, seen in answers.items())


@attack("4,600 requests whose end two programs could see in two places, half of them on the health port")
def _(server):
    more = [b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"Content-Length: 5\r\nContent-Length: 6\r\n",
            b"Content-Length : 5\r\n", b"Content-Length: 5\x000\r\n", b"X: a\nContent-Length: 5\r\n", b"Host: c\r\n",
            b"X: a\r\n b\r\n", b"Transfer-Encoding: gzip\r\n"]
    said = []
    for port, one in ((None, f"POST {BACKUP} HTTP/1.1\r\n".encode()), (server.health, b"GET /livez HTTP/1.1\r\n")):
        wrong = [one + b"Host: b\r\n" + lines + b"\r\n0\r\n\r\n" for lines in more]
        wrong += [one + b"\r\n", one[:-2] + b"\nHost: b\r\n\r\n"]
        answers = tally(status_of(server, wrong[i % len(wrong)] + one, port=port) for i in range(2000))
        head = one + b"Host: b\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"
        encoded = tally(status_of(server, head, port=port) for _ in range(300))
        said.append(f"{answers}; with Content-Encoding {encoded}")
    return "; health port: ".join(said)
