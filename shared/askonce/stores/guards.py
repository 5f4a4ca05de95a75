"""A deadline and a circuit breaker around any Reader, so that a sick store costs a miss and never a stall.

Knows nothing of memory and serves nothing by itself: it turns slowness into StoreUnavailable, and counts.
"""

import asyncio
import math
from collections.abc import Callable, Coroutine, Sequence
from enum import StrEnum
from typing import Any, Final, TypeVar

from askonce.core.entry import Found, Lookup
from askonce.core.errors import StoreUnavailable
from askonce.stores.protocols import Crowded, Matcher, Reader
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics

T = TypeVar("T")

_FAILURES: Final = 5  # in a row, before reads skip the store
_PROBE_SECONDS: Final = 1.0  # between probes, and the longest wait for one: it may have to connect first
_KEYS: Final = 64  # that are read within one deadline
_DEADLINES: Final = 10  # the most that a read of many keys is given


class Outcome(StrEnum):
    """How a read ended; `hit` when anything was found."""

    HIT = "hit"
    MISS = "miss"
    ERROR = "error"
    TIMEOUT = "timeout"
    OPEN = "open"


class Guarded:
    """A Reader whose `get` of up to 64 keys ends within `deadline` seconds, one of twice as many within twice that, and
    any within ten times that. None is for a store that answers without waiting.

    After five failures in a row every `get` fails at once, while the store is pinged each second until it answers
    as quickly as a read has to. `timer` is a clock in seconds that never jumps.
    """

    def __init__(
        self, reader: Reader, *, deadline: float | None, metrics: Metrics, log: Log, timer: Callable[[], float]
    ) -> None:
        self._reader = reader
        self._deadline = deadline
        self._timer = timer
        self._failures = 0
        self._last_failure = -math.inf
        self._probe: asyncio.Task[None] | None = None
        self._log = log
        self._open_gauge = metrics.gauge("askonce_store_breaker_open", reader.name)
        self._open_gauge.set(0)
        self._seconds = {
            outcome: metrics.histogram("askonce_store_read_seconds", reader.name, outcome) for outcome in Outcome
        }

    @property
    def name(self) -> str:
        return self._reader.name

    @property
    def open(self) -> bool:
        """Whether reads skip the store."""
        return self._probe is not None

    @property
    def ailing(self) -> bool:
        """Whether the last read failed: who has waited for one deadline need not wait for another."""
        return self.open or self._failures > 0

    async def get(self, lookups: Sequence[Lookup]) -> list[Found | None]:
        return await self._read(self._reader.get(lookups), len(lookups))

    async def _read(self, read: Coroutine[Any, Any, list[T]], keys: int) -> list[T]:
        started = self._timer()
        if self.open:
            read.close()
            self._count(Outcome.OPEN, started)
            raise StoreUnavailable(f"{self.name}: skipped until it answers again")
        deadline = self._deadline_of(keys)
        try:
            async with asyncio.timeout(deadline):
                found = await read
        except TimeoutError:
            self._failed(Outcome.TIMEOUT, started)
            raise StoreUnavailable(f"{self.name}: no answer within {deadline} s") from None
        except Crowded:  # one burst of this process must not close the store to everybody
            self._count(Outcome.ERROR, started)
            raise
        except StoreUnavailable:
            self._failed(Outcome.ERROR, started)
            raise
        self._failures = 0
        self._count(Outcome.MISS if all(one is None for one in found) else Outcome.HIT, started)
        return found

    def _deadline_of(self, keys: int) -> float | None:
        if self._deadline is None:
            return None
        return self._deadline * min(_DEADLINES, max(1, math.ceil(keys / _KEYS)))

    def _count(self, outcome: Outcome, started: float) -> None:
        self._seconds[outcome].observe(self._timer() - started)

    def _failed(self, outcome: Outcome, started: float) -> None:
        self._count(outcome, started)
        # Reads that were under way together fail together: they are one failure, or a single lost connection would
        # open the breaker under load.
        if started < self._last_failure:
            return
        self._last_failure = self._timer()
        self._failures += 1
        if self._failures >= _FAILURES and not self.open:
            self._open_gauge.set(1)
            self._log.warning("store_breaker_opened", store=self.name, after=outcome)
            self._probe = asyncio.create_task(self._until_well())

    async def _until_well(self) -> None:
        try:
            while not await self._well():
                pass
        finally:  # a probe that dies of a bug must not leave the breaker open for ever
            self._failures = 0
            self._probe = None
            self._open_gauge.set(0)
            self._log.info("store_breaker_closed", store=self.name)

    async def _well(self) -> bool:
        await asyncio.sleep(_PROBE_SECONDS)
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                await self._reader.ping()
            async with asyncio.timeout(self._deadline):
                await self._reader.ping()
        except (TimeoutError, StoreUnavailable):
            return False
        return True

    async def ping(self) -> None:
        await self._reader.ping()

    async def close(self) -> None:
        if self._probe is not None:
            self._probe.cancel()
            await asyncio.wait({self._probe})
        await self._reader.close()


class GuardedMatcher(Guarded):
    """The same for a Matcher; what is nearest is looked for within one deadline."""

    def __init__(
        self, matcher: Matcher, *, deadline: float | None, metrics: Metrics, log: Log, timer: Callable[[], float]
    ) -> None:
        super().__init__(matcher, deadline=deadline, metrics=metrics, log=log, timer=timer)
        self._matcher = matcher

    async def nearest(self, lookup: Lookup, limit: int) -> list[Found]:
        return await self._read(self._matcher.nearest(lookup, limit), 1)
