"""Two frontends with a master key on one queue, and what is asked of them about keys."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.asking import Answer, Client
from tests.e2e.solo import solo
from tests.e2e.stack import config, toy_provider
from tests.servers import NatsServer

MASTER = "sk-the-master-key-of-tests"
CACHE = "  cache: true\n  cache_params: {type: local}\n"
MODELS = "general_settings: {master_key: sk-the-master-key-of-tests}\n"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@dataclass
class Door:
    """One frontend, asked as the operator unless a key is given."""

    client: Client

    async def post(self, path: str, body: object = None, key: str = MASTER) -> Answer:
        return await self.client.send("POST", path, headers=bearer(key), **({} if body is None else {"json": body}))

    async def get(self, path: str, key: str = MASTER, **params: Any) -> Answer:
        return await self.client.send("GET", path, headers=bearer(key), params=params)

    async def made(self, **fields: Any) -> dict[str, Any]:
        answer = await self.post("/key/generate", fields)
        assert answer.status == 200, answer.body
        told: dict[str, Any] = answer.json
        return told

    async def info(self, key: str) -> dict[str, Any]:
        answer = await self.client.send("GET", "/key/info", headers=bearer(MASTER), params={"key": key})
        assert answer.status == 200, answer.body
        told: dict[str, Any] = answer.json
        return told

    async def asks(self, key: str, text: str = "Hello", model: str = "toy") -> int:
        """The status of a chat completion with this key."""
        return (await self.client.chat(text, model=model, header_authorization=f"Bearer {key}")).status


@dataclass
class Doors:
    one: Door
    two: Door
    nats: NatsServer


@asynccontextmanager
async def two_doors(folder: Path) -> AsyncIterator[Doors]:
    nats = NatsServer(folder / "nats")
    nats.start()
    try:
        async with toy_provider() as (_, base):
            text = config(base, CACHE, MODELS)
            async with solo(folder / "one", text, nats) as one, solo(folder / "two", text, nats) as two:
                yield Doors(Door(one), Door(two), nats)
    finally:
        nats.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def doors(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Doors]:
    async with two_doors(tmp_path_factory.mktemp("doors")) as made:
        yield made
