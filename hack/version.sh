#!/bin/sh
# The version has one place, VERSION in the Makefile. version.sh writes it wherever it is repeated (the chart, the pages'
# commands), version.sh --check only names what differs, and also holds the changelog and the oldest Kubernetes against it.
# After a change of VERSION: hack/version.sh && make docs manifests
set -eu
cd "$(dirname "$0")/.."
version=$(sed -n 's/^VERSION := //p' Makefile)
check=${1:-}
bad=0
problem() { echo "version: $*" >&2; bad=1; }

number='[0-9]+\.[0-9]+\.[0-9]+(-(alpha|beta|rc)[0-9.]*)?'
echo "$version" | grep -qxE "$number" || problem "VERSION of the Makefile is \"$version\", not MAJOR.MINOR.PATCH"

repeat() { # FILE SED-EXPRESSION: what it makes of the file is what the file must be
  new=$(mktemp)
  sed -E "$2" "$1" >"$new"
  if ! cmp -s "$new" "$1"; then
    if [ "$check" = --check ]; then
      problem "$1 has another version than $version: run hack/version.sh"
      diff "$1" "$new" | sed -n 's/^< /  /p' >&2
    else
      cat "$new" >"$1"
      echo "$1"
    fi
  fi
  rm -f "$new"
}
repeat manifests/chart/Chart.yaml "s/^(version|appVersion): .*/\1: $version/"
for page in README.md docs/*.md; do
  # Images (backstop:X), the release's files (backstop-X.tar.gz, backstop_X_amd64.deb) and what k0rdent's templates name.
  repeat "$page" "s/(backstop(-chart|-image)?[:_-]|tag -s v|platform )$number/\1$version/g; s/^( *newTag: )$number/\1$version/
    s/(\bbackstop-)[0-9]+-[0-9]+-[0-9]+/\1$(echo "$version" | tr . -)/g; /chart: backstop/,/version:/s/^( *version: )$number/\1$version/"
done

# ---- what a person writes, or another program
[ "$(sed -n 's/^## \[\([0-9][^]]*\)\] - 20[0-9-]*$/\1/p' CHANGELOG.md | head -1)" = "$version" ] ||
  problem "the newest version of CHANGELOG.md is not $version"
manifest=manifests/install.yaml
# shellcheck disable=SC2013 # a tag is one word
for tag in $(sed -n 's,.*image: [^ ]*backstop:\([^ "]*\).*,\1,p' $manifest | sort -u); do
  [ "$check" != --check ] || [ "$tag" = "$version" ] || problem "$manifest has the image's tag $tag: run make manifests"
done
# The oldest Kubernetes has one place, too: the chart.
oldest=$(sed -n 's/^kubeVersion: *">= \([0-9]*\.[0-9]*\).*/\1/p' manifests/chart/Chart.yaml)
# shellcheck disable=SC2013 # a version is one word
for said in $(sed -n 's/.*Kubernetes \([0-9]*\.[0-9]*\) or later.*/\1/p' README.md docs/*.md); do
  [ "$said" = "$oldest" ] || problem "a page needs Kubernetes $said, the chart $oldest"
done
exit $bad
