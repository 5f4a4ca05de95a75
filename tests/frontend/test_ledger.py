"""What was spent reaches the sums once, and is held against budgets by every frontend."""

import asyncio

import pytest

from askonce.bus.local import LocalBus
from askonce.bus.protocols import Tally
from askonce.core.errors import BusUnavailable, RequestError
from askonce.frontend.accounts.ledger import Ledger
from askonce.telemetry.logs import Log
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


class Interrupted:
    """The way to a tally that is cut, while `cut`, when an amount has `arrived` there or just before: no word of it
    comes back.
    """

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self.cut = False
        self.arrived = True

    async def add(self, name: str, amount: int, *, once: str) -> int:
        total = await self._tally.add(name, amount, once=once) if self.arrived or not self.cut else 0
        if self.cut:
            raise BusUnavailable("the connection was lost")
        return total

    async def total(self, name: str) -> int:
        return await self._tally.total(name)

    async def reset(self, name: str, *, once: str = "") -> None:
        await self._tally.reset(name, once=once)


async def interrupted(
    caplog: pytest.LogCaptureFixture, *, arrived: bool, known: bool, minutes: float, others: int = 0
) -> tuple[int, int, str]:
    """The sum after an amount of one cent was handed on and not confirmed for so many minutes, in which other frontends
    spent some too; what the ledger makes of that, and what it logged.
    """
    clock = Clock()
    bus = LocalBus(clock)
    way = Interrupted(bus.tally())
    books = Ledger(way, Log("test"), clock)
    if known:
        await books.require([(KEY, 1.0)])
    books.spend([KEY], CENT)
    way.cut, way.arrived = True, arrived
    await books.flush()
    if others:
        await bus.tally().add(SUM, others, once="another's")
    bus.disconnect()
    clock.now += 60 * minutes
    await books.flush()
    bus.reconnect()
    way.cut = False
    await books.flush()
    await books.flush()
    books.spent(KEY)
    await books.flush()
    return await bus.tally().total(SUM), books.spent(KEY) or 0, caplog.text


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("arrived", [True, False])
async def test_an_amount_that_was_not_confirmed_is_tried_again_while_the_queue_knows_it(
    caplog: pytest.LogCaptureFixture, arrived: bool, known: bool
) -> None:
    total, told, log = await interrupted(caplog, arrived=arrived, known=known, minutes=1)
    assert (total, told) == (CENT, CENT)
    assert "spend_lost" not in log


@pytest.mark.parametrize("arrived", [True, False])
async def test_later_the_sum_tells_whether_the_amount_is_in_there(
    caplog: pytest.LogCaptureFixture, arrived: bool
) -> None:
    total, told, log = await interrupted(caplog, arrived=arrived, known=True, minutes=3)
    assert (total, told) == (CENT, CENT)
    assert "spend_lost" not in log


async def test_what_others_spent_less_of_is_no_sign_that_it_is_in_there(caplog: pytest.LogCaptureFixture) -> None:
    total, _, log = await interrupted(caplog, arrived=False, known=True, minutes=3, others=CENT - 1)
    assert total == 2 * CENT - 1
    assert "spend_lost" not in log


@pytest.mark.parametrize(("known", "others"), [(True, 2 * CENT), (False, 0)])
@pytest.mark.parametrize("arrived", [True, False])
async def test_what_nobody_can_tell_is_given_up_rather_than_counted_twice(
    caplog: pytest.LogCaptureFixture, arrived: bool, known: bool, others: int
) -> None:
    total, told, log = await interrupted(caplog, arrived=arrived, known=known, minutes=3, others=others)
    assert total == told == others + (CENT if arrived else 0)
    assert "spend_lost" in log


async def test_what_was_never_handed_on_waits_however_long_the_queue_is_away(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    bus = LocalBus(clock)
    books = ledger(bus, clock)
    bus.disconnect()
    for _ in range(10):
        books.spend([KEY], CENT)
        await books.flush()
        clock.now += 60
    bus.reconnect()
    await books.flush()
    assert await bus.tally().total(SUM) == 10 * CENT
    assert "spend_lost" not in caplog.text
