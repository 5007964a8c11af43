"""The cluster that random objects are judged on: locations good and bad, backups in every phase, and the two judges."""
import http.client
import json
import os
import re
import shutil
import ssl
import time

from control_plane import wait_until
from diff_verdict import Found, Said
from kcm import marks
from stage import Stage
from standin import now
from velero import API, ENDED, MERGE, NAMESPACE, VELERO, velero

LATE = 45  # seconds without any change until an object counts as stuck
# Velero writes a location's credentials file anew for each use of it; the plugin may meet it empty, and asks the machine then.
NOISE = re.compile(r"EC2 IMDS")
CLOSED = "file already closed"  # the standard error of a plugin that Velero has done with: about no object
WARNING = re.compile(r'^299 - "(.*)"$', re.S)


class DiffWorld(Stage):
    def __init__(self, cluster, binary):
        super().__init__(cluster, binary)
        self.kcm.stop()
        for bucket in ("spare", "archive"):
            os.makedirs(f"{os.path.dirname(self.storage.folder)}/{bucket}", exist_ok=True)
        self._locations()
        self._namespaces()
        self._backups()
        self.connection = None

    def _location(self, name, **spec):
        return self.storage.location(name, default=False, **spec)[1]

    def _locations(self):
        self.cluster.must("apply", "-f", "-", stdin={
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "ca-bundle", "namespace": NAMESPACE},
            "stringData": {"ca.crt": open(f"{self.cluster.dir}/api.crt").read(), "broken": "not PEM"}})
        for document in (self._location("archive", objectStorage={"bucket": "archive"}),
                         self._location("read-only", accessMode="ReadOnly", objectStorage={"bucket": "spare", "prefix": "ro"}),
                         self._location("broken", objectStorage={"bucket": "missing"}),
                         velero("VolumeSnapshotLocation", "ebs-west", provider="aws", config={"region": "us-west-1"}),
                         velero("VolumeSnapshotLocation", "pd", provider="gcp")):
            self.velero.create(document)
        for name, phase in (("archive", "Available"), ("read-only", "Available"), ("broken", "Unavailable")):
            self.velero.wait_location(phase, name)

    def _namespaces(self):
        objects = []
        for name in ("demo", "shop", "team-a", "team-b"):
            objects += [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
                        {"apiVersion": "v1", "kind": "ConfigMap", "data": {"key": "value"},
                         "metadata": {"name": "a", "namespace": name, "labels": {"app": name}}}]
        self.cluster.must("apply", "-f", "-", stdin=objects)

    def _backups(self):
        """done, mgmt, nightly-1: Completed by Velero itself; the others have the status that they need."""
        self.velero.create(velero("Schedule", "nightly", schedule="0 1 * * *", skipImmediately=True,
                                  template={"storageLocation": "aws-s3"}))
        self.velero.create(velero("Schedule", "idle", schedule="0 1 * * *", skipImmediately=True,
                                  template={"storageLocation": "aws-s3"}))
        small = {"storageLocation": "aws-s3", "includedNamespaces": ["demo", "shop"]}
        scheduled = velero("Backup", "nightly-1", **small)
        scheduled["metadata"]["labels"] = {"velero.io/schedule-name": "nightly"}
        managed = velero("Backup", "mgmt", **marks("aws-s3"))
        for document in (velero("Backup", "done", **small), scheduled, managed):
            self.velero.create(document)
            found = self.velero.wait_phase("backups", document["metadata"]["name"])
            assert found["status"]["phase"] == "Completed", found["status"]
        self._copy("done", "half", "PartiallyFailed")
        for name, phase, location in (("failed", "Failed", "aws-s3"), ("invalid", "FailedValidation", "aws-s3"),
                                      ("on-broken", "Completed", "broken")):
            made = velero("Backup", name, **{**small, "storageLocation": location})
            made["status"] = {"phase": phase, "startTimestamp": now(-60), "completionTimestamp": now()}
            self.velero.create(made)

    def _copy(self, source, name, phase):
        """A backup in the store that can be restored, as `source` can, and has another phase."""
        folder = f"{self.storage.folder}/backups"
        shutil.copytree(f"{folder}/{source}", f"{folder}/{name}")
        for file in os.listdir(f"{folder}/{name}"):
            os.rename(f"{folder}/{name}/{file}", f"{folder}/{name}/{file.replace(source, name, 1)}")
        made = velero("Backup", name, storageLocation="aws-s3", includedNamespaces=["demo", "shop"])
        made["status"] = {"phase": phase, "startTimestamp": now(-60), "completionTimestamp": now(), "errors": 1}
        self.velero.create(made)

    # ---- backstop ----------------------------------------------------------
    def ask(self, document):
        """backstop's answer: a dry run as a person, with its warnings."""
        for again in (True, False):
            try:
                return self._ask(document)
            except (OSError, http.client.HTTPException):
                self.connection = None  # the API server closes what has been idle for long
                if not again:
                    raise

    def _ask(self, document):
        if not self.connection:
            context = ssl.create_default_context(cafile=f"{self.cluster.dir}/api.crt")
            self.connection = http.client.HTTPSConnection("localhost", self.cluster.port, context=context, timeout=40)
        self.connection.request("POST", f"{self.path(document)}?dryRun=All", json.dumps(document), {
            "Authorization": "Bearer editor-token", "Content-Type": "application/json"})
        answer = self.connection.getresponse()
        text = answer.read()
        warnings = [re.sub(r'\\(.)', r'\1', (WARNING.match(w) or [w, w])[1]) for w in answer.headers.get_all("Warning") or []]
        return Said(answer.status, json.loads(text), warnings)

    @staticmethod
    def path(document):
        if document["apiVersion"] == "v1":
            return f"/api/v1/namespaces/{NAMESPACE}/configmaps"
        return f"{API}/{document['kind'].lower()}s"

    # ---- Velero ------------------------------------------------------------
    def judge(self, batch):
        """(case, what backstop said, what Velero found) for each case; where it was unlucky, asked once more."""
        return [list(self._judge([result[0]]))[0] if NOISE.search("\n".join(result[2].reasons)) else result
                for result in list(self._judge(batch))]

    def _judge(self, batch):
        for case in batch:
            for extra in case.extra:
                code, answer = self.cluster.request("POST", self.path(extra), extra)
                assert code == 201, answer
        asked = [(case, self.ask(case.object)) for case in batch]
        sent = []
        for case, said in asked:
            if not said.refused:
                sent += self.send(case, said)
        if any(case.wedge for case in batch):
            found = self.wedged(sent)
        else:
            found = self.wait(sent)
            sent += self.back_up_to([case for case in batch if case.object["kind"] == "BackupStorageLocation"], found)
        for case, said in asked:
            name = case.name
            yield case, said, found.get(name) or Found("")
        self.clean(batch, sent, stuck=any(case.wedge for case in batch) or any(
            f.phase.startswith("stuck") for f in found.values()))

    def send(self, case, said):
        """Past the webhook; of a Schedule also the Backup that would come of it. As backstop would have it stored."""
        document = case.object if said.denied else {**case.object, "spec": said.document.get("spec", case.object["spec"])}
        if document["kind"] == "Schedule" and document["spec"].get("paused"):
            document = {**document, "spec": {**document["spec"], "paused": False}}  # Velero looks at it when it is resumed
        documents = [document]
        if document["kind"] == "Schedule":
            documents.append(velero("Backup", f"{case.name}-t", **document["spec"].get("template", {})))
        for one in documents:
            code, answer = self.cluster.request("POST", self.path(one), one, VELERO)
            if code != 201:
                assert one is not document, answer
                documents = documents[:1]
        return [(one["kind"], one["metadata"]["name"]) for one in documents]

    def back_up_to(self, cases, found):
        """A location is as good as the backups to it: one to each that is Available and may be written."""
        sent = []
        for case in cases:
            at = case.object["metadata"]["name"]
            if at in found and found[at].completed and case.object["spec"].get("accessMode") != "ReadOnly":
                backup = velero("Backup", f"{at}-t", storageLocation=at, includedNamespaces=["demo"])
                sent.append(("Backup", f"{at}-t"))
                self.velero.create(backup)
                found[at] = Found(found[at].phase, found[at].reasons, self.wait(sent[-1:])[f"{at}-t"])
        return sent

    def wedged(self, sent):
        """A duration that Go does not parse stops the informers: no phase is ever written."""
        time.sleep(3)
        return {name: Found("no phase: the informers are wedged") for kind, name in sent
                if not self.velero.phase(f"{kind.lower()}s", name)}

    def wait(self, sent):
        """What Velero has made of each, when all are at their end or nothing has changed for long."""
        states, changed = {}, time.monotonic()
        while time.monotonic() < changed + LATE:
            for plural in {f"{kind.lower()}s" for kind, _ in sent}:
                for item in self.velero.items(plural):
                    key = (item["kind"] if "kind" in item else plural, item["metadata"]["name"])
                    status = item.get("status") or {}
                    if states.get((plural, key[1])) != status:
                        states[(plural, key[1])], changed = status, time.monotonic()
            open_ = [(kind, name) for kind, name in sent if not self.ended(states.get((f"{kind.lower()}s", name)) or {})]
            if not open_ or self.stuck(open_, states, changed):
                break
            time.sleep(0.3)
        return self.results(sent, states)

    def stuck(self, open_, states, changed):
        """A panic leaves its object InProgress; what stands behind it in the queue is asked again after a restart."""
        return "Observed a panic" in self.velero.log()[self.mark():] and time.monotonic() > changed + 5

    def mark(self):
        return getattr(self, "_mark", 0)

    @staticmethod
    def ended(status):
        return status.get("phase") in (*ENDED, "Enabled", "Available", "Unavailable")

    def results(self, sent, states):
        found = {}
        for kind, name in sent:
            status = states.get((f"{kind.lower()}s", name)) or {}
            phase = status.get("phase", "")
            if not self.ended(status):
                phase = f"stuck {phase or 'without a phase'}"
            found[name] = Found(phase, [*(status.get("validationErrors") or []), status.get("failureReason"), status.get("message"),
                                        *self.log_of(kind, name, phase)])
        for kind, name in sent:
            if kind == "Schedule":
                found[name] = Found(found[name].phase, found[name].reasons, found.get(f"{name}-t"))
        return found

    def log_of(self, kind, name, phase):
        """Why it is PartiallyFailed or stuck: the errors in the server's log that name it."""
        if phase in ("Completed", "FailedValidation", "Failed", "Enabled", "Available", "Unavailable"):
            return []
        lines = [line for line in self.velero.log()[self.mark():].splitlines()
                 if f"{NAMESPACE}/{name} " in line + " " and "level=error" in line or f'{NAMESPACE}/{name}"' in line and "panic" in line]
        errors = []
        for line in lines:
            got = re.search(r'error="((?:[^"\\]|\\.)*)"', line) or re.search(r'msg="((?:[^"\\]|\\.)*)"', line)
            if got and got.group(1) not in errors and CLOSED not in got.group(1):
                errors.append(got.group(1))
        return errors[:4]

    def forget(self, plural, name):
        """True when it is gone. Velero's finalizer of a Restore waits for its location, and may be set again."""
        if not self.velero.read(plural, name):
            return True
        self.cluster.request("PATCH", f"{API}/{plural}/{name}", {"metadata": {"finalizers": None}}, VELERO, MERGE)
        self.velero.delete(plural, name)
        return False

    def clean(self, batch, sent, stuck):
        for kind, name in sent:
            self.forget(f"{kind.lower()}s", name)
            for bucket in ("management", "archive", "spare"):
                shutil.rmtree(f"{os.path.dirname(self.storage.folder)}/{bucket}/{kind.lower()}s/{name}", ignore_errors=True)
        # Velero refuses a location in whose place it finds folders of others.
        spare = f"{os.path.dirname(self.storage.folder)}/spare"
        for left in os.listdir(spare):
            shutil.rmtree(f"{spare}/{left}")
        for case in batch:
            for extra in case.extra:
                self.cluster.request("DELETE", f"{self.path(extra)}/{extra['metadata']['name']}")
        if any(case.object["spec"].get("default") for case in batch):
            # Velero has taken the flag from the location that had it.
            self.cluster.request("PATCH", f"{API}/backupstoragelocations/aws-s3", {"spec": {"default": True}}, VELERO, MERGE)
        if stuck:
            self.velero.restart()
            self.velero.wait_location("Available")
        for kind, name in sent:
            wait_until(f"{name} to go", lambda p=f"{kind.lower()}s", n=name: self.forget(p, n), 60)
        self._mark = len(self.velero.log())
