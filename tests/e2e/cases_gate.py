"""The upgrade gate: kubectl patch management kcm, and what stands in etcd afterwards."""
import json
import os
import time

from control_plane import wait_until
from fixtures import (NEXT, RUNNING, SOURCE, TAKEN, Webhook, accepted, management, refused, set_release_ready,
                      set_velero_ready, settings_file, start_upgrade, stored_release, taken_backups, upgrade_command)
from standin import (StandIn, create_backup, now, set_backup_status, set_location_phase, set_management_release,
                     set_managementbackup_status)
from webhook import managementbackup

SKIP = "backstop.k0rdent.mirantis.com/skip-pre-upgrade-backup"


class Setup(Webhook):
    def __init__(self, cluster, binary):
        super().__init__(cluster, binary, replicas=2)

    def upgrade(self, release=NEXT, *more, **how):
        return self.cluster.kubectl(*upgrade_command(release, *more), **how)

    def evidence(self, name, phase, completed=None, started=None):
        """A pre-upgrade backup as kcm and Velero leave it."""
        taken = managementbackup(name, storageLocation="aws-s3")
        taken["metadata"]["labels"] = {"k0rdent.mirantis.com/release-backup": RUNNING}
        self.cluster.must("create", "-f", "-", stdin=taken)
        create_backup(self.cluster, name)
        set_backup_status(self.cluster, name, phase, completed, **({"startTimestamp": started} if started else {}))
        set_managementbackup_status(self.cluster, name, phase, completed)


def case_waits(setup):
    """kubectl patch waits by itself while the backup runs, and then succeeds"""
    with StandIn(setup.cluster, seconds=3):
        answer = setup.upgrade()
    accepted(answer, "management.k0rdent.mirantis.com/kcm patched")
    assert 3 <= answer.seconds < 10, answer.seconds
    assert stored_release(setup.cluster) == NEXT
    taken = setup.cluster.get("managementbackup", TAKEN)
    assert taken["metadata"]["labels"] == {"k0rdent.mirantis.com/release-backup": RUNNING}, taken
    assert taken["spec"] == {"storageLocation": "aws-s3"}, taken
    assert taken_backups(setup.cluster) == [TAKEN]


def case_under_way(setup):
    """the target can be changed while the upgrade is under way, with a warning that names both releases"""
    setup.reset_upgrade()
    setup.evidence(TAKEN, "Completed", now())
    accepted(setup.upgrade())
    set_release_ready(setup.cluster, "kcm-1-4-0")
    answer = setup.upgrade("kcm-1-4-0")
    set_release_ready(setup.cluster, "kcm-1-4-0", False)
    accepted(answer, "Warning: the upgrade from kcm-1-2-0 to kcm-1-3-0 has not finished yet")
    assert stored_release(setup.cluster) == "kcm-1-4-0" and taken_backups(setup.cluster) == [TAKEN]


def case_revert(setup):
    """back to the running release passes at once, without a backup"""
    setup.reset_upgrade()
    with StandIn(setup.cluster, seconds=1):
        accepted(setup.upgrade())
    answer = setup.upgrade(RUNNING)
    accepted(answer, "Warning: back to kcm-1-2-0, which is still the running release: no pre-upgrade backup is needed")
    assert answer.seconds < 2 and stored_release(setup.cluster) == RUNNING


def case_unchanged(setup):
    """changes of metadata, and status writes, pass without a call"""
    before = setup.calls("managements")
    setup.cluster.must("patch", "management", "kcm", "--type=merge", "-p", '{"metadata":{"labels":{"team":"ops"}}}')
    set_management_release(setup.cluster, RUNNING)
    assert setup.calls("managements") == before


def case_edit(setup):
    """an edit that keeps the release is warned of what it brings in"""
    off = json.dumps({"spec": {"core": {"kcm": {"config": {"regional": {"velero": {"enabled": False}}}}}}})
    answer = setup.cluster.kubectl("patch", "management", "kcm", "--type=merge", "--dry-run=server", "-p", off)
    accepted(answer, "Warning: spec.core.kcm.config.regional.velero.enabled: false makes kcm uninstall its Velero")


