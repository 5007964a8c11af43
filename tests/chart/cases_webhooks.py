"""What is reviewed, by whom it is trusted, and how it goes."""
import re

import yaml

import helm
from chart import Rendering
from helm import ROOT
from matrix import GOOD, SECRET

# What k0rdent's management backups select (each Backup also: names of ClusterDeployments and providers).
SELECTED = ("k0rdent.mirantis.com/component", "controller.cert-manager.io/fao", "cluster.x-k8s.io/provider",
            "cluster.x-k8s.io/cluster-name", "helm.toolkit.fluxcd.io/name")
EXCLUDED = "velero.io/exclude-from-backup"
FAIL_CLOSED = "backstop.k0rdent.mirantis.com/fail-closed"


def case_failure_policy():
    """each webhook has a failurePolicy and a timeout of its own"""
    r = Rendering({"webhooks": {"enforce": "atOnce", "managements": {"failurePolicy": "Ignore"},
                                "backups": {"timeoutSeconds": 3}}})
    by_path = {w["clientConfig"]["service"]["path"]: w for _, w in r.webhooks()}
    assert by_path["/validate-k0rdent-mirantis-com-v1beta1-management"]["failurePolicy"] == "Ignore"
    assert by_path["/validate-velero-io-v1-restore"]["failurePolicy"] == "Fail"
    assert by_path["/mutate-velero-io-v1-restore"]["failurePolicy"] == "Fail"
    assert by_path["/validate-velero-io-v1-backup"]["timeoutSeconds"] == 3
    assert by_path["/validate-velero-io-v1-backup-deletion"]["timeoutSeconds"] == 10


def case_fail_closed_after_the_probe():
    """installed with Ignore: what is to fail closed is named for those who may set it, unless nobody could"""
    r = Rendering({"webhooks": {"releases": {"failurePolicy": "Ignore"}, "backups": {"failurePolicy": "Fail"}}})
    assert {w["failurePolicy"] for _, w in r.webhooks()} == {"Ignore"}
    named = {o["kind"]: o["metadata"]["annotations"][FAIL_CLOSED].split(",") for o in r.objects if "webhooks" in o}
    assert named == {"MutatingWebhookConfiguration": ["restores"], "ValidatingWebhookConfiguration": [
        "managements", "management-status", "managementbackup-status", "backups", "restores",
        "deletebackuprequests"]}, named
    for values, closed in (({"webhooks": {"enforce": "atOnce"}}, True), ({"probeJob": {"enabled": False}}, False),
                           ({"probeJob": {"enabled": False}, "certificates": {"mode": "cert-manager"}}, True)):
        r = Rendering(values)
        assert ("Fail" in {w["failurePolicy"] for _, w in r.webhooks()}) == closed, values
        assert all((FAIL_CLOSED in o["metadata"].get("annotations", {})) != closed for o in r.objects if "webhooks" in o)


def case_policies():
    """policies of the API server: the webhooks' own resources, warnings unless refusals are asked for, or none"""
    r = Rendering({"fullnameOverride": "guard"})
    rules = {w["name"].split(".")[0]: w["rules"][0] for kind, w in r.webhooks() if kind.startswith("Validating")}
    policies = r.all("ValidatingAdmissionPolicy")
    assert len(policies) == len(r.all("ValidatingAdmissionPolicyBinding")) == 6
    for policy in policies:
        rule, = policy["spec"]["matchConstraints"]["resourceRules"]
        assert {**rules[policy["metadata"]["name"].removeprefix("guard-")], "operations": ["CREATE", "UPDATE"]} == rule, rule
        assert policy["spec"]["failurePolicy"] == "Ignore" and len(policy["spec"]["validations"]) >= 1
    for value, actions in (("warn", ["Warn"]), ("deny", ["Deny"])):
        for binding in Rendering({"policies": {"cel": value}}).all("ValidatingAdmissionPolicyBinding"):
            assert binding["spec"]["validationActions"] == actions, binding
    assert not Rendering({"policies": {"cel": "off"}}).all("ValidatingAdmissionPolicy")


MUTATING = ("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding")


def mutating_policy(values):
    r = Rendering({**values, "policies": {"mutate": True}})
    (policy,), (binding,) = (r.all(kind) for kind in MUTATING)
    return policy["spec"], {v["name"]: v["expression"] for v in policy["spec"]["variables"]}, binding["spec"]


