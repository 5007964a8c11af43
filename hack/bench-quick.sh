#!/usr/bin/env bash
# Counts the instructions of the fixed reviews with callgrind and compares them with
# tests/bench/baseline.json: bench-quick.sh FIXED_SET BODIES [--accept]
# Counts do not depend on what else the machine does, so 5 % more is a real change; nor on its processor:
# glibc has copies of memcpy, memchr and others for several, which differ by 3 %, and is kept to one here. Nor on where
# texts happen to lie: the strcmp of Fast_Unaligned_Load takes ten times as long for one near the end of a page, which
# the length of this folder's path decides (4 % of a Restore).
set -euo pipefail
cd "$(dirname "$0")/.."
program=${1:?usage: hack/bench-quick.sh FIXED_SET BODIES [--accept]}
bodies=${2:?usage: hack/bench-quick.sh FIXED_SET BODIES [--accept]}

command -v valgrind >/dev/null || hack/install-deps.sh counts
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
plain="-AVX2,-AVX,-BMI2,-ERMS,-FSRM,-SSSE3,-SSE4_1,-SSE4_2,-Fast_Unaligned_Copy,-Fast_Unaligned_Load"
GLIBC_TUNABLES=glibc.cpu.hwcaps=$plain valgrind --quiet --tool=callgrind --callgrind-out-file="$work/out" "$program" "$bodies" >"$work/runs"
callgrind_annotate --inclusive=yes --threshold=100 --show-percs=no "$work/out" >"$work/costs"
tools="$("${CC:-gcc}" --version | head -1 | sed 's/.* //'), $(getconf GNU_LIBC_VERSION), json-c $(pkg-config --modversion json-c)"
tests/bench/compare.py tests/bench/baseline.json "$work/runs" "$work/costs" "$(basename "${CC:-gcc}") $tools" "${3:-}"
