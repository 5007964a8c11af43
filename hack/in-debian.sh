#!/bin/sh
# in-debian.sh COMMAND...: runs it in a clone of this repository's HEAD, in a Debian 12 root of its own that has the packages for
# amd64 and arm64, so that `in-debian.sh make release` builds both, on any machine, with the same tools. Leaves the files in
# build/dist. The root stays in build/debian for the next time (DEBIAN_ROOT=); remove it to have newer packages. Needs root.
set -eu
cd "$(dirname "$0")/.."
root=${DEBIAN_ROOT:-$PWD/build/debian}
[ $# -gt 0 ] || { echo "usage: in-debian.sh COMMAND..." >&2; exit 2; }

mkdir -p "$(dirname "$root")"
mounted=
clean() { [ -z "$mounted" ] || umount "$root/proc"; }
trap clean EXIT
trap 'exit 130' INT TERM
inside() { chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin ${http_proxy:+http_proxy="$http_proxy"} \
    ${https_proxy:+https_proxy="$https_proxy"} ${SOURCE_URL:+SOURCE_URL="$SOURCE_URL"} ${BUILDER_ID:+BUILDER_ID="$BUILDER_ID"} "$@"; }

if [ ! -e "$root/ready" ]; then
    rm -rf --one-file-system "$root"
    hack/debian-root.sh "$root"
fi
mount -t proc proc "$root/proc" && mounted=yes
rm -rf --one-file-system "$root/backstop"
git clone -q --no-hardlinks . "$root/backstop"
if [ ! -e "$root/ready" ]; then
    inside dpkg --add-architecture arm64
    inside /backstop/hack/install-deps.sh build static release cross-arm64
    : >"$root/ready"
fi
inside sh -c 'cd /backstop && "$@"' sh "$@" </dev/null
if [ -d "$root/backstop/build/dist" ]; then
    mkdir -p build/dist
    cp -p "$root"/backstop/build/dist/* build/dist/
fi