def case_mutation():
    """a policy of the API server that completes Restores: where it is asked for and served, fail-open, by the settings"""
    assert not [o for o in Rendering().objects if o["kind"] in MUTATING]
    unserved = helm.run("template", "backstop", str(ROOT / "manifests/chart"), values={"policies": {"mutate": True}})
    assert "kind: ValidatingAdmissionPolicy" in unserved and "MutatingAdmissionPolicy" not in unserved
    spec, variables, binding = mutating_policy({})
    assert (spec["failurePolicy"], spec["reinvocationPolicy"]) == ("Ignore", "IfNeeded"), spec
    rule, = spec["matchConstraints"]["resourceRules"]
    assert (rule["resources"], rule["operations"]) == (["restores"], ["CREATE"]), rule
    assert binding["policyName"] == "backstop-restore-exclusions", binding
    assert binding["paramRef"] == {"namespace": "kcm-system", "selector": {}, "parameterNotFoundAction": "Allow"}, binding
    assert variables["update"].endswith('in [""]'), variables["update"]
    spec, variables, binding = mutating_policy({"fullnameOverride": "guard", "settings": {
        "systemNamespace": "k0rdent", "restores": {"forceExistingResourcePolicy": True, "providerCaveats": [
            {"provider": "infrastructure-aws", "component": "capa", "excludedResources": ["vpcs.example.com"]}]}}})
    assert binding["policyName"] == "guard-restore-exclusions" and binding["paramRef"]["namespace"] == "k0rdent", binding
    assert 'request.namespace == "k0rdent"' in spec["matchConditions"][0]["expression"], spec
    assert variables["update"].endswith('in ["","none"]'), variables["update"]
    assert '!variables.providers.exists(p, p in ["infrastructure-aws","capa"])' in variables["exact"], variables["exact"]


def case_mutation_agrees():
    """that policy has the webhook's tables: the providers' exclusions, what a record may name, and when it is believed"""
    def source(path, pattern):
        return re.search(pattern, (ROOT / path).read_text(), re.S)[1]
    rows = re.findall(r'\{"([^"]*)",\s*"([^"]*)",\s*\{([^}]*)\}\}',
                      source("server/settings/provider_exclusions.c", r"builtin\[\] = (\{.*?\n\});"))
    table = yaml.safe_load((ROOT / "manifests/chart/files/restore-exclusions.yaml").read_text())
    assert [(r["provider"], r["component"], r["excludedResources"]) for r in table] == \
        [(provider, component, re.findall(r'"([^"]+)"', excluded)) for provider, component, excluded in rows] and rows, rows
    kinds = (ROOT / "server/grammar/resource_name.c").read_text()
    for row in table:  # the policy takes the plural without its s for the singular, and knows no short names
        for plural, _, group in (name.partition(".") for name in row["excludedResources"]):
            group = "ADMISSION" if group == "admissionregistration.k8s.io" else f'"{group}"'
            assert f'ONE("{plural}", "{plural[:-1]}", {group})' in kinds, plural
    variables = mutating_policy({})[1]
    groups = re.findall(r'"([^"]+)"', source("server/policy/backup/needs.c", r"needed_groups\[\] = \{(.*?)\}"))
    assert f'"[.]({"|".join(g.replace(".", "[.]") for g in groups)})$"' in variables["recorded"], groups
    assert f'size() > {source("server/policy/backup/spec.h", r"BACKUP_NEEDS_BYTES = ([0-9]+)")} ?' in variables["recorded"]
    for name, sign in (("SKEW", "-"), ("WITHIN", "+")):
        assert f'{sign} duration("{source("server/policy/upgrade/rollback.c", name + r" = ([0-9]+)")}s")' in variables["believed"]


def case_evidence():
    """who may read other engines' backups follows from the settings (tests/e2e compares with `backstop rbac`)"""
    r = Rendering(GOOD["evidence of other engines"])
    found = {(o["metadata"].get("namespace"), *(f"{x['apiGroups'][0]}/{x['resources'][0]}" for x in o["rules"]))
             for o in r.objects if o["kind"].endswith("Role") and o["metadata"]["name"] == "backstop-evidence"}
    assert found == {("kasten-io", "actions.kio.kasten.io/runactions"), ("etcd", "batch/jobs", "example.com/policies"),
                     ("cohesity", "velero.io/backups"),
                     (None, "k3s.cattle.io/etcdsnapshotfiles", "triliovault.trilio.io/backups")}, found
    Rendering().none("ClusterRole", "backstop-evidence")


