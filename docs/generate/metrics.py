"""What docs/metrics.md lists: every metric of the table, and the words that its labels may say."""

import textwrap
from collections.abc import Iterable, Mapping
from typing import Final, get_args

from askonce.frontend.counted import CALL_TYPES, MISSING, SKIPPED
from askonce.frontend.embedders.gathering import Outcome as Embedding
from askonce.frontend.falling import Outcome as Fallback
from askonce.frontend.meaning import SOURCE as MEANING
from askonce.frontend.meaning import Sought
from askonce.frontend.observe import Result
from askonce.frontend.outbox import Dropped
from askonce.frontend.routing.cooldowns import Reason as Failure
from askonce.semantic.doubts import Doubt
from askonce.stores.counting.protocol import Kind as Limited
from askonce.stores.guards import Outcome
from askonce.stores.memory import SOURCE, Left
from askonce.stores.registry import STORES
from askonce.telemetry.metrics import METRICS, Metric, Process
from askonce.writer.counted import PUTS
from askonce.writer.settle import Refusal, RejectReason, RetryReason

_SHARED: Final = [row.name for row in STORES.values() if row.shared]
_WIDTH: Final = 118

_OF: Final[Mapping[tuple[Process, ...], str]] = {
    ("frontend",): "### Of frontends",
    ("writer",): "### Of writers",
    ("frontend", "writer"): "### Of both",
}

WORDS: Final[Mapping[str, Iterable[str]]] = {
    "`result`": Result,
    "`source`": [SOURCE, MEANING, *_SHARED, MISSING],
    "`store`": _SHARED,
    "`process`": get_args(Process),
    "`call_type`": CALL_TYPES,
    "`status`": ["2xx", "3xx", "4xx", "5xx", "error"],
    "`kind` of tokens": ["prompt", "completion"],
    "`kind` of `askonce_limited_total`": Limited,
    "`outcome` of reads": Outcome,
    "`outcome` of searches by meaning": Sought,
    "`outcome` of embeddings": Embedding,
    "`outcome` of fallbacks": Fallback,
    "`outcome` of writes": PUTS,
    "`reason` of `askonce_skipped_total`": SKIPPED,
    "`reason` of `askonce_semantic_refused_total`": Doubt,
    "`reason` of `askonce_memory_evictions_total`": Left,
    "`reason` of `askonce_outbox_dropped_total`": Dropped,
    "`reason` of `askonce_deployment_failures_total`": Failure,
    "`reason` of `askonce_writer_refused_total`": Refusal,
    "`reason` of `askonce_writer_retries_total`": RetryReason,
    "`reason` of `askonce_writer_dead_letters_total`": RejectReason,
}


def table() -> str:
    """All metrics, by the processes that have them."""
    parts = [f"{head}\n\n{_wrapped(_described(one) for one in METRICS if one.by == by)}" for by, head in _OF.items()]
    return "\n\n".join(parts)


def words() -> str:
    return _wrapped(f"- {label}: {', '.join(f'`{word}`' for word in said)}" for label, said in WORDS.items())


def _described(metric: Metric) -> str:
    labels = "".join(f", `{label}`" for label in metric.labels)
    largest = " Of several processes, the largest." if metric.gauge == "livemax" else ""
    return f"- `{metric.name}` ({metric.kind}{labels}): {metric.help}{largest}"


def _wrapped(lines: Iterable[str]) -> str:
    return "\n".join(
        textwrap.fill(line, _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        for line in lines
    )
