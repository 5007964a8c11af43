"""Random Backups, Restores, Schedules and BackupStorageLocations over all their fields, for the differential generator.

An object begins sound: a few fields with values that Velero takes, the odd ones among them. Half of the objects
then get one mistake or two from their kind's list. The same seed and number make the same object."""
import base64
import json
import random

from velero import NAMESPACE, velero

CHANCE = {0: 50, 1: 38, 2: 12}  # percent of objects with so many mistakes
CERTIFICATE = "-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n"
WEDGES = ["30d", "1 h", "abc", "5", "", "1h30", "P1D", "1w", "-", "1e3s", "١h"]


def config_map(name, text=None, data=None):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE},
            "data": data if data is not None else {"policies": text}}


class Case:
    """One object, the ConfigMaps it names, and whether it may wedge Velero's informers."""

    def __init__(self, seed, number, version):
        self.number, self.version = number, version
        self.random = random.Random(f"{seed}/{number}")
        self.name, self.extra, self.wedge, self.mistakes = f"case-{number:04}", [], False, []

    # ---- choices -----------------------------------------------------------
    def pick(self, *from_):
        return self.random.choice(from_)

    def some(self, from_, low=1, high=2):
        return self.random.sample(from_, self.random.randint(low, min(high, len(from_))))

    def chance(self, percent):
        return self.random.randrange(100) < percent

    def maybe(self, spec, percent, field, *values):
        """Sets the field to one of the values, or not; a value that is callable is called."""
        if self.chance(percent):
            value = self.pick(*values)
            spec[field] = value() if callable(value) else value

    def spoil(self, spec, mistakes):
        count = self.random.choices(list(CHANCE), CHANCE.values())[0]
        for mistake in self.random.sample(mistakes, count):
            self.mistakes.append(mistake.__name__)
            mistake(self, spec)

    def add_map(self, kind, text=None, data=None):
        name = f"{self.name}-{kind}-{len(self.extra)}"
        self.extra.append(config_map(name, text, data))
        return name


# ---- what several kinds share -------------------------------------------------
NAMESPACES = ["demo", "shop", "team-a", "team-b"]
SOUND_NAMESPACES = [["*"], ["demo"], ["demo", "shop"], ["team-*"], ["nope"], ["t?am-a"], ["team-[ab]"], ["demo", "team-*"],
                    ["demo", "demo"], ["*-a"], ["kube-*"], ["[a-d]emo"], ["team-[!b]"]]
SOUND_RESOURCES = [["configmaps"], ["*"], ["cm", "secrets"], ["deployments.apps"], ["ConfigMap"], ["configmap"],
                   ["nosuch.example.com"], ["deployment", "cm"], ["configmaps", "configmaps"], ["secrets", "nosuch"],
                   ["deploy"], ["managements.k0rdent.mirantis.com"], ["namespaces", "configmaps"]]
SOUND_DURATIONS = ["1h", "720h0m0s", "90m", "1.5h", "1h30m", "0s", "0", "300ms", "1h0.5m", "2562047h", "+1h", ".5h"]


def selector(case):
    return case.pick(
        {"matchLabels": {"app": "demo"}}, {"matchLabels": {"app": "demo", "tier": "web"}}, {"matchLabels": {"app": ""}},
        {"matchExpressions": [{"key": "app", "operator": "In", "values": ["demo", "shop"]}]},
        {"matchExpressions": [{"key": "app", "operator": "Exists"}]},
        {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]},
        {"matchLabels": {"kots.io/app-slug": "demo"}},
        {"matchLabels": {"app": "demo"}, "matchExpressions": [{"key": "x/y", "operator": "NotIn", "values": ["z"]}]},
        {"matchExpressions": [{"key": "app", "operator": "In", "values": [""]}]})


def bad_selector(case):
    return case.pick(
        {"matchExpressions": [{"key": "app", "operator": "in", "values": ["demo"]}]},
        {"matchExpressions": [{"key": "app", "operator": "Equals", "values": ["demo"]}]},
        {"matchExpressions": [{"key": "app", "operator": "In"}]},
        {"matchExpressions": [{"key": "app", "operator": "In", "values": []}]},
        {"matchExpressions": [{"key": "app", "operator": "Exists", "values": ["demo"]}]},
        {"matchLabels": {"app": "no spaces"}}, {"matchLabels": {"app": "-x"}}, {"matchLabels": {"no spaces": "x"}},
        {"matchLabels": {"a/b/c": "x"}}, {"matchLabels": {"app": "x" * 64}},
        {"matchLabels": {"-a": "x"}}, {"matchLabels": {"X.example.com/a": "x"}},
        {"matchExpressions": [{"key": "", "operator": "Exists"}]},
        {"matchExpressions": [{"key": "app", "operator": "In", "values": ["a b"]}]},
        {"matchExpressions": [{"key": "app", "operator": "NotIn"}]})


def empty_selector(case):
    return case.pick({}, {"matchLabels": {}}, {"matchExpressions": []}, {"matchLabels": {}, "matchExpressions": []})


def both_selectors(case, spec):
    spec["labelSelector"], spec["orLabelSelectors"] = selector(case), [selector(case)]


def unparsable_selector(case, spec):
    if case.chance(60):
        spec["labelSelector"] = bad_selector(case)
        spec.pop("orLabelSelectors", None)
    else:
        spec["orLabelSelectors"] = [selector(case), bad_selector(case)]
        spec.pop("labelSelector", None)


