#!/usr/bin/env bash
# Runs golden cases (README.md here): run.sh [--accept] [--valgrind] BINARY [GROUP/NAME...]
# Prints only what differs, and a last line with the counts.
set -u

here=$(cd "$(dirname "$0")" && pwd)
clock=2026-11-21T03:00:00Z

usage() {
    echo "usage: $0 [--accept] [--valgrind] BINARY [GROUP/NAME...]" >&2
    exit 2
}

# The arguments of a case, one a line, from its files.
arguments() {
    local name
    echo "-f"
    if [ -e input.yaml ]; then echo input.yaml; else echo input.json; fi
    [ -e old.yaml ] && printf '%s\n' --old old.yaml
    [ -e settings.yaml ] && printf '%s\n' --settings settings.yaml
    if [ -e inventory ]; then
        while IFS= read -r name || [ -n "$name" ]; do
            [ -n "$name" ] && [ "$name" != none ] && printf '%s\n' --inventory "../../../inventories/$name.yaml"
        done <inventory
    else
        printf '%s\n' --inventory ../../../inventories/cluster.yaml
    fi
    [ -e inventory.yaml ] && printf '%s\n' --inventory inventory.yaml
    if [ -e args ]; then
        grep -qx -e '--now' -e '--now=.*' args || printf '%s\n' --now "$clock"
        cat args
    else
        printf '%s\n' --now "$clock"
    fi
    return 0
}

# What the case prints now: the answer, standard error as comments, the exit code.
answer() {
    local -a args
    local code
    mapfile -t args < <(arguments)
    # shellcheck disable=SC2086 # several words
    $runner "$binary" review -o yaml "${args[@]}" 2>"$errors"
    code=$?
    sed 's/^/# /' "$errors"
    echo "# exit $code"
}

# One case; what differs goes to a file of its own, since two run at a time.
run_case() {
    local result=$results/${1//\//:}
    errors=$result.errors
    if ! cd "$here/cases/$1" 2>/dev/null; then
        echo "$1: no such case" >"$result"
    elif [ "$accept" = yes ]; then
        answer >expected.yaml
    elif [ ! -e expected.yaml ]; then
        echo "$1: no expected.yaml; write it with --accept and read it" >"$result"
    else
        answer | diff -u --label "$1/expected.yaml" --label "$1 now" expected.yaml - >"$result" 2>&1
    fi
}

if [ "${1-}" = --one ]; then
    run_case "$2"
    exit 0
fi

accept=no runner=
while :; do
    case ${1-} in
    --accept) accept=yes ;;
    --valgrind) runner="valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,possible" ;;
    -*) usage ;;
    *) break ;;
    esac
    shift
done
if [ $# -lt 1 ] || [ ! -x "$1" ]; then usage; fi
binary=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
shift
# What the machine happens to have set must not change an answer.
for variable in $(compgen -e BACKSTOP_); do unset "$variable"; done
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
export accept runner binary results LC_ALL=C

cases=("$@")
if [ ${#cases[@]} -eq 0 ]; then
    mapfile -t cases < <(cd "$here/cases" 2>/dev/null && find . -mindepth 3 -maxdepth 3 \( -name input.yaml -o -name input.json \) |
        sed 's|^\./||; s|/[^/]*$||' | sort -u)
fi
[ ${#cases[@]} -gt 0 ] || { echo "golden: no cases"; exit 1; }

printf '%s\0' "${cases[@]}" | xargs -0 -P2 -n1 "$here/run.sh" --one
failed=0
for case in "${cases[@]}"; do
    result=$results/${case//\//:}
    if [ -s "$result" ]; then
        failed=$((failed + 1))
        cat "$result"
    fi
done
echo "golden: $((${#cases[@]} - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
