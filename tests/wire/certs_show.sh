#!/usr/bin/env bash
# certs show prints what whoever made the certificate wrote: certs_show.sh BINARY
# shellcheck source=tests/wire/libcommand.sh
. "$(dirname "$0")/libcommand.sh"

# A DNS name of the bytes a ESC [ 3 1 m b newline, and a right-to-left mark in the subject.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -utf8 -keyout key.pem -out cert.pem \
    -subj "/CN=evil $(printf '\xe2\x80\xae') name" \
    -addext "subjectAltName=DER:30:0A:82:08:61:1B:5B:33:31:6D:62:0A" 2>/dev/null
runs 0 certs show cert.pem
harmless
has out '^names      a[?]\[31mb[?]$'
has out '^subject    CN=evil [ -~]* name'
runs 0 certs show cert.pem -o json # programs get it as it is
python3 -m json.tool <out >/dev/null || fail "not JSON"
runs 1 certs verify --cert cert.pem --key key.pem --name other.example
harmless
ends "certs show"
