"""Write path: from a frontend's outbox through the queue into the store. An answer that is lost here is asked again."""

from typing import Final

from grafana.source.boards import Board, Row
from grafana.source.panels import Bars, Lines, Stat, worse_from
from grafana.source.queries import RATE, Series, gain, level, mean, or_zero, quantile, rate

_FULL: Final = worse_from(0.7, 0.9)
_OUTCOMES: Final = {"ok": "green", "unavailable": "orange", "refused": "purple", "failed": "red"}
_SHARE_OF_QUEUE: Final = f"{level('askonce_queue_bytes')} / {level('askonce_queue_limit_bytes')}"

_FIGURES = (
    Stat(
        title="Queue filled",
        help="Share of its size at which the queue refuses. Good is near 0: writers keep up. From 70 % on start more "
        "writers or see why the store is slow; at 100 % frontends drop answers.",
        series=(Series(_SHARE_OF_QUEUE, "filled"),),
        unit="percentunit",
        ceiling=1,
        decimals=1,
        steps=_FULL,
        nothing="no writer",
    ),
    Stat(
        title="Lag, p99",
        help="From a model's answer to its being in the store, now. Good is below a second or two; until then other "
        "frontends have it from their memory. More means that writers or the store are slow.",
        series=(Series(or_zero(quantile(0.99, "askonce_writer_lag_seconds")), "p99"),),
        unit="s",
        steps=worse_from(5, 60),
    ),
    Stat(
        title="Dead letters kept",
        help="Answers that no writer could put into the store, kept for somebody to look at. Good is 0. The panel of "
        "dead letters by reason says why, and the log of the writer which.",
        series=(Series(or_zero(level("askonce_dead_letters")), "kept"),),
        unit="locale",
        decimals=0,
        steps=worse_from(1),
    ),
    Stat(
        title="Answers dropped",
        help="Answers that never reached the queue, in the time shown. Good is 0. Each is a question that is asked "
        "again. Look whether NATS is reached and not full.",
        series=(Series(or_zero(gain("askonce_outbox_dropped_total")), "dropped"),),
        unit="locale",
        decimals=0,
        steps=worse_from(1),
    ),
    Stat(
        title="Processes without NATS",
        help="Addresses of which no process is connected to NATS now. Good is 0. Frontends go on answering; what "
        "they learn waits in their outbox.",
        series=(Series(or_zero(f"count({level('askonce_bus_connected', 'instance')} == 0)"), "without"),),
        unit="locale",
        decimals=0,
        steps=worse_from(1),
    ),
    Stat(
        title="Answers stored",
        help="Entries that the store has taken in the time shown. Good is as many as answers kept on the Overview, "
        "but for those deleted or expired on the way.",
        series=(Series(or_zero(gain("askonce_writer_persisted_total")), "stored"),),
        unit="locale",
        decimals=0,
    ),
)
_OUTBOX = (
    Lines(
        title="Outbox: answers waiting",
        help="Answers in frontends' memory that the queue has not acknowledged, of all frontends. Good is near 0; it "
        "grows while NATS is away or slow, up to the outbox's limits, and then answers are dropped.",
        series=(Series(level("askonce_outbox_events"), "waiting"),),
        unit="short",
    ),
    Lines(
        title="Outbox: bytes waiting",
        help="The same in bytes. Good is near 0. It is memory of the frontends: where it nears the outbox's limit, "
        "NATS needs looking at first.",
        series=(Series(level("askonce_outbox_bytes"), "waiting"),),
        unit="bytes",
    ),
    Lines(
        title="Published per second",
        help="Answers that the queue has acknowledged. Good is the pace at which answers are kept; retries are in "
        "the panel beside.",
        series=(Series(rate("askonce_outbox_published_total"), "published"),),
        unit="ops",
    ),
)
_TROUBLE = (
    Lines(
        title="Outbox: retried and dropped",
        help="Publishes tried again, and answers dropped, by reason, in each interval. Good is none; retries alone "
        "lose nothing. `full-…` says that NATS was away too long, `too-large` that an answer exceeds its max_payload.",
        series=(
            Series(or_zero(gain("askonce_outbox_retries_total", over=RATE)), "retried"),
            Series(or_zero(gain("askonce_outbox_dropped_total", "reason", over=RATE), "reason"), "dropped: {{reason}}"),
        ),
        unit="short",
        many=True,
        bars=True,
    ),
    Lines(
        title="Connections to NATS",
        help="Processes that are connected, by address. Good is a flat line each. Where one falls to 0, see that "
        "process's log and whether NATS answers.",
        series=(Series(level("askonce_bus_connected", "instance"), "{{instance}}"),),
        unit="short",
        many=True,
    ),
    Lines(
        title="Memory tiers emptied",
        help="Times that a frontend emptied its memory because news of others may have been missed. Good is none but "
        "when NATS was away. It costs reads of the store, and never a wrong answer.",
        series=(Series(or_zero(gain("askonce_bus_gaps_total", over=RATE)), "emptied"),),
        unit="short",
        bars=True,
    ),
)
_QUEUE = (
    Lines(
        title="Queue: messages",
        help="Messages in the stream of all stores, and those that no writer has acknowledged, by store. Good is a "
        "low line that returns to 0. A steady climb: start more writers, or see why the store is slow.",
        series=(
            Series(level("askonce_queue_messages"), "in the stream"),
            Series(level("askonce_writer_pending", "store"), "not acknowledged: {{store}}"),
        ),
        unit="short",
        nothing="no writer",
    ),
    Lines(
        title="Queue: bytes and limit",
        help="The stream's size, and the size at which it refuses. Good is far apart. The limit is a setting of "
        "NATS's stream: raise it only with disk to match.",
        series=(
            Series(level("askonce_queue_bytes"), "in the stream"),
            Series(level("askonce_queue_limit_bytes"), "limit"),
        ),
        unit="bytes",
        colors={"limit": "red"},
        nothing="no writer",
    ),
    Lines(
        title="Queue: share of its limit",
        help="Bytes by limit. Good is near 0. The lines are at 70 % (start more writers) and 90 % (answers will be "
        "dropped soon).",
        series=(Series(_SHARE_OF_QUEUE, "filled"),),
        unit="percentunit",
        ceiling=1,
        decimals=1,
        steps=_FULL,
        nothing="no writer",
    ),
)
_WRITERS = (
    Lines(
        title="Lag by store",
        help="From a model's answer to its being in the store. Good is below a second or two. A rising p99 beside a "
        "flat p50 is one slow write; both rising is a queue that grows.",
        series=(
            Series(quantile(0.5, "askonce_writer_lag_seconds", "store"), "{{store}} p50"),
            Series(quantile(0.99, "askonce_writer_lag_seconds", "store"), "{{store}} p99"),
        ),
        unit="s",
        nothing="nothing written in this time",
    ),
    Lines(
        title="Entries a batch",
        help="How many entries a write takes at once. Small at rest, larger under load; both are good. Large batches "
        "and a growing queue mean that the store is the limit.",
        series=(
            Series(mean("askonce_writer_batch_entries", "store"), "{{store}} mean"),
            Series(quantile(0.95, "askonce_writer_batch_entries", "store"), "{{store}} p95"),
        ),
        unit="short",
        decimals=1,
        nothing="nothing written in this time",
    ),
    Lines(
        title="Stored per second",
        help="Entries that the store has taken, by store. Good is the pace at which answers are published.",
        series=(Series(rate("askonce_writer_persisted_total", "store"), "{{store}}"),),
        unit="ops",
        nothing="no writer",
    ),
    Lines(
        title="Time of a write, p99, by outcome",
        help="Writes of one batch each. Good is `ok` alone, and milliseconds (some hundred for S3). `unavailable` is "
        "tried again; `refused` and `failed` end among the dead letters.",
        series=(Series(quantile(0.99, "askonce_writer_put_seconds", "outcome"), "{{outcome}}"),),
        unit="s",
        many=True,
        colors=_OUTCOMES,
        nothing="nothing written in this time",
    ),
    Lines(
        title="Writes per second, by outcome",
        help="Writes of one batch each. Good is `ok` alone. Anything else: look at the store first, then at the "
        "writers' logs.",
        series=(Series(rate("askonce_writer_put_seconds", "outcome"), "{{outcome}}"),),
        unit="ops",
        many=True,
        colors=_OUTCOMES,
        nothing="no writer",
    ),
    Lines(
        title="Handed back and dead letters, by reason",
        help="Messages handed back to the queue to be tried again, and those moved to the dead letters, in each "
        "interval. Good is none. Handed back: the store is away. Dead letters: see the runbook before you delete "
        "them.",
        series=(
            Series(or_zero(gain("askonce_writer_retries_total", "reason", over=RATE), "reason"), "again: {{reason}}"),
            Series(
                or_zero(gain("askonce_writer_dead_letters_total", "reason", over=RATE), "reason"), "dead: {{reason}}"
            ),
        ),
        unit="short",
        many=True,
        bars=True,
    ),
)
_LEFT_OUT = (
    Bars(
        title="Not stored on purpose",
        help="Entries that were deleted or had expired before they were written, in the time shown. Good is few; "
        "many expired means a lag longer than the answers live.",
        series=(Series(or_zero(gain("askonce_writer_refused_total", "reason"), "reason"), "{{reason}}"),),
        unit="locale",
        width=12,
        height=8,
        decimals=0,
    ),
    Lines(
        title="Deleted and swept per second",
        help="Keys removed on request or flushed, and expired entries that the sweep took out. Good is what you "
        "asked for; sweeping follows the lives of answers, and happens in stores that do not expire by themselves.",
        series=(
            Series(or_zero(rate("askonce_writer_deleted_total")), "deleted"),
            Series(or_zero(rate("askonce_writer_swept_total")), "swept"),
        ),
        unit="ops",
        width=12,
        height=8,
    ),
)

WRITE_PATH: Final = Board(
    "write-path",
    "Write path",
    "From a frontend's outbox through the queue into the store. No client waits for any of it.",
    (
        Row("At a glance", _FIGURES),
        Row("From frontends to the queue", (*_OUTBOX, *_TROUBLE)),
        Row("The queue", _QUEUE),
        Row("From the queue to the store", _WRITERS),
        Row("Left out and taken out", _LEFT_OUT),
    ),
)
