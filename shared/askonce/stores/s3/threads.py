"""Threads for a client that blocks: so many and no more, never those of the loop. Knows no store."""

import asyncio
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from askonce.core.errors import StoreUnavailable
from askonce.stores.protocols import Crowded

_CLOSING: Final = 1.0  # seconds that closing waits for what is under way

S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class _Ask:
    """One caller's work. `given_up` is set once nobody waits for it any more."""

    work: Callable[[threading.Event], Any]
    answer: asyncio.Future[Any]
    given_up: threading.Event = field(default_factory=threading.Event)


class Threads:
    """At most `count` works at once; up to `waiting` more wait for their turn, first come first served.

    A caller that is cancelled, for its deadline say, waits no longer and leaves the queue. A work of its that has
    begun goes on in its thread, which is free again when the work ends: it has to bound its own time, and may look at
    the event that it is given. So the loop never waits for a thread, and no thread is counted as free that is not.
    """

    def __init__(self, name: str, count: int, waiting: int) -> None:
        self._executor = ThreadPoolExecutor(count, thread_name_prefix=name)
        self._name = name
        self._free = count
        self._places = waiting
        self._waiting: OrderedDict[_Ask, None] = OrderedDict()
        self._running: dict[asyncio.Future[Any], _Ask] = {}
        self._closed = False

    async def run(self, work: Callable[[threading.Event], T]) -> T:
        """What `work` gives or raises. Raises StoreUnavailable when closed; Crowded when too many wait already."""
        if self._closed:
            raise StoreUnavailable(f"{self._name}: closed")
        if len(self._waiting) >= self._places:
            raise Crowded(f"{self._name}: too many wait for a thread")
        ask = _Ask(work, asyncio.get_running_loop().create_future())
        self._waiting[ask] = None
        self._start()
        try:
            answer: T = await ask.answer
            return answer
        finally:
            self._waiting.pop(ask, None)
            ask.given_up.set()

    async def each(self, items: Sequence[S], work: Callable[[S, threading.Event], T], at_once: int) -> list[T]:
        """What `work` gives for each item, in order; `at_once` of them at a time, so that others get their turn too.

        Raises the first error. Nothing is begun after that, and what had begun has ended by then.
        """
        if len(items) == 1:
            return [await self.run(partial(work, items[0]))]
        left = deque(enumerate(items))
        done: dict[int, T] = {}

        async def lane() -> None:
            while left:
                position, item = left.popleft()
                try:
                    done[position] = await self.run(partial(work, item))
                except BaseException:
                    left.clear()
                    raise

        for error in await asyncio.gather(*(lane() for _ in items[:at_once]), return_exceptions=True):
            if error is not None:
                raise error
        return [done[position] for position in range(len(items))]

    def _start(self) -> None:
        while self._free and self._waiting:
            ask, _ = self._waiting.popitem(last=False)
            if not ask.answer.done():
                self._free -= 1
                job = asyncio.get_running_loop().run_in_executor(self._executor, ask.work, ask.given_up)
                self._running[job] = ask
                job.add_done_callback(self._ended)

    def _ended(self, job: asyncio.Future[Any]) -> None:
        ask = self._running.pop(job)
        self._free += 1
        error = None if job.cancelled() else job.exception()  # asked for even where nobody waits, or asyncio complains
        if ask.answer.done():
            pass
        elif job.cancelled():
            ask.answer.set_exception(StoreUnavailable(f"{self._name}: closed"))
        elif error is not None:
            ask.answer.set_exception(error)
        else:
            ask.answer.set_result(job.result())
        if not self._closed:
            self._start()

    async def close(self) -> None:
        """Fails whoever still waits, and leaves threads that do not end soon to their own bounds."""
        self._closed = True
        for ask in (*self._waiting, *self._running.values()):
            ask.given_up.set()
            if not ask.answer.done():
                ask.answer.set_exception(StoreUnavailable(f"{self._name}: closed"))
        self._waiting.clear()
        self._executor.shutdown(wait=False, cancel_futures=True)
        if self._running:
            _, late = await asyncio.wait(tuple(self._running), timeout=_CLOSING)
            for job in late:  # so that nothing is delivered to a loop that has ended
                job.cancel()