def empty_selectors(case, spec):
    if case.chance(50):
        spec["labelSelector"] = empty_selector(case)
        spec.pop("orLabelSelectors", None)
    else:
        spec["orLabelSelectors"] = case.pick([empty_selector(case)], [selector(case), empty_selector(case)])
        spec.pop("labelSelector", None)


def selectors(case, spec):
    if case.chance(30):
        if case.chance(50):
            spec["labelSelector"] = selector(case)
        else:
            spec["orLabelSelectors"] = case.pick([selector(case)], [selector(case), selector(case)], [])


def wrong_namespaces(case, spec):
    spec["includedNamespaces"], spec["excludedNamespaces"] = case.pick(
        (["*", "demo"], []), (["demo"], ["demo"]), (["Bad_NS"], []), (["-x"], []), (["demo", "*"], ["shop"]),
        (["a**b"], []), (["{demo,shop}"], []), (["demo "], []), ([""], []), (["*"], ["*"]), ([], ["*"]),
        (["x" * 70], []), (["team-["], []), (["team-*"], ["team-*"]), (["demo", "shop"], ["shop", "team-a"]),
        (["demo"], ["Bad!"]), (["team-[]"], []), (["**"], []), (["de/mo"], []), (["."], []), (["!demo"], []),
        (["team-*", "*"], []), (["***"], []), (["(demo|shop)"], []), (["team-[a"], ["x"]), (["a,b"], []), (["demo."], []))


def wrong_resources(case, spec):
    spec["includedResources"], spec["excludedResources"] = case.pick(
        (["*", "pods"], []), (["pods"], ["pods"]), ([], ["*"]), (["pods", "*"], ["secrets"]), (["*"], ["*"]),
        (["cm", "secrets"], ["secrets"]))


def wrong_duration(*fields):
    def malformed_duration(case, spec):
        spec[case.pick(*fields)] = case.pick(*WEDGES)
        case.wedge = True
    return malformed_duration


# ---- resource policies --------------------------------------------------------
SOUND_POLICIES = [
    "version: v1\nvolumePolicies:\n- conditions:\n    capacity: 0,100Gi\n  action:\n    type: skip\n",
    "version: v1\nvolumePolicies:\n- conditions:\n    storageClass: [gp2]\n  action: {type: snapshot}\n",
    "version: v1\nvolumePolicies:\n- conditions: {nfs: {server: a, path: /b}}\n  action: {type: fs-backup}\n",
    "version: v1\nvolumePolicies:\n- conditions: {csi: {driver: d, volumeAttributes: {a: b}}}\n  action: {type: skip}\n",
    "version: v1\nvolumePolicies:\n- conditions: {volumeTypes: [emptyDir, downwardAPI]}\n  action: {type: skip}\n",
    "version: v1\nvolumePolicies:\n- conditions: {pvcLabels: {a: b}}\n  action: {type: skip}\n",
    "version: v1\nvolumePolicies:\n- conditions: {pvcPhase: [Pending, Lost]}\n  action: {type: skip}\n",
    "version: v1\nvolumePolicies: []\n", "version: v1\n",
    "version: v1\nvolumePolicies:\n- conditions: {capacity: '10Gi,'}\n  action: {type: skip}\n",
    "version: v1\nvolumePolicies:\n- conditions: {}\n  action: {type: skip}\n",
    "version: v1\nvolumePolicies:\n- conditions: {nfs: {}}\n  action: {type: skip, parameters: {a: b}}\n",
    "version: v1\nvolumePolicies:\n- conditions: {storageClass: [gp2]}\n  action: {type: custom}\n",
]
NEW_FILTERS = [
    "version: v1\nincludeExcludePolicy:\n  includedNamespaceScopedResources: [configmaps]\n",
    "version: v1\nincludeExcludePolicy:\n  includedClusterScopedResources: [persistentvolumes]\n"
    "  excludedNamespaceScopedResources: [secrets]\n",
]
POLICIES_1_18_3 = [
    "version: v1\nvolumePolicies:\n- conditions: {pvcVolumeMode: Block}\n  action: {type: skip}\n",
    "version: v1\nvolumePolicies:\n- conditions: {pvcAccessModes: [ReadWriteOnce]}\n  action: {type: skip}\n",
    "version: v1\nnamespacedFilterPolicies:\n- namespaces: [demo]\n  resourceFilters:\n  - kinds: [configmaps]\n",
    "version: v1\nnamespacedFilterPolicies:\n- namespaces: ['team-*']\n  resourceFilters:\n"
    "  - kinds: [configmaps]\n    labelSelector: {app: demo}\n",
    "version: v1\nclusterScopedFilterPolicy:\n  resourceFilters:\n  - kinds: [persistentvolumes]\n    names: [a, b]\n",
]
BAD_POLICIES = [
    "version: v2\n", "volumePolicies: []\n", "", "version: v1\nvolumePolicy: []\n", "{", "- a\n",
    "version: v1\nvolumePolicies:\n- conditions: {}\n  action: {type: drop}\n",
    "version: v1\nvolumePolicies:\n- conditions: {capacity: '100Gi,10Gi'}\n  action: {type: skip}\n",
    "version: v1\nvolumePolicies:\n- conditions: {capacity: 10Gi}\n  action: {type: skip}\n",
    "version: v1\nvolumePolicies:\n- conditions: {capacity: 'a,b'}\n  action: {type: skip}\n",
    "version: v1\nvolumePolicies:\n- conditions: {csi: {volumeAttributes: {a: b}}}\n  action: {type: skip}\n",
    "version: v1\nvolumePolicies:\n- conditions: {storageClass: gp2}\n  action: {type: skip}\n",
    "version: v1\nvolumePolicies:\n- conditions: {volumeTypes: [floppy]}\n  action: {type: skip}\n",
    "version: v1\nvolumePolicies:\n- conditions: {colour: red}\n  action: {type: skip}\n",
    "version: v1\nvolumePolicies:\n- conditions: {}\n  action: {type: Skip}\n",
    "version: v1\nvolumePolicies:\n- conditions: {}\n",
    "version: v1\nversion: v1\n", "version: v1\nvolumePolicies: {}\n", "\tversion: v1\n",
    "version: v1\nvolumePolicies:\n- conditions: {pvcPhase: Lost}\n  action: {type: skip}\n",
    "version: v1\nvolumePolicies:\n- action: {type: skip}\n", "version: 1\n",
]
BAD_FILTERS = [
    "version: v1\nincludeExcludePolicy:\n  includedNamespaceScopedResources: [configmaps]\n"
    "  excludedNamespaceScopedResources: [configmaps]\n",
    "version: v1\nincludeExcludePolicy:\n  includedClusterScopedResources: ['*', persistentvolumes]\n",
    "version: v1\nincludeExcludePolicy:\n  excludedNamespaceScopedResources: ['*', secrets]\n",
    "version: v1\nincludeExcludePolicy:\n  includedResources: [secrets]\n",
]
BAD_1_18_3 = [
    "version: v1\nvolumePolicies:\n- conditions: {pvcVolumeMode: block}\n  action: {type: skip}\n",
    "version: v1\nvolumePolicies:\n- conditions: {pvcAccessModes: [RWO]}\n  action: {type: skip}\n",
    "version: v1\nnamespacedFilterPolicies:\n- resourceFilters:\n  - kinds: [configmaps]\n",
    "version: v1\nnamespacedFilterPolicies:\n- namespaces: [demo]\n  resourceFilters: []\n",
    "version: v1\nnamespacedFilterPolicies:\n- namespaces: [demo, demo]\n  resourceFilters:\n  - kinds: [configmaps]\n",
    "version: v1\nnamespacedFilterPolicies:\n- namespaces: [demo]\n  resourceFilters:\n  - kinds: [configmaps]\n"
    "    labelSelector: {app: demo}\n    orLabelSelectors: [{app: x}]\n",
    "version: v1\nclusterScopedFilterPolicy:\n  resourceFilters:\n  - kinds: [persistentvolumes]\n    names: ['[']\n",
    "version: v1\nnamespacedFilterPolicies:\n- namespaces: ['**']\n  resourceFilters:\n  - kinds: [configmaps]\n",
]


