"""The bus within one process, with the promises of the one over NATS: every event goes through the wire format, is
handed out until it is settled, and may end among the dead letters. It forgets everything when the process ends.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from askonce.bus import names
from askonce.bus.confirmations import Confirmations
from askonce.bus.local_queue import Message, Queue
from askonce.bus.local_records import LocalBucket, LocalTally, Shelf
from askonce.bus.protocols import Delivery, Depth
from askonce.bus.tombstones import Graveyard
from askonce.core import wire
from askonce.core.errors import BusRefused, BusUnavailable
from askonce.core.events import Answered, Deleted, Event, Flushed
from askonce.core.key import CacheKey

_DUPLICATES: Final = 120.0  # seconds, as the stream over NATS has it
_DEAD: Final = 10_000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    data: bytes
    reason: str
    deliveries: int


@dataclass(frozen=True, slots=True)
class Listener:
    on_event: Callable[[Event], None]
    on_gap: Callable[[], None]


class LocalBus:
    """Hands out publishers and consumers of one queue, buckets and tallies.

    `clock` gives seconds since the epoch. `capacity` bounds the queue in bytes: a full one refuses. `ack_wait` is how
    many seconds a consumer may keep a message before it is handed out again. `dead` holds what was rejected.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        capacity: int = 64 << 20,
        ack_wait: float = 30.0,
        tombstone_age: float = 7 * 86400.0,
        max_payload: int = 8 << 20,
    ) -> None:
        self.clock, self.ack_wait, self.max_payload = clock, ack_wait, max_payload
        self.connected = True
        self.dead: deque[DeadLetter] = deque(maxlen=_DEAD)
        self.answers, self.deletions = Queue(), Queue()
        self.graveyard = Graveyard(tombstone_age)
        self.confirmations = Confirmations()
        self.listeners: list[Listener] = []
        self.flushes: dict[str, Flushed] = {}
        self.capacity: Final = capacity
        self._ids: OrderedDict[str, float] = OrderedDict()
        self._sequence = 0
        self._shelf = Shelf(lambda: self.connected, clock)

    def publisher(self) -> "LocalPublisher":
        return LocalPublisher(self)

    def consumer(self) -> "LocalConsumer":
        return LocalConsumer(self)

    def bucket(self) -> LocalBucket:
        """One frontend's: each watches by itself."""
        return LocalBucket(self._shelf)

    def tally(self) -> LocalTally:
        return LocalTally(self._shelf)

    def lose_records(self) -> None:
        """As a bucket that is made anew: nothing is in it, and watchers are told of a gap."""
        self._shelf.lose()

    def disconnect(self) -> None:
        """From here on every verb raises BusUnavailable, as with a server that is away."""
        self.connected = False

    def reconnect(self) -> None:
        self.connected = True
        for listener in self.listeners:
            listener.on_gap()
        self._shelf.tell()

    def require(self) -> None:
        if not self.connected:
            raise BusUnavailable("the local bus is disconnected")

    def enqueue(self, name: str, frame: bytes) -> None:
        now = self.clock()
        while self._ids and next(iter(self._ids.values())) < now - _DUPLICATES:
            self._ids.popitem(last=False)
        if name in self._ids:
            return
        if self.answers.size + len(frame) > self.capacity:
            raise BusUnavailable("the queue is full")
        self._ids[name] = now
        self.answers.add(Message(frame, self._next(), now))

    def bury(self, key: CacheKey, at: float) -> int:
        """Writes a tombstone; gives its sequence. An earlier deletion of the key still in the queue is replaced."""
        event = Deleted((key,), at)
        self.graveyard.bury(event, self.clock())
        return self._tombstone(names.token(key), wire.encode(event))

    def flush(self, event: Flushed) -> None:
        """Writes down that the namespace was flushed, in the place of an earlier time."""
        self.flushes[event.namespace] = event
        self.graveyard.flush(event)
        self._tombstone(names.flushed(event.namespace), wire.encode(event))

    def _tombstone(self, token: str, frame: bytes) -> int:
        for earlier in [one for one in self.deletions.messages.values() if one.token == token]:
            self.deletions.remove(earlier)
        message = Message(frame, self._next(), self.clock(), token)
        self.deletions.add(message)
        self.tell(frame)
        return message.sequence

    def tell(self, frame: bytes) -> None:
        loop = asyncio.get_running_loop()
        for listener in self.listeners:
            loop.call_soon(listener.on_event, wire.decode(frame))

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence


