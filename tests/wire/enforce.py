"""Enforcement: webhooks become fail-closed once the API server has been seen to call one and no other version answers."""
import base64

from libapi import *

PROVEN = "managementbackups.backstop.k0rdent.mirantis.com"
OPEN, NAMED = "Ignore", {"managements", "managementbackups", "restores"}
NAMESPACE, SERVICE = "kcm-system", "backstop"  # what the test certificates are for
DENIED = f'admission webhook "{PROVEN}" denied the request: spec.schedule: Invalid value: "0 9 * * 7"'
UNREACHED = f'failed calling webhook "{PROVEN}": failed to call webhook: dial tcp 10.0.0.7:443: i/o timeout'
with open(CERTS + "/ca.crt", "rb") as ca_file:
    BUNDLE = base64.b64encode(ca_file.read()).decode()


def configuration(kind, paths, policies=None, bundles=None):
    def webhook(label, path):
        service = {"name": SERVICE, "namespace": NAMESPACE, "port": 443, "path": path}
        return {"name": f"{label}.backstop.k0rdent.mirantis.com", "failurePolicy": (policies or {}).get(label, OPEN),
                "clientConfig": {"service": service, "caBundle": (bundles or {}).get(label, BUNDLE)}}
    return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {
        "name": "backstop", "resourceVersion": "1",
        "annotations": {"backstop.k0rdent.mirantis.com/fail-closed": ",".join(sorted(NAMED))}},
        "webhooks": [webhook(label, path) for label, path in paths.items()]}


class EnforcingHandler(Handler):
    """Admits, denies or fails the bad ManagementBackup, and applies JSON Patches of the configurations."""

    def do_GET(self):
        if self.path.partition("?")[0].endswith("/pods"):
            self.api.selectors.append(self.path.partition("?")[2])
        super().do_GET()

    def do_POST(self):
        if "/managementbackups" not in self.path or self.api.proof is None:
            return super().do_POST()
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.api.proofs.append((self.path.partition("?")[2], document["spec"]["schedule"]))
        self.api.meet()
        proof = self.api.proof
        if not isinstance(proof, str):  # in turn
            proof = proof[len(self.api.proofs) % len(proof)]
        if proof == "admitted":
            return self.say(201, document)
        if proof == "unreached":
            return self.refuse(500, "InternalError", "Internal error occurred: " + UNREACHED)
        return self.refuse(422, "Invalid", DENIED)

    def do_PATCH(self):
        text, (path, _, _) = self.rfile.read(int(self.headers["Content-Length"])), self.path.partition("?")
        plural, name = path.split("/")[-2:]
        if not plural.endswith("webhookconfigurations"):
            return self.refuse(404, "NotFound", "not found")
        with self.api.writing:
            if self.api.refusals and any("failurePolicy" in step["path"] for step in json.loads(text)):
                return self.refuse(*self.api.refusals.pop())
            made = json.loads(json.dumps(self.api.objects[plural][0]))
            for step in json.loads(text):
                *parents, last = step["path"].strip("/").split("/")
                at = made
                for parent in parents:
                    at = at[int(parent)] if isinstance(at, list) else at[parent]
                if step["op"] == "test" and at.get(last) != step["value"]:
                    return self.refuse(422, "Invalid", "the server rejected our request due to an error in our request")
                at[last] = step["value"]
            made["metadata"]["resourceVersion"] = str(int(made["metadata"]["resourceVersion"]) + 1)
            self.api.objects[plural] = [made]
            self.api.patches.append(json.loads(text))
        return self.say(200, made)


class EnforcingApi(FakeApi):
    def __init__(self, server=None, policies=None, bundles=None):
        super().__init__(EnforcingHandler)
        self.proof, self.proofs, self.patches, self.refusals, self.selectors = "denied", [], [], [], []
        self.writing, self.together = threading.Lock(), None
        paths = {"managementbackups": BACKUP, "managements": MANAGEMENT, "schedules": "/validate-velero-io-v1-schedule"}
        self.objects.update(
            validatingwebhookconfigurations=[configuration("ValidatingWebhookConfiguration", paths, policies, bundles)],
            mutatingwebhookconfigurations=[configuration("MutatingWebhookConfiguration", {"restores": RESTORE}, policies, bundles)],
            pods=[pod("backstop-new-1"), pod("backstop-new-2")])
        self.objects["deployments"].append(deployment())

    def meet(self):
        """Whoever proves waits for the other, so that both write what they read before either wrote."""
        if self.together:
            try:
                self.together.wait(20)
            except threading.BrokenBarrierError:
                pass

    def policies(self):
        return {hook["name"].partition(".")[0]: hook["failurePolicy"] for kind in (
            "validatingwebhookconfigurations", "mutatingwebhookconfigurations") for hook in self.objects[kind][0]["webhooks"]}