def newest(case):
    return case.version >= "1.18.3"


def policy(case, spec):
    texts = SOUND_POLICIES + (NEW_FILTERS + (POLICIES_1_18_3 if newest(case) else []) if not old_filters(spec) else [])
    kind = case.pick("configmap", "ConfigMap", "configMap")
    if case.chance(8):
        kind = case.pick("Secret", "", "configmaps")  # silently ignored
    spec["resourcePolicy"] = {"kind": kind, "name": case.add_map("policy", case.pick(*texts))}
    case.maybe(spec["resourcePolicy"], 20, "apiGroup", "", "v1", "velero.io")  # nothing reads it


def old_filters(spec):
    return bool(spec.get("includedResources") or spec.get("excludedResources") or "includeClusterResources" in spec)


def bad_policy(case, spec):
    texts = BAD_POLICIES + BAD_FILTERS + (BAD_1_18_3 if newest(case) else POLICIES_1_18_3)
    how = case.random.randrange(10)
    name = f"{case.name}-absent" if how == 0 else case.add_map("policy", data=case.pick(
        {}, {"a": SOUND_POLICIES[0], "b": SOUND_POLICIES[0]})) if how == 1 else case.add_map("policy", case.pick(*texts))
    spec["resourcePolicy"] = {"kind": "configmap", "name": name}


def filters_in_policy_and_spec(case, spec):
    spec.update({"includedResources": ["configmaps"]})
    for field in ("includedNamespaceScopedResources", "includedClusterScopedResources",
                  "excludedNamespaceScopedResources", "excludedClusterScopedResources"):
        spec.pop(field, None)
    spec["resourcePolicy"] = {"kind": "configmap", "name": case.add_map("policy", case.pick(*NEW_FILTERS))}


