"""Bodies that are no sound AdmissionReview: a clear answer each, as a review when there is a uid."""
from libwire import *

LIMIT = 7 << 20


def text(asked):
    return json.dumps(asked).encode()


@shows("truncated JSON is a 400 review, at every length that still has the uid")
def _(server):
    asked = backup_review()
    body, uid = text(asked), asked["request"]["uid"]
    with server.client() as client:
        for length in range(body.index(uid.encode()) + len(uid) + 1, len(body), 97):
            client.post(BACKUP, body[:length]).denied(400, uid=uid)
        for length in range(1, body.index(uid.encode()), 11):
            client.post(BACKUP, body[:length]).error(400)


@shows("7 MiB are read, one byte more is a 413 review")
def _(server):
    asked = backup_review()
    body = text(asked)
    with server.client() as client:
        client.post(BACKUP, body + b" " * (LIMIT - len(body))).response(asked["request"]["uid"])
        client.post(BACKUP, body + b" " * (LIMIT - len(body) + 1)).denied(413, "larger than", asked["request"]["uid"])
        client.post(BACKUP, body).response(asked["request"]["uid"])


@shows("a backup is never denied for its annotations' sake, however large or broken its review")
def _(server):
    asked = backup_review()
    uid = asked["request"]["uid"]
    for body in (text(asked) + b" " * LIMIT, text(asked)[:-2], text(asked)):  # the last: of another kind
        got = server.post("/mutate-velero-io-v1-backup", body).response(uid)
        assert got["allowed"] is True and "patch" not in got, got


@shows("an oversized chunked body is a 413 review")
def _(server):
    asked = backup_review()
    body = text(asked) + b" " * LIMIT
    with server.client() as client:
        client.request("POST", BACKUP, b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body),
                       {"Content-Length": None, "Transfer-Encoding": "chunked"}).denied(413, uid=asked["request"]["uid"])


@shows("an oversized body without a uid is a plain 413")
def _(server):
    server.post(BACKUP, b" " * (LIMIT + 1)).error(413, "larger than")


@shows("an absurd Content-Length is a 413 at once")
def _(server):
    with server.client() as client:
        client.send(f"POST {BACKUP} HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\nContent-Length: 1000000000000\r\n\r\n")
        answer = client.answer()
        answer.error(413)
        same(answer.headers["Connection"].lower(), "close")
        client.closed(5)


@shows("nesting of 10,000 is a 400 review")
def _(server):
    asked = backup_review()
    asked["request"]["object"]["spec"]["deep"] = "HERE"
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        deep = opening * 10000 + b"1" + closing * 10000
        server.post(BACKUP, text(asked).replace(b'"HERE"', deep)).denied(400, uid=asked["request"]["uid"])
    server.post(BACKUP, b"[" * 100000).error(400)


@shows("duplicate keys are a 400 review")
def _(server):
    asked = backup_review()
    body = text(asked).replace(b'"operation"', b'"dryRun": true, "operation"')
    server.post(BACKUP, body).denied(400, "dryRun", asked["request"]["uid"])


@shows("invalid UTF-8 and NUL are 400 reviews")
def _(server):
    asked = backup_review(name="NAME")
    for bad in (b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\0", b"\x01", b"\n"):
        server.post(BACKUP, text(asked).replace(b"NAME", b"a" + bad)).denied(400, uid=asked["request"]["uid"])
    server.post(BACKUP, text(asked) + b"\0").denied(400, uid=asked["request"]["uid"])


@shows("JSON that is no AdmissionReview is a plain 400")
def _(server):
    for body in (b"null", b"1", b'"x"', b"[]", b"{}", b'{"kind":"Pod"}', b'{"request":null}', b'{"request":{}}',
                 b'{"request":{"uid":7}}', b"{" * 50, b"\xef\xbb\xbf{}", b"apiVersion: v1", b"<xml/>"):
        server.post(BACKUP, body).error(400)


@shows("members of a wrong type never crash")
def _(server):
    for member in ("kind", "resource", "name", "namespace", "operation", "userInfo", "object", "oldObject", "dryRun"):
        for value in (None, 7, "x", [], {}, [[]], True, 1e308):
            asked = backup_review()
            asked["request"][member] = value
            answer = server.post(BACKUP, asked)
            same(answer.response(asked["request"]["uid"])["uid"], asked["request"]["uid"])


@shows("spec values of a wrong type never crash")
def _(server):
    for value in (None, 7, [], {}, True, "x" * 100000, "\u0000", "\ud83d\ude00", "\u202e", "%s%n"):
        for member in ("schedule", "storageLocation", "performOnManagementUpgrade"):
            asked = backup_review()
            asked["request"]["object"]["spec"][member] = value
            server.post(BACKUP, asked).response(asked["request"]["uid"])
    for spec in (None, 7, [], "x"):
        asked = backup_review()
        asked["request"]["object"]["spec"] = spec
        server.post(BACKUP, asked).response(asked["request"]["uid"])


@shows("a large denial stays within bounds")
def _(server):
    asked = backup_review(schedule="x" * 1000000, location="y" * 1000000)
    answer = server.post(BACKUP, asked)
    answer.denied(422, uid=asked["request"]["uid"])
    assert len(answer.body) < 20000, len(answer.body)


main(Server())
