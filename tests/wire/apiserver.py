"""The API server fails in the ways it does: what is decided meanwhile, and that it heals."""
import threading

from libapi import *

MODES = {"throttle": "too many requests", "broken": "etcdserver: request timed out", "garbage": "", "slow": "",
         "gone": ""}


def timed(work):
    began = time.monotonic()
    answer = work()
    return answer, time.monotonic() - began


def gate(server):
    return server.post(MANAGEMENT, upgrade_review(dryRun=True))


def works(server):
    holds("would be started", gate(server).denied(403)["status"]["message"])


@shows("with the API server at hand the gate reads it and answers")
def _(server):
    eventually(lambda: same(server.get("/readyz")[0], 200))
    works(server)


@shows("throttled, broken, slow or gone: the gate stays closed and says why in time, the others go on, and it heals")
def _(server):
    api = server.api
    for mode, words in MODES.items():
        works(server)
        api.mode = mode
        answer, took = timed(lambda: gate(server))
        status = answer.denied(503, "the upgrade gate cannot tell")["status"]
        holds(words, status["message"])
        assert status["details"]["retryAfterSeconds"] > 0, status
        assert took < 8, f"{mode}: the gate took {took:.1f} s, the API server waits for 10"
        answer, took = timed(lambda: server.post(BACKUP, backup_review()))
        same(answer.response()["allowed"], True, mode)
        assert took < 1, f"{mode}: a review of what is known took {took:.1f} s"
        answer, took = timed(lambda: server.post(BACKUP, backup_review(location="aws-s4")))
        answer.denied(422, 'no BackupStorageLocation "aws-s4"')  # as far as is known
        assert took < 8, f"{mode}: {took:.1f} s"
        same(server.get("/readyz")[0], 200, mode)
        eventually(lambda: holds("managementbackups.k0rdent.mirantis.com: as it was; not updated since",
                                 server.get("/readyz?verbose")[1]), 25)
        api.mode = "ok"
        eventually(lambda: works(server))


@shows("more upgrades than workers beside a slow API server: each is answered before the API server gives up")
def _(server):
    server.api.mode, answers = "slow", []

    def ask():
        try:
            answer, took = timed(lambda: gate(server))
            answers.append((answer.denied(503, "the upgrade gate cannot tell")["status"]["code"], took))
        except Exception as failure:  # noqa: BLE001 - reported below
            answers.append((repr(failure), 99))
    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    answer, took = timed(lambda: server.post(BACKUP, backup_review()))
    same(answer.response()["allowed"], True)
    assert took < 1, f"another review waits {took:.1f} s"
    for thread in threads:
        thread.join()
    server.api.mode = "ok"
    same(len(answers), 20)
    assert max(took for _, took in answers) < 9, answers
    eventually(lambda: works(server))


@shows("an effect that fails is said, and the gate does not tell anyone to wait for it")
def _(server):
    server.api.mode = "ok"
    eventually(lambda: works(server))
    refuse = Handler.do_POST

    def full(handler):
        handler.rfile.read(int(handler.headers["Content-Length"]))
        handler.refuse(403, "Forbidden", "exceeded quota: objects")
    Handler.do_POST = full
    try:
        holds("exceeded quota", server.post(MANAGEMENT, upgrade_review()).denied(503)["status"]["message"])
    finally:
        Handler.do_POST = refuse
    eventually(lambda: server.post(MANAGEMENT, upgrade_review()).denied(429))


@shows("a silent API server does not hold up the end")
def _(server):
    silent = FakeApi()
    silent.mode = "slow"
    other = ServerOf(silent)
    time.sleep(0.5)  # lists are under way
    took = timed(other.stop)[1]
    silent.mode = "ok"
    assert took < 8, f"{took:.1f} s"


api = FakeApi()
main(ServerOf(api))