# ---- Backups ------------------------------------------------------------------
def backup_spec(case):
    spec = {"snapshotVolumes": case.pick(True, False), "storageLocation": case.pick("aws-s3", "archive")}
    if case.chance(10):
        del spec["storageLocation"]
    case.maybe(spec, 50, "ttl", *SOUND_DURATIONS)
    case.maybe(spec, 60, "includedNamespaces", *SOUND_NAMESPACES)
    if spec.get("includedNamespaces", ["*"]) in (["*"], ["demo"]):
        case.maybe(spec, 20, "excludedNamespaces", ["shop"], ["team-*"], ["nope"], ["kube-system", "shop"])
    how = case.random.randrange(4)
    if how == 0:
        case.maybe(spec, 80, "includedResources", *SOUND_RESOURCES)
        case.maybe(spec, 30, "excludedResources", ["pods"], ["replicasets.apps", "nodes"], ["nosuch.example.com"])
        case.maybe(spec, 40, "includeClusterResources", True, False)
    elif how == 1:
        case.maybe(spec, 50, "includedNamespaceScopedResources", ["configmaps"], ["*"], ["secrets", "cm"], ["namespaces"])
        case.maybe(spec, 30, "excludedNamespaceScopedResources", ["pods"], ["replicasets.apps"])
        case.maybe(spec, 40, "includedClusterScopedResources", ["*"], ["persistentvolumes"], ["pv"], ["configmaps"])
        case.maybe(spec, 20, "excludedClusterScopedResources", ["nodes"], ["storageclasses.storage.k8s.io"])
    selectors(case, spec)
    case.maybe(spec, 20, "hooks", lambda: hooks(case))
    case.maybe(spec, 10, "orderedResources", {"pods": "demo/a,demo/b"}, {"configmaps": "demo/a"}, {"nosuch": "x"}, {"": ""})
    case.maybe(spec, 10, "csiSnapshotTimeout", *SOUND_DURATIONS)
    case.maybe(spec, 10, "itemOperationTimeout", *SOUND_DURATIONS)
    case.maybe(spec, 10, "snapshotMoveData", False, True)
    case.maybe(spec, 10, "datamover", "velero", "", "other")
    case.maybe(spec, 10, "uploaderConfig", {"parallelFilesUpload": 4}, {}, {"parallelFilesUpload": -1})
    case.maybe(spec, 10, "volumeSnapshotLocations", ["ebs-west"], ["ebs-east"], [], ["ebs-west", "ebs-west"], ["ebs-west", "pd"])
    case.maybe(spec, 10, "metadata", {"labels": {"team": "ops"}}, {})
    case.maybe(spec, 5, "volumeGroupSnapshotLabelKey", "example.com/group", "")
    case.maybe(spec, 10, "defaultVolumesToFsBackup", True, False)
    case.maybe(spec, 5, "defaultVolumesToRestic", True, False)
    if case.chance(15):
        policy(case, spec)
    return spec


def hook_scope(case, resource):
    """Which objects a hook is for. Velero checks only the selector."""
    case.maybe(resource, 40, "includedNamespaces", ["demo"], ["*"], ["demo", "*"])
    case.maybe(resource, 40, "excludedNamespaces", ["shop"], ["demo"], ["*"])
    case.maybe(resource, 40, "includedResources", ["pods"], ["nosuch"], ["Pod", "*"])
    case.maybe(resource, 40, "excludedResources", ["pods"], ["jobs.batch", "pods"])
    case.maybe(resource, 60, "labelSelector", lambda: selector(case), lambda: selector(case), {})
    return resource


def hook(case):
    run = {"command": ["/bin/true"]}
    case.maybe(run, 50, "container", "app", "")
    case.maybe(run, 50, "onError", "Continue", "Fail")
    case.maybe(run, 50, "timeout", *SOUND_DURATIONS)
    return {"exec": run}


def hooks(case):
    resources = []
    for _ in range(case.random.randrange(4)):
        resource = hook_scope(case, {"name": case.pick("freeze", "")})
        case.maybe(resource, 80, "pre", lambda: [hook(case)], [])
        case.maybe(resource, 60, "post", lambda: [hook(case), hook(case)])
        resources.append(resource)
    return case.pick({}, *[{"resources": resources}] * 5)


def wrong_location(case, spec):
    spec["storageLocation"] = case.pick("aws-s4", "read-only", "broken", "AWS-S3", "new")


def mixed_filters(case, spec):
    spec.update(case.pick({"includedResources": ["cm"], "includedNamespaceScopedResources": ["cm"]},
                          {"includeClusterResources": True, "includedClusterScopedResources": ["pv"]},
                          {"excludedResources": ["cm"], "excludedNamespaceScopedResources": ["pods"]},
                          {"includeClusterResources": False, "excludedClusterScopedResources": ["nodes"]}))


def wrong_scoped(case, spec):
    for field in ("includedResources", "excludedResources", "includeClusterResources"):
        spec.pop(field, None)
    spec.update(case.pick({"includedNamespaceScopedResources": ["*", "pods"]},
                          {"includedNamespaceScopedResources": ["pods"], "excludedNamespaceScopedResources": ["pods"]},
                          {"includedClusterScopedResources": ["pv", "*"]},
                          {"excludedClusterScopedResources": ["*", "nodes"]},
                          {"includedClusterScopedResources": ["pv"], "excludedClusterScopedResources": ["*"]},
                          {"includedNamespaceScopedResources": ["pods"], "excludedNamespaceScopedResources": ["*"]}))


def wrong_snapshot_locations(case, spec):
    spec["snapshotVolumes"] = True
    spec["volumeSnapshotLocations"] = case.pick(["nowhere"], ["ebs-west", "ebs-east"], ["ebs-west", "nowhere"], [""])


def wrong_hooks(case, spec):
    resource = {"name": "freeze", "pre": [{"exec": {"command": ["/bin/true"]}}]}
    if case.chance(70):
        resource["labelSelector"] = bad_selector(case)
    else:
        resource["pre"] = [{"exec": {"command": ["/bin/true"], "timeout": case.pick(*WEDGES)}}]
        case.wedge = True
    spec["hooks"] = {"resources": [resource]}


