#!/usr/bin/env bash
# What `backstop review` takes: folders as they are, links, pipes, URLs, kustomizations, and
# kubectl's way to write options: review_inputs.sh BINARY
# shellcheck source=tests/wire/libcommand.sh
source "$(dirname "${BASH_SOURCE[0]}")/libcommand.sh"
now=2026-11-21T05:00:00Z

backup() { # NAME
    printf 'apiVersion: velero.io/v1\nkind: Backup\nmetadata: {name: %s, namespace: kcm-system}\nspec: {ttl: 720h}\n' "$1"
}

# A folder as repositories have them: one summary line for what holds no object, templates named as such.
mkdir -p repo/charts/templates repo/.git/objects repo/deep/er
backup a >repo/a.yaml
backup deep >repo/deep/er/b.yaml
printf 'replicas: 2\nimage: x\n' >repo/values.yaml
printf 'apiVersion: v2\nname: chart\nversion: 0.1.0\n' >repo/Chart.yaml
printf 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n' >repo/kustomization.yaml
printf 'metadata:\n  name: {{ .Release.Name }}\n{{- if .Values.on }}\n{{- end }}\n' >repo/template.yaml
printf 'broken: [\n' >repo/.git/objects/x.yaml
mkfifo repo/pipe.yaml
ln -s ../repo repo/loop
ln -s a.yaml repo/link.yaml
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("repo/socket.json")'
runs 0 review --now $now -f repo
has out '^3 documents: 2 allowed, 1 not reviewed$'
has err '^skipped: 2 files without a Kubernetes object$'
has err '^skipped: 1 template \(not rendered\)$'
has err '^skipped: 2 entries that are not regular files$'
runs 0 review --now $now -R -f repo
has out '^4 documents: 3 allowed, 1 not reviewed$'
runs 0 review --now $now -Rf repo
has out '^4 documents: 3 allowed, 1 not reviewed$'
runs 0 review --now $now -f repo -o json
has err '^skipped: 2 files'
lacks out 'skipped'
lacks err 'kustomize'
runs 2 review --now $now -f repo/template.yaml
has err 'template\.yaml: a template .*render it first'
# A template of a chart is one even if it parses; what cannot be parsed and names no object is no manifest. A template
# elsewhere that parses is a manifest with a placeholder, and a manifest that cannot be parsed stays a problem.
mkdir -p chart/templates/more broken
printf 'name: x\n' >chart/Chart.yaml
backup '"{{ .Release.Name }}"' | tee chart/templates/b.yaml >chart/templates/more/c.yaml
backup fine >chart/templates/d.yaml
printf '{"strict": true} // why\n' >chart/tsconfig.json
head -c 100 /dev/zero >chart/zero.yaml
runs 0 review --now $now -R -f chart
has out '^1 document: 1 allowed$'
has err '^skipped: 3 files without a Kubernetes object$'
has err '^skipped: 2 templates \(not rendered\)$'
runs 2 review --now $now -f chart/templates/b.yaml
has err 'b\.yaml: a template .*render it first'
cd chart || exit
runs 0 review --now $now -f templates
has err '^skipped: 1 template'
cd ..
runs 2 review --now $now -f chart/tsconfig.json
cp chart/templates/b.yaml broken
runs 1 review --now $now -f broken
printf 'apiVersion: velero.io/v1\n\tkind: Backup\n' >broken/b.yaml
runs 2 review --now $now -f broken
has err 'broken/b\.yaml:2'
ln -s nowhere repo/dangling.yaml
runs 2 review --now $now -f repo
has err 'dangling\.yaml: this link leads nowhere'
has out '^3 documents: 2 allowed, 1 not reviewed, 1 unreadable$'
rm repo/dangling.yaml

# Without metadata nothing aborts, whatever the inventory.
runs 0 review --now $now -f "$root/manifests/samples" --inventory "$root/manifests/samples/inventory" -R
has out 'documents: '
printf 'apiVersion: velero.io/v1\nkind: Backup\n' >bare.yaml
runs 1 review --now $now -f bare.yaml -f repo/a.yaml --inventory "$root/manifests/samples/inventory"