def case_selectors():
    """selectors reach every webhook, and one webhook's own stand instead"""
    r = Rendering(GOOD["selectors"])
    for _, webhook in r.webhooks():
        assert webhook["namespaceSelector"] == {"matchLabels": {"backstop": "on"}}
        own = webhook["name"].startswith("managementbackups.")
        assert ("matchLabels" in webhook["objectSelector"]) == own, webhook
    assert not any("namespaceSelector" in w for _, w in Rendering().webhooks())


def case_velero_accounts():
    """Velero's service accounts are one value, for the settings and for the webhooks' conditions"""
    r = Rendering({"settings": {"systemNamespace": "sys", "velero": {"serviceAccounts": ["a", "ns:b"]}}})
    wanted = '["system:serviceaccount:sys:a","system:serviceaccount:ns:b"]'
    conditions = {w["name"]: c["expression"] for _, w in r.webhooks() for c in w.get("matchConditions", [])
                  if c["name"] == "not-velero"}
    assert "restores.backstop.k0rdent.mirantis.com" in conditions and len(conditions) >= 8, conditions
    assert all(wanted in expression for expression in conditions.values()), conditions
    settings = yaml.safe_load(r.one("ConfigMap", "backstop-settings")["data"]["settings.yaml"])
    assert settings["velero"]["serviceAccounts"] == ["a", "ns:b"] and settings["systemNamespace"] == "sys"
    assert [o["metadata"]["namespace"] for o in r.all("Role") if o["metadata"]["name"] != "backstop-probe"] == ["sys", "backstop-system"]


def case_managed():
    """managed certificates: caBundle is left to the webhook, which may write into its own configurations alone"""
    r = Rendering()
    assert "--tls-managed" in r.container["args"] and "--tls-service=backstop.backstop-system" in r.container["args"]
    assert not any("caBundle" in w["clientConfig"] for _, w in r.webhooks())
    rule = next(x for x in r.one("ClusterRole")["rules"] if "patch" in x["verbs"] and "resourceNames" in x)
    assert rule["resourceNames"] == ["backstop"] and "delete" not in rule["verbs"]
    assert r.one("Role", namespace="backstop-system")["rules"][1]["resourceNames"] == ["backstop-certificates"]


def case_cert_manager():
    """cert-manager: it injects its CA, its Secret is mounted, and the webhook may neither patch nor read Secrets"""
    r = Rendering({"certificates": {"mode": "cert-manager"}})
    certificate = r.one("Certificate")["spec"]
    assert "backstop.backstop-system.svc" in certificate["dnsNames"]
    assert certificate["issuerRef"] == {"kind": "Issuer", "name": "backstop"}
    assert r.one("Issuer")["spec"]["ca"]["secretName"] == r.one("Certificate", "backstop-ca")["spec"]["secretName"]
    for kind in ("Validating", "Mutating"):
        annotations = r.one(f"{kind}WebhookConfiguration")["metadata"]["annotations"]
        assert annotations["cert-manager.io/inject-ca-from"] == "backstop-system/backstop"
    assert r.pod["volumes"][1]["secret"]["secretName"] == certificate["secretName"]
    assert "--tls-managed" not in r.container["args"]
    assert "--tls-cert=/etc/backstop/certificates/tls.crt" in r.container["args"]
    verbs = {v for x in r.one("ClusterRole")["rules"] if "admissionregistration.k8s.io" in x["apiGroups"] for v in x["verbs"]}
    assert verbs <= {"list", "watch"}, verbs
    assert [o["metadata"]["namespace"] for o in r.all("Role") if o["metadata"]["name"] != "backstop-probe"] == ["kcm-system"]
    issuer = {"kind": "ClusterIssuer", "name": "internal"}
    given = Rendering({"certificates": {"mode": "cert-manager", "certManager": {"issuerRef": issuer}}})
    assert given.one("Certificate")["spec"]["issuerRef"] == issuer and not given.all("Issuer")


