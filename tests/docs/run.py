#!/usr/bin/env python3
"""Runs what README.md, CONTRIBUTING.md and docs/ show: run.py [--accept] BINARY [PAGE...]

How a block is marked (CONTRIBUTING.md tells writers):
  ```console            run, in a folder that the page's blocks share; what is shown below a command must be what it
                        prints, where `...` stands for anything and a line of it for any lines
  ```console cluster    needs a cluster or a registry: not run
  ```console image      needs a container engine: run by make image-test
  ```console ci         run by the CI itself: the command must be in .ci/run or a prerequisite of what is
  ```console demo       the whole output of `make demo`; it may differ in times of day only
  ```console demo part  some commands of `make demo`, each with its whole output
  ```yaml NAME.yaml     a file for the commands of the page
  ```yaml tree NAME     a file in a copy of the source tree;
  ```diff tree NAME     a change of one there; and
  ```console tree       commands that are run there
  ```yaml settings      settings, or a part of them; settings:upgrade.evidence.anyOf is the part below those keys

The clock of the commands stands at 2026-11-21 12:00 UTC. The folder has the repository's manifests/ and docs/.
With --accept screens that are old are written anew. Also checks that links between the pages lead somewhere, that
the files and folders that they name exist, and that the program prints the messages of docs/troubleshooting.md."""
import functools
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import messages
import tree

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
NOW = "2026-11-21T12:00:00Z"


class Problem(Exception):
    pass


class Old(Problem):
    """A screen that is not what is printed; `lines` are what it should be."""

    def __init__(self, text, lines):
        super().__init__(text)
        self.lines = lines


def blocks(text):
    """(line, info, lines) of each fenced block."""
    fence, start, info, lines = None, 0, "", []
    for number, line in enumerate(text.split("\n"), 1):
        mark = re.match(r"\s*(```+)\s*(.*)", line)
        if fence is None and mark:
            fence, start, info, lines = mark[1], number, mark[2].strip(), []
        elif fence is not None and mark and mark[1].startswith(fence) and not mark[2]:
            yield start, info, lines
            fence = None
        elif fence is not None:
            lines.append(line)
    if fence is not None:
        raise Problem(f"line {start}: the block does not end")


def commands(lines):
    """(command, shown lines) of a transcript; a command goes on after a backslash and until the end of its <<EOF."""
    found, ending, continued = [], None, False
    for line in lines:
        if ending or continued:
            found[-1][0].append(line)
            continued = not ending and line.endswith("\\")
            ending = None if line == ending else ending
        elif line.startswith("$ "):
            found.append(([line[2:]], []))
            here = re.search(r"<<'?(\w+)'?", line)
            ending, continued = here[1] if here else None, line.endswith("\\")
        elif found:
            found[-1][1].append(line)
        elif line:
            raise Problem(f'a line before the first "$ ": {line}')
    return [("\n".join(command), shown) for command, shown in found]


def matches(shown, printed):
    """Whether the lines printed are those shown; a line "..." stands for any lines, "..." within one for any text."""
    parts = []
    for line in shown:
        parts.append("(?:.*\n)*?" if line.strip() == "..." else
                     ".*".join(re.escape(part) for part in line.rstrip().split("...")) + "\n")
    printed = "".join(line.rstrip() + "\n" for line in printed)
    return re.fullmatch("".join(parts), printed) is not None


def run(command, shown, folder, environment):
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, text=True, timeout=600,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while shown and not shown[-1]:
        shown.pop()
    printed = done.stdout.rstrip("\n").split("\n") if done.stdout.strip() else []
    # Exit code 1 is an answer ("denied", "not ready") where that is shown; never a surprise.
    if done.returncode > (1 if shown else 0):
        raise Problem(f"$ {command}\nexit code {done.returncode}:\n{done.stdout}")
    if shown and not matches(shown, printed):
        raise Old(f"$ {command}\nprints:\n" + "\n".join(printed) + "\nnot what is shown:\n" + "\n".join(shown),
                  shown if any("..." in line for line in shown) else [line.rstrip() for line in printed])


