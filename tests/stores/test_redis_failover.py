"""A Redis loses its master under load: that costs misses, and never an error."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from askonce.config.settings import RedisSettings
from askonce.core.entry import Entry, Lookup
from askonce.core.errors import StoreUnavailable
from askonce.stores.guards import Guarded
from askonce.stores.memory import MemoryStore
from askonce.stores.redis.exact import RedisReader, RedisWriter
from askonce.stores.tier import Tiered
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from tests.redis_cluster import Cluster
from tests.redis_sentinels import Sentinels
from tests.redis_topologies import running
from tests.servers import Child
from tests.stores.contract import Clock, make_entry

PREFIX = "askonce:"
BATCH = 24  # entries: every node of a cluster has some of each batch
READERS = 8
PATIENCE = 60.0


@dataclass
class Load:
    """One reader as a frontend has it, without its memory, and one writer that goes on as the writer process does."""

    guarded: Guarded
    writer: RedisWriter
    clock: Clock
    kept: list[Entry] = field(default_factory=list)
    retried: list[Entry] = field(default_factory=list)
    found: int = 0
    missed: int = 0
    stopped: bool = False

    def __post_init__(self) -> None:
        self.tier = Tiered(MemoryStore(0, Metrics()), self.guarded, recheck=60.0, clock=self.clock)

    async def write(self) -> None:
        for number in count():
            if self.stopped:
                return
            await self._keep([make_entry(self.clock, f"{number}.{one}") for one in range(BATCH)])
            await asyncio.sleep(0.005)

    async def _keep(self, batch: list[Entry]) -> None:
        failed = False
        while not self.stopped:
            try:
                await self.writer.put(batch)
            except StoreUnavailable:
                failed = True
                await asyncio.sleep(0.05)
            else:
                self.kept += batch
                self.retried += batch if failed else []
                return

    async def read(self) -> None:
        """Whatever comes out of the tier, and whatever but StoreUnavailable comes out of the guard, ends the test."""
        for number in count():
            if self.stopped:
                return
            asked = self.kept[number * 7 % len(self.kept)] if self.kept else make_entry(self.clock, "absent")
            (one,) = await self.tier.get([asked.lookup])
            self.found += one is not None
            self.missed += one is None
            try:
                await self.guarded.get([asked.lookup, Lookup(asked.key)])
            except StoreUnavailable:
                await asyncio.sleep(0.001)

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while not holds():
                await asyncio.sleep(0.01)
        assert holds(), what

    async def until_found(self, entries: list[Entry]) -> None:
        async with asyncio.timeout(PATIENCE):
            while [one and one.entry for one in await self.tier.get([entry.lookup for entry in entries])] != entries:
                await asyncio.sleep(0.05)


@asynccontextmanager
async def load(settings: RedisSettings, clock: Clock) -> AsyncIterator[Load]:
    """Runs until the block ends; whatever went wrong in it goes wrong there."""
    reader = RedisReader(settings, PREFIX, clock)
    guarded = Guarded(reader, deadline=0.2, metrics=Metrics(), log=Log("test"), timer=time.monotonic)
    working = Load(guarded, RedisWriter(settings, PREFIX, clock), clock)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(working.write())
            for _ in range(READERS):
                group.create_task(working.read())
            try:
                await working.until(lambda: working.found > 100, "reads find what was written")
                yield working
            finally:
                working.stopped = True
    finally:
        await guarded.close()
        await working.writer.close()


async def lose_a_master(working: Load, master: Child) -> None:
    """Kills it; returns once what was refused meanwhile has been written, and is found."""
    await asyncio.to_thread(master.kill)
    await working.until(lambda: bool(working.retried), "writes that failed are done")
    before, found = len(working.kept), working.found
    await working.until(lambda: len(working.kept) > before + 5 * BATCH, "the writer goes on")
    await working.until(lambda: working.found > found + 100, "the readers find again")
    await working.until_found(working.retried)
    await working.until_found(working.kept[-BATCH:])


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with running(Cluster(tmp_path)) as servers:
        yield servers


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    with running(Sentinels(tmp_path)) as servers:
        yield servers


async def test_a_cluster_loses_a_master_and_then_the_next(cluster: Cluster, clock: Clock) -> None:
    async with load(cluster.settings(), clock) as working:
        await lose_a_master(working, cluster.nodes[0])
        await asyncio.to_thread(cluster.settle)
        working.retried.clear()
        await lose_a_master(working, cluster.nodes[1])


async def test_sentinels_replace_the_master_and_it_comes_back_as_a_replica(sentinels: Sentinels, clock: Clock) -> None:
    async with load(sentinels.settings(), clock) as working:
        await lose_a_master(working, sentinels.master)
        assert sentinels.current() is sentinels.replica
        await asyncio.to_thread(sentinels.master.start)
        await asyncio.to_thread(sentinels.settle)
        await working.until_found(working.kept[-BATCH:])
