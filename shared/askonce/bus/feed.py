"""Two ways to listen: told (core NATS, no promise) and ordered (a stream, without gaps). Both outlive lost
connections and killed servers. They know nothing of what the messages say.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Final

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext
from nats.js.api import Header, StreamInfo
from nats.js.errors import NotFoundError

from askonce.bus.errors import translated
from askonce.bus.link import Link
from askonce.bus.streams import HEARTBEAT, feed
from askonce.core.errors import BusUnavailable

_QUIET: Final = 2.5 * HEARTBEAT  # seconds without any sign after which a feed is set up anew
_AGAIN: Final = 0.2  # seconds before the next try
_CONTROL: Final = "100"  # status of heartbeats and flow control: ADR-15 of nats-architecture-and-design
_STALLED: Final = "Nats-Consumer-Stalled"
_LAST_CONSUMER: Final = "Nats-Last-Consumer"
_PENDING_BYTES: Final = 64 << 20


class _Feed(ABC):
    """Runs `_follow` once a session, for ever. `_turn` wakes it when the connection has changed."""

    def __init__(self, link: Link, name: str) -> None:
        self._link, self._name = link, name
        self._standing = asyncio.Event()
        self._turn = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        link.on_move.append(self._turn.set)

    async def start(self, within: float) -> None:
        """Returns once the feed stands; raises BusUnavailable when it does not in so many seconds."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=self._name)
        await self.stand(within)

    async def stand(self, within: float) -> None:
        try:
            async with asyncio.timeout(within):
                await self._standing.wait()
        except TimeoutError:
            raise BusUnavailable(f"{self._name}: no subscription to NATS at {self._link.where}") from None

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            session = await self._link.wait_until_connected()
            try:
                await self._follow(session)
            except BusUnavailable:
                await asyncio.sleep(_AGAIN)
            except Exception:  # noqa: BLE001 - a feed outlives a bug of its listener, and tells of it
                self._link.report_bug()
                await asyncio.sleep(_AGAIN)
            finally:
                self._standing.clear()

    @abstractmethod
    async def _follow(self, session: int) -> None:
        """Listens for as long as this session of the connection stands."""

    async def _subscribe(self, subject: str, take: Callable[[Msg], Awaitable[None]]) -> Subscription:
        with translated(self._name):
            return await self._link.client.subscribe(subject, cb=take, pending_bytes_limit=_PENDING_BYTES)

    async def _turned(self, within: float) -> bool:
        try:
            async with asyncio.timeout(within):
                await self._turn.wait()
        except TimeoutError:
            return False
        self._turn.clear()
        return True


def control(message: Msg) -> dict[str, str] | None:
    """The headers of a sign of life or of flow control, or None for a message of the stream."""
    headers = message.headers
    return headers if headers and headers.get(Header.STATUS) == _CONTROL else None


async def answer_control(link: Link, message: Msg, headers: dict[str, str]) -> None:
    """Lets a server that waits for it send on."""
    answer_to = message.reply or headers.get(_STALLED)
    if answer_to:
        with suppress(BusUnavailable), translated("answering flow control"):
            await link.client.publish(answer_to)


async def unsubscribe(subscription: Subscription) -> None:
    with suppress(BusUnavailable), translated("unsubscribing"):
        await subscription.unsubscribe()  # also off the client's list, so that no reconnection revives it


class ToldFeed(_Feed):
    """A core subscription. `on_gap` is called each time that messages may have passed by unheard."""

    def __init__(
        self, link: Link, subject: str, on_message: Callable[[bytes], None], on_gap: Callable[[], None]
    ) -> None:
        super().__init__(link, f"feed {subject}")
        self._subject, self._on_message, self._on_gap = subject, on_message, on_gap
        self._subscription: Subscription | None = None
        self._stood_before = False
        link.on_slow.append(self._slow)

    async def _follow(self, session: int) -> None:
        subscription = self._subscription = await self._subscribe(self._subject, self._take)
        try:
            await self._link.ping()  # a round trip: from here on nothing is missed
            if self._stood_before:
                self._on_gap()
            self._stood_before = True
            self._standing.set()
            while self._link.stands(session):
                await self._turned(_QUIET)
        finally:
            await unsubscribe(subscription)

    async def _take(self, message: Msg) -> None:
        self._on_message(message.data)

    def _slow(self, subscription: Subscription) -> None:
        if subscription is self._subscription:
            self._on_gap()