def of_ci(command):
    targets = re.fullmatch(r"make ([a-z0-9-]+)(?: .*)?", command.split("#")[0].strip())
    if not targets or not re.search(rf"\bmake (?:-j\d )?{targets[1]}\b", (ROOT / ".ci/run").read_text()):
        raise Problem(f'"{command}" is not run by .ci/run')


def timeless(text):
    """A transcript of the demo with its times masked, and the gate's waiting told once."""
    text = re.sub(r"\d{4}-\d\d-\d\d(T[\d:]+Z)?|\b\d\d:\d\d\b|\b(\d+[dhms])+ (ago|old)\b|\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b", "T", text)
    text = re.sub(r"next T.*? UTC", "next T UTC", text)
    text = re.sub(r"\d+ of (\d+) items", r"N of \1 items", text)
    lines = []
    for line in text.strip().split("\n"):
        if line.rstrip() not in lines[-2:] or not line.startswith("  "):
            lines.append(line.rstrip())
    return "\n".join(lines)


@functools.cache
def demo(binary, attempt):
    """What `make demo` prints; on a machine that stalls for seconds an attempt may miss a step of the gate."""
    return subprocess.run([ROOT / "hack/demo.py", binary], capture_output=True, text=True, check=True).stdout


def answers(text):
    """The parts of a transcript by their command; empty lines divide them."""
    return {part.split("\n")[0]: part for part in text.strip().split("\n\n")}


def demo_part(shown, printed):
    """What the demo printed for the commands shown."""
    printed = answers(printed)
    for command in answers(shown):
        if command not in printed:
            raise Problem(f"`make demo` does not run: {command}")
    return "\n\n".join(printed[command] for command in answers(shown))


def check_demo(lines, mark, binary):
    shown = "\n".join(lines)
    for attempt in range(2):
        printed = demo(binary, attempt)
        if mark == "demo part":
            printed = demo_part(shown, printed)
        if timeless(shown) == timeless(printed):
            return
    raise Old("this is not what `make demo` prints:\n" + printed, printed.strip().split("\n"))


def transcript(lines, mark, folder, environment, count):
    """Runs a block's commands; raises Old with the whole block as it should be."""
    fresh, old = [], None
    for command, shown in commands(lines):
        fresh.append("$ " + command)
        if mark == "ci":
            of_ci(command)
        elif mark == "":
            try:
                run(command, shown, folder, environment)
            except Old as problem:
                old, shown = old or problem, problem.lines
        elif mark not in ("cluster", "image"):
            raise Problem(f'no mark "{mark}"')
        fresh += shown
        count["ran" if mark == "" else "unrun"] += 1
        count["shown"] += mark == "" and bool(shown)
    if old:
        raise Old(str(old), fresh)


def in_tree(info, lines, where, count):
    """A block that is about the source tree; `where` keeps the copy, made at the first of them."""
    language, _, name = info.partition(" tree")
    if "tree" not in where:
        where["tree"] = tree.copy(ROOT, where["binary"], where["folder"])
        where["environment"] = tree.environment(where["environment"], where["tree"], where["binary"])
    if language == "console":
        transcript(lines, "", where["tree"], where["environment"], count)
    elif language == "diff":
        tree.apply(where["tree"], name.strip(), lines)
    else:
        tree.write(where["tree"], name.strip(), lines)


def settings(lines, path, folder, environment):
    """Whether the settings parser takes a part of a settings file."""
    keys = [key for key in path.split(".") if key]
    text = "apiVersion: backstop.k0rdent.mirantis.com/v1alpha1\nkind: Settings\n"
    text += "".join("  " * depth + key + ":\n" for depth, key in enumerate(keys)) + "\n".join(lines) + "\n"
    pathlib.Path(folder, "part.yaml").write_text(text)
    run("backstop review --settings part.yaml -f manifests/samples/restore.yaml", [], folder, environment)


