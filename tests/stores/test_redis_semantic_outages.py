"""The redis-semantic store when the server is away, stuck, of another kind, or does not permit or finish its work."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from askonce.config.settings import RedisSettings
from askonce.core.errors import StoreUnavailable
from tests.redis_servers import RedisStack
from tests.servers import Valkey
from tests.stores import redis_semantic_scene as scene
from tests.stores.contract import make_entry
from tests.stores.points import A, asked, direction, exact_only, make_point, tilted
from tests.stores.redis_scene import PREFIX, settings_of
from tests.stores.redis_semantic_scene import INDEX, SEMANTIC, Open

stack = scene.stack
raw = scene.raw
open_ = scene.open_
start = scene.start


async def test_a_server_that_comes_back_empty_gets_its_index_again(
    start: Callable[..., RedisStack], open_: Open
) -> None:
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
    start: Callable[..., RedisStack], open_: Open
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


async def test_a_server_without_the_module_says_so_and_keeps_what_is_asked_word_for_word(
    start_valkey: Callable[..., Valkey], open_: Open
) -> None:
    matching = open_(settings_of(start_valkey()))
    words = "redis-semantic: the server has no search module; redis-semantic needs Redis Stack, Redis 8, or Valkey"
    entry = make_point(matching.clock, values=A)
    for verb in (matching.reader.ping, matching.writer.ping, lambda: matching.reader.nearest(asked(A), 5)):
        with pytest.raises(StoreUnavailable, match=words):
            await verb()
    await matching.writer.put([entry])
    assert await matching.exact(entry) == [exact_only(entry)]
    await matching.writer.delete([entry.key])
    assert await matching.exact(entry) == [None]


async def test_a_user_with_just_these_permissions_can_do_all_of_it(raw: Redis, stack: RedisStack, open_: Open) -> None:
    keys = (f"~{PREFIX}*", f"~{SEMANTIC.index}-*")
    both = ("+hello", "+client|setinfo", "+mget", "+ft._list", "+ft.info")
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


async def test_a_password_is_asked_for_and_never_told(start: Callable[..., RedisStack], open_: Open) -> None:
    server = start("--requirepass", "correct horse")
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


async def test_a_search_that_the_server_breaks_off_is_an_error_where_it_says_so(
    start: Callable[..., RedisStack], open_: Open
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
    vectors = [one.tobytes() for one in np.random.default_rng(0).standard_normal((1000, dimensions)).astype("<f4")]
    await raw.execute_command("FT.DROPINDEX", index)
    schema = f"SCHEMA scope TAG vector VECTOR FLAT 6 TYPE FLOAT32 DIM {dimensions} DISTANCE_METRIC COSINE"
    await raw.execute_command("FT.CREATE", index, "ON", "HASH", "PREFIX", 1, f"{index}:", *schema.split())
    for round_ in range(30):
        pipeline = raw.pipeline(transaction=False)
        for n, vector in enumerate(vectors):
            pipeline.hset(f"{index}:{round_}.{n}", mapping={"scope": scope, "vector": vector})
        await pipeline.execute()
