"""Two processes that serve one address, with answers in memory only."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace

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


def whose(pair: Proxy, pid: int, texts: list[str]) -> set[str]:
    """The questions that this process has the provider on."""
    held = {body: far in connections(pid, near) for body, near, far in pair.provider.waiting}
    return {text for text in texts for body, is_its in held.items() if is_its and text.encode() in body}


async def test_a_frontend_that_is_killed_costs_no_more_than_its_own_questions(pair: Proxy) -> None:
    texts = [f"{fresh()}." for _ in TALKING * 6]
    questions = [(route, *asked(route, text)) for route, text in zip(TALKING * 6, texts, strict=True)]
    before = pair.provider.asked()
    pair.provider.goes_on.clear()
    burst = [asyncio.create_task(pair.post(path, body)) for _, path, body in questions]

    async def all_there() -> bool:
        return len(pair.provider.waiting) == len(questions)

    def done() -> set[str]:
        return {text for text, task in zip(texts, burst, strict=True) if task.done()}

    async def cut_off() -> bool:
        return done() == lost

    try:
        assert await eventually(all_there)
        victim, other = sorted(pair.frontends(), key=lambda pid: -len(whose(pair, pid, texts)))
        lost = whose(pair, victim, texts)
        assert lost
        assert lost | whose(pair, other, texts) == set(texts)
        os.kill(victim, signal.SIGKILL)
        assert await eventually(cut_off)
        ready = [await pair.send("GET", "/health/readiness", headers={"Authorization": ""}) for _ in range(5)]
        assert [answer.status for answer in ready] == [200] * 5
        assert done() == lost
    finally:
        pair.provider.goes_on.set()
    answers = await asyncio.gather(*burst, return_exceptions=True)
    for text, (route, _, _), answer in zip(texts, questions, answers, strict=True):
        if text in lost:
            assert isinstance(answer, aiohttp.ClientError)
        else:
            assert isinstance(answer, Answer)
            assert answer.status == 200
            assert words(route, answer)
    assert pair.provider.asked() == before + len(questions), "nobody's question was asked twice"

    async def replaced() -> bool:
        return len(now := pair.frontends()) == 2 and victim not in now

    assert await eventually(replaced)
    assert [answer.status for answer in await crowd(pair, fresh())] == [200] * 40