def check_page(page, binary, count, accept):
    text = page.read_text()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BACKSTOP_")}
    environment.update(BACKSTOP_NOW=NOW, NO_COLOR="1", TZ="UTC", LC_ALL="C.UTF-8",
                       PATH=os.path.dirname(binary) + ":" + environment["PATH"])
    with tempfile.TemporaryDirectory() as folder:
        environment.update(HOME=folder, KUBECONFIG=os.path.join(folder, "none"))  # no cluster, even where there is one
        for name in ("manifests", "docs"):
            os.symlink(ROOT / name, os.path.join(folder, name))
        where = {"binary": binary, "folder": folder, "environment": dict(environment)}
        for line, info, lines in blocks(text):
            language, _, mark = info.partition(" ")
            try:
                if mark.split(" ")[0] == "tree":
                    in_tree(info, lines, where, count)
                elif language == "yaml" and mark.split(":")[0] == "settings":
                    settings(lines, mark.partition(":")[2], folder, environment)
                    count["ran"] += 1
                elif language == "yaml" and mark:
                    pathlib.Path(folder, mark).write_text("\n".join(lines) + "\n")
                elif language != "console":
                    if any(shown.startswith("$ ") for shown in lines) or language in ("sh", "bash", "shell"):
                        raise Problem("commands belong into a ```console block")
                elif mark in ("demo", "demo part"):
                    check_demo(lines, mark, binary)
                    count["shown"] += 1
                else:
                    transcript(lines, mark, folder, environment, count)
            except Old as problem:
                if not accept:
                    raise Problem(f"line {line}: {problem}") from None
                page.write_text(page.read_text().replace("\n".join(lines), "\n".join(problem.lines)))
                print(f"{page.relative_to(ROOT)}: the screen of line {line} is new")
            except (Problem, tree.DoesNotApply) as problem:
                raise Problem(f"line {line}: {problem}") from None


def check_links(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path) if path else page
        if not found.exists():
            raise Problem(f"no such page: {target}")
        if anchor and anchor not in anchors(found):
            raise Problem(f"no such heading: {target}")


def check_paths(page):
    """Files and folders of the tree that a page names must exist, or be made by the page. GROUP, NAME stand for any."""
    text = page.read_text()
    made = re.findall(r"^```\w+ tree (\S+)", text, re.M)
    text = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    for name in re.findall(r"`((?:server|include|tests|hack|manifests|docs|certs)/[\w./*-]*)[` ]", text):
        if not re.search(r"[A-Z]{4}", name) and not any(one.startswith(name) for one in made) and not any(ROOT.glob(name)):
            raise Problem(f"no such file or folder: {name}")


def anchors(page):
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def main():
    accept = "--accept" in sys.argv
    binary, *names = [word for word in sys.argv[1:] if word != "--accept"]
    binary = os.path.abspath(binary)
    pages = [ROOT / name for name in names or ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
    pages += [] if names else sorted((ROOT / "docs").glob("*.md"))
    failed, count = 0, {"ran": 0, "shown": 0, "unrun": 0}
    for page in pages:
        for check in (lambda: check_page(page, binary, count, accept), lambda: check_links(page), lambda: check_paths(page)):
            try:
                check()
            except Problem as problem:
                failed += 1
                print(f"FAIL {page.relative_to(ROOT)}: {problem}")
    quoted = ROOT / "docs/troubleshooting.md"
    for message in messages.unknown(quoted, ROOT) if quoted in pages else []:
        failed += 1
        print(f"FAIL docs/troubleshooting.md: nothing says: {message}")
    print(f"docs: {len(pages)} pages, {count['ran']} commands run, {count['shown']} screens compared, "
          f"{count['unrun']} commands not run here, {failed} failed")
    sys.exit(failed > 0)


sys.dont_write_bytecode = True
main()
