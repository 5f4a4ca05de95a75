"""A flush in a frontend's memory: what it drops, and what it refuses from then on, whoever brings it."""

import asyncio
from dataclasses import replace

import pytest

from askonce.core.entry import Entry, Found
from askonce.core.events import Flushed
from askonce.stores.memory import MemoryStore
from tests.stores.contract import Clock
from tests.stores.flushing import kept_by
from tests.stores.scene import RECHECK, Scene, newer, set_scene


@pytest.fixture
def scene(clock: Clock) -> Scene:
    return set_scene(clock)


@pytest.fixture
def memory(scene: Scene) -> MemoryStore:
    return scene.memory


def of_team(clock: Clock, name: object = "a question") -> Entry:
    return kept_by("team", name, clock.now, "team:b")


def test_what_was_asked_for_by_then_goes_and_what_others_kept_stays(memory: MemoryStore, clock: Clock) -> None:
    asked = {seconds: kept_by("team", seconds, clock.now, "team") for seconds in (-9.0, 0.0, 0.001)}
    others = [kept_by(home, "other", clock.now, "team") for home in ("", "team2", "team:b")]
    for seconds, entry in asked.items():
        memory.keep(entry, clock.now, clock.now + seconds)
    for entry in others:
        memory.keep(entry, clock.now, clock.now - 9)
    memory.flush(Flushed("team", clock.now))
    entries = [*asked.values(), *others]
    assert [memory.peek(one.key, clock.now) is not None for one in entries] == [False, False, True, True, True, True]
    assert memory.bytes == sum(1280 + 2 * len(one.payload) for one in entries[2:])


def test_what_the_store_gave_goes_whenever_it_was_asked_for(memory: MemoryStore, clock: Clock) -> None:
    entry = of_team(clock)
    memory.fill(Found(entry, "redis"), memory.begin(), clock.now)
    memory.flush(Flushed("team", clock.now))
    assert memory.peek(entry.key, clock.now) is None


def test_an_answer_asked_for_by_then_is_not_kept_and_a_later_one_is(memory: MemoryStore, clock: Clock) -> None:
    at = clock.now
    memory.flush(Flushed("team", at))
    clock.advance(5)
    entry = of_team(clock)
    memory.keep(entry, clock.now, at)
    assert memory.peek(entry.key, clock.now) is None
    memory.keep(entry, clock.now, at + 0.001)
    assert memory.peek(entry.key, clock.now) is not None


@pytest.mark.parametrize("begun_before", [True, False])
def test_what_the_store_still_has_is_never_served_again(memory: MemoryStore, clock: Clock, begun_before: bool) -> None:
    old, at = of_team(clock), clock.now
    token = memory.begin() if begun_before else -1
    memory.flush(Flushed("team", at))
    for _ in range(3):
        clock.advance(1_000_000)
        assert memory.fill(Found(old, "redis"), memory.begin() if token < 0 else token, clock.now) is None
        assert memory.peek(old.key, clock.now) is None
    old = replace(old, ttl=None)
    later = replace(old, stored_at=at + 0.001)
    assert memory.fill(Found(old, "semantic", 0.9), memory.begin(), clock.now) is None
    assert memory.fill(Found(later, "redis"), memory.begin(), clock.now) is not None
    found = memory.fill(Found(old, "redis"), memory.begin(), clock.now)
    assert found is not None
    assert found.entry == later, "it stands, and the store is behind"


def test_flushed_is_what_was_stored_by_then(memory: MemoryStore, clock: Clock) -> None:
    entry = of_team(clock)
    assert not memory.flushed(entry)
    memory.flush(Flushed("team", clock.now))
    assert memory.flushed(entry)
    assert not memory.flushed(newer(entry))
    assert not memory.flushed(kept_by("", "other", clock.now, "team:b"))


async def test_a_tier_over_a_store_that_nobody_swept_yet_misses(scene: Scene, clock: Clock) -> None:
    entry = of_team(clock)
    scene.behind.hold(entry)
    assert await scene.get(entry) == entry
    scene.memory.flush(Flushed("team", clock.now))
    for _ in range(2):
        assert scene.tier.peek([entry.lookup], clock.now) is None
        assert await scene.get(entry) is None
        clock.advance(RECHECK)
    scene.behind.hold(newer(entry))
    assert await scene.get(entry) == newer(entry)


async def test_a_read_that_was_under_way_brings_nothing_back(scene: Scene, clock: Clock) -> None:
    entry, other = of_team(clock), kept_by("", "other", clock.now, "")
    scene.behind.hold(entry, other)
    scene.behind.open.clear()
    reading = asyncio.create_task(scene.tier.get([entry.lookup, other.lookup]))
    while not scene.behind.asked:
        await asyncio.sleep(0)
    scene.memory.flush(Flushed("team", clock.now))
    scene.behind.open.set()
    assert [None if one is None else one.entry for one in await reading] == [None, other]
