"""A store that is slow, silent or gone costs misses: counted, in a whole proxy whose reads go through a bad line."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import pytest
import pytest_asyncio

from tests.e2e.asking import Answer, Client
from tests.e2e.kept import Backing, backing
from tests.e2e.load import metric
from tests.e2e.stack import config, eventually, parts, toy_provider
from tests.slow_proxy import SlowProxy

pytestmark = pytest.mark.asyncio(loop_scope="module")

_SETTINGS = "  cache: true\n  cache_params:\n    type: redis\n    host: 127.0.0.1\n    port: os.environ/STORE_PORT\n"
_FAILURES = 5  # in a row, before reads skip the store
_SLOW = 0.2  # seconds, four times as long as a read of redis may take


@dataclass
class Scene:
    """Both frontends read through `line` and remember nothing. `patient` waits for the store as long as it takes."""

    client: Client
    patient: Client
    line: SlowProxy
    store: Backing

    def asked_for(self, answer: Answer) -> bool:
        """Whether a read of its key has ever reached the line."""
        return str(answer.key).encode() in self.line.heard

    async def outcomes(self) -> dict[str, int]:
        """How reads ended, as the first frontend counts them."""
        text = (await self.client.send("GET", "/metrics")).body.decode()
        found = re.findall(r"^askonce_store_read_seconds_count\{(.*)\} (\S+)$", text, re.MULTILINE)
        return {re.search(r'outcome="(\w+)"', labels)[1]: int(float(count)) for labels, count in found}

    async def skips(self) -> bool:
        return await metric(self.client, 'askonce_store_breaker_open{store="redis"}') == 1

    async def kept(self, name: str, number: int = 5) -> list[str]:
        """Questions whose answers are in the store."""
        texts = [f"{name} {each}" for each in range(number)]
        answers = [await self.client.chat(text) for text in texts]
        assert await self.store.has_all([answer.key for answer in answers])
        for text in texts:
            assert await eventually(lambda text=text: self.hits(text))
        return texts

    async def hits(self, text: str) -> bool:
        answer = await self.client.chat(text)
        return answer.hit and answer.cache["detail"] == "redis"

    async def misses(self, text: str) -> Answer:
        """An answer as good as any."""
        answer = await self.client.chat(text)
        assert answer.status == 200
        assert answer.json["choices"]
        assert not answer.hit
        return answer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp("sick")
    async with (
        toy_provider() as (_, base),
        backing("redis", folder) as store,
        parts(folder, config(base, _SETTINGS), frontends=0, writers=1, STORE_PORT=str(store.server.port)) as stack,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        line = SlowProxy(store.server.port)
        await line.open()
        try:
            through = {"STORE_PORT": str(line.port), "ASKONCE_MEMORY_BYTES": "0"}
            one = await stack.add_frontend(**through, ASKONCE_STORE_DEADLINE="0.05")
            other = await stack.add_frontend(**through, ASKONCE_STORE_DEADLINE="20")
            yield Scene(Client(session, one), Client(session, other), line, store)
        finally:
            await line.close()


@asynccontextmanager
async def broken(line: SlowProxy, how: str) -> AsyncIterator[None]:
    try:
        if how == "slow":
            line.latency = _SLOW
        elif how == "silent":
            line.fall_silent()
        else:
            await line.refuse()
        yield
    finally:
        line.latency = 0.0
        line.speak()
        if how == "refusing":
            await line.open()


@pytest.mark.parametrize("how", ["slow", "silent", "refusing"])
async def test_a_sick_store_is_asked_five_times_and_then_left_alone(scene, how):
    texts = await scene.kept(how)
    well = await scene.outcomes()
    async with broken(scene.line, how):
        for number in range(_FAILURES):
            assert not await scene.skips()
            await scene.misses(texts[number])
        assert await scene.skips()
        sick = await scene.outcomes()
        assert failures(sick) == failures(well) + _FAILURES
        assert [sick[name] for name in ("hit", "miss", "open")] == [well[name] for name in ("hit", "miss", "open")]
        assert how == "refusing" or sick["error"] == well["error"], "a read that takes too long is none that failed"

        new = [f"{how}, new {number}" for number in range(20)]
        answers = await asyncio.gather(*(scene.misses(text) for text in (*texts, *new)))
        assert [scene.asked_for(answer) for answer in answers] == [True] * 5 + [False] * 20, (
            "who skips the store does not ask it"
        )
        assert await scene.outcomes() == {**sick, "open": sick["open"] + 25}

    assert await eventually(lambda: well_again(scene))
    for text in texts:
        assert await eventually(lambda text=text: scene.hits(text))


def failures(outcomes: dict[str, int]) -> int:
    return outcomes["timeout"] + outcomes["error"]


async def well_again(scene: Scene) -> bool:
    return not await scene.skips()


async def test_a_store_slower_than_its_deadline_hits_for_who_waits(scene):
    texts = await scene.kept("for who waits")
    async with broken(scene.line, "slow"):
        answers = [await scene.patient.chat(text) for text in texts]
        assert [answer.hit for answer in answers] == [True] * len(texts)


async def test_lost_connections_cost_no_more_than_their_reads(scene):
    texts = await scene.kept("lost connections")
    before = await scene.outcomes()
    for text in texts:
        scene.line.reset()
        assert await eventually(lambda text=text: scene.hits(text))
    assert (await scene.outcomes())["open"] == before["open"]


async def test_a_store_that_was_away_has_what_was_asked_meanwhile(scene):
    async with broken(scene.line, "refusing"):
        asked = [await scene.misses(f"meanwhile {number}") for number in range(10)]
        assert all(answer.stored for answer in asked)
        assert await scene.store.has_all([answer.key for answer in asked])
    for number in range(10):
        assert await eventually(lambda number=number: scene.hits(f"meanwhile {number}"))
