"""PromQL of the metrics in the table. Knows no panel: what it gives is text that Prometheus understands, once Grafana
has put in its variables. A name, a label or a kind that the table does not have is an error while dashboards are made.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from askonce.telemetry.metrics import METRICS, Metric

RATE: Final = "$__rate_interval"
"""A few scrapes, or what one pixel stands for: the time of a rate."""
RANGE: Final = "$__range"
"""All the time that the dashboard shows."""

_TABLE: Final = {metric.name: metric for metric in METRICS}
_CHOSEN: Final = ("call_type", "model")  # labels that a dashboard has a variable of the same name for
_OF_THE_QUEUE: Final = frozenset(
    ("askonce_queue_messages", "askonce_queue_bytes", "askonce_queue_limit_bytes", "askonce_dead_letters",
     "askonce_writer_pending")
)  # fmt: skip
"""What any writer tells about the one queue: to choose instances is to choose nothing there."""
_BORN_LATE: Final = frozenset(("model", "team"))  # all else is at 0 from a process's first moment
_SERIES: Final = re.compile(r"askonce_\w+(?:\{[^}]*\})?")
_OPERATORS: Final = ("!~", "!=", "=~")


class WrongQuery(ValueError):
    """A panel asks for what the table of metrics does not have."""


@dataclass(frozen=True, slots=True)
class Series:
    """One query of a panel, and what its lines are called (`{{label}}` stands for a label's value)."""

    expr: str
    legend: str


def _metric(name: str, *kinds: Literal["counter", "gauge", "histogram"]) -> Metric:
    if name not in _TABLE:
        raise WrongQuery(f"there is no metric {name}")
    metric = _TABLE[name]
    if metric.kind not in kinds:
        raise WrongQuery(f"{name} is a {metric.kind}, not a {' or '.join(kinds)}")
    return metric


def _has(metric: Metric, labels: Sequence[str]) -> None:
    if unknown := [label for label in labels if label not in (*metric.labels, "instance")]:
        raise WrongQuery(f"{metric.name} has no label {', '.join(unknown)}")


def _selector(metric: Metric, where: dict[str, str], suffix: str = "") -> str:
    """`where` is label=value, or an operator before the value: `"=~hit|partial"`."""
    _has(metric, tuple(where))
    chosen: list[str] = [label for label in _CHOSEN if label in metric.labels]
    if metric.name not in _OF_THE_QUEUE:
        chosen.insert(0, "instance")
    matchers = [f'{label}=~"${label}"' for label in chosen]
    for label, value in where.items():
        operator = next((one for one in _OPERATORS if value.startswith(one)), "=")
        matchers.append(f'{label}{operator}"{value.removeprefix(operator)}"')
    return f"{metric.name}{suffix}" + (f"{{{','.join(matchers)}}}" if matchers else "")


def _over(how: str, by: Sequence[str], expr: str) -> str:
    return f"{how} by ({', '.join(by)}) ({expr})" if by else f"{how}({expr})"


def rate(name: str, *by: str, **where: str) -> str:
    """A counter, or how often a histogram was told something, per second."""
    metric = _metric(name, "counter", "histogram")
    _has(metric, by)
    suffix = "_count" if metric.kind == "histogram" else ""
    return _over("sum", by, f"rate({_selector(metric, where, suffix)}[{RATE}])")


def gain(name: str, *by: str, over: str = RANGE, **where: str) -> str:
    """How much a counter grew in a time; over `RATE`, what is too rare to be read as so many a second.

    A series of a model or a team is born with its first request, and `increase` does not see what a series is born
    with: that is added where the series was not there in the hour before.
    """
    metric = _metric(name, "counter")
    _has(metric, by)
    one = _selector(metric, where)
    grown = f"increase({one}[{over}])"
    if not _BORN_LATE.intersection(metric.labels):
        return _over("sum", by, grown)
    born = f"(min_over_time({one}[{over}]) unless last_over_time({one}[1h] offset {over}))"
    return _over("sum", by, f"{grown} + {born} or {grown}")


def level(name: str, *by: str, how: Literal["sum", "max", "min", "count"] | None = None, **where: str) -> str:
    """A gauge. The table says how processes are put together: summed, or the largest where all tell of the same."""
    metric = _metric(name, "gauge")
    _has(metric, by)
    return _over(how or ("max" if metric.gauge == "livemax" else "sum"), by, _selector(metric, where))


def quantile(share: float, name: str, *by: str, **where: str) -> str:
    """A histogram's value that `share` of what it was told stays under. No line where it was told nothing."""
    metric = _metric(name, "histogram")
    _has(metric, by)
    buckets = _over("sum", ("le", *by), f"rate({_selector(metric, where, '_bucket')}[{RATE}])")
    return f"histogram_quantile({share}, {buckets}) >= 0"


def mean(name: str, *by: str, **where: str) -> str:
    """A histogram's mean. No line where it was told nothing."""
    metric = _metric(name, "histogram")
    _has(metric, by)
    total, number = (
        _over("sum", by, f"rate({_selector(metric, where, suffix)}[{RATE}])") for suffix in ("_sum", "_count")
    )
    return f"{total} / ({number} > 0)"


def or_zero(expr: str, *labels: str) -> str:
    """0 where there is nothing: what never happened may have no series. With `labels`, where lines have names, one line
    of 0 whose labels say `none`, and only if there were no series in all the time shown.
    """
    if not labels:
        return f"({expr}) or on() vector(0)"
    zero = "vector(0)"
    for label in labels:
        zero = f'label_replace({zero}, "{label}", "none", "", "")'
    return f"({expr}) or on() ({zero} unless on() last_over_time({_read(expr)}[{RANGE}] @ end()))"


def _read(expr: str) -> str:
    """The first series that an expression reads."""
    found = _SERIES.search(expr)
    if found is None:
        raise WrongQuery(f"no metric in {expr}")
    return found[0]


def share(part: str, whole: str) -> str:
    """Part of whole, labels alike: 0 where there is no part, and nothing where there is no whole (never 0/0)."""
    return f"(({part}) or ({whole}) * 0) / (({whole}) > 0)"


def spelt(expr: str, label: str, empty: str) -> str:
    """An empty label's value in words."""
    return f'label_replace({expr}, "{label}", "{empty}", "{label}", "")'


def targets_lost() -> str:
    """Addresses that Prometheus scrapes and does not reach. The one series here that is Prometheus's own."""
    return or_zero('count(up{instance=~"$instance",job=~"askonce.*"} == 0)')
