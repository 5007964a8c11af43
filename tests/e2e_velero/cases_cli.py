"""The ordinary commands of the Velero CLI, with the webhook in force. It prints no admission warnings."""
import os

from control_plane import wait_until
from fixtures import accepted
from stage import Stage
from velero import velero

ALLOW = "backstop.k0rdent.mirantis.com/allow-delete"


class Setup(Stage):
    def ok(self, *args, **how):
        answer = self.velero.cli(*args, **how)
        assert answer.code == 0, f"velero {' '.join(args)}: {answer}"
        return answer.text

    def events(self, kind, name):
        return [e for e in self.cluster.items("events.events.k8s.io", "-n", "kcm-system")
                if (e["regarding"]["kind"], e["regarding"]["name"]) == (kind, name)]

    def event(self, kind, name, reason):
        return wait_until(f"Event {reason} on {kind} {name}", lambda: [
            e for e in self.events(kind, name) if e["reason"] == reason], 30)[0]

    def refused(self, *args):
        answer = self.velero.cli(*args)
        assert answer.code != 0 and "denied the request" in answer.text, f"velero {' '.join(args)}: {answer}"
        return answer.text


def case_version(setup):
    """velero version: the server answers with the version under test"""
    assert f"v{setup.velero.version}" in setup.ok("version").split("Server:")[1]


def case_version_asked(setup):
    """an image by digest alone: backstop asks the server for its version, as velero version does; one question"""
    def versions():
        return setup.replicas[0].health_get("/readyz?verbose")[1]
    before = setup.cluster.get("deployment", "velero", "-n", "kcm-system")["spec"]["template"]["spec"]["containers"][0]["image"]
    setup.cluster.must("set", "image", "deployment/velero", "-n", "kcm-system", "velero=velero/velero@sha256:" + "a" * 64)
    try:
        wait_until("the version", lambda: f"Velero {setup.velero.version} (answer of the server" in versions(), 60)
        mine = [r for r in setup.cluster.items("serverstatusrequests.velero.io", "-n", "kcm-system")
                if r["metadata"]["name"].startswith("backstop-")]
        assert len(mine) == 1 and mine[0]["status"]["phase"] == "Processed", mine
    finally:
        setup.cluster.must("set", "image", "deployment/velero", "-n", "kcm-system", f"velero={before}")
    wait_until("the tag", lambda: "(image of Deployment" in versions(), 20)


def case_backup(setup):
    """velero backup create, get, describe, logs, download: as without a webhook; a wrong one is refused in words"""
    text = setup.ok("backup", "create", "plain", "--include-namespaces", "kcm-system", "--wait")
    assert "completed with status: Completed" in text, text
    assert "plain" in setup.ok("backup", "get")
    assert "Phase:  Completed" in setup.ok("backup", "describe", "plain", "--details")
    assert "Backed up" in setup.ok("backup", "logs", "plain")
    setup.ok("backup", "download", "plain", "--output", f"{setup.cluster.dir}/plain.tar.gz")
    assert os.path.getsize(f"{setup.cluster.dir}/plain.tar.gz") > 1000
    # The warnings that it drops are seen where kubectl sends what it prints.
    printed = setup.ok("backup", "create", "printed", "--include-namespaces", "kcm-system", "-o", "yaml")
    accepted(setup.cluster.kubectl("create", "-f", "-", user="editor-token", stdin=printed), "created", "hold no Management")
    # What the CLI finds itself it does not send: a location that is not there, or a namespace that cannot be.
    answer = setup.velero.cli("backup", "create", "wrong", "--storage-location", "aws-s4")
    assert answer.code != 0 and '"aws-s4" not found' in answer.text, answer
    assert "spec.resourcePolicy" in setup.refused("backup", "create", "wrong", "--resource-policies-configmap", "absent")
    assert not setup.velero.read("backups", "wrong")


def case_schedule(setup):
    """velero schedule create, pause, unpause, describe, delete, and a Backup from it; read as this version reads it"""
    setup.ok("schedule", "create", "night", "--schedule", "0 1 * * *", "--include-namespaces", "kcm-system",
             "--skip-immediately=true")
    setup.velero.wait_phase("schedules", "night", "Enabled")
    assert "night" in setup.ok("schedule", "get")
    setup.ok("schedule", "pause", "night")
    setup.ok("schedule", "unpause", "night")
    assert "0 1 * * *" in setup.ok("schedule", "describe", "night")
    assert "Completed" in setup.ok("backup", "create", "from-night", "--from-schedule", "night", "--wait")
    setup.refused("schedule", "create", "wrong", "--schedule", "61 1 * * *")
    sunday = ("schedule", "create", "sunday", "--schedule", "0 9 * * 7", "--skip-immediately=true")
    if setup.velero.version < "1.18.3":
        setup.refused(*sunday)
    else:
        setup.ok(*sunday)
        setup.velero.wait_phase("schedules", "sunday", "Enabled")
        setup.ok("schedule", "delete", "sunday", "--confirm")


