#!/bin/sh
# The two commands of README.md on a machine that has nothing: a minimal Debian 12 root with git, make and
# ca-certificates added, without /etc/hosts and /dev/pts, and a clone of this repository's HEAD.
# Needs root and debootstrap, takes about 15 minutes. fresh-machine.sh [COMMAND...]   (make demo, make test)
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
root=$(mktemp -d "${TMPDIR:-/tmp}/fresh-machine.XXXXXX")
clean() {
    umount "$root/proc" 2>/dev/null || true
    rm -rf --one-file-system "$root"
}
trap clean EXIT
trap 'exit 130' INT TERM

"$here/hack/debian-root.sh" "$root"
rm -f "$root/etc/hosts"
mount -t proc proc "$root/proc"
git clone -q --no-hardlinks "$here" "$root/backstop"

if [ $# -gt 0 ]; then commands="$*"; else commands="make demo
make test"; fi
echo "$commands" | while read -r command; do
    start=$(date +%s)
    if chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin ${GOPROXY:+GOPROXY="$GOPROXY"} \
        ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
        sh -c "cd /backstop && $command" </dev/null >"$root.log" 2>&1; then
        echo "ok   $command ($(($(date +%s) - start)) s)"
    else
        grep -nE 'FAIL|CU_ASSERT|not ok|\*\*\*' "$root.log" || tail -n 40 "$root.log"
        echo "FAIL $command ($(($(date +%s) - start)) s); the whole output: $root.log"
        exit 1
    fi
done
