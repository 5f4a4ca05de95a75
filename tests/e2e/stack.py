"""Whole proxies for tests: real processes, started by the real command line, stopped by their own pids."""

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp

from askonce.toy.provider import Toy, serving
from tests.servers import NatsServer, free_port

STARTED_WITHIN = 40.0


def config(base: str, cache: str = "", more: str = "") -> str:
    """A config.yaml with every model at `base`; `cache` is the text of `litellm_settings`."""
    settings = f"litellm_settings:\n{cache}" if cache else ""
    return f"""
model_list:
  - model_name: "*"
    litellm_params:
      model: openai/*
      api_base: {base}
      api_key: sk-of-the-proxy
{settings}
{more}
"""


def environment(**more: str) -> dict[str, str]:
    """The machine's, less what would steer askonce. A read of the store may take long: a busy machine is none that is
    sick, and a hit shall be one.
    """
    names = ("ASKONCE_", "REDIS_", "LITELLM_", "OPENAI_", "PROMETHEUS_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(names)}
    return kept | {"ASKONCE_STORE_DEADLINE": "2"} | more


class Process:
    """One `askonce` command, its output kept."""

    def __init__(self, process: asyncio.subprocess.Process, reading: "asyncio.Task[None]", lines: list[str]) -> None:
        self._process = process
        self._reading = reading
        self.lines = lines

    @classmethod
    async def start(cls, *arguments: str, cwd: Path, env: Mapping[str, str]) -> "Process":
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "askonce.cli", *arguments, cwd=cwd, env=dict(env),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        lines: list[str] = []

        async def read() -> None:
            assert process.stdout is not None
            async for line in process.stdout:
                lines.append(line.decode(errors="replace").rstrip("\n"))

        return cls(process, asyncio.create_task(read()), lines)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    async def line(self, pattern: str) -> "re.Match[str]":
        """The first line of output that matches, waited for."""
        deadline = time.monotonic() + STARTED_WITHIN
        while time.monotonic() < deadline:
            for line in self.lines:
                if match := re.search(pattern, line):
                    return match
            if self._process.returncode is not None:
                await self._reading
                break
            await asyncio.sleep(0.01)
        raise AssertionError(f"no line like {pattern!r} in:\n{self.output}")

    async def wait(self) -> int:
        async with asyncio.timeout(STARTED_WITHIN):
            code = await self._process.wait()
            await self._reading
        return code

    async def stop(self) -> int:
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        return await self.wait()

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def children(self, role: str) -> list[int]:
        """Pids of the children whose command line names the role (`frontend`, `writer`, `nats-server`)."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                words = (folder / "cmdline").read_text().split("\0")
            except (OSError, IndexError, ValueError):
                continue
            if parent == self.pid and any(Path(word).name == role for word in words):
                found.append(int(folder.name))
        return sorted(found)


@asynccontextmanager
async def toy_provider(latency: float = 0.0, pace: float = 0.0, slow: float = 3.0) -> AsyncIterator[tuple[Toy, str]]:
    """The toy provider in this process, and its base URL."""
    toy = Toy(latency=latency, pace=pace, clock=time.time, slow=slow)
    async with serving(toy) as base:
        yield toy, base


@asynccontextmanager
async def up(folder: Path, text: str, *arguments: str, **env: str) -> AsyncIterator[tuple[str, Process]]:
    """`askonce up` with this config.yaml; gives its address (without /v1) once it is ready."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(text)
    process = await Process.start(
        "up", "--config", "config.yaml", "--port", "0", *arguments, cwd=folder, env=environment(**env)
    )
    try:
        ready = await process.line(r"^ready: (http://\S+)/v1")
        yield ready[1], process
    finally:
        await process.stop()


class Parts:
    """A proxy put together by hand: one nats-server, frontends on a port each, writers."""

    def __init__(self, folder: Path, nats: NatsServer) -> None:
        self.folder = folder
        self.nats = nats
        self.frontends: list[Process] = []
        self.writers: list[Process] = []
        self.urls: list[str] = []

    async def add_frontend(self, **env: str) -> str:
        port = free_port()
        process = await Process.start(
            "frontend", "--config", "config.yaml", "--port", str(port), "--nats", self.nats.url,
            cwd=self.folder, env=environment(**env),
        )  # fmt: skip
        self.frontends.append(process)
        await process.line('"event":"ready"')
        self.urls.append(f"http://127.0.0.1:{port}")
        return self.urls[-1]

    async def add_writer(self, **env: str) -> Process:
        process = await Process.start(
            "writer", "--config", "config.yaml", "--nats", self.nats.url, cwd=self.folder, env=environment(**env)
        )
        self.writers.append(process)
        await process.line('"event":"ready"')
        return process

    async def stop(self) -> None:
        for process in self.frontends + self.writers:
            with suppress(ProcessLookupError):  # it died at its start
                process.signal(signal.SIGCONT)
        await asyncio.gather(*(process.stop() for process in self.frontends))
        await asyncio.gather(*(process.stop() for process in self.writers))


@asynccontextmanager
async def parts(folder: Path, text: str, frontends: int, writers: int, **env: str) -> AsyncIterator[Parts]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(text)
    nats = NatsServer(folder / "nats")
    nats.start()
    made = Parts(folder, nats)
    try:
        await asyncio.gather(*(made.add_writer(**env) for _ in range(writers)))
        await asyncio.gather(*(made.add_frontend(**env) for _ in range(frontends)))
        yield made
    finally:
        await made.stop()
        nats.stop()


def chat(text: str, **more: object) -> dict[str, object]:
    return {"model": "toy", "messages": [{"role": "user", "content": text}], **more}


async def post(session: aiohttp.ClientSession, url: str, body: object, **headers: str) -> tuple[int, str, bytes]:
    """Status, Cache-Status and body of a chat completion, or of the route in `url`."""
    address = url if url.count("/") > 2 else f"{url}/v1/chat/completions"
    async with session.post(address, json=body, headers=headers) as answer:
        return answer.status, answer.headers.get("Cache-Status", ""), await answer.read()


async def eventually(what: Callable[[], Awaitable[bool]], within: float = 20.0) -> bool:
    """Whether it came true within so many seconds."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if await what():
            return True
        await asyncio.sleep(0.05)
    return False
