"""Storage that dies: before a backup, during one, before a restore, before a deletion; and what it takes to go on."""
import contextlib
import json
import os
import subprocess

from control_plane import Skip, wait_until
from fixtures import NEXT, RUNNING, SOURCE, TAKEN, accepted, refused, start_upgrade, stored_release, upgrade_command
from stage import Stage
from store import certificate, serve
from velero import NAMESPACE, VERSIONS, velero
from webhook import managementbackup, restore


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


# What is wrong with a location, what the real Velero reports of it, and the fix that `status` gives.
S3 = "s3Url"
REPORTS = [
    ("absent", {"bucket": "absent"}, "NoSuchBucket", "create the bucket"),
    ("wrong-key", {"secret": "wrong-key"}, "SignatureDoesNotMatch", "correct the secret key"),
    ("no-host", {S3: "http://nope.invalid:1"}, "no such host", "correct the host"),
    ("plain", {S3: "https://PLAIN"}, "server gave HTTP response", "must begin with http://"),
    ("untrusted", {S3: "TRUST"}, "unknown authority", "spec.objectStorage.caCert"),
    ("other-name", {S3: "NAMED"}, "cannot validate certificate for 127.0.0.1", "a host name in spec.config.s3Url"),
    ("expired", {S3: "EXPIRED"}, "certificate has expired", "renew the certificate"),
    ("no-plugin", {"provider": "azure"}, "unable to locate ObjectStore plugin", ""),  # of the Deployment
    ("no-region", {"region": ""}, "A region must be set", "set spec.config.region"),
    ("no-secret", {"secret": "absent"}, "unable to get key for secret", "create the Secret"),
    ("no-credential", {"secret": "empty"}, "no EC2 IMDS role found", "set spec.credential"),
    ("unknown-key", {"endpoint": "x"}, "config has invalid keys [endpoint]", "remove these keys"),
    # bl-09: what the plugin makes of it.
    ("in-path", {S3: "PLAIN/management"}, "NoSuchKey", "remove the bucket from spec.config.s3Url"),
    ("capitals", {"region": "US-EAST-1"}, "AuthorizationHeaderMalformed", "set spec.config.region"),
    ("zone", {"region": "us-east-1a"}, "AuthorizationHeaderMalformed", "set spec.config.region"),
]
# Codes that this store does not give, as another one would: list-N and put-N.
CODES = {"AccessDenied": "allow the credential", "PermanentRedirect": "set spec.config.region",
         "XAmzContentSHA256Mismatch": "checksumAlgorithm to \"\""}


def secret(name, key, value):
    text = f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {value}\n" if key else ""
    return {"apiVersion": "v1", "kind": "Secret", "stringData": {"cloud": text}, "metadata": {"name": name, "namespace": NAMESPACE}}


def location(setup, name, change, urls):
    """That of the tests, with one thing wrong."""
    spec = setup.storage.location(name, default=False)[1]["spec"]
    spec["config"]["region"] = "us-east-1"
    for key, value in change.items():
        if key == "secret":
            spec["credential"]["name"] = value
        elif key in ("bucket", "prefix"):
            spec["objectStorage"][key] = value
        elif key == "provider":
            spec[key] = value
        else:
            for word, url in urls.items():
                value = value.replace(f"https://{word}", url.replace("http:", "https:")).replace(word, url)
            spec["config"][key] = value
    return velero("BackupStorageLocation", name, **spec)


def fixes(setup, objects=None):
    """What `status` says and proposes of each object, of the cluster or of these."""
    source = ["--kubeconfig", f"{setup.cluster.dir}/admin-token.kubeconfig"]
    if objects:
        source = ["--inventory", f"{setup.cluster.dir}/failed.json"]
        with open(source[1], "w") as file:
            json.dump({"apiVersion": "v1", "kind": "List", "items": objects}, file)
    done = subprocess.run([setup.binary, "status", "-o", "json", *source], capture_output=True, text=True, timeout=60)
    answer = json.loads(done.stdout)
    return {name: (finding["message"], finding["wayOut"]) for kind in ("blockers", "risks", "warnings")
            for finding in answer.get(kind, []) for name in finding.get("objects") or [finding["object"]]}


