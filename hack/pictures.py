#!/usr/bin/env python3
"""The pictures of README.md, made of what the binary prints about manifests/samples, so that they stay true.

  pictures.py BINARY            writes docs/images: a terminal session (SVG), the status page in light and dark (needs Chromium)
  pictures.py --check BINARY    says whether they are old. The page is compared by its text, which is kept beside it: no browser
                                draws the same pixels as another."""
import html
import html.parser
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs/images"
NOW = "2026-11-21T12:00:00Z"
LIMIT = 60 * 1024  # bytes of a picture: a README is read on trains, too

SUNDAYS = """apiVersion: k0rdent.mirantis.com/v1beta1
kind: ManagementBackup
metadata: {name: sundays}
spec: {schedule: "0 9 * * 7", storageLocation: aws-s3}
"""
# What is typed, what is run for it, and how many lines of it are shown.
SESSION = (
    ("backstop review -f sundays.yaml", ["review", "-f", "sundays.yaml", "--inventory", "inventory"], 9),
    ("backstop status", ["status", "--inventory", "inventory"], 25),
)
COLUMNS, CELL, LINE = 112, 7.8, 18
COLOURS = {"31": "#ff7b72", "32": "#7ee787", "33": "#e3b341", "34": "#79c0ff", "35": "#d2a8ff", "36": "#76e3ea", "90": "#8b949e"}


def run(binary, *arguments):
    """What the command prints about the samples, in colour, on a terminal of that width."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BACKSTOP_")}
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "sundays.yaml").write_text(SUNDAYS)
        os.symlink(ROOT / "manifests/samples/inventory", folder + "/inventory")
        done = subprocess.run([binary, *arguments, "--now", NOW], cwd=folder, capture_output=True, text=True, env=environment)
    if done.returncode > 1 or done.stderr:
        sys.exit(f"pictures: {' '.join(arguments)}: {done.stderr or done.returncode}")
    return done.stdout


# ---- the terminal ----------------------------------------------------------------------

def wrapped(line):
    """As a terminal breaks a line that is too long; such lines have no colours."""
    return [line[at:at + COLUMNS] for at in range(0, max(len(line), 1), COLUMNS)] if "\x1b" not in line else [line]


def spans(line):
    """The line as SVG, its colours as spans. Spaces do not break: renderers fold others."""
    parts, style, line = [], "", line.replace(" ", "\u00a0")
    for piece in re.split(r"(\x1b\[[0-9;]*m)", line):
        if piece.startswith("\x1b"):
            codes = piece[2:-1].split(";")
            style = "".join([' font-weight="bold"' if "1" in codes else "",
                             *(f' fill="{COLOURS[code]}"' for code in codes if code in COLOURS),
                             ' fill="#8b949e"' if "2" in codes else ""])
        elif piece:
            parts.append(f"<tspan{style}>{html.escape(piece, quote=False)}</tspan>" if style else html.escape(piece, quote=False))
    return "".join(parts)


def terminal(binary):
    lines = []
    for typed, arguments, shown in SESSION:
        drawn = ["--width", str(COLUMNS), "--color", "always"] if arguments[0] == "status" else []
        said = [part for line in run(binary, *arguments, *drawn).rstrip("\n").split("\n") for part in wrapped(line)]
        lines += ([""] if lines else []) + ["\x1b[32m$\x1b[0m " + typed] + said[:shown] + (["\x1b[2m...\x1b[0m"] if len(said) > shown else [])
    width, height = round(COLUMNS * CELL) + 40, len(lines) * LINE + 60
    rows = []
    for number, line in enumerate(lines):
        plain = re.sub(r"\x1b\[[0-9;]*m", "", line)
        if plain:
            rows.append(f'<text x="20" y="{58 + number * LINE}" textLength="{len(plain) * CELL:.1f}">{spans(line)}</text>')
    dots = "".join(f'<circle cx="{20 + 18 * i}" cy="18" r="6" fill="{fill}"/>' for i, fill in enumerate(("#ff5f57", "#febc2e", "#28c840")))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">'
            "<title>backstop denies a schedule that would never run, and says that the cluster can be restored</title>\n"
            f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>{dots}\n'
            '<g fill="#e6edf3" font-size="13" font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'
            '&quot;DejaVu Sans Mono&quot;,monospace">\n' + "\n".join(rows) + "\n</g></svg>\n")


# ---- the page --------------------------------------------------------------------------

class Text(html.parser.HTMLParser):
    """The words of a page, a line for each piece."""

    def __init__(self):
        super().__init__()
        self.lines, self.hidden = [], 0

    def handle_starttag(self, tag, _):
        self.hidden += tag in ("style", "script", "title")

    def handle_endtag(self, tag):
        self.hidden -= tag in ("style", "script", "title")

    def handle_data(self, data):
        if data.strip() and not self.hidden:
            self.lines.append(" ".join(data.split()))


def page_text(page):
    text = Text()
    text.feed(page)
    return re.sub(r"^backstop [0-9.]+[^ ]*\. ", "backstop VERSION. ", "\n".join(text.lines), flags=re.M) + "\n"


def draw(page):
    """The page in light and dark, or False where there is no browser."""
    sys.path.append(str(ROOT / "tests/page"))
    sys.dont_write_bytecode = True
    import browser
    if not browser.find():
        return False
    driven = browser.Browser()
    try:
        with tempfile.NamedTemporaryFile("w", suffix=".html") as file:
            file.write(page)
            file.flush()
            for name, dark in (("light", False), ("dark", True)):
                driven.open("file://" + file.name, 1200, dark)
                driven.screenshot(IMAGES / f"status-{name}.webp", format="webp", quality=75,
                                  clip={"x": 0, "y": 0, "width": 1200, "height": 640, "scale": 1})
    finally:
        driven.close()
    return True


def main(arguments):
    check = arguments[:1] == ["--check"]
    if len(arguments) != 1 + check:
        sys.exit(__doc__)
    binary = os.path.abspath(arguments[-1])
    page = run(binary, "status", "--inventory", "inventory", "-o", "html")
    wanted = {"terminal.svg": terminal(binary), "status-page.txt": page_text(page)}
    old = [name for name, text in wanted.items() if not (IMAGES / name).exists() or (IMAGES / name).read_text() != text]
    if not check:
        if "status-page.txt" in old and not draw(page):
            sys.exit("pictures: the status page has changed, and there is no Chromium to draw it: hack/install-deps.sh page")
        for name in old:
            (IMAGES / name).write_text(wanted[name])
            print(f"docs/images/{name}")
        old = []
    large = [path.name for path in IMAGES.iterdir() if path.stat().st_size > LIMIT]
    missing = [name for name in ("status-light.webp", "status-dark.webp") if not (IMAGES / name).exists()]
    if old or large or missing:
        sys.exit(f"pictures: old: {old}; over {LIMIT // 1024} KiB: {large}; missing: {missing}. Run hack/pictures.py {arguments[-1]}")


if __name__ == "__main__":
    main(sys.argv[1:])
