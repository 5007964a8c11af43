#!/usr/bin/env bash
# Counts the instructions of the fixed reviews with callgrind and compares them with
# tests/bench/baseline.json: bench-quick.sh FIXED_SET BODIES [--accept]
# Counts do not depend on what else the machine does, so 5 % more is a real change.
set -euo pipefail
cd "$(dirname "$0")/.."
program=${1:?usage: hack/bench-quick.sh FIXED_SET BODIES [--accept]}
bodies=${2:?usage: hack/bench-quick.sh FIXED_SET BODIES [--accept]}

command -v valgrind >/dev/null || hack/install-deps.sh bench
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
valgrind --quiet --tool=callgrind --callgrind-out-file="$work/out" "$program" "$bodies" >"$work/runs"
callgrind_annotate --inclusive=yes --threshold=100 --show-percs=no "$work/out" >"$work/costs"
compiler=$("${CC:-gcc}" -dumpfullversion -dumpmachine | tr '\n' ' ')
tests/bench/compare.py tests/bench/baseline.json "$work/runs" "$work/costs" "${compiler% }" "${3:-}"
