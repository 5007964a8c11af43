"""certificates.mode cert-manager: applied by helm to cert-manager's own CRDs, issued, served and renewed under load."""
import os
import time

from cases_certificates import Calls, handshake
from cases_chart import HOOK, Kubelet, Setup as Chart, helm_at
from cases_helm import IMAGE
from certmanager import CertManager, crds, decode
from control_plane import Skip, wait_until
import helm
from webhook import NAMESPACE, apply_crds, ca_bundle, is_called, open_webhooks

VALUES = {"certificates": {"mode": "cert-manager"}}


class Mount(Kubelet):
    """The Secret's volume of the Deployment, without a Job."""

    def __init__(self, setup, plain):
        pod = next(o for o in plain if o["kind"] == "Deployment")["spec"]["template"]["spec"]
        self.setup, self.folder = setup, f"{setup.cluster.dir}/certificates"
        self.volume, = [v["secret"] for v in pod["volumes"] if "secret" in v]


class Setup(Chart):
    def __init__(self, cluster, binary):
        folder = crds()
        if not folder:
            if os.environ.get("CI"):
                raise AssertionError("cert-manager's CRDs cannot be had: no Go, or no module proxy")
            raise Skip("cert-manager's CRDs, for want of Go")
        super().__init__(cluster, binary)
        apply_crds(cluster, [folder])
        self.manager = CertManager(cluster)

    def close(self):
        super().close()
        self.manager.stop()


def case_served(setup):
    """what the chart asks of cert-manager is issued: the pods serve it, the API server trusts it, the webhooks fail closed"""
    cluster = setup.cluster
    helm_at(cluster, "install", "backstop", str(helm.CHART), *IMAGE, "--no-hooks", "--set", "certificates.mode=cert-manager")
    assert "BEGIN" not in ca_bundle(cluster)
    setup.manager.start()
    wait_until("the certificate", lambda: cluster.get("secret", "-n", NAMESPACE, "backstop-certificates"), 60)
    plain, hooks = setup.objects(VALUES)
    setup.mount = Mount(setup, plain)
    setup.mount.mount()
    assert sorted(f for f in os.listdir(setup.mount.folder) if not f.startswith("..")) == ["tls.crt", "tls.key"]
    setup.start(plain)
    wait_until("the webhook to be called", lambda: is_called(cluster), 60)
    for kind in ("issuers", "certificates"):
        for o in cluster.items(f"{kind}.cert-manager.io", "-n", NAMESPACE):
            assert {"type": "Ready", "status": "True"}.items() <= next(
                c for c in o["status"]["conditions"] if c["type"] == "Ready").items(), o
    for name in ("backstop-certificates", "backstop-ca"):
        labels = cluster.get("secret", "-n", NAMESPACE, name)["metadata"]["labels"]
        assert labels["velero.io/exclude-from-backup"] == "true", labels
    done = setup.verb(hooks[HOOK][0], "probe-token", "--address", f"127.0.0.1:{setup.replicas[0].port}")
    assert done.returncode == 0 and not open_webhooks(cluster), done


def renewed(setup, late):
    """A renewal of the leaf; the kubelet brings it to the pods some time after caBundle may have changed."""
    port, bundle = setup.replicas[0].port, ca_bundle(setup.cluster)
    old = handshake(port, bundle)
    setup.manager.renew(NAMESPACE, "backstop")
    time.sleep(late)
    setup.mount.mount()
    wait_until("the new certificate to be served", lambda: handshake(port, ca_bundle(setup.cluster)) != old, 30)


def case_renewed(setup):
    """cert-manager renews the certificate, then its CA and the certificate: no call fails, though pods see it later"""
    authority = setup.cluster.get("secret", "-n", NAMESPACE, "backstop-ca")["data"]
    with Calls(setup):
        for _ in range(2):
            renewed(setup, 0.5)
        setup.manager.renew(NAMESPACE, "backstop-ca")
        for _ in range(3):  # the first may be signed with the CA that cert-manager still had in its cache
            renewed(setup, 2)
            now = setup.cluster.get("secret", "-n", NAMESPACE, "backstop-ca")["data"]
            if decode(now["tls.crt"]).strip() in ca_bundle(setup.cluster):
                break  # since 1.19 the injector keeps the older one beside it
    assert now["tls.crt"] != authority["tls.crt"] and now["tls.key"] == authority["tls.key"]
    assert decode(now["tls.crt"]).strip() in ca_bundle(setup.cluster)


def case_gone(setup):
    """helm uninstall takes all of it away; cert-manager's Secrets stay, as docs/install.md says"""
    setup.replicas[0].stop()
    helm_at(setup.cluster, "uninstall", "backstop", "--timeout=60s")
    for kind in ("issuers", "certificates"):
        assert not setup.cluster.items(f"{kind}.cert-manager.io", "-n", NAMESPACE)