BACKUP_MISTAKES = [wrong_location, wrong_location, wrong_namespaces, wrong_namespaces, wrong_resources, mixed_filters,
                   wrong_scoped, both_selectors, unparsable_selector, empty_selectors, wrong_snapshot_locations,
                   wrong_hooks, bad_policy, bad_policy, filters_in_policy_and_spec]
WEDGING = wrong_duration("ttl", "csiSnapshotTimeout", "itemOperationTimeout")


def make_backup(case):
    spec = backup_spec(case)
    case.spoil(spec, BACKUP_MISTAKES)
    if case.chance(3):
        WEDGING(case, spec)
    return velero("Backup", case.name, **spec)


# ---- Restores -----------------------------------------------------------------
RULE = "version: v1\nresourceModifierRules:\n- conditions:\n    groupResource: configmaps\n"
SOUND_MODIFIERS = [
    RULE + "    namespaces: [demo]\n  patches:\n  - {operation: add, path: /metadata/labels/x, value: y}\n",
    RULE + "    resourceNameRegex: ^a.*$\n  patches:\n  - operation: replace\n    path: /data/key\n    value: other\n",
    RULE + "    labelSelector: {matchLabels: {app: demo}}\n  mergePatches:\n  - patchData: |\n      {\"metadata\":{\"labels\":{\"a\":\"b\"}}}\n",
    RULE + "  strategicPatches:\n  - patchData: |\n      metadata:\n        annotations: {a: b}\n",
    RULE.replace("configmaps", "deployments.apps") + "  patches:\n  - {operation: replace, path: /spec/replicas, value: '0'}\n",
    RULE.replace("configmaps", '"*"') + "    namespaces: [nope]\n  patches:\n  - {operation: remove, path: /metadata/labels/x}\n",
    RULE + "    matches:\n    - {path: /data/key, value: nothing}\n  patches:\n  - {operation: remove, path: /data/key}\n",
    RULE + "  patches:\n  - {operation: test, path: /kind, value: ConfigMap}\n",
    RULE + "    namespaces: [demo]\n  patches:\n  - {operation: copy, from: /data/key, path: /data/copy}\n",
    "version: v1\nresourceModifierRules: []\n",
    RULE.replace("configmaps", "managements.k0rdent.mirantis.com") + "  patches:\n  - {operation: replace, path: /spec/release, value: kcm-1-2-0}\n",
]
BAD_MODIFIERS = [
    "version: v2\nresourceModifierRules: []\n", "resourceModifierRules: []\n", "", "version: v1\nrules: []\n", "{",
    RULE, RULE.replace("configmaps", ""), RULE + "  patches: []\n",
    RULE + "  patches:\n  - {operation: Add, path: /data/x, value: y}\n",
    RULE + "  patches:\n  - {operation: put, path: /data/x, value: y}\n",
    RULE + "  patches:\n  - {operation: add, path: data/x, value: y}\n",
    RULE + "  patches:\n  - {operation: add, path: '', value: y}\n",
    RULE + "  patches:\n  - {operation: copy, path: /data/x}\n",
    RULE + "  patches:\n  - {operation: add, path: /data/x, value: {a: b}}\n",
    RULE + "  patches:\n  - {operation: add, path: /data/x, value: 5}\n",
    RULE + "  patches:\n  - {operation: add, path: /data/x, value: yes}\n",
    RULE + "    resourceNameRegex: '('\n  patches:\n  - {operation: add, path: /data/x, value: y}\n",
    RULE + "    labelSelector: {matchExpressions: [{key: a, operator: in}]}\n  patches:\n  - {operation: add, path: /data/x, value: y}\n",
    RULE.replace("configmaps", '"["') + "  patches:\n  - {operation: add, path: /data/x, value: y}\n",
    RULE + "  mergePatches:\n  - patchData: 'not: [valid'\n", RULE + "  strategicPatches:\n  - patchData: '{'\n",
    RULE + "  patches:\n  - {operation: add, path: /data/x, value: y}\n  mergePatches:\n  - patchData: '{}'\n",
    RULE + "  patches:\n  - {operation: remove, path: /data/nothing}\n",
    RULE + "  patches:\n  - {operation: test, path: /kind, value: Secret}\n",
    RULE + "  patches:\n  - {op: add, path: /data/x, value: y}\n",
    RULE + "  patches:\n  - {operation: move, from: /data/nothing, path: /data/x}\n",
]


