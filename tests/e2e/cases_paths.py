"""Other paths to an upgrade than spec.release of the one Management (the table in SECURITY.md)."""
import json

from control_plane import wait_until
from fixtures import (NEXT, RUNNING, SOURCE, TAKEN, Webhook, accepted, location, management, refused, settings_file,
                      stored_release, taken_backups, upgrade_command)
from standin import (create_backup, forget, now, set_backup_status, set_location_phase, set_management_release,
                     set_managementbackup_status)
from webhook import managementbackup

SKIP = "backstop.k0rdent.mirantis.com/skip-pre-upgrade-backup"


class Setup(Webhook):
    def __init__(self, cluster, binary):
        super().__init__(cluster, binary, settings=settings_file(
            cluster.dir, upgrade={"withoutBackups": "deny"}, managementBackups={"deleteProtecting": "deny"}))

    def status(self, status, user="admin-token"):
        return self.cluster.kubectl("patch", "management", "kcm", "--subresource=status", "--type=merge", "-p",
                                    json.dumps({"status": status}), user=user)

    def flag(self, value):
        return self.cluster.kubectl("patch", "managementbackup", SOURCE, "--type=merge", "-p",
                                    json.dumps({"spec": {"performOnManagementUpgrade": value}}))

    def edit_backup(self, kind, patch, *more):
        return self.cluster.kubectl("patch", "backups.velero.io", "-n", "kcm-system", TAKEN, f"--type={kind}", "-p",
                                    json.dumps(patch), *more)

    def evidence(self, phase, where="aws-s3"):
        """The pre-upgrade backup as the gate asks for it, kcm makes it and Velero ends it."""
        self.reset_upgrade()
        taken = managementbackup(TAKEN, storageLocation=where)
        taken["metadata"]["labels"] = {"k0rdent.mirantis.com/release-backup": RUNNING}
        accepted(self.cluster.kubectl("create", "-f", "-", stdin=taken))
        create_backup(self.cluster, TAKEN, where)
        set_backup_status(self.cluster, TAKEN, phase, now(1), progress={"itemsBackedUp": 9, "totalItems": 9})

    def gate(self):
        """Its answer to the upgrade, with nothing started: from the API server, so that nobody tries again."""
        return self.cluster.request("PATCH", "/apis/k0rdent.mirantis.com/v1beta1/managements/kcm?dryRun=All",
                                    {"spec": {"release": NEXT}}, content_type="application/merge-patch+json")


def holds(setup, *words):
    code, answer = setup.gate()
    assert code == 403 and all(word in answer["message"] for word in words), (code, answer.get("message"))


def case_status_set(setup):
    """status.release set or removed by hand is refused, so the upgrade does not pass as the running release"""
    for status in ({"release": NEXT}, {"release": None}, None):
        refused(setup.status(status), "status.release", "only kcm may report the running release")
    assert setup.cluster.get("management", "kcm")["status"]["release"] == RUNNING
    answer = setup.cluster.kubectl(*upgrade_command(NEXT, "--dry-run=server"))
    assert answer.code == 1 and f"{TAKEN}: would be started" in answer.err, answer


def case_status_by_the_controllers(setup):
    """kcm and Velero write status.release without a call, and anybody the rest of the status"""
    before = setup.calls("managements")
    set_management_release(setup.cluster, RUNNING)
    accepted(setup.status({"release": NEXT}, user="kcm-token"))
    accepted(setup.status({"release": RUNNING}, user="velero-token"))
    accepted(setup.status({"observedGeneration": 7}))
    assert setup.calls("managements") == before


def case_regions_by_hand(setup):
    """status.regions of a ManagementBackup set by hand is refused; kcm writes it without a call, and anybody the rest"""
    setup.evidence("InProgress")
    report = {"status": {"regions": [{"region": "eu", "lastBackupName": TAKEN, "lastBackup": {"phase": "Completed"}}]}}

    def write(user, patch):
        return setup.cluster.kubectl("patch", "managementbackup", TAKEN, "--subresource=status", "--type=merge", "-p",
                                     json.dumps(patch), user=user)
    refused(write("admin-token", report), "status.regions", "only kcm may report the backups of regions")
    before = setup.calls("managementbackups")
    accepted(write("admin-token", {"status": {"error": "by hand"}}))
    accepted(write("kcm-token", report))
    assert setup.calls("managementbackups") == before
    refused(write("admin-token", {"status": {"regions": None}}), "status.regions")
    setup.reset_upgrade()


