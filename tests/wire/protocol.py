"""HTTP as the API server speaks it, and as others might."""
import threading
from libwire import *


@shows("a review is answered as a review with its uid")
def _(server):
    asked = backup_review()
    answer = server.post(BACKUP + "?timeout=10s", asked)
    same(answer.json()["apiVersion"], "admission.k8s.io/v1")
    same(answer.response(asked["request"]["uid"])["allowed"], True)


@shows("the trace that a review belongs to stands in its log line, and only a valid one")
def _(server):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = [f"00-{trace}-00f067aa0ba902b7-01", f"00-{trace.upper()}-00f067aa0ba902b7-01", f"00-{'0' * 32}-00f067aa0ba902b7-01",
               f"00-{trace}-00f067aa0ba902b7-01-x", f"00_{trace}-00f067aa0ba902b7-01", f'00-{trace[:-1]}"-00f067aa0ba902b7-01', ""]
    for number, header in enumerate(headers):
        with server.client() as client:
            client.post(BACKUP, backup_review(name=f"traced-{number}"), {"traceparent": header}).response()
    eventually(lambda: [line for line in server.log_lines("review") if line["name"] == f"traced-{len(headers) - 1}"])
    found = {line["name"]: line.get("trace_id") for line in server.log_lines("review") if line["name"].startswith("traced-")}
    same(found, {f"traced-{number}": trace if number == 0 else None for number in range(len(headers))})


@shows("the log calls what a replica has the API server ask for a call check, and only that")
def _(server):
    for name, dry_run in (("backstop-probe", True), ("backstop-probe", False), ("mine", True)):
        server.post(BACKUP, backup_review(name=name, schedule="0 9 * * 7", dryRun=dry_run)).denied(422)
    eventually(lambda: same([(line["name"], line["decision"], line["dry_run"]) for line in server.log_lines("call check")],
                            [("backstop-probe", "denied", True)]))
    asked = [(line["name"], line["dry_run"]) for line in server.log_lines("review")]
    holds(str(("mine", True)), str(asked))
    same([dry_run for name, dry_run in asked if name == "backstop-probe"], [False])


@shows("a v1beta1 review is answered in v1beta1")
def _(server):
    asked = backup_review(version="v1beta1")
    answer = server.post(BACKUP, asked)
    same(answer.json()["apiVersion"], "admission.k8s.io/v1beta1")
    same(answer.response(asked["request"]["uid"])["allowed"], True)


@shows("a denial carries code, reason and causes")
def _(server):
    status = server.post(BACKUP, backup_review(schedule="0 9 * * 7")).denied(422)["status"]
    same(status["reason"], "Invalid")
    same(status["details"]["causes"][0]["field"], "spec.schedule")


@shows("an unknown path is 404 and names the paths")
def _(server):
    for path in ("/", "/validate", BACKUP + "/", BACKUP + "x", "/" + "x" * 2000, "//", "/%2e%2e/etc/passwd"):
        holds(BACKUP, server.post(path, backup_review()).error(404)["message"])


@shows("other methods are 405 with Allow: POST")
def _(server):
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"):
        with server.client() as client:
            answer = client.request(method, BACKUP, b"")
            same(answer.error(405)["reason"], "MethodNotAllowed")
            same(answer.headers["Allow"], "POST")


@shows("HEAD is 405 without a body")
def _(server):
    with server.client() as client:
        answer = client.request("HEAD", BACKUP, b"")
        same((answer.status, answer.body), (405, b""))
        client.post(BACKUP, backup_review()).response()


@shows("content types other than JSON are 415, parameters are fine")
def _(server):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx", "", None):
        with server.client() as client:
            client.post(BACKUP, backup_review(), {"Content-Type": kind}).error(415, "application/json")
    for kind in ("application/json; charset=utf-8", "Application/JSON", "application/json;x=y"):
        with server.client() as client:
            client.post(BACKUP, backup_review(), {"Content-Type": kind}).response()


@shows("an empty body is 400")
def _(server):
    with server.client() as client:
        client.post(BACKUP, b"").error(400, "empty")
        client.request("POST", BACKUP, b"", {"Content-Length": None}).error(400, "empty")


