"""Starting, health, logs and metrics, stopping."""
from libwire import *

PAIR = ["--tls-cert", CERTS + "/tls.crt", "--tls-key", CERTS + "/tls.key"]
ANYWHERE = ["--listen", "127.0.0.1:0", "--health-listen", ""]


def refuses(part, *arguments, environment=None):
    code, line = start_fails(*arguments, environment=environment)
    same(code, 2, f"exit code, after {line!r}")
    holds(part, line)


def temporary(text):
    made = tempfile.NamedTemporaryFile("w", delete=False, prefix="wire-")
    made.write(text)
    made.close()
    return made.name


def program_in_memory(server):
    """Which part of the program's and its libraries' code and constants is in its memory."""
    kib = {"Size": 0, "Rss": 0}
    constant = False
    with open(f"/proc/{server.process.pid}/smaps", encoding="utf-8") as maps:
        for name, *rest in map(str.split, maps):
            if not name.endswith(":"):
                constant = rest[0].startswith("r-") and len(rest) > 4
            elif constant and name[:-1] in kib:
                kib[name[:-1]] += int(rest[0])
    return kib["Rss"] / kib["Size"]


# ---- starting ---------------------------------------------------------------------------

@shows("what only the start needed of the program does not stay in memory")
def _(server):
    fresh = Server()

    def lean():
        assert program_in_memory(fresh) < 0.3, program_in_memory(fresh)  # over half of it after a start
    eventually(lean, 30)
    fresh.post(BACKUP, backup_review()).response()
    fresh.stop()


@shows("without a certificate it says how to get one")
def _(server):
    refuses("make certs")
    refuses("make certs", "--tls-cert", CERTS + "/tls.crt")


@shows("a certificate or key that cannot be used is named")
def _(server):
    certificate, key = CERTS + "/tls.crt", CERTS + "/tls.key"
    other, nothing, garbage = OTHER_CERTS + "/tls.key", temporary(""), temporary("-----BEGIN NONSENSE-----\n")
    for part, pair in (("certificate: /nowhere: No such file", ("/nowhere", key)),
                       ("key: /nowhere: No such file", (certificate, "/nowhere")),
                       (f"certificate {nothing} is empty", (nothing, key)),
                       (f"key {nothing} is empty", (certificate, nothing)),
                       (f"certificate {garbage} and key {key}: the certificate: not a PEM certificate",
                        (garbage, key)),
                       ("the key: not a PEM private key", (certificate, garbage)),
                       ("the certificate: not a PEM certificate", (key, key)),
                       ("the key: not a PEM private key", (certificate, certificate)),
                       ("does not match the certificate", (certificate, other))):
        refuses(part, "--tls-cert", pair[0], "--tls-key", pair[1], *ANYWHERE)


@shows("addresses that cannot be listened on are named")
def _(server):
    taken = f"127.0.0.1:{server.port}"
    refuses(f"cannot listen on {taken}: Address already in use", *PAIR, "--listen", taken, "--health-listen", "")
    refuses(f"cannot listen on {taken}: Address already in use", *PAIR, "--listen", "127.0.0.1:0", "--health-listen", taken)
    refuses("is not a listen address", *PAIR, "--listen", "9443", "--health-listen", "")