def case_certificate_job():
    """job: a Job and a CronJob run the same command as an identity of their own; the pods mount no CA's key"""
    r = Rendering({"certificates": {"mode": "job", "secretName": "own"}})
    cron = r.one("CronJob", "backstop-certificates")["spec"]
    first, = [o["spec"] for o in r.all("Job") if o["metadata"]["name"].startswith("backstop-certificates-")]
    assert cron["jobTemplate"]["spec"] == first and cron["concurrencyPolicy"] == "Forbid"
    pod = first["template"]["spec"]
    assert pod["containers"][0]["args"] == [
        "certs", "renew", "--service=backstop.backstop-system", "--secret=own", "--configurations=backstop",
        "--lifetime=2160h", "--wait=2m"]
    assert pod["serviceAccountName"] == "backstop-certificates" != r.pod["serviceAccountName"]
    assert "--tls-cert=/etc/backstop/certificates/tls.crt" in r.container["args"]
    assert r.pod["volumes"][1]["secret"] == {"secretName": "own", "items": [
        {"key": "tls.crt", "path": "tls.crt"}, {"key": "tls.key", "path": "tls.key"}]}
    writers = {role["metadata"]["name"] for kind in ("Role", "ClusterRole") for role in r.all(kind)
               for rule in role["rules"] if {"patch", "create", "update"} & set(rule["verbs"]) and
               {"secrets", "validatingwebhookconfigurations"} & set(rule["resources"])}
    assert writers == {"backstop-certificates", "backstop-probe"}, writers
    for kind in ("RoleBinding", "ClusterRoleBinding"):
        assert r.one(kind, "backstop-certificates")["subjects"][0]["name"] == "backstop-certificates"
    again = Rendering({"certificates": {"mode": "job"}, "image": {"repository": "backstop", "tag": "next"}})
    names = [[o["metadata"]["name"] for o in x.all("Job") if "certificates" in o["metadata"]["name"]]
             for x in (Rendering({"certificates": {"mode": "job"}}), again)]
    assert names[0] != names[1], names  # a Job cannot be changed


def case_least_privilege():
    """what only a setting or a way to get certificates needs is granted only with it"""
    def verbs(r, kind, group, resource):
        return sorted({verb for role in r.all(kind) for rule in role["rules"] for verb in rule["verbs"]
                       if group in rule["apiGroups"] and resource in rule["resources"]})
    plain = Rendering()
    assert verbs(plain, "Role", "", "configmaps") == ["get", "list", "watch"], verbs(plain, "Role", "", "configmaps")
    injecting = Rendering({"settings": {"restores": {"injectReleaseModifier": True}}})
    assert "create" in verbs(injecting, "Role", "", "configmaps")
    for r in (plain, injecting):
        lease = [rule for role in r.all("Role") for rule in role["rules"] if "leases" in rule["resources"]]
        assert [(rule["resourceNames"], rule["verbs"]) for rule in lease] == [(["backstop-deletions"], ["get", "patch"])]
        assert r.one("Lease", "backstop-deletions")["metadata"]["labels"][EXCLUDED] == "true"
    for mode in (plain, Rendering({"certificates": {"mode": "cert-manager"}}), Rendering({"certificates": SECRET})):
        managed = "--tls-managed" in mode.container["args"]
        roles = [rule for kind in ("Role", "ClusterRole") for role in mode.all(kind) for rule in role["rules"]
                 if role["metadata"]["name"] == "backstop"]
        assert any("patch" in rule["verbs"] and "admissionregistration.k8s.io" in rule["apiGroups"]
                   for rule in roles) == managed
        assert any({"create", "update"} & set(rule["verbs"]) and "secrets" in rule["resources"]
                   for rule in roles) == managed
    everything = [rule for kind in ("Role", "ClusterRole") for role in plain.all(kind) for rule in role["rules"]]
    assert not any("*" in rule["verbs"] + rule["resources"] + rule["apiGroups"] for rule in everything)
    assert not any("delete" in rule["verbs"] for rule in everything)


