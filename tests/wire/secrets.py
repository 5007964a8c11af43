"""No Secret's value, and nothing that steers a terminal, in answers, log, metrics or pages."""
import base64

from libwire import *

VALUE, KEYS = "s3cr3t-value-0f-the-cl0ud", "aws_secret_access_key"
HELD = FACTS + f"""---
apiVersion: v1
kind: Secret
metadata: {{name: cloud-credentials, namespace: kcm-system}}
data: {{cloud: {base64.b64encode(VALUE.encode()).decode()}}}
stringData: {{other: "{KEYS}={VALUE}"}}
"""
LOCATION_PATH = "/validate-velero-io-v1-backupstoragelocation"
NASTY = "x\n\x1b[31mred\x1b[0m\r\x07\u202egnp.\u2028\"\\" + "A" * 100_000


def everything_said(server, answers):
    pages = [server.get(path)[1] for path in ("/metrics", "/readyz?verbose", "/livez")]
    return "\n".join([server.log(), *pages, *answers])


def location(credential, key, name="l"):
    made = review("BackupStorageLocation", name, {
        "provider": "aws", "objectStorage": {"bucket": "b"}, "config": {"region": "eu-west-1"},
        "credential": {"name": credential, "key": key}}, namespace="kcm-system")
    kind = {"group": "velero.io", "version": "v1", "kind": "BackupStorageLocation"}
    made["request"].update(kind=kind, requestKind=kind)
    made["request"]["object"]["apiVersion"] = "velero.io/v1"
    return made


@shows("no value of a Secret is told, whoever asks for it and however")
def _(server):
    asked = [location("cloud-credentials", key) for key in ("cloud", "clout", "other", "", VALUE[:4])]
    asked += [location("cloud-credential", "cloud"), upgrade_review(dryRun=True)]
    answers = [server.post(MANAGEMENT if one["request"]["kind"]["kind"] == "Management" else LOCATION_PATH, one).body.decode()
               for one in asked]
    holds("cloud-credentials", "\n".join(answers))
    said = everything_said(server, answers)
    for part in (VALUE, base64.b64encode(VALUE.encode()).decode(), KEYS):
        assert part not in said, said[max(0, said.find(part) - 200):][:400]


@shows("what users write cannot steer a terminal or break a log line")
def _(server):
    before = len(server.log())
    nasty = [backup_review(name=NASTY), backup_review(schedule=NASTY), backup_review(location=NASTY),
             location(NASTY, NASTY), upgrade_review(release=NASTY),
             backup_review(userInfo={"username": NASTY}), backup_review(uid="u\x1b\n")]
    paths = {"ManagementBackup": BACKUP, "Management": MANAGEMENT, "BackupStorageLocation": LOCATION_PATH}
    for one in nasty:
        response = json.loads(server.post(paths[one["request"]["kind"]["kind"]], one).body)["response"]
        status = response.get("status", {})
        shown = [status.get("message", ""), *response.get("warnings", []),
                 *(cause["message"] for cause in status.get("details", {}).get("causes", []))]
        for text in shown:
            steering = [c for c in text if ord(c) < 32 or ord(c) == 127 or c in "\u202e\u2028"]
            assert not steering, (steering, text[:300])
            assert len(text) < 20_000, len(text)
    for line in server.log()[before:].strip("\n").split("\n"):
        json.loads(line)
        assert len(line) < 16_384 and not re.search("[\x00-\x1f\x7f\u202e\u2028]", line), line[:300]


main(Server(facts=HELD))
