"""A frontend's side of the bus over NATS. Knows when an answer is safe, a deletion done and a flush heard of; keeps
nothing.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final
from uuid import uuid4

from nats.aio.msg import Msg
from nats.js.api import Header

from askonce.bus import names
from askonce.bus.confirmations import Confirmations, Expected
from askonce.bus.errors import translated
from askonce.bus.feed import OrderedFeed, ToldFeed
from askonce.bus.link import OPENING, Link
from askonce.bus.marks import last_flushes, listeners
from askonce.core import wire
from askonce.core.errors import BusRefused, BusUnavailable, WireError
from askonce.core.events import Answered, Deleted, Event, Flushed
from askonce.core.key import CacheKey
from askonce.telemetry.metrics import Metrics

HEADERS: Final = 1024  # bytes of max_payload left free for the headers, those of a dead letter included
_TOLD_EVENTS: Final = 1000  # told and not yet sent
_TOLD_BYTES: Final = 16 << 20
_IN_STEP: Final = 0.5  # seconds for a server to answer a ping; one that is well takes a thousandth of it
_OUT_OF_STEP: Final = 2.0  # seconds in which nobody waits for a server that did not
_AT_ONCE: Final = 64  # tombstones in flight; eight times faster than one by one, and no flood
_LOOK_AGAIN: Final = 0.25  # seconds before asking again who listens: who has ended meanwhile will hear of nothing


class NatsPublisher:
    """`bus.protocols.Publisher`. `start` before use."""

    def __init__(self, link: Link, *, store: str, metrics: Metrics) -> None:
        self._link, self._store = link, store
        self._gaps = metrics.counter("askonce_bus_gaps_total")
        self._answered = names.answered(store)
        self._confirmations, self._hearings = Confirmations(), Confirmations()
        self._confirmed = ToldFeed(link, names.confirmed(store), _noting(self._confirmations), _nothing)
        self._heard = ToldFeed(link, names.HEARD, _noting(self._hearings), _nothing)
        self._feeds: list[ToldFeed | OrderedFeed] = [self._confirmed, self._heard]
        self._listener = uuid4().hex
        self._told: deque[tuple[str, bytes]] = deque()  # subject and frame
        self._told_bytes = 0
        self._in_step_again = 0.0
        self._to_tell = asyncio.Event()
        self._teller: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._confirmed.start(OPENING)
        await self._heard.start(OPENING)
        self._teller = asyncio.create_task(self._tell_all(), name="bus-teller")

    @property
    def max_payload(self) -> int:
        return self._link.max_payload - HEADERS

    @property
    def connected(self) -> bool:
        return self._link.connected

    async def publish(self, event: Answered) -> None:
        frame = wire.encode(event)
        if len(frame) > self.max_payload:
            raise BusRefused(f"an answer of {len(frame)} bytes is larger than the queue takes")
        async with self._link.asking("publishing an answer") as js:
            await js.publish(self._answered, frame, headers={Header.MSG_ID: event.id})

    def tell(self, event: Event) -> None:
        frame = wire.encode(event)
        room = len(self._told) < _TOLD_EVENTS and self._told_bytes + len(frame) <= _TOLD_BYTES
        if self._link.connected and room and len(frame) <= self.max_payload:
            self._say(names.TOLD, frame)

    def _say(self, subject: str, frame: bytes) -> None:
        self._told.append((subject, frame))
        self._told_bytes += len(frame)
        self._to_tell.set()

    async def in_step(self) -> None:
        now = asyncio.get_running_loop().time()
        if not self._link.connected or now < self._in_step_again:
            return
        try:
            async with asyncio.timeout(_IN_STEP):
                await self._tell_waiting()
                await self._link.ping()
        except (BusUnavailable, TimeoutError):
            self._in_step_again = now + _IN_STEP + _OUT_OF_STEP

    async def _tell_all(self) -> None:
        while True:
            await self._to_tell.wait()
            self._to_tell.clear()
            await self._tell_waiting()

    async def _tell_waiting(self) -> None:
        while self._told:
            subject, frame = self._told.popleft()
            self._told_bytes -= len(frame)
            with suppress(BusUnavailable, BusRefused), translated("telling"):
                await self._link.client.publish(subject, frame)

    async def listen(self, on_event: Callable[[Event], None], on_gap: Callable[[], None]) -> None:
        def gap() -> None:
            self._gaps.inc()
            on_gap()

        def frame(data: bytes) -> None:
            with suppress(WireError):  # not ours: other programs may use the server too
                on_event(wire.decode(data))

        def tombstone(message: Msg) -> None:
            frame(message.data)
            if message.subject.startswith(f"{names.FLUSHES}."):
                self._say_heard(message.metadata.sequence.stream)

        told = ToldFeed(self._link, names.TOLD, frame, gap)
        listening = names.description(self._listener)
        deletions = OrderedFeed(self._link, names.TOMBSTONE_STREAM, tombstone, gap, whole=False, description=listening)
        self._feeds += [told, deletions]
        await told.start(OPENING)
        await deletions.start(OPENING)
        for sequence, flush in await last_flushes(self._link):  # the feed has those that come from here on
            frame(flush)
            self._say_heard(sequence)

    def _say_heard(self, sequence: int) -> None:
        self._say(names.HEARD, f"{sequence} {self._listener}".encode())

    async def delete(self, keys: Sequence[CacheKey], at: float, *, within: float, confirm: bool) -> None:
        unique = list(dict.fromkeys(keys))
        try:
            async with asyncio.timeout(within):
                if confirm:
                    await self._confirmed.stand(within)
                with self._confirmations.expect([names.token(key) for key in unique]) as expected:
                    sequences = await self._bury(unique, at)
                    if confirm:
                        await expected.wait(sequences)
        except TimeoutError:
            raise BusUnavailable(f"the deletion was not confirmed within {within:g} s") from None

    async def _bury(self, keys: Sequence[CacheKey], at: float) -> dict[str, int]:
        """Writes the tombstones; gives the sequence of each by the key's token."""
        sequences: dict[str, int] = {}
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            written = await asyncio.gather(*(self._bury_one(key, at) for key in some), return_exceptions=True)
            for key, sequence in zip(some, written, strict=True):
                if isinstance(sequence, BaseException):
                    raise sequence
                sequences[names.token(key)] = sequence
        return sequences

    async def _bury_one(self, key: CacheKey, at: float) -> int:
        async with self._link.asking("writing a tombstone") as js:
            return (await js.publish(names.tombstone(key), wire.encode(Deleted((key,), at)))).seq

    async def flush(self, namespace: str, at: float, *, within: float) -> None:
        event = Flushed(namespace, at)
        try:
            async with asyncio.timeout(within):
                await self._heard.stand(within)
                with self._hearings.expect() as expected:
                    async with self._link.asking("writing a flush") as js:
                        mark = await js.publish(names.flushed(namespace), wire.encode(event))
                    self.tell(event)  # for a frontend whose ordered feed is just being set up anew
                    await self._heard_by_all(expected, mark.seq)
        except TimeoutError:
            raise BusUnavailable(f"not every frontend had heard of the flush within {within:g} s") from None

    async def _heard_by_all(self, expected: Expected, sequence: int) -> None:
        """It waits without end: the caller sets the deadline."""
        while True:
            listening = await listeners(self._link)
            try:
                async with asyncio.timeout(_LOOK_AGAIN):
                    await expected.wait(dict.fromkeys(listening, sequence))
            except TimeoutError:
                continue
            return

    async def ping(self) -> None:
        await self._link.ping()

    async def close(self) -> None:
        """Waits for nothing: answers under way are the outbox's to wait for, and what was told had no promise."""
        for feed in self._feeds:
            await feed.close()
        if self._teller is not None:
            self._teller.cancel()
            await asyncio.gather(self._teller, return_exceptions=True)
        await self._link.close()


def _noting(confirmations: Confirmations) -> Callable[[bytes], None]:
    """Takes what is said as `<sequence> <token>`."""

    def note(data: bytes) -> None:
        sequence, _, token = data.decode(errors="replace").partition(" ")
        if sequence.isdecimal():
            confirmations.confirm(token, int(sequence))

    return note


def _nothing() -> None:
    """A confirmation that was missed ends in its asker's deadline."""
