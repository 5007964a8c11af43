#!/usr/bin/env bash
# release.sh [--dirty] VERSION OUT [ARCH...]: the files of a release in OUT, the same bytes each time for one commit and one set of
# Debian packages (docs/releasing.md lists them). Needs no network. Without ARCH: those that this machine can build.
# In the environment: SOURCE_URL, where the repository is; BUILDER_ID, who builds; MINISIGN_KEY, the secret key to sign with.
set -euo pipefail
cd "$(dirname "$0")/.."
dirty=
if [ "$1" = --dirty ]; then dirty=yes; shift; fi
version=$1 out=$2
shift 2
native=$(dpkg --print-architecture)
SOURCE_DATE_EPOCH=$(hack/source-info.sh date) revision=$(hack/source-info.sh revision)
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
created=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
python=python3 # Debian's own has python3-yaml, where another comes first
python3 -c 'import yaml' 2>/dev/null || python=/usr/bin/python3
say() { echo "release: $*" >&2; }
umask 022
if [ -z "$dirty" ] && [[ $revision = *-dirty ]]; then say "commit your changes first"; exit 1; fi

arches=("$@")
if [ $# -eq 0 ]; then
  for arch in amd64 arm64; do
    if [ "$arch" = "$native" ] || { command -v "$(hack/triplet.sh "$arch")-gcc" >/dev/null &&
      dpkg-query -W -f='${Status}' "libmicrohttpd-dev:$arch" 2>/dev/null | grep -q 'ok installed'; }; then
      arches+=("$arch")
    else
      say "$arch is LEFT OUT: this machine has no cross compiler and packages for it; hack/in-debian.sh make release has both"
    fi
  done
fi
if [ -z "${SOURCE_URL:-}" ]; then
  SOURCE_URL=https://example.com/backstop
  say "SOURCE_URL is not set: the krew manifest and the provenance name $SOURCE_URL"
fi
export SOURCE_URL
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
files=$work/files
mkdir "$files"

same_each_time() { tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --format=gnu "$@"; }

# ---- the sources, and the chart: what git has of it, in a folder of its name
git archive --prefix="backstop-$version/" HEAD | gzip -9n >"$files/backstop-$version.tar.gz"
mkdir "$work/backstop"
git ls-files -z manifests/chart | grep -zv '/\.helmignore$' | while IFS= read -r -d '' file; do
  install -D -m 0644 "$file" "$work/backstop/${file#manifests/chart/}"
done
chart=$files/backstop-chart-$version.tgz
same_each_time -C "$work" -cf - backstop | gzip -9n >"$chart"
"$python" hack/oci.py chart "$files/backstop-chart-$version.oci.tar" "$chart" manifests/artifacthub-repo.yml

# ---- for each architecture: the image's root, the Debian package of the commands, the plugin of kubectl
build_of() { if [ "$2" = "$native" ]; then echo "build/$1"; else echo "build/$1-$2"; fi; } # VARIANT ARCH
runs=$(build_of release "$native")/backstop # prints manual pages and completions
make -s ARCH="$native" "$runs"

package_of() { dpkg-query -S "$1" 2>/dev/null || dpkg-query -S "/usr$1" 2>/dev/null || { say "no package has $1"; exit 1; }; }
packages_of() { while read -r path; do package_of "$path"; done | sed 's/:.*//' | sort -u; }

debian_package() { # ARCH BINARY STRIP
  local root=$work/deb-$1 libraries
  make -s ARCH="$1" install DESTDIR="$root" PREFIX=/usr RUNS="$runs" >/dev/null
  "$3" --strip-unneeded "$root/usr/bin/backstop"
  gzip -9n "$root"/usr/share/man/man1/*.1
  install -D -m 0644 LICENSE "$root/usr/share/doc/backstop/copyright"
  gzip -9nc CHANGELOG.md >"$work/changelog.gz"
  install -m 0644 "$work/changelog.gz" "$root/usr/share/doc/backstop/changelog.gz"
  libraries=$(hack/libraries.sh "$1" --direct "$2" | packages_of | sed 's/^libc6$/libc6 (>= 2.36)/' | paste -sd, | sed 's/,/, /g')
  mkdir "$root/DEBIAN"
  cat >"$root/DEBIAN/control" <<CONTROL
Package: backstop
Version: ${version/-/\~}
Architecture: $1
Maintainer: backstop maintainers <backstop@k0rdent.mirantis.com>
Installed-Size: $(du -sk --apparent-size "$root/usr" | cut -f1)
Depends: $libraries, ca-certificates
Recommends: libcurl4, libarchive13
Suggests: bash-completion
Section: admin
Priority: optional
Description: keeps a k0rdent management cluster restorable
 Reviews backups and restores before the cluster does, says whether it could
 be restored tonight, and plans rollbacks. Also a plugin of kubectl. The
 admission webhook itself is installed with the Helm chart.
CONTROL
  find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  find "$root" -type d -exec chmod 0755 {} +
  dpkg-deb --root-owner-group -Zxz --build "$root" "$files/backstop_${version}_$1.deb" >/dev/null
}

# The plugin is the static binary with the user's own libc, since krew's users run any distribution.
plugin() { # ARCH BUILD STRIP
  local root=$work/plugin-$1 library
  make -s ARCH="$1" VARIANT=static "$2/plugin/backstop"
  install -D -m 0755 "$2/plugin/backstop" "$root/backstop"
  "$3" --strip-unneeded "$root/backstop"
  install -m 0644 LICENSE "$root/LICENSE"
  # The licences of what is in it.
  mkdir "$root/licenses"
  for library in "$work/root-$1"/usr/share/doc/lib*/copyright; do
    install -m 0644 "$library" "$root/licenses/$(basename "$(dirname "$library")")"
  done
  same_each_time -C "$root" -cf - . | gzip -9n >"$files/kubectl-backstop-$version-linux-$1.tar.gz"
}

roots=()
for arch in "${arches[@]}"; do
  release=$(build_of release "$arch") static=$(build_of static "$arch")
  if [ "$arch" = "$native" ]; then strip="strip"; else strip=$(hack/triplet.sh "$arch")-strip; fi
  make -s ARCH="$arch" "$release/backstop"
  make -s ARCH="$arch" static
  hack/image-rootfs.sh "$static/backstop" "$work/root-$arch" "$arch"
  same_each_time -C "$work/root-$arch" -cf "$work/root-$arch.tar" .
  roots+=("$arch=$work/root-$arch.tar")
  debian_package "$arch" "$release/backstop" "$strip"
  plugin "$arch" "$static" "$strip"
done

# ---- the image of all, what is in it, and what the files are
image=$files/backstop-image-$version.oci.tar
"$python" hack/oci.py image "$image" --version "$version" --revision "$revision" --created "$created" "${roots[@]}"
for arch in "${arches[@]}"; do
  "$python" hack/sbom.py make --version "$version" --arch "$arch" <"$image" >"$files/backstop-$version-$arch.spdx.json"
done
"$python" hack/release_files.py krew "$version" "$files" >"$files/krew-backstop.yaml"
"$python" hack/release_files.py provenance "$version" "$revision" "$files" >"$work/provenance"
install -m 0644 "$work/provenance" "$files/backstop-$version.intoto.json"
(cd "$files" && find . -type f -printf '%f\n' | sort | xargs sha256sum) >"$work/SHA256SUMS"
install -m 0644 "$work/SHA256SUMS" "$files/SHA256SUMS"
if [ -n "${MINISIGN_KEY:-}" ]; then
  minisign -S -s "$MINISIGN_KEY" -m "$files/SHA256SUMS" -t "backstop $version, $revision" -c "signature of backstop's SHA256SUMS" >/dev/null
else
  say "UNSIGNED: MINISIGN_KEY is not set (docs/releasing.md)"
fi

mkdir -p "$out"
rm -f "$out"/*backstop* "$out"/SHA256SUMS*
install -m 0644 "$files"/* "$out"
echo "$out:" && cat "$out/SHA256SUMS"
