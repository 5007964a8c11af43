#!/usr/bin/env bash
# Each state of a cluster in tests/golden/status/states, and the verdicts of it: states.sh BINARY; ACCEPT=1 rewrites
# what is expected (read the diff).
exec python3 "$(dirname "$0")/states.py" "$@"