# What no API server would take is refused before it becomes a tree of many times its size.
{ printf '{"apiVersion":"velero.io/v1","kind":"Backup","metadata":{"name":"x"},"spec":{"a":"'; head -c 9000000 /dev/zero | tr '\0' a; printf '"}}'; } >large.json
runs 2 review --now $now -f large.json
has err '^backstop review: large\.json:1: larger than 8 MiB: the API server accepts at most 3 MiB$'
{ printf '{"kind":"List","apiVersion":"v1","items":['; cat large.json; printf ']}'; } >large-item.json
{ printf 'apiVersion: velero.io/v1\nkind: Backup\nmetadata: {name: x}\nspec:\n  a: '; head -c 9000000 /dev/zero | tr '\0' a; printf '\n'; } >large.yaml
{ printf 'apiVersion: v1\nkind: List\nitems:\n'; sed '1s/^/- /; 2,$s/^/  /' large.yaml; } >large-item.yaml
for large_file in large-item.json large.yaml large-item.yaml; do
    runs 2 review --now $now -f $large_file
    has err "^backstop review: $large_file:[0-9]*: larger than 8 MiB: the API server accepts at most 3 MiB\$"
done
rm large.json large.yaml large-item.*
# The API server counts what kubectl sends it, which is JSON without white space.
large_object() { printf '{"apiVersion":"k0rdent.mirantis.com/v1beta1","kind":"Management","metadata":{"name":"kcm"},%*s"spec":{"release":"r","core":{"a":"' "$1" ''; head -c "$2" /dev/zero | tr '\0' a; printf '"}}}'; }
large_object 0 3200000 >large.json
runs 1 review --now $now -f large.json
has out 'Request entity too large: limit is 3145728, and as JSON this object has 3200[0-9]* bytes$'
large_object 300000 3100000 >large.json
runs 1 review --now $now -f large.json
lacks out 'too large'
rm large.json

# An item that is null is no object, and leaves no memory behind.
printf '{"kind":"List","apiVersion":"v1","items":[null,{"apiVersion":"velero.io/v1","kind":"Backup","metadata":{"name":"a","namespace":"kcm-system"},"spec":{}}]}' >null.json
runs 0 review --now $now -f null.json
has out '^1 document: 1 allowed$'
rm null.json

# Nothing to review is said, and is no success.
mkdir empty nothing
printf 'a: 1\n' >nothing/values.yaml
for folder_name in empty nothing; do
    runs 2 review --now $now -f $folder_name
    has err 'nothing to review: no Kubernetes object was found'
    runs 0 review --now $now -f $folder_name --allow-empty
done
runs 2 review --now $now -f nothing/values.yaml
has err 'values\.yaml:1: this document has no apiVersion or no kind'
printf 'apiVersion: v1\nkind: List\nitems: []\n' >list.yaml
runs 2 review --now $now -f list.yaml
runs 0 review --now $now -f list.yaml --allow-empty

# What is passed by mistake is named, and not read as a manifest.
printf 'apiVersion: v1\nkind: Config\nclusters: []\ncontexts: []\ncurrent-context: x\nusers: []\n' >config
backup packed | gzip >packed.yaml
backup packed >inside.yaml
tar cf inside.tar inside.yaml
for pair in 'config is a kubeconfig, not a manifest: pass it with --kubeconfig' 'packed.yaml is compressed: unpack it first' \
    'inside.tar is a tar archive: unpack it first'; do
    runs 2 review --now $now -f "${pair%% *}"
    has err "^backstop review: ${pair%% *}: ${pair#* }\$"
