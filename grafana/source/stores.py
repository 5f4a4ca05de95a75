"""Stores: how fast answers are found, what is sick, what memory holds, and how matching by meaning goes."""

from typing import Final

from askonce.stores.registry import STORES as KNOWN
from grafana.source.boards import Board, Row
from grafana.source.panels import QUANTILES, Bars, Lines, Stat, worse_from
from grafana.source.queries import Series, gain, level, or_zero, quantile, rate, share

_READS: Final = "askonce_store_read_seconds"
_LOOKUPS: Final = "askonce_lookups_total"
_BEHIND: Final = [name for name, store in KNOWN.items() if store.shared]
_BROKEN: Final = "=~error|timeout|open"
_BREAKER: Final = {"0": ("closed", "green"), "1": ("OPEN", "red")}
_NO_READS: Final = "no reads in this time"

_FIGURES = (
    Stat(
        title="Breaker of the store",
        help="OPEN while reads skip the store because it is sick: every lookup that memory cannot answer is then a "
        "miss, and money. Good is closed. Look whether the store runs and is reached; it closes by itself.",
        series=(Series(or_zero(level("askonce_store_breaker_open")), "breaker"),),
        unit="short",
        steps=worse_from(1),
        words=_BREAKER,
    ),
    Stat(
        title="Breaker of the embedder",
        help="OPEN while no request waits for a vector because the embedding model fails: only exact keys match "
        "then. Good is closed, and always so without a semantic store.",
        series=(Series(or_zero(level("askonce_embedding_breaker_open")), "breaker"),),
        unit="short",
        steps=worse_from(1),
        words=_BREAKER,
    ),
    Stat(
        title="Reads that fail",
        help="Share of reads of the store, in the last moments, that ended in an error, too late, or skipped. Good "
        "is 0. Each is a miss that the client does not notice and you pay.",
        series=(Series(or_zero(share(rate(_READS, outcome=_BROKEN), rate(_READS))), "fail"),),
        unit="percentunit",
        ceiling=1,
        decimals=2,
        steps=worse_from(0.001, 0.05),
    ),
    Stat(
        title="Found in memory",
        help="Share of the parts found that memory had, in the time shown: they cost no round trip. No value is good "
        "everywhere; more memory raises it only where evictions by size are many.",
        series=(Series(share(gain(_LOOKUPS, source="memory"), gain(_LOOKUPS, source="!=missing")), "found in memory"),),
        unit="percentunit",
        ceiling=1,
        decimals=1,
        nothing="nothing found",
    ),
    Stat(
        title="Entries in memory",
        help="Entries in the memory tiers of all frontends together; each holds its own. It grows to the set size "
        "and stays there.",
        series=(Series(level("askonce_memory_entries"), "entries"),),
        unit="locale",
        decimals=0,
    ),
    Stat(
        title="Memory taken",
        help="Bytes charged to the memory tiers of all frontends together. Good is below their set size times their "
        "number, with room left on the machine.",
        series=(Series(level("askonce_memory_bytes"), "bytes"),),
        unit="bytes",
    ),
)


def _reads(outcome: str, title: str, about: str) -> Lines:
    return Lines(
        title=title,
        help=about,
        series=tuple(
            Series(or_zero(quantile(part, _READS, outcome=outcome)), f"p{part * 100:.0f}") for part in (0.5, 0.95, 0.99)
        ),
        unit="s",
        colors=QUANTILES,
    )