def case_edit_denied(setup):
    """by settings such edits, and a downgrade, are refused before a backup is started; an annotation allows them"""
    setup.reset_upgrade()
    folder = os.path.dirname(setup.settings)
    key = "backstop.k0rdent.mirantis.com/allow-edit"
    settings_file(folder, upgrade={"disabledVelero": "deny", "unsupportedRelease": "deny"})

    def patch(spec, *more, **annotations):
        body = json.dumps({"metadata": {"annotations": annotations}, "spec": spec})
        return setup.cluster.kubectl("patch", "management", "kcm", "--type=merge", "-p", body, *more)

    off = {"core": {"kcm": {"config": {"regional": {"velero": {"enabled": False}}}}}}
    wait_until("the settings to be reloaded", lambda: patch(off, "--dry-run=server").code == 1)
    refused(patch(off), "spec.core.kcm.config.regional.velero.enabled: Forbidden: false makes kcm uninstall its Velero")
    refused(patch({**off, "release": NEXT}), "false makes kcm uninstall its Velero", f'{key}="REASON"')
    refused(patch({"release": "kcm-1-1-0"}), "k0rdent 1.1.0 is older than k0rdent 1.2.0")
    assert taken_backups(setup.cluster) == [] and stored_release(setup.cluster) == RUNNING
    accepted(patch(off, "--dry-run=server", **{key: "Velero is ours"}), 'Warning: allowed by annotation ("Velero is ours")')
    settings_file(folder)
    wait_until("the settings to be as before", lambda: patch(off, "--dry-run=server").code == 0)


def case_unknown_release(setup):
    """a Release that does not exist or is not ready is refused, and no backup is started"""
    setup.reset_upgrade()
    refused(setup.upgrade("kcm-1-3-1"), "spec.release", 'did you mean "kcm-1-3-0"', "No backup was started")
    refused(setup.upgrade("kcm-1-4-0"), "spec.release", "not ready")
    assert taken_backups(setup.cluster) == [] and stored_release(setup.cluster) == RUNNING


def case_dry_run(setup):
    """--dry-run=server says what would be started, and starts nothing"""
    setup.reset_upgrade()
    answer = setup.cluster.kubectl(*upgrade_command(NEXT, "--dry-run=server"))
    assert answer.code == 1 and f"{TAKEN}: would be started" in answer.err, answer
    assert taken_backups(setup.cluster) == [] and stored_release(setup.cluster) == RUNNING
    assert not setup.cluster.get("managementbackup", TAKEN)


def case_progress(setup):
    """when kubectl gives up, its message stands alone: progress, how to watch, that applying again resumes"""
    setup.reset_upgrade()
    with StandIn(setup.cluster, seconds=60):
        answer = setup.upgrade()
    assert answer.code == 1 and 9 <= answer.seconds < 20, (answer.seconds, answer)
    for words in (TAKEN, "412 of 980 items", "kubectl get managementbackup", "Re-apply the same change"):
        assert words in answer.err, (words, answer)
    assert stored_release(setup.cluster) == RUNNING


def failing(setup, phase, *words):
    setup.reset_upgrade()
    with StandIn(setup.cluster, seconds=1, phase=phase):
        answer = setup.upgrade()
    assert answer.code == 1 and "Forbidden" in answer.err, answer
    for word in (phase, TAKEN, SKIP, *words):
        assert word in answer.err, f"no {word!r} in: {answer}"
    assert stored_release(setup.cluster) == RUNNING


def case_failed(setup):
    """a backup that fails ends the wait with Velero's reason and the ways out; a later attempt starts another"""
    failing(setup, "Failed", "object store not reachable")
    time.sleep(5.5)  # upgrade.retryAfterFailure
    with StandIn(setup.cluster, seconds=1):
        accepted(setup.upgrade())
    names = taken_backups(setup.cluster)
    assert len(names) == 2 and names[0] == TAKEN and names[1].startswith(TAKEN + "-20"), names


def case_partially_failed(setup):
    """PartiallyFailed is no good backup, though kcm itself would go on"""
    failing(setup, "PartiallyFailed")


def case_failed_validation(setup):
    """FailedValidation is refused with Velero's reason"""
    failing(setup, "FailedValidation", "currently unavailable")


