"""Slow, greedy and rude clients: cut or told so, while others are served."""
from libwire import *

HEAD = f"POST {BACKUP} HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\n"
REQUEST, IDLE, CONNECTIONS, CONCURRENT = 1, 3, 24, 2


def served(server):
    began = time.monotonic()
    server.post(BACKUP, backup_review()).response()
    took = time.monotonic() - began
    assert took < 0.9, f"others wait {took:.2f} s"


def cut_in_time(client, began):
    client.closed(5)
    took = time.monotonic() - began
    assert REQUEST * 0.9 <= took <= REQUEST + 1.5, f"cut after {took:.2f} s"


def trickle(client, data):
    """One byte each 0.1 s until the server has enough of it."""
    client.socket.settimeout(0.1)
    for byte in data:
        try:
            client.send(bytes([byte]))
            same(client.socket.recv(1), b"")
            return
        except TimeoutError:
            pass
        except (ConnectionError, ssl.SSLError, BrokenPipeError):
            return


class Plain:
    """A TCP connection without TLS."""

    def __init__(self, server):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=5)

    closed, send = Client.closed, Client.send


@shows("a handshake that never begins is cut")
def _(server):
    silent, began = Plain(server), time.monotonic()
    served(server)
    cut_in_time(silent, began)
    silent.socket.close()


@shows("a handshake that trickles is cut")
def _(server):
    client, began = Plain(server), time.monotonic()
    served(server)
    trickle(client, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"A" * 100)
    took = time.monotonic() - began
    assert REQUEST * 0.9 <= took <= REQUEST + 1.5, f"cut after {took:.2f} s"
    client.socket.close()


