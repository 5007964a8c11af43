#!/bin/sh
# libraries.sh ARCH [--direct] FILE...: the paths of the libraries that these need, and of the loader, one a line: with all that
# they need in turn, or only what they name themselves. As ldd, but also for another architecture than this machine's,
# whose libraries are where Debian puts them.
set -eu
export LC_ALL=C
arch=$1
triplet=$("$(dirname "$0")/triplet.sh" "$arch")
shift
direct=
if [ "$1" = --direct ]; then direct=yes; shift; fi

found=$(mktemp)
trap 'rm -f "$found"' EXIT
visit() {
  for file in "$@"; do
    readelf -l "$file" | sed -n 's/.*program interpreter: \(.*\)\]/\1/p' >>"$found"
    for name in $(readelf -d "$file" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
      path=/lib/$triplet/$name
      [ -e "$path" ] || path=/usr/lib/$triplet/$name
      case $name in ld-linux*) path=$(readelf -l /lib/"$triplet"/libc.so.6 | sed -n 's/.*program interpreter: \(.*\)\]/\1/p') ;; esac
      [ -e "$path" ] || { echo "libraries: no $name for $arch, which $file needs" >&2; return 1; }
      grep -qxF "$path" "$found" && continue
      echo "$path" >>"$found"
      [ -n "$direct" ] || visit "$path"
    done
  done
}
visit "$@"
sort -u "$found"