def case_stuck(setup):
    """a backup that never starts is reported as stuck, with what to look at"""
    setup.reset_upgrade()
    answer = setup.upgrade()  # nobody plays the controllers
    if "not started" in answer.err and answer.code == 1:
        time.sleep(1.5)
        answer = setup.upgrade()
    assert answer.code == 1 and "Forbidden" in answer.err and TAKEN in answer.err, answer
    assert "kubectl" in answer.err and stored_release(setup.cluster) == RUNNING, answer


def case_stale(setup):
    """a backup older than maxBackupAge is repeated under another name"""
    setup.reset_upgrade()
    setup.evidence(TAKEN, "Completed", now(-120), started=now(-130))
    with StandIn(setup.cluster, seconds=1):
        accepted(setup.upgrade())
    names = taken_backups(setup.cluster)
    assert len(names) == 2 and names[1].startswith(TAKEN + "-20"), names
    assert stored_release(setup.cluster) == NEXT


def case_fresh(setup):
    """a fresh one lets the upgrade through at once"""
    setup.reset_upgrade()
    setup.evidence(TAKEN, "Completed", now())
    answer = setup.upgrade()
    accepted(answer)
    assert answer.seconds < 2 and taken_backups(setup.cluster) == [TAKEN] and stored_release(setup.cluster) == NEXT


def case_earlier_upgrade(setup):
    """a ManagementBackup left by an earlier upgrade is no evidence"""
    setup.reset_upgrade()
    setup.evidence(TAKEN, "Completed", now(-86400), started=now(-86500))
    with StandIn(setup.cluster, seconds=1):
        accepted(setup.upgrade())
    assert len(taken_backups(setup.cluster)) == 2


def case_synced_backup(setup):
    """a Velero Backup of kcm's name, synced from the object store, is not adopted"""
    setup.reset_upgrade()
    create_backup(setup.cluster, TAKEN)
    set_backup_status(setup.cluster, TAKEN, "Completed", now(-86400), startTimestamp=now(-86500))
    with StandIn(setup.cluster, seconds=1):
        accepted(setup.upgrade())
    names = taken_backups(setup.cluster)
    assert len(names) == 1 and names[0].startswith(TAKEN + "-20"), names


def case_skip(setup):
    """the skip annotation lets it through with a warning; without a reason it changes nothing"""
    setup.reset_upgrade()
    annotated = json.dumps({"metadata": {"annotations": {SKIP: "the bucket is gone"}}, "spec": {"release": NEXT}})
    empty = annotated.replace("the bucket is gone", " ")
    answer = setup.cluster.kubectl("patch", "management", "kcm", "--type=merge", "--dry-run=server", "-p", empty)
    assert answer.code == 1 and "would be started" in answer.err, answer
    accepted(setup.cluster.kubectl("patch", "management", "kcm", "--type=merge", "-p", annotated),
             "Warning: upgrade allowed by annotation, without a verified pre-upgrade backup", "the bucket is gone")
    assert stored_release(setup.cluster) == NEXT and taken_backups(setup.cluster) == []


def case_two_clients(setup):
    """two clients at once through two replicas: both succeed, one ManagementBackup is made"""
    setup.reset_upgrade()
    with StandIn(setup.cluster, seconds=2):
        clients = [start_upgrade(setup.cluster, user=user) for user in ("admin-token", "editor-token")]
        said = [c.communicate(timeout=60)[0] for c in clients]
    assert [c.returncode for c in clients] == [0, 0], said
    assert taken_backups(setup.cluster) == [TAKEN] and stored_release(setup.cluster) == NEXT


def case_replica_lost(setup):
    """one of two replicas is killed while kubectl waits: the upgrade goes on through the other"""
    setup.reset_upgrade()
    with StandIn(setup.cluster, seconds=4):
        client = start_upgrade(setup.cluster)
        wait_until("the backup to be started", lambda: taken_backups(setup.cluster))
        setup.replicas[0].endpoint(False)
        setup.replicas[0].stop()
        said = client.communicate(timeout=60)[0]
    setup.replicas[0].start()
    assert client.returncode == 0, said
    assert taken_backups(setup.cluster) == [TAKEN] and stored_release(setup.cluster) == NEXT


