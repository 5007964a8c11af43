#!/usr/bin/env bash
# Prints the path of a program that the tests use, built once from Go modules into build/tools (needs Go):
# helm and promtool as hack/tools pins them, and for `make e2e-velero` the Velero of each supported version
# (with its CRDs beside it, NAME-crds/), its plugin for S3 and an S3 server, each from its own module as published;
# and for the end-to-end tests a folder of cert-manager's CRDs.
set -euo pipefail
cd "$(dirname "$0")/.."
name=${1:?helm, promtool, crane, actionlint, velero-VERSION, velero-plugin-for-aws or versitygw}
out=$PWD/build/tools
stamp=$out/.$name
velero=github.com/vmware-tanzu/velero
tags='' flags='-s -w' sum=''

case $name in
  helm) package=helm.sh/helm/v3/cmd/helm ;;
  # remove_all_sd: promtool without the service discoveries of every cloud.
  promtool) package=github.com/prometheus/prometheus/cmd/promtool tags=remove_all_sd ;;
  velero-1.17.2) module=$velero@v1.17.2 sum=h1:U2C/j+iewacNA+f967PX++vw6+FG8O6o5aDyw3QjV9Y= ;;
  velero-1.18.2) module=$velero@v1.18.2 sum=h1:FUscTf6W+d/WpDHfGTlAbCgMETkduMuyCeWDbqiOqgM= ;;
  velero-1.18.3) module=$velero@v1.18.3 sum=h1:9uwN5yxTWQl9PsF5ljX4xiG+7VIq3I9mxOQ0DyyZ31A= ;;
  velero-plugin-for-aws)
    module=$velero-plugin-for-aws@v1.14.3 sum=h1:3WuiNvatCGXWp/TfeH9e5LAq4skGMHUDxRMeej2FCAM= package=./velero-plugin-for-aws ;;
  versitygw)
    module=github.com/versity/versitygw@v1.8.0 sum=h1:au+wI+aybno/STsQiSm35Uu6Q6iK5MWReQxgO6SEMFc= package=./cmd/versitygw ;;
  # What the release is held against: a registry to push to, and GitHub's rules for workflows.
  crane)
    module=github.com/google/go-containerregistry@v0.20.6 sum=h1:cvWX87UxxLgaH76b4hIvya6Dzz9qHB31qAwjAohdSTU= package=./cmd/crane ;;
  actionlint)
    module=github.com/rhysd/actionlint@v1.7.7 sum=h1:0KgkoNTrYY7vmOCs9BW2AHxLvvpoY9nEUzgBHiPUr0k= package=./cmd/actionlint ;;
  # Its controllers and cainjector in one program (hack/cert-manager), and a folder of its CRDs only.
  cert-manager | cert-manager-crds)
    module=github.com/cert-manager/cert-manager@v1.19.1 sum=h1:Txh8L/nLWTDcb7ZnXuXbTe15BxQnLbLirXmbNk0fGgY= ;;
  *) echo "tool: no tool \"$name\"" >&2; exit 2 ;;
esac
if [[ $name = velero-[0-9]* ]]; then
  package=./cmd/velero
  # Its second metrics listener, which no flag moves, would take port 8080 of this machine.
  flags+=" -X $velero/pkg/buildinfo.Version=${module#*@} -X sigs.k8s.io/controller-runtime/pkg/metrics/server.DefaultBindAddress=0"
fi

pinned=${sum:-$(sha256sum hack/tools/go.sum)}
if [ -x "$out/$name" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$pinned" ]; then
  echo "$out/$name"
  exit 0
fi
command -v go >/dev/null || {
  echo "tool: building $name needs Go (https://go.dev/dl): 1.21 or later for helm and promtool, 1.26 for Velero" >&2
  exit 3
}
echo "building $name (once)" >&2
mkdir -p "$out"

build() { CGO_ENABLED=0 nice go build -trimpath -tags "$tags" -ldflags "$flags" -o "$out/$name" "$@" >&2; }

# In the module's own folder, with its own go.mod and go.sum: what its maintainers build, with one replacement.
build_module() {
  local said folder mod
  said=$(go mod download -json "$module") || {
    echo "tool: $module cannot be downloaded: $(sed -n 's/^\t"Error": "\(.*\)",*/\1/p' <<<"$said")" >&2
    return 1
  }
  [ "$(sed -n 's/^\t"Sum": "\(.*\)",*/\1/p' <<<"$said")" = "$sum" ] || {
    echo "tool: $module has not the checksum $sum" >&2
    return 1
  }
  folder=$(sed -n 's/^\t"Dir": "\(.*\)",*/\1/p' <<<"$said")
  if [ "$name" = cert-manager-crds ]; then
    rm -rf "${out:?}/$name"
    mkdir "$out/$name"
    install -m 0644 "$folder"/deploy/crds/cert-manager.io_*.yaml "$out/$name"
    return
  fi
  if [ "$name" = cert-manager ]; then
    rm -rf "${out:?}/$name.src"
    install -D -m 0644 -t "$out/$name.src" hack/cert-manager/* "$folder/go.sum"
    printf '%s %s\n' "${module%@*} ${module#*@}" "$sum" >>"$out/$name.src/go.sum"
    go mod download -json "$module" | sed -n "s|^\t\"GoModSum\": \"\(.*\)\",*|${module%@*} ${module#*@}/go.mod \1|p" >>"$out/$name.src/go.sum"
    (cd "$out/$name.src" && build -mod=mod .)
    rm -rf "${out:?}/$name.src"
    return
  fi
  mod=$out/$name.mod
  install -m 0644 "$folder/go.mod" "$mod"
  install -m 0644 "$folder/go.sum" "$out/$name.sum"
  if [[ $name = velero-[0-9]* ]]; then
    # Some proxies lack the later patch releases of this one.
    go mod edit -replace k8s.io/cli-runtime=k8s.io/cli-runtime@v0.33.10 "$mod"
    rm -rf "$out/$name-crds"
    mkdir "$out/$name-crds"
    install -m 0644 "$folder"/config/crd/*/bases/*.yaml "$out/$name-crds"
  fi
  (cd "$folder" && build -mod=mod -modfile="$mod" "$package")
  rm -f "$mod" "$out/$name.sum"
}

if [ -n "$sum" ]; then
  build_module
else
  (cd hack/tools && build "$package")
fi
echo "$pinned" >"$stamp"
echo "$out/$name"
