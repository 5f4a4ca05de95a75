"""The redis-semantic store on real servers: Redis Stack, and Valkey with Redis Stack's search module."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from askonce.config.settings import Node, RedisSettings, SemanticSettings
from askonce.core.errors import ConfigError, StoreUnavailable
from askonce.stores.redis import semantic as module
from askonce.stores.redis.semantic import RedisSemanticReader, RedisSemanticWriter
from tests.redis_servers import RedisStack, valkey_with_search
from tests.servers import Valkey
from tests.stores.contract import Clock, Pair, StoreContract, make_entry
from tests.stores.matching import (
    DIMENSIONS,
    A,
    B,
    MatcherContract,
    Matching,
    asked,
    direction,
    exact_only,
    make_point,
    refreshed,
    similarities,
    tilted,
    vector_of,
)

PREFIX = "askonce:"
SEMANTIC = SemanticSettings(threshold=0.8, embedding_model="an-embedding-model", index="litellm_semantic_cache_index")
INDEX = f"litellm_semantic_cache_index-an-embedding-model-24589aa0-{DIMENSIONS}"
Server = RedisStack | Valkey
Open = Callable[..., Matching]


def settings_of(server: Server, **more: object) -> RedisSettings:
    return RedisSettings(url=SecretStr(server.url), **more)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisStack]:
    """One for all tests that leave it as it is; each begins with an empty one."""
    server = RedisStack(tmp_path_factory.mktemp("stack"), search=True)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("valkey"), options=valkey_with_search())
    server.start()
    yield server
    server.kill()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Servers of this test alone."""
    servers: list[Server] = []

    def start_(kind: type[Server] = RedisStack, *options: str) -> Server:
        folder = tmp_path / f"server{len(servers)}"
        servers.append(RedisStack(folder, options=options, search=True) if kind is RedisStack else kind(folder))
        servers[-1].start()
        return servers[-1]

    yield start_
    for server in servers:
        server.kill()


@pytest.fixture
async def open_(clock: Clock) -> AsyncIterator[Open]:
    opened: list[Matching] = []

    def one(settings: RedisSettings, semantic: SemanticSettings = SEMANTIC, prefix: str = PREFIX) -> Matching:
        arguments = (settings, semantic, prefix, clock)
        opened.append(Matching(RedisSemanticReader(*arguments), RedisSemanticWriter(*arguments), clock))
        return opened[-1]

    yield one
    for matching in opened:
        await matching.reader.close()
        await matching.writer.close()


async def emptied(server: Server) -> Redis:
    client = Redis.from_url(server.url)
    await client.flushall()  # the module drops its indexes too
    return client


@pytest.fixture
async def raw(stack: RedisStack) -> AsyncIterator[Redis]:
    client = await emptied(stack)
    yield client
    await client.aclose()


@pytest.fixture
async def raw_valkey(valkey: Valkey) -> AsyncIterator[Redis]:
    client = await emptied(valkey)
    yield client
    await client.aclose()


@pytest.fixture
def matching(raw: Redis, stack: RedisStack, open_: Open) -> Matching:
    return open_(settings_of(stack))


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


async def test_a_point_holds_what_leads_to_the_entry_and_no_answer(matching: Matching, raw: Redis) -> None:
    entry = make_point(matching.clock, values=A, namespace="team", ttl=1000.0)
    await matching.writer.put([entry])
    exact, point = f"{PREFIX}{entry.key}", f"{INDEX}:{entry.key}"
    assert sorted(await raw.keys()) == sorted([exact.encode(), point.encode()])
    assert await raw.hgetall(point) == {
        b"scope": entry.lookup.scope.encode(),
        b"stored_at": repr(entry.stored_at).encode(),
        b"vector": A.astype("<f4").tobytes(),
    }


