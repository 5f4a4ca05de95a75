"""Keeping one child process alive: started, watched, started again with growing pauses, stopped in time."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from askonce.core.errors import AskonceError
from askonce.telemetry.logs import Log

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_STEADY = 30.0  # seconds after which a child counts as well again
_PR_SET_PDEATHSIG = 1  # prctl(2)


class Child:
    """One place for a process. `start` makes the process and returns it once it does its work; one that is cancelled
    or raises leaves no process behind (see `spawned`).
    """

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
        self._task: asyncio.Task[None] | None = None  # the first start, then the watch

    async def begin(self) -> None:
        """Starts it for the first time. Raises what `start` raises, and CancelledError when it is stopped meanwhile."""
        self._task = asyncio.create_task(self._fill(), name=f"start-{self.name}")
        await self._task
        self._task = asyncio.create_task(self._keep_alive(), name=f"watch-{self.name}")

    async def stop(self, within: float) -> None:
        """Asks it to end, waits, and ends it by force after `within` seconds. A start under way is given up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(within):
                await process.wait()
        except TimeoutError:
            self._log.error("child_killed", child=self.name, waited=within)
            await _end(process)

    async def _fill(self) -> None:
        # Nothing may stand between the two: a process that no place knows is one that nobody ends.
        self._process = await self._start()

    async def _keep_alive(self) -> None:
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE
        while self._process is not None:
            begun = loop.time()
            code = await self._process.wait()
            self._bury(self._process.pid)
            pause = _FIRST_PAUSE if loop.time() - begun > _STEADY else pause
            self._log.error("child_died", child=self.name, code=code, restart_in=pause)
            pause = await self._again(pause)

    async def _again(self, pause: float) -> float:
        """Starts it again, as often as it takes; gives the pause before the next time."""
        while True:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            try:
                await self._fill()
            except ChildError as failure:
                self._log.error("child_failed", child=self.name, why=str(failure), restart_in=pause)
            except Exception:  # noqa: BLE001 - the owner of this place: whatever goes wrong, it is filled again
                self._log.exception("child_failed", child=self.name, restart_in=pause)
            else:
                self._log.info("child_restarted", child=self.name)
                return pause

    def _bury(self, pid: int) -> None:
        try:
            self._on_death(pid)
        except OSError as error:
            self._log.warning("child_not_forgotten", child=self.name, why=str(error))


class ChildError(AskonceError):
    """A child that did not get to its work, and why."""


@asynccontextmanager
async def spawned(
    arguments: Sequence[str],
    *,
    environment: dict[str, str],
    folder: Path | None = None,
    fds: Sequence[int] = (),
    quiet: bool = False,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process in a session of its own (Ctrl-C reaches the supervisor alone) that does not outlive this one.

    It goes on after the block when the block ends well, and is ended by force when it does not. `folder` is where it
    works: relative paths and `.env` are seen from there; None is this process's own. Raises OSError.
    """
    process = await asyncio.create_subprocess_exec(
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL if quiet else None,
        stderr=asyncio.subprocess.DEVNULL if quiet else None,
        env=environment,
        cwd=folder,
        pass_fds=fds,
        start_new_session=True,
        preexec_fn=_die_with(os.getpid()),
    )
    try:
        yield process
    except BaseException:
        await _end(process)
        raise


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await asyncio.shield(process.wait())


def _die_with(parent: int) -> Callable[[], None] | None:
    """On Linux, has the kernel end the child when its parent ends, however that ended. Elsewhere: nothing."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def arrange() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the parent's handler would swallow it until exec
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)

    return arrange
