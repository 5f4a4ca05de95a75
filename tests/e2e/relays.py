"""A provider that does what a test says, before it has read anything, and frontends that pass requests on to it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web
from multidict import CIMultiDictProxy
from yarl import URL

from tests.e2e.asking import Answer, Client
from tests.e2e.solo import solo
from tests.e2e.upstreams import LOCAL, entry
from tests.servers import NatsServer

Answering = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
MASTER = "sk-master-MARKER"
THEIRS = "sk-theirs-MARKER"
BYPASS = {"fwd": "bypass", "detail": "not-a-cached-route"}


@dataclass
class Seen:
    """A request as it came; `target` is path and query, percent-encoded."""

    method: str
    target: str
    headers: CIMultiDictProxy[str]
    body: bytes = b""

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    return web.json_response({"id": "made-1", "object": "thing", "data": []})


@dataclass
class Provider:
    """`seen` holds the requests whose answer has begun."""

    answer: Answering = echo
    base: str = ""
    seen: list[Seen] = field(default_factory=list)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        seen = Seen(request.method, request.raw_path, request.headers)
        self.seen.append(seen)
        if self.answer is echo:
            seen.body = await request.read()
        return await self.answer(request)

    @property
    def last(self) -> Seen:
        return self.seen[-1]

    @asynccontextmanager
    async def doing(self, answer: Answering) -> AsyncIterator[None]:
        self.answer = answer
        try:
            yield
        finally:
            self.answer = echo


@asynccontextmanager
async def provider() -> AsyncIterator[Provider]:
    made = Provider()
    runner = web.ServerRunner(web.Server(made.handle), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.base = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield made
    finally:
        await runner.cleanup()


@dataclass
class Scene:
    """`open` has no model_list, `listed` one with names, `gated` a master key and a deployment without a key."""

    first: Provider
    second: Provider
    open: Client
    listed: Client
    gated: Client


LISTED = (
    entry("gpt", "openai/gpt-4o", "{first}", "api_key: sk-first")
    + entry("dalle", "openai/dall-e-3", "{second}", "api_key: sk-second, organization: org-ours, "
            "extra_headers: {X-Extra: ours}")
    + entry("two", "openai/two", "{second}", "api_key: sk-second, weight: 0")
    + entry("two", "openai/two", "{first}", "api_key: sk-first, weight: 1")
    + entry("claude", "anthropic/claude-sonnet", "{second}", "api_key: sk-anthropic")
    + entry("azure", "azure/dalle-3", "{first}", "api_key: sk-azure, api_version: 2024-10-21")
)  # fmt: skip
GATED = entry("*", "openai/*", "{first}", "organization: org-ours")


@asynccontextmanager
async def relays(folder: Path) -> AsyncIterator[Scene]:
    nats = NatsServer(folder / "nats")
    nats.start()
    try:
        async with provider() as first, provider() as second:

            def text(models: str) -> str:
                return f"model_list:\n{models}\n{LOCAL}".replace("{first}", first.base).replace("{second}", second.base)

            async with (
                solo(folder, LOCAL, nats, OPENAI_BASE_URL=first.base, ASKONCE_MAX_BODY_BYTES="65536") as open_one,
                solo(folder, text(LISTED), nats) as listed,
                solo(folder, text(GATED), nats, ASKONCE_MASTER_KEY=MASTER) as gated,
            ):
                yield Scene(first, second, open_one, listed, gated)
    finally:
        nats.stop()


async def send(client: Client, method: str, path: str, **how: Any) -> Answer:
    """As `Client.send`, with the path and its query as they stand."""
    url = URL(client.url + path, encoded=True)
    async with client.session.request(method, url, allow_redirects=False, **how) as answer:
        return Answer(answer.status, answer.headers.copy(), await answer.read())


def passed(answer: Answer, status: int = 200) -> Any:
    """What was passed on, as JSON, once what every such answer says has been looked at."""
    assert (answer.status, answer.cache) == (status, BYPASS), answer.body
    assert not {"Age", "x-litellm-cache-key"} & set(answer.headers)
    return answer.json


async def refused(answer: Answer, status: int, param: str | None = None) -> str:
    assert (answer.status, answer.cache) == (status, {"detail": "refused"}), answer.body
    assert answer.error["param"] == param
    return str(answer.error["message"])


async def metrics(client: Client) -> str:
    return (await client.send("GET", "/metrics")).body.decode()
