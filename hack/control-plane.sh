#!/usr/bin/env bash
# Prints the folder that holds etcd, kube-apiserver and kubectl for the end-to-end tests:
# KUBEBUILDER_ASSETS when it is set, else binaries built from the Go modules (needs Go; ten
# minutes the first time) in build/control-plane.
set -euo pipefail
cd "$(dirname "$0")/.."
KUBERNETES=v1.36.3
ETCD=v3.6.8
out=$PWD/build/control-plane

has_all() { [ -x "$1/etcd" ] && [ -x "$1/kube-apiserver" ] && [ -x "$1/kubectl" ]; }

if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
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

echo "building kube-apiserver and kubectl $KUBERNETES, etcd $ETCD (once)" >&2
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
go mod init control-plane >&2
go get "k8s.io/kubernetes@$KUBERNETES" 2>/dev/null || true
# Kubernetes' staging modules are replaced by folders in its own go.mod: name their releases instead.
go mod download -json "k8s.io/kubernetes@$KUBERNETES" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p' |
  xargs sed -n 's#^[[:space:]]*\(k8s.io/[^ ]*\) => ./staging/.*#\1#p' |
  while read -r module; do go mod edit -replace "$module=$module@v0${KUBERNETES#v1}"; done
go mod edit -require "k8s.io/kubernetes@$KUBERNETES" -require "go.etcd.io/etcd/server/v3@$ETCD"
go mod edit -tool k8s.io/kubernetes/cmd/kube-apiserver -tool k8s.io/kubernetes/cmd/kubectl -tool go.etcd.io/etcd/server/v3
go mod tidy >&2
mkdir -p "$out"
version="-X k8s.io/component-base/version.gitVersion=$KUBERNETES -X k8s.io/client-go/pkg/version.gitVersion=$KUBERNETES"
for pair in kube-apiserver:k8s.io/kubernetes/cmd/kube-apiserver kubectl:k8s.io/kubernetes/cmd/kubectl etcd:go.etcd.io/etcd/server/v3; do
  CGO_ENABLED=0 go build -trimpath -ldflags "-s -w $version" -o "$out/${pair%%:*}" "${pair#*:}" >&2
done
echo "$out"
