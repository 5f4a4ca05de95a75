"""The tier: memory first, one call behind it, and every order in which a read and the news may cross."""

from collections.abc import Sequence

import pytest

from askonce.core.entry import Found, Lookup
from askonce.core.errors import StoreUnavailable
from askonce.stores.memory import MemoryStore, MemoryWriter
from askonce.stores.tier import Tiered
from askonce.telemetry.metrics import Metrics
from tests.stores.contract import Clock, Pair, StoreContract, make_entry, make_key
from tests.stores.scene import RECHECK, Behind, Scene, newer, set_scene


@pytest.fixture
def scene(clock: Clock) -> Scene:
    return set_scene(clock)


class TestContract(StoreContract):
    """A tier over another store is a store too: here, over a second memory that writers write."""

    @pytest.fixture
    def pair(self, clock: Clock) -> Pair:
        stored = MemoryStore(64 << 20, Metrics())
        writer = MemoryWriter(stored, clock)
        # a reader alone hears of no writes, so its memory is asked about at once
        front = Tiered(
            MemoryStore(64 << 20, Metrics()), Tiered(stored, None, recheck=1.0, clock=clock), recheck=0.0, clock=clock
        )
        return Pair(front, writer, clock)


async def test_one_call_for_what_is_missing_and_none_for_the_rest(scene: Scene, clock: Clock) -> None:
    here, there = make_entry(clock, "here"), make_entry(clock, "there")
    scene.memory.keep(here, clock.now, clock.now)
    scene.behind.hold(there)
    nowhere = Lookup(make_key("nowhere"))
    found = await scene.tier.get([there.lookup, here.lookup, nowhere])
    assert [None if one is None else one.source for one in found] == ["redis", "memory", None]
    assert scene.behind.asked == [[str(there.key), str(nowhere.key)]]
    found = await scene.tier.get([there.lookup, here.lookup])
    assert [None if one is None else one.source for one in found] == ["memory", "memory"]
    assert len(scene.behind.asked) == 1


async def test_the_quick_path_gives_all_or_nothing(scene: Scene, clock: Clock) -> None:
    one, two = make_entry(clock, 1), make_entry(clock, 2)
    scene.memory.keep(one, clock.now, clock.now)
    assert scene.tier.peek([one.lookup, two.lookup], clock.now) is None
    scene.memory.keep(two, clock.now, clock.now)
    found = scene.tier.peek([one.lookup, two.lookup], clock.now)
    assert found is not None
    assert [each.entry for each in found] == [one, two]
    clock.advance(RECHECK)
    assert scene.tier.peek([one.lookup], clock.now) is None, "it has to be looked at again"


async def test_for_local_memory_is_all_there_is(clock: Clock) -> None:
    tier = Tiered(MemoryStore(1 << 20, Metrics()), None, recheck=RECHECK, clock=clock)
    entry = make_entry(clock)
    tier.memory.keep(entry, clock.now, clock.now)
    clock.advance(RECHECK * 10)
    assert tier.peek([entry.lookup], clock.now) is not None
    assert [one is not None for one in await tier.get([entry.lookup, Lookup(make_key("absent"))])] == [True, False]
    assert tier.name == "local"
    await tier.ping()
    await tier.close()


async def test_after_a_while_the_store_is_asked_again(scene: Scene, clock: Clock) -> None:
    entry = make_entry(clock)
    scene.behind.hold(entry)
    for asked in (1, 1, 2, 2):
        assert await scene.get(entry) == entry
        assert len(scene.behind.asked) == asked
        clock.advance(RECHECK * 0.6)


async def test_a_confirmed_entry_keeps_its_rendered_replies(scene: Scene, clock: Clock) -> None:
    entry = make_entry(clock)
    scene.memory.keep(entry, clock.now, clock.now)
    before = scene.memory.peek(entry.key, clock.now)
    scene.behind.hold(entry)
    clock.advance(RECHECK)
    (found,) = await scene.tier.get([entry.lookup])
    assert found is before


async def test_what_the_store_lost_is_dropped(scene: Scene, clock: Clock) -> None:
    entry = make_entry(clock)
    scene.behind.hold(entry)
    assert await scene.get(entry) == entry
    scene.behind.entries.clear()
    clock.advance(RECHECK)
    assert await scene.get(entry) is None
    assert scene.in_memory(entry) is None


async def test_what_no_writer_has_persisted_yet_is_served_meanwhile(scene: Scene, clock: Clock) -> None:
    entry = make_entry(clock)
    scene.memory.keep(entry, clock.now, clock.now)
    clock.advance(RECHECK - 1)
    assert await scene.get(entry) == entry
    scene.behind.hold(entry)
    clock.advance(1)
    assert await scene.get(entry) == entry


async def test_a_store_that_is_away_is_a_miss_and_no_objection(scene: Scene, clock: Clock) -> None:
    entry = make_entry(clock, ttl=200.0)
    scene.memory.keep(entry, clock.now, clock.now)
    scene.behind.away = True
    clock.advance(RECHECK + 1)
    assert await scene.get(entry) == entry
    assert await scene.get(make_entry(clock, "absent")) is None
    clock.advance(200)
    assert await scene.get(entry) is None
    with pytest.raises(StoreUnavailable):
        await scene.tier.ping()


async def test_only_an_outage_is_swallowed(clock: Clock) -> None:
    class Buggy(Behind):
        async def get(self, lookups: Sequence[Lookup]) -> list[Found | None]:
            raise ZeroDivisionError

    tier = Tiered(MemoryStore(1 << 20, Metrics()), Buggy(), recheck=RECHECK, clock=clock)
    with pytest.raises(ZeroDivisionError):
        await tier.get([Lookup(make_key("q"))])


async def test_closes_what_it_was_given(scene: Scene) -> None:
    await scene.tier.close()
    assert scene.behind.closed
    assert scene.tier.name == "redis"


async def test_an_older_answer_of_the_store_does_not_replace_a_newer_one(scene: Scene, clock: Clock) -> None:
    entry = make_entry(clock)
    scene.behind.hold(entry)
    scene.memory.keep(newer(entry), clock.now, clock.now)
    clock.advance(RECHECK)
    assert await scene.get(entry) == newer(entry)


async def test_a_newer_answer_of_the_store_replaces_an_older_one(scene: Scene, clock: Clock) -> None:
    entry = make_entry(clock)
    scene.memory.keep(entry, clock.now, clock.now)
    scene.behind.hold(newer(entry))
    clock.advance(RECHECK)
    assert await scene.get(entry) == newer(entry)
    assert scene.in_memory(entry) == newer(entry)
