"""Causes that only the real Velero shows: `backstop status` names them, and the fix that it prints helps."""
import json
import subprocess

from control_plane import ROOT, Skip, wait_until
from stage import Stage
from standin import now
from velero import tool, velero

MINUTES = 60


class Setup(Stage):
    def __init__(self, cluster, binary):
        super().__init__(cluster, binary)
        if self.version < "1.18":
            self.close()
            raise Skip("this Velero has no queue")

    def before_case(self):
        """What is wrong here is meant to be."""

    def causes(self, ahead):
        """The findings of `backstop status` as it would be so many seconds from now, deepest first."""
        done = subprocess.run([self.binary, "status", "-o", "json", "--now", now(ahead), "--settings", self.settings,
                               "--kubeconfig", f"{self.cluster.dir}/admin-token.kubeconfig"],
                              capture_output=True, text=True, timeout=60)
        status = json.loads(done.stdout)
        return done.returncode, status["blockers"]

    def expect(self, cause, ahead=15 * MINUTES):
        code, blockers = self.causes(ahead)
        assert code == 1 and blockers and blockers[0]["cause"] == cause, (code, blockers)
        return blockers[0]

    def crds(self, version, name="velero.io_backups.yaml"):
        tool(f"velero-{version}")
        self.cluster.must("apply", "--server-side", "--force-conflicts", "-f",
                          f"{ROOT}/build/tools/velero-{version}-crds/{name}")


def case_old_crds(setup):
    """on the CRD of Velero 1.17 no backup starts; with the CRDs that the printed command installs it does"""
    setup.crds("1.17.2")
    setup.velero.create(velero("Backup", "waits", storageLocation="aws-s3", includedNamespaces=["kcm-system"]))
    wait_until("Velero to be refused its first phase", lambda: "Unsupported value" in setup.velero.log()
               and "Queued" in setup.velero.log(), 120)
    assert setup.velero.phase("backups", "waits") == ""
    finding = setup.expect("crds-older-than-velero")
    assert "1 Backup has not started" in finding["message"] and f"Velero {setup.version}" in finding["message"], finding
    # The command that it prints, with this Velero's CLI.
    assert "velero install --crds-only --dry-run -o yaml | kubectl apply -f -" in finding["wayOut"], finding
    manifests = setup.velero.cli("install", "--crds-only", "--dry-run", "-o", "yaml")
    assert manifests.code == 0, manifests
    setup.cluster.must("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifests.out)
    done = setup.velero.wait_phase("backups", "waits")
    assert done["status"]["phase"] == "Completed", done["status"]
    assert not [b for b in setup.causes(0)[1] if b["cause"] == "crds-older-than-velero"]


def case_queue(setup):
    """a selector on which Velero panics leaves its Backup InProgress and those behind it Queued; a restart frees them"""
    setup.velero.restart("--concurrent-backups", "1")
    broken = velero("Backup", "broken", storageLocation="aws-s3", includedNamespaces=["kcm-system"],
                    orLabelSelectors=[{"matchExpressions": [{"key": "app", "operator": "Oops"}]}])
    setup.velero.create(broken)
    wait_until("Velero to panic", lambda: "Observed a panic" in setup.velero.log(), 120)
    setup.velero.wait_phase("backups", "broken", "InProgress")
    for name in ("behind-1", "behind-2"):
        setup.velero.create(velero("Backup", name, storageLocation="aws-s3", includedNamespaces=["kcm-system"]))
        setup.velero.wait_phase("backups", name, "Queued")
    finding = setup.expect("backup-stuck")
    assert finding["object"] == "backup/broken" and "2 Backups wait behind it" in finding["message"], finding
    assert "kubectl rollout restart -n kcm-system deployment/velero" in finding["wayOut"], finding
    setup.velero.restart("--concurrent-backups", "1")
    done = setup.velero.wait_phase("backups", "broken")
    assert done["status"]["phase"] == "Failed", done["status"]
    for name in ("behind-1", "behind-2"):
        done = setup.velero.wait_phase("backups", name)
        assert done["status"]["phase"] == "Completed", done["status"]
    assert not [b for b in setup.causes(0)[1] if b["cause"] in ("backup-stuck", "queue-blocked")]