class OrderedFeed(_Feed):
    """Every message of a stream, in order, each once: from its start, or from the first `start` of this feed on.

    After a lost connection it goes on behind the last one seen. `on_gap` is called when that cannot be: the stream
    was made anew, which its date tells, or has lost its end. `seen` is the sequence up to which nothing is missing.
    `description` is for others to see. `ensure` makes the stream where it is not there.
    """

    def __init__(  # noqa: PLR0913 - the last two are for some
        self,
        link: Link,
        stream: str,
        on_message: Callable[[Msg], None],
        on_gap: Callable[[], None],
        *,
        whole: bool,
        description: str | None = None,
        ensure: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(link, f"feed {stream}")
        self._description, self._ensure = description, ensure
        self._stream, self._on_message, self._on_gap = stream, on_message, on_gap
        self._begun = whole
        self._made: datetime | None = None
        self._advanced = asyncio.Event()
        self._expected, self._end, self._broken, self._sign = 1, 0, False, 0.0
        self.seen = 0

    async def reach(self, within: float) -> None:
        """Returns once everything in the stream at the time of the call has been seen. Raises BusUnavailable."""
        async with self._link.asking(self._name) as js:
            end = (await js.stream_info(self._stream)).state.last_seq
        try:
            async with asyncio.timeout(within):
                while self.seen < end:
                    await self._advanced.wait()
        except TimeoutError:
            self._break()
            raise BusUnavailable(f"{self._name}: behind by {end - self.seen}") from None

    async def _follow(self, session: int) -> None:
        self._turn.clear()
        self._expected, self._broken, self._sign = 1, False, _now()
        inbox = self._link.client.new_inbox()
        subscription = await self._subscribe(inbox, self._take)
        try:
            await self._begin(inbox)
            self._standing.set()
            while self._link.stands(session) and not self._broken and _now() - self._sign < _QUIET:
                await self._turned(HEARTBEAT)
        finally:
            await unsubscribe(subscription)

    async def _begin(self, inbox: str) -> None:
        async with self._link.asking(self._name) as js:
            info = await self._look(js)
            self._end = info.state.last_seq
            anew = self._made not in {None, info.created}
            self._made = info.created
            if not self._begun:
                self.seen, self._begun = self._end, True
            elif anew or self._end < self.seen:
                self._on_gap()
                self.seen = 0
            consumer = await js.add_consumer(self._stream, feed(inbox, self.seen + 1, self._description))
        if not consumer.num_pending:
            self._advance(self._end)  # nothing between `seen` and the end is left: expired, or never was

    async def _look(self, js: JetStreamContext) -> StreamInfo:
        try:
            return await js.stream_info(self._stream)
        except NotFoundError:
            if self._ensure is None:
                raise
            await self._ensure()
            return await js.stream_info(self._stream)

    async def _take(self, message: Msg) -> None:
        self._sign = _now()
        headers = control(message)
        if headers is not None:
            await self._control(message, headers)
            return
        place = message.metadata
        if self._broken or place.sequence.consumer != self._expected:
            self._break()
            return
        self._expected += 1
        self._on_message(message)
        self._advance(place.sequence.stream if place.num_pending else max(place.sequence.stream, self._end))

    async def _control(self, message: Msg, headers: dict[str, str]) -> None:
        await answer_control(self._link, message, headers)
        delivered = headers.get(_LAST_CONSUMER)
        if delivered is not None and int(delivered) != self._expected - 1:
            self._break()

    def _break(self) -> None:
        self._broken = True
        self._turn.set()

    def _advance(self, sequence: int) -> None:
        self.seen = max(self.seen, sequence)
        advanced, self._advanced = self._advanced, asyncio.Event()
        advanced.set()


def _now() -> float:
    return asyncio.get_running_loop().time()
