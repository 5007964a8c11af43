#!/usr/bin/env bash
# Runs libFuzzer targets one after the other (FUZZ_JOBS=2: two at a time):
#   hack/fuzz.sh SECONDS TARGET...      e.g. hack/fuzz.sh 60 fuzz_yaml fuzz_review
# With FUZZ_CPU_MINUTES=24 a target runs until it has used that much processor time (user
# and system, of its own), however busy the machine is, and SECONDS is not looked at.
# A target is build/fuzz/TARGET (make build/fuzz/TARGET). Its corpus grows in
# build/fuzz/corpus-NAME from the committed seeds in tests/fuzz/corpus/NAME; the
# dictionary tests/fuzz/NAME.dict is used where there is one. A finding leaves its
# input as build/fuzz/NAME-crash-..., and makes the exit code 1.
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -ge 2 ] || { sed -n '2,11s/^# //p' "$0" >&2; exit 2; }
seconds=$1
shift
TIMEFORMAT='%U %S'
turn=120 # seconds at most between two looks at the processor time

# One run of the fuzzer: adds to executed, cpu (in milliseconds) and findings.
run_once() { # TARGET SECONDS
  local name=${1#fuzz_} log=build/fuzz/${1#fuzz_}.log inputs spent found arguments=()
  [ ! -e "tests/fuzz/$name.dict" ] || arguments+=("-dict=tests/fuzz/$name.dict")
  # -timeout is for one input; the whole run may take a little longer than asked
  spent=$({ time "build/fuzz/$1" -max_total_time="$2" -rss_limit_mb=2048 -timeout=10 -report_slow_units=60 -max_len=65536 \
    -print_final_stats=1 -artifact_prefix="build/fuzz/$name-" "${arguments[@]}" "build/fuzz/corpus-$name" \
    "tests/fuzz/corpus/$name" >"$log" 2>&1 || true; } 2>&1)
  inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  found=$(grep -c 'Test unit written to' "$log" || true)
  # without its closing statistics the run ended in a way that libFuzzer did not foresee
  [ -n "$inputs" ] || found=$((found > 0 ? found : 1))
  executed=$((executed + ${inputs:-0}))
  findings=$((findings + found))
  cpu=$((cpu + $(awk '{ printf "%d", ($1 + $2) * 1000 }' <<<"$spent")))
}

run_target() {
  local target=$1 name=${1#fuzz_} executed=0 cpu=0 findings=0 wanted left
  [ -x "build/fuzz/$target" ] || { echo "hack/fuzz.sh: no build/fuzz/$target; run: make build/fuzz/$target" >&2; return 2; }
  mkdir -p "build/fuzz/corpus-$name"
  if [ -z "${FUZZ_CPU_MINUTES:-}" ]; then
    run_once "$target" "$seconds"
  else
    wanted=$((FUZZ_CPU_MINUTES * 60000))
    while [ "$findings" -eq 0 ] && [ "$cpu" -lt "$wanted" ]; do
      left=$(((wanted - cpu + 999) / 1000))
      run_once "$target" $((left < turn ? left : turn))
    done
  fi
  printf '%-16s %10s inputs in %s.%s CPU minutes, %6s edges covered, %s findings\n' "$name" "$executed" \
    $((cpu / 60000)) $((cpu % 60000 / 6000)) "$(sed -nE 's/.* cov: ([0-9]+) .*/\1/p' "build/fuzz/$name.log" | tail -n 1)" \
    "$findings"
  if [ "$findings" -gt 0 ]; then
    grep -E 'broken promise|ERROR:|SUMMARY:|Test unit written to' "build/fuzz/$name.log" | sed 's/^/  /'
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