_OF_THE_STORE = (
    _reads(
        "hit",
        "Read latency: found",
        "Reads that found something, as a request waits for them. Good is p99 of a few ms for redis and disk, some "
        "tens for S3. Higher: the store, or the network to it, is busy.",
    ),
    _reads(
        "miss",
        "Read latency: not found",
        "Reads that found nothing; they lengthen a miss by as much. Good is as for those that found something: a "
        "store where absence is slow needs looking at.",
    ),
    _reads(
        _BROKEN,
        "Read latency: failed",
        "Reads that ended in an error or too late. Good is 0: there are none. The deadline of the store bounds them: "
        "no request waits longer.",
    ),
    Lines(
        title="Reads per second, by outcome",
        help="Reads of the store behind memory. Good is `hit` and `miss` alone; `open` are reads skipped by the "
        "breaker, `timeout` those beyond the deadline, `error` what the store said.",
        series=(Series(rate(_READS, "outcome"), "{{outcome}}"),),
        unit="ops",
        many=True,
        stacked=True,
        colors={"hit": "green", "miss": "yellow", "timeout": "orange", "error": "red", "open": "purple"},
        nothing=_NO_READS,
    ),
    Lines(
        title="Share of reads that fail",
        help="Errors, reads beyond the deadline and reads skipped, by store. Good is 0; the line at 5 % is where to "
        "look at the store now.",
        series=(Series(share(rate(_READS, "store", outcome=_BROKEN), rate(_READS, "store")), "{{store}}"),),
        unit="percentunit",
        ceiling=1,
        decimals=2,
        steps=worse_from(0.05),
        nothing=_NO_READS,
    ),
    Lines(
        title="Breaker open",
        help="1 while at least one frontend skips the store, by store. Good is 0. It opens after failures in a row "
        "and closes when the store answers a ping.",
        series=(Series(or_zero(level("askonce_store_breaker_open", "store"), "store"), "{{store}}"),),
        unit="short",
        ceiling=1,
        decimals=0,
        steps=worse_from(1),
    ),
)
_MEMORY = (
    Lines(
        title="Where parts are found, per second",
        help="Parts looked up, by where they were: in memory, in the store, by meaning, or nowhere. Good is little "
        "`missing` and much `memory`.",
        series=(Series(rate(_LOOKUPS, "source"), "{{source}}"),),
        unit="ops",
        many=True,
        stacked=True,
        colors={"memory": "green", "missing": "yellow", "semantic": "blue", **dict.fromkeys(_BEHIND, "purple")},
    ),
    Lines(
        title="Memory tier by instance",
        help="Bytes charged to each instance's memory tier. It grows to the set size and stays. A fall to 0 is a "
        "restart, a flush, or a gap in the news (see Write path).",
        series=(Series(level("askonce_memory_bytes", "instance"), "{{instance}}"),),
        unit="bytes",
        many=True,
    ),
    Lines(
        title="Evictions per second, by reason",
        help="Entries that left memory. `expired` and `deleted` are as they should be. Much `size` beside a low "
        "share found in memory: give frontends more of it.",
        series=(Series(or_zero(rate("askonce_memory_evictions_total", "reason"), "reason"), "{{reason}}"),),
        unit="ops",
        many=True,
        stacked=True,
    ),
)
_MEANING = (
    Lines(
        title="Searches by meaning per second, by outcome",
        help="Questions without an exact key, with a semantic store. `far`: something alike, not near enough; "
        "`refused`: near, and the guard saw another number, name or negation. Good is no `no-vector` and no "
        "`store-unavailable`.",
        series=(Series(or_zero(rate("askonce_semantic_searches_total", "outcome"), "outcome"), "{{outcome}}"),),
        unit="ops",
        many=True,
        width=12,
        stacked=True,
        height=15,
    ),
    Bars(
        title="Refused by the guard, by reason",
        help="Candidates near enough that the guard kept from a wrong answer, in the time shown. They are hits you "
        "would not want. Where one reason seems too strict, see docs/semantic.md.",
        series=(Series(or_zero(gain("askonce_semantic_refused_total", "reason"), "reason"), "{{reason}}"),),
        unit="locale",
        width=12,
        height=15,
        decimals=0,
    ),
    Lines(
        title="Vectors wanted per second, by outcome",
        help="`cached` and `ok` are good. `timeout`, `error` and `open` cost hits by meaning: look at the embedding "
        "model. `crowded`: more at once than it takes.",
        series=(Series(or_zero(rate("askonce_embeddings_total", "outcome"), "outcome"), "{{outcome}}"),),
        unit="ops",
        many=True,
        width=12,
        stacked=True,
    ),
    Lines(
        title="Time of the embedding model",
        help="Calls of the model, each of one text or several; 0 where there is none. Every search by meaning waits "
        "for it. Good is 10 ms for a local model, 200 ms for one of a provider.",
        series=(
            Series(or_zero(quantile(0.5, "askonce_embedding_seconds")), "p50"),
            Series(or_zero(quantile(0.99, "askonce_embedding_seconds")), "p99"),
        ),
        unit="s",
        width=12,
        colors=QUANTILES,
    ),
)

STORES: Final = Board(
    "stores",
    "Stores",
    "How fast answers are found, what is sick, what memory holds, and how matching by meaning goes.",
    (
        Row("At a glance", _FIGURES),
        Row("Reads of the store", _OF_THE_STORE),
        Row("Memory", _MEMORY),
        Row("Matching by meaning", _MEANING),
    ),
)
