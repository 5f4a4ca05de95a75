"""Events to publish, waits with a deadline, and a listener that notes, for tests of buses."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol
from uuid import uuid4

from askonce.bus.protocols import Consumer, Delivery, Publisher
from askonce.core.entry import JSON, Entry, Lookup, Usage
from askonce.core.errors import BusUnavailable
from askonce.core.events import Answered, Event
from askonce.core.key import CacheKey

NOW = 1_800_000_000.0


class World(Protocol):
    """A fresh bus. Its queue takes `capacity` bytes; a message not settled comes again after well under a second."""

    capacity: int

    async def publisher(self) -> Publisher: ...

    async def consumer(self) -> Consumer: ...

    async def dead(self) -> list[tuple[str, bytes, int]]:
        """Reason, data and deliveries of each dead letter."""
        ...


def key(number: int, namespace: str = "") -> CacheKey:
    return CacheKey(namespace, f"{number:064x}")


def entry(number: int, payload: bytes = b'{"answer":42}', stored_at: float = NOW) -> Entry:
    return Entry(Lookup(key(number)), payload, JSON, stored_at, None, "gpt-4o", "chat", Usage(3, 5))


def answer(number: int, payload: bytes = b'{"answer":42}') -> Answered:
    return Answered(uuid4().hex, NOW - 1, (entry(number, payload),))


async def pends(consumer: Consumer, count: int) -> None:
    """Until so many are pending: what a server says of a consumer comes a little after the acknowledgement."""
    async with asyncio.timeout(20):
        while await consumer.pending() != count:
            await asyncio.sleep(0.01)


async def gather(fetch: Callable[[int, float], Awaitable[list[Delivery]]], count: int) -> list[Delivery]:
    """Exactly `count` deliveries, in as many batches as it takes."""
    got: list[Delivery] = []
    async with asyncio.timeout(20):
        while len(got) < count:
            got += await fetch(256, 0.5)
    assert len(got) == count
    return got


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.005)


async def drained(consumer: Consumer) -> None:
    """Returns once the queue is empty: a server takes acknowledgements in its own time."""
    await pends(consumer, 0)


async def insist(publisher: Publisher, event: Answered) -> None:
    """As the outbox does: the same event until the queue has it."""
    async with asyncio.timeout(20):
        while True:
            try:
                await publisher.publish(event)
            except BusUnavailable:
                await asyncio.sleep(0.05)
            else:
                return


class Ears:
    """A listener that notes what it hears."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.gaps = 0

    def hear(self, event: Event) -> None:
        self.events.append(event)

    def miss(self) -> None:
        self.gaps += 1
