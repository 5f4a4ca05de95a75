"""Every metric, declared once in a table: code, documentation and dashboards are checked against it.

Labels are bounded: call types, closed enums, store names, status classes, models of the configuration, the first
hundred teams. Never a prompt, a key or a model that a client may name at will.
"""

import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

_QUICK = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_SLOW = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_WIDE = (*_QUICK[:-2], 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0)
_COUNTS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)

Process = Literal["frontend", "writer"]
_WRITER: tuple[Process, ...] = ("writer",)
_BOTH: tuple[Process, ...] = ("frontend", "writer")

MOST_WORDS: Final = 100  # of a label whose words are made while a process runs
OTHERS: Final = "others"


@dataclass(frozen=True, slots=True)
class Metric:
    """`gauge` is how processes are added up: each live one's value summed, or the largest of all. `by` are those that
    have it.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    gauge: Literal["livesum", "livemax"] = "livesum"
    by: tuple[Process, ...] = ("frontend",)


METRICS: tuple[Metric, ...] = (
    Metric("askonce_build_info", "gauge", "1, with the version that runs and what the process is.",
           ("version", "process"), gauge="livemax", by=_BOTH),
    Metric("askonce_requests_total", "counter", "Requests answered, by how: hit, partial, miss, collapsed, bypass, "
           "refused (by the proxy) or error (upstream or proxy). `model` is what `model_list` calls it, here and "
           "below; empty where a request names none, or did not come so far.", ("call_type", "model", "result")),
    Metric("askonce_request_seconds", "histogram", "From the request's head to its answer: up to a hit "
           "or a whole answer being ready to write, up to the last byte of a stream.",
           ("call_type", "result"), _WIDE),
    Metric("askonce_lookups_total", "counter", "Parts looked up (one a request, one an item for embeddings), by where "
           "they were found; `missing` when nowhere.", ("call_type", "source")),
    Metric("askonce_semantic_searches_total", "counter", "Questions that no exact key answered, by how the search by "
           "meaning ended: hit, nothing, far, refused, unfit, no-vector, store-unavailable, exact-only.", ("outcome",)),
    Metric("askonce_semantic_refused_total", "counter", "Candidates near enough that the guard refused, by reason.",
           ("reason",)),
    Metric("askonce_kept_total", "counter", "Answers kept for the next asker.", ("call_type",)),
    Metric("askonce_skipped_total", "counter", "Answers not kept, by reason.", ("call_type", "reason")),
    Metric("askonce_tokens_saved_total", "counter", "Tokens that hits did not cost again.",
           ("call_type", "model", "kind")),
    Metric("askonce_saved_dollars_total", "counter", "US dollars that hits did not cost again, as far as prices are "
           "known that the answers were paid at.", ("call_type", "model")),
    Metric("askonce_tokens_total", "counter", "Tokens of answers that providers gave, as they count them.",
           ("call_type", "model", "kind")),
    Metric("askonce_spent_dollars_total", "counter", "US dollars that these answers cost, as far as prices are known.",
           ("call_type", "model")),
    Metric("askonce_unpriced_answers_total", "counter", "Answers of providers whose cost is not known: no price, or no "
           "count of what it is for.", ("model",)),
    Metric("askonce_upstream_seconds", "histogram", "From asking the provider to the end of its answer.",
           ("call_type", "status"), _SLOW),
    Metric("askonce_upstream_first_byte_seconds", "histogram", "From asking the provider to its first byte.",
           ("call_type",), _SLOW),
    Metric("askonce_deployment_failures_total", "counter", "Times that a deployment failed, by why. It is called by "
           "its model_name and its place among those of the same.",
           ("deployment", "reason")),
    Metric("askonce_deployment_cooled", "gauge", "1 while a deployment that failed is left alone, as far as others can "
           "answer.", ("deployment",), gauge="livemax"),
    Metric("askonce_upstream_retries_total", "counter", "Tries after the first, of the same deployment or another."),
    Metric("askonce_fallbacks_total", "counter", "Questions asked under another name because a model's whole group "
           "failed, by how that ended: hit, answered, failed.", ("call_type", "outcome")),
    Metric("askonce_flights", "gauge", "Upstream answers that are arriving now."),
    Metric("askonce_store_read_seconds", "histogram", "Reads of the store behind the memory tier, as a request "
           "waits for them; several may share a round trip.",
           ("store", "outcome"), _QUICK),
    Metric("askonce_store_breaker_open", "gauge", "1 while reads skip the store because it is sick.", ("store",),
           gauge="livemax"),
    Metric("askonce_memory_entries", "gauge", "Entries in the memory tier."),
    Metric("askonce_memory_bytes", "gauge", "Bytes charged to the memory tier."),
    Metric("askonce_memory_evictions_total", "counter", "Entries that left the memory tier, by reason.", ("reason",)),
    Metric("askonce_outbox_events", "gauge", "Answers waiting for the queue."),
    Metric("askonce_outbox_bytes", "gauge", "The same in bytes."),
    Metric("askonce_outbox_published_total", "counter", "Answers that the queue has acknowledged."),
    Metric("askonce_outbox_dropped_total", "counter", "Answers that never reached the queue, by reason.", ("reason",)),
    Metric("askonce_outbox_retries_total", "counter", "Publishes that failed and were tried again."),
    Metric("askonce_bus_connected", "gauge", "1 while this process is connected to NATS.", by=_BOTH),
    Metric("askonce_bus_gaps_total", "counter", "Times that the memory tier was emptied because news may have been "
           "missed."),
    Metric("askonce_writer_batch_entries", "histogram", "Entries persisted at once.", ("store",), _COUNTS, by=_WRITER),
    Metric("askonce_writer_put_seconds", "histogram", "Writes to the store, one a batch.", ("store", "outcome"),
           _QUICK, by=_WRITER),
    Metric("askonce_writer_persisted_total", "counter", "Entries that the store has.", ("store",), by=_WRITER),
    Metric("askonce_writer_lag_seconds", "histogram", "From the model's answer to its being in the store.",
           ("store",), _WIDE, by=_WRITER),
    Metric("askonce_writer_pending", "gauge", "Messages that no writer has acknowledged yet.", ("store",),
           gauge="livemax", by=_WRITER),
    Metric("askonce_queue_messages", "gauge", "Messages in the queue's stream, of all stores.", gauge="livemax",
           by=_WRITER),
    Metric("askonce_queue_bytes", "gauge", "The same in bytes.", gauge="livemax", by=_WRITER),
    Metric("askonce_queue_limit_bytes", "gauge", "The size at which the queue refuses.", gauge="livemax", by=_WRITER),
    Metric("askonce_dead_letters", "gauge", "Dead letters that are kept.", gauge="livemax", by=_WRITER),
    Metric("askonce_writer_refused_total", "counter", "Entries not persisted on purpose: deleted or expired meanwhile.",
           ("store", "reason"), by=_WRITER),
    Metric("askonce_writer_retries_total", "counter", "Messages handed back to the queue, by reason.",
           ("store", "reason"), by=_WRITER),
    Metric("askonce_writer_dead_letters_total", "counter", "Messages moved to the dead letters, by reason.",
           ("store", "reason"), by=_WRITER),
    Metric("askonce_writer_deleted_total", "counter", "Keys removed on request, and entries flushed.", ("store",),
           by=_WRITER),
    Metric("askonce_writer_swept_total", "counter", "Expired entries removed by the sweep.", ("store",), by=_WRITER),
    Metric("askonce_embeddings_total", "counter", "Vectors wanted for texts, by how that ended: cached, ok, unfit (not "
           "taken whole by the model), timeout, error, open (not asked while it fails), crowded.", ("outcome",)),
    Metric("askonce_embedding_seconds", "histogram", "Calls of the embedding model, each of one text or several.",
           (), (*_QUICK, 10.0)),
    Metric("askonce_embedding_breaker_open", "gauge", "1 while no request waits for a vector because the embedding "
           "model fails.", gauge="livemax"),
    Metric("askonce_limited_total", "counter", "Requests refused by a limit of their key, team or model.", ("kind",)),
    Metric("askonce_limits_shared", "gauge", "1 where limits are counted for all frontends together, 0 while this "
           "frontend counts for itself."),
    Metric("askonce_team_requests_total", "counter", "Requests by virtual keys of a team, by how they were answered. "
           "Teams past the first hundred are together under `others`.", ("team", "result")),
    Metric("askonce_team_spent_dollars_total", "counter", "US dollars that the answers to these requests cost.",
           ("team",)),
    Metric("askonce_team_saved_dollars_total", "counter", "US dollars that hits did not cost these teams again.",
           ("team",)),
    Metric("askonce_keys_seen", "gauge", "Virtual keys that frontends remember, one counted for each."),
    Metric("askonce_keys_unconfirmed_total", "counter", "Requests let in by a key seen before while the bucket of "
           "keys did not answer."),
)  # fmt: skip


_TABLE: Final = {metric.name: metric for metric in METRICS}

M = TypeVar("M", bound=MetricWrapperBase)


class Metrics:
    """The table as live metrics of this process: a scrape has those that it has touched. Made once, by the composition
    root, and handed down.
    """

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # when a series began, a second one for each
        self._registry = CollectorRegistry()
        self._samples: list[tuple[Gauge, Callable[[], float]]] = []
        self._metrics: dict[str, MetricWrapperBase] = {}
        self._words: dict[str, set[str]] = defaultdict(set)

    def _make(self, metric: Metric) -> MetricWrapperBase:
        # prometheus-client adds "_total" to a counter by itself
        match metric.kind:
            case "counter":
                name = metric.name.removesuffix("_total")
                return Counter(name, metric.help, metric.labels, registry=self._registry)
            case "gauge":
                return Gauge(
                    metric.name, metric.help, metric.labels, registry=self._registry, multiprocess_mode=metric.gauge
                )
            case "histogram":
                return Histogram(
                    metric.name, metric.help, metric.labels, registry=self._registry, buckets=metric.buckets
                )

    def counter(self, name: str, *labels: str) -> Counter:
        """The child for these label values, in the table's order. Bind it once where the path is hot."""
        return self._child(Counter, name, labels)

    def gauge(self, name: str, *labels: str) -> Gauge:
        return self._child(Gauge, name, labels)

    def histogram(self, name: str, *labels: str) -> Histogram:
        return self._child(Histogram, name, labels)

    def _child(self, kind: type[M], name: str, labels: tuple[str, ...]) -> M:
        metric = self._metrics.get(name)
        if metric is None:
            metric = self._metrics[name] = self._make(_TABLE[name])
        child = metric.labels(*labels) if labels else metric
        if not isinstance(child, kind):
            raise TypeError(f"{name} is no {kind.__name__}")
        return child

    def zero(self, name: str, *labels: str) -> None:
        """Has the series in every scrape from here on: at 0 until something is counted."""
        self._child(MetricWrapperBase, name, labels)

    def bounded(self, label: str, word: str) -> str:
        """`word` where it is among the first hundred that this process has for the label, else `others`: for words
        that are made while it runs.
        """
        known = self._words[label]
        if word in known:
            return word
        if len(known) >= MOST_WORDS:
            return OTHERS
        known.add(word)
        return word

    def sample(self, name: str, read: Callable[[], float], *labels: str) -> None:
        """A gauge whose value is fetched from time to time (`refresh`): setting it at each change would
        cost a memory-mapped write each time.
        """
        self._samples.append((self.gauge(name, *labels), read))

    def refresh(self) -> None:
        """Fetches the sampled gauges. A process that shares its numbers with others calls it every moment."""
        for gauge, read in self._samples:
            gauge.set(read())

    def render(self) -> bytes:
        """The Prometheus text format: of all processes that share a metrics folder, or of this one alone."""
        self.refresh()
        return generate_latest(self._source())

    def _source(self) -> CollectorRegistry:
        folder = os.environ.get(FOLDER)
        if not folder:
            return self._registry
        registry = CollectorRegistry()
        MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
        return registry


# of `Metrics.render`
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Read by prometheus-client itself at import: how processes behind one port share their numbers.
FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def forget_process(pid: int, folder: Path) -> None:
    """Takes a dead process's gauges out of the sums. What it counted stays: a counter never goes back."""
    mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
