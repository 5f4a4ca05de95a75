"""Vectors for answers that are kept without one, worked out off the client's path, before the answers are queued."""

import asyncio
from dataclasses import replace
from typing import Final

from askonce.core.entry import Entry
from askonce.core.events import Answered
from askonce.frontend.embedding import Embedding
from askonce.frontend.keeping import Queue
from askonce.frontend.outbox import size

_MOST: Final = 1000  # answers that may wait for a vector; more are queued without one, and found by their key only


class Enricher:
    """Stands before the outbox, and holds as many bytes at most. Whatever becomes of a vector, its answer is queued."""

    def __init__(self, embedding: Embedding, outbox: Queue, most_bytes: int) -> None:
        self._embedding = embedding
        self._outbox = outbox
        self._most_bytes = most_bytes
        self._bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, event: Answered) -> None:
        """Never waits and never raises."""
        charge = size(event)
        full = len(self._tasks) >= _MOST or self._bytes + charge > self._most_bytes
        if full or not any(map(_lacks_vector, event.entries)):
            self._outbox.put(event)
            return
        self._bytes += charge
        task = asyncio.create_task(self._enrich(event, charge), name="enriching")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self, within: float) -> None:
        """Waits for the vectors that are being worked out, `within` seconds at most; the rest are queued without."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within)
        rest = list(self._tasks)
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _enrich(self, event: Answered, charge: int) -> None:
        try:
            entries = tuple([await self._with_vector(entry) for entry in event.entries])
            event = replace(event, entries=entries)
        finally:  # also when this is cancelled
            self._bytes -= charge
            self._outbox.put(event)

    async def _with_vector(self, entry: Entry) -> Entry:
        if not _lacks_vector(entry):
            return entry
        vector = await self._embedding.vector(entry.lookup.text, patient=True)
        return replace(entry, lookup=replace(entry.lookup, vector=vector))


def _lacks_vector(entry: Entry) -> bool:
    return bool(entry.lookup.scope) and entry.lookup.vector is None
