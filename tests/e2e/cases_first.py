"""docs/first-ten-minutes.md: its commands, run as they stand there; with BACKSTOP_ACCEPT=1 their screens are written anew."""
import os
import re
import subprocess

from cases_chart import Setup as Chart
from cases_helm import Kubelet
from control_plane import ROOT, Skip
from fixtures import NEXT, RUNNING, location, management, release, set_release_ready, set_velero_ready, stored_release, velero_deployment
from standin import StandIn, set_location_phase, set_management_release

PAGE = f"{ROOT}/docs/first-ten-minutes.md"
BLOCK = re.compile(r"```(console cluster|yaml \S+)\n(.*?)```\n", re.S)


class Setup(Chart):
    def __init__(self, cluster, binary):
        if not os.environ.get("BACKSTOP_E2E_CRDS"):
            raise Skip("the real CRDs, whose columns kubectl shows (BACKSTOP_E2E_CRDS)")
        super().__init__(cluster, binary)
        cluster.must("apply", "-f", "-", stdin=[location("aws-s3", default=True), release(RUNNING), release(NEXT),
                                                velero_deployment(), management()])
        set_location_phase(cluster, "aws-s3", "Available")
        for name in (RUNNING, NEXT):
            set_release_ready(cluster, name)
        set_management_release(cluster, RUNNING)
        set_velero_ready(cluster)
        self.folder, self.bin = f"{cluster.dir}/first", f"{cluster.dir}/bin"
        os.makedirs(self.folder)
        os.makedirs(self.bin)
        os.symlink(f"{ROOT}/manifests", f"{self.folder}/manifests")
        for name, program in (("backstop", binary), ("helm", os.environ["HELM"]), ("kubectl", f"{cluster.assets}/kubectl")):
            os.symlink(os.path.abspath(program), f"{self.bin}/{name}")

    def run(self, command):
        """What a terminal of 100 columns shows of it."""
        done = subprocess.run(["bash", "-c", command], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=120, env={**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}", "HOME": self.cluster.dir,
                                                "KUBECONFIG": f"{self.cluster.dir}/admin-token.kubeconfig", "BACKSTOP_WIDTH": "100"})
        return done.stdout.rstrip("\n")


def commands(text):
    """Each command of a block, with its continued lines."""
    lines, found = text.rstrip("\n").split("\n"), []
    while lines:
        line = lines.pop(0)
        if line.startswith("$ "):
            found.append([line])
            while found[-1][-1].endswith("\\"):
                found[-1].append(lines.pop(0))
    return found


def timeless(text):
    """Without what differs between two runs: numbers, the names of days and months, widths of columns."""
    text = re.sub(r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b", "@", text)
    text = re.sub(r"[ \t\n]+", " ", re.sub(r"\d+", "0", text))
    text = re.sub(r"(0[.:-]?0?(ms|[smhd])?)+", "0", text)
    return re.sub(r"just completed|completed (just now|0 ago)|0 old", "0 old", text)


def case_page(setup):
    """installed, denied, backed up, upgraded: the page shows what helm, kubectl and backstop print"""
    with open(PAGE) as f:
        page = f.read()
    setup.start(setup.objects({})[0], ready=False)

    def screen(found):
        kind, text = found[1], found[2]
        if kind.startswith("yaml "):
            with open(f"{setup.folder}/{kind[5:]}", "w") as f:
                f.write(text)
            return found[0]
        shown = []
        for command in commands(text):
            printed = setup.run("\n".join(command)[2:])
            shown += [*command, *([printed] if printed else [])]
        return f"```{kind}\n" + "\n".join(shown) + "\n```\n"
    with Kubelet(setup), StandIn(setup.cluster, seconds=2):
        now = BLOCK.sub(screen, page)
    assert stored_release(setup.cluster) == NEXT
    assert "denied the request" in now and "day-of-week 7" in now and "kcm patched" in now, now
    if os.environ.get("BACKSTOP_ACCEPT"):
        with open(PAGE, "w") as f:
            f.write(now)
    else:
        old, new = timeless(page), timeless(now)
        at = next((i for i in range(min(len(old), len(new))) if old[i] != new[i]), 0)
        assert old == new, f"make first-ten-minutes: the page has {old[max(0, at - 80):at + 120]!r}, printed was {new[max(0, at - 80):at + 120]!r}"
