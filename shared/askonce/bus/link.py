"""One connection to NATS that mends itself and says when it did. Knows no stream and no event."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final
from urllib.parse import urlsplit

import nats.errors
from nats.aio.client import Client
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext

from askonce.bus.errors import describe, translated
from askonce.bus.login import Login
from askonce.bus.trips import RoundTrips
from askonce.core.errors import BusUnavailable
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics

OPENING: Final = 10.0  # seconds for the first connection
ASKING: Final = 5.0  # seconds for the server to answer one request
_PING_EVERY: Final = 10  # seconds; a frozen server is noticed after three of them
_EVER: Final = 86_400  # seconds; nats-py takes no None
_QUIET: Final = 30.0  # seconds in which one kind of error is logged once


class Link:
    """`session` counts connections: whoever subscribed in one session must subscribe anew in the next.

    nats-py connects again by itself after a lost connection; where it gives up for good (the server sent an error
    such as "authorization violation") a new client takes over, so that a link ends by `close` only.
    """

    def __init__(
        self, url: str, login: Login | None = None, *, name: str, inbox: str, metrics: Metrics, log: Log
    ) -> None:
        self._servers = [part.strip() for part in url.split(",")]
        self._login = login or Login()
        self._name, self._inbox, self._log = name, inbox, log
        self._gauge = metrics.gauge("askonce_bus_connected")
        self._client: Client | None = None
        self._moved = asyncio.Event()  # replaced at every change of the connection
        self._given_up = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._closing = False
        self._logged: dict[str, float] = {}
        self._limits: set[asyncio.Timeout] = set()
        self._trips = RoundTrips(self._travel)
        self._last_error = "no answer"
        self.session = 0
        self.on_slow: list[Callable[[Subscription], None]] = []
        self.on_move: list[Callable[[], None]] = []

    @property
    def where(self) -> str:
        """The servers' addresses, without credentials."""
        return ", ".join(_address(server) for server in self._servers)

    @property
    def connected(self) -> bool:
        return self._client is not None and self._client.is_connected and not self._closing

    @property
    def client(self) -> Client:
        """Raises BusUnavailable at once while there is no connection: nothing waits in the client's own buffer."""
        if self._client is None or not self.connected:
            raise BusUnavailable(f"not connected to NATS at {self.where}")
        return self._client

    def require(self) -> None:
        """Raises BusUnavailable unless connected."""
        _ = self.client

    @property
    def max_payload(self) -> int:
        return 0 if self._client is None else self._client.max_payload

    @asynccontextmanager
    async def asking(self, doing: str) -> AsyncIterator[JetStreamContext]:
        """JetStream, for requests that the server is to answer within 5 seconds each.

        Raises BusUnavailable while there is no connection, and at once when it is lost meanwhile: nobody waits for
        an answer that cannot come.
        """
        js = self.client.jetstream(timeout=ASKING)
        with translated(doing):
            async with asyncio.timeout(None) as limit:
                self._limits.add(limit)
                try:
                    yield js
                finally:
                    self._limits.discard(limit)

    async def open(self, prepare: Callable[[], Awaitable[None]], *, within: float = OPENING) -> None:
        """Connects and does `prepare`, both again and again for `within` seconds; raises BusUnavailable after that."""
        try:
            async with asyncio.timeout(within):
                await self._replace_client()
                self._keeper = asyncio.create_task(self._keep(), name="bus-keeper")
                await self._repeat(prepare)
        except TimeoutError:
            await self.close()
            raise BusUnavailable(f"NATS at {self.where} is not ready: {self._last_error}") from None
        except asyncio.CancelledError:
            await self.close()
            raise

    async def _repeat(self, prepare: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await prepare()
            except BusUnavailable as error:
                self._last_error = str(error)
                await asyncio.sleep(_pause())
            else:
                return

    async def _replace_client(self) -> None:
        client = Client()
        try:
            with translated(f"connecting to NATS at {self.where}"):
                await client.connect(
                    servers=self._servers,
                    **self._login,
                    name=self._name,
                    inbox_prefix=self._inbox,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=_pause(),  # type: ignore[arg-type]  # annotated int, slept as it is
                    ping_interval=_PING_EVERY,
                    error_cb=self._on_error,
                    disconnected_cb=self._on_disconnect,
                    reconnected_cb=self._on_connect,
                    closed_cb=self._on_give_up,
                )
        except asyncio.CancelledError:
            await client.close()
            raise
        self._client = client
        await self._on_connect()

    async def _keep(self) -> None:
        while True:
            await self._given_up.wait()
            self._given_up.clear()
            self._log.error("bus_given_up", server=self.where, reason=self._last_error)
            await asyncio.sleep(_pause())
            try:
                await self._replace_client()
            except BusUnavailable as error:
                self._last_error = str(error)
                self._given_up.set()

    async def wait_until_connected(self) -> int:
        """The number of the session that stands."""
        while not self.connected:
            await self._moved.wait()
        return self.session

    def stands(self, session: int) -> bool:
        return self.connected and self.session == session

    def _move(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
        self._gauge.set(int(self.connected))
        for told in self.on_move:
            told()

    async def _on_connect(self) -> None:
        self.session += 1
        self._move()
        self._logged.clear()
        told = self._log.debug if self.session == 1 else self._log.info  # the first is what "ready" says
        told("bus_connected", server=self.where, session=self.session)

    async def _on_disconnect(self) -> None:
        self._move()
        now = asyncio.get_running_loop().time()
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(now)
        if not self._closing:
            self._log.warning("bus_disconnected", server=self.where)

    async def _on_give_up(self) -> None:
        self._move()
        if not self._closing:
            self._given_up.set()

    async def _on_error(self, error: Exception) -> None:
        self._last_error = describe(error)
        if isinstance(error, nats.errors.SlowConsumerError):
            for told in self.on_slow:
                told(error.sub)
        if not isinstance(error, nats.errors.Error | OSError):
            self.report_bug()  # nats-py hands over what a callback of ours raised
        # One line says that the connection is lost; neither its cause nor each try to get it back says so again.
        elif self.connected and not isinstance(error, nats.errors.StaleConnectionError):
            self._log_seldom(error)

    def report_bug(self) -> None:
        """Logs the exception that is being handled: no outage, but a mistake in this program."""
        self._log.exception("bus_callback_failed")

    def _log_seldom(self, error: Exception) -> None:
        kind, now = type(error).__name__, asyncio.get_running_loop().time()
        if now - self._logged.get(kind, -_QUIET) >= _QUIET:
            self._logged[kind] = now
            self._log.warning("bus_error", kind=kind, reason=describe(error))

    async def ping(self) -> None:
        """A round trip, after which everything sent before has been handled by the server, and everything that the
        server had sent before has been heard here. Raises BusUnavailable.
        """
        self.require()
        with translated("ping"):
            async with asyncio.timeout(ASKING):
                await self._trips.make()

    async def _travel(self) -> None:
        # Without a deadline but that of the connection: when the answer to a PING that was given up comes in after
        # all, nats-py (2.16) stops reading, and says nothing.
        async with self.asking("ping"):
            client = self.client
            await asyncio.sleep(0)  # in which nats-py writes out what it has gathered
            if client.pending_data_size:  # still not: a PING overtakes that, so it takes a second one
                await client.flush(timeout=_EVER)
            await client.flush(timeout=_EVER)

    async def close(self) -> None:
        self._closing = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._client is not None:
            with suppress(OSError):  # what was still to be sent has nowhere to go
                await self._client.close()
        await self._trips.close()
        self._move()


def _address(url: str) -> str:
    """Host and port alone: what stands before the "@" is nobody's business."""
    return urlsplit(f"//{url.partition('//')[2].rpartition('@')[2] or url.rpartition('@')[2]}").netloc


def _pause() -> float:
    return random.uniform(0.1, 0.4)  # noqa: S311 - spreads reconnections, keeps no secret