@shows("one connection serves 100 reviews")
def _(server):
    with server.client() as client:
        for i in range(100):
            asked = backup_review(name=f"backup-{i}")
            answer = client.post(BACKUP, asked)
            answer.response(asked["request"]["uid"])
            assert answer.headers["Connection"] != "close"


@shows("pipelined reviews are answered in order")
def _(server):
    with server.client() as client:
        asked, stream = [backup_review(name=f"backup-{i}") for i in range(20)], b""
        for one in asked:
            body = json.dumps(one).encode()
            stream += f"POST {BACKUP} HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\n" \
                      f"Content-Length: {len(body)}\r\n\r\n".encode() + body
        client.send(stream)
        for one in asked:
            client.answer().response(one["request"]["uid"])


@shows("a chunked body is read, answered and the connection closed")
def _(server):
    for size in (1, 7, 1000, 100000):
        with server.client() as client:
            asked = backup_review()
            body = json.dumps(asked).encode()
            parts = [body[i:i + size] for i in range(0, len(body), size)]
            chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
            answer = client.request("POST", BACKUP, chunks, {"Content-Length": None, "Transfer-Encoding": "chunked"})
            answer.response(asked["request"]["uid"])
            same(answer.headers["Connection"].lower(), "close")  # where it ends is looked at by one program only


@shows("a body that comes byte by byte is read")
def _(server):
    with server.client() as client:
        asked = backup_review()
        body = json.dumps(asked).encode()
        client.send(f"POST {BACKUP} HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n")
        for byte in b"\r\n" + body:
            client.send(bytes([byte]))
        client.answer().response(asked["request"]["uid"])


