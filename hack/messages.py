#!/usr/bin/env python3
"""Checks the English of what users read: the string literals of server/ and of the public headers.

CONTRIBUTING.md ("Messages") has the rules. What a program can check of them is checked here:

- words and phrases that are not the field's (BANNED, each with what to write instead);
- warnings and findings: at most two sentences, at most LITERAL_MAX bytes, a command at the end.

messages.py [FILE...] checks these files only.
"""
import os
import re
import subprocess
import sys

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

LITERAL_MAX = 300  # the longest warning that is one thought has 240; what a value adds is cut by arena_quote

# pattern: what to write instead
BANNED = (
    (r"\bneeds? not\b", "does not need (to)"),
    (r"\bneed not be\b", "does not have to be"),
    (r"\bmay not be\b", "must not be"),
    (r"(?<!there )\b(?:is|are) no (?!longer\b)[a-z]", "is not a ..."),
    (r"\bnone is\b", "there is no ..., or: no ... is"),
    (r"\bnobody knows\b", "unknown"),
    (r"\ball the same\b", "anyway"),
    (r"\bin small letters\b", "lower case"),
    (r"\bone (?:backup )?after the other\b", "back to back"),
    (r"\bagain and again\b", "keeps ..., repeatedly"),
    (r"\bby now\b", "already, or leave it out"),
    (r"\bmade anew\b", "created again"),
    (r"\bgoes with (?:it|a|the)\b", "is deleted with"),
    (r"\bbrings? (?:it|them|the cluster) back\b", "restores"),
    (r"\bnothing brings\b", "this cannot be undone"),
    (r"\bcould not be read, so\b", "cannot read ...: ..."),
    (r"\ball that\b", "everything that"),
    (r"\bway back\b", "rollback"),
    (r"\bway out\b", "fix"),
    (r"\bput(?:s|ting)? right\b", "repaired"),
    (r"\bamiss\b", "wrong"),
    (r"\bin step\b", "synced"),
    (r"(?<!in full )\bin force\b", "in use, in effect"),
    (r"\bstands?\b", "is"),
    (r"\btold\b", "reported, logged"),
    (r"\bas it has it\b|\bas \w+ has it\b", "as in ..."),
    (r"\bcaveats?\b", "provider exclusion"),
    (r"\bfacts?\b", "cache (live), inventory (files)"),
    (r"\b(?:house|door)\b", "module, public header"),
    (r"\bthe answer(?:'s)?\b", "the response"),
    (r"\bholds (?:no|nothing|neither)\b", "contains no, is empty"),
    (r"\bgives? no reason\b", "reports no reason"),
    (r"\bgood for\b", "valid for"),
    (r"\bare judged\b|\bis judged\b|\bjudged (?:by|as)\b", "checked against"),
    (r"\bunder way\b", "in progress"),
    (r"\bwhite space but\b", "other than white space"),
    (r"\bfor ever\b", "forever"),
    (r"\ba text\b", "a string"),
    (r"\btakes? .{1,30} for (?:always|due)\b", "treats ... as"),
)
BANNED = tuple((re.compile(pattern, re.IGNORECASE), instead) for pattern, instead in BANNED)

# Functions of warnings and findings, which are shown as a list: each entry is short, with the command last.
SHORT = r"decision_warn\w*|decision_note\w*|judge_value|finding_add|pitfall"
COMMAND = re.compile(r"\b(?:kubectl (?:-n \S+ )?(?:get|describe|delete|annotate|label|patch|logs|create|edit|rollout|"
                     r"apply -)|velero (?:backup|restore|schedule|install) |helm (?:upgrade|install|get) )")
AFTER_COMMAND = re.compile(r"[;,.] +[A-Za-z]")  # more prose behind it
SENTENCE = re.compile(r"[.?!] +(?=[A-Z])")
FORMAT = re.compile(r"%[-+ #0]*(?:\d+|\*)?(?:\.(?:\d+|\*))?(?:hh?|ll?|z|j)?[a-zA-Z]")
PROSE = re.compile(r"[A-Za-z][a-z']*,? [a-z']+")  # two words
# Not prose: markup, style sheets, scripts that shells run, SQL-like tables of curl and OpenSSL.
NOT_PROSE = re.compile(r"<[a-z]+ |\{[a-z-]+:|__complete|^\.SH|sha256-|\\x")


def literals(source):
    """(offset, end, text) of each string literal, with adjacent ones (and format macros between) joined."""
    token = re.compile(r'/\*.*?\*/|//[^\n]*|\'(?:\\.|[^\'\\])+\'|"((?:\\.|[^"\\\n])*)"|(\s+)|(PRI\w+)|.', re.S)
    joined = None
    for found in token.finditer(source):
        if found[1] is not None:
            joined = (joined[0], found.end(), joined[2] + found[1]) if joined else (found.start(), found.end(), found[1])
        elif joined and found[3]:
            joined = (joined[0], joined[1], joined[2] + "d")
        elif joined and not found[2] and not found[0].startswith(("/*", "//")):
            yield joined
            joined = None
    if joined:
        yield joined


def calls(source):
    """(begin, end) of the arguments of each call of a SHORT function."""
    for found in re.finditer(rf"\b(?:{SHORT})\(", source):
        depth, at = 1, found.end()
        while at < len(source) and depth:
            if source[at] == '"':  # a parenthesis inside a literal does not count
                at = re.compile(r'"(?:\\.|[^"\\])*"').match(source, at).end()
                continue
            depth += {"(": 1, ")": -1}.get(source[at], 0)
            at += 1
        yield found.end(), at


def problems(path):
    source = open(path).read()
    short = list(calls(source))
    for begin, _, text in literals(source):
        line = source.count("\n", 0, begin) + 1
        plain = FORMAT.sub("X", text.replace('\\"', '"').replace("\\n", " "))
        if source[:begin].rstrip().endswith("#include") or not PROSE.search(plain) or NOT_PROSE.search(text):
            continue
        for pattern, instead in BANNED:
            found = pattern.search(plain)
            if found:
                yield line, f'"{found[0]}": write {instead}', plain
        if not any(first <= begin < last for first, last in short):
            continue
        if len(SENTENCE.findall(plain)) > 1:
            yield line, "more than two sentences in a warning", plain
        if len(text) > LITERAL_MAX:
            yield line, f"{len(text)} bytes in a warning: at most {LITERAL_MAX}", plain
        command = COMMAND.search(plain)
        if command and AFTER_COMMAND.search(plain[command.end():]):
            yield line, "the command must be the last thing", plain


def main():
    files = sys.argv[1:] or subprocess.run(["git", "ls-files", "server/*.[ch]", "server/*.def", "include/backstop/*"],
                                           capture_output=True, text=True, check=True).stdout.split()
    bad = 0
    for path in files:
        found = list(problems(path))
        for line, problem, text in found:
            print(f"{path}:{line}: {problem}\n    {text[:160]}")
        bad += len(found)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
