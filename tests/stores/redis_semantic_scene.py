"""The redis-semantic store in both roles on Redis Stack, for its tests."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from askonce.config.settings import RedisSettings, SemanticSettings
from askonce.stores.redis.semantic import RedisSemanticReader, RedisSemanticWriter
from tests.redis_servers import RedisStack
from tests.servers import RedisLike
from tests.stores.contract import Clock
from tests.stores.points import DIMENSIONS, Matching
from tests.stores.redis_scene import PREFIX, settings_of

SEMANTIC = SemanticSettings(threshold=0.8, embedding_model="an-embedding-model", index="litellm_semantic_cache_index")
INDEX = f"litellm_semantic_cache_index-an-embedding-model-24589aa0-{DIMENSIONS}"
Open = Callable[..., Matching]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisStack]:
    """One for all tests that leave it as it is; each begins with an empty one."""
    server = RedisStack(tmp_path_factory.mktemp("stack"), search=True)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., RedisStack]]:
    """Servers of this test alone, with the module."""
    servers: list[RedisStack] = []

    def start_(*options: str) -> RedisStack:
        servers.append(RedisStack(tmp_path / f"server{len(servers)}", options=options, search=True))
        servers[-1].start()
        return servers[-1]

    yield start_
    for server in servers:
        server.kill()


@pytest.fixture
def open_(clock: Clock, opened: list[Any]) -> Open:
    def one(settings: RedisSettings, semantic: SemanticSettings = SEMANTIC, prefix: str = PREFIX) -> Matching:
        arguments = (settings, semantic, prefix, clock)
        opened.append(Matching(RedisSemanticReader(*arguments), RedisSemanticWriter(*arguments), clock))
        return opened[-1]

    return one


async def emptied(server: RedisLike) -> Redis:
    client = Redis.from_url(server.url)
    await client.flushall()  # the module drops its indexes too
    return client


@pytest.fixture
async def raw(stack: RedisStack) -> AsyncIterator[Redis]:
    client = await emptied(stack)
    yield client
    await client.aclose()


@pytest.fixture
def matching(raw: Redis, stack: RedisStack, open_: Open) -> Matching:
    return open_(settings_of(stack))
