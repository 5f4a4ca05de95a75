"""Providers that do what they are told, and frontends before them, each with a configuration of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from aiohttp import web

from askonce.toy.provider import Toy
from tests.e2e.asking import Client
from tests.e2e.solo import solo
from tests.e2e.stack import toy_provider
from tests.servers import NatsServer

LOCAL = "litellm_settings: {cache: true, cache_params: {type: local}}\n"


@dataclass
class Scene:
    """Frontends are opened as they are needed; all of them share what they keep, through one queue."""

    folder: Path
    nats: NatsServer
    toy: Toy
    base: str
    client: Client

    @asynccontextmanager
    async def proxy(self, models: str, more: str = "", **env: str) -> AsyncIterator[Client]:
        """A frontend with these entries of `model_list`; `{base}` in them is the toy."""
        text = f"model_list:\n{models}\n{LOCAL}{more}".replace("{base}", self.base)
        async with solo(self.folder, text, self.nats, **env) as client:
            yield client

    def last_body(self) -> dict[str, Any]:
        read: dict[str, Any] = orjson.loads(self.toy.seen[-1].body)
        return read

    @property
    def asked(self) -> int:
        return sum(self.toy.calls.values())


EVERYTHING = '  - {model_name: "*", litellm_params: {model: "openai/*", api_base: "{base}", api_key: sk-proxy}}'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp("upstream")
    nats = NatsServer(folder / "nats")
    nats.start()
    try:
        async with toy_provider(slow=30.0) as (toy, base):
            text = f"model_list:\n{EVERYTHING}\n{LOCAL}".replace("{base}", base)
            async with solo(folder, text, nats) as client:
                yield Scene(folder, nats, toy, base, client)
    finally:
        nats.stop()


@dataclass
class Script:
    """A provider that says what it is told to."""

    answer: Callable[[web.Request], Awaitable[web.StreamResponse]]
    seen: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        assert isinstance(request, web.Request)
        headers = {name.lower(): ", ".join(request.headers.getall(name)) for name in request.headers}
        self.seen.append((request.path, headers, await request.read()))
        return await self.answer(request)


@asynccontextmanager
async def provider(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[tuple[Script, str]]:
    script = Script(answer)
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", script.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield script, f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


SAID = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [
    {"index": 0, "message": {"role": "assistant", "content": "said"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}  # fmt: skip


CHUNK = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [
    {"index": 0, "delta": {"role": "assistant", "content": "said"}, "finish_reason": "stop"}]}  # fmt: skip
LAST = {**CHUNK, "choices": [], "usage": SAID["usage"]}


def entry(name: str, model: str, base: str, more: str = "api_key: sk-proxy") -> str:
    return f'  - {{model_name: "{name}", litellm_params: {{model: "{model}", api_base: "{base}", {more}}}}}\n'
