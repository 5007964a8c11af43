"""The plugin's name, completions and manual pages, as shells, kubectl and man meet them."""
import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

from libterminal import terminals

binary = os.path.abspath(sys.argv[1])
folder = tempfile.mkdtemp()
failed = 0
env = {name: value for name, value in os.environ.items() if not name.startswith("BACKSTOP_")}
env.update(HOME=folder, PATH=f"{folder}/bin:{env['PATH']}", TERM="dumb", PS1="$ ")
for name in ("KUBECONFIG", "NO_COLOR", "KUBERNETES_SERVICE_HOST"):
    env.pop(name, None)


def check(name, good, told=""):
    global failed
    failed += not good
    print(f"{'ok' if good else 'FAIL'} - {name}" + ("" if good else f": {told!r}"), flush=True)


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd=folder, stdin=subprocess.DEVNULL, **more)


def said(done):
    return done.stdout + done.stderr


# ---- the names ---------------------------------------------------------------

os.mkdir(f"{folder}/bin")
for name in ("backstop", "kubectl-backstop", "kubectl_complete-backstop"):
    os.symlink(binary, f"{folder}/bin/{name}")

done = run("kubectl-backstop", "--help")
check("the plugin's help says kubectl backstop", "Usage: kubectl backstop COMMAND" in done.stdout and
      ": kubectl backstop COMMAND --help" in done.stdout and not re.search(r"(?<!kubectl )backstop COMMAND", done.stdout),
      said(done))
done = run("kubectl-backstop", "status", "--help")
check("the plugin's examples can be typed", "  kubectl backstop status --context prod" in done.stdout and
      "\n  backstop " not in done.stdout, said(done))
done = run("kubectl-backstop", "audit", "extra")
check("the plugin's mistakes say kubectl backstop", done.returncode == 2 and done.stderr ==
      "kubectl backstop audit: unexpected argument \"extra\"; see: kubectl backstop audit --help\n", said(done))
done = run("kubectl-backstop", "frobnicate")
check("so does a command that is not there", done.stderr ==
      'kubectl backstop: unknown command "frobnicate"; see: kubectl backstop --help\n', said(done))
done = run("backstop", "status", "--help")
check("by its own name nothing says kubectl backstop", "kubectl backstop" not in done.stdout, said(done))

# ---- what the completer says ---------------------------------------------------

with open(f"{folder}/kubeconfig", "w") as file:
    json.dump({"contexts": [{"name": "prod"}, {"name": "arn:aws:eks:eu:1:cluster/dev"}],
               "clusters": [{"name": "one"}], "users": [{"name": "me"}]}, file)
with open(f"{folder}/kubeconfig2", "w") as file:
    json.dump({"contexts": [{"name": "prod"}, {"name": "preview"}]}, file)
CASES = [  # words, candidates (all of them, or with ... some of them), directive
    (["st"], ["status"], 4),
    ([""], ["serve", "status", "rollback-plan", "completion", ...], 4),
    (["__"], [], 4),
    (["status", "--cont"], ["--context"], 4),
    (["status", "--output", "json", "--o"], [], 4),
    (["status", "--inventory", "a", "--inv"], ["--inventory"], 4),
    (["status", "-o", ""], ["text", "json", ...], 4),
    (["status", "--output=j"], ["json"], 4),
    (["status", "--inventory", ""], [], 0),
    (["review", "--operation", ""], ["CREATE", "UPDATE", "DELETE"], 4),
    (["review", "-"], ["--filename", "--help", ...], 4),
    (["review", "--user", ""], [], 4),
    (["certs", ""], ["issue", "renew", "verify", "show"], 0),
    (["certs", "--service", "x", "is"], ["issue"], 0),
    (["certs", "show", ""], [], 0),
    (["man", "rev"], ["review"], 4),
    (["man", "--into", ""], [], 16),
    (["completion", "--", "b"], ["bash"], 4),
    (["nonsense", ""], [], 4),
    (["status", "--context", ""], ["prod", "arn:aws:eks:eu:1:cluster/dev", "preview"], 4),
    (["status", "--user", ""], ["me"], 4),
    (["audit", "--kubeconfig", f"{folder}/kubeconfig2", "--context", "pr"], ["prod", "preview"], 4),
]
env["KUBECONFIG"] = f"{folder}/kubeconfig:{folder}/absent:{folder}/kubeconfig2"
for words, wanted, directive in CASES:
    done = run("kubectl_complete-backstop", *words)
    lines = done.stdout.splitlines()
    got = [line.split("\t")[0] for line in lines[:-1]]
    good = lines[-1:] == [f":{directive}"] and done.returncode == 0
    good = good and (set(wanted) - {...} <= set(got) if ... in wanted else sorted(wanted) == sorted(got))
    check("completes " + " ".join(words).replace(folder, "."), good, said(done))
done = run("backstop", "__complete", "stat")
check("candidates have descriptions", re.fullmatch(r"status\t.+\n:4\n", done.stdout), said(done))


# ---- the shells, for real --------------------------------------------------------

