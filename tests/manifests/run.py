#!/usr/bin/env python3
"""Valid manifests get no warning that misleads, and what is broken in them is noticed: run.py BINARY [-v]

Each of the 300 of manifests.py is reviewed as it is; only what ECHO names may be said. Then each of its fields is misspelt,
moved out of its object, and given a value of another type: at least FLOOR of these must be denied or warned about. The
others are counted by field; -v shows all."""
import collections
import copy
import json
import os
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from manifests import inventory, manifests  # noqa: E402

FLOOR = 0.95
ECHO = re.compile(r"runs (at|every|on) .*next |runs .* next |runs every .* after the last run$|time of day drifts$|^deletes backup |are deleted too$")
FREE = {"labels", "annotations", "matchLabels", "config", "namespaceMapping", "orderedResources"}  # maps: any key will do
OPEN = {"managedFields", "ownerReferences", "finalizers", "status", "initContainers", "annotations"}  # nobody's business here


def review(binary, items):
    """{name: (allowed, warnings)} of objects; a name that is missing could not be read at all."""
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(f"{folder}/in")
        for name, item in items:
            with open(f"{folder}/in/{name}.json", "w") as file:
                json.dump(item, file)
        with open(f"{folder}/inventory.json", "w") as file:
            json.dump({"apiVersion": "v1", "kind": "List", "items": inventory()}, file)
        done = subprocess.run([binary, "review", "-o", "json", "--dry-run", "--now", "2026-11-21T03:00:00Z", "--inventory", f"{folder}/inventory.json",
                               "-f", f"{folder}/in"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode < 0:
            sys.exit(f"manifests: ended by signal {-done.returncode}: {done.stderr[-500:]}")
        answers = {}
        for line in done.stdout.splitlines():
            answer = json.loads(line)
            name = os.path.basename(answer["source"]).removesuffix(".json")
            answers[name] = answer["allowed"], answer["warnings"], answer["message"]
        return answers


def fields(value, path=()):
    """The paths of all members that a schema or a policy knows by name."""
    for key, member in (value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()):
        if key in OPEN:
            continue
        if not isinstance(key, int) and not (path and path[-1] in FREE):
            yield path + (key,)
        yield from fields(member, path + (key,))


def at(item, path):
    for key in path:
        item = item[key]
    return item


def misspelt(item, path):
    holder, key = at(item, path[:-1]), path[-1]
    middle = len(key) // 2
    wrong = key[:middle - 1] + key[middle] + key[middle - 1] + key[middle + 1:] if key[middle - 1] != key[middle] else key + "s"
    holder[wrong] = holder.pop(key)


def moved(item, path):
    above = [key for key in path[:-1]]
    while above and isinstance(above[-1], int):
        above.pop()
    if not above:
        return False
    above.pop()
    while above and isinstance(above[-1], int) and isinstance(at(item, above), list):
        above.pop()
    target = at(item, above)
    if not isinstance(target, dict) or path[-1] in target:
        return False
    target[path[-1]] = at(item, path[:-1]).pop(path[-1])
    return True


def retyped(item, path):
    holder, key = at(item, path[:-1]), path[-1]
    value = holder[key]
    if value is None or value == [] or value == {}:
        return False
    holder[key] = (str(value).lower() if isinstance(value, (bool, int)) else 12345 if isinstance(value, str) else
                   {"a": value} if isinstance(value, list) else [value])
    return True


def mutants():
    for name, item in manifests():
        for i, path in enumerate(fields(item)):
            for way in (misspelt, moved, retyped):
                copied = copy.deepcopy(item)
                if way(copied, path) is not False:
                    yield name, f"{name}-{i:03}-{way.__name__}", way.__name__, path, copied


def main():
    binary, verbose = os.path.abspath(sys.argv[1]), "-v" in sys.argv
    valid, failed = review(binary, manifests()), 0
    for name, item in manifests():
        allowed, warnings, message = valid.get(name, (False, [], "not answered"))
        misleading = [w for w in warnings if not ECHO.search(w)]
        if not allowed or misleading:
            failed += 1
            print(f"FAIL  {name} ({item['metadata'].get('name')}): {message} {misleading}")
    print(f"manifests: {len(valid)} valid ones, {failed} denied or warned about")
    made = list(mutants())
    answers = review(binary, [(id, item) for _, id, _, _, item in made])
    missed, ways = collections.Counter(), collections.Counter()
    for name, id, way, path, _ in made:
        allowed, warnings, _ = answers.get(id, (False, [], ""))
        ways[way] += 1
        if allowed and not set(warnings) - set(valid.get(name, (0, [], 0))[1]):
            missed[f"{way} {'.'.join(str(key) for key in path if not isinstance(key, int))}"] += 1
    noticed = 1 - sum(missed.values()) / len(made)
    print(f"mutants: {len(made)} ({', '.join(f'{count} {way}' for way, count in ways.items())}), {noticed:.1%} noticed; not:")
    for what, count in missed.most_common(None if verbose else 25):
        print(f"  {count:4} {what}")
    return int(failed > 0 or noticed < FLOOR)


if __name__ == "__main__":
    sys.exit(main())
