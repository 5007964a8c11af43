#!/usr/bin/env bash
# The rehearse command without a cluster: reports, exit codes, and what it refuses to read. rehearse.sh BINARY
# shellcheck source=tests/wire/libcommand.sh
. "$(dirname "$0")/libcommand.sh"

PYTHONPATH=$root/tests/wire python3 - <<'PY'
import json, os
from libbackup import archive, thing

crd = thing("apiextensions.k8s.io/v1", "CustomResourceDefinition", "zebras.example.com", spec={
    "group": "example.com", "scope": "Namespaced", "names": {"plural": "zebras", "kind": "Zebra"}, "versions": [{
        "name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object", "properties": {
            "spec": {"type": "object", "properties": {"stripes": {"type": "integer"}}}}}}}]})
hook = thing("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "zoo", webhooks=[{
    "name": "zebras.example.com", "failurePolicy": "Fail", "clientConfig": {"service": {"namespace": "zoo", "name": "gate"}},
    "rules": [{"apiGroups": ["example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["zebras"]}]}])
plain = [("configmaps", thing("v1", "ConfigMap", "a", "zoo", data={"k": "v"})), ("nodes", thing("v1", "Node", "n"))]
odd = [("configmaps", thing("v1", "ConfigMap", "x<\x1b[31m&\u202e", "zoo"))]
archive("plain.tar.gz", *plain)
archive("refused.tar.gz", *plain, *odd, ("customresourcedefinitions.apiextensions.k8s.io", crd),
    ("mutatingwebhookconfigurations.admissionregistration.k8s.io", hook),
    ("zebras.example.com", thing("example.com/v1", "Zebra", "good", "zoo", spec={"stripes": 3})),
    ("zebras.example.com", thing("example.com/v1", "Zebra", "bad", "zoo", spec={"stripes": "many"})),
    ("lions.example.com", thing("example.com/v1", "Lion", "alone", "zoo")))
os.truncate(archive("cut.tar.gz", *plain), 100)
kinds = [f"zkind{i}s" for i in range(7)]
archive("provider.tar.gz", ("mutatingwebhookconfigurations.admissionregistration.k8s.io", {**hook, "webhooks": [
        {**hook["webhooks"][0], "name": f"{kind}.example.com", "rules": [{**hook["webhooks"][0]["rules"][0], "resources": [kind]}]}
        for kind in kinds]}),
    *(("customresourcedefinitions.apiextensions.k8s.io", json.loads(json.dumps(crd).replace("zebra", kind[:-1]))) for kind in kinds),
    *((f"{kind}.example.com", thing("example.com/v1", "Kind", name, "zoo"))
      for kind in kinds for name in ("a", "b", "c", "d") if name == "a" or kind == "zkind3s"))
PY
cat >restore.yaml <<'YAML'
apiVersion: velero.io/v1
kind: Restore
metadata: {name: mine, namespace: kcm-system}
spec: {backupName: nightly, excludedResources: [mutatingwebhookconfiguration.admissionregistration], resourceModifier: {kind: ConfigMap, name: m}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: m, namespace: kcm-system}
data:
  rules: |
    version: v1
    resourceModifierRules:
    - conditions: {groupResource: zebras.example.com}
      patches: [{operation: replace, path: /spec/stripes, value: "7"}]
    - conditions: {groupResource: configmaps, resourceNameRegex: "^a$"}
      patches: [{operation: remove, path: /data/none}]
YAML

runs 2 rehearse --contents plain.tar.gz
has out '^UNKNOWN: no cluster was asked about 1 of 1 object$'
has out '^  skipped +1 *$'
runs 1 rehearse --contents refused.tar.gz --all
has out '^INCOMPLETE: 3 of 7 objects would be refused$'
has out 'fix: exclude mutatingwebhookconfigurations.admissionregistration.k8s.io'
has out 'nothing serves lions.example.com'
has out '^  refused: zebras.example.com/zoo/bad: spec.stripes: Invalid value'
has out '^  skipped: nodes/n: Velero never restores this resource'
harmless
runs 1 rehearse --contents refused.tar.gz -o json
json 'd["verdict"] == "incomplete" and d["counts"]["refused"] == 3 and d["total"] == 8 and len(d["objects"]) == 8'
json '{"lions.example.com", "mutatingwebhookconfigurations.admissionregistration.k8s.io"} == set(d["exclude"]) - {"zebras.example.com"}'
runs 1 rehearse --contents refused.tar.gz -o junit
has out '<testsuite name="backstop rehearse" tests="8" failures="3" errors="0" skipped="5">'
python3 -c 'import xml.dom.minidom; xml.dom.minidom.parse("out")' || fail "not XML"
harmless
runs 1 rehearse --contents refused.tar.gz -o html
has out '<h1>INCOMPLETE: 3 of 7 objects would be refused</h1>'
lacks out 'x<'
runs 1 rehearse --contents refused.tar.gz --suggest
has out '^  - lions.example.com$'

# What one exclusion cures is one block, the largest first and bounded; programs get each cause.
runs 1 rehearse --contents provider.tar.gz
cat >block <<'TEXT'
Not restored as it is
  10 refused: 7 webhooks are restored before them, and their services are not running
    zkind3s.example.com (zoo/gate): zkind3s.example.com/zoo/a, zkind3s.example.com/zoo/b, zkind3s.example.com/zoo/c and 1 more
    zkind0s.example.com (zoo/gate): zkind0s.example.com/zoo/a
    zkind1s.example.com (zoo/gate): zkind1s.example.com/zoo/a
    zkind2s.example.com (zoo/gate): zkind2s.example.com/zoo/a
    zkind4s.example.com (zoo/gate): zkind4s.example.com/zoo/a
    and 2 more webhooks, for 2 objects: see -o json
    fix: exclude mutatingwebhookconfigurations.admissionregistration.k8s.io (spec.excludedResources); --suggest prints the Restore
TEXT
diff block <(sed -n '/^Not restored/,/^$/{/^$/!p}' out) || fail "not one block"
runs 1 rehearse --contents provider.tar.gz -o json
json '[c["objects"] for c in d["causes"]] == [4, 1, 1, 1, 1, 1, 1] and len(d["exclude"]) == 1'

# A Restore of a file, with the ConfigMap that it names: the webhook is excluded, zebras are mended, one rule fails.
runs 1 rehearse --contents refused.tar.gz --restore restore.yaml -o json
json 'd["restore"] == "mine" and d["backup"] == "nightly" and d["counts"]["refused"] == 1'
json '[o["name"] for o in d["objects"] if o.get("unmodified")] == ["a"]'
json '{o["name"]: o["outcome"] for o in d["objects"]}["bad"] == "created"'
sed 's/excludedResources: .*admissionregistration\]/includedNamespaces: [a, "*"]/' restore.yaml >bad.yaml
runs 2 rehearse --contents plain.tar.gz --restore bad.yaml
has err 'Velero refuses this Restore: spec.includedNamespaces has "\*" and other items$'

runs 2 rehearse --contents cut.tar.gz
has err 'cut.tar.gz: the archive cannot be read: '
runs 2 rehearse --contents restore.yaml
has err 'restore.yaml: '
runs 2 rehearse --contents missing.tar.gz
has err 'missing.tar.gz: No such file'
runs 2 rehearse --contents plain.tar.gz --max-size 0
runs 2 rehearse --contents plain.tar.gz -o yaml
has err 'expected text, json, junit or html'
runs 2 rehearse
has err 'which backup'
runs 2 rehearse a b
for empty in --contents --restore --namespace; do
  runs 2 rehearse "$empty" ""
  has err "$empty is empty"
done
runs 2 rehearse ""
has err 'BACKUP is empty'
runs 2 rehearse --contents .
has err 'is a folder'
runs 2 rehearse --contents plain.tar.gz --rate 0
has err '--rate must be from 1 to 100000'
runs 2 rehearse --contents plain.tar.gz --rate 50 --against-crds
has err 'cannot be used with --against-crds, which writes one object after another'
runs 2 rehearse --contents plain.tar.gz --crds x
has err 'add --against-crds'
runs 0 rehearse --help
has out 'dryRun=All'
ends rehearse
