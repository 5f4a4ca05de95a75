"""What is away costs misses and waits, and never an answer; when it comes back, so does all that it missed."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from uuid import uuid4

import aiohttp
import pytest
import pytest_asyncio

from askonce.core import wire
from askonce.core.entry import JSON, Entry, Lookup
from askonce.core.events import Answered
from askonce.core.key import CacheKey
from tests.e2e.asking import Answer, Client
from tests.e2e.kept import Backing, backing
from tests.e2e.load import Load, metric
from tests.e2e.queue import Queue, administering
from tests.e2e.stack import Parts, config, eventually, parts, toy_provider
from tests.servers import NatsServer, Valkey

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Scene:
    """`a` and `b` are frontends; `b` has no memory, so that each of its hits comes out of Redis."""

    stack: Parts
    a: Client
    b: Client
    store: Backing
    queue: Queue

    @property
    def valkey(self) -> Valkey:
        assert self.store.server is not None
        return self.store.server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp("outages")
    async with (
        toy_provider() as (_, base),
        backing("redis", folder) as store,
        parts(folder, config(base, store.settings), frontends=1, writers=1) as stack,
        administering(stack.nats.url, "redis") as queue,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        forgetful = await stack.add_frontend(ASKONCE_MEMORY_BYTES="0")
        yield Scene(stack, Client(session, stack.urls[0]), Client(session, forgetful), store, queue)


async def break_under_load(
    scene: Scene, name: str, breaks: Callable[[], object], mends: Callable[[], object], waiting: bool = False
) -> list[CacheKey]:
    """The keys of what was asked since it was broken; each ask must have been answered well. `waiting` says that
    answers could not go on to the queue meanwhile.
    """
    loads = [Load(scene.a), Load(scene.b)]
    async with asyncio.TaskGroup() as group:
        for number, load in enumerate(loads):
            group.create_task(load.run(f"{name} {number}"))
        await asyncio.gather(*(load.reaches(100) for load in loads))
        await asyncio.to_thread(breaks)
        before = [load.asked for load in loads]
        await asyncio.gather(*(load.goes_on(200) for load in loads))
        assert not waiting or await metric(scene.a, "askonce_outbox_events") > 100
        await asyncio.to_thread(mends)
        await asyncio.gather(*(load.end() for load in loads))
    return [key for load, asked in zip(loads, before, strict=True) for key in load.keys_asked_after(asked)]


async def outbox_is_empty(client: Client) -> bool:
    return await metric(client, "askonce_outbox_events") == 0


async def is_whole_again(scene: Scene, keys: list[CacheKey], name: str) -> None:
    for client in (scene.a, scene.b):
        assert await eventually(lambda client=client: outbox_is_empty(client))
    await scene.queue.hasten()
    assert await scene.store.has_all(keys)
    assert await scene.queue.empties()
    last = await scene.a.chat(f"{name}, afterwards")
    assert await scene.store.has_all([last.key])
    assert await eventually(lambda: hits_in_redis(scene.b, f"{name}, afterwards"))


async def hits_in_redis(client: Client, text: str) -> bool:
    answer = await client.chat(text)
    return answer.hit and answer.cache["detail"] == "redis"


@pytest.mark.parametrize("how", ["killed", "frozen"])
async def test_redis_away_costs_misses_and_nothing_else(scene, how):
    server = scene.valkey
    breaks, mends = (server.kill, server.start) if how == "killed" else (server.pause, server.resume)
    keys = await break_under_load(scene, f"redis {how}", breaks, mends)
    await is_whole_again(scene, keys, f"redis {how}")


@pytest.mark.parametrize("how", ["stopped", "frozen"])
async def test_the_queue_away_costs_nothing_but_a_wait(scene, how):
    server: NatsServer = scene.stack.nats
    breaks, mends = (server.stop, server.start) if how == "stopped" else (server.pause, server.resume)
    keys = await break_under_load(scene, f"queue {how}", breaks, mends, waiting=True)
    await is_whole_again(scene, keys, f"queue {how}")


async def ping(client: Client) -> Answer:
    return await client.send("GET", "/cache/ping")


async def is_healthy(client: Client) -> bool:
    answer = await ping(client)
    return answer.status == 200 and answer.json["status"] == "healthy"


async def unhealthy(client: Client) -> str:
    answer = await ping(client)
    assert answer.status == 503
    return str(answer.error["message"])


async def test_a_ping_names_the_part_that_does_not_answer(scene):
    assert await eventually(lambda: is_healthy(scene.a))
    await asyncio.to_thread(scene.valkey.kill)
    assert "redis store" in await unhealthy(scene.a)
    await asyncio.to_thread(scene.valkey.start)
    assert await eventually(lambda: is_healthy(scene.a))
    await asyncio.to_thread(scene.stack.nats.stop)
    assert "queue" in await unhealthy(scene.a)
    await asyncio.to_thread(scene.stack.nats.start)
    assert await eventually(lambda: is_healthy(scene.a))


async def while_writers_stand_still(scene: Scene, work: Callable[[], Awaitable[None]]) -> None:
    for writer in scene.stack.writers:
        writer.signal(signal.SIGSTOP)
    try:
        await work()
    finally:
        for writer in scene.stack.writers:
            writer.signal(signal.SIGCONT)


async def test_without_writers_nothing_is_confirmed_and_what_was_deleted_stays_away(scene):
    assert await eventually(lambda: is_healthy(scene.a))
    await scene.queue.hasten()
    keys: list[CacheKey] = []

    async def delete() -> None:
        first = await scene.a.chat("deleted in vain")
        keys.append(first.key)
        body = {"keys": [str(first.key)]}
        refused, why = await asyncio.gather(scene.b.send("POST", "/cache/delete", json=body), unhealthy(scene.a))
        assert (refused.status, refused.error["type"]) == (503, "cache_delete_error")
        assert "no writer" in why
        assert not await scene.a.hits("completion", "deleted in vain"), "but it was told"

    await while_writers_stand_still(scene, delete)
    assert await scene.queue.empties()
    assert await scene.store.count(keys) == 0, "the answer was queued before the deletion, and written after it"
    assert not await scene.a.hits("completion", "deleted in vain")


async def test_what_is_handed_out_again_brings_nothing_deleted_back(scene):
    first = await scene.a.chat("deleted for good")
    assert await scene.store.has_all([first.key])
    entry = await scene.store.entry(first.key)
    assert entry is not None
    told = await scene.a.send("POST", "/cache/delete", json={"keys": [str(first.key)]})
    assert told.status == 200
    for _ in range(3):
        await scene.queue.publish(wire.encode(Answered(uuid4().hex, entry.stored_at, (entry,))))
    marker = Entry(Lookup(CacheKey("", "f" * 64)), b"{}", JSON, time.time(), None, "toy", "completion")
    await scene.queue.publish(wire.encode(Answered(uuid4().hex, time.time(), (marker,))))
    assert await scene.store.has_all([marker.key])
    assert await scene.queue.empties()
    assert await scene.store.entry(first.key) is None
    for client in (scene.a, scene.b):
        assert not await client.hits("completion", "deleted for good")
    again = await scene.a.chat("deleted for good")
    assert again.stored
    assert await scene.store.has_all([again.key]), "a new answer is welcome"
