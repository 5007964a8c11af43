#!/usr/bin/env bash
# What the linker made of the binary: hardening.sh BINARY
set -u
binary=${1:?usage: hardening.sh BINARY}
export LC_ALL=C

if readelf -Ws "$binary" | grep -Eq ' (__asan_init|__tsan_init|__gcov_init)\b'; then
    echo "left out - hardening: an instrumented build"
    exit 0
fi
headers=$(readelf -lW "$binary")
failed=0
# shows BEHAVIOUR COMMAND...
shows() {
    local behaviour=$1
    shift
    if "$@"; then echo "ok - $behaviour"; else
        echo "FAIL - $behaviour"
        echo "$headers"
        failed=1
    fi
}
pie() { readelf -hW "$binary" | grep -q 'Type: *DYN' && readelf -dW "$binary" | grep -q 'Flags:.* PIE'; }
now() { readelf -dW "$binary" | grep -q 'Flags:.*\bNOW\b' && grep -q GNU_RELRO <<<"$headers"; }
no_writable_code() { ! grep -E ' (LOAD|GNU_STACK) ' <<<"$headers" | grep -Eq ' (RWE|WE) '; }
# hack/order.txt moves constants: they must not come to be among code.
no_executable_constants() {
    local code
    code=$(sed -n 's/^ *LOAD .* R E .*/code/; s/^ *LOAD .*/data/; /^code$\|^data$/p' <<<"$headers" | grep -n code | cut -d: -f1)
    [ -n "$code" ] || return 1
    # the table of sections counts all headers, of which PHDR and INTERP may precede the first LOAD
    local before
    before=$(grep -cE '^  (PHDR|INTERP) ' <<<"$headers")
    for segment in $code; do
        segment=$(printf '%02d' $((segment - 1 + before)))
        if grep -E "^ +$segment " <<<"$headers" | grep -Eq '\.rodata|\.eh_frame'; then return 1; fi
    done
}

shows "the binary is loaded where the kernel likes (PIE)" pie
shows "what is relocated is read-only afterwards, and all of it is at the start" now
shows "nothing can be written and executed" no_writable_code
shows "constants cannot be executed" no_executable_constants
exit $failed
