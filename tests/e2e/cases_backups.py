"""ManagementBackups: what kubectl says, and what is in etcd afterwards."""
import json
import os
import subprocess
import time

from control_plane import wait_until
from fixtures import RUNNING, SOURCE, Webhook, accepted, location, refused, settings_file
from standin import create_backup, now, set_backup_status, set_location_phase, set_managementbackup_status
from webhook import managementbackup


class Setup(Webhook):
    def stored(self, name):
        return self.cluster.get("managementbackup", name)

    def apply(self, backup, *more, **how):
        return self.cluster.kubectl("apply", "-f", "-", *more, stdin=backup, **how)

    def until_known(self, what, check):
        """A storage location's change reaches the webhook by its watch."""
        return wait_until(what, check, 10)


def case_good_create(setup):
    """a good ManagementBackup is stored, and its schedule said back in words"""
    accepted(setup.apply(managementbackup("daily", schedule="0 3 * * *", storageLocation="aws-s3")),
             "managementbackup.k0rdent.mirantis.com/daily created", "Warning:", "03:00")
    assert setup.stored("daily")["spec"] == {"schedule": "0 3 * * *", "storageLocation": "aws-s3"}


def case_bad_create(setup):
    """each mistake is named by its field, and nothing is stored"""
    refused(setup.apply(managementbackup("bad", schedule="0 9 * * 7", storageLocation="aws-s4",
                                         performOnManagementUpgrade=True)),
            "spec.schedule", "day-of-week 7", "spec.storageLocation", 'did you mean "aws-s3"')
    assert setup.stored("bad") is None
    refused(setup.apply(managementbackup("bad", performOnManagementUpgrade=True)), "spec.performOnManagementUpgrade")
    refused(setup.apply(managementbackup("b" * 64, schedule="@daily")), "metadata.name", "63")
    refused(setup.apply(managementbackup("bad", schedule="0 0 30 2 *")), "never")
    refused(setup.apply(managementbackup("bad", schedule="TZ=UTC")), "spec.schedule")
    assert setup.stored("bad") is None and setup.stored("b" * 64) is None


def case_update(setup):
    """kubectl patch and replace are refused for what they change only, and change nothing then"""
    before = setup.stored("daily")
    refused(setup.cluster.kubectl("patch", "managementbackup", "daily", "--type=merge", "-p",
                                  '{"spec":{"schedule":"61 * * * *"}}'), "spec.schedule", "61")
    refused(setup.cluster.kubectl("patch", "managementbackup", "daily", "--type=json", "-p", json.dumps(
        [{"op": "replace", "path": "/spec/storageLocation", "value": "nowhere"}])), "spec.storageLocation")
    refused(setup.cluster.kubectl("replace", "-f", "-", stdin=managementbackup("daily", schedule="@Hourly")),
            "spec.schedule")
    assert setup.stored("daily") == before
    accepted(setup.cluster.kubectl("replace", "-f", "-", stdin=managementbackup("daily", schedule="@hourly")))
    assert setup.stored("daily")["spec"] == {"schedule": "@hourly"}


def case_server_side_apply(setup):
    """kubectl apply --server-side is judged alike, fields owned by others included"""
    refused(setup.apply(managementbackup("ssa", schedule="@every 1d"), "--server-side"), "spec.schedule")
    accepted(setup.apply(managementbackup("ssa", schedule="@daily"), "--server-side"))
    refused(setup.apply(managementbackup("ssa", schedule="* * * 13 *"), "--server-side", "--force-conflicts"),
            "spec.schedule")
    assert setup.stored("ssa")["spec"] == {"schedule": "@daily"}


def case_dry_run(setup):
    """--dry-run=server says the same and stores nothing"""
    refused(setup.apply(managementbackup("dry", schedule="0 9 * * 7"), "--dry-run=server"), "day-of-week 7")
    accepted(setup.apply(managementbackup("dry", schedule="0 9 * * 0"), "--dry-run=server"), "(server dry run)", "09:00")
    assert setup.stored("dry") is None


