"""What programs read of review and audit, held against its formats, over all inputs of the golden cases: SARIF 2.1.0,
JUnit as Jenkins' XSD has it, and the objects of json and yaml. The schemas are written here, as far as they are used and
closed: a member that they do not name is a fault."""
import glob
import xml.etree.ElementTree

from libwire import *

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
TEXT, NUMBER, TRUTH = {"is": str}, {"is": int}, {"is": bool}


def listed(items, least=0):
    return {"is": list, "items": items, "least": least}


def having(required, **optional):
    return {"is": dict, "required": required, "optional": optional}


def one_of(*values):
    return {"is": str, "values": values}


# Sections of the SARIF 2.1.0 standard: 3.13 sarifLog, 3.14 run, 3.19 toolComponent, 3.27 result, 3.28 location.
LEVEL = one_of("none", "note", "warning", "error")
MESSAGE = having({"text": TEXT})
RULE = having({"id": TEXT}, shortDescription=MESSAGE, defaultConfiguration=having({}, level=LEVEL))
PLACE = having({"physicalLocation": having({"artifactLocation": having({"uri": TEXT})}, region=having({"startLine": NUMBER}))})
RESULT = having({"message": MESSAGE}, ruleId=TEXT, ruleIndex=NUMBER, level=LEVEL, locations=listed(PLACE))
SARIF = having({"version": one_of("2.1.0"), "runs": listed(having({"tool": having({"driver": having(
    {"name": TEXT}, version=TEXT, informationUri=TEXT, rules=listed(RULE))})}, results=listed(RESULT), columnKind=TEXT))},
    **{"$schema": TEXT})
# One document of review -o json, as `backstop review --help` says.
ANY = {"is": object}
DOCUMENT = having({"source": TEXT, "document": NUMBER, "line": NUMBER, "operation": one_of("CREATE", "UPDATE", "DELETE", "CONNECT", ""),
                   "apiVersion": TEXT, "kind": TEXT, "namespace": TEXT, "name": TEXT, "allowed": TRUTH, "code": NUMBER,
                   "reason": TEXT, "message": TEXT, "causes": listed(having({"field": TEXT, "message": TEXT}, line=NUMBER, reason=TEXT)),
                   "retryAfterSeconds": NUMBER, "warnings": listed(TEXT), "auditAnnotations": ANY,
                   "patch": listed(having({"op": one_of("add", "replace", "remove"), "path": TEXT}, value=ANY)),
                   "effects": listed(ANY), "object": ANY}, reviewed=TRUTH)


def check(value, schema, at="$"):
    kind = schema["is"]
    assert kind is object or type(value) is kind, f"{at}: {value!r} is no {kind.__name__}"
    assert "values" not in schema or value in schema["values"], f"{at}: {value!r}"
    if kind is list:
        for i, item in enumerate(value):
            check(item, schema["items"], f"{at}[{i}]")
    elif kind is dict:
        known = {**schema["required"], **schema["optional"]}
        missing, more = set(schema["required"]) - set(value), set(value) - set(known)
        assert not missing and not more, f"{at}: lacks {sorted(missing)}, has {sorted(more)}"
        for key, item in value.items():
            check(item, known[key], f"{at}.{key}")


def run(*arguments):
    done = subprocess.run([BINARY, *arguments, "--now", "2026-11-21T03:00:00Z"], capture_output=True, text=True, timeout=120)
    assert not SANITIZER.search(done.stderr), done.stderr
    return done


def inputs():
    """Every document of the golden cases, and what is none."""
    named = sorted(glob.glob(f"{ROOT}/tests/golden/cases/*/*/input.*"))
    assert len(named) > 1000, len(named)
    folder = tempfile.mkdtemp()
    atexit.register(lambda: subprocess.run(["rm", "-rf", folder], check=False))
    for name, text in (("broken.yaml", "a: [\n"), ("tab.yaml", "a:\n\tb: 1\n"), ("ü &<\"'>.yaml", "kind: \"\\x01\\u202e<![CDATA[ ]]>&\"\napiVersion: v1\n"),
                       ("template.yaml", "a: {{ .x }}\n")):
        with open(os.path.join(folder, name), "w") as file:
            file.write(text)
    return [word for path in named + [folder, "/nowhere/at all"] for word in ("-f", path)]


@shows("SARIF is that of the standard, and what it names is there")
def _(words):
    done = run("review", *words, "--inventory", f"{ROOT}/tests/golden/inventories/cluster.yaml", "-o", "sarif")
    log = json.loads(done.stdout)
    check(log, SARIF)
    rules = [rule["id"] for rule in log["runs"][0]["tool"]["driver"]["rules"]]
    same(len(set(rules)), len(rules))
    for result in log["runs"][0]["results"]:
        same(rules[result["ruleIndex"]], result["ruleId"])
        assert result["message"]["text"], result
        for place in result.get("locations", []):
            uri = place["physicalLocation"]["artifactLocation"]["uri"]
            assert re.fullmatch(r"(?:[A-Za-z0-9/\-._~:@!$&'()*+,;=]|%[0-9A-F]{2})+", uri), uri
            assert place["physicalLocation"].get("region", {}).get("startLine", 1) >= 1, place
    same({result["ruleId"] for result in log["runs"][0]["results"]}, set(rules))


