"""The verdicts of `status` on the states in tests/golden/status/states: a folder each, with inventory.yaml (its first line
says what the state is) and expected.txt, which holds the text down to the findings, the verdicts as JSON, and the
answers of the page. Then what holds of all of them: text, JSON, page and exit code agree."""
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
STATES = ROOT / "tests/golden/status/states"
NOW = "2026-11-21T03:00:00Z"
EXIT = {"ready": 0, "atRisk": 3, "unknown": 2, "notReady": 1}
WORDS = {"ready": "READY", "atRisk": "AT RISK", "unknown": "UNKNOWN", "notReady": "NOT READY"}
TONES = {"ready": ("good", "info", "none", "warn"), "atRisk": ("warn",), "unknown": ("unknown",), "notReady": ("bad",)}
failures = []


def run(binary, state, output):
    args = [binary, "status", "--now", NOW, "--inventory", f"{state}/inventory.yaml", "-o", output]
    if (STATES / state / "settings.yaml").exists():
        args += ["--settings", f"{state}/settings.yaml"]
    return subprocess.run(args, cwd=STATES, capture_output=True, text=True, env={"LC_ALL": "C.UTF-8"})


def check(state, what, good):
    if not good:
        failures.append(f"{state}: {what}")


def plain(html):
    text = re.sub(r"<[^>]*>", "", html)
    for name, char in (("quot", '"'), ("#39", "'"), ("lt", "<"), ("gt", ">"), ("amp", "&")):
        text = text.replace(f"&{name};", char)
    return re.sub(r"\s+", " ", text).strip()


def cards(page):
    """Class, question and answer of each verdict."""
    return [(kind, plain(question), plain(answer)) for kind, question, answer in re.findall(
        r'<section class="verdict (\w+)"[^>]*><h2[^>]*>(.*?)</h2><p class="answer">(.*?)</p>', page, re.S)]


def expected(text, tree, page, code):
    head = text.split("\n\nUpgrade\n")[0]
    recovery = {key: tree["recovery"][key] for key in ("ageSeconds", "objectiveSeconds", "objectiveFrom", "late")}
    for key in ("point", "fragile", "unusable"):
        one = tree["recovery"][key]
        recovery[key] = one and f"{one['name']} ({one['flaw']})"
    title = re.search(r"<title>(.*?)</title>", page, re.S)[1]
    return (f"{head}\nexit {code}\n\n-o json\n"
            + json.dumps({"verdict": tree["verdict"], "verdicts": tree["verdicts"], "recovery": recovery,
                          "unsound": [f"{one['name']}: {one['why']}" for one in tree["unsoundBackups"]][:3]}, indent=1)
            + f"\n\n-o html\n{plain(title)}\n" + "".join(f"{question} {answer} ({kind})\n" for kind, question, answer in cards(page)))


def agree(state, text, tree, page, code):
    worst = tree["verdict"]["state"]
    states = [tree["verdicts"][name]["state"] for name in ("restore", "backups", "upgrade")]
    rank = {"ready": 0, "atRisk": 1, "unknown": 2, "notReady": 3}
    check(state, f"exit {code} for {worst}", code == EXIT[worst])
    check(state, "the verdict is not the worst of the three", rank[worst] == max(rank[one] for one in states))
    check(state, f"the text begins with {text[:20]!r}", text.startswith(WORDS[worst] + ": "))
    check(state, "ready is not the verdict", tree["ready"] == (worst == "ready"))
    check(state, "blockers without NOT READY", bool(tree["blockers"]) == (worst == "notReady"))
    check(state, "a risk is not AT RISK", worst != "ready" or not any(one["risks"] for one in tree["warnings"]))
    shown = []
    for kind, question, _ in cards(page):
        shown.append(next(one for word, one in zip(("restored", "backups", "upgraded"), states) if word in question))
        check(state, f"{question}: {kind} on the page for {shown[-1]}", kind in TONES[shown[-1]])
    check(state, "the worst card is not the first", shown == sorted(shown, key=rank.get, reverse=True))
    check(state, "three cards on the page", len(cards(page)) == 3)
    check(state, "a blocker without a fix", all(one["wayOut"] or "kubectl" in one["message"] for one in tree["blockers"]))
    upgrades = tree["upgrade"]["underWay"] or states[2] == "notReady"
    check(state, "a command to upgrade", not (upgrades and "kubectl patch management kcm" in text))
    check(state, "an upgrade under way that is said to be possible",
          not (tree["upgrade"]["underWay"] and re.search(r"an upgrade[^\n]*: admitted", text)))


def main():
    binary = os.path.abspath(sys.argv[1])
    count = 0
    for folder in sorted(STATES.iterdir()):
        state = folder.name
        check(state, "its inventory does not begin with what it is", (folder / "inventory.yaml").read_text().startswith("# "))
        text, tree, page = (run(binary, state, output) for output in ("text", "json", "html"))
        check(state, text.stderr + tree.stderr + page.stderr, not text.stderr + tree.stderr + page.stderr)
        said = json.loads(tree.stdout)
        agree(state, text.stdout, said, page.stdout, text.returncode)
        now, path = expected(text.stdout, said, page.stdout, text.returncode), folder / "expected.txt"
        if os.environ.get("ACCEPT"):
            path.write_text(now)
        was = path.read_text() if path.exists() else ""
        if was != now:
            failures.append(f"{state}: not as expected.txt (ACCEPT=1 rewrites it)")
            subprocess.run(["diff", "-u", str(path), "-"], input=now, text=True, check=False)
        count += 1
    for failure in failures:
        print(f"FAIL - states: {failure}")
    print(f"{'not ok' if failures else 'ok'} - states of a cluster: {count}")
    return 1 if failures or not count else 0


sys.exit(main())
