"""SIGTERM and Ctrl-C as an event that services wait for."""

import asyncio
import signal


def stop_event() -> asyncio.Event:
    """An event that the first SIGTERM or SIGINT sets. Must be called on the running loop, once a process."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
