"""What Velero's garbage collector may not delete: the last backup after it has expired, and a pinned one."""
import json
import re
import subprocess

from control_plane import wait_until
from fixtures import accepted
from kcm import LABEL, marks
from stage import Stage
from velero import velero

KEEP = "backstop.k0rdent.mirantis.com/keep"
ROUNDS = 3
LAST = "expired .* ago and is the newest Completed management backup, so it stays"


class Setup(Stage):
    def __init__(self, cluster, binary):
        super().__init__(cluster, binary)
        self.velero.restart("--garbage-collection-frequency", "2s")

    def take(self, name, ttl, **more):
        """A management backup as kcm makes it, but for its ttl."""
        document = velero("Backup", name, **{**marks("aws-s3"), "ttl": ttl})
        document["metadata"].update(labels={f"{LABEL}/component": "kcm"}, **more)
        self.velero.create(document, user="kcm-token")
        done = self.velero.wait_phase("backups", name)
        assert done["status"]["phase"] == "Completed", done["status"]
        return done

    def refusals(self, name, why):
        """How often the garbage collector was refused for that reason, by its own log."""
        return [line for line in self.velero.log().splitlines()
                if "error creating DeleteBackupRequest" in line and f"/{name}" in line and re.search(why, line)]

    def requests(self, name):
        return [item for item in self.velero.items("deletebackuprequests") if item["spec"]["backupName"] == name]

    def status(self):
        done = subprocess.run([self.binary, "status", "-o", "json", "--settings", self.settings,
                               "--kubeconfig", f"{self.cluster.dir}/admin-token.kubeconfig"],
                              capture_output=True, text=True, timeout=60)
        return json.loads(done.stdout)


def case_last(setup):
    """an expired last backup survives the garbage collector, its log and status say why, and goes when a newer one is good"""
    setup.take("expiring", "3s")
    wait_until("the garbage collector to be refused in several rounds",
               lambda: len(setup.refusals("expiring", LAST)) >= ROUNDS, 120)
    assert setup.velero.phase("backups", "expiring") == "Completed" and not setup.requests("expiring")
    kept = setup.status()["keptBackups"]
    assert [(k["name"], k["keptBy"]) for k in kept] == [("expiring", "keepLast")] and kept[0]["items"] > 0, kept
    assert kept[0]["why"].startswith("is the newest Completed management backup, so it stays"), kept
    told = [line for line in setup.logs().splitlines() if '"decision":"denied"' in line and "expiring" in line and
            "so it stays until a newer one is Completed" in line]
    assert len(told) >= ROUNDS, setup.logs()
    # Nothing else of Velero waits: a backup runs meanwhile, and with it the expired one goes.
    setup.take("newer", "720h")
    wait_until("the expired one to go", lambda: setup.velero.read("backups", "expiring") is None, 120)
    assert setup.velero.phase("backups", "newer") == "Completed" and not setup.status()["keptBackups"]


def case_pinned(setup):
    """a pinned backup outlives its expiry and a newer good one, until the pin is removed"""
    setup.take("pinned", "3s", annotations={KEEP: "audit 2026"})
    setup.take("newest", "720h")
    wait_until("the garbage collector to be refused in several rounds",
               lambda: len(setup.refusals("pinned", "is pinned by annotation")) >= ROUNDS, 120)
    assert setup.velero.phase("backups", "pinned") == "Completed" and not setup.requests("pinned")
    kept = setup.status()["keptBackups"]
    assert [(k["name"], k["keptBy"]) for k in kept] == [("pinned", "pin")] and "audit 2026" in kept[0]["why"], kept
    accepted(setup.cluster.kubectl("annotate", "-n", "kcm-system", "backups.velero.io", "pinned", f"{KEEP}-"),
             "no longer pinned", "Velero deletes it soon")
    wait_until("it to go", lambda: setup.velero.read("backups", "pinned") is None, 120)
