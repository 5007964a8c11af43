#!/usr/bin/env python3
"""Makes manifests/install.yaml of the chart's default values, and puts the settings' schema into that of
the chart's values. With --check only says whether both are up to date."""
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CHART = ROOT / "manifests/chart"
INTRO = """# backstop with its certificates managed by itself, as the chart's default values make it:
# generated from manifests/chart by `make manifests`; docs/install.md says how to use it.
"""
HELM_ONLY = ("    helm.sh/chart: ", "    app.kubernetes.io/managed-by: Helm")


def install_yaml():
    helm = subprocess.run([ROOT / "hack/tool.sh", "helm"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    rendered = subprocess.run([helm, "template", "backstop", CHART, "--namespace", "backstop-system", "--no-hooks",
                               "--set", "namespace.create=true",
                               "--kube-version", "1.30.0"], check=True, stdout=subprocess.PIPE, text=True).stdout
    kept = [line for line in rendered.splitlines() if line and not line.startswith(("# Source: ", *HELM_ONLY))]
    return INTRO + "\n".join(kept) + "\n"


def values_schema():
    schema = json.loads((CHART / "values.schema.json").read_text())
    settings = json.loads((ROOT / "docs/settings.schema.json").read_text())
    schema["properties"]["settings"] = {key: settings[key] for key in ("type", "additionalProperties", "properties")}
    return json.dumps(schema, indent=2) + "\n"


def main():
    pages = {ROOT / "manifests/install.yaml": install_yaml(), CHART / "values.schema.json": values_schema()}
    old = [path for path, text in pages.items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv[1:]:
        for path in old:
            print(f"{path.relative_to(ROOT)} is not what the chart makes: run `make manifests`", file=sys.stderr)
        return 1 if old else 0
    for path in old:
        path.write_text(pages[path])
    return 0


if __name__ == "__main__":
    sys.exit(main())
