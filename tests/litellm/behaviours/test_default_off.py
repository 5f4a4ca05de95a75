"""`mode: default_off`: only who says `use-cache` uses the cache."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.litellm.behaviours.proxies import Opening, Proxy, fresh
from tests.litellm.behaviours.questions import asked

pytestmark = pytest.mark.asyncio(loop_scope="session")

USE = {"use-cache": True}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def reserved(opening: Opening) -> AsyncIterator[Proxy]:
    async with opening(cache="mode: default_off, type: redis") as found:
        yield found


async def upstream(proxy: Proxy, route: str, text: str, *caches: dict[str, Any]) -> list[int]:
    """How often the provider was asked by a question with each of these controls."""
    path, body = asked(route, text)
    counts = []
    for cache in caches:
        before = proxy.asked(path)
        answer = await proxy.post(path, {**body, "cache": cache} if cache else body)
        assert answer.status == 200, answer.body
        counts.append(proxy.asked(path) - before)
    return counts


@pytest.mark.parametrize("route", ["chat", "embeddings"])
async def test_who_says_nothing_neither_reads_nor_keeps(reserved: Proxy, route: str) -> None:
    assert await upstream(reserved, route, fresh(), {}, {}, USE, {}) == [1, 1, 1, 1]


async def test_who_says_so_has_chats_cached(reserved: Proxy) -> None:
    assert await upstream(reserved, "chat", fresh(), USE, USE, {}, USE) == [1, 0, 1, 0]


@pytest.mark.differs("embeddings-and-controls")
async def test_who_says_so_has_embeddings_cached(reserved: Proxy) -> None:
    assert await upstream(reserved, "embeddings", fresh(), USE, USE, {}, USE) == [1, 0, 1, 0]
