"""Reads the rules of Prometheus, their unit tests and the runbook. Knows PromQL no better than a regular expression."""

import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from askonce.telemetry.metrics import METRICS
from tests.servers import debian_binary, need

ROOT: Final = Path(__file__).parents[2]
RULES: Final = ROOT / "compose" / "prometheus" / "rules"
RUNBOOK: Final = (ROOT / "docs" / "runbook.md").read_text()
UNIT_TESTS: Final = sorted(Path(__file__).parent.glob("*.yml"))

_TABLE: Final = {metric.name: metric for metric in METRICS}
_SCRAPED: Final = {"instance", "job"}  # Prometheus puts them to whatever it scrapes
_NAME: Final = re.compile(r"\b(askonce[_:][\w:]*|up)\b(?:\{([^}]*)\})?")
_GROUPED: Final = re.compile(r"\bby \(([\w, ]+)\)\s*\((?:(?!\bby \().)*?\b(askonce[_:][\w:]*|up)\b", re.DOTALL)
_STRING: Final = re.compile(r'"[^"]*"')


@cache
def rules(kind: str) -> list[dict[str, Any]]:
    """Every rule that records (`record`), or every alert (`alert`)."""
    groups = [group for path in sorted(RULES.glob("*.yml")) for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def promtool(*arguments: str, text: str | None = None, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Ends well or not; what it printed is kept. `text` is its standard input."""
    command = [need("promtool", debian_binary("promtool")), *arguments]
    return subprocess.run(command, input=text, cwd=cwd, capture_output=True, text=True, check=False, timeout=100)


@dataclass(frozen=True, slots=True)
class Used:
    """A series that an expression names, and the labels that it is asked by."""

    name: str
    labels: frozenset[str]


def used(expr: str) -> list[Used]:
    found = []
    for name, matchers in _NAME.findall(expr):
        labels = re.findall(r"(\w+)\s*[=!]", _STRING.sub("", matchers))
        found.append(Used(name, frozenset(labels)))
    for labels, name in _GROUPED.findall(expr):
        found.append(Used(name, frozenset(label.strip() for label in labels.split(","))))
    return found


@cache
def labels_of(name: str) -> frozenset[str] | None:
    """What a series may be asked by; None where there is no such series."""
    if name == "up":
        return frozenset(_SCRAPED)
    recorded = [rule for rule in rules("record") if rule["record"] == name]
    if recorded:
        grouped = {label for rule in recorded for one in used(rule["expr"]) for label in one.labels}
        return frozenset(grouped | {label for rule in recorded for label in rule.get("labels", {})})
    metric, parts = _TABLE.get(name), frozenset[str]()
    if metric is None:
        stem, _, part = name.rpartition("_")
        metric = _TABLE.get(stem) if part in {"bucket", "count", "sum"} else None
        if metric is None or metric.kind != "histogram":
            return None
        parts = frozenset({"le"} if part == "bucket" else ())
    elif metric.kind == "histogram":
        return None
    return frozenset(metric.labels) | _SCRAPED | parts


def wrong(expr: str) -> list[str]:
    """What an expression names and the table, or a recording rule, does not have."""
    found = []
    for one in used(expr):
        known = labels_of(one.name)
        if known is None:
            found.append(one.name)
        elif unknown := one.labels - known:
            found.append(f"{one.name}: {', '.join(sorted(unknown))}")
    return found
