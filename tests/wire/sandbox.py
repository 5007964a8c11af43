"""What a running webhook has given up, and that it serves all the same."""
from libwire import *

CONFIG = """apiVersion: v1
kind: Config
current-context: x
contexts: [{name: x, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {exec: {command: "true", apiVersion: client.authentication.k8s.io/v1}}}]
"""


def started(server):
    """Unless sanitizers, which need more, keep it out."""
    state = server.log_lines("sandbox")[0]["state"]
    return None if "instrumented" in state else state


@shows("the sandbox is told in the log, in /readyz?verbose and as a metric")
def _(server):
    state = started(server)
    if not state:
        return
    holds("seccomp yes", state)
    holds("[+]sandbox ok: " + state, server.get("/readyz?verbose")[1])
    same(server.metric('backstop_sandbox{part="seccomp"}'), 1)
    same(server.metric('backstop_sandbox{part="landlock"}'), float("Landlock yes" in state))


@shows("every thread is behind the filter, without new privileges and without core files")
def _(server):
    if not started(server):
        return
    tasks = f"/proc/{server.process.pid}/task"
    threads = os.listdir(tasks)
    assert len(threads) > 2, threads
    for thread in threads:
        status = open(f"{tasks}/{thread}/status").read()
        holds("Seccomp:\t2\n", status)
        holds("NoNewPrivs:\t1\n", status)
    limits = open(f"/proc/{server.process.pid}/limits").read()
    assert re.search(r"Max core file size +0 +0 ", limits), limits


@shows("what must be in the sandbox and cannot be does not start")
def _(server):
    server.write("plugin.kubeconfig", CONFIG)
    certificate = ["--tls-cert", CERTS + "/tls.crt", "--tls-key", CERTS + "/tls.key", "--listen", "127.0.0.1:0"]
    code, said = start_fails(*certificate, "--kubeconfig", server.path("plugin.kubeconfig"), "--sandbox", "require")
    same(code, 2)
    holds("--sandbox require: seccomp no (", said)
    code, said = start_fails(*certificate, "--sandbox", "on")
    same(code, 2)
    holds("--sandbox on: expected auto, require or off", said)


@shows("without a sandbox nothing is given up, and that is told")
def _(server):
    other = Server("--sandbox", "off")
    holds("seccomp no (switched off), Landlock no (switched off)", other.log_lines("sandbox")[0]["state"])
    holds("NoNewPrivs:\t0\n", open(f"/proc/{other.process.pid}/status").read())
    other.stop()


main(Server())
