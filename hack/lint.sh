#!/usr/bin/env bash
# Everything that can be checked without running the product.
set -euo pipefail
cd "$(dirname "$0")/.."
hack/install-deps.sh build lint

failed=0
step() { # NAME COMMAND...
  local name=$1 log
  shift
  log=$(mktemp)
  if "$@" >"$log" 2>&1; then
    echo "ok    $name"
  else
    echo "FAIL  $name"
    sed 's/^/      /' "$log" | head -60
    failed=1
  fi
  rm -f "$log"
}

mapfile -t sources < <(git ls-files 'server/*.c')
mapfile -t c_files < <(git ls-files '*.c' '*.h')
mapfile -t scripts < <(git ls-files '*.sh' .ci/run)

banned() { # functions without a bound, with a locale, or with hidden state
  ! grep -nE '\b(strcpy|strcat|strncpy|strncat|sprintf|vsprintf|gets|atoi|atol|atoll|strtol|strtoul|strtoll|strtoull|strtok|localtime|gmtime|ctime|asctime|mktime|system|popen|alloca|setenv|putenv|rand|srand|strerror)[[:space:]]*\(' "${sources[@]}" include/backstop/*.h
}
complexity() { # no function over 20 (modified McCabe)
  pmccabe "${sources[@]}" | awk '$1 > 20 { print; bad = 1 } END { exit bad }'
}
lengths() { # a file over 500 lines does more than one thing
  wc -l "${sources[@]}" include/backstop/*.h | awk '$2 != "total" && $1 > 500 { print; bad = 1 } END { exit bad }'
}
unfinished() { # a quoted one is a value that the review looks for; six X are mkostemp's
  ! grep -nE '(^|[^"])\b(TODO|FIXME|XXX|HACK)' "${sources[@]}" include/backstop/* | grep -v -- '-XXXXXX"'
}
tidy() { # two at a time; clang-tidy's own exit code says nothing of what matters here
  local flags found
  flags="-std=c17 -D_GNU_SOURCE -Iinclude -iquote server -DBACKSTOP_VERSION=\\\"lint\\\" $(pkg-config --cflags libmicrohttpd gnutls json-c yaml-0.1 libcurl libseccomp)"
  # shellcheck disable=SC2086,SC2016 # the flags are words; $@ belongs to the inner shell
  found=$(printf '%s\n' "${sources[@]}" | xargs -P2 -n4 sh -c 'clang-tidy --quiet "$@" -- '"$flags" tidy 2>&1 |
    grep -E 'warning:|error:' || true)
  [ -z "$found" ] || { echo "$found" && return 1; }
}
analyzed() { printf '%s\n' "${sources[@]}" | xargs -P2 -n8 hack/analyzer.sh; }

step "format (clang-format; make format mends it)" clang-format --dry-run -Werror "${c_files[@]}"
step "layers" hack/layers.py
step "json-c is called through its checked layer" hack/json-calls.sh
step "banned functions" banned
step "complexity (pmccabe <= 20)" complexity
step "file length" lengths
step "plain English in messages" hack/messages.py
step "nothing left for later" unfinished
step "one version everywhere" hack/version.sh --check
step "release (twice the same)" hack/release-test.sh "$(sed -n 's/^VERSION := //p' Makefile)"
step "shell scripts (shellcheck)" shellcheck -x -e SC1091 "${scripts[@]}"
step "cppcheck" cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability \
  --inline-suppr --suppress=missingIncludeSystem -Iinclude -Iserver -DBACKSTOP_VERSION='"lint"' -D_GNU_SOURCE server
step "clang-tidy" tidy
step "gcc -fanalyzer" analyzed
step "chart (helm)" hack/chart-test.sh
workflows() { # GitHub's rules, and shellcheck on their scripts
  local actionlint
  if command -v go >/dev/null; then actionlint=$(hack/tool.sh actionlint) && "$actionlint" .github/workflows/*.yaml; fi
}
step "workflows (actionlint)" workflows
step "clang builds without a warning, as for a processor without SSE2" \
  make -s CC=clang CPPFLAGS=-U__SSE2__ VARIANT=release BUILD=build/lint-clang build/lint-clang/libbackstop.a
context() { # what the image is built from (.dockerignore) is all that `make static` asks for
  local folder result=0
  folder=$(mktemp -d)
  mkdir "$folder/build"
  ln -s "$PWD/build/tools" "$folder/build/tools"
  sed -n 's/^!//p' .dockerignore | xargs git ls-files -z | xargs -0 cp --parents -t "$folder"
  make -s -n -C "$folder" static >/dev/null || result=1
  rm -rf "$folder"
  return "$result"
}
step "the image's sources are whole" context
exit $failed
