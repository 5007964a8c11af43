#!/bin/sh
exec python3 "${0%.sh}.py" "$@"
