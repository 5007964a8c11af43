"""What the API server answers is input: running processes stay alive whatever stands in its lists and Secrets."""
import concurrent.futures

from libapi import *

# Where an object, a map or a list belongs.
NONSENSE = [None, True, 5, "x", [], {}, [None], ["x"], [5], [{}], [[]], {"": None}, {"tls.crt": 5}, {"tls.crt": "%%%"},
            {"tls.crt": None, "tls.key": {}}]


def secret(**parts):
    return {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": "backstop-certificates", "namespace": "backstop-system", "resourceVersion": "1"}, **parts}


@shows("serve --tls-managed survives a Secret of any shape, says what is wrong, and is not ready meanwhile")
def _():
    def serve(document):
        api = FakeApi()
        api.instead = {("GET", "/secrets/backstop-certificates"): (200, document)}
        server = Managed(api)
        eventually(lambda: holds("/secrets/backstop-certificates", " ".join(api.asked)), 20)
        eventually(lambda: holds("ertificate", server.log()))
        same(server.get("/livez")[0], 200, document)
        same(server.get("/readyz")[0], 503, document)
        server.stop()
        api.server.shutdown()
    of_all(serve, [*[secret(data=data) for data in NONSENSE], *[secret(metadata=data) for data in NONSENSE], *NONSENSE])


def lists(plural, items):
    return (200, {"kind": KINDS[plural] + "List", "apiVersion": VERSIONS[plural], "metadata": {"resourceVersion": "1"},
                  "items": items})


def of_all(work, things):
    """Beside each other, since they mostly wait; the first failure is the test's."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(work, things))


@shows("audit survives a list of any shape, and never calls it none")
def _():
    def audit(items):
        api = FakeApi()
        api.instead = {("GET", "/" + plural): lists(plural, items) for plural in ("managementbackups", "backups")}
        done = subprocess.run([BINARY, "audit", "--kubeconfig", api.kubeconfig], capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and "could be read" in done.stderr, (items, done)
        api.server.shutdown()
    of_all(audit, [items for items in NONSENSE if items != []])


@shows("a running webhook survives lists of any shape, goes on answering, and heals")
def _():
    def serve(items):
        api = FakeApi()
        api.instead = {("GET", "/" + plural): lists(plural, items)
                       for plural in ("managementbackups", "backupstoragelocations", "backups")}
        server = ServerOf(api)
        same(server.post(BACKUP, backup_review()).response()["allowed"], True, items)
        eventually(lambda: holds("/backups", " ".join(api.asked)), 20)
        same(server.get("/livez")[0], 200, items)
        api.instead = {}
        if items != []:
            eventually(lambda: same(server.get("/readyz")[0], 200, items), 60)
            eventually(lambda: server.post(BACKUP, backup_review(location="aws-s4")).denied(
                422, 'no BackupStorageLocation "aws-s4"'), 60)
        server.stop()
        api.server.shutdown()
    of_all(serve, NONSENSE)


if __name__ == "__main__":
    main()
