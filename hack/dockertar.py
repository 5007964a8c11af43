"""What `docker save` wrote: an image's configuration and the files of its layers."""
import gzip
import io
import json
import tarfile


class Image:
    def __init__(self, stream):
        """Reads a tar of one image from a file opened for bytes; keeps all of it in memory."""
        with tarfile.open(fileobj=io.BytesIO(stream.read())) as saved:
            manifest = json.load(saved.extractfile("manifest.json"))[0]
            self.config = json.load(saved.extractfile(manifest["Config"]))
            self.layers = [saved.extractfile(name).read() for name in manifest["Layers"]]
        self.layers = [gzip.decompress(layer) if layer[:2] == b"\x1f\x8b" else layer for layer in self.layers]
        self.members, self.content = {}, {}
        for layer in self.layers:
            with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
                for member in tar:
                    self.members[member.name] = member
                    if member.isfile():
                        self.content[member.name] = tar.extractfile(member).read()

    @property
    def labels(self):
        return self.config["config"].get("Labels") or {}

    def compressed_size(self):
        """Bytes of the layers as registries keep them: gzip, the usual level."""
        return sum(len(gzip.compress(layer, 6)) for layer in self.layers)