@shows("HTTP/1.0 is answered and closed")
def _(server):
    with server.client() as client:
        asked = backup_review()
        body = json.dumps(asked).encode()
        client.send(f"POST {BACKUP} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        client.answer().response(asked["request"]["uid"])
        client.closed(5)


@shows("Connection: close is honoured")
def _(server):
    with server.client() as client:
        answer = client.post(BACKUP, backup_review(), {"Connection": "close"})
        answer.response()
        same(answer.headers["Connection"].lower(), "close")
        client.closed(5)


@shows("Expect: 100-continue is answered before the body")
def _(server):
    with server.client() as client:
        asked = backup_review()
        body = json.dumps(asked).encode()
        client.send(f"POST {BACKUP} HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n")
        same(client.stream.readline(), b"HTTP/1.1 100 Continue\r\n")
        same(client.stream.readline(), b"\r\n")
        client.send(body)
        client.answer().response(asked["request"]["uid"])


@shows("broken requests are refused and the next client is served")
def _(server):
    for broken in (b"\r\n\r\n\r\n", b"NONSENSE\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n", b"POST\0/ HTTP/1.1\r\n\r\n",
                   b"POST / HTTP/1.1\r\nHost: b\r\nContent-Length: -1\r\n\r\n",
                   b"POST / HTTP/1.1\r\nHost: b\r\nContent-Length: abc\r\n\r\n",
                   b"POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 99999999999999999999999\r\n\r\n",
                   b"POST / HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                   b"POST / HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n"):
        with server.client(timeout=5) as client:
            client.send(broken)
            client.socket.settimeout(0.3)
            try:
                got = client.stream.read(12)
                assert got in (b"", b"HTTP/1.1 400", b"HTTP/1.1 413", b"HTTP/1.1 505", b"HTTP/1.1 404",
                               b"HTTP/1.1 405"), (broken, got)
            except (TimeoutError, OSError):
                pass
    server.post(BACKUP, backup_review()).response()


FRAMING = {
    "Content-Length with Transfer-Encoding": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding with Content-Length": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "two Content-Length": b"Content-Length: 5\r\nContent-Length: 6\r\n",
    "two equal Content-Length": b"Content-Length: 5\r\ncontent-length: 5\r\n",
    "a list as Content-Length": b"Content-Length: 5, 5\r\n",
    "a signed Content-Length": b"Content-Length: +5\r\n",
    "a hexadecimal Content-Length": b"Content-Length: 0x5\r\n",
    "an empty Content-Length": b"Content-Length: \r\n",
    "NUL in a length": b"Content-Length: 5\x000\r\n",
    "NUL in a name": b"Content-Len\0gth: 5\r\n",
    "NUL in another header": b"X-Some: a\0b\r\n",
    "white space before the colon": b"Content-Length : 5\r\n",
    "a tab before the colon": b"Transfer-Encoding\t: chunked\r\n",
    "a folded header": b"X-Some: a\r\n b\r\n",
    "white space before the first header": b" X-Some: a\r\n",
    "no colon": b"X-Some\r\n", "no name": b": x\r\n",
    "a bare line feed after a header": b"X-Some: a\nContent-Length: 5\r\n",
    "a bare carriage return in a header": b"X-Some: a\rContent-Length: 5\r\n",
    "another Transfer-Encoding": b"Transfer-Encoding: gzip, chunked\r\n",
    "an obscured Transfer-Encoding": b"Transfer-Encoding: \x0bchunked\r\n",
    "two Transfer-Encoding": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "two Host": b"Host: c\r\n",
}
LINE = f"POST {BACKUP} HTTP/1.1\r\n".encode()
BARE = {
    "no Host": LINE + b"Content-Length: 0\r\n\r\n",
    "a bare line feed after the request line": LINE[:-2] + b"\nHost: b\r\nContent-Length: 0\r\n\r\n",
    "a bare line feed as the last line": LINE + b"Host: b\r\nContent-Length: 0\r\n\n",
    "a bare line feed before the request": b"\n" + LINE + b"Host: b\r\nContent-Length: 0\r\n\r\n",
    "NUL in the request line": LINE.replace(b"v1", b"v\0001") + b"Host: b\r\nContent-Length: 0\r\n\r\n",
    "Transfer-Encoding in HTTP/1.0": LINE.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}


class Plain(Client):
    """A connection to the health port, which speaks plain HTTP."""

    def __init__(self, port, timeout=5):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.socket.makefile("rb")


def listeners(server):
    """Both ports, and a request line that each would answer."""
    return ((lambda: server.client(timeout=5), LINE), (lambda: Plain(server.health), b"GET /livez HTTP/1.1\r\n"))


def refused_framing(client, request, what):
    """In one piece, and byte by byte; what follows in the same breath is not answered."""
    client.send(request)
    answer = client.answer()
    same((answer.status, answer.headers["Connection"]), (400, "close"), what)
    holds(b"RFC 9112", answer.body)
    client.closed(5)


@shows("a request whose end two programs could see in two places is refused with 400, and the connection closed (RFC 9112)")
def _(server):
    for connect, line in listeners(server):
        before = server.metric('backstop_http_refused_total{reason="framing"}')
        smuggled = line + b"Host: b\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        requests = {**{what: line + b"Host: b\r\nContent-Type: application/json\r\n" + lines + b"\r\n0\r\n\r\n"
                       for what, lines in FRAMING.items()},
                    **{what: request.replace(LINE[:-2], line[:-2]) for what, request in BARE.items()}}
        for what, request in requests.items():
            with connect() as client:
                refused_framing(client, request + smuggled, what)
            with connect() as client:
                for byte in request:
                    try:
                        client.send(bytes([byte]))
                    except OSError:
                        break  # closed already
                try:
                    same(client.answer().status, 400, what)
                except (ConnectionError, http.client.BadStatusLine):
                    pass  # a reset, for bytes that came after the refusal
        same(server.metric('backstop_http_refused_total{reason="framing"}') - before, 2 * len(requests))


@shows("the health port answers what is framed soundly, and closes")
def _(server):
    for request, status in ((b"GET /livez HTTP/1.1\r\nHost: b\r\n\r\n", 200), (b"GET /livez HTTP/1.0\r\n\r\n", 200),
                            (b"\r\nHEAD /readyz HTTP/1.1\r\nHost:\r\nContent-Length: 0\r\n\r\n", 200),
                            (b"GET /metrics HTTP/1.1\r\nHost: b\r\nContent-Length: 5\r\n\r\nhello", 200),
                            (b"POST /livez HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n", 405),
                            (b"GET /livez HTTP/1.1\r\nHost: b\r\nContent-Encoding: gzip\r\n\r\n", 415)):
        with Plain(server.health) as client:
            client.send(request + LINE)
            same(client.answer("HEAD" if b"HEAD" in request else "GET").status, status, str(request))
            client.closed(5)