def case_metadata_and_status(setup):
    """labels and status are written without a call to the webhook (matchConditions)"""
    before = setup.calls("managementbackups")
    setup.cluster.must("label", "managementbackup", "daily", "team=ops")
    set_managementbackup_status(setup.cluster, "daily", "Completed")
    assert setup.stored("daily")["status"]["lastBackup"]["phase"] == "Completed"
    assert setup.calls("managementbackups") == before


def case_location_unavailable(setup):
    """a storage location that goes Unavailable refuses new ManagementBackups, and not the old ones' labels"""
    set_location_phase(setup.cluster, "aws-east", "Unavailable")
    backup = managementbackup("east", schedule="@daily", storageLocation="aws-east")
    setup.until_known("Unavailable to be known", lambda: setup.apply(backup, "--dry-run=server").code == 1)
    refused(setup.apply(backup), "spec.storageLocation", "aws-east", "Unavailable")
    assert setup.stored("east") is None
    set_location_phase(setup.cluster, "aws-east", "Available")
    accepted(setup.apply(backup))  # at once: what would be denied is read anew
    set_location_phase(setup.cluster, "aws-east", "Unavailable")
    accepted(setup.cluster.kubectl("patch", "managementbackup", "east", "--type=merge", "-p",
                                   '{"spec":{"schedule":"@hourly"}}'))
    assert setup.stored("east")["spec"]["schedule"] == "@hourly"
    set_location_phase(setup.cluster, "aws-east", "Available")


def case_location_deleted(setup):
    """a storage location that is deleted is missed, one that comes back is found at once; what an annotation opened is an Event"""
    cluster = setup.cluster
    delete = ("delete", "backupstoragelocation", "-n", "kcm-system", "aws-east")
    refused(cluster.kubectl(*delete), 'BackupStorageLocation "aws-east" is in use by ManagementBackup "east"')
    cluster.must("annotate", "backupstoragelocation", "-n", "kcm-system", "aws-east",
                 "backstop.k0rdent.mirantis.com/allow-delete=it comes back")
    cluster.must(*delete)
    told = wait_until("the Event", lambda: [e for e in cluster.items("events.events.k8s.io", "-A")
                                            if e["reason"] == "GuardOverridden"])
    assert told[0]["regarding"]["name"] == "aws-east" and "it comes back" in told[0]["note"], told
    backup = managementbackup("east-2", schedule="@daily", storageLocation="aws-east")
    setup.until_known("the deletion to be known", lambda: setup.apply(backup, "--dry-run=server").code == 1)
    refused(setup.apply(backup), 'no BackupStorageLocation "aws-east" in kcm-system')
    # One kubectl apply with the location first: the watch is slower than kubectl.
    accepted(setup.cluster.kubectl("apply", "-f", "-", stdin=[location("aws-east"), backup]), "not validated")
    assert setup.stored("east-2")["spec"]["storageLocation"] == "aws-east"
    set_location_phase(cluster, "aws-east", "Available")


def case_location_default(setup):
    """without a storage location the default counts: one, none, two"""
    cluster = setup.cluster

    def default(name, value):
        cluster.must("patch", "backupstoragelocation", "-n", "kcm-system", name, "--type=merge", "-p",
                     json.dumps({"spec": {"default": value}}))
    backup = managementbackup("by-default", schedule="@daily")
    default("aws-s3", False)
    setup.until_known("no default", lambda: setup.apply(backup, "--dry-run=server").code == 1)
    refused(setup.apply(backup), "spec.storageLocation", "is the default")
    default("aws-east", True)
    setup.until_known("a default", lambda: setup.apply(backup, "--dry-run=server").code == 0)
    default("aws-s3", True)
    setup.until_known("two defaults", lambda: setup.apply(backup, "--dry-run=server").code == 1)
    refused(setup.apply(backup), "2 BackupStorageLocations are marked as the default")
    default("aws-east", False)
    setup.until_known("one default again", lambda: setup.apply(backup, "--dry-run=server").code == 0)
    accepted(setup.apply(backup))


