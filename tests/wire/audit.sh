#!/usr/bin/env bash
# The audit command: what exists, reviewed as if created now. audit.sh BINARY
# shellcheck source=tests/wire/libcommand.sh
. "$(dirname "$0")/libcommand.sh"
audit() { # WANTED ARGUMENT...
    local wanted=$1
    shift
    runs "$wanted" audit --now 2026-11-21T03:00:00Z "$@"
}

cat >facts.yaml <<'END'
apiVersion: velero.io/v1
kind: BackupStorageLocation
metadata: {name: here, namespace: kcm-system}
spec: {provider: aws, config: {region: eu-west-1}, objectStorage: {bucket: backups}, default: true}
status: {phase: Available}
END
cat >objects.yaml <<'END'
apiVersion: v1
kind: List
items:
- apiVersion: k0rdent.mirantis.com/v1beta1
  kind: ManagementBackup
  metadata: {name: fine}
  spec: {schedule: 0 */6 * * *, storageLocation: here}
- apiVersion: k0rdent.mirantis.com/v1alpha1
  kind: ManagementBackup
  metadata: {name: wrong}
  spec: {schedule: 0 9 * * 7, storageLocation: there}
- apiVersion: k0rdent.mirantis.com/v1beta1
  kind: ManagementBackup
  metadata: {name: odd}
  spec: {schedule: 0 0 13 * 5, storageLocation: here}
END

# Problems by object, nothing of what is fine; the meaning of a schedule is no problem.
audit 1 --inventory facts.yaml --inventory objects.yaml
has out '^managementbackup/wrong  would be denied \(422\)$'
has out '^  objects\.yaml:11: spec\.schedule: .*"0 9 \* \* 7"'
has out '^  objects\.yaml:11: spec\.storageLocation: .*"there"'
has out '^managementbackup/odd  fine$'
has out '^  warning: .*(or|OR|either)'
lacks out 'managementbackup/fine|; next '
has out '^4 objects reviewed: some would be denied \(1 denied, 3 allowed, 1 with warnings\)$'
audit 1 --inventory facts.yaml --inventory objects.yaml --all
has out '^managementbackup/fine  fine$'

# The other faces.
audit 1 --inventory facts.yaml --inventory objects.yaml -o json
checks=$((checks + 1))
python3 -c 'import json
docs = [json.loads(line) for line in open("out")]
assert [d["name"] for d in docs] == ["here", "fine", "wrong", "odd"]
assert [d["allowed"] for d in docs] == [True, True, False, True] and len(docs[2]["causes"]) == 2
assert docs[1]["operation"] == "CREATE" and docs[0]["warnings"] == docs[1]["warnings"] == []' || fail "the JSON is not as expected"
audit 1 --inventory facts.yaml --inventory objects.yaml -o junit
checks=$((checks + 1))
python3 -c 'import xml.etree.ElementTree as tree
suite = tree.parse("out").getroot()
assert suite.get("name") == "backstop audit" and suite.get("failures") == "1" and suite.get("tests") == "4"
assert len(suite.findall("testcase")) == 4 and len(suite.findall("testcase/failure")) == 1' || fail "the JUnit is not as expected"

# An on-demand ManagementBackup's own Velero Backup does not count against it; one that is
# older was adopted (mb-12), unless a restore brought everything back.
on_demand() { # CREATED_OF_MANAGEMENTBACKUP LABELS
    cat facts.yaml - <<END
---
apiVersion: k0rdent.mirantis.com/v1beta1
kind: ManagementBackup
metadata: {name: once, creationTimestamp: "$1", labels: {${2-}}}
spec: {storageLocation: here}
status: {lastBackupName: once}
---
apiVersion: velero.io/v1
kind: Backup
metadata: {name: once, namespace: kcm-system, creationTimestamp: "2026-11-20T00:00:01Z"}
spec: {storageLocation: here, includedNamespaces: ["*"], excludedResources: [clusters.cluster.x-k8s.io], orLabelSelectors: [{matchLabels: {k0rdent.mirantis.com/component: kcm}}]}
status: {phase: Completed, startTimestamp: "2026-11-20T00:00:02Z", completionTimestamp: "2026-11-20T00:04:00Z"}
END
}
on_demand 2026-11-20T00:00:00Z >own.yaml
audit 0 --inventory own.yaml --all
has out '^managementbackup/once  fine$'
on_demand 2026-11-20T01:00:00Z >adopted.yaml
audit 1 --inventory adopted.yaml
has out 'Velero Backup "once" already exists'
on_demand 2026-11-20T01:00:00Z 'velero.io/restore-name: dr' >restored.yaml
audit 0 --inventory restored.yaml

# Restores are reviewed until Velero takes them up: then they are history.
restore() { # NAME PHASE BACKUP
    printf -- '---\napiVersion: velero.io/v1\nkind: Restore\nmetadata: {name: %s, namespace: kcm-system}\nspec: {backupName: %s}\nstatus: {phase: "%s"}\n' "$1" "$3" "$2"
}
{ on_demand 2026-11-20T00:00:00Z; restore 'done' Completed expired; restore fresh New missing; restore good '' once; } >restores.yaml
audit 1 --inventory restores.yaml --all
has out '^restore/kcm-system/done  not reviewed: already carried out$'
has out '^restore/kcm-system/fresh  would be denied'
has out '^restore/kcm-system/good  would be allowed, with changes$'
has out '; 1 not reviewed$'
audit 1 --inventory restores.yaml -o junit
has out 'tests="5" failures="1".*skipped="0"'
printf -- '---\napiVersion: k0rdent.mirantis.com/v1beta1\nkind: ManagementBackup\nmetadata: {name: going, deletionTimestamp: "2026-11-21T00:00:00Z"}\nspec: {schedule: x}\n' >going.yaml
audit 0 --inventory going.yaml --all
has out 'managementbackup/going  not reviewed: being deleted'

