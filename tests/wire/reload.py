"""Facts and settings that change under a running server, and the upgrade gate's flow."""
from libwire import *

SETTINGS = "apiVersion: backstop.k0rdent.mirantis.com/v1alpha1\nkind: Settings\n"
GATE_OFF = SETTINGS + "upgrade:\n  gate: false\n"


def allowed(server, path, asked):
    same(server.post(path, asked).response()["allowed"], True, "allowed")


def refused(server, path, asked, code):
    return server.post(path, asked).denied(code)


@shows("settings are reloaded when the file changes")
def _(server):
    refused(server, MANAGEMENT, upgrade_review(dryRun=True), 403)
    server.write("settings.yaml", GATE_OFF)
    eventually(lambda: allowed(server, MANAGEMENT, upgrade_review(dryRun=True)))
    assert server.metric('backstop_settings_reloads_total{result="ok"}') >= 1


@shows("broken settings leave the last good ones in force, and say so")
def _(server):
    server.write("settings.yaml", SETTINGS + "upgrade:\n  gaet: true\n")

    def told():
        status, text, _ = server.get("/readyz?verbose")
        same(status, 200)
        holds("the last good settings are still in use", text)
        holds("gaet", text)
    eventually(told)
    allowed(server, MANAGEMENT, upgrade_review(dryRun=True))
    assert server.metric('backstop_settings_reloads_total{result="failed"}') >= 1
    holds("gaet", server.log_lines("settings not reloaded; the last good ones stay in use")[-1]["reason"])
    server.write("settings.yaml", SETTINGS + "schedules:\n  controllerTimeZone: Mars/Phobos\n")
    eventually(lambda: holds("no time zone", server.get("/readyz?verbose")[1]))
    server.write("settings.yaml", SETTINGS)
    eventually(lambda: refused(server, MANAGEMENT, upgrade_review(dryRun=True), 403))
    assert "last good" not in server.get("/readyz?verbose")[1]


@shows("SIGHUP reloads the settings")
def _(server):
    before = server.metric('backstop_settings_reloads_total{result="ok"}')
    server.signal(signal.SIGHUP)

    def reloaded():
        assert server.metric('backstop_settings_reloads_total{result="ok"}') > before
    eventually(reloaded)


EVIDENCE = SETTINGS + "upgrade:\n  evidence:\n    anyOf:\n    - preset: kasten\n      maximumAge: 720h\n"
RUN_ACTION = """apiVersion: actions.kio.kasten.io/v1alpha1
kind: RunAction
metadata: {name: run-1, namespace: kasten-io, creationTimestamp: "%s"}
status: {state: %s}
"""


@shows("evidence of other engines comes from the files as they are at the moment of the upgrade")
def _(server):
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60))
    server.write("settings.yaml", EVIDENCE)
    server.write("inventory/kasten.yaml", RUN_ACTION % (created, "Running"))
    eventually(lambda: holds("run-1 in kasten-io is not done", refused(
        server, MANAGEMENT, upgrade_review(dryRun=True), 403)["status"]["message"]))
    server.write("inventory/kasten.yaml", RUN_ACTION % (created, "Complete"))
    answer = server.post(MANAGEMENT, upgrade_review(dryRun=True)).response()  # at once: it is read for the review
    same(answer["allowed"], True)
    holds("pre-upgrade backup by kasten: RunAction run-1", " ".join(answer["warnings"]))
    holds("good: RunAction kasten-io/run-1", answer["auditAnnotations"]["evidence-kasten"])
    assert server.metric('backstop_upgrade_evidence_total{source="kasten",state="good"}') >= 1
    os.remove(server.path("inventory/kasten.yaml"))
    server.write("settings.yaml", SETTINGS)
    eventually(lambda: holds("would be started", refused(
        server, MANAGEMENT, upgrade_review(dryRun=True), 403)["status"]["message"]))


@shows("the inventory is reloaded when a file comes, changes or goes")
def _(server):
    asked = backup_review(location="aws-s4")
    holds('"aws-s4"', refused(server, BACKUP, asked, 422)["status"]["message"])
    server.write("inventory/more.yaml", LOCATION % "aws-s4")
    eventually(lambda: allowed(server, BACKUP, asked))
    server.write("inventory/more.yaml", (LOCATION % "aws-s4").replace("phase: Available", "phase: Unavailable"))
    eventually(lambda: refused(server, BACKUP, asked, 422))
    os.remove(server.path("inventory/more.yaml"))
    eventually(lambda: holds("no BackupStorageLocation", refused(server, BACKUP, asked, 422)["status"]["message"]))


