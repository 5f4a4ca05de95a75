"""The parts of the bus that need no server."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from askonce.bus import names
from askonce.bus.confirmations import Confirmations
from askonce.bus.tombstones import Graveyard
from askonce.core.events import Deleted
from askonce.core.key import CacheKey
from tests.bus.contract import key

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
