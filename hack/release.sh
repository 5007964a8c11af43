#!/usr/bin/env bash
# release.sh VERSION BINARY OUT: the files of a release, byte by byte the same each time for one commit and binary:
# the chart's package (`helm install` and `helm push` take it), the Debian package of the commands with their manual pages
# and completions, and SHA256SUMS of all in OUT. The source tarball is `make dist`'s. Needs no network.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$1 binary=$2 out=$3
SOURCE_DATE_EPOCH=$(hack/source-info.sh date)
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
umask 022
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"

same_each_time() { tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --format=gnu "$@"; }

# The chart: what git has of it, in a folder of its name.
mkdir "$work/backstop"
git ls-files -z manifests/chart | grep -zv '/\.helmignore$' | while IFS= read -r -d '' file; do
  install -D -m 0644 "$file" "$work/backstop/${file#manifests/chart/}"
done
same_each_time -C "$work" -cf - backstop | gzip -9n >"$out/backstop-chart-$version.tgz"

# The Debian package, for the machine that this binary is built for.
root=$work/deb
make -s install DESTDIR="$root" PREFIX=/usr BUILD="$(dirname "$binary")" >/dev/null
strip --strip-unneeded "$root/usr/bin/backstop"
gzip -9n "$root"/usr/share/man/man1/*.1
install -D -m 0644 LICENSE "$root/usr/share/doc/backstop/copyright"
gzip -9nc CHANGELOG.md >"$work/changelog.gz"
install -m 0644 "$work/changelog.gz" "$root/usr/share/doc/backstop/changelog.gz"
libraries=$(ldd "$binary" | sed -n 's/.*=> \([^ ]*\) .*/\1/p' | while read -r path; do
  dpkg-query -S "$path" 2>/dev/null || dpkg-query -S "/usr$path" 2>/dev/null || { echo "release: no package has $path" >&2; exit 1; }
done | sed 's/:.*//' | sort -u | paste -sd, | sed 's/,/, /g')
mkdir "$root/DEBIAN"
cat >"$root/DEBIAN/control" <<CONTROL
Package: backstop
Version: ${version/-/\~}
Architecture: $(dpkg --print-architecture)
Maintainer: backstop maintainers <backstop@k0rdent.mirantis.com>
Installed-Size: $(du -sk --apparent-size "$root/usr" | cut -f1)
Depends: $libraries, ca-certificates
Recommends: libcurl4
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
dpkg-deb --root-owner-group -Zxz --build "$root" "$out/backstop_${version}_$(dpkg --print-architecture).deb" >/dev/null

(cd "$out" && find . -maxdepth 1 -type f ! -name SHA256SUMS -printf '%f\n' | sort | xargs sha256sum) >"$work/sums"
install -m 0644 "$work/sums" "$out/SHA256SUMS"
echo "$out:" && cat "$out/SHA256SUMS"
