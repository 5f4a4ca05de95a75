"""The indexes of the redis-semantic store: their names and shapes, and those of others."""

import asyncio
from dataclasses import replace

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from askonce.config.settings import Node, RedisSettings
from askonce.core.errors import ConfigError, StoreUnavailable
from askonce.stores.redis.semantic import RedisSemanticReader, RedisSemanticWriter
from tests.redis_servers import RedisStack
from tests.stores import redis_semantic_scene as scene
from tests.stores.contract import Clock
from tests.stores.points import DIMENSIONS, A, Matching, asked, exact_only, make_point, tilted, vector_of
from tests.stores.redis_scene import PREFIX, settings_of
from tests.stores.redis_semantic_scene import INDEX, SEMANTIC, Open

stack = scene.stack
raw = scene.raw
open_ = scene.open_
matching = scene.matching


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
