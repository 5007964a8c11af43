"""The webhook is down, comes back, and is replaced, as an admin at the API server sees it."""
import signal
import time

from control_plane import wait_until
from fixtures import accepted, refused, upgrade_command
from rolling import Rolling, killing, rolling, say
from webhook import managementbackup, restore


class Setup(Rolling):
    def __init__(self, cluster, binary):
        super().__init__(cluster, binary, lame_duck=2, clients=8)


def is_down(answer):
    return answer.code == 1 and "failed calling webhook" in answer.err


def while_down(setup):
    """What passes and what does not while nobody answers."""
    cluster = setup.cluster
    bad = managementbackup("while-down", schedule="0 9 * * 7", storageLocation="aws-s3")
    dry = ("create", "--dry-run=server", "-f", "-")
    wait_until("it to be missed", lambda: is_down(cluster.kubectl(*upgrade_command())))
    accepted(cluster.kubectl(*dry, stdin=bad))  # failurePolicy Ignore: stored as without the webhook
    answer = cluster.kubectl(*dry, stdin=restore("while-down", "rolling"))
    assert is_down(answer) and "restores.backstop.k0rdent.mirantis.com" in answer.err, answer
    assert is_down(cluster.kubectl(*upgrade_command()))
    answer = cluster.kubectl(*dry, stdin={"apiVersion": "velero.io/v1", "kind": "DeleteBackupRequest", "spec": {
        "backupName": "rolling"}, "metadata": {"name": "while-down", "namespace": "kcm-system"}})
    assert is_down(answer) and "deletebackuprequests.backstop" in answer.err, answer
    accepted(cluster.kubectl("label", "management", "kcm", "--overwrite",
                             f"while-down={int(time.monotonic())}"))


def works_again(setup):
    cluster = setup.cluster
    bad = managementbackup("after", schedule="0 9 * * 7", storageLocation="aws-s3")
    wait_until("it to be called again", lambda: "day-of-week 7" in cluster.kubectl(
        "create", "--dry-run=server", "-f", "-", stdin=bad).err)
    refused(cluster.kubectl(*upgrade_command(), "--dry-run=server"), "would be started")


def case_down(setup):
    """no replica runs: ManagementBackups pass unchecked, Restores and upgrades are refused, all else passes; then it works again"""
    for replica in setup.replicas:
        replica.stop()  # the Service still names them: connections are refused
    while_down(setup)
    for replica in setup.replicas:
        replica.endpoint(False)  # and now it names nobody
    while_down(setup)
    for replica in setup.replicas:
        replica.start()
    works_again(setup)


def case_rolling(setup):
    """replicas replaced by SIGTERM under load: no request fails"""
    load = rolling(setup, 3)
    say("      3 replicas replaced", load)
    assert not load.failures, [str(f) for f in load.failures[:3]]
    assert load.calls > 200, load.calls


def case_killed(setup):
    """replicas killed under load: requests fail only until the Service has forgotten the dead one"""
    load, flight, unaware, others, _ = killing(setup, 2)
    say(f"      2 replicas killed, {len(flight)} under way, {len(unaware)} begun before it was noticed", load)
    assert not others, [str(f) for f in others[:3]]
    works_again(setup)


def case_hung(setup):
    """a replica that hangs (SIGSTOP): what reaches it fails after the webhook's timeout, and no more once it is killed"""
    cluster, (hung, other) = setup.cluster, setup.replicas
    other.endpoint(False)
    for replica in setup.replicas:  # the other one as well: the API server may still hold a connection to it
        replica.hang()
    answer = cluster.kubectl(*upgrade_command(), "--dry-run=server")
    assert is_down(answer) and "context deadline exceeded" in answer.err, answer
    assert hung.health_get("/readyz")[0] == 0, "a stopped replica answers its probe"
    other.process.handle.send_signal(signal.SIGCONT)
    other.endpoint(True)
    setup.replicas.remove(hung)
    hung.stop(how=signal.SIGKILL)  # as the liveness probe has it: open connections lead to it until then
    setup.forget(hung)
    works_again(setup)
    setup.add()
