"""Watches whose events follow each other: however TLS and TCP cut them, each is known once, and the last one as well.
Such a stream is read without libcurl, which gets the connection back as soon as nothing comes (server/kube/stream.c)."""
import concurrent.futures
import random
import threading

from libapi import *

CALM = 0.3   # more than STREAM_CALM_MS: what follows comes alone
BETWEEN = 0.004  # less than STREAM_PAUSE_MS
END = b"0\r\n\r\n"
EVENTS, LISTS = ('backstop_facts_%s_total{resource="backups.velero.io"}' % word for word in ("events", "lists"))


class Streaming(Handler):
    """The API plays what a test wants on the watch of Backups, one after another; then that is silent."""

    def watch(self, mode):
        if not self.path.partition("?")[0].endswith("/backups"):
            return super().watch(mode)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.api.watches.append((self.client_address[1], re.search(r"resourceVersion=(\d*)", self.path)[1]))
        if not self.api.play_on(self.connection):
            self.close_connection = True
        return None


class StreamingApi(FakeApi):
    """tls: a version, or None for plain HTTP."""

    def __init__(self, tls=None):
        self.watches, self.free, self.plays, self.sent = [], threading.Condition(), [], 0
        super().__init__(Streaming)
        if tls:
            made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            made.load_cert_chain(CERTS + "/tls.crt", CERTS + "/tls.key")
            made.minimum_version = made.maximum_version = tls
            # The handshake comes with the first read, in the connection's own thread.
            self.server.socket = made.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
            self.serve_at(self.server.server_port)

    def serve_at(self, port):
        with open(self.kubeconfig) as file:
            config = json.load(file)
        config["clusters"][0]["cluster"] = {"server": f"https://localhost:{port}", "certificate-authority": CERTS + "/ca.crt"}
        with open(self.kubeconfig, "w") as file:
            json.dump(config, file)

    def play(self, play):
        """play(send): in the thread of the watch. It answers with False to end the connection, None to go on, True at the end
        of the response."""
        with self.free:
            self.plays.append(play)
            self.free.notify_all()

    def play_on(self, connection):
        """False: the connection is to be closed."""
        try:
            while True:
                with self.free:
                    self.free.wait_for(lambda: self.plays)
                    play = self.plays.pop(0)
                after = play(connection.sendall)
                if after is not None:
                    return after
        except OSError:  # the other side has gone
            return False

    def event(self):
        """Of a new Backup, as one chunk."""
        self.sent += 1
        text = json.dumps({"type": "ADDED", "object": thing("backups", f"b-{self.sent}", metadata={
            "resourceVersion": str(100 + self.sent), "annotations": {"fill": "x" * (self.sent * 37 % 3000)}})}).encode() + b"\n"
        return b"%x\r\n%s\r\n" % (len(text), text)

    def events(self, count):
        return [self.event() for _ in range(count)]


def together(api, send):
    send(b"".join(api.events(40)))


def one_by_one(api, send):
    for event in api.events(300):
        send(event)


def over_records(api, send):
    """Cut anywhere, within the size of a chunk, too."""
    text, source = b"".join(api.events(60)), random.Random(7)
    while text:
        length = source.choice((1, 2, 5, 40, 700, 3000))
        send(text[:length])
        text = text[length:]


def steadily(api, send):
    """For longer than libcurl goes without its connection."""
    for event in api.events(400):
        send(event)
        time.sleep(BETWEEN)


def halves(api, send):
    """The second half comes when all else is calm."""
    for _ in range(4):
        first, second = api.events(2)
        send(first)
        send(second[:50])
        time.sleep(CALM)
        send(second[50:])


def bursts(api, send):
    for _ in range(10):
        for event in api.events(7):
            send(event)
        time.sleep(CALM / 4)


SHAPES = (together, one_by_one, over_records, steadily, halves, bursts)


def known(api, server, what=""):
    """All that was sent, once."""
    def check():
        same(server.metric('backstop_inventory_objects{kind="Backup"}'), api.sent, f"Backups known after {what}")
        same(server.metric(EVENTS), api.sent, f"events after {what}")
    eventually(check, 15)


def play_all(api, server):
    for shape in SHAPES:
        done = threading.Event()
        api.play(lambda send, shape=shape, done=done: shape(api, send) or done.set())
        assert done.wait(60), shape.__name__
        known(api, server, shape.__name__)
        time.sleep(CALM)
    same((len(api.watches), server.metric(LISTS)), (1, 1), "watches and lists")


