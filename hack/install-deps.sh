#!/bin/sh
# Installs the Debian packages of one or more groups: build (the default), lint, chart, e2e,
# counts, bench, page, static, image.
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
    *) echo "install-deps: no group \"$group\" (build, lint, chart, e2e, counts, bench, page, static, image)" >&2; exit 2 ;;
  esac
done

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
