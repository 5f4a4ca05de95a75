"""A frontend in the test's own process, for what needs no second one: many configurations in little time."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from askonce.config.load import load
from askonce.config.settings import Settings
from askonce.frontend.service import Address, Frontend
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from tests.e2e.asking import Client
from tests.servers import NatsServer, free_port


@asynccontextmanager
async def solo(folder: Path, text: str, nats: NatsServer, **env: str) -> AsyncIterator[Client]:
    """A client of a frontend with this config.yaml; `env` is its whole environment."""
    home = folder / f"solo-{time.monotonic_ns()}"
    home.mkdir(parents=True)
    (home / "config.yaml").write_text(text)
    async with fronting(load(home / "config.yaml", env, cwd=home), nats) as client:
        yield client


@asynccontextmanager
async def fronting(settings: Settings, nats: NatsServer) -> AsyncIterator[Client]:
    """A client of a frontend with these settings, whose memory is empty."""
    frontend = Frontend(settings, name="solo", version="test", metrics=Metrics(), log=Log("solo"))
    await frontend.open(nats.url)
    port = free_port()
    await frontend.listen(Address("127.0.0.1", port))
    try:
        async with aiohttp.ClientSession() as session:
            yield Client(session, f"http://127.0.0.1:{port}")
    finally:
        await frontend.close()
