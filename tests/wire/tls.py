"""TLS versions, names, and clients that do not speak it."""
import threading

from libwire import *

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def spoken(server, least, most):
    with server.client(tls=context(least, most)) as client:
        client.post(BACKUP, backup_review()).response()
        return client.socket.version(), client.socket.cipher()[0]


@shows("TLS 1.3 with AES-GCM is what is agreed on")
def _(strict, lenient):
    for server in (strict, lenient):
        version, cipher = spoken(server, V12, V13)
        same(version, "TLSv1.3")
        holds("AES_128_GCM", cipher)


@shows("TLS 1.2 is refused by default")
def _(strict, lenient):
    try:
        spoken(strict, V12, V12)
    except (ssl.SSLError, ConnectionError):
        return
    raise AssertionError("TLS 1.2 was accepted")


@shows("TLS 1.2 is accepted with --tls-min-version 1.2")
def _(strict, lenient):
    version, cipher = spoken(lenient, V12, V12)
    same(version, "TLSv1.2")
    holds("ECDHE-ECDSA-AES128-GCM", cipher)


@shows("the certificate is good for the Service's names and this machine")
def _(strict, lenient):
    for name in ("localhost", "127.0.0.1", "backstop.kcm-system.svc", "backstop.kcm-system.svc.cluster.local"):
        with strict.client(name=name) as client:
            client.post(BACKUP, backup_review()).response()
    try:
        strict.client(name="example.org")
    except ssl.SSLCertVerificationError:
        return
    raise AssertionError("example.org was accepted")


@shows("a client that offers HTTP/2 gets HTTP/1.1")
def _(strict, lenient):
    tls = context()
    tls.set_alpn_protocols(["h2", "http/1.1"])
    with strict.client(tls=tls) as client:
        same(client.socket.selected_alpn_protocol(), "http/1.1")
        client.post(BACKUP, backup_review()).response()


