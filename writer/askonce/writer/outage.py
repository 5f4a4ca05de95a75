"""Waiting for a store that cannot do something now, told of once and not once a try. Knows nothing of what waits."""

import asyncio
import random
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from askonce.core.errors import StoreError
from askonce.stores.protocols import Writer
from askonce.telemetry.logs import Log
from askonce.writer.settle import pause

T = TypeVar("T")

_PING: Final = 5.0  # seconds that a ping may take
_PING_EVERY: Final = 1.0


class Outage:
    """`begin` when `verb` failed, `over` when it worked, `wait` before the next.

    One for each verb: a store that is out of memory takes no writes, and deletions are what would help it.
    """

    def __init__(self, store: Writer, verb: str, log: Log) -> None:
        self._store, self._verb, self._log = store, verb, log
        self._failures = 0

    def begin(self, error: StoreError) -> None:
        self._failures += 1
        if self._failures == 1:
            self._log.warning("store_down", store=self._store.name, verb=self._verb, reason=str(error))

    def over(self) -> None:
        if self._failures:
            self._log.info("store_up", store=self._store.name, verb=self._verb)
        self._failures = 0

    async def wait(self, stop: asyncio.Event) -> None:
        """Returns at once while the store works, else once it answers a ping, or `stop` is set.

        A store that answers pings and takes no writes is paused for too, longer after each failure.
        """
        if not self._failures or await stopped(stop, pause(self._failures, luck())):
            return
        while not await self._answers():
            if await stopped(stop, _PING_EVERY):
                return

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(_PING):
                await self._store.ping()
        except (StoreError, TimeoutError):
            return False
        return True


async def unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """What `work` gives; None where `stop` was set first, and it is cancelled then."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


async def stopped(stop: asyncio.Event, seconds: float) -> bool:
    """Rests for so many seconds, or until `stop` is set; says whether it is."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return stop.is_set()
    return True


def luck() -> float:
    """Between 0 and 1: spreads retries."""
    return random.random()  # noqa: S311 - keeps no secret
