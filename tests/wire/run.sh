#!/usr/bin/env bash
# Runs the wire tests, three scripts at a time (they mostly wait): run.sh BINARY [NAME...]
# Every *.sh here but this one and lib* is a script that gets the binary as $1. It says
# "ok - behaviour" or "FAIL - behaviour" a line; one that says neither counts by its exit code.
set -u

binary=${1:?usage: tests/wire/run.sh BINARY [NAME...]}
shift
case $binary in /*) ;; *) binary=$PWD/$binary ;; esac
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

export WIRE_CERTS=$work/certs WIRE_OTHER_CERTS=$work/other-certs
"$here/../../certs/dev-cert.sh" "$WIRE_CERTS" && "$here/../../certs/dev-cert.sh" "$WIRE_OTHER_CERTS" || exit 1
export TSAN_OPTIONS="halt_on_error=0 exitcode=66 ${TSAN_OPTIONS:-}"
export PYTHONDONTWRITEBYTECODE=1

run_one() {
    "$1" "$2" >"$3/$(basename "$1").out" 2>&1
    echo $? >"$3/$(basename "$1").code"
}
export -f run_one

scripts=()
for script in "$here"/*.sh; do
    name=$(basename "$script" .sh)
    case $name in run | lib*) continue ;; esac
    if [ $# -eq 0 ] || [[ " $* " == *" $name "* ]]; then scripts+=("$script"); fi
done
printf '%s\0' "${scripts[@]}" | xargs -0 -P 3 -I{} bash -c 'run_one "$@"' _ {} "$binary" "$work"

passed=0 failed=0
for script in "${scripts[@]}"; do
    out=$work/$(basename "$script").out
    code=$(cat "$work/$(basename "$script").code")
    good=$(grep -c '^ok - ' "$out")
    bad=$(grep -c '^FAIL - ' "$out")
    if [ "$code" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
    if grep '^left out - ' "$out"; then :
    elif [ "$code" -eq 0 ] && [ "$good" -eq 0 ]; then good=1; fi
    passed=$((passed + good)) failed=$((failed + bad))
    if [ "$bad" -gt 0 ]; then
        echo "== $(basename "$script")"
        grep -v '^ok - ' "$out"
    fi
done
echo "wire: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
