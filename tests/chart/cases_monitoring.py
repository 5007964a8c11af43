"""The alerts and the dashboard ask for what there is; the values reach them."""
import json
import re

import yaml

from chart import Rendering
from helm import CHART, ROOT
from matrix import EVERYTHING
from queries import metrics_table, problems

ALERTS = CHART / "files/alerts.yaml"
DASHBOARD = CHART / "files/dashboard.json"


def rules():
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def case_checker():
    """the checker itself finds metrics, suffixes and labels that are not there"""
    table = metrics_table()
    for expression, wanted in (
            ("backstop_review_total", "no metric backstop_review_total"),
            ("backstop_review_duration_seconds", "no metric backstop_review_duration_seconds"),
            ("rate(backstop_reviews_total_bucket[5m])", "no metric backstop_reviews_total_bucket"),
            ('backstop_reviews_total{verdict="denied"}', "backstop_reviews_total has no label verdict"),
            ("sum by (kind) (backstop_reviews_total)", "nothing here has the label kind"),
            ("sum by (le) (backstop_reviews_total)", "nothing here has the label le"),
            ("mean(backstop_build_info)", "no metric mean"), ("up == 0", "no metric up")):
        assert problems(expression, table) == [wanted], (expression, problems(expression, table))
    assert not problems('sum by (le) (rate(backstop_review_duration_seconds_bucket{resource="x"}[5m] offset 1h))', table)


def case_alerts():
    """every alert asks for metrics and labels of the table, says what to do, and is tested"""
    table, tests = metrics_table(), (ROOT / "tests/chart/alerts_test.yaml").read_text()
    for rule in rules():
        name = rule["alert"]
        assert not problems(rule["expr"], table), (name, problems(rule["expr"], table))
        assert rule["labels"]["severity"] in ("critical", "warning"), name
        assert set(rule["annotations"]) == {"summary", "description"}, name
        assert re.search(rf"alertname: {name}\n    exp_alerts:\n|labels: '{{alertname=\"{name}\"|"
                         rf"alertname=\"{name}\",alertstate=\"firing\"", tests), f"{name} is not tested"


def case_alert_labels():
    """an annotation names labels that its expression keeps"""
    for rule in rules():
        kept = {label.strip() for clause in re.findall(r"\bby \(([^)]*)\)", rule["expr"]) for label in clause.split(",")}
        used = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
        assert used <= kept, (rule["alert"], used - kept)


def case_dashboard():
    """every query of the dashboard asks for metrics and labels of the table; legends name labels that are kept"""
    table, dashboard = metrics_table(), json.loads(DASHBOARD.read_text())
    shown = set()
    panels = [p for p in dashboard["panels"] if p["type"] != "row"]
    assert len(panels) > 15 and len({p["id"] for p in dashboard["panels"]}) == len(dashboard["panels"])
    for panel in panels:
        assert panel["targets"] and panel["description"], panel["title"]
        for target in panel["targets"]:
            found = problems(target["expr"], table)
            assert not found, (panel["title"], target["expr"], found)
            kept = {label.strip() for clause in re.findall(r"\bby \(([^)]*)\)", target["expr"]) for label in clause.split(",")}
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= kept, (panel["title"], target)
            shown |= {name for name in table if name in target["expr"]}
    assert not set(table) - shown - {"backstop_facts_snapshots_total", "backstop_certificate_issues_total"}, set(table) - shown


def case_panels_side_by_side():
    """no two panels of the dashboard lie on each other"""
    taken = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken and at["x"] + at["w"] <= 24, panel["title"]
        taken |= cells


def case_rendered():
    """the rules are those of the file with the values' hours; the dashboard is the file as it stands"""
    r = Rendering({**EVERYTHING, "prometheusRule": {"enabled": True, "backupMaxAgeHours": 50, "labels": {"release": "p"}}})
    rule = r.one("PrometheusRule")
    assert rule["metadata"]["labels"]["release"] == "p"
    text = ALERTS.read_text()
    assert text.count("26 * 3600") == 1
    assert rule["spec"] == yaml.safe_load(text.replace("26 * 3600", "50 * 3600"))
    config = r.one("ConfigMap", "backstop-dashboard")
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(config["data"]["backstop.json"]) == json.loads(DASHBOARD.read_text())
    monitor, service = r.one("ServiceMonitor")["spec"], r.one("Service", "backstop-metrics")
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    assert not monitor["selector"]["matchLabels"].items() <= r.one("Service")["metadata"]["labels"].items()
