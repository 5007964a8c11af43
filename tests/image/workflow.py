#!/usr/bin/env python3
"""Runs the release workflow's steps in a container, as GitHub's runner does, up to what needs GitHub itself.

  workflow.py [--skip STEP]... [--keep FOLDER]

The checkout is a clone of HEAD with one commit more, of a throw-away public key, and the version's tag; the secret is that key's
other half; Go is this machine's. The registry is crane's, and `gh` is one that only writes down what it was asked to
publish. Needs an engine (DOCKER), Go and minisign, and takes half an hour. --keep leaves the release's files in FOLDER."""
import argparse
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DOCKER = os.environ.get("DOCKER", "docker")
INSIDE = "/__w/backstop/backstop"
RUNNER = 1001  # who owns the checkout on GitHub's machines; in the container everything runs as root
GH = """#!/bin/sh
# Stands in for GitHub's: writes down what a release is made of, and wants each file to be there.
[ "$1 $2" = "release create" ] || { echo "gh: what is $*?" >&2; exit 1; }
printf '%s\\n' "$@" >/runner/published
for word in "$@"; do case $word in build/*) [ -s "$word" ] || { echo "gh: no $word" >&2; exit 1; } ;; esac; done
"""


def output(*command, **more):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **more).stdout.strip()


class Runner:
    def __init__(self, job, work, registry, version):
        self.job, self.work = job, work
        key = self.checkout(work / "checkout", version)
        (work / "temp").mkdir()
        self.facts = {"github.server_url": "https://github.example.com", "github.repository": "k0rdent/backstop", "github.actor": "octocat",
                      "github.repository_owner": "k0rdent", "github.token": "no-token", "secrets.MINISIGN_KEY": key,
                      "github.workflow_ref": f"k0rdent/backstop/.github/workflows/release.yaml@refs/tags/v{version}"}
        self.environment = {"GITHUB_REF_NAME": f"v{version}", "GITHUB_REPOSITORY": "k0rdent/backstop", "GITHUB_ACTIONS": "true",
                            "RUNNER_TEMP": "/runner/temp", "HOME": "/root", "CI": "true", "DEBIAN_FRONTEND": "noninteractive"}
        for name in ("GOPROXY", "http_proxy", "https_proxy"):
            if name in os.environ:
                self.environment[name] = os.environ[name]
        # How this machine reaches modules is its own affair: hand on whom it trusts.
        trusted = os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")
        self.environment["SSL_CERT_FILE"] = "/opt/trusted.crt"
        self.registry = registry
        go = output("go", "env", "GOROOT")
        subprocess.run([ROOT / "hack/image-base.sh", job["container"]], check=True)
        self.container = output(DOCKER, "run", "--detach", "--rm", "--init", "--network", "host", "--volume", f"{work}/checkout:{INSIDE}",
                                "--volume", f"{work}:/runner", "--volume", f"{go}:/opt/go:ro", "--volume",
                                f"{trusted}:/opt/trusted.crt:ro", "--workdir", INSIDE, job["container"], "sleep", "infinity")

    def checkout(self, folder, version):
        """A clone that holds the tag's tree, with the public key that docs/releasing.md has committed. Returns the secret one."""
        git = ("git", "-C", folder, "-c", "user.name=release", "-c", "user.email=release@example.com")
        subprocess.run(["git", "clone", "-q", "--no-hardlinks", ROOT, folder], check=True)
        subprocess.run(["minisign", "-G", "-W", "-f", "-p", folder / "release.pub", "-s", self.work / "key"], check=True,
                       stdout=subprocess.DEVNULL)
        subprocess.run([*git, "add", "release.pub"], check=True)
        subprocess.run([*git, "commit", "-q", "-m", "release: a public key"], check=True)
        subprocess.run([*git, "tag", f"v{version}"], check=True)
        subprocess.run(["git", "-C", folder, "checkout", "-q", "--detach", f"v{version}"], check=True)
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, RUNNER, RUNNER, follow_symlinks=False)
        return (self.work / "key").read_text().strip()

    def filled(self, text):
        """${{ }} replaced; an expression that is not known here is an error."""
        def value(match):
            said = match[1].strip()
            if found := re.fullmatch(r"hashFiles\('([^']+)'\) && '([^']*)' \|\| '([^']*)'", said):
                return found[2] if (self.work / "checkout" / found[1]).exists() else found[3]
            return self.facts[said]
        return re.sub(r"\$\{\{(.*?)\}\}", value, text)

    def step(self, step):
        """Whether it passed."""
        if "uses" in step:
            action = step["uses"].split("@")[0]
            if action == "actions/setup-go":
                self.environment["PATH"] = "/opt/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
            else:
                assert action == "actions/checkout", f"what does {action} do?"
            return True
        environment = {**self.environment, **{k: self.filled(str(v)) for k, v in {**self.job["env"], **step.get("env", {})}.items()},
                       "REGISTRY": self.registry}
        flags = [word for pair in environment.items() for word in ("--env", "=".join(pair))]
        return subprocess.run([DOCKER, "exec", *flags, self.container, "bash", "-e", "-c", self.filled(step["run"])],
                              stdin=subprocess.DEVNULL).returncode == 0

    def stand_in_for_gh(self):
        subprocess.run([DOCKER, "exec", "-i", self.container, "sh", "-c", "cat >/usr/local/bin/gh && chmod +x /usr/local/bin/gh"],
                       input=GH, text=True, check=True)

    def close(self):
        subprocess.run([DOCKER, "rm", "--force", self.container], stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def registry(crane, log):
    """crane's own, on a free port of loopback; gives its address."""
    with open(log, "w") as file:
        process = subprocess.Popen([crane, "registry", "serve", "--address", "127.0.0.1:0"], stdout=file, stderr=file)
    try:
        for _ in range(300):
            if found := re.search(r"serving on port (\d+)", pathlib.Path(log).read_text()):
                break
            time.sleep(0.1)
        yield "127.0.0.1:" + found[1]
    finally:
        process.kill()


def published(runner, crane, address, version):
    """What the last step has left in the registry, and has asked gh to publish."""
    subprocess.run([crane, "validate", "--remote", f"{address}/backstop:{version}"], check=True, stdout=subprocess.DEVNULL)
    index = output(crane, "manifest", f"{address}/backstop:{version}")
    assert all(f'"architecture":"{arch}"' in index for arch in ("amd64", "arm64")), index
    output(crane, "manifest", f"{address}/charts/backstop:{version}")
    words = (runner.work / "published").read_text().splitlines()
    assert words[2] == f"v{version}" and "build/dist/SHA256SUMS.minisig" in words and "build/dist/krew-backstop.yaml" in words, words
    return sum(word.startswith("build/dist/") for word in words)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--skip", action="append", default=[], metavar="STEP", help="a step that is not run, by its name")
    parser.add_argument("--keep", type=pathlib.Path)
    options = parser.parse_args()
    (job,) = yaml.safe_load((ROOT / ".github/workflows/release.yaml").read_text())["jobs"].values()
    version = re.search(r"^VERSION := (\S+)", (ROOT / "Makefile").read_text(), re.M)[1]
    crane = output(ROOT / "hack/tool.sh", "crane")
    with tempfile.TemporaryDirectory(prefix="backstop-workflow-") as folder, registry(crane, folder + "/registry.log") as address:
        runner = Runner(job, pathlib.Path(folder), address, version)
        try:
            for step in job["steps"]:
                name = step.get("name") or step["uses"]
                if name in options.skip:
                    print(f"=== {name}: SKIPPED", flush=True)
                    continue
                if name == "Publish":
                    runner.stand_in_for_gh()
                started = time.monotonic()
                print(f"=== {name}", flush=True)
                if not runner.step(step):
                    sys.exit(f"workflow: FAILED: {name}")
                print(f"=== {name}: ok ({time.monotonic() - started:.0f} s)", flush=True)
            if options.keep:
                shutil.copytree(runner.work / "checkout/build/dist", options.keep, dirs_exist_ok=True)
            files = published(runner, crane, address, version)
        finally:
            runner.close()
    print(f"workflow: {'all but ' + ', '.join(options.skip) if options.skip else 'every step'} passed; {files} files, an image for two architectures and a chart would be published")


if __name__ == "__main__":
    main()
