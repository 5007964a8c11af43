#!/usr/bin/env bash
# The review command on the command line: review.sh BINARY
set -u

[ -x "${1-}" ] || { echo "usage: $0 BINARY" >&2; exit 2; }
binary=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 2
for variable in $(compgen -e BACKSTOP_); do unset "$variable"; done
failures=0 checks=0

# review WANTED_EXIT ARGUMENT...: runs it, keeps out and err.
review() {
    local wanted=$1 code
    shift
    asked="review $*"
    "$binary" review --now 2026-11-21T03:00:00Z "$@" >out 2>err
    code=$?
    checks=$((checks + 1))
    [ "$code" -eq "$wanted" ] || fail "exit $code instead of $wanted"
}
fail() {
    failures=$((failures + 1))
    echo "review.sh: backstop $asked: $1"
    sed 's/^/    /' out err
}
# The file has (or has not) a line that matches.
has() {
    checks=$((checks + 1))
    grep -Eq -- "$2" "$1" || fail "std$1 has no line like: $2"
}
lacks() {
    checks=$((checks + 1))
    ! grep -Eq -- "$2" "$1" || fail "std$1 has a line like: $2"
}

cat >good.yaml <<'END'
apiVersion: k0rdent.mirantis.com/v1beta1
kind: ManagementBackup
metadata:
  name: good
spec:
  schedule: 0 */6 * * *
END
cat >bad.yaml <<'END'
# Two objects, the second in a List.
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
---
apiVersion: v1
kind: List
items:
- apiVersion: k0rdent.mirantis.com/v1beta1
  kind: ManagementBackup
  metadata:
    name: bad
  spec:
    schedule: 0 9 * * 7
END
cat >location.yaml <<'END'
apiVersion: velero.io/v1
kind: BackupStorageLocation
metadata:
  name: here
  namespace: kcm-system
spec:
  provider: aws
  objectStorage: {bucket: backups}
  config: {region: eu-west-1}
status:
  phase: Available
END
cat >uses.yaml <<'END'
apiVersion: k0rdent.mirantis.com/v1beta1
kind: ManagementBackup
metadata: {name: uses}
spec: {schedule: "@daily", storageLocation: here}
END
cat location.yaml - uses.yaml >both.yaml <<<'---'
printf 'apiVersion: velero.io/v1\nkind: BackupStorageLocationList\nitems: []\n' >facts.yaml

# Usage.
review 0 --help
has out '^Usage: backstop review '
has out '--inventory FILE\|DIR'
review 2
has err 'nothing to review'
review 2 -f good.yaml -o xml
has err '-o xml: expected text, json, yaml, junit or sarif'
review 2 -f good.yaml --operation PATCH
review 2 -f good.yaml --operation UPDATE
has err '--old FILE'
review 2 -f missing.yaml
has err '^backstop review: missing.yaml: No such file'
review 2 -f good.yaml --settings missing.yaml
has err '^backstop review: .*missing\.yaml: No such file'
printf 'apiVersion: backstop.k0rdent.mirantis.com/v1alpha1\nkind: Settings\nschedule: 1\n' >unknown.yaml
review 2 -f good.yaml --settings unknown.yaml
has err '^backstop review: unknown\.yaml: line 3: schedule: '
sed 's|^schedule: 1|schedules: {controllerTimeZone: Mars/Phobos}|' unknown.yaml >mars.yaml
review 2 -f good.yaml --settings mars.yaml
has err '^backstop review: mars\.yaml: schedules\.controllerTimeZone: there is no time zone "Mars/Phobos" here'
review 2 -f good.yaml --inventory missing.yaml

# A cluster: never asked unless one is named, but by kubectl's plugin.
down=https://127.0.0.1:1
review 2 -f good.yaml --inventory facts.yaml --context prod
has err '^backstop review: --inventory and a cluster \(--kubeconfig, --context, \.\.\.\): give one of them$'
BACKSTOP_CONTEXT=prod review 2 -f good.yaml --inventory facts.yaml
has err 'give one of them$'
review 2 -f good.yaml --kubeconfig missing.yaml
has err '^backstop review: .*missing\.yaml: '
review 2 -f good.yaml -s $down --timeout 1s
has err 'https://127\.0\.0\.1:1'
lacks out .
review 2 -f good.yaml --operation UPDATE -s $down --timeout 1s
lacks err '--old FILE'
review 0 -f good.yaml -n elsewhere
ln -s "$binary" kubectl-backstop
offline=$binary binary=$folder/kubectl-backstop
"$binary" reveiw 2>err
has err '^kubectl backstop: unknown command "reveiw"; did you mean review\?$'
review 2 -f good.yaml
has err '^kubectl backstop review: no kubeconfig'
review 1 -f good.yaml --inventory facts.yaml
has out 'there is no BackupStorageLocation in kcm-system yet'
binary=$offline

