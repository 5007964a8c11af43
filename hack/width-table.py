#!/usr/bin/env python3
"""Writes server/base/width_table.h: how many columns of a terminal a character takes, from
Python's own copy of the Unicode database. Unassigned characters join the ranges around them."""
import os
import unicodedata


def ranges(chosen):
    found, start, last = [], None, None
    for point in range(0x80, 0x110000):
        if 0xD800 <= point < 0xF900:  # surrogates and private use
            if start is not None:
                found.append((start, last))
            start = None
        elif chosen(chr(point)):
            start, last = point if start is None else start, point
        elif start is not None and unicodedata.category(chr(point)) != "Cn":
            found.append((start, last))
            start = None
    return found + ([(start, last)] if start is not None else [])


def rows(name, found):
    cells = [f"{{0x{first:04x}, 0x{last:04x}}}," for first, last in found]
    lines = ["    " + " ".join(cells[i:i + 5]) for i in range(0, len(cells), 5)]
    return f"static const struct code_range {name}[] = {{\n" + "\n".join(lines) + "\n};\n"


def takes_none(c):
    return unicodedata.category(c) in ("Mn", "Me", "Cf") or 0x1160 <= ord(c) <= 0x11FF


def takes_two(c):
    return unicodedata.east_asian_width(c) in "WF" and not takes_none(c) and unicodedata.category(c) != "Cn"


path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../server/base/width_table.h")
with open(path, "w") as out:
    out.write(f"/* Made by hack/width-table.py from Unicode {unicodedata.unidata_version}. */\n"
              "/* clang-format off */\n" + rows("no_columns", ranges(takes_none)) +
              rows("two_columns", ranges(takes_two)) + "/* clang-format on */\n")