@shows("wrong options, settings and inventories are named")
def _(server):
    refuses("--tls-min-version 1.1: expected 1.3 or 1.2", *PAIR, "--tls-min-version", "1.1")
    refuses("--log-level loud", *PAIR, "--log-level", "loud")
    refuses("--max-body-bytes", *PAIR, "--max-body-bytes", "5")
    refuses("--request-timeout", *PAIR, "--request-timeout", "0s")
    refuses("unexpected argument", *PAIR, "extra")
    refuses("did you mean --tls-cert", "--tls-crt", "x")
    refuses("settings file: /nowhere: No such file", *PAIR, *ANYWHERE, "--settings", "/nowhere")
    refuses("line 3", *PAIR, *ANYWHERE, "--settings", temporary(
        "apiVersion: backstop.k0rdent.mirantis.com/v1alpha1\nkind: Settings\nnonsense: 1\n"))
    refuses("inventory: /nowhere: No such file", *PAIR, *ANYWHERE, "--inventory", "/nowhere")
    nothing = temporary("")
    refuses("kubeconfig: /nowhere: No such file", *PAIR, *ANYWHERE, "--kubeconfig", "/nowhere")
    refuses(f"kubeconfig {nothing} is empty", *PAIR, *ANYWHERE, "--kubeconfig", nothing)
    refuses("client CA: /nowhere: No such file", *PAIR, *ANYWHERE, "--client-ca", "/nowhere")
    refuses(f"client CA {nothing} is empty", *PAIR, *ANYWHERE, "--client-ca", nothing)
    refuses("cannot write /nowhere/ports", *PAIR, *ANYWHERE, "--port-file", "/nowhere/ports")
    refuses("BACKSTOP_LOG_REVIEWS=maybe: expected true or false", *PAIR, *ANYWHERE,
            environment={"BACKSTOP_LOG_REVIEWS": "maybe"})


@shows("every option can come from the environment")
def _(server):
    refuses("BACKSTOP_TLS_MIN_VERSION=1.1: expected 1.3 or 1.2", environment={"BACKSTOP_TLS_CERT": "x", "BACKSTOP_TLS_KEY": "y",
                                                  "BACKSTOP_TLS_MIN_VERSION": "1.1"})


@shows("without --health-listen there is no health port")
def _(server):
    quiet = Server(health=False)
    same(quiet.health, 0)
    quiet.post(BACKUP, backup_review()).response()
    quiet.stop()


# ---- health -----------------------------------------------------------------------------

@shows("livez and readyz are ok")
def _(server):
    same(server.get("/livez")[:2], (200, "ok"))
    same(server.get("/readyz")[:2], (200, "ok"))
    status, text, _ = server.get("/readyz?verbose")
    same(status, 200)
    for line in ("[+]shutdown ok", "[+]settings ok", "[+]inventory ok", "readyz check passed"):
        holds(line, text)


@shows("health pages answer GET and HEAD only, and nothing else is there")
def _(server):
    status, text, response = server.get("/readyz", "HEAD")
    same((status, text, response.headers["Content-Length"]), (200, "", "2"))
    status, _, response = server.get("/livez", "POST")
    same((status, response.headers["Allow"]), (405, "GET, HEAD"))
    for path in ("/", "/livez/", "/livezz", "/../etc/passwd", "/%2e%2e/etc/passwd", "/metrics/..", BACKUP, "/" + "x" * 5000):
        same(server.get(path)[0], 404, path)


# ---- metrics and logs -------------------------------------------------------------------

@shows("reviews are counted by decision")
def _(server):
    def count(decision):
        return server.metric(f'backstop_reviews_total{{resource="managementbackups",operation="CREATE",decision="{decision}"}}')
    denied, observed = count("denied"), 'backstop_review_duration_seconds_count{resource="managementbackups"}'
    before, http = server.metric(observed), server.metric('backstop_http_responses_total{code="200"}')
    for _ in range(3):
        server.post(BACKUP, backup_review(schedule="0 9 * * 7")).denied(422)
    same(count("denied"), denied + 3)
    same(server.metric(observed), before + 3)
    assert server.metric('backstop_http_responses_total{code="200"}') >= http + 3
    same(server.metric('backstop_inventory_objects{kind="BackupStorageLocation"}'), 1)
    holds("# HELP backstop_reviews_total ", server.get("/metrics")[1])