def pod(name, ready=True, **metadata):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {
        "name": name, "namespace": NAMESPACE, "uid": name, "resourceVersion": "1", **metadata}, "status": {
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}}


def deployment(**status):
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {
        "name": SERVICE, "namespace": NAMESPACE, "uid": SERVICE, "resourceVersion": "1", "generation": 2},
        "spec": {"selector": {"matchLabels": {"app.kubernetes.io/name": "backstop", "app.kubernetes.io/instance": "b"}}},
        "status": {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, **status}}


def set_deployment(api, document):
    api.objects["deployments"] = [d for d in api.objects["deployments"] if d["metadata"]["name"] != SERVICE] + \
        ([document] if document else [])


def enforce(api, server, code=0):
    done = subprocess.run([BINARY, "probe", "--enforce", "--kubeconfig", api.kubeconfig, "--address",
                           f"127.0.0.1:{server.port}", "--timeout", "10s"], capture_output=True, text=True, timeout=60)
    assert not SANITIZER.search(done.stderr), done.stderr
    same(done.returncode, code, done.stdout + done.stderr)
    return done.stdout + done.stderr


def stays_open(api, server, *reasons):
    before, said = api.policies(), enforce(api, server, code=1)
    for reason in reasons:
        holds(reason, said)
    same(api.policies(), before, "failurePolicy")
    same(api.patches, [])


@shows("what is named closes, and nothing else, after a dry run that the webhook denied; a second time there is nothing to do")
def _(server):
    api = EnforcingApi()
    holds("the API server calls it: 3 webhooks fail closed now", enforce(api, server))
    same(api.policies(), {"managementbackups": "Fail", "managements": "Fail", "restores": "Fail", "schedules": "Ignore"})
    same([schedule for _, schedule in api.proofs], ["0 9 * * 7"])
    holds("dryRun=All", api.proofs[0][0])
    holds("do so already", enforce(api, server))
    same((len(api.proofs), len(api.patches)), (1, 2))


@shows("pods of another version, or that nobody has counted yet, keep them open: they may not know what is new")
def _(server):
    api = EnforcingApi()
    for status, reason in (({"replicas": 3, "updatedReplicas": 1}, "1 of its 3 pods are of its last version"),
                           ({"observedGeneration": 1}, "is being rolled out"),
                           ({"updatedReplicas": None}, "0 of its 2 pods")):
        set_deployment(api, deployment(**status))
        stays_open(api, server, "do not fail closed yet", "Deployment backstop is being rolled out", reason)
    same(api.proofs, [])


@shows("a pod that terminates keeps them open on every version of Kubernetes, ready or not, until it is gone")
def _(server):
    api = EnforcingApi()
    for ready in (True, False):
        api.objects["pods"] = [pod("backstop-new-1"), pod("backstop-old-1", ready, deletionTimestamp="2026-01-01T00:00:30Z")]
        stays_open(api, server, 'pod "backstop-old-1" is still terminating')
    same(api.proofs, [])
    for selector in api.selectors:
        holds("app.kubernetes.io", selector)
        holds("instance", selector)
    api.objects["pods"] = [pod("backstop-new-1"), pod("backstop-new-2", ready=False)]  # starts; of this version by the status
    holds("3 webhooks", enforce(api, server))


@shows("without a Deployment of the Service's name, or where none was counted, the proof decides alone")
def _(server):
    for document in (None, deployment(observedGeneration=None), {**deployment(), "spec": {}}):
        api = EnforcingApi()
        set_deployment(api, document)
        holds("3 webhooks", enforce(api, server))


@shows("rights that are missing are named, and nothing closes unseen")
def _(server):
    for end, what in (("/deployments/backstop", "deployments"), ("/pods", "pods")):
        api = EnforcingApi()
        api.instead = {("GET", end): (403, {"kind": "Status", "apiVersion": "v1", "code": 403, "reason": "Forbidden",
                                            "message": f'User "x" cannot read resource "{what}"'})}
        stays_open(api, server, "do not fail closed yet", f'cannot read resource "{what}"')
        same(api.proofs, [])