def case_asked_about_no_more(setup):
    """what SECURITY.md calls open: nobody asks about ConfigMaps, HelmCharts, namespaces, CRDs or configurations, nor about kcm"""
    rules = [(rule, hook) for kind in ("validating", "mutating")
             for hook in setup.cluster.get(f"{kind}webhookconfiguration", "backstop")["webhooks"] for rule in hook["rules"]]
    groups = {group for rule, _ in rules for group in rule["apiGroups"]}
    assert groups == {"k0rdent.mirantis.com", "velero.io"}, groups
    before = setup.calls("managements")
    accepted(setup.cluster.kubectl(*upgrade_command(NEXT, "--dry-run=server"), user="velero-token"))
    assert setup.calls("managements") == before
    life, = {hook["failurePolicy"] for _, hook in rules if hook["name"].startswith("management-life.")}
    assert life == "Ignore"


def case_status_emptied_by_velero(setup):
    """after a restore status.release is empty: an upgrade beside ManagementBackups still needs its backup"""
    accepted(setup.status({"release": None}, user="velero-token"))
    wait_until("it to be known", lambda: "is taken as the running release" in setup.cluster.kubectl(
        *upgrade_command(NEXT, "--dry-run=server")).err)
    answer = setup.cluster.kubectl(*upgrade_command(NEXT, "--dry-run=server"))
    assert answer.code == 1 and f"{TAKEN}: would be started" in answer.err, answer
    set_management_release(setup.cluster, RUNNING)


def case_release_edited(setup):
    """the Release that runs is not edited in place; another one is, and labels are"""
    edit = '{"spec":{"capi":{"template":"another"}}}'
    answer = setup.cluster.kubectl("patch", "release", RUNNING, "--type=merge", "-p", edit)
    refused(answer, f"Release {RUNNING} is running", "Create a new Release")
    before = setup.calls("releases")
    accepted(setup.cluster.kubectl("label", "release", RUNNING, "team=ops"))
    assert setup.calls("releases") == before
    accepted(setup.cluster.kubectl("patch", "release", "kcm-1-4-0", "--type=merge", "-p", edit))
    accepted(setup.cluster.kubectl("annotate", "release", RUNNING, f"{SKIP}=tested elsewhere"))
    accepted(setup.cluster.kubectl("patch", "release", RUNNING, "--type=merge", "-p", edit), "Warning: allowed by annotation, without")


def case_second_management(setup):
    """a second Management with another release meets the gate"""
    second = management(NEXT)
    second["metadata"]["name"] = "second"
    answer = setup.cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=second)
    assert answer.code == 1 and f"{TAKEN}: would be started" in answer.err, answer
    assert "Management kcm already exists" in answer.err, answer


def case_flag_taken_off(setup):
    """the flag is not taken off the last source, whether or not an upgrade waits for its backup"""
    refused(setup.flag(False), "Forbidden", "managementBackups.deleteProtecting")
    setup.reset_upgrade()
    patch = {"spec": {"release": NEXT}}
    path = "/apis/k0rdent.mirantis.com/v1beta1/managements/kcm"
    code, answer = setup.cluster.request("PATCH", path, patch, content_type="application/merge-patch+json")
    assert code == 429 and taken_backups(setup.cluster) == [TAKEN], answer
    refused(setup.flag(False), "Forbidden")
    refused(setup.cluster.kubectl("patch", "managementbackup", SOURCE, "--type=merge", "-p",
                                  '{"spec":{"schedule":"","performOnManagementUpgrade":false}}'), "Forbidden")
    code, answer = setup.cluster.request("PATCH", path, patch, content_type="application/merge-patch+json")
    assert code == 429, answer


