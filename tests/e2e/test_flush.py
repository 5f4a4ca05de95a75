"""A flush on real processes: every frontend misses at once, whether a writer runs or not; the store is emptied later,
of ours and of nothing else.
"""

import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
import pytest_asyncio

from askonce.bus.nats import open_frontend_bus
from askonce.config.settings import ProxySettings
from askonce.core.entry import JSON, Entry, Lookup
from askonce.core.events import Answered
from askonce.core.key import CacheKey
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from tests.e2e.asking import Answer, Client
from tests.e2e.kept import Backing, backing
from tests.e2e.queue import administering
from tests.e2e.stack import Parts, config, eventually, parts, toy_provider

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASKED = [("completion", "one"), ("completion", "two"), ("text_completion", "three"), ("embedding", "four")]
WITHIN = {"namespace": "team"}  # the request's own; another proxy's is configured


@dataclass
class Scene:
    stack: Parts
    session: aiohttp.ClientSession
    a: Client
    b: Client
    store: Backing

    async def flush(self) -> None:
        told = await self.a.send("POST", "/cache/flushall")
        assert (told.status, told.json) == (200, {"status": "success"})

    async def fill(self) -> list[Answer]:
        asked = [await self.a.ask(call_type, text) for call_type, text in ASKED]
        asked.append(await self.a.chat("five", WITHIN))
        assert await self.store.has_all([one.key for one in asked])
        return asked

    async def found(self, client: Client) -> list[bool]:
        """Whether what `fill` asks is a hit."""
        hits = [await client.hits(call_type, text) for call_type, text in ASKED]
        return [*hits, await client.hits("completion", "five", cache=WITHIN)]

    async def theirs(self) -> list[CacheKey]:
        """Kept by other proxies in the same store: written by our writer, since they use this queue too."""
        bus = await open_frontend_bus(
            self.stack.nats.url, store=self.store.kind, settings=ProxySettings(), metrics=Metrics(), log=Log("test"),
            name="another frontend",
        )  # fmt: skip
        keys = [CacheKey(namespace, f"{n:064x}") for n, namespace in enumerate(("team", "team:b", "team2"))]
        now = time.time()
        entries = [Entry(Lookup(key), b"{}", JSON, now, None, "m", "completion", home="team") for key in keys]
        await bus.publisher.publish(Answered("theirs", now, tuple(entries)))
        await bus.close()
        assert await self.store.has_all(keys)
        return keys


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["disk", "redis"])
async def scene(request, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp(request.param)
    async with (
        toy_provider() as (_, base),
        backing(request.param, folder) as store,
        parts(folder, config(base, store.settings), frontends=2, writers=1) as stack,
        aiohttp.ClientSession() as session,
    ):
        yield Scene(stack, session, *(Client(session, url) for url in stack.urls), store)


async def test_every_frontend_misses_at_once_and_the_store_is_emptied_later_of_ours_alone(scene: Scene):
    theirs = await scene.theirs()
    before = await scene.fill()
    (writer,) = scene.stack.writers
    writer.signal(signal.SIGSTOP)
    try:
        queued = await scene.a.chat("asked before the flush, written after it")
        assert await scene.found(scene.b) == [True] * 5
        await scene.flush()
        for client in (scene.a, scene.b):
            assert await scene.found(client) == [False] * 5
            assert not await client.hits("completion", "asked before the flush, written after it")
        assert await scene.store.count([one.key for one in before]) == 5, "no writer ran"
        later = Client(scene.session, await scene.stack.add_frontend())
        assert await scene.found(later) == [False] * 5
        again, new = await scene.b.chat("one"), await later.chat("new")
        assert (again.hit, new.hit) == (False, False)
        for client in (scene.a, scene.b, later):
            assert await client.hits("completion", "one")
            assert await client.hits("completion", "new")
    finally:
        writer.signal(signal.SIGCONT)

    async def only_the_new_are_left() -> bool:
        left = await scene.store.count([one.key for one in before[1:]])
        return left == 0 and await scene.store.count([again.key, new.key]) == 2

    assert await eventually(only_the_new_are_left)
    async with administering(scene.stack.nats.url, scene.store.kind) as queue:
        assert await queue.empties()
    assert await scene.store.count([queued.key]) == 0
    assert await scene.store.count([again.key, new.key]) == 2, "they were asked for later"
    assert await scene.store.count(theirs) == 3
    for client in (scene.a, scene.b, later):
        assert await scene.found(client) == [True, *[False] * 4]


async def test_whoever_asks_after_the_answer_to_a_flush_misses_wherever_they_ask(scene: Scene):
    hits: list[int] = []
    for number in range(30):
        text = f"round {number}"
        asked = await scene.b.chat(text)
        assert await scene.b.hits("completion", text)
        await scene.flush()
        hits += [number for client in (scene.b, scene.a) if await client.hits("completion", text)]
        assert not asked.hit
    assert hits == []