@shows("what the API server admits it did not ask us about, as with pods that answer 404 or none; what it cannot reach stays open")
def _(server):
    api = EnforcingApi()
    api.proof = "admitted"
    stays_open(api, server, "the API server admitted an invalid schedule, so it could not call the webhook")
    api.proof = "unreached"
    stays_open(api, server, "i/o timeout")
    api.proof = "denied"
    holds("3 webhooks", enforce(api, server))


@shows("a denial by somebody else's webhook is no proof")
def _(server):
    api = EnforcingApi()
    api.instead = {("POST", "/managementbackups"): (403, {
        "kind": "Status", "apiVersion": "v1", "code": 403, "reason": "Forbidden",
        "message": 'admission webhook "policy.example.com" denied the request: no'})}
    api.proof = None
    stays_open(api, server, "policy.example.com")


@shows("without k0rdent nothing can be proven, which fails no install")
def _(server):
    api = EnforcingApi()
    api.instead = {("GET", "/apis/k0rdent.mirantis.com/" + version): (404, {
        "kind": "Status", "apiVersion": "v1", "code": 404, "reason": "NotFound", "message": "not found"}) for version in (
            "v1beta1", "v1alpha1")}
    holds("are not installed here. Run helm upgrade once they are", enforce(api, server))
    same(api.policies()["managements"], "Ignore")


@shows("one whose CA is not the proven one stays open, and is named as the reason")
def _(server):
    api = EnforcingApi(bundles={"managements": "eA=="})
    holds("1 webhook does not fail closed yet: its caBundle differs", enforce(api, server, code=1))
    same(api.policies(), {"managementbackups": "Fail", "managements": "Ignore", "restores": "Fail", "schedules": "Ignore"})


@shows("a write that loses against another, or is forbidden, is said, and made the next time")
def _(server):
    for refusal in ((409, "Conflict", "the object has been modified; please apply your changes to the latest version"),
                    (422, "Invalid", "the server rejected our request due to an error in our request"),
                    (403, "Forbidden", 'User "x" cannot patch resource "validatingwebhookconfigurations"')):
        api = EnforcingApi()
        api.refusals = [refusal]
        stays_open(api, server, "cannot set failurePolicy", refusal[2])
        holds("3 webhooks", enforce(api, server))


@shows("a configuration that changes between the reading and the write is not written by its old places")
def _(server):
    api = EnforcingApi()

    def swap():
        api.objects["validatingwebhookconfigurations"][0]["webhooks"].reverse()
    api.meet = swap
    said = enforce(api, server, code=1)
    holds("cannot set failurePolicy", said)
    same(api.policies()["schedules"], "Ignore")
    api.meet = lambda: None
    holds("3 webhooks", enforce(api, server))
    same(api.policies()["schedules"], "Ignore")


@shows("two replicas that race write the same, and both see it closed; what a tool opens again they close again")
def _(server):
    api = EnforcingApi()
    api.together = threading.Barrier(2)
    replicas = [Managed(api, "--tls-service", f"{SERVICE}.{NAMESPACE}") for _ in range(2)]
    eventually(lambda: same(api.policies(), {
        "managementbackups": "Fail", "managements": "Fail", "restores": "Fail", "schedules": "Ignore"}), 60)
    api.together = None
    for replica in replicas:
        eventually(lambda: same("do not fail closed" in replica.get("/readyz?verbose")[1], False), 30)
    closing = [patch for patch in api.patches if any("failurePolicy" in step["path"] for step in patch)]
    assert 2 <= len(closing) <= 4, closing
    api.objects["validatingwebhookconfigurations"][0]["webhooks"][1]["failurePolicy"] = "Ignore"
    for replica in replicas:
        replica.process.send_signal(signal.SIGHUP)
    eventually(lambda: same(api.policies()["managements"], "Fail"), 60)
    for replica in replicas:
        replica.stop()