# Verdicts, lines and the summary.
review 0 -f good.yaml
has out '^managementbackup/good  allowed$'
has out '^1 document: 1 allowed$'
review 1 -f good.yaml -f bad.yaml
has out '^managementbackup/bad  denied \(422\)$'
has out '^  bad\.yaml:15  spec\.schedule: .*"0 9 \* \* 7"'
has out '^configmap/settings  not reviewed$'
has out '^3 documents: 1 allowed, 1 denied, 1 not reviewed$'
lacks out "$(printf '\033')"
review 1 good.yaml bad.yaml
has out '^3 documents: '
review 1 -f - <bad.yaml
has out '^  standard input:15  spec\.schedule: '

# Unreadable documents are named with their line, the others are reviewed all the same.
printf 'kind: ManagementBackup\n' >nameless.yaml
printf 'a: 1\nb: [\n' >broken.yaml
review 2 -f nameless.yaml -f broken.yaml -f good.yaml
has err '^backstop review: nameless\.yaml:1: this document has no apiVersion or no kind$'
has err '^backstop review: broken\.yaml:[0-9]+: '
has out '^1 document: 1 allowed, 2 unreadable$'
review 2 -f /dev/null -f nameless.yaml
review 2 -f /dev/null
has err '^backstop review: /dev/null: no Kubernetes object in it$'

# Folders: YAML and JSON files in order, nothing else.
mkdir several
cp good.yaml several/b.yml
cp bad.yaml several/a.yaml
cp broken.yaml several/notes.txt
review 1 -f several -o json
has out '^\{"source":"several/a\.yaml","document":1,"line":2,'
has out '^\{"source":"several/b\.yml","document":1,"line":1,'

# JSON: an object per line, these keys in this order.
review 1 -f bad.yaml -o json
has out '^\{"source":"bad\.yaml","document":2,"line":10,"operation":"CREATE","apiVersion":"k0rdent\.mirantis\.com/v1beta1","kind":"ManagementBackup","namespace":"","name":"bad","allowed":false,"code":422,"reason":"Invalid","message":"spec\.schedule: .*","causes":\[\{"field":"spec\.schedule","message":".*"\}\],"retryAfterSeconds":0,"warnings":\[.*\],"auditAnnotations":\{"decision":"denied".*\},"patch":\[\],"effects":\[\],"object":\{'
has out '"document":1,"line":2,.*"allowed":true,"code":200,"reason":"not reviewed"'
[ "$(wc -l <out)" -eq 2 ] || fail "not a line per object"

# YAML has the same keys; JUnit escapes.
review 1 -f bad.yaml -o yaml
has out '^allowed: false$'
has out '^- field: spec\.schedule$'
sed 's/0 9 \* \* 7/"<\&>\\"\\x01"/' bad.yaml >markup.yaml
review 2 -f markup.yaml -f nameless.yaml -o junit
has out '^<testsuite name="backstop review" tests="3" failures="1" errors="1" skipped="1">$'
has out '^    <failure type="Invalid" message=".*&lt;&amp;&gt;'
has out '^    <error message="nameless\.yaml:1: '
lacks out "$(printf '\001')"

# Recorded reviews, one after the other; broken ones get the webhook's own answer.
review='{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u","kind":{"group":"k0rdent.mirantis.com","version":"v1beta1","kind":"ManagementBackup"},"operation":"CREATE","userInfo":{"username":"admin"},"object":{"apiVersion":"k0rdent.mirantis.com/v1beta1","kind":"ManagementBackup","metadata":{"name":"recorded"},"spec":{"schedule":"0 9 * * 7"}}}}'
printf '%s\n%s\n%s' "$review" "${review/9/8}" "${review%\}\}}" >recorded.json
review 1 -f recorded.json
has out '^  recorded\.json:2  spec\.schedule: .*"0 8 \* \* 7"'
has out '^  recorded\.json:3  the body is not valid JSON at byte '
has out '^3 documents: 3 denied$'

# Updates and deletions.
sed 's/\*\/6/*\/8/' good.yaml >changed.yaml
review 0 -f changed.yaml --old good.yaml -o json
has out '"operation":"UPDATE"'
review 0 -f uses.yaml --old good.yaml
has err '^backstop review: good\.yaml:1: no document has this object'
review 0 -f good.yaml --operation DELETE -o json
has out '"operation":"DELETE".*"object":null'

# What was allowed counts for what comes after it, when there are facts at all.
review 1 -f uses.yaml --inventory facts.yaml
review 0 -f both.yaml --inventory facts.yaml
has out '^managementbackup/uses  allowed$'
review 1 -f both.yaml --inventory facts.yaml --dry-run
review 0 -f uses.yaml