done
# As an inventory too, in every command that takes one; what merely stands in a folder with it is no mistake.
python3 -c 'print("{\"apiVersion\":\"v1\",\"kind\":\"Config\",\"clusters\":[],\"contexts\":[{\"name\":\"%s\"}]}" % ("x" * 70000))' >config.json
mkdir aside
cp config aside/config.yaml
for command in 'review -f inside.yaml' audit status; do
    # shellcheck disable=SC2086 # words
    for pair in 'config:2: kind: this is a kubeconfig, not objects: pass it with --kubeconfig' \
        'config.json:1: kind: this is a kubeconfig, not objects: pass it with --kubeconfig' \
        'packed.yaml: is compressed: unpack it first' 'inside.tar: is a tar archive: unpack it first'; do
        runs 2 $command --inventory "${pair%%:*}"
        has err "^backstop ${command%% *}: $pair\$"
    done
done
runs 0 review --now $now -f inside.yaml --inventory aside

# Whoever reads the output and has had enough is not told of it.
"$binary" review --now $now -f inside.yaml 2>err | true
lacks err .

# One document that cannot be read does not leave the others unanswered; line and column are the file's.
{ backup first; echo ---; printf 'a: b: c\n'; echo ---; backup second; } >mixed.yaml
runs 2 review --now $now -f mixed.yaml
has out '^backup/first  allowed$'
has out '^backup/second  allowed$'
has err '^backstop review: mixed\.yaml:6: column 5: mapping values are not allowed'

# A byte order mark before any document, Windows' line ends, a number as a name.
{ backup a; printf -- '---\n\xef\xbb\xbf'; backup b; } >marks.yaml
runs 0 review --now $now -f marks.yaml
has out '^backup/b  allowed$'
sed 's/$/\r/' mixed.yaml | sed '5,6d' >crlf.yaml
runs 0 review --now $now -f crlf.yaml
printf 'apiVersion: velero.io/v1\nkind: Backup\nmetadata:\n\tname: x\n' >tab.yaml
runs 2 review --now $now -f tab.yaml
has err '^backstop review: tab\.yaml:4: column 1: found character.*indent with spaces, not with tabs'

# Lists, item by item, with the lines of the file; anchors between items work as well.
{
    printf 'apiVersion: v1\nitems:\n'
    for name in one two three; do
        printf -- '- apiVersion: velero.io/v1\n  kind: Schedule\n  metadata:\n    name: %s\n' $name
        printf '    namespace: kcm-system\n  spec:\n    schedule: 0 9 * * *\n    template: {}\n'
    done
    printf 'kind: List\nmetadata:\n  resourceVersion: ""\n'
} >listed.yaml
sed -i '25s/.*/    schedule: 0 9 * * 99/' listed.yaml
runs 1 review --now $now -f listed.yaml
has out '^  listed\.yaml:25  spec\.schedule'
has out '^3 documents: 2 allowed, 1 denied$'
python3 -c 'import json
from sys import argv
item = lambda n, c: {"apiVersion": "velero.io/v1", "kind": "Schedule", "metadata": {"name": n, "namespace": "kcm-system"},
                     "spec": {"schedule": c, "template": {}}}
print(json.dumps({"apiVersion": "v1", "kind": "List", "items": [item("a", "0 9 * * *"), item("b", "0 9 * * 99")]}, indent=1))' >listed.json
runs 1 review --now $now -f listed.json
has out "^  listed\.json:$(grep -n '99' listed.json | cut -d: -f1)  spec\.schedule"
printf 'apiVersion: v1\nitems:\n- apiVersion: velero.io/v1\n  kind: Backup\n  metadata: {name: a, namespace: kcm-system}\n  spec: &spec {ttl: 720h}\n- apiVersion: velero.io/v1\n  kind: Backup\n  metadata: {name: b, namespace: kcm-system}\n  spec: *spec\nkind: List\n' >anchors.yaml
runs 0 review --now $now -f anchors.yaml
has out '^2 documents: 2 allowed$'

# Several files, the shell's globs, and standard input beside them.
"$binary" review --now $now repo/a.yaml marks.yaml -f - >out 2>err <<<"$(backup piped)"
has out '^4 documents: 4 allowed$'

