#!/usr/bin/env bash
# Causes that status reports: each NAME.yaml of tests/golden/status/causes is put over base.yaml, and NAME.txt holds what each
# face then says of it. causes.sh BINARY; ACCEPT=1 rewrites what is expected.
# shellcheck source=tests/wire/libcommand.sh
. "$(dirname "$0")/libcommand.sh"
now=2026-11-21T03:00:00Z
cases=$root/tests/golden/status/causes

for case in "$cases"/*.yaml; do
    name=$(basename "$case" .yaml)
    inventories=(--inventory "$cases/base.yaml")
    case $name in base) ;; *) inventories+=(--inventory "$case") ;; esac
    if head -1 "$case" | grep -qx '# alone'; then inventories=(--inventory "$case"); fi
    asked="status of $name"
    for output in text json html; do
        "$binary" status --now $now "${inventories[@]}" -o $output >"$output" 2>err
        echo $? >"code.$output"
        lacks err .
    done
    checks=$((checks + 1))
    [ "$(sort -u code.text code.json code.html | wc -l)" = 1 ] || fail "$name: exit codes differ"
    python3 "$root/tests/wire/causes.py" "$(cat code.text)" text json html >out || fail "$name: what the faces say differs"
    equals out "$cases/$name.txt"
done

# A name has a case, and the case next to it that has not that cause.
checks=$((checks + 1)) asked="cases of causes"
python3 - "$root" <<'END' || fail "causes without a case of their own and its opposite"
import pathlib, re, sys
root = pathlib.Path(sys.argv[1])
names = re.findall(r'^CAUSE\(\w+, "([a-z-]+)"', (root / "include/backstop/causes.def").read_text(), re.M)
seen = {path.stem: path.read_text() for path in (root / "tests/golden/status/causes").glob("*.txt")}
everywhere = "".join(path.read_text() for path in (root / "tests/golden/status").glob("*/expected.json"))
asked_for = ["upgrade-refused", "upgrade-unknown", "upgrade-warning"] # with --to, by status.sh
missing = [name for name in names if name not in asked_for and not any(f"\n{name} " in text for text in seen.values()) and f'"{name}"' not in everywhere]
for name, text in seen.items():
    if name.endswith("-not") and f"\n{name[:-4]} " in text:
        missing.append(name)
print(*missing)
sys.exit(1 if missing else 0)
END
ends causes