HEALTH = """
apiVersion: v1
kind: List
items:
- apiVersion: k0rdent.mirantis.com/v1beta1
  kind: Management
  metadata: {name: kcm}
  spec: {release: kcm-1-2-0}
  status: {release: kcm-1-2-0}
- apiVersion: k0rdent.mirantis.com/v1beta1
  kind: ManagementBackup
  metadata: {name: nightly}
  spec: {schedule: "@daily"}
  status: {lastBackup: {phase: PartiallyFailed, completionTimestamp: "2026-11-21T03:00:00Z"}}
- apiVersion: k0rdent.mirantis.com/v1beta1
  kind: ManagementBackup
  metadata: {name: hourly}
  spec: {schedule: "@hourly"}
  status: {lastBackup: {phase: Completed, completionTimestamp: "2026-11-21T01:00:00Z"}}
- apiVersion: k0rdent.mirantis.com/v1beta1
  kind: ManagementBackup
  metadata:
    name: hourly-kcm-1-2-0
    creationTimestamp: "2026-11-21T04:00:00Z"
    labels: {k0rdent.mirantis.com/release-backup: kcm-1-2-0}
  status: {lastBackup: {phase: InProgress}}
- apiVersion: velero.io/v1
  kind: Backup
  metadata:
    name: hourly-20261121020000
    namespace: kcm-system
    labels: {k0rdent.mirantis.com/management-backup: hourly}
  spec:
    includedNamespaces: ["*"]
    excludedResources: [clusters.cluster.x-k8s.io]
    orLabelSelectors: [{matchLabels: {k0rdent.mirantis.com/component: kcm}}]
  status: {phase: Completed, completionTimestamp: "2026-11-21T02:00:00Z"}
- apiVersion: velero.io/v1
  kind: Backup
  metadata:
    name: hourly-east-20261121030000
    namespace: kcm-system
    labels: {k0rdent.mirantis.com/management-backup: hourly, k0rdent.mirantis.com/region: east}
  status: {phase: Completed, completionTimestamp: "2026-11-21T03:00:00Z"}
- apiVersion: velero.io/v1
  kind: BackupStorageLocation
  metadata: {name: lost, namespace: kcm-system}
  status: {phase: Unavailable}
- apiVersion: velero.io/v1
  kind: BackupStorageLocation
  metadata: {name: fresh, namespace: kcm-system}
"""
# The backup before the upgrade again, which did complete.
REPEATED = """
apiVersion: k0rdent.mirantis.com/v1beta1
kind: ManagementBackup
metadata:
  name: hourly-kcm-1-2-0-20261121050000
  creationTimestamp: "2026-11-21T05:00:00Z"
  labels: {k0rdent.mirantis.com/release-backup: kcm-1-2-0}
status: {lastBackup: {phase: Completed, completionTimestamp: "2026-11-21T05:10:00Z"}}
"""


@shows("the cluster's health is among the metrics: backups, locations, an upgrade that waits")
def _(_server):
    at = 1795219200  # 2026-11-21T00:00:00Z
    ill = Server(facts=HEALTH)
    def facts():
        return {name: ill.metric("backstop_" + name) for name in (
            "management_backup_completed_timestamp_seconds", "management_backups_scheduled",
            "management_backups_failing", "upgrade_backup_waiting_timestamp_seconds")}
    same(facts(), {"management_backup_completed_timestamp_seconds": at + 2 * 3600, "management_backups_scheduled": 2,
                   "management_backups_failing": 1, "upgrade_backup_waiting_timestamp_seconds": at + 4 * 3600})
    same([ill.metric(f'backstop_storage_locations{{phase="{p}"}}') for p in ("Available", "Unavailable", "Unknown")], [0, 1, 1])
    ill.write("inventory/repeated.yaml", REPEATED)
    eventually(lambda: same(facts()["upgrade_backup_waiting_timestamp_seconds"], 0))
    same(facts()["management_backup_completed_timestamp_seconds"], at + 5 * 3600 + 600)
    ill.stop()


@shows("a review is one log line with uid, user, decision and timing")
def _(server):
    asked = backup_review(schedule="0 9 * * 7", name="named")
    asked["request"]["dryRun"] = True
    server.post(BACKUP, asked)
    line = next(line for line in server.log_lines("review") if line["uid"] == asked["request"]["uid"])
    same({key: line[key] for key in ("level", "user", "resource", "operation", "name", "decision", "code", "dry_run")},
         {"level": "info", "user": "admin", "resource": "managementbackups", "operation": "CREATE", "name": "named",
          "decision": "denied", "code": 422, "dry_run": True})
    holds("day-of-week", line["reason"])
    assert 0 <= line["duration_us"] < 5000000 and line["bytes"] > 300


