"""What goes wrong during the soak, one after the other, again and again."""
import itertools
import os
import shutil
import signal
import threading
import time

import attacks
from libwire import *  # noqa: F403 - the wire tests' vocabulary

SETTINGS = "apiVersion: backstop.k0rdent.mirantis.com/v1alpha1\nkind: Settings\n"
BACKUPS = "".join(f"""---
apiVersion: velero.io/v1
kind: Backup
metadata: {{name: daily-{i}, namespace: kcm-system, labels: {{k0rdent.mirantis.com/component: kcm}}}}
spec: {{storageLocation: aws-s3}}
status: {{phase: Completed, completionTimestamp: "2026-01-01T00:00:00Z"}}
""" for i in range(500))


class Faults:
    def __init__(self, server, pair, sources, log):
        self.server, self.pair, self.sources, self.log = server, pair, sources, log
        self.turn = itertools.count()
        self.done, self.problems, self.stopping = {}, [], threading.Event()
        self.all = [self.hup, self.settings_good, self.location_comes, self.silent, self.rotate, self.settings_bad,
                    self.slow_bodies, self.garbage, self.location_goes, self.hup, self.inventory_broken, self.bombs,
                    self.vanish, self.certificate_bad, self.many_facts, self.log_stalls, self.large_bodies,
                    self.settings_good, self.rotate, self.few_facts, self.idle]

    def start(self, every):
        self.thread = threading.Thread(target=self._go_on, args=(every,), daemon=True)
        self.thread.start()

    def stop(self):
        self.stopping.set()
        self.thread.join()

    def _go_on(self, every):
        for fault in itertools.cycle(self.all):
            if self.stopping.wait(every):
                return
            try:
                fault()
                self.done[fault.__name__] = self.done.get(fault.__name__, 0) + 1
            except Exception as problem:  # noqa: BLE001 - reported
                self.problems.append(f"{fault.__name__}: {problem!r}")

    # ---- files that change ----

    def hup(self):
        self.server.signal(signal.SIGHUP)

    def settings_good(self):
        gate = "false" if next(self.turn) % 2 else "true"
        self.server.write("settings.yaml", f"{SETTINGS}upgrade:\n  gate: {gate}\n")

    def settings_bad(self):
        self.server.write("settings.yaml", SETTINGS + "upgrade: [\n")

    def location_comes(self):
        self.server.write("inventory/more.yaml", LOCATION % "aws-s4")

    def location_goes(self):
        if os.path.exists(self.server.path("inventory/more.yaml")):
            os.remove(self.server.path("inventory/more.yaml"))

    def inventory_broken(self):
        self.server.write("inventory/more.yaml", "kind: [\n")

    def many_facts(self):
        self.server.write("inventory/backups.yaml", BACKUPS)

    def few_facts(self):
        self.server.write("inventory/backups.yaml", BACKUPS[:BACKUPS.index("daily-5,")].rsplit("---", 1)[0])

    def swap(self, certificate, key):
        for source, name in ((key, "tls.key"), (certificate, "tls.crt")):
            shutil.copy(f"{source}/{name}", f"{self.pair}/{name}~")
            os.rename(f"{self.pair}/{name}~", f"{self.pair}/{name}")

    def rotate(self):
        source = self.sources[next(self.turn) % 2]
        self.swap(source, source)

    def certificate_bad(self):
        self.swap(self.sources[0], self.sources[1])

    # ---- clients that are rude ----

    def silent(self):
        made = attacks.crowd(self.server, 300, plain=True)
        time.sleep(1)
        attacks.drop(made)

    def idle(self):
        attacks.drop(attacks.crowd(self.server, 100))

    def slow_bodies(self):
        made = attacks.crowd(self.server, 50)
        for one in made:
            one.send(attacks.HEAD + "Content-Length: 100000\r\n\r\n{")
        attacks.press(made, b" ", 2)
        attacks.drop(made)

    def garbage(self):
        for _ in range(50):
            try:
                with socket.create_connection(("127.0.0.1", self.server.port), timeout=5) as one:
                    one.sendall(os.urandom(500))
            except OSError:
                pass

    def bombs(self):
        for _ in range(10):
            attacks.status_of(self.server, (attacks.HEAD + "X-Large: " + "x" * 50000 + "\r\n\r\n").encode())

    def vanish(self):
        for one in attacks.crowd(self.server, 50):
            one.send(attacks.HEAD + "Content-Length: 5000\r\n\r\n" + "{" * 2000)
            one.close()

    def large_bodies(self):
        large = (json.dumps(backup_review()).encode() + b" " * (7 << 20))[:7 << 20]
        for _ in range(4):
            attacks.status_of(self.server, (attacks.HEAD + f"Content-Length: {len(large)}\r\n\r\n").encode() + large, 20)

    def log_stalls(self):
        self.log.stall(2)


class LogReader:
    """Reads the server's log from a pipe, as a container runtime does; keeps warnings and worse."""

    def __init__(self):
        self.reading, self.writing = os.pipe()
        self.stalled_until, self.kept, self.lines = 0, [], 0
        self.thread = threading.Thread(target=self._read, daemon=True)

    def start(self):
        os.close(self.writing)
        self.thread.start()

    def stall(self, seconds):
        self.stalled_until = time.monotonic() + seconds

    def _read(self):
        with os.fdopen(self.reading, errors="replace") as stream:
            for line in stream:
                self.lines += 1
                if '"level":"info"' not in line and len(self.kept) < 100000:
                    self.kept.append(line)
                while time.monotonic() < self.stalled_until:
                    time.sleep(0.05)