def case_restore_by_velero(setup):
    """a rollback by Velero passes the gate without a call, even while the webhook is down"""
    setup.reset_upgrade()
    set_management_release(setup.cluster, NEXT)  # NEXT runs, the backup brings back RUNNING
    rollback = json.dumps({"metadata": {"labels": {"velero.io/restore-name": "rollback"}}, "spec": {"release": RUNNING}})
    setup.cluster.must("patch", "management", "kcm", "--type=merge", "-p", '{"spec":{"release":"%s"}}' % NEXT)
    before = setup.calls("managements")
    for replica in setup.replicas:
        replica.endpoint(False)
    try:
        accepted(setup.cluster.kubectl("patch", "management", "kcm", "--type=merge", "-p", rollback,
                                       user="velero-token"))
    finally:
        for replica in setup.replicas:
            replica.endpoint(True)
    assert stored_release(setup.cluster) == RUNNING and setup.calls("managements") == before
    set_management_release(setup.cluster, RUNNING)


def case_restore_by_another(setup):
    """the same by somebody else does not pass: Velero's label alone proves nothing"""
    setup.reset_upgrade()
    patch = json.dumps({"metadata": {"labels": {"velero.io/restore-name": "rollback"}}, "spec": {"release": NEXT}})
    wait_until("the endpoints to be back", lambda: "would be started" in setup.upgrade(NEXT, "--dry-run=server").err)
    answer = setup.cluster.kubectl("patch", "management", "kcm", "--type=merge", "--dry-run=server", "-p", patch,
                                   user="editor-token")
    assert answer.code == 1 and f"{TAKEN}: would be started" in answer.err, answer
    assert stored_release(setup.cluster) == RUNNING


def case_velero_down(setup):
    """up-10: Velero is not running, so no backup can complete: refused, nothing started"""
    setup.reset_upgrade()
    set_velero_ready(setup.cluster, replicas=0)
    wait_until("it to be known", lambda: "not running" in setup.upgrade(NEXT, "--dry-run=server").err)
    answer = setup.upgrade()
    assert answer.code == 1 and "Forbidden" in answer.err and "Velero is not running" in answer.err, answer
    assert taken_backups(setup.cluster) == [] and stored_release(setup.cluster) == RUNNING
    set_velero_ready(setup.cluster)
    wait_until("it to be known", lambda: "would be started" in setup.upgrade(NEXT, "--dry-run=server").err)


def case_storage_down(setup):
    """the storage location is Unavailable: refused before anything is started"""
    setup.reset_upgrade()
    set_location_phase(setup.cluster, "aws-s3", "Unavailable")
    wait_until("it to be known", lambda: "Unavailable" in setup.upgrade(NEXT, "--dry-run=server").err)
    answer = setup.upgrade()
    assert answer.code == 1 and "Forbidden" in answer.err and 'BackupStorageLocation "aws-s3" is Unavailable' in answer.err
    assert taken_backups(setup.cluster) == []
    set_location_phase(setup.cluster, "aws-s3", "Available")
    wait_until("it to be known", lambda: "would be started" in setup.upgrade(NEXT, "--dry-run=server").err)


def case_unprotected(setup):
    """without a ManagementBackup that protects upgrades: admitted with a warning"""
    setup.reset_upgrade()
    setup.cluster.must("patch", "managementbackup", SOURCE, "--type=merge", "-p",
                       '{"spec":{"performOnManagementUpgrade":false}}')
    answer = setup.upgrade()
    accepted(answer, "Warning:", "performOnManagementUpgrade")
    assert stored_release(setup.cluster) == NEXT
    setup.cluster.must("patch", "managementbackup", SOURCE, "--type=merge", "-p",
                       '{"spec":{"performOnManagementUpgrade":true}}')


def case_replace(setup):
    """kubectl replace and apply --server-side of the whole Management meet the gate as patch does"""
    setup.reset_upgrade()
    whole = management(NEXT)
    answer = setup.cluster.kubectl("replace", "--dry-run=server", "-f", "-", stdin=whole)
    assert answer.code == 1 and "would be started" in answer.err, answer
    answer = setup.cluster.kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-",
                                   stdin=whole)
    assert answer.code == 1 and "would be started" in answer.err, answer
    with StandIn(setup.cluster, seconds=1):
        accepted(setup.cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=whole))
    assert stored_release(setup.cluster) == NEXT


