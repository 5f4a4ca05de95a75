"""A Redis that is away. These come last: LiteLLM reads none for a minute afterwards."""

import asyncio

import orjson
import pytest

from tests.e2e.stack import eventually
from tests.litellm.behaviours.proxies import Answer, Proxy, fresh

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def ask_all(proxy: Proxy, texts: list[str]) -> list[Answer]:
    return list(await asyncio.gather(*(proxy.chat(text) for text in texts)))


async def test_a_redis_that_dies_in_a_burst_costs_misses_only(proxy: Proxy) -> None:
    texts, before = [fresh() for _ in range(30)], proxy.asked()
    burst = asyncio.create_task(ask_all(proxy, texts))
    try:
        proxy.server.pause()
        answers = await burst
        assert [answer.status for answer in answers] == [200] * len(texts)
        assert proxy.asked() == before + len(texts)
        assert (await proxy.send("GET", "/health/readiness")).status == 200
        unwell = await proxy.send("GET", "/cache/ping")
        assert unwell.status == 503
        error = unwell.json["error"]
        assert (error["type"], error["param"], error["code"]) == ("cache_ping_error", "cache_ping", "503")
        said = orjson.loads(error["message"])
        assert said["message"] == "Service Unhealthy"
        assert {"litellm_cache_params", "health_check_cache_params"} <= said.keys()
        assert "Traceback" not in error["message"]
    finally:
        proxy.server.resume()

    async def well() -> bool:
        return (await proxy.send("GET", "/cache/ping")).status == 200

    assert await eventually(well)
