"""The keys that a frontend has seen, while the bucket they are kept in does not answer, or was lost."""

import asyncio

import pytest

from askonce.core.errors import RequestError
from askonce.frontend.access.records import hashed, key_record
from tests.frontend import keybook
from tests.frontend.keybook import GRACE, TTL, Desk
from tests.frontend.kit import count, settle, until

desk = keybook.desk
UNCONFIRMED = "askonce_keys_unconfirmed_total"


async def test_a_seen_key_stays_good_for_its_grace_and_an_unseen_one_is_told_to_wait(desk: Desk) -> None:
    seen, unseen = await desk.write("sk-seen"), await desk.write("sk-unseen")
    assert await desk.may(seen) is True
    began = desk.clock.now
    desk.bucket.within.disconnect()
    assert await desk.may(seen) is True
    assert count(desk.metrics, UNCONFIRMED) == 0, "it was confirmed a moment ago"
    desk.clock.now = began + TTL
    assert await desk.may(seen) is True
    desk.clock.now = began + GRACE - 1
    assert await desk.may(seen) is True
    assert count(desk.metrics, UNCONFIRMED) == 2
    for token in (unseen, hashed("sk-nobodys")):
        with pytest.raises(RequestError, match="cannot look up keys") as refused:
            await desk.book.key(token)
        assert (refused.value.status, refused.value.headers) == (503, {"retry-after": "1"})
    desk.clock.now = began + GRACE
    assert await desk.may(seen) == 503
    desk.bucket.within.reconnect()
    assert [await desk.may(seen), await desk.may(unseen), await desk.may(hashed("sk-nobodys"))] == [True, True, False]


async def test_grace_is_none_for_a_key_that_expires_meanwhile(desk: Desk) -> None:
    token = await desk.write("sk-a", expires=desk.clock.now + TTL)
    assert await desk.may(token) is True
    desk.bucket.within.disconnect()
    desk.clock.now += TTL + 1
    assert await desk.may(token) == 401


async def test_a_key_that_was_revoked_meanwhile_is_refused_as_soon_as_the_bucket_is_back(desk: Desk) -> None:
    token = await desk.write("sk-a")
    assert await desk.may(token) is True
    desk.bucket.within.disconnect()
    await desk.there.delete(key_record(token))
    desk.clock.now += TTL
    assert await desk.may(token) is True
    desk.bucket.within.reconnect()
    assert await desk.may(token) is False


async def test_once_trusted_a_key_is_read_before_it_is_good_again(desk: Desk) -> None:
    token = await desk.write("sk-a")
    assert await desk.may(token) is True
    desk.bucket.within.disconnect()
    desk.clock.now += TTL
    assert await desk.may(token) is True
    desk.bucket.within.reconnect()
    desk.bucket.gate.clear()
    asking = asyncio.create_task(desk.may(token))
    await settle()
    assert not asking.done()
    desk.bucket.gate.set()
    assert await asking is True


async def test_a_read_that_breaks_off_leaves_a_seen_key_good_and_is_not_repeated_at_once(desk: Desk) -> None:
    token = await desk.write("sk-a")
    assert await desk.may(token) is True
    desk.clock.now += 2 * TTL
    desk.bucket.failing = True
    assert [await desk.may(token) for _ in range(3)] == [True] * 3
    assert desk.reads(token) == 2
    assert await desk.may(hashed("sk-b")) == 503
    desk.bucket.failing = False
    desk.clock.now += 1
    assert await desk.may(token) is True
    assert desk.reads(token) == 3


async def test_after_a_gap_every_key_is_looked_for_in_the_bucket(desk: Desk) -> None:
    kept, lost, none = await desk.write("sk-a"), await desk.write("sk-b"), hashed("sk-c")
    assert [await desk.may(token) for token in (kept, lost, none)] == [True, True, False]
    await desk.there.delete(key_record(lost))
    desk.bucket.within.miss()
    assert [await desk.may(token) for token in (kept, lost, none)] == [True, False, False]
    assert [desk.reads(token) for token in (kept, lost, none)] == [2, 2, 2]


async def test_a_gap_that_overtakes_a_read_has_it_read_again(desk: Desk) -> None:
    token = await desk.write("sk-a")
    desk.bucket.gate.clear()
    asking = asyncio.create_task(desk.may(token))
    await until(lambda: desk.bucket.under_way == 1)
    desk.bucket.within.miss()
    desk.bucket.gate.set()
    assert await asking is True
    assert desk.reads(token) == 2


async def test_reads_that_nobody_awaits_any_more_end_with_the_book(desk: Desk) -> None:
    token = await desk.write("sk-a")
    desk.bucket.gate.clear()
    asking = asyncio.create_task(desk.may(token))
    await until(lambda: desk.bucket.under_way == 1)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert desk.bucket.under_way == 1
    await desk.book.close()
    assert desk.bucket.under_way == 0
