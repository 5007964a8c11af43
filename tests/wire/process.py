"""What happens to the process: it starts cold, it hangs, its clock jumps, it was started without descriptors."""
import base64
import calendar
import concurrent.futures
import itertools

from libapi import *

CLOCK = r"""
#define _GNU_SOURCE
#include <stdlib.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>
int clock_gettime(clockid_t clock, struct timespec *now)
{
    static int reading; /* fopen may ask, too */
    long result = syscall(SYS_clock_gettime, clock, now);
    if (clock != CLOCK_REALTIME || __atomic_exchange_n(&reading, 1, __ATOMIC_ACQ_REL))
        return (int)result;
    FILE *file = fopen(getenv("WIRE_CLOCK_OFFSET"), "r");
    long offset = 0;
    if (file && fscanf(file, "%ld", &offset) == 1)
        now->tv_sec += offset;
    if (file)
        fclose(file);
    __atomic_store_n(&reading, 0, __ATOMIC_RELEASE);
    return (int)result;
}
"""
DAY = 86400
COLD_STARTS = int(os.environ.get("WIRE_COLD_STARTS", "20"))


@shows("a replica that hangs (SIGSTOP) answers neither reviews nor probes, and goes on where it was")
def _(server):
    with server.client(timeout=2) as client:
        client.post(BACKUP, backup_review()).response()
        server.signal(signal.SIGSTOP)
        state = lambda: open(f"/proc/{server.process.pid}/stat").read().rsplit(")", 1)[1].split()[0]
        eventually(lambda: same(state(), "T"))
        try:
            for ask in (lambda: client.post(BACKUP, backup_review()), lambda: server.get("/livez")):
                try:
                    ask()
                    raise RuntimeError("a stopped process has answered")
                except TimeoutError:
                    pass
        finally:
            server.signal(signal.SIGCONT)
        same(server.post(BACKUP, backup_review()).response()["allowed"], True)
    same(server.get("/livez")[0], 200)


