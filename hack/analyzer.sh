#!/usr/bin/env bash
# Runs gcc's static analyzer over source files: hack/analyzer.sh FILE...
# What it says of a file fails, unless hack/analyzer.known has the file, the warning and a reason.
set -euo pipefail
cd "$(dirname "$0")/.."

read -ra flags <<<"-std=c17 -O1 -pthread -fanalyzer -Iinclude -iquote server -D_GNU_SOURCE -DBACKSTOP_VERSION=\"lint\" \
  $(pkg-config --cflags libmicrohttpd gnutls openssl json-c yaml-0.1 libcurl libseccomp)"
read -ra compiler <<<"${CC:-gcc}"
failed=0
for file in "$@"; do
  said=$("${compiler[@]}" "${flags[@]}" -c -o /dev/null "$file" 2>&1) || { echo "$said"; failed=1; }
  while IFS= read -r line; do
    warning=$(grep -oE -- '-Wanalyzer-[a-z-]+' <<<"$line" || true)
    grep -qF -- "$file $warning " hack/analyzer.known || { echo "$line"; failed=1; }
  done < <(grep -E 'warning:' <<<"$said" || true)
done
exit "$failed"
