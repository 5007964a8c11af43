"""status on a real (pseudo-)terminal: colour, width, --watch and what it leaves behind."""
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

from libterminal import terminals

binary = os.path.abspath(sys.argv[1])
golden = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../golden/status/under-way/inventory.yaml")
folder = tempfile.mkdtemp()
facts = f"{folder}/facts.yaml"
NOW = ["--now", "2026-11-21T03:00:00Z", "--inventory", facts]
ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"
clean = {name: value for name, value in os.environ.items() if not name.startswith("BACKSTOP_")}
for name in ("NO_COLOR", "KUBECONFIG", "COLUMNS"):
    clean.pop(name, None)
clean.update(TERM="xterm-256color", LC_ALL="C.UTF-8")
failed = 0


def check(name, good, told=b""):
    global failed
    failed += not good
    print(f"{'ok' if good else 'FAIL'} - {name}" + ("" if good else f": {told!r}"), flush=True)


def write_facts(done=412):
    text = open(golden).read().replace("itemsBackedUp: 412", f"itemsBackedUp: {done}")
    with open(f"{facts}.new", "w") as file:
        file.write(text)
    os.rename(f"{facts}.new", facts)


class Terminal:
    """backstop on a terminal of its own."""

    def __init__(self, *args, env=None, rows=40, columns=100):
        self.seen = b""
        waits, sized = os.pipe()
        self.child, self.terminal = pty.fork()
        if self.child == 0:
            os.read(waits, 1)
            os.execve(binary, [binary, "status", *NOW, *args], {**clean, **(env or {})})
        self.size(rows, columns)
        self.before = termios.tcgetattr(self.terminal)[3]
        os.write(sized, b".")
        os.close(sized)
        os.close(waits)

    def size(self, rows, columns):
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, pattern, seconds=15):
        """Reads until the pattern comes; what was read since the last time."""
        start, end = len(self.seen), time.monotonic() + seconds
        while not re.search(pattern, self.seen[start:]) and time.monotonic() < end:
            if select.select([self.terminal], [], [], 0.1)[0]:
                try:
                    more = os.read(self.terminal, 65536)
                except OSError:
                    break
                if not more:
                    break
                self.seen += more
        return self.seen[start:]

    def type(self, keys):
        os.write(self.terminal, keys)

    def end(self, seconds=15):
        """The exit status; everything that came by then is in seen."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.until(rb"\Z.", 0.05)
            done, status = os.waitpid(self.child, os.WNOHANG)
            if done:
                self.until(rb"\Z.", 0.05)
                os.close(self.terminal)
                return os.waitstatus_to_exitcode(status)
        os.kill(self.child, signal.SIGKILL)
        os.waitpid(self.child, 0)
        return None


def once(*args, **more):
    terminal = Terminal(*args, **more)
    terminal.end()
    return terminal.seen


def columns_of(line):
    return len(re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line))


# ---- once ---------------------------------------------------------------------

if not terminals("status on a terminal, and --watch"):
    sys.exit(0)
write_facts()
seen = once()
check("a terminal gets colour", b"\x1b[1;31mNOT READY\x1b[0m" in seen, seen[:200])
check("and nothing else of what terminals act on", not re.search(rb"\x1b(?!\[[0-9;]*m)", seen), seen)
for name, more in (("NO_COLOR", {"env": {"NO_COLOR": "1"}}), ("TERM=dumb", {"env": {"TERM": "dumb"}})):
    seen = once(**more)
    check(f"no colour with {name}", b"\x1b" not in seen and b"NOT READY" in seen, seen[:200])
check("no colour with --color never", b"\x1b" not in once("--color", "never"))
check("colour where it is asked for", b"\x1b[1m" in once("--color=always", env={"NO_COLOR": "1"}))
check("an empty NO_COLOR is none", b"\x1b[1m" in once(env={"NO_COLOR": ""}))
check("ASCII where the locale is", not re.search(rb"[^\x00-\x7e]", once(env={"LC_ALL": "C"})))
for columns in (60, 100, 200):
    lines = once(columns=columns).decode().split("\r\n")
    widest = max(map(columns_of, lines))
    check(f"as wide as the terminal: {columns}", columns - 45 < widest <= columns, widest)

# ---- again and again -------------------------------------------------------------

terminal = Terminal("--watch", "--interval", "1s", env={"TERM": "dumb"})
seen = terminal.until(rb"NOT READY:[\s\S]*NOT READY:")
check("--watch on a dumb terminal adds at the end", b"\x1b" not in seen and seen.count(b"NOT READY:") == 2, seen[:200])
os.kill(terminal.child, signal.SIGINT)
code = terminal.end()
check("and ends with status's own exit code", code == 1, code)

terminal = Terminal("--watch", "--interval", "1s")
seen = terminal.until(rb"q quits")
check("--watch takes the other screen", seen.startswith(ENTER) and b"412/980" in seen, seen[:200])
write_facts(700)
seen = terminal.until(rb"700/980")
check("what changes is seen", b"700/980" in seen and b"71%" in seen, seen[-400:])
check("drawn over, never cleared", b"\x1b[H" in seen and b"\x1b[2J" not in seen)
with open(facts, "w") as file:
    file.write("a: [\n")
seen = terminal.until(rb"NOT UP TO DATE[^\r]*\r\n[\s\S]*q quits")
check("a file that cannot be read is told, beside what was known",
      re.search(rb"NOT UP TO DATE.*facts\.yaml:[0-9]", seen) and b"700/980" in seen, seen[-600:])
write_facts(980)
seen = terminal.until(rb"980/980[\s\S]*q quits")
check("and forgotten", b"NOT UP TO DATE" not in seen.split(b"\x1b[H")[-1], seen[-400:])
terminal.until(rb"q quits")
terminal.size(12, 70)
seen = terminal.until(rb"\x1b\[12;1H")
frame = seen.split(b"\x1b[H")[-1].decode()
check("a terminal that changes its size is drawn anew, at once", frame.count("\r\n") == 11 and
      max(columns_of(line) for line in frame.split("\r\n")[:-1]) <= 70, frame)
terminal.type(b"jj")
seen = terminal.until(rb"3 to 13 of")
check("j scrolls", b"3 to 13 of" in seen, seen[-300:])
terminal.type(b"\x1b[A")
check("arrows, too", b"2 to 12 of" in terminal.until(rb"2 to 12 of"))
terminal.type(b"bbb")
check("not beyond the top", b"1 to 11 of" in terminal.until(rb"1 to 11 of"))
length = int(re.search(rb"of ([0-9]+) lines", seen)[1])
for keys, first, name in ((b"G", length - 10, "G goes to the end"), (b"k", length - 11, "and from there up again"),
                          (b"g", 1, "g goes to the top"), (b"\x1b[F", length - 10, "End, too"), (b"\x1b[H", 1, "Home, too"),
                          (b">", length - 10, "> and"), (b"<", 1, "< as less has them"), (b"d", 6, "d is half a screen"),
                          (b"u", 1, "u goes back"), (b"f", 12, "f is a screen"), (b"b", 1, "b goes back"),
                          (b"\r", 2, "Enter is a line"), (b"y", 1, "y is one, too"), (b"Gg", 1, "typed at once"),
                          (b"\x1b[15~", 1, "a key that means nothing: not its last byte either")):
    terminal.type(keys)
    shown = b"%d to %d of %d lines" % (first, first + 10, length)
    seen = terminal.until(shown)
    check(f"{name}: {keys!r}", shown in seen, seen[-300:])
terminal.type(b"?")
seen = terminal.until(rb"any key: back[^\x1b]*\x1b")
check("? shows the keys instead", b"to the top, to the end" in seen and b"NOT READY" not in seen.split(b"\x1b[H")[-1], seen[-600:])
seen = terminal.until(rb"any key: back")
check("which stay while time passes", b"any key: back" in seen and b"980/980" not in seen, seen[-300:])
terminal.type(b"q")
seen = terminal.until(rb"q quits")
check("until the next key, be it q", b"NOT READY" in seen and b"? help" in seen, seen[-300:])
terminal.type(b"h")
check("h shows them, too", b"any key: back" in terminal.until(rb"any key: back"))
terminal.type(b"\x1b[B")
seen = terminal.until(rb"q quits")
check("an arrow leads back and moves nothing", b"1 to 11 of" in seen + terminal.until(rb"1 to 11 of"), seen[-300:])
check("keys are not echoed", b"jj" not in terminal.seen and not termios.tcgetattr(terminal.terminal)[3] & termios.ECHO)
terminal.type(b"q")
code = terminal.end()
check("q ends it with status's own exit code", code == 1, code)
check("and the screen is as before", terminal.seen.endswith(b"\x1b[?7h\x1b[?25h" + LEAVE), terminal.seen[-60:])

# Narrow terminals: no row is wider, and no word is lost, however long (a name, a command's last argument).
shutil.copy(os.path.join(os.path.dirname(golden), "../blocked/inventory.yaml"), facts)
for columns in (40, 25):
    plain = subprocess.run([binary, "status", *NOW, "--width", "40", "--color", "never"], capture_output=True,
                           env=clean).stdout.decode()
    plain = re.sub(r"\nCompleteness\n(.+\n)+", "", plain)  # --watch does not look for it
    terminal = Terminal("--watch", "--interval", "1s", columns=columns, rows=1000)
    seen = terminal.until(rb"\x1b\[1000;1H.*\x1b\[K")
    rows = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", row) for row in seen.split(b"\x1b[H")[-1].decode().split("\r\n")]
    widest = max(rows, key=columns_of)
    check(f"{columns} columns: every row fits", columns_of(widest) <= columns, widest)
    hint = rows.pop()
    check(f"{columns} columns: nothing is lost", "".join("".join(rows).split()) == "".join(plain.split()), rows)
    check(f"{columns} columns: nothing is cut", "…" not in plain and "failing-kcm-1-1-0" in plain, plain[-900:])
    check(f"{columns} columns: how to leave it", "q quits" in hint, hint)
    terminal.type(b"q")
    terminal.end()
terminal = Terminal("--watch", "--interval", "1s", columns=40, rows=12)
hint = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.until(rb"\x1b\[12;1H.*\x1b\[K").split(b"\x1b[12;1H")[-1].decode())
check("40 columns, more than fits: where one is, in fewer words",
      re.fullmatch(r"q quits · \? help · 11/[0-9]+\s*", hint) and columns_of(hint.strip()) <= 40, hint)
terminal.type(b"?")
seen = terminal.until(rb"any key: back")
rows = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", row) for row in seen.split(b"\x1b[H")[-1].decode().split("\r\n")]
check("the keys fit 40 columns", max(map(columns_of, rows)) <= 40 and not any(row.strip() == "Enter" for row in rows), rows)
terminal.type(b"qq")
terminal.end()
write_facts(980)

for name, how in (("control-C", lambda t: t.type(b"\x03")), ("SIGTERM", lambda t: os.kill(t.child, signal.SIGTERM)),
                  ("SIGHUP", lambda t: os.kill(t.child, signal.SIGHUP))):
    terminal = Terminal("-w", "--interval=60s")
    terminal.until(rb"q quits")
    slave = os.dup(terminal.terminal)
    how(terminal)
    code = terminal.end()
    check(f"{name} ends it, and the screen is as before",
          code == 1 and terminal.seen.endswith(LEAVE) and termios.tcgetattr(slave)[3] == terminal.before,
          (code, terminal.seen[-60:]))
    os.close(slave)

terminal = Terminal("-w", "--interval=60s")
terminal.until(rb"q quits")
terminal.type(b"\x1a")
seen = terminal.until(rb"\x1b\[\?1049l")
stopped = os.waitpid(terminal.child, os.WUNTRACED)[1]
check("stopped, it gives the screen back", seen.endswith(LEAVE) and os.WIFSTOPPED(stopped) and
      termios.tcgetattr(terminal.terminal)[3] == terminal.before, seen[-60:])
os.kill(terminal.child, signal.SIGCONT)
seen = terminal.until(rb"q quits")
check("and takes it again", seen.startswith(ENTER) and b"980/980" in seen, seen[:60])
terminal.type(b"q")
terminal.end()

# ---- into a pipe -------------------------------------------------------------------


def piped(*args, pictures, wanted):
    """What the first pictures say; the reader then goes away."""
    child = subprocess.Popen([binary, "status", *NOW, "-w", "--interval", "1s", *args], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=clean)
    seen = b""
    while seen.count(wanted) < pictures:
        more = os.read(child.stdout.fileno(), 65536)
        if not more:
            break
        seen += more
    child.stdout.close()
    return child.wait(15), seen


code, seen = piped(pictures=2, wanted=b"KNOWN TO BACKSTOP")
check("into a pipe pictures stand apart, without a terminal's codes", seen.count(b"\n---\n") == 1 and
      b"\x1b" not in seen and seen.startswith(b"NOT READY"), seen[:100])
check("and it ends when nobody reads", code == 2, code)
code, seen = piped("-o", "json", pictures=2, wanted=b"\n")
check("JSON is an object a line", all(json.loads(line)["ready"] is False for line in seen.decode().splitlines()[:2]))
for args, words in ((["-o", "html"], b"text and json"), (["--interval", "0s"], b"1s to 24h")):
    done = subprocess.run([binary, "status", *NOW, "-w", *args], capture_output=True, env=clean)
    check(f"--watch with {' '.join(args)} is refused", done.returncode == 2 and words in done.stderr, done.stderr)

shutil.rmtree(folder)
sys.exit(1 if failed else 0)
