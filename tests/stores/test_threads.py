"""Threads for clients that block: how many, who waits, who gives up."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from askonce.core.errors import StoreUnavailable
from askonce.stores.protocols import Crowded
from askonce.stores.s3.threads import Threads

Open = Callable[[int, int], Threads]


class Gate:
    """Works that stay in their threads until it is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.begun: list[int] = []
        self.given_up: list[int] = []

    def pass_(self, number: int, given_up: threading.Event) -> int:
        self.begun.append(number)
        assert self.opened.wait(20)
        if given_up.is_set():
            self.given_up.append(number)
        return number

    def work(self, number: int) -> Callable[[threading.Event], int]:
        return lambda given_up: self.pass_(number, given_up)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.opened.set()


@pytest.fixture
async def open_threads(gate: Gate) -> AsyncIterator[Open]:
    opened: list[Threads] = []

    def open_(count: int, waiting: int) -> Threads:
        opened.append(Threads("test", count, waiting))
        return opened[-1]

    yield open_
    gate.opened.set()
    for one in opened:
        await one.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


async def test_works_are_done_in_their_own_threads_and_the_first_come_is_first(open_threads: Open, gate: Gate) -> None:
    threads = open_threads(1, 10)
    asked = [asyncio.create_task(threads.run(gate.work(n))) for n in range(5)]
    names = asyncio.create_task(threads.run(lambda _: threading.current_thread().name))
    gate.opened.set()
    assert await asyncio.gather(*asked) == [0, 1, 2, 3, 4]
    assert gate.begun == [0, 1, 2, 3, 4]
    assert (await names).startswith("test")


async def test_an_error_comes_out_as_it_is(open_threads: Open) -> None:
    def fail(_: threading.Event) -> None:
        raise StoreUnavailable("away")

    threads = open_threads(1, 10)
    with pytest.raises(StoreUnavailable, match="away"):
        await threads.run(fail)
    assert await threads.run(lambda _: 1) == 1


async def test_too_many_are_turned_away_at_once(open_threads: Open, gate: Gate) -> None:
    threads = open_threads(2, 3)
    asked = [asyncio.create_task(threads.run(gate.work(n))) for n in range(5)]
    await until(lambda: len(gate.begun) == 2)
    with pytest.raises(Crowded):
        await threads.run(gate.work(5))
    asked[4].cancel()
    await asyncio.wait({asked[4]})
    late = asyncio.create_task(threads.run(gate.work(6)))
    await asyncio.sleep(0)
    gate.opened.set()
    assert await asyncio.gather(*asked[:4], late) == [0, 1, 2, 3, 6]


async def test_who_gives_up_takes_no_thread_and_a_thread_is_taken_until_its_work_ends(
    open_threads: Open, gate: Gate
) -> None:
    threads = open_threads(1, 10)
    asked = [asyncio.create_task(threads.run(gate.work(n))) for n in range(3)]
    await until(lambda: gate.begun == [0])
    asked[0].cancel()
    asked[1].cancel()
    await asyncio.wait(asked[:2])
    assert gate.begun == [0], "the thread is not free yet"
    gate.opened.set()
    assert await asked[2] == 2
    assert gate.begun == [0, 2]
    assert gate.given_up == [0]


async def test_each_keeps_the_order_and_leaves_threads_to_others(open_threads: Open, gate: Gate) -> None:
    threads = open_threads(4, 10)
    many = asyncio.create_task(threads.each(range(50), gate.pass_, 3))
    await until(lambda: len(gate.begun) == 3)
    assert await threads.run(lambda _: "a fourth") == "a fourth"
    assert len(gate.begun) == 3
    gate.opened.set()
    assert await many == list(range(50))
    assert await threads.each([], gate.pass_, 3) == []


async def test_after_an_error_nothing_more_is_begun_and_what_had_begun_has_ended(
    open_threads: Open, gate: Gate
) -> None:
    threads = open_threads(4, 10)
    ended: list[int] = []

    def work(number: int, given_up: threading.Event) -> None:
        if number == 1:
            raise StoreUnavailable("away")
        gate.pass_(number, given_up)
        ended.append(number)

    many = asyncio.create_task(threads.each(range(50), work, 3))
    await until(lambda: set(gate.begun) == {0, 2})
    gate.opened.set()
    with pytest.raises(StoreUnavailable, match="away"):
        await many
    assert sorted(ended) == sorted(gate.begun) == [0, 2]
    assert gate.given_up == []


async def test_each_that_is_cancelled_begins_nothing_more(open_threads: Open, gate: Gate) -> None:
    threads = open_threads(2, 10)
    many = asyncio.create_task(threads.each(range(50), gate.pass_, 2))
    await until(lambda: len(gate.begun) == 2)
    many.cancel()
    await asyncio.wait({many})
    gate.opened.set()
    assert await threads.run(lambda _: "next") == "next"
    await until(lambda: len(gate.given_up) == 2)
    assert sorted(gate.begun) == sorted(gate.given_up) == [0, 1]


async def test_closing_fails_who_waits_and_hangs_for_nobody(
    open_threads: Open, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("askonce.stores.s3.threads._CLOSING", 0.01)
    threads = open_threads(2, 100)
    asked = [asyncio.create_task(threads.run(gate.work(n))) for n in range(50)]
    await until(lambda: len(gate.begun) == 2)
    await threads.close()
    assert {type(error) for error in await asyncio.gather(*asked, return_exceptions=True)} == {StoreUnavailable}
    with pytest.raises(StoreUnavailable, match="closed"):
        await threads.run(lambda _: 1)
    gate.opened.set()
    await until(lambda: len(gate.given_up) == 2)
    await threads.close()
    assert sorted(gate.begun) == [0, 1]
