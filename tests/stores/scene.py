"""A tier over a store that answers when it is told to, for tests of what happens in between."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from askonce.core.entry import Entry, Found, Lookup
from askonce.core.errors import StoreUnavailable
from askonce.stores.memory import MemoryStore
from askonce.stores.tier import Tiered
from askonce.telemetry.metrics import Metrics
from tests.stores.contract import Clock

RECHECK = 60.0


class Behind:
    """A store behind, of which a test says when it answers: it reads at once, and tells when `open` is set."""

    name = "redis"

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.asked: list[list[str]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.away = False
        self.closed = False

    def hold(self, *entries: Entry) -> None:
        self.entries.update({str(entry.key): entry for entry in entries})

    async def get(self, lookups: Sequence[Lookup]) -> list[Found | None]:
        self.asked.append([str(lookup.key) for lookup in lookups])
        held = [self.entries.get(str(lookup.key)) for lookup in lookups]
        await self.open.wait()
        if self.away:
            raise StoreUnavailable("away")
        return [None if entry is None else Found(entry, self.name) for entry in held]

    async def ping(self) -> None:
        if self.away:
            raise StoreUnavailable("away")

    async def close(self) -> None:
        self.closed = True


@dataclass
class Scene:
    tier: Tiered
    behind: Behind
    clock: Clock

    @property
    def memory(self) -> MemoryStore:
        return self.tier.memory

    async def get(self, entry: Entry) -> Entry | None:
        (found,) = await self.tier.get([entry.lookup])
        return None if found is None else found.entry

    def in_memory(self, entry: Entry) -> Entry | None:
        found = self.memory.peek(entry.key, self.clock.now)
        return None if found is None else found.entry


def set_scene(clock: Clock) -> Scene:
    behind = Behind()
    return Scene(Tiered(MemoryStore(1 << 20, Metrics()), behind, recheck=RECHECK, clock=clock), behind, clock)


def newer(entry: Entry) -> Entry:
    return replace(entry, stored_at=entry.stored_at + 1, payload=b"newer")
