#!/usr/bin/env python3
"""Builds the image twice, compares, looks inside, runs it under the flags of a strict cluster, and every pod of the chart in it.

  run.py [--image NAME] [--version V] [--no-build | --once | --layout FILE]

Needs an engine (DOCKER=podman, DOCKER_HOST). --no-build tests the image as it is; --once builds only once; --layout loads
this machine's image from a release's backstop-image-*.oci.tar."""
import argparse
import contextlib
import io
import json
import os
import pathlib
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "hack"))
sys.dont_write_bytecode = True
import chart  # noqa: E402
import demo  # noqa: E402
import sbom  # noqa: E402
from dockertar import Image  # noqa: E402

DOCKER = os.environ.get("DOCKER", "docker")
SIZE_LIMIT = 10 * 1024 * 1024
RESTRICTED = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", "32m",
              "--memory-swap", "32m", "--user", "65532:65532", "--pids-limit", "64"]
TESTS = []


def shows(behaviour):
    def register(function):
        TESTS.append((behaviour, function))
        return function
    return register


def docker(*words, **options):
    return subprocess.run([DOCKER, *words], check=True, capture_output=True, **options).stdout


def load(name):
    return Image(io.BytesIO(docker("save", name)))


def build(name, version, *options):
    started = time.monotonic()
    done = subprocess.run([ROOT / "hack/image.sh", name, version, *options], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"image-test: the build failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    print(f"  built {name} in {time.monotonic() - started:.0f} s")


class World:
    """What the tests share: the image, a second build of it (or none), and a folder that the container sees."""

    def __init__(self, name, version, twin):
        self.name, self.version = name, version
        self.image, self.twin = load(name), twin
        self.work = tempfile.mkdtemp(prefix="backstop-image-")
        os.chmod(self.work, 0o755)
        subprocess.run([ROOT / "certs/dev-cert.sh", self.work], check=True, stdout=subprocess.DEVNULL)
        os.chmod(self.work + "/tls.key", 0o644)  # read by the container's user
        with open(self.work + "/settings.yaml", "w") as f:
            f.write("apiVersion: backstop.k0rdent.mirantis.com/v1alpha1\nkind: Settings\nupgrade:\n  retryAfter: 2s\n")

    def once(self, *words, flags=()):
        """A command in a container of its own: exit code and what it printed."""
        done = subprocess.run([DOCKER, "run", "--rm", "--network", "none", *RESTRICTED, *flags, self.name, *words],
                              capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def close(self):
        shutil.rmtree(self.work)


class Container:
    """`serve` in the image, on loopback ports of this machine."""

    def __init__(self, world, flags):
        self.world = world
        with socket.socket() as a, socket.socket() as b:
            a.bind(("127.0.0.1", 0)), b.bind(("127.0.0.1", 0))
            self.port, self.health = a.getsockname()[1], b.getsockname()[1]
        self.id = docker(
            "run", "--detach", "--network", "host", *flags, "--volume", world.work + ":/work:ro",
            "--volume", f"{ROOT}/manifests/samples/inventory:/inventory:ro", world.name, "serve",
            f"--listen=127.0.0.1:{self.port}", f"--health-listen=127.0.0.1:{self.health}", "--tls-cert=/work/tls.crt",
            "--tls-key=/work/tls.key", "--settings=/work/settings.yaml", "--inventory=/inventory",
            "--simulate-backups=5s", "--lame-duck=0s", text=True).strip()

    def __enter__(self):
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return self
            time.sleep(0.1)
        raise AssertionError("does not listen: " + docker("logs", self.id, text=True))

    def __exit__(self, *_):
        docker("rm", "--force", self.id)

    def health_get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.health}{path}", timeout=10) as answer:
            return answer.read()

    def logs(self):
        return subprocess.run([DOCKER, "logs", self.id], capture_output=True, text=True).stderr

    def state(self):
        return json.loads(docker("inspect", self.id))[0]["State"]

    def client(self):
        return demo.Client(self.port, self.world.work + "/ca.crt")

    def probe(self):
        return subprocess.run([DOCKER, "run", "--rm", "--network", "host", *RESTRICTED, "--volume",
                               self.world.work + ":/work:ro", self.world.name, "probe", "--server-name=localhost",
                               f"--address=127.0.0.1:{self.port}", "--ca=/work/ca.crt"], capture_output=True, text=True)


# ---- what is in it ---------------------------------------------------------------------

@shows("two builds of one commit have the same layers and configuration, build times left out")
def twins(world):
    if not world.twin:
        return "skipped: built once"
    def timeless(image):
        """What OCI has of a configuration; engines add the ids and the time of their build."""
        config = {name: image.config[name] for name in ("architecture", "os", "rootfs", "config", "history")}
        config["config"] = {name: config["config"].get(name) for name in (
            "User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "WorkingDir", "Labels", "Volumes", "StopSignal")}
        config["history"] = [step["created_by"] for step in config["history"]]
        return config
    assert [len(x) for x in world.image.layers] == [len(x) for x in world.twin.layers]
    assert world.image.layers == world.twin.layers, "a layer differs"
    assert timeless(world.image) == timeless(world.twin), "the configuration differs"


@shows("the SBOM of one build fits the other, and a file more, less or changed is found")
def bill(world):
    document = sbom.document(world.image, world.version)
    other = world.twin or world.image
    assert list(sbom.problems(document, other)) == [], list(sbom.problems(document, other))[:5]
    less = dict(other.content)
    del less["backstop"]
    for content, expected in ((dict(other.content, stranger=b""), "image only"), (less, "SBOM only"),
                              (dict(other.content, backstop=b""), "differs")):
        kept, other.content = other.content, content
        try:
            assert any(expected in problem for problem in sbom.problems(document, other)), expected
        finally:
            other.content = kept
    return f"{len(document['files'])} files, {len(document['packages'])} packages"


@shows("10 MiB at most, compressed")
def size(world):
    compressed = world.image.compressed_size()
    assert compressed <= SIZE_LIMIT, compressed
    return f"{compressed:,} bytes compressed, {sum(map(len, world.image.layers)):,} unpacked"


@shows("nothing that could be run but backstop; nothing set-uid; all owned by root, writable by none else")
def lean(world):
    runnable = {name for name, member in world.image.members.items() if member.isfile() and member.mode & 0o111}
    assert runnable == {"backstop"}, runnable
    for name, member in world.image.members.items():
        assert not member.mode & 0o6000, name + " is set-uid or set-gid"
        assert member.issym() or not member.mode & 0o022, name + " is writable"
        assert (member.uid, member.gid) == (0, 0), name + " is not root's"
        assert not member.isdev(), name + " is a device"


@shows("every symbolic link leads to something in the image")
def links(world):
    for name, member in world.image.members.items():
        if member.issym():
            target = os.path.normpath(os.path.join(os.path.dirname(name), member.linkname))
            assert target in world.image.members, f"{name} -> {member.linkname}"


@shows("the binary asks for no loader and no library; what is linked into it is listed with the versions that it tells")
def libraries(world):
    with tempfile.NamedTemporaryFile() as file:
        file.write(world.image.content["backstop"])
        file.flush()
        wanted = subprocess.run(["readelf", "--program-headers", "--dynamic", file.name], capture_output=True, text=True, check=True).stdout
    assert "DYNAMIC" in wanted and "INTERP" not in wanted and "NEEDED" not in wanted, wanted
    assert not [name for name in world.image.content if ".so" in name]
    listed = {name[len(sbom.STATUS):]: sbom.stanza(content.decode())["Version"] for name, content in world.image.content.items()
              if name.startswith(sbom.STATUS) and not name.endswith(".md5sums")}
    said = json.loads(world.once("version", "-o", "json")[1])
    for library, package in {"libmicrohttpd": "libmicrohttpd-dev", "gnutls": "libgnutls28-dev", "openssl": "libssl-dev",
                             "libcurl": "libcurl4-openssl-dev", "json-c": "libjson-c-dev", "libyaml": "libyaml-dev"}.items():
        assert re.match(rf"(\d+:)?{re.escape(said[library])}[-+~]", listed[package]), (library, said, listed)
    assert {"libc6-dev", "zlib1g-dev", "libseccomp-dev"} <= set(listed), listed
    return f"{len(listed)} packages"


@shows("user, entry point and labels are as they should be")
def configuration(world):
    config, labels = world.image.config["config"], world.image.labels
    assert config["User"] == "65532:65532" and config["Entrypoint"] == ["/backstop"] and config["Cmd"] == ["serve"]
    assert set(config["ExposedPorts"]) == {"9443/tcp", "8080/tcp"}
    unnamed = ("", "https://example.com/backstop")  # of `make image`, and of `make release`
    assert labels["org.opencontainers.image.source"] in ([os.environ["SOURCE_URL"]] if "SOURCE_URL" in os.environ else unnamed), labels
    assert labels["org.opencontainers.image.version"] == world.version
    code, text = world.once("version", "-o", "json")
    said = json.loads(text)
    assert code == 0 and said["version"] == world.version
    assert said["revision"] == labels["org.opencontainers.image.revision"]
    assert said["date"] == labels["org.opencontainers.image.created"]


@shows("there is no shell to start")
def no_shell(world):
    for shell in ("sh", "/bin/sh", "/bin/bash", "/busybox/sh"):
        done = subprocess.run([DOCKER, "run", "--rm", "--network", "none", "--entrypoint", shell, world.name, "-c", ":"],
                              capture_output=True, text=True)
        assert done.returncode == 127, shell


@shows("time zones and their names are there")
def zones(world):
    code, text = world.once("explain", "TZ=America/Argentina/Buenos_Aires 0 9 * * *")
    assert code == 0 and "-03:00" in text, text
    code, text = world.once("explain", "TZ=posix/Europe/Berlin 0 9 * * *")
    assert code == 0, text
    code, text = world.once("explain", "TZ=berlin 0 9 * * *")
    assert code == 1 and 'did you mean "Europe/Berlin"?' in text, text


# ---- running it ------------------------------------------------------------------------

@shows("every command answers in it, as a user that it does not know, too")
def verbs(world):
    commands = re.findall(r"^  ([a-z-]+) +", world.once("help")[1], re.M)
    assert len(commands) > 12 and "serve" in commands, commands
    for command in commands:
        code, text = world.once(command, "--help", flags=("--user", "1000680000:0"))
        assert code == 0 and text.startswith(f"backstop {command} - "), (command, code, text)
    return f"{len(commands)} commands"


@shows("what the pages show of commands that need no cluster is what it prints")
def pages(world):
    wrapper = world.work + "/bin/backstop"
    os.makedirs(os.path.dirname(wrapper))
    with open(wrapper, "w") as f:
        f.write(f"""#!/bin/sh
# The pages' folder, its clock and environment, and who writes into the folder, are handed on.
exec {shlex.join([DOCKER, "run", "--rm", "--interactive", "--network", "none", *RESTRICTED])} --user "$(id -u):$(id -g)" \\
  --volume "$PWD:$PWD" --volume {shlex.quote(f"{ROOT}:{ROOT}:ro")} --workdir "$PWD" \\
  $(env | sed -n 's/^\\(BACKSTOP_[A-Z_]*\\|NO_COLOR\\|TZ\\|LC_ALL\\|HOME\\|KUBECONFIG\\)=.*/--env \\1/p') {shlex.quote(world.name)} "$@"
""")
    os.chmod(wrapper, 0o755)
    shown = [str(page.relative_to(ROOT)) for page in sorted((ROOT / "docs").glob("*.md"))
             if re.search(r"^```console$", page.read_text(), re.M)]
    done = subprocess.run([ROOT / "tests/docs/run.py", wrapper, *shown], capture_output=True, text=True)
    assert done.returncode == 0 and int(re.search(r"(\d+) commands run", done.stdout)[1]) > 10, done.stdout + done.stderr
    return done.stdout.strip().splitlines()[-1]


@shows("the pages' own `docker run` commands do what they say")
def shown_commands(world):
    ran = 0
    for page in sorted((ROOT / "docs").glob("*.md")):
        for block in re.findall(r"^```console image\n(.*?)^```", page.read_text(), re.M | re.S):
            command = "\n".join(re.sub(r"^\$ ", "", line) for line in block.splitlines())
            command = re.sub(r"registry\.example\.com/backstop:[0-9.]+", world.name, command).replace("docker ", DOCKER + " ")
            with tempfile.TemporaryDirectory() as folder:
                shutil.copytree(ROOT / "manifests/samples", folder, dirs_exist_ok=True)
                os.chmod(folder, 0o755)
                done = subprocess.run(["bash", "-ec", command], cwd=folder, capture_output=True, text=True)
            assert done.returncode == 0, f"{page.name}: {command}: {done.stdout[-500:]}{done.stderr[-500:]}"
            ran += command.count(DOCKER + " run")
    assert ran, "no page shows one"
    return f"{ran} commands"


@shows("as Docker runs it by default, it serves")
def plain(world):
    with Container(world, []) as container:
        done = container.probe()
        assert done.returncode == 0, done.stdout + done.stderr
        for path, wanted in (("/livez", b"ok"), ("/readyz", b"ok"), ("/metrics", b"backstop_reviews_total")):
            assert wanted in container.health_get(path), path
        started = time.monotonic()
        docker("kill", "--signal", "TERM", container.id)
        assert docker("wait", container.id, text=True).strip() == "0"
        took = time.monotonic() - started
        assert took < 5, took  # of the engine, nearly all
        return f"{took:.1f} s from SIGTERM to its end"


@shows("it finds names in the container's /etc/hosts")
def hosts(world):
    with Container(world, RESTRICTED) as container:
        done = subprocess.run([DOCKER, "run", "--rm", "--network", "host", "--add-host", "webhook.test:127.0.0.1", *RESTRICTED, "--volume",
                               world.work + ":/work:ro", world.name, "probe", "--server-name=localhost",
                               f"--address=webhook.test:{container.port}", "--ca=/work/ca.crt"], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@shows("read-only, without capabilities or new privileges, in 32 MiB: the whole demo, and 2,000 reviews more")
def restricted(world):
    with Container(world, RESTRICTED) as container:
        done = container.probe()
        assert done.returncode == 0, done.stdout + done.stderr
        with contextlib.redirect_stdout(io.StringIO()) as transcript:
            wrong = demo.tour(container.client())
        assert wrong == 0, transcript.getvalue()
        client = container.client()
        far = client.review("CREATE", demo.managementbackup("far", schedule="TZ=Asia/Tokyo 0 9 * * *"))
        assert "Asia/Tokyo" in far["warnings"][0], far
        lost = client.review("CREATE", demo.managementbackup("lost", schedule="TZ=tokyo 0 9 * * *"))
        assert 'did you mean "Asia/Tokyo"?' in lost["status"]["message"], lost
        for i in range(2000):
            assert client.review("CREATE", demo.managementbackup(f"b{i}", schedule="0 */6 * * *"))["uid"]
        with open(f"/proc/{container.state()['Pid']}/status") as f:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
        assert status["Uid"].split() == ["65532"] * 4 and status["Gid"].split() == ["65532"] * 4, status["Uid"]
        assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0 and status["NoNewPrivs"] == "1"
        # The engine's own filter, and backstop's under it.
        assert status["Seccomp"] == "2" and int(status["Seccomp_filters"]) >= 2, status
        assert "seccomp yes" in container.logs(), container.logs()
        docker("stop", "--time", "20", container.id)
        state = container.state()
        assert state["ExitCode"] == 0 and not state["OOMKilled"], state
        return f"high-water mark {int(status['VmHWM'].split()[0]):,} KiB"


@shows("the system's CA certificates are found: without --ca a self-made certificate is not trusted")
def authorities(world):
    with Container(world, RESTRICTED) as container:
        done = subprocess.run([DOCKER, "run", "--rm", "--network", "host", *RESTRICTED, world.name, "probe",
                               "--server-name=localhost", f"--address=127.0.0.1:{container.port}"],
                              capture_output=True, text=True)
        said = done.stdout + done.stderr
        assert done.returncode == 1 and "issuer" in said, said
    assert world.image.content["etc/ssl/certs/ca-certificates.crt"].count(b"BEGIN CERTIFICATE") > 100
    ssl.create_default_context(cadata=world.image.content["etc/ssl/certs/ca-certificates.crt"].decode())


# ---- in the chart's pods ----------------------------------------------------------------

@shows("every pod of the chart runs in it as rendered, on a real API server: managed certificates; Jobs, and a CronJob for reports")
def charted(world):
    try:
        with chart.Chart(world.name) as at:
            return f"{chart.managed(at)}; {chart.split(at)}"
    except chart.Missing as reason:
        assert not os.environ.get("CI"), reason
        return f"skipped: {reason}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", default="backstop:test")
    parser.add_argument("--version", required=True)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--no-build", action="store_true")
    how.add_argument("--once", action="store_true")
    how.add_argument("--layout")
    arguments = parser.parse_args()
    twin = None
    if arguments.layout:
        subprocess.run([ROOT / "hack/image-load.sh", arguments.layout, arguments.image], check=True)
    elif not arguments.no_build:
        build(arguments.image, arguments.version)
        if not arguments.once:
            build(arguments.image + "-twin", arguments.version, "--no-cache")
            twin = load(arguments.image + "-twin")
            docker("rmi", arguments.image + "-twin")
    world = World(arguments.image, arguments.version, twin)
    failed = 0
    for behaviour, test in TESTS:
        try:
            note = test(world)
            print(f"ok - {behaviour}" + (f" ({note})" if note else ""), flush=True)
        except Exception as error:
            failed += 1
            print(f"FAIL - {behaviour}: {type(error).__name__} {error}", flush=True)
    world.close()
    print(f"image: {len(TESTS) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


main()
