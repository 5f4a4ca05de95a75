"""kill -9 of any process, at any moment: what the queue acknowledged is kept, and clients notice nothing."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
import pytest_asyncio

from askonce.core import wire
from askonce.core.entry import Lookup
from askonce.core.events import Deleted
from askonce.core.key import CacheKey
from askonce.stores.protocols import Reader
from tests.e2e.asking import Client
from tests.e2e.kept import Backing, backing, disk_reader
from tests.e2e.load import Load, metric
from tests.e2e.queue import SETTLED_WITHIN, admin_url, administering
from tests.e2e.stack import Parts, Process, config, eventually, parts, toy_provider, up

pytestmark = pytest.mark.asyncio(loop_scope="module")

MISSES = 2000


@dataclass
class Scene:
    kind: str
    stack: Parts
    client: Client
    store: Backing

    def queue(self):
        return administering(self.stack.nats.url, self.kind)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["disk", "redis"])
async def scene(request, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp(request.param)
    async with (
        toy_provider() as (_, base),
        backing(request.param, folder) as store,
        parts(folder, config(base, store.settings), frontends=1, writers=1) as stack,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        yield Scene(request.param, stack, Client(session, stack.urls[0]), store)


async def test_a_killed_writer_loses_nothing(scene):
    load = Load(scene.client)
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run("writer", MISSES))
        await load.reaches(MISSES // 3)
        writer = scene.stack.writers.pop()
        writer.signal(signal.SIGKILL)
        assert await writer.wait() == -signal.SIGKILL
        await load.goes_on(50)
        assert await scene.store.count(load.keys) < len(load.keys), "killed in the middle of its work"
        await scene.stack.add_writer()
    async with scene.queue() as queue:
        await queue.hasten()
        assert await scene.store.has_all(load.keys)
        assert await queue.empties()
        assert await queue.dead() == []


async def test_a_killed_queue_loses_nothing_and_nobody_notices(scene):
    load = Load(scene.client)
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run("queue", MISSES))
        await load.reaches(MISSES // 8)
        await asyncio.to_thread(scene.stack.nats.kill)
        await load.goes_on(MISSES // 8)
        await asyncio.to_thread(scene.stack.nats.start)
    async with scene.queue() as queue:
        await queue.hasten()
        assert await scene.store.has_all(load.keys)
        assert await queue.empties()


async def test_a_killed_frontend_loses_nothing_that_the_queue_had(scene):
    url = await scene.stack.add_frontend()
    load = Load(Client(scene.client.session, url))
    await load.run("frontend", 200)
    async with scene.queue() as queue:

        async def published() -> bool:
            return await metric(load.client, "askonce_outbox_published_total") == 200

        assert await eventually(published)
        frontend = scene.stack.frontends.pop()
        frontend.signal(signal.SIGKILL)
        assert await frontend.wait() == -signal.SIGKILL
        assert await scene.store.has_all(load.keys)
        assert await queue.empties()


async def test_poison_ends_among_the_dead_letters_and_holds_nothing_up(scene):
    poison = [b"", b"{}", b"\x00" * 5000, wire.encode(Deleted((CacheKey("", "0" * 64),), 0.0))]
    load = Load(scene.client)
    async with scene.queue() as queue:
        before = len(await queue.dead())
        async with asyncio.TaskGroup() as group:
            group.create_task(load.run("poisoned", 200))
            for data in poison:
                await queue.publish(data)
        assert await scene.store.has_all(load.keys)
        assert await queue.empties()
        letters = (await queue.dead())[before:]
        assert [reason for reason, _ in letters] == ["poison"] * len(poison)
        assert {data for _, data in letters} == set(poison)


async def test_what_is_killed_under_up_is_replaced_and_nothing_is_lost(tmp_path):
    async with (
        toy_provider() as (_, base),
        up(tmp_path, config(base), "--frontends", "2", "--writers", "2") as (url, process),
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        load = Load(Client(session, url))
        async with asyncio.TaskGroup() as group:
            group.create_task(load.run("supervised"))
            for role in ("writer", "nats-server", "writer"):
                await load.goes_on(100)
                await kill_one(process, role)
            await load.end()
        data_dir = tmp_path / ".askonce"
        async with administering(admin_url(data_dir), "disk") as queue:
            await queue.hasten()
            store = disk_reader(data_dir / "cache")
            assert await eventually(lambda: holds(store, load.keys), SETTLED_WITHIN)
            await store.close()
            assert await queue.dead() == []
        load = Load(Client(session, url), patient=True)
        async with asyncio.TaskGroup() as group:
            group.create_task(load.run("disturbed"))
            await load.reaches(100)
            await kill_one(process, "frontend")
            await load.end()
        assert [len(process.children(role)) for role in ("frontend", "writer", "nats-server")] == [2, 2, 1]


async def kill_one(process: Process, role: str) -> None:
    """Returns once another one has taken its place, and does its work."""
    before = process.children(role)
    restarts = process.output.count('"event":"child_restarted"')
    os.kill(before[0], signal.SIGKILL)

    async def replaced() -> bool:
        return process.output.count('"event":"child_restarted"') > restarts

    assert await eventually(replaced)
    now = process.children(role)
    assert len(now) == len(before)
    assert before[0] not in now


async def holds(store: Reader, keys: list[CacheKey]) -> bool:
    return None not in await store.get([Lookup(key) for key in keys])