# A URL as kubectl takes it; redirects are followed, errors are said.
mkdir www && cp repo/a.yaml www/a.yaml
python3 - >port <<'PY' &
import http.server
class Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *a): super().__init__(*a, directory="www")
    def log_message(self, *a): pass
    def do_GET(self):
        if self.path != "/moved.yaml": return super().do_GET()
        self.send_response(302); self.send_header("Location", "/a.yaml"); self.end_headers()
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
PY
server=$!
for _ in $(seq 100); do [ -s port ] && break; sleep 0.05; done
runs 0 review --now $now -f "http://127.0.0.1:$(cat port)/moved.yaml"
has out '^1 document: 1 allowed$'
runs 2 review --now $now -f "http://127.0.0.1:$(cat port)/absent.yaml"
has err 'absent\.yaml: the server answered 404'
kill $server
runs 2 review --now $now -f "http://127.0.0.1:1/a.yaml"
has err 'http://127\.0\.0\.1:1/a\.yaml: '

# -k is what kubectl kustomize prints.
mkdir bin
printf '#!/bin/sh\n[ "$1 $2" = "kustomize --" ] || exit 9\ncat "$3/a.yaml"\n' >bin/kubectl
chmod +x bin/kubectl
PATH=$PWD/bin:$PATH runs 0 review --now $now -k repo
has out '^1 document: 1 allowed$'
PATH=$PWD/bin:$PATH runs 2 review --now $now -k nothing
has err 'nothing: kubectl kustomize failed'
runs 2 review -k repo -f repo
has err '-k and -f: give one of them'