async def test_a_point_ends_when_its_entry_does(matching: Matching, raw: Redis) -> None:
    entry = make_point(matching.clock, values=A, ttl=1000.0)
    matching.clock.advance(400)
    await matching.writer.put([entry])
    point = f"{INDEX}:{entry.key}"
    assert await raw.pexpiretime(point) == await raw.pexpiretime(f"{PREFIX}{entry.key}")
    assert await raw.pexpiretime(point) == pytest.approx((entry.stored_at + 1000) * 1000, abs=1)
    await matching.writer.put([replace(refreshed(entry), ttl=None)])
    assert await raw.pexpiretime(point) == -1
    await matching.writer.put([replace(refreshed(entry, 2.0), ttl=3000.0)])
    assert await raw.pexpiretime(point) == pytest.approx((entry.stored_at + 3002) * 1000, abs=1)


async def test_the_server_removes_points_that_have_expired(matching: Matching, raw: Redis) -> None:
    short, rest = make_point(matching.clock, "short", A, ttl=0.5), make_point(matching.clock, "rest", B)
    await matching.writer.put([short, rest])
    async with asyncio.timeout(20):
        while await raw.dbsize() > 2:
            await asyncio.sleep(0.02)
    assert await raw.exists(f"{INDEX}:{rest.key}", f"{PREFIX}{rest.key}") == 2
    assert (await raw.ft(INDEX).info())["num_docs"] in {1, "1", b"1"}


async def test_repeats_add_nothing_and_write_no_point(matching: Matching, raw: Redis) -> None:
    entries = [make_point(matching.clock, n, direction(n)) for n in range(20)]
    await matching.writer.put(entries)
    await raw.config_resetstat()
    for _ in range(3):
        await matching.writer.put(entries)
    commands = await raw.info("commandstats")
    assert await raw.dbsize() == 40
    assert not {"cmdstat_hset", "cmdstat_set", "cmdstat_FT.CREATE"} & set(commands)
    assert "cmdstat_hget" in commands


async def test_an_older_answer_with_another_end_moves_no_point(matching: Matching, raw: Redis) -> None:
    entry = make_point(matching.clock, values=A, ttl=1000.0)
    await matching.writer.put([entry])
    await matching.writer.put([replace(entry, stored_at=entry.stored_at - 5, ttl=9000.0)])
    expected = (entry.stored_at + 1000) * 1000
    assert await raw.pexpiretime(f"{INDEX}:{entry.key}") == pytest.approx(expected, abs=1)
    newer = refreshed(entry, 100.0)
    await matching.writer.put([newer, refreshed(entry, 50.0)])
    expected = (newer.stored_at + 1000) * 1000
    assert await raw.pexpiretime(f"{INDEX}:{entry.key}") == pytest.approx(expected, abs=1)


async def test_an_answer_that_comes_after_its_end_leaves_no_point(matching: Matching, raw: Redis) -> None:
    entry = make_point(matching.clock, values=A, ttl=1000.0)
    matching.clock.advance(1000.0)
    await matching.writer.put([entry])
    assert await raw.dbsize() == 0


async def test_an_entry_that_is_deleted_takes_the_points_of_every_model_with_it(matching: Matching, raw: Redis) -> None:
    entries = [
        make_point(matching.clock, "one", direction(3, size), space=space) for size, space in ((8, "a"), (16, "b"))
    ]
    later = [replace(entry, stored_at=entry.stored_at + n) for n, entry in enumerate(entries)]
    for verb in (lambda: matching.writer.delete([later[1].key]), lambda: matching.writer.remove([later[1]])):
        await matching.writer.put([later[0]])
        await matching.writer.put([later[1]])
        assert await raw.dbsize() == 3
        await verb()
        assert await raw.dbsize() == 0


