#!/bin/sh
# source-info.sh revision|date: which commit these sources are, and its time in seconds since 1970 (SOURCE_DATE_EPOCH).
# From the environment, else from git, else from what `git archive` wrote below into a source tarball.
set -eu
cd "$(dirname "$0")/.."
export GIT_OPTIONAL_LOCKS=0
archived_revision='$Format:%H$'
archived_date='$Format:%ct$'

of_git() { [ "$(git rev-parse --show-toplevel 2>/dev/null)" = "$PWD" ]; }
case ${1:-} in
  revision)
    if [ -n "${REVISION:-}" ]; then echo "$REVISION"
    elif of_git; then git describe --always --abbrev=40 --dirty=-dirty --exclude='*'
    else case $archived_revision in '$'*) echo unknown ;; *) echo "$archived_revision" ;; esac
    fi ;;
  date)
    if [ -n "${SOURCE_DATE_EPOCH:-}" ]; then echo "$SOURCE_DATE_EPOCH"
    elif of_git; then git log -1 --format=%ct
    else case $archived_date in '$'*) echo 0 ;; *) echo "$archived_date" ;; esac
    fi ;;
  *) echo "usage: source-info.sh revision|date" >&2; exit 2 ;;
esac
