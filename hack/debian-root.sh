#!/bin/sh
# debian-root.sh ROOT: a minimal Debian 12 in the folder ROOT, with git, make and ca-certificates, that reaches packages and
# modules as this machine does. Needs root and debootstrap.
set -eu
root=$1
[ "$(id -u)" = 0 ] || { echo "debian-root: needs root, for debootstrap and chroot" >&2; exit 2; }
command -v debootstrap >/dev/null || { echo "debian-root: needs debootstrap: apt-get install debootstrap" >&2; exit 2; }

mirror=$(sed -n 's/^URIs: *\(http[^ ]*debian\)$/\1/p; s/^deb \([^ ]*\) bookworm main.*/\1/p' \
    /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1)
debootstrap --variant=minbase --include=git,make,ca-certificates bookworm "$root" "${mirror:-http://deb.debian.org/debian}" \
    >"$root.log" 2>&1 || { tail -n 20 "$root.log" >&2; rm -f "$root.log"; exit 1; }
rm -f "$root.log"
# Security updates, where this machine has them among its own sources of packages.
if [ -f /etc/apt/sources.list.d/debian.sources ]; then
    cp /etc/apt/sources.list.d/debian.sources "$root/etc/apt/sources.list.d/"
    : >"$root/etc/apt/sources.list"
fi
# How this machine reaches its packages and modules is this machine's own affair: hand it on.
for file in /etc/apt/apt.conf.d/*proxy* /etc/resolv.conf; do
    [ ! -e "$file" ] || cp -L "$file" "$root$file"
done
