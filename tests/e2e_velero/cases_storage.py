"""Storage that dies: before a backup, during one, before a restore, before a deletion; and what it takes to go on."""
import contextlib

from control_plane import wait_until
from fixtures import NEXT, RUNNING, SOURCE, TAKEN, accepted, refused, start_upgrade, stored_release, upgrade_command
from stage import Stage
from velero import velero
from webhook import restore


class Setup(Stage):
    @contextlib.contextmanager
    def dead(self):
        """Velero knows that its storage is not there; afterwards that it is again."""
        self.storage.stop()
        try:
            self.velero.wait_location("Unavailable")
            yield
        finally:
            self.storage.start()
            self.velero.wait_location("Available")

    def forget_upgrade(self):
        self.cluster.kubectl("delete", "managementbackup", TAKEN, "--ignore-not-found", user="editor-token")
        self.velero.delete("backups", TAKEN)

    def create(self, document, user="editor-token"):
        return self.cluster.kubectl("create", "-f", "-", stdin=document, user=user)


def case_before_backup(setup):
    """before a backup: a person is told why; kcm is let through, and its ManagementBackup says what Velero found"""
    with setup.dead():
        refused(setup.create(velero("Backup", "by-hand", storageLocation="aws-s3")), "Unavailable", "connection refused")
        setup.kcm.fire(SOURCE)
        status = setup.kcm.wait_backed_up(SOURCE)
        assert status["lastBackup"]["phase"] == "FailedValidation" and not setup.kcm.failures, (status, setup.kcm.failures)
    setup.kcm.run_until_completed(SOURCE, after=status["lastBackupName"])


def case_before_upgrade(setup):
    """before an upgrade: the gate names the storage and does not wait for what cannot come"""
    with setup.dead():
        answer = setup.cluster.kubectl(*upgrade_command())
        refused(answer, "aws-s3", "connection refused")
        assert answer.seconds < 100 and stored_release(setup.cluster) == RUNNING, answer
    setup.forget_upgrade()


def case_during_backup(setup):
    """during the backup that an upgrade waits for: the upgrade is refused with Velero's reason, and goes on after a repair"""
    setup.velero.restart("--client-qps", "6", "--client-burst", "6", fast=False)  # so that it takes a while
    try:
        upgrade = start_upgrade(setup.cluster)
        setup.velero.wait_phase("backups", TAKEN, "InProgress")
        with setup.dead():
            text = upgrade.communicate(timeout=240)[0]
            # Velero may find its storage gone before it is through with the backup: on a slow machine it does.
            assert upgrade.returncode == 1 and ("Failed" in text or "Unavailable" in text) and TAKEN in text, text
            assert stored_release(setup.cluster) == RUNNING
            setup.velero.wait_phase("backups", TAKEN, "Failed", seconds=300)
    finally:
        setup.velero.restart()
    setup.forget_upgrade()
    accepted(setup.cluster.kubectl(*upgrade_command()), "patched")
    assert stored_release(setup.cluster) == NEXT


def case_before_restore(setup):
    """before a restore: refused while the location is Unavailable, and completed when it is back"""
    setup.velero.create(velero("Backup", "small", storageLocation="aws-s3", includedNamespaces=["backstop-system"]))
    assert setup.velero.wait_phase("backups", "small")["status"]["phase"] == "Completed"
    with setup.dead():
        refused(setup.create(restore("too-early", "small")), "aws-s3", "Unavailable")
    accepted(setup.create(restore("in-time", "small")), "created")
    assert setup.velero.wait_phase("restores", "in-time")["status"]["phase"] == "Completed"


def case_before_deletion(setup):
    """before a deletion: a DeleteBackupRequest that could not be carried out is refused, and done when it can be"""
    request = velero("DeleteBackupRequest", "small-1", backupName="small")
    with setup.dead():
        refused(setup.create(request), "aws-s3", "Unavailable")
    accepted(setup.create(request), "created")
    wait_until("the Backup to go", lambda: not setup.velero.read("backups", "small"), 60)