def case_existing_secret():
    """an existing Secret is mounted, and the CA given with it is every webhook's"""
    r = Rendering({"certificates": SECRET})
    assert {w["clientConfig"]["caBundle"] for _, w in r.webhooks()} == {SECRET["caBundle"]}
    assert r.pod["volumes"][1]["secret"]["secretName"] == "webhook-tls" and not r.all("Certificate")


def case_not_in_management_backups():
    """no object carries a label by which a management backup selects, whatever the values"""
    for name, values in GOOD.items():
        for o in Rendering(values).objects:
            labels = {**o["metadata"].get("labels", {}), **(o.get("spec") or {}).get("secretTemplate", {}).get("labels", {})}
            assert not set(labels) & set(SELECTED), (name, o["kind"], labels)


def case_excluded_from_every_backup():
    """configurations and certificates carry Velero's own exclusion, cert-manager's Secrets too"""
    for mode in ({"mode": "managed"}, {"mode": "cert-manager"}, {"mode": "job"}, SECRET):
        r = Rendering({"certificates": mode})
        kinds = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration", "Certificate", "Issuer", "Lease")
        for o in r.objects:
            assert (o["metadata"]["labels"].get(EXCLUDED) == "true") == (o["kind"] in kinds), o["kind"]
        for certificate in r.all("Certificate"):
            assert certificate["spec"]["secretTemplate"]["labels"] == {EXCLUDED: "true"}


def case_probe_job():
    """after an install an identity of its own asks as the API server does, and may then set failurePolicy, no more"""
    r = Rendering({"fullnameOverride": "guard", "certificates": {"mode": "cert-manager"}})
    job = r.one("Job", "guard-probe")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "post-install,post-upgrade,post-rollback"
    assert [o["kind"] for o in r.objects if "helm.sh/hook" in o["metadata"].get("annotations", {})] == ["Job"]
    pod = job["spec"]["template"]["spec"]
    assert pod["containers"][0]["args"] == ["probe", "--via-configuration", "--configuration=guard", "--enforce"]
    assert pod["serviceAccountName"] == "guard-probe"
    assert r.one("ClusterRole", "guard-probe")["rules"] == [
        {"apiGroups": ["admissionregistration.k8s.io"], "resourceNames": ["guard"], "verbs": ["get", "patch"],
         "resources": ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"]},
        {"apiGroups": ["k0rdent.mirantis.com"], "resources": ["managementbackups"], "verbs": ["create"]}]
    assert job["spec"]["activeDeadlineSeconds"] < 300  # helm's own time-out, which says nothing


def case_uninstalling_needs_no_pod():
    """nothing runs before an uninstall: a Job whose image is missing would keep helm waiting"""
    for values in GOOD.values():
        for o in Rendering(values).objects:
            assert "delete" not in o["metadata"].get("annotations", {}).get("helm.sh/hook", ""), o


def case_nothing_generated():
    """nothing is made up while rendering; one look at the cluster keeps an upgrade from opening what was closed"""
    calls = re.compile(r"{{[^}]*\b(gen[A-Z]\w*|rand\w*|uuidv4|now|date|lookup|derivePassword|htpasswd|bcrypt)\b")
    for path in (ROOT / "manifests/chart/templates").iterdir():
        text = path.read_text()
        if path.name == "_webhooks.tpl":
            assert text.count("(lookup ") == 1
            text = text.replace("(lookup ", "(")
        assert not calls.search(text), (path.name, calls.search(text))


def case_provider_keys():
    """the policies know the keys of spec.config that the webhook knows (server/policy/storage/config.c)"""
    source = (ROOT / "server/policy/storage/config.c").read_text()
    common = re.findall(r'"(\w+)"', re.search(r"common_keys\[\] = \{([^}]*)\}", source)[1])
    rows = re.findall(r'\{"(\w+)",\s*false,\s*\{[^}]*\},[^{]*\{([^}]*)\}\}', source)
    assert [name for name, _ in rows] == ["aws", "gcp", "azure"], rows
    checks = {v["message"].rpartition("(")[2].rstrip(")"): v["expression"]
              for o in Rendering().all("ValidatingAdmissionPolicy") for v in o["spec"]["validations"]}
    for name, keys in rows:
        listed = re.search(r"key in \[([^\]]*)\]", checks[f"bl-03-{name}"])[1]
        assert re.findall(r'"(\w+)"', listed) == re.findall(r'"(\w+)"', keys) + common, name