def restore_spec(case):
    spec = {"backupName": case.pick("done", "done", "mgmt", "half")}
    if case.chance(15):
        spec = {"scheduleName": "nightly"}
    case.maybe(spec, 40, "includedNamespaces", *SOUND_NAMESPACES[:5])
    if "includedNamespaces" not in spec:
        case.maybe(spec, 20, "excludedNamespaces", ["shop"], ["nope"], ["team-*"])
    case.maybe(spec, 30, "includedResources", *SOUND_RESOURCES)
    case.maybe(spec, 25, "excludedResources", ["pods"], ["nodes", "events"], ["nosuch.example.com"], ["replicasets.apps"])
    case.maybe(spec, 20, "includeClusterResources", True, False)
    case.maybe(spec, 20, "namespaceMapping", {"demo": f"demo-{case.number}"}, {"nope": "x"}, {"demo": "shop"}, {})
    selectors(case, spec)
    if case.chance(10):
        spec.pop("orLabelSelectors", None)
        spec["labelSelector"] = empty_selector(case)
    case.maybe(spec, 20, "restorePVs", True, False)
    case.maybe(spec, 10, "preserveNodePorts", True, False)
    case.maybe(spec, 30, "existingResourcePolicy", "none", "update", "")
    case.maybe(spec, 15, "restoreStatus", {"includedResources": ["*"]}, {}, {"excludedResources": ["pods"]},
               {"includedResources": ["configmaps"], "excludedResources": ["pods"]})
    case.maybe(spec, 15, "itemOperationTimeout", *SOUND_DURATIONS)
    case.maybe(spec, 10, "uploaderConfig", {"writeSparseFiles": True}, {"parallelFilesDownload": 2}, {})
    case.maybe(spec, 20, "hooks", lambda: restore_hooks(case))
    if case.chance(20):
        spec["resourceModifier"] = {"kind": case.pick("ConfigMap", "configmap"),
                                    "name": case.add_map("modifier", case.pick(*SOUND_MODIFIERS))}
        case.maybe(spec["resourceModifier"], 20, "apiGroup", "", "v1")
    if newest(case) and case.chance(15):
        spec["resourcePolicy"] = {"kind": case.pick("configmap", "ConfigMap"),
                                  "name": case.add_map("policy", case.pick("version: v1\n", *POLICIES_1_18_3[2:]))}
        case.maybe(spec["resourcePolicy"], 20, "apiGroup", "", "v1")
    return spec


def restore_hooks(case):
    resources = []
    for _ in range(case.random.randrange(1, 4)):
        container = {"name": "init", "image": "busybox", "command": ["/bin/true"]}
        run = {"command": ["/bin/true"]}
        case.maybe(run, 40, "container", "app", "", "No Such!")
        case.maybe(run, 50, "onError", "Continue", "Fail")
        case.maybe(run, 40, "execTimeout", *SOUND_DURATIONS)
        case.maybe(run, 40, "waitTimeout", *SOUND_DURATIONS)
        case.maybe(run, 40, "waitForReady", True, False)
        action = case.pick({"exec": run}, {"exec": run}, {"init": {"initContainers": [container]}},
                           {"init": {"initContainers": [container], "timeout": "1m"}}, {"init": {"initContainers": []}})
        resources.append(hook_scope(case, {"name": "ready", "postHooks": [action]}))
    return {"resources": resources}


def wrong_source(case, spec):
    for field in ("backupName", "scheduleName"):
        spec.pop(field, None)
    spec.update(case.pick({}, {"backupName": "done", "scheduleName": "nightly"}, {"backupName": "gone"},
                          {"scheduleName": "never"}, {"backupName": "failed"}, {"backupName": "Done"},
                          {"backupName": "invalid"}, {"backupName": "on-broken"}, {"scheduleName": "idle"},
                          {"backupName": ""}))


def wrong_restore_namespaces(case, spec):
    spec["includedNamespaces"], spec["excludedNamespaces"] = case.pick(
        (["*", "demo"], []), (["demo"], ["demo"]), (["*"], ["*"]), ([], ["*"]), (["demo", "shop"], ["shop"]),
        (["Bad_NS"], []), ([""], []))


def wrong_policy_value(case, spec):
    spec["existingResourcePolicy"] = case.pick("Update", "replace", "None", "update ", "recreate")


def not_restorable(case, spec):
    spec["includedResources"] = case.pick(["nodes"], ["events", "cm"], ["backups.velero.io"], ["restores.velero.io"],
                                          ["csinodes.storage.k8s.io"], ["events.events.k8s.io"])


def wrong_init(case, spec):
    container = case.pick({"name": "init", "image": "busybox"}, {"image": "busybox", "command": ["x"]},
                          {"name": "init", "command": ["x"]}, {}, {"name": "Init!", "image": "b", "command": ["x"]},
                          {"name": "init", "image": "busybox", "command": "x"})
    spec["hooks"] = {"resources": [{"name": "r", "postHooks": [{"init": {"initContainers": [container]}}]}]}


def wrong_restore_hook_selector(case, spec):
    spec["hooks"] = {"resources": [{"name": "r", "labelSelector": bad_selector(case), "postHooks": [
        {"exec": {"command": ["/bin/true"]}}]}]}


def wrong_restore_hook_time(case, spec):
    time = case.pick(*WEDGES)
    spec["hooks"] = {"resources": [{"name": "r", "postHooks": [case.pick(
        {"exec": {"command": ["/bin/true"], "execTimeout": time}}, {"exec": {"command": ["/bin/true"], "waitTimeout": time}},
        {"init": {"initContainers": [], "timeout": time}})]}]}
    case.wedge = True


def bad_modifier(case, spec):
    how = case.random.randrange(12)
    if how == 0:
        spec["resourceModifier"] = {"kind": "ConfigMap", "name": f"{case.name}-absent"}
    elif how == 1:
        spec["resourceModifier"] = {"kind": "Secret", "name": "cloud-credentials"}
    elif how == 2:
        spec["resourceModifier"] = {"kind": "ConfigMap", "name": case.add_map("modifier", data=case.pick(
            {}, {"a": SOUND_MODIFIERS[0], "b": SOUND_MODIFIERS[0]}))}
    else:
        spec["resourceModifier"] = {"kind": "ConfigMap", "name": case.add_map("modifier", case.pick(*BAD_MODIFIERS))}