# A folder of which kustomize builds something else than its files hold is named, once for all of them. A Component is built only
# by others; a list of resources changes nothing; Flux's own Kustomization is another kind.
mkdir -p overlays/a overlays/b overlays/c overlays/d overlays/e "overlays/f g"
for folder in overlays/*; do backup a >"$folder/a.yaml"; done
printf 'resources: [a.yaml]\npatches: [{path: patch.yaml}]\n' | tee overlays/b/kustomization.yml >overlays/c/Kustomization
printf 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: velero\npatches: []\n' >"overlays/f g/kustomization.yaml"
printf 'kind: Component\npatches: [{path: patch.yaml}]\n' >overlays/a/kustomization.yaml
printf 'apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nspec: {patches: [{path: a}]}\n' >overlays/d/kustomization.yaml
printf 'resources: [a.yaml]\npatches: []\n' >overlays/e/kustomization.yaml
runs 0 review --now $now -R -f overlays
has err '^not as kustomize builds it: overlays/b and 2 more folders \(its kustomization sets patches\)\. .*: backstop review -k overlays/b$'
runs 0 review --now $now -f "overlays/f g" -o sarif
has err '^not as kustomize builds it: "overlays/f g" \(its kustomization sets namespace\)\. .*: backstop review -k "overlays/f g"$'
for folder in a d e; do
    runs 0 review --now $now -f overlays/$folder
    lacks err 'kustomize'
done
printf 'patches: [\n' >overlays/e/kustomization.yaml
runs 0 review --now $now -f overlays/e
lacks err 'kustomize'

# Options as kubectl takes them: before the command too, with = after a letter, long and short.
runs 0 --now $now review --filename=repo/a.yaml -o=json
has out '^\{"source":"repo/a\.yaml"'
runs 0 -o json review --now $now -f=repo/a.yaml
has out '^\{"source"'
runs 0 help review
has out 'recursive'
runs 0 -v
has out '^version '
runs 2 help reveiw
has err 'did you mean review'

# An upgrade in a repository is an update of the inventory's Management. It would wait: exit 3, the
# words of a dry run, no failure in JUnit; JSON keeps the webhook's own answer.
inventory=$root/manifests/samples/inventory
printf 'apiVersion: k0rdent.mirantis.com/v1beta1\nkind: Management\nmetadata: {name: kcm}\nspec: {release: kcm-1-3-0}\n' >upgrade.yaml
runs 3 review --now $now -f upgrade.yaml --inventory "$inventory"
has out '^management/kcm \(update\)  would wait$'
has out 'kcm-backup-kcm-1-2-0: would be started'
has out '^  would create ManagementBackup kcm-backup-kcm-1-2-0$'
lacks out 'just started'
runs 3 review --now $now -f upgrade.yaml --inventory "$inventory" -o junit
has out '^<testsuite name="backstop review" tests="1" failures="0" errors="0" skipped="1">$'
runs 3 review --now $now -f upgrade.yaml --inventory "$inventory" -o json
has out '"code":429.*just started'
sed 's/kcm-1-3-0/kcm-1-2-0/' upgrade.yaml >same.yaml
runs 0 review --now $now -f same.yaml --inventory "$inventory"
lacks out 'without a backup'
runs 1 review --now $now -f upgrade.yaml -f listed.yaml --inventory "$inventory"

# SARIF: a result for each cause and warning, on its line; what cannot be read is one as well.
runs 2 review --now $now -f listed.yaml -f "repo/template.yaml" -o sarif
json 'd["version"] == "2.1.0" and len(d["runs"]) == 1'
json '[(r["ruleId"], r["locations"][0]["physicalLocation"]["region"]["startLine"]) for r in d["runs"][0]["results"] if r["level"] == "error" and "region" in r["locations"][0]["physicalLocation"]] == [("denied", 25)]'
json 'any(r["ruleId"] == "unreadable" and r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "repo/template.yaml" for r in d["runs"][0]["results"])'
json 'all(r["ruleId"] == d["runs"][0]["tool"]["driver"]["rules"][r["ruleIndex"]]["id"] for r in d["runs"][0]["results"])'
runs 3 review --now $now -f upgrade.yaml --inventory "$inventory" -o sarif
json '[r["level"] for r in d["runs"][0]["results"] if r["ruleId"] == "waits"] == ["note"]'

# What nothing is known of is said once, not for each document; with facts it is said where it matters.
printf 'apiVersion: k0rdent.mirantis.com/v1beta1\nkind: ManagementBackup\nmetadata: {name: a}\nspec: {schedule: 0 9 * * *, storageLocation: x}\n' >one.yaml
{ cat one.yaml; echo ---; sed 's/name: a/name: b/' one.yaml; } >two.yaml
runs 0 review --now $now -f two.yaml
lacks out 'was not checked'
has out '^not checked, since nothing is known of them: BackupStorageLocations; pass --inventory or --context$'
runs 0 review --now $now -f two.yaml -o json
has out 'was not checked'
printf 'apiVersion: velero.io/v1\nkind: BackupList\nitems: []\n' >no-backups.yaml
runs 0 review --now $now -f two.yaml --inventory no-backups.yaml
has out 'so "x" was not checked'
lacks out '^not checked'

# Documents find their old object in a table, not by a walk through all of them: the square would take a minute.
python3 - <<'END'
for name, ttl in (("before", "720h"), ("after", "719h")):
    with open(f"{name}.yaml", "w") as file:
        for i in range(20000):
            file.write(f"---\napiVersion: velero.io/v1\nkind: Schedule\nmetadata: {{name: s-{i}, namespace: kcm-system}}\n"
                       f"spec: {{schedule: '0 3 * * *', template: {{ttl: {ttl}}}}}\n")
END
checks=$((checks + 1)) asked="review of 20,000 updates"
(ulimit -t 20 && "$binary" review --now $now -f after.yaml --old before.yaml -o json >out 2>err) || fail "$(tail -1 err)"
checks=$((checks + 1))
[ "$(grep -c '"operation":"UPDATE"' out)" = 20000 ] || fail "$(grep -c '"operation":"UPDATE"' out) were updates"
# Of two old objects for one document the first counts, and the other is named.
{ cat one.yaml; echo ---; sed 's/9 \* \* \*/8 * * */' one.yaml; } >old-twice.yaml
runs 0 review --now $now -f one.yaml --old old-twice.yaml -o json
has out '"operation":"UPDATE"'
lacks out '"before 08:00'
has err 'old-twice.yaml:6: no document has this object'

# A disk that is full is named.
if [ -e /dev/full ]; then
    asked="review >/dev/full"
    "$binary" review --now $now -f repo/a.yaml >/dev/full 2>err
    has err 'cannot write the output: No space left on device'
fi

ends "review takes what repositories hold"
