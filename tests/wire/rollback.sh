#!/usr/bin/env bash
# The rollback-plan command: what it prints is what the webhook accepts. rollback.sh BINARY
# shellcheck source=tests/wire/libcommand.sh
. "$(dirname "$0")/libcommand.sh"
now=(--now 2026-11-21T03:00:00Z)

backup() { # NAME ANNOTATIONS LOCATION
    cat <<YAML
---
apiVersion: velero.io/v1
kind: Backup
metadata: {name: $1, namespace: kcm-system, annotations: {$2}}
spec:
  storageLocation: $3
  includedNamespaces: ["*"]
  excludedResources: [clusters.cluster.x-k8s.io]
  orLabelSelectors:
  - matchLabels: {k0rdent.mirantis.com/component: kcm}
  - matchLabels: {cluster.x-k8s.io/provider: infrastructure-azure}
status: {phase: Completed, startTimestamp: "$4"}
YAML
}
{
    cat <<'YAML'
apiVersion: velero.io/v1
kind: BackupStorageLocation
metadata: {name: aws-s3, namespace: kcm-system}
spec: {provider: aws, objectStorage: {bucket: backups}, config: {region: eu-1}}
status: {phase: Available}
YAML
    backup mb-kcm-1-1-0 '' aws-s3 2026-11-20T00:00:00Z
    backup by-gate-kcm-1-2-0 'backstop.k0rdent.mirantis.com/release: kcm-1-2-0, backstop.k0rdent.mirantis.com/recorded-at: "2026-11-20T23:59:58Z"' aws-s3 2026-11-21T00:00:00Z
    backup mb-kcm-1-0-0 '' gone 2026-11-01T00:00:00Z
    backup nightly '' aws-s3 2026-11-21T01:00:00Z
} >facts.yaml
facts=(--inventory facts.yaml "${now[@]}")

runs 0 rollback-plan "${facts[@]}"
has out '^  by-gate-kcm-1-2-0 +kcm-1-2-0 .* not needed *$'
has out '^  mb-kcm-1-1-0 +kcm-1-1-0 .* needed *$'
lacks out nightly
checks=$((checks + 1))
[ "$(sed -n '2s/^ *\([^ ]*\).*/\1/p' out)" = by-gate-kcm-1-2-0 ] || fail "the newest is not first"

# One that goes is no good way back, and says so.
sed 's|name: by-gate-kcm-1-2-0,|name: by-gate-kcm-1-2-0, deletionTimestamp: "2026-11-21T02:00:00Z",|' facts.yaml >going.yaml
runs 0 rollback-plan --inventory going.yaml "${now[@]}"
has out '^  by-gate-kcm-1-2-0 .* Deleting +not needed *$'
runs 1 rollback-plan --inventory going.yaml "${now[@]}" by-gate-kcm-1-2-0
has err 'is being deleted; the newest Completed management backup is "nightly"'

# kcm's own holds the new release: a ConfigMap sets the old one.
runs 0 rollback-plan "${facts[@]}" mb-kcm-1-1-0
has out '^kind: ConfigMap$'
has out 'value: "kcm-1-1-0"'
has out '^  - natgateways.network.azure.com$'
cp out plan.yaml
runs 0 review -f plan.yaml "${facts[@]}"
has out '^restore/rollback-to-kcm-1-1-0 +allowed'
lacks out 'may hold'

# The gate's holds the old one: none is needed.
runs 0 rollback-plan "${facts[@]}" by-gate-kcm-1-2-0
lacks out 'kind: ConfigMap|resourceModifier'
has out '^# .*no modifier is needed'
cp out plan.yaml
runs 0 review -f plan.yaml "${facts[@]}"
has out '^restore/rollback-to-kcm-1-2-0 +allowed'

# No way back: the reason, and nothing that could be applied.
runs 1 rollback-plan "${facts[@]}" mb-kcm-1-0-0
has err 'BackupStorageLocation "gone" does not exist'
lacks out .
runs 1 rollback-plan "${facts[@]}" mb-kcm-1-1-1
has err 'did you mean mb-kcm-1-1-0'
runs 1 rollback-plan "${facts[@]}" nightly
has err 'no backup taken before an upgrade'
printf 'apiVersion: v1\nkind: List\nitems: []\n' >empty.yaml
runs 1 rollback-plan --inventory empty.yaml "${now[@]}"
has err 'there is no backup taken before an upgrade in kcm-system'

# A ConfigMap of the plan's own name with another content is not overwritten.
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: backstop-release-kcm-1-1-0, namespace: kcm-system}\ndata: {a: "version: v1"}\n' >map.yaml
runs 1 rollback-plan "${facts[@]}" --inventory map.yaml mb-kcm-1-1-0
has err 'backstop-release-kcm-1-1-0 exists with another content'

runs 2 rollback-plan "${facts[@]}" one two
runs 2 rollback-plan --inventory missing.yaml
runs 0 rollback-plan --help
has out 'rollback-plan'
ends rollback-plan