# An applied object counts instead of the one that was there, and keeps its status.
sed 's/^status:/  accessMode: ReadOnly\nstatus:/' location.yaml >readonly.yaml
sed '/^status:/,$d' location.yaml >writable.yaml
cat writable.yaml - uses.yaml >repaired.yaml <<<'---'
review 1 -f uses.yaml --inventory readonly.yaml
has out 'is read-only'
review 0 -f repaired.yaml --inventory readonly.yaml
lacks out 'not yet validated|never validated'

# An object is what its author made of it: no document may end the whole run.
{
    cat location.yaml
    for body in 'spec: {}' 'metadata: ' 'metadata: x' 'metadata: [1]' 'metadata: {name: here}, spec: 5' \
        'metadata: {name: [1]}' 'metadata: {name: here, namespace: kcm-system, labels: 5}, status: x'; do
        for kind in velero.io/v1/BackupStorageLocation k0rdent.mirantis.com/v1beta1/ManagementBackup v1/ConfigMap; do
            printf -- '---\n{apiVersion: %s, kind: %s, %s}\n' "${kind%/*}" "${kind##*/}" "$body"
        done
    done
} >shapeless.yaml
for face in text json yaml junit; do
    review 1 -f shapeless.yaml --inventory location.yaml -o $face
    lacks err .
done
review 1 -f shapeless.yaml --inventory location.yaml
has out '^22 documents: '

# A Restore is shown as a difference, with its namespace filled in.
cat >backup.yaml <<'END'
apiVersion: velero.io/v1
kind: Backup
metadata: {name: azure, namespace: kcm-system}
spec:
  storageLocation: here
  includedNamespaces: ["*"]
  excludedResources: [clusters.cluster.x-k8s.io]
  orLabelSelectors:
  - matchLabels: {cluster.x-k8s.io/provider: infrastructure-azure}
  - matchLabels: {k0rdent.mirantis.com/component: kcm}
status: {phase: Completed, completionTimestamp: "2026-11-21T00:00:00Z"}
END
cat >restore.yaml <<'END'
apiVersion: velero.io/v1
kind: Restore
metadata: {name: dr}
spec: {backupName: azure}
END
review 0 -f restore.yaml --inventory backup.yaml --inventory location.yaml
has out '^restore/dr  allowed, with changes$'
has out '^    \+   - natgateways\.network\.azure\.com$'
has out '^    \+   existingResourcePolicy: update$'
review 0 -f restore.yaml --inventory backup.yaml --inventory location.yaml -o json
has out '"namespace":"kcm-system".*"decision":"patched".*"patch":\[\{"op":"add","path":"/spec/.*"object":\{.*natgateways'

# Text that misleads is shown as escapes, in headings, places, differences and warnings; JUnit stays XML
# whatever the document holds.
checks=$((checks + 1))
python3 - <<'END' || fail "no hostile document"
import json
nasty = "a\u202eb\u2066c\u200bd\ufeff\ufffe\uffff\x9b\x1b[31m\x01\U000e0041"
review = {"apiVersion": "velero.io/v1", "kind": "Restore" + nasty, "metadata": {"name": nasty}}
restore = {"apiVersion": "velero.io/v1", "kind": "Restore", "metadata": {"name": nasty, "labels": {nasty: nasty}},
           "spec": {"backupName": "azure", "labelSelector": {"matchLabels": {"a": nasty}}}}
location = {"apiVersion": "velero.io/v1", "kind": "BackupStorageLocation", "metadata": {"name": nasty},
            "spec": {"provider": "aws", "objectStorage": {"bucket": "backups"}, "config": {nasty: "x", "region": nasty}}}
schedule = {"apiVersion": "k0rdent.mirantis.com/v1beta1", "kind": "ManagementBackup", "metadata": {"name": "x" + nasty},
            "spec": {"schedule": nasty, "storageLocation": nasty}}
with open("hostile\u202e.json", "w") as file:
    for one in review, restore, location, schedule:
        file.write(json.dumps(one) + "\n")
    file.write(json.dumps(schedule).replace(chr(34) + "x", chr(34) + chr(92) + "ud800x" + chr(92) + "udfff"))
END
for face in text junit; do
    review 1 -f hostile*.json --inventory backup.yaml --inventory location.yaml -o $face
    checks=$((checks + 1))
    python3 - $face <<'END' || fail "$face shows what misleads"
import sys, unicodedata, xml.etree.ElementTree as tree
text = open("out").read() + open("err").read()
bad = {c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cn", "Zl", "Zp")}
assert not bad, bad
if sys.argv[1] == "junit":
    assert len(tree.fromstring(text).findall("testcase")) == 5
END
done
rm hostile*.json

[ "$failures" -eq 0 ] && echo "review: $checks checks passed"
[ "$failures" -eq 0 ]
