"""The verdicts of status as metrics: recovery points, objectives, causes, and names that come and go."""
from libwire import *

BY_KCM = """spec: {storageLocation: aws-s3, includedNamespaces: ["*"], excludedResources: [clusters.cluster.x-k8s.io],
  orLabelSelectors: [{matchLabels: {k0rdent.mirantis.com/component: kcm}}]}"""
VELERO = """apiVersion: apps/v1
kind: Deployment
metadata: {name: velero, namespace: kcm-system, labels: {component: velero}}
spec: {template: {spec: {serviceAccountName: velero-server}}}
status: {readyReplicas: 1}
"""


def stamp(seconds_ago):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - seconds_ago))


def location(phase="Available"):
    return f"""apiVersion: velero.io/v1
kind: BackupStorageLocation
metadata: {{name: aws-s3, namespace: kcm-system}}
spec: {{provider: aws, objectStorage: {{bucket: b}}, default: true}}
status: {{phase: {phase}, lastValidationTime: "{stamp(5)}"}}
"""


def source(name, schedule="@every 6h"):
    return f"""apiVersion: k0rdent.mirantis.com/v1beta1
kind: ManagementBackup
metadata: {{name: {name}, creationTimestamp: "{stamp(86400)}"}}
spec: {{schedule: "{schedule}", storageLocation: aws-s3}}
"""


def backup(name, maker, seconds_ago, phase="Completed"):
    return f"""apiVersion: velero.io/v1
kind: Backup
metadata: {{name: {name}, namespace: kcm-system, labels: {{k0rdent.mirantis.com/management-backup: {maker}}}}}
{BY_KCM}
status: {{phase: {phase}, startTimestamp: "{stamp(seconds_ago + 60)}", completionTimestamp: "{stamp(seconds_ago)}"}}
"""


def line(server, name):
    """The value of a line; None where there is none."""
    for each in server.get("/metrics")[1].splitlines():
        if each.startswith(name + " "):
            return float(each.split()[-1])
    return None


AGE, OBJECTIVE, RESTORABLE = ("backstop_" + name for name in (
    "recovery_point_age_seconds", "recovery_point_objective_seconds", "restorable"))


@shows("a cluster with a fresh backup: its age, its objective, READY")
def _(server):
    server.write("inventory/cluster.yaml", "---\n".join([location(), VELERO, source("one"), source("two", "@every 12h"),
                                                         backup("one-1", "one", 3600), backup("two-1", "two", 7200)]))

    def known():
        same(line(server, RESTORABLE + '{managementbackup="two"}'), 1)
        for name, age, objective in (("", 3600, 43200), ("one", 3600, 43200), ("two", 7200, 86400)):
            assert 0 <= line(server, f'{AGE}{{managementbackup="{name}"}}') - age < 120, name
            same(line(server, f'{OBJECTIVE}{{managementbackup="{name}"}}'), objective, name)
        same(line(server, 'backstop_verdict{of="restore"}'), 0)
    eventually(known)


@shows("a ManagementBackup that is gone has no lines any more, and a backup that is too old is one cause")
def _(server):
    server.write("inventory/cluster.yaml", "---\n".join([location(), VELERO, source("one"), backup("one-1", "one", 86000),
                                                         backup("one-2", "one", 80, "Failed")]))

    def gone():
        text = server.get("/metrics")[1]
        assert 'managementbackup="two"' not in text, text
        same(line(server, RESTORABLE + '{managementbackup=""}'), 1)
        same(line(server, 'backstop_verdict{of="restore"}'), 1)
        same(line(server, 'backstop_verdict{of="backups"}'), 1)
        assert sum(each.startswith("backstop_backup_blocked{") for each in text.splitlines()) >= 1, text
    eventually(gone)


@shows("without storage nothing can be restored; no age is claimed")
def _(server):
    server.write("inventory/cluster.yaml", "---\n".join([location("Unavailable"), VELERO, source("one"),
                                                         backup("one-1", "one", 3600)]))

    def down():
        same(line(server, 'backstop_verdict{of="restore"}'), 3)
        same(line(server, 'backstop_backup_blocked{cause="location-unavailable"}'), 1)
        same(line(server, RESTORABLE + '{managementbackup=""}'), 0)
        same(line(server, AGE + '{managementbackup=""}'), None)
        same(line(server, OBJECTIVE + '{managementbackup=""}'), 43200)
    eventually(down)


@shows("what is not known has no value, and the verdict is UNKNOWN")
def _(server):
    server.write("inventory/cluster.yaml", "---\n".join([location(), VELERO, source("one")]))

    def unknown():
        text = server.get("/metrics")[1]
        same(line(server, 'backstop_verdict{of="restore"}'), 2)
        assert "backstop_restorable{" not in text and AGE + "{" not in text, text
    eventually(unknown)


main(Server(facts="# written by each test\n"))
