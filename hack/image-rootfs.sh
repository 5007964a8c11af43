#!/bin/sh
# image-rootfs.sh BINARY ROOT [ARCH]: lays out the root of the image on Debian, in the Dockerfile's build stage or for
# `make release`, also for another architecture than the machine's, of that one's packages.
# The binary (make static), what libraries it loads and their loader (native builds: none), time zones, CA certificates; and of each Debian
# package that a file came from, or a part of the binary, its copyright file (the licences ask for it) and its entry in
# /var/lib/dpkg/status.d, where vulnerability scanners and hack/sbom.py look.
set -eu
binary=$1 root=$2
here=$(cd "$(dirname "$0")" && pwd)
native=$(dpkg --print-architecture)
arch=${3:-$native}
triplet=$("$here/triplet.sh" "$arch")
if [ "$arch" = "$native" ]; then strip="strip"; else strip=$triplet-strip; fi
umask 022
rm -rf "$root"
mkdir -p "$root/etc/ssl/certs" "$root/usr/share/zoneinfo" "$root/usr/share/doc" "$root/var/lib/dpkg/status.d"

# ---- whose is a file? A library may be known under /lib or under /usr/lib, which are one folder.
package_of() { # FILE
  for path in "$1" "$(readlink -f "$1")" "/usr$1" "$(readlink -f "$1" | sed 's,^/usr,,')"; do
    dpkg-query -S "$path" 2>/dev/null | sed -n '1s/: .*//p' | grep . && return
  done
  echo "image-rootfs: no package has $1" >&2
  exit 1
}

owned() { # PACKAGE PATH: notes that the image's PATH came from PACKAGE (with :ARCHITECTURE, where dpkg tells it so)
  control="$root/var/lib/dpkg/status.d/${1%:*}"
  if [ ! -f "$control" ]; then
    dpkg-query -W -f 'Package: ${Package}\nStatus: ${Status}\nSource: ${source:Package} (${source:Version})\nVersion: ${Version}\nArchitecture: ${Architecture}\nMaintainer: ${Maintainer}\nHomepage: ${Homepage}\nDescription: ${binary:Summary}\n' \
      "$1" | grep -v ': $' >"$control"
    mkdir -p "$root/usr/share/doc/${1%:*}"
    cp -L "/usr/share/doc/${1%:*}/copyright" "$root/usr/share/doc/${1%:*}/"
    owned "$1" "/usr/share/doc/${1%:*}/copyright"
  fi
  echo "$(md5sum <"$root$2" | cut -d' ' -f1)  ${2#/}" >>"$control.md5sums"
}

# ---- the binary and what it is linked with
install -m 0755 "$binary" "$root/backstop"
"$strip" "$root/backstop"
"$here/libraries.sh" "$arch" "$binary" | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
  chmod 0755 "$root$library"
  owned "$(package_of "$library")" "$library"
done

# ---- what is linked into it: scanners go by the name and version of the source package, which stands in each entry
linked=$(make -s ARCH="$arch" static-libraries)
for library in $linked curl; do
  package=$(package_of "/usr/lib/$triplet/lib$library.a")
  [ -f "$root/var/lib/dpkg/status.d/${package%:*}" ] || owned "$package" "/usr/share/doc/${package%:*}/copyright"
done

# ---- time zones: what a schedule may name. right/ (with leap seconds) is no zone that a controller would use, and
# posix/ is the same files once more.
cd /usr/share/zoneinfo
find . \( -name right -o -name posix \) -prune -o \( -type f -o -type l \) -print | LC_ALL=C sort | sed 's,^\./,,' |
  while read -r zone; do
    case $zone in
      tzdata.zi) ;; # the names, for "did you mean"
      localtime | posixrules) continue ;;
      *) [ "$(head -c 4 "$zone")" = TZif ] || continue ;;
    esac
    mkdir -p "$root/usr/share/zoneinfo/$(dirname "$zone")"
    cp -P "$zone" "$root/usr/share/zoneinfo/$zone"
    [ -L "$zone" ] || owned tzdata "/usr/share/zoneinfo/$zone"
  done
ln -s . "$root/usr/share/zoneinfo/posix"
cd - >/dev/null

# ---- CA certificates (one bundle), the user's name, Debian's name
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
owned ca-certificates /etc/ssl/certs/ca-certificates.crt
cp -L /etc/os-release "$root/etc/os-release"
owned base-files /etc/os-release
echo 'nonroot:x:65532:65532:nonroot:/:/nonexistent' >"$root/etc/passwd"
echo 'nonroot:x:65532:' >"$root/etc/group"
mkdir -p "$root/usr/share/doc/backstop"
cp LICENSE "$root/usr/share/doc/backstop/copyright"

chmod -R u=rwX,go=rX "$root"
find "$root" -exec touch -h -d "@${SOURCE_DATE_EPOCH:?}" {} +
