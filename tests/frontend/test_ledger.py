"""What was spent reaches the sums once, and is held against budgets by every frontend."""

import asyncio

import pytest

from askonce.bus.local import LocalBus
from askonce.core.errors import RequestError
from tests.frontend.books import ledger
from tests.frontend.kit import Clock

KEY = "key:" + "a" * 64
SUM = "key." + "a" * 64
CENT = 10**10


async def test_what_two_frontends_spend_is_one_sum() -> None:
    clock = Clock()
    bus = LocalBus(clock)
    here, there = ledger(bus, clock), ledger(bus, clock)
    here.spend([KEY], 3 * CENT)
    there.spend([KEY], 4 * CENT)
    await here.flush()
    await there.flush()
    assert await bus.tally().total(SUM) == 7 * CENT


async def test_what_is_spent_while_the_queue_is_away_comes_later() -> None:
    clock = Clock()
    bus = LocalBus(clock)
    books = ledger(bus, clock)
    books.spend([KEY], CENT)
    bus.disconnect()
    await books.flush()
    books.spend([KEY], CENT)
    await books.flush()
    bus.reconnect()
    await books.close()
    assert await bus.tally().total(SUM) == 2 * CENT


async def test_a_budget_that_is_gone_is_refused_here_at_once_and_there_after_a_look() -> None:
    clock = Clock()
    bus = LocalBus(clock)
    here, there = ledger(bus, clock), ledger(bus, clock)
    budgets = [(KEY, 0.02)]
    await here.require(budgets)
    await there.require(budgets)
    here.spend([KEY], 2 * CENT)
    with pytest.raises(RequestError) as refused:
        await here.require(budgets, {KEY: "Key=anna (sk-...abcd)"})
    assert (refused.value.status, refused.value.type) == (422, "budget_exceeded")
    assert "exceeded! Key=anna (sk-...abcd) Current cost: 0.02, Max budget: 0.02" in refused.value.message
    assert "a" * 64 not in refused.value.message
    await here.flush()
    clock.now += 4
    await there.flush()
    with pytest.raises(RequestError):
        await there.require(budgets)


async def test_a_queue_that_is_away_stops_nobody_who_has_spent_little_here() -> None:
    clock = Clock()
    bus = LocalBus(clock)
    bus.disconnect()
    books = ledger(bus, clock)
    books.spend([KEY], CENT)
    await books.require([(KEY, 0.02)])
    with pytest.raises(RequestError):
        await books.require([(KEY, 0.01)])


async def test_what_the_queue_could_not_tell_is_asked_for_again_at_once() -> None:
    clock = Clock()
    bus = LocalBus(clock)
    await bus.tally().add(SUM, CENT, once="long ago")
    books = ledger(bus, clock)
    bus.disconnect()
    await books.require([(KEY, 0.01)])
    assert books.spent(KEY) is None
    bus.reconnect()
    await books.flush()
    assert books.spent(KEY) == CENT
    with pytest.raises(RequestError):
        await books.require([(KEY, 0.01)])


async def test_a_sum_that_is_asked_for_is_known_after_the_next_look_with_what_waits_here() -> None:
    clock = Clock()
    bus = LocalBus(clock)
    await bus.tally().add(SUM, CENT, once="long ago")
    books = ledger(bus, clock)
    assert books.spent(KEY) is None
    await books.flush()
    books.spend([KEY], 2 * CENT)
    assert books.spent(KEY) == 3 * CENT
    await books.flush()
    assert books.spent(KEY) == 3 * CENT


async def test_the_last_amounts_wait_for_a_queue_that_comes_back_in_time() -> None:
    clock = Clock()
    bus = LocalBus(clock)
    books = ledger(bus, clock)
    books.spend([KEY], CENT)
    bus.disconnect()
    closing = asyncio.create_task(books.close())
    await asyncio.sleep(0)
    bus.reconnect()
    await closing
    assert await bus.tally().total(SUM) == CENT
