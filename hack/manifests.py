#!/usr/bin/env python3
"""Puts the settings' schema and the webhooks' names into the schema of the chart's values, and makes
manifests/install.yaml of its default values. With --check only says whether both are up to date."""
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CHART = ROOT / "manifests/chart"
INTRO = """# backstop with its certificates managed by itself, as the chart's default values make it:
# generated from manifests/chart by `make manifests`; docs/install.md says how to use it.
"""
HELM_ONLY = ("    helm.sh/chart: ", "    app.kubernetes.io/managed-by: Helm")


def output(*command):
    """What a command prints; its own complaint is all there is to say when it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout


def install_yaml():
    helm = output(ROOT / "hack/tool.sh", "helm").strip()
    rendered = output(helm, "template", "backstop", CHART, "--namespace", "backstop-system", "--no-hooks",
                      "--set", "namespace.create=true", "--kube-version", "1.30.0")
    kept = [line for line in rendered.splitlines() if line and not line.startswith(("# Source: ", *HELM_ONLY))]
    return INTRO + "\n".join(kept) + "\n"


def values_schema():
    schema = json.loads((CHART / "values.schema.json").read_text())
    settings = json.loads((ROOT / "docs/settings.schema.json").read_text())
    schema["properties"]["settings"] = {key: settings[key] for key in ("type", "additionalProperties", "properties")}
    rows = (CHART / "templates/_webhooks.tpl").read_text()
    known = schema["properties"]["webhooks"]["properties"]
    schema["properties"]["webhooks"]["properties"] = {
        **{name: value for name, value in known.items() if "$ref" not in value},
        **{key: {"$ref": "#/definitions/webhook"} for key in re.findall(r"^- key: (\w+)$", rows, re.M)}}
    return json.dumps(schema, indent=2) + "\n"


def main():
    check, old = "--check" in sys.argv[1:], []
    # The schema first: helm holds the values against it.
    for path, make in ((CHART / "values.schema.json", values_schema), (ROOT / "manifests/install.yaml", install_yaml)):
        text = make()
        if path.exists() and path.read_text() == text:
            continue
        old.append(path)
        if not check:
            path.write_text(text)
    for path in old if check else []:
        print(f"{path.relative_to(ROOT)} is not what the chart makes: run `make manifests`", file=sys.stderr)
    return 1 if check and old else 0


if __name__ == "__main__":
    sys.exit(main())
