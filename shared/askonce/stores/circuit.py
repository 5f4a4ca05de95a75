"""A circuit breaker for one verb of a store: counts failures in a row, opens, and probes until the verb works again.

Knows neither what the verb does nor what its failure means to who asked.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Final

from askonce.core.errors import StoreUnavailable
from askonce.telemetry.logs import Log

_FAILURES: Final = 5  # in a row, before the verb is skipped
_PROBE_SECONDS: Final = 1.0  # between probes, and the longest wait for one: it may have to connect first


class Circuit:
    """`probe` does what the verb does; it has to be done within `deadline` seconds (None: however long it takes).

    `changed` is called whenever it opens or closes. `timer` is a clock in seconds that never jumps.
    """

    def __init__(
        self,
        probe: Callable[[], Awaitable[object]],
        *,
        deadline: float | None,
        changed: Callable[[], None],
        log: Log,
        timer: Callable[[], float],
        **told: str,
    ) -> None:
        self._probe_once = probe
        self._deadline = deadline
        self._changed = changed
        self._log = log
        self._timer = timer
        self._told = told  # in every line of the log
        self._failures = 0
        self._last_failure = -math.inf
        self._probe: asyncio.Task[None] | None = None

    @property
    def open(self) -> bool:
        return self._probe is not None

    @property
    def failing(self) -> bool:
        """Whether the last try failed."""
        return self.open or self._failures > 0

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self, started: float, why: str) -> None:
        """Of a try that began then. Tries that were under way together fail together: they are one failure, or a
        single lost connection would open the breaker under load.
        """
        if started < self._last_failure:
            return
        self._last_failure = self._timer()
        self._failures += 1
        if self._failures >= _FAILURES and not self.open:
            self._probe = asyncio.create_task(self._until_well())
            self._changed()
            self._log.warning("store_breaker_opened", **self._told, why=why)

    async def _until_well(self) -> None:
        try:
            while not await self._well():
                pass
        finally:  # a probe that dies of a bug must not leave the breaker open for ever
            self._failures = 0
            self._probe = None
            self._changed()
            self._log.info("store_breaker_closed", **self._told)

    async def _well(self) -> bool:
        await asyncio.sleep(_PROBE_SECONDS)
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                await self._probe_once()
            async with asyncio.timeout(self._deadline):
                await self._probe_once()
        except (TimeoutError, StoreUnavailable):
            return False
        return True

    async def close(self) -> None:
        if self._probe is not None:
            self._probe.cancel()
            await asyncio.wait({self._probe})
