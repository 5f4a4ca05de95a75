"""`askonce toy` as its users meet it, and the health check of the container image before real processes."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from askonce.commands.healthy import doors
from tests.e2e.commands import clean, run
from tests.e2e.stack import Process, chat, config, environment, parts, post
from tests.servers import free_port


@pytest.fixture
async def toy(tmp_path: Path) -> AsyncIterator[tuple[Process, str]]:
    """The command, and its base URL."""
    process = await Process.start("toy", "--port", "0", "--latency", "0", cwd=tmp_path, env=environment())
    try:
        yield process, (await process.line(r"^ready: (\S+)"))[1]
    finally:
        await process.stop()


async def test_the_toy_says_where_it_is_answers_and_leaves(toy: tuple[Process, str]) -> None:
    process, base = toy
    async with aiohttp.ClientSession() as session:
        status, _, body = await post(session, f"{base}/chat/completions", chat("Who is there?"))
        async with session.get(base.replace("/v1", "/toy/calls")) as answer:
            calls = await answer.json()
    assert status == 200
    assert b"Who is there?" in body
    assert calls == {"total": 1, "routes": {"/v1/chat/completions": 1}}
    assert await process.stop() == 0
    clean(process.output)
    assert process.lines[-1] == "stopped"


async def test_the_toy_ends_on_ctrl_c_too(toy: tuple[Process, str]) -> None:
    process, _ = toy
    process.signal(signal.SIGINT)
    assert await process.wait() == 0


async def test_a_port_that_is_taken_is_exit_2(toy: tuple[Process, str], tmp_path: Path) -> None:
    port = toy[1].removesuffix("/v1").rpartition(":")[2]
    code, output = await run("toy", "--port", port, cwd=tmp_path)
    assert code == 2
    assert f"--port {port}: cannot be had on 127.0.0.1" in output


# -- the health check ------------------------------------------------------------------------------------------------


async def healthy(*arguments: str, **env: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "askonce.commands.healthy", *arguments,
        env=environment(**env), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, told = await process.communicate()
    assert out == b""
    assert told.count(b"\n") == 1, told
    return process.returncode or 0, told.decode()


async def test_a_frontend_and_a_writer_are_asked_each_in_its_way(tmp_path: Path, toy: tuple[Process, str]) -> None:
    metrics_port, nobody = str(free_port()), str(free_port())
    async with parts(tmp_path, config(toy[1]), 1, 0) as made:
        await made.add_writer(ASKONCE_METRICS_PORT=metrics_port)
        port = made.urls[0].rpartition(":")[2]
        asked = await asyncio.gather(
            healthy(ASKONCE_PORT=port),
            healthy(ASKONCE_METRICS_PORT=metrics_port, ASKONCE_PORT=nobody),
            healthy(ASKONCE_METRICS_PORT=nobody, ASKONCE_PORT=port),
            healthy(ASKONCE_METRICS_PORT=nobody, ASKONCE_PORT=nobody),
            healthy(metrics_port),
            healthy(toy[1].removesuffix("/v1").rpartition(":")[2]),
        )
        process = made.frontends[0]
        process.signal(signal.SIGSTOP)
        stuck = await healthy(ASKONCE_PORT=port)
        process.signal(signal.SIGCONT)
    assert asked[0] == (0, f"healthy: 127.0.0.1 {port}/health/readiness\n")
    assert asked[1] == (0, f"healthy: 127.0.0.1 {metrics_port}/health/liveliness\n")
    assert asked[2] == (0, f"healthy: 127.0.0.1 {port}/health/readiness\n"), "a frontend with a writer's variable"
    assert asked[3] == (1, f"unhealthy: 127.0.0.1 {nobody}/health/readiness: nobody listens\n")
    assert asked[4][0] == 1, "a writer has no such door"
    assert f"unhealthy: 127.0.0.1 {metrics_port}/health/readiness: HTTP 404 " in asked[4][1]
    assert asked[5][0] == 0, "the toy has one"
    assert stuck == (1, f"unhealthy: 127.0.0.1 {port}/health/readiness: no answer in time\n")


READY, ALIVE = "/health/readiness", "/health/liveliness"


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({}, [("127.0.0.1", 4000, READY)]),
        ({"ASKONCE_PORT": "8080"}, [("127.0.0.1", 8080, READY)]),
        ({"ASKONCE_PORT": "tcp://10.0.0.1:4000"}, [("127.0.0.1", 4000, READY)]),
        ({"ASKONCE_HOST": "0.0.0.0"}, [("127.0.0.1", 4000, READY)]),
        ({"ASKONCE_HOST": "[::]"}, [("::1", 4000, READY)]),
        ({"ASKONCE_HOST": "127.0.0.2"}, [("127.0.0.2", 4000, READY)]),
        ({"ASKONCE_METRICS_PORT": "4001"}, [("127.0.0.1", 4001, ALIVE), ("127.0.0.1", 4000, READY)]),
    ],
)
def test_which_door_is_asked(given: dict[str, str], asked: list[tuple[str, int, str]]) -> None:
    assert doors([], given) == asked


def test_the_health_check_imports_nothing_but_the_standard_library() -> None:
    code = "import sys; old = set(sys.modules); import askonce.commands.healthy; print(*sorted({*sys.modules} - old))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True)
    names = set(done.stdout.split())
    assert {name for name in names if name.startswith("askonce")} == {
        "askonce", "askonce.commands", "askonce.commands.healthy",
    }  # fmt: skip
    assert {name.partition(".")[0] for name in names} - {"askonce"} <= set(sys.stdlib_module_names)