# Objects that would like to be something else.
audit 1 --inventory "$root/tests/golden/status/hostile/inventory.yaml" --all
harmless
has out '^managementbackup/"\\x1b\]0;owned\\x07name"  would be denied'
audit 1 --inventory "$root/tests/golden/status/hostile/inventory.yaml" --width 40 --all
harmless
audit 1 --inventory "$root/tests/golden/status/hostile/inventory.yaml" -o junit
checks=$((checks + 1))
python3 -c 'import xml.dom.minidom; xml.dom.minidom.parse("out")' || fail "no well-formed XML"
printf 'apiVersion: k0rdent.mirantis.com/v1beta1\nkind: ManagementBackup\nmetadata: {name: types}\nspec: [1]\n' >types.yaml
runs 1 audit --inventory facts.yaml --inventory types.yaml --all
has out '^managementbackup/types '
printf 'apiVersion: k0rdent.mirantis.com/v1beta1\nkind: ManagementBackup\nmetadata: 7\n' >nameless.yaml
runs 2 audit --inventory nameless.yaml --all
has err 'nameless\.yaml:3: metadata\.name' 

# Settings count.
printf 'apiVersion: backstop.k0rdent.mirantis.com/v1alpha1\nkind: Settings\nschedules: {minimumInterval: 12h, tooFrequent: deny}\n' >strict.yaml
audit 1 --inventory facts.yaml --inventory objects.yaml --settings strict.yaml
has out '^managementbackup/fine  would be denied'

# What verdicts rest on and nobody knows is said, and is no clean bill: unknown is not empty.
printf 'apiVersion: k0rdent.mirantis.com/v1beta1\nkind: ManagementBackup\nmetadata: {name: a}\nspec: {schedule: 0 9 * * *, storageLocation: x}\n' >alone.yaml
audit 2 --inventory alone.yaml
has err '^backstop audit: BackupStorageLocations are not known \(none in the inventory\)'
printf 'apiVersion: velero.io/v1\nkind: BackupStorageLocationList\nitems: []\n' >none.yaml
audit 1 --inventory alone.yaml --inventory none.yaml
has out 'there are none yet'
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n' >map.yaml
audit 2 --inventory map.yaml
has err 'ManagementBackups are not known'
has err 'Backups are not known'

# The items of a BackupList say neither apiVersion nor kind (kubectl get --raw): the list does. In every layout, and so
# long that it is streamed.
python3 - <<'end'
import json
items = [{"metadata": {"name": f"b-{i}", "namespace": "kcm-system"}, "spec": {"labelSelector": {}}} for i in range(700)]
raw = {"kind": "BackupList", "apiVersion": "velero.io/v1", "metadata": {"resourceVersion": "7", "continue": ""}}
with open("raw.json", "w") as file:
    json.dump(raw | {"items": items}, file)
with open("sorted.json", "w") as file:
    json.dump({"apiVersion": "velero.io/v1", "items": items, "kind": "BackupList"}, file)
for name, indent in ("raw.yaml", ""), ("indented.yaml", "  "):
    with open(name, "w") as file:
        print("apiVersion: velero.io/v1\nitems:", file=file)
        for item in items:
            print(f"{indent}- metadata: {json.dumps(item['metadata'])}\n{indent}  spec: {{labelSelector: {{}}}}", file=file)
        print("kind: BackupList", file=file)
end
for list in raw.json sorted.json raw.yaml indented.yaml; do
    audit 1 --inventory $list --inventory none.yaml
    has out '^700 objects reviewed: .*\(700 denied'
    runs 1 review --now 2026-11-21T03:00:00Z -f $list --inventory none.yaml
    has out '^700 documents: 700 denied'
    runs 1 status --now 2026-11-21T03:00:00Z --inventory $list --inventory none.yaml -o json
    has out '"reviewed":700,"denied":700'
done

# What a restore would miss is a warning of each object, whose content is not shown; what nobody knows is said.
audit 0 --inventory "$root/tests/golden/status/incomplete/inventory.yaml"
has out '^secret/kcm-system/aws-identity-secret  fine$'
has out 'in no management backup: needed by Credential "aws"\. Label it: kubectl label secret aws-identity-secret -n kcm-system'
has out '^Completeness: 8 objects are in no management backup'
audit 0 --inventory "$root/tests/golden/status/incomplete/inventory.yaml" -o json
has out '"kind":"Secret","namespace":"kcm-system","name":"aws-identity-secret","allowed":true.*"object":null'
audit 0 --inventory "$root/tests/golden/status/complete/inventory.yaml"
has out '^Completeness: nothing is missing: the backups select all [0-9]* objects'
lacks out 'in no management backup'
audit 0 --inventory "$root/tests/golden/status/ready/inventory.yaml"
has out '^Completeness: unknown whether a restore would miss objects \(not in these files: Credentials, '

# Usage, and what cannot be read.
runs 0 audit --help
has out '^Usage: backstop audit'
audit 2 -o yaml
has err 'expected text, json, junit or openreports'
audit 2 operand
audit 2 --inventory missing.yaml
has err 'missing\.yaml'
printf 'a: [\n' >bad.yaml
audit 2 --inventory bad.yaml --inventory objects.yaml
has err 'bad\.yaml:'
audit 2 --width 1 --inventory facts.yaml
ends audit