async def test_points_whose_entries_were_evicted_take_the_place_of_nobody(matching: Matching, raw: Redis) -> None:
    gone = [make_point(matching.clock, n, tilted(A, 0.99, n)) for n in range(8)]
    entries = [make_point(matching.clock, f"left {n}", tilted(A, 0.9 - n / 10)) for n in range(3)]
    await matching.writer.put([*gone, *entries])
    await raw.unlink(*(f"{PREFIX}{entry.key}" for entry in gone))
    await matching.eventually(asked(A), entries, limit=3)
    await matching.eventually(asked(A), entries[:1], limit=1)
    await raw.unlink(f"{PREFIX}{entries[1].key}")
    await matching.writer.delete([entry.key for entry in gone])
    await matching.eventually(asked(A), [entries[0], entries[2]], limit=2)


async def test_no_more_are_given_than_asked_for_when_spare_ones_stand_in(matching: Matching, raw: Redis) -> None:
    entries = [make_point(matching.clock, n, tilted(A, 0.9 - n / 10)) for n in range(6)]
    await matching.writer.put(entries)
    await raw.unlink(f"{PREFIX}{entries[0].key}")
    await matching.eventually(asked(A), entries[1:3], limit=2)


async def test_an_entry_of_another_scope_than_its_point_is_not_given(matching: Matching, raw: Redis) -> None:
    entry, other = make_point(matching.clock, values=A), make_point(matching.clock, "other", B, scope="another")
    await matching.writer.put([entry, other])
    await raw.hset(f"{INDEX}:{entry.key}", "scope", other.lookup.scope)
    await matching.eventually(asked(A, scope="another"), [other])
    assert await matching.near(A) == []


async def test_what_is_not_ours_among_points_is_passed_over_and_replaced(matching: Matching, raw: Redis) -> None:
    entry, other = make_point(matching.clock, "ours", A), make_point(matching.clock, "other", tilted(A, 0.9))
    await raw.set(f"{INDEX}:{entry.key}", "a text")
    await raw.hset(f"{INDEX}:{other.key}", mapping={"stored_at": "yesterday", "vector": b"short"})
    await raw.hset(
        f"{INDEX}:no key", mapping={"scope": entry.lookup.scope, "vector": A.astype("<f4").tobytes(), "stored_at": "1"}
    )
    await matching.writer.put([entry, other])
    await matching.eventually(asked(A), [entry, other])


async def test_vectors_without_a_direction_are_near_to_nothing(matching: Matching) -> None:
    zeros, nans = np.zeros(DIMENSIONS), np.full(DIMENSIONS, np.nan)
    entry = make_point(matching.clock, "sound", A)
    odd = [make_point(matching.clock, "zeros", zeros), make_point(matching.clock, "nans", nans)]
    await matching.writer.put([*odd, entry])
    await matching.eventually(asked(A), [entry])
    assert await matching.near(zeros) == []
    assert await matching.near(nans) == []
    assert await matching.exact(*odd) == [exact_only(one) for one in odd]


async def test_what_is_the_same_is_never_more_than_the_same(matching: Matching) -> None:
    """The module gives a distance a little below zero for some vectors."""
    entries = [make_point(matching.clock, n, direction(n, 8), scope=n) for n in range(300)]
    await matching.writer.put(entries)
    found = [await matching.reader.nearest(asked(3 * direction(n, 8), scope=n), 1) for n in range(300)]
    assert [one for some in found for one in similarities(some)] == pytest.approx([1.0] * 300)


async def test_vectors_that_no_index_takes_are_kept_by_key(matching: Matching, raw: Redis) -> None:
    huge = make_point(matching.clock, "huge", direction(1, 40_000))
    scopeless = replace(make_point(matching.clock, "scopeless", A), lookup=replace(asked(A), scope="none"))
    await matching.writer.put([huge, scopeless])
    assert await raw.dbsize() == 2
    assert await raw.execute_command("FT._LIST") == []
    assert await matching.reader.nearest(huge.lookup, 5) == []


