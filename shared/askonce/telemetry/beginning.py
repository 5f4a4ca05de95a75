"""What a process's scrapes show from its first moment on. Knows the table, and no word of a label.

Prometheus sees an increase between two samples: a series that first appears at 1 has none, and one that is not there
leaves a panel without data and an alert without an answer.
"""

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from itertools import product

from askonce.telemetry.metrics import METRICS, Metrics, Process

Words = Mapping[str, Sequence[Iterable[str]]]
"""For each metric what its labels may say, label by label in the table's order."""


def begin(metrics: Metrics, process: Process, words: Words) -> None:
    """Tells what runs, and has at 0 every counter and histogram without labels, and one series for each combination of
    the `words`. Gauges begin where somebody knows their value.
    """
    metrics.gauge("askonce_build_info", version("askonce"), process).set(1)
    for metric in METRICS:
        if process in metric.by and metric.kind != "gauge" and not metric.labels:
            metrics.zero(metric.name)
    for name, of in words.items():
        for labels in product(*of):
            metrics.zero(name, *labels)
