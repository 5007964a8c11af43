"""Requests to the API server that never stop, each of which must be answered by the webhook.

Every request is one whose answer only the webhook can have given, so a webhook that is left
out (failurePolicy: Ignore) counts as a failure like one that could not be reached."""
import http.client
import json
import random
import ssl
import threading
import time

from fixtures import NEXT
from webhook import managementbackup, restore

MERGE = "application/merge-patch+json"
BACKUPS = "/apis/k0rdent.mirantis.com/v1beta1/managementbackups?dryRun=All"
RESTORES = "/apis/velero.io/v1/namespaces/kcm-system/restores?dryRun=All"
MANAGEMENT = "/apis/k0rdent.mirantis.com/v1beta1/managements/kcm?dryRun=All"
# name, method, path, content type, body, status, words that only the webhook says
REQUESTS = [
    ("denied ManagementBackup", "POST", BACKUPS, "application/json", managementbackup("asked", schedule="0 9 * * 7"),
     422, "day-of-week 7"),
    ("mutated Restore", "POST", RESTORES, "application/json", restore("asked", "rolling"), 201,
     '"existingResourcePolicy":"update"'),
    ("gated Management", "PATCH", MANAGEMENT, MERGE, {"spec": {"release": NEXT}}, 403, "denied the request"),
]


class Failure:
    def __init__(self, began, name, status, text):
        self.began, self.ended, self.name, self.status = began, time.monotonic(), name, status
        self.text = json.loads(text)["message"] if text.startswith("{") and '"message"' in text else text[:300]

    def kind(self):
        for word in ("connection refused", "connection reset", "EOF", "broken pipe", "deadline", "timeout"):
            if word in self.text:
                return word
        return f"{self.status} {self.text[:120]}"

    def __str__(self):
        return f"{self.name}: {self.status} {self.text} (took {self.ended - self.began:.3f} s)"


class Load:
    """Clients that ask while the block runs: half of them without a pause, the others with pauses,
    so that the API server's connections to the webhook come, rest and are used again."""

    def __init__(self, cluster, clients=16, pause=2.0, requests=None):
        self.cluster, self.pause, self.requests = cluster, pause, requests or REQUESTS
        self.failures, self.took, self.stopping = [], [], threading.Event()
        self.threads = [threading.Thread(target=self._ask, args=(i,), daemon=True) for i in range(clients)]

    def __enter__(self):
        self.began = time.monotonic()
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        self.seconds = time.monotonic() - self.began

    @property
    def calls(self):
        return len(self.took)

    def _ask(self, number):
        tls = ssl.create_default_context(cafile=f"{self.cluster.dir}/api.crt")
        connection = http.client.HTTPSConnection("localhost", self.cluster.port, context=tls, timeout=40)
        turn = number
        while not self.stopping.wait(random.uniform(0, self.pause) if number % 2 else 0):
            turn += 1
            self._one(connection, *self.requests[turn % len(self.requests)])
        connection.close()

    def _one(self, connection, name, method, path, content_type, body, wanted, words):
        began = time.monotonic()
        try:
            connection.request(method, path, json.dumps(body).encode(), {
                "Authorization": "Bearer admin-token", "Content-Type": content_type})
            answer = connection.getresponse()
            status, text = answer.status, answer.read().decode()
        except OSError as problem:
            connection.close()
            status, text = 0, repr(problem)
        self.took.append(time.monotonic() - began)
        if status != wanted or words not in text:
            self.failures.append(Failure(began, name, status, text))

    def latency(self, share):
        ordered = sorted(self.took)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000
