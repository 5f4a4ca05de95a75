"""Proxies that match by meaning, for tests: a local model, a real server with vectors, two frontends, one writer."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from qdrant_client import AsyncQdrantClient
from redis.asyncio import Redis

from askonce.toy.provider import Toy
from tests.e2e.asking import Answer, Client
from tests.e2e.stack import Parts, config, eventually, parts, toy_provider
from tests.qdrant_server import QdrantEdge
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


def qdrant_settings(url: str, model: str, threshold: float = 0.8) -> str:
    return f"""  cache: true
  cache_params:
    type: qdrant-semantic
    qdrant_api_base: {url}
    qdrant_collection_name: kept
    similarity_threshold: {threshold}
    qdrant_semantic_cache_embedding_model: {model}
"""


class RedisVectors:
    """Valkey with the search module."""

    def __init__(self, folder: Path) -> None:
        self.server = Valkey(folder, options=valkey_with_search())

    def settings(self, model: str) -> str:
        return semantic_settings(self.server.port, model)

    async def points(self) -> list[str]:
        """What says of every vector whose it is: nothing else in the server is a hash."""
        async with Redis.from_url(self.server.url) as client:
            return [name.decode() async for name in client.scan_iter(_type="hash")]


class QdrantVectors:
    """Qdrant's engine behind HTTP."""

    def __init__(self, folder: Path) -> None:
        self.server = QdrantEdge(folder)

    def settings(self, model: str) -> str:
        return qdrant_settings(self.server.url, model)

    async def points(self) -> list[str]:
        client = AsyncQdrantClient(url=self.server.url, check_compatibility=False)
        try:
            names = [one.name for one in (await client.get_collections()).collections if "-exact" not in one.name]
            pages = [await client.scroll(name, limit=1000) for name in names]
            return [str(point.payload) for page, _ in pages for point in page]
        finally:
            await client.close()


STORES: dict[str, Callable[[Path], RedisVectors | QdrantVectors]] = {
    "redis-semantic": RedisVectors,
    "qdrant-semantic": QdrantVectors,
}


def similarity(answer: Answer) -> float | None:
    """What the answer says about the nearest question; None where it says nothing."""
    said = answer.headers.get(SIMILARITY)
    return None if said is None else float(said)


@dataclass
class Scene:
    toy: Toy
    stack: Parts
    vectors: RedisVectors | QdrantVectors
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
            return any(key in point for point in await self.vectors.points())

        assert await eventually(written)
        return first


@asynccontextmanager
async def semantic_scene(kind: str, folder: Path, model: str = "local/minilm", **env: str) -> AsyncIterator[Scene]:
    vectors = STORES[kind](folder / "vectors")
    vectors.server.start()
    try:
        async with (
            toy_provider() as (toy, base),
            parts(folder, config(base, vectors.settings(model)), frontends=2, writers=1, **env) as stack,
            aiohttp.ClientSession() as session,
        ):
            yield Scene(toy, stack, vectors, Client(session, stack.urls[0]), Client(session, stack.urls[1]))
    finally:
        vectors.server.kill()
