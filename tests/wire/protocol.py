"""HTTP as the API server speaks it, and as others might."""
import threading
from libwire import *


@shows("a review is answered as a review with its uid")
def _(server):
    asked = backup_review()
    answer = server.post(BACKUP + "?timeout=10s", asked)
    same(answer.json()["apiVersion"], "admission.k8s.io/v1")
    same(answer.response(asked["request"]["uid"])["allowed"], True)


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


@shows("a chunked body is read")
def _(server):
    with server.client() as client:
        for size in (1, 7, 1000, 100000):
            asked = backup_review()
            body = json.dumps(asked).encode()
            parts = [body[i:i + size] for i in range(0, len(body), size)]
            chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
            client.request("POST", BACKUP, chunks, {"Content-Length": None, "Transfer-Encoding": "chunked"}) \
                .response(asked["request"]["uid"])


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


main(Server())
