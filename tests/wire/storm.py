"""Reviews, scrapes and reloads of everything at once: what ThreadSanitizer looks at in `make tsan`,
where WIRE_STORM_SECONDS makes it longer."""
import shutil
import threading

from libwire import *

SECONDS = float(os.environ.get("WIRE_STORM_SECONDS", "4"))
SETTINGS = "apiVersion: backstop.k0rdent.mirantis.com/v1alpha1\nkind: Settings\n"


class Stormy(Server):
    """A server whose pair lies in its own folder."""

    def __init__(self, *more, **options):
        self.pair = tempfile.mkdtemp(prefix="wire-pair-")
        self.swap(CERTS)
        super().__init__("--tls-cert", self.pair + "/tls.crt", "--tls-key", self.pair + "/tls.key", *more, **options)

    def swap(self, source):
        for name in ("tls.key", "tls.crt"):
            shutil.copy(f"{source}/{name}", f"{self.pair}/{name}~")
            os.rename(f"{self.pair}/{name}~", f"{self.pair}/{name}")

    def sweep(self):
        shutil.rmtree(self.pair, ignore_errors=True)
        super().sweep()


def both():
    made = ssl.create_default_context(cadata="".join(open(f + "/ca.crt").read() for f in (CERTS, OTHER_CERTS)))
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    return made


def again(work, stop, done, failures):
    turn = 0
    try:
        while not stop.is_set():
            work(turn)
            turn += 1
    except Exception as failure:  # noqa: BLE001 - reported
        failures.append(failure)
    done[work.__name__] = done.get(work.__name__, 0) + turn


@shows("reviews go on while settings, inventory and certificates change, signals come and metrics are read")
def _(server):
    tls, kept = both(), {}

    def ask(turn):
        """On a connection of the thread's own, now and then on a new one."""
        mine = threading.get_ident()
        if mine not in kept or turn % 40 == 39:
            if mine in kept:
                kept[mine].close()
            kept[mine] = server.client(tls=tls)
        path, asked = [(BACKUP, backup_review()), (MANAGEMENT, upgrade_review()),
                       (BACKUP, backup_review(schedule="0 9 * * 7", location="aws-s4")),
                       (RESTORE, review("Restore", "r", {"backupName": "b"}, namespace="kcm-system"))][turn % 4]
        kept[mine].post(path, asked).response(asked["request"]["uid"])

    def settings(turn):
        server.write("settings.yaml", SETTINGS + ("upgrade: [" if turn % 3 == 2 else
                                                  f"upgrade:\n  gate: {'true' if turn % 2 else 'false'}\n"))
        time.sleep(0.05)

    def inventory(turn):
        server.write("inventory/more.yaml", "kind: [" if turn % 5 == 4 else LOCATION % f"aws-s{turn % 7}")
        time.sleep(0.05)

    def certificate(turn):
        server.swap((OTHER_CERTS, CERTS)[turn % 2])
        time.sleep(0.15)

    def hup(turn):
        server.signal(signal.SIGHUP)
        time.sleep(0.1)

    def scrape(turn):
        same(server.get(("/metrics", "/readyz?verbose", "/livez")[turn % 3])[0], 200)
        time.sleep(0.02)

    def leave(turn):
        """Clients that go in the middle of everything."""
        client = server.client(tls=tls)
        client.send(f"POST {BACKUP} HTTP/1.1\r\nHost: b\r\nContent-Length: 90000\r\n\r\n" + "{" * (turn % 5 * 15000))
        client.close()
        time.sleep(0.02)
    stop, done, failures = threading.Event(), {}, []
    threads = [threading.Thread(target=again, args=(work, stop, done, failures))
               for work in (ask, ask, ask, ask, settings, inventory, certificate, hup, scrape, leave)]
    for thread in threads:
        thread.start()
    stop.wait(SECONDS)
    stop.set()
    for thread in threads:
        thread.join()
    for client in kept.values():
        client.close()
    same(failures, [])
    for result in ("ok", "failed"):
        assert server.metric(f'backstop_settings_reloads_total{{result="{result}"}}') >= 1, result
    assert server.metric('backstop_certificate_loads_total{result="ok"}') >= 3, done
    assert done["ask"] > 20 * SECONDS, done


main(Stormy("--simulate-backups", "1s", settings=SETTINGS))
