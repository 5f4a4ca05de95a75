"""Limits of virtual keys over two frontends that count in one Valkey: exact, met by hits too, and told as LiteLLM does.

What counters do when Redis is away or a frontend dies is in tests/stores/test_counting_redis.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import openai
import pytest
import pytest_asyncio

from tests.e2e.gated import gated_provider
from tests.e2e.limited import MASTER, Scene, limited
from tests.e2e.stack import chat, eventually, parts
from tests.servers import Valkey

CACHES = {
    "cached": "  cache: true\n  cache_params: {type: local}\n",
    "uncached": "  cache: true\n  cache_params: {type: local, supported_call_types: []}\n",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=list(CACHES))
async def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder: Path = tmp_path_factory.mktemp(str(request.param))
    valkey = Valkey(folder / "valkey")
    valkey.start()
    try:
        async with gated_provider() as (provider, base), aiohttp.ClientSession() as session:
            provider.open()
            text = limited(base, CACHES[request.param], valkey.port)
            async with parts(folder / "proxy", text, frontends=2, writers=0) as made:
                yield Scene(provider, made, session)
    finally:
        valkey.kill()


@pytest.mark.asyncio(loop_scope="module")
async def test_sixty_a_minute_are_sixty_over_both_frontends(scene: Scene) -> None:
    key = await scene.key(rpm_limit=60)
    answers: list[tuple[int, str]] = []
    for _ in range(10):
        urls = [url for url in scene.urls for _ in range(4)]
        answers += await asyncio.gather(*(scene.ask(url, key, "the same question") for url in urls))
    statuses = [status for status, _ in answers]
    assert statuses.count(200) == 60
    assert statuses.count(429) == 20
    assert all([200, 429].count(status) for status in statuses)
    assert 'askonce_limited_total{kind="requests"}' in "".join([await scene.metrics(url) for url in scene.urls])


@pytest.mark.asyncio(loop_scope="module")
async def test_a_hit_counts_as_a_request(scene: Scene) -> None:
    key = await scene.key(rpm_limit=3)
    told = [await scene.ask(scene.urls[0], key, "asked again and again") for _ in range(4)]
    assert [status for status, _ in told] == [200, 200, 200, 429]
    assert (await scene.ask(scene.urls[1], key, "asked again and again"))[0] == 429
    assert (await scene.ask(scene.urls[1], MASTER, "asked again and again"))[0] == 200


@pytest.mark.asyncio(loop_scope="module")
async def test_the_sdk_sees_a_rate_limit_error_with_litellms_headers(scene: Scene) -> None:
    key = await scene.key(rpm_limit=1)
    async with openai.AsyncOpenAI(api_key=key, base_url=f"{scene.urls[1]}/v1", max_retries=0) as client:
        await client.chat.completions.create(**chat("by the SDK"))  # type: ignore[call-overload]
        with pytest.raises(openai.RateLimitError) as raised:
            await client.chat.completions.create(**chat("by the SDK"))  # type: ignore[call-overload]
    refused = raised.value
    assert 1 <= int(refused.response.headers["retry-after"]) <= 60
    assert refused.response.headers["rate_limit_type"] == "requests"
    assert refused.response.headers["reset_at"].endswith(" UTC")
    assert (refused.type, refused.code) == ("rate_limit_error", "rate_limit_exceeded")
    assert "Limit type: requests. Current limit: 1, Remaining: 0. Limit resets at: " in refused.message
    assert key not in refused.response.text


@pytest.mark.asyncio(loop_scope="module")
async def test_only_so_many_are_under_way_at_once_over_both_frontends(scene: Scene) -> None:
    key = await scene.key(max_parallel_requests=2)
    scene.provider.shut()
    slow = [asyncio.create_task(scene.ask(url, key, f"slow at {url}")) for url in scene.urls]

    async def both_are_asked() -> bool:
        return scene.provider.calls == 2

    assert await eventually(both_are_asked)
    assert [(await scene.ask(url, key, "one too many"))[0] for url in scene.urls] == [429, 429]
    scene.provider.open()
    assert [status for status, _ in await asyncio.gather(*slow)] == [200, 200]

    async def free_again() -> bool:
        return (await scene.ask(scene.urls[1], key, "now there is room"))[0] == 200

    assert await eventually(free_again)