@shows("plain HTTP on the TLS port is told so")
def _(strict, lenient):
    with socket.create_connection(("127.0.0.1", strict.port), timeout=5) as client:
        client.sendall(f"POST {BACKUP} HTTP/1.1\r\nHost: b\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        answer = b""
        while part := client.recv(4096):
            answer += part
    holds(b"HTTP/1.1 400 ", answer)
    holds(b"This port speaks HTTPS", answer)


@shows("garbage instead of a handshake is closed, the next client is served")
def _(strict, lenient):
    for garbage in (b"\0" * 100, b"\x16\x03\x01\xff\xff" + b"A" * 1000, b"SSH-2.0-x\r\n", os.urandom(2000),
                    b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"):
        with socket.create_connection(("127.0.0.1", strict.port), timeout=5) as client:
            try:
                client.sendall(garbage)
                client.shutdown(socket.SHUT_WR)
                while client.recv(4096):
                    pass
            except TimeoutError:
                raise
            except OSError:  # reset already
                pass
    strict.post(BACKUP, backup_review()).response()


@shows("broken records after the handshake close the connection only")
def _(strict, lenient):
    for garbage in (b"\x17\x03\x03\x00\x20" + b"A" * 32, b"\x17\x03\x03\xff\xff", b"\x15\x03\x03\x00\x02\x02\x28"):
        client = strict.client()
        raw = socket.socket(fileno=os.dup(client.socket.fileno()))
        raw.sendall(garbage)
        client.closed(5)
        raw.close()
        client.close()
    strict.post(BACKUP, backup_review()).response()


class Records:
    """A TLS client that sees the records it is sent."""

    def __init__(self, port, tls, receive_buffer=None):
        self.plain = socket.socket()
        if receive_buffer:
            self.plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.plain.settimeout(60)
        self.plain.connect(("127.0.0.1", port))
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = tls.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.whole(self.tls.do_handshake)

    def whole(self, operation):
        while True:
            try:
                result = operation()
                self.plain.sendall(self.outgoing.read())
                return result
            except ssl.SSLWantReadError:
                self.plain.sendall(self.outgoing.read())
                self.incoming.write(self.record()[1])

    def exactly(self, length):
        got = b""
        while len(got) < length:
            part = self.plain.recv(length - len(got))
            assert part, "the server closed"
            got += part
        return got

    def record(self):
        head = self.exactly(5)
        return head[0], head + self.exactly(int.from_bytes(head[3:5], "big"))

    def text(self):
        """What the next record says."""
        kind, record = self.record()
        same(kind, 23, "type of the record")
        self.incoming.write(record)
        return self.tls.read(65536).decode()


def a_request(method, path, body=b""):
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@shows("head and body of an answer are one record; a head without a body comes at once")
def _(strict, lenient):
    body = json.dumps(backup_review()).encode()
    for server, tls in ((strict, context()), (lenient, context(V12, V12))):
        client = Records(server.port, tls)
        for _ in range(3):
            client.whole(lambda: client.tls.write(a_request("POST", BACKUP, body)))
            answer = client.text()
            holds("HTTP/1.1 200 OK\r\n", answer)
            holds('"allowed":true', answer.partition("\r\n\r\n")[2])
            client.whole(lambda: client.tls.write(a_request("HEAD", "/nowhere")))
            same(client.text().partition("\r\n\r\n")[2], "", "what follows the head")
        client.plain.close()


@shows("answers that nobody takes for a while all come in the end, whole and in order")
def _(strict, lenient):
    client = Records(strict.port, context(), receive_buffer=4096)
    review = backup_review()
    review["request"]["uid"] = "0" * 36
    request = a_request("POST", BACKUP, json.dumps(review).encode())
    count, sent = 12000, []
    for number in range(count):
        client.tls.write(request.replace(b"0" * 36, b"%036d" % number))
        sent.append(client.outgoing.read())
    sender = threading.Thread(target=lambda: client.plain.sendall(b"".join(sent)), daemon=True)
    sender.start()

    def reviewed():
        return [line for line in strict.get("/metrics")[1].splitlines() if line.startswith("backstop_reviews_total")]
    # Until the server can send no more, and so reads no more. Too early a look only makes this test weaker.
    before = None
    while before != (now := reviewed()):
        before = now
        time.sleep(0.2)
    for number in range(count):
        answer = client.text()
        holds("HTTP/1.1 200 OK\r\n", answer)
        holds('"uid":"%036d"' % number, answer)
    sender.join(60)
    client.plain.close()


def in_records(client, stream, size):
    """The stream as TLS records of `size` bytes of content."""
    for at in range(0, len(stream), size):
        client.tls.write(stream[at:at + size])
    return client.outgoing.read()


def requests(count, padding=0):
    reviews = [backup_review(name=f"backup-{number}") for number in range(count)]
    for review in reviews:
        review["request"]["object"]["metadata"]["annotations"] = {"padding": "x" * padding}
    return reviews, b"".join(a_request("POST", BACKUP, json.dumps(review).encode()) for review in reviews)


def answered(client, reviews):
    for review in reviews:
        answer = client.text()
        holds("HTTP/1.1 200 OK\r\n", answer)
        holds(review["request"]["uid"], answer)


@shows("however many records a segment holds, every review in them is answered without another byte")
def _(strict, lenient):
    for server, tls in ((strict, context()), (lenient, context(V12, V12))):
        client = Records(server.port, tls)
        for size in (1, 2, 5, 100, 4096, 8191, 16384):
            for count, padding in ((1, 0), (7, 0), (3, 20000)):
                if size < 100 and padding:
                    continue
                reviews, stream = requests(count, padding)
                client.plain.sendall(in_records(client, stream, size))
                answered(client, reviews)
        client.plain.close()


@shows("wherever a segment is cut, the reviews in both parts are answered")
def _(strict, lenient):
    for server, tls in ((strict, context()), (lenient, context(V12, V12))):
        client = Records(server.port, tls)
        client.plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reviews, stream = requests(2)
        length = len(in_records(client, stream, 700))
        client.plain.close()
        client = Records(server.port, tls)
        client.plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for cut in [*range(1, 12), *range(12, length, 61)]:
            bytes_ = in_records(client, stream, 700)
            client.plain.sendall(bytes_[:cut])
            time.sleep(0.002)  # so that the server reads the first part alone, mostly
            client.plain.sendall(bytes_[cut:])
            answered(client, reviews)
        client.plain.close()


@shows("a client that ends its side right behind its reviews is answered, and then the connection ends")
def _(strict, lenient):
    for server, tls in ((strict, context()), (lenient, context(V12, V12))):
        client = Records(server.port, tls)
        reviews, stream = requests(2)
        client.tls.write(stream)
        try:
            client.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        client.plain.sendall(client.outgoing.read())
        answered(client, reviews)
        client.plain.settimeout(20)
        while client.plain.recv(4096):
            continue
        client.plain.close()


@shows("a broken record ends the connection, whatever stands before and behind it")
def _(strict, lenient):
    for server, tls in ((strict, context()), (lenient, context(V12, V12))):
        client = Records(server.port, tls)
        _, stream = requests(1)
        client.plain.sendall(in_records(client, stream, 16384) + b"\x17\x03\x03\x00\x20" + bytes(32) +
                             in_records(client, stream, 16384))
        client.plain.settimeout(20)
        came = 0
        try:
            while part := client.plain.recv(4096):
                came += len(part)
        except ConnectionResetError:
            pass
        assert came < 2000, came  # one answer at most, and the alert
        client.plain.close()
    strict.post(BACKUP, backup_review()).response()


main(Server(), Server("--tls-min-version", "1.2"))
