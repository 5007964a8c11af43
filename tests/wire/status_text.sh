#!/usr/bin/env bash
# The terminal's face of status at fixed widths, in Unicode, ASCII and colour, to the byte:
# status_text.sh BINARY; ACCEPT=1 rewrites what is expected.
# shellcheck source=tests/wire/libcommand.sh
. "$(dirname "$0")/libcommand.sh"
cases=$root/tests/golden/status
now=2026-11-21T03:00:00Z

text() { # CASE INVENTORY NAME ARGUMENT...: its output is CASE/text-NAME.txt
    local case=$1 inventory=$2 name=$3 at=$now folder
    shift 3
    if [ -f "$cases/$case/now" ]; then at=$(cat "$cases/$case/now"); fi
    asked="status of $case, $name"
    # From there, so that where this tree lies breaks no line elsewhere.
    case $inventory in "$cases"/*) folder=$cases ;; *) folder=. ;; esac
    (cd "$folder" && exec "$binary" status --now "$at" --inventory "${inventory#"$cases"/}" "$@") >out 2>err
    code=$?
    checks=$((checks + 1))
    { [ $code -le 3 ] && [ ! -s err ]; } || fail "exit $code"
    equals out "$cases/$case/text-$name.txt"
}
everywhere() { # CASE INVENTORY
    for width in 60 100 200; do
        text "$1" "$2" $width --width $width
        harmless
        fits $width
    done
    text "$1" "$2" 100-ascii --width 100 --ascii
    lacks out '[^ -~]'
    fits 100
    text "$1" "$2" 100-colour --width 100 --color always
    # Colour changes nothing but the colours.
    checks=$((checks + 1))
    sed -i 's/\x1b\[[0-9;]*m//g' out
    cmp -s out "$cases/$1/text-100.txt" || fail "colour changes the text"
}
for case in empty ready calendar under-way hostile; do
    everywhere $case "$cases/$case/inventory.yaml"
done

# Fifty of them: some with backups, one with a name as long as names get.
{
    printf 'apiVersion: velero.io/v1\nkind: BackupStorageLocation\nmetadata: {name: s3, namespace: kcm-system}\n'
    printf 'spec: {provider: aws, objectStorage: {bucket: b}}\nstatus: {phase: Available}\n'
    for i in $(seq -w 1 50); do
        name=backup-$i
        if [ "$i" = 25 ]; then name=$(printf 'long-%.0s' $(seq 1 50))end; fi
        printf -- '---\napiVersion: k0rdent.mirantis.com/v1beta1\nkind: ManagementBackup\nmetadata: {name: %s}\n' "$name"
        printf 'spec: {schedule: "%d %d * * %s", storageLocation: s3}\n' $((10#$i)) $((10#$i % 24)) \
            "$([ $((10#$i % 5)) -eq 0 ] && echo sun || echo '*')"
        if [ $((10#$i % 3)) -eq 0 ]; then
            phase=Completed
            if [ $((10#$i % 9)) -eq 0 ]; then phase=Failed; fi
            for day in 12 16 20; do
                printf -- '---\napiVersion: velero.io/v1\nkind: Backup\nmetadata:\n  name: %s-%s\n  namespace: kcm-system\n' "$name" $day
                printf '  labels: {k0rdent.mirantis.com/management-backup: %s}\n' "$name"
                printf 'spec: {storageLocation: s3, includedNamespaces: ["*"], '
                printf 'excludedResources: [clusters.cluster.x-k8s.io], '
                printf 'orLabelSelectors: [{matchLabels: {k0rdent.mirantis.com/component: kcm}}]}\n'
                printf 'status: {phase: %s, startTimestamp: "2026-11-%sT10:00:00Z", ' $phase $day
                printf 'completionTimestamp: "2026-11-%sT10:05:00Z"}\n' $day
            done
        fi
    done
} >fifty.yaml
everywhere fifty fifty.yaml

# Progress: nothing counted yet, nearly done, finishing, absurd numbers, another namespace.
progress() { # NAME NAMESPACE PHASE STARTED ITEMS TOTAL
    printf -- '---\napiVersion: velero.io/v1\nkind: Backup\nmetadata: {name: %s, namespace: %s}\nspec: {}\n' "$1" "$2"
    printf 'status: {phase: %s, startTimestamp: "%s", progress: {itemsBackedUp: %s, totalItems: %s}}\n' "$3" "$4" "$5" "$6"
}
{
    progress just-started kcm-system InProgress 2026-11-21T03:00:00Z 0 0
    progress uncounted kcm-system InProgress 2026-11-21T02:59:00Z 10 0
    progress first-second kcm-system InProgress 2026-11-21T03:00:00Z 5 100
    progress half kcm-system InProgress 2026-11-21T02:59:00Z 490 980
    progress nearly kcm-system InProgress 2026-11-21T02:58:20Z 979 980
    progress all kcm-system InProgress 2026-11-21T02:58:20Z 980 980
    progress more-than-all kcm-system InProgress 2026-11-21T02:58:20Z 981 980
    progress slow kcm-system InProgress 2026-11-21T00:00:00Z 3 900000
    progress absurd kcm-system InProgress 2026-11-20T03:00:00Z 1 9223372036854775807
    progress huge kcm-system InProgress 2026-11-20T03:00:00Z 9223372036854775806 9223372036854775807
    progress negative kcm-system InProgress 2026-11-20T03:00:00Z -5 100
    progress in-the-future kcm-system InProgress 2026-11-22T03:00:00Z 5 100
    progress finalizing kcm-system Finalizing 2026-11-21T02:00:00Z 980 980
    progress elsewhere team-a InProgress 2026-11-21T02:59:00Z 30 120
} >progress.yaml
everywhere progress progress.yaml
ends "status as text"