@shows("broken framing behind a sound review: that is answered, nothing after it, and the connection is closed")
def _(server):
    asked = backup_review()
    body = json.dumps(asked).encode()
    sound = LINE + f"Host: b\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    for request in BARE.values():
        with server.client(timeout=5) as client:
            client.send(sound + request + sound)
            answer = client.answer()
            answer.response(asked["request"]["uid"])
            same(answer.headers["Connection"].lower(), "close")
            client.closed(5)


@shows("what only looks odd is read: white space around values, empty lines before a request, HTTP/1.0 without Host")
def _(server):
    asked = backup_review()
    body = json.dumps(asked).encode()
    length = str(len(body)).encode()
    for head in (LINE + b"Host: b\r\ncontent-type:application/json\r\nCONTENT-LENGTH: \t " + length + b"\r\n\r\n",
                 b"\r\n\r\n" + LINE + b"Host:\r\nContent-Type: application/json\r\nContent-Length: 000" + length + b"\r\n\r\n",
                 LINE.replace(b"1.1", b"1.0") + b"Content-Type: application/json\r\nContent-Length: " + length + b"\r\n\r\n",
                 LINE + b"Host: b\r\nX-Content-Length: 7\r\nX: \xc3\xa9\tb\r\nContent-Type: application/json\r\n"
                 b"Content-Length: " + length + b"\r\n\r\n"):
        with server.client() as client:
            client.send(head + body)
            client.answer().response(asked["request"]["uid"])


@shows("a body with Content-Encoding is 415")
def _(server):
    for coding in ("gzip", "identity", "br, gzip", ""):
        with server.client() as client:
            client.post(BACKUP, backup_review(), {"Content-Encoding": coding}).error(415, "Content-Encoding")


@shows("a head larger than the limit is refused")
def _(server):
    with server.client(timeout=5) as client:
        try:
            answer = client.request("POST", BACKUP, b"", {"X-Large": "x" * 100000})
            assert answer.status in (413, 431), answer.status
        except (OSError, http.client.BadStatusLine):
            pass
    server.post(BACKUP, backup_review()).response()


@shows("a Management of 200 KiB is answered")
def _(server):
    asked = upgrade_review("kcm-1-2-0")
    asked["request"]["object"]["metadata"]["annotations"] = {"large": "x" * 100000}
    asked["request"]["oldObject"]["status"] = {"components": {f"c{i}": {"template": "t" * 100} for i in range(800)}}
    same(server.post(MANAGEMENT, asked).response(asked["request"]["uid"])["allowed"], True)


@shows("a review at a path of another kind says so")
def _(server):
    server.post(MANAGEMENT, backup_review()).denied(400, "webhook configuration")


@shows("16 clients at once each get their own answers")
def _(server):
    problems = []

    def work(number):
        try:
            with server.client() as client:
                for i in range(25):
                    asked = backup_review(name=f"backup-{number}-{i}")
                    client.post(BACKUP, asked).response(asked["request"]["uid"])
        except Exception as problem:
            problems.append(problem)
    threads = [threading.Thread(target=work, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    same(problems, [])


@shows("reviews of many connections that come together are all answered and logged, with the last one of a connection")
def _(server):
    clients = [server.client() for _ in range(40)]
    asked = [backup_review(name=f"together-{number}") for number in range(len(clients))]
    for rest in (2, 1, 0):
        for client, one in zip(clients, asked):
            body = json.dumps(one).encode()
            close = "" if rest else "Connection: close\r\n"
            client.send(f"POST {BACKUP} HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\n{close}"
                        f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        for client, one in zip(clients, asked):
            client.answer().response(one["request"]["uid"])
    for client in clients:
        assert client.closed(20)
        client.close()
    logged = [line["name"] for line in server.log_lines("review") if line["name"].startswith("together-")]
    same(sorted(logged), sorted(3 * [f"together-{number}" for number in range(len(clients))]))


main(Server())
