#!/usr/bin/env bash
# The release, made twice: the same bytes. It verifies, also signed, and no file of it can be changed unnoticed. Its chart and
# image pass through a registry, its chart renders, and its Debian package and plugin run. release-test.sh VERSION
set -euo pipefail # so no grep -q: it may end before what it reads has written all
cd "$(dirname "$0")/.."
hack/install-deps.sh release
# A newer curl in Debian takes the pinned one's sources away; that is slim-curl's to say, and no fault of the release.
hack/slim-curl.sh >/dev/null || { echo "release: NOT tried: no static libcurl can be built here"; exit 0; }
version=$1 here=$PWD
work=$(mktemp -d)
registry=
trap '[ -z "$registry" ] || kill "$registry"; rm -rf "$work"' EXIT
fail() { echo "release: $*" >&2; exit 1; }
verify() { "$here/hack/release_files.py" verify "$@"; }

minisign -G -W -f -p "$work/key.pub" -s "$work/key" >/dev/null
hack/release.sh --dirty "$version" "$work/one" >/dev/null 2>"$work/said"
grep -q UNSIGNED "$work/said" || fail "nothing says that it is not signed"
sleep 1.1 # another second, another time in every header that forgot it
MINISIGN_KEY=$work/key hack/release.sh --dirty "$version" "$work/two" >/dev/null 2>&1
cp "$work/two/SHA256SUMS.minisig" "$work/one"
diff -r "$work/one" "$work/two"

cd "$work/two"
verify . "$work/key.pub" | grep 'signed by' >/dev/null || fail "it does not verify"
! verify . 2>/dev/null || fail "a signature passes without a key"
minisign -G -W -f -p "$work/other.pub" -s "$work/other" >/dev/null
! verify . "$work/other.pub" 2>/dev/null || fail "another's key passes"
for file in *; do
  cp -p "$file" "$work/kept"
  { printf x; cat "$work/kept"; } >"$file"
  ! verify . "$work/key.pub" >/dev/null 2>&1 || fail "$file is changed, and verifies"
  mv "$work/kept" "$file"
done
touch added
! verify . "$work/key.pub" 2>/dev/null || fail "a file more passes"
rm added

native=$(dpkg --print-architecture)
dpkg-deb -x ./*_"$native".deb "$work/root"
[ "$("$work/root/usr/bin/backstop" version | sed -n 1p | grep -c "$version")" = 1 ]
for file in bin/kubectl-backstop share/man/man1/backstop-status.1.gz share/bash-completion/completions/backstop \
  share/zsh/site-functions/_backstop share/fish/vendor_completions.d/backstop.fish share/doc/backstop/copyright; do
  [ -e "$work/root/usr/$file" ] || fail "the Debian package has no /usr/$file"
done
dpkg-deb -f ./*_"$native".deb Depends | grep libmicrohttpd >/dev/null
mkdir "$work/plugin"
tar -C "$work/plugin" -xzf ./kubectl-backstop-*-"$native".tar.gz
if readelf -d "$work/plugin/backstop" | grep NEEDED | grep -v 'libc\.so\|ld-linux'; then fail "the plugin needs more than the user's libc"; fi
"$work/plugin/backstop" status --inventory "$here/manifests/samples/inventory" --now 2026-11-21T12:00:00Z | grep ^READY >/dev/null

tools=0
if helm=$("$here/hack/tool.sh" helm) && crane=$("$here/hack/tool.sh" crane); then
  tools=1
  "$helm" template backstop ./backstop-chart-*.tgz --kube-version 1.36.0 --set image.repository=x >/dev/null
  [ "$("$helm" show chart ./backstop-chart-*.tgz | sed -n 's/^version: //p')" = "$version" ]
  # As a registry would: what `crane push` takes, and helm and crane get back.
  "$crane" registry serve --address 127.0.0.1:0 >"$work/registry.log" 2>&1 &
  registry=$!
  for _ in $(seq 300); do
    port=$(sed -n 's/.*serving on port \([0-9]*\).*/\1/p' "$work/registry.log")
    [ -z "$port" ] || break
    sleep 0.1
  done
  [ -n "$port" ] || fail "crane's registry does not start: $(cat "$work/registry.log")"
  at=127.0.0.1:$port
  "$here/hack/release-push.sh" "$crane" . "$at" "$version" >/dev/null
  "$crane" validate --remote "$at/backstop:$version" >/dev/null 2>&1 || fail "crane validate refuses the image"
  "$crane" manifest "$at/backstop:$version" | grep "\"architecture\":\"$native\"" >/dev/null || fail "the index names no $native"
  # An index of both architectures, whatever this machine can build.
  tar -C "$work/plugin" -cf "$work/root.tar" LICENSE
  "$here/hack/oci.py" image "$work/both.oci.tar" --version "$version" --revision r --created 2026-01-01T00:00:00Z \
    "amd64=$work/root.tar" "arm64=$work/root.tar"
  "$here/hack/oci.py" check "$work/both.oci.tar" >/dev/null
  mkdir "$work/both" && tar -C "$work/both" -xf "$work/both.oci.tar"
  "$crane" push "$work/both" "$at/both:$version" >/dev/null 2>&1
  "$crane" validate --remote "$at/both:$version" >/dev/null 2>&1 || fail "crane validate refuses an image of two architectures"
  "$helm" pull "oci://$at/charts/backstop" --version "$version" --plain-http -d "$work" >/dev/null 2>&1
  cmp ./backstop-chart-*.tgz "$work/backstop-$version.tgz"
  "$crane" manifest "$at/charts/backstop:artifacthub.io" | grep artifacthub.repository-metadata >/dev/null || fail "no metadata for Artifact Hub"
fi
echo "release: the same twice; verified, and no change passes; the Debian package and the plugin run;" \
  "$([ $tools = 1 ] && echo "chart and image go through a registry" || echo "registry NOT tried, without Go")"
