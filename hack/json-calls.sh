#!/usr/bin/env bash
# json-c asserts the type of the containers it is given, and what they are is up to whoever wrote the
# document. server/json/ checks before it calls; everywhere else only what never asserts (json-c 0.16,
# json_object.c) may be called. Whatever is not listed is refused.
set -euo pipefail
cd "$(dirname "$0")/.."

harmless='is_type|get_type|to_json_string_ext|new_(object|array|string|string_len|boolean|int|int64)|get|put|get_(string|boolean|int|int64|double)'

calls=$(git ls-files 'server/*.[ch]' 'include/*.h' | grep -v '^server/json/' |
  xargs grep -noE '\b(json_(object|tokener|pointer|patch|util|c|global)|lh|array_list|printbuf)_[a-z_0-9]+' |
  grep -vE ":(json_object_($harmless)|json_c_version|lh_entry)\$" || true)
[ -z "$calls" ] || { echo "include/backstop/json.h has a checked function for what json-c would abort on:" && echo "$calls" && exit 1; }
