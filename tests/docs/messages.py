"""Whether backstop says what docs/troubleshooting.md quotes: each heading there is a message or several, `...` for what
varies. Each must stand in an expectation of the golden cases, or be in a string of the sources (there with % for what
varies)."""
import re


def golden(root):
    for path in (root / "tests/golden/cases").glob("**/expected.*"):
        for line in path.read_text().split("\n"):
            yield line.replace("''", "'").replace('\\"', '"').replace("\\\\", "\\")


def strings(root):
    """The string literals of the sources, adjacent ones joined, conversions as a single mark."""
    for path in (root / "server").glob("**/*.c"):
        for run in re.findall(r'(?:"(?:[^"\\\n]|\\.)*"\s*)+', path.read_text()):
            text = "".join(re.findall(r'"((?:[^"\\\n]|\\.)*)"', run))
            yield re.sub(r"%[-+ #0-9.*]*(?:hh|h|ll|l|z|j)?[a-zA-Z]", "\0", text.replace('\\"', '"'))


def quoted(page):
    for line in page.read_text().split("\n"):
        if line.startswith("### `"):
            yield from re.findall(r"`([^`]+)`", line)


def pattern(message, gap):
    return gap.join(re.escape(part) for part in message.split("..."))


def unknown(page, root):
    """The messages of the page that nothing says."""
    expected, literals = list(golden(root)), list(strings(root))
    for message in quoted(page):
        by_case = re.compile(pattern(message, ".*"))
        by_source = re.compile(pattern(message, "[^\0]*\0.*"))
        if not any(by_case.search(line) for line in expected) and not any(by_source.search(text) for text in literals):
            yield message
