"""A book of keys over a bucket of this process, at a told time, with every read of the bucket counted and held."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest_asyncio

from askonce.bus.local import LocalBus
from askonce.bus.local_records import LocalBucket
from askonce.bus.protocols import Record
from askonce.core.errors import BusUnavailable, RequestError
from askonce.frontend.access.book import Book
from askonce.frontend.access.caller import Caller
from askonce.frontend.access.records import KeyRecord, TeamRecord, hashed, key_record, team_record
from askonce.frontend.access.terms import Terms
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from tests.frontend.kit import Clock

TTL = 60.0
GRACE = 3600.0


class Slow:
    """A bucket whose answers wait while `gate` is shut: they are of the time they were asked at."""

    def __init__(self, bucket: LocalBucket) -> None:
        self.within = bucket
        self.reads: Counter[str] = Counter()
        self.under_way, self.most = 0, 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.failing = False

    @property
    def connected(self) -> bool:
        return self.within.connected

    async def get(self, name: str) -> Record | None:
        self.reads[name] += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            if self.failing:
                raise BusUnavailable("it breaks off, as the test wishes")
            found = await self.within.get(name)
            await self.gate.wait()
        finally:
            self.under_way -= 1
        return found

    async def put(self, name: str, value: bytes, *, revision: int | None = None) -> int:
        return await self.within.put(name, value, revision=revision)

    async def delete(self, name: str, *, revision: int | None = None) -> None:
        await self.within.delete(name, revision=revision)

    async def all(self, start: str) -> dict[str, Record]:
        return await self.within.all(start)

    async def watch(self, on_change: Callable[[str, Record | None], None], on_gap: Callable[[], None]) -> None:
        await self.within.watch(on_change, on_gap)


class Desk:
    """A frontend's book, and an operator elsewhere who writes into the same bucket."""

    def __init__(self, most: int = 100_000) -> None:
        self.clock, self.metrics = Clock(), Metrics()
        bus = LocalBus(clock=self.clock)
        self.there = bus.bucket()
        self.bucket = Slow(bus.bucket())
        self.book = Book(
            self.bucket, Terms(None, lambda name: name),
            ttl=TTL, grace=GRACE, most=most, clock=self.clock, metrics=self.metrics, log=Log("test"),
        )  # fmt: skip

    async def write(self, key: str, **more: Any) -> str:
        """The key's token."""
        record = replace(KeyRecord(token=hashed(key)), **more)
        await self.there.put(key_record(record.token), record.encode())
        return record.token

    async def write_team(self, team_id: str, **more: Any) -> None:
        await self.there.put(team_record(team_id), replace(TeamRecord(team_id=team_id), **more).encode())

    async def may(self, token: str, model: str = "x") -> bool | int:
        """Whether the key may ask the model, False for one that is none; or the status of the refusal."""
        try:
            caller: Caller | None = await self.book.key(token)
            if caller is None:
                return False
            caller.require(model)
        except RequestError as error:
            return error.status
        return True

    def reads(self, token: str) -> int:
        return self.bucket.reads[key_record(token)]


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    await desk.book.open()
    yield desk
    await desk.book.close()
