"""What a kubelet makes of the chart's pods, done with a container engine: each field of a pod becomes flags of `docker run`, and a
field that nobody has thought of is an error. The network is the host's, where the tests' API server listens."""
import base64
import os
import pathlib
import subprocess
import tempfile

from control_plane import Process, wait_until
from webhook import NAMESPACE, Replica

DOCKER = os.environ.get("DOCKER", "docker")
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
SIZES = {"": 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
# About where a pod runs, or when; not about how.
ELSEWHERE = {"priorityClassName", "restartPolicy", "topologySpreadConstraints", "terminationGracePeriodSeconds"}


def known(what, given, *names):
    assert set(given) <= set(names), f"what does {sorted(set(given) - set(names))} of {what} mean to an engine?"
    return given


def size(quantity):
    digits = quantity.rstrip("KMGi")
    return int(digits) * SIZES[quantity[len(digits):]]


class Kubelet:
    def __init__(self, cluster, image, objects):
        self.cluster, self.image, self.objects, self.pods = cluster, image, objects, []

    def flags(self, spec):
        """`docker run`'s for a pod's only container."""
        known("a pod", set(spec) - ELSEWHERE, "serviceAccountName", "securityContext", "containers", "volumes")
        (container,) = spec["containers"]
        known("a container", container, "name", "image", "imagePullPolicy", "args", "ports", "livenessProbe", "readinessProbe",
              "resources", "securityContext", "volumeMounts")
        assert container["image"] == self.image, container["image"]
        flags = ["--network", "host", *self.security(known("a pod's security", spec["securityContext"], "runAsNonRoot", "runAsUser",
                                                           "runAsGroup", "seccompProfile"), container["securityContext"])]
        known("resources", container["resources"], "requests", "limits")
        limits = known("limits", container["resources"].get("limits", {}), "memory")
        if "memory" in limits:
            flags += [f"--memory={size(limits['memory'])}", f"--memory-swap={size(limits['memory'])}"]
        volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
        for mount in container.get("volumeMounts", []):
            assert known("a mount", mount, "name", "mountPath", "readOnly")["readOnly"], mount
            flags += ["--volume", f"{self.volume(volumes[mount['name']])}:{mount['mountPath']}:ro"]
        flags += ["--volume", f"{self.account(spec)}:{ACCOUNT}:ro", "--env", "KUBERNETES_SERVICE_HOST=127.0.0.1",
                  "--env", f"KUBERNETES_SERVICE_PORT={self.cluster.port}"]
        return flags

    @staticmethod
    def security(pod, container):
        known("a container's security", container, "allowPrivilegeEscalation", "readOnlyRootFilesystem", "capabilities")
        known("capabilities", container["capabilities"], "drop")
        assert pod["runAsNonRoot"] and pod["runAsUser"] > 0
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}, pod  # which is what an engine does unasked
        flags = [f"--user={pod['runAsUser']}:{pod['runAsGroup']}", *(f"--cap-drop={name}" for name in container["capabilities"]["drop"])]
        if not container["allowPrivilegeEscalation"]:
            flags += ["--security-opt", "no-new-privileges"]
        if container["readOnlyRootFilesystem"]:
            flags += ["--read-only"]
        return flags

    def volume(self, volume):
        """A folder with a ConfigMap's or a Secret's files, as links to ..data, for root and readable by all."""
        if "secret" in volume:
            name, items = volume["secret"]["secretName"], known("a secret", volume["secret"], "secretName", "items").get("items")
            data = {k: base64.b64decode(v) for k, v in self.cluster.get("secret", "-n", NAMESPACE, name)["data"].items()}
        else:
            name, items = known("a volume", volume, "name", "configMap")["configMap"]["name"], None
            (found,) = (o for o in self.objects if o["kind"] == "ConfigMap" and o["metadata"]["name"] == name)
            data = {k: v.encode() for k, v in found["data"].items()}
        files = {item["path"]: data[item["key"]] for item in items} if items else data
        folder = self.folder()
        (folder / "..2026").mkdir()
        (folder / "..data").symlink_to("..2026")
        for file, content in files.items():
            (folder / "..2026" / file).write_bytes(content)
            (folder / file).symlink_to(f"..data/{file}")
        return folder

    def account(self, spec):
        """The folder of a ServiceAccount's token."""
        user = f"system:serviceaccount:{NAMESPACE}:{spec['serviceAccountName']}"
        (token,) = (token for token, (name, _) in self.cluster.USERS.items() if name == user)
        folder = self.folder()
        (folder / "token").write_text(token)
        (folder / "namespace").write_text(NAMESPACE)
        (folder / "ca.crt").write_bytes(pathlib.Path(self.cluster.dir, "api.crt").read_bytes())
        return folder

    def folder(self):
        os.chmod(self.cluster.dir, 0o755)
        path = pathlib.Path(tempfile.mkdtemp(dir=self.cluster.dir))
        path.chmod(0o755)
        return path

    def run(self, job, **environment):
        """Runs a Job's pod to its end."""
        spec = job["spec"]["template"]["spec"]
        return subprocess.run([DOCKER, "run", "--rm", *self.flags(spec),
                               *(word for pair in environment.items() for word in ("--env", "=".join(pair))),
                               self.image, *spec["containers"][0]["args"]], capture_output=True, text=True)

    def start(self, deployment):
        self.pods.append(Pod(self, deployment["spec"]["template"]["spec"], len(self.pods)))
        return self.pods[-1].start()

    def close(self):
        for pod in self.pods:
            subprocess.run([DOCKER, "rm", "--force", pod.container], capture_output=True)


class Pod(Replica):
    """A replica of the webhook that is a container, run as the Deployment has it."""

    def __init__(self, kubelet, spec, index):
        super().__init__(kubelet.cluster, None, index)
        (container,) = spec["containers"]
        self.grace = spec["terminationGracePeriodSeconds"]
        self.ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        self.port, self.health = self.ports["https"], self.ports["health"]
        self.probes = {name: container[name]["httpGet"] for name in ("livenessProbe", "readinessProbe")}
        self.container = f"backstop-image-test-{os.getpid()}-{self.port}"
        self.process = Process(self.container, [DOCKER, "run", "--rm", "--name", self.container, *kubelet.flags(spec), kubelet.image,
                                                *container["args"]], self.log)

    def passes(self, probe):
        """Whether a kubelet would be content: with any status from 200 to 399."""
        get = known("a probe", self.probes[probe], "path", "port")
        assert get["port"] == "health", get
        return 200 <= self.health_get(get["path"])[0] < 400

    def wait_ready(self, seconds=60):
        wait_until("the pod to be ready", lambda: self.passes("readinessProbe"), seconds)
        assert self.passes("livenessProbe")
