#!/usr/bin/env python3
"""What holds of every page, without a browser: check_html.py STATUS.json PAGE.html

Well-formed, no script and nothing from elsewhere, headings in order, every table with headings, every
picture with a name; and the planned runs in the pictures are, to the second, those of the JSON (which
status.sh holds against `backstop explain`), each at its place."""
import json, re, sys
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "hr", "img", "input", "wbr"}
LOADS = {"src", "srcset", "action", "formaction", "poster", "background", "style", "ping"}


class Page(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.problems, self.ids, self.labels, self.headings = [], [], [], [], []
        self.marks, self.figures, self.tables, self.times = [], [], [], []
        self.text = ""

    def handle_startendtag(self, tag, attributes):
        self.see(tag, dict(attributes))

    def handle_starttag(self, tag, attributes):
        self.see(tag, dict(attributes))
        if tag not in VOID:
            self.open.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if not self.open or self.open[-1][0] != tag:
            self.problems.append(f"</{tag}> closes {self.open[-1][0] if self.open else 'nothing'} at {self.getpos()}")
            return
        self.open.pop()
        if tag == "title" and any(name == "use" for name, _ in self.open):
            self.marks[-1]["title"] = self.text

    def handle_data(self, data):
        self.text = data

    def handle_comment(self, data):
        self.problems.append(f"a comment: {data}")

    def see(self, tag, attributes):
        inside = [name for name, _ in self.open]
        self.text = ""
        if tag in ("script", "iframe", "object", "embed", "form", "img", "base", "audio", "video"):
            self.problems.append(f"<{tag}>")
        for name, value in attributes.items():
            if name.startswith("on") or name in LOADS:
                self.problems.append(f"{tag} has {name}={value}")
            if name == "href" and not re.match(r"^(#[a-z-]+|/|/\?refresh|data:image/svg\+xml,.*)$", value):
                self.problems.append(f"{tag} links to {value}")
        if attributes.get("id"):
            self.ids.append(attributes["id"])
        self.labels += (attributes.get("aria-labelledby") or "").split()
        if re.match(r"h[1-6]$", tag):
            self.headings.append(int(tag[1]))
        if tag == "use" and "g" not in inside and attributes["href"] != "#":
            self.marks.append({"symbol": attributes["href"][1:], "x": attributes.get("x", ""), "title": "",
                               "figure": len(self.figures)})
        if tag == "svg" and attributes.get("role") == "img":
            self.figures.append(attributes)
        if tag == "svg" and attributes.get("role") != "img" and attributes.get("aria-hidden") != "true":
            self.problems.append("an svg that is neither a named picture nor hidden")
        if tag == "table":
            self.tables.append({"caption": False, "col": 0, "rows": 0, "row_heads": 0})
        if tag == "caption":
            self.tables[-1]["caption"] = True
        if tag == "th":
            if attributes.get("scope") not in ("col", "row"):
                self.problems.append("a th without scope")
            self.tables[-1][{"col": "col", "row": "row_heads"}.get(attributes.get("scope"), "rows")] += 1
        if tag == "progress" and not attributes.get("aria-label"):
            self.problems.append("a progress without a name")
        if tag == "time":
            self.times.append(attributes["datetime"])


def judge(page, text):
    problems = page.problems + [f"<{tag}> is not closed" for tag, _ in page.open]
    problems += [f"the id {each} stands twice" for each in sorted(set(page.ids)) if page.ids.count(each) > 1]
    problems += [f"nothing has the id {each}" for each in page.labels if each not in page.ids]
    if page.headings[:1] != [1] or page.headings.count(1) != 1:
        problems.append(f"headings {page.headings}: h1 comes first, and once")
    problems += [f"h{after} follows h{before}" for before, after in zip(page.headings, page.headings[1:])
                 if after > before + 1]
    problems += ["a table without caption or headings" for each in page.tables if not each["caption"] or not each["col"]]
    for part in ('<html lang="en">', "<main", "<header", "<footer", 'name="viewport"', "Content-Security-Policy"):
        if part not in text:
            problems.append(f"no {part}")
    if re.search(r"[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]", text):
        problems.append("a control character")
    return problems


def place_of(moment, now, edge):
    return edge + (100 - 2 * edge) * (moment - now) / (14 * 86400)


def planned(page, status):
    """The pictures' planned runs against the JSON's."""
    from datetime import datetime
    seconds = lambda text: datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    wanted = sorted(f"{source['name']}: {time}" for source in status["calendar"]["sources"][:60]
                    for time in source["plannedRuns"]["times"])
    marks = [mark for mark in page.marks if mark["symbol"] in ("plan", "clash") and mark["title"]]
    drawn = sorted(mark["title"].split(", within")[0] for mark in marks)
    problems = []
    if len(wanted) <= 3000 and all(re.match(r"^[ -~]{1,40}$", source["name"]) for source in status["calendar"]["sources"]
                                  if source["plannedRuns"]["times"]):
        problems += [f"not in the picture: {each}" for each in set(wanted) - set(drawn)]
        problems += [f"in the picture alone: {each}" for each in set(drawn) - set(wanted)]
        if len(wanted) != len(drawn):
            problems.append(f"{len(drawn)} runs are drawn, {len(wanted)} are planned")
    for mark in marks:
        moment = re.search(r"(\d{4}-\d\d-\d\dT[0-9:]{8}(Z|[+-]\d\d:\d\d))", mark["title"]).group(1)
        if abs(float(mark["x"].rstrip("%")) - place_of(seconds(moment), seconds(status["time"]), 1.5)) > 0.001:
            problems.append(f"{mark['title']} stands at {mark['x']}")
    listed = set(page.times)
    problems += [f"not in the tables: {time}" for source in status["calendar"]["sources"]
                 for time in source["plannedRuns"]["times"] if time not in listed]
    return problems


def main():
    text = open(sys.argv[2], encoding="utf-8", newline="").read()
    page = Page()
    page.feed(text)
    page.close()
    problems = judge(page, text) + planned(page, json.load(open(sys.argv[1])))
    print(*problems[:20], sep="\n", end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