def case_restore(setup):
    """velero restore create, get, describe, logs, delete: the Restore of a management backup gets what it lacks"""
    assert "Completed" in setup.ok("restore", "create", "again", "--from-backup", "plain", "--wait")
    assert not setup.velero.read("restores", "again")["spec"].get("existingResourcePolicy")
    assert "again" in setup.ok("restore", "get")
    assert "Phase:  " in setup.ok("restore", "describe", "again", "--details")
    setup.ok("restore", "logs", "again")
    setup.ok("restore", "delete", "again", "--confirm")
    wait_until("the Restore to go", lambda: not setup.velero.read("restores", "again"), 60)
    setup.back_up("whole")
    assert "Completed" in setup.ok("restore", "create", "whole", "--from-backup", "whole", "--wait")
    spec = setup.velero.read("restores", "whole")["spec"]
    assert "natgateways.network.azure.com" in spec["excludedResources"] and spec["existingResourcePolicy"] == "update", spec
    setup.event("Restore", "whole", "RestoreAdjusted")
    events = setup.events("Restore", "whole")
    assert {e["reason"] for e in events} <= {"RestoreAdjusted", "ReviewWarning"}, events
    # What it was warned of (this cluster has a Management) the CLI does not print: an Event does, where describe finds it.
    warned = setup.event("Restore", "whole", "ReviewWarning")
    assert warned["type"] == "Warning" and "already has a Management" in warned["note"], warned
    assert warned["regarding"]["uid"] == setup.velero.read("restores", "whole")["metadata"]["uid"], warned


def case_warnings(setup):
    """velero backup create, schedule create: what their warnings say stands in an Event on the object, and what is fine has none"""
    setup.ok("backup", "create", "moved", "--include-namespaces", "kcm-system", "--snapshot-move-data", "--wait")
    warned = setup.event("Backup", "moved", "ReviewWarning")
    assert "needs Velero's node agent" in warned["note"], warned
    assert warned["regarding"]["uid"] == setup.velero.read("backups", "moved")["metadata"]["uid"], warned
    setup.ok("schedule", "create", "gaps", "--schedule", "0 3 * * 0", "--ttl", "24h")
    try:
        warned = setup.event("Schedule", "gaps", "ReviewWarning")
        assert "shorter than the time between runs" in warned["note"], warned
    finally:
        setup.ok("schedule", "delete", "gaps", "--confirm")
    setup.ok("backup", "create", "fine", "--include-namespaces", "default", "--wait")
    setup.ok("backup", "create", "moved-too", "--include-namespaces", "kcm-system", "--snapshot-move-data", "--wait")
    setup.event("Backup", "moved-too", "ReviewWarning")  # one later than fine's would be
    assert not setup.events("Backup", "fine"), setup.events("Backup", "fine")
    for name in ("moved", "fine", "moved-too"):
        setup.ok("backup", "delete", name, "--confirm")


def case_backup_delete(setup):
    """velero backup delete: the last management backup is kept, and goes when its Backup allows it; others go at once"""
    setup.ok("backup", "delete", "plain", "--confirm")
    wait_until("the Backup to go", lambda: not setup.velero.read("backups", "plain"), 60)
    assert not os.path.exists(f"{setup.storage.folder}/backups/plain")
    answer = setup.velero.cli("backup", "delete", "whole", "--confirm")
    assert ALLOW in answer.text and setup.velero.read("backups", "whole"), answer
    setup.cluster.must("annotate", "-n", "kcm-system", "backups.velero.io", "whole", f"{ALLOW}=rehearsal", user="editor-token")
    setup.ok("backup", "delete", "whole", "--confirm")
    wait_until("the Backup to go", lambda: not setup.velero.read("backups", "whole"), 60)


def case_backup_location(setup):
    """velero backup-location create, get, set, delete: kept while in use, and gone with an annotation"""
    os.makedirs(f"{os.path.dirname(setup.storage.folder)}/spare")
    config = ",".join(f"{key}={value}" for key, value in setup.storage.location()[1]["spec"]["config"].items())
    setup.ok("backup-location", "create", "spare", "--provider", "aws", "--bucket", "spare", "--config", config,
             "--credential", "cloud-credentials=cloud")
    setup.velero.wait_phase("backupstoragelocations", "spare", "Available")
    assert "spare" in setup.ok("backup-location", "get")
    setup.ok("backup-location", "set", "spare", "--credential", "cloud-credentials=cloud")
    setup.velero.create(velero("Schedule", "to-spare", schedule="0 1 * * *", skipImmediately=True,
                               template={"storageLocation": "spare", "includedNamespaces": ["kcm-system"]}))
    wait_until("it to be in use", lambda: "to-spare" in setup.velero.cli("backup-location", "delete", "spare", "--confirm").text)
    assert setup.velero.read("backupstoragelocations", "spare")
    setup.cluster.must("annotate", "-n", "kcm-system", "backupstoragelocation", "spare", f"{ALLOW}=rehearsal",
                       user="editor-token")
    setup.ok("backup-location", "delete", "spare", "--confirm")
    assert not setup.velero.read("backupstoragelocations", "spare")


def case_snapshot_location(setup):
    """velero snapshot-location create, get"""
    accepted(setup.velero.cli("snapshot-location", "create", "ebs", "--provider", "aws", "--config", "region=us-east-1"))
    assert "ebs" in setup.ok("snapshot-location", "get")
