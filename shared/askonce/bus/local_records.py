"""Records and sums within one process, with the promises of those over NATS. They are forgotten when it ends."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from askonce.bus import names
from askonce.bus.protocols import Record
from askonce.core.errors import BusConflict, BusUnavailable

_DUPLICATES: Final = 120.0  # seconds, as the stream over NATS has it


class Change(NamedTuple):
    """The last of a record; None is a deletion."""

    value: bytes | None
    revision: int


class Shelf:
    """What all buckets and tallies of a bus share. `up` is whether the bus is there, `clock` gives seconds."""

    def __init__(self, up: Callable[[], bool], clock: Callable[[], float]) -> None:
        self.up, self._clock = up, clock
        self.changes: OrderedDict[str, Change] = OrderedDict()  # in the order of their revisions
        self.revision = 0
        self.watchers: list[LocalBucket] = []
        self.sums: dict[str, int] = {}
        self._ids: OrderedDict[str, float] = OrderedDict()

    def change(self, name: str, value: bytes | None, revision: int | None) -> int:
        last = self.changes.get(name)
        there = last.revision if last is not None and last.value is not None else 0
        if revision not in {None, there}:
            raise BusConflict("somebody else has written there meanwhile")
        self.revision += 1
        self.changes[name] = Change(value, self.revision)
        self.changes.move_to_end(name)
        self.tell()
        return self.revision

    def tell(self) -> None:
        for watcher in self.watchers:
            asyncio.get_running_loop().call_soon(watcher.catch_up)

    def lose(self) -> None:
        self.changes.clear()
        for watcher in self.watchers:
            watcher.miss()

    def add(self, name: str, amount: int, once: str) -> None:
        now = self._clock()
        while self._ids and next(iter(self._ids.values())) < now - _DUPLICATES:
            self._ids.popitem(last=False)
        if once not in self._ids:
            self._ids[once] = now
            self.sums[name] = self.sums.get(name, 0) + amount


class LocalBucket:
    """`bus.protocols.Bucket`. It can be cut off alone, while others of the same bus go on."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._up = True
        self._seen = 0
        self._on_change: Callable[[str, Record | None], None] | None = None
        self._on_gap: Callable[[], None] | None = None

    def disconnect(self) -> None:
        self._up = False

    def reconnect(self) -> None:
        self._up = True
        self.catch_up()

    @property
    def connected(self) -> bool:
        return self._up and self._shelf.up()

    async def get(self, name: str) -> Record | None:
        names.record(name)
        self._require()
        return _record(self._shelf.changes.get(name))

    async def put(self, name: str, value: bytes, *, revision: int | None = None) -> int:
        names.record(name)
        self._require()
        return self._shelf.change(name, value, revision)

    async def delete(self, name: str, *, revision: int | None = None) -> None:
        names.record(name)
        self._require()
        if _record(self._shelf.changes.get(name)) is not None:
            self._shelf.change(name, None, revision)

    async def all(self, start: str) -> dict[str, Record]:
        names.records(start)
        self._require()
        found = ((name, _record(change)) for name, change in self._shelf.changes.items() if name.startswith(start))
        return {name: record for name, record in found if record is not None}

    async def watch(self, on_change: Callable[[str, Record | None], None], on_gap: Callable[[], None]) -> None:
        self._require()
        if self._on_change is None:
            self._on_change, self._on_gap, self._seen = on_change, on_gap, self._shelf.revision
            self._shelf.watchers.append(self)

    def catch_up(self) -> None:
        """Tells the watcher what it has not seen yet."""
        if self._on_change is None or not self.connected:
            return
        missed = [(name, one) for name, one in self._shelf.changes.items() if one.revision > self._seen]
        self._seen = self._shelf.revision
        for name, one in missed:
            self._on_change(name, _record(one))

    def miss(self) -> None:
        if self._on_gap is not None:
            self._on_gap()

    def _require(self) -> None:
        if not self.connected:
            raise BusUnavailable("the local bus is disconnected")


class LocalTally:
    """`bus.protocols.Tally`."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def add(self, name: str, amount: int, *, once: str) -> int:
        names.spent(name)
        self._require()
        self._shelf.add(name, amount, f"{name}:add:{once}")
        return self._shelf.sums[name]

    async def total(self, name: str) -> int:
        names.spent(name)
        self._require()
        return self._shelf.sums.get(name, 0)

    async def reset(self, name: str, *, once: str = "") -> None:
        total = await self.total(name)
        if total and once:
            self._shelf.add(name, -total, f"{name}:reset:{once}")
        elif total:
            self._shelf.sums[name] = 0

    def _require(self) -> None:
        if not self._shelf.up():
            raise BusUnavailable("the local bus is disconnected")


def _record(change: Change | None) -> Record | None:
    return None if change is None or change.value is None else Record(change.value, change.revision)
