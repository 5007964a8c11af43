#!/bin/sh
# Asks the real sigs.k8s.io/yaml (needs Go) again about every text in
# tests/unit/yaml_table.tsv; add a text as a first column and run this.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
table=$here/../../tests/unit/yaml_table.tsv

command -v go >/dev/null || {
  echo "hack/yaml: this asks the Go library sigs.k8s.io/yaml; install Go 1.22 or later (https://go.dev/dl)." >&2
  exit 2
}
(cd "$here" && go run . <"$table") >"$table.new"
mv "$table.new" "$table"
wc -l "$table"
