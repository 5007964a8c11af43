# What the tests of command line commands share; sourced with the binary as $1.
# shellcheck shell=bash
set -u

[ -x "${1-}" ] || { echo "usage: $0 BINARY" >&2; exit 2; }
binary=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
folder=$(mktemp -d)
cd "$folder" || exit 2
for variable in $(compgen -e BACKSTOP_) KUBECONFIG NO_COLOR KUBERNETES_SERVICE_HOST; do unset "$variable"; done
export HOME=$folder LC_ALL=C.UTF-8
failures=0 checks=0

# runs WANTED_EXIT ARGUMENT...: runs backstop, keeps out and err.
runs() {
    local wanted=$1 code
    shift
    asked=$*
    "$binary" "$@" >out 2>err </dev/null
    code=$?
    checks=$((checks + 1))
    [ "$code" -eq "$wanted" ] || fail "exit $code instead of $wanted"
    if grep -Eq 'Sanitizer|runtime error:' err; then fail "a sanitizer complains"; fi
}
fail() {
    failures=$((failures + 1))
    echo "FAIL - backstop $asked: $1"
    sed 's/^/    /' out err | cut -c1-300 | head -60
}
# The file (out, err) has, or has not, a line that matches.
has() {
    checks=$((checks + 1))
    grep -Eq -- "$2" "$1" || fail "std$1 has no line like: $2"
}
lacks() {
    checks=$((checks + 1))
    ! grep -Eq -- "$2" "$1" || fail "std$1 has a line like: $2"
}
# Nothing that a terminal would act on: only visible ASCII, valid UTF-8 and newlines.
harmless() {
    checks=$((checks + 1))
    if LC_ALL=C grep -nP '[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8e\x8f\xaa-\xae]|\xe2\x81[\xa6-\xa9]' out >hits; then
        fail "a control character reaches the terminal: $(head -1 hits | cat -v | cut -c1-200)"
    fi
    iconv -f UTF-8 -t UTF-8 out >/dev/null 2>&1 || fail "stdout is not UTF-8"
}
# fits WIDTH: no line of the output takes more columns, unless a single word does. JSON in a shell's quotes is a word.
fits() {
    checks=$((checks + 1))
    python3 -c 'import re, sys, unicodedata as u
def columns(c): return 0 if u.category(c) in ("Mn", "Me", "Cf") else 2 if u.east_asian_width(c) in "WF" else 1
limit = int(sys.argv[1])
def wide_text(text): return sum(map(columns, text))
wide = [line for line in open("out", encoding="utf-8")
        if wide_text(line.rstrip("\n")) > limit >= max(map(wide_text, re.sub("[^ ]\\{.*\\}", lambda json: json[0].replace(" ", "_"), line).split())) + 10]
sys.exit(f"    {wide[0]}" if wide else 0)' "$1" || fail "a line is longer than $1 columns"
}
# The output equals a file of the tree; with ACCEPT=1 the file is written instead.
equals() {
    checks=$((checks + 1))
    if [ -n "${ACCEPT-}" ]; then cp "$1" "$2"; fi
    diff -u "$2" "$1" >differences && return
    failures=$((failures + 1))
    echo "FAIL - backstop $asked: differs from ${2#"$root"/} (ACCEPT=1 rewrites it)"
    head -60 differences
}
# json EXPRESSION: a Python expression over the document on stdout, `d`, that must be true.
json() {
    checks=$((checks + 1))
    python3 -c 'import json, sys
d = json.load(open("out"))
sys.exit(0 if eval(sys.argv[1]) else 1)' "$1" || fail "not so: $1"
}
ends() {
    [ "$failures" -eq 0 ] && echo "ok - $1: $checks checks"
    cd / && rm -rf "$folder"
    [ "$failures" -eq 0 ]
}
