"""What supervisor and child say to each other, over a real socket pair; and the event that ends a wait."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from askonce.runtime.link import ChildLink, Orders, ParentLink
from askonce.runtime.signals import finished

WITHIN = 20.0
ORDERS = Orders("nats://frontend:secret@127.0.0.1:4222", 7)


@asynccontextmanager
async def line() -> AsyncIterator[tuple[ParentLink, ChildLink]]:
    parent, theirs = await ParentLink.open(ORDERS)
    child = await ChildLink.open(theirs.detach())
    try:
        async with asyncio.timeout(WITHIN):
            yield parent, child
    finally:
        parent.close()
        child._writer.close()


async def test_orders_ready_go() -> None:
    async with line() as (parent, child):
        assert child.orders == ORDERS
        stop = asyncio.Event()
        listening = asyncio.create_task(child.listen(stop))
        ready = asyncio.create_task(child.ready())
        assert await parent.answer() is None
        assert not ready.done(), "it waits for the others"
        parent.go()
        await ready
        assert not stop.is_set()
        parent.close()
        await listening
        assert stop.is_set(), "a supervisor that has gone is a reason to stop"


async def test_a_child_says_why_it_cannot() -> None:
    async with line() as (parent, child):
        await child.failed("no queue at 127.0.0.1")
        assert await parent.answer() == "no queue at 127.0.0.1"


async def test_a_child_that_ends_without_a_word_is_not_ready() -> None:
    async with line() as (parent, child):
        child._writer.close()
        why = await parent.answer()
        assert why is not None
        assert "ended before it was ready" in why


async def test_a_supervisor_that_goes_before_go_lets_nobody_begin() -> None:
    async with line() as (parent, child):
        stop = asyncio.Event()
        listening = asyncio.create_task(child.listen(stop))
        parent.close()
        assert not await finished(child.ready(), before=stop)
        await listening


async def test_work_that_comes_to_its_end_is_finished() -> None:
    assert await finished(asyncio.sleep(0), before=asyncio.Event())


async def test_work_is_given_up_at_the_event_and_has_ended_then() -> None:
    stop, steps = asyncio.Event(), []

    async def work() -> None:
        try:
            steps.append("begun")
            stop.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            steps.append("tidied up")

    assert not await finished(work(), before=stop)
    assert steps == ["begun", "tidied up"]


async def test_a_cancellation_that_is_swallowed_is_repeated() -> None:
    stop = asyncio.Event()

    async def work() -> None:
        stop.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    async with asyncio.timeout(WITHIN):
        assert not await finished(work(), before=stop)


async def test_what_the_work_raises_is_raised() -> None:
    async def work() -> None:
        raise LookupError("as the test wishes")

    with pytest.raises(LookupError):
        await finished(work(), before=asyncio.Event())


async def test_who_is_cancelled_takes_the_work_along() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    waiting = asyncio.create_task(finished(work(), before=asyncio.Event()))
    await begun.wait()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert waiting.cancelled()
    assert ended.is_set()