def busy(api, send):
    """Until libcurl has lent its connection for certain."""
    for event in api.events(50):
        send(event)
        time.sleep(BETWEEN)


def end_in_one_record(api, send):
    busy(api, send)
    send(b"".join(api.events(3)) + END)
    return True


def end_in_pieces(api, send):
    busy(api, send)
    for byte in END:
        send(bytes([byte]))
    return True


def cut_in_an_event(api, send):
    busy(api, send)
    send(b"ffff\r\n{\"type\":")
    return False


def cut_between(api, send):
    busy(api, send)
    return False


def malformed(api, send):
    busy(api, send)
    send(b"no size\r\n")
    time.sleep(CALM)
    return False


def ends(api, server):
    """Each time the watch goes on from the last event that was whole, and nothing is listed anew."""
    for play in (end_in_one_record, end_in_pieces, cut_in_an_event, cut_between, malformed):
        before = len(api.watches)
        api.play(lambda send, play=play: play(api, send))
        eventually(lambda: same(len(api.watches), before + 1, play.__name__), 30)
        known(api, server, play.__name__)
        same(api.watches[-1][1], str(100 + api.sent), f"version after {play.__name__}")
        # An end that libcurl has not seen costs the connection: it was lent.
        assert api.watches[-1][0] != api.watches[-2][0], play.__name__
    same(server.metric(LISTS), 1)


def started(api):
    server = ServerOf(api)
    eventually(lambda: same(len(api.watches), 1), 30)
    return server


def follow(api):
    server = started(api)
    play_all(api, server)
    ends(api, server)
    server.stop()


def forward(source, target, cut):
    try:
        while data := source.recv(65536):
            while data:
                length = cut()
                target.sendall(data[:length])
                data = data[length:]
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class Forwarder:
    """Passes bytes on in packets of other lengths; to a proxy's client (RFC 9110, 9.3.6) as well."""

    def __init__(self, port, proxy=False):
        self.port, self.proxy, self.source = port, proxy, random.Random(11)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.proxy:
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(65536)
            assert head.startswith(b"CONNECT "), head
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        server = socket.create_connection(("127.0.0.1", self.port))
        threading.Thread(target=forward, args=(client, server, lambda: 65536), daemon=True).start()
        forward(server, client, lambda: self.source.choice((1, 4, 300, 2000, 9000)))


def follow_packets():
    api = StreamingApi(ssl.TLSVersion.TLSv1_3)
    forwarder = Forwarder(api.server.server_port)
    api.serve_at(forwarder.listener.getsockname()[1])
    follow(api)


def follow_proxy():
    api = StreamingApi(ssl.TLSVersion.TLSv1_3)
    proxy = Forwarder(api.server.server_port, proxy=True)
    with open(api.kubeconfig) as file:
        config = json.load(file)
    config["clusters"][0]["cluster"]["proxy-url"] = f"http://127.0.0.1:{proxy.listener.getsockname()[1]}"
    with open(api.kubeconfig, "w") as file:
        json.dump(config, file)
    follow(api)


# They wait most of the time, and do so together.
POOL = concurrent.futures.ThreadPoolExecutor()
for kind, run in (("in plain HTTP", lambda: follow(StreamingApi())),
                  ("over TLS 1.2", lambda: follow(StreamingApi(ssl.TLSVersion.TLSv1_2))),
                  ("over TLS 1.3", lambda: follow(StreamingApi(ssl.TLSVersion.TLSv1_3))),
                  ("in packets that cut records anywhere", follow_packets),
                  ("through a proxy", follow_proxy)):
    @shows(f"{kind}: events in any records are known once, the last of a burst as well; a stream that ends goes on where it was")
    def _(running=POOL.submit(run)):
        running.result()


@shows("a stream that never rests, and one that stops within an event, do not hold up the server's end")
def _():
    for rest in (b"", b"ffff\r\n{\"type\":"):
        api = StreamingApi(ssl.TLSVersion.TLSv1_3)
        server, over = started(api), threading.Event()

        def play(send):
            while not over.is_set():
                send(api.event())
                time.sleep(BETWEEN)
                if rest and api.sent == 50:
                    send(rest)
                    over.wait()
        api.play(play)
        eventually(lambda: holds("50" if rest else "1", str(server.metric(EVENTS))), 20)
        began = time.monotonic()
        server.stop()
        over.set()
        assert time.monotonic() - began < 15, "the server stopped late"


main()