@dataclass(slots=True)
class LocalDelivery:
    """`bus.protocols.Delivery`."""

    _bus: LocalBus
    _queue: Queue
    _message: Message
    deliveries: int

    @property
    def data(self) -> bytes:
        return self._message.data

    async def extend(self) -> None:
        self._bus.require()
        self._message.due = self._bus.clock() + self._bus.ack_wait

    async def ack(self) -> None:
        self._bus.require()
        self._queue.remove(self._message)
        if self._message.token:
            self._bus.confirmations.confirm(self._message.token, self._message.sequence)

    async def retry(self, after: float) -> None:
        self._bus.require()
        self._message.due = self._bus.clock() + after
        self._queue.changed.set()

    async def reject(self, reason: str) -> None:
        self._bus.require()
        self._queue.remove(self._message)
        self._bus.dead.append(DeadLetter(self.data, reason, self.deliveries))


class LocalPublisher:
    """`bus.protocols.Publisher`."""

    def __init__(self, bus: LocalBus) -> None:
        self._bus = bus
        self._listener: Listener | None = None

    @property
    def max_payload(self) -> int:
        return self._bus.max_payload

    @property
    def connected(self) -> bool:
        return self._bus.connected

    async def publish(self, event: Answered) -> None:
        self._bus.require()
        frame = wire.encode(event)
        if len(frame) > self.max_payload:
            raise BusRefused(f"an answer of {len(frame)} bytes is larger than the queue takes")
        self._bus.enqueue(event.id, frame)

    def tell(self, event: Event) -> None:
        frame = wire.encode(event)
        if self._bus.connected and len(frame) <= self.max_payload:
            self._bus.tell(frame)

    async def in_step(self) -> None:
        await asyncio.sleep(0)  # the turn in which listeners are called

    async def listen(self, on_event: Callable[[Event], None], on_gap: Callable[[], None]) -> None:
        self._bus.require()
        self._listener = Listener(on_event, on_gap)
        self._bus.listeners.append(self._listener)
        for flushed in self._bus.flushes.values():
            on_event(flushed)

    async def delete(self, keys: Sequence[CacheKey], at: float, *, within: float, confirm: bool) -> None:
        self._bus.require()
        tokens = [names.token(key) for key in keys]
        with self._bus.confirmations.expect(tokens) as expected:
            sequences = {names.token(key): self._bus.bury(key, at) for key in dict.fromkeys(keys)}
            if not confirm:
                return
            try:
                async with asyncio.timeout(within):
                    await expected.wait(sequences)
            except TimeoutError:
                raise BusUnavailable(f"the deletion was not confirmed within {within:g} s") from None

    async def flush(self, namespace: str, at: float, *, within: float) -> None:  # noqa: ARG002 - nothing takes time here
        self._bus.require()
        self._bus.flush(Flushed(namespace, at))
        await asyncio.sleep(0)  # the turn in which listeners are called

    async def ping(self) -> None:
        self._bus.require()

    async def close(self) -> None:
        if self._listener in self._bus.listeners:
            self._bus.listeners.remove(self._listener)


class LocalConsumer:
    """`bus.protocols.Consumer` and its `Tombstones`, which are always up to date here."""

    def __init__(self, bus: LocalBus) -> None:
        self._bus = bus
        self.ack_wait: Final = bus.ack_wait

    @property
    def tombstones(self) -> "LocalConsumer":
        return self

    async def refresh(self) -> None:
        self._bus.require()

    def at(self, key: CacheKey, home: str | None = None) -> float | None:
        return self._bus.graveyard.at(key, home)

    async def answered(self, limit: int, wait: float) -> list[Delivery]:
        return await self._take(self._bus.answers, limit, wait)

    async def deleted(self, limit: int, wait: float) -> list[Delivery]:
        return await self._take(self._bus.deletions, limit, wait)

    async def _take(self, queue: Queue, limit: int, wait: float) -> list[Delivery]:
        loop = asyncio.get_running_loop()
        until = loop.time() + wait
        while True:
            self._bus.require()
            queue.changed.clear()
            taken = queue.take(limit, self._bus.clock(), self._bus.ack_wait)
            if taken or loop.time() >= until:
                return [LocalDelivery(self._bus, queue, message, message.deliveries) for message in taken]
            await queue.wait(self._bus.clock(), until - loop.time())

    async def pending(self) -> int:
        self._bus.require()
        return len(self._bus.answers.messages)

    async def depth(self) -> Depth:
        self._bus.require()
        queue = self._bus.answers
        return Depth(len(queue.messages), queue.size, float(self._bus.capacity), len(self._bus.dead))

    async def ping(self) -> None:
        self._bus.require()

    async def close(self) -> None:
        """Nothing is held here: what was handed out and not settled is handed out again."""