@shows("a kind whose last file is gone is unknown, and its gauge has no value any more")
def _(server):
    server.write("inventory/schedule.yaml", "apiVersion: velero.io/v1\nkind: Schedule\nmetadata: {name: s}\n"
                 "spec: {schedule: '@daily', template: {}}\n")
    eventually(lambda: same(server.metric('backstop_inventory_objects{kind="Schedule"}'), 1))
    os.remove(server.path("inventory/schedule.yaml"))
    eventually(lambda: same('objects{kind="Schedule"}' in server.get("/metrics")[1], False))


@shows("a broken inventory file leaves its last good content in force, and is named")
def _(server):
    server.write("inventory/more.yaml", LOCATION % "aws-s5")
    asked = backup_review(location="aws-s5")
    eventually(lambda: allowed(server, BACKUP, asked))
    server.write("inventory/more.yaml", "kind: [\n")

    def told():
        same(server.metric("backstop_inventory_problems"), 1)
    eventually(told)
    allowed(server, BACKUP, asked)
    status, text, _ = server.get("/readyz?verbose")
    same(status, 200)
    holds("1 file cannot be read", text)
    assert any("more.yaml" in line["file"] for line in server.log_lines(
        "inventory file not reloaded; its last good content stays in use"))
    os.remove(server.path("inventory/more.yaml"))
    eventually(lambda: same(server.metric("backstop_inventory_problems"), 0))


@shows("an upgrade under dryRun starts nothing")
def _(server):
    for _ in range(2):
        response = refused(server, MANAGEMENT, upgrade_review(dryRun=True), 403)
    same(server.metric('backstop_effects_total{kind="ManagementBackup",result="created"}'), 0)
    same(server.metric('backstop_inventory_objects{kind="ManagementBackup"}'), 1)
    assert response["status"]["message"]


@shows("an upgrade starts a backup, waits with retryAfterSeconds, and is admitted when it is complete")
def _(server):
    response = refused(server, MANAGEMENT, upgrade_review(), 429)
    same(response["status"]["reason"], "TooManyRequests")
    seconds = response["status"]["details"]["retryAfterSeconds"]
    assert 1 <= seconds <= 60, seconds
    same(server.metric('backstop_effects_total{kind="ManagementBackup",result="created"}'), 1)
    same(server.metric('backstop_inventory_objects{kind="ManagementBackup"}'), 2)
    holds("kcm-backup-kcm-1-2-0", server.log_lines("created")[0]["object"])
    refused(server, MANAGEMENT, upgrade_review(), 429)
    same(server.metric('backstop_effects_total{kind="ManagementBackup",result="created"}'), 1)
    eventually(lambda: allowed(server, MANAGEMENT, upgrade_review()))


ROLLBACK_POINT = """apiVersion: k0rdent.mirantis.com/v1beta1
kind: Release
metadata: {name: kcm-1-1-0}
spec: {version: 1.1.0}
status: {ready: true}
---
apiVersion: velero.io/v1
kind: Backup
metadata: {name: kcm-backup-kcm-1-1-0, namespace: kcm-system, creationTimestamp: "2026-09-01T10:00:00Z"}
spec:
  includedNamespaces: ['*']
  excludedResources: [clusters.cluster.x-k8s.io]
  storageLocation: aws-s3
  orLabelSelectors:
  - matchLabels: {k0rdent.mirantis.com/component: kcm}
  - matchLabels: {cluster.x-k8s.io/provider: cluster-api}
  - matchLabels: {controller.cert-manager.io/fao: "true"}
status: {phase: Completed, startTimestamp: "2026-09-01T10:00:00Z", completionTimestamp: "2026-09-01T10:05:00Z"}
"""


@shows("an effect is logged and counted by its own kind: the ConfigMap of a rollback")
def _(server):
    server.write("settings.yaml", SETTINGS + "restores:\n  injectReleaseModifier: true\n")
    server.write("inventory/back.yaml", ROLLBACK_POINT)
    asked = review("Restore", "back", {"backupName": "kcm-backup-kcm-1-1-0"}, namespace="kcm-system")
    # Until the settings are reloaded, too, the answer only advises such a modifier.
    eventually(lambda: holds("resourceModifier set to ConfigMap", str(server.post(RESTORE, asked).response())))
    counted = 'backstop_effects_total{kind="%s",result="created"}'
    assert server.metric(counted % "ConfigMap") >= 1, server.get("/metrics")[1]
    same(server.metric(counted % "ManagementBackup"), 1)
    holds("ConfigMap", server.log_lines("created")[-1]["object"])


main(Server("--simulate-backups", "2s", settings=SETTINGS))