def case_flag_taken_off_unseen(setup):
    """taken off while nobody looked, upgrade.withoutBackups: deny still holds between two 429s"""
    setup.without_webhook(lambda: accepted(setup.flag(False)))
    wait_until("it to be known", lambda: "performOnManagementUpgrade" in setup.cluster.kubectl(
        *upgrade_command(NEXT, "--dry-run=server")).err)
    answer = setup.cluster.kubectl(*upgrade_command())
    refused(answer, "performOnManagementUpgrade")
    assert stored_release(setup.cluster) == RUNNING
    accepted(setup.flag(True))
    setup.reset_upgrade()


def case_evidence_edited(setup):
    """a failed backup that somebody sets to Completed is no evidence: managedFields name who wrote it"""
    setup.evidence("PartiallyFailed")
    holds(setup, f"{TAKEN} PartiallyFailed")
    refused(setup.edit_backup("merge", {"status": {"phase": "Completed"}}), "only Velero may complete one")
    refused(setup.edit_backup("merge", {"status": {"phase": "Completed"}}, "--field-manager=velero-server"),
            "only Velero may complete one")
    setup.without_webhook(lambda: accepted(setup.edit_backup("merge", {"status": {"phase": "Completed"}})))
    holds(setup, "would be started", f'behind {TAKEN} has a status that "kubectl-patch" wrote, not Velero')


def case_evidence_replaced(setup):
    """nor one that kubectl edit, kubectl replace or server-side apply writes, nor one whose managedFields are taken off"""
    cluster = setup.cluster
    completed = {"status": {"phase": "Completed", "completionTimestamp": now(1)}}

    def applied():
        document = {"apiVersion": "velero.io/v1", "kind": "Backup",
                    "metadata": {"name": TAKEN, "namespace": "kcm-system"}, **completed}
        accepted(cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=document))

    def replaced():
        document = cluster.get("backups.velero.io", "-n", "kcm-system", TAKEN)
        document["status"].update(completed["status"])
        accepted(cluster.kubectl("replace", "-f", "-", stdin=document))

    for manager, write in (("kubectl", applied), ("kubectl-replace", replaced)):
        setup.evidence("PartiallyFailed")
        setup.without_webhook(write)
        holds(setup, f'has a status that "{manager}" wrote, not Velero')
    setup.evidence("Completed")
    accepted(cluster.kubectl(*upgrade_command(NEXT, "--dry-run=server")), f"pre-upgrade backup {TAKEN} completed")
    setup.without_webhook(lambda: accepted(
        setup.edit_backup("json", [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}])))
    holds(setup, "does not say who wrote its status")


def case_evidence_elsewhere(setup):
    """a ManagementBackup made by hand in a bucket inside the cluster opens no gate, though Velero completes it"""
    inside = location("inside", config={"region": "eu-1", "s3Url": "http://minio.minio.svc:9000"})
    accepted(setup.cluster.kubectl("create", "-f", "-", stdin=inside))
    set_location_phase(setup.cluster, "inside", "Available")
    setup.evidence("Completed", "inside")
    holds(setup, 'is in storage location "inside", and those of kcm-backup belong in "aws-s3"')
    setup.reset_upgrade()
    forget(setup.cluster, "backupstoragelocation.velero.io", "inside")


def case_evidence_of_kcm_alone(setup):
    """the ManagementBackup's status set to Completed while Velero still runs: the Backup itself counts"""
    setup.evidence("InProgress")
    set_managementbackup_status(setup.cluster, TAKEN, "Completed", now(1))
    holds(setup, f"{TAKEN}: InProgress, 9 of 9 items")
    setup.reset_upgrade()


def case_replace_force(setup):
    """kubectl replace --force says what it takes away, and does not come back with another release"""
    set_managementbackup_status(setup.cluster, SOURCE, "Completed")  # it has run: no first install
    answer = setup.cluster.kubectl("replace", "--force", "-f", "-", stdin=management(NEXT))
    assert answer.code == 1 and "removes k0rdent with all its components" in answer.err, answer
    assert "shows that k0rdent ran here before" in answer.err, answer
    assert setup.cluster.get("management", "kcm") is None
    again = setup.cluster.kubectl("create", "-f", "-", stdin=management(NEXT))
    refused(again, "shows that k0rdent ran here before")
    accepted(setup.cluster.kubectl("create", "-f", "-", stdin=management(RUNNING, annotations={SKIP: "replaced by hand"})),
             "Warning: allowed by annotation, without a verified pre-upgrade backup")