@shows("handshakes that stall cost no CPU")
def _(server):
    def busy():
        fields = open(f"/proc/{server.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    stalled = []
    for size in (6, 100, 10000):  # a part of the ClientHello, or all of it and then nothing
        tls = context().wrap_bio(ssl.MemoryBIO(), hello := ssl.MemoryBIO(), server_hostname="localhost")
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            stalled.append(Plain(server))
            stalled[-1].socket.sendall(hello.read()[:size])
    time.sleep(0.2)
    before = busy()
    time.sleep(REQUEST * 0.6)
    spent = busy() - before
    assert spent < REQUEST * 0.6 * 0.25, f"{spent:.2f} s of CPU in {REQUEST * 0.6} s"
    for one in stalled:
        one.socket.close()


@shows("a head that stalls is cut")
def _(server):
    with server.client() as client:
        began = time.monotonic()
        client.send(HEAD[:20])
        served(server)
        cut_in_time(client, began)


@shows("a head that trickles is cut")
def _(server):
    with server.client() as client:
        began = time.monotonic()
        trickle(client, (HEAD + "X-Slow: " + "x" * 100).encode())
        took = time.monotonic() - began
        assert REQUEST * 0.9 <= took <= REQUEST + 1.5, f"cut after {took:.2f} s"


@shows("a body that stalls is cut")
def _(server):
    with server.client() as client:
        began = time.monotonic()
        client.send(HEAD + "Content-Length: 1000\r\n\r\n{")
        served(server)
        cut_in_time(client, began)


@shows("a body that trickles is cut, on a connection that was good before")
def _(server):
    with server.client() as client:
        client.post(BACKUP, backup_review()).response()
        time.sleep(0.3)
        began = time.monotonic()
        client.send(HEAD + "Content-Length: 1000\r\n\r\n")
        trickle(client, b"{" * 100)
        took = time.monotonic() - began
        assert REQUEST * 0.9 <= took <= REQUEST + 1.5, f"cut after {took:.2f} s"


@shows("a connection that waits is kept past the request timeout, up to the idle timeout")
def _(server):
    with server.client() as spare, server.client() as used:  # Go's client opens spare connections
        used.post(BACKUP, backup_review()).response()
        began = time.monotonic()
        time.sleep(REQUEST + 0.8)
        spare.post(BACKUP, backup_review()).response()
        used.post(BACKUP, backup_review()).response()
        began = time.monotonic()
        used.closed(IDLE + 3)
        took = time.monotonic() - began
        assert IDLE * 0.8 <= took <= IDLE + 2, f"closed after {took:.2f} s"


def occupy(server):
    """Takes all places for bodies."""
    slow = [server.client() for _ in range(CONCURRENT)]
    for client in slow:
        client.send(HEAD + "Content-Length: 1000\r\n\r\n{")
    return slow


@shows("too many reviews at once: 429 with Retry-After at once")
def _(server):
    told = 0
    with server.client() as client:
        for _ in range(40):
            slow = occupy(server)
            time.sleep(0.03)
            began = time.monotonic()
            answer = client.post(BACKUP, backup_review())
            took = time.monotonic() - began
            for one in slow:
                one.close()
            if answer.status == 429:  # else the machine was so slow that one of them had to give way
                answer.error(429, "too many reviews")
                same(answer.headers["Retry-After"], "1")
                assert took < 0.5, f"told so after {took:.2f} s"
                told += 1
            eventually(lambda: client.post(BACKUP, backup_review()).response())
            if told == 5:
                break
    same(told, 5)
    assert server.metric('backstop_http_refused_total{reason="overload"}') >= 5


@shows("slow bodies that take all places give way after a quarter of a second")
def _(server):
    slow = occupy(server)
    time.sleep(0.35)
    for _ in range(10):
        served(server)
    for one in slow:
        one.close()


@shows("however many large bodies wait, small reviews find room")
def _(server):
    roomy, large = Server(), b" " * (6 << 20)
    clients = [roomy.client() for _ in range(14)]
    for client in clients:
        client.socket.settimeout(5)
        try:
            client.send((HEAD + f"Content-Length: {len(large) + 1}\r\n\r\n").encode() + large)
        except OSError:  # refused already
            pass
    for _ in range(10):
        served(roomy)
    for client in clients:
        client.close()
    assert roomy.metric('backstop_http_refused_total{reason="overload"}') >= 1
    roomy.stop()


@shows("silent connections cannot keep a client out")
def _(server):
    silent = [Plain(server) for _ in range(CONNECTIONS * 2)]
    eventually(lambda: served(server), 5)
    for one in silent:
        one.socket.close()
    assert server.metric('backstop_http_refused_total{reason="connections"}') >= 1


@shows("in a full house a connection that has been silent for long gives way")
def _(server):
    full = Server("--max-connections", "4", "--request-timeout", "1m")
    silent = [Plain(full) for _ in range(4)]
    time.sleep(2.3)
    for _ in range(6):
        served(full)
    closed = 0
    for one in silent:
        one.socket.settimeout(0.1)
        try:
            closed += one.socket.recv(1) == b""
        except TimeoutError:
            pass
        one.socket.close()
    assert 1 <= closed < 4, f"{closed} of 4 had to go"
    full.stop()


@shows("silent connections to the health port do not make the kubelet think it is dead")
def _(server):
    silent = [socket.create_connection(("127.0.0.1", server.health), timeout=5) for _ in range(200)]
    for _ in range(5):
        began = time.monotonic()
        eventually(lambda: same(server.get("/livez")[0], 200), 1)
        assert time.monotonic() - began < 1, "the kubelet waits for one second"
    for one in silent:
        one.close()


@shows("clients that vanish leave nothing behind")
def _(server):
    for i in range(60):
        client = server.client()
        client.send((HEAD + "Content-Length: 5000\r\n\r\n" + "{" * (i * 50))[:i * 60 + 1])
        if i % 2:  # reset instead of a clean end
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
    for _ in range(CONCURRENT + 1):
        eventually(lambda: server.post(BACKUP, backup_review()).response())


@shows("a client that never reads its answers is cut")
def _(server):
    client = server.client()
    body = json.dumps(backup_review(schedule="x" * 200)).encode()
    stream = (HEAD + f"Content-Length: {len(body)}\r\n\r\n").encode() + body
    client.socket.settimeout(0.2)
    began = time.monotonic()
    cut = False
    while time.monotonic() - began < 8 and not cut:
        try:
            client.send(stream * 50)
        except TimeoutError:
            pass
        except OSError:
            cut = True
    assert cut, "still open after 8 s"
    served(server)
    client.close()


@shows("the cuts are counted")
def _(server):
    assert server.metric('backstop_http_refused_total{reason="slow"}') >= 6


main(Server("--request-timeout", f"{REQUEST}s", "--idle-timeout", f"{IDLE}s", "--max-connections", str(CONNECTIONS),
            "--max-concurrent", str(CONCURRENT)))
