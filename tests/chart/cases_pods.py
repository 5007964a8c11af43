"""Who answers, where, and for how long."""
import yaml

from chart import Rendering
from helm import CHART, Refused
from matrix import GOOD

VERSION = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]


def case_defaults():
    """two replicas, spread, never fewer while rolling, with a disruption budget and the restricted profile"""
    r = Rendering()
    deployment = r.one("Deployment")["spec"]
    assert deployment["replicas"] == 2
    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert r.one("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    assert r.pod["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"] == deployment["selector"]["matchLabels"]
    assert r.pod["securityContext"]["runAsNonRoot"] and r.pod["securityContext"]["runAsUser"] >= 10000
    assert r.container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                              "capabilities": {"drop": ["ALL"]}}
    assert r.pod["priorityClassName"] == "system-cluster-critical"
    for kind in ("Namespace", "ServiceMonitor", "PrometheusRule", "Certificate"):
        r.none(kind)


def case_one_replica():
    """with one replica no disruption budget blocks the draining of its node"""
    for replicas, wanted in ((0, 0), (1, 0), (2, 1), (5, 1)):
        assert len(Rendering({"replicas": replicas, "allowNoReplicas": True}).all("PodDisruptionBudget")) == wanted, replicas


def case_ports():
    """the port is the container's alone: the Service stays at 443, and so do the webhooks"""
    r = Rendering({"port": 10250, "healthPort": 10251})
    assert "--listen=:10250" in r.container["args"] and "--health-listen=:10251" in r.container["args"]
    assert [p["containerPort"] for p in r.container["ports"]] == [10250, 10251]
    assert r.one("Service")["spec"]["ports"] == [{"name": "https", "port": 443, "targetPort": "https"}]
    assert {w["clientConfig"]["service"]["port"] for _, w in r.webhooks()} == {443}


def case_status_page():
    """the status page is off unless asked for, names people only where that is asked for too, and opens no port"""
    flags = [[a for a in Rendering({"statusPage": page}).container["args"] if a.startswith("--status-page")]
             for page in ({}, {"enabled": True}, {"enabled": True, "users": True})]
    assert flags == [[], ["--status-page"], ["--status-page", "--status-page-users"]], flags
    without, shown = Rendering(), Rendering({"statusPage": {"enabled": True, "users": True}})
    for kind in ("Service", "NetworkPolicy"):
        assert without.all(kind) == shown.all(kind), kind
    assert without.container["ports"] == shown.container["ports"]


def case_network_policy():
    """two ports are let in, from everywhere; the plain one only from those that are named, where some are"""
    peers = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    https, health = {"port": "https"}, {"port": "health"}
    spec = Rendering().one("NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress"] and spec["ingress"] == [{"ports": [https, health]}], spec
    spec = Rendering({"networkPolicy": {"healthFrom": peers}}).one("NetworkPolicy")["spec"]
    assert spec["ingress"] == [{"ports": [https]}, {"from": peers, "ports": [health]}], spec


