"""A frontend that leaves behind a balancer: it says so, and serves until the balancer has looked."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.gated import Gated, gated_provider
from tests.e2e.stack import Process, chat, config, eventually, parts, toy_provider, up

LOCAL = "  cache: true\n  cache_params: {type: local}\n"
CHAT = "/v1/chat/completions"
FOR_EVER = "3600"  # as long as a test is concerned: Ctrl-C ends it


@dataclass
class Leaving:
    """A frontend that can be told to stop. `kept` holds one connection open, `fresh` none."""

    url: str
    process: Process
    kept: aiohttp.ClientSession
    fresh: aiohttp.ClientSession
    provider: Gated

    async def asks(self, session: aiohttp.ClientSession, text: str, **more: object) -> tuple[int, str, str]:
        """Status, whether the connection ends, and what the cache did."""
        async with session.post(self.url + CHAT, json=chat(text, **more)) as answer:
            assert b"Asked " in await answer.read()
            return answer.status, answer.headers.get("Connection", ""), answer.headers["Cache-Status"]

    async def looks(self, path: str) -> tuple[int, str]:
        async with self.fresh.get(self.url + path) as answer:
            return answer.status, await answer.text()

    async def is_leaving(self) -> bool:
        return await self.looks("/health/readiness") == (503, '{"status":"shutting_down"}')

    async def told_to_stop(self) -> None:
        self.process.signal(signal.SIGTERM)
        assert await eventually(self.is_leaving)


@asynccontextmanager
async def leaving(folder: Path, delay: str) -> AsyncIterator[Leaving]:
    async with (
        gated_provider() as (provider, base),
        parts(folder, config(base, LOCAL), frontends=1, writers=0, ASKONCE_SHUTDOWN_DELAY=delay) as stack,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as kept,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as fresh,
    ):
        provider.open()
        try:
            yield Leaving(stack.urls[0], stack.frontends[0], kept, fresh, provider)
        finally:
            with suppress(ProcessLookupError):  # it has ended, unless something went wrong
                stack.frontends[0].signal(signal.SIGKILL)


async def test_it_serves_old_and_new_connections_and_says_that_it_is_not_ready(tmp_path: Path) -> None:
    async with leaving(tmp_path, FOR_EVER) as there:
        assert await there.looks("/health/readiness") != (503, '{"status":"shutting_down"}')
        assert (await there.asks(there.kept, "before"))[:2] == (200, "")
        there.provider.shut()
        under_way = asyncio.create_task(there.asks(there.fresh, "under way"))
        assert await eventually(lambda: asked(there.provider))
        await there.told_to_stop()

        status, connection, cache = await there.asks(there.kept, "before")  # on the connection of before
        assert (status, connection) == (200, "close")
        assert "hit" in cache
        there.provider.open()
        assert (await under_way)[0] == 200
        for session in (there.kept, there.fresh):
            for more in ({}, {"stream": True}):
                assert (await there.asks(session, f"during {session is there.kept}", **more))[:2] == (200, "close")
        assert (await there.looks("/health/liveliness"))[0] == 200
        assert (await there.looks("/metrics"))[0] == 200
        assert await there.is_leaving()

        there.process.signal(signal.SIGINT)
        assert await there.process.wait() == 0


async def asked(provider: Gated) -> bool:
    return provider.calls > 0


async def test_it_ends_by_itself_once_the_time_is_over(tmp_path: Path) -> None:
    async with leaving(tmp_path, "1") as there:
        assert (await there.asks(there.kept, "before"))[0] == 200
        there.process.signal(signal.SIGTERM)
        assert await there.process.wait() == 0
        with pytest.raises(aiohttp.ClientError):
            await there.asks(there.fresh, "after")


async def test_ctrl_c_ends_the_delay_and_another_one_the_drain(tmp_path: Path) -> None:
    async with leaving(tmp_path, FOR_EVER) as there:
        there.provider.shut()
        under_way = asyncio.create_task(there.asks(there.fresh, "never answered"))
        assert await eventually(lambda: asked(there.provider))
        there.process.signal(signal.SIGINT)
        assert await eventually(there.is_leaving)
        there.process.signal(signal.SIGINT)

        async def shut() -> bool:
            try:
                await there.looks("/health/liveliness")
            except aiohttp.ClientConnectorError:
                return True
            return False

        assert await eventually(shut)
        assert not under_way.done(), "it drains"
        there.process.signal(signal.SIGINT)
        assert await there.process.wait() != 0
        with pytest.raises(aiohttp.ClientError):
            await under_way


async def test_under_a_supervisor_nobody_waits(tmp_path: Path) -> None:
    async with (
        toy_provider() as (_, base),
        up(tmp_path, config(base, LOCAL), "--frontends", "1", ASKONCE_SHUTDOWN_DELAY=FOR_EVER) as (url, process),
    ):
        async with aiohttp.ClientSession() as session, session.post(url + CHAT, json=chat("asked")) as answer:
            assert answer.status == 200
        assert await process.stop() == 0
