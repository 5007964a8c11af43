"""Whether a PromQL expression asks for metrics and labels that there are."""
import re

from helm import ROOT

# The API server's own, with the labels that it gives them (names of Kubernetes 1.30 and later).
FOREIGN = {"apiserver_admission_webhook_fail_open_count": {"name", "type"},
           "apiserver_admission_webhook_rejection_count": {"name", "type", "operation", "error_type", "rejection_code"},
           "apiserver_admission_webhook_admission_duration_seconds": {"name", "type", "operation", "rejected", "le"}}
HISTOGRAMS = {"apiserver_admission_webhook_admission_duration_seconds"}
# Words of PromQL that these expressions use.
WORDS = {"sum", "max", "min", "avg", "avg_over_time", "count", "by", "on", "and", "or", "unless", "offset", "rate", "increase",
         "absent", "time", "vector", "histogram_quantile"}


def metrics_table():
    """name: (kind, labels), of metrics.def."""
    rows = re.findall(r'^METRIC\(\w+, (\w+), "(\w+)", "([\w,]*)"', (ROOT / "include/backstop/metrics.def").read_text(), re.M)
    assert len(rows) > 15, rows
    return {name: (kind, set(filter(None, labels.split(",")))) for kind, name, labels in rows}


def known_labels(name, table):
    """The labels of a metric as it is written in a query; None when there is no such metric."""
    base, suffix = re.fullmatch(r"(\w+?)(_bucket|_sum|_count)?", name).groups()
    for candidate, histogram in ((name, False), (base, True)):
        kind, labels = table.get(candidate, (None, FOREIGN.get(candidate)))
        if labels is None or (histogram and suffix is None):
            continue
        is_histogram = kind == "HISTOGRAM" or candidate in HISTOGRAMS
        if is_histogram == histogram:
            return labels | ({"le"} if suffix == "_bucket" else set())
    return None


def problems(expression, table):
    """What an expression asks for that is not there."""
    text, found, grouped = expression, [], set()
    for clause in re.findall(r"\bby \(([^)]*)\)", text):
        grouped |= {label.strip() for label in clause.split(",")}
    text = re.sub(r"\b(by|on) \([^)]*\)", " ", text)
    text = re.sub(r"\[[^\]]*\]|\boffset \w+", " ", text)
    offered = set()
    for name, matchers in re.findall(r"([a-z_]\w*)(\{[^}]*\})?", re.sub(r'"[^"]*"', '""', text)):
        if name in WORDS and not matchers:
            continue
        labels = known_labels(name, table)
        if labels is None:
            found.append(f"no metric {name}")
            continue
        offered |= labels
        found += [f"{name} has no label {label}" for label in re.findall(r"(\w+)\s*[=!]~?", matchers or "") if label not in labels]
    return found + [f"nothing here has the label {label}" for label in grouped - offered]
