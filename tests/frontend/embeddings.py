"""A provider of embeddings that does as it is told, over real HTTP, and what asks it."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web
from pydantic import SecretStr

from askonce.config.settings import CacheSettings, CacheType, Deployment, ProxySettings, SemanticSettings, Settings
from askonce.frontend.deployments import Deployments
from askonce.frontend.embedders.open import open_embedder
from askonce.frontend.embedders.protocol import Embedder
from askonce.frontend.embedders.remote import Remote
from askonce.frontend.embedding import Embedding
from askonce.frontend.upstream import Upstream
from askonce.telemetry.logs import Log
from askonce.telemetry.metrics import Metrics
from askonce.toy.words import vector
from tests.frontend.kit import Clock, count, until

KEY = "sk-of-the-proxy"
DIMENSIONS = 8
SHORT = 0.02  # seconds that a request waits, where it is to wait in vain

Answer = Callable[[dict[str, Any]], Awaitable[web.StreamResponse]]


def numbers(text: str) -> list[float]:
    return vector(text, DIMENSIONS)


def values(text: str) -> bytes:
    return struct.pack(f"<{DIMENSIONS}f", *numbers(text))


def answered(texts: list[str], embedding: Callable[[str], Any] = numbers) -> web.Response:
    """What OpenAI's API says."""
    data = [{"object": "embedding", "index": at, "embedding": embedding(text)} for at, text in enumerate(texts)]
    return said({"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1}})


def said(what: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(what), content_type="application/json")


async def well(body: dict[str, Any]) -> web.StreamResponse:
    return answered(body["input"])


async def ill(body: dict[str, Any]) -> web.StreamResponse:
    return said({"error": {"message": "no"}}, 503)


@dataclass
class Provider:
    """`answer` may be changed at any time. While `gate` is closed nobody gets an answer."""

    base: str = ""
    answer: Answer = well
    inputs: list[list[str]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def embed(self, request: web.Request) -> web.StreamResponse:
        body = orjson.loads(await request.read())
        self.inputs.append(body["input"])
        await self.gate.wait()
        return await self.answer(body)


@asynccontextmanager
async def provider(answer: Answer = well, *, shut: bool = False) -> AsyncIterator[Provider]:
    made = Provider(answer=answer)
    if not shut:
        made.gate.set()
    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/v1/embeddings", made.embed)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.base = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield made
    finally:
        made.gate.set()
        await runner.cleanup()


def at(base: str, *, pattern: str = "embedder", model: str = "toy-embedding", **more: Any) -> Deployment:
    return Deployment(
        pattern=pattern, model=model, provider="openai", api_base=base, **{"api_key": SecretStr(KEY)} | more
    )


@asynccontextmanager
async def upstream() -> AsyncIterator[Upstream]:
    made = Upstream(ProxySettings(), "test")
    try:
        yield made
    finally:
        await made.close()


@asynccontextmanager
async def remote(*deployments: Deployment, made: type[Remote] = Remote) -> AsyncIterator[Remote]:
    async with upstream() as way:
        yield made(Deployments(deployments).route("embedder", "/embeddings"), way)


@dataclass
class Scene:
    embedding: Embedding
    metrics: Metrics
    clock: Clock

    def outcomes(self, outcome: str) -> float:
        return count(self.metrics, "askonce_embeddings_total", outcome=outcome)

    @property
    def breaker_open(self) -> bool:
        return count(self.metrics, "askonce_embedding_breaker_open") == 1


@asynccontextmanager
async def embedding(
    base: str,
    *,
    deadline: float = 20.0,
    known_bytes: int = 1 << 20,
    made: type[Remote] = Remote,
    clock: Clock | None = None,
) -> AsyncIterator[Scene]:
    """The service on a provider, with a clock that stands still."""
    metrics, clock = Metrics(), clock or Clock()
    async with remote(at(base), made=made) as embedder:
        service = Embedding(
            embedder, deadline=deadline, known_bytes=known_bytes, metrics=metrics, log=Log("test"), timer=clock
        )
        try:
            yield Scene(service, metrics, clock)
        finally:
            await service.close()


async def fail(scene: Scene, times: int) -> None:
    """So many failures, one after another."""
    for number in range(times):
        assert await scene.embedding.vector(f"in vain {number}") is None


async def held(there: Provider, scene: Scene) -> list[asyncio.Task[Any]]:
    """As many calls under way as there may be: what is asked from now on waits."""
    tasks = []
    for number in range(Remote.calls):
        tasks.append(asyncio.create_task(scene.embedding.vector(f"held {number}")))
        await until(lambda number=number: len(there.inputs) == number + 1)
    return tasks


def settings(model: str, *deployments: Deployment, kind: CacheType = "redis-semantic") -> Settings:
    semantic = SemanticSettings(threshold=0.8, embedding_model=model, index="index")
    cache = CacheSettings(type=kind, call_types=frozenset({"completion"}), semantic=semantic)
    return Settings(source="config.yaml", deployments=deployments, cache=cache, proxy=ProxySettings())


async def opened(chosen: Settings) -> Embedder:
    async with upstream() as way:
        return open_embedder(chosen, way, Deployments(chosen.deployments))
