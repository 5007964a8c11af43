#!/usr/bin/env python3
"""OCI image layouts, each in one tar, the same bytes for the same input. No engine and no network is needed.

  oci.py image OUT.tar --version V --revision R --created TIME ARCH=ROOT.tar...   the container image, an index of architectures
  oci.py chart OUT.tar CHART.tgz REPOSITORY.yml    the Helm chart as a registry holds it, and Artifact Hub's file beside it
  oci.py docker FILE.tar NAME:TAG ARCH             one architecture's image as `docker save` writes it, for `docker load`
  oci.py check FILE.tar...                         every descriptor leads to a blob of its size and digest, and no blob is left

How the image runs (user, ports, entry point, labels) is read from the last stage of the Dockerfile. SOURCE_URL is where the
repository is."""
import argparse
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import shlex
import sys
import tarfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
OCI = "application/vnd.oci.image."
HELM = "application/vnd.cncf.helm."
ARTIFACT_HUB = "application/vnd.cncf.artifacthub."
TITLE = "org.opencontainers.image.title"


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


class Layout:
    """Blobs by their digest, and the index that names the first of them."""

    def __init__(self):
        self.blobs = {}

    def blob(self, media_type, content, **more):
        digest = hashlib.sha256(content).hexdigest()
        self.blobs[digest] = content
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(content), **more}

    def manifest(self, config, layers, notes, **descriptor):
        """Of an image or artifact; notes are its own annotations."""
        value = {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "config": config, "layers": layers}
        if notes:
            value["annotations"] = notes
        return self.blob(value["mediaType"], canonical(value), **descriptor)

    def write(self, path, manifests):
        index = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": manifests}
        files = {"oci-layout": canonical({"imageLayoutVersion": "1.0.0"}), "index.json": canonical(index),
                 **{"blobs/sha256/" + digest: self.blobs[digest] for digest in sorted(self.blobs)}}
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
            for folder in ("blobs", "blobs/sha256"):
                tar.addfile(entry(folder, tarfile.DIRTYPE, 0o755))
            for name, content in files.items():
                member = entry(name, tarfile.REGTYPE, 0o644)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))


def entry(name, kind, mode):
    member = tarfile.TarInfo(name)
    member.type, member.mode = kind, mode
    return member


def dockerfile(values):
    """The configuration that the last stage asks for; "$NAME" stands for one of the values."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    config = {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], "WorkingDir": "/"}
    for line in text[text.rindex("\nFROM "):].splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "USER":
            config["User"] = rest
        elif word == "EXPOSE":
            config["ExposedPorts"] = {port + "/tcp": {} for port in rest.split()}
        elif word in ("ENTRYPOINT", "CMD"):
            config[word.capitalize()] = json.loads(rest)
        elif word == "LABEL":
            pairs = (pair.split("=", 1) for pair in shlex.split(rest))
            config["Labels"] = {name: re.sub(r"\$([A-Z]+)", lambda m: values[m[1]], value) for name, value in pairs}
    return config


def image(options):
    layout, manifests = Layout(), []
    values = {"VERSION": options.version, "REVISION": options.revision, "CREATED": options.created,
              "SOURCE": os.environ.get("SOURCE_URL", "")}
    run = dockerfile(values)
    for word in options.roots:
        architecture, path = word.split("=", 1)
        plain = pathlib.Path(path).read_bytes()
        layer = layout.blob(OCI + "layer.v1.tar+gzip", gzip.compress(plain, 9, mtime=0))
        platform = {"architecture": architecture, "os": "linux", **({"variant": "v8"} if architecture == "arm64" else {})}
        config = layout.blob(OCI + "config.v1+json", canonical({
            **platform, "created": options.created, "config": run,
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(plain).hexdigest()]},
            "history": [{"created": options.created, "created_by": "hack/image-rootfs.sh"}]}))
        manifests.append(layout.manifest(config, [layer], run["Labels"], platform=platform))
    index = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": manifests, "annotations": run["Labels"]}
    # podman names what it loads by the first, containerd (`ctr import`, kind) by the second.
    name = "backstop:" + options.version
    top = layout.blob(index["mediaType"], canonical(index), annotations={
        "org.opencontainers.image.ref.name": name, "io.containerd.image.name": "docker.io/library/" + name})
    layout.write(options.out, [top])


def chart_yaml(package):
    """Chart.yaml of a chart's package, which the configuration of a chart in a registry repeats."""
    with tarfile.open(fileobj=io.BytesIO(package)) as tar:
        return yaml.safe_load(tar.extractfile("backstop/Chart.yaml"))