async def test_two_writers_make_one_index(matching: Matching, raw: Redis, stack: RedisStack, open_: Open) -> None:
    writers = [matching.writer, *(open_(settings_of(stack)).writer for _ in range(4))]
    entries = [make_point(matching.clock, n, tilted(A, 0.9 - n / 10)) for n in range(5)]
    await asyncio.gather(*(writer.put([entry]) for writer, entry in zip(writers, entries, strict=True)))
    assert await raw.execute_command("FT._LIST") == [INDEX.encode()]
    await matching.eventually(asked(A), entries)


async def test_an_index_of_another_shape_is_named(matching: Matching, raw: Redis) -> None:
    schema = "SCHEMA scope TAG vector VECTOR FLAT 6 TYPE FLOAT32 DIM 4 DISTANCE_METRIC L2"
    await raw.execute_command("FT.CREATE", INDEX, "ON", "HASH", "PREFIX", 1, "other:", *schema.split())
    entry = make_point(matching.clock, values=A)
    expected = (
        f"redis-semantic: the index {INDEX} is not of our making: expected prefix {INDEX}:, found other:, "
        "dim 128, found 4, distance_metric COSINE, found L2"
    )
    for verb in (
        matching.reader.ping,
        matching.writer.ping,
        lambda: matching.reader.nearest(asked(A), 5),
        lambda: matching.writer.put([entry]),
    ):
        with pytest.raises(StoreUnavailable) as error:
            await verb()
        assert str(error.value) == expected
    assert await matching.exact(entry) == [exact_only(entry)]
    assert not await raw.exists(f"{INDEX}:{entry.key}")
    await raw.execute_command("FT.DROPINDEX", INDEX)
    await matching.writer.put([entry])
    await matching.eventually(asked(A), [entry])
    await matching.reader.ping()


async def test_an_index_without_vectors_is_named(matching: Matching, raw: Redis) -> None:
    await raw.execute_command("FT.CREATE", INDEX, "ON", "HASH", "PREFIX", 1, f"{INDEX}:", "SCHEMA", "scope", "TEXT")
    with pytest.raises(StoreUnavailable, match="expected scope TAG, found TEXT, vector VECTOR, found none"):
        await matching.writer.put([make_point(matching.clock, values=A)])


async def test_indexes_of_others_are_left_alone(matching: Matching, raw: Redis, stack: RedisStack, open_: Open) -> None:
    await raw.execute_command("FT.CREATE", "shop", "ON", "HASH", "PREFIX", 1, "shop:", "SCHEMA", "name", "TEXT")
    await raw.hset("shop:1", mapping={"name": "teapot"})
    other = open_(settings_of(stack), SEMANTIC.model_copy(update={"index": "litellm_semantic"}))
    entry = make_point(matching.clock, values=A)
    await matching.writer.put([entry])
    await other.writer.put([make_point(matching.clock, "elsewhere", A)])
    await matching.reader.ping()
    await matching.eventually(asked(A), [entry])
    await matching.writer.delete([entry.key])
    assert await raw.hgetall("shop:1") == {b"name": b"teapot"}
    assert len(await other.near(A)) == 1


async def test_a_server_that_comes_back_empty_gets_its_index_again(start: Callable[..., Server], open_: Open) -> None:
    server = start()
    matching = open_(settings_of(server))
    first, second = make_point(matching.clock, "first", A), make_point(matching.clock, "second", tilted(A, 0.9))
    await matching.writer.put([first])
    await matching.eventually(asked(A), [first])
    server.kill()
    with pytest.raises(StoreUnavailable):
        await matching.reader.nearest(asked(A), 5)
    with pytest.raises(StoreUnavailable):
        await matching.writer.put([second])
    server.start()
    async with asyncio.timeout(20):
        while True:
            with suppress(StoreUnavailable):
                await matching.writer.put([second])
                await matching.reader.ping()
                break
            await asyncio.sleep(0.02)
    await matching.eventually(asked(A), [second])


