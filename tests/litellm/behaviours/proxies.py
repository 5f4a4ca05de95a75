"""A proxy that reads LiteLLM's configuration: askonce, or LiteLLM itself, before one provider and one Redis. The tests
beside this file know neither by name.
"""

import asyncio
import itertools
import os
import socket
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
import redis
from aiohttp import web
from aiohttp.typedefs import Handler

from askonce.core.sse import SseParser
from askonce.toy.provider import Toy, serving
from tests.e2e.stack import eventually, up
from tests.litellm.behaviours.sockets import children
from tests.servers import Child, Valkey

KEY: Final = "sk-of-the-tests-0123456789abcdef0123456789"
_LITELLM: Final = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_TELEMETRY": "False",
    "NO_DOCS": "True",
    "DISABLE_ADMIN_UI": "True",
    "HF_HUB_OFFLINE": "1",
}
_NUMBERS: Final = itertools.count()
Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


def fresh(text: str = "Say this is a test") -> str:
    """A text that no test has asked before."""
    return f"{text} {next(_NUMBERS)} of {os.getpid()}"


class Provider(Toy):
    """The toy, and before it whatever it is told to answer next on a route. It answers while `goes_on` is set; what
    waits for that is in `waiting`: the body, and the ports of the connection at its two ends, ours first.
    """

    def __init__(self) -> None:
        super().__init__(latency=0.0, pace=0.0, clock=time.time)
        self.next: defaultdict[str, deque[Answering]] = defaultdict(deque)
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.waiting: list[tuple[bytes, int, int]] = []

    def app(self) -> web.Application:
        app = super().app()
        app.middlewares.append(self._scripted)
        return app

    def says(self, path: str, body: object, status: int = 200, *, times: int = 1) -> None:
        async def answer(_request: web.Request) -> web.StreamResponse:
            return web.json_response(body, status=status)

        self.next[path].extend([answer] * times)

    def streams(self, path: str, *events: Mapping[str, Any]) -> None:
        """Events that have a type are told by its name, and need no end."""
        frames = [_named(event) + b"data: " + orjson.dumps(event) + b"\n\n" for event in events]
        if "type" not in events[-1]:
            frames.append(b"data: [DONE]\n\n")

        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            for frame in frames:
                await response.write(frame)
            return response

        self.next[path].append(answer)

    def asked(self) -> int:
        return sum(self.calls.values())

    def asked_for(self, text: str) -> int:
        """How many of the last hundred requests had this text in them."""
        return sum(text.encode() in seen.body for seen in self.seen)

    @web.middleware
    async def _scripted(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self.goes_on.is_set():
            await self._held_back(request)
        waiting = self.next[request.path]
        return await (waiting.popleft()(request) if waiting else handler(request))

    async def _held_back(self, request: web.Request) -> None:
        assert request.transport is not None
        near, far = (request.transport.get_extra_info(name)[1] for name in ("sockname", "peername"))
        one = (await request.read(), near, far)
        self.waiting.append(one)
        try:
            await self.goes_on.wait()
        finally:
            self.waiting.remove(one)


def _named(event: Mapping[str, Any]) -> bytes:
    return f"event: {event['type']}\n".encode() if "type" in event else b""


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def key(self) -> str | None:
        """The only sign of a hit that LiteLLM sends."""
        return self.headers.get("x-litellm-cache-key")

    @property
    def events(self) -> list[dict[str, Any]]:
        data = [event.data for event in SseParser().feed(self.body) if event.data]
        return [orjson.loads(one) for one in data if one != b"[DONE]"]

    @property
    def said(self) -> str:
        """The text of a streamed chat."""
        deltas = [choice["delta"] for event in self.events for choice in event["choices"]]
        return "".join(delta.get("content") or "" for delta in deltas)


@dataclass
class Proxy:
    """`store` is the Redis behind it, `server` the process of that. `frontends` gives the pids of the processes that
    serve, where there are several.
    """

    url: str
    session: aiohttp.ClientSession
    provider: Provider
    server: Valkey
    frontends: Callable[[], list[int]]
    store: "redis.Redis[bytes]" = field(init=False)

    def __post_init__(self) -> None:
        self.store = redis.Redis(port=self.server.port)

    async def send(self, method: str, path: str, **how: Any) -> Answer:
        headers = {"Authorization": f"Bearer {KEY}", **how.pop("headers", {})}
        async with self.session.request(method, self.url + path, headers=headers, **how) as answer:
            return Answer(answer.status, answer.headers.copy(), await answer.read())

    async def post(self, path: str, body: Mapping[str, Any]) -> Answer:
        return await self.send("POST", path, json=body)

    async def chat(self, text: str, **more: Any) -> Answer:
        messages = [{"role": "user", "content": text}]
        return await self.post("/v1/chat/completions", {"model": "toy", "messages": messages, **more})

    def asked(self, path: str = "/v1/chat/completions") -> int:
        return self.provider.calls[path]


def config(base: str, cache: str) -> str:
    """`cache` is what stands in `cache_params`."""
    root = base.removesuffix("/v1")
    return f"""
model_list:
  - {{model_name: toy, litellm_params: {{model: openai/toy, api_base: "{base}", api_key: sk-provider}}}}
  - {{model_name: toy-b, litellm_params: {{model: openai/toy-b, api_base: "{base}", api_key: sk-provider}}}}
  - {{model_name: toy-text, litellm_params: {{model: text-completion-openai/toy, api_base: "{base}", api_key: sk-p}}}}
  - model_name: toy-embedding
    litellm_params: {{model: openai/text-embedding-3-small, api_base: "{base}", api_key: sk-provider}}
  - {{model_name: toy-transcribe, litellm_params: {{model: openai/toy-transcribe, api_base: "{base}", api_key: sk-p}},
      model_info: {{mode: audio_transcription}}}}
  - {{model_name: toy-rerank, litellm_params: {{model: hosted_vllm/toy-rerank, api_base: "{base}", api_key: sk-p}}}}
  - {{model_name: claude, litellm_params: {{model: anthropic/claude-toy, api_base: "{root}", api_key: sk-p}}}}
litellm_settings:
  num_retries: 0
  cache: true
  cache_params: {{{cache}}}
router_settings: {{num_retries: 0, disable_cooldowns: true}}
general_settings: {{master_key: {KEY}, disable_spend_logs: true}}
"""


class _LiteLLM(Child):
    """The program `binary`, which serves after some ten seconds."""

    start_within = 120.0

    def __init__(self, binary: str, folder: Path, workers: int) -> None:
        super().__init__(folder, None)
        self._binary = binary
        self._workers = workers

    def command(self) -> list[str]:
        here = ["--host", "127.0.0.1", "--port", str(self.port), "--num_workers", str(self._workers)]
        return [self._binary, "--config", str(self.folder / "config.yaml"), *here]

    def environment(self) -> dict[str, str]:
        return {**os.environ, **_LITELLM}

    def greeted(self, link: socket.socket) -> bool:
        """The first of its workers serves long before the last."""
        link.sendall(b"GET /health/liveliness HTTP/1.0\r\n\r\n")
        started = (self.folder / "log").read_bytes().count(b"Application startup complete")
        return b" 200 " in link.recv(64) and started == self._workers

    def workers(self) -> list[int]:
        return children(self.pid, "--multiprocessing-fork")


Opening = Callable[..., AbstractAsyncContextManager[Proxy]]


@asynccontextmanager
async def opened(
    folder: Path, litellm: str | None, cache: str = "type: redis", frontends: int = 1
) -> AsyncIterator[Proxy]:
    """askonce, or the LiteLLM at this path, with a Redis where `cache` wants one; warm."""
    server = Valkey(folder / "redis")
    server.start()
    provider = Provider()
    if "redis" in cache:
        cache = f"{cache}, host: 127.0.0.1, port: {server.port}"
    try:
        async with serving(provider) as base, aiohttp.ClientSession() as session:
            text = config(base, cache)
            program = _litellm(folder, text, litellm, frontends) if litellm else _askonce(folder, text, frontends)
            async with program as (url, pids):
                proxy = Proxy(url, session, provider, server, pids)
                await _warm(proxy)
                yield proxy
    finally:
        server.stop()


async def _warm(proxy: Proxy) -> None:
    """LiteLLM keeps its very first answer late. No connection is left behind."""
    question = {"model": "toy", "messages": [{"role": "user", "content": fresh()}], "cache": {"use-cache": True}}

    async def kept() -> bool:
        closing = {"Connection": "close"}
        return (await proxy.send("POST", "/v1/chat/completions", json=question, headers=closing)).key is not None

    assert await eventually(kept)


_Program = tuple[str, Callable[[], list[int]]]  # its address, and the pids of its frontends


@asynccontextmanager
async def _askonce(folder: Path, text: str, frontends: int) -> AsyncIterator[_Program]:
    async with up(folder / "askonce", text, "--frontends", str(frontends)) as (url, process):
        yield url, lambda: process.children("frontend")


@asynccontextmanager
async def _litellm(folder: Path, text: str, binary: str, frontends: int) -> AsyncIterator[_Program]:
    child = _LiteLLM(binary, folder / "litellm", frontends)
    (child.folder / "config.yaml").write_text(text)
    child.start()
    try:
        yield f"http://127.0.0.1:{child.port}", child.workers
    finally:
        child.stop()
