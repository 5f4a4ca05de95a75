"""A writer's side of the bus over NATS. Knows how a message is taken, given back and buried; judges none."""

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from nats.aio.msg import Msg
from nats.js.api import Header

from askonce.bus import names
from askonce.bus.errors import translated
from askonce.bus.feed import OrderedFeed
from askonce.bus.link import Link
from askonce.bus.protocols import Delivery, Depth
from askonce.bus.pull import Pull
from askonce.bus.streams import ACK_WAIT, TOMBSTONE_MARGIN, ensure_consumers, ensure_streams
from askonce.bus.tombstones import Graveyard
from askonce.config.settings import ProxySettings
from askonce.core import wire
from askonce.core.errors import BusUnavailable, WireError
from askonce.core.events import Deleted, Flushed
from askonce.core.key import CacheKey

_CATCH_UP: Final = 60.0  # seconds for the first load of all tombstones
_REFRESH: Final = 5.0


@dataclass(slots=True)
class NatsDelivery:
    """`bus.protocols.Delivery`. Every verb raises BusUnavailable while the connection is lost: the message comes
    again.
    """

    _link: Link
    _message: Msg
    _store: str
    _clock: Callable[[], float]

    @property
    def data(self) -> bytes:
        return self._message.data

    @property
    def deliveries(self) -> int:
        return self._message.metadata.num_delivered

    @property
    def _confirmed(self) -> bool:
        """Whether somebody may wait to hear that it is done: nobody does for a flush."""
        deletion = self._message.metadata.stream == names.TOMBSTONE_STREAM
        return deletion and not self._message.subject.startswith(f"{names.FLUSHES}.")

    async def extend(self) -> None:
        self._link.require()
        with translated("extending"):
            await self._message.in_progress()

    async def ack(self) -> None:
        client = self._link.client
        with translated("acknowledging"):
            await self._message.ack()
            if self._confirmed:
                token = self._message.subject.rpartition(".")[2]
                sequence = self._message.metadata.sequence.stream
                await client.publish(names.confirmed(self._store), f"{sequence} {token}".encode())

    async def retry(self, after: float) -> None:
        self._link.require()
        with translated("handing back"):
            await self._message.nak(after)

    async def reject(self, reason: str) -> None:
        place = self._message.metadata
        headers = {
            names.REASON: reason,
            names.SUBJECT: self._message.subject,
            names.DELIVERIES: str(place.num_delivered),
            names.TIME: f"{self._clock():.3f}",
            Header.MSG_ID: f"{place.stream}:{place.sequence.stream}",  # once, however often this is cut short
        }
        async with self._link.asking("writing a dead letter") as js:
            await js.publish(names.dead(self._store), self._message.data, headers=headers)
            await self._message.term()


class NatsTombstones:
    """`bus.protocols.Tombstones`: the bucket in memory, kept in step by the stream behind it."""

    def __init__(self, link: Link, age: float, clock: Callable[[], float]) -> None:
        self._graveyard, self._clock = Graveyard(age), clock
        self._feed = OrderedFeed(link, names.TOMBSTONE_STREAM, self._take, _nothing, whole=True)

    async def start(self) -> None:
        """Returns once every deletion and flush before the call is known. Raises BusUnavailable."""
        await self._feed.start(_CATCH_UP)
        await self._feed.reach(_CATCH_UP)

    async def refresh(self) -> None:
        await self._feed.reach(_REFRESH)

    def at(self, key: CacheKey, home: str | None = None) -> float | None:
        return self._graveyard.at(key, home)

    async def close(self) -> None:
        await self._feed.close()

    def _take(self, message: Msg) -> None:
        with suppress(WireError):  # a marker that the bucket's own tools have left
            event = wire.decode(message.data)
            if isinstance(event, Deleted):
                self._graveyard.bury(event, self._clock())
            elif isinstance(event, Flushed):
                self._graveyard.flush(event)


class NatsConsumer:
    """`bus.protocols.Consumer`. `prepare`, then `start`, before use."""

    def __init__(
        self, link: Link, *, store: str, settings: ProxySettings, clock: Callable[[], float], ack_wait: float = ACK_WAIT
    ) -> None:
        self._link, self._store, self._settings, self._clock = link, store, settings, clock
        self.ack_wait = ack_wait
        self._answers = Pull(link, names.STREAM, store)
        self._deletions = Pull(link, names.TOMBSTONE_STREAM, store)
        self._tombstones = NatsTombstones(link, settings.tombstone_age + TOMBSTONE_MARGIN, clock)

    async def prepare(self) -> None:
        """Makes sure that streams and consumers are there. Raises BusUnavailable."""
        async with self._link.asking("preparing streams") as js:
            await ensure_streams(js, self._settings, update=False)
            await ensure_consumers(js, self._store, self.ack_wait)

    async def start(self) -> None:
        await self._tombstones.start()

    @property
    def tombstones(self) -> NatsTombstones:
        return self._tombstones

    async def answered(self, limit: int, wait: float) -> list[Delivery]:
        return await self._fetch(self._answers, limit, wait)

    async def deleted(self, limit: int, wait: float) -> list[Delivery]:
        return await self._fetch(self._deletions, limit, wait)

    async def _fetch(self, pull: Pull, limit: int, wait: float) -> list[Delivery]:
        if not pull.begun:
            await self.prepare()  # a server that lost its disk has lost the streams too
            await pull.begin()
        messages = await pull.fetch(limit, wait)
        return [NatsDelivery(self._link, message, self._store, self._clock) for message in messages]

    async def pending(self) -> int:
        async with self._link.asking("asking for what is pending") as js:
            consumer = await js.consumer_info(names.STREAM, self._store)
        return (consumer.num_pending or 0) + (consumer.num_ack_pending or 0)

    async def depth(self) -> Depth:
        async with self._link.asking("asking how full the queue is") as js:
            queue = await js.stream_info(names.STREAM)
            dead = await js.stream_info(names.DEAD_STREAM)
        limit = queue.config.max_bytes  # the operator's, where the stream was made by hand
        unbounded = limit is None or limit < 0
        return Depth(
            queue.state.messages, queue.state.bytes, math.inf if unbounded else float(limit or 0), dead.state.messages
        )

    async def ping(self) -> None:
        await self._link.ping()

    async def close(self) -> None:
        """Acknowledgements made before are on the server when this returns; what was fetched and not yet handed out
        goes back to the queue.
        """
        await self._answers.end()
        await self._deletions.end()
        await self._tombstones.close()
        with suppress(BusUnavailable):
            await self._link.ping()
        await self._link.close()


def _nothing() -> None:
    """A bucket made anew holds fewer tombstones; those in memory stay true."""
