#!/usr/bin/env python3
"""What says of a release's files what they are, and whether it is true.

  release_files.py krew VERSION FOLDER                 krew's manifest of the plugin's archives in FOLDER
  release_files.py provenance VERSION REVISION FOLDER  an in-toto statement with SLSA's provenance of every file there
  release_files.py verify FOLDER [PUBLIC-KEY]          all of it, and the signature

SOURCE_URL is where the repository is, BUILDER_ID who builds."""
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import urllib.parse

import yaml

import oci
import sbom
from dockertar import Image

HERE = pathlib.Path(__file__).resolve().parent
SUMS, SIGNATURE = "SHA256SUMS", "SHA256SUMS.minisig"
SOURCE = os.environ.get("SOURCE_URL", "https://example.com/backstop").rstrip("/")


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def architecture(path):
    return re.search(r"-linux-(\w+)\.tar\.gz$", path.name)[1]


def krew(version, folder):
    platforms = [{"selector": {"matchLabels": {"os": "linux", "arch": architecture(path)}},
                  "uri": f"{SOURCE}/releases/download/v{version}/{path.name}", "sha256": digest(path), "bin": "backstop"}
                 for path in sorted(folder.glob("kubectl-backstop-*.tar.gz"))]
    yaml.safe_dump({
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2", "kind": "Plugin", "metadata": {"name": "backstop"},
        "spec": {
            "version": "v" + version, "homepage": SOURCE, "platforms": platforms,
            "shortDescription": "Could this k0rdent cluster be restored now?",
            "description": "Says whether a k0rdent management cluster could be restored and upgraded now, reviews backups and "
                           "restores before they are applied, rehearses a restore and plans rollbacks.\n",
            "caveats": "Needs Linux with glibc 2.36 or later. Completion: kubectl backstop completion --help\n"}},
        sys.stdout, sort_keys=False, width=120)


def toolchain():
    """The Debian packages that the build rests on, as package URLs."""
    names = subprocess.run([HERE / "install-deps.sh", "list", "build"], capture_output=True, text=True, check=True).stdout.split()
    said = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version} ${Architecture} ${Status}\n", *names, "gcc-12", "binutils",
                           "libc6-dev"], capture_output=True, text=True).stdout
    for line in sorted(said.splitlines()):
        name, number, arch, status = line.split(" ", 3)
        if status == "install ok installed":
            yield {"uri": f"pkg:deb/debian/{name}@{urllib.parse.quote(number, safe='~')}?arch={arch}&distro=debian-12", "name": name}


def provenance(version, revision, folder):
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": path.name, "digest": {"sha256": digest(path)}} for path in sorted(folder.iterdir())],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": SOURCE + "/blob/main/docs/releasing.md",
                "externalParameters": {"version": version, "revision": revision,
                                       "architectures": [architecture(path) for path in sorted(folder.glob("kubectl-*.tar.gz"))]},
                "resolvedDependencies": [{"uri": f"git+{SOURCE}@refs/tags/v{version}", "digest": {"gitCommit": revision}},
                                         *toolchain()]},
            "runDetails": {"builder": {"id": os.environ.get("BUILDER_ID", SOURCE + "/blob/main/hack/release.sh")}}}}
    json.dump(statement, sys.stdout, indent=1)
    print()


# ---- verify -----------------------------------------------------------------------------

class Problem(Exception):
    pass


def check_sums(folder):
    listed = dict(reversed(line.split("  ", 1)) for line in (folder / SUMS).read_text().splitlines())
    there = {path.name for path in folder.iterdir()} - {SUMS, SIGNATURE}
    if there != set(listed):
        raise Problem(f"{SUMS} and the folder differ in {', '.join(sorted(there ^ set(listed)))}")
    for name, wanted in listed.items():
        if digest(folder / name) != wanted:
            raise Problem(f"{name} is not what {SUMS} says")
    return listed


def check_signature(folder, key):
    if not (folder / SIGNATURE).exists():
        return "UNSIGNED: the sums only show that these files belong together"
    if not key:
        raise Problem(f"{SIGNATURE} is there, but no public key to verify it with: make release-verify KEY=FILE")
    done = subprocess.run(["minisign", "-V", "-q", "-p", key, "-m", folder / SUMS], capture_output=True, text=True)
    if done.returncode:
        raise Problem(f"the signature of {SUMS} is not by {key}: {(done.stderr or done.stdout).strip()}")
    return f"signed by {key}"


def check_provenance(folder, sums):
    (path,) = folder.glob("*.intoto.json")
    statement = json.loads(path.read_text())
    if (statement["_type"], statement["predicateType"]) != ("https://in-toto.io/Statement/v1", "https://slsa.dev/provenance/v1"):
        raise Problem(f"{path.name} is no statement with SLSA's provenance")
    subjects = {subject["name"]: subject["digest"]["sha256"] for subject in statement["subject"]}
    if subjects != {name: value for name, value in sums.items() if name != path.name}:
        raise Problem(f"the subjects of {path.name} are not these files")
    return statement["predicate"]["buildDefinition"]["externalParameters"]


def check_krew(folder):
    platforms = yaml.safe_load((folder / "krew-backstop.yaml").read_text())["spec"]["platforms"]
    found = {platform["uri"].rsplit("/", 1)[1]: platform["sha256"] for platform in platforms}
    if not found or found != {path.name: digest(path) for path in folder.glob("kubectl-*.tar.gz")}:
        raise Problem("the archives in krew-backstop.yaml are not these")


def check_images(folder):
    """Every layout is whole, and the image has what its SBOM lists, for each architecture."""
    for path in folder.glob("*.oci.tar"):
        oci.describe(path)
    (path,) = folder.glob("backstop-image-*.oci.tar")
    architectures = []
    for descriptor, *_ in oci.images(oci.read(path)):
        arch = descriptor["platform"]["architecture"]
        (document,) = folder.glob(f"*-{arch}.spdx.json")
        with path.open("rb") as stream:
            for problem in sbom.problems(json.loads(document.read_text()), Image(stream, arch)):
                raise Problem(f"{document.name}: {problem}")
        architectures.append(arch)
    return architectures


def verify(folder, key=None):
    try:
        sums = check_sums(folder)
        signed = check_signature(folder, key)
        parameters = check_provenance(folder, sums)
        check_krew(folder)
        architectures = check_images(folder)
        if sorted(architectures) != sorted(parameters["architectures"]):
            raise Problem(f"the image is for {architectures}, the provenance says {parameters['architectures']}")
    except (Problem, oci.Problem, OSError, ValueError, KeyError) as problem:
        sys.exit(f"release-verify: {problem}")
    print(f"release-verify: {len(sums)} files of {parameters['version']} ({parameters['revision']}) for {', '.join(architectures)}; {signed}")


def main(arguments):
    match arguments:
        case ["krew", version, folder]:
            krew(version, pathlib.Path(folder))
        case ["provenance", version, revision, folder]:
            provenance(version, revision, pathlib.Path(folder))
        case ["verify", folder, *key] if len(key) <= 1:
            verify(pathlib.Path(folder), *key)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
