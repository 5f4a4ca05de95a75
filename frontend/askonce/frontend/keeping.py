"""What becomes of an upstream answer when it is complete: kept in this frontend's memory, told to the others, and
queued for the writers. Holds no store: a frontend cannot write to one.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from askonce.bus.protocols import Publisher
from askonce.calls.endpoint import Answer, Body, Malformed, Uncertain, Unfinished
from askonce.core.entry import JSON, SSE, Entry, Lookup
from askonce.core.events import Answered, Superseded
from askonce.core.key import outer_of
from askonce.core.money import shares
from askonce.core.policy import Finished, Rules, Skip, SkipReason, Store, Why, admit, keep, lifetime
from askonce.frontend.question import Question
from askonce.frontend.recording import Head
from askonce.stores.memory import MemoryStore
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics

_LONG: Final = 64 * 1024  # bytes of an answer that take a millisecond and more to read


@dataclass(frozen=True, slots=True)
class Whole:
    """A complete upstream answer with what it answers: `lookups` are the parts that were asked.

    `size` is its length in bytes and `room` what could be held; `payload` is empty where that was not enough.
    """

    question: Question
    body: Body
    lookups: Sequence[Lookup]
    model: str
    asked_at: float
    head: Head
    payload: bytes
    size: int
    room: int


class Queue(Protocol):
    """Where answers wait for the writers: the outbox, or what stands before it. Taking one never waits."""

    def put(self, event: Answered) -> None: ...


class Keeper:
    def __init__(  # noqa: PLR0913 - the composition root hands down what keeping touches
        self,
        *,
        rules: Rules,
        memory: MemoryStore,
        bus: Publisher,
        queue: Queue | None,
        broadcast_bytes: int,
        metrics: Metrics,
        log: Log,
        clock: Callable[[], float],
    ) -> None:
        self._rules = rules
        self._memory = memory
        self._bus = bus
        self._queue = queue
        self._broadcast_bytes = broadcast_bytes
        self._metrics = metrics
        self._log = log
        self._clock = clock

    async def judge(self, whole: Whole) -> Store | Skip:
        """Whether the answer will be kept. A long one is read in a thread: the loop has others to serve."""
        if len(whole.payload) > _LONG:
            return await asyncio.to_thread(self._judge, whole)
        return self._judge(whole)

    async def settle(self, whole: Whole, verdict: Store | Skip) -> SkipReason | Why | None:
        """Carries the verdict out, and counts it; gives the reason where nothing was kept. After it every frontend
        has the answer, or will have it before it asks anybody else.
        """
        name = whole.question.ask.endpoint.name
        match verdict:
            case Skip(reason=reason):
                return self._skipped(name, reason)
            case Store(entries=entries):
                gone = self._memory.deleted_since
                kept = tuple(one for one in entries if not gone(one.key, one.home, whole.asked_at))
                if not kept:
                    return self._skipped(name, SkipReason.DELETED)
                await self._spread(Answered(secrets.token_hex(16), whole.asked_at, kept))
                self._metrics.counter("askonce_kept_total", name).inc()
                return None

    def overtaken(self, question: Question, asked_at: float) -> bool:
        """Whether a part of the question was deleted at that time or later."""
        home = _home(question)
        return any(self._memory.deleted_since(lookup.key, home, asked_at) for lookup in question.lookups)

    def _skipped(self, name: str, reason: SkipReason | Why) -> SkipReason | Why:
        self._metrics.counter("askonce_skipped_total", name, reason).inc()
        self._log.debug("answer_not_kept", reason=reason, call_type=name)
        return reason

    def _judge(self, whole: Whole) -> Store | Skip:
        ended = Finished(whole.head.status, _complete(whole), whole.size, whole.room)
        reason = keep(whole.question.allowed, ended)
        if reason is not None:
            return Skip(reason)
        try:
            answers = _answers(whole, self._rules.max_entry_bytes)
        except Unfinished:
            return Skip(SkipReason.INCOMPLETE)
        except Malformed:
            return Skip(SkipReason.MALFORMED)
        except Uncertain:
            return Skip(SkipReason.UNCERTAIN)
        if not answers:
            return Skip(SkipReason.EMPTY)
        ask = whole.question.ask
        now, ttl = self._clock(), lifetime(self._rules, ask.control)
        home = _home(whole.question)
        entries = [
            Entry(lookup, one.payload, one.media_type, now, ttl, whole.model, ask.endpoint.name, one.usage, home)
            for lookup, one in zip(whole.lookups, answers, strict=True)
        ]
        return admit(self._rules, entries)

    async def _spread(self, event: Answered) -> None:
        now = self._clock()
        told = replace(event, entries=tuple(map(_for_memory, event.entries)))
        for entry in told.entries:
            self._memory.keep(entry, now, event.asked_at)
        if sum(len(entry.payload) for entry in told.entries) <= self._broadcast_bytes:
            self._bus.tell(told)
        else:
            # of the entries' own time: this frontend hears it too, and must not drop what it has just kept
            at = max(entry.stored_at for entry in told.entries)
            self._bus.tell(Superseded(tuple(entry.key for entry in told.entries), at))
        if self._queue is not None:
            self._queue.put(event)
        await self._bus.in_step()


def priced(verdict: Store, amount: int | None, parts: int) -> Store:
    """The verdict with what each entry cost: its share, by its tokens, of what all parts cost. Of an answer that does
    not fit whole, nobody says.
    """
    entries = verdict.entries
    if amount is None or len(entries) < parts:
        return verdict
    costs = shares(amount, [entry.usage.prompt + entry.usage.completion for entry in entries])
    return Store(tuple(replace(entry, cost=cost) for entry, cost in zip(entries, costs, strict=True)))


def _home(question: Question) -> str | None:
    """The configured namespace, taken from where the request's own stands in it."""
    return outer_of(question.lookups[0].key.namespace, question.ask.control.namespace)


def _for_memory(entry: Entry) -> Entry:
    """Memory answers exact keys only: what a text means is for the store."""
    return entry if entry.lookup.vector is None else replace(entry, lookup=replace(entry.lookup, vector=None))


def _answers(whole: Whole, room: int) -> list[Answer]:
    endpoint = whole.question.ask.endpoint
    if whole.head.media_type != SSE:
        return endpoint.answers(whole.body, whole.payload, whole.head.media_type)
    one = endpoint.assemble(whole.payload, room)
    if one is not None and one.media_type == SSE and not (whole.question.ask.streamed or endpoint.whole_in_stream):
        raise Uncertain("a stream that was not asked for, and tells no plain answer")
    return [] if one is None else [one]


def _complete(whole: Whole) -> bool:
    """A stream and JSON tell their end by themselves; other text only where its frame does. What was too large to be
    held is refused for its size, not for this.
    """
    if not whole.payload:
        return True
    if whole.head.media_type != SSE:
        return whole.head.framed or whole.head.media_type == JSON
    return whole.question.ask.endpoint.complete(whole.payload)
