#!/usr/bin/env python3
"""Proves the structure: each module stands on the modules below it, and no two files need each other in a circle.

- A module is a folder of server/ with a public header, include/backstop/MODULE.h (two have more than one: inventory has
  objects.h and facts.h as well, policy has decision.h). A file includes public headers of modules below its own, and headers of its own module. Ranks rise strictly, so modules cannot form a circle.
- With object files (build/release, or the folder given), the linker's symbols say which file needs which: files that
  need each other in a circle are named, with the symbols that do it.

layers.py [OBJECTS]; layers.py --ranks prints the layers, top first.
"""
import os
import re
import subprocess
import sys

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

RANKS = {module: rank for rank, modules in enumerate((
    "base", "api json telemetry", "grammar cron http pki sandbox", "kube versions schema", "settings", "inventory certificates",
    "policy", "admission rehearse", "status cli", "commands", "main")) for module in modules.split()}
NOT_HEADERS = {"metrics": "telemetry", "facts": "inventory", "objects": "inventory", "decision": "policy", "causes": "status"}  # beside MODULE.h


def module_of(path):
    parts = path.split("/")
    name = parts[2].rsplit(".", 1)[0] if parts[0] == "include" else parts[1] if len(parts) > 2 else "main"
    return NOT_HEADERS.get(name, name)


def check_includes(path):
    module = module_of(path)
    if module not in RANKS:
        yield 1, f"no such module: {module}"
        return
    for number, line in enumerate(open(path), 1):
        found = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
        if not found:
            continue
        header = found[1]
        if header.startswith("backstop/"):
            below = module_of("include/" + header)
            if below not in RANKS:
                yield number, f"no such public header: {header}"
            elif RANKS[below] >= RANKS[module] and below != module:
                yield number, f"{module} must not include {header}: it is not below"
        elif path.startswith("include/") and not header.endswith(".def"):
            yield number, f"a public header includes public headers, not {header}"
        elif module == "main":
            if header != "commands/commands.h":
                yield number, f"main includes the table of commands, not {header}"
        elif header.split("/")[0] != module and not header.endswith(".def"):
            yield number, f"{header} is private to its module: include a public header"


def check_alone(header):
    """A public header must stand alone."""
    flags = subprocess.run(["pkg-config", "--cflags", "json-c"], capture_output=True, text=True).stdout.split()
    done = subprocess.run([os.environ.get("CC", "gcc"), "-std=c17", "-D_GNU_SOURCE", "-Iinclude", *flags, "-Wall", "-Wextra",
                           "-Werror", "-fsyntax-only", "-x", "c", "-include", header, "/dev/null"], capture_output=True, text=True)
    return done.stderr


def symbols(folder):
    """For each object file: what it defines and what it needs."""
    objects = sorted(f"{top}/{name}" for top, _, names in os.walk(folder) for name in names if name.endswith(".o"))
    defined, needed = {}, {}
    for line in subprocess.run(["nm", "-A", *objects], capture_output=True, text=True, check=True).stdout.splitlines():
        path, kind, name = line.split(":")[0], *line.split()[-2:]
        source = path[len(os.path.dirname(folder)) + 1:-2] + ".c"
        if not os.path.exists(source):
            continue  # of a file that is gone
        if kind in "TDBRC":
            defined[name] = source
        elif kind == "U":
            needed.setdefault(source, set()).add(name)
    return defined, needed


def circles(graph):
    """Tarjan's strongly connected components of more than one file."""
    index, low, stack, on, found = {}, {}, [], set(), []
    sys.setrecursionlimit(10000)

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        on.add(node)
        for other in graph.get(node, {}):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in on:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = []
            while not group or group[-1] != node:
                group.append(stack.pop())
                on.discard(group[-1])
            if len(group) > 1:
                found.append(sorted(group))
    for node in sorted(graph):
        if node not in index:
            visit(node)
    return sorted(found)


def check_circles(folder):
    defined, needed = symbols(folder)
    graph = {}
    for source, names in needed.items():
        for name in names:
            other = defined.get(name)
            if other and other != source:
                graph.setdefault(source, {}).setdefault(other, []).append(name)
    for group in circles(graph):
        print(f"{len(group)} files need each other:")
        for source in group:
            for other in group:
                if other in graph.get(source, {}):
                    print(f"    {source} -> {other}: {', '.join(sorted(graph[source][other])[:4])}")
        yield group


def main():
    if "--ranks" in sys.argv:
        for rank in sorted(set(RANKS.values()), reverse=True):
            print(f"{rank:2}", *sorted(module for module in RANKS if RANKS[module] == rank))
        return 0
    bad = 0
    files = sorted(f"{top}/{name}" for root in ("include", "server") for top, _, names in os.walk(root)
                   for name in names if name.endswith((".c", ".h", ".def")))
    for path in files:
        for number, text in check_includes(path):
            print(f"{path}:{number}: {text}")
            bad += 1
    for header in (path for path in files if path.startswith("include/") and path.endswith(".h")):
        text = check_alone(header)
        if text:
            print(f"{header} does not compile alone:\n{text}")
            bad += 1
    folder = sys.argv[1] if len(sys.argv) > 1 else "build/release/server"
    found = list(check_circles(folder)) if os.path.isdir(folder) else None
    if found is None:
        print(f"layers: circles between files were not looked for: no {folder}")
    elif found:
        print(f"layers: {len(found)} circles over {sum(map(len, found))} files. Move what they share to a file below both, "
              "or pass it in as an argument; then make all, and make layers again")
    if not bad and not found:
        print(f"layers: {len(files)} files, every include points down" + ("" if found is None else ", no circles between files"))
    return 1 if bad or found else 0


if __name__ == "__main__":
    sys.exit(main())
