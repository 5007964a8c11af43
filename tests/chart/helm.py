"""Renders the chart with helm."""
import json
import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CHART = ROOT / "manifests/chart"
NAMESPACE = "backstop-system"
KUBE_VERSION = "1.36.0"
SERVED = "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy"  # by that version; helm offline does not know it


class Refused(Exception):
    """helm's own words about values that it did not take."""


def path():
    """helm's path; None where it is missing and cannot be built."""
    done = subprocess.run([ROOT / "hack/tool.sh", "helm"], stdout=subprocess.PIPE, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def run(*args, values=None):
    values = values or {}
    if not values.get("image") and not (values.get("global") or {}).get("imageRegistry"):
        values = {**values, "image": {"repository": "backstop"}}  # there is no default
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(values, file)
        file.flush()
        done = subprocess.run([os.environ["HELM"], *args, "--values", file.name, "--kube-version", KUBE_VERSION],
                              capture_output=True, text=True)
    if done.returncode:
        raise Refused(done.stdout + done.stderr)
    return done.stdout


def render_text(values=None, namespace=NAMESPACE):
    return run("template", "backstop", str(CHART), "--namespace", namespace, "--api-versions", SERVED, values=values)
