"""A cluster that still serves v1alpha1: the project's own small CRDs."""
from control_plane import wait_until
from fixtures import NEXT, TAKEN, Webhook, accepted, refused, stored_release, taken_backups, upgrade_command
from standin import StandIn
from webhook import SMALL_CRDS, managementbackup


class Setup(Webhook):
    def __init__(self, cluster, binary):
        super().__init__(cluster, binary, crds=[SMALL_CRDS])


def case_backups(setup):
    """ManagementBackups in v1alpha1 are judged as those in v1beta1 are"""
    cluster = setup.cluster
    refused(cluster.kubectl("apply", "-f", "-", stdin=managementbackup("a", "v1alpha1", schedule="0 9 * * 7")),
            "spec.schedule", "day-of-week 7")
    accepted(cluster.kubectl("apply", "-f", "-", stdin=managementbackup("a", "v1alpha1", schedule="@daily")), "00:00")
    assert cluster.get("managementbackups.v1beta1.k0rdent.mirantis.com", "a")["spec"]["schedule"] == "@daily"
    refused(cluster.kubectl("patch", "managementbackups.v1alpha1.k0rdent.mirantis.com", "a", "--type=merge", "-p",
                            '{"spec":{"schedule":"@Daily"}}'), "spec.schedule")
    refused(cluster.kubectl("patch", "managementbackups.v1beta1.k0rdent.mirantis.com", "a", "--type=merge", "-p",
                            '{"spec":{"schedule":"@Daily"}}'), "spec.schedule")


def case_gate(setup):
    """the gate holds an upgrade that is asked for in v1alpha1"""
    cluster = setup.cluster
    with StandIn(cluster, seconds=2):
        patch = upgrade_command()
        patch[1] = "managements.v1alpha1.k0rdent.mirantis.com"
        answer = cluster.kubectl(*patch)
    assert answer.code == 0 and answer.seconds >= 2, answer
    assert stored_release(cluster) == NEXT and taken_backups(cluster) == [TAKEN]


def case_only_v1alpha1(setup):
    """a cluster that serves v1alpha1 alone: facts are read and backups made in that version"""
    cluster = setup.cluster
    setup.reset_upgrade()
    plurals = ("managementbackups", "managements", "releases")
    for plural in plurals:
        cluster.must("patch", "crd", f"{plural}.k0rdent.mirantis.com", "--type=json", "-p",
                     '[{"op":"replace","path":"/spec/versions/0/served","value":false}]')
    wait_until("kubectl to see it", lambda: not any(
        line.startswith(plurals) and "k0rdent.mirantis.com/v1beta1" in line
        for line in cluster.must("api-resources").out.splitlines()))
    answer = cluster.kubectl(*upgrade_command("kcm-9"))
    assert answer.code == 1 and "no such Release" in answer.err, answer
    answer = cluster.kubectl(*upgrade_command())
    assert answer.code == 1 and TAKEN in answer.err, answer
    assert taken_backups(cluster) == [TAKEN]
