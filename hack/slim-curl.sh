#!/bin/sh
# slim-curl.sh [ARCH]: prints the path of a static libcurl that speaks HTTP and HTTPS (OpenSSL, zlib) and nothing else, built
# once into build/tools from Debian's own source package, its security patches included. Debian's shared one brings 20
# more libraries (Kerberos, LDAP, SSH, HTTP/2), which backstop never calls.
# slim-curl.sh --check: whether the pinned version is the one that apt would install today.
set -eu
version=7.88.1-10+deb12u15
cd "$(dirname "$0")/.."
native=$(dpkg --print-architecture)
case ${1:-} in
  '' | "$native") arch=$native out=$PWD/build/tools/libcurl-$version.a host= ;;
  arm64 | amd64) arch=$1 out=$PWD/build/tools/libcurl-$version-$1.a host=--host=$(hack/triplet.sh "$1") ;;
  *) arch= ;; # below
esac

candidate=$(apt-cache policy libcurl4 2>/dev/null | sed -n 's/^ *Candidate: //p')
if [ "${1:-}" = --check ]; then
  if [ "$candidate" = "$version" ]; then
    echo "slim-curl: $version is what apt has today"
    exit 0
  fi
  echo "slim-curl: pinned is $version, apt has ${candidate:-no libcurl4}: set the version in hack/slim-curl.sh, and build the image anew" >&2
  exit 1
fi
if [ $# -gt 1 ] || [ -z "$arch" ]; then echo "usage: slim-curl.sh [ARCH|--check]" >&2; exit 2; fi
if [ -f "$out" ]; then
  echo "$out"
  exit 0
fi

command -v dpkg-source >/dev/null || hack/install-deps.sh static
# configure would take this machine's compiler instead, and the library would have the other's name.
if [ -n "$host" ] && ! command -v "${host#--host=}-gcc" >/dev/null; then
  echo "slim-curl: no compiler for $arch (${host#--host=}-gcc): hack/in-debian.sh has it" >&2
  exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "${out%/*}"
# Debian's archives as this machine names them, for sources; apt checks their signatures.
for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
  [ -f "$file" ] || continue
  sed 's/^Types:.*/Types: deb-src/; s/^deb /deb-src /' "$file" >"$work/${file##*/}"
done
apt_source() {
  (cd "$work" && apt-get -qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts="$work/parts" \
    -o APT::Sandbox::User=root -o Dir::State::lists="$work/lists" -o Dir::Cache::srcpkgcache= -o Dir::Cache::pkgcache= "$@")
}
mkdir "$work/parts"
[ ! -f "$work/debian.sources" ] || mv "$work/debian.sources" "$work/parts/"
[ -f "$work/sources.list" ] || : >"$work/sources.list"
apt_source update >&2
apt_source --download-only source "curl=$version" >&2 || {
  echo "slim-curl: Debian has no source package curl $version (apt would install ${candidate:-none}): set the version in hack/slim-curl.sh" >&2
  exit 1
}
dpkg-source -x "$work/curl_$version.dsc" "$work/curl" >/dev/null 2>&1
cd "$work/curl"
{
  # shellcheck disable=SC2086 # no word, or one
  # What Debian hardens its packages with; symbols stay out of backstop's own table.
  CFLAGS="-O2 -fPIC -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fvisibility=hidden -ffile-prefix-map=$work=." ./configure $host \
    --disable-maintainer-mode --disable-dependency-tracking --disable-shared --enable-static --with-openssl --with-zlib \
    --with-ca-bundle=/etc/ssl/certs/ca-certificates.crt --without-ca-path --without-brotli --without-zstd \
    --without-nghttp2 --without-libidn2 --without-libpsl --without-librtmp --without-libssh2 --without-libssh \
    --without-gssapi --disable-ldap --disable-ldaps --disable-rtsp --disable-dict --disable-telnet --disable-tftp \
    --disable-pop3 --disable-imap --disable-smb --disable-smtp --disable-gopher --disable-mqtt --disable-ftp \
    --disable-file --disable-manual --disable-ntlm --disable-ntlm-wb --disable-unix-sockets --disable-cookies \
    --disable-doh --disable-netrc --disable-alt-svc --disable-hsts --disable-tls-srp --disable-libcurl-option
  make -s -j2 -C lib
} >"$work/log" 2>&1 || { tail -20 "$work/log" >&2; exit 1; }
grep -q 'Protocols: *HTTP HTTPS$' "$work/log" || { echo "slim-curl: it speaks more or less than HTTP and HTTPS" >&2; exit 1; }
cp lib/.libs/libcurl.a "$out.new"
mv "$out.new" "$out"
echo "$out"