@shows("a replica says in /readyz why they do not fail closed yet, and stays ready")
def _(server):
    api = EnforcingApi()
    api.objects["pods"].append(pod("backstop-old-1", deletionTimestamp="2026-01-01T00:00:30Z"))
    replica = Managed(api, "--tls-service", f"{SERVICE}.{NAMESPACE}")
    eventually(lambda: holds('pod "backstop-old-1" is still terminating', replica.get("/readyz?verbose")[1]), 60)
    eventually(lambda: same(replica.get("/readyz")[0], 200), 30)
    api.objects["pods"].pop()
    eventually(lambda: same(api.policies()["managements"], "Fail"), 60)
    eventually(lambda: same("terminating" in replica.get("/readyz?verbose")[1], False), 30)
    replica.stop()


def metric_of(replica, name):
    """Its value in /metrics; None where it is absent."""
    found = re.search(rf"^{name} (\S+)$", replica.get("/metrics")[1], re.M)
    return found and float(found[1])


@shows("a replica asks the API server whether it is called: /readyz, the metric, the log and the page say so, and it stays ready")
def _(server):
    api = EnforcingApi(policies={label: "Fail" for label in NAMED})
    replica = Managed(api, "--tls-service", f"{SERVICE}.{NAMESPACE}", "--call-check", "1s", "--status-page")

    def told(value, *words):
        def check():
            same(metric_of(replica, "backstop_webhook_called"), value)
            for word in words:
                holds(word, replica.get("/readyz?verbose")[1])
        eventually(check, 30)
    holds("[+]calls ok: not known whether the API server calls the webhook", replica.get("/readyz?verbose")[1])
    told(1, "[+]calls ok: the API server calls the webhook (asked ")
    holds("Calls by the API server", replica.get("/")[1])
    api.proof = "admitted"
    told(0, "does not call the webhook (first seen ", "admitted an invalid schedule", "webhook configurations exist")
    same(replica.get("/readyz")[0], 200)
    eventually(lambda: holds("the API server does not call the webhook", replica.get("/")[1]))
    api.proof = "unreached"
    told(0, "10.0.0.7:443: i/o timeout")
    api.instead = {("POST", "/managementbackups"): (403, {"kind": "Status", "apiVersion": "v1", "code": 403, "reason":
                                                          "Forbidden", "message": 'User "x" cannot create'})}
    api.proof = None
    told(None, "not known whether the API server calls the webhook (asked ", 'User "x" cannot create')
    api.instead, api.proof = {}, "denied"
    told(1, "the API server calls the webhook (asked ")
    same(replica.log().count('"the API server does not call the webhook"'), 1)  # for a change, not for each time
    same(replica.log().count('"the API server calls the webhook"'), 2)
    api.meet = lambda: time.sleep(30)  # it is asked and not answered: the end does not wait for that
    asked = len(api.proofs)
    eventually(lambda: same(len(api.proofs) > asked, True))
    begun = time.monotonic()
    replica.stop()
    assert time.monotonic() - begun < 15


@shows("a call that fails is repeated: one of several pods out of reach is neither none nor all of them")
def _(server):
    api = EnforcingApi(policies={label: "Fail" for label in NAMED})
    api.proof = ["unreached", "denied"]
    replica = Managed(api, "--tls-service", f"{SERVICE}.{NAMESPACE}", "--call-check", "1s")

    def partly():
        value = metric_of(replica, "backstop_webhook_called")
        assert value is not None and 0.3 < value < 0.7, value
        line = replica.get("/readyz?verbose")[1]
        holds("[+]calls ok: the API server calls the webhook, but not each time (asked ", line)
        assert re.search("ago\\): [12] of 3 calls failed: .*10.0.0.7:443: i/o timeout", line), line
    eventually(partly, 30)
    eventually(lambda: same(replica.get("/readyz")[0], 200), 30)
    api.proof = "denied"
    eventually(lambda: same(metric_of(replica, "backstop_webhook_called"), 1), 30)
    eventually(lambda: holds("[+]calls ok: the API server calls the webhook (asked ", replica.get("/readyz?verbose")[1]), 30)
    same(replica.log().count('"the API server does not call the webhook"'), 0)
    replica.stop()


@shows("--call-check 0s asks nothing")
def _(server):
    api = EnforcingApi(policies={label: "Fail" for label in NAMED})
    replica = Managed(api, "--tls-service", f"{SERVICE}.{NAMESPACE}", "--call-check", "0s")
    eventually(lambda: same(replica.get("/readyz")[0], 200), 30)
    holds("[+]calls ok\n", replica.get("/readyz?verbose")[1])
    same((metric_of(replica, "backstop_webhook_called"), api.proofs), (None, []))
    replica.stop()


main(Server())
