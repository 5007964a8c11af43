"""A rehearsal of many objects: memory that their number bounds, not their size, and time that grows as they do."""
import os
import tarfile

from libwire import *

SANITIZED = any(word in BINARY for word in ("asan", "tsan", "ubsan"))
MEMORY = 64 * 1024  # KiB
TEXT = "x" * 1500  # 20,000 of these alone are half of MEMORY


def contents(path, count):
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for i in range(count):
            name, ns = f"config-{i:05}", f"team-{i % 40:02}"
            text = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": ns},
                               "data": {"n": str(i), "text": TEXT}}).encode()
            info = tarfile.TarInfo(f"resources/configmaps/namespaces/{ns}/{name}.json")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
    return path


def measure(path):
    """(seconds of CPU, KiB at most, the report)"""
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen([BINARY, "rehearse", "--contents", path, "-o", "json"], stdout=out, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        return used.ru_utime + used.ru_stime, used.ru_maxrss, json.load(out)


@shows("20,000 objects take less than 64 MiB, and not much more than twice the time of 10,000")
def _(_):
    with tempfile.TemporaryDirectory() as folder:
        half, whole = (contents(f"{folder}/{count}.tar.gz", count) for count in (10000, 20000))
        seconds, kib, report = measure(whole)
        same((report["total"], report["counts"]), (20000, {"to be restored": 20000}))
        before = min(measure(half)[0] for _ in range(2))
        seconds = min(seconds, measure(whole)[0])
        assert seconds < 3 * before, f"{seconds:.2f} s for 20,000, {before:.2f} s for 10,000"
        assert SANITIZED or kib < MEMORY, f"{kib} KiB"


class Nothing:
    def stop(self):
        pass


main(Nothing())
