"""The commands of docs/install.md: break-glass, and uninstalling."""
from control_plane import ROOT, wait_until
from fixtures import NEXT, RUNNING, Webhook, accepted, stored_release, upgrade_command
from webhook import managementbackup, set_ca_bundle, wait_in_force

CONFIGURATIONS = "validatingwebhookconfiguration,mutatingwebhookconfiguration"


class Setup(Webhook):
    pass


def case_applied_twice(setup):
    """kubectl apply -k of the shipped manifests a second time changes nothing but failurePolicy, the CA bundle least of all"""
    def webhooks():
        hooks = setup.cluster.get("validatingwebhookconfiguration", "backstop")["webhooks"]
        return [{key: value for key, value in hook.items() if key != "failurePolicy"} for hook in hooks]
    before = webhooks()
    setup.cluster.must("apply", "-k", f"{ROOT}/manifests")
    assert before == webhooks() and before[0]["clientConfig"]["caBundle"], webhooks()
    wait_in_force(setup.cluster)  # with certificates from files nobody but the probe lets them fail closed again


def case_break_glass(setup):
    """with the webhook down, deleting its configurations lets the upgrade through, and applying them brings it back"""
    cluster, replica = setup.cluster, setup.replicas[0]
    replica.endpoint(False)
    replica.stop()
    answer = cluster.kubectl(*upgrade_command())
    assert answer.code == 1 and "failed calling webhook" in answer.err, answer
    cluster.must("delete", CONFIGURATIONS, "backstop")
    wait_until("the upgrade to pass", lambda: cluster.kubectl(*upgrade_command()).code == 0)
    assert stored_release(cluster) == NEXT
    replica.start()
    cluster.must("apply", "-k", f"{ROOT}/manifests")
    set_ca_bundle(cluster, f"{setup.folder}/ca.crt")
    wait_in_force(cluster)
    accepted(cluster.kubectl(*upgrade_command(RUNNING)), "back to kcm-1-2-0")


def case_uninstall(setup):
    """after uninstalling nothing is left, and nothing is in the way"""
    cluster = setup.cluster
    cluster.must("delete", CONFIGURATIONS, "backstop")
    cluster.must("delete", "-k", f"{ROOT}/manifests", "--ignore-not-found", "--wait=false")
    left = cluster.must("get", f"{CONFIGURATIONS},clusterrole,clusterrolebinding,role,rolebinding", "-A", "-o", "name",
                        "-l", "app.kubernetes.io/name=backstop").out
    assert left.strip() == "", left
    wait_until("it to be out of force", lambda: cluster.kubectl(
        "create", "--dry-run=server", "-f", "-", stdin=managementbackup("bad", schedule="0 9 * * 7")).code == 0)
    accepted(cluster.kubectl(*upgrade_command()))
    assert cluster.get("managementbackup", "kcm-backup") is not None
