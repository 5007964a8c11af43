#!/bin/sh
# Installs the Debian packages of one or more groups: build (the default), lint, chart, e2e, counts, bench, page, static,
# image, release, cross-arm64 (which adds Debian's packages for that machine to this one's).
set -eu

build="gcc make pkg-config libmicrohttpd-dev libgnutls28-dev libssl-dev libjson-c-dev libyaml-dev
  libcurl4-openssl-dev libseccomp-dev libarchive13 libcunit1-dev curl openssl python3 tzdata ca-certificates"
lint="clang clang-format clang-tidy libclang-rt-14-dev cppcheck shellcheck pmccabe git mandoc"
chart="python3 python3-yaml"
e2e="zstd"
page="chromium fonts-dejavu-core python3"
counts="gcc python3 valgrind strace procps"
bench="gcc pkg-config libmicrohttpd-dev openssl python3 wrk valgrind"
static="dpkg-dev xz-utils libunistring-dev zlib1g-dev"
image="docker.io debootstrap python3 git"
release="binutils minisign python3 python3-yaml xz-utils"
cross_arm64="gcc-aarch64-linux-gnu libc6-dev-arm64-cross pkg-config qemu-user-static libmicrohttpd-dev:arm64 libgnutls28-dev:arm64
  libssl-dev:arm64 libjson-c-dev:arm64 libyaml-dev:arm64 libcurl4-openssl-dev:arm64 libseccomp-dev:arm64 libcunit1-dev:arm64
  libunistring-dev:arm64 zlib1g-dev:arm64"

# install-deps.sh list build: the names, for what must know them.
list=
if [ "${1:-}" = list ]; then list=yes; shift; fi

packages=
for group in "${@:-build}"; do
  case $group in
    build) packages="$packages $build" ;;
    lint) packages="$packages $lint" ;;
    chart) packages="$packages $chart" ;;
    e2e) packages="$packages $e2e" ;;
    counts) packages="$packages $counts" ;;
    bench) packages="$packages $bench" ;;
    page) packages="$packages $page" ;;
    static) packages="$packages $static" ;;
    image) packages="$packages $image" ;;
    release) packages="$packages $release" ;;
    cross-arm64)
      packages="$packages $cross_arm64"
      dpkg --print-foreign-architectures | grep -qx arm64 || {
        echo "install-deps: this machine takes no packages for arm64. To let it: dpkg --add-architecture arm64;" \
          "to leave it as it is, build in a root of its own: hack/in-debian.sh make release" >&2
        exit 1
      } ;;
    *) echo "install-deps: no group \"$group\" (build, lint, chart, e2e, counts, bench, page, static, image, release, cross-arm64)" >&2; exit 2 ;;
  esac
done

if [ -n "$list" ]; then
  # shellcheck disable=SC2086 # one word per package
  printf '%s\n' $packages
  exit 0
fi
missing=
for package in $packages; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "installing:$missing" >&2
as_root=
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "install-deps: run as root: apt-get install$missing" >&2; exit 1; }
  as_root=sudo
fi
$as_root apt-get update -qq
# shellcheck disable=SC2086 # one word per package
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
