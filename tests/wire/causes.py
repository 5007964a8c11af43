#!/usr/bin/env python3
"""What status says of causes, in a form to be compared: causes.py EXIT TEXT JSON HTML. Fails unless the three faces agree."""
import html
import json
import re
import sys


def plain(text):
    return " ".join(text.split())


code, text_file, json_file, html_file = sys.argv[1:]
text = plain(open(text_file, encoding="utf-8").read())
page = open(html_file, encoding="utf-8").read()
page = plain(html.unescape(re.sub(r"<[^>]*>", "", re.sub(r"(?s)<style>.*?</style>", "", page))))
status = json.load(open(json_file, encoding="utf-8"))
wrong = []
print(f"exit {code}")
for group in ("blockers", "warnings", "unjudged"):
    for finding in status[group]:
        print(f"\n{finding['cause']} {finding['object']}: {', '.join(finding['blocks']) or 'a warning'}")
        print(f"  {finding['message']}")
        if finding["wayOut"]:
            print(f"  fix: {finding['wayOut']}")
        for name, face in (("text", text), ("page", page)):
            # The page has the command that ends a fix in a box of its own.
            for words in (finding["message"], *re.split(r" (?=(?:kubectl |echo '))(?<=: )", finding["wayOut"], maxsplit=1)):
                if plain(words) not in face:
                    wrong.append(f"the {name} lacks: {words}")
known = "a deeper cause may be hidden, since nothing lists "
if known in text:
    print(f"\nas far as known: {', '.join(status['unchecked'])}")
    if not status["unchecked"]:
        wrong.append("the text says that something is unknown")
if (known in text) != (known in page):
    wrong.append("text and page differ in what is known")
if status["consequences"]:
    print()
for finding in status["consequences"]:
    print(f"explained: {finding['cause']} {finding['object']}: {finding['message']}")
    for name, face in (("text", text), ("page", page)):
        # What the gate answers stands in its own section.
        if plain(finding["message"]) in face and not finding["cause"].startswith("upgrade-"):
            wrong.append(f"the {name} reports a consequence: {finding['message']}")
if wrong:
    print(*wrong, sep="\n", file=sys.stderr)
    sys.exit(1)
