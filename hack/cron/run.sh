#!/usr/bin/env bash
# Asks the real robfig/cron v3.0.1 and netresearch/go-cron v0.15.0 (needs Go). LIBRARY is robfig or go-cron:
#   run.sh table                               rewrites tests/unit/cron_table_*.tsv
#   run.sh random LIBRARY COUNT SEED FILE      writes a random table; BACKSTOP_CRON_TABLE=FILE build/release/unit-tests checks it
#   run.sh diff BINARY [COUNT [SEED]]          compares the explain command with both libraries on random schedules
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

command -v go >/dev/null || {
  echo "hack/cron: this asks the Go libraries robfig/cron and netresearch/go-cron; install Go 1.25 or later (https://go.dev/dl)." >&2
  echo "hack/cron: without it, \"make unit\" still checks the committed answers in tests/unit/cron_table_*.tsv." >&2
  exit 2
}

# -trimpath: without a GOROOT both sides read the system's zoneinfo only.
mkdir -p "$root/build/hack"
(cd "$here" && go build -trimpath -o "$root/build/hack/cron" .)
cron=$root/build/hack/cron
unset ZONEINFO

case "${1:-}" in
  table)
    for library in robfig go-cron; do
      "$cron" table "$library" >"$root/build/hack/cron_table.tsv"
      mv "$root/build/hack/cron_table.tsv" "$root/tests/unit/cron_table_${library/-/_}.tsv"
    done
    wc -l "$root"/tests/unit/cron_table_*.tsv
    ;;
  random)
    "$cron" random "${2:?LIBRARY}" "${3:?COUNT}" "${4:?SEED}" >"${5:?FILE}"
    ;;
  diff)
    binary=${2:?BINARY}
    [ -x "$binary" ] || { echo "hack/cron: no binary at $binary" >&2; exit 2; }
    shift 2
    for library in robfig go-cron; do
      "$cron" diff "$library" "$(realpath "$binary")" "$@"
    done
    ;;
  *)
    sed -n '2,5s/^# //p' "$0" >&2
    exit 2
    ;;
esac
