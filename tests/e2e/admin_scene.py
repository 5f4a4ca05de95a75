"""What the routes for operators are tried on: frontends in the test's process, and one Redis, queue and provider."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
import redis

from askonce.config.load import load
from askonce.config.settings import Settings
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from askonce.toy.provider import Toy
from askonce.writer.service import WriterService
from tests.e2e.asking import Client
from tests.e2e.solo import solo
from tests.e2e.stack import config, toy_provider
from tests.servers import NatsServer, Valkey

USER = "the-user-of-the-proxy"
WORD = "the-word-of-the-proxy"
OPEN = ("/health/liveliness", "/health/liveness", "/health/readiness", "/metrics")
LOOKS = (
    *("/health", "/v1/models", "/models", "/v1/model/info", "/model/info"),
    *("/cache/ping", "/cache/redis/info"),
    *("/key/info", "/key/list", "/team/info", "/team/list"),
)
OF_KEYS = ("generate", "update", "delete", "block", "unblock", "regenerate")
OF_TEAMS = ("new", "update", "delete", "block", "unblock")
DEEDS = {
    "/cache/delete": b'{"keys": ["key2"]}',
    "/cache/flushall": b"",
    **{f"/key/{verb}": b'{"key": "sk-of-nobody-at-all"}' for verb in OF_KEYS},
    **{f"/team/{verb}": b'{"team_id": "nobodys"}' for verb in OF_TEAMS},
}
RIGHTS = ("~*", "-@all", "+mget", "+set", "+unlink")


@dataclass
class Scene:
    """`redis` is the text of `cache_params` for the one Redis."""

    folder: Path
    nats: NatsServer
    valkey: Valkey
    toy: Toy
    base: str
    _word: str | None = None

    @property
    def redis(self) -> str:
        return f"type: redis, host: 127.0.0.1, port: {self.valkey.port}"

    def text(self, params: str | None = "type: local", more: str = "") -> str:
        """A config.yaml; without `params`, caching is off."""
        cache = "  cache: false\n" if params is None else f"  cache: true\n  cache_params: {{{params}}}\n"
        return config(self.base, cache, more)

    @asynccontextmanager
    async def proxy(self, text: str, *, writer: bool = False, **env: str) -> AsyncIterator[Client]:
        """A frontend, and a writer where there is something to write."""
        async with AsyncExitStack() as stack:
            if writer:
                await stack.enter_async_context(writing(self.folder, text, self.nats, **env))
            yield await stack.enter_async_context(solo(self.folder, text, self.nats, **env))

    def user(self, *rights: str) -> str:
        """What is added to `redis` for a user with these rights."""
        with redis.Redis(port=self.valkey.port) as client:
            client.execute_command("ACL SETUSER", USER, "reset", "on", f">{WORD}", *rights)
        return f", username: {USER}, password: {WORD}"

    def password(self, word: str) -> None:
        """What Redis asks of everybody from here on; "" is nothing."""
        with redis.Redis(port=self.valkey.port, password=self._word) as client:
            client.config_set("requirepass", word)
        self._word = word or None


@asynccontextmanager
async def writing(folder: Path, text: str, nats: NatsServer, **env: str) -> AsyncIterator[None]:
    """A writer with this config.yaml, in the test's own process."""
    home = folder / f"writer-{time.monotonic_ns()}"
    home.mkdir(parents=True)
    (home / "config.yaml").write_text(text)
    async with writing_as(load(home / "config.yaml", env, cwd=home), nats):
        yield


@asynccontextmanager
async def writing_as(settings: Settings, nats: NatsServer) -> AsyncIterator[None]:
    writer = WriterService(settings, name="w", metrics=Metrics(), log=Log("writer"))
    await writer.open(nats.url)
    stop = asyncio.Event()
    running = asyncio.create_task(writer.run(stop))
    try:
        yield
    finally:
        stop.set()
        await running
        await writer.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp("admin")
    nats, valkey = NatsServer(folder / "nats"), Valkey(folder / "valkey")
    nats.start()
    valkey.start()
    try:
        async with toy_provider() as (toy, base):
            yield Scene(folder, nats, valkey, toy, base)
    finally:
        valkey.stop()
        nats.stop()
