#!/usr/bin/env python3
"""The arm64 binary of a release's image, under qemu's user-mode emulation, with the image's own files and no others.

  run.py IMAGE.oci.tar NATIVE-BINARY     (needs qemu-aarch64-static)

Every recorded AdmissionReview of the golden cases is sent over HTTPS to it and to the native binary; both must give one answer.
qemu has neither seccomp nor Landlock, so `serve` says that it runs without, and with --sandbox require refuses to start. That
the filter would let it live is held against the system calls that it makes under emulation."""
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path += [str(ROOT / "hack"), str(ROOT / "tests/wire")]
sys.dont_write_bytecode = True
QEMU = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")


def unpack(layout, folder):
    """The root of the image's arm64 part; a command that runs its binary."""
    import oci
    for descriptor, _, _, layers in oci.images(oci.read(layout)):
        if descriptor["platform"]["architecture"] == "arm64":
            with tarfile.open(fileobj=io.BytesIO(layers[0])) as tar:
                tar.extractall(folder)
            machine = (folder / "backstop").read_bytes()[18:20]
            assert machine == b"\xb7\x00", f"the binary is for machine {machine.hex()}, not AArch64 (00b7)"
            return [QEMU, "-L", str(folder), str(folder / "backstop")]
    sys.exit(f"arm64: {layout} has no image for it")


def webhooks():
    """(path, group, resources, operations) of every webhook that is installed."""
    import yaml
    for document in yaml.safe_load_all((ROOT / "manifests/install.yaml").read_text()):
        if document and document["kind"].endswith("WebhookConfiguration"):
            for webhook in document["webhooks"]:
                for rule in webhook["rules"]:
                    yield webhook["clientConfig"]["service"]["path"], rule["apiGroups"], rule["resources"], rule["operations"]


def reviews():
    """(case, path, body) of every recorded review, to each webhook that the API server would send it to."""
    hooks = list(webhooks())
    for path in sorted((ROOT / "tests/golden/cases").glob("*/*/input.json")):
        try:
            review = json.loads(path.read_text())
            request = review["request"]
            resource = "/".join(filter(None, (request["resource"]["resource"], request.get("subResource"))))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # the case is about a review that is none
        for hook, groups, resources, operations in hooks:
            if request["resource"].get("group") in groups and resource in resources and request.get("operation") in operations:
                yield path.parent.name, hook, path.read_bytes()


def judged(answer):
    """What an answer decides, without what depends on the second in which it was given."""
    if answer.status != 200:
        return answer.status
    response = answer.json()["response"]
    causes = [(cause.get("field"), cause.get("reason")) for cause in response.get("status", {}).get("details", {}).get("causes", [])]
    return (response["allowed"], response.get("status", {}).get("code"), causes, len(response.get("warnings", [])), bool(response.get("patch")))


def main(layout, native):
    if not QEMU:
        sys.exit("arm64: needs qemu-aarch64-static (Debian's qemu-user-static)")
    with tempfile.TemporaryDirectory(prefix="arm64-") as work:
        work = pathlib.Path(work)
        command = unpack(layout, work / "root")
        for name in ("certs", "other"):
            subprocess.run([ROOT / "certs/dev-cert.sh", work / name], check=True, capture_output=True)
        os.environ.update(WIRE_CERTS=str(work / "certs"), WIRE_OTHER_CERTS=str(work / "other"))
        sys.argv[1] = str(native)
        import libwire
        facts = (ROOT / "tests/golden/inventories/cluster.yaml").read_text()
        libwire.BINARY = str(native)
        here = libwire.Server(facts=facts)
        libwire.BINARY = command[-1]
        calls = work / "calls"
        there = libwire.Server(facts=facts, before=command[:-1], environment={"QEMU_STRACE": "1"}, log=open(calls, "w"))
        compared = denied = 0
        with here.client() as one, there.client() as other:
            for case, path, body in reviews():
                wanted, got = judged(one.post(path, body)), judged(other.post(path, body))
                assert got == wanted, f"{case} at {path}: {got} on arm64, {wanted} here"
                compared += 1
                denied += isinstance(wanted, tuple) and not wanted[0]
        for server in (here, there):
            server.stop()
        assert compared > 100 and denied > 20, (compared, denied)
        log = calls.read_text(errors="replace")
        assert "seccomp no (not supported by the kernel), Landlock no (not supported by the kernel)" in log, log[-2000:]
        made = allowed_calls(log)
        refused = subprocess.run([*command, "serve", "--sandbox", "require", "--inventory", work, "--tls-cert", work / "certs/tls.crt",
                                  "--tls-key", work / "certs/tls.key", "--listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=60)
        assert refused.returncode == 2 and "--sandbox require" in refused.stderr, refused
        version = subprocess.run([*command, "version"], capture_output=True, text=True, timeout=60, check=True).stdout.split()[1]
    print(f"arm64: {version} answers {compared} recorded reviews over HTTPS as here, {denied} of them denials; the filter knows the"
          f" {made} system calls that it makes")


def allowed_calls(log):
    """The calls after the sandbox was entered, by qemu's own trace of them; each must have a line in the filter's tables."""
    source = (ROOT / "server/sandbox/sandbox.c").read_text()
    known = set(re.findall(r"SCMP_SYS\((\w+)\)", source))
    after = log[log.index('"message":"sandbox"'):]
    made = {name for name in re.findall(r"^\d+ (\w+)\(", after, re.M)}
    made = {{"fcntl64": "fcntl", "fstatat64": "newfstatat", "newselect": "select"}.get(name, name) for name in made}
    assert len(made) > 8, sorted(made)
    assert made <= known, f"the filter does not name {sorted(made - known)}"
    return len(made)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], os.path.abspath(sys.argv[2]))
