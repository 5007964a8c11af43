#!/usr/bin/env bash
# Runs golden cases (README.md here): run.sh [--accept] [--valgrind] BINARY [GROUP[/NAME]...]
# Prints only what differs (with --accept: what is new or has changed), and a last line with the counts.
set -u

here=$(cd "$(dirname "$0")" && pwd)
clock=2026-11-21T03:00:00Z

usage() {
    echo "usage: $0 [--accept] [--valgrind] BINARY [GROUP[/NAME]...]" >&2
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

# A file that is read by nothing is a test that does not test what it was written for.
misplaced() {
    local file
    if ! [ -e input.yaml ] && ! [ -e input.json ]; then
        echo "$1: no input.yaml or input.json"
    elif [ -e input.yaml ] && [ -e input.json ]; then
        echo "$1: has both input.yaml and input.json"
    fi
    for file in *; do
        case $file in
        input.yaml | input.json | old.yaml | args | settings.yaml | inventory | inventory.yaml | expected.yaml) ;;
        '*') ;;
        *) echo "$1: nothing reads $file (tests/golden/README.md lists the names)" ;;
        esac
    done
}

# Writes what the case prints now; "new" or "changed" is left in a file of its own, where it is.
accept_case() {
    local now
    now=$(answer && echo .)
    if ! [ -e expected.yaml ]; then
        echo "new      $1" >"$2.accepted"
    elif [ "$now" != "$(cat expected.yaml && echo .)" ]; then
        echo "changed  $1" >"$2.accepted"
    else
        return
    fi
    printf '%s' "${now%.}" >expected.yaml
    case $now in *"# exit "[013]?.) ;; *) sed -i 's/$/ (no answer, but an error: read it)/' "$2.accepted" ;; esac
}

# One case; what differs goes to a file of its own, since two run at a time.
run_case() {
    local result=$results/${1//\//:}
    errors=$result.errors
    if ! cd "$here/cases/$1" 2>/dev/null; then
        echo "$1: no such case" >"$result"
        return
    fi
    misplaced "$1" >"$result"
    if [ -s "$result" ]; then
        return
    elif [ "$accept" = yes ]; then
        accept_case "$1" "$result"
    elif [ ! -e expected.yaml ]; then
        echo "$1: no expected.yaml: make accept CASES=$1 writes it; read it" >"$result"
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

# All cases, or those named; a group stands for its cases.
cases=()
while IFS= read -r case; do cases+=("$case"); done < <(
    cd "$here/cases" || exit
    if [ $# -eq 0 ]; then set -- *; fi
    for case in "$@"; do
        case=${case#tests/golden/cases/} case=${case%/}
        if [[ $case == */* ]] || ! [ -d "$case" ]; then echo "$case"; else printf '%s\n' "$case"/*; fi
    done
)
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
if [ "$accept" = yes ]; then
    cat "$results"/*.accepted 2>/dev/null
    written=$(find "$results" -name '*.accepted' | wc -l)
    echo "golden: $written written, $((${#cases[@]} - failed - written)) as they were, $failed failed"
else
    echo "golden: $((${#cases[@]} - failed)) passed, $failed failed"
fi
[ "$failed" -eq 0 ]
