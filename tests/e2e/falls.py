"""Models that fail as they are told, and frontends before them. Each model is a provider's account of its own: the path
that it is asked at begins with its name.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from aiohttp import web

from askonce.config.load import load
from askonce.config.policies import RoutingSettings
from askonce.config.settings import AccessSettings
from tests.e2e.asking import Client
from tests.e2e.solo import fronting
from tests.e2e.upstreams import CHUNK, LAST, LOCAL, SAID, entry, provider
from tests.servers import NatsServer

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]
NAMES = "abcd"
TOO_LONG = {"message": "This model's maximum context length is 8 tokens.", "type": "invalid_request_error",
            "param": "messages", "code": "context_length_exceeded"}  # fmt: skip
REFUSED = {"message": "The response was filtered.", "type": None, "param": "prompt", "code": "content_filter"}
WRONG = {"message": "Unknown parameter.", "type": "invalid_request_error", "param": "x", "code": "unknown_parameter"}


def fails(status: int, error: object = None, **headers: str) -> Answering:
    told = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(_request: web.Request) -> web.StreamResponse:
        said = error or {"message": "busy", "type": "server_error", "param": None, "code": None}
        return web.json_response({"error": said}, status=status, headers=told)

    return answer


async def breaks_off(request: web.Request) -> web.StreamResponse:
    """Half of an answer whose length is known."""
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "100"})
    await response.prepare(request)
    await response.write(b'{"id": "half')
    assert request.transport is not None
    request.transport.close()
    return response


@dataclass
class Models:
    """`fail` is how each model that fails does so; the others answer, each answer with words of its own."""

    fail: dict[str, Answering] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    bodies: list[tuple[str, bytes]] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        name, _, path = request.path.removeprefix("/v1/").partition("/")
        self.calls[name] += 1
        data = await request.read()
        self.bodies.append((name, data))
        if name in self.fail:
            return await self.fail[name](request)
        said = f"{name} says {next(self._numbers)}"
        match path:
            case "audio/speech":
                return web.Response(body=said.encode(), content_type="audio/mpeg")
            case "audio/transcriptions":
                return web.json_response({"text": said})
            case "embeddings":
                return web.json_response(_vectors(orjson.loads(data)["input"], name))
        if orjson.loads(data).get("stream"):
            return await _stream(request, said)
        return web.json_response(_said(said))


def _said(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {**SAID, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


def _vectors(texts: Sequence[str], name: str) -> dict[str, Any]:
    data = [
        {"object": "embedding", "index": index, "embedding": [float(NAMES.index(name)), float(len(text))]}
        for index, text in enumerate([texts] if isinstance(texts, str) else texts)
    ]
    return {"object": "list", "data": data, "model": name, "usage": {"prompt_tokens": 1, "total_tokens": 1}}


async def _stream(request: web.Request, text: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    for event in ({**CHUNK, "choices": [choice]}, LAST):
        await response.write(b"data: " + orjson.dumps(event) + b"\n\n")
    await response.write(b"data: [DONE]\n\n")
    return response


@dataclass
class Fall:
    """The models are made anew for each test, so that every one counts for itself."""

    folder: Path
    nats: NatsServer
    base: str
    models: Models = field(default_factory=Models)

    @asynccontextmanager
    async def frontends(self, count: int = 1, more: str = "", **routing: Any) -> AsyncIterator[list[Client]]:
        """Frontends with the models of NAMES under their names, the last of which takes one request at a time. Nobody
        is ever cooled; `routing` says the rest.
        """
        params = {"d": "api_key: sk-proxy, max_parallel_requests: 1"}
        rows = "".join(
            entry(name, f"openai/{name}", f"{self.base}/{name}", params.get(name, "api_key: sk-proxy"))
            for name in NAMES
        )
        (self.folder / "config.yaml").write_text(f"model_list:\n{rows}{more or LOCAL}")
        settings = load(self.folder / "config.yaml", {}, cwd=self.folder)
        settings = settings.model_copy(
            update={"routing": RoutingSettings(cooldown=0.0, **routing), "access": AccessSettings()}
        )
        async with AsyncExitStack() as stack:
            yield [await stack.enter_async_context(fronting(settings, self.nats)) for _ in range(count)]

    @asynccontextmanager
    async def frontend(self, more: str = "", **routing: Any) -> AsyncIterator[Client]:
        async with self.frontends(1, more, **routing) as (client,):
            yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fall]:
    folder = tmp_path_factory.mktemp("falls")
    nats = NatsServer(folder / "nats")
    nats.start()
    try:
        holder: list[Fall] = []

        async def answer(request: web.Request) -> web.StreamResponse:
            return await holder[0].models.answer(request)

        async with provider(answer) as (_, base):
            holder.append(Fall(folder, nats, base))
            yield holder[0]
    finally:
        nats.stop()


@pytest.fixture
def fall(stage: Fall) -> Fall:
    stage.models = Models()
    return stage


class Held:
    """Fails, but not before it is told to."""

    def __init__(self, then: Answering) -> None:
        self.goes_on = asyncio.Event()
        self._then = then

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        await self.goes_on.wait()
        return await self._then(request)

    async def asked(self, models: Models, name: str) -> None:
        async with asyncio.timeout(20):
            while not models.calls[name]:
                await asyncio.sleep(0.01)


async def at_once(count: int, ask: Callable[[], Awaitable[Any]]) -> list[Any]:
    return list(await asyncio.gather(*(ask() for _ in range(count))))
