#!/usr/bin/env bash
# Prints the folder that holds etcd, kube-apiserver and kubectl for the end-to-end tests:
# KUBEBUILDER_ASSETS when it is set, else binaries built from the Go modules (needs Go; ten
# minutes the first time) in build/control-plane. KUBERNETES=v1.30.14 builds that kube-apiserver
# instead, in a folder of its own beside the etcd and kubectl of the others.
set -euo pipefail
cd "$(dirname "$0")/.."
NEWEST=v1.36.3
ETCD=v3.6.8
main=$PWD/build/control-plane
if [ -n "${KUBERNETES:-}" ] && [ "$KUBERNETES" != "$NEWEST" ]; then
  out=$main-$KUBERNETES programs=kube-apiserver
else
  KUBERNETES=$NEWEST out=$main programs="kube-apiserver kubectl etcd"
fi

has_all() { [ -x "$1/etcd" ] && [ -x "$1/kube-apiserver" ] && [ -x "$1/kubectl" ]; }

if [ -n "${KUBEBUILDER_ASSETS:-}" ] && [ "$out" = "$main" ]; then
  has_all "$KUBEBUILDER_ASSETS" || { echo "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS lacks etcd, kube-apiserver or kubectl" >&2; exit 1; }
  echo "$KUBEBUILDER_ASSETS"
  exit 0
fi
if has_all "$out"; then
  echo "$out"
  exit 0
fi
command -v go >/dev/null || {
  echo "control-plane: set KUBEBUILDER_ASSETS, or install Go to build kube-apiserver $KUBERNETES and etcd $ETCD" >&2
  exit 1
}

echo "building $programs of Kubernetes $KUBERNETES (once)" >&2
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
mkdir -p "$out"
pushd "$work" >/dev/null
go mod init control-plane >&2
# Kubernetes' staging modules are replaced by folders in its own go.mod: name their releases instead.
go mod download -json "k8s.io/kubernetes@$KUBERNETES" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p' |
  xargs sed -n 's#^[[:space:]]*\(k8s.io/[^ ]*\) => ./staging/.*#\1#p' |
  while read -r module; do go mod edit -replace "$module=$module@v0${KUBERNETES#v1}"; done
go mod edit -require "k8s.io/kubernetes@$KUBERNETES"
case $programs in *etcd*) go mod edit -require "go.etcd.io/etcd/server/v3@$ETCD" ;; esac
minor=${KUBERNETES#v1.}
base=k8s.io/component-base/version
version="-X $base.gitVersion=$KUBERNETES -X $base.gitMajor=1 -X $base.gitMinor=${minor%%.*}"
version="$version -X k8s.io/client-go/pkg/version.gitVersion=$KUBERNETES"
for program in $programs; do
  package=k8s.io/kubernetes/cmd/$program
  [ "$program" = etcd ] && package=go.etcd.io/etcd/server/v3
  CGO_ENABLED=0 go build -mod=mod -trimpath -ldflags "-s -w $version" -o "$out/$program" "$package" >&2
done
popd >/dev/null
if [ "$out" != "$main" ]; then
  others=$(KUBERNETES='' hack/control-plane.sh)
  ln -sf "$others/etcd" "$others/kubectl" "$out/"
fi
echo "$out"
