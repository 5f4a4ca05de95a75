"""Keeping one child process alive: started, watched, started again with growing pauses, stopped in time."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from askonce.core.errors import AskonceError
from askonce.telemetry.logs import Log

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_STEADY = 30.0  # seconds after which a child counts as well again
_PR_SET_PDEATHSIG = 1  # prctl(2)


class Child:
    """One place for a process. `start` makes the process and returns it once it does its work."""

    def __init__(
        self,
        name: str,
        start: "Callable[[], Awaitable[asyncio.subprocess.Process]]",
        log: Log,
        on_death: Callable[[int], None],
    ) -> None:
        self.name = name
        self._start = start
        self._log = log
        self._on_death = on_death
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._stopping = False

    async def begin(self) -> None:
        """Starts it for the first time. Raises what `start` raises."""
        self._process = await self._start()
        self._watch = asyncio.create_task(self._keep_alive(), name=f"watch-{self.name}")

    async def stop(self, within: float) -> None:
        """Asks it to end, waits, and ends it by force after `within` seconds."""
        self._stopping = True
        process = self._process
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            try:
                async with asyncio.timeout(within):
                    await process.wait()
            except TimeoutError:
                self._log.error("child_killed", child=self.name, waited=within)
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)

    async def _keep_alive(self) -> None:
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE
        while self._process is not None:
            begun = loop.time()
            code = await self._process.wait()
            self._on_death(self._process.pid)
            if self._stopping:
                return
            pause = _FIRST_PAUSE if loop.time() - begun > _STEADY else pause
            self._log.error("child_died", child=self.name, code=code, restart_in=pause)
            pause = await self._again(pause)

    async def _again(self, pause: float) -> float:
        """Starts it again, as often as it takes; gives the pause before the next time."""
        while True:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            try:
                self._process = await self._start()
            except ChildError as failure:
                self._log.error("child_failed", child=self.name, why=str(failure), restart_in=pause)
            else:
                self._log.info("child_restarted", child=self.name, pid=self._process.pid)
                return pause


class ChildError(AskonceError):
    """A child that did not get to its work, and why."""


async def spawn(
    arguments: Sequence[str], *, environment: dict[str, str], fds: Sequence[int] = (), quiet: bool = False
) -> asyncio.subprocess.Process:
    """A process in a session of its own (Ctrl-C reaches the supervisor alone) that does not outlive this one."""
    return await asyncio.create_subprocess_exec(
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL if quiet else None,
        stderr=asyncio.subprocess.DEVNULL if quiet else None,
        env=environment,
        pass_fds=fds,
        start_new_session=True,
        preexec_fn=_die_with(os.getpid()),
    )


def _die_with(parent: int) -> Callable[[], None] | None:
    """On Linux, has the kernel end the child when its parent ends, however that ended. Elsewhere: nothing."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)

    return arrange
