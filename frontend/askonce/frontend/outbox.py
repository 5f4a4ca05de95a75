"""Answers on their way to the queue. Putting one in never waits; while the queue is away they stay here, within
bounds by count, bytes and age; what does not fit is dropped and counted.
"""

import asyncio
import random
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from askonce.bus.protocols import Publisher
from askonce.config.settings import ProxySettings
from askonce.core.entry import Entry
from askonce.core.errors import BusRefused, BusUnavailable
from askonce.core.events import Answered
from askonce.core.wire import split
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics

_SENDERS: Final = 64  # publishes under way at once; beyond it the queue answers no faster
_FIRST_WAIT, _LONGEST_WAIT = 0.05, 2.0
_OVERHEAD: Final = 512  # bytes charged for an entry beside its payload


class Dropped(StrEnum):
    """Why an answer never reached the queue."""

    FULL_EVENTS = "full-events"
    FULL_BYTES = "full-bytes"
    TOO_LARGE = "too-large"
    TOO_OLD = "too-old"
    SHUTDOWN = "shutdown"


class Outbox:
    def __init__(
        self, bus: Publisher, settings: ProxySettings, metrics: Metrics, log: Log, clock: Callable[[], float]
    ) -> None:
        self._bus = bus
        self._settings = settings
        self._metrics = metrics
        self._log = log
        self._clock = clock
        self._waiting: asyncio.Queue[tuple[Answered, int]] = asyncio.Queue()  # bounded by what `_take` counts
        self._events = 0  # waiting or being sent
        self._bytes = 0
        self._empty = asyncio.Event()
        self._empty.set()
        self._tasks: list[asyncio.Task[None]] = []
        metrics.sample("askonce_outbox_events", lambda: self._events)
        metrics.sample("askonce_outbox_bytes", lambda: self._bytes)
        self._published = metrics.counter("askonce_outbox_published_total")

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._send(), name=f"outbox-{n}") for n in range(_SENDERS)]

    def put(self, event: Answered) -> None:
        """Never waits and never raises; what cannot be taken is counted by reason."""
        if size(event) * 2 < self._bus.max_payload:
            self._take(event)
            return
        events, misfits = split(event, self._bus.max_payload)
        for _ in misfits:
            self._drop(Dropped.TOO_LARGE)
        for part in events:
            self._take(part)

    async def flush(self, within: float) -> int:
        """Waits until everything is published, `within` seconds at most; says how many events were left."""
        try:
            async with asyncio.timeout(within):
                await self._empty.wait()
        except TimeoutError:
            for _ in range(self._events):
                self._drop(Dropped.SHUTDOWN)
        return self._events

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _take(self, event: Answered) -> None:
        charge = size(event)
        if self._events >= self._settings.outbox_events:
            self._drop(Dropped.FULL_EVENTS)
        elif self._bytes + charge > self._settings.outbox_bytes:
            self._drop(Dropped.FULL_BYTES)
        else:
            self._waiting.put_nowait((event, charge))
            self._count(+1, charge)
            self._empty.clear()

    async def _send(self) -> None:
        while True:
            event, charge = await self._waiting.get()
            reason = await self._publish(event)
            if reason is None:
                self._published.inc()
            else:
                self._drop(reason)
            self._count(-1, -charge)
            if self._events == 0:
                self._empty.set()

    async def _publish(self, event: Answered) -> Dropped | None:
        """Tries until the queue has it; gives the reason when it never will."""
        wait = _FIRST_WAIT
        while True:
            try:
                await self._bus.publish(event)
            except BusRefused:
                return Dropped.TOO_LARGE
            except BusUnavailable:
                if self._clock() - event.asked_at > self._settings.outbox_age:
                    return Dropped.TOO_OLD
                self._metrics.counter("askonce_outbox_retries_total").inc()
                # Spread, so that all senders of all frontends do not knock at once.
                await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311
                wait = min(2 * wait, _LONGEST_WAIT)
            else:
                return None

    def _count(self, events: int, size: int) -> None:
        self._events += events
        self._bytes += size

    def _drop(self, reason: Dropped) -> None:
        self._metrics.counter("askonce_outbox_dropped_total", reason).inc()
        self._log.warning("answer_not_queued", reason=reason)


def size(event: Answered) -> int:
    """Bytes that an event is charged while it waits."""
    return sum(map(_size_of_entry, event.entries))


def _size_of_entry(entry: Entry) -> int:
    lookup = entry.lookup
    vector = 0 if lookup.vector is None else len(lookup.vector.values)
    return len(entry.payload) + len(entry.model) + 4 * len(lookup.text) + vector + _OVERHEAD