def case_gate_off(setup):
    """upgrade.gate: false in the settings, reloaded while serving: admitted with a warning"""
    setup.reset_upgrade()
    folder = os.path.dirname(setup.settings)
    settings_file(folder, upgrade={"gate": False})
    wait_until("the settings to be reloaded",
               lambda: "the upgrade gate is off" in setup.upgrade(NEXT, "--dry-run=server").err)
    accepted(setup.upgrade(), "Warning: the upgrade gate is off")
    settings_file(folder)
    setup.reset_upgrade()
    wait_until("the gate to be on again",
               lambda: "would be started" in setup.upgrade(NEXT, "--dry-run=server").err)


def events_about(cluster, kind, name):
    return {e["reason"]: e for e in cluster.items("events.events.k8s.io", "-n", "default")
            if e["regarding"]["kind"] == kind and e["regarding"]["name"] == name}


def case_events(setup):
    """each step is an Event on the Management, the start one on the ManagementBackup too: kubectl describe shows them"""
    cluster = setup.cluster
    for replica in setup.replicas:  # a new series of Events
        replica.endpoint(False)
        replica.stop()
        replica.start()
    cluster.must("delete", "events.events.k8s.io", "-n", "default", "--all")
    setup.reset_upgrade()
    setup.upgrade(NEXT, "--dry-run=server")
    setup.upgrade("kcm-9")
    with StandIn(cluster, seconds=2):
        accepted(setup.upgrade())
    wanted = {"UpgradeRefused", "PreUpgradeBackupStarted", "UpgradeWaits", "UpgradeAdmitted"}
    found = wait_until("the Events", lambda: wanted <= set(events_about(cluster, "Management", "kcm")) and
                       events_about(cluster, "Management", "kcm"))
    assert found["UpgradeRefused"]["type"] == "Warning" and found["UpgradeAdmitted"]["type"] == "Normal", found
    assert TAKEN in found["UpgradeWaits"]["note"] and NEXT in found["PreUpgradeBackupStarted"]["note"], found
    assert "would be" not in "".join(e["note"] for e in found.values()), found  # nothing of the dry run
    described = cluster.must("describe", "managementbackup", TAKEN).out
    assert "PreUpgradeBackupStarted" in described and f"before the upgrade to {NEXT}" in described, described
    assert "UpgradeAdmitted" in cluster.must("describe", "management", "kcm").out


def case_events_of_denials(setup):
    """a denied change of a ManagementBackup is an Event on it; one that is repeated becomes a series"""
    cluster = setup.cluster
    patch = ["patch", "managementbackup", SOURCE, "--type=merge", "-p", '{"spec":{"schedule":"0 9 * * 7"}}']
    refused(cluster.kubectl(*patch))
    found = wait_until("the Event", lambda: events_about(cluster, "ManagementBackup", SOURCE).get("Denied"))
    assert found["type"] == "Warning" and "day-of-week 7" in found["note"], found
    assert found["reportingController"] == "backstop.k0rdent.mirantis.com/webhook", found

    def series():
        refused(cluster.kubectl(*patch))
        return events_about(cluster, "ManagementBackup", SOURCE)["Denied"].get("series", {}).get("count", 0) > 1
    wait_until("the series", series, 25, 1)
    denied = [e for e in cluster.items("events.events.k8s.io", "-n", "default") if e["reason"] == "Denied"]
    assert len(denied) <= 2, denied  # one a replica


def case_events_in_a_flood(setup):
    """200 denied creates do not push out the Event about an upgrade without a backup"""
    cluster = setup.cluster
    cluster.must("delete", "events.events.k8s.io", "-n", "default", "--all")
    setup.reset_upgrade()
    path = "/apis/k0rdent.mirantis.com/v1beta1/managementbackups"
    for i in range(200):
        code, answer = cluster.request("POST", path, managementbackup(f"wrong-{i}", schedule="0 9 * * 7"))
        assert code == 422, answer
    cluster.must("annotate", "management", "kcm", f"{SKIP}=we have a snapshot")
    accepted(setup.upgrade(), "Warning:")
    found = wait_until("the Event", lambda: events_about(cluster, "Management", "kcm").get("UpgradeWithoutBackup"))
    assert "we have a snapshot" in found["note"], found
    denied = [e for e in cluster.items("events.events.k8s.io", "-n", "default") if e["reason"] == "Denied"]
    assert 0 < len(denied) < 150, len(denied)  # the flood itself is held back
    setup.reset_upgrade()
