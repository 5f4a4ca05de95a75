"""Stopped while starting: whenever the signal comes, everybody ends soon, and nobody is left."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from askonce.runtime.children import spawned
from askonce.runtime.link import Orders, ParentLink
from tests.e2e.stack import Process, config, environment
from tests.runtime.processes import WITHIN, appears, gone
from tests.servers import NatsServer

NOBODY = "http://127.0.0.1:1/v1"


@asynccontextmanager
async def starting(folder: Path) -> AsyncIterator[Process]:
    """`askonce up`, from its first moment on."""
    (folder / "config.yaml").write_text(config(NOBODY))
    process = await Process.start(
        "up", "--config", "config.yaml", "--port", "0", "--frontends", "2", "--data-dir", str(folder / "data"),
        cwd=folder, env=environment(),
    )  # fmt: skip
    try:
        yield process
    finally:
        await process.stop()


MOMENTS = {
    "the introduction": r"^  store ",
    "the queue": r"^  queue ",
    "the writers, which wait for the frontends": r"^  writers ",
    "the frontends": r"^  frontends ",
}


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_signal_right_after(tmp_path: Path, moment: str) -> None:
    async with starting(tmp_path) as process:
        await process.line(MOMENTS[moment])
        process.signal(signal.SIGINT if moment == "the queue" else signal.SIGTERM)
        async with asyncio.timeout(WITHIN):
            assert await process.wait() == 0
    assert process.lines[-1] == "stopped"
    assert "Traceback" not in process.output
    assert "child_killed" not in process.output
    assert "never" not in process.output
    assert await gone(str(tmp_path)) == []


async def test_a_signal_in_the_middle_of_the_start_of_a_child(tmp_path: Path) -> None:
    async with starting(tmp_path) as process:
        await appears(f"ASKONCE_DATA_DIR={tmp_path / 'data'}")
        process.signal(signal.SIGTERM)
        async with asyncio.timeout(WITHIN):
            assert await process.wait() == 0
    assert "child_killed" not in process.output
    assert await gone(str(tmp_path)) == []


@pytest.mark.parametrize("moment", ["the queue", "the writers, which wait for the frontends"])
async def test_a_supervisor_killed_while_starting_leaves_nobody(tmp_path: Path, moment: str) -> None:
    async with starting(tmp_path) as process:
        await process.line(MOMENTS[moment])
        process.signal(signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL
        assert await gone(str(tmp_path)) == []


async def test_a_supervisor_killed_at_work_leaves_nobody(tmp_path: Path) -> None:
    async with starting(tmp_path) as process:
        await process.line("^ready: ")
        process.signal(signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL
        assert await gone(str(tmp_path)) == []


async def test_a_child_killed_at_work_is_replaced(tmp_path: Path) -> None:
    async with starting(tmp_path) as process:
        await process.line("^ready: ")
        for role in ("frontend", "writer", "nats-server"):
            os.kill(process.children(role)[0], signal.SIGKILL)
        for name in ("frontend-1|frontend-2", "writer-1", "nats-server"):
            await process.line(f'"event":"child_restarted","child":"({name})"')
        assert await process.stop() == 0
    assert await gone(str(tmp_path)) == []


# -- one child alone -------------------------------------------------------------------------------------------------


@asynccontextmanager
async def child(folder: Path, role: str, nats_url: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, ParentLink]]:
    (folder / "config.yaml").write_text(config(NOBODY))
    link, theirs = await ParentLink.open(Orders(nats_url, None))
    command = [sys.executable, "-m", "askonce.cli", role, "--config", "config.yaml"]
    line = ["--supervised", str(theirs.fileno())]
    try:
        async with (
            asyncio.timeout(2 * WITHIN),
            spawned([*command, *line], environment=environment(), folder=folder, fds=[theirs.fileno()]) as process,
        ):
            theirs.close()
            yield process, link
            await process.wait()
    finally:
        theirs.close()
        link.close()


@pytest.mark.parametrize(("role", "way"), [("frontend", "broken line"), ("frontend", "signal"), ("writer", "signal")])
async def test_a_child_that_waits_for_go_ends_at_once(tmp_path: Path, role: str, way: str) -> None:
    nats = NatsServer(tmp_path / "nats")
    nats.start()
    try:
        async with child(tmp_path, role, nats.url) as (process, link):
            assert await link.answer() is None
            process.terminate() if way == "signal" else link.close()
        assert process.returncode == 0
    finally:
        nats.stop()


@asynccontextmanager
async def silent_queue() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A server that takes connections and says nothing: its URL, and whether somebody came."""
    knocked = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        knocked.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        yield f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}", knocked


@pytest.mark.parametrize(("role", "way"), [("frontend", "signal"), ("writer", "broken line")])
async def test_a_child_whose_queue_does_not_answer_ends_at_once(tmp_path: Path, role: str, way: str) -> None:
    async with silent_queue() as (url, knocked), child(tmp_path, role, url) as (process, link):
        await knocked.wait()
        process.terminate() if way == "signal" else link.close()
    assert process.returncode == 0


@pytest.mark.parametrize("role", ["frontend", "writer"])
async def test_a_part_by_hand_whose_queue_does_not_answer_ends_at_once(tmp_path: Path, role: str) -> None:
    (tmp_path / "config.yaml").write_text(config(NOBODY))
    async with silent_queue() as (url, knocked), asyncio.timeout(2 * WITHIN):
        process = await Process.start(role, "--config", "config.yaml", "--nats", url, cwd=tmp_path, env=environment())
        await knocked.wait()
        assert await process.stop() == 0
    assert "Unclosed" not in process.output
    assert "Traceback" not in process.output