@shows("what users choose cannot forge a log line")
def _(server):
    asked = backup_review(name='a\n{"level":"info"}\x1b[31m' + "x" * 5000, schedule="\r\n\u202e")
    asked["request"]["userInfo"]["username"] = "\n\u0000\u009b" + "u" * 5000
    server.post(BACKUP, asked).response(asked["request"]["uid"])
    raw = [line for line in server.log().splitlines() if asked["request"]["uid"] in line]
    same(len(raw), 1)
    line = json.loads(raw[0])
    assert "\x1b" not in raw[0] and len(raw[0]) < 8000, len(raw[0])
    assert len(line["name"]) < 300 and len(line["user"]) < 300


@shows("review lines can be switched off")
def _(server):
    quiet = Server("--log-reviews=false", "--log-level", "error")
    quiet.post(BACKUP, backup_review()).response()
    quiet.stop()
    same(quiet.log(), "")


# ---- stopping -----------------------------------------------------------------------------

@shows("SIGTERM: not ready at once, old and new connections are served and closed, then it ends")
def _(server):
    duck = Server("--lame-duck", "2s")
    old, idle = duck.client(), duck.client()
    assert old.post(BACKUP, backup_review()).headers["Connection"] != "close"
    duck.signal()
    began = time.monotonic()

    def unready():
        same(duck.get("/readyz")[0], 503)
    eventually(unready, 1)
    holds("[-]shutdown failed", duck.get("/readyz?verbose")[1])
    same(duck.get("/livez")[0], 200)
    for client in (old, duck.client()):
        answer = client.post(BACKUP, backup_review())
        answer.response()
        same(answer.headers["Connection"].lower(), "close")
        client.closed(5)
        client.close()
    duck.ended()
    duck.stopped = True
    took = time.monotonic() - began
    assert 1.8 <= took <= 6, f"stopped after {took:.2f} s"
    idle.closed(1)
    idle.close()
    same(len(duck.log_lines("stopped")), 1)


@shows("a request under way when the server stops gets its answer")
def _(server):
    duck = Server("--lame-duck", "0s")
    asked = backup_review()
    body = json.dumps(asked).encode()
    with duck.client() as client:
        client.send(f"POST {BACKUP} HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n")
        client.send(body[:100])
        time.sleep(0.2)
        duck.signal()
        eventually(lambda: same(len(duck.log_lines("stopping")), 1))
        time.sleep(0.2)
        client.send(body[100:])
        answer = client.answer()
        answer.response(asked["request"]["uid"])
        same(answer.headers["Connection"].lower(), "close")
    duck.ended()
    duck.stopped = True


@shows("a client that was answered just before the server stops may send its next request")
def _(server):
    for _ in range(20):
        duck = Server("--lame-duck", "0s")
        with duck.client() as client:
            client.post(BACKUP, backup_review()).response()
            began = time.monotonic()
            duck.signal()
            time.sleep(0.02)
            try:
                answer = client.post(BACKUP, backup_review())
            except (ConnectionError, http.client.HTTPException):
                quick = time.monotonic() - began < 0.07
                assert not quick, "the connection was closed"
                continue  # this machine was too slow to tell
            answer.response()
        duck.ended()
        duck.stopped = True
        if answer.headers.get("Connection", "").lower() == "close":
            return  # else the signal had not come yet
    raise AssertionError("never quick enough to tell")


@shows("a second signal stops at once")
def _(server):
    for second in (signal.SIGTERM, signal.SIGINT):
        duck = Server("--lame-duck", "1m")
        duck.signal()
        eventually(lambda: same(len(duck.log_lines("stopping")), 1))
        began = time.monotonic()
        duck.signal(second)
        duck.ended()
        duck.stopped = True
        assert time.monotonic() - began < 5


@shows("outside a cluster it stops without a lame duck")
def _(server):
    began = time.monotonic()
    Server(environment={"KUBERNETES_SERVICE_HOST": ""}).stop()
    assert time.monotonic() - began < 6


main(Server())
