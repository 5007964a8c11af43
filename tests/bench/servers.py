"""The servers that are compared: starting, stopping, and what each costs the machine."""
import os
import signal
import socket
import ssl
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PATHS = {"backup": "/validate-k0rdent-mirantis-com-v1beta1-managementbackup",
         "restore": "/mutate-velero-io-v1-restore",
         "management": "/validate-k0rdent-mirantis-com-v1beta1-management"}
TICK = os.sysconf("SC_CLK_TCK")
CPUS = sorted(os.sched_getaffinity(0))
SERVER_CPU = {CPUS[0]}
LOAD_CPUS = set(CPUS[1:]) or SERVER_CPU


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Place:
    """Where things are: the folder of build products, its certificates, bodies, logs."""

    def __init__(self, build, backstop, development=None):
        self.build, self.backstop = os.path.abspath(build), os.path.abspath(backstop)
        self.development = os.path.abspath(development) if development else None
        self.certs, self.bodies = self.build + "/certs", self.build + "/bodies"
        self.tls = ssl.create_default_context(cafile=self.certs + "/ca.crt")

    def body(self, name):
        with open(f"{self.bodies}/{name}.json", "rb") as file:
            return file.read()

    def command(self, name, listen, facts="facts", more=()):
        certificate = [self.certs + "/tls.crt", self.certs + "/tls.key"]
        if name in ("backstop", "development"):
            return [getattr(self, name), "serve", "--listen", listen, "--health-listen", "", "--inventory",
                    f"{self.bodies}/{facts}.json", "--tls-cert", certificate[0], "--tls-key", certificate[1], *more]
        if name == "limit":
            return [self.build + "/limit_mhd", listen, *certificate]
        return [f"{self.build}/bin/{name}", "--listen", listen, "--certs", self.certs]


class Server:
    """A running server, pinned to one CPU. Its log is a file: writing it is part of the work."""

    def __init__(self, place, name, facts="facts", more=()):
        self.place, self.name, self.port = place, name, free_port()
        command = place.command(name, f"127.0.0.1:{self.port}", facts, more)
        self.log = f"{place.build}/{name}.log"
        open(self.log, "wb").close()
        with open(self.log, "ab") as log:
            os.sched_setaffinity(0, SERVER_CPU)  # inherited; cheaper than a wrapper, so starts are measured fairly
            began = time.monotonic()
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            os.sched_setaffinity(0, LOAD_CPUS)
        self.started_ms = self._first_answer(began)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _first_answer(self, began):
        body = self.place.body("backup")
        while time.monotonic() - began < 30:
            if self.process.poll() is not None:
                break
            try:
                with self.connect() as connection:
                    if self.ask(connection, "backup", body)[0] == 200:
                        return (time.monotonic() - began) * 1000
            except ConnectionRefusedError:
                time.sleep(0.0002)
            except OSError:
                time.sleep(0.001)
        with open(self.log, encoding="utf-8", errors="replace") as log:
            raise SystemExit(f"bench: {self.name} does not serve: {log.read()[-2000:]}")

    def connect(self, handshake=True, timeout=15):
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.place.tls.wrap_socket(raw, server_hostname="localhost", do_handshake_on_connect=handshake)

    @staticmethod
    def send(connection, review, body):
        head = (f"POST {PATHS[review]} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n")
        connection.sendall(head.encode() + body)

    def ask(self, connection, review, body):
        """Posts a review over an open connection: status and answer."""
        self.send(connection, review, body)
        return self.answer(connection)

    @staticmethod
    def answer(connection):
        got = b""
        while b"\r\n\r\n" not in got:
            got += connection.recv(65536) or _closed()
        head, _, rest = got.partition(b"\r\n\r\n")
        length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n")
                       if line.lower().startswith(b"content-length:")), 0)
        while len(rest) < length:
            rest += connection.recv(65536) or _closed()
        return int(head.split()[1]), rest

    def url(self, review):
        return f"https://127.0.0.1:{self.port}{PATHS[review]}"

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def running_seconds(self):
        """What its threads have run so far. Exact, where cpu_seconds counts in ticks; threads that ended are not in it."""
        seconds = 0
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            with open(f"/proc/{self.process.pid}/task/{task}/schedstat", encoding="ascii") as file:
                seconds += int(file.read().split()[0]) / 1e9
        return seconds

    def memory_kib(self, key="VmHWM"):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(key + ":"))

    def page_faults(self):
        """Of all kinds, since the start."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return int(fields[7]) + int(fields[9])

    def forget_log(self):
        os.truncate(self.log, 0)


def _closed():
    raise ConnectionError("the server closed the connection")
