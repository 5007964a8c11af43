"""The contents of a backup as Velero stores them (pkg/archive): a tar file with each object's JSON."""
import io
import json
import tarfile


def thing(api, kind, name, ns=None, **more):
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, **({"namespace": ns} if ns else {})}, **more}


def pack(members, level=9):
    """The members are names with their texts."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=level) as tar:
        for name, text in members:
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return file.getvalue()


def contents(*objects, level=9):
    """The objects are plural.group with a document; each is there twice, under its version and, as restores read it, without."""
    return pack(((f"resources/{resource}/{part}{scope}/{document['metadata']['name']}.json", text)
                 for resource, document in objects for text in [json.dumps(document)]
                 for ns in [document["metadata"].get("namespace")] for scope in [f"namespaces/{ns}" if ns else "cluster"]
                 for part in ("v1-preferredversion/", "")), level)


def archive(path, *objects, **more):
    with open(path, "wb") as file:
        file.write(contents(*objects, **more))
    return path
