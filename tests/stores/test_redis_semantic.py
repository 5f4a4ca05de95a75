"""The redis-semantic store on real servers: Redis Stack, and Valkey with Redis Stack's search module."""

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from tests.redis_servers import RedisStack, valkey_with_search
from tests.servers import Valkey
from tests.stores import redis_semantic_scene as scene
from tests.stores.contract import Pair, StoreContract
from tests.stores.matching import MatcherContract
from tests.stores.points import Matching
from tests.stores.redis_scene import settings_of
from tests.stores.redis_semantic_scene import Open, emptied

stack = scene.stack
raw = scene.raw
open_ = scene.open_
matching = scene.matching


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("valkey"), options=valkey_with_search())
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def raw_valkey(valkey: Valkey) -> AsyncIterator[Redis]:
    client = await emptied(valkey)
    yield client
    await client.aclose()


class TestStoreOnRedisStack(StoreContract):
    @pytest.fixture
    def pair(self, matching: Matching) -> Pair:
        return Pair(matching.reader, matching.writer, matching.clock, sweeps=False)


class TestStoreOnValkey(StoreContract):
    @pytest.fixture
    def pair(self, raw_valkey: Redis, valkey: Valkey, open_: Open) -> Pair:
        opened = open_(settings_of(valkey))
        return Pair(opened.reader, opened.writer, opened.clock, sweeps=False)


class TestMatcherOnRedisStack(MatcherContract):
    pass


class TestMatcherOnValkey(MatcherContract):
    @pytest.fixture
    def matching(self, raw_valkey: Redis, valkey: Valkey, open_: Open) -> Matching:
        return open_(settings_of(valkey))


class TestMatcherOverTheOlderProtocol(MatcherContract):
    """redis-py speaks RESP3 by itself since version 8, and RESP2 before."""

    @pytest.fixture
    def matching(self, raw: Redis, stack: RedisStack, open_: Open) -> Matching:
        return open_(settings_of(stack, arguments={"protocol": 2}))
