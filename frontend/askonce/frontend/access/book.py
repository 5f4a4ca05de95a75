"""The virtual keys that a frontend has seen, each worked out as its Caller. Knows the bucket they are kept in, and no
request. What is remembered for how long, and why: docs/decisions/0063.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from askonce.bus.protocols import Bucket, Record
from askonce.core.errors import BusUnavailable, RequestError, WireError
from askonce.frontend.access.caller import Caller
from askonce.frontend.access.reading import Known, Reading, read
from askonce.frontend.access.records import KEYS, TEAMS
from askonce.frontend.access.terms import Terms
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics

_MOST: Final = 100_000  # keys that are remembered
_MOST_UNKNOWN: Final = 10_000
_UNKNOWN_SECONDS: Final = 1.0  # that a key which is none is not looked for again
_AT_ONCE: Final = 64  # reads of the bucket
_MOST_READS: Final = 4096  # reads, those that wait included
_READ_WITHIN: Final = 5.0  # seconds, the wait for a turn included
_RETRY_AFTER: Final = 1.0  # seconds that a seen key is not looked for again after the bucket did not answer


class _Seen:
    """A key that is remembered. `fresh_until` is when the bucket is to be asked again, `confirmed` when it last spoke;
    `sure` tells that nothing about it can have been missed since.
    """

    __slots__ = ("caller", "confirmed", "fresh_until", "known", "sure")

    def __init__(self, known: Known, caller: Caller, confirmed: float, fresh_until: float) -> None:
        self.known = known
        self.caller = caller
        self.confirmed = confirmed
        self.fresh_until = fresh_until
        self.sure = True


class Book:
    """`ttl`: seconds after which a key is read again; `grace`: for how long a seen one stays good while the bucket does
    not answer; `most`: how many are remembered.
    """

    def __init__(  # noqa: PLR0913 - what it remembers by, and what it tells
        self,
        bucket: Bucket,
        terms: Terms,
        *,
        ttl: float,
        grace: float,
        clock: Callable[[], float],
        metrics: Metrics,
        log: Log,
        most: int = _MOST,
    ) -> None:
        self._bucket = bucket
        self._terms = terms
        self._ttl = ttl
        self._grace = grace
        self._most = most
        self._clock = clock
        self._log = log
        self._unconfirmed = metrics.counter("askonce_keys_unconfirmed_total")
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._members: dict[str, set[str]] = {}  # who of them is in a team, by the team's record
        self._unknown: OrderedDict[str, float] = OrderedDict()
        self._readings: dict[str, Reading] = {}
        self._tasks: dict[str, asyncio.Task[Caller | None]] = {}
        self._turn = asyncio.Semaphore(_AT_ONCE)
        metrics.sample("askonce_keys_seen", lambda: len(self._seen))

    async def open(self) -> None:
        """Returns once every change is heard of. Raises BusUnavailable."""
        await self._bucket.watch(self._changed, self._gap)

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def key(self, token: str) -> Caller | None:
        """Who has the key whose SHA-256 this is, in hex digits; None where nobody has it. Suspends only where the
        bucket has to be asked first.

        Raises RequestError: 401 for a key that is blocked or expired, 503 where the bucket does not answer.
        """
        now = self._clock()
        seen = self._seen.get(token)
        if seen is not None and now < seen.fresh_until:
            self._seen.move_to_end(token)
            caller: Caller | None = seen.caller
        elif seen is not None:
            caller = await self._again(token, seen, now)
        elif now < self._unknown.get(token, 0.0):
            return None
        else:
            caller = await self._read(token)
        if caller is not None:
            caller.stand(now)
        return caller

    async def _again(self, token: str, seen: _Seen, now: float) -> Caller | None:
        """A seen key whose time is over: read in the background as long as every change of it is heard of anyway."""
        if not self._bucket.connected:
            return self._on_trust(seen, now)
        if seen.sure and now < seen.confirmed + 2 * self._ttl:
            seen.fresh_until = now + _RETRY_AFTER
            self._task(token)
            return seen.caller
        try:
            return await self._read(token)
        except RequestError:
            seen.fresh_until = now + _RETRY_AFTER
            return self._on_trust(seen, now)

    def _on_trust(self, seen: _Seen, now: float) -> Caller:
        if now >= seen.confirmed + self._grace:
            raise _unavailable()
        seen.sure = False
        self._unconfirmed.inc()
        return seen.caller

    async def _read(self, token: str) -> Caller | None:
        """Those who want the same key share a read, which goes on when one of them leaves."""
        if token not in self._tasks and len(self._tasks) >= _MOST_READS:
            raise _unavailable()
        try:
            async with asyncio.timeout(_READ_WITHIN):
                return await asyncio.shield(self._task(token))
        except (BusUnavailable, TimeoutError):
            raise _unavailable() from None

    def _task(self, token: str) -> asyncio.Task[Caller | None]:
        task = self._tasks.get(token)
        if task is None:
            task = self._tasks[token] = asyncio.create_task(self._fill(token), name="key")
            task.add_done_callback(lambda done: self._done(token, done))
        return task

    def _done(self, token: str, task: asyncio.Task[Caller | None]) -> None:
        del self._tasks[token]
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, BusUnavailable | TimeoutError):
            self._log.error("key_read_failed", why=type(error).__name__)

    async def _fill(self, token: str) -> Caller | None:
        """What the bucket has, remembered unless it changed again and again meanwhile."""
        reading = self._readings[token] = Reading(token)
        try:
            async with asyncio.timeout(_READ_WITHIN), self._turn:
                known = await read(self._bucket, reading)
        except WireError as error:
            self._log.error("key_unreadable", token=token[:8], why=str(error))
            known = None
        finally:
            del self._readings[token]
        now = self._clock()
        if known is None:
            self._forget(token)
            if reading.settled:
                self._unknown[token] = now + _UNKNOWN_SECONDS
                if len(self._unknown) > _MOST_UNKNOWN:
                    self._unknown.popitem(last=False)
            return None
        caller = self._terms.caller(known.key, known.team)
        if reading.settled:
            self._remember(token, _Seen(known, caller, now, now + self._ttl))
        return caller

    def _remember(self, token: str, seen: _Seen) -> None:
        self._forget(token)
        self._unknown.pop(token, None)
        self._seen[token] = seen
        if seen.known.team_name is not None:
            self._members.setdefault(seen.known.team_name, set()).add(token)
        if len(self._seen) > self._most:
            self._forget(next(iter(self._seen)))

    def _forget(self, token: str) -> None:
        seen = self._seen.pop(token, None)
        if seen is None or seen.known.team_name is None:
            return
        members = self._members[seen.known.team_name]
        members.discard(token)
        if not members:
            del self._members[seen.known.team_name]

    def _changed(self, name: str, record: Record | None) -> None:
        """What is read meanwhile may be from before, or from after: it is read again."""
        for reading in self._readings.values():
            reading.heard(name)
        if name.startswith(KEYS):
            token = name.removeprefix(KEYS)
            self._unknown.pop(token, None)
            if (seen := self._seen.get(token)) is not None:
                self._replace(token, seen, seen.known.with_key(record))
        elif name.startswith(TEAMS):
            for token in tuple(self._members.get(name, ())):
                seen = self._seen[token]
                self._replace(token, seen, seen.known.with_team(record))

    def _replace(self, token: str, seen: _Seen, known: Known | None) -> None:
        """None: what it is now has to be read."""
        if known is None:
            self._forget(token)
        elif known is not seen.known:
            seen.known = known
            seen.caller = self._terms.caller(known.key, known.team)

    def _gap(self) -> None:
        """Every key is looked for in the bucket before it is good again."""
        for reading in self._readings.values():
            reading.missed()
        for seen in self._seen.values():
            seen.fresh_until, seen.sure = 0.0, False
        self._unknown.clear()


def _unavailable() -> RequestError:
    said = "The proxy cannot look up keys now. Try again."
    return RequestError(503, said, "service_unavailable", headers={"retry-after": "1"})
