"""Deletions at the same moment, with two replicas: one good management backup always remains."""
import json
import os
import threading
import time

from fixtures import Webhook, refused
from standin import now

ROUNDS = int(os.environ.get("BACKSTOP_RACE_ROUNDS", "34"))
VELERO = "velero-token"
BACKUPS = "/apis/velero.io/v1/namespaces/kcm-system/backups"
REQUESTS = "/apis/velero.io/v1/namespaces/kcm-system/deletebackuprequests"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/kcm-system/leases/backstop-deletions"


def good_backup(name):
    """As kcm asks for it and Velero completes it."""
    return {"apiVersion": "velero.io/v1", "kind": "Backup",
            "metadata": {"name": name, "namespace": "kcm-system",
                         "labels": {"k0rdent.mirantis.com/management-backup": "kcm-backup"}},
            "spec": {"storageLocation": "aws-s3", "includedNamespaces": ["*"], "ttl": "720h0m0s",
                     "excludedResources": ["clusters.cluster.x-k8s.io"],
                     "orLabelSelectors": [{"matchLabels": {"k0rdent.mirantis.com/component": "kcm"}}]},
            "status": {"phase": "Completed", "startTimestamp": now(-60), "completionTimestamp": now(-30),
                       "expiration": now(30 * 86400), "progress": {"totalItems": 9, "itemsBackedUp": 9}}}