async def test_a_search_that_was_given_up_leaves_its_answer_to_nobody(
    start: Callable[..., Server], open_: Open
) -> None:
    server = start()
    matching = open_(settings_of(server, max_connections=2))
    entries = [make_point(matching.clock, n, direction(n), scope=n) for n in range(4)]
    await matching.writer.put(entries)
    server.pause()
    given_up = [asyncio.create_task(matching.reader.nearest(asked(direction(0), scope=0), 5)) for _ in range(2)]
    await asyncio.wait(given_up, timeout=0.1)
    for task in given_up:
        task.cancel()
    await asyncio.wait(given_up)
    server.resume()
    for n in (1, 2, 3):
        await matching.eventually(asked(direction(n), scope=n), [entries[n]])


async def test_a_server_without_the_module_says_so(start: Callable[..., Server], open_: Open) -> None:
    matching = open_(settings_of(start(Valkey)))
    words = "redis-semantic: the server has no search module; redis-semantic needs Redis Stack, Redis 8, or Valkey"
    entry = make_point(matching.clock, values=A)
    for verb in (
        matching.reader.ping,
        matching.writer.ping,
        lambda: matching.reader.nearest(asked(A), 5),
        lambda: matching.writer.put([entry]),
        lambda: matching.writer.delete([entry.key]),
    ):
        with pytest.raises(StoreUnavailable, match=words):
            await verb()


async def test_a_user_with_just_these_permissions_can_do_all_of_it(raw: Redis, stack: RedisStack, open_: Open) -> None:
    keys = (f"~{PREFIX}*", f"~{SEMANTIC.index}-*")
    both = ("+ping", "+hello", "+client|setinfo", "+mget", "+ft._list", "+ft.info")
    writes = ("+set", "+unlink", "+exists", "+hget", "+hset", "+pexpireat", "+multi", "+exec", "+ft.create")
    await raw.execute_command("ACL", "SETUSER", "reader", "reset", "on", ">read:me", *keys, *both, "+ft.search")
    await raw.execute_command("ACL", "SETUSER", "writer", "reset", "on", ">write me", *keys, *both, *writes)

    def named(username: str, password: str) -> RedisSettings:
        return RedisSettings(host="127.0.0.1", port=stack.port, username=username, password=SecretStr(password))

    reading, writing = open_(named("reader", "read:me")), open_(named("writer", "write me"))
    entry = make_point(reading.clock, values=A)
    await writing.writer.ping()
    await writing.writer.put([entry])
    await reading.reader.ping()
    await reading.eventually(asked(A), [entry])
    await writing.writer.remove([entry])
    await writing.writer.delete([entry.key])
    await reading.eventually(asked(A), [])
    with pytest.raises(StoreUnavailable, match="may not run this command"):
        await reading.writer.put([make_entry(reading.clock)])
    with pytest.raises(StoreUnavailable, match="may not run this command"):
        await writing.reader.nearest(asked(A), 5)


async def test_a_password_is_asked_for_and_never_told(start: Callable[..., Server], open_: Open) -> None:
    server = start(RedisStack, "--requirepass", "correct horse")
    right = RedisSettings(host="127.0.0.1", port=server.port, password=SecretStr("correct horse"))
    matching = open_(right)
    entry = make_point(matching.clock, values=A)
    await matching.writer.put([entry])
    await matching.eventually(asked(A), [entry])
    wrong = open_(right.model_copy(update={"password": SecretStr("battery staple")}))
    for verb in (wrong.reader.ping, wrong.writer.ping, lambda: wrong.reader.nearest(asked(A), 5)):
        with pytest.raises(StoreUnavailable) as error:
            await verb()
        assert str(error.value) == "redis: it does not accept the user name or password"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (RedisSettings(cluster_nodes=(Node(host="a", port=1), Node(host="b", port=2))), "one server or Sentinel"),
        (RedisSettings(host="localhost", db=3), "database|there only"),
        (RedisSettings(url=SecretStr("redis://localhost:6379/3")), "there only"),
    ],
)
async def test_where_there_can_be_no_index_it_is_not_opened(settings: RedisSettings, words: str, clock: Clock) -> None:
    for role in (RedisSemanticReader, RedisSemanticWriter):
        with pytest.raises(ConfigError, match=words):
            role(settings, SEMANTIC, PREFIX, clock)


