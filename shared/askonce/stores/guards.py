"""A deadline and a circuit breaker around any Reader, so that a sick store costs a miss and never a stall.

Knows nothing of memory and serves nothing by itself: it turns slowness into StoreUnavailable, and counts.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from enum import StrEnum
from typing import Any, Final, TypeVar

from askonce.core.entry import Found, Lookup
from askonce.core.errors import StoreUnavailable
from askonce.stores.circuit import Circuit
from askonce.stores.protocols import Crowded, Known, Matcher, Partly, Reader, nothing_known
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics

T = TypeVar("T")

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
        self._log = log
        self._circuits: list[Circuit] = []
        self._gets = self._circuit("get", reader.ping)
        self._open_gauge = metrics.gauge("askonce_store_breaker_open", reader.name)
        self._open_gauge.set(0)
        self._seconds = {
            outcome: metrics.histogram("askonce_store_read_seconds", reader.name, outcome) for outcome in Outcome
        }

    def _circuit(self, verb: str, probe: Callable[[], Awaitable[object]]) -> Circuit:
        made = Circuit(
            probe,
            deadline=self._deadline,
            changed=self._show,
            log=self._log,
            timer=self._timer,
            store=self._reader.name,
            verb=verb,
        )
        self._circuits.append(made)
        return made

    def _show(self) -> None:
        self._open_gauge.set(any(circuit.open for circuit in self._circuits))

    @property
    def name(self) -> str:
        return self._reader.name

    @property
    def open(self) -> bool:
        """Whether gets skip the store."""
        return self._gets.open

    async def get(self, lookups: Sequence[Lookup]) -> list[Found | None]:
        return await self._read(self._gets, self._reader.get(lookups), len(lookups))

    async def _read(self, circuit: Circuit, read: Coroutine[Any, Any, list[T]], keys: int) -> list[T]:
        started = self._timer()
        if circuit.open:
            read.close()
            self._count(Outcome.OPEN, started)
            raise StoreUnavailable(f"{self.name}: skipped until it answers again")
        deadline = self._deadline_of(keys)
        try:
            async with asyncio.timeout(deadline):
                found = await read
        except TimeoutError:
            self._count(Outcome.TIMEOUT, started)
            circuit.failed(started, "no answer in time")
            raise StoreUnavailable(f"{self.name}: no answer within {deadline} s") from None
        except StoreUnavailable as error:
            self._count(Outcome.ERROR, started)
            # a burst of this process, or some keys that are away, must not close the store to everybody
            if not isinstance(error, Crowded | Partly):
                circuit.failed(started, str(error))
            raise
        circuit.succeeded()
        self._count(Outcome.MISS if all(one is None for one in found) else Outcome.HIT, started)
        return found

    def _deadline_of(self, keys: int) -> float | None:
        if self._deadline is None:
            return None
        return self._deadline * min(_DEADLINES, max(1, math.ceil(keys / _KEYS)))

    def _count(self, outcome: Outcome, started: float) -> None:
        self._seconds[outcome].observe(self._timer() - started)

    async def ping(self) -> None:
        await self._reader.ping()

    async def close(self) -> None:
        for circuit in self._circuits:
            await circuit.close()
        await self._reader.close()


class GuardedMatcher(Guarded):
    """The same for a Matcher; what is nearest is looked for within one deadline, and behind a breaker of its own: gets
    may work where searches do not, and are no word for them.
    """

    def __init__(
        self, matcher: Matcher, *, deadline: float | None, metrics: Metrics, log: Log, timer: Callable[[], float]
    ) -> None:
        super().__init__(matcher, deadline=deadline, metrics=metrics, log=log, timer=timer)
        self._matcher = matcher
        self._sought: Lookup | None = None  # what the probe looks for again
        self._searches = self._circuit("nearest", self._search_again)

    @property
    def ailing(self) -> bool:
        """Whether a search is not worth its vector: it would be skipped, or the last get has just failed, and who has
        waited for one deadline need not wait for another.
        """
        return self._searches.open or self._gets.failing

    async def nearest(
        self, lookup: Lookup, limit: int, least: float = -1.0, known: Known = nothing_known
    ) -> list[Found]:
        self._sought = lookup
        return await self._read(self._searches, self._matcher.nearest(lookup, limit, least, known), 1)

    async def _search_again(self) -> None:
        if self._sought is not None:
            await self._matcher.nearest(self._sought, 1)
