"""Proxies that match by meaning, for tests: a local model, a real server with vectors, two frontends, one writer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from redis.asyncio import Redis

from askonce.toy.provider import Toy
from tests.e2e.asking import Answer, Client
from tests.e2e.stack import Parts, config, eventually, parts, toy_provider
from tests.redis_servers import valkey_with_search
from tests.servers import Valkey

SIMILARITY = "x-litellm-semantic-similarity"


def semantic_settings(port: int, model: str, threshold: float = 0.8) -> str:
    return f"""  cache: true
  cache_params:
    type: redis-semantic
    host: 127.0.0.1
    port: {port}
    similarity_threshold: {threshold}
    redis_semantic_cache_embedding_model: {model}
"""


def similarity(answer: Answer) -> float | None:
    """What the answer says about the nearest question; None where it says nothing."""
    said = answer.headers.get(SIMILARITY)
    return None if said is None else float(said)


@dataclass
class Scene:
    toy: Toy
    stack: Parts
    server: Valkey
    a: Client
    b: Client

    async def ask(self, text: str, space: str, client: Client | None = None, **more: object) -> Answer:
        """Asked within a namespace of the test's own, where nobody else's questions are."""
        cache = {"namespace": space, **(more.pop("cache", None) or {})}  # type: ignore[dict-item]
        return await (client or self.a).chat(text, cache=cache, **more)

    async def count(self, metric: str, label: str = "") -> float:
        """The sum of a counter over both frontends, of the series whose labels hold `label`."""
        total = 0.0
        for client in (self.a, self.b):
            text = (await client.send("GET", "/metrics")).body.decode()
            lines = (line for line in text.splitlines() if line.startswith(metric) and label in line)
            total += sum(float(line.rpartition(" ")[2]) for line in lines)
        return total

    async def kept(self, text: str, space: str, **more: object) -> Answer:
        """Asks, and waits until a question that means the same would find the answer."""
        first = await self.ask(text, space, **more)
        assert first.status == 200, first.body
        key = str(first.key)

        async def written() -> bool:
            return any(key.encode() in name for name in await self.points())

        assert await eventually(written)
        return first

    async def points(self) -> list[bytes]:
        """Names of all points in the server: nothing else there is a hash."""
        async with Redis.from_url(self.server.url) as client:
            return [name async for name in client.scan_iter(_type="hash")]


@asynccontextmanager
async def semantic_scene(folder: Path, model: str = "local/minilm", **env: str) -> AsyncIterator[Scene]:
    server = Valkey(folder / "valkey", options=valkey_with_search())
    server.start()
    try:
        async with (
            toy_provider() as (toy, base),
            parts(folder, config(base, semantic_settings(server.port, model)), frontends=2, writers=1, **env) as stack,
            aiohttp.ClientSession() as session,
        ):
            yield Scene(toy, stack, server, Client(session, stack.urls[0]), Client(session, stack.urls[1]))
    finally:
        server.kill()
