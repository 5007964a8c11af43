"""BackupStorageLocations, Schedules and Backups: what Velero finds wrong only later is said at apply."""
from control_plane import wait_until
from fixtures import Webhook, accepted, refused

ALLOW = "backstop.k0rdent.mirantis.com/allow-delete"
VELERO = "velero-token"


def velero(kind, name, **spec):
    return {"apiVersion": "velero.io/v1", "kind": kind, "metadata": {"name": name, "namespace": "kcm-system"},
            "spec": spec}


class Setup(Webhook):
    def __init__(self, cluster, binary):
        super().__init__(cluster, binary)
        for name in ("ebs-west", "ebs-east"):
            cluster.kubectl("apply", "-f", "-", stdin=velero("VolumeSnapshotLocation", name, provider="aws"))
        wait_until("the snapshot locations to be known", lambda: "2 VolumeSnapshotLocations" in self.apply(
            velero("Backup", "probe", storageLocation="aws-s3"), "--dry-run=server").text)

    def apply(self, document, *more):
        return self.cluster.kubectl("apply", "-f", "-", *more, stdin=document)


def case_backup(setup):
    """bk-*: a Backup that Velero would refuse later is refused at apply; one that it takes is stored"""
    wrong = velero("Backup", "wrong", storageLocation="aws-s4", ttl="30d", includedResources=["*", "pods"],
                   volumeSnapshotLocations=["ebs-west", "ebs-east"])
    refused(setup.apply(wrong), 'did you mean "aws-s3"?', 'write "720h"', "must be the only item", "one location per provider")
    good = velero("Backup", "good", storageLocation="aws-s3", ttl="720h", volumeSnapshotLocations=["ebs-west"])
    accepted(setup.apply(good), "backup.velero.io/good created")


def case_schedule(setup):
    """sc-*: cron and template of a Schedule, and what the cron means"""
    refused(setup.apply(velero("Schedule", "never", schedule="0 0 30 2 *", template={"ttl": "1d"})), "never fires",
            "spec.template.ttl", 'write "24h"')
    good = velero("Schedule", "night", schedule="0 1 * * *", template={"storageLocation": "aws-s3"})
    accepted(setup.apply(good), "schedule.velero.io/night created", "at 01:00 every day")


def case_storage_location(setup):
    """bl-*: config, durations and certificate; kept while in use, let go with a reason"""
    wrong = velero("BackupStorageLocation", "wrong", provider="aws", objectStorage={"bucket": "a/b"},
                   config={"Region": "x"}, backupSyncPeriod="1d")
    refused(setup.apply(wrong), "prefix:", "did you mean region?", 'write "24h"')
    good = velero("BackupStorageLocation", "spare", provider="aws", objectStorage={"bucket": "spare"},
                  config={"region": "eu-west-1"})
    accepted(setup.apply(good), "created")
    accepted(setup.apply(velero("Schedule", "to-spare", schedule="@daily", template={"storageLocation": "spare"})),
             "not validated by Velero yet")
    delete = ("delete", "-n", "kcm-system", "backupstoragelocation", "spare", "--dry-run=server")
    wait_until("it to be in use", lambda: setup.cluster.kubectl(*delete).code != 0)
    refused(setup.cluster.kubectl(*delete), 'Schedule "to-spare"', ALLOW)
    setup.cluster.must("annotate", "-n", "kcm-system", "backupstoragelocation", "spare", f"{ALLOW}=rehearsal")
    accepted(setup.cluster.kubectl(*delete), "their backups fail from now on")


def kots(name, annotations, **spec):
    document = velero("Backup", name, **spec)
    document["metadata"]["annotations"] = annotations
    return document


def case_kots(setup):
    """ko-*: a partial snapshot is told from a full one, on the Backup and on its Restore"""
    slug = {"matchLabels": {"kots.io/app-slug": "sentry"}}
    partial = kots("kots-app", {"kots.io/app-id": "1a2b"}, storageLocation="aws-s3", labelSelector=slug)
    accepted(setup.apply(partial), "kots-app created", 'partial KOTS snapshot of application "sentry"',
             'KOTS keeps its snapshots in the BackupStorageLocation "default"')
    setup.cluster.must("apply", "-f", "-", stdin=velero("BackupStorageLocation", "kots-pvc",
                                                        provider="replicated.com/pvc", objectStorage={"bucket": "b"},
                                                        config={"storageSize": "50Gi"}))
    full = kots("kots-instance", {"kots.io/instance": "true"}, storageLocation="kots-pvc")
    wait_until("the location to be known", lambda: "enough for rollbacks, not for disaster recovery" in
               setup.apply(full, "--dry-run=server").text)
    setup.cluster.must("patch", "-n", "kcm-system", "backup", "kots-app", "--type=merge", "-p",
                       '{"status": {"phase": "Completed", "startTimestamp": "2026-11-20T00:00:00Z"}}')
    restore = velero("Restore", "disaster", backupName="kots-app")
    wait_until("the Backup to be known as Completed", lambda: "Completed" not in setup.apply(
        restore, "--dry-run=server").text.split("full snapshot")[0])
    accepted(setup.apply(restore, "--dry-run=server"), "is a partial KOTS snapshot", "is not enough for disaster recovery")


def case_velero(setup):
    """Velero's own writes do not pass here: a Backup of a Schedule that is wrong is stored"""
    code, answer = setup.cluster.request("POST", "/apis/velero.io/v1/namespaces/kcm-system/backups",
                                         velero("Backup", "by-velero", storageLocation="aws-s4"), VELERO)
    assert code == 201, answer
