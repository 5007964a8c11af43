#!/usr/bin/env bash
# The chart's tests (tests/chart), and that what is made of it is up to date. Where helm is missing and there
# is no Go to build it, says so and is content, unless in CI.
set -euo pipefail
cd "$(dirname "$0")/.."
hack/install-deps.sh chart

HELM=$(hack/tool.sh helm) || {
  [ -z "${CI:-}" ] || exit 1
  echo "chart: not tested, for want of helm"
  exit 0
}
export HELM
python=python3 # Debian's own has python3-yaml, where another comes first
python3 -c 'import yaml' 2>/dev/null || python=/usr/bin/python3
hack/manifests.py --check
"$python" tests/chart/run.py "$@"