def bad_restore_policy(case, spec):
    text = case.pick(*BAD_POLICIES, *BAD_1_18_3, *SOUND_POLICIES[:7], *NEW_FILTERS)
    spec["resourcePolicy"] = case.pick({"kind": "configmap", "name": case.add_map("policy", text)},
                                       {"kind": "Secret", "name": "cloud-credentials"},
                                       {"kind": "configmap", "name": f"{case.name}-absent"})


RESTORE_MISTAKES = [wrong_source, wrong_source, wrong_restore_namespaces, wrong_resources, wrong_policy_value,
                    both_selectors, unparsable_selector, not_restorable, wrong_init, wrong_restore_hook_selector,
                    bad_modifier, bad_modifier, bad_modifier]


def make_restore(case):
    spec = restore_spec(case)
    case.spoil(spec, RESTORE_MISTAKES + ([bad_restore_policy, bad_restore_policy] if newest(case) else []))
    if case.chance(4):
        case.pick(wrong_duration("itemOperationTimeout"), wrong_restore_hook_time)(case, spec)
    return velero("Restore", case.name, **spec)


# ---- Schedules ----------------------------------------------------------------
BOUNDS = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]
NAMES = {3: ["jan", "FEB", "Mar", "dec"], 4: ["sun", "MON", "Tue", "fri", "sat"]}
DESCRIPTORS = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly", "@every 1h", "@every 6h30m",
               "@every 90s"]
ODD = ["@Hourly", "@every 1d", "@every 500ms", "@every 0s", "@every -1h", "@every", "@reboot", "@triggered", "@manual",
       "@none", "@daily ", " @daily", "0 9 * * 7", "0 0 * * 0-7", "0 0 * * fri-mon", "0 22-2 * * *", "*/70 * * * *",
       "0 0 1-31/40 * *", "0 0 13 * 5", "0 0 30 2 *", "0 0 29 2 *", "0 0 31 4,6 *", "TZ=UTC 0 0 * * *",
       "CRON_TZ=Europe/Berlin 30 2 * * *", "TZ=UTC", "TZ=Nowhere/City 0 0 * * *", 'TZ="UTC" 0 0 * * *', "TZ= 0 0 * * *",
       "TZ=/etc 0 0 * * *", "tz=UTC 0 0 * * *", "0 0 * * * *", "0 0 * *", "", "* * * * *", "*-5 * * * *", "1,,2 * * * *",
       ", * * * *", "+5 * * * *", "0005 * * * *", "? ? ? ? ?", "0 0 L * *", "0 0 1W * *", "0 0 * * 5#2", "H * * * *",
       "60 * * * *", "0 24 * * *", "0 0 0 * *", "0 0 * 13 *", "5-1 * * * *", "5/0 * * * *", "0-59/0 * * * *", "-1 * * * *",
       "1.5 * * * *", "a b c d e", "0 0 * * sunday", "0 0 1 january *", "0\t0 * * *", "0\u00a00 * * *", "5/15 * * * *",
       "0 0 * * MON-FRI", "0 0 * feb-apr *", "0 0 32 * *", "1-2-3 * * * *", "1/2/3 * * * *", "@every 10000000h",
       "@every 1h1", "TZ=Local 0 0 * * *", "0 0 ? * 1", "*/1 * * * *", "0 */25 * * *", "0 0 */32 * *", "@weekly @daily"]


def cron_field(case, index):
    low, high = BOUNDS[index]
    names = NAMES.get(index, [])

    def value():
        return case.pick(*names) if names and case.chance(30) else str(case.random.randint(low, high))
    how = case.random.randrange(10)
    if how < 4:
        return "*"
    if how < 6:
        return value()
    if how == 6:
        return f"*/{case.random.randint(1, high)}"
    first, last = sorted((case.random.randint(low, high), case.random.randint(low, high)))
    if how == 7:
        return f"{first}-{last}"
    if how == 8:
        return f"{first}-{last}/{case.random.randint(1, 5)}"
    return ",".join(value() for _ in range(3))


def cron(case):
    how = case.random.randrange(10)
    if how < 2:
        return case.pick(*DESCRIPTORS)
    if how < 6:
        return case.pick(*ODD)
    prefix = case.pick("", "", "TZ=UTC ", "CRON_TZ=America/New_York ")
    return prefix + " ".join(cron_field(case, index) for index in range(5))


def make_schedule(case):
    template = backup_spec(case)
    if case.chance(50):
        case.spoil(template, BACKUP_MISTAKES)
    if case.chance(3):
        WEDGING(case, template)
    spec = {"schedule": cron(case), "template": template}
    case.maybe(spec, 20, "useOwnerReferencesInBackup", True, False)
    case.maybe(spec, 60, "skipImmediately", True)
    case.maybe(spec, 15, "paused", True, False)
    return velero("Schedule", case.name, **spec)


