"""Which processes there are, told by what they were given. Linux only, as the tests' other looks into /proc."""

import asyncio
import os
import time
from pathlib import Path

WITHIN = 20.0


def running(mark: str) -> list[int]:
    """Processes with this text in their command line or environment, this one and the dead left out."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            said = (folder / "cmdline").read_bytes() + b"\0" + (folder / "environ").read_bytes()
        except OSError:
            continue
        if mark.encode() in said and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return sorted(found)


async def gone(mark: str) -> list[int]:
    """Who is left after some waiting: nobody, if all is well."""
    until = time.monotonic() + WITHIN
    while (left := running(mark)) and time.monotonic() < until:
        await asyncio.sleep(0.02)
    return left


async def appears(mark: str) -> int:
    """The pid of a process with this mark, waited for."""
    async with asyncio.timeout(WITHIN):
        while not (found := running(mark)):
            await asyncio.sleep(0.01)
    return found[0]
