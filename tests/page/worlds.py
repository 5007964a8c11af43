"""Clusters to look at: as inventories, made from a number of ManagementBackups or from hostile names."""
import json, os

NOW = "2026-10-20T03:00:00Z"  # Europe's clocks change within the next two weeks
HOSTILE = ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "&lt;b&gt; &amp; 'x' `y`", "\u202egnp.exe\u202c",
           "\u05d2\u05d9\u05d1\u05d5\u05d9-\u0644\u064a\u0644\u064a", "x" * 253, "a\x1b[31mred", "${IFS}$(id);|@$@$", "-->]]></title>"]
ZONES = ["", "TZ=Europe/Madrid ", "TZ=America/New_York ", "CRON_TZ=Asia/Tokyo ", "TZ=Australia/Lord_Howe "]
SCHEDULES = ["0 */6 * * *", "30 2 * * *", "15 1 * * sun", "*/10 * * * *", "0 0 1,15 * *"]
PHASES = ["Completed", "Completed", "Completed", "PartiallyFailed", "Failed", "InProgress", "Deleting", "FailedValidation"]


def thing(version, kind, name, spec, status=None, namespace=None, **metadata):
    made = {"creationTimestamp": "2026-09-01T00:00:00Z", **metadata, "name": name}
    if namespace:
        made["namespace"] = namespace
    return {"apiVersion": version, "kind": kind, "metadata": made, "spec": spec, **({"status": status} if status else {})}


def location(name, default=False, phase="Available", message="", **config):
    return thing("velero.io/v1", "BackupStorageLocation", name,
                 {"provider": "aws", "objectStorage": {"bucket": name + "-bucket"}, "default": default, "config": config},
                 {"phase": phase, "message": message, "lastValidationTime": "2026-10-20T02:59:30Z"}, "kcm-system")


def cluster():
    return [thing("k0rdent.mirantis.com/v1beta1", "Management", "kcm", {"release": "kcm-1-2-0"}, {"release": "kcm-1-2-0"}),
            location("aws-s3", default=True), location("minio", s3Url="http://minio.storage.svc:9000"),
            thing("apps/v1", "Deployment", "velero", {"template": {"spec": {"serviceAccountName": "velero-server"}}},
                  {"readyReplicas": 1}, "kcm-system", labels={"component": "velero"})]


def management_backup(name, number):
    zone, schedule = ZONES[number % len(ZONES)], SCHEDULES[number % len(SCHEDULES)]
    return thing("k0rdent.mirantis.com/v1beta1", "ManagementBackup", name,
                 {"schedule": zone + schedule, "storageLocation": "minio" if number % 4 == 3 else "aws-s3",
                  "performOnManagementUpgrade": number % 5 == 0})


def backup(maker, number):
    day, hour = 6 + number % 14, number * 5 % 24
    started = f"2026-10-{day:02}T{hour:02}:00:00Z" if day < 20 else "2026-10-20T01:00:00Z"
    phase = PHASES[number % len(PHASES)]
    status = {"phase": phase, "startTimestamp": started, "progress": {"itemsBackedUp": 400 + number, "totalItems": 980}}
    if phase not in ("InProgress", "Deleting"):
        status["completionTimestamp"] = started.replace(":00:00Z", ":07:00Z")
    return thing("velero.io/v1", "Backup", f"{maker[:180]}-{number:05}", {
        "storageLocation": "aws-s3", "includedNamespaces": ["*"], "excludedResources": ["clusters.cluster.x-k8s.io"],
        "orLabelSelectors": [{"matchLabels": {"k0rdent.mirantis.com/component": "kcm"}}]},
        status, "kcm-system", creationTimestamp=started, labels={"k0rdent.mirantis.com/management-backup": maker})


def many(count):
    names = [f"kcm-backup-{i:02}" for i in range(count)] if count > 1 else ["kcm-backup"] * count
    return cluster() + [management_backup(name, i) for i, name in enumerate(names)] + \
        [backup(name, i * 7 + k) for i, name in enumerate(names) for k in range(12)]


def hostile():
    made = cluster() + [location(HOSTILE[0], phase="Unavailable", message=HOSTILE[1])]
    for i, name in enumerate(HOSTILE):
        made += [management_backup(name, i), backup(name, i),
                 thing("velero.io/v1", "Schedule", name, {"schedule": HOSTILE[(i + 1) % 9] if i % 2 else "0 5 * * *",
                                                          "template": {"storageLocation": name}}, None, name)]
    return made


WORLDS = {"none": lambda: many(0), "one": lambda: many(1), "fifty": lambda: many(50), "hostile": hostile}


def write(path, objects):
    with open(path, "w") as file:
        for each in objects:
            file.write("---\n" + json.dumps(each, ensure_ascii=False).replace("\x1b", "\\u001b") + "\n")


def golden():
    """Name, inventory and time of states of a cluster that tests/golden/status has."""
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../golden/status")
    states = {"ready": "ready", "blocked": "blocked", "incomplete": "incomplete", "not-running": "under-way",
              "under-way": "states/under-way", "regions": "states/region-failed"}
    return [(name, os.path.join(folder, state, "inventory.yaml"), "2026-11-21T03:00:00Z") for name, state in states.items()]