# ---- BackupStorageLocations ---------------------------------------------------
def make_location(case, port):
    url = f"http://127.0.0.1:{port}"
    spec = {"provider": case.pick("aws", "aws", "velero.io/aws"), "objectStorage": {"bucket": "spare"},
            "config": {"region": "us-east-1", "s3ForcePathStyle": "true", "s3Url": url},
            "credential": {"name": "cloud-credentials", "key": "cloud"}}
    case.maybe(spec["objectStorage"], 50, "prefix", "a", "a/b", "", f"p{case.number}", "/lead", "trail/")
    config = spec["config"]
    case.maybe(config, 20, "publicUrl", url, "https://s3.example.com")
    case.maybe(config, 20, "checksumAlgorithm", "", "CRC32", "CRC32C", "SHA1", "SHA256", "CRC64NVME")
    case.maybe(config, 15, "serverSideEncryption", "AES256", "aws:kms")
    case.maybe(config, 15, "kmsKeyId", "502b409c-4da1-419f-a16e-eif453b3i49f", "alias/key")
    case.maybe(config, 15, "tagging", "a=b&c=d", "a=b")
    case.maybe(config, 15, "insecureSkipTLSVerify", "true", "false")
    case.maybe(config, 15, "enableSharedConfig", "true", "false")
    case.maybe(config, 10, "profile", "default")
    case.maybe(config, 10, "s3ForcePathStyle", "1", "t", "TRUE")
    case.maybe(spec, 30, "accessMode", "ReadWrite", "ReadOnly")
    case.maybe(spec, 20, "backupSyncPeriod", *SOUND_DURATIONS, "-1h")
    case.maybe(spec, 20, "validationFrequency", *SOUND_DURATIONS)
    case.maybe(spec, 15, "default", True, False)
    case.maybe(spec["credential"], 15, "optional", True, False)
    if case.version >= "1.18" and case.chance(20):
        spec["objectStorage"]["caCertRef"] = {"name": "ca-bundle", "key": "ca.crt"}
        case.maybe(spec["objectStorage"]["caCertRef"], 20, "optional", True, False)
    case.spoil(spec, LOCATION_MISTAKES)
    if case.chance(6):
        wrong_duration("backupSyncPeriod", "validationFrequency")(case, spec)
    return velero("BackupStorageLocation", case.name, **spec)


def wrong_config(case, spec):
    spec["config"].update(case.pick(
        {"Region": "x"}, {"s3ForcePathStyle": "yes"}, {"s3ForcePathStyle": "maybe"}, {"bucket": "x"}, {"prefix": "x"},
        {"checksumAlgorithm": "none"}, {"checksumAlgorithm": "MD5"}, {"checksumAlgorithm": "crc32"},
        {"insecureSkipTLSVerify": "maybe"}, {"enableSharedConfig": "perhaps"}, {"s3Url": "127.0.0.1:1"},
        {"s3Url": "ftp://127.0.0.1"}, {"publicUrl": "nowhere"}, {"tagging": "alone"}, {"tagging": "a=b&"},
        {"customerKeyEncryptionFile": "/nonexistent"}, {"profile": "nobody"}, {"credentialsFile": "/nonexistent"},
        {"serverSideEncryption": "rot13"}, {"signatureVersion": "4"}, {"signatureVersion": "1"},
        {"resourceGroup": "rg"}, {"customerKeyEncryptionSecret": "nowhere/key"}, {"tagging": "=b"}, {"profile": ""}))


def no_region(case, spec):
    spec["config"].pop("region", None)
    if case.chance(50):
        spec["config"].pop("s3Url", None)


def wrong_provider(case, spec):
    spec["provider"] = case.pick("azure", "aws-s3", "gcp", "AWS", "velero.io/gcp", "a/b/c", "")


def wrong_bucket(case, spec):
    spec["objectStorage"]["bucket"] = case.pick("a/b", "nowhere", "", "UPPER", "/spare")


def wrong_credential(case, spec):
    spec["credential"] = case.pick({"name": "nowhere", "key": "cloud"}, {"name": "cloud-credentials", "key": "nope"},
                                   {"name": "", "key": ""}, {"name": "cloud-credentials", "key": ""})


def wrong_certificate(case, spec):
    text = case.pick("not PEM", CERTIFICATE % "AAAA", CERTIFICATE % "", "-----BEGIN CERTIFICATE-----\n")
    spec["objectStorage"]["caCert"] = base64.b64encode(text.encode()).decode()


def wrong_certificate_reference(case, spec):
    if case.version < "1.18":
        return wrong_certificate(case, spec)  # the API server prunes the reference
    spec["objectStorage"]["caCertRef"] = case.pick(
        {"name": "nowhere", "key": "ca.crt"}, {"name": "ca-bundle", "key": "nope"}, {"name": "", "key": "ca.crt"},
        {"name": "ca-bundle", "key": ""}, {"key": "ca.crt"}, {"name": "cloud-credentials", "key": "cloud"},
        {"name": "nowhere", "key": "ca.crt", "optional": True}, {"name": "ca-bundle", "key": "broken"})
    if case.chance(20):
        wrong_certificate(case, spec)


LOCATION_MISTAKES = [wrong_config, wrong_config, wrong_config, wrong_config, no_region, wrong_provider, wrong_bucket,
                     wrong_credential, wrong_certificate, wrong_certificate_reference]

KINDS = {"Backup": 35, "Restore": 35, "Schedule": 15, "BackupStorageLocation": 15}  # percent


def text(case):
    """The object and its ConfigMaps, on one line."""
    return json.dumps([case.object["spec"], *[extra["data"] for extra in case.extra]])


def make(seed, number, version, port):
    """Case `number` of the seed: its object, and what it needs."""
    case = Case(seed, number, version)
    kind = case.random.choices(list(KINDS), KINDS.values())[0]
    maker = {"Backup": make_backup, "Restore": make_restore, "Schedule": make_schedule}.get(kind)
    case.object = maker(case) if maker else make_location(case, port)
    return case
