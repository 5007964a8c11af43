#!/bin/sh
# image.sh IMAGE VERSION [DOCKER BUILD OPTION...]: builds the Dockerfile, dated and named after the commit.
# The build fetches Debian packages over the host's network (BUILD_NETWORK, host). SOURCE_URL is where the repository is.
set -eu
cd "$(dirname "$0")/.."
image=$1 version=$2
shift 2
revision=$(hack/source-info.sh revision) date=$(hack/source-info.sh date)
hack/image-base.sh
${DOCKER:-docker} build --network="${BUILD_NETWORK:-host}" -t "$image" \
  --build-arg VERSION="$version" --build-arg REVISION="$revision" --build-arg SOURCE_DATE_EPOCH="$date" \
  --build-arg SOURCE="${SOURCE_URL:-}" --build-arg CREATED="$(date -u -d "@$date" +%Y-%m-%dT%H:%M:%SZ)" "$@" .
