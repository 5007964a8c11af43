#!/bin/sh
# The version is told once, in the Makefile; what repeats it must say the same.
set -eu
cd "$(dirname "$0")/.."
version=$(sed -n 's/^VERSION := //p' Makefile)
bad=0
same() { # WHERE FOUND
  [ "$2" = "$version" ] && return
  echo "$1 says \"$2\", the Makefile \"$version\"" >&2
  bad=1
}
echo "$version" | grep -qE '^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$' || same "semantic versioning" "MAJOR.MINOR.PATCH"
same "CHANGELOG.md (its newest version)" "$(sed -n 's/^## \[\([0-9][^]]*\)\].*/\1/p' CHANGELOG.md | head -1)"
chart=manifests/chart/Chart.yaml
if [ -f $chart ]; then
  same "$chart (version)" "$(sed -n 's/^version: *//p' $chart | tr -d "\"'")"
  same "$chart (appVersion)" "$(sed -n 's/^appVersion: *//p' $chart | tr -d "\"'")"
fi
manifest=manifests/install.yaml
# shellcheck disable=SC2013 # a tag is one word
for tag in $(sed -n 's,.*image: [^ ]*backstop:\([^ "]*\).*,\1,p' $manifest | sort -u); do
  same "$manifest (image)" "$tag"
done
# The oldest Kubernetes is told once, in the chart.
oldest=$(sed -n 's/^kubeVersion: *">= \([0-9]*\.[0-9]*\).*/\1/p' $chart)
# shellcheck disable=SC2013 # a version is one word
for said in $(sed -n 's/.*Kubernetes \([0-9]*\.[0-9]*\) or later.*/\1/p' README.md docs/*.md); do
  [ "$said" = "$oldest" ] || { echo "README.md or docs/ need Kubernetes $said, $chart $oldest" >&2; bad=1; }
done
exit $bad