class Setup(Webhook):
    def __init__(self, cluster, binary):
        super().__init__(cluster, binary, replicas=2)
        self.number = 0

    def fresh(self, count):
        """These good backups and no others."""
        for path in (REQUESTS, BACKUPS):
            code, answer = self.cluster.request("DELETE", path, user=VELERO)
            assert code == 200, answer
        names = [f"race-{self.number}-{i}" for i in range(count)]
        self.number += 1
        for name in names:
            code, answer = self.cluster.request("POST", BACKUPS, good_backup(name), VELERO)
            assert code == 201, answer
        time.sleep(0.1)  # both replicas' caches
        return names

    def delete(self, name):
        return self.cluster.request("DELETE", f"{BACKUPS}/{name}")

    def ask(self, name):
        return self.cluster.request("POST", REQUESTS, {
            "apiVersion": "velero.io/v1", "kind": "DeleteBackupRequest",
            "metadata": {"name": f"delete-{name}"}, "spec": {"backupName": name}})

    def remaining(self):
        _, backups = self.cluster.request("GET", BACKUPS)
        _, requests = self.cluster.request("GET", REQUESTS)
        going = {r["spec"]["backupName"] for r in requests["items"]}
        return [b["metadata"]["name"] for b in backups["items"] if b["metadata"]["name"] not in going and
                b["status"]["phase"] == "Completed"]

    def race(self, *acts):
        """All at the same moment; their answers."""
        start, answers = threading.Barrier(len(acts)), [None] * len(acts)

        def run(i, act):
            start.wait()
            answers[i] = act()
        threads = [threading.Thread(target=run, args=(i, act)) for i, act in enumerate(acts)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers

    def rounds(self, count, ways):
        """How many rounds left no backup, and one of each outcome."""
        lost = none_admitted = 0
        for i in range(count):
            names = self.fresh(2 + i % 3)
            acts = [lambda act=ways[(i + j) % len(ways)], name=name: act(name) for j, name in enumerate(names)]
            answers = self.race(*acts)
            left = self.remaining()
            lost += not left
            none_admitted += len(left) == len(names)
            for code, answer in answers:
                assert code in (200, 201, 403, 429), answer
        assert lost == 0, f"{lost} of {count} rounds left no good backup"
        assert none_admitted <= count // 10, f"{none_admitted} of {count} rounds admitted nobody"


def case_backups(setup):
    """Backups deleted at the same moment: one remains, in every round"""
    setup.rounds(ROUNDS, [setup.delete])


def case_requests(setup):
    """DeleteBackupRequests at the same moment: one backup remains, in every round"""
    setup.rounds(ROUNDS, [setup.ask])


def case_mix(setup):
    """Backups and DeleteBackupRequests at the same moment: one backup remains, in every round"""
    setup.rounds(ROUNDS, [setup.delete, setup.ask])


def case_collections(setup):
    """DELETE of the whole collection, by two at the same moment: one backup remains"""
    for _ in range(5):
        setup.fresh(4)
        setup.race(*[lambda: setup.cluster.request("DELETE", BACKUPS, timeout=30)] * 2)
        assert len(setup.remaining()) == 1, setup.remaining()


def case_dry_run(setup):
    """a dry run reserves nothing, and sees what others have reserved"""
    one, other = setup.fresh(2)
    _, before = setup.cluster.request("GET", LEASE)
    code, answer = setup.cluster.request("DELETE", f"{BACKUPS}/{one}?dryRun=All")
    assert code == 200, answer
    _, after = setup.cluster.request("GET", LEASE)
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    reserve(setup, f"{one}@{now()}")
    code, answer = setup.cluster.request("DELETE", f"{BACKUPS}/{other}?dryRun=All")
    assert code == 403 and f'The deletion of "{one}" was admitted' in answer["message"], answer


def reserve(setup, text):
    code, answer = setup.cluster.request("PATCH", LEASE, {"spec": {"holderIdentity": text}},
                                         content_type="application/merge-patch+json")
    assert code == 200, answer


def case_refused_elsewhere(setup):
    """a deletion that was admitted, and then refused by somebody else, holds the others up for two minutes"""
    one, other = setup.fresh(2)
    reserve(setup, f"{one}@{now(-100)}")
    refused(setup.cluster.kubectl("delete", "-n", "kcm-system", "backups.velero.io", other, "--wait=false"),
            f'The deletion of "{one}" was admitted a moment ago', "try again in 2 minutes")
    code, answer = setup.delete(one)
    assert code == 200, answer
    one, other = setup.fresh(2)
    reserve(setup, f"{one}@{now(-121)}")
    code, answer = setup.delete(other)
    assert code == 200, answer


def case_lease_missing(setup):
    """without the Lease no deletion of a good backup is admitted, but by annotation; the answer says what to do"""
    one, other = setup.fresh(2)
    _, lease = setup.cluster.request("GET", LEASE)
    setup.cluster.must("delete", "lease", "-n", "kcm-system", "backstop-deletions")
    code, answer = setup.delete(one)
    assert code == 503 and "backstop-deletions" in answer["message"] and "backstop rbac" in answer["message"], answer
    setup.cluster.must("annotate", "-n", "kcm-system", "backups.velero.io", one,
                       "backstop.k0rdent.mirantis.com/allow-delete=a rehearsal")
    answer = setup.cluster.must("delete", "-n", "kcm-system", "backups.velero.io", one, "--wait=false")
    assert "other replicas do not know of this deletion" in answer.err, answer
    assert setup.remaining() == [other]
    lease["metadata"] = {key: lease["metadata"][key] for key in ("name", "namespace", "labels")}
    setup.cluster.must("create", "-f", "-", stdin=lease)


def case_replica_dies(setup):
    """a replica that is killed while deletions race takes no backup with it"""
    hooks = setup.cluster.get("validatingwebhookconfiguration", "backstop")["webhooks"]
    patch = [{"op": "replace", "path": f"/webhooks/{i}/failurePolicy", "value": "Fail"} for i, hook in enumerate(hooks)
             if hook["name"].startswith(("backup-deletions", "deletebackuprequests"))]
    assert len(patch) == 2, hooks
    setup.cluster.must("patch", "validatingwebhookconfiguration", "backstop", "--type=json", "-p", json.dumps(patch))
    time.sleep(0.5)
    for i in range(5):
        names = setup.fresh(3)
        replica = setup.replicas[i % 2]
        acts = [lambda name=name: setup.delete(name) for name in names[:2]] + [lambda: setup.ask(names[2])]
        setup.race(*acts, lambda r=replica: r.stop(how=9))
        assert setup.remaining(), "no good backup is left"
        replica.start()
