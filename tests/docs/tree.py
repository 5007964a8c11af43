"""A copy of the source tree with what was built of it, for pages that show how it is changed: their blocks are
applied to the copy, and their commands run in it, so that `make` compiles only what the page changes."""
import pathlib
import re
import shutil

SOURCES = ("Makefile", "hack", "include", "server", "tests/golden", "manifests", "docs")
BUILT = ("server", "libbackstop.a", "backstop", "source-info")


class DoesNotApply(Exception):
    pass


def copy_all(names, source, target):
    for name in names:
        into = target / name
        into.parent.mkdir(parents=True, exist_ok=True)
        if (source / name).is_dir():
            shutil.copytree(source / name, into, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source / name, into)


def copy(root, binary, folder):
    """The tree at folder/tree; times are kept, for make looks at them."""
    tree, built = pathlib.Path(folder, "tree"), pathlib.Path(binary).parent
    copy_all(SOURCES, root, tree)
    copy_all(BUILT, built, tree / "build" / built.name)
    return tree


def environment(given, tree, binary):
    """For make in the copy: no child of the make that runs this, but with its compiler."""
    flags = given.get("MAKEFLAGS", "")
    compiler = re.search(r"\bCC=((?:\\.|[^\s\\])+)", flags)
    own = {name: value for name, value in given.items() if not name.startswith(("MAKE", "MFLAGS"))}
    if compiler:
        own["CC"] = re.sub(r"\\(.)", r"\1", compiler[1])
    variant = pathlib.Path(binary).parent.name
    own.update(VARIANT=variant, PATH=f"{tree}/build/{variant}:{own['PATH']}")
    return own


def write(tree, name, lines):
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def hunks(lines):
    """(old lines, new lines) of each part of a diff; parts are divided by lines that begin with @@."""
    part = ([], [])
    for line in lines:
        if line.startswith("@@"):
            yield part
            part = ([], [])
            continue
        if not line.startswith("+"):
            part[0].append(line[1:])
        if not line.startswith("-"):
            part[1].append(line[1:])
    yield part


def apply(tree, name, lines):
    """Changes a file as a diff says, whose context has to be found in it exactly once."""
    path = tree / name
    if not path.exists():
        raise DoesNotApply(f"there is no {name}")
    text = path.read_text()
    for old, new in hunks(lines):
        before, after = ("".join(line + "\n" for line in part) for part in (old, new))
        if text.count(before) != 1:
            count = text.count(before)
            raise DoesNotApply(f"{name} has {count} places like this one; the example has to follow:\n{before}")
        text = text.replace(before, after)
    path.write_text(text)
