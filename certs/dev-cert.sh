#!/bin/sh
# dev-cert.sh DIR: a development CA and a serving certificate signed by it, ECDSA P-256.
# Writes ca.crt tls.crt tls.key. The CA's key is thrown away: run again for a new pair.
set -eu
dir=${1:?usage: certs/dev-cert.sh DIR}
profile=$(dirname "$0")/dev-profile.cnf
days=${DAYS:-365}
umask 077
mkdir -p "$dir"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for name in ca tls; do
    openssl ecparam -name prime256v1 -genkey -noout -out "$work/$name.key"
done
openssl req -new -x509 -config "$profile" -extensions ca -subj "/CN=backstop development CA" \
    -key "$work/ca.key" -days "$days" -out "$work/ca.crt"
openssl req -new -config "$profile" -key "$work/tls.key" -out "$work/tls.csr"
openssl x509 -req -in "$work/tls.csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" -set_serial "0x$(openssl rand -hex 16)" \
    -days "$days" -extfile "$profile" -extensions serving -out "$work/tls.crt" 2>/dev/null
chmod 0644 "$work/ca.crt" "$work/tls.crt"
mv "$work/ca.crt" "$work/tls.crt" "$work/tls.key" "$dir/"
