"""Where the letters of a printed page are: enough of PDF for what Chromium writes."""
import re, zlib

TOKEN = re.compile(rb"<[0-9A-Fa-f]*>|\[[^\]]*\]|/[^\s<>\[\]/]+|<<|>>|[^\s<>\[\]/]+")


def multiply(a, b):
    """The transformation a, then b: six numbers each, as in PDF."""
    return (a[0] * b[0] + a[1] * b[2], a[0] * b[1] + a[1] * b[3], a[2] * b[0] + a[3] * b[2], a[2] * b[1] + a[3] * b[3],
            a[4] * b[0] + a[5] * b[2] + b[4], a[4] * b[1] + a[5] * b[3] + b[5])


def letters(content):
    """(x, y) of each piece of text in a content stream, in points from the lower left corner."""
    now, line, kept, numbers, found = (1, 0, 0, 1, 0, 0), (1, 0, 0, 1, 0, 0), [], [], []
    for token in TOKEN.findall(content):
        if re.fullmatch(rb"[-+]?[0-9]*\.?[0-9]+", token):
            numbers.append(float(token))
            continue
        if token == b"q":
            kept.append(now)
        elif token == b"Q":
            now = kept.pop()
        elif token == b"cm":
            now = multiply(tuple(numbers[-6:]), now)
        elif token == b"Tm":
            line = tuple(numbers[-6:])
        elif token == b"Td":
            line = multiply((1, 0, 0, 1, *numbers[-2:]), line)
        elif token in (b"Tj", b"TJ"):
            found.append(multiply(line, now)[4:])
        if not token.startswith(b"<") or token == b"<<":
            numbers = []
    return found


def pages(data):
    """Of each page of a PDF: its width, its height, and where its letters are."""
    objects = {int(number): body for number, body in re.findall(rb"(?s)(\d+) 0 obj\s(.*?)endobj", data)}
    made = []
    for body in objects.values():
        if not re.search(rb"/Type\s*/Page\b", body):
            continue
        _, _, width, height = map(float, re.search(rb"/MediaBox \[([^\]]*)\]", body)[1].split())
        stream = objects[int(re.search(rb"/Contents (\d+) 0 R", body)[1])].split(b"stream", 1)[1].lstrip(b"\r\n")
        made.append((width, height, letters(zlib.decompressobj().decompress(stream))))
    return made


def judge(data):
    """No page is blank or hardly used, and no letter lies outside the margins."""
    problems, all_pages = [], pages(data)
    for number, (width, height, found) in enumerate(all_pages, 1):
        if not found:
            problems.append(f"page {number} is blank")
            continue
        unused = min(y for _, y in found) / height
        if number < len(all_pages) and unused > 0.4:
            problems.append(f"the lower {unused:.0%} of page {number} of {len(all_pages)} is empty")
        beyond = sum(not 18 <= x <= width - 18 or not 18 <= y <= height - 18 for x, y in found)
        if beyond:
            problems.append(f"{beyond} letters of page {number} lie outside the margins")
    return problems if all_pages else ["no page is printed"]