def typed(command, setup, line, wanted, wait=10):
    """What the shell makes of the line when its tab key is pressed; up to `wanted`."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execvpe(command[0], command, env)
    seen = b""

    def read_until(pattern):
        nonlocal seen
        end = time.monotonic() + wait
        while not re.search(pattern, seen) and time.monotonic() < end:
            if select.select([terminal], [], [], 0.1)[0]:
                try:
                    seen += os.read(terminal, 4096)
                except OSError:
                    return
    os.write(terminal, (setup + "; echo rea''dy\n").encode())
    read_until(rb"ready\r?\n")
    seen = b""
    os.write(terminal, line.encode())
    read_until(wanted.encode())
    os.close(terminal)
    os.waitpid(child, 0)
    return seen.decode(errors="replace")


LINES = [  # typed, what must appear
    ("backstop stat\t", "backstop status "),
    ("backstop status --outp\t", "--output "),
    ("backstop status --output=j\t", "--output=json"),
    ("backstop status -o j\t", "-o json"),
    ("backstop status --context arn:aws:e\t", re.escape("arn:aws:eks:eu:1:cluster/dev") + "|" +
     re.escape(r"arn\:aws\:eks\:eu\:1\:cluster/dev")),
    ("backstop review -f only-o\t", "-f only-one.yaml"),
    ("backstop man ex\t", "man explain"),
]
open(f"{folder}/only-one.yaml", "w").close()
SHELLS = [
    (["bash", "--norc", "--noprofile", "-i"], "source <(backstop completion bash)"),
    (["zsh", "-f", "-i"], "PS1='$ '; unsetopt zle_bracketed_paste; autoload -U compinit; compinit -u -D;"
                          " source <(backstop completion zsh)"),
]
for command, setup in SHELLS:
    if not shutil.which(command[0]) or not terminals("completion typed in " + command[0]):
        continue
    for line, wanted in LINES:
        seen = typed(command, setup, line, wanted)
        check(f"{command[0]} completes {line.strip()}", re.search(wanted, seen), seen)
if shutil.which("fish"):
    env["PATH"] = f"{folder}/bin:{env['PATH']}"
    for line, wanted in LINES:
        done = run("fish", "--no-config", "-c",
                   "backstop completion fish | source; complete -C " + repr(line.strip("\t")))
        check(f"fish completes {line.strip()}", re.search(wanted.split()[-1], done.stdout), said(done))
for shell in ("bash", "zsh", "fish"):
    if shutil.which(shell):
        script = f"{folder}/script.{shell}"
        with open(script, "w") as file:
            file.write(run("backstop", "completion", shell).stdout)
        done = run(shell, "-n", script)
        check(f"{shell} reads its completion", done.returncode == 0 and not done.stderr, said(done))
if shutil.which("shellcheck"):
    done = run("shellcheck", "-s", "bash", "-e", "SC2207", f"{folder}/script.bash")
    check("shellcheck has nothing to say of bash's", done.returncode == 0, said(done))

# ---- manual pages ------------------------------------------------------------------

os.mkdir(f"{folder}/man")
done = run("backstop", "man", "--into", f"{folder}/man")
pages = sorted(os.listdir(f"{folder}/man"))
commands = re.findall(r"^  ([a-z-]+) ", run("backstop", "--help").stdout, re.M)
check("there is a page for each verb", done.returncode == 0 and
      pages == sorted(["backstop.1", "kubectl-backstop.1"] + [f"backstop-{command}.1" for command in commands]), pages)
for command in commands:
    text = open(f"{folder}/man/backstop-{command}.1").read().replace("\\-", "-")
    missing = [o for o in re.findall(r"^ .*?(--[a-z-]+)", run("backstop", command, "--help").stdout, re.M)
               if o not in text and o != "--help"]
    check(f"the page of {command} has its options", not missing, missing)
for tool, command in (("mandoc", ["mandoc", "-Tlint", "-W", "warning"]), ("groff", ["groff", "-ww", "-man", "-Tutf8", "-z"])):
    if shutil.which(tool):
        told = "".join(said(run(*command, f"{folder}/man/{page}")) for page in pages if page != "kubectl-backstop.1")
        told = "".join(line + "\n" for line in told.splitlines() if 'missing date, using ""' not in line)
        check(f"{tool} has nothing to say of the pages", not told, told)
if shutil.which("mandoc"):
    shown = re.sub(".\b", "", run("mandoc", "-Tascii", f"{folder}/man/backstop-status.1").stdout)
    check("a page can be read", "EXIT STATUS" in shown and "EXAMPLES" in shown and
          re.search(r"^ +backstop status --context prod --to", shown, re.M), shown[-800:])
done = run("backstop", "man", "statsu")
check("a page that is not there", done.returncode == 2 and 'unknown command "statsu"' in done.stderr, said(done))
done = run("backstop", "man", "--into", f"{folder}/absent")
check("a folder that is not there", done.returncode == 2 and "No such file" in done.stderr or "ENOENT" in done.stderr, said(done))

shutil.rmtree(folder)
sys.exit(1 if failed else 0)
