#!/usr/bin/env bash
# Asks the real robfig/cron v3.0.1 (needs Go):
#   run.sh table                        rewrites tests/unit/cron_table.tsv
#   run.sh random COUNT SEED FILE       writes a random table; BACKSTOP_CRON_TABLE=FILE build/release/unit-tests checks it
#   run.sh diff BINARY [COUNT [SEED]]   compares the explain verb with the library on random schedules
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

command -v go >/dev/null || {
  echo "hack/cron: this asks the Go library robfig/cron; install Go 1.21 or later (https://go.dev/dl)." >&2
  echo "hack/cron: without it, \"make unit\" still checks the committed answers in tests/unit/cron_table.tsv." >&2
  exit 2
}

# -trimpath: without a GOROOT both sides read the system's zoneinfo only.
mkdir -p "$root/build/hack"
(cd "$here" && go build -trimpath -o "$root/build/hack/cron" .)
cron=$root/build/hack/cron
unset ZONEINFO

case "${1:-}" in
  table)
    "$cron" table >"$root/build/hack/cron_table.tsv"
    mv "$root/build/hack/cron_table.tsv" "$root/tests/unit/cron_table.tsv"
    wc -l "$root/tests/unit/cron_table.tsv"
    ;;
  random)
    "$cron" random "${2:?COUNT}" "${3:?SEED}" >"${4:?FILE}"
    ;;
  diff)
    binary=${2:?BINARY}
    [ -x "$binary" ] || { echo "hack/cron: no binary at $binary" >&2; exit 2; }
    shift 2
    "$cron" diff "$(realpath "$binary")" "$@"
    ;;
  *)
    sed -n '2,5s/^# //p' "$0" >&2
    exit 2
    ;;
esac
