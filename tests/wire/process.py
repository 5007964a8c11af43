"""What happens to the process: it hangs, its clock jumps, it was started without descriptors."""
from libwire import *

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


@shows("a clock that jumps behind the certificate's begin makes it not ready, with the reason; right again, ready again")
def _(_server):
    folder = tempfile.mkdtemp(prefix="wire-clock-")
    offset, library = os.path.join(folder, "offset"), os.path.join(folder, "clock.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-o", library, "-"], input=CLOCK, text=True, check=True)
    environment = {"LD_PRELOAD": library, "WIRE_CLOCK_OFFSET": offset, "ASAN_OPTIONS": "verify_asan_link_order=0"}
    server = Server("--sandbox", "off", environment=environment)
    try:
        same(server.get("/readyz")[0], 200)
        for jump in (-400 * DAY, 0, -2 * DAY, 0):
            open(offset, "w").write(str(jump))
            status, text, _ = server.get("/readyz")
            if jump:
                same(status, 503, text)
                holds("[-]certificate failed: the certificate is not valid before ", text)
                holds("fix the clock", text)
            else:
                same(status, 200, text)
    finally:
        server.stop()
        shutil.rmtree(folder)


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
