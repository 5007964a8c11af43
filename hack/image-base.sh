#!/bin/sh
# image-base.sh [NAME]: the base that the Dockerfile builds in, on a machine that reaches no image registry.
# Nothing is done when the engine has debian:bookworm-slim (NAME) or can pull it; else a minimal Debian 12 is made with
# debootstrap (as root) and imported under that name. The shipped image is FROM scratch: the base only builds it.
set -eu
docker=${DOCKER:-docker}
base=${1:-debian:bookworm-slim}

if ! $docker info >/dev/null 2>&1; then
  echo "image-base: no container engine answers ($docker info); hack/install-deps.sh image installs Debian's" >&2
  exit 1
fi
$docker image inspect "$base" >/dev/null 2>&1 && exit 0
$docker pull -q "$base" 2>/dev/null && exit 0

echo "image-base: $base cannot be pulled; making one with debootstrap" >&2
command -v debootstrap >/dev/null || "$(dirname "$0")/install-deps.sh" image
root=$(mktemp -d)
trap 'rm -rf --one-file-system "$root"' EXIT
debootstrap --variant=minbase bookworm "$root" >"$root.log" 2>&1 || { tail -5 "$root.log" >&2; exit 1; }
rm -f "$root.log"

# Security updates, when this machine has them among its own sources of packages.
if [ -f /etc/apt/sources.list.d/debian.sources ]; then
  cp /etc/apt/sources.list.d/debian.sources "$root/etc/apt/sources.list.d/"
  : >"$root/etc/apt/sources.list"
fi
# As in the real one, documentation stays out of what is installed later, but for licences.
case $base in
  *-slim)
    printf 'path-exclude /usr/share/%s/*\n' doc man info locale >"$root/etc/dpkg/dpkg.cfg.d/docker"
    echo 'path-include /usr/share/doc/*/copyright' >>"$root/etc/dpkg/dpkg.cfg.d/docker"
    ;;
esac
tar -C "$root" --one-file-system --numeric-owner --exclude='./dev/*' --exclude='./var/cache/apt/archives/*.deb' \
  --exclude='./var/lib/apt/lists/*' -c . | $docker import - "$base" >/dev/null
