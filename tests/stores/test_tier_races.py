"""Every order in which a read of the store and the news about its key may cross."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from askonce.core.entry import Entry
from askonce.stores.memory import MemoryStore
from tests.stores.contract import Clock, make_entry, make_key
from tests.stores.scene import RECHECK, Scene, newer, set_scene


@pytest.fixture
def scene(clock: Clock) -> Scene:
    return set_scene(clock)


News = Callable[[MemoryStore, Entry, float], None]


def kept_newer(memory: MemoryStore, entry: Entry, now: float) -> None:
    memory.keep(newer(entry), now, now)


def kept_older(memory: MemoryStore, entry: Entry, now: float) -> None:
    memory.keep(replace(entry, stored_at=entry.stored_at - 1, payload=b"older"), now, now)


def kept_and_evicted(memory: MemoryStore, entry: Entry, now: float) -> None:
    memory.keep(replace(newer(entry), payload=b"x" * (1 << 20)), now, now)


def forgotten(memory: MemoryStore, entry: Entry, now: float) -> None:
    memory.forget([entry.key], now)


def dropped(memory: MemoryStore, entry: Entry, now: float) -> None:
    memory.drop(entry.key)


def superseded(memory: MemoryStore, entry: Entry, now: float) -> None:
    memory.drop_older(entry.key, entry.stored_at + 1)


def cleared(memory: MemoryStore, entry: Entry, now: float) -> None:
    memory.clear()


def cut(memory: MemoryStore, entry: Entry, now: float) -> None:
    """Too much has happened to remember all of it, and among it perhaps something about this key."""
    for n in range(10_001):
        memory.drop(make_key(n))


def nothing(memory: MemoryStore, entry: Entry, now: float) -> None:
    pass


async def read_during(scene: Scene, entry: Entry, news: News) -> bytes | None:
    """What a read of the entry gives, during which this happens."""
    scene.behind.open.clear()
    reading = asyncio.create_task(scene.get(entry))
    await asyncio.sleep(0)
    news(scene.memory, entry, scene.clock.now)
    scene.behind.open.set()
    got = await reading
    return None if got is None else got.payload


@pytest.mark.parametrize(
    ("news", "served", "left"),
    [
        (nothing, b"stored", b"stored"),
        (kept_newer, b"newer", b"newer"),
        (kept_and_evicted, None, None),
        (forgotten, None, None),
        (dropped, None, None),
        (superseded, None, None),
        (cleared, None, None),
        (cut, None, None),
    ],
)
async def test_what_happens_during_a_read_outdates_what_it_found(
    scene: Scene, clock: Clock, news: News, served: bytes | None, left: bytes | None
) -> None:
    entry = make_entry(clock, payload=b"stored")
    scene.behind.hold(entry)
    assert await read_during(scene, entry, news) == served
    kept = scene.in_memory(entry)
    assert (None if kept is None else kept.payload) == left


@pytest.mark.parametrize(
    ("news", "left"),
    [(nothing, None), (kept_newer, b"newer"), (kept_older, b"older"), (forgotten, None), (cleared, None)],
)
async def test_what_arrives_while_the_store_says_no_is_served(
    scene: Scene, clock: Clock, news: News, left: bytes | None
) -> None:
    entry = make_entry(clock)
    assert await read_during(scene, entry, news) == left
    kept = scene.in_memory(entry)
    assert (None if kept is None else kept.payload) == left


@pytest.mark.parametrize(("news", "left"), [(nothing, None), (kept_newer, b"newer"), (superseded, None)])
async def test_a_refresh_during_the_recheck_survives_it(
    scene: Scene, clock: Clock, news: News, left: bytes | None
) -> None:
    entry = make_entry(clock)
    scene.memory.keep(entry, clock.now, clock.now)
    clock.advance(RECHECK)
    assert await read_during(scene, entry, news) == left
