#!/bin/sh
# image-load.sh LAYOUT.oci.tar NAME:TAG: this machine's image of a release into the container engine (DOCKER), under that name.
# `docker load` knows only Docker's own form of a saved image, which holds one architecture.
set -eu
cd "$(dirname "$0")/.."
hack/oci.py docker "$1" "$2" "$(dpkg --print-architecture 2>/dev/null || echo amd64)" | ${DOCKER:-docker} load
