#!/bin/sh
# deb-check.sh PACKAGE.deb: installs it in a minimal Debian 12 root and uses it as its reader would: manual pages, completions,
# the plugin of kubectl, and a status from files. Removes it again: nothing stays. Needs root and debootstrap.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
deb=$1
root=$(mktemp -d "${TMPDIR:-/tmp}/deb-check.XXXXXX")
trap 'umount "$root/proc" 2>/dev/null || true; rm -rf --one-file-system "$root"' EXIT
trap 'exit 130' INT TERM
"$here/hack/debian-root.sh" "$root"
mount -t proc proc "$root/proc"
cp "$deb" "$root/backstop.deb"
cp -R "$here/manifests/samples" "$root/samples"
inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive sh -euc "$1"; }

inside 'apt-get update -qq && apt-get install -y -qq --no-install-recommends man-db bash-completion >/dev/null 2>&1'
inside 'find /usr /etc /var/lib/dpkg/info -newer /backstop.deb -name "*backstop*" | grep . && exit 1 || true'
# dpkg names what is missing, apt brings it.
inside 'dpkg -i /backstop.deb >/dev/null 2>&1 || apt-get install -y -qq -f --no-install-recommends >/dev/null 2>&1'
inside 'dpkg -s backstop | grep -q "^Status: install ok installed"'
inside 'for page in backstop backstop-status backstop-rehearse; do man $page | grep -q "^NAME"; done'
inside 'bash -c "source /usr/share/bash-completion/bash_completion; _completion_loader backstop; complete -p backstop" | grep -q backstop'
inside 'test -e /usr/share/zsh/site-functions/_backstop && test -e /usr/share/fish/vendor_completions.d/backstop.fish'
inside 'test "$(readlink -f "$(command -v kubectl-backstop)")" = /usr/bin/backstop'
inside 'backstop status --inventory /samples/inventory --now 2026-11-21T12:00:00Z | grep -q ^READY'
inside 'apt-get install -y -qq libcurl4 >/dev/null 2>&1; backstop status --server https://127.0.0.1:1 --timeout 1s 2>&1 | grep -q 127.0.0.1'
inside 'dpkg -P backstop >/dev/null 2>&1; ! find /usr/bin /usr/share/man /usr/share/doc -name "*backstop*" | grep .'
echo "deb-check: $(basename "$deb"): man pages, completions, the plugin; removed without a trace"
