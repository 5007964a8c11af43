"""What `docker save` or hack/oci.py wrote: an image's configuration and the files of its layers."""
import gzip
import io
import json
import tarfile


def blob(descriptor):
    return "blobs/sha256/" + descriptor["digest"].removeprefix("sha256:")


class Image:
    def __init__(self, stream, architecture=None):
        """Reads a tar of one image from a file opened for bytes, or that of one architecture from an OCI layout; keeps all
        of it in memory."""
        with tarfile.open(fileobj=io.BytesIO(stream.read())) as saved:
            def of(name):
                return saved.extractfile(name).read()
            if architecture:
                (manifest,) = (json.loads(of(blob(found))) for found in json.loads(of(blob(json.loads(of("index.json"))["manifests"][0])))
                               ["manifests"] if found["platform"]["architecture"] == architecture)
                self.config = json.loads(of(blob(manifest["config"])))
                self.layers = [of(blob(layer)) for layer in manifest["layers"]]
            else:
                manifest = json.loads(of("manifest.json"))[0]
                self.config = json.loads(of(manifest["Config"]))
                self.layers = [of(name) for name in manifest["Layers"]]
        self.layers = [gzip.decompress(layer) if layer[:2] == b"\x1f\x8b" else layer for layer in self.layers]
        self.members, self.content = {}, {}
        for layer in self.layers:
            with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
                for member in tar:
                    member.name = member.name.removeprefix("./")
                    self.members[member.name] = member
                    if member.isfile():
                        self.content[member.name] = tar.extractfile(member).read()

    @property
    def labels(self):
        return self.config["config"].get("Labels") or {}

    def compressed_size(self):
        """Bytes of the layers as registries keep them: gzip, the usual level."""
        return sum(len(gzip.compress(layer, 6)) for layer in self.layers)
