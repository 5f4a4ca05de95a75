"""SIGTERM and Ctrl-C as an event that services wait for, and that ends what they wait for meanwhile."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, Final

_INSISTING: Final = 1.0  # seconds that work has to tidy up in, before it is cancelled again


def stop_event() -> asyncio.Event:
    """An event that the first SIGTERM or SIGINT sets. Must be called on the running loop, once a process.

    A second Ctrl-C does not wait for the drain: it ends the process as if there were no such event.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def first() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, first)
    return stop


async def until_interrupted(seconds: float) -> None:
    """Waits for as long, once the event has been set; Ctrl-C ends the wait. The next one ends the process again."""
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, interrupted.set)
    try:
        async with asyncio.timeout(seconds):
            await interrupted.wait()
    except TimeoutError:
        pass
    finally:
        loop.remove_signal_handler(signal.SIGINT)


async def finished(work: Coroutine[Any, Any, object], *, before: asyncio.Event) -> bool:
    """Does the work, and says whether it came to its end; once the event is set it is cancelled, and has ended when
    this returns. Raises what the work raises.
    """
    working = asyncio.create_task(work)
    waiting = asyncio.create_task(before.wait())
    try:
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        while not working.done():
            working.cancel()
            # Again and again: wait_for of Python 3.11 may swallow one that comes when its own wait has just ended.
            await asyncio.wait({working}, timeout=_INSISTING)
    if working.cancelled():
        return False
    working.result()
    return True
