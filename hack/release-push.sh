#!/usr/bin/env bash
# release-push.sh CRANE FOLDER REGISTRY VERSION: the image to REGISTRY/backstop, the chart to REGISTRY/charts/backstop, with crane
# (hack/tool.sh crane), which has logged in where that is needed.
set -euo pipefail
crane=$1 folder=$2 registry=$3 version=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/image" "$work/chart"
tar -C "$work/image" -xf "$folder/backstop-image-$version.oci.tar"
tar -C "$work/chart" -xf "$folder/backstop-chart-$version.oci.tar"
"$crane" push "$work/image" "$registry/backstop:$version"
# The chart, and beside it Artifact Hub's file: one layout, a tag each.
python3 - "$work/chart" <<'END' | while read -r tag; do
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
index = json.loads((folder / "index.json").read_text())
for manifest in index["manifests"]:
    tag = manifest["annotations"]["org.opencontainers.image.ref.name"]
    (folder / f"index.{tag}").write_text(json.dumps({**index, "manifests": [manifest]}))
    print(tag)
END
  cp "$work/chart/index.$tag" "$work/chart/index.json"
  "$crane" push "$work/chart" "$registry/charts/backstop:$tag"
done