JUNIT = {"testsuite": ({"name", "tests"}, {"failures", "errors", "skipped", "time", "timestamp"}, {"testcase"}),
         "testcase": ({"name"}, {"classname", "time", "file", "line"}, {"failure", "error", "skipped", "system-out"}),
         "failure": (set(), {"message", "type"}, set()), "error": (set(), {"message", "type"}, set()),
         "skipped": (set(), {"message"}, set()), "system-out": (set(), set(), set())}


def check_junit(element):
    required, optional, children = JUNIT[element.tag]
    has = set(element.keys())
    assert required <= has <= required | optional, (element.tag, has)
    for child in element:
        assert child.tag in children, (element.tag, child.tag)
        check_junit(child)


@shows("JUnit is well-formed, has only what readers know, and counts what it holds")
def _(words):
    for done in (run("review", *words, "-o", "junit"), run("audit", "--inventory", f"{ROOT}/tests/golden/status/hostile/inventory.yaml",
                                                           "-o", "junit")):
        suite = xml.etree.ElementTree.fromstring(done.stdout)
        same(suite.tag, "testsuite")
        check_junit(suite)
        cases = suite.findall("testcase")
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            same(int(suite.get(attribute, 0)), sum(case.find(tag) is not None for case in cases), attribute)
        same(int(suite.get("tests")), len(cases))
        assert all(sum(case.find(tag) is not None for tag in ("failure", "error", "skipped")) <= 1 for case in cases)


REPORT = {"apiVersion": str, "kind": str, "metadata": dict, "source": str, "configuration": dict, "summary": dict, "results": list}
RESULT = {"source": str, "policy": str, "rule": str, "category": str, "severity": str, "timestamp": dict, "result": str,
          "scored": bool, "resources": list, "message": str}


@shows("OpenReports: one for each namespace and one for the cluster, counts of all, what must be mended first, all with --all")
def _(words):
    for inventory in (f"{ROOT}/tests/golden/status/hostile/inventory.yaml", f"{ROOT}/manifests/samples/inventory"):
        for every in ((), ("--all",)):
            done = run("audit", "--inventory", inventory, "-o", "openreports", "--now", "2026-11-21T03:00:00Z", *every)
            text = run("audit", "--inventory", inventory, "--now", "2026-11-21T03:00:00Z", "--all")
            same(done.returncode, text.returncode)
            reports = json.loads(done.stdout)["items"]
            names = [(report["kind"], report["metadata"].get("namespace")) for report in reports]
            assert len(set(names)) == len(names) and ("ClusterReport", None) in names, names
            for report in reports:
                same({key: type(value) for key, value in report.items()}, REPORT)
                same(report["apiVersion"], "openreports.io/v1alpha1")
                counts = dict.fromkeys(("fail", "error", "warn", "pass", "skip"), 0)
                for result in report["results"]:
                    assert all(isinstance(value, RESULT[key]) for key, value in result.items()), result
                    assert result["resources"][0].get("namespace") == report["metadata"].get("namespace"), result
                    same(result["timestamp"]["seconds"], 1795230000)
                    counts[result["result"]] += 1
                order = [list(counts).index(result["result"]) for result in report["results"]]
                same(order, sorted(order))
                same(counts if every else {**counts, "pass": report["summary"]["pass"]}, report["summary"])
            denied = {(r["resources"][0]["kind"], r["resources"][0]["name"]) for report in reports
                      for r in report["results"] if r["result"] == "fail"}
            same(len(denied), int(re.search(r"(\d+) denied", text.stdout)[1]))


@shows("json is an object a line, yaml the same documents, and their members are those that are documented")
def _(words):
    documents = [json.loads(line) for line in run("review", *words, "-o", "json").stdout.split("\n")[:-1]]
    assert len(documents) > 1000
    for document in documents:
        check(document, DOCUMENT, f"{document['source']}#{document['document']}")
        assert document["allowed"] or document["causes"] or document["message"], document
    text = run("review", *words, "-o", "yaml").stdout
    same(len(re.findall(r"(?m)^---$", text)), len(documents))
    for document in [json.loads(line) for line in
                     run("audit", "--inventory", f"{ROOT}/tests/golden/status/hostile/inventory.yaml", "-o", "json").stdout.split("\n")[:-1]]:
        check(document, DOCUMENT)


class Words(list):
    def stop(self):
        pass


main(Words(inputs()))
