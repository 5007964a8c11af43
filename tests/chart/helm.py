"""Renders the chart with helm."""
import json
import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CHART = ROOT / "manifests/chart"
NAMESPACE = "backstop-system"
NEWEST = 36  # the minor version of Kubernetes that is rendered for
SERVED = "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy"  # from 1.36 on; helm offline does not know it


class Refused(Exception):
    """helm's own words about values that it did not take."""


def path():
    """helm's path; None where it is missing and cannot be built."""
    done = subprocess.run([ROOT / "hack/tool.sh", "helm"], stdout=subprocess.PIPE, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def run(*args, values=None, minor=NEWEST):
    values = values or {}
    if not values.get("image") and not (values.get("global") or {}).get("imageRegistry"):
        values = {**values, "image": {"repository": "backstop"}}  # there is no default
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(values, file)
        file.flush()
        done = subprocess.run([os.environ["HELM"], *args, "--values", file.name, "--kube-version", f"1.{minor}.0"],
                              capture_output=True, text=True)
    if done.returncode:
        raise Refused(done.stdout + done.stderr)
    return done.stdout


def render_text(values=None, namespace=NAMESPACE, minor=NEWEST):
    served = ["--api-versions", SERVED] if minor >= 36 else []
    return run("template", "backstop", str(CHART), "--namespace", namespace, *served, values=values, minor=minor)
