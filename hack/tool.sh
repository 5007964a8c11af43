#!/usr/bin/env bash
# Prints the path of helm or promtool, built from the Go modules that hack/tools pins (needs Go; a minute
# or so each, once) into build/tools.
set -euo pipefail
cd "$(dirname "$0")/.."
name=${1:?helm or promtool}
out=$PWD/build/tools
stamp=$out/.$name

case $name in
  helm) package=helm.sh/helm/v3/cmd/helm ;;
  promtool) package=github.com/prometheus/prometheus/cmd/promtool ;;
  *) echo "tool: no tool \"$name\" (helm, promtool)" >&2; exit 2 ;;
esac
pinned=$(sha256sum hack/tools/go.sum)
if [ -x "$out/$name" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$pinned" ]; then
  echo "$out/$name"
  exit 0
fi
command -v go >/dev/null || {
  echo "tool: building $name needs Go 1.21 or later (https://go.dev/dl)" >&2
  exit 3
}
echo "building $name (once)" >&2
mkdir -p "$out"
# remove_all_sd: promtool without the service discoveries of every cloud.
(cd hack/tools && CGO_ENABLED=0 nice go build -trimpath -tags remove_all_sd -ldflags "-s -w" -o "$out/$name" "$package") >&2
echo "$pinned" >"$stamp"
echo "$out/$name"
