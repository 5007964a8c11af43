#!/usr/bin/env bash
# Runs libFuzzer targets one after the other (FUZZ_JOBS=2: two at a time):
#   hack/fuzz.sh SECONDS TARGET...      e.g. hack/fuzz.sh 60 fuzz_yaml fuzz_review
# A target is build/fuzz/TARGET (make build/fuzz/TARGET). Its corpus grows in
# build/fuzz/corpus-NAME from the committed seeds in tests/fuzz/corpus/NAME; the
# dictionary tests/fuzz/NAME.dict is used where there is one. A finding leaves its
# input as build/fuzz/NAME-crash-..., and makes the exit code 1.
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -ge 2 ] || { sed -n '2,8s/^# //p' "$0" >&2; exit 2; }
seconds=$1
shift

run_target() {
  local target=$1 name=${1#fuzz_} log executed coverage findings
  local corpus=build/fuzz/corpus-$name arguments=()
  [ -x "build/fuzz/$target" ] || { echo "hack/fuzz.sh: no build/fuzz/$target; run: make build/fuzz/$target" >&2; return 2; }
  mkdir -p "$corpus"
  [ ! -e "tests/fuzz/$name.dict" ] || arguments+=("-dict=tests/fuzz/$name.dict")
  log=build/fuzz/$name.log
  # -timeout is for one input; the whole run may take a little longer than asked
  "build/fuzz/$target" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 -max_len=65536 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/$name-" "${arguments[@]}" "$corpus" "tests/fuzz/corpus/$name" >"$log" 2>&1 || true
  executed=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  coverage=$(sed -nE 's/.* cov: ([0-9]+) .*/\1/p' "$log" | tail -n 1)
  findings=$(grep -c 'Test unit written to' "$log" || true)
  # without its closing statistics the run ended in a way that libFuzzer did not foresee
  [ -n "$executed" ] || findings=$((findings > 0 ? findings : 1))
  printf '%-16s %10s inputs in %s s, %6s edges covered, %s findings\n' \
    "$name" "${executed:-?}" "$seconds" "${coverage:-?}" "$findings"
  if [ "$findings" -gt 0 ]; then
    grep -E 'broken promise|ERROR:|SUMMARY:|Test unit written to' "$log" | sed 's/^/  /'
    return 1
  fi
}

failed=0
running=()
for target in "$@"; do
  run_target "$target" &
  running+=($!)
  if [ "${#running[@]}" -ge "${FUZZ_JOBS:-1}" ]; then
    wait "${running[0]}" || failed=1
    running=("${running[@]:1}")
  fi
done
for pid in "${running[@]}"; do
  wait "$pid" || failed=1
done
exit "$failed"
