#!/bin/sh
# dist-check.sh TARBALL: a source tarball is whole: the files of the commit, made the same when made again; what is
# unpacked builds, passes its tests away from git, and knows which commit it is.
set -eu
cd "$(dirname "$0")/.."
tarball=$1
folder=$(basename "$tarball" .tar.gz)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cp "$tarball" "$work/first.tar.gz"
make -s dist
cmp "$tarball" "$work/first.tar.gz"
tar -C "$work" -xzf "$tarball"
git ls-files | LC_ALL=C sort >"$work/wanted"
(cd "$work/$folder" && find . -type f | sed 's,^\./,,' | LC_ALL=C sort) | cmp - "$work/wanted"

revision=$(git rev-parse HEAD)
cd "$work/$folder"
make -s -j2 all unit golden 2>&1 | grep -vE '^(ok|\.)' | tail -20
build/release/backstop version | grep -q "^revision *$revision\$" || { build/release/backstop version; exit 1; }
echo "dist-check: $tarball is whole, reproducible, builds and passes its tests ($(wc -c <"$OLDPWD/$tarball") bytes)"
