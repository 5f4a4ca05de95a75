"""The parts of the bus that need no server."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askonce.bus import names
from askonce.bus.confirmations import Confirmations
from askonce.bus.tombstones import Graveyard
from askonce.bus.trips import RoundTrips
from askonce.core.errors import BusUnavailable
from askonce.core.events import Deleted, Flushed
from askonce.core.key import CacheKey
from tests.bus.kit import key

AGE = 100.0


def test_a_tombstone_is_remembered_for_its_age_and_no_longer():
    graveyard = Graveyard(AGE)
    graveyard.bury(Deleted((key(1), key(2)), 1000.0), now=1000.0)
    graveyard.bury(Deleted((key(2),), 1050.0), now=1050.0)
    graveyard.bury(Deleted((key(3),), 1100.0), now=1100.0)
    assert [graveyard.at(key(number)) for number in range(5)] == [None, 1000.0, 1050.0, 1100.0, None]
    graveyard.bury(Deleted((key(4),), 1101.0), now=1101.0)
    assert [graveyard.at(key(number)) for number in range(5)] == [None, None, 1050.0, 1100.0, 1101.0]
    assert len(graveyard) == 3


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(900, 1000)), max_size=30))
def test_the_latest_deletion_counts_in_whatever_order_they_come(deletions):
    graveyard = Graveyard(AGE)
    for number, at in deletions:
        graveyard.bury(Deleted((key(number),), at), now=1000.0)
    for number in range(4):
        assert graveyard.at(key(number)) == max((at for one, at in deletions if one == number), default=None)


def test_a_flush_is_a_deletion_of_all_that_its_proxy_kept_and_is_not_forgotten():
    graveyard = Graveyard(AGE)
    graveyard.flush(Flushed("team", 1000.0))
    graveyard.bury(Deleted((key(1, "team"), key(2, "team")), 900.0), now=1000.0)
    graveyard.bury(Deleted((key(2, "team"),), 1050.0), now=1050.0)
    assert [graveyard.at(key(number, "team"), "team") for number in range(4)] == [1000.0, 1000.0, 1050.0, 1000.0]
    assert graveyard.at(key(2, "team"), "") == 1050.0
    assert graveyard.at(key(3, "team"), "") is None
    graveyard.bury(Deleted((key(4),), 9000.0), now=9000.0)
    graveyard.flush(Flushed("team", 999.0))
    assert (graveyard.at(key(3, "team")), graveyard.at(key(3, "team2")), len(graveyard)) == (1000.0, None, 1)


async def test_who_expects_everybody_notes_everybody():
    confirmations = Confirmations()
    with confirmations.expect() as expected:
        confirmations.confirm("a", 7)
        confirmations.confirm("b", 8)
        async with asyncio.timeout(20):
            await expected.wait({"a": 7, "b": 8})
            await expected.wait({})


async def test_a_confirmation_counts_for_its_sequence_and_earlier_ones_even_before_they_are_known():
    confirmations = Confirmations()
    with confirmations.expect(["a", "b"]) as expected:
        confirmations.confirm("a", 7)
        confirmations.confirm("a", 3)
        confirmations.confirm("c", 9)
        waiting = asyncio.create_task(expected.wait({"a": 5, "b": 2}))
        await asyncio.sleep(0)
        assert not waiting.done()
        confirmations.confirm("b", 1)
        await asyncio.sleep(0.01)
        assert not waiting.done()
        confirmations.confirm("b", 2)
        await asyncio.wait_for(waiting, 5)
    confirmations.confirm("a", 9)
    assert expected.confirmed == {"a": 7, "b": 2}


def test_a_key_of_any_namespace_is_one_token_of_a_subject():
    subject = names.tombstone(CacheKey("team:a.b", "f" * 64))
    assert subject.count(".") == 2
    assert not set(subject) & set(":*> ")
    assert names.token(CacheKey("a", "f" * 64)) != names.token(CacheKey("", "f" * 64))


def test_no_flush_stands_where_a_key_is_deleted():
    subject = names.flushed("team:a.b")
    assert subject.startswith(f"{names.FLUSHES}.")
    assert subject.count(".") == 3
    assert not set(subject) & set(":*> ")
    assert len({names.flushed(one) for one in ("", "team", "team:a")}) == 3


def test_a_listener_is_known_by_its_description():
    assert names.listener(names.description("x")) == "x"
    assert [names.listener(one) for one in (None, "", "somebody else's")] == [None] * 3


class Way:
    """Trips that end when they are told to, one after another."""

    def __init__(self) -> None:
        self.begun = 0
        self.end = asyncio.Event()
        self.error: Exception | None = None

    async def travel(self) -> None:
        self.begun += 1
        await self.end.wait()
        if self.error is not None:
            raise self.error


async def two_trips(way):
    """One asker whose trip is under way, and one who waits for the next."""
    trips = RoundTrips(way.travel)
    first = asyncio.create_task(trips.make())
    while not way.begun:
        await asyncio.sleep(0)
    second = asyncio.create_task(trips.make())
    await asyncio.sleep(0)
    return trips, first, second


async def outcomes(*tasks):
    async with asyncio.timeout(20):
        return [type(one) for one in await asyncio.gather(*tasks, return_exceptions=True)]


async def test_who_asks_during_a_trip_waits_for_the_next():
    way = Way()
    _, first, second = await two_trips(way)
    way.end.set()
    assert await outcomes(first, second) == [type(None)] * 2
    assert way.begun == 2


async def test_a_failed_trip_fails_its_own_askers_and_the_next_begins():
    way = Way()
    way.error = BusUnavailable("no way back")
    trips, first, second = await two_trips(way)
    way.end.set()
    assert await outcomes(first, second) == [BusUnavailable] * 2
    way.error = None
    assert await outcomes(asyncio.create_task(trips.make())) == [type(None)]


async def test_a_trip_that_dies_of_a_bug_leaves_nobody_waiting():
    way, heard = Way(), []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: heard.append(context["exception"]))
    way.error = ZeroDivisionError("a bug")
    trips, first, second = await two_trips(way)
    way.end.set()
    assert await outcomes(first, second) == [BusUnavailable] * 2
    way.error = None
    assert await outcomes(asyncio.create_task(trips.make())) == [type(None)]
    assert [type(error) for error in heard] == [ZeroDivisionError]


@pytest.mark.parametrize("by", ["close", "cancellation"])
async def test_a_trip_that_is_cancelled_leaves_nobody_waiting(by):
    trips, first, second = await two_trips(Way())
    if by == "close":
        await trips.close()
    else:
        trips._task.cancel()
    assert await outcomes(first, second) == [BusUnavailable] * 2


async def test_closing_before_the_first_step_of_a_trip_leaves_nobody_waiting():
    trips = RoundTrips(Way().travel)
    asked = asyncio.create_task(trips.make())
    await asyncio.sleep(0)
    await trips.close()
    assert await outcomes(asked) == [BusUnavailable]