class Clock:
    """A library that moves the system's clock for one process, by as many seconds as `jump` says."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="wire-clock-")
        self.offset, library = self.folder + "/offset", self.folder + "/clock.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-o", library, "-"], input=CLOCK, text=True, check=True)
        self.environment = {"LD_PRELOAD": library, "WIRE_CLOCK_OFFSET": self.offset,
                            "ASAN_OPTIONS": "verify_asan_link_order=0"}

    def jump(self, seconds):
        with open(self.offset + "~", "w") as file:
            file.write(str(seconds))
        os.rename(self.offset + "~", self.offset)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)


@shows("a clock that jumps behind the certificate's begin makes it not ready, with the reason; right again, ready again")
def _(_server):
    with Clock() as clock:
        server = Server("--sandbox", "off", environment=clock.environment)
        same(server.get("/readyz")[0], 200)
        for jump in (-400 * DAY, 0, -2 * DAY, 0):
            clock.jump(jump)
            status, text, _ = server.get("/readyz")
            if jump:
                same(status, 503, text)
                holds("[-]certificate failed: the certificate is not valid before ", text)
                holds("fix the clock", text)
            else:
                same(status, 200, text)
        server.stop()


def first_client(port, process):
    """What the first client that can connect gets, as it knocks from before the port is open."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
        try:
            raw = socket.create_connection(("127.0.0.1", port), 20)
        except ConnectionRefusedError:
            time.sleep(0.001)
            continue
        with ssl._create_unverified_context().wrap_socket(raw) as client:
            client.sendall(b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return client.recv(64)
    raise AssertionError("the server never listened")


def cold_start(*arguments):
    # The port is reserved by a socket that never listens, so that no other process is given it.
    with socket.socket() as reserved, tempfile.TemporaryFile() as log:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        process = subprocess.Popen([BINARY, "serve", "--listen", f"127.0.0.1:{port}", "--health-listen", "",
                                    *arguments], stderr=log)
        try:
            holds("HTTP/1.1 404", first_client(port, process).decode())
        finally:
            process.terminate()
            code = process.wait(30)
            log.seek(0)
            text = log.read().decode()
        same(code, 0, text)
        assert not SANITIZER.search(text), text


def cold_starts(*arguments, before=lambda: None):
    """Some at once: a stop waits for the watches."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(lambda: (before(), cold_start(*arguments))) for _ in range(COLD_STARTS)]:
            done.result()


@shows("a cold start refuses no client: whoever can connect is served")
def _(server):
    cold_starts("--tls-cert", CERTS + "/tls.crt", "--tls-key", CERTS + "/tls.key", "--inventory", server.inventory)


@shows("--tls-managed: a cold start refuses no client, with a Secret that is there and with one yet to make")
def _(_server):
    api = FakeApi()
    api.server.handle_error = lambda *_: None  # whoever stops leaves requests behind
    turn = itertools.count()
    cold_starts("--kubeconfig", api.kubeconfig, "--tls-managed", "--tls-service", "backstop.backstop-system",
                before=lambda: next(turn) % 2 and api.objects.pop("secrets", None))
    api.server.shutdown()


def loads_curl(pid):
    return "libcurl" in open(f"/proc/{pid}/maps").read()


@shows("nothing loads libcurl but what asks a cluster or a URL, and that says how to get it where it is missing")
def _(server):
    if "libmicrohttpd" not in open(f"/proc/{server.process.pid}/maps").read():
        return  # the image's binary has its libraries in it, libcurl too
    api = FakeApi()
    same(loads_curl(server.process.pid), False, "serve with an inventory")
    watching = ServerOf(api)
    same(loads_curl(watching.process.pid), True, "serve with a cluster")
    watching.stop()
    with tempfile.TemporaryDirectory() as folder:
        open(folder + "/libcurl.so.4", "w").close()  # what any use of it fails with
        broken = dict(os.environ, LD_LIBRARY_PATH=folder)
        for words in (["version"], ["explain", "@daily"], ["status", "--inventory", server.inventory],
                      ["review", "-f", f"{server.inventory}/facts.yaml"], ["certs", "show", CERTS + "/tls.crt"]):
            done = subprocess.run([BINARY, *words], capture_output=True, text=True, env=broken)
            assert "libcurl" not in done.stderr and done.stdout, f"{words}: {done.stderr}"
        for words in (["status", "--kubeconfig", api.kubeconfig], ["review", "-f", "https://127.0.0.1:1/x.yaml"],
                      ["serve", "--kubeconfig", api.kubeconfig, "--tls-managed", "--listen", "127.0.0.1:0"]):
            done = subprocess.run([BINARY, *words], capture_output=True, text=True, env=broken)
            same(done.returncode, 2, f"{words}: {done.stderr}")
            holds("the HTTPS client (Debian: libcurl4): cannot load libcurl.so.4: ", done.stderr)
    api.server.shutdown()


def certificate_of(api):
    """The managed Secret, and what its serving certificate says."""
    found = next((o for o in api.objects.get("secrets", []) if o["metadata"]["name"] == "backstop-certificates"), None)
    assert found, "no Secret yet"
    shown = subprocess.run([BINARY, "certs", "show", "-o", "json", "-"], text=True, capture_output=True, check=True,
                           input=base64.b64decode(found["data"]["tls.crt"]).decode())
    return copy.deepcopy(found), json.loads(shown.stdout)


def seconds_until(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ")) - time.time()


@shows("--tls-managed: a clock that jumps makes it not ready, with the reason, and nothing is issued by the wrong clock")
def _(_server):
    api = FakeApi()
    with Clock() as clock:
        server = Managed(api, "--sandbox", "off", environment=clock.environment)
        eventually(lambda: same(server.get("/readyz")[0], 200, server.log()), 30)
        before, _shown = certificate_of(api)
        for jump, why in ((-400 * DAY, "is not valid before"), (0, None), (200 * DAY, "expired at"), (0, None)):
            clock.jump(jump)
            asked = len(api.asked)
            server.process.send_signal(signal.SIGHUP)
            eventually(lambda: holds("/secrets/backstop-certificates", " ".join(api.asked[asked:])), 30)
            if jump:
                eventually(lambda: holds("(the API server's is at ", server.get("/readyz")[1]), 30)
                status, text = server.get("/readyz")
                same(status, 503, text)
                holds(f"[-]certificate failed: the certificate {why} ", text)
                holds("fix the clock", text)
                holds("the clock differs from the API server's", server.log())
            else:
                eventually(lambda: same(server.get("/readyz")[0], 200, server.log()), 30)
            same(certificate_of(api)[0], before, "the Secret")
        server.stop()
    api.server.shutdown()


@shows("--tls-managed: a first certificate, and its renewal, follow the API server's clock where this one's is wrong")
def _(_server):
    api = FakeApi()
    with Clock() as clock:
        clock.jump(-400 * DAY)
        server = Managed(api, "--sandbox", "off", "--cert-lifetime", "6s", environment=clock.environment)
        eventually(lambda: certificate_of(api), 30)
        first = certificate_of(api)[1]
        eventually(lambda: holds("is not valid before", server.get("/readyz")[1]), 30)
        eventually(lambda: same(certificate_of(api)[1]["serial"] != first["serial"], True), 30)
        for shown in (first, certificate_of(api)[1]):
            assert -60 < seconds_until(shown["notAfter"]) < 60, shown
        clock.jump(0)
        eventually(lambda: same(server.get("/readyz")[0], 200, server.log()), 30)
        server.stop()
    api.server.shutdown()


@shows("started without descriptors 0 to 2 it serves, and keeps them for nothing else")
def _(_server):
    for closed in ("0<&-", "1>&-", "0<&- 1>&- 2>&-"):
        server = Server(before=["sh", "-c", f'exec "$@" {closed}', "sh"], health=True)
        try:
            same(server.post(BACKUP, backup_review()).response()["allowed"], True)
            names = {fd: os.readlink(f"/proc/{server.process.pid}/fd/{fd}") for fd in range(3)}
            for fd in range(3):
                if f"{fd}<&-" in closed or f"{fd}>&-" in closed:
                    same(names[fd], "/dev/null", str(names))
        finally:
            server.stop()


@shows("a command whose standard output or input is closed says so instead of writing into something else")
def _(server):
    folder = tempfile.mkdtemp(prefix="wire-closed-")
    for redirect, arguments in ((">&-", ["rules"]), (">&-", ["version"]), (">&-", ["--help"]), (">&-", ["rbac"]),
                                ("<&-", ["review", "-f", "-"])):
        done = subprocess.run(["sh", "-c", f'exec "$@" {redirect}', "sh", BINARY, *arguments], cwd=folder,
                              capture_output=True, text=True)
        assert done.returncode != 0, (arguments, done)
    shutil.rmtree(folder)


main(Server())