def case_adoption(setup):
    """an on-demand ManagementBackup with the name of a Velero Backup is refused"""
    create_backup(setup.cluster, "taken-already")
    backup = managementbackup("taken-already")
    setup.until_known("the Backup to be known", lambda: setup.apply(backup, "--dry-run=server").code == 1)
    refused(setup.apply(backup), "metadata.name", "Choose another name")


def case_delete(setup):
    """kubectl delete of the last ManagementBackup that protects upgrades is warned about, of others not"""
    warned = setup.cluster.kubectl("delete", "managementbackup", SOURCE, "--dry-run=server")
    accepted(warned, "Warning:", "the last one with performOnManagementUpgrade")
    assert setup.stored(SOURCE) is not None
    quiet = setup.cluster.kubectl("delete", "managementbackup", "ssa")
    accepted(quiet)
    assert "Warning" not in quiet.text, quiet
    assert setup.stored("ssa") is None


def case_deleting(setup):
    """an object with a deletionTimestamp loses its finalizer, however wrong it is"""
    cluster, held = setup.cluster, managementbackup("held", schedule="0 9 * * 7")
    held["metadata"]["finalizers"] = ["e2e.example.com/hold"]
    setup.without_webhook(lambda: cluster.must("create", "-f", "-", stdin=held))
    cluster.must("delete", "managementbackup", "held", "--wait=false")
    assert setup.stored("held")["metadata"]["deletionTimestamp"]
    accepted(cluster.kubectl("patch", "managementbackup", "held", "--type=merge", "-p",
                             '{"metadata":{"finalizers":null},"spec":{"schedule":"also wrong"}}'))
    wait_until("it to be gone", lambda: setup.stored("held") is None)


def case_invalid_before(setup):
    """what was invalid before the webhook came can be changed elsewhere, and put right"""
    cluster, old = setup.cluster, managementbackup("old", schedule="0 9 * * 7", storageLocation="nowhere")
    setup.without_webhook(lambda: cluster.must("create", "-f", "-", stdin=old))
    cluster.must("annotate", "managementbackup", "old", "note=kept")
    accepted(cluster.kubectl("patch", "managementbackup", "old", "--type=merge", "-p",
                             '{"spec":{"storageLocation":"aws-s3"}}'))
    assert setup.stored("old")["spec"] == {"schedule": "0 9 * * 7", "storageLocation": "aws-s3"}
    refused(cluster.kubectl("patch", "managementbackup", "old", "--type=merge", "-p",
                            '{"spec":{"schedule":"0 9 * * 8"}}'), "spec.schedule")
    accepted(cluster.kubectl("patch", "managementbackup", "old", "--type=merge", "-p",
                             '{"spec":{"schedule":"0 9 * * 0"}}'))
    assert setup.stored("old")["spec"]["schedule"] == "0 9 * * 0"


def case_velero_restores(setup):
    """what Velero restores is stored as it is, with warnings; the same by an admin is refused"""
    bad = managementbackup("restored", schedule="0 9 * * 7")
    bad["metadata"]["labels"] = {"velero.io/restore-name": "after-a-disaster"}
    refused(setup.cluster.kubectl("create", "-f", "-", stdin=bad), "day-of-week 7")
    accepted(setup.cluster.kubectl("create", "-f", "-", stdin=bad, user="velero-token"), "Warning:", "day-of-week 7")
    assert setup.stored("restored")["spec"]["schedule"] == "0 9 * * 7"


def kcm_backup(name, **spec):
    """A Backup with the marks that kcm writes into each of its own."""
    return {"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"name": name, "namespace": "kcm-system"},
            "spec": {"storageLocation": "aws-s3", "includedNamespaces": ["*"],
                     "excludedResources": ["clusters.cluster.x-k8s.io"],
                     "orLabelSelectors": [{"matchLabels": {"k0rdent.mirantis.com/component": "kcm"}}], **spec}}


def annotations(cluster, name):
    return cluster.get("backups.velero.io", "-n", "kcm-system", name)["metadata"].get("annotations", {})


