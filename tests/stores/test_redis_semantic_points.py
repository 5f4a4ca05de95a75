"""What the redis-semantic store writes and reads: points beside the entries, and what else may stand among them."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from redis.asyncio import Redis

from askonce.stores.redis import semantic as module
from tests.redis_servers import RedisStack
from tests.stores import redis_semantic_scene as scene
from tests.stores.points import (
    DIMENSIONS,
    A,
    B,
    Matching,
    asked,
    direction,
    exact_only,
    make_point,
    refreshed,
    similarities,
    tilted,
)
from tests.stores.redis_scene import PREFIX, settings_of
from tests.stores.redis_semantic_scene import INDEX, Open

stack = scene.stack
raw = scene.raw
open_ = scene.open_
matching = scene.matching


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


async def test_a_flush_takes_points_with_their_entries_and_leaves_those_of_others(
    matching: Matching, raw: Redis, stack: RedisStack, open_: Open
) -> None:
    """Proxies share the indexes, and have their own prefixes."""
    other = open_(settings_of(stack), prefix="")
    goes = [make_point(matching.clock, n, direction(n), namespace="team" if n % 2 else "") for n in range(20)]
    goes = [replace(entry, home="") for entry in goes]
    stays = [replace(make_point(matching.clock, n, direction(n), namespace="team2"), home="team2") for n in range(5)]
    await matching.writer.put(goes)
    await other.writer.put(stays)
    assert len(await raw.keys()) == 50
    assert await matching.writer.flush("", matching.clock.now) == 20
    names = [name for entry in stays for name in (str(entry.key), f"{INDEX}:{entry.key}")]
    assert sorted(await raw.keys()) == sorted(name.encode() for name in names)


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
