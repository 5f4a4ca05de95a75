"""A store of one dict, through the real protocol, that can be told to fail; and a worker that runs for a while."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from askonce.bus.protocols import Consumer
from askonce.config.settings import ProxySettings
from askonce.core.entry import Entry
from askonce.core.errors import StoreRefused, StoreUnavailable
from askonce.core.flushes import reaches
from askonce.core.key import CacheKey
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from askonce.writer.worker import Worker

SETTINGS = ProxySettings(queue_bytes=1 << 20)


class DictStore:
    """`refuse` and `break_on` hold payloads that it refuses for good or fails at in a way nobody thought of. `full`
    is how many puts it will say that it cannot take now, though it answers pings. The `after_put` hook runs when a
    put has been done and has not returned, `in_flush` when a flush has begun. `flushed` counts those that came to
    their end.
    """

    name = "dict"

    def __init__(self) -> None:
        self.entries: dict[CacheKey, Entry] = {}
        self.down = False
        self.full = 0
        self.pings = 0
        self.refuse: set[bytes] = set()
        self.break_on: set[bytes] = set()
        self.after_put: Callable[[], Awaitable[None]] | None = None
        self.in_flush: Callable[[], Awaitable[None]] | None = None
        self.flushed = 0
        self.puts: list[int] = []

    def _require(self) -> None:
        if self.down:
            raise StoreUnavailable("told to be down")

    async def put(self, entries: Sequence[Entry]) -> None:
        self._require()
        if self.full > 0:
            self.full -= 1
            raise StoreUnavailable("told to be full")
        for entry in entries:
            if entry.payload in self.refuse:
                raise StoreRefused("told to refuse")
            if entry.payload in self.break_on:
                raise KeyError("nobody thought of this")
            kept = self.entries.get(entry.key)
            if kept is None or kept.stored_at <= entry.stored_at:
                self.entries[entry.key] = entry
        self.puts.append(len(entries))
        if self.after_put is not None:
            await self.after_put()

    async def delete(self, keys: Sequence[CacheKey]) -> None:
        self._require()
        for key in keys:
            self.entries.pop(key, None)

    async def remove(self, entries: Sequence[Entry]) -> None:
        self._require()
        for entry in entries:
            held = self.entries.get(entry.key)
            if held is not None and held.stored_at == entry.stored_at:
                del self.entries[entry.key]

    async def flush(self, namespace: str, before: float) -> int:
        if self.in_flush is not None:
            await self.in_flush()
        self._require()
        gone = [
            key
            for key, entry in self.entries.items()
            if entry.stored_at <= before and reaches(namespace, key, entry.home)
        ]
        await self.delete(gone)
        self.flushed += 1
        return len(gone)

    async def sweep(self, now: float) -> int:
        self._require()
        gone = [key for key, entry in self.entries.items() if not entry.fresh(now)]
        await self.delete(gone)
        return len(gone)

    async def ping(self) -> None:
        self.pings += 1
        self._require()

    async def close(self) -> None:
        pass


@asynccontextmanager
async def working(consumer: Consumer, store: DictStore, metrics: Metrics | None = None) -> AsyncIterator[None]:
    """A worker on this consumer and store; told to stop at the end, and waited for."""
    stop = asyncio.Event()
    worker = Worker(
        consumer=consumer,
        store=store,
        settings=SETTINGS,
        metrics=Metrics() if metrics is None else metrics,
        log=Log("test"),
        clock=time.time,
    )
    running = asyncio.create_task(worker.run(stop))
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(20):
            await running
