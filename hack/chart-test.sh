#!/usr/bin/env bash
# The chart's tests (tests/chart), and that what is made of it is up to date; its alert rules' own tests, by
# promtool. Where these tools are missing and there is no Go to build them, says so and is content, unless in CI.
set -euo pipefail
cd "$(dirname "$0")/.."
hack/install-deps.sh chart

tool() { # NAME: its path, or nothing
  hack/tool.sh "$1" || [ -z "${CI:-}" ] || { echo "chart: CI must have $1" >&2; exit 1; }
}
HELM=$(tool helm)
promtool=$(tool promtool)
if [ -z "$HELM" ] || [ -z "$promtool" ]; then
  echo "chart: not tested, for want of helm or promtool"
  exit 0
fi
export HELM
python=python3 # Debian's own has python3-yaml, where another comes first
python3 -c 'import yaml' 2>/dev/null || python=/usr/bin/python3
hack/manifests.py --check
"$python" tests/chart/run.py "$@"

# Rules and tests side by side, as promtool wants them.
mkdir -p build/chart
cp manifests/chart/files/alerts.yaml tests/chart/alerts_test.yaml build/chart/
"$promtool" check rules --lint=all --lint-fatal build/chart/alerts.yaml
"$promtool" test rules build/chart/alerts_test.yaml