async def test_a_search_that_the_server_breaks_off_is_an_error_where_it_says_so(
    start: Callable[..., Server], open_: Open
) -> None:
    server = start()
    newer, older = (open_(settings_of(server, arguments={"protocol": number})) for number in (3, 2))
    entry = make_point(newer.clock, values=direction(1, 384))
    await newer.writer.put([entry])
    await newer.eventually(asked(direction(1, 384)), [entry])
    async with Redis.from_url(server.url) as raw:
        await crowd(raw, INDEX.replace("-128", "-384"), entry.lookup.scope, 384)
        await raw.execute_command("FT.CONFIG", "SET", "TIMEOUT", 1)
        with pytest.raises(StoreUnavailable, match="the search took too long"):
            await newer.near(direction(1, 384))
        assert await older.near(direction(1, 384)) == []
        await raw.execute_command("FT.CONFIG", "SET", "ON_TIMEOUT", "FAIL")
        for matching in (newer, older):
            with pytest.raises(StoreUnavailable, match="the search took too long"):
                await matching.near(direction(1, 384))


async def crowd(raw: Redis, index: str, scope: str, dimensions: int) -> None:
    """So many points in an index without a graph that a search takes milliseconds, quickly written."""
    vectors = np.random.default_rng(0).standard_normal((30_000, dimensions)).astype("<f4")
    await raw.execute_command("FT.DROPINDEX", index)
    schema = f"SCHEMA scope TAG vector VECTOR FLAT 6 TYPE FLOAT32 DIM {dimensions} DISTANCE_METRIC COSINE"
    await raw.execute_command("FT.CREATE", index, "ON", "HASH", "PREFIX", 1, f"{index}:", *schema.split())
    for begin in range(0, len(vectors), 1000):
        pipeline = raw.pipeline(transaction=False)
        for n in range(begin, begin + 1000):
            pipeline.hset(f"{index}:{n}", mapping={"scope": scope, "vector": vectors[n].tobytes()})
        await pipeline.execute()


async def test_a_batch_holds_up_no_reader_for_long(
    matching: Matching, raw: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_POINTS", 3)
    await raw.config_resetstat()
    entries = [make_point(matching.clock, n, direction(n)) for n in range(10)]
    await matching.writer.put(entries)
    assert (await raw.info("commandstats"))["cmdstat_exec"]["calls"] == 4, "a few points at a time"
    await matching.writer.delete([entry.key for entry in entries])
    assert await raw.dbsize() == 0


async def test_names_of_indexes_tell_spaces_apart_that_look_alike(matching: Matching, raw: Redis) -> None:
    spaces = ["a/b", "a-b", "a:b", "", "Ü", "x" * 200]
    await matching.writer.put([make_point(matching.clock, n, A, space=space) for n, space in enumerate(spaces)])
    names = [name.decode() for name in await raw.execute_command("FT._LIST")]
    assert len(set(names)) == len(spaces)
    assert all(name.startswith(f"{SEMANTIC.index}-") and name.endswith(f"-{DIMENSIONS}") for name in names)
    assert all(":" not in name and len(name) < 128 for name in names)
    await matching.reader.ping()


async def test_the_space_decides_and_not_the_configured_model(
    matching: Matching, stack: RedisStack, open_: Open
) -> None:
    entry = make_point(matching.clock, values=A, space="one model")
    await matching.writer.put([entry])
    other = open_(settings_of(stack), SEMANTIC.model_copy(update={"embedding_model": "another"}))
    (found,) = await other.reader.nearest(replace(asked(None), vector=vector_of(A, "one model")), 5)
    assert found.entry.key == entry.key
