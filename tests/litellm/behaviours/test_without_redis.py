"""A Redis that is away. These come last: LiteLLM reads none for a minute afterwards."""

import asyncio

import orjson
import pytest

from tests.e2e.stack import eventually
from tests.litellm.behaviours.proxies import Proxy, fresh
from tests.litellm.behaviours.questions import EMPTY, TALKING, asked, words

pytestmark = pytest.mark.asyncio(loop_scope="session")

QUESTIONS = [(route, form) for route in TALKING for form in ({}, {"stream": True})] * 3


async def test_a_redis_that_dies_in_a_burst_costs_misses_only(proxy: Proxy) -> None:
    texts, before = [fresh() for _ in QUESTIONS], proxy.provider.asked()

    async def ask(route: str, form: dict[str, bool], text: str) -> str:
        path, body = asked(route, text)
        answer = await proxy.post(path, {**body, **form})
        assert answer.status == 200, answer.body
        return words(route, answer)

    async def underway() -> bool:
        return proxy.provider.asked() > before

    proxy.provider.goes_on.clear()
    burst = [asyncio.create_task(ask(route, form, text)) for (route, form), text in zip(QUESTIONS, texts, strict=True)]
    try:
        assert await eventually(underway)
        proxy.server.pause()
        proxy.provider.goes_on.set()
        assert all(await asyncio.gather(*burst))
        assert [proxy.provider.asked_for(text) for text in texts] == [1] * len(texts)
        assert (await proxy.send("GET", "/health/readiness")).status == 200
        await unwell(proxy)
    finally:
        proxy.provider.goes_on.set()
        proxy.server.resume()

    async def well() -> bool:
        return (await proxy.send("GET", "/cache/ping")).status == 200

    assert await eventually(well)
    await never_pinned(proxy)


async def never_pinned(proxy: Proxy) -> None:
    """An empty answer is passed on once, and never again."""
    (path, body), before = asked("chat", fresh()), proxy.asked()
    proxy.provider.says(path, EMPTY)
    given = [await proxy.post(path, body) for _ in range(3)]
    assert [bool(answer.json["choices"]) for answer in given] == [False, True, True]
    assert given[1].json["id"] == given[2].json["id"]
    assert proxy.asked() == before + 2


async def unwell(proxy: Proxy) -> None:
    answer = await proxy.send("GET", "/cache/ping")
    assert answer.status == 503
    error = answer.json["error"]
    assert (error["type"], error["param"], error["code"]) == ("cache_ping_error", "cache_ping", "503")
    said = orjson.loads(error["message"])
    assert said["message"] == "Service Unhealthy"
    assert {"litellm_cache_params", "health_check_cache_params"} <= said.keys()
    assert "Traceback" not in error["message"]


async def test_answers_come_while_redis_is_away(proxy: Proxy) -> None:
    proxy.server.pause()
    try:
        for route, form in QUESTIONS[: 2 * len(TALKING)]:
            text = fresh()
            path, body = asked(route, text)
            answer = await proxy.post(path, {**body, **form})
            assert answer.status == 200, answer.body
            assert words(route, answer)
            assert proxy.provider.asked_for(text) == 1
    finally:
        proxy.server.resume()
