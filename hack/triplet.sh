#!/bin/sh
# triplet.sh ARCH: Debian's triplet of an architecture, by which its libraries' folder and cross compiler are named.
case ${1:?usage: triplet.sh ARCH} in
  amd64) echo x86_64-linux-gnu ;;
  arm64) echo aarch64-linux-gnu ;;
  *) echo "$1-linux-gnu" ;;
esac