def case_passport(setup):
    """kcm's Backups are annotated with the release of the time; a Backup by hand and Velero's copies are not"""
    cluster = setup.cluster
    accepted(cluster.kubectl("create", "-f", "-", stdin=kcm_backup("stamped-1"), user="kcm-token"))
    written = annotations(cluster, "stamped-1")
    assert written["backstop.k0rdent.mirantis.com/release"] == RUNNING, written
    assert written["backstop.k0rdent.mirantis.com/recorded-at"].endswith("Z"), written
    accepted(cluster.kubectl("create", "-f", "-", stdin=kcm_backup("by-hand-1", excludedResources=["pods"]),
                             user="editor-token"))
    accepted(cluster.kubectl("create", "-f", "-", stdin=kcm_backup("synced-1"), user="velero-token"))
    assert not annotations(cluster, "by-hand-1") and not annotations(cluster, "synced-1")


def converting(plural, group, *versions):
    """A CRD that converts by webhook and stores the last of its versions; nothing answers its webhook."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}"}, "spec": {
                "group": group, "scope": "Namespaced", "names": {"plural": plural, "kind": plural.title()},
                "versions": [{"name": name, "served": True, "storage": name == versions[-1], "schema": schema}
                             for name in versions],
                "conversion": {"strategy": "Webhook", "webhook": {
                    "conversionReviewVersions": ["v1"],
                    "clientConfig": {"service": {"namespace": "kcm-system", "name": "nobody"}}}}}}


def case_passport_learns(setup):
    """what its restore must leave out is learnt from the CRDs and webhook configurations as they are"""
    cluster, provider = setup.cluster, {"cluster.x-k8s.io/provider": "infrastructure-vsphere"}
    selectors = [{"matchLabels": {"k0rdent.mirantis.com/component": "kcm"}}, {"matchLabels": provider}]
    backup = kcm_backup("learns-1", orLabelSelectors=selectors)

    def recorded():
        answer = cluster.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=backup, user="kcm-token")
        found = json.loads(answer.out)["metadata"]["annotations"]
        return {key.split("/")[1]: value for key, value in found.items() if key.startswith("backstop.")}

    assert recorded()["cluster-id"] == cluster.get("namespace", "kube-system")["metadata"]["uid"]
    wait_until("nothing to be needed", lambda: recorded().get("restore-exclusions") == "none")
    fleets = converting("fleetsmembers", "containerservice.azure.com", "v1api20250301", "v1api20250301storage")
    hook = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "capv", "labels": provider}, "webhooks": [{
                "name": "vms.example.org", "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "clientConfig": {"service": {"namespace": "kcm-system", "name": "capv-webhook"}},
                "rules": [{"operations": ["CREATE"], "apiGroups": ["infrastructure.cluster.x-k8s.io"],
                           "apiVersions": ["*"], "resources": ["vspherevms"]}]}]}
    service = {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 443}]},
               "metadata": {"name": "capv-webhook", "namespace": "kcm-system", "labels": provider}}
    objects = [fleets, converting("stored", "example.org", "v1beta1", "v1"), hook, service,
               converting("vspherevms", "infrastructure.cluster.x-k8s.io", "v1beta1")]
    cluster.must("create", "-f", "-", stdin=objects)
    try:
        wait_until("both rules to find what is there", lambda: recorded()["restore-exclusions"] == (
            "fleetsmembers.containerservice.azure.com,validatingwebhookconfigurations.admissionregistration.k8s.io"))
    finally:
        cluster.must("delete", "-f", "-", stdin=objects)
    wait_until("nothing to be needed", lambda: recorded()["restore-exclusions"] == "none")


def case_foreign_writer(setup):
    """another cluster that writes to the same bucket is named, under whichever name Velero brings its backup"""
    cluster, twin = setup.cluster, location("aws-twin")
    twin["spec"]["objectStorage"] = location("aws-s3")["spec"]["objectStorage"]
    ours = setup.apply(managementbackup("ours", storageLocation="aws-s3"), "--dry-run=server")
    accepted(ours)
    assert "also written by" not in ours.err, ours
    foreign = kcm_backup("nightly-of-the-old-hub", storageLocation="aws-twin")
    foreign["metadata"]["annotations"] = {"backstop.k0rdent.mirantis.com/recorded-at": now(),
                                          "backstop.k0rdent.mirantis.com/cluster-id": "0c0a41e2-of-the-old-hub",
                                          "backstop.k0rdent.mirantis.com/allow-delete": "not ours"}
    cluster.must("create", "-f", "-", stdin=twin)
    cluster.must("create", "-f", "-", stdin=foreign, user="velero-token")
    set_backup_status(cluster, "nightly-of-the-old-hub", "Completed", now())

    def ask():
        return setup.apply(managementbackup("ours", storageLocation="aws-s3"), "--dry-run=server")

    wait_until("the other cluster to be seen", lambda: "is also written by cluster" in ask().err)
    accepted(ask(), 'BackupStorageLocation "aws-s3" is also written by cluster "0c0a41e2-of-the-old-hub" (backup '
                    '"nightly-of-the-old-hub"', "Give each its own bucket or prefix")
    status = subprocess.run([setup.binary, "status", "--kubeconfig", f"{cluster.dir}/admin-token.kubeconfig"],
                            stdout=subprocess.PIPE, text=True)
    assert status.stdout.count('aws-s3: is also written by cluster "0c0a41e2-of-the-old-hub"') == 1, status.stdout
    folder = os.path.dirname(setup.settings)
    settings_file(folder, storage={"foreignWriter": "deny"})
    wait_until("the settings to be reloaded", lambda: ask().code == 1)
    refused(ask(), "spec.storageLocation: Invalid value", "is also written by cluster")
    settings_file(folder)
    cluster.must("delete", "backups.velero.io", "-n", "kcm-system", "nightly-of-the-old-hub")
    cluster.must("delete", "backupstoragelocation", "-n", "kcm-system", "aws-twin")
    wait_until("it to be forgotten", lambda: ask().code == 0 and "also written" not in ask().err)


def case_kcm_is_not_denied(setup):
    """what kcm creates is warned about, whatever is wrong with it, and told on the ManagementBackup"""
    cluster, bad = setup.cluster, kcm_backup("nightly-20261121000000", storageLocation="nosuch")
    accepted(setup.apply(managementbackup("nightly", schedule="@daily", storageLocation="aws-s3")))
    bad["metadata"]["labels"] = {"k0rdent.mirantis.com/management-backup": "nightly"}
    refused(cluster.kubectl("create", "-f", "-", stdin=bad), "nosuch")
    for attempt in range(3):
        bad["metadata"]["name"] = f"nightly-2026112100000{attempt}"
        accepted(cluster.kubectl("create", "-f", "-", stdin=bad, user="kcm-token"), "Warning:", "nosuch")
    told = wait_until("the Event", lambda: [e for e in cluster.items("events.events.k8s.io", "-A")
                                            if e["reason"] == "BackupWillFail"])
    assert [e["regarding"]["name"] for e in told] == ["nightly"], told
    assert told[0]["regarding"]["kind"] == "ManagementBackup" and "nosuch" in told[0]["note"], told


def case_generate_name(setup):
    """metadata.generateName works, one review each"""
    backup = managementbackup("x", storageLocation="aws-s3")
    backup["metadata"] = {"generateName": "by-hand-"}
    accepted(setup.cluster.kubectl("create", "-f", "-", stdin=backup), "managementbackup.k0rdent.mirantis.com/by-hand-")


def case_many_documents(setup):
    """one kubectl apply of twenty documents, one bad: nineteen are stored"""
    documents = [managementbackup(f"many-{i}", schedule="@daily" if i != 7 else "@Daily") for i in range(20)]
    start = time.monotonic()
    answer = setup.cluster.kubectl("apply", "-f", "-", stdin=documents)
    assert answer.code == 1 and answer.out.count(" created") == 19 and "many-7" not in answer.out, answer
    assert time.monotonic() - start < 20
    assert setup.stored("many-7") is None and setup.stored("many-19") is not None
