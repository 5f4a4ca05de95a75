"""Limits of tokens and of one model over two frontends that count in one Valkey, and limits that are counted in each
frontend by itself.
"""

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from tests.e2e.gated import gated_provider
from tests.e2e.limited import Scene, limited
from tests.e2e.stack import eventually, parts
from tests.servers import Valkey

CACHE = "  cache: true\n  cache_params: {type: local}\n"
TOKENS = 5  # of each answer of the provider


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp("limits")
    valkey = Valkey(folder / "valkey")
    valkey.start()
    try:
        async with gated_provider() as (provider, base), aiohttp.ClientSession() as session:
            provider.open()
            async with parts(folder / "proxy", limited(base, CACHE, valkey.port), frontends=2, writers=0) as made:
                yield Scene(provider, made, session)
    finally:
        valkey.kill()


async def refuse_for_tokens(scene: Scene, key: str, text: str) -> bool:
    """Whether both frontends come to do so: tokens are on their way once an answer is there."""

    async def both() -> bool:
        return [await scene.ask(url, key, text) for url in scene.urls] == [(429, "tokens")] * 2

    return await eventually(both)


@pytest.mark.asyncio(loop_scope="module")
async def test_tokens_that_one_frontend_spent_are_gone_for_both(scene: Scene) -> None:
    key = await scene.key(tpm_limit=TOKENS)
    assert (await scene.ask(scene.urls[0], key, "what takes all tokens"))[0] == 200
    assert await refuse_for_tokens(scene, key, "what takes all tokens")
    assert 'askonce_limited_total{kind="tokens"}' in await scene.metrics(scene.urls[1])


@pytest.mark.asyncio(loop_scope="module")
async def test_hits_cost_no_tokens(scene: Scene) -> None:
    key, asked = await scene.key(tpm_limit=2 * TOKENS), scene.provider.calls
    hits = [await scene.ask(scene.urls[0], key, "what is asked often") for _ in range(8)]
    assert [status for status, _ in hits] == [200] * 8
    assert all("hit" in source for _, source in hits[1:])
    assert scene.provider.calls == asked + 1
    assert (await scene.ask(scene.urls[1], key, "what takes the other half"))[0] == 200
    assert scene.provider.calls == asked + 2
    assert await refuse_for_tokens(scene, key, "what is asked often")


@pytest.mark.asyncio(loop_scope="module")
async def test_a_limit_of_one_model_leaves_the_keys_other_models_alone(scene: Scene) -> None:
    key = await scene.key(model_rpm_limit={"small": 2})
    small = [await scene.ask(url, key, "of the small one", model="small") for url in scene.urls * 2]
    assert [status for status, _ in small] == [200, 200, 429, 429]
    assert small[3][1] == "requests"
    large = [await scene.ask(url, key, "of the large one", model="large") for url in scene.urls * 2]
    assert [status for status, _ in large] == [200] * 4


@pytest.mark.asyncio(loop_scope="module")
async def test_frontends_with_a_redis_say_nothing_of_limits_that_are_not_shared(scene: Scene) -> None:
    assert all("limits_not_shared" not in one.output for one in scene.parts.frontends)
    assert ["askonce_limits_shared 1.0" in await scene.metrics(url) for url in scene.urls] == [True, True]


@pytest.mark.asyncio(loop_scope="module")
async def test_without_a_redis_each_frontend_counts_and_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("alone")
    async with gated_provider() as (provider, base), aiohttp.ClientSession() as session:
        provider.open()
        async with parts(folder, limited(base, CACHE, None), frontends=2, writers=0) as made:
            scene = Scene(provider, made, session)
            for frontend in made.frontends:
                await frontend.line("limits_not_shared")
            key = await scene.key(rpm_limit=2)
            told = [await scene.ask(url, key, "asked of each") for url in scene.urls for _ in range(3)]
            assert [status for status, _ in told] == [200, 200, 429] * 2
            assert ["askonce_limits_shared 0.0" in await scene.metrics(url) for url in scene.urls] == [True, True]