def case_host_network():
    """on the nodes' own network pods keep cluster DNS, and make room before they are replaced"""
    r = Rendering({"hostNetwork": True, "namespace": {"create": True}})
    assert r.pod["hostNetwork"] and r.pod["dnsPolicy"] == "ClusterFirstWithHostNet"
    assert r.one("Deployment")["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 1, "maxSurge": 0}
    assert r.one("Namespace", "backstop-system")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"


def case_settings():
    """settings are a ConfigMap that is reloaded: a change of them restarts no pod"""
    before, after = Rendering(), Rendering({"settings": {"upgrade": {"maxBackupAge": "2h"}}})
    assert before.one("Deployment") == after.one("Deployment")
    text = yaml.safe_load(after.one("ConfigMap", "backstop-settings")["data"]["settings.yaml"])
    assert text == {"apiVersion": "backstop.k0rdent.mirantis.com/v1alpha1", "kind": "Settings",
                    "upgrade": {"maxBackupAge": "2h"}}
    mount = after.container["volumeMounts"][0]
    assert f"--settings={mount['mountPath']}/settings.yaml" in after.container["args"] and "subPath" not in mount


def case_service_reaches_the_webhook_alone():
    """neither the Service nor the disruption budget takes the Jobs' pods for replicas"""
    r = Rendering({"serviceMonitor": {"enabled": True}})
    selectors = [r.one("Service")["spec"]["selector"], r.one("Service", "backstop-metrics")["spec"]["selector"],
                 r.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
                 r.one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"]]
    labels = r.one("Deployment")["spec"]["template"]["metadata"]["labels"]
    jobs = [job["spec"]["template"]["metadata"]["labels"] for job in r.all("Job")]
    assert len(jobs) == 1
    for selector in selectors:
        assert selector.items() <= labels.items()
        assert not any(selector.items() <= job.items() for job in jobs)


def case_scheduling():
    """where pods may run is passed on, to the Jobs as well; labels and annotations reach the pods"""
    tolerations = [{"key": "a", "operator": "Exists"}]
    r = Rendering({"nodeSelector": {"disk": "ssd"}, "tolerations": tolerations, "affinity": {"nodeAffinity": {}},
                   "podLabels": {"x": "y"}, "podAnnotations": {"n": "1"}, "commonLabels": {"team": "a"},
                   "imagePullSecrets": [{"name": "registry"}], "priorityClassName": ""})
    for pod in (r.pod, *[job["spec"]["template"]["spec"] for job in r.all("Job")]):
        assert pod["nodeSelector"] == {"disk": "ssd"} and pod["tolerations"] == tolerations
        assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert r.pod["affinity"] == {"nodeAffinity": {}} and "priorityClassName" not in r.pod
    metadata = r.one("Deployment")["spec"]["template"]["metadata"]
    assert metadata["labels"]["x"] == "y" and metadata["labels"]["team"] == "a" and metadata["annotations"] == {"n": "1"}
    assert all(o["metadata"]["labels"]["team"] == "a" for o in r.objects)


def case_image():
    """the image is the chart's version, a tag, or a digest"""
    images = [Rendering({"image": image}).container["image"] for image in (
        {"repository": "b"}, {"repository": "r.example.com/b", "tag": "1.2.3"}, {"registry": "r.example.com/p/"},
        {"registry": "r.example.com", "repository": "b", "tag": "1.2.3", "digest": "sha256:" + "a" * 64})]
    assert images == [f"b:{VERSION}", "r.example.com/b:1.2.3", f"r.example.com/p/backstop:{VERSION}",
                      "r.example.com/b@sha256:" + "a" * 64], images
    shared = {"global": {"imageRegistry": "all.example.com"}}
    assert Rendering(shared).container["image"] == f"all.example.com/backstop:{VERSION}"
    own = Rendering({**shared, "image": {"registry": "own.example.com"}})
    assert {o["spec"]["template"]["spec"]["containers"][0]["image"] for o in own.all("Deployment") + own.all("Job")} == \
        {f"own.example.com/backstop:{VERSION}"}


def case_no_image():
    """without an image that is named nothing is rendered, and the message says what to do"""
    for image in ({"repository": ""}, {"tag": "0.1.0"}, {"digest": "sha256:" + "a" * 64}):
        try:
            Rendering({"image": image})
        except Refused as refused:
            assert "no image is named" in str(refused) and "--set image.repository=" in str(refused), refused
        else:
            raise AssertionError(f"{image} is taken")


def case_mistakes_with_words():
    """what a schema cannot say is refused with what to write instead"""
    for values, words in (({"image": {"repository": "example.com/backstop:1.2"}}, "image.tag"),
                          ({"image": {"repository": "example.com/backstop@sha256:aa"}}, "image.digest"),
                          ({"image": {"repository": "https://example.com/backstop"}}, "scheme"),
                          ({"port": 8080}, "port and healthPort are both 8080")):
        try:
            Rendering(values)
        except Refused as refused:
            assert words in str(refused), refused
        else:
            raise AssertionError(f"{values} is taken")


def case_no_replica():
    """no replica at all needs a word of its own"""
    try:
        Rendering({"replicas": 0})
    except Refused as refused:
        assert "allowNoReplicas" in str(refused), refused
    else:
        raise AssertionError("taken")


def case_on_every_object():
    """labels and annotations that all objects are to have, the instance, the name: on each, pods too"""
    for values in GOOD.values():
        r = Rendering({**values, "commonAnnotations": {"x": "a"}, "commonLabels": {"team": "b"}, "nameOverride": "guard"})
        pods = [o["spec"]["template"] for o in r.all("Deployment") + r.all("Job")]
        for o in r.objects + pods:
            labels = o["metadata"]["labels"]
            assert o["metadata"]["annotations"]["x"] == "a" and labels["team"] == "b", o
            assert labels["app.kubernetes.io/instance"] == "backstop", o
        wanted = values.get("fullnameOverride", "guard")
        assert r.one("Deployment", wanted)["spec"]["selector"]["matchLabels"] == {"app.kubernetes.io/name": wanted}
    assert "annotations" not in Rendering().one("Service")["metadata"]


def case_environment():
    """environment variables reach pods and Jobs; how many old ReplicaSets are kept is a value"""
    r = Rendering({"extraEnv": [{"name": "A", "value": "b"}], "revisionHistoryLimit": 1})
    for o in r.all("Deployment") + r.all("Job"):
        assert o["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "A", "value": "b"}], o
    assert r.one("Deployment")["spec"]["revisionHistoryLimit"] == 1