def case_reports(setup):
    """what Velero and its plugin report of locations and backups that fail, and the fix that status gives for each"""
    if setup.version != VERSIONS[-1]:
        raise Skip("the plugin is the same with each Velero")
    store = serve(CODES)
    urls = {"PLAIN": f"http://127.0.0.1:{setup.storage.port}"}
    for word, subject, days in (("TRUST", "IP:127.0.0.1", 9), ("NAMED", "DNS:store.example.com", 9), ("EXPIRED", "IP:127.0.0.1", -1)):
        pem = certificate(setup.cluster.dir, word, subject, days)
        urls[word] = f"https://127.0.0.1:{serve(certificate=pem).server_address[1]}"
    fake = {S3: f"http://127.0.0.1:{store.server_address[1]}"}
    setup.cluster.must("apply", "-f", "-", stdin=[secret("wrong-key", setup.storage.KEY, "wrong"), secret("empty", "", "")])
    for name, change, _, _ in REPORTS:
        document = location(setup, name, change, urls)
        if name == "in-path":
            accepted(setup.create(document), "names bucket \"management\"")
        else:
            setup.velero.create(document)
    for number, code in enumerate(CODES):
        for how in ("list", "put"):
            setup.velero.create(location(setup, f"{how}-{code.lower()}", {"bucket": f"{how}-{number}", **fake}, {}))
    for code in CODES:
        setup.velero.wait_phase("backupstoragelocations", f"put-{code.lower()}", "Available")
        setup.velero.create(velero("Backup", f"to-{code.lower()}", storageLocation=f"put-{code.lower()}",
                                   includedNamespaces=["backstop-system"]))
    expected = [(name, message, fix) for name, _, message, fix in REPORTS]
    expected += [(f"list-{code.lower()}", code, fix) for code, fix in CODES.items()]
    for name, message, _ in expected:
        found = setup.velero.wait_phase("backupstoragelocations", name, "Unavailable")["status"]
        assert message in found["message"], (name, found)
    told = fixes(setup)
    for name, _, fix in expected:
        assert not fix or fix in told[f"backupstoragelocation/{name}"][1], (name, told[f"backupstoragelocation/{name}"])
    for code, fix in CODES.items():
        name = code.lower()
        failed = setup.velero.wait_phase("backups", f"to-{name}")
        assert failed["status"]["phase"] == "Failed" and code in failed["status"]["failureReason"], failed["status"]
        made = managementbackup(name, schedule="0 */6 * * *", storageLocation=f"put-{name}")
        made["status"] = {"lastBackupName": f"to-{name}", "lastBackup": failed["status"]}
        message, way = fixes(setup, [made, failed])[f"managementbackup/{name}"]
        assert code in message and fix in way and f"put-{name}" in way, (message, way)
    for name, *_ in expected:
        setup.velero.delete("backupstoragelocations", name)


def case_inside(setup):
    """a location whose data lie in another one's: Available until the first backup, then the other is Unavailable"""
    os.makedirs(f"{os.path.dirname(setup.storage.folder)}/shared")
    accepted(setup.create(location(setup, "root", {"bucket": "shared"}, {})), "created")
    accepted(setup.create(location(setup, "team", {"bucket": "shared", "prefix": "team-a"}, {})),
             "puts folder \"team-a\" into BackupStorageLocation \"root\", which becomes Unavailable with the first backup here")
    for name in ("root", "team"):
        setup.velero.wait_phase("backupstoragelocations", name, "Available")
    setup.velero.create(velero("Backup", "of-team", storageLocation="team", includedNamespaces=["backstop-system"]))
    assert setup.velero.wait_phase("backups", "of-team")["status"]["phase"] == "Completed"
    report = setup.velero.wait_location("Unavailable", "root")["status"]["message"]
    assert "invalid top-level directories: [team-a]" in report, report
    assert setup.velero.phase("backupstoragelocations", "team") == "Available"
    assert "set spec.objectStorage.prefix" in fixes(setup)["backupstoragelocation/root"][1]
    setup.velero.delete("backupstoragelocations", "root")
    accepted(setup.create(location(setup, "root", {"bucket": "shared"}, {})),
             "\"team\" keeps its data in folder \"team-a\" here, and Velero makes a location with folders of others Unavailable")
    assert setup.velero.wait_location("Unavailable", "root")
    for name in ("root", "team"):
        setup.velero.delete("backupstoragelocations", name)
