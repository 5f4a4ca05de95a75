"""Round trips that many wait for: one at a time, whoever asks during one waits for the next. Knows no server."""

import asyncio
from collections.abc import Awaitable, Callable

from askonce.core.errors import BusUnavailable


class RoundTrips:
    """`travel` makes one trip, to its end; it raises BusUnavailable when there is no way back.

    A trip is never given up for its askers' sake, however long it takes: they leave it, each at its own deadline.
    """

    def __init__(self, travel: Callable[[], Awaitable[None]]) -> None:
        self._travel = travel
        self._next: asyncio.Future[None] | None = None  # the end of the trip that has not begun yet
        self._task: asyncio.Task[None] | None = None

    async def make(self) -> None:
        """Returns at the end of a trip that began after this call. Raises BusUnavailable."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="bus-trips")
        await asyncio.shield(self._next)

    async def _run(self) -> None:
        try:
            while self._next is not None:
                end, self._next = self._next, None
                await self._make_one(end)
        finally:  # also when this is cancelled, or `travel` has a bug: nobody is left waiting
            self._fail_next()

    async def _make_one(self, end: asyncio.Future[None]) -> None:
        error: BusUnavailable | None = BusUnavailable("the round trip was broken off")
        try:
            await self._travel()
            error = None
        except BusUnavailable as failure:
            error = failure
        finally:
            _settle(end, error)

    async def close(self) -> None:
        """Fails whoever still waits."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._fail_next()  # the task may have been cancelled before its first step

    def _fail_next(self) -> None:
        if self._next is not None:
            end, self._next = self._next, None
            _settle(end, BusUnavailable("the round trip was broken off"))


def _settle(end: asyncio.Future[None], error: BusUnavailable | None) -> None:
    if error is None:
        end.set_result(None)
    else:
        end.set_exception(error)
        end.exception()  # seen, even if everybody has left
