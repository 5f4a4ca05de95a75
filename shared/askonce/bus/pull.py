"""Batches from a durable consumer: what is there at once, else the first that comes. Knows no event.

In place of nats-py's own `fetch`, which bounds a batch by count only and hears of a lost connection by timeout (see
docs/decisions/0012): what is there now (`no_wait`), else the first that comes, as ADR-37 of
nats-architecture-and-design has it.
"""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Final

import orjson
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import Header

from askonce.bus.errors import translated
from askonce.bus.link import Link
from askonce.core.errors import BusUnavailable

_LATE: Final = 2.0  # seconds that the server's answer may take beyond the wait asked for
_HEARING: Final = 1.0
_BATCH_BYTES: Final = 16 << 20
_LIMITS: Final = frozenset({"404", "408"})  # no messages, and the wait is over
# All of the batch is on its way. In a cluster this may come before the messages: each of those waits until most of the
# servers know that it is handed out.
_COMPLETED: Final = "409 Batch Completed"


class Pull:
    """One fetch at a time. A message that comes after its fetch was given up is kept for the next one."""

    def __init__(self, link: Link, stream: str, consumer: str) -> None:
        self._link = link
        self._name = f"fetching from {stream}"
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._arrived: deque[Msg] = deque()
        self._news = asyncio.Event()
        self._request = 0
        self._over: str | None = None  # the status that ended the request under way
        self._inbox, self._session = "", 0
        self._subscription: Subscription | None = None
        link.on_move.append(self._news.set)

    @property
    def begun(self) -> bool:
        """False when `begin` is due: at first, after a lost connection, and after an answer that was no batch."""
        return self._subscription is not None and self._link.stands(self._session)

    async def begin(self) -> None:
        """Raises BusUnavailable."""
        await self.end()
        self._session = self._link.session
        self._inbox = self._link.client.new_inbox()
        with translated(self._name):
            self._subscription = await self._link.client.subscribe(f"{self._inbox}.*", cb=self._take)

    async def end(self) -> None:
        """Stops listening and hands what has not been fetched back to the queue."""
        subscription, self._subscription = self._subscription, None
        left, self._arrived = self._arrived, deque()
        if subscription is not None:
            with suppress(BusUnavailable), translated(self._name):
                await subscription.unsubscribe()
                for message in left:
                    await message.nak()

    async def fetch(self, limit: int, wait: float) -> list[Msg]:
        """Up to `limit` messages; waits up to `wait` seconds for the first. Raises BusUnavailable."""
        if not self._arrived:
            await self._ask({"batch": limit, "no_wait": True}, limit, _LATE)
        if not self._arrived and wait > 0:
            await self._ask({"batch": 1, "expires": int(wait * 1e9)}, 1, wait + _LATE)
            if self._arrived and limit > 1:
                await self._ask({"batch": limit - 1, "no_wait": True}, limit, _LATE)
        return [self._arrived.popleft() for _ in range(min(limit, len(self._arrived)))]

    async def _ask(self, request: dict[str, int | bool], enough: int, within: float) -> None:
        self._request += 1
        self._over = None
        wanted = {**request, "max_bytes": max(_BATCH_BYTES, 2 * self._link.max_payload)}
        with translated(self._name):
            await self._link.client.publish(self._subject, orjson.dumps(wanted), reply=f"{self._inbox}.{self._request}")
        try:
            async with asyncio.timeout(within):
                while not self._done(enough):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            self._over = await self._hear_out()
        if not self._arrived and self._over not in (*_LIMITS, _COMPLETED):
            await self.end()
            raise BusUnavailable(f"{self._name}: {self._over or 'the connection was lost'}")

    async def _hear_out(self) -> str | None:
        """It may be this process that stood still: then the answer has come, and was not read yet. Gives how the
        request ended.
        """
        with suppress(BusUnavailable, TimeoutError):
            async with asyncio.timeout(_HEARING):
                await self._link.ping()
        return self._over if self._ended else "no answer"

    def _done(self, enough: int) -> bool:
        if self._over == _COMPLETED:
            return bool(self._arrived) or not self._link.stands(self._session)
        return len(self._arrived) >= enough or self._ended

    @property
    def _ended(self) -> bool:
        return self._over is not None or not self._link.stands(self._session)

    async def _take(self, message: Msg) -> None:
        if message.headers is None or Header.STATUS not in message.headers:
            self._arrived.append(message)
        elif message.subject == f"{self._inbox}.{self._request}" and message.headers[Header.STATUS] != "100":
            status = message.headers[Header.STATUS]
            detail = message.headers.get(Header.DESCRIPTION, "").strip()
            self._over = status if status in _LIMITS else f"{status} {detail}"
        self._news.set()
