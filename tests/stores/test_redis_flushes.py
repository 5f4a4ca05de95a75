"""Flushing the redis store on a real Valkey server: two proxies with their own prefixes, and what else lies there."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from redis.asyncio import Redis

from askonce.stores.redis import keys as module
from askonce.stores.redis.keys import scan
from tests.servers import Valkey
from tests.stores import redis_scene
from tests.stores.contract import Clock, Pair, make_entry
from tests.stores.flushing import kept_by, left
from tests.stores.redis_scene import PREFIX, OpenPair, settings_of

open_pair = redis_scene.open_pair


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    valkey = Valkey(tmp_path_factory.mktemp("valkey"))
    valkey.start()
    yield valkey
    valkey.kill()


@pytest.fixture
async def raw(server: Valkey) -> AsyncIterator[Redis]:
    client = Redis.from_url(server.url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
def unnamed(raw: Redis, server: Valkey, open_pair: OpenPair) -> Pair:
    """The store of a proxy without a namespace."""
    return open_pair(settings_of(server), PREFIX)


@pytest.fixture
def named(raw: Redis, server: Valkey, open_pair: OpenPair) -> Pair:
    return open_pair(settings_of(server), "")


@pytest.mark.parametrize("flushed", ["", "team"])
async def test_a_flush_leaves_the_keys_of_the_other_proxies(
    unnamed: Pair, named: Pair, raw: Redis, clock: Clock, flushed: str
) -> None:
    ours = [kept_by("", number, clock.now, name) for number, name in enumerate(("", "team", "b"))]
    theirs = [kept_by("team", number, clock.now, name) for number, name in enumerate(("team", "team:b"))]
    others = [kept_by("team2", "their", clock.now, "team2"), kept_by("askonce", "their", clock.now, "askonce")]
    await unnamed.writer.put(ours)
    await named.writer.put([*theirs, *others])
    await raw.set("somebody else's", "x")
    assert await (named if flushed else unnamed).writer.flush(flushed, clock.now) == len(theirs if flushed else ours)
    assert await left(unnamed, ours) == (ours if flushed else [])
    assert await left(named, [*theirs, *others]) == ([] if flushed else theirs) + others
    assert await raw.get("somebody else's") == b"x"


async def test_what_is_no_entry_of_ours_stays_whatever_it_is_called(unnamed: Pair, raw: Redis, clock: Clock) -> None:
    names = [f"{PREFIX}{make_entry(clock, number).key}" for number in range(5)]
    await raw.rpush(names[0], "x")
    await raw.hset(names[1], "stored", "1")
    await raw.set(names[2], '{"response": "of another cache"}')
    await raw.set(names[3], b"AO1E\xff\xff\xff\xff{}")
    await raw.set(names[4], "")
    for other in ("askonce:limits:team", "askonce:", "askonce", f"askoncf:{'0' * 64}"):
        await raw.set(other, "x")
    before = sorted(await raw.keys())
    entry = make_entry(clock)
    await unnamed.writer.put([entry])
    assert await unnamed.writer.flush("", clock.now) == 1
    assert sorted(await raw.keys()) == before


async def test_the_characters_of_a_pattern_stand_for_themselves(
    raw: Redis, server: Valkey, open_pair: OpenPair, clock: Clock
) -> None:
    odd, alike = open_pair(settings_of(server), r"a*?[b-c]^\:"), open_pair(settings_of(server), "axxb:")
    entry = make_entry(clock)
    for pair in (odd, alike):
        await pair.writer.put([entry])
    assert scan("a*", 0)[3] == r"a\**"
    assert await odd.writer.flush("", clock.now) == 1
    assert (await odd.get(entry.key), await alike.get(entry.key)) == ([None], [entry])


async def test_only_the_heads_of_entries_are_fetched_part_by_part(
    unnamed: Pair, raw: Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SCANNED_AT_ONCE", 10)
    entries = [make_entry(clock, number, payload=b"x" * 100_000) for number in range(100)]
    await unnamed.writer.put(entries)
    sent = (await raw.info("stats"))["total_net_output_bytes"]
    assert await unnamed.writer.flush("", clock.now) == 100
    told = await raw.info("all")
    assert told["cmdstat_scan"]["calls"] >= 10
    assert told["total_net_output_bytes"] - sent < 300_000
    assert await raw.dbsize() == 0


class Moved:
    """The keys of a server, one of which was elsewhere when the first walk came by: in a cluster it moved, or another
    server took the place of this one.
    """

    def __init__(self, keys: Any, name: str) -> None:
        self._keys, self._name, self._walks = keys, name, 0

    def __getattr__(self, verb: str) -> Any:
        return getattr(self._keys, verb)

    async def beginning_with(self, start: str) -> AsyncIterator[list[str]]:
        self._walks += 1
        async for names in self._keys.beginning_with(start):
            yield [name for name in names if name != self._name or self._walks > 1]


async def test_what_one_walk_misses_the_next_one_finds(unnamed: Pair, clock: Clock) -> None:
    entries = [make_entry(clock, number) for number in range(20)]
    await unnamed.writer.put(entries)
    writer: Any = unnamed.writer
    writer._keys = Moved(writer._keys, f"{PREFIX}{entries[7].key}")
    assert await unnamed.writer.flush("", clock.now) == 20
    assert await left(unnamed, entries) == []
