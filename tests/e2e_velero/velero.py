"""The real Velero beside a test API server: its server with the plugin for S3, its CLI, and an S3 server."""
import json
import os
import shutil
import signal
import subprocess
import time

from control_plane import ROOT, Answer, Process, free_port, wait_until

VERSIONS = ("1.17.2", "1.18.2", "1.18.3")  # each row of the table of versions
ENDED = ("Completed", "PartiallyFailed", "Failed", "FailedValidation")
NAMESPACE = "kcm-system"
API = f"/apis/velero.io/v1/namespaces/{NAMESPACE}"
VELERO = "velero-token"  # the server's account; the webhook is not called for what it writes
MERGE = "application/merge-patch+json"


def tool(name):
    """The path of a program that hack/tool.sh builds (once); its exit code tells that there is no Go."""
    done = subprocess.run([f"{ROOT}/hack/tool.sh", name], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(done.returncode)
    return done.stdout.strip()


def velero(kind, name, **spec):
    return {"apiVersion": "velero.io/v1", "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


class Storage:
    """An S3 server with a bucket, which can die and come back with what it holds."""

    KEY, SECRET = "e2e-key", "e2e-secret"

    def __init__(self, folder, bucket="management"):
        self.bucket, self.port = bucket, free_port()
        os.makedirs(f"{folder}/s3/{bucket}")
        self.process = Process("s3", [
            tool("versitygw"), "--port", f"127.0.0.1:{self.port}", "--region", "us-east-1", "--quiet", "posix",
            "--nometa", f"{folder}/s3"], f"{folder}/s3.log",
            {**os.environ, "ROOT_ACCESS_KEY": self.KEY, "ROOT_SECRET_KEY": self.SECRET})
        self.folder = f"{folder}/s3/{bucket}"

    def start(self):
        self.process.start()
        wait_until("the S3 server", lambda: subprocess.run(
            ["curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{self.port}/"]).returncode == 0)
        return self

    def stop(self):
        self.process.stop(signal.SIGKILL)

    def location(self, name="aws-s3", **spec):
        """The BackupStorageLocation and the Secret that reach it."""
        text = f"[default]\naws_access_key_id = {self.KEY}\naws_secret_access_key = {self.SECRET}\n"
        secret = {"apiVersion": "v1", "kind": "Secret", "stringData": {"cloud": text},
                  "metadata": {"name": "cloud-credentials", "namespace": NAMESPACE}}
        return [secret, velero("BackupStorageLocation", name, **{
            "provider": "aws", "default": True, "objectStorage": {"bucket": self.bucket},
            "config": {"region": "us-east-1", "s3ForcePathStyle": "true", "s3Url": f"http://127.0.0.1:{self.port}"},
            "credential": {"name": "cloud-credentials", "key": "cloud"}, **spec})]


class Velero:
    """`velero server` against one cluster, as its account, and what tests ask of it."""

    def __init__(self, cluster, version, *flags):
        self.cluster, self.version, self.binary = cluster, version, tool(f"velero-{version}")
        self.folder = f"{cluster.dir}/velero"
        plugins = f"{self.folder}/plugins"
        os.makedirs(plugins)
        os.makedirs(f"{self.folder}/tmp/credentials")
        os.symlink(self.binary, f"{self.folder}/velero")  # as in its image: the name is that of its writes too
        plugin = tool("velero-plugin-for-aws")
        shutil.copy(plugin, plugins)
        self.command = [
            f"{self.folder}/velero", "server", "--plugin-dir", plugins, "--uploader-type", "kopia",
            "--metrics-address", f"127.0.0.1:{free_port()}", "--profiler-address", f"127.0.0.1:{free_port()}",
            "--backup-sync-period", "1s", "--item-operation-sync-frequency", "1s", *flags]
        if version >= "1.18":
            # Its queue sometimes counts a Backup that ended in FailedValidation as one that runs, until it is restarted:
            # ReadyToStart may be noted after the end (backup_queue_controller.go). With one place nothing would start again.
            self.command += ["--concurrent-backups", "20"]
        # The credentials of locations are written below TMPDIR.
        self.environment = {**os.environ, "VELERO_NAMESPACE": NAMESPACE, "HOME": cluster.dir,
                            "TMPDIR": f"{self.folder}/tmp", "VELERO_SCRATCH_DIR": f"{self.folder}/tmp",
                            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true",
                            "KUBECONFIG": f"{cluster.dir}/velero-token.kubeconfig"}
        self.process = None

    def start(self, *flags, fast=True):
        flags = [*flags, *(["--client-qps", "1000", "--client-burst", "1000"] if fast else [])]
        self.process = Process("velero", [*self.command, *flags], f"{self.cluster.dir}/velero.log",
                               self.environment).start()
        return self

    def stop(self):
        if self.process:
            self.process.stop(signal.SIGKILL)  # a graceful stop waits for its controllers

    def restart(self, *flags, **how):
        self.stop()
        return self.start(*flags, **how)

    def log(self):
        return open(f"{self.cluster.dir}/velero.log", errors="replace").read()

    def cli(self, *args, user="editor-token", timeout=120):
        """One command of the Velero CLI, as a person calls it."""
        start = time.monotonic()
        done = subprocess.run([self.binary, "--colorized=false", *args], capture_output=True, text=True, timeout=timeout,
                              stdin=subprocess.DEVNULL,
                              env={**self.environment, "KUBECONFIG": f"{self.cluster.dir}/{user}.kubeconfig"})
        return Answer(done, time.monotonic() - start)

    # ---- objects -----------------------------------------------------------
    def read(self, plural, name):
        code, found = self.cluster.request("GET", f"{API}/{plural}/{name}")
        return found if code == 200 else None

    def items(self, plural):
        return self.cluster.request("GET", f"{API}/{plural}")[1]["items"]

    def phase(self, plural, name):
        return ((self.read(plural, name) or {}).get("status") or {}).get("phase", "")

    def wait_phase(self, plural, name, *phases, seconds=180):
        """Waits for one of the phases (or any end) and returns the object."""
        def reached():
            found = self.read(plural, name)
            return found if found and (found.get("status") or {}).get("phase") in (phases or ENDED) else None
        try:
            return wait_until(f"{plural} {name} to be {' or '.join(phases) or 'at its end'}", reached, seconds)
        except AssertionError as late:
            found = self.read(plural, name) or {}
            raise AssertionError(f"{late}\nstatus: {json.dumps(found.get('status'))}\n{self.process.tail(15)}") from None

    def create(self, document, user=VELERO):
        """Past the webhook, unless as somebody else."""
        plural = f"{document['kind'].lower()}s"
        code, answer = self.cluster.request("POST", f"{API}/{plural}", document, user)
        assert code == 201, answer
        return answer

    def delete(self, plural, name):
        self.cluster.request("DELETE", f"{API}/{plural}/{name}", user=VELERO)

    def nudge(self, name="aws-s3"):
        """Velero looks at a location when its spec changes, and else every ten seconds at most."""
        frequency = "61s" if (self.read("backupstoragelocations", name)["spec"].get(
            "validationFrequency") == "1m0s") else "1m0s"
        self.cluster.request("PATCH", f"{API}/backupstoragelocations/{name}",
                             {"spec": {"validationFrequency": frequency}}, VELERO, MERGE)

    def wait_location(self, phase, name="aws-s3", seconds=60):
        self.nudge(name)
        return self.wait_phase("backupstoragelocations", name, phase, seconds=seconds)

