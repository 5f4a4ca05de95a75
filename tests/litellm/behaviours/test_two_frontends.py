"""Two processes that serve one address, with answers in memory only."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import urlsplit

import aiohttp
import pytest
import pytest_asyncio

from tests.e2e.stack import eventually
from tests.litellm.behaviours.proxies import Answer, Opening, Proxy, fresh
from tests.litellm.behaviours.questions import EMPTY, TALKING, asked, words
from tests.litellm.behaviours.sockets import connections

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHAT = "/v1/chat/completions"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pair(opening: Opening) -> AsyncIterator[Proxy]:
    """Each request comes on a connection of its own, so that both are asked."""
    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    async with (
        opening(cache="type: local", frontends=2) as found,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        yield replace(found, session=session)


async def crowd(pair: Proxy, text: str) -> list[Answer]:
    return list(await asyncio.gather(*(pair.chat(text) for _ in range(40))))


async def test_an_empty_answer_is_served_by_neither_again(pair: Proxy) -> None:
    text = fresh()
    pair.provider.says(CHAT, EMPTY, times=2)
    given = [await pair.chat(text) for _ in range(8)]
    assert [answer.status for answer in given] == [200] * 8
    assert [bool(answer.json["choices"]) for answer in given] == [False] * 2 + [True] * 6
    assert all(words("chat", answer) for answer in await crowd(pair, text))


@pytest.mark.differs("in-step")
async def test_what_one_has_kept_both_serve(pair: Proxy) -> None:
    text, before = fresh(), pair.asked()
    first = await pair.chat(text)
    assert {answer.json["id"] for answer in await crowd(pair, text)} == {first.json["id"]}
    assert pair.asked() == before + 1


async def test_without_a_redis_there_is_nothing_to_tell_of_it(pair: Proxy) -> None:
    told = (await pair.send("GET", "/cache/ping")).json
    assert (told["status"], told["cache_type"]) == ("healthy", "local")
    assert (await pair.send("GET", "/cache/redis/info")).status == 503


async def test_a_frontend_that_is_killed_costs_no_more_than_its_own_connections(pair: Proxy) -> None:
    questions = [(route, *asked(route, fresh())) for route in TALKING * 6]
    before, port = pair.provider.asked(), urlsplit(pair.url).port or 0
    pair.provider.goes_on.clear()
    burst = [asyncio.create_task(pair.post(path, body)) for _, path, body in questions]

    async def all_there() -> bool:
        return pair.provider.asked() == before + len(questions)

    async def only_ours() -> bool:
        """Connections of before are closed by and by."""
        return sum(connections(pid, port) for pid in pair.frontends()) == len(questions)

    async def cut_off() -> bool:
        return any(task.done() for task in burst)

    try:
        assert await eventually(all_there)
        assert await eventually(only_ours)
        victim = max(pair.frontends(), key=lambda pid: connections(pid, port))
        owned = connections(victim, port)
        os.kill(victim, signal.SIGKILL)
        assert await eventually(cut_off)
        ready = [await pair.send("GET", "/health/readiness", headers={"Authorization": ""}) for _ in range(5)]
        assert [answer.status for answer in ready] == [200] * 5
    finally:
        pair.provider.goes_on.set()
    answers = await asyncio.gather(*burst, return_exceptions=True)
    served = [(route, one) for (route, _, _), one in zip(questions, answers, strict=True) if isinstance(one, Answer)]
    assert len(questions) - owned <= len(served) < len(questions)
    assert all(answer.status == 200 and words(route, answer) for route, answer in served)
    assert all(isinstance(one, Answer | aiohttp.ClientError) for one in answers)
    assert await all_there()

    async def replaced() -> bool:
        return len(now := pair.frontends()) == 2 and victim not in now

    assert await eventually(replaced)
    assert [answer.status for answer in await crowd(pair, fresh())] == [200] * 40
