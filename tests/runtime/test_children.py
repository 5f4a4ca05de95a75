"""One place for a process: filled again whatever happens, and empty once it is stopped."""

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from askonce.core.errors import BusUnavailable
from askonce.runtime.children import Child, ChildError, spawned
from askonce.telemetry.logs import Log
from tests.runtime.processes import WITHIN, appears, gone, running

Start = Callable[[], Awaitable[asyncio.subprocess.Process]]


class Sleeper:
    """Starts a process that does nothing. Before each start it raises the next of `failures`, and waits where told."""

    def __init__(self, folder: Path, *failures: Exception, script: str = "exec sleep 600") -> None:
        self.mark = str(folder / "mark")
        self.failures = list(failures)
        self.script = script
        self.hangs = False
        self.started: asyncio.Queue[asyncio.subprocess.Process] = asyncio.Queue()
        self.buried: list[int] = []

    async def start(self) -> asyncio.subprocess.Process:
        if self.failures:
            raise self.failures.pop(0)
        arguments = ["sh", "-c", self.script]
        async with spawned(arguments, environment={"MARK": self.mark, "PATH": os.environ["PATH"]}) as process:
            if self.hangs:
                await asyncio.Event().wait()
        self.started.put_nowait(process)
        return process

    async def next(self) -> asyncio.subprocess.Process:
        async with asyncio.timeout(WITHIN):
            return await self.started.get()

    def bury(self, pid: int) -> None:
        self.buried.append(pid)
        raise PermissionError(13, "no such luck")

    def child(self) -> Child:
        return Child("sleeper", self.start, Log("test"), self.bury)


async def test_it_starts_again_with_growing_pauses_whatever_a_start_raises(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="askonce")
    sleeper = Sleeper(tmp_path)
    child = sleeper.child()
    await child.begin()
    first = await sleeper.next()
    sleeper.failures = [ChildError("not ready"), OSError("no more processes"), BusUnavailable("no server")]
    first.kill()
    second = await sleeper.next()
    await child.stop(WITHIN)
    assert sleeper.buried == [first.pid], "one whose traces stay is replaced all the same"
    assert second.returncode == -signal.SIGTERM
    told = [(record.getMessage(), record.fields) for record in caplog.records]
    assert [event for event, _ in told if event != "child_not_forgotten"] == [
        "child_died", "child_failed", "child_failed", "child_failed", "child_restarted",
    ]  # fmt: skip
    pauses = [fields["restart_in"] for _, fields in told if "restart_in" in fields]
    assert pauses == sorted(set(pauses)), "each longer than the one before"


async def test_the_first_start_raises_what_went_wrong(tmp_path: Path) -> None:
    sleeper = Sleeper(tmp_path, ChildError("not ready"))
    child = sleeper.child()
    with pytest.raises(ChildError, match="not ready"):
        await child.begin()
    await child.stop(WITHIN)
    assert running(sleeper.mark) == []


async def test_a_stop_during_the_first_start_leaves_no_process(tmp_path: Path) -> None:
    sleeper = Sleeper(tmp_path)
    sleeper.hangs = True
    child = sleeper.child()
    beginning = asyncio.create_task(child.begin())
    await appears(sleeper.mark)
    await child.stop(WITHIN)
    assert running(sleeper.mark) == []
    await asyncio.gather(beginning, return_exceptions=True)
    assert beginning.cancelled()


async def test_a_first_start_that_is_cancelled_leaves_no_process(tmp_path: Path) -> None:
    sleeper = Sleeper(tmp_path)
    sleeper.hangs = True
    beginning = asyncio.create_task(sleeper.child().begin())
    await appears(sleeper.mark)
    beginning.cancel()
    await asyncio.gather(beginning, return_exceptions=True)
    assert running(sleeper.mark) == []


async def test_a_stop_during_a_restart_leaves_no_process(tmp_path: Path) -> None:
    sleeper = Sleeper(tmp_path)
    child = sleeper.child()
    await child.begin()
    first = await sleeper.next()
    sleeper.hangs = True
    first.kill()
    await first.wait()
    await appears(sleeper.mark)
    await child.stop(WITHIN)
    assert running(sleeper.mark) == []


async def test_a_stop_between_two_starts_ends_the_waiting(tmp_path: Path) -> None:
    sleeper = Sleeper(tmp_path)
    child = sleeper.child()
    await child.begin()
    first = await sleeper.next()
    first.kill()
    await first.wait()
    await child.stop(WITHIN)
    assert sleeper.started.empty()
    assert running(sleeper.mark) == []


async def test_one_that_does_not_listen_is_ended_by_force(tmp_path: Path) -> None:
    told = tmp_path / "told"
    sleeper = Sleeper(tmp_path, script=f"trap '' TERM; touch {told}; while :; do sleep 0.1; done")
    child = sleeper.child()
    await child.begin()
    process = await sleeper.next()
    async with asyncio.timeout(WITHIN):
        while not told.exists():
            await asyncio.sleep(0.01)
    await child.stop(0.2)
    assert process.returncode == -signal.SIGKILL
    assert await gone(sleeper.mark) == []


async def test_what_cannot_be_started_is_an_error_of_the_system() -> None:
    with pytest.raises(FileNotFoundError):
        async with spawned(["/nowhere/at/all"], environment={}):
            pass


async def test_a_block_that_ends_badly_takes_the_process_along(tmp_path: Path) -> None:
    mark = str(tmp_path / "mark")
    with pytest.raises(ChildError):
        async with spawned(["sleep", "600"], environment={"MARK": mark, "PATH": os.environ["PATH"]}):
            raise ChildError("no")
    assert running(mark) == []
