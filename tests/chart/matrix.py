"""What the chart is rendered with: every feature on and off, and values that must be refused."""


def nested(path, value):
    """{"a.b": 1} as {"a": {"b": 1}}."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


EVERYTHING = {
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
    "dashboard": {"enabled": True, "annotations": {"folder": "k0rdent"}},
    "commonLabels": {"team": "platform"}, "podLabels": {"zone": "a"}, "podAnnotations": {"note": "x"},
    "imagePullSecrets": [{"name": "registry"}], "nodeSelector": {"node-role.kubernetes.io/control-plane": ""},
    "tolerations": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "backstop"}}}]}},
    "networkPolicy": {"healthFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]},
    "statusPage": {"enabled": True, "users": True},
    "commonAnnotations": {"owner": "platform"}, "revisionHistoryLimit": 1,
    "extraEnv": [{"name": "NO_COLOR", "value": "1"}, {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
    "extraArgs": ["--max-concurrent=512"], "serviceAccount": {"annotations": {"owner": "platform"}},
    "settings": {"upgrade": {"maxBackupAge": "2h"}, "velero": {"serviceAccounts": ["velero", "other:velero-server"]}},
}
SECRET = {"mode": "secret", "secretName": "webhook-tls", "caBundle": "LS0tLS1CRUdJTg=="}

# Each must render, and the API server must take it.
GOOD = {
    "the defaults": {},
    "one replica": {"replicas": 1},
    "no replica": {"replicas": 0, "allowNoReplicas": True},
    "everything": EVERYTHING,
    "everything but the jobs": {**EVERYTHING, "probeJob": {"enabled": False}},
    "what 0.1 had and 0.2 ignores": {"uninstallJob": {"enabled": False, "activeDeadlineSeconds": 60}},
    "nothing that can be left out": {
        "podDisruptionBudget": {"enabled": False}, "networkPolicy": {"enabled": False}, "probeJob": {"enabled": False},
        "revisionHistoryLimit": 0, "rbac": {"listSecrets": False}, "priorityClassName": "", "resources": {}},
    "a private cluster": {"port": 10250},
    "the nodes' own network": {"hostNetwork": True, "port": 19443, "healthPort": 18080, "namespace": {"create": True}},
    "cert-manager": {"certificates": {"mode": "cert-manager"}},
    "cert-manager with an issuer": {"certificates": {"mode": "cert-manager", "certManager": {
        "issuerRef": {"kind": "ClusterIssuer", "name": "internal"}}}},
    "a certificate Job": {"certificates": {"mode": "job"}},
    "a certificate Job of another name": {"fullnameOverride": "guard", "certificates": {
        "mode": "job", "secretName": "own", "job": {"schedule": "0 */6 * * *", "lifetime": "720h"}}},
    "an existing Secret": {"certificates": SECRET},
    "an existing ServiceAccount": {"serviceAccount": {"create": False, "name": "guard"}},
    "another name": {"fullnameOverride": "guard"},
    "another system namespace": {"settings": {"systemNamespace": "k0rdent"}},
    "an image by digest": {"image": {"repository": "registry.example.com/backstop", "digest": "sha256:" + "0" * 64}},
    "a registry": {"image": {"registry": "registry.example.com/platform"}},
    "a parent chart's registry": {"global": {"imageRegistry": "registry.example.com", "storageClass": "x"}},
    "a name as other charts have it": {"nameOverride": "guard"},
    "policies that deny": {"policies": {"cel": "deny"}},
    "a policy that mutates": {"policies": {"mutate": True}},
    "a policy that mutates, by other settings": {"fullnameOverride": "guard", "policies": {"mutate": True}, "settings": {
        "systemNamespace": "k0rdent", "restores": {"forceExistingResourcePolicy": True, "providerCaveats": [
            {"provider": "infrastructure-aws", "excludedResources": ["vpcs.example.com"]}]}}},
    "reports": {"reports": {"enabled": True, "schedule": "0 6 * * *"}, "rbac": {"listSecrets": False}},
    "no policies": {"policies": {"cel": "off"}},
    "no policies, as YAML reads off": {"policies": {"cel": False}},
    "a registry with a port": {"image": {"repository": "registry.example.com:5000/backstop"}},
    "fail closed at once": {"webhooks": {"enforce": "atOnce"}},
    "evidence of other engines": {"settings": {"upgrade": {"evidence": {
        "allOf": [{"preset": "kasten"}, {"preset": "etcd-job", "selector": "app=etcd", "namespace": "etcd"}],
        "anyOf": [{"preset": "trilio"}, {"preset": "k3s-etcd"}, {"preset": "cohesity", "namespace": "cohesity"},
                  {"name": "own", "apiVersion": "example.com/v1", "kind": "Policy", "donePath": "status.ok",
                   "doneValues": ["true"], "failedValues": ["false"], "namespace": "etcd"}]}}}},
    "fail open": {"webhooks": {"managements": {"failurePolicy": "Ignore", "timeoutSeconds": 5}}},
    "selectors": {"webhooks": {"namespaceSelector": {"matchLabels": {"backstop": "on"}}, "objectSelector": {
        "matchExpressions": [{"key": "unchecked", "operator": "DoesNotExist"}]},
        "managementBackups": {"objectSelector": {"matchLabels": {"only": "these"}}}}},
    "spread over zones": {"topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}]},
    "a subchart's globals": {"global": {"anything": 1}},
}

# (value, what helm must name)
BAD = [(nested(path, value), path.split(".")[-1]) for path, value in (
    ("replica", 2), ("replicas", -1), ("replicas", "two"), ("image.tags", "x"), ("image.registry", "a b"), ("global.imageRegistry", 1),
    ("revisionHistoryLimit", -1), ("extraEnv", [{"value": "x"}]), ("webhooks.enforce", "later"), ("policies.cel", "on"), ("policies.mutate", "true"), ("policies.mutates", True), ("commonAnnotations", {"a": 1}),
    ("image.digest", "sha256:abc"), ("port", 0), ("port", 70000), ("healthPort", "http"), ("hostNetwork", "yes"),
    ("certificates.mode", "self-signed"), ("certificates.job.schedule", "daily"), ("certificates.job.lifetime", "90d"),
    ("webhooks.managements.failurePolicy", "fail"),
    ("webhooks.managements.timeoutSeconds", 31), ("webhooks.restoreMutations", {}),
    ("settings.upgrade.maxBackupAge", "1d"), ("settings.upgrade.gates", True), ("settings.storage.notDurable", "warning"),
    ("logLevel", "verbose"), ("extraArgs", ["serve"]), ("resources.limit", {}), ("livenessProbe.path", "/"),
    ("serviceMonitor.interval", "30"), ("prometheusRule.backupMaxAgeHours", 0), ("fullnameOverride", "Back_stop"),
    ("podDisruptionBudget.maxUnavailable", 0), ("terminationGracePeriodSeconds", 5),
    ("dashboard.labels", {"a": 1}), ("reports.enabled", "yes"), ("reports.schedule", "hourly"), ("reports.image", "x"), ("networkPolicy.enabled", "true"), ("networkPolicy.healthFrom", [{}]),
    ("networkPolicy.healthFrom", [{"namespace": "monitoring"}]), ("statusPage.enabled", "true"), ("statusPage.names", True),
)] + [
    ({"certificates": {"mode": "secret"}}, "caBundle"),
    ({"certificates": {"mode": "secret", "secretName": "x", "caBundle": "-----BEGIN CERTIFICATE-----"}}, "caBundle"),
    ({"certificates": {"caBundle": "LS0tLS1CRUdJTg=="}}, "caBundle"),
    ({"hostNetwork": True, "port": 10250}, "port"),
    ({"serviceAccount": {"create": False}}, "name"),
    ({"statusPage": {"users": True}}, "enabled"),
    ({"commonLabels": {"k0rdent.mirantis.com/component": "kcm"}}, "commonLabels"),
    ({"commonLabels": {"velero.io/exclude-from-backup": "false"}}, "commonLabels"),
    ({"podLabels": {"app.kubernetes.io/name": "other"}}, "podLabels"),
]