def chart(options):
    layout = Layout()
    package = pathlib.Path(options.package).read_bytes()
    about = chart_yaml(package)
    config = layout.blob(HELM + "config.v1+json", canonical(about))
    layer = layout.blob(HELM + "chart.content.v1.tar+gzip", package)
    notes = {TITLE: about["name"], "org.opencontainers.image.version": about["version"],
             "org.opencontainers.image.description": about["description"]}
    named = {"org.opencontainers.image.ref.name": about["version"].replace("+", "_")}
    manifests = [layout.manifest(config, [layer], notes, annotations=named)]
    # Artifact Hub reads its file from the tag artifacthub.io of the same repository.
    empty = layout.blob(ARTIFACT_HUB + "config.v1+yaml", b"{}")
    hub = layout.blob(ARTIFACT_HUB + "repository-metadata.layer.v1.yaml", pathlib.Path(options.repository).read_bytes(),
                      annotations={TITLE: "artifacthub-repo.yml"})
    manifests.append(layout.manifest(empty, [hub], None, annotations={"org.opencontainers.image.ref.name": "artifacthub.io"}))
    layout.write(options.out, manifests)


def saved(options):
    """Docker loads no OCI layout, or not every engine does."""
    for descriptor, _, config, (layer,) in images(read(options.layout)):
        if descriptor["platform"]["architecture"] == options.architecture:
            plain = gzip.decompress(layer)
            manifest = [{"Config": "config.json", "RepoTags": [options.name], "Layers": ["layer.tar"]}]
            with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.USTAR_FORMAT) as tar:
                for name, content in (("config.json", config), ("layer.tar", plain), ("manifest.json", canonical(manifest))):
                    member = entry(name, tarfile.REGTYPE, 0o644)
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
            return
    raise Problem(f"{options.layout} has no image for {options.architecture}")


# ---- checks, and reading ----------------------------------------------------------------

class Problem(Exception):
    pass


def read(path):
    """The files of a layout's tar."""
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}


def follow(files, descriptor, seen):
    """The blob that a descriptor names; whatever is not as it says is a problem."""
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", descriptor["digest"]) or not descriptor["mediaType"]:
        raise Problem(f"{descriptor} is no descriptor")
    name = "blobs/sha256/" + descriptor["digest"][7:]
    content = files.get(name)
    if content is None or len(content) != descriptor["size"] or hashlib.sha256(content).hexdigest() != descriptor["digest"][7:]:
        raise Problem(f"{name} is missing, or is not what its descriptor says")
    seen.add(name)
    return content


def images(files):
    """(descriptor, manifest, configuration, layers) of each manifest, found from index.json; nothing may be left over."""
    seen, found = {"oci-layout", "index.json"}, []
    if json.loads(files["oci-layout"]) != {"imageLayoutVersion": "1.0.0"}:
        raise Problem("oci-layout has another version")
    waiting = list(json.loads(files["index.json"])["manifests"])
    while waiting:
        descriptor = waiting.pop(0)
        value = json.loads(follow(files, descriptor, seen))
        if value["mediaType"] != descriptor["mediaType"] or value["schemaVersion"] != 2:
            raise Problem(f"{descriptor['digest']} calls itself {value['mediaType']}")
        if value["mediaType"].endswith("index.v1+json"):
            waiting += value["manifests"]
        else:
            found.append((descriptor, value, follow(files, value["config"], seen),
                          [follow(files, layer, seen) for layer in value["layers"]]))
    if set(files) - seen:
        raise Problem(f"nothing names {', '.join(sorted(set(files) - seen))}")
    return found


def describe(path):
    """What a layout holds, when each configuration is true of its layers and platform; else a problem."""
    lines = []
    for descriptor, manifest, config, layers in images(read(path)):
        kind = manifest["config"]["mediaType"]
        if kind == OCI + "config.v1+json":
            about = json.loads(config)
            sums = ["sha256:" + hashlib.sha256(gzip.decompress(layer)).hexdigest() for layer in layers]
            if about["rootfs"]["diff_ids"] != sums:
                raise Problem("a layer is not what diff_ids says")
            if {name: about[name] for name in ("architecture", "os", "variant") if name in about} != descriptor["platform"]:
                raise Problem(f"the platform of the index, {descriptor['platform']}, is not the configuration's")
            lines.append(f"image {about['os']}/{about['architecture']}")
        elif kind == HELM + "config.v1+json":
            about, inside = json.loads(config), chart_yaml(layers[0])
            if about != inside or len(layers) != 1 or manifest["layers"][0]["mediaType"] != HELM + "chart.content.v1.tar+gzip":
                raise Problem("the chart's configuration is not its Chart.yaml")
            lines.append(f"chart {about['name']} {about['version']}")
        else:
            lines.append(kind)
    return lines


def check(options):
    for path in options.files:
        print(f"{path}: {', '.join(describe(path))}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("image")
    one.set_defaults(run=image)
    for name in ("version", "revision", "created"):
        one.add_argument("--" + name, required=True)
    one.add_argument("out")
    one.add_argument("roots", nargs="+", metavar="ARCH=ROOT.tar")
    one = commands.add_parser("chart")
    one.set_defaults(run=chart)
    for name in ("out", "package", "repository"):
        one.add_argument(name)
    one = commands.add_parser("docker")
    one.set_defaults(run=saved)
    for name in ("layout", "name", "architecture"):
        one.add_argument(name)
    one = commands.add_parser("check")
    one.set_defaults(run=check)
    one.add_argument("files", nargs="+")
    options = parser.parse_args()
    try:
        options.run(options)
    except Problem as problem:
        sys.exit(f"oci: {problem}")


if __name__ == "__main__":
    main()
