#!/usr/bin/env bash
# The status command: each folder of tests/golden/status has an inventory (and settings) and what is said of
# it, as text and as JSON. status.sh BINARY; ACCEPT=1 rewrites what is expected.
# shellcheck source=tests/wire/libcommand.sh
. "$(dirname "$0")/libcommand.sh"
version=$("$binary" version | sed -n 's/^version *//p')
now=2026-11-21T03:00:00Z # unless a case has a file that says another
cases=$root/tests/golden/status

status() { # WANTED CASE ARGUMENT...: the path in the output is made the same everywhere
    local wanted=$1 case=$2
    shift 2
    local at=$now
    if [ -f "$cases/$case/now" ]; then at=$(cat "$cases/$case/now"); fi
    if [ -f "$cases/$case/settings.yaml" ]; then set -- "$@" --settings "$cases/$case/settings.yaml"; fi
    runs "$wanted" status --now "$at" --inventory "$cases/$case/inventory.yaml" "$@"
    sed -i "s|$cases/||" out
}
# Planned runs are those that `explain` tells of each schedule, to the second and the zone.
explained() { # CASE
    checks=$((checks + 1))
    python3 - "$binary" <<'END' || fail "the calendar of $1 is not what explain says"
import json, subprocess, sys
status, wrong = json.load(open("out")), 0
for source in status["calendar"]["sources"]:
    runs = source["plannedRuns"]
    if not source["scheduleValid"] or source["paused"] or "@every" in source["schedule"] or not runs["times"]:
        continue
    said = json.loads(subprocess.run([sys.argv[1], "explain", source["schedule"], "-o", "json", "--from", status["time"],
                                      "-n", str(runs["count"] + 1)], capture_output=True, text=True).stdout)
    wrong += said["next"][:-1] != runs["times"] or said["zone"] != source["zone"]
sys.exit(1 if wrong else 0)
END
}
for case in ready:0 not-ready:3 blocked:1 under-way:1 hostile:1 empty:2 first-sync:2 migration-only:1 hollow:1 calendar:3 evidence:1 \
    incomplete:3 complete:0 kept:0 rehearsed:0 rehearsed-incomplete:1; do
    name=${case%:*} wanted=${case#*:}
    status "$wanted" "$name"
    harmless
    lacks err .
    equals out "$cases/$name/expected.txt"
    status "$wanted" "$name" -o json # the data as it is: programs read it
    explained "$name"
    cp out json
    python3 -m json.tool <out >pretty && mv pretty out
    equals out "$cases/$name/expected.json"
    status "$wanted" "$name" -o html
    checks=$((checks + 1))
    python3 "$root/tests/page/check_html.py" json out || fail "the page of $name"
    sed -Ei "s|<style>.*</style>|<style>...</style>|; s|sha256-[A-Za-z0-9+/=]*|sha256-...|; s|backstop $version\. |backstop VERSION. |" out
    equals out "$cases/$name/expected.html"
    for width in 40 80 120; do
        status "$wanted" "$name" --width $width
        harmless
    done
done

# Every key is documented.
checks=$((checks + 1)) asked="status -o json"
python3 - "$root/docs/status.md" "$cases"/*/expected.json <<'END' || fail "keys are not in docs/status.md"
import json, sys
documented, missing = open(sys.argv[1]).read(), set()
def walk(value):
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        walk(each)
    if isinstance(value, dict):
        missing.update(key for key in value if f"{key}`" not in documented and f"{key}[]`" not in documented)
for path in sys.argv[2:]:
    walk(json.load(open(path)))
print(*sorted(missing), end="\n" if missing else "")
sys.exit(1 if missing else 0)
END

# Width: tables fit; what is long becomes brief, then columns go, then rows become blocks. Nothing is cut.
for width in 60 80 100; do
    status 0 ready --width $width
    fits $width
done
status 0 ready --width 100
has out '^  kcm-backup  .*  0 \*/6 \* \* \*  .*  in 3h  .* aws-s3$'
for width in 40 60; do
    status 0 ready --width $width
    has out '^  kcm-backup-kcm-1-2-0$'
    has out '^    LAST      InProgress 412/980$'
    lacks out '…'
    fits $width
done
status 0 ready --width 60 --ascii
lacks out '[^ -~]'
lacks out '[a-z0-9]\.\.\.'

# Without a kind that the answer rests on there is no "ready", in no face: what is not known is named, with exit 2.
for kind in Management ManagementBackup BackupStorageLocation Backup Deployment; do
    python3 - "$kind" "$cases/ready/inventory.yaml" >less.yaml <<'END'
import re, sys
documents = re.split(r"(?m)^---\n", open(sys.argv[2]).read())
print("---\n".join(d for d in documents if not re.search(rf"(?m)^kind: {sys.argv[1]}$", d)))
END
    for output in text json html; do
        runs 2 status --now $now --inventory less.yaml -o $output
        has out "${kind,,}s[.][a-z0-9.]*"
        has out 'no --inventory file lists them'
        lacks out '^READY\|"ready":true\|<title>Ready'
    done
done
runs 0 status --now $now --inventory "$cases/ready/inventory.yaml"
runs 2 status --now $now --inventory "$cases/ready/inventory.yaml" --to kcm-9-9-9
has out 'releases.k0rdent.mirantis.com: .*whether that release is ready'

# ASCII where the locale asks for it: the first of the three that is set.
cat >wide.yaml <<'END'
apiVersion: k0rdent.mirantis.com/v1beta1
kind: ManagementBackup
metadata: {name: 备份}
spec: {schedule: "@daily"}
END
for locale in "LC_ALL=C" "LC_ALL= LC_CTYPE=POSIX LANG=C.UTF-8" "LC_ALL= LC_CTYPE= LANG=" "LC_ALL=C.UTF-8 TERM=dumb"; do
    # shellcheck disable=SC2086 # several variables
    asked="status under $locale" && env $locale "$binary" status --now $now --inventory wide.yaml >out 2>err
    lacks out '[^ -~]'
    has out 'xe5'
done
for locale in "LC_ALL=C.utf8" "LC_ALL= LC_CTYPE= LANG=de_DE.UTF-8" "LC_ALL=en_US.UTF8 LANG=C"; do
    # shellcheck disable=SC2086 # several variables
    asked="status under $locale" && env TERM=xterm $locale "$binary" status --now $now --inventory wide.yaml >out 2>err
    has out '备份'
done

# Colour is for terminals that want it.
status 0 ready
lacks out "$(printf '\033')"
status 0 ready --color always
has out "^$(printf '\033\\[36m')READY$(printf '\033\\[0m'):"
status 2 ready --color sometimes
has err 'expected auto, always or never'

# The gate is asked about a release, too.
cat >releases.yaml <<'END'
apiVersion: k0rdent.mirantis.com/v1beta1
kind: Release
metadata: {name: kcm-1-3-0}
spec: {version: 1.3.0}
status: {ready: true}
---
apiVersion: k0rdent.mirantis.com/v1beta1
kind: Release
metadata: {name: kcm-1-4-0}
spec: {version: 1.4.0}
END
status 0 ready --inventory releases.yaml --to kcm-1-3-0
has out 'an upgrade to kcm-1-3-0: admitted now'
status 1 ready --inventory releases.yaml --to kcm-1-4-0
has out 'Release "kcm-1-4-0" is not ready'
status 1 ready --inventory releases.yaml --to kcm-1-3-O -o json
json '"did you mean" in d["blockers"][0]["message"] and d["upgrade"]["outcome"] == "refused"'
status 0 ready --to kcm-1-2-0
has out 'an upgrade to kcm-1-2-0: nothing to do: this release is already running'

# Settings count: accounts of Velero, the gate, the age of evidence.
head='apiVersion: backstop.k0rdent.mirantis.com/v1alpha1
kind: Settings'
printf '%s\nvelero: {serviceAccounts: ["kcm-system:my-velero-server"]}\n' "$head" >accounts.yaml
status 1 blocked --settings accounts.yaml -o json
json 'd["velero"][0]["serviceAccountKnown"] and not [b for b in d["blockers"] if "serviceAccounts" in b["message"]]'
printf '%s\nupgrade: {gate: false}\n' "$head" >off.yaml
status 0 ready --settings off.yaml -o json
json 'd["upgrade"]["outcome"] == "letThrough" and "gate is off" in d["warnings"][0]["message"]'
printf '%s\nupgrade: {maxBackupAge: 10m}\n' "$head" >young.yaml
status 0 ready --settings young.yaml -o json
json 'd["upgrade"]["sources"][0]["evidence"] == "too old" and d["upgrade"]["sources"][0]["step"] == "start"'

# rs-22: the name of Velero's Deployment matters before k0rdent 1.2.0 only.
sed 's/kcm-1-1-0/kcm-1-2-0/g' "$cases/blocked/inventory.yaml" >newer.yaml
runs 1 status --now $now --inventory newer.yaml
lacks out 9023
status 1 blocked
has out 'is not named "velero".*9023'

# What protects nobody is told.
grep -v performOnManagementUpgrade "$cases/ready/inventory.yaml" >unprotected.yaml
runs 3 status --now $now --inventory unprotected.yaml
has out 'no ManagementBackup protects upgrades'
printf '%s\nupgrade: {withoutBackups: deny}\n' "$head" >deny.yaml
runs 1 status --now $now --inventory unprotected.yaml --settings deny.yaml

# An upgrade that is in progress is said in the verdict, and not warned of beside it.
sed 's/^spec: {release: kcm-1-2-0}/spec: {release: kcm-1-3-0}/' "$cases/ready/inventory.yaml" >progress.yaml
runs 0 status --now $now --inventory progress.yaml
has out 'upgrade  READY +from kcm-1-2-0 to kcm-1-3-0 in progress'
lacks out 'has not finished yet'

# Usage, and what cannot be read.
runs 0 status --help
has out '^Usage: backstop status'
has out 'docs/status\.md'
runs 2 status extra
runs 2 status -o yaml
has err 'expected text, json or html'
runs 2 status --width 3 --inventory releases.yaml
runs 2 status --inventory missing.yaml
has err 'missing\.yaml'
printf 'a: [\n' >bad.yaml
runs 2 status --inventory bad.yaml
has err 'bad\.yaml:'
lacks out .
runs 2 status --inventory releases.yaml --kubeconfig x
runs 2 status --kubeconfig missing.kubeconfig
has err 'missing\.kubeconfig'
printf 'apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]\nusers: [{name: u, user: {token: t}}]\ncontexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n' >down.kubeconfig
runs 2 status --kubeconfig down.kubeconfig --timeout 1s
has err 'nothing of the cluster at https://127\.0\.0\.1:1 could be read'
runs 2 status --settings missing.yaml --inventory releases.yaml
ends status
