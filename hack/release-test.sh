#!/usr/bin/env bash
# The release, twice: the same bytes. Its chart renders, its Debian package runs. release-test.sh VERSION BINARY
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
hack/release.sh "$1" "$2" "$work/one" >/dev/null
sleep 1.1 # another second, another time in every header that forgot it
hack/release.sh "$1" "$2" "$work/two" >/dev/null
diff -r "$work/one" "$work/two"
cd "$work/one"
sha256sum --quiet -c SHA256SUMS
dpkg-deb -x ./*.deb "$work/root"
[ "$("$work/root/usr/bin/backstop" version | head -1 | grep -c "$1")" = 1 ]
for file in bin/kubectl-backstop share/man/man1/backstop-status.1.gz share/bash-completion/completions/backstop \
  share/zsh/site-functions/_backstop share/fish/vendor_completions.d/backstop.fish share/doc/backstop/copyright; do
  [ -e "$work/root/usr/$file" ] || { echo "release: the Debian package has no /usr/$file" >&2; exit 1; }
done
dpkg-deb -f ./*.deb Depends | grep -q libmicrohttpd
helm=$("$OLDPWD/hack/tool.sh" helm) || helm=
if [ -n "$helm" ]; then
  "$helm" template backstop ./backstop-chart-*.tgz --kube-version 1.36.0 --set image.repository=x >/dev/null
  [ "$("$helm" show chart ./backstop-chart-*.tgz | sed -n 's/^version: //p')" = "$1" ]
fi
echo "release: the same twice, the chart renders, the Debian package runs"
