#!/bin/sh
# Proves the shape of the house: a room includes the doors of rooms below it and
# its own private headers, nothing else. Ranks rise strictly, so circles cannot be.
set -eu
cd "$(dirname "$0")/.."

find include server -name '*.[ch]' -o -name '*.def' | sort | xargs awk '
function rank_of(room) { return room in rank ? rank[room] : -1 }
function complain(text) { printf "%s:%d: %s\n", FILENAME, FNR, text; bad = 1 }
BEGIN {
  split("base:0 telemetry:1 json:1 cron:2 http:2 pki:2 kube:2 sandbox:2 versions:3 schema:2 settings:4 inventory:5 certificates:5 policy:6 admission:7 status:8 verbs:9 main:10", rows, " ")
  for (i in rows) { split(rows[i], pair, ":"); rank[pair[1]] = pair[2] }
}
FNR == 1 {
  n = split(FILENAME, part, "/")
  room = part[1] == "include" ? part[3] : (n == 2 ? "main" : part[2])
  sub(/\.(h|def)$/, "", room)
  if (room == "metrics") room = "telemetry"
  if (rank_of(room) < 0) complain("no such room in the house: " room)
  files++
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
  header = $0; sub(/^[^"]*"/, "", header); sub(/".*$/, "", header)
  if (header == "metrics.def" && room == "telemetry") next
  if (header ~ /^backstop\//) {
    below = header; sub(/^backstop\//, "", below); sub(/\.(h|def)$/, "", below)
    if (below == "metrics") below = "telemetry"
    if (below == room && FILENAME ~ /^server\//) next
    if (rank_of(below) < 0) complain("no such door: " header)
    else if (rank_of(below) >= rank_of(room)) complain(room " must not include " header ": it is not below")
  } else if (room == "main" && header == "verbs/verbs.h") {
    next
  } else if (header ~ /\// || FILENAME ~ /^include\//) {
    complain("include a door or the own room'"'"'s header, not " header)
  }
}
END { if (!bad) printf "layers: %d files, every arrow points down\n", files; exit bad }
'

# A public header must stand alone.
json_c=$(pkg-config --cflags json-c)
for header in include/backstop/*.h; do
  # shellcheck disable=SC2086 # several flags
  ${CC:-gcc} -std=c17 -D_GNU_SOURCE -Iinclude $json_c -Wall -Wextra -Werror -fsyntax-only -x c "$header" 2>&1 |
    grep -v 'pragma once in main file' && { echo "$header does not compile alone"; exit 1; }
done
exit 0
